"""The sentences of the text prompts, one for each degradation; no torch is needed to read them."""

from __future__ import annotations

from dataclasses import dataclass

from dfpir.registry import Registry

PROMPTS: dict[str, dict[str, str]] = {
    "detailed": {
        "noise-15": "Gaussian noise with a standard deviation of 15",
        "noise-25": "Gaussian noise with a standard deviation of 25",
        "noise-50": "Gaussian noise with a standard deviation of 50",
        "rain": "Rain degradation with rain lines",
        "haze": "Hazy degradation with normal haze",
        "blur": "Blur degradation with motion blur",
        "lowlight": "Lowlight degradation",
    },
    "simple": {
        "noise-15": "Noise",
        "noise-25": "Noise",
        "noise-50": "Noise",
        "rain": "Rain",
        "haze": "Haze",
        "blur": "Blur",
        "lowlight": "Lowlight",
    },
}
"""Prompt set -> condition -> the paper's sentence."""

PAPER_CONDITIONS = tuple(PROMPTS["detailed"])
PAPER_SENTENCES = tuple(dict.fromkeys(text for texts in PROMPTS.values() for text in texts.values()))
"""Each of the paper's once, in the order of its lists: the places of one-hot codes."""


@dataclass(frozen=True, kw_only=True)
class Sentences:
    """What one condition is called in the detailed and in the simple prompt set."""

    detailed: str
    simple: str


SENTENCES: Registry[Sentences] = Registry("condition", entry_point_group="dfpir.tasks")
"""Condition -> its sentences; other packages' come with their tasks (`datasets.tasks.register_task`)."""

for _name in PAPER_CONDITIONS:
    SENTENCES.register(_name)(Sentences(detailed=PROMPTS["detailed"][_name], simple=PROMPTS["simple"][_name]))

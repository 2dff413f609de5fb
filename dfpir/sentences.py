"""The sentences that tell a model which degradation it faces; no torch is needed to read them."""

from __future__ import annotations

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
"""Prompt set -> condition -> its sentence: the paper's, and those of tasks that other packages add."""

PAPER_CONDITIONS = tuple(PROMPTS["detailed"])
PAPER_SENTENCES = tuple(dict.fromkeys(text for texts in PROMPTS.values() for text in texts.values()))
"""Each of the paper's once, in the order of its lists: the places of one-hot codes."""


def add_sentences(condition: str, *, detailed: str, simple: str) -> None:
    """Add a condition's sentences to both prompt sets.

    Raises:
        ValueError: it has others already, or one is empty.
    """
    for prompt_set, sentence in (("detailed", detailed), ("simple", simple)):
        if not sentence:
            raise ValueError(f"Condition {condition!r} needs a sentence in the {prompt_set} prompt set.")
        if PROMPTS[prompt_set].setdefault(condition, sentence) != sentence:
            raise ValueError(f"Condition {condition!r} has a {prompt_set} sentence already: choose another name.")

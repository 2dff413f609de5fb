"""What the separation of features by degradation proves: its two controls beside it, and one sentence on them.

Purities are compared by how much of the way from chance to 1 they come. Untrained weights separate "as well" where
they come `AS_WELL` of the way that trained ones do, and features follow a label where they come `FOLLOWS` of the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.measures import intervals
from reports.measures.section import Grid, Head, Value, head, words

AS_WELL, IN_PART = 0.9, 0.5
FOLLOWS = 0.1
NOT_MEASURED = (
    "Whether untrained weights or a random prompt give the same picture was not measured (measure separation), so it "
    "is no sign of anything learned."
)
SETTINGS = {
    ("trained", "condition"): "trained weights, right prompt, by degradation",
    ("untrained", "condition"): "untrained weights, right prompt, by degradation",
    ("random_prompt", "condition"): "trained weights, random prompt, by degradation",
    ("random_prompt", "told"): "trained weights, random prompt, by prompt told",
}
_TRAINED, _UNTRAINED, _TRUE, _TOLD = SETTINGS


@dataclass(frozen=True, kw_only=True)
class Controls:
    """Separation under each setting, means over seeds.

    Attributes:
        values: columns variant, layer, setting, by, silhouette, purity, chance, n_points, seeds; a row each.
        last: variant -> its last layer, which the sentence is about.
    """

    values: pd.DataFrame
    last: dict[str, str]

    def purity(self, variant: str, layer: str, setting: tuple[str, str]) -> tuple[float, float] | None:
        """Purity and its chance level, or None where it was not measured."""
        v = self.values
        rows = v[(v["variant"] == variant) & (v["layer"] == layer) & (v["setting"] == setting[0])]
        rows = rows[rows["by"] == setting[1]]
        return (float(rows["purity"].iloc[0]), float(rows["chance"].iloc[0])) if len(rows) else None


def separation_controls(table: pd.DataFrame) -> Controls | None:
    """Sum up the measure "separation"; None where no run has both trained and untrained features."""
    if not {"trained", "untrained"} <= set(table["setting"]):
        return None
    keys = ["variant", "layer", "setting", "by"]
    numbers = ["silhouette", "purity", "chance", "n_points"]
    grouped = table.groupby(keys, sort=False)
    values = grouped[numbers].mean().assign(seeds=grouped["seed"].nunique()).reset_index()
    last = {str(v): str(mine["layer"].iloc[-1]) for v, mine in table.groupby("variant", sort=False)}
    return Controls(values=values, last=last)


def sentences(found: Controls) -> list[str]:
    """What the separation proves, one sentence for all variants of which the same is true."""
    verdicts: dict[tuple[str, str, str], list[str]] = {}
    for variant, layer in found.last.items():
        kind = _kind(found, variant, layer)
        if kind is not None:
            verdicts.setdefault((layer, *kind), []).append(variant)
    said = [_sentence(found, names, layer, (trained, prompt)) for (layer, trained, prompt), names in verdicts.items()]
    return said or [NOT_MEASURED]


def _kind(found: Controls, variant: str, layer: str) -> tuple[str, str] | None:
    """How untrained weights compare ("none": nothing to compare), and what features follow under random prompts."""
    trained, untrained = (found.purity(variant, layer, s) for s in (_TRAINED, _UNTRAINED))
    if trained is None or untrained is None:
        return None
    if _above(trained) < FOLLOWS:
        return "none", ""
    share = _above(untrained) / _above(trained)
    compared = "as well" if share >= AS_WELL else "in part" if share >= IN_PART else "less"
    seen, told = (found.purity(variant, layer, s) for s in (_TRUE, _TOLD))
    if seen is None or told is None:
        return compared, ""
    if max(_above(seen), _above(told)) < FOLLOWS:
        return compared, "neither"
    if _above(seen) >= _above(told):
        return compared, "degradation"
    return compared, "prompt" if _above(seen) < FOLLOWS else "both"


def _above(purity: tuple[float, float]) -> float:
    """How far it comes from chance (0) to 1 (1)."""
    value, chance = purity
    return (value - chance) / (1 - chance) if chance < 1 else 0.0


UNTRAINED_CLAUSES = {
    "as well": "untrained weights separate the degradations as well (purity {u} against {t})",
    "in part": "untrained weights separate the degradations in large part (purity {u} against {t})",
    "less": "untrained weights separate the degradations far less (purity {u} against {t})",
}
PROMPT_CLAUSES = {
    "": "",
    "prompt": ", and under random prompts features follow the prompt told ({a}), not the degradation ({b})",
    "both": ", and under random prompts features follow the prompt told ({a}) more than the degradation ({b})",
    "degradation": ", and under random prompts features follow the degradation ({b}), not the prompt told ({a})",
    "neither": ", and under random prompts features follow neither the prompt told ({a}) nor the degradation ({b})",
}
SHOWN = {
    "": "the degraded input",
    "prompt": "the prompt",
    "both": "the prompt more than the degradation",
    "degradation": "the degradation",
    "neither": "what only the right prompt brings",
}
CONCLUSIONS = {
    "as well": "the separation shows {what}, not something learned",
    "in part": "the separation shows {what}, and most of it needs no training",
    "less": "the separation is learned, and shows {what}",
}
WHOLE = "In {names} ({layer}), {untrained}{prompt}: {conclusion}."
NONE = "In {names} ({layer}), features do not separate the degradations (purity {t}, chance {chance})."


def _sentence(found: Controls, names: list[str], layer: str, kind: tuple[str, str]) -> str:
    def told(setting: tuple[str, str], which: int = 0) -> str:
        return _range(p[which] for v in names if (p := found.purity(v, layer, setting)) is not None)

    compared, prompt = kind
    who = ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]
    if compared == "none":
        return NONE.format(names=who, layer=layer, t=told(_TRAINED), chance=told(_TRAINED, 1))
    return WHOLE.format(
        names=who,
        layer=layer,
        untrained=UNTRAINED_CLAUSES[compared].format(u=told(_UNTRAINED), t=told(_TRAINED)),
        prompt=PROMPT_CLAUSES[prompt].format(a=told(_TOLD), b=told(_TRUE)),
        conclusion=CONCLUSIONS[compared].format(what=SHOWN[prompt]),
    )


def _range(values: Iterable[float]) -> str:
    known = list(values)
    if not known:
        return ""
    low, high = (f"{v:.2f}" for v in (min(known), max(known)))
    return low if low == high else f"{low} to {high}"


def grids(found: Controls) -> list[Grid]:
    """Purity of each variant's last layer under every setting; and, folded, all layers."""
    rows = []
    for variant, layer in found.last.items():
        purities = [found.purity(variant, layer, setting) for setting in SETTINGS]
        chance = next((p[1] for p in purities if p is not None), float("nan"))
        cells = [_number(p[0] if p is not None else float("nan")) for p in purities]
        rows.append((words(variant), words(layer), *cells, _number(chance)))
    every = [
        (
            words(str(row["variant"])),
            words(str(row["layer"])),
            words(SETTINGS.get((row["setting"], row["by"]), f"{row['setting']}, {row['by']}")),
            _number(float(row["silhouette"])),
            _number(float(row["purity"])),
            _number(float(row["chance"])),
            Value(text=f"{row['n_points']:.0f}", sort=float(row["n_points"])),
        )
        for row in found.values.to_dict("records")
    ]
    start = (head("Variant"), head("Layer"))
    return [
        Grid(
            title="Controls of the separation",
            caption="kNN purity by what labels the patches, means over seeds; the same patches as in the figure. "
            "Random prompt: each patch is told a condition drawn for it.",
            heads=(
                *start,
                Head(text="Trained, right prompt"),
                Head(text="Untrained, right prompt"),
                Head(text="Random prompt, by degradation"),
                Head(text="Random prompt, by prompt told"),
                Head(text="Chance"),
            ),
            rows=tuple(rows),
        ),
        Grid(
            title="Controls of every variant and layer",
            caption="Silhouette and kNN purity, means over seeds.",
            heads=(
                *start,
                head("Setting"),
                *(Head(text=t) for t in ("Silhouette", "kNN purity", "Chance", "Patches")),
            ),
            rows=tuple(every),
            is_folded=True,
        ),
    ]


def _number(value: float) -> Value:
    return words("not measured") if np.isnan(value) else Value(text=intervals.number(value, 2), sort=value)


def summary(found: Controls) -> pd.DataFrame:
    """Every number, unrounded."""
    return found.values

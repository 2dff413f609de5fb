"""What the separation of features by degradation proves: its two controls beside it, and one sentence on them.

Purities are compared by how much of the way from chance to 1 they come. Untrained weights separate "as well" where
they come `SIMILAR_SHARE` of the way that trained ones do, and features follow a label where they come `FOLLOWS` of
the way.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.document import Cell, Column, Table, rows_of, text_column, words
from reports.feature_separation import SIMILAR_SHARE, above_chance
from reports.measures import intervals
from reports.messages import listed, message

IN_PART = 0.5
FOLLOWS = 0.1
NOT_MEASURED = message(
    "Whether untrained weights or a random prompt give the same picture was not measured (measure separation), so it "
    "is no sign of anything learned."
)
SETTINGS: dict[tuple[str, str], str] = {
    ("trained", "condition"): message("trained weights, right prompt, by degradation"),
    ("untrained", "condition"): message("untrained weights, right prompt, by degradation"),
    ("random_prompt", "condition"): message("trained weights, random prompt, by degradation"),
    ("random_prompt", "told"): message("trained weights, random prompt, by prompt told"),
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
    if above_chance(*trained) < FOLLOWS:
        return "none", ""
    share = above_chance(*untrained) / above_chance(*trained)
    compared = "as well" if share >= SIMILAR_SHARE else "in part" if share >= IN_PART else "less"
    seen, told = (found.purity(variant, layer, s) for s in (_TRUE, _TOLD))
    if seen is None or told is None:
        return compared, ""
    if max(above_chance(*seen), above_chance(*told)) < FOLLOWS:
        return compared, "neither"
    if above_chance(*seen) >= above_chance(*told):
        return compared, "degradation"
    return compared, "prompt" if above_chance(*seen) < FOLLOWS else "both"


def _untrained(compared: str, untrained: str, trained: str) -> str:
    told = {"untrained": untrained, "trained": trained}
    if compared == "as well":
        return message(
            "untrained weights separate the degradations as well (purity {untrained} against {trained})", **told
        )
    if compared == "in part":
        return message(
            "untrained weights separate the degradations in large part (purity {untrained} against {trained})", **told
        )
    return message(
        "untrained weights separate the degradations far less (purity {untrained} against {trained})", **told
    )


def _under_random_prompts(follows: str, prompt: str, degradation: str) -> str:
    """A clause with its comma; "" where it was not measured."""
    told = {"prompt": prompt, "degradation": degradation}
    if follows == "prompt":
        return message(
            ", and under random prompts features follow the prompt told ({prompt}), not the degradation "
            "({degradation})",
            **told,
        )
    if follows == "both":
        return message(
            ", and under random prompts features follow the prompt told ({prompt}) more than the degradation "
            "({degradation})",
            **told,
        )
    if follows == "degradation":
        return message(
            ", and under random prompts features follow the degradation ({degradation}), not the prompt told "
            "({prompt})",
            **told,
        )
    if follows == "neither":
        return message(
            ", and under random prompts features follow neither the prompt told ({prompt}) nor the degradation "
            "({degradation})",
            **told,
        )
    return ""


def _conclusion(compared: str, follows: str) -> str:
    shown: dict[str, str] = {
        "": message("the degraded input"),
        "prompt": message("the prompt"),
        "both": message("the prompt more than the degradation"),
        "degradation": message("the degradation"),
        "neither": message("what only the right prompt brings"),
    }
    what = shown[follows]
    if compared == "as well":
        return message("the separation shows {what}, not something learned", what=what)
    if compared == "in part":
        return message("the separation shows {what}, and most of it needs no training", what=what)
    return message("the separation is learned, and shows {what}", what=what)


def _sentence(found: Controls, names: list[str], layer: str, kind: tuple[str, str]) -> str:
    def told(setting: tuple[str, str], which: int = 0) -> str:
        return _range(p[which] for v in names if (p := found.purity(v, layer, setting)) is not None)

    compared, prompt = kind
    if compared == "none":
        return message(
            "In {names} ({layer}), features do not separate the degradations (purity {trained}, chance {chance}).",
            names=listed(names),
            layer=layer,
            trained=told(_TRAINED),
            chance=told(_TRAINED, 1),
        )
    return message(
        "In {names} ({layer}), {untrained}{prompt}: {conclusion}.",
        names=listed(names),
        layer=layer,
        untrained=_untrained(compared, told(_UNTRAINED), told(_TRAINED)),
        prompt=_under_random_prompts(prompt, told(_TOLD), told(_TRUE)),
        conclusion=_conclusion(compared, prompt),
    )


def _range(values: Iterable[float]) -> str:
    known = list(values)
    if not known:
        return ""
    low, high = (f"{v:.2f}" for v in (min(known), max(known)))
    return low if low == high else message("{low} to {high}", low=low, high=high)


def grids(found: Controls) -> list[Table]:
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
            Cell(text=f"{row['n_points']:.0f}", value=float(row["n_points"])),
        )
        for row in found.values.to_dict("records")
    ]
    start = (text_column(message("Variant")), text_column(message("Layer")))
    return [
        Table(
            title=message("Controls of the separation"),
            caption=message(
                "kNN purity by what labels the patches, means over seeds; the same patches as in the figure. Random "
                "prompt: each patch is told a condition drawn for it."
            ),
            columns=(
                *start,
                Column(head=message("Trained, right prompt")),
                Column(head=message("Untrained, right prompt")),
                Column(head=message("Random prompt, by degradation")),
                Column(head=message("Random prompt, by prompt told")),
                Column(head=message("Chance")),
            ),
            rows=rows_of(rows),
        ),
        Table(
            title=message("Controls of every variant and layer"),
            caption=message("Silhouette and kNN purity, means over seeds."),
            columns=(
                *start,
                text_column(message("Setting")),
                Column(head=message("Silhouette")),
                Column(head=message("kNN purity")),
                Column(head=message("Chance")),
                Column(head=message("Patches")),
            ),
            rows=rows_of(every),
            is_folded=True,
        ),
    ]


def _number(value: float) -> Cell:
    return words(message("not measured")) if np.isnan(value) else Cell(text=intervals.number(value, 2), value=value)


def summary(found: Controls) -> pd.DataFrame:
    """Every number, unrounded."""
    return found.values

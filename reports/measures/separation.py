"""Evidence from the separation of features by degradation: its two controls, and one sentence on them.

Purities are compared by how much of the way from chance to 1 they come. Untrained weights separate "as well" where
they come `SIMILAR_SHARE` of the way that trained ones do, and features separate by a label where they come
`MIN_SEPARATION` of the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports.document import Cell, Column, Table, rows_of, text_cell, text_column
from reports.feature_separation import SIMILAR_SHARE, above_chance
from reports.labels import layer_label
from reports.measures import intervals
from reports.messages import join_and, message

PARTIAL = 0.5
MIN_SEPARATION = 0.1
NOT_MEASURED = message(
    "Whether untrained weights or a random prompt give the same picture was not measured (measure separation), so it "
    "is no sign of anything learned."
)
SETTINGS: dict[tuple[str, str], str] = {
    ("trained", "condition"): message("trained weights, right prompt, by degradation"),
    ("untrained", "condition"): message("untrained weights, right prompt, by degradation"),
    ("random_prompt", "condition"): message("trained weights, random prompt, by degradation"),
    ("random_prompt", "told"): message("trained weights, random prompt, by prompt given"),
}
_TRAINED, _UNTRAINED, _BY_CONDITION, _BY_PROMPT = SETTINGS


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
        values = self.values
        rows = values[(values["variant"] == variant) & (values["layer"] == layer) & (values["setting"] == setting[0])]
        rows = rows[rows["by"] == setting[1]]
        return (float(rows["purity"].iloc[0]), float(rows["chance"].iloc[0])) if len(rows) else None


def summarize(table: pd.DataFrame) -> Controls | None:
    """Summarize the measure "separation"; None where no run has both trained and untrained features."""
    if not {"trained", "untrained"} <= set(table["setting"]):
        return None
    keys = ["variant", "layer", "setting", "by"]
    numbers = ["silhouette", "purity", "chance", "n_points"]
    grouped = table.groupby(keys, sort=False)
    values = grouped[numbers].mean().assign(seeds=grouped["seed"].nunique()).reset_index()
    last = {str(v): str(rows["layer"].iloc[-1]) for v, rows in table.groupby("variant", sort=False)}
    return Controls(values=values, last=last)


def sentences(controls: Controls, variants: Sequence[str] = ()) -> list[str]:
    """The conclusion from the controls, one sentence for all variants with the same one.

    `variants`: those that the sentences are about, all where it is empty; the table has every variant.
    """
    verdicts: dict[tuple[str, str, str], list[str]] = {}
    for variant, layer in controls.last.items():
        kind = _classify(controls, variant, layer) if not variants or variant in variants else None
        if kind is not None:
            verdicts.setdefault((layer, *kind), []).append(variant)
    lines = [
        _make_sentence(controls, names, layer, (trained, prompt))
        for (layer, trained, prompt), names in verdicts.items()
    ]
    return lines or [NOT_MEASURED]


def _classify(controls: Controls, variant: str, layer: str) -> tuple[str, str] | None:
    """Class of the untrained weights ("none": no separation), and of the features under random prompts."""
    trained, untrained = (controls.purity(variant, layer, s) for s in (_TRAINED, _UNTRAINED))
    if trained is None or untrained is None:
        return None
    if above_chance(*trained) < MIN_SEPARATION:
        return "none", ""
    ratio = above_chance(*untrained) / above_chance(*trained)
    compared = "as well" if ratio >= SIMILAR_SHARE else "in part" if ratio >= PARTIAL else "less"
    by_condition, by_prompt = (controls.purity(variant, layer, s) for s in (_BY_CONDITION, _BY_PROMPT))
    if by_condition is None or by_prompt is None:
        return compared, ""
    if max(above_chance(*by_condition), above_chance(*by_prompt)) < MIN_SEPARATION:
        return compared, "neither"
    if above_chance(*by_condition) >= above_chance(*by_prompt):
        return compared, "degradation"
    return compared, "prompt" if above_chance(*by_condition) < MIN_SEPARATION else "both"


def _conclusion(compared: str, follows: str) -> str:
    texts: dict[str, str] = {
        "": message("the degraded input"),
        "prompt": message("the prompt"),
        "both": message("the prompt more than the degradation"),
        "degradation": message("the degradation"),
        "neither": message("what only the right prompt brings"),
    }
    evidence = texts[follows]
    if compared == "as well":
        return message("the separation shows {evidence}, not something learned", evidence=evidence)
    if compared == "in part":
        return message("the separation shows {evidence}, and most of it needs no training", evidence=evidence)
    return message("the separation is learned, and shows {evidence}", evidence=evidence)


def _make_sentence(controls: Controls, names: list[str], layer: str, kind: tuple[str, str]) -> str:
    def purity_range(setting: tuple[str, str], position: int = 0) -> str:
        return _format_range(
            purity[position] for v in names if (purity := controls.purity(v, layer, setting)) is not None
        )

    compared, prompt = kind
    if compared == "none":
        return message(
            "In {names} ({layer}), features do not separate the degradations (purity {trained}, chance {chance}).",
            names=join_and(names),
            layer=layer_label(layer),
            trained=purity_range(_TRAINED),
            chance=purity_range(_TRAINED, 1),
        )
    values = {
        "names": join_and(names),
        "layer": layer_label(layer),
        "trained": purity_range(_TRAINED),
        "untrained": purity_range(_UNTRAINED),
        "conclusion": _conclusion(compared, prompt),
    }
    if not prompt:
        return message(
            "In {names} ({layer}), purity by degradation is {trained} after and {untrained} before training: "
            "{conclusion}.",
            **values,
        )
    return message(
        "In {names} ({layer}), purity by degradation is {trained} after and {untrained} before training, and with "
        "random prompts {by_degradation} by degradation and {by_prompt} by prompt: {conclusion}.",
        **values,
        by_prompt=purity_range(_BY_PROMPT),
        by_degradation=purity_range(_BY_CONDITION),
    )


def _format_range(values: Iterable[float]) -> str:
    measured = list(values)
    if not measured:
        return ""
    low, high = (f"{v:.2f}" for v in (min(measured), max(measured)))
    return low if low == high else message("{low} to {high}", low=low, high=high)


def make_tables(controls: Controls) -> list[Table]:
    """Purity of each variant's last layer under every setting; and, folded, all layers."""
    rows = []
    for variant, layer in controls.last.items():
        purities = [controls.purity(variant, layer, setting) for setting in SETTINGS]
        chance = next((p[1] for p in purities if p is not None), float("nan"))
        cells = [_number(p[0] if p is not None else float("nan")) for p in purities]
        rows.append((text_cell(variant), text_cell(layer_label(layer), hover=layer), *cells, _number(chance)))
    all_rows = [
        (
            text_cell(str(row["variant"])),
            text_cell(layer_label(str(row["layer"])), hover=str(row["layer"])),
            text_cell(SETTINGS.get((row["setting"], row["by"]), f"{row['setting']}, {row['by']}")),
            _number(float(row["silhouette"])),
            _number(float(row["purity"])),
            _number(float(row["chance"])),
            Cell(text=f"{row['n_points']:.0f}", value=float(row["n_points"])),
        )
        for row in controls.values.to_dict("records")
    ]
    heads = (text_column(message("Variant")), text_column(message("Layer")))
    return [
        Table(
            title=message("Controls of the separation"),
            caption=message(
                "kNN purity by label of the patches, means over seeds. Random prompt: each patch is given the prompt "
                "of a condition drawn at random."
            ),
            columns=(
                *heads,
                Column(head=message("Trained, right prompt")),
                Column(head=message("Untrained, right prompt")),
                Column(head=message("Random prompt, by degradation")),
                Column(head=message("Random prompt, by prompt given")),
                Column(head=message("Chance")),
            ),
            rows=rows_of(rows),
        ),
        Table(
            title=message("Controls of every variant and layer"),
            caption=message("Silhouette and kNN purity, means over seeds."),
            columns=(
                *heads,
                text_column(message("Setting")),
                Column(head=message("Silhouette")),
                Column(head=message("kNN purity")),
                Column(head=message("Chance")),
                Column(head=message("Patches")),
            ),
            rows=rows_of(all_rows),
            is_collapsed=True,
        ),
    ]


def _number(value: float) -> Cell:
    return text_cell(message("not measured")) if np.isnan(value) else Cell(text=intervals.number(value, 2), value=value)


def to_frame(controls: Controls) -> pd.DataFrame:
    """Every number, unrounded."""
    return controls.values

"""Per-image differences of a variant from the reference, and the images where they are largest and smallest.

The study's end restores these images again and keeps their crops in the study's folder (`ablations.harness.extremes`);
here is what they are, and what of it lies there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reports import schema
from reports.artifacts import inside
from reports.stats import AVERAGE, Analysis, means
from reports.study import Study

LEAST_DB = 0.05
"""A smaller difference is not shown, in dB."""
HIGHEST, LOWEST = "highest", "lowest"
_KEY = ["dataset", "condition", "image"]

FILES = ("degraded", "reference", "variant", "clean")
"""The crops of an extreme, in the order in which they are shown."""


@dataclass(frozen=True, kw_only=True)
class Extreme:
    """The image under a condition with the largest or the smallest difference of a pair.

    Attributes:
        kind: HIGHEST or LOWEST.
        rank: from 1, among the sorted differences.
        variant_db: PSNR in dB, averaged over seeds; likewise `reference_db`.
    """

    kind: str
    rank: int
    variant: str
    reference: str
    dataset: str
    condition: str
    image: str
    variant_db: float
    reference_db: float

    @property
    def gap_db(self) -> float:
        """The difference, in dB."""
        return self.variant_db - self.reference_db


@dataclass(frozen=True, kw_only=True)
class StoredExtreme:
    """An entry of extremes.json that agrees with the study's rows; `files` are its crops by the names in `FILES`."""

    record: schema.ExtremeRecord
    files: dict[str, Path]


def variants_with_figure(study: Study, analysis: Analysis) -> list[str]:
    """The first two featured variants beside the reference; without featured ones the highest and the lowest mean."""
    table = means(analysis.scores)[AVERAGE].drop(index="input").dropna()
    reference = str(study.reference)
    if reference not in table.index:
        return []
    if featured := [v for v in study.featured if v in table.index and v != reference]:
        return featured[:2]
    gains = (table - table[reference]).drop(index=reference).sort_values(kind="stable")
    return [str(v) for v in dict.fromkeys([*gains.index[-1:], *gains.index[:1]])]


def differences(study: Study, variant: str, reference: str) -> pd.DataFrame:
    """Columns variant, reference, gap (their difference): PSNR in dB of each image under each condition, by rising gap.

    Averaged over the seeds that both have (over all seeds of each, where they share none). Index: data set, condition,
    image.
    """
    rows = study.rows
    rows = rows[(rows["metric"] == schema.PSNR) & rows["variant"].isin([variant, reference])]
    seeds = [set(rows.loc[rows["variant"] == v, "seed"].unique()) for v in (variant, reference)]
    shared = (seeds[0] & seeds[1]) or (seeds[0] | seeds[1])
    scores = {
        name: rows[(rows["variant"] == v) & rows["seed"].isin(shared)].groupby(_KEY, observed=True)["value"].mean()
        for name, v in (("variant", variant), ("reference", reference))
    }
    paired = pd.DataFrame(scores).dropna()
    return paired.assign(gap=paired["variant"] - paired["reference"]).sort_values("gap", kind="stable")


def extremes_of(gaps: pd.DataFrame, variant: str, reference: str) -> list[Extreme]:
    """The largest and the smallest difference; without one below `LEAST_DB` in absolute value.

    Args:
        gaps: of `differences`, two rows or more.
        variant: whose they are.
        reference: from which.
    """
    return extremes_among(gaps, [True] * len(gaps), variant, reference)


def extremes_among(gaps: pd.DataFrame, candidates: Sequence[bool], variant: str, reference: str) -> list[Extreme]:
    """`extremes_of` the rows that are candidates; one where only one is."""
    ranks = [rank for rank, is_candidate in enumerate(candidates, start=1) if is_candidate]
    ends = [(HIGHEST, ranks[-1]), (LOWEST, ranks[0])][: len(ranks)] if ranks else []
    extremes = [_extreme(gaps, kind, rank, variant, reference) for kind, rank in ends]
    return [extreme for extreme in extremes if abs(extreme.gap_db) >= LEAST_DB]


def _extreme(gaps: pd.DataFrame, kind: str, rank: int, variant: str, reference: str) -> Extreme:
    dataset, condition, image = map(str, gaps.index[rank - 1])
    row = gaps.iloc[rank - 1]
    return Extreme(
        kind=kind, rank=rank, variant=variant, reference=reference, dataset=dataset, condition=condition, image=image,
        variant_db=float(row["variant"]), reference_db=float(row["reference"]),
    )  # fmt: skip


def study_extremes(study: Study) -> list[Extreme]:
    """The extremes of each pair that has a figure."""
    extremes = []
    for variant in variants_with_figure(study, study.analysis(schema.PSNR)):
        gaps = differences(study, variant, str(study.reference))
        if len(gaps) > 1:
            extremes += extremes_of(gaps, variant, str(study.reference))
    return extremes


def scores_by_seed(study: Study, extreme: Extreme) -> pd.DataFrame:
    """The extreme's scores in the runs of each seed that both variants have, nearest to the mean difference first.

    Index: seed. Columns: variant, reference, input (PSNR in dB), variant_run, reference_run (run ids).
    """
    rows = study.rows[study.rows["metric"] == schema.PSNR]
    for name in _KEY:
        rows = rows[rows[name] == getattr(extreme, name)]
    sides = []
    for side in ("variant", "reference"):
        seed_rows = rows[rows["variant"] == getattr(extreme, side)].drop_duplicates("seed").set_index("seed")
        sides.append(seed_rows[["value", "run_id"]].rename(columns={"value": side, "run_id": f"{side}_run"}))
        if side == "variant":
            sides.append(seed_rows[["input_value"]].rename(columns={"input_value": "input"}))
    table = pd.concat(sides, axis=1, join="inner")
    distance = (table["variant"] - table["reference"] - extreme.gap_db).abs()
    nearest_first: pd.DataFrame = table.loc[distance.sort_values(kind="stable").index]
    return nearest_first


def stored_extreme(study: Study, extreme: Extreme) -> StoredExtreme | None:
    """The entry of the study's extremes.json for an extreme; None where there is none, or its scores are others now."""
    if study.folder is None:
        return None
    for record in _records(study.folder):
        try:
            if not _is_of(record, extreme) or not _agrees(record, scores_by_seed(study, extreme)):
                continue
            folder = study.folder / schema.EXTREMES_FOLDER
            files = {name: inside(folder, str(record["files"][name])) for name in FILES}
        except (KeyError, TypeError, ValueError):
            continue
        return StoredExtreme(record=schema.ExtremeRecord(**record), files=files)  # type: ignore[typeddict-item]
    return None


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    """The entries of extremes.json; none where it can't be read."""
    try:
        content = json.loads((folder / schema.EXTREMES_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    yield from (record for record in content if isinstance(record, dict)) if isinstance(content, list) else ()


def _is_of(record: dict[str, Any], extreme: Extreme) -> bool:
    return all(record[name] == getattr(extreme, name) for name in ("variant", "reference", *_KEY))


def _agrees(record: dict[str, Any], scores: pd.DataFrame) -> bool:
    """Whether the scores of the entry's seed are still the runs'."""
    if record["seed"] not in scores.index:
        return False
    row = scores.loc[record["seed"]]
    return all(
        math.isclose(record[f"{side}_psnr_db"], row[side], abs_tol=1e-6) for side in ("variant", "reference", "input")
    )

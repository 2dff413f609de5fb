"""Compare two folders of one study: what changed from the first to the second, and whether significantly.

A variant is compared with itself, image by image and seed by seed, on the images that every run of both has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports import schema
from reports.compare_settings import check_same_protocol_and_data, differing_settings, renamed_datasets
from reports.compare_variants import ModelPair, VariantChange, variant_changes
from reports.load import check_comparable, load_study
from reports.stats import collect
from reports.study import Entry, Study
from reports.subsets import main_subset
from reports.verdict import verdict_of


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two reports of one study side by side.

    Attributes:
        changes: metric -> every variant and condition that both have, the average first.
        conditions: columns in the order of tables, without the average.
        unshared: variants with finished runs in the first study alone, and in the second alone.
        dropped: scores excluded because a run of the other study lacks the image.
        settings: (name, before, after) of settings that differ.
        headlines: each study's own verdict in one sentence.
    """

    changes: dict[str, tuple[VariantChange, ...]]
    conditions: tuple[str, ...]
    unshared: tuple[tuple[str, ...], tuple[str, ...]]
    dropped: int
    settings: tuple[tuple[str, str, str], ...]
    headlines: tuple[str, str]


def compare(before: Study, after: Study) -> Comparison:
    """Compare two studies of one protocol and the same data.

    Raises:
        ValueError: other protocols, data or conditions, or nothing that both have; one line.
    """
    check_same_protocol_and_data(before, after)
    pairs = shared_models(before, after)
    if not pairs:
        names = [_finished_variants(study) for study in (before, after)]
        raise ValueError(f"No variant has finished runs in both: {names[0]} before, {names[1]} after.")
    rows: dict[str, tuple[VariantChange, ...]] = {}
    collected = {}
    for metric in schema.METRICS:
        collected[metric.name] = collect(_rows_of_both(before, after, pairs), metric)
        rows[metric.name] = variant_changes(collected[metric.name], pairs)
    scores = collected[schema.PSNR]
    finished = [{n for n, trained in _trained_names(s).items() if s.done_runs_of(trained)} for s in (before, after)]
    return Comparison(
        changes=rows,
        conditions=scores.conditions,
        unshared=(tuple(sorted(finished[0] - finished[1])), tuple(sorted(finished[1] - finished[0]))),
        dropped=scores.dropped,
        settings=differing_settings(before, after),
        headlines=(_headline(before), _headline(after)),
    )


def shared_models(before: Study, after: Study) -> dict[str, ModelPair]:
    """Models with finished runs in both studies, by variant in the order of `after`.

    A variant that was trained in one study may be an alias of another variant in the other.
    """
    trained_before, trained_after = _trained_names(before), _trained_names(after)
    pairs: dict[tuple[str, str], str] = {}
    for variant, new in trained_after.items():
        old = trained_before.get(variant, "")
        if old and before.done_runs_of(old) and after.done_runs_of(new):
            pairs.setdefault((old, new), variant)  # other names of the same two models add nothing
    return {
        variant: ModelPair(before=old, after=new, same_runs=_same_runs(before, after, old, new))
        for (old, new), variant in pairs.items()
    }


def load_for_comparison(folder: Path) -> Study:
    """A study of a comparison.

    Raises:
        ValueError: no study there, or numbers that can't be compared; one line.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"{folder}: no such folder.")
    study = main_subset(load_study(folder))
    check_comparable(study)
    return study


def _trained_names(study: Study) -> dict[str, str]:
    """Every name of a model, other names included -> the name it was trained under."""
    return {entry.variant: _trained_name(entry) for entry in study.entries}


def _trained_name(entry: Entry) -> str:
    return entry.alias_of or entry.variant


def _same_runs(before: Study, after: Study, old: str, new: str) -> bool:
    """Whether both have the same run ids with the same scores: a run may have been repeated with other code."""
    ids = [{run.run_id for run in study.done_runs_of(name)} for study, name in ((before, old), (after, new))]
    if ids[0] != ids[1]:
        return False
    key = ["run_id", "dataset", "condition", "image", "metric"]
    first, second = (
        study.rows[study.rows["variant"] == name].sort_values(key) for study, name in ((before, old), (after, new))
    )
    return first["run_id"].tolist() == second["run_id"].tolist() and np.array_equal(first["value"], second["value"])


def _rows_of_both(before: Study, after: Study, pairs: dict[str, ModelPair]) -> pd.DataFrame:
    """Rows of both studies, each variant under two names (reports/compare_variants.py)."""
    frames = []
    renamed = renamed_datasets(before, after)
    for side, study in enumerate((before, after)):
        images = study.rows
        if renamed and side == 0:
            images = images.assign(dataset=images["dataset"].astype(str).replace(renamed))
        for name, pair in pairs.items():
            trained = pair.after if side else pair.before
            frames.append(images[images["variant"] == trained].assign(variant=f"{side} {name}"))
    return pd.concat(frames, ignore_index=True)


def _headline(study: Study) -> str:
    return verdict_of(study).headline


def _finished_variants(study: Study) -> str:
    finished = [v for v in study.variants if study.done_runs_of(v)]
    return ", ".join(finished) or "none"


def comparison_frame(comparison: Comparison) -> pd.DataFrame:
    """Every number unrounded, all metrics."""
    rows: list[dict[str, Any]] = []
    for metric, changes in comparison.changes.items():
        for change in changes:
            e = change.estimate
            rows.append({
                "variant": change.variant, "condition": change.condition, "metric": metric,
                "before": change.before, "after": change.after,
                "difference": e.value, "ci_low": e.low, "ci_high": e.high, "se": e.se, "df": e.df, "p": e.p,
                "p_adjusted": change.p_adjusted, "n_seeds": e.n_seeds, "n_images": change.n_images,
                "seeds_paired": change.seeds_paired, "same_runs": change.same_runs,
                "more_than_noise": change.is_significant,
            })  # fmt: skip
    return pd.DataFrame(rows).replace({math.inf: np.nan})

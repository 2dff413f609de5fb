"""Two folders of one study: what moved from the first to the second, and whether it is more than noise.

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
from reports.compare_settings import check_same_terms, differing_terms, same_data_renamed
from reports.compare_variants import Change, changes
from reports.load import check_comparable, load_study
from reports.stats import collect
from reports.study import Entry, Study
from reports.subsets import main_part
from reports.verdict import verdict_of


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two reports of one study side by side.

    Attributes:
        rows: metric -> every variant and condition that both have, the average first.
        conditions: columns in the order of tables, without the average.
        alone: variants with finished runs in the first study alone, and in the second alone.
        dropped: scores left out because a run of the other study lacks the image.
        terms: (name, before, after) of settings that differ.
        headlines: each study's own verdict in one sentence.
    """

    rows: dict[str, tuple[Change, ...]]
    conditions: tuple[str, ...]
    alone: tuple[tuple[str, ...], tuple[str, ...]]
    dropped: int
    terms: tuple[tuple[str, str, str], ...]
    headlines: tuple[str, str]


def compare(before: Study, after: Study) -> Comparison:
    """Compare two studies of one protocol and the same data.

    Raises:
        ValueError: other protocols, data or conditions, or nothing that both have; one line.
    """
    check_same_terms(before, after)
    pairs = shared_models(before, after)
    if not pairs:
        raise ValueError(f"No variant has finished runs in both: {_have(before)} before, {_have(after)} after.")
    rows: dict[str, tuple[Change, ...]] = {}
    collected = {}
    for metric in schema.METRICS:
        collected[metric.name] = collect(_both(before, after, pairs), metric)
        rows[metric.name] = changes(collected[metric.name], pairs)
    scores = collected[schema.PSNR]
    done = [{n for n, trained in _models(s).items() if s.done_runs_of(trained)} for s in (before, after)]
    return Comparison(
        rows=rows,
        conditions=scores.conditions,
        alone=(tuple(sorted(done[0] - done[1])), tuple(sorted(done[1] - done[0]))),
        dropped=scores.dropped,
        terms=differing_terms(before, after),
        headlines=(_headline(before), _headline(after)),
    )


def shared_models(before: Study, after: Study) -> dict[str, tuple[str, str, bool]]:
    """Variant -> its trained name before and after, and whether its runs are the same ones.

    A variant may have been trained in one study and be another's second name in the other. In the order of `after`.
    """
    old, new = _models(before), _models(after)
    found: dict[str, tuple[str, str, bool]] = {}
    for name, trained in new.items():
        pair = (old.get(name, ""), trained)
        if not pair[0] or not before.done_runs_of(pair[0]) or not after.done_runs_of(trained):
            continue
        if pair in {(a, b) for a, b, _ in found.values()}:
            continue  # two names of one model in both
        ids = [{run.run_id for run in s.done_runs_of(v)} for s, v in zip((before, after), pair, strict=True)]
        found[name] = (*pair, ids[0] == ids[1] and _same_scores(before, after, *pair))
    return found


def load_side(folder: Path) -> Study:
    """A study of a comparison.

    Raises:
        ValueError: no study there, or numbers that can't be compared; one line.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"{folder}: no such folder.")
    study = main_part(load_study(folder))
    check_comparable(study)
    return study


def _models(study: Study) -> dict[str, str]:
    """Every name of a model, other names included -> the name it was trained under."""
    return {entry.variant: _trained(entry) for entry in study.entries}


def _trained(entry: Entry) -> str:
    return entry.alias_of or entry.variant


def _same_scores(before: Study, after: Study, old: str, new: str) -> bool:
    """Whether runs of one id hold the same numbers: a run may have been made again by other code."""
    key = ["run_id", "dataset", "condition", "image", "metric"]
    sides = (s.rows[s.rows["variant"] == v].sort_values(key) for s, v in ((before, old), (after, new)))
    first, second = ((x["run_id"].tolist(), x["value"].to_numpy()) for x in sides)
    return first[0] == second[0] and np.array_equal(first[1], second[1])


def _both(before: Study, after: Study, pairs: dict[str, tuple[str, str, bool]]) -> pd.DataFrame:
    """Rows of both studies, each variant under two names (reports/compare_variants.py)."""
    frames = []
    renamed = same_data_renamed(before, after)
    for side, study in enumerate((before, after)):
        images = study.rows
        if renamed and side == 0:
            images = images.assign(dataset=images["dataset"].astype(str).replace(renamed))
        for name, pair in pairs.items():
            frames.append(images[images["variant"] == pair[side]].assign(variant=f"{side} {name}"))
    return pd.concat(frames, ignore_index=True)


def _headline(study: Study) -> str:
    return verdict_of(study).headline


def _have(study: Study) -> str:
    done = [v for v in study.variants if study.done_runs_of(v)]
    return ", ".join(done) or "none"


def comparison_frame(found: Comparison) -> pd.DataFrame:
    """Every number unrounded, all metrics."""
    rows: list[dict[str, Any]] = []
    for metric, every in found.rows.items():
        for m in every:
            e = m.estimate
            rows.append({
                "variant": m.variant, "condition": m.condition, "metric": metric, "before": m.before, "after": m.after,
                "difference": e.value, "ci_low": e.low, "ci_high": e.high, "se": e.se, "df": e.df, "p": e.p,
                "p_adjusted": m.p_adjusted, "n_seeds": e.n_seeds, "n_images": m.n_images,
                "seeds_paired": m.seeds_paired, "same_runs": m.same_runs, "more_than_noise": m.is_real,
            })  # fmt: skip
    return pd.DataFrame(rows).replace({math.inf: np.nan})

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

from reports import html, schema
from reports.compared_terms import check_same_terms, differing_terms, same_data_renamed
from reports.compared_words import Said, say
from reports.figures import moved as figure
from reports.figures import style
from reports.files import write_csv, write_text
from reports.labels import condition_label
from reports.load import check_comparable, load_study
from reports.moved import Moved, moved
from reports.parts import main_part
from reports.stats import AVERAGE, collect
from reports.study import Entry, Study
from reports.verdict import verdict_of
from reports.wording import show, show_p, signed


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

    rows: dict[str, tuple[Moved, ...]]
    conditions: tuple[str, ...]
    alone: tuple[tuple[str, ...], tuple[str, ...]]
    dropped: int
    terms: tuple[tuple[str, str, str], ...]
    headlines: tuple[str, str]


def build_comparison(before: Path, after: Path, out_dir: Path | None = None) -> Path:
    """Write comparison.html and comparison.csv.

    Args:
        before: a study folder.
        after: another folder of the same study, or of one that shares variants with it.
        out_dir: where to write; `after` by default.

    Returns:
        comparison.html.

    Raises:
        ValueError: other protocols, data or conditions, or nothing that both have; one line.
    """
    studies = (_study(before), _study(after))
    found = compare(*studies)
    out = out_dir if out_dir is not None else Path(after)
    _write_csv(found, out / schema.COMPARISON_CSV_FILE)
    with style.settings():
        picture = figure.draw(found.rows[schema.PSNR], out / schema.FIGURES_FOLDER)
    said = say(found.rows[schema.PSNR], found.alone, found.dropped)
    text = render(found, said, picture, names=(_folder_name(before), _folder_name(after)), title=studies[1].title)
    return write_text(out / schema.COMPARISON_FILE, text)


def compare(before: Study, after: Study) -> Comparison:
    """Compare two studies of one protocol and the same data.

    Raises:
        ValueError: see `build_comparison`.
    """
    check_same_terms(before, after)
    pairs = shared_models(before, after)
    if not pairs:
        raise ValueError(f"No variant has finished runs in both: {_have(before)} before, {_have(after)} after.")
    rows: dict[str, tuple[Moved, ...]] = {}
    collected = {}
    for metric in schema.METRICS:
        collected[metric.name] = collect(_both(before, after, pairs), metric)
        rows[metric.name] = moved(collected[metric.name], pairs)
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


def render(found: Comparison, said: Said, picture: style.Picture | None, *, names: tuple[str, str], title: str) -> str:
    """The page as one HTML text that fetches nothing."""
    psnr = found.rows[schema.PSNR]
    by_variant = {m.variant: {c.condition: c for c in psnr if c.variant == m.variant} for m in psnr}
    return html.page(
        "comparison.html.j2",
        styles=("report.css", "comparison.css"),
        scripts=("report.js",),
        filters={"show": show, "show_p": show_p, "signed": signed},
        title=title,
        names=names,
        said=said,
        picture=picture,
        terms=found.terms,
        headlines=found.headlines,
        averages=[m for m in psnr if m.condition == AVERAGE],
        by_variant=by_variant,
        heads=[(c, condition_label(c)) for c in found.conditions],
        csv=schema.COMPARISON_CSV_FILE,
        figures_folder=schema.FIGURES_FOLDER,
    )


def _study(folder: Path) -> Study:
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
    """Rows of both studies, each variant under two names (reports/moved.py)."""
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


def _folder_name(folder: Path) -> str:
    """The folder as a reader tells it from the other: its own name and that of the runs folder it lies in."""
    path = Path(folder).resolve()
    return f"{path.parent.parent.name}/{path.parent.name}/{path.name}"


def _write_csv(found: Comparison, path: Path) -> None:
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
    frame = pd.DataFrame(rows).replace({math.inf: np.nan})
    write_csv(path, frame, "%.6f")

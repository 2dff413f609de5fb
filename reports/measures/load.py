"""Measures of a study's finished runs, read from disk; a table that is damaged is named and left out."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from reports import schema
from reports.extra_metrics import metric_problems
from reports.run_folder import read_json
from reports.study import Run, Status, Study

_RESPONSE = ["dataset", "image", "condition", "given", "metric"]
_KEYS: dict[str, list[str]] = {
    "prompts": _RESPONSE,
    "levels": _RESPONSE,
    "mixed": _RESPONSE,
    "precision": _RESPONSE,
    "order_moves": ["given", "block", "condition"],
    "interference": ["step", "draw", "loss", "group", "task_a", "task_b"],
    "separation": ["setting", "layer", "by"],
    "information": ["level", "part", "condition"],
    "routing": ["layer", "condition", "expert"],
}
_UPPER = {m.name: m.upper for m in schema.METRICS}
_ERROR = ".error.json"  # behind a measure's name: why it could not be taken
_NO_SETTINGS = ("run", "version")


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What was found in the runs' folders.

    Attributes:
        tables: measure -> rows of all runs that have it: the columns of `schema.MEASURE_COLUMNS` after variant, seed
            and run_id; PSNR capped as in `Study.rows`. A measure that no run has is no key.
        settings: measure -> the sizes that all its tables were taken with.
        counts: measure -> number of runs that have it; a table without rows (it does not apply) is none.
        runs: number of finished runs.
        problems: one line for each table that can't be shown, or only in part.
        declared: measure of another package -> what its section shows.
    """

    tables: dict[str, pd.DataFrame]
    settings: dict[str, dict[str, str]]
    counts: dict[str, int]
    runs: int
    problems: tuple[str, ...]
    declared: dict[str, schema.MeasureSection] = field(default_factory=dict)


def load_measures(study: Study) -> Measures:
    """Read the measures of all finished runs under the study's names, each model once; never raises for their content.

    Runs are shared, so that some may have been measured for another study: a measure that this one does not ask for is
    shown if all its runs have it, and else left out, since variants without it would seem to have nothing to show.

    A condition that was measured on several test sets is shown on one: the set of the study's own table if that is
    among them, else the first.
    """
    found: dict[str, list[pd.DataFrame]] = {}
    facts: dict[str, list[dict[str, str]]] = {}
    problems: list[str] = []
    declared: dict[str, schema.MeasureSection] = {}
    done = sum(e.alias_of is None and study.runs[e.run_id].status is Status.DONE for e in study.entries)
    told_of = _told_of(study, done)
    for entry in study.entries:
        run = study.runs[entry.run_id]
        if entry.alias_of is not None or run.status is not Status.DONE:
            continue
        problems += _failures(run, told_of) + metric_problems(run.path, study.metrics)
        for name in _names(run, problems):
            if name not in told_of:
                continue
            try:
                frame, told = schema.read_measure(run.path, name)
                if frame.empty:  # a measure that doesn't apply, wrong prompts of a blind model say
                    continue
                section = schema.MeasureSection.from_facts(told)
                frame = _checked(frame, name, section)
            except Exception as error:  # whatever is wrong with one file, the others still stand
                problems.append(f"{name} of {run.run_id} is left out: {' '.join(str(error).split())}")
                continue
            names = {"variant": entry.variant, "seed": entry.seed, "run_id": run.run_id}
            found.setdefault(name, []).append(pd.concat([pd.DataFrame(names, index=frame.index), frame], axis=1))
            facts.setdefault(name, []).append(told)
            if section is not None:
                declared[name] = section
    own_sets = dict(zip(study.test_settings["condition"], study.test_settings["dataset"], strict=True))
    tables = {}
    for name in (*schema.MEASURE_COLUMNS, *sorted(declared)):
        if name in found:
            tables[name], remarks = _one_set(pd.concat(found[name], ignore_index=True), name, own_sets)
            problems += remarks
    settings = {name: _settings(told) for name, told in facts.items()}
    for name, found_settings in settings.items():
        problems += [
            f"{name} was taken with different settings in different runs: {key} {', '.join(values)}."
            for key, values in found_settings.items()
            if len(values) > 1
        ]
    return Measures(
        tables=tables,
        settings={n: {k: v[0] for k, v in s.items() if len(v) == 1} for n, s in settings.items()},
        counts={name: len(frames) for name, frames in found.items()},
        runs=done,
        problems=tuple(problems),
        declared=declared,
    )


def _told_of(study: Study, done: int) -> set[str]:
    """The measures that the study's page tells of: those asked for, and those that all finished runs have."""
    if study.measures is None:
        return set(schema.MEASURE_COLUMNS)
    runs = [study.runs[e.run_id] for e in study.entries if e.alias_of is None]
    having = Counter(name for run in runs if run.status is Status.DONE for name in _names(run, []))
    return {*study.measures, *(name for name, count in having.items() if count == done)}


def _names(run: Run, problems: list[str]) -> list[str]:
    """Measures that the run has a file of; files that no measure is called after are named in `problems`."""
    files = (run.path / schema.MEASURES_FOLDER).glob("*.parquet")
    present = {path.stem: path for path in sorted(files) if not path.name.startswith(schema.METRIC_PREFIX)}
    others = [name for name in present if name not in schema.MEASURE_COLUMNS]
    declared = [name for name in others if schema.declared_section(present[name]) is not None]
    unknown = [name for name in others if name not in declared]
    if unknown:
        problems.append(f"{', '.join(unknown)} of {run.run_id}: no measure that this version knows.")
    return [*(name for name in schema.MEASURE_COLUMNS if name in present), *declared]


def _checked(frame: pd.DataFrame, name: str, section: schema.MeasureSection | None) -> pd.DataFrame:
    """The table with scores capped.

    Raises:
        ValueError: a row that occurs twice, an unknown metric, or an infinite number other than a score.
    """
    keys = _KEYS[name] if section is None else list(section.keys)
    repeated = frame.duplicated(keys)
    if repeated.any():
        raise ValueError(f"a row occurs twice: {frame.loc[repeated, keys].iloc[0].to_dict()}.")
    if "metric" in frame and section is None:
        unknown = sorted(set(frame["metric"]) - set(_UPPER))
        if unknown:
            raise ValueError(f"column 'metric' holds {unknown[0]!r}; allowed: {', '.join(_UPPER)}.")
        upper = frame["metric"].map(_UPPER)
        return frame.assign(value=frame["value"].clip(upper=upper), input_value=frame["input_value"].clip(upper=upper))
    for column in frame.select_dtypes("float"):
        if not np.isfinite(frame[column]).all():
            raise ValueError(f"column {column!r} holds an infinite value.")
    return frame


def _one_set(table: pd.DataFrame, name: str, own_sets: dict[str, str]) -> tuple[pd.DataFrame, list[str]]:
    """The rows of one test set a condition, and a remark for each condition that had more."""
    if "dataset" not in table or name not in schema.MEASURE_COLUMNS:
        return table, []
    remarks = []
    chosen: dict[str, str] = {}
    for condition, rows in table.groupby("condition", sort=False):
        sets = list(dict.fromkeys(rows["dataset"]))
        own = own_sets.get(str(condition), "")
        chosen[str(condition)] = own if own in sets else sets[0]
        if len(sets) > 1:
            remarks.append(f"{name} of {condition} was measured on {', '.join(sets)}; shown: {chosen[str(condition)]}.")
    return table[table["dataset"] == table["condition"].map(chosen)].reset_index(drop=True), remarks


def _failures(run: Run, told_of: set[str]) -> list[str]:
    """A line for each measure that could not be taken of this run; those of no concern to the page say nothing."""
    said = []
    for path in sorted((run.path / schema.MEASURES_FOLDER).glob(f"*{_ERROR}")):
        name = path.name.removesuffix(_ERROR)
        if name not in told_of and not name.startswith(schema.METRIC_PREFIX):
            continue
        try:
            error = read_json(path)
        except (OSError, ValueError) as unreadable:
            error = {"type": "unknown", "message": str(unreadable)}
        why = f"{error.get('type', 'Error')}: {error.get('message', '')}"
        said.append(f"{name} of {run.run_id} could not be taken: {' '.join(why.split())}")
    return said


def _settings(facts: list[dict[str, str]]) -> dict[str, list[str]]:
    """Setting -> its different values over the runs, from the JSON object that tables keep under "settings"."""
    found: dict[str, list[str]] = {}
    for told in facts:
        try:
            settings = json.loads(told.get("settings", "{}"))
        except json.JSONDecodeError:
            continue
        for key, value in settings.items() if isinstance(settings, dict) else ():
            text = ", ".join(map(_words, value)) if isinstance(value, list) else str(value)
            if key not in _NO_SETTINGS and text not in found.setdefault(key, []):
                found[key].append(text)
    return found


def _words(value: object) -> str:
    """One of a setting's values; of a package its name, version and the start of its code's hash."""
    if isinstance(value, dict) and {"package", "version", "sha256"} <= value.keys():
        return " ".join([str(value["package"]), str(value["version"]), f"({str(value['sha256'])[:8]})"])
    return str(value)

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
from reports.run_state import Status
from reports.study import Run, Study

_RESPONSE_KEYS = ["dataset", "image", "condition", "prompt", "metric"]
_ROW_KEYS: dict[str, list[str]] = {
    "prompts": _RESPONSE_KEYS,
    "levels": _RESPONSE_KEYS,
    "mixed": _RESPONSE_KEYS,
    "precision": ["dataset", "image", "condition", "number_format", "metric"],
    "order_moves": ["number_format", "block", "condition"],
    "interference": ["step", "draw", "loss", "group", "task_a", "task_b"],
    "separation": ["setting", "layer", "by"],
    "information": ["level", "part", "condition"],
    "routing": ["layer", "condition", "expert"],
}
_UPPER = {m.name: m.upper for m in schema.METRICS}
_ERROR_SUFFIX = ".error.json"  # behind a measure's name: why it could not be taken
_HIDDEN_SETTINGS = ("run", "version")


@dataclass(frozen=True, kw_only=True)
class Measures:
    """The measures in the runs' folders.

    Attributes:
        tables: measure -> rows of all runs that have it: the columns of `schema.MEASURE_COLUMNS` after variant, seed
            and run_id; PSNR capped as in `Study.rows`. A measure that no run has is no key.
        settings: measure -> the sizes that all its tables were taken with.
        counts: measure -> number of runs that have it; a table without rows (it does not apply) is none.
        runs: number of finished runs.
        problems: one line for each table that can't be shown, or only in part.
        plugin_sections: measure of another package -> what its section shows.
    """

    tables: dict[str, pd.DataFrame]
    settings: dict[str, dict[str, str]]
    counts: dict[str, int]
    runs: int
    problems: tuple[str, ...]
    plugin_sections: dict[str, schema.MeasureSection] = field(default_factory=dict)


def load_measures(study: Study) -> Measures:
    """Read the measures of all finished runs under the study's names, each model once; never raises for their content.

    Runs are shared, so that some may have been measured for another study: a measure that this one does not ask for is
    shown only if all its runs have it, since the section would otherwise lack variants.

    A condition that was measured on several test sets is shown on one: the set of the study's own table if that is
    among them, else the first.
    """
    frames: dict[str, list[pd.DataFrame]] = {}
    metadata: dict[str, list[dict[str, str]]] = {}
    problems: list[str] = []
    plugin_sections: dict[str, schema.MeasureSection] = {}
    n_finished = sum(e.alias_of is None and study.runs[e.run_id].status is Status.DONE for e in study.entries)
    names_to_show = _measures_to_show(study, n_finished)
    for entry in study.entries:
        run = study.runs[entry.run_id]
        if entry.alias_of is not None or run.status is not Status.DONE:
            continue
        problems += _failure_messages(run, names_to_show) + metric_problems(run.path, study.metrics)
        for name in _find_measures(run, problems):
            if name not in names_to_show:
                continue
            try:
                frame, table_metadata = schema.read_measure(run.path, name)
                if frame.empty:  # the measure doesn't apply: wrong prompts of a blind model, for example
                    continue
                section = schema.MeasureSection.from_metadata(table_metadata)
                frame = _validate(frame, name, section)
            except Exception as error:  # one bad file must not cost the others
                problems.append(f"{name} of {run.run_id} is left out: {' '.join(str(error).split())}")
                continue
            names = {"variant": entry.variant, "seed": entry.seed, "run_id": run.run_id}
            frames.setdefault(name, []).append(pd.concat([pd.DataFrame(names, index=frame.index), frame], axis=1))
            metadata.setdefault(name, []).append(table_metadata)
            if section is not None:
                plugin_sections[name] = section
    own_sets = dict(zip(study.test_settings["condition"], study.test_settings["dataset"], strict=True))
    tables = {}
    for name in (*schema.MEASURE_COLUMNS, *sorted(plugin_sections)):
        if name in frames:
            tables[name], remarks = _select_test_sets(pd.concat(frames[name], ignore_index=True), name, own_sets)
            problems += remarks
    settings = {name: _collect_settings(table_metadata) for name, table_metadata in metadata.items()}
    for name, values_by_key in settings.items():
        problems += [
            f"{name} was taken with different settings in different runs: {key} {', '.join(values)}."
            for key, values in values_by_key.items()
            if len(values) > 1
        ]
    return Measures(
        tables=tables,
        settings={n: {k: v[0] for k, v in s.items() if len(v) == 1} for n, s in settings.items()},
        counts={name: len(parts) for name, parts in frames.items()},
        runs=n_finished,
        problems=tuple(problems),
        plugin_sections=plugin_sections,
    )


def _measures_to_show(study: Study, n_finished: int) -> set[str]:
    """The measures on the study's page: those asked for, and those that all finished runs have."""
    if study.measures is None:
        return set(schema.MEASURE_COLUMNS)
    runs = [study.runs[e.run_id] for e in study.entries if e.alias_of is None]
    counts = Counter(name for run in runs if run.status is Status.DONE for name in _find_measures(run, []))
    return {*study.measures, *(name for name, count in counts.items() if count == n_finished)}


def _find_measures(run: Run, problems: list[str]) -> list[str]:
    """Measures that the run has a file of; files named after no measure are listed in `problems`."""
    files = (run.path / schema.MEASURES_FOLDER).glob("*.parquet")
    present = {path.stem: path for path in sorted(files) if not path.name.startswith(schema.METRIC_PREFIX)}
    unknown_names = [name for name in present if name not in schema.MEASURE_COLUMNS]
    plugin_sections = [name for name in unknown_names if schema.plugin_section(present[name]) is not None]
    unreadable = [name for name in unknown_names if name not in plugin_sections]
    if unreadable:
        problems.append(f"{', '.join(unreadable)} of {run.run_id}: no measure that this version knows.")
    return [*(name for name in schema.MEASURE_COLUMNS if name in present), *plugin_sections]


def _validate(frame: pd.DataFrame, name: str, section: schema.MeasureSection | None) -> pd.DataFrame:
    """The table with scores capped, once it has passed the checks.

    Raises:
        ValueError: a row that occurs twice, an unknown metric, or an infinite number other than a score.
    """
    keys = _ROW_KEYS[name] if section is None else list(section.keys)
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


def _select_test_sets(table: pd.DataFrame, name: str, study_sets: dict[str, str]) -> tuple[pd.DataFrame, list[str]]:
    """The rows of one test set a condition, and a remark for each condition that had more."""
    if "dataset" not in table or name not in schema.MEASURE_COLUMNS:
        return table, []
    remarks = []
    chosen: dict[str, str] = {}
    for condition, rows in table.groupby("condition", sort=False):
        sets = list(dict.fromkeys(rows["dataset"]))
        study_set = study_sets.get(str(condition), "")
        chosen[str(condition)] = study_set if study_set in sets else sets[0]
        if len(sets) > 1:
            remarks.append(f"{name} of {condition} was measured on {', '.join(sets)}; shown: {chosen[str(condition)]}.")
    return table[table["dataset"] == table["condition"].map(chosen)].reset_index(drop=True), remarks


def _failure_messages(run: Run, names_to_show: set[str]) -> list[str]:
    """A line for each measure on the page that could not be taken of this run."""
    messages = []
    for path in sorted((run.path / schema.MEASURES_FOLDER).glob(f"*{_ERROR_SUFFIX}")):
        name = path.name.removesuffix(_ERROR_SUFFIX)
        if name not in names_to_show and not name.startswith(schema.METRIC_PREFIX):
            continue
        try:
            error = read_json(path)
        except (OSError, ValueError) as unreadable:
            error = {"type": "unknown", "message": str(unreadable)}
        reason = f"{error.get('type', 'Error')}: {error.get('message', '')}"
        messages.append(f"{name} of {run.run_id} could not be taken: {' '.join(reason.split())}")
    return messages


def _collect_settings(metadata: list[dict[str, str]]) -> dict[str, list[str]]:
    """Setting -> its different values over the runs, from the JSON object that tables keep under "settings"."""
    values_by_key: dict[str, list[str]] = {}
    for table_metadata in metadata:
        try:
            settings = json.loads(table_metadata.get("settings", "{}"))
        except json.JSONDecodeError:
            continue
        for key, value in settings.items() if isinstance(settings, dict) else ():
            text = ", ".join(map(_format_setting, value)) if isinstance(value, list) else str(value)
            if key not in _HIDDEN_SETTINGS and text not in values_by_key.setdefault(key, []):
                values_by_key[key].append(text)
    return values_by_key


def _format_setting(value: object) -> str:
    """One of a setting's values; of a package its name, version and the start of its code's hash."""
    if isinstance(value, dict) and {"package", "version", "sha256"} <= value.keys():
        return " ".join([str(value["package"]), str(value["version"]), f"({str(value['sha256'])[:8]})"])
    return str(value)

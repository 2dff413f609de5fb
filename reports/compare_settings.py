"""The terms under which two studies were made: which must be the same, and which differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reports.load import name_of
from reports.messages import message
from reports.run_state import Status
from reports.study import Run, Study


def check_same_protocol_and_data(before: Study, after: Study) -> None:
    """Refuse numbers that can't be compared.

    Raises:
        ValueError: one line that names the protocols, the data or the test sets of a condition that differ.
    """
    before_settings, after_settings = before.test_settings, after.test_settings
    for frame, ordinal in ((before_settings, "first"), (after_settings, "second")):
        if frame.empty:
            raise ValueError(f"The {ordinal} study has no finished run: there is nothing to compare.")
    _require_same("protocols", *({str(p) for p in frame["protocol"]} for frame in (before_settings, after_settings)))
    renamed = renamed_datasets(before, after)
    if not renamed:
        _require_same("data", *({_data_text(run) for run in _finished_runs(study)} for study in (before, after)))
    for condition in sorted(set(before_settings["condition"]) & set(after_settings["condition"])):
        sets = [
            set(frame.loc[frame["condition"] == condition, "dataset"]) for frame in (before_settings, after_settings)
        ]
        sets[0] = {renamed.get(name, name) for name in sets[0]}
        _require_same(f"test sets in the column {condition!r}", *sets)
    if not set(before_settings["condition"]) & set(after_settings["condition"]):
        raise ValueError("The two studies share no condition: there is nothing to compare.")


def renamed_datasets(before: Study, after: Study) -> dict[str, str]:
    """Name of the first study's data -> the second's, where their checksums say that they are the same images."""
    datasets = []
    for study in (before, after):
        data = [d for run in _finished_runs(study) if isinstance(d := run.spec.get("data"), dict) and d.get("checksum")]
        datasets.append({(str(d.get("name")), str(d["checksum"])) for d in data})
    if any(len(names) != 1 for names in datasets):
        return {}
    (before_name, before_checksum), (after_name, after_checksum) = (next(iter(names)) for names in datasets)
    return {before_name: after_name} if before_name != after_name and before_checksum == after_checksum else {}


def differing_settings(before: Study, after: Study) -> tuple[tuple[str, str, str], ...]:
    """(name, before, after) of everything else that differs and may be why numbers moved."""
    getters: dict[str, Callable[[Run], Any]] = {
        message("Budget"): lambda r: _flatten(r.spec.get("budget")),
        message("Text encoder"): lambda r: name_of(r.spec.get("text_encoder")),
        message("Prompts"): lambda r: r.spec.get("prompt_set"),
        message("Precision"): lambda r: r.spec.get("precision"),
        message("Device"): lambda r: r.env.get("device"),
        message("Commit"): lambda r: str(r.env.get("commit") or "")[:8] + (" + changes" if r.env.get("dirty") else ""),
        message("Python"): lambda r: r.env.get("python"),
        message("Packages"): lambda r: _flatten(r.env.get("packages")),
    }
    rows: list[tuple[str, ...]] = [(message("Study"), before.name, after.name)] if before.name != after.name else []
    rows += [(message("Data folder"), *names) for names in renamed_datasets(before, after).items()]
    for name, get in getters.items():
        values = [sorted({str(value) for run in _finished_runs(s) if (value := get(run))}) for s in (before, after)]
        if values[0] != values[1]:
            texts = [
                ", ".join(_differing_parts(values_here, values_there))
                for values_here, values_there in (values, values[::-1])
            ]
            rows.append((name, *(text or message("none") for text in texts)))
    seeds = [sorted({e.seed for e in s.entries if s.runs[e.run_id].status is Status.DONE}) for s in (before, after)]
    if seeds[0] != seeds[1]:
        rows.append((message("Seeds"), *(", ".join(map(str, s)) for s in seeds)))
    return tuple((name, before_text, after_text) for name, before_text, after_text in rows)


def _finished_runs(study: Study) -> list[Run]:
    return [run for run in study.runs.values() if run.status is Status.DONE]


def _require_same(quantity: str, before: set[str], after: set[str]) -> None:
    if before != after:
        names = " and ".join(", ".join(sorted(s)) for s in (before, after))
        raise ValueError(f"Refusing to compare numbers of different {quantity}: {names}.")


def _data_text(run: Run) -> str:
    data = run.spec.get("data")
    return f"{data.get('name')} ({str(data.get('checksum'))[:8]})" if isinstance(data, dict) else str(data)


def _flatten(value: Any) -> str:
    """A dict in one line, "torch 2.1 · numpy 2.0"."""
    if not isinstance(value, dict):
        return str(value or "")
    return " · ".join(f"{k} {_flatten(v)}" for k, v in value.items())


def _differing_parts(values: list[str], other_values: list[str]) -> list[str]:
    """Where both are one long list of settings, only the settings that differ."""
    if len(values) != 1 or len(other_values) != 1 or " · " not in values[0]:
        return values
    shared = set(other_values[0].split(" · "))
    parts = [part for part in values[0].split(" · ") if part not in shared]
    return [" · ".join(parts)] if parts else []

"""The terms under which two studies were made: which must be the same, and which differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reports.load import name_of
from reports.messages import message
from reports.study import Run, Status, Study


def check_same_terms(before: Study, after: Study) -> None:
    """Refuse numbers that can't be compared.

    Raises:
        ValueError: one line that names the protocols, the data or the test sets of a condition that differ.
    """
    old, new = before.terms, after.terms
    for frame, which in ((old, "first"), (new, "second")):
        if frame.empty:
            raise ValueError(f"The {which} study has no finished run: there is nothing to compare.")
    _same("protocols", *({str(p) for p in frame["protocol"]} for frame in (old, new)))
    renamed = same_data_renamed(before, after)
    if not renamed:
        _same("data", *({_data(run) for run in _done(study)} for study in (before, after)))
    for condition in sorted(set(old["condition"]) & set(new["condition"])):
        sets = [set(frame.loc[frame["condition"] == condition, "dataset"]) for frame in (old, new)]
        sets[0] = {renamed.get(name, name) for name in sets[0]}
        _same(f"test sets in the column {condition!r}", *sets)
    if not set(old["condition"]) & set(new["condition"]):
        raise ValueError("The two studies share no condition: there is nothing to compare.")


def same_data_renamed(before: Study, after: Study) -> dict[str, str]:
    """Name of the first study's data -> the second's, where their checksums say that they are the same images."""
    found = []
    for study in (before, after):
        data = [d for run in _done(study) if isinstance(d := run.spec.get("data"), dict) and d.get("checksum")]
        found.append({(str(d.get("name")), str(d["checksum"])) for d in data})
    if any(len(each) != 1 for each in found):
        return {}
    (old, old_sum), (new, new_sum) = (next(iter(each)) for each in found)
    return {old: new} if old != new and old_sum == new_sum else {}


def differing_terms(before: Study, after: Study) -> tuple[tuple[str, str, str], ...]:
    """(name, before, after) of everything else that differs and may be why numbers moved."""
    asked: dict[str, Callable[[Run], Any]] = {
        message("Budget"): lambda r: _flat(r.spec.get("budget")),
        message("Text encoder"): lambda r: name_of(r.spec.get("text_encoder")),
        message("Prompts"): lambda r: r.spec.get("prompt_set"),
        message("Precision"): lambda r: r.spec.get("precision"),
        message("Device"): lambda r: r.env.get("device"),
        message("Commit"): lambda r: str(r.env.get("commit") or "")[:8] + (" + changes" if r.env.get("dirty") else ""),
        message("Python"): lambda r: r.env.get("python"),
        message("Packages"): lambda r: _flat(r.env.get("packages")),
    }
    rows: list[tuple[str, ...]] = [(message("Study"), before.name, after.name)] if before.name != after.name else []
    rows += [(message("Data folder"), *names) for names in same_data_renamed(before, after).items()]
    for name, get in asked.items():
        told = [sorted({str(value) for run in _done(s) if (value := get(run))}) for s in (before, after)]
        if told[0] != told[1]:
            shown = [", ".join(_without(mine, other)) for mine, other in (told, told[::-1])]
            rows.append((name, *(each or message("none") for each in shown)))
    seeds = [sorted({e.seed for e in s.entries if s.runs[e.run_id].status is Status.DONE}) for s in (before, after)]
    if seeds[0] != seeds[1]:
        rows.append((message("Seeds"), *(", ".join(map(str, s)) for s in seeds)))
    return tuple((name, old, new) for name, old, new in rows)


def _done(study: Study) -> list[Run]:
    return [run for run in study.runs.values() if run.status is Status.DONE]


def _same(what: str, before: set[str], after: set[str]) -> None:
    if before != after:
        told = " and ".join(", ".join(sorted(s)) for s in (before, after))
        raise ValueError(f"Refusing to compare numbers of different {what}: {told}.")


def _data(run: Run) -> str:
    data = run.spec.get("data")
    return f"{data.get('name')} ({str(data.get('checksum'))[:8]})" if isinstance(data, dict) else str(data)


def _flat(value: Any) -> str:
    """A dict in one line, "torch 2.1 · numpy 2.0"."""
    if not isinstance(value, dict):
        return str(value or "")
    return " · ".join(f"{k} {_flat(v)}" for k, v in value.items())


def _without(mine: list[str], other: list[str]) -> list[str]:
    """Where both are one long list of parts, only the parts that differ; a hundred equal settings tell nothing."""
    if len(mine) != 1 or len(other) != 1 or " · " not in mine[0]:
        return mine
    shared = set(other[0].split(" · "))
    left = [part for part in mine[0].split(" · ") if part not in shared]
    return [" · ".join(left)] if left else []

"""Which rows share a table: one protocol and one test set a condition. Everything else gets a table of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd

from reports.study import Run, Study

Keep = Callable[[pd.DataFrame, Run], pd.Series]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Rows that make a table beside the main one.

    Attributes:
        title: what they have in common.
        note: what a reader must know.
        study: the study with these rows alone.
    """

    title: str
    note: str
    study: Study


def main_part(study: Study) -> Study:
    """The study with its runs' own protocol alone, and for each condition the test set that stands first."""
    first = _first_sets(study)

    def keep(images: pd.DataFrame, run: Run) -> pd.Series:
        chosen = images["condition"].map(first)
        return _own_protocol(images, run) & (chosen.isna() | (images["dataset"] == chosen))

    return _keeping(study, keep)


def other_parts(study: Study) -> list[Part]:
    """Seen and unseen images apart, then every other test set, then every other protocol."""
    main = main_part(study)
    parts = []
    both = _conditions_with_both(main)
    for word, note in (
        ("seen", "These test images, or crops of them, stand in the training images: the models know their answers."),
        ("unseen", "These test images do not stand in the training images."),
    ):
        parts.append(
            Part(
                title=f"Test images {word} in training",
                note=note,
                study=_keeping(main, partial(_told, word=word, conditions=both)),
            )
        )
    first = _first_sets(study)
    everything = study.images()
    for name in dict.fromkeys(everything["dataset"]):
        part = _keeping(study, partial(_of_other_set, name=name, first=first))
        parts.append(Part(title=f"Test set {name}", note="Not part of the table above.", study=part))
    own = set(main.images()["protocol"])

    for label in dict.fromkeys(everything["protocol"]):
        if label not in own:
            part = _keeping(study, partial(_under, label=label, first=first))
            note = "The same models on the same photographs: what differs from the table above is the protocol's doing."
            parts.append(Part(title=f"Protocol {label}", note=note, study=part))
    return [part for part in parts if len(part.study.images())]


def _keeping(study: Study, keep: Keep) -> Study:
    """The study with those rows alone; itself where that is all of them, so that a large one is not held twice."""
    runs = {run_id: _kept(run, keep) for run_id, run in study.runs.items()}
    return study if all(runs[name] is run for name, run in study.runs.items()) else replace(study, runs=runs)


def _kept(run: Run, keep: Keep) -> Run:
    if run.images is None:
        return run
    wanted = keep(run.images, run)
    return run if wanted.all() else replace(run, images=run.images[wanted])


def _told(images: pd.DataFrame, run: Run, *, word: str, conditions: set[str]) -> pd.Series:
    return (images["seen"] == word) & images["condition"].isin(conditions)


def _of_other_set(images: pd.DataFrame, run: Run, *, name: str, first: dict[str, str]) -> pd.Series:
    elsewhere = images["condition"].map(first).fillna(name) != name
    return _own_protocol(images, run) & (images["dataset"] == name) & elsewhere


def _under(images: pd.DataFrame, run: Run, *, label: str, first: dict[str, str]) -> pd.Series:
    in_main_set = images["condition"].map(first).fillna(images["dataset"]) == images["dataset"]
    return (images["protocol"] == label) & in_main_set


def _own_protocol(images: pd.DataFrame, run: Run) -> pd.Series:
    """Rows of the protocol that the run was planned with; all rows where its spec names none of theirs."""
    own = images["protocol"] == run.spec.get("protocol")
    return own if own.any() else pd.Series(True, index=images.index)


def _first_sets(study: Study) -> dict[str, str]:
    """Condition -> the test set that its column shows: the first of the plan's list that has it."""
    sets: list[str] = []
    for run in study.runs.values():
        data = run.spec.get("data")
        listed = data.get("sets") if isinstance(data, dict) else None
        sets += [str(name) for name in listed or [] if str(name) not in sets]
    first: dict[str, str] = {}
    if not sets:
        return first
    for run in study.runs.values():
        if run.images is not None:
            for condition, rows in run.images.groupby("condition"):
                present = [name for name in sets if (rows["dataset"] == name).any()]
                if present:
                    first.setdefault(str(condition), present[0])
    return first


def _conditions_with_both(study: Study) -> set[str]:
    images = study.images()
    words = images[images["seen"] != ""].groupby("condition")["seen"].nunique()
    return {str(condition) for condition in words[words == 2].index}

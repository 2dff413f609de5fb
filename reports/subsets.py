"""Which rows share a table: one protocol and one test set a condition. Everything else gets a table of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from reports.messages import message
from reports.study import Study


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
    return _keeping(study, _of_own_protocol(study) & _of_terms(study, _in_first_set(study.terms, _first_sets(study))))


def other_parts(study: Study) -> list[Part]:
    """Seen and unseen images apart, then every other test set, then every other protocol."""
    first, own = _first_sets(study), _of_own_protocol(study)
    in_first_set = _in_first_set(study.terms, first)
    main = _keeping(study, own & _of_terms(study, in_first_set))
    parts = []
    both = main.terms["condition"].isin(_conditions_with_both(main))
    for word, title, note in (
        (
            "seen",
            message("Test images seen in training"),
            message(
                "These test images, or crops of them, stand in the training images: the models know their answers."
            ),
        ),
        (
            "unseen",
            message("Test images unseen in training"),
            message("These test images do not stand in the training images."),
        ),
    ):
        told = _of_terms(main, both & (main.terms["seen"] == word))
        parts.append(Part(title=title, note=note, study=_keeping(main, told)))
    for name in study.terms["dataset"].unique():
        elsewhere = own & _of_terms(study, ~in_first_set & (study.terms["dataset"] == name))
        note = message("Not part of the table above.")
        parts.append(Part(title=message("Test set {name}", name=name), note=note, study=_keeping(study, elsewhere)))
    mine = set(main.terms["protocol"])
    for label in study.terms["protocol"].unique():
        if label not in mine:
            under = _of_terms(study, in_first_set & (study.terms["protocol"] == label))
            note = message(
                "The same models on the same photographs: what differs from the table above is the protocol's doing."
            )
            parts.append(Part(title=message("Protocol {label}", label=label), note=note, study=_keeping(study, under)))
    return [part for part in parts if len(part.study.rows)]


def _keeping(study: Study, wanted: np.ndarray) -> Study:
    """The study with those rows alone; itself where that is all of them, so that a large one is not held twice."""
    return study if wanted.all() else replace(study, rows=study.rows[wanted].reset_index(drop=True))


def _of_terms(study: Study, terms: pd.Series) -> np.ndarray:
    """For each row of the study whether its line of `Study.terms` is wanted."""
    return np.asarray(terms.to_numpy(dtype=bool)[study.term_of_row])


def _in_first_set(terms: pd.DataFrame, first: dict[str, str]) -> pd.Series:
    """Whether the line is of the test set that its condition's column shows, or the condition has no such set."""
    return terms["condition"].map(first).fillna(terms["dataset"]) == terms["dataset"]


def _of_own_protocol(study: Study) -> np.ndarray:
    """Rows of the protocol that their run was planned with; all rows of a run whose spec names none of theirs."""
    runs, protocols = (study.rows[name].astype("category").cat for name in ("run_id", "protocol"))
    planned = [str(study.runs[run_id].spec.get("protocol")) for run_id in runs.categories]
    run_of_row = runs.codes.to_numpy()
    own = (
        protocols.codes.to_numpy()
        == pd.Index(protocols.categories).get_indexer(pd.Index(planned, dtype="str"))[run_of_row]
    )
    has_any = np.bincount(run_of_row[own], minlength=len(planned)) > 0
    return np.asarray(own | ~has_any[run_of_row])


def _first_sets(study: Study) -> dict[str, str]:
    """Condition -> the test set that its column shows: the first of the plan's list that its first run has."""
    sets: dict[str, int] = {}
    for run in study.runs.values():
        data = run.spec.get("data")
        for name in (data.get("sets") if isinstance(data, dict) else None) or []:
            sets.setdefault(str(name), len(sets))
    if not sets:
        return {}
    found = study.rows[["run_id", "condition", "dataset"]].drop_duplicates().astype(object)
    found = found[found["dataset"].isin(sets)]
    found = found.assign(place=found["dataset"].map(sets)).sort_values("place", kind="stable")
    order = {run_id: place for place, run_id in enumerate(study.runs)}
    found = found.assign(run=found["run_id"].map(order)).sort_values("run", kind="stable")
    chosen = found.drop_duplicates("condition")
    return dict(zip(chosen["condition"], chosen["dataset"], strict=True))


def _conditions_with_both(study: Study) -> set[str]:
    told = study.terms[study.terms["seen"] != ""]
    words = told.groupby("condition")["seen"].nunique()
    return {str(condition) for condition in words[words == 2].index}

"""Split a study's rows into tables: one protocol and one test set per condition; other rows get separate tables."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from reports.image_sets import image_set_label
from reports.messages import message
from reports.study import Study


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Rows of a table besides the main one.

    Attributes:
        title: of the table.
        note: for the reader.
        study: the study with these rows alone.
    """

    title: str
    note: str
    study: Study


def main_subset(study: Study) -> Study:
    """The study with only its planned protocol, and for each condition the first test set."""
    return _select_rows(
        study,
        _is_planned_protocol(study)
        & _row_mask(study, _is_default_test_set(study.test_settings, _default_test_sets(study))),
    )


def other_subsets(study: Study) -> list[Subset]:
    """Images in and not in the training set, then every other test set, then every other protocol."""
    default_sets, is_planned = _default_test_sets(study), _is_planned_protocol(study)
    is_default = _is_default_test_set(study.test_settings, default_sets)
    main = _select_rows(study, is_planned & _row_mask(study, is_default))
    subsets = []
    partly_seen = main.test_settings["condition"].isin(_partly_seen_conditions(main))
    for in_training_set, title, note in (
        (
            "yes",
            message("Test images in the training set"),
            message("These test images, or crops of them, are in the training set."),
        ),
        (
            "no",
            message("Test images not in the training set"),
            message("These test images are not in the training set."),
        ),
    ):
        mask = _row_mask(main, partly_seen & (main.test_settings["in_training_set"] == in_training_set))
        subsets.append(Subset(title=title, note=note, study=_select_rows(main, mask)))
    for name in study.test_settings["dataset"].unique():
        mask_of_set = is_planned & _row_mask(study, ~is_default & (study.test_settings["dataset"] == name))
        note = message("Not part of the table above.")
        subsets.append(
            Subset(
                title=message("Test set {name}", name=image_set_label(str(name))),
                note=note,
                study=_select_rows(study, mask_of_set),
            )
        )
    planned_protocols = set(main.test_settings["protocol"])
    for label in study.test_settings["protocol"].unique():
        if label not in planned_protocols:
            mask_of_protocol = _row_mask(study, is_default & (study.test_settings["protocol"] == label))
            note = message("The same models and photographs: differences from the table above are due to the protocol.")
            subsets.append(
                Subset(
                    title=message("Protocol {label}", label=label),
                    note=note,
                    study=_select_rows(study, mask_of_protocol),
                )
            )
    return [subset for subset in subsets if len(subset.study.rows)]


def _select_rows(study: Study, mask: np.ndarray) -> Study:
    """The study with only those rows; unchanged where that is all of them, so that a large frame is not copied."""
    return study if mask.all() else replace(study, rows=study.rows[mask].reset_index(drop=True))


def _row_mask(study: Study, is_selected: pd.Series) -> np.ndarray:
    """For each row of the study whether its line of `Study.test_settings` is selected."""
    return np.asarray(is_selected.to_numpy(dtype=bool)[study.setting_of_row])


def _is_default_test_set(test_settings: pd.DataFrame, default_sets: dict[str, str]) -> pd.Series:
    """For each line whether it is of its condition's default test set, or the condition has none."""
    return test_settings["condition"].map(default_sets).fillna(test_settings["dataset"]) == test_settings["dataset"]


def _is_planned_protocol(study: Study) -> np.ndarray:
    """Rows under the planned protocol of their run; all rows of a run without rows under it."""
    runs, protocols = (study.rows[name].astype("category").cat for name in ("run_id", "protocol"))
    planned = [str(study.runs[run_id].spec.get("protocol")) for run_id in runs.categories]
    run_of_row = runs.codes.to_numpy()
    is_planned = (
        protocols.codes.to_numpy()
        == pd.Index(protocols.categories).get_indexer(pd.Index(planned, dtype="str"))[run_of_row]
    )
    has_any = np.bincount(run_of_row[is_planned], minlength=len(planned)) > 0
    return np.asarray(is_planned | ~has_any[run_of_row])


def _default_test_sets(study: Study) -> dict[str, str]:
    """Condition -> the test set in the main table: the first of the plan's list that its first run has."""
    sets: dict[str, int] = {}
    for run in study.runs.values():
        data = run.spec.get("data")
        for name in (data.get("sets") if isinstance(data, dict) else None) or []:
            sets.setdefault(str(name), len(sets))
    if not sets:
        return {}
    combinations = study.rows[["run_id", "condition", "dataset"]].drop_duplicates().astype(object)
    combinations = combinations[combinations["dataset"].isin(sets)]
    combinations = combinations.assign(place=combinations["dataset"].map(sets)).sort_values("place", kind="stable")
    order = {run_id: place for place, run_id in enumerate(study.runs)}
    combinations = combinations.assign(run=combinations["run_id"].map(order)).sort_values("run", kind="stable")
    first_rows = combinations.drop_duplicates("condition")
    return dict(zip(first_rows["condition"], first_rows["dataset"], strict=True))


def _partly_seen_conditions(study: Study) -> set[str]:
    labelled = study.test_settings[study.test_settings["in_training_set"] != ""]
    n_values = labelled.groupby("condition")["in_training_set"].nunique()
    return {str(condition) for condition in n_values[n_values == 2].index}

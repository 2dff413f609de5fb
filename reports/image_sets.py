"""The images that a table's columns are measured on, as its caption names them."""

from __future__ import annotations

from collections.abc import Sequence

from reports import schema
from reports.labels import condition_in_sentence, task_label
from reports.messages import join_and, join_clauses, message, ngettext
from reports.study import Study

_LABELS = {
    "bsds500-val": "BSDS500 val",
    "cbsd68": "CBSD68",
    "urban100": "Urban100",
    "kodak24": "Kodak24",
    "mcmaster": "McMaster",
    "sots-outdoor": "SOTS-outdoor",
    "sots-outdoor-492": "SOTS-outdoor (492)",
    "rain100l-test": "Rain100L",
    "gopro-test": "GoPro",
    "lol-eval15": "LOL-v1",
}  # stored name -> as papers print it


def image_set_label(name: str) -> str:
    """A test set as papers name it; one that the suite doesn't know keeps its name."""
    return _LABELS.get(name, name)


def describe_image_sets(study: Study, conditions: Sequence[str]) -> str:
    """The test sets of some conditions with their numbers of images, without a full stop at the end.

    "noise: CBSD68, 68 images; rain and haze: BSDS500 val, 100 images", or the set alone where one serves all.
    """
    columns_by_set: dict[tuple[tuple[str, ...], int], list[str]] = {}
    for condition in conditions:
        columns_by_set.setdefault(_images_of(study, condition), []).append(condition)
    if len(columns_by_set) == 1:
        return _images_text(*next(iter(columns_by_set)))
    clauses = [
        message("{columns}: {images}", columns=_columns_text(own, conditions), images=_images_text(*key))
        for key, own in columns_by_set.items()
    ]
    return join_clauses(clauses) if clauses else message("no test images yet")


def _images_of(study: Study, condition: str) -> tuple[tuple[str, ...], int]:
    """Labels of the condition's test sets, and the images that every variant has."""
    settings = study.test_settings
    names = settings.loc[settings["condition"] == condition, "dataset"].unique()
    n_images = study.scores(study.metrics[0].name).count_scenes_and_images(condition)[1]
    return tuple(image_set_label(str(name)) for name in names), n_images


def _images_text(labels: Sequence[str], n_images: int) -> str:
    return ngettext("{sets}, {n} image", "{sets}, {n} images", n_images, sets=join_and(labels))


def _columns_text(own: Sequence[str], conditions: Sequence[str]) -> str:
    """Names of columns: a task's alone where all of its conditions are among them."""
    names: list[str] = []
    for condition in own:
        task = schema.task_of(condition)
        is_complete = {c for c in conditions if schema.task_of(c) == task} <= set(own)
        names.append(task_label(task) if is_complete else condition_in_sentence(condition))
    return join_and(list(dict.fromkeys(names)))

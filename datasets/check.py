"""Checks of a folder of data sets: one pass over every image, all problems reported at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.catalog import catalog, get_dataset
from datasets.catalog.finder import LocalDataset, Problem, content_digest, find_sets
from datasets.inspection import ImageInspection, inspect_images
from datasets.leaks import THUMB_SIZE, Overlap, overlaps
from datasets.store import PackedSet, StoreError
from datasets.tasks import PAPER_TASKS, Task

# A partner counts as misplaced when another clean image of the set looks this much more like the degraded one.
_MISPLACED_BY = 0.2
_ROWS = 512


@dataclass(frozen=True, kw_only=True)
class SetReport:
    """Results of a check of one set."""

    name: str  # the set
    title: str  # what papers call it
    task: str  # its degradation
    split: str  # `train`, `test` or `none`
    layout: str  # the family of the layout it lies in
    folder: str  # where the layout starts
    found: int  # images found
    count: int  # images expected
    whole: bool  # whether all are there and every one of them decodes
    # the known content it equals; None when unknown (which is no fault: few contents are on record)
    release: str | None
    digest: str  # of all its pixels
    problems: tuple[Problem, ...]  # everything that is wrong
    conversions: dict[str, int]  # kind of conversion to number of files
    ignored: int  # hidden files and files that don't look like images, in its folders


@dataclass(frozen=True, kw_only=True)
class StoreReport:
    """Results of a check of one packed store."""

    name: str  # its set
    folder: str  # of the store
    images: int  # images of the set that it holds
    says: str  # `whole and current`, or what is wrong or unknown
    problems: tuple[Problem, ...]  # images whose bytes are not those that were packed, and changed sources


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """Results of a check of a root."""

    root: str  # the folder
    sets: tuple[SetReport, ...]  # one report for each set found
    stores: tuple[StoreReport, ...]  # one report for each packed store among the sets looked for
    absent: tuple[str, ...]  # names of the sets looked for and found neither as files nor packed
    overlaps: tuple[Overlap, ...]  # test images whose scene stands in a training set
    wall_s: float  # time it took

    @property
    def problems(self) -> list[Problem]:
        """All problems of all sets and stores."""
        return [p for reports in (self.sets, self.stores) for report in reports for p in report.problems]

    @property
    def tasks(self) -> list[str]:
        """Tasks with at least one set."""
        have = {report.task for report in self.sets if report.split != "none"}
        return [task.name for task in PAPER_TASKS if task.name in have]

    def overlap_counts(self) -> dict[tuple[str, str], tuple[int, int]]:
        """(test set, training set) -> number of test images that are in training, and that are not."""
        sizes = {report.name: report.found for report in self.sets}
        counts: dict[tuple[str, str], int] = {}
        for overlap in self.overlaps:
            counts[overlap.test_set, overlap.train_set] = counts.get((overlap.test_set, overlap.train_set), 0) + 1
        return {key: (count, sizes[key[0]] - count) for key, count in counts.items()}

    def to_json(self) -> dict[str, Any]:
        """Everything, ready for a JSON file."""
        leaks = [
            {"test_set": test, "train_set": train, "seen": n_inside, "unseen": n_outside}
            for (test, train), (n_inside, n_outside) in self.overlap_counts().items()
        ]
        return {**asdict(self), "tasks": self.tasks, "leaks": leaks, "problem_count": len(self.problems)}


def check_root(
    root: Path,
    names: Iterable[str] | None = None,
    workers: int | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> CheckReport:
    """Check every set of the catalogue that `root` holds.

    Args:
        root: a folder in any accepted layout.
        names: check these sets only.
        workers: threads that decode; all cores up to eight by default.
        progress: called with a set's name and its number of images before it is read.

    Raises:
        ValueError: the root is not a folder, or no set has such a name.
    """
    started = time.perf_counter()
    names_to_check = [s.name for s in catalog().values() if s.variant_of is None] if names is None else list(names)
    for name in names_to_check:
        get_dataset(name)
    local_sets = find_sets(root, names_to_check)
    reports, thumbs = [], {}
    for local in local_sets:
        if progress:
            progress(local.spec.name, len(local.pairs))
        inspections = list(inspect_images(local.pairs, workers))
        reports.append(set_report(local, inspections))
        thumbs[local.spec.name] = clean_thumbs(local, inspections)
    split = {local.spec.name: local.spec.split for local in local_sets}
    stores = tuple(check_store(path) for name in names_to_check if (path := root / f"{name}.store").is_dir())
    packed = {report.name for report in stores}
    return CheckReport(
        root=str(root),
        sets=tuple(reports),
        stores=stores,
        absent=tuple(name for name in names_to_check if name not in split and name not in packed),
        overlaps=tuple(
            overlaps(
                {name: value for name, value in thumbs.items() if split[name] != "test"},
                {name: value for name, value in thumbs.items() if split[name] == "test"},
            )
        ),
        wall_s=time.perf_counter() - started,
    )


def check_store(path: Path) -> StoreReport:
    """Read a store through: every checksum, and whether the files beside it are those that were packed."""
    name = path.name.removesuffix(".store")

    def problem(kind: str, subject: str, reason: str) -> Problem:
        return Problem(dataset=name, kind=kind, subject=subject, reason=reason)

    try:
        store = PackedSet(path)
    except StoreError as error:
        damage = problem("damaged", str(path), str(error))
        return StoreReport(name=name, folder=str(path), images=0, says="damaged", problems=(damage,))
    problems = [problem("damaged", f"{path}: {image}", store.repack_hint) for image in store.verify()]
    words = [f"{len(problems)} of {len(store.entries)} images damaged" if problems else "whole"]
    if store.sources is None:
        words.append("made before stores recorded their files")
    elif change := store.describe_change():
        problems.append(problem("stale", str(path), f"{change}: {store.repack_hint}"))
        words.append("out of date")
    else:
        words.append("current")
    state = " and ".join(words)
    return StoreReport(name=name, folder=str(path), images=len(store), says=state, problems=tuple(problems))


def set_report(local: LocalDataset, inspections: Sequence[ImageInspection]) -> SetReport:
    """Results from the names and from the images' pixels."""
    spec = local.spec
    problems = list(local.problems)
    conversions: dict[str, int] = {}
    for inspection in inspections:
        for kind, subject, reason in inspection.faults:
            # Motion blur moves the image by its very nature, by as much as the kernel's centre is off.
            if kind != "shifted" or spec.task is not Task.BLUR:
                problems.append(Problem(dataset=spec.name, kind=kind, subject=subject, reason=reason))
        for _, note in inspection.notes:
            conversions[note] = conversions.get(note, 0) + 1
    problems = list(dict.fromkeys(problems + _misplaced(local, inspections)))
    digest = content_digest(inspection.digest for inspection in inspections)
    return SetReport(
        name=spec.name,
        title=spec.title,
        task=spec.task.name,
        split=spec.split,
        layout=local.layout.family,
        folder=str(local.root),
        found=len(local.pairs),
        count=spec.count,
        whole=local.complete and not any(problem.kind == "refused" for problem in problems),
        release=next((release.says for release in spec.releases if release.digest == digest), None),
        digest=digest,
        problems=tuple(problems),
        conversions=conversions,
        ignored=len(local.ignored),
    )


def clean_thumbs(local: LocalDataset, inspections: Sequence[ImageInspection]) -> tuple[list[str], NDArray[np.float32]]:
    """Names and thumbnails of the set's images whose clean file decodes."""
    decoded = [(inspection.name, inspection.thumb) for inspection in inspections if inspection.thumb is not None]
    if local.spec.split == "train" and local.spec.paired:
        # Thirty-five hazy images share one clean one: it is compared once.
        first = {pair.clean: pair.name for pair in reversed(local.pairs)}
        first_names = set(first.values())
        decoded = [(name, thumb) for name, thumb in decoded if name in first_names]
    thumbs = (
        np.stack([thumb for _, thumb in decoded])
        if decoded
        else np.empty((0, THUMB_SIZE[0] * THUMB_SIZE[1]), dtype=np.float32)
    )
    return [name for name, _ in decoded], thumbs


def _misplaced(local: LocalDataset, inspections: Sequence[ImageInspection]) -> list[Problem]:
    """Degraded images that look far more like another clean image than like their partner."""
    pairs = {pair.name: pair for pair in local.pairs}
    decoded = [
        inspection
        for inspection in inspections
        if inspection.thumb is not None and inspection.degraded_thumb is not None
    ]
    # A clean image that serves many degraded ones is compared once.
    places = {
        path: row for row, path in enumerate(dict.fromkeys(pairs[inspection.name].clean for inspection in decoded))
    }
    if len(places) < 2:
        return []
    clean = np.empty((len(places), THUMB_SIZE[0] * THUMB_SIZE[1]), dtype=np.float32)
    for inspection in decoded:
        clean[places[pairs[inspection.name].clean]] = inspection.thumb
    paths, problems = list(places), []
    for start in range(0, len(decoded), _ROWS):
        block = decoded[start : start + _ROWS]
        scores = (
            np.stack([inspection.degraded_thumb for inspection in block if inspection.degraded_thumb is not None])
            @ clean.T
        )
        partner_scores = scores[np.arange(len(block)), [places[pairs[inspection.name].clean] for inspection in block]]
        for row in np.flatnonzero(scores.max(axis=1) > partner_scores + _MISPLACED_BY).tolist():
            best = int(scores[row].argmax())
            problems.append(
                Problem(
                    dataset=local.spec.name,
                    kind="misplaced",
                    subject=str(pairs[block[row].name].degraded),
                    reason=f"looks like {paths[best].name} ({scores[row, best]:.2f}), not like its clean partner "
                    f"{pairs[block[row].name].clean.name} ({partner_scores[row]:.2f})",
                )
            )
    return problems

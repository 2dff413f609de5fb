"""Is a folder of data sets what it should be: one pass over every image, every problem reported at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datasets.catalog import catalog, get_dataset
from datasets.catalog.finder import FoundSet, Problem, content_digest, find_sets
from datasets.inspection import ImageInspection, inspect_images
from datasets.leaks import THUMB_SIZE, Overlap, overlaps
from datasets.store import PackedSet, StoreError
from datasets.tasks import PAPER_TASKS, Task

# A partner counts as misplaced when another clean image of the set looks this much more like the degraded one.
_MISPLACED_BY = 0.2
_ROWS = 512


@dataclass(frozen=True, kw_only=True)
class SetReport:
    """What a check found out about one set."""

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
    """What a check found out about one packed store."""

    name: str  # its set
    folder: str  # of the store
    images: int  # images of the set that it holds
    says: str  # `whole and current`, or what is wrong or unknown
    problems: tuple[Problem, ...]  # images whose bytes are not those that were packed, and changed sources


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What a check of a root found out."""

    root: str  # the folder
    sets: tuple[SetReport, ...]  # one report for each set found
    stores: tuple[StoreReport, ...]  # one report for each packed store among the sets looked for
    absent: tuple[str, ...]  # names of the sets looked for and found neither as files nor packed
    overlaps: tuple[Overlap, ...]  # test images whose scene stands in a training set
    wall_s: float  # time it took

    @property
    def problems(self) -> list[Problem]:
        """All problems of all sets and stores."""
        return [p for found in (self.sets, self.stores) for report in found for p in report.problems]

    @property
    def tasks(self) -> list[str]:
        """Tasks with at least one set."""
        have = {report.task for report in self.sets if report.split != "none"}
        return [task.name for task in PAPER_TASKS if task.name in have]

    def seen_counts(self) -> dict[tuple[str, str], tuple[int, int]]:
        """(test set, training set) -> number of test images seen in training, and not seen."""
        sizes = {report.name: report.found for report in self.sets}
        counts: dict[tuple[str, str], int] = {}
        for each in self.overlaps:
            counts[each.test_set, each.train_set] = counts.get((each.test_set, each.train_set), 0) + 1
        return {key: (seen, sizes[key[0]] - seen) for key, seen in counts.items()}

    def to_json(self) -> dict[str, Any]:
        """Everything, ready for a JSON file."""
        leaks = [
            {"test_set": test, "train_set": train, "seen": seen, "unseen": unseen}
            for (test, train), (seen, unseen) in self.seen_counts().items()
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
    wanted = [s.name for s in catalog().values() if s.variant_of is None] if names is None else list(names)
    for name in wanted:
        get_dataset(name)
    found = find_sets(root, wanted)
    reports, thumbs = [], {}
    for each in found:
        if progress:
            progress(each.spec.name, len(each.pairs))
        looks = list(inspect_images(each.pairs, workers))
        reports.append(set_report(each, looks))
        thumbs[each.spec.name] = clean_thumbs(each, looks)
    split = {each.spec.name: each.spec.split for each in found}
    stores = tuple(check_store(path) for name in wanted if (path := root / f"{name}.store").is_dir())
    packed = {report.name for report in stores}
    return CheckReport(
        root=str(root),
        sets=tuple(reports),
        stores=stores,
        absent=tuple(name for name in wanted if name not in split and name not in packed),
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
        wrong = problem("damaged", str(path), str(error))
        return StoreReport(name=name, folder=str(path), images=0, says="damaged", problems=(wrong,))
    found = [problem("damaged", f"{path}: {image}", store.mend) for image in store.verify()]
    words = [f"{len(found)} of {len(store.entries)} images damaged" if found else "whole"]
    if store.sources is None:
        words.append("made before stores recorded their files")
    elif change := store.change():
        found.append(problem("stale", str(path), f"{change}: {store.mend}"))
        words.append("out of date")
    else:
        words.append("current")
    says = " and ".join(words)
    return StoreReport(name=name, folder=str(path), images=len(store), says=says, problems=tuple(found))


def set_report(found: FoundSet, looks: Sequence[ImageInspection]) -> SetReport:
    """Join what names tell with what the images' pixels tell."""
    spec = found.spec
    problems = list(found.problems)
    conversions: dict[str, int] = {}
    for look in looks:
        for kind, subject, reason in look.faults:
            # Motion blur moves the image by its very nature, by as much as the kernel's centre is off.
            if kind != "shifted" or spec.task is not Task.BLUR:
                problems.append(Problem(dataset=spec.name, kind=kind, subject=subject, reason=reason))
        for _, note in look.notes:
            conversions[note] = conversions.get(note, 0) + 1
    problems = list(dict.fromkeys(problems + _misplaced(found, looks)))
    digest = content_digest(look.digest for look in looks)
    return SetReport(
        name=spec.name,
        title=spec.title,
        task=spec.task.name,
        split=spec.split,
        layout=found.layout.family,
        folder=str(found.root),
        found=len(found.pairs),
        count=spec.count,
        whole=found.whole and not any(problem.kind == "refused" for problem in problems),
        release=next((release.says for release in spec.releases if release.digest == digest), None),
        digest=digest,
        problems=tuple(problems),
        conversions=conversions,
        ignored=len(found.ignored),
    )


def clean_thumbs(found: FoundSet, looks: Sequence[ImageInspection]) -> tuple[list[str], NDArray[np.float32]]:
    """Names and thumbnails of the set's images whose clean file decodes."""
    kept = [(look.name, look.thumb) for look in looks if look.thumb is not None]
    if found.spec.split == "train" and found.spec.paired:
        # Thirty-five hazy images share one clean one: it is compared once.
        first = {pair.clean: pair.name for pair in reversed(found.pairs)}
        wanted = set(first.values())
        kept = [(name, thumb) for name, thumb in kept if name in wanted]
    thumbs = (
        np.stack([thumb for _, thumb in kept])
        if kept
        else np.empty((0, THUMB_SIZE[0] * THUMB_SIZE[1]), dtype=np.float32)
    )
    return [name for name, _ in kept], thumbs


def _misplaced(found: FoundSet, looks: Sequence[ImageInspection]) -> list[Problem]:
    """Degraded images that look far more like another clean image than like their partner."""
    pairs = {pair.name: pair for pair in found.pairs}
    whole = [look for look in looks if look.thumb is not None and look.degraded_thumb is not None]
    # A clean image that serves many degraded ones is compared once.
    places = {path: row for row, path in enumerate(dict.fromkeys(pairs[look.name].clean for look in whole))}
    if len(places) < 2:
        return []
    clean = np.empty((len(places), THUMB_SIZE[0] * THUMB_SIZE[1]), dtype=np.float32)
    for look in whole:
        clean[places[pairs[look.name].clean]] = look.thumb
    paths, problems = list(places), []
    for start in range(0, len(whole), _ROWS):
        part = whole[start : start + _ROWS]
        rows = np.stack([look.degraded_thumb for look in part if look.degraded_thumb is not None]) @ clean.T
        own = rows[np.arange(len(part)), [places[pairs[look.name].clean] for look in part]]
        for row in np.flatnonzero(rows.max(axis=1) > own + _MISPLACED_BY).tolist():
            best = int(rows[row].argmax())
            problems.append(
                Problem(
                    dataset=found.spec.name,
                    kind="misplaced",
                    subject=str(pairs[part[row].name].degraded),
                    reason=f"looks like {paths[best].name} ({rows[row, best]:.2f}), not like its clean partner "
                    f"{pairs[part[row].name].clean.name} ({own[row]:.2f})",
                )
            )
    return problems

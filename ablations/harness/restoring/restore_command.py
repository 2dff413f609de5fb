"""Restoring a user's own images, one after the other."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ablations.checkpoint_options import RestoreOptions
from ablations.data import open_data
from ablations.harness.allocator import keep_freed_memory
from ablations.harness.evaluating.asked_model import open_asked
from ablations.harness.evaluating.guess import Guesser, open_guesser, view_boxes, views_of
from ablations.harness.evaluating.released import Released
from ablations.harness.memory import WHOLE_PX, bytes_per_pixel, free_bytes, is_out_of_memory, tile_that_fits
from ablations.harness.restoring.output_record import (
    RECORD_FILE,
    Job,
    OutputRecord,
    open_record,
    require_free,
    terms_of,
)
from ablations.harness.restoring.pictures import FORMATS, Picture, coded_picture, read_picture
from ablations.harness.restoring.tiling import Tiling, restore_rows
from datasets.readers import ImageRefused, is_image_name, unread_formats_note
from datasets.tasks import Condition, Task, condition_named
from reports.files import require_folder, write_bytes

AUTO = "auto"


def run(options: RestoreOptions) -> int:
    """Restore as the command line asks; the exit code: 0, or 1 where some images could not be restored.

    Raises:
        ValueError: an option that can't be used; nothing has been written then.
    """
    require_folder(options.out, "--out")
    keep_freed_memory()
    given = None if options.degradation in (AUTO, Task.NOISE.name) else _condition(options.degradation)
    jobs = plan_jobs(options.images, options.out)
    if not options.restoring.force and not (options.out / RECORD_FILE).is_file():
        require_free(jobs)
    released = open_asked(options.model, options.checkpoint)
    asked = given.task if given is not None else Task.NOISE if options.degradation == Task.NOISE.name else None
    if asked is not None and asked not in released.tasks:
        served = ", ".join(task.name for task in released.tasks)
        raise ValueError(f"--degradation {options.degradation}: {released.name} serves {served}.")
    if options.restoring.tile is not None:
        Tiling(tile=options.restoring.tile, multiple_of=released.multiple_of)  # too small a tile ends here
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{released.name}, weights {released.weights}, sha256 {released.sha256 or '-'}", markup=False)
    if released.taken:
        console.print(released.taken, markup=False)
    console.print(f"Told: {released.told}.", markup=False)
    guesser = None
    if given is None:
        guesser = _guesser(options, console)
    restorer = _Restorer(released=released, given=given, among=asked, guesser=guesser, tile=options.restoring.tile)
    for words in _passed_over(options.images):
        console.print(words, markup=False)
    terms = terms_of(
        released,
        degradation=options.degradation,
        tile=options.restoring.tile,
        codes=options.checkpoint.codes,
        guesser=guesser.path.name if guesser is not None else "",
    )
    record = open_record(options.out, terms)
    if not options.restoring.force:
        left = [job for job in jobs if not record.holds(job)]
        require_free(left, record)
        if len(left) < len(jobs):
            console.print(f"{len(jobs) - len(left)} restored before, {len(left)} to go.")
        jobs = left
    failed = _restore_all(jobs, restorer, record, console)
    if failed:
        console.print(f"{len(failed)} of {len(jobs)} images were not restored:")
        for path, reason in failed:
            console.print(f"  {path}: {reason}", markup=False)
    return 1 if failed else 0


def plan_jobs(images: Sequence[Path], out: Path) -> list[Job]:
    """What to read and where to write it.

    Args:
        images: files and folders; of a folder, the image files that lie in it.
        out: folder to write to.

    Raises:
        ValueError: two inputs of one name, an output that is an input, or a folder without images.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: that is a file; a folder is needed.")
    sources: list[Path] = []
    for path in images:
        inside = sorted(p for p in path.iterdir() if is_image_name(p)) if path.is_dir() else [path]
        if not inside:
            others = unread_formats_note(path, inner=False)
            raise ValueError(f"{path} holds no image ({', '.join(FORMATS)}){f': {others}' if others else ''}.")
        sources += inside
    sources = list(dict.fromkeys(sources))
    by_name: dict[str, Path] = {}
    for path in sources:
        # names that differ in case alone are one file on some systems
        other = by_name.setdefault(path.name.lower(), path)
        if other != path:
            raise ValueError(f"{other} and {path} would both be written to {out / path.name}: restore them separately.")
    inputs = {path.resolve() for path in sources}
    jobs = [Job(source=path, target=out / path.name) for path in sources]
    for job in jobs:
        if job.target.resolve() in inputs:
            raise ValueError(f"{job.target} is an input: inputs are never written over; choose another --out.")
    return jobs


def _passed_over(images: Sequence[Path]) -> list[str]:
    """A line for each folder with files of formats that are not read."""
    found = [(path, unread_formats_note(path, inner=False)) for path in images if path.is_dir()]
    return [f"{path}: {words}; read are {', '.join(FORMATS)}." for path, words in found if words]


@dataclass(kw_only=True)
class _Restorer:
    """Restores a picture, and knows what is the same for all of them."""

    released: Released  # the model
    given: Condition | None  # the degradation, or None to guess it
    among: Task | None  # the task among whose conditions it is guessed, or None for all that the model serves
    guesser: Guesser | None  # where it is to be guessed
    tile: int | None  # as asked for, or None to choose
    per_pixel: float | None = None  # bytes that a pixel takes, once measured

    def condition(self, picture: Picture) -> tuple[Condition, str]:
        """The picture's degradation, and that in words that say whether it is a guess."""
        if self.given is not None:
            return self.given, self.given.name
        assert self.guesser is not None
        height, width = picture.colours.shape[:2]
        views = [view for box in view_boxes(height, width) for view in views_of(picture.part(*box))]
        served = [condition for condition in self.guesser.conditions if self.released.serves(condition)]
        fitting = [condition for condition in served if self.among in (None, condition.task)]
        guess, freely = self.guesser.guess_views(views, fitting), self.guesser.guess_views(views)
        words = f"{guess.condition.name}, a guess ({guess.confidence:.0%} sure)"
        if freely.condition != guess.condition:
            why = "noise was asked for, not" if freely.condition in served else "the model does not serve"
            words += f", since {why} {freely.condition.name}, which it looks like"
        return guess.condition, words

    def tiling(self, picture: Picture, condition: Condition) -> Tiling:
        """How to cut the picture: as asked, else into the largest tiles that fit in memory."""
        multiple = self.released.multiple_of
        height, width = picture.colours.shape[:2]
        if self.tile is not None:
            return Tiling(tile=self.tile, multiple_of=multiple)
        if height * width <= WHOLE_PX:
            return Tiling(tile=1 << 30, multiple_of=multiple)
        if self.per_pixel is None:
            self.per_pixel = bytes_per_pixel(partial(self.released.restore, condition=condition))
        side = tile_that_fits(self.per_pixel, free_bytes(self.released.device), multiple)
        # a long and narrow picture may fit whole though its longer side exceeds the square tile
        return Tiling(tile=max(height, width, side) if height * width <= side**2 else side, multiple_of=multiple)

    def colours(
        self, source: Path, picture: Picture, condition: Condition, done: Callable[[int, int], None]
    ) -> tuple[np.ndarray, int]:
        """The restored colours in the picture's own depth, and the side of the tiles.

        Where memory runs out in spite of the estimate, a GPU's or the machine's, tiles are halved.

        Raises:
            ImageRefused: memory does not even hold the smallest tile.
        """
        tiling = self.tiling(picture, condition)
        result = np.empty_like(picture.colours)
        while True:
            try:
                restore = partial(self.released.restore, condition=condition)
                for top, band in restore_rows(restore, picture.part, picture.colours.shape[:2], tiling, done):
                    if not torch.isfinite(band).all():
                        raise ValueError("the model returned NaN or infinite pixels; nothing is written")
                    result[top : top + band.shape[1]] = picture.levels(band)
                return result, tiling.tile
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                half = min(tiling.tile, max(picture.colours.shape[:2])) // 2
                if half < tiling.smallest:
                    raise ImageRefused(source, f"memory does not hold a tile of {half * 2} pixels a side") from error
                if self.released.device.type == "cuda":
                    torch.cuda.empty_cache()
                tiling = Tiling(tile=half, multiple_of=self.released.multiple_of)


def _restore_all(
    jobs: Sequence[Job], restorer: _Restorer, record: OutputRecord, console: Console
) -> list[tuple[Path, str]]:
    """Restore each image; (file, reason) of those that could not be."""
    failed: list[tuple[Path, str]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    errors = Console(stderr=True)
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as progress:
        everything = progress.add_task("images", total=len(jobs))
        for job in jobs:
            tiles = progress.add_task("tiles", total=None)
            try:
                line = _restore_one(job, restorer, record, _reporter(progress, tiles))
            except ImageRefused as refused:
                failed.append((job.source, refused.reason))
            except (ValueError, OSError, MemoryError, RuntimeError) as error:
                failed.append((job.source, " ".join(str(error).split())[:300] or type(error).__name__))
            else:
                console.print(line, markup=False)
            progress.remove_task(tiles)
            progress.advance(everything)
    return failed


def _restore_one(job: Job, restorer: _Restorer, record: OutputRecord, done: Callable[[int, int], None]) -> str:
    """Read, restore, write; what was done in one line."""
    picture = read_picture(job.source)
    condition, words = restorer.condition(picture)
    colours, tile = restorer.colours(job.source, picture, condition, done)
    coded = coded_picture(job.target, picture, colours)
    record.add(job, hashlib.sha256(coded).hexdigest())
    write_bytes(job.target, coded)
    height, width = colours.shape[:2]
    cut = f"tiles of {tile}" if tile < max(height, width) else "whole"
    return f"{job.source.name}: {words}; {width}x{height}, {'; '.join([cut, *picture.notes])}"


def _reporter(progress: Progress, task: TaskID) -> Callable[[int, int], None]:
    return lambda number, total: progress.update(task, completed=number, total=total)


def _condition(name: str) -> Condition:
    try:
        return condition_named(name)
    except ValueError as error:
        raise ValueError(f"--degradation {name}: {error} Or auto to guess it, noise to guess its level.") from error


def _guesser(options: RestoreOptions, console: Console) -> Guesser:
    """The classifier, and what it is worth, said before anything is guessed."""
    protocol = "allinone" if options.guessing.data == "paper" else "suite"
    _, bundle = open_data(options.guessing.data, root=options.guessing.root, protocol=protocol)
    with console.status("learning to tell degradations apart") if console.is_terminal else nullcontext():
        guesser = open_guesser(bundle, options.guessing.runs)
    console.print(f"Degradations are guessed by a classifier that names {guesser.accuracy:.0%} of {bundle.name}'s test")
    console.print(f"images rightly ({guesser.path.with_suffix('.json')}). Rows are true, columns are guessed:")
    names = list(guesser.confusion)
    console.print(" ".join(["".ljust(9), *(name.rjust(8) for name in names)]))
    for name, row in guesser.confusion.items():
        console.print(" ".join([name.ljust(9), *(str(row[other]).rjust(8) for other in names)]))
    return guesser

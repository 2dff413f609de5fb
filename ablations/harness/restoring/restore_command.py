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
from ablations.harness.evaluating.degradation_classifier import (
    DegradationClassifier,
    load_or_train_classifier,
    split_into_views,
    view_boxes,
)
from ablations.harness.evaluating.pretrained import PretrainedModel
from ablations.harness.evaluating.resolve_model import load_requested_model
from ablations.harness.malloc import keep_freed_memory
from ablations.harness.memory import UNTILED_MAX_PX, bytes_per_pixel, free_bytes, is_out_of_memory, largest_tile
from ablations.harness.restoring.image_files import FORMATS, DecodedImage, encode_image_file, read_image_file
from ablations.harness.restoring.output_record import (
    RECORD_FILE,
    OutputRecord,
    RestoreJob,
    open_record,
    refuse_overwrite,
    restoration_settings,
)
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
    fixed_condition = None if options.degradation in (AUTO, Task.NOISE.name) else _parse_condition(options.degradation)
    jobs = plan_jobs(options.images, options.out)
    if not options.output.force and not (options.out / RECORD_FILE).is_file():
        refuse_overwrite(jobs)
    pretrained = load_requested_model(options.checkpoint.model, options.checkpoint)
    requested_task = Task.NOISE if options.degradation == Task.NOISE.name else None
    if fixed_condition is not None:
        requested_task = fixed_condition.task
    if requested_task is not None and requested_task not in pretrained.tasks:
        served = ", ".join(task.name for task in pretrained.tasks)
        raise ValueError(f"--degradation {options.degradation}: {pretrained.name} serves {served}.")
    if options.output.tile is not None:
        Tiling(tile=options.output.tile, multiple_of=pretrained.multiple_of)  # too small a tile ends here
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{pretrained.name}, weights {pretrained.weights}, sha256 {pretrained.sha256 or '-'}", markup=False)
    if pretrained.weights_note:
        console.print(pretrained.weights_note, markup=False)
    console.print(f"Conditioning: {pretrained.conditioning}.", markup=False)
    classifier = _open_classifier(options, console) if fixed_condition is None else None
    restorer = _ImageRestorer(
        pretrained=pretrained,
        fixed_condition=fixed_condition,
        allowed_task=requested_task,
        classifier=classifier,
        tile=options.output.tile,
    )
    for note in _unread_files_notes(options.images):
        console.print(note, markup=False)
    settings = restoration_settings(
        pretrained,
        degradation=options.degradation,
        tile=options.output.tile,
        codes=options.checkpoint.codes,
        classifier=classifier.path.name if classifier is not None else "",
    )
    record = open_record(options.out, settings)
    if not options.output.force:
        pending = [job for job in jobs if not record.is_current(job)]
        refuse_overwrite(pending, record)
        if len(pending) < len(jobs):
            console.print(f"{len(jobs) - len(pending)} restored before, {len(pending)} to go.")
        jobs = pending
    failures = _restore_images(jobs, restorer, record, console)
    if failures:
        console.print(f"{len(failures)} of {len(jobs)} images were not restored:")
        for path, reason in failures:
            console.print(f"  {path}: {reason}", markup=False)
    return 1 if failures else 0


def plan_jobs(images: Sequence[Path], out: Path) -> list[RestoreJob]:
    """Each image to read, and where to write it.

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
        files = sorted(p for p in path.iterdir() if is_image_name(p)) if path.is_dir() else [path]
        if not files:
            unread = unread_formats_note(path, inner=False)
            raise ValueError(f"{path} holds no image ({', '.join(FORMATS)}){f': {unread}' if unread else ''}.")
        sources += files
    sources = list(dict.fromkeys(sources))
    by_name: dict[str, Path] = {}
    for path in sources:
        # names that differ in case alone are one file on some systems
        existing = by_name.setdefault(path.name.lower(), path)
        if existing != path:
            raise ValueError(
                f"{existing} and {path} would both be written to {out / path.name}: restore them separately."
            )
    inputs = {path.resolve() for path in sources}
    jobs = [RestoreJob(source=path, target=out / path.name) for path in sources]
    for job in jobs:
        if job.target.resolve() in inputs:
            raise ValueError(f"{job.target} is an input: inputs are never written over; choose another --out.")
    return jobs


def _unread_files_notes(images: Sequence[Path]) -> list[str]:
    """A line for each folder with files of formats that are not read."""
    unread = [(path, unread_formats_note(path, inner=False)) for path in images if path.is_dir()]
    return [f"{path}: {formats}; read are {', '.join(FORMATS)}." for path, formats in unread if formats]


@dataclass(kw_only=True)
class _ImageRestorer:
    """Restores images with one model and one set of options."""

    pretrained: PretrainedModel  # the model
    fixed_condition: Condition | None  # the degradation, or None to predict it
    allowed_task: Task | None  # the task whose conditions may be predicted, or None for all that the model serves
    classifier: DegradationClassifier | None  # where the degradation is to be predicted
    tile: int | None  # side of the tiles in pixels, or None to choose
    bytes_per_px: float | None = None  # bytes that a pixel takes, once measured

    def choose_condition(self, image: DecodedImage) -> tuple[Condition, str]:
        """The image's degradation, and a description that says whether it is predicted."""
        if self.fixed_condition is not None:
            return self.fixed_condition, self.fixed_condition.name
        assert self.classifier is not None
        height, width = image.colours.shape[:2]
        views = [view for box in view_boxes(height, width) for view in split_into_views(image.crop(*box))]
        served = [condition for condition in self.classifier.conditions if self.pretrained.serves(condition)]
        candidates = [condition for condition in served if self.allowed_task in (None, condition.task)]
        prediction = self.classifier.predict_views(views, candidates)
        unrestricted = self.classifier.predict_views(views)
        description = f"{prediction.condition.name}, a guess ({prediction.confidence:.0%} sure)"
        if unrestricted.condition != prediction.condition:
            reason = "noise was asked for, not" if unrestricted.condition in served else "the model does not serve"
            description += f", since {reason} {unrestricted.condition.name}, which it looks like"
        return prediction.condition, description

    def choose_tiling(self, image: DecodedImage, condition: Condition) -> Tiling:
        """How to cut the image: into tiles of the requested side, else into the largest that fit in memory."""
        multiple = self.pretrained.multiple_of
        height, width = image.colours.shape[:2]
        if self.tile is not None:
            return Tiling(tile=self.tile, multiple_of=multiple)
        if height * width <= UNTILED_MAX_PX:
            return Tiling(tile=1 << 30, multiple_of=multiple)
        if self.bytes_per_px is None:
            self.bytes_per_px = bytes_per_pixel(partial(self.pretrained.restore, condition=condition))
        side = largest_tile(self.bytes_per_px, free_bytes(self.pretrained.device), multiple)
        # a long and narrow image may fit although its longer side exceeds the square tile
        return Tiling(tile=max(height, width, side) if height * width <= side**2 else side, multiple_of=multiple)

    def restore_colours(
        self, source: Path, image: DecodedImage, condition: Condition, on_tile: Callable[[int, int], None]
    ) -> tuple[np.ndarray, int]:
        """The restored colours in the image's own bit depth, and the side of the tiles.

        Where memory runs out in spite of the estimate, a GPU's or the machine's, tiles are halved.

        Raises:
            ImageRefused: memory does not even hold the smallest tile.
        """
        tiling = self.choose_tiling(image, condition)
        result = np.empty_like(image.colours)
        while True:
            try:
                restore = partial(self.pretrained.restore, condition=condition)
                for top, band in restore_rows(restore, image.crop, image.colours.shape[:2], tiling, on_tile):
                    if not torch.isfinite(band).all():
                        raise ValueError("the model returned NaN or infinite pixels; nothing is written")
                    result[top : top + band.shape[1]] = image.quantize(band)
                return result, tiling.tile
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                half = min(tiling.tile, max(image.colours.shape[:2])) // 2
                if half < tiling.min_tile:
                    raise ImageRefused(source, f"memory does not hold a tile of {half * 2} pixels a side") from error
                if self.pretrained.device.type == "cuda":
                    torch.cuda.empty_cache()
                tiling = Tiling(tile=half, multiple_of=self.pretrained.multiple_of)


def _restore_images(
    jobs: Sequence[RestoreJob], restorer: _ImageRestorer, record: OutputRecord, console: Console
) -> list[tuple[Path, str]]:
    """Restore each image; (file, reason) of those that could not be."""
    failures: list[tuple[Path, str]] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    errors = Console(stderr=True)
    with Progress(*columns, console=errors, disable=not errors.is_terminal, transient=True) as progress:
        image_task = progress.add_task("images", total=len(jobs))
        for job in jobs:
            tile_task = progress.add_task("tiles", total=None)
            try:
                line = _restore_image(job, restorer, record, _progress_callback(progress, tile_task))
            except ImageRefused as error:
                failures.append((job.source, error.reason))
            except (ValueError, OSError, MemoryError, RuntimeError) as error:
                failures.append((job.source, " ".join(str(error).split())[:300] or type(error).__name__))
            else:
                console.print(line, markup=False)
            progress.remove_task(tile_task)
            progress.advance(image_task)
    return failures


def _restore_image(
    job: RestoreJob, restorer: _ImageRestorer, record: OutputRecord, on_tile: Callable[[int, int], None]
) -> str:
    """Read, restore and write an image; returns a line that describes it."""
    image = read_image_file(job.source)
    condition, description = restorer.choose_condition(image)
    colours, tile = restorer.restore_colours(job.source, image, condition, on_tile)
    encoded = encode_image_file(job.target, image, colours)
    record.add(job, hashlib.sha256(encoded).hexdigest())
    write_bytes(job.target, encoded)
    height, width = colours.shape[:2]
    tiling_note = f"tiles of {tile}" if tile < max(height, width) else "whole"
    inner_tile = restorer.pretrained.tile
    if inner_tile and inner_tile < max(height, width):
        tiling_note = f"tiles of {inner_tile}, as its run was tested"
    return f"{job.source.name}: {description}; {width}x{height}, {'; '.join([tiling_note, *image.notes])}"


def _progress_callback(progress: Progress, task: TaskID) -> Callable[[int, int], None]:
    return lambda number, total: progress.update(task, completed=number, total=total)


def _parse_condition(name: str) -> Condition:
    try:
        return condition_named(name)
    except ValueError as error:
        raise ValueError(f"--degradation {name}: {error} Or auto to guess it, noise to guess its level.") from error


def _open_classifier(options: RestoreOptions, console: Console) -> DegradationClassifier:
    """The classifier; prints its accuracy and confusion matrix before it predicts anything."""
    protocol = "allinone" if options.guessing.data == "paper" else "suite"
    _, bundle = open_data(options.guessing.data, root=options.guessing.root, protocol=protocol)
    with console.status("learning to tell degradations apart") if console.is_terminal else nullcontext():
        classifier = load_or_train_classifier(bundle, options.guessing.runs)
    console.print(
        f"Degradations are guessed by a classifier that names {classifier.accuracy:.0%} of {bundle.name}'s test"
    )
    console.print(f"images rightly ({classifier.path.with_suffix('.json')}). Rows are true, columns are guessed:")
    names = list(classifier.confusion)
    console.print(" ".join(["".ljust(9), *(name.rjust(8) for name in names)]))
    for name, row in classifier.confusion.items():
        console.print(" ".join([name.ljust(9), *(str(row[guessed]).rjust(8) for guessed in names)]))
    return classifier

"""Status and progress of a run, from the existence of its files, its lock and the last line of its log.

The status of thousands of runs must take a second: no hashes, and no import of pandas or torch.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ablations.harness.lock import lock_owner
from reports.layout import DONE_FILE, TRAIN_LOG_FILE
from reports.run_state import Status, find_status, parse_object, read_object, verify_files

_TAIL_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Step:
    """The newest row of training in a run's log."""

    step: int  # optimiser steps done
    wall_s: float  # seconds of training until then
    loss: float | None  # mean since the row before
    images_per_s: float | None  # since the row before


def status_of(folder: Path) -> Status:
    """The status of the run in `folder`. Files need only exist: `run_state.is_done` verifies their hashes, too."""
    try:
        file_names = os.listdir(folder)  # noqa: PTH208 (a Path for each of many thousands is slow)
    except (FileNotFoundError, NotADirectoryError):
        return Status.MISSING
    status, _ = find_status(
        file_names,
        check_files=lambda: verify_files(folder, read_object(folder / DONE_FILE)),
        is_locked=lambda: lock_owner(folder) is not None,
    )
    return status


def last_step(folder: Path) -> Step | None:
    """The newest training row of train.jsonl, from its last lines; None where there is none."""
    try:
        with (folder / TRAIN_LOG_FILE).open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            lines = stream.read().splitlines()
    except OSError:
        return None
    for line in reversed(lines):
        try:
            row = parse_object(TRAIN_LOG_FILE, line)
            if "loss" not in row:
                continue
            return Step(
                step=int(row["step"]),
                wall_s=float(row.get("wall_s") or 0.0),
                loss=float(row["loss"]),
                images_per_s=float(row["images_per_s"]) if row.get("images_per_s") is not None else None,
            )
        except (KeyError, TypeError, ValueError, OverflowError):  # an integer may be too large for a float
            continue
    return None

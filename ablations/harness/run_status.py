"""The status of a run, from the existence of its files and the last line of its log: fast, without hashes.

The status of thousands of runs must take a second, so that this module may not import pandas or torch.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from ablations.harness.lock import lock_owner

# as reports.schema names them, which imports pandas; a test holds them together
SPEC_FILE = "spec.json"
TRAIN_LOG_FILE = "train.jsonl"
SUMMARY_FILE = "summary.json"
IMAGES_FILE = "images.parquet"
DONE_FILE = "DONE"
ERROR_FILE = "ERROR.json"
STUDIES_FOLDER = "studies"
STUDY_FILE = "study.json"
REPORT_FILES = ("report.html", "report.tex")

_TAIL_BYTES = 4096


class State(str, Enum):
    """The status of a run."""

    DONE = "done"
    RUNNING = "running"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    WAITING = "waiting"


@dataclass(frozen=True, kw_only=True)
class Step:
    """The newest row of training in a run's log."""

    step: int  # optimiser steps done
    wall_s: float  # seconds of training until then
    loss: float | None  # mean since the row before
    images_per_s: float | None  # since the row before


def state_of(folder: Path) -> State:
    """The status of the run in `folder`. Files need only exist: `is_done` verifies their hashes, too."""
    if (folder / DONE_FILE).is_file():
        return State.DONE if _has_required_files(folder) else State.INTERRUPTED
    if not folder.is_dir():
        return State.WAITING
    if lock_owner(folder) is not None:
        return State.RUNNING
    return State.FAILED if (folder / ERROR_FILE).is_file() else State.INTERRUPTED


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
        row = _parse_object(line)
        if "loss" not in row:
            continue
        try:
            return Step(
                step=int(row["step"]),
                wall_s=float(row.get("wall_s") or 0.0),
                loss=float(row["loss"]),
                images_per_s=float(row["images_per_s"]) if row.get("images_per_s") is not None else None,
            )
        except (KeyError, TypeError, ValueError, OverflowError):  # an integer may be too large for a float
            continue
    return None


def _has_required_files(folder: Path) -> bool:
    """Whether DONE lists all required files, and all listed files exist."""
    done = read_object(folder / DONE_FILE)
    files, required = done.get("files"), done.get("needs", [])
    if not isinstance(files, dict) or not isinstance(required, list):
        return False
    return {SPEC_FILE, IMAGES_FILE, *map(str, required)} <= files.keys() and all(
        os.path.isfile(os.path.join(folder, name))  # noqa: PTH113, PTH118 (a Path for each of many thousands is slow)
        for name in files
    )


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none that can be read."""
    try:
        return _parse_object(path.read_bytes())
    except OSError:
        return {}


def _parse_object(content: bytes) -> dict[str, Any]:
    try:
        content_json = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return content_json if isinstance(content_json, dict) else {}

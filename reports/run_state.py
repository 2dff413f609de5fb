"""The status of a run, from the files in its folder: one rule for launchers, `ablations.status` and reports.

Imports the standard library only, since `ablations.status` reads thousands of runs in a second.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from reports.files import sha256_of
from reports.layout import DONE_FILE, ERROR_FILE, IMAGES_FILE, SPEC_FILE
from reports.messages import message


class Status(str, Enum):
    """Status of a run."""

    DONE = "done"
    RUNNING = "running"  # started but not finished; where locks are not read, under way or interrupted
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # started but not finished, and no process works on it
    DAMAGED = "damaged"  # marked as finished, but its files do not match
    MISSING = "missing"  # not started

    @property
    def label(self) -> str:
        """The status as a page prints it."""
        return {
            Status.DONE: message("done"),
            Status.RUNNING: message("running"),
            Status.FAILED: message("failed"),
            Status.INTERRUPTED: message("unfinished"),
            Status.DAMAGED: message("damaged"),
            Status.MISSING: message("missing"),
        }[self]


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a run failed."""

    type: str  # of the exception
    message: str

    def __str__(self) -> str:
        return f"{self.type}: {self.message}".strip(": ")


def find_status(
    file_names: Collection[str] | None,
    *,
    check_files: Callable[[], object],
    is_locked: Callable[[], bool] | None = None,
) -> tuple[Status, str]:
    """The status of a run and, where it is neither done nor failed, the reason.

    Args:
        file_names: names in the run's folder; None where there is no folder.
        check_files: raises an OSError or ValueError where the files of a run with DONE do not match (`verify_files`).
        is_locked: whether a process works on the run; None where locks are not read.
    """
    if file_names is None:
        return Status.MISSING, "No folder: the run was not started."
    if DONE_FILE in file_names:
        try:
            check_files()
        except (OSError, ValueError) as error:
            return Status.DAMAGED, str(error)
        return Status.DONE, ""
    if is_locked is not None and is_locked():
        return Status.RUNNING, f"No {DONE_FILE}: under way."
    if ERROR_FILE in file_names:
        return Status.FAILED, ""
    if is_locked is not None:
        return Status.INTERRUPTED, f"No {DONE_FILE}: interrupted."
    return Status.RUNNING, f"No {DONE_FILE}: under way, or interrupted."


def verify_files(folder: Path, done: Mapping[str, Any], sha256_of_file: Callable[[str], str] | None = None) -> None:
    """Check that DONE lists every required file, and that every listed file exists and is unchanged.

    Args:
        folder: of the run.
        done: content of its DONE.
        sha256_of_file: name of a file -> its SHA-256; None where files need only exist.

    Raises:
        OSError: a file can't be read.
        ValueError: one line with the first file that is not listed, missing or changed.
    """
    required = done.get("needs", [])
    if not isinstance(required, list):
        raise ValueError(f"{DONE_FILE} does not list what the run needs.")
    checksums = listed_checksums(done)
    for name in (SPEC_FILE, IMAGES_FILE, *map(str, required)):
        if name not in checksums:
            raise ValueError(f"{DONE_FILE} does not list {name}.")
    for name, expected in checksums.items():
        if not os.path.isfile(os.path.join(folder, name)):  # noqa: PTH113, PTH118 (a Path for each of many thousands is slow)
            raise ValueError(f"{name} is missing.")
        if sha256_of_file is not None and sha256_of_file(name) != expected:
            raise ValueError(f"{name} has changed since the run finished (SHA-256 differs from {DONE_FILE}).")


def listed_checksums(done: Mapping[str, Any]) -> dict[str, Any]:
    """File -> SHA-256 as DONE lists them; empty where it lists none."""
    checksums = done.get("files")
    return checksums if isinstance(checksums, dict) else {}


def is_done(folder: Path) -> bool:
    """Whether the run is finished: DONE lists all required files, and all listed files have their hashes."""
    try:
        verify_files(folder, read_object(folder / DONE_FILE), lambda name: sha256_of(folder / name))
    except (OSError, ValueError):
        return False
    return True


def failure_of(error_record: Mapping[str, Any]) -> Failure:
    """Why a run failed, from the content of its ERROR.json."""
    return Failure(
        type=str(error_record.get("type", "unknown")),
        message=str(error_record.get("message", "no reason can be read")),
    )


def parse_object(name: str, content: bytes) -> dict[str, Any]:
    """The JSON object in the bytes of the file `name`.

    Raises:
        ValueError: one line: not JSON, or no object.
    """
    try:
        document = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} is not JSON ({error}).") from error
    if not isinstance(document, dict):
        raise ValueError(f"{name} holds no JSON object.")
    return document


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty where there is none that can be read."""
    try:
        return parse_object(path.name, path.read_bytes())
    except (OSError, ValueError):
        return {}

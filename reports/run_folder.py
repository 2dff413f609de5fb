"""Read one run folder: its documents, status and rows."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from reports import schema
from reports.files import sha256_of
from reports.image_rows import read_rows
from reports.study import Run, Status

_DOCUMENTS = (schema.SPEC_FILE, schema.ENV_FILE, schema.SUMMARY_FILE, schema.DONE_FILE, schema.ERROR_FILE)


@dataclass(frozen=True, kw_only=True)
class RunFiles:
    """Files of a run folder, each read once, so that what is checked is what is shown.

    Attributes:
        folder: of the run.
        contents: file -> its bytes.
        documents: JSON file -> its object, {} where it can't be read.
        problems: a line for each document that can't be read.
    """

    folder: Path
    contents: dict[str, bytes] = field(default_factory=dict)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def document(self, name: str) -> dict[str, Any]:
        """The object of a JSON file, {} where there is none."""
        return self.documents.get(name, {})


def read_run(folder: Path) -> tuple[Run, pa.Table | None]:
    """The run and, where it has finished, its rows."""
    files = _read_documents(folder)
    status, reason, rows = _check_status(files)
    spec = files.document(schema.SPEC_FILE)
    seed = spec.get("seed")
    run = Run(
        path=folder,
        run_id=folder.name,
        variant=str(spec.get("variant", "")),
        seed=seed if isinstance(seed, int) else None,
        status=status,
        reason=reason,
        spec=spec,
        env=files.document(schema.ENV_FILE),
        summary=files.document(schema.SUMMARY_FILE),
        error=files.documents.get(schema.ERROR_FILE),
    )
    return run, rows


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        FileNotFoundError: no such file.
        ValueError: one line: not JSON, or no object.
    """
    return _parse_object(path.name, _read_bytes(path))


def _read_documents(folder: Path) -> RunFiles:
    files = RunFiles(folder=folder)
    for name in _DOCUMENTS:
        try:
            files.contents[name] = _read_bytes(folder / name)
            files.documents[name] = _parse_object(name, files.contents[name])
        except FileNotFoundError:
            continue
        except ValueError as error:
            files.problems.append(str(error))
            files.documents[name] = {}
    return files


def _check_status(files: RunFiles) -> tuple[Status, str, pa.Table | None]:
    """Status, reason and, for a run that has finished, its rows."""
    if not files.folder.is_dir():
        return Status.MISSING, "No folder: the run was not started.", None
    if schema.DONE_FILE in files.documents:
        try:
            return Status.DONE, "", _finished_rows(files)
        except (OSError, ValueError) as error:
            return Status.DAMAGED, str(error), None
    if schema.ERROR_FILE in files.documents:
        error_record = files.documents[schema.ERROR_FILE]
        reason = f"{error_record.get('type', 'Error')}: {error_record.get('message', '')}".strip(": ")
        return Status.FAILED, reason, None
    if files.problems:
        return Status.DAMAGED, " ".join(files.problems), None
    if schema.SPEC_FILE not in files.documents:
        return Status.MISSING, f"The folder holds no {schema.SPEC_FILE}.", None
    return Status.RUNNING, f"No {schema.DONE_FILE}: under way, or interrupted.", None


def _finished_rows(files: RunFiles) -> pa.Table:
    """Rows of a run that has finished.

    Raises:
        OSError: a file can't be read.
        ValueError: a file is missing, unreadable or changed, or the rows are of another run.
    """
    if files.problems:
        raise ValueError(" ".join(files.problems))
    schema.check_version(files.document(schema.SPEC_FILE).get("schema"), schema.SPEC_FILE)
    images = files.folder / schema.IMAGES_FILE
    checksums = files.documents[schema.DONE_FILE].get("files")
    checksums = checksums if isinstance(checksums, dict) else {}
    if schema.IMAGES_FILE in checksums and images.is_file():
        files.contents[schema.IMAGES_FILE] = _read_bytes(images)
    _check_files(files, checksums)
    table = read_rows(images, files.contents[schema.IMAGES_FILE])
    run_ids = sorted(table.column("run_id").unique().to_pylist())
    if run_ids != [files.folder.name]:
        names = ", ".join(run_ids) or "no run"
        raise ValueError(f"{schema.IMAGES_FILE} holds rows of {names}, not of {files.folder.name}.")
    return table


def _check_files(files: RunFiles, checksums: dict[str, Any]) -> None:
    """Raise ValueError unless every file has the SHA-256 that DONE lists, and DONE lists every required file."""
    required = map(str, files.documents[schema.DONE_FILE].get("needs") or ())
    for name in dict.fromkeys((schema.SPEC_FILE, schema.IMAGES_FILE, *required)):
        if name not in checksums:
            raise ValueError(f"{schema.DONE_FILE} does not list {name}.")
    for name, expected in checksums.items():
        path = files.folder / name
        if not _is_regular_file(path, name) and not path.resolve().is_relative_to(files.folder.resolve()):
            raise ValueError(f"{schema.DONE_FILE} lists a file outside of the folder: {name}.")
        if not path.is_file():
            raise ValueError(f"{name} is missing.")
        content = files.contents.get(name)
        digest = sha256_of(path) if content is None else hashlib.sha256(content).hexdigest()
        if digest != expected:
            raise ValueError(f"{name} has changed since the run finished (SHA-256 differs from {schema.DONE_FILE}).")


def _is_regular_file(path: Path, name: str) -> bool:
    """Whether it is a plain file in the folder itself, which saves resolving every part of its path."""
    try:
        return os.sep not in name and stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _read_bytes(path: Path) -> bytes:
    """The file's bytes.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it can't be read; one line.
    """
    try:
        return path.read_bytes()
    except (IsADirectoryError, PermissionError) as error:
        raise ValueError(f"{path.name} can't be read ({error.strerror}).") from error


@lru_cache(maxsize=256)  # env.json and summary.json are equal for many runs, and then held in memory once
def _parse_object(name: str, content: bytes) -> dict[str, Any]:
    """The JSON object in a file's bytes; shared, so not to be changed.

    Raises:
        ValueError: one line: not JSON, or no object.
    """
    try:
        document = json.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{name} is not JSON ({error}).") from error
    if not isinstance(document, dict):
        raise ValueError(f"{name} holds no JSON object.")
    return document

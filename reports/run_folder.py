"""Read one run folder: its documents, status and rows."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from reports import schema
from reports.files import sha256_of
from reports.image_rows import read_rows
from reports.run_state import Status, failure_of, find_status, listed_checksums, parse_object, verify_files
from reports.study import Run

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
    return _parse_object(str(path), _read_bytes(path))


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
    tables: list[pa.Table] = []
    file_names = files.documents.keys() if files.folder.is_dir() else None
    status, reason = find_status(file_names, check_files=lambda: tables.append(_finished_rows(files)))
    if status is Status.FAILED:
        reason = str(failure_of(files.document(schema.ERROR_FILE)))
    elif status is Status.RUNNING and files.problems:
        status, reason = Status.DAMAGED, " ".join(files.problems)
    elif status is Status.RUNNING and schema.SPEC_FILE not in files.documents:
        status, reason = Status.MISSING, f"The folder holds no {schema.SPEC_FILE}."
    return status, reason, tables[0] if tables else None


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
    done = files.document(schema.DONE_FILE)
    if schema.IMAGES_FILE in listed_checksums(done) and images.is_file():
        files.contents[schema.IMAGES_FILE] = _read_bytes(images)
    _refuse_files_outside(files.folder, listed_checksums(done))
    verify_files(files.folder, done, partial(_sha256_of_file, files))
    table = read_rows(images, files.contents[schema.IMAGES_FILE])
    run_ids = sorted(table.column("run_id").unique().to_pylist())
    if run_ids != [files.folder.name]:
        names = ", ".join(run_ids) or "no run"
        raise ValueError(f"{schema.IMAGES_FILE} holds rows of {names}, not of {files.folder.name}.")
    return table


def _refuse_files_outside(folder: Path, names: Iterable[str]) -> None:
    """Raise ValueError where DONE lists a file outside of the run's folder."""
    for name in names:
        path = folder / name
        if not _is_regular_file(path, name) and not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{schema.DONE_FILE} lists a file outside of the folder: {name}.")


def _sha256_of_file(files: RunFiles, name: str) -> str:
    content = files.contents.get(name)
    return sha256_of(files.folder / name) if content is None else hashlib.sha256(content).hexdigest()


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


_parse_object = lru_cache(maxsize=256)(parse_object)
"""Shared, so not to be changed: env.json and summary.json are equal for many runs, and so are held in memory once."""

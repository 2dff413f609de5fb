"""Atomic writing of files."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A temporary neighbour of `path` to write to; flushed to disk and renamed to `path` unless the block fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes files private; a report is meant to be shared.
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def require_folder(folder: Path, option: str) -> None:
    """Make sure that files can be written into a folder before anything is computed for it; leaves nothing behind.

    Args:
        folder: may be absent.
        option: of the command line, for the message: `--out`.

    Raises:
        ValueError: a file, or a place that can't be written to.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{option} {folder}: that is a file; a folder is needed.")
    created: list[Path] = []
    try:
        for path in (*reversed(folder.parents), folder):
            if not path.exists():
                path.mkdir()
                created.append(path)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"{option} {folder}: nothing can be written there ({error.strerror or error}): choose another folder."
        ) from error
    finally:
        for path in reversed(created):
            with suppress(OSError):  # filled meanwhile by another process
                path.rmdir()


def write_bytes(path: Path, content: bytes) -> Path:
    """Write `content` by way of `writing`; returns `path`."""
    with writing(path) as stream:
        stream.write(content)
    return path


def write_text(path: Path, content: str) -> Path:
    """`write_bytes` for text, as UTF-8, lines ending in a bare line feed on every system.

    Bytes of a file's name that are no text become backslash escapes, which JSON reads as what they were.
    """
    return write_bytes(path, content.encode("utf-8", "backslashreplace"))


def write_json(path: Path, content: Any) -> Path:
    """`write_text` for JSON: keys in the given order, two spaces, NaN refused (it is not JSON)."""
    return write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_csv(path: Path, frame: pd.DataFrame, float_format: str | None = None) -> Path:
    """`write_bytes` for a table: no index, lines ending in a bare line feed on every system."""
    return write_bytes(path, frame.to_csv(index=False, lineterminator="\n", float_format=float_format).encode("utf-8"))


def sha256_of(path: Path) -> str:
    """The file's SHA-256 as 64 hexadecimal digits, read in blocks so that large weights fit."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()

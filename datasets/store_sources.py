"""What a packed store was made from: names, sizes and times of its files, so that later changes of them are noticed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datasets.readers import is_image_name


@dataclass(frozen=True, kw_only=True)
class SourceRecord:
    """The files of a store."""

    # (path relative to the store's parent, bytes, modification time in ns) of each entry's file, in order
    files: tuple[tuple[str, int, int], ...]
    # (relative path, number of images in it, hash of their names) of each folder that they lie in
    folders: tuple[tuple[str, int, str], ...]
    digest: str  # hash of the two: equal digests are the same files

    def to_json(self) -> dict[str, Any]:
        """For index.json."""
        return {"files": self.files, "folders": self.folders, "digest": self.digest}

    def describe_change(self, parent: Path, same_pixels: Callable[[int, Path], bool]) -> str:
        """What has changed since, in words; empty where nothing has, or none of the files is there any more.

        Args:
            parent: the folder that the store lies in.
            same_pixels: whether a file still holds the pixels of the entry of this index; asked where the file was
                written later or at another time than recorded, as copies are.
        """
        present = [(parent / name).is_file() for name, _, _ in self.files]
        if not any(present):
            return ""
        for index, (name, size, mtime_ns) in enumerate(self.files):
            path = parent / name
            if not present[index]:
                return f"{path} is gone"
            stat = path.stat()
            changed = stat.st_size != size or stat.st_mtime_ns != mtime_ns
            if changed and not same_pixels(index, path):
                return f"{path} is another file than the packed one"
        for name, count, digest in self.folders:
            names = _images_in(parent / name)
            if _digest(names) != digest:
                return f"{parent / name} holds {len(names)} images, or others by name, and held {count}"
        return ""


def make_record(sources: Sequence[Path], parent: Path) -> SourceRecord:
    """The record of these files, for a store in `parent`."""

    def relative(path: Path) -> str:
        return Path(os.path.relpath(path.resolve(), parent.resolve())).as_posix()

    stats = [path.stat() for path in sources]
    files = tuple((relative(p), s.st_size, s.st_mtime_ns) for p, s in zip(sources, stats, strict=True))
    listed = {folder: _images_in(folder) for folder in dict.fromkeys(path.parent for path in sources)}
    folders = tuple((relative(folder), len(names), _digest(names)) for folder, names in listed.items())
    return SourceRecord(files=files, folders=folders, digest=_digest([files, folders]))


def read_record(stored: Any) -> SourceRecord | None:
    """The record in an index.json; None for a store of an earlier version, which has none.

    Raises:
        ValueError: it is damaged.
    """
    if stored is None:
        return None
    files = tuple((str(name), int(size), int(mtime)) for name, size, mtime in stored["files"])
    folders = tuple((str(name), int(count), str(digest)) for name, count, digest in stored["folders"])
    if _digest([files, folders]) != stored["digest"]:
        raise ValueError("the record of its sources is damaged")
    return SourceRecord(files=files, folders=folders, digest=str(stored["digest"]))


def _images_in(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if is_image_name(Path(entry.name)))


def _digest(value: Any) -> str:
    return hashlib.blake2b(json.dumps(value).encode(), digest_size=16).hexdigest()

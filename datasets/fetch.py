"""Getting data sets: download where an address and a checksum are known, instructions where they aren't."""

from __future__ import annotations

import os
import re
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from datasets.dataset_spec import Archive, DatasetSpec

_CHUNK = 1 << 14  # what an interruption may lose
MAX_MEMBER_BYTES = 1 << 30  # no image of any set comes near; an archive that claims more is refused


class FetchError(ValueError):
    """A download or an archive that can't be trusted or used; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A regular file in an archive."""

    name: str  # its path there
    size: int  # in bytes, as the archive claims
    open: Callable[[], IO[bytes]]  # gives its contents


def instructions(spec: DatasetSpec, root: Path) -> str:
    """What to download by hand and where to put it."""
    layout = spec.home
    folders = [*layout.degraded, *layout.clean]
    places = "\n".join(f"    {root / folder.removesuffix('/**')}" for folder in folders)
    others = sorted({f"{other.family}: {' + '.join([*other.degraded, *other.clean])}" for other in spec.layouts[1:]})
    return "\n".join(
        [
            f"{spec.title}: {spec.count} images ({spec.task.name}, {spec.split})",
            f"  get it  {spec.homepage}",
            f"          {spec.instructions}",
            f"  licence {spec.licence}",
            f"  cite    {spec.citation}",
            f"  put {'degraded and clean images' if spec.paired else 'the images'} into",
            places,
            "  or keep one of these layouts below the root:",
            *(f"    {line}" for line in others),
            f"  then    python -m datasets check {root} --only {spec.name}",
        ]
    )


def fetch(spec: DatasetSpec, root: Path, cache: Path) -> list[Path]:
    """Download the set's archives (once, resumable, checksum verified) and unpack its images below `root`.

    Args:
        spec: a set with archives.
        root: where the sets live.
        cache: where archives are kept; a second set of the same archive does not download it again.

    Returns:
        the unpacked files.

    Raises:
        FetchError: nothing to fetch, no connection, a wrong checksum, or an archive with unsafe members.
    """
    if not spec.archives:
        raise FetchError(f"{spec.title} has no stable public address with a known checksum; get it by hand.")
    files: list[Path] = []
    for archive in spec.archives:
        files += unpack(download(archive, cache), root / archive.target, archive.members)
    return files


def download(archive: Archive, cache: Path) -> Path:
    """The archive's file in `cache`, downloaded if it isn't there, verified in any case.

    Raises:
        FetchError: no connection, or the checksum is wrong.
    """
    import pooch

    name = PurePosixPath(archive.url).name
    resuming = partial(resuming_download, part=cache / f"{name}.part")
    try:
        path = pooch.retrieve(archive.url, known_hash=archive.checksum, fname=name, path=cache, downloader=resuming)
    except ValueError as error:
        raise FetchError(
            f"{name} from {archive.url} does not have the checksum {archive.checksum} ({archive.checksum_source}): "
            "the file was changed or is not the one it was. Nothing was unpacked."
        ) from error
    except OSError as error:
        raise FetchError(
            f"Can't download {archive.url} ({type(error).__name__}). Run the same command again: it goes on where it "
            f"stopped. Or put the file at {cache / name} yourself."
        ) from error
    return Path(path)


def resuming_download(url: str, output_file: str, _pooch: Any, *, part: Path) -> None:
    """A downloader for pooch that goes on where an interrupted one stopped.

    pooch hands over a temporary file that it deletes on failure, so what has arrived is kept in `part` and moved over
    once it is whole.
    """
    import requests

    part.parent.mkdir(parents=True, exist_ok=True)
    have = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={have}-"} if have else {}
    with requests.get(url, headers=headers, stream=True, timeout=60) as response:
        # 416: the part is already whole. 200 instead of 206: the server starts from the beginning, and so do we.
        if response.status_code != 416:
            response.raise_for_status()
            with part.open("ab" if response.status_code == 206 else "wb") as file:
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
    part.replace(output_file)


def unpack(archive: Path, target: Path, pattern: str = ".*") -> list[Path]:
    """Write the archive's files whose path matches `pattern` flat into `target`, each under its last name.

    Nothing but regular files is ever written and the archive's folders are not recreated, so neither `../`, absolute
    paths, links nor devices can reach outside; an archive that holds such members among the wanted ones is refused as
    a whole before anything is written, because whoever made it meant no good.

    Raises:
        FetchError: not an archive, unsafe or colliding members, or none that matches.
    """
    with _opened(archive) as members:
        wanted = [member for member in members if re.fullmatch(pattern, member.name)]
        names = [PurePosixPath(member.name).name for member in wanted]
        if not wanted:
            raise FetchError(f"{archive} holds no file that matches {pattern!r}: it is not the expected archive.")
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise FetchError(f"{archive} holds several files called {twice!r}; unpack it by hand.")
        target.mkdir(parents=True, exist_ok=True)
        return [_write(member, target / name) for member, name in zip(wanted, names, strict=True)]


class _opened:
    """The regular files of a tar or zip archive, after all its members passed inspection."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open = ExitStack()

    def __enter__(self) -> list[Member]:
        try:
            body = self._open.enter_context(self.path.open("rb"))
            if zipfile.is_zipfile(body):
                return list(self._zip_members(self._open.enter_context(zipfile.ZipFile(body))))
            body.seek(0)
            return list(self._tar_members(self._open.enter_context(tarfile.open(fileobj=body))))
        except FetchError:
            self._open.close()
            raise
        # Broken archives make the decoders raise a dozen types (zlib, lzma, struct, ...); all mean the same here.
        except Exception as error:
            self._open.close()
            raise FetchError(f"{self.path} is not a readable tar or zip archive ({error}).") from None

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _zip_members(self, file: zipfile.ZipFile) -> Iterator[Member]:
        for info in file.infolist():
            self._refuse_unsafe(info.filename)
            if stat.S_ISLNK(info.external_attr >> 16):
                raise FetchError(f"{self.path}: member {info.filename!r} is a link; unpack it by hand if you trust it.")
            if not info.is_dir():
                yield Member(name=info.filename, size=info.file_size, open=partial(file.open, info))

    def _tar_members(self, file: tarfile.TarFile) -> Iterator[Member]:
        for info in file:
            self._refuse_unsafe(info.name)
            if info.issym() or info.islnk():
                self._refuse_unsafe(str(PurePosixPath(info.name).parent / info.linkname), link=info.name)
            if info.isfile():
                yield Member(name=info.name, size=info.size, open=partial(_tar_body, file, info))

    def _refuse_unsafe(self, name: str, link: str = "") -> None:
        depth = 0
        for part in PurePosixPath(name.replace("\\", "/")).parts:
            depth += {"..": -1, ".": 0}.get(part, 1)
            if depth < 0 or part == "/" or part.endswith(":"):
                what = f"link {link!r} points" if link else f"member {name!r} leads"
                raise FetchError(f"{self.path}: {what} outside the archive; it is not safe to unpack.")
        if ".." in PurePosixPath(name).parts and not link:
            raise FetchError(f"{self.path}: member {name!r} has '..' in its path; it is not safe to unpack.")


def _tar_body(file: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    body = file.extractfile(info)
    if body is None:
        raise FetchError(f"Member {info.name!r} is no file.")
    return body


def _write(member: Member, path: Path) -> Path:
    """Copy a member's bytes to `path` atomically."""
    if member.size > MAX_MEMBER_BYTES:
        raise FetchError(f"Member {member.name!r} claims {member.size} bytes; no image is that large.")
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".unpacking-")
    try:
        with os.fdopen(handle, "wb") as out, member.open() as source:
            left = MAX_MEMBER_BYTES
            while chunk := source.read(min(_CHUNK, left)):
                out.write(chunk)
                left -= len(chunk)
                if left <= 0:
                    raise FetchError(f"Member {member.name!r} is larger than it claims.")
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except FetchError:
        raise
    except Exception as error:  # as above: whatever the decoder calls it
        raise FetchError(f"Member {member.name!r} can't be read ({error}): download the archive again.") from None
    finally:
        Path(temporary).unlink(missing_ok=True)
    return path

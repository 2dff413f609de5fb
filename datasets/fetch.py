"""Getting data sets: download where an address and a checksum are known, instructions where they aren't."""

from __future__ import annotations

import re
import shutil
import tarfile
from functools import partial
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from datasets.catalog.spec import Archive, DatasetSpec

_CHUNK = 1 << 14  # what an interruption may lose
MAX_MEMBER_BYTES = 1 << 30  # no image of any set comes near; an archive that claims more is refused


class FetchError(ValueError):
    """A download or an archive that can't be trusted or used; the message says what to do."""


def instructions(spec: DatasetSpec, root: Path) -> str:
    """What to download by hand and where to put it."""
    layout = spec.home
    folders = [*layout.degraded, *layout.clean]
    places = "\n".join(f"    {root / folder.removesuffix('/**')}" for folder in folders)
    other_layouts = sorted(
        {f"{layout.family}: {' + '.join([*layout.degraded, *layout.clean])}" for layout in spec.layouts[1:]}
    )
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
            *(f"    {line}" for line in other_layouts),
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
            f"Can't download {archive.url} ({type(error).__name__}). Run the same command again: it resumes "
            f"the download. Or put the file at {cache / name} yourself."
        ) from error
    return Path(path)


def resuming_download(url: str, output_file: str, _pooch: Any, *, part: Path) -> None:
    """A downloader for pooch that resumes an interrupted download.

    pooch hands over a temporary file that it deletes on failure, so what has arrived is kept in `part` and moved over
    once it is complete.
    """
    import requests

    part.parent.mkdir(parents=True, exist_ok=True)
    received = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={received}-"} if received else {}
    with requests.get(url, headers=headers, stream=True, timeout=60) as response:
        # 416: the part is already complete. 200 instead of 206: the server starts from the beginning, and so do we.
        if response.status_code != 416:
            response.raise_for_status()
            with part.open("ab" if response.status_code == 206 else "wb") as file:
                for chunk in response.iter_content(_CHUNK):
                    file.write(chunk)
    part.replace(output_file)


def unpack(archive: Path, target: Path, pattern: str = ".*") -> list[Path]:
    """Write the tar archive's files whose path matches `pattern` flat into `target`, each under its last name.

    Nothing but regular files is ever written and the archive's folders are not recreated, so neither `../`, absolute
    paths, links nor devices can reach outside; an archive that holds such members is refused before anything is
    written: it was made to do harm.

    Raises:
        FetchError: not an archive, unsafe or colliding members, or none that matches.
    """
    try:
        with tarfile.open(archive) as file:
            members = file.getmembers()
            for member in members:
                _refuse_unsafe(archive, member)
            selected: dict[str, tarfile.TarInfo] = {}
            for member in (member for member in members if member.isfile() and re.fullmatch(pattern, member.name)):
                name = PurePosixPath(member.name).name
                if selected.setdefault(name, member) is not member:
                    raise FetchError(f"{archive} holds several files called {name!r}; unpack it by hand.")
            if not selected:
                raise FetchError(f"{archive} holds no file that matches {pattern!r}: it is not the expected archive.")
            target.mkdir(parents=True, exist_ok=True)
            return [_write(file, member, target / name) for name, member in selected.items()]
    except FetchError:
        raise
    # Broken archives make the decoders raise a dozen types (zlib, lzma, struct, ...); all mean the same here.
    except Exception as error:
        raise FetchError(f"{archive} is not a readable tar archive ({error}): download it again.") from None


def _refuse_unsafe(archive: Path, member: tarfile.TarInfo) -> None:
    path = PurePosixPath(member.name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or (path.parts[:1] and path.parts[0].endswith(":")):
        raise FetchError(f"{archive}: member {member.name!r} leads outside the archive; it is not safe to unpack.")
    if member.issym() or member.islnk():
        # a hard link's name starts at the archive's top, a symbolic one's at its own folder
        end = PurePosixPath("/", *(path.parent.parts if member.issym() else ()), member.linkname)
        if member.linkname.startswith("/") or _depth(end) < 0:
            raise FetchError(f"{archive}: link {member.name!r} points outside the archive; it is not safe to unpack.")
    if member.size > MAX_MEMBER_BYTES:
        raise FetchError(f"{archive}: member {member.name!r} claims {member.size} bytes; no image is that large.")


def _depth(path: PurePosixPath) -> int:
    """The least number of folders below the top that the path comes to on its way."""
    depths = accumulate({"..": -1, "/": 0}.get(part, 1) for part in path.parts)
    return min(depths, default=0)


def _write(file: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> Path:
    """Copy a member's bytes to `path` atomically."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as out, cast(IO[bytes], file.extractfile(member)) as source:
            shutil.copyfileobj(source, out)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path

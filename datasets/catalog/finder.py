"""Finding the catalogue's sets in a folder and pairing their files.

Nothing is decoded here: names and folders only. What can't be paired becomes a `Problem`, never an exception, so that
one call reports everything that is wrong with a root.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from datasets.catalog import catalog, get_dataset
from datasets.catalog.spec import DatasetSpec, Layout
from datasets.readers import is_image_name


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with a data set."""

    dataset: str  # the set's name
    kind: str  # `missing`, `unpaired`, `ambiguous`, `extra`, `refused`, `size`, `misplaced`, `shifted`, `count`
    subject: str  # the file or image it is about
    reason: str  # what is wrong, in words


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One image of a set."""

    name: str  # its name within the set (the degraded file's stem; GoPro's sequence before a slash)
    clean: Path  # the clean file
    degraded: Path | None = None  # the degraded file; None where the degradation is made, not read


@dataclass(frozen=True, kw_only=True)
class LocalDataset:
    """A set of the catalogue as it lies on disk."""

    spec: DatasetSpec  # what it should be
    layout: Layout  # the layout that matched
    root: Path  # the folder the layout's folders start from
    pairs: tuple[Pair, ...]  # its images in order of name
    problems: tuple[Problem, ...]  # what names and folders alone tell
    ignored: tuple[Path, ...] = ()  # files in its folders that are hidden or don't look like images

    @property
    def complete(self) -> bool:
        """Whether every image of the set is there."""
        return len(self.pairs) >= self.spec.count and not any(p.kind == "missing" for p in self.problems)


@dataclass(frozen=True, kw_only=True)
class _File:
    """An image file and its name within the set: folders that a `*` matched, then the stem."""

    path: Path
    stem: str
    folder: str

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.stem}" if self.folder else self.stem


PREFIXES = ("", "data", "Datasets")


def find_sets(root: Path, names: Iterable[str] | None = None) -> list[LocalDataset]:
    """Every set of the catalogue that `root` holds, in the catalogue's order.

    Args:
        root: a folder in any of the accepted layouts, or several of them side by side.
        names: look for these sets only; by default for all but variants of another.

    Raises:
        ValueError: the root is not a folder, or no set has such a name.
    """
    if not root.is_dir():
        raise ValueError(f"No folder {str(root)!r}. Give the folder that holds the data sets.")
    chosen = [s for s in catalog().values() if s.variant_of is None] if names is None else map(get_dataset, names)
    local_sets = (find_set(root, spec) for spec in chosen)
    return [local for local in local_sets if local is not None]


def find_set(root: Path, spec: DatasetSpec) -> LocalDataset | None:
    """The set in the layout that yields most of its images; None where no layout yields any."""
    best: LocalDataset | None = None
    for prefix in PREFIXES:
        base = _subfolder(root, prefix)
        for layout in spec.layouts if base else ():
            assert base is not None
            candidate = _read_layout(base, spec, layout)
            if candidate and (best is None or len(candidate.pairs) > len(best.pairs)):
                best = candidate
    return best


def refuse_ambiguous_names(local_sets: Iterable[LocalDataset]) -> None:
    """Refuse sets in which it isn't known which file is meant: nothing is dropped without a word.

    Raises:
        ValueError: two files of one name, or several clean partners; the line names both.
    """
    for local in local_sets:
        unclear = [problem for problem in local.problems if problem.kind == "ambiguous"]
        if unclear:
            more = f" (and {len(unclear) - 1} more such)" if len(unclear) > 1 else ""
            raise ValueError(
                f"{local.spec.name}: {unclear[0].subject}: {unclear[0].reason}{more}: keep one of each name."
            )


def content_digest(hashes: Iterable[str]) -> str:
    """One digest for a set from its images' pixel hashes, whatever the files are called and however they are stored."""
    return hashlib.blake2b("\n".join(sorted(hashes)).encode(), digest_size=16).hexdigest()


def _read_layout(root: Path, spec: DatasetSpec, layout: Layout) -> LocalDataset | None:
    clean = list(_files(root, layout.clean, layout.clean_files))
    if not spec.paired:
        pairs = [Pair(name=file.name, clean=file.path) for file in clean]
        problems = _duplicates(spec, clean)
    else:
        degraded = list(_files(root, layout.degraded, layout.degraded_files))
        if not degraded or not clean:
            return None
        pairs, problems = _match(spec, degraded, clean)
    if not pairs:
        return None
    pairs.sort(key=lambda pair: pair.name)
    if spec.variant_of:  # one degraded image for each clean one: the first by name
        pairs = list({pair.clean: pair for pair in reversed(pairs)}.values())[::-1]
    names = _listed_names(root, spec)
    if names:
        pairs = [pair for pair in pairs if pair.name in names]
        absent = sorted(names.difference(pair.name for pair in pairs))
        problems += [_problem(spec, "missing", name, "in the list, not there") for name in absent]
    else:
        problems += _missing(spec, pairs)
    ignored = tuple(path for path in _paths(root, layout.clean + layout.degraded) if not is_image_name(path[0]))
    return LocalDataset(
        spec=spec,
        layout=layout,
        root=root,
        pairs=tuple(pairs),
        problems=tuple(problems),
        ignored=tuple(path for path, _ in ignored if not path.is_dir()),
    )


def _match(spec: DatasetSpec, degraded: list[_File], clean: list[_File]) -> tuple[list[Pair], list[Problem]]:
    """Partners by equal names first, then by the set's rule."""
    exact, by_key = defaultdict(list), defaultdict(list)
    for file in clean:
        exact[file.folder, file.stem].append(file)
        by_key[file.folder, spec.pairing.key(file.stem)].append(file)
    pairs: list[Pair] = []
    problems: list[Problem] = []
    used: set[Path] = set()
    for file in degraded:
        partners = exact.get((file.folder, file.stem)) or by_key.get((file.folder, spec.pairing.key(file.stem)), [])
        used.update(partner.path for partner in partners)
        if len(partners) == 1:
            pairs.append(Pair(name=file.name, clean=partners[0].path, degraded=file.path))
        elif partners:
            several = ", ".join(str(partner.path) for partner in partners)
            problems.append(_problem(spec, "ambiguous", file.path, f"several clean partners: {several}"))
        else:
            problems.append(_problem(spec, "unpaired", file.path, f"no clean partner ({spec.pairing.value})"))
    for file in clean:
        if file.path not in used:
            problems.append(_problem(spec, "unpaired", file.path, f"no degraded partner ({spec.pairing.value})"))
    return pairs, problems + _duplicates(spec, degraded)


def _duplicates(spec: DatasetSpec, files: list[_File]) -> list[Problem]:
    """Files that differ by extension only: which one is meant isn't known."""
    first_by_name: dict[str, _File] = {}
    problems = []
    for file in files:
        first = first_by_name.setdefault(file.name.casefold(), file)
        if first is not file:
            problems.append(_problem(spec, "ambiguous", file.path, f"same name as {first.path}"))
    return problems


def _missing(spec: DatasetSpec, pairs: list[Pair]) -> list[Problem]:
    """Expected names that aren't there, by the list of names that fits best; else the bare count."""
    present = {spec.pairing.key(pair.name) for pair in pairs}
    best = max(spec.expected, key=lambda names: len(present.intersection(names)), default=())
    if present.intersection(best):
        problems = [_problem(spec, "missing", name, "not there") for name in best if name not in present]
        expected_names = set(best)
        for pair in pairs:
            if spec.pairing.key(pair.name) not in expected_names:
                problems.append(_problem(spec, "extra", pair.degraded or pair.clean, f"is no image of {spec.title}"))
        return problems
    if len(pairs) == spec.count:
        return []
    return [_problem(spec, "count", spec.name, f"{len(pairs)} of {spec.count} images")]


def _listed_names(root: Path, spec: DatasetSpec) -> frozenset[str]:
    """Names from the set's list file; empty where the root has none. The root may be a prefix's parent."""
    for name in spec.lists:
        for file in (root / name, root.parent / name):
            if file.is_file():
                text = file.read_text(encoding="utf-8", errors="replace")
                return frozenset(Path(line.strip()).stem for line in text.splitlines() if line.strip())
    return frozenset()


def _problem(spec: DatasetSpec, kind: str, subject: object, reason: str) -> Problem:
    return Problem(dataset=spec.name, kind=kind, subject=str(subject), reason=reason)


def _files(root: Path, folders: tuple[str, ...], pattern: str) -> Iterator[_File]:
    """Image files in the layout's folders whose name matches, in order of name."""
    matches = re.compile(pattern, flags=re.IGNORECASE).fullmatch
    for path, captured in _paths(root, folders):
        if is_image_name(path) and matches(path.name):
            yield _File(path=path, stem=path.stem, folder=captured)


def _paths(root: Path, folders: tuple[str, ...]) -> Iterator[tuple[Path, str]]:
    """Everything in the layout's folders, with what a `*` stood for."""
    for folder in folders:
        for place, captured in _folders(root, folder.removesuffix("/**").split("/")):
            for path in _walk(place) if folder.endswith("/**") else _list_folder(place):
                yield path, captured


def _folders(base: Path, parts: list[str], captured: str = "") -> Iterator[tuple[Path, str]]:
    """Folders below `base` along the parts; what `*` stood for comes with them."""
    if not parts:
        yield base, captured
        return
    if parts[0] == "*":
        for child in _list_folder(base):
            if child.is_dir() and not child.name.startswith("."):
                yield from _folders(child, parts[1:], f"{captured}/{child.name}".strip("/"))
        return
    child_of = _subfolder(base, parts[0])
    if child_of is not None:
        yield from _folders(child_of, parts[1:], captured)


def _subfolder(base: Path, name: str) -> Path | None:
    """The folder `name` in `base`, else one that differs by case only."""
    if name in ("", "."):
        return base
    if (base / name).is_dir():
        return base / name
    alike = (child for child in _list_folder(base) if child.name.casefold() == name.casefold() and child.is_dir())
    return next(alike, None)


def _list_folder(folder: Path) -> list[Path]:
    """What a folder holds; nothing where it may not be read (its set then lacks images, by name or number)."""
    try:
        return sorted(Path(entry.path) for entry in os.scandir(folder))
    except OSError:
        return []


def _walk(folder: Path) -> Iterator[Path]:
    """Files below a folder; links to folders are not followed, so a loop can't catch it."""
    for place, folders, files in os.walk(folder, followlinks=False):
        folders.sort()
        for name in sorted(files):
            yield Path(place) / name

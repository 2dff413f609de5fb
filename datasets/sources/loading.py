"""One data set's images in memory or mapped from its store, with what comparing them needs."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datasets.bundle import Sample
from datasets.catalog import catalog
from datasets.catalog.finder import LocalDataset
from datasets.catalog.spec import DatasetSpec
from datasets.inspection import parallel_map
from datasets.leaks import thumbnail
from datasets.readers import ImageRefused, read_rgb, read_size
from datasets.store import PackedSet
from datasets.tasks import Condition

MAX_DECODED_BYTES = 4 << 30
_MAX_LISTED = 20


@dataclass(frozen=True, kw_only=True)
class LoadedImage:
    """An image of a data set, ready to use."""

    spec: DatasetSpec  # its set
    name: str  # `<set>/<image>`
    clean_name: str  # the clean image's name within the set: shared by the degraded ones it serves
    clean: NDArray[np.uint8]  # (H, W, 3) uint8; a view of a memory map for a packed set
    degraded: NDArray[np.uint8] | None  # the same, or None
    thumb: NDArray[np.float32]  # (1536,) thumbnail of the clean image (`datasets.leaks.thumbnail`).
    digest: str  # hash of the pixels of both

    def sample(self, scene: str, conditions: Iterable[Condition], depth: NDArray[np.float32] | None = None) -> Sample:
        """The image as a bundle's, of this scene."""
        return Sample(
            name=self.name,
            scene=scene,
            clean=self.clean,
            degraded=self.degraded,
            depth=depth,
            conditions=tuple(conditions),
            source=self.spec.title,
            licence=self.spec.licence,
        )


def stored_sets(root: Path) -> dict[str, PackedSet]:
    """The packed sets that lie in a root, by name.

    Raises:
        StoreError: a store is broken, or the files that it was made from have changed since.
    """
    paths = (root / f"{name}.store" for name in catalog())
    stores = {path.name.removesuffix(".store"): PackedSet(path) for path in paths if path.is_dir()}
    for store in stores.values():
        store.require_current()
    return stores


def stores_note(stores: Collection[PackedSet]) -> str:
    """`read from packed stores: rain100l-test`, and which of them can't tell whether they are current; else nothing."""
    names = sorted(store.name for store in stores)
    unsure = sorted(store.name for store in stores if store.sources is None)
    words = f"read from packed stores: {', '.join(names)}" if names else ""
    if unsure:
        words += f" (made before stores recorded their files, so changes go unnoticed: {', '.join(unsure)})"
    return words


def load_set(spec: DatasetSpec, local: LocalDataset | None, store: PackedSet | None) -> list[LoadedImage]:
    """All images of a set, from its store where there is one, else decoded from its files.

    Raises:
        ValueError: neither is there; the set is too large to decode into memory; or unusable files, all named.
    """
    if store is not None:
        return _from_store(spec, store)
    if local is None:
        raise ValueError(f"{spec.name} is not there.")
    return _from_files(local)


def _from_store(spec: DatasetSpec, store: PackedSet) -> list[LoadedImage]:
    thumbs: dict[int, NDArray[np.float32]] = {}
    images = []
    for name, degraded, clean in store.pairs:
        if clean not in thumbs:
            thumbs[clean] = thumbnail(np.asarray(store.verified_image(clean)))
        checksums = [store.entries[index].checksum for index in (clean, degraded) if index >= 0]
        images.append(
            LoadedImage(
                spec=spec,
                name=f"{spec.name}/{name}",
                clean_name=store.entries[clean].name,
                clean=store.image(clean),
                degraded=store.image(degraded) if degraded >= 0 else None,
                thumb=thumbs[clean],
                digest=_join_checksums(checksums),
            )
        )
    return images


@dataclass(frozen=True)
class _File:
    path: Path
    pixels: NDArray[np.uint8] | None
    thumb: NDArray[np.float32] | None
    checksum: str
    fault: str


def _decode(path: Path) -> _File:
    try:
        pixels = read_rgb(path)
    except ImageRefused as refused:
        return _File(path, None, None, "", refused.reason)
    checksum = hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16).hexdigest()
    return _File(path, pixels, thumbnail(pixels), checksum, "")


def _from_files(local: LocalDataset) -> list[LoadedImage]:
    paths = list(dict.fromkeys(p for pair in local.pairs for p in (pair.clean, pair.degraded) if p is not None))
    _require_memory(local, paths)
    files = {file.path: file for file in parallel_map(_decode, paths)}
    faults = [f"{path}: {file.fault}" for path, file in files.items() if file.fault]
    images = []
    first_name: dict[Path, str] = {}
    for pair in local.pairs:
        clean, degraded = files[pair.clean], files[pair.degraded] if pair.degraded else None
        if clean.pixels is None or clean.thumb is None or (degraded is not None and degraded.pixels is None):
            continue
        if degraded is not None and degraded.pixels is not None and degraded.pixels.shape != clean.pixels.shape:
            faults.append(f"{pair.degraded}: its size is not that of {pair.clean.name}")
            continue
        images.append(
            LoadedImage(
                spec=local.spec,
                name=f"{local.spec.name}/{pair.name}",
                clean_name=first_name.setdefault(pair.clean, pair.name),
                clean=clean.pixels,
                degraded=None if degraded is None else degraded.pixels,
                thumb=clean.thumb,
                digest=_join_checksums([clean.checksum, *([degraded.checksum] if degraded else [])]),
            )
        )
    if faults:
        more = f"\nand {len(faults) - _MAX_LISTED} more" if len(faults) > _MAX_LISTED else ""
        raise ValueError(
            f"{len(faults)} files of {local.spec.name} can't be used; fix or move them:\n"
            + "\n".join(faults[:_MAX_LISTED])
            + more
        )
    return images


def _require_memory(local: LocalDataset, paths: list[Path]) -> None:
    try:
        height, width = read_size(paths[0])
    except ImageRefused:
        return  # it is named with the other faults
    size = len(paths) * height * width * 3
    if size > MAX_DECODED_BYTES:
        name = local.spec.name
        raise ValueError(
            f"{name} takes about {size / 1e9:.0f} GB decoded: run `python -m datasets pack {name} --root {local.root}` "
            "once, then it is read from the disk."
        )


def _join_checksums(checksums: list[str]) -> str:
    return checksums[0] if len(checksums) == 1 else hashlib.blake2b(" ".join(checksums).encode()).hexdigest()[:32]

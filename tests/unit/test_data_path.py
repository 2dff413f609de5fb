"""The training data path: the rows that were always drawn, bit for bit, whoever prepares them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from datasets.bundle import DataBundle
from datasets.degrade import degrade
from datasets.seeding import stable_seed
from datasets.sources.embedded import load_embedded
from datasets.sources.folder import load_folder
from datasets.sources.paper import load_root
from datasets.tasks import CONDITIONS, Condition, Task, noise
from tests.support import reference_batches
from tests.support.pair_folders import write

RAIN = Condition(task=Task.RAIN)


def photo(height: int, width: int, seed: int) -> np.ndarray:
    """Smooth noise, in whole numbers alone: the same bytes everywhere."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8 + 2, width // 8 + 2, 3))
    fine = np.kron(coarse, np.ones((8, 8, 1), dtype=np.int64))[:height, :width]
    return ((fine + np.roll(fine, 3, 0) + np.roll(fine, 5, 1)) // 3).astype(np.uint8)


def clean_folder(root: Path) -> DataBundle:
    """Images of several sizes; one is smaller than most patches."""
    for number, (height, width) in enumerate([(80, 96), (40, 150), (131, 70), (64, 64), (90, 91)]):
        write(root / "images" / f"{number}.png", photo(height, width, number))
    return load_folder(root / "images")


def pairs_of_two_tasks(root: Path) -> DataBundle:
    for task in ("rain", "haze"):
        for number in range(4):
            clean = photo(70 + number, 90, number)
            write(root / "pairs" / task / "clean" / f"{number}.png", clean)
            write(root / "pairs" / task / "degraded" / f"{number}.png", 255 - clean)
    return load_folder(root / "pairs")


def sets_of_the_field(root: Path) -> DataBundle:
    for number in range(4):
        write(root / "root" / "BSD400" / f"{number}.jpg", photo(81, 61, number))
        write(root / "root" / "CBSD68" / f"{number}.png", photo(81, 61, 20 + number))
        for part, first in (("our485", 30), ("eval15", 40)):
            clean = photo(60, 90, first + number)
            write(root / "root" / "LOL-v1" / part / "clean" / f"{first + number}.png", clean)
            write(root / "root" / "LOL-v1" / part / "degraded" / f"{first + number}.png", clean // 4)
    return load_root(root / "root", protocol="suite")


BUNDLES = {
    "embedded": lambda root: load_embedded(),
    "folder": clean_folder,
    "pairs": pairs_of_two_tasks,
    "root": sets_of_the_field,
}


def drawn(data: DataBundle, step: int, rows: int = 21) -> tuple[list[Condition], list[int]]:
    chosen = np.random.default_rng(step).integers(len(data.conditions), size=rows)
    return [data.conditions[int(i)] for i in chosen], [stable_seed("golden", step, row) for row in range(rows)]


@pytest.mark.parametrize("patch", [31, 48, 64, 100])
@pytest.mark.parametrize("name", BUNDLES)
def test_batches_are_those_of_the_first_code_bit_for_bit(name, patch, tmp_path):
    data = BUNDLES[name](tmp_path)
    for step in range(3):
        conditions, seeds = drawn(data, step)
        expected = reference_batches.batch(data, conditions, seeds, patch)
        for ours, first in zip(data.batch(conditions, seeds, patch), expected, strict=True):
            assert ours.is_contiguous()
            assert torch.equal(ours, first)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: c.name)
def test_many_rows_of_one_task_are_those_of_the_first_code_bit_for_bit(condition):
    """So many that FFTs of one size come several times, as in the batches of a GPU."""
    data, seeds = load_embedded(), [stable_seed("many", row) for row in range(64)]
    expected = reference_batches.batch(data, [condition] * 64, seeds, 48)
    for ours, first in zip(data.batch([condition] * 64, seeds, 48), expected, strict=True):
        assert torch.equal(ours, first)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda c: c.name)
def test_degradations_are_those_of_the_first_code_bit_for_bit(condition):
    for seed, (height, width) in enumerate([(48, 48), (33, 57), (8, 8), (130, 61)]):
        clean = torch.from_numpy(photo(height, width, seed)).permute(2, 0, 1).float() / 255
        depth = torch.from_numpy(np.random.default_rng(seed).random((height, width), dtype=np.float32))
        for given in (None, depth):
            assert torch.equal(
                degrade(clean, condition, seed, given), reference_batches.degrade(clean, condition, seed, given)
            )


def hash_of(data: DataBundle, conditions: list[Condition]) -> str:
    """Of batches of several steps and sizes as bytes."""
    digest = hashlib.blake2b(digest_size=8)
    for step in range(4):
        _, seeds = drawn(data, step, rows=16)
        for patch in (32, 48, 64):
            for part in data.batch(conditions * (16 // len(conditions)), seeds, patch):
                digest.update((part * 255).round().to(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def test_hashes_of_batches_stay_what_they_were(tmp_path):
    """Of what is exact arithmetic and so the same on every machine: crops, flips, pairs and noise."""
    noises = [noise(15), noise(25), noise(50), noise(25)]
    assert hash_of(load_embedded(), noises) == "d99279f6276efe3b"
    assert hash_of(pairs_of_two_tasks(tmp_path), [RAIN, Condition(task=Task.HAZE)]) == "493e2a61b783169b"
    assert hash_of(sets_of_the_field(tmp_path), [noise(15), Condition(task=Task.LOWLIGHT)]) == "be4c821325ca7c8f"

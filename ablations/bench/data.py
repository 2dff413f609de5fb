"""The data path: 128-pixel training patches per second, against the released loader; then training batches (`feed`).

The reference decodes two complete PNG files for each sample, crops and rotates them with numpy and collates batches of
five in eight worker processes. It transcribes what the released code does, for benchmarks only.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from ablations.bench import feed
from ablations.bench.measurement import Measurement, measure_rate, summarize
from datasets.bundle import to_float, to_uint8
from datasets.catalog.finder import find_sets
from datasets.degrade import degrade
from datasets.seeding import stable_seed
from datasets.sources.embedded import load_embedded
from datasets.sources.paper import load_root
from datasets.store import pack, plan_pack
from datasets.tasks import Condition, Task

PATCH = 128
BATCH = 5
WORKERS = 8
PAIRS = 24


def run(device: torch.device, repeats: int) -> Iterator[Measurement]:
    """Reference, store and the harness's batches on the same images; then patches degraded on the fly."""
    yield from _compare_with_released(device, repeats)
    yield from feed.run(repeats)


def _compare_with_released(device: torch.device, repeats: int) -> list[Measurement]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write_pairs(root)
        loader = DataLoader(
            _ReleasedDataset(root / "LOL-v1" / "our485"), batch_size=BATCH, shuffle=True, num_workers=WORKERS,
            persistent_workers=True,
        )  # fmt: skip
        reference = summarize(
            "released way: decode, crop, turn; 8 workers",
            "patches/s",
            measure_rate(lambda: _run_epoch(loader), repeats),
        )
        data_set = next(candidate for candidate in find_sets(root, ["lol-our485"]))
        store = pack(plan_pack(data_set, root))
        bundle = load_root(root, protocol="suite", tasks=[Task.LOWLIGHT])
        conditions = list(bundle.conditions) * BATCH
        counter = iter(range(10**9))

        def crops() -> int:
            rng = np.random.default_rng(next(counter))
            for _ in range(2000):
                index = 2 * int(rng.integers(len(store) // 2))
                for number in (index, index + 1):
                    top, left = int(rng.integers(200)), int(rng.integers(200))
                    store.image(number)[top : top + PATCH, left : left + PATCH].copy()
            return 2000

        def batches() -> int:
            for _ in range(200):
                step = next(counter)
                seeds = [stable_seed("bench", step, row) for row in range(BATCH)]
                bundle.batch(conditions, seeds, PATCH, device)
            return 200 * BATCH

        store_label = "store: two crops a sample, nothing else"
        harness_label = f"harness: batches of {BATCH} as float tensors on {device.type}, one process"
        return [
            reference,
            summarize(store_label, "patches/s", measure_rate(crops, repeats), reference.value),
            summarize(harness_label, "patches/s", measure_rate(batches, repeats), reference.value),
        ]


def _write_pairs(root: Path) -> None:
    """Write pairs of PNG files of 600 x 400 pixels, the size of LOL, from the embedded photographs, darkened."""
    photos = load_embedded().train
    for part, count in (("our485", PAIRS), ("eval15", 2)):
        for number in range(count):
            photo = photos[number % len(photos)].clean
            clean = np.asarray(Image.fromarray(photo).resize((600, 400), Image.Resampling.LANCZOS))
            clean = np.roll(clean, number * 17, axis=1)
            dark = to_uint8(degrade(to_float(clean), Condition(task=Task.LOWLIGHT), number))
            for role, image in (("clean", clean), ("degraded", dark)):
                path = root / "LOL-v1" / part / role / f"{number + (1000 if part == 'eval15' else 0)}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).save(path)


def _run_epoch(loader: DataLoader[tuple[torch.Tensor, torch.Tensor]]) -> int:
    return sum(len(degraded) for degraded, _ in loader)


class _ReleasedDataset(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """Decodes two complete images a sample, crops and rotates them by numpy."""

    def __init__(self, folder: Path) -> None:
        self.names = sorted(path.name for path in (folder / "clean").iterdir()) * 12
        self.folder = folder

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        rng = np.random.default_rng()
        images = [
            np.array(Image.open(self.folder / role / self.names[index]).convert("RGB"))
            for role in ("degraded", "clean")
        ]
        top, left = (int(rng.integers(side - PATCH + 1)) for side in images[0].shape[:2])
        turns, flip = int(rng.integers(4)), int(rng.integers(2))
        patches = []
        for image in images:
            patch = np.rot90(image[top : top + PATCH, left : left + PATCH], turns)
            patch = np.flipud(patch) if flip else patch
            patches.append(torch.from_numpy(patch.copy()).permute(2, 0, 1).contiguous().float().div(255))
        return patches[0], patches[1]

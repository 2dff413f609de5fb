"""Evaluation: DFPIR on photographs of CBSD68's size under three noise levels, metrics included.

The reference is the released way: one PNG file at a time, the prompt encoded once a test set, float32 NCHW, PSNR and
SSIM of float32 arrays by scikit-image on the CPU. Ours restores batches of one size and scores them on the device, from
images read once.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import groupby, product
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor, nn

from ablations.bench.ceilings import ceilings
from ablations.bench.model_setup import (
    allocated_gib,
    applied_settings,
    free,
    inactive_switches,
    label,
    our_model,
    text_tower,
    tf32_note,
    unless_too_large,
)
from ablations.bench.options import Settings
from ablations.bench.record import Line, line, rate, wait
from ablations.bench.reference import ReferenceUNet, copy_weights, released_restore
from ablations.harness.evaluate import as_tensor
from ablations.harness.malloc import keep_freed_memory
from ablations.harness.training.acceleration import (
    GraphedStep,
    apply_acceleration,
    cuda_graph_blocker,
    get_acceleration,
)
from ablations.spec import Precision
from baselines.base import restore
from datasets.bundle import Pixels, to_float, to_levels
from datasets.degrade import degrade
from datasets.embedded import load_embedded
from datasets.metrics import psnr_db, ssim
from datasets.tasks import CONDITIONS, Condition, noise
from datasets.transfer import to_device_async
from dfpir.count import multiply_adds
from dfpir.prompts import load_prompts
from dfpir.recompute import compile_blocks
from dfpir.sentences import PROMPTS

SIZE = (321, 481)
SIGMAS = (15, 25, 50)
PHOTOGRAPHS = {"cpu": 1, "cuda": 8}
BATCH = 4
_WARM_UP = 2  # passes over all photographs, on a GPU dozens of batches
_RATE = "images/s"

Pairs = list[tuple[Condition, Pixels, Pixels]]
Files = list[tuple[Condition, Path, Path]]
Network = Callable[[Tensor, Tensor], Tensor]


def run(device: torch.device, repeats: int, settings: Settings | None = None) -> Iterator[Line]:
    """Ceilings, the reference, ours for each batch size and precision, and how far the scores lie apart."""
    settings = settings or Settings()
    if settings.way == "both":  # one way alone is a part of a comparison that has them once
        yield from ceilings(device, repeats)
        free(device)
    bench = EvaluationBench(device=device, repeats=repeats, settings=settings)
    reference = math.nan
    if settings.way != "ours":
        for each in bench.released():
            reference = each.value if each.unit == _RATE else reference
            yield each
    if settings.way != "released":
        keep_freed_memory()  # from here on: the released way runs without
        for batch, precision in product(settings.batch or (BATCH,), settings.precisions_on(device)):
            yield from bench.ours(precision, batch, reference)


class EvaluationBench:
    """Both ways on a device, of the same pairs of images.

    Args:
        device: where.
        repeats: measured ones.
        settings: what is measured.
    """

    def __init__(self, *, device: torch.device, repeats: int, settings: Settings) -> None:
        self.device, self.repeats, self.settings = device, repeats, settings
        size = (settings.pixels, settings.pixels) if settings.pixels else SIZE
        self.pairs = _pairs(max(PHOTOGRAPHS[device.type], *settings.batch, 1), size)
        self.name = f"{size[1]} x {size[0]} px, three sigmas, metrics included, {device.type}"
        self.name += ", tiny model" if settings.size == "tiny" else ""
        self.released_scores: list[float] = []

    def released(self) -> Iterator[Line]:
        """The released way; its scores are kept."""
        what = f"eval: released way, float32, {self.name}"
        yield from unless_too_large(self._released(what), what, _RATE, self.device)

    def _released(self, what: str) -> Iterator[Line]:
        device = self.device
        free(device)
        model = ReferenceUNet(self.settings.config)
        copy_weights(our_model(self.settings.config), model)
        model.to(device).eval()
        codes, encode = load_prompts("detailed", "minilm").codes.to(device), text_tower(device)
        with tempfile.TemporaryDirectory() as folder:
            files = _write(self.pairs, Path(folder))

            def work() -> int:
                found = []
                for condition, images in groupby(files, key=lambda file: file[0]):
                    # once a test set; its codes are another encoder's than ours
                    encode([PROMPTS["detailed"][condition.name]])
                    for _, degraded, clean in images:
                        found.append(_released_score(model, codes[[_row(condition)]], degraded, clean, device))
                self.released_scores = found
                return len(files)

            yield line(what, _RATE, rate(work, self.repeats, device, warm_up=1), note=tf32_note(device))
        if device.type == "cuda":
            yield line(f"{what}, most memory allocated", "GiB", [allocated_gib(device)])

    def ours(self, precision: Precision, batch: int, reference: float) -> Iterator[Line]:
        """Ours in this precision; `reference` is the released way's images a second."""
        with applied_settings(self.settings, precision):
            most = max(len(part) for part in _batches(self.pairs, batch))
            what = f"{label(self.settings, precision, self.device)}, batch {most}, {self.name}"
            lines = self._ours(precision, batch, what, reference)
            yield from unless_too_large(lines, f"eval: {what}", _RATE, self.device)

    def _ours(self, precision: Precision, batch: int, what: str, reference: float) -> Iterator[Line]:
        device, pairs = self.device, self.pairs
        free(device)
        network = our_network(self.settings, precision, device)
        scores: list[float] = []

        def work() -> int:
            scores.clear()
            for part in _batches(pairs, batch):
                degraded = to_device_async(torch.cat([as_tensor(image) for _, image, _ in part]), device)
                clean = to_device_async(torch.cat([as_tensor(image) for _, _, image in part]), device)
                rows = torch.full((len(part),), _row(part[0][0]), device=device)
                with torch.inference_mode():
                    out = network(degraded, rows)
                    found = torch.stack([psnr_db(out, clean), ssim(out, clean)])
                scores.extend(found.tolist()[0])
            return len(pairs)

        if get_acceleration().compile:
            started = time.perf_counter()
            work()
            wait(device)
            yield line(f"eval: first pass with compiling, {what}", "s", [time.perf_counter() - started])
        rates = rate(work, self.repeats, device, _WARM_UP if device.type == "cuda" else 1)
        mine = line(f"eval: {what}", _RATE, rates, reference, inactive_switches(self.settings, device))
        yield mine
        height, width = (-(-side // 8) * 8 for side in pairs[0][1].shape[:2])
        macs = multiply_adds(self.settings.config, height, width)
        yield line(f"eval: multiply-adds of the definition, {what}", "GMACs/s", [mine.value * macs / 1e9])
        if device.type == "cuda":
            yield line(f"eval: most memory allocated, {what}", "GiB", [allocated_gib(device)])
        if self.released_scores:
            gap = max(abs(a - b) for a, b in zip(self.released_scores, scores, strict=True))
            yield line(f"same answers: largest difference of PSNR, {what}", "dB", [gap])


def _released_score(model: nn.Module, code: Tensor, degraded: Path, clean: Path, device: torch.device) -> float:
    """PSNR, dB, of a restored file; SSIM is computed as well."""
    image = as_tensor(_read(degraded)).to(device)
    with torch.no_grad():
        out = released_restore(model, image, code).clamp(0, 1)
    restored = out[0].permute(1, 2, 0).cpu().numpy()
    truth = _read(clean).astype(np.float32) / 255
    structural_similarity(truth, restored, data_range=1.0, channel_axis=-1)
    return float(peak_signal_noise_ratio(truth, restored, data_range=1.0))


def our_network(settings: Settings, precision: Precision, device: torch.device) -> Network:
    """Ours for batches of one size, with the switches chosen: (B, 3, H, W) and rows of prompts to values in [0, 1]."""
    model = our_model(settings.config).to(device).eval()
    apply_acceleration(model, model.config)
    if get_acceleration().compile:  # runs evaluate eagerly, since their images have many sizes; here they have one
        compile_blocks(model, evaluation=True)

    def compute(degraded: Tensor, rows: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            restored = restore(model, degraded, rows)
        return restored.float().clamp(0, 1)

    if get_acceleration().cuda_graphs and cuda_graph_blocker(model.config, device) is None:
        # the last batch of a condition may be smaller: a graph for each size, captured once
        graphs: defaultdict[int, GraphedStep] = defaultdict(lambda: GraphedStep(compute, []))
        return lambda degraded, rows: graphs[len(degraded)](degraded, rows)
    return compute


def _batches(pairs: Pairs, batch: int) -> Iterator[Pairs]:
    """Pairs of one condition, at most `batch` at once."""
    for _, group in groupby(pairs, key=lambda pair: pair[0]):
        alike = list(group)
        for start in range(0, len(alike), batch):
            yield alike[start : start + batch]


def _pairs(photographs: int, size: tuple[int, int]) -> Pairs:
    """Condition, degraded and clean image, by condition."""
    sources = [sample.clean for sample in load_embedded().train]
    found = []
    for sigma in SIGMAS:
        for number in range(photographs):
            photo = Image.fromarray(sources[number % len(sources)]).resize(size[::-1], Image.Resampling.LANCZOS)
            clean = np.roll(np.asarray(photo), 13 * number, axis=1)
            found.append((noise(sigma), to_levels(degrade(to_float(clean), noise(sigma), number)), clean))
    return found


def _write(pairs: Pairs, folder: Path) -> Files:
    files = []
    for number, (condition, *images) in enumerate(pairs):
        paths = [folder / f"{role}-{number}.png" for role in ("degraded", "clean")]
        for path, image in zip(paths, images, strict=True):
            Image.fromarray(image).save(path)
        files.append((condition, paths[0], paths[1]))
    return files


def _read(path: Path) -> Pixels:
    return np.array(Image.open(path).convert("RGB"))


def _row(condition: Condition) -> int:
    return CONDITIONS.index(condition)

"""Evaluation: DFPIR on photographs of CBSD68's size under three noise levels, metrics included.

The reference is the released code: one PNG file at a time, the prompt encoded once for each test set, float32 NCHW,
PSNR and SSIM of float32 arrays by scikit-image on the CPU. The suite ("ours") restores batches of one size and scores
them on the device, from images in memory.
"""

from __future__ import annotations

import math
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import groupby, product
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage import metrics as skimage_metrics
from torch import Tensor, nn

from ablations.bench.ceilings import measure_ceilings
from ablations.bench.measurement import Measurement, measure_rate, summarize
from ablations.bench.model_setup import (
    applied_settings,
    catch_out_of_memory,
    format_label,
    free_memory,
    inactive_switches,
    peak_memory,
    suite_model,
    text_tower,
    tf32_note,
    time_first_call,
)
from ablations.bench.options import Settings
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
from datasets.bundle import Pixels, to_float, to_uint8
from datasets.degrade import degrade
from datasets.metrics import psnr_db, ssim
from datasets.sources.embedded import load_embedded
from datasets.tasks import CONDITIONS, Condition, noise
from datasets.transfer import to_device_async
from dfpir.count import multiply_adds
from dfpir.prompts import load_prompts
from dfpir.recompute import compile_blocks
from dfpir.sentences import PROMPTS

peak_signal_noise_ratio: Callable[..., float] = skimage_metrics.peak_signal_noise_ratio
structural_similarity: Callable[..., float] = skimage_metrics.structural_similarity

SIZE = (321, 481)
SIGMAS = (15, 25, 50)
N_PHOTOGRAPHS = {"cpu": 1, "cuda": 8}
BATCH = 4
_WARM_UP = 2  # passes over all photographs, on a GPU dozens of batches
_RATE = "images/s"

Pairs = list[tuple[Condition, Pixels, Pixels]]
Files = list[tuple[Condition, Path, Path]]
Network = Callable[[Tensor, Tensor], Tensor]


def run(device: torch.device, repeats: int, settings: Settings) -> Iterator[Measurement]:
    """Ceilings, the reference, the suite for each batch size and precision, and the difference of their scores."""
    if settings.way == "both":  # else a comparison of several commands would repeat them
        yield from measure_ceilings(device, repeats)
        free_memory(device)
    bench = EvaluationBench(device=device, repeats=repeats, settings=settings)
    reference = math.nan
    if settings.way != "ours":
        for measurement in bench.measure_released():
            reference = measurement.value if measurement.unit == _RATE else reference
            yield measurement
    if settings.way != "released":
        keep_freed_memory()  # the released code runs without it
        for batch, precision in product(settings.batch or (BATCH,), settings.precisions_on(device)):
            yield from bench.measure_suite(precision, batch, reference)


class EvaluationBench:
    """The released code and the suite on the same pairs of images.

    Args:
        device: of both.
        repeats: measured repeats.
        settings: what is measured.
    """

    def __init__(self, *, device: torch.device, repeats: int, settings: Settings) -> None:
        self.device, self.repeats, self.settings = device, repeats, settings
        size = (settings.pixels, settings.pixels) if settings.pixels else SIZE
        self.pairs = _degraded_pairs(max(N_PHOTOGRAPHS[device.type], *settings.batch, 1), size)
        self.name = f"{size[1]} x {size[0]} px, three sigmas, metrics included, {device.type}"
        self.name += ", tiny model" if settings.size == "tiny" else ""
        self.released_scores: list[float] = []

    def measure_released(self) -> Iterator[Measurement]:
        """Measure the released code; its scores are stored."""
        label = f"eval: released way, float32, {self.name}"
        yield from catch_out_of_memory(self._measure_released(label), label, _RATE, self.device)

    def _measure_released(self, label: str) -> Iterator[Measurement]:
        device = self.device
        free_memory(device)
        model = ReferenceUNet(self.settings.config)
        copy_weights(suite_model(self.settings.config), model)
        model.to(device).eval()
        codes, encode = load_prompts("detailed", "minilm").codes.to(device), text_tower(device)
        with tempfile.TemporaryDirectory() as folder:
            files = _write_files(self.pairs, Path(folder))

            def work() -> int:
                scores = []
                for condition, images in groupby(files, key=lambda file: file[0]):
                    # once for each test set; the codes used below are those of another encoder
                    encode([PROMPTS["detailed"][condition.name]])
                    for _, degraded, clean in images:
                        scores.append(_score_released(model, codes[[_prompt_row(condition)]], degraded, clean, device))
                self.released_scores = scores
                return len(files)

            yield summarize(label, _RATE, measure_rate(work, self.repeats, device, warm_up=1), note=tf32_note(device))
        yield from peak_memory(f"{label}, most memory allocated", device)

    def measure_suite(self, precision: Precision, batch: int, reference: float) -> Iterator[Measurement]:
        """Measure the suite in this precision; `reference` is the released code's images per second."""
        with applied_settings(self.settings, precision):
            largest_batch = max(len(group) for group in _split_batches(self.pairs, batch))
            label = f"{format_label(self.settings, precision, self.device)}, batch {largest_batch}, {self.name}"
            measurements = self._measure_suite(precision, batch, label, reference)
            yield from catch_out_of_memory(measurements, f"eval: {label}", _RATE, self.device)

    def _measure_suite(self, precision: Precision, batch: int, label: str, reference: float) -> Iterator[Measurement]:
        device, pairs = self.device, self.pairs
        free_memory(device)
        network = suite_network(self.settings, precision, device)
        scores: list[float] = []

        def work() -> int:
            scores.clear()
            for group in _split_batches(pairs, batch):
                degraded = to_device_async(torch.cat([as_tensor(image) for _, image, _ in group]), device)
                clean = to_device_async(torch.cat([as_tensor(image) for _, _, image in group]), device)
                rows = torch.full((len(group),), _prompt_row(group[0][0]), device=device)
                with torch.inference_mode():
                    out = network(degraded, rows)
                    batch_scores = torch.stack([psnr_db(out, clean), ssim(out, clean)])
                scores.extend(batch_scores.tolist()[0])
            return len(pairs)

        if get_acceleration().compile:
            yield time_first_call(work, f"eval: first pass with compiling, {label}", device)
        rates = measure_rate(work, self.repeats, device, _WARM_UP if device.type == "cuda" else 1)
        measurement = summarize(f"eval: {label}", _RATE, rates, reference, inactive_switches(self.settings, device))
        yield measurement
        height, width = (-(-side // 8) * 8 for side in pairs[0][1].shape[:2])
        macs = multiply_adds(self.settings.config, height, width)
        yield summarize(f"eval: multiply-adds of the definition, {label}", "GMACs/s", [measurement.value * macs / 1e9])
        yield from peak_memory(f"eval: most memory allocated, {label}", device)
        if self.released_scores:
            gap = max(abs(a - b) for a, b in zip(self.released_scores, scores, strict=True))
            yield summarize(f"same answers: largest difference of PSNR, {label}", "dB", [gap])


def _score_released(model: nn.Module, code: Tensor, degraded: Path, clean: Path, device: torch.device) -> float:
    """PSNR in dB of a restored file; SSIM is computed too, for its time."""
    image = as_tensor(_read_image(degraded)).to(device)
    with torch.no_grad():
        out = released_restore(model, image, code).clamp(0, 1)
    restored = out[0].permute(1, 2, 0).cpu().numpy()
    truth = _read_image(clean).astype(np.float32) / 255
    structural_similarity(truth, restored, data_range=1.0, channel_axis=-1)
    return float(peak_signal_noise_ratio(truth, restored, data_range=1.0))


def suite_network(settings: Settings, precision: Precision, device: torch.device) -> Network:
    """The suite with the chosen switches: (B, 3, H, W) and prompt rows (B,) to (B, 3, H, W) in [0, 1]."""
    model = suite_model(settings.config).to(device).eval()
    apply_acceleration(model, model.config)
    if get_acceleration().compile:  # runs evaluate eagerly, since their images have many sizes
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


def _split_batches(pairs: Pairs, batch: int) -> Iterator[Pairs]:
    """Batches of at most `batch` pairs, each of one condition."""
    for _, group in groupby(pairs, key=lambda pair: pair[0]):
        same_condition = list(group)
        for start in range(0, len(same_condition), batch):
            yield same_condition[start : start + batch]


def _degraded_pairs(photographs: int, size: tuple[int, int]) -> Pairs:
    """(condition, degraded, clean), sorted by condition."""
    sources = [sample.clean for sample in load_embedded().train]
    pairs = []
    for sigma in SIGMAS:
        for number in range(photographs):
            photo = Image.fromarray(sources[number % len(sources)]).resize(size[::-1], Image.Resampling.LANCZOS)
            clean = np.roll(np.asarray(photo), 13 * number, axis=1)
            pairs.append((noise(sigma), to_uint8(degrade(to_float(clean), noise(sigma), number)), clean))
    return pairs


def _write_files(pairs: Pairs, folder: Path) -> Files:
    files = []
    for number, (condition, *images) in enumerate(pairs):
        paths = [folder / f"{role}-{number}.png" for role in ("degraded", "clean")]
        for path, image in zip(paths, images, strict=True):
            Image.fromarray(image).save(path)
        files.append((condition, paths[0], paths[1]))
    return files


def _read_image(path: Path) -> Pixels:
    return np.array(Image.open(path).convert("RGB"))


def _prompt_row(condition: Condition) -> int:
    return CONDITIONS.index(condition)

"""Evaluation: the full-size DFPIR on photographs of CBSD68's size under three noise levels, metrics included.

The reference is the released way: one PNG file at a time, its prompt encoded each time, float32 NCHW, PSNR and SSIM by
scikit-image on the CPU. Ours restores batches of one size and scores them on the device, from images read once.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from ablations.bench.ceilings import ceilings
from ablations.bench.record import Line, line, rate
from ablations.bench.reference import ReferenceUNet, lend_weights
from ablations.bench.train import text_tower
from ablations.harness.allocator import keep_freed_memory
from ablations.harness.cost.measure import has_bf16
from ablations.harness.evaluate import as_tensor
from ablations.harness.seeding import initialise
from baselines.base import restore
from datasets.corpus import Pixels, to_float, to_levels
from datasets.degrade import degrade
from datasets.embedded import load_embedded
from datasets.metrics import psnr_db, ssim
from datasets.tasks import CONDITIONS, Condition, noise
from dfpir import RestorationUNet, variant_config
from dfpir.count import multiply_adds
from dfpir.prompts import PROMPTS, load_prompts

SIZE = (321, 481)
SIGMAS = (15, 25, 50)
PHOTOGRAPHS = {"cpu": 1, "cuda": 8}


def run(device: torch.device, repeats: int) -> list[Line]:
    """Ceilings, the reference, ours in each precision, and how far the scores lie apart."""
    lines = ceilings(device, repeats)
    config = variant_config("dfpir")
    pairs = _pairs(PHOTOGRAPHS[device.type])
    model = RestorationUNet(config)
    initialise(model, 0)
    codes = load_prompts("detailed", "minilm").codes
    model.bind_prompts(codes)
    old = ReferenceUNet(config).to(device).eval()
    lend_weights(model, old)
    model.to(device).eval()
    with tempfile.TemporaryDirectory() as folder:
        files = _write(pairs, Path(folder))
        encode = text_tower(device)
        scores: dict[str, list[float]] = {}

        def reference() -> int:
            scores["reference"] = []
            for condition, degraded, clean in files:
                encode([PROMPTS["detailed"][condition.name]])
                image = as_tensor(np.array(Image.open(degraded).convert("RGB"))).to(device)
                truth = np.array(Image.open(clean).convert("RGB")) / 255
                padded = torch.nn.functional.pad(image, (0, -SIZE[1] % 8, 0, -SIZE[0] % 8), mode="reflect")
                with torch.no_grad():
                    out = old(padded, codes[[_row(condition)]].to(device))[..., : SIZE[0], : SIZE[1]].clamp(0, 1)
                restored = out[0].permute(1, 2, 0).double().cpu().numpy()
                scores["reference"].append(peak_signal_noise_ratio(truth, restored, data_range=1.0))
                structural_similarity(truth, restored, data_range=1.0, channel_axis=-1)
            return len(files)

        rates = rate(reference, repeats)
    keep_freed_memory()  # from here on: the released way runs without
    what = f"{SIZE[1]} x {SIZE[0]} px, three sigmas, metrics included, {device.type}"
    base = line(f"eval: released way, float32, {what}", "images/s", rates)
    lines.append(base)
    macs = multiply_adds(config, -(-SIZE[0] // 8) * 8, -(-SIZE[1] // 8) * 8)
    for label, dtype in [("float32", None), *([("bf16", torch.bfloat16)] if has_bf16(device) else [])]:

        def ours(label: str = label, dtype: torch.dtype | None = dtype) -> int:
            scores[label] = []
            for condition in dict.fromkeys(condition for condition, _, _ in pairs):
                batch = [(d, c) for other, d, c in pairs if other == condition]
                for start in range(0, len(batch), 4):
                    part = batch[start : start + 4]
                    degraded, clean = (torch.cat([as_tensor(pair[i]) for pair in part]).to(device) for i in (0, 1))
                    code = torch.full((len(part),), _row(condition), device=device)
                    with (
                        torch.inference_mode(),
                        torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None),
                    ):
                        out = restore(model, degraded, code).float().clamp(0, 1)
                    scores[label] += psnr_db(out, clean).tolist()
                    ssim(out, clean)
            return len(pairs)

        mine = line(f"eval: ours, {label}, {what}", "images/s", rate(ours, repeats), base.value)
        gap = max(abs(a - b) for a, b in zip(scores["reference"], scores[label], strict=True))
        lines += [
            mine,
            line(f"eval: multiply-adds of the definition, ours, {label}", "GMACs/s", [mine.value * macs / 1e9]),
            line(f"same answers: largest difference of PSNR, ours, {label}", "dB", [gap]),
        ]
    return lines


def _pairs(photographs: int) -> list[tuple[Condition, Pixels, Pixels]]:
    """Condition, degraded and clean image, by condition."""
    sources = [sample.clean for sample in load_embedded().train]
    found = []
    for sigma in SIGMAS:
        for number in range(photographs):
            photo = Image.fromarray(sources[number % len(sources)]).resize(SIZE[::-1], Image.Resampling.LANCZOS)
            clean = np.roll(np.asarray(photo), 13 * number, axis=1)
            found.append((noise(sigma), to_levels(degrade(to_float(clean), noise(sigma), number)), clean))
    return found


def _write(pairs: list[tuple[Condition, Pixels, Pixels]], folder: Path) -> list[tuple[Condition, Path, Path]]:
    files = []
    for number, (condition, *images) in enumerate(pairs):
        paths = [folder / f"{role}-{number}.png" for role in ("degraded", "clean")]
        for path, image in zip(paths, images, strict=True):
            Image.fromarray(image).save(path)
        files.append((condition, paths[0], paths[1]))
    return files


def _row(condition: Condition) -> int:
    return CONDITIONS.index(condition)

"""A made-up runs root by the contract of reports/schema/, for tests of the reports.

Every number in it is drawn from a seeded generator. Its data set is called "synthetic-test-only" so that a page made
from it can't be taken for a result.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from safetensors.numpy import save_file

from reports import schema
from reports.files import sha256_of, write_json, write_text

CONDITIONS = ("noise-15", "noise-25", "noise-50", "rain", "haze", "blur", "lowlight")
INPUT_PSNR_DB = dict(zip(CONDITIONS, (24.8, 20.5, 14.9, 23.1, 16.2, 24.0, 11.5), strict=True))
GAIN_DB = dict(zip(CONDITIONS, (5.6, 7.2, 9.9, 4.1, 5.8, 1.2, 6.3), strict=True))
GAMMAS = {"dfpir_g50": 0.5, "dfpir_g60": 0.6, "dfpir_g70": 0.7, "dfpir_g80": 0.8, "dfpir_g90": 0.9, "dfpir_g100": 1.0}
BLOCKS = {"level1": 16, "level2": 32, "level3": 64, "latent": 128}


@dataclass(frozen=True, kw_only=True)
class FakeStudy:
    """What to write.

    Attributes:
        effect_db: variant -> true gain in dB over the common gain.
        seeds: seeds of each variant.
        scenes: photographs; each gives `crops` images.
        failed: (variant, seed) pairs that fail; likewise `unfinished` and `not_run`.
        aliases: other name -> (trained variant, note).
        seed_sd_db, noise_sd_db: spread of the variants' gains over seeds and over images.
        pictures: whether runs have sample crops and probes, with `patches` patches a condition.
        untrained: whether its probes hold features before training, too.
        zooms: whether runs have a second crop and the complete image, as those of older versions have not.
        gains: whether the training logs hold validation gains by condition.
    """

    effect_db: dict[str, float]
    seeds: tuple[int, ...] = (0, 1)
    scenes: int = 3
    crops: int = 2
    failed: tuple[tuple[str, int], ...] = ()
    unfinished: tuple[tuple[str, int], ...] = ()
    not_run: tuple[tuple[str, int], ...] = ()
    aliases: dict[str, tuple[str, str]] = field(default_factory=dict)
    seed_sd_db: float = 0.04
    noise_sd_db: float = 0.08
    protocol: str = "aio-rgb"
    dataset: str = "synthetic-test-only"
    checksum: str = "5e" * 16
    text_encoder: str = "minilm"
    steps: int = 200
    pictures: bool = True
    zooms: bool = False
    patches: int = 20
    untrained: bool = True
    gains: bool = True
    name: str = "gamma_sweep"


def gamma_study(**changes: Any) -> FakeStudy:
    """Six gammas with two seeds and Restormer; one failed run, one alias."""
    settings: dict[str, Any] = {
        "effect_db": {
            **{v: 0.25 - 2.0 * (gamma - 0.85) ** 2 for v, gamma in GAMMAS.items()},
            "restormer": -0.30,
        },
        "failed": (("dfpir_g60", 1),),
        "aliases": {"dfpir_g95": ("dfpir_g90", "keeps the same 14 of 16 entries")},
    }
    return FakeStudy(**{**settings, **changes})


def write_runs(root: Path, study: FakeStudy) -> Path:
    """Write the runs and the study folder below `root`; returns the study folder."""
    rows: list[dict[str, Any]] = []
    for variant in study.effect_db:
        for seed in study.seeds:
            run_id = run_id_of(variant, seed)
            rows.append({"variant": variant, "seed": seed, "run_id": run_id, "alias_of": None, "note": ""})
            if (variant, seed) not in study.not_run:
                _write_run(root / run_id, study, variant, seed)
    for name, (variant, note) in study.aliases.items():
        for seed in study.seeds:
            rows.append(
                {"variant": name, "seed": seed, "run_id": run_id_of(variant, seed), "alias_of": variant, "note": note}
            )
    folder = root / schema.STUDIES_FOLDER / f"{study.name}-smoke-synthetic"
    axis = {v: GAMMAS[v] for v in study.effect_db if v in GAMMAS}
    write_json(
        folder / schema.STUDY_FILE,
        {
            "schema": schema.SCHEMA_VERSION,
            "study": study.name,
            "title": "Perturbation factor gamma (synthetic test data)",
            "question": "Does dropping the weakest attention entries (gamma < 1) restore better than keeping them all?",
            "budget": {"name": "smoke", "steps": study.steps, "patch_px": 32, "batch": 4},
            "data": _data(study),
            "text_encoder": study.text_encoder,
            "axis": {"name": "gamma", "values": axis} if axis else None,
            "reference": "dfpir_g100" if "dfpir_g100" in study.effect_db else None,
            "rows": rows,
            "command": f"python -m ablations.run {study.name} --budget smoke --seeds {len(study.seeds)}",
        },
    )
    return folder


def run_id_of(variant: str, seed: int) -> str:
    """The id that this variant's run has here; names that are no file names are replaced in it."""
    safe = "".join(c if c.isalnum() or c in "_-" else "_" for c in variant)
    return f"{safe}-s{seed}-{abs(_stable(variant, seed)) % 16**8:08x}"


def write_done_marker(folder: Path) -> None:
    """Write DONE for the files that are there now."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != schema.DONE_FILE)
    hashes = {p.relative_to(folder).as_posix(): sha256_of(p) for p in files}
    write_json(folder / schema.DONE_FILE, {"finished_at": "2025-06-01T12:30:00+00:00", "files": hashes})


def _write_run(folder: Path, study: FakeStudy, variant: str, seed: int) -> None:
    write_json(folder / schema.SPEC_FILE, _spec(folder.name, study, variant, seed))
    write_json(folder / schema.ENV_FILE, _env(seed))
    failed = (variant, seed) in study.failed
    _write_train_log(folder, study, variant, seed, steps=study.steps // 2 if failed else study.steps)
    if failed:
        message = "loss is not finite at step 100 (nan)"
        trace = 'Traceback (most recent call last):\n  File "train.py", line 120, in step\n'
        trace += f"FloatingPointError: {message} <script>alert(1)</script>\n"
        error = {"type": "FloatingPointError", "message": message, "traceback": trace}
        write_json(folder / schema.ERROR_FILE, {**error, "at": "2025-06-01T12:10:00+00:00", "step": 100})
        return
    if (variant, seed) in study.unfinished:
        return
    images = _images(folder.name, study, variant, seed)
    schema.write_images(images, folder / schema.IMAGES_FILE)
    if study.pictures:
        _write_samples(folder, images, zooms=study.zooms)
        _write_probes(folder, study, variant, seed)
    summary = {"status": "done", "steps": study.steps, "best_step": study.steps - 20, "train_wall_s": 41.5 + seed}
    write_json(folder / schema.SUMMARY_FILE, {**summary, "eval_wall_s": 6.2, "peak_memory_mb": 812.0, "oom_splits": 0})
    write_done_marker(folder)


def _spec(run_id: str, study: FakeStudy, variant: str, seed: int) -> dict[str, Any]:
    prompted = variant != "restormer"
    return {
        "schema": schema.SCHEMA_VERSION,
        "run_id": run_id,
        "variant": variant,
        "seed": seed,
        "identity": {"variant": variant, "seed": seed},
        "model": {
            "config": {"dim": 8, "gamma": GAMMAS.get(variant)},
            "params": 312_000 if prompted else 250_000,
            "macs": 410_000_000 if prompted else 380_000_000,
            "macs_px": 128,
        },
        "data": _data(study),
        "budget": {"name": "smoke", "steps": study.steps},
        "protocol": study.protocol,
        "text_encoder": study.text_encoder if prompted else None,
        "prompt_set": "detailed" if prompted else None,
        "precision": "float32",
    }


def _data(study: FakeStudy) -> dict[str, Any]:
    description = "Drawn from a generator for tests; no photograph and no model was involved"
    return {"name": study.dataset, "checksum": study.checksum, "description": description}


def _env(seed: int) -> dict[str, Any]:
    return {
        "commit": "0123456789abcdef0123456789abcdef01234567",
        "dirty": seed == 1,
        "python": "3.11.0",
        "packages": {"numpy": "2.0"},
        "device": "cpu (made up)",
        "threads": 2,
        "started_at": "2025-06-01T12:00:00+00:00",
        "host_os": "Linux",
    }


def _images(run_id: str, study: FakeStudy, variant: str, seed: int) -> pd.DataFrame:
    common = np.random.default_rng(11)  # scene and crop difficulty, the same for every run
    scene = common.normal(0, 1.5, (study.scenes, len(CONDITIONS)))
    crop = common.normal(0, 0.7, (study.scenes, study.crops, len(CONDITIONS)))
    variant_rng = np.random.default_rng(_stable(variant, seed))
    luck = variant_rng.normal(0, study.seed_sd_db)
    rows = []
    for (s, c, k), difficulty in np.ndenumerate(scene[:, None, :] + crop):
        condition = CONDITIONS[k]
        before = INPUT_PSNR_DB[condition] + difficulty
        gain = GAIN_DB[condition] + study.effect_db[variant] + luck + variant_rng.normal(0, study.noise_sd_db)
        keys = {
            "run_id": run_id, "variant": variant, "seed": seed, "dataset": study.dataset, "protocol": study.protocol,
            "task": schema.task_of(condition), "condition": condition, "image": f"scene{s}-crop{c}", "scene": f"scene{s}", "in_training_set": "",
        }  # fmt: skip
        rows.append({**keys, "metric": schema.PSNR, "value": before + gain, "input_value": before})
        ssim = {"value": _ssim(before + gain), "input_value": _ssim(before)}
        rows.append({**keys, "metric": schema.SSIM, **ssim})
    return pd.DataFrame(rows)


def _ssim(psnr_db: float) -> float:
    """Something that rises with PSNR and stays below 1."""
    return float(1.0 - 1.6 * np.exp(-psnr_db / 11.0))


def _write_train_log(folder: Path, study: FakeStudy, variant: str, seed: int, *, steps: int) -> None:
    rng = np.random.default_rng(_stable(variant, seed + 100))
    lines = []
    for step in range(1, steps + 1):
        loss = (0.03 + 0.15 * np.exp(-step / 40)) * float(rng.lognormal(0, 0.15))
        lines.append({"step": step, "loss": loss, "lr": 2e-4, "images_per_s": 21.0, "wall_s": 0.2 * step})
        if step % 20 == 0:
            val = 19 + 6 * (1 - np.exp(-step / 60)) + study.effect_db[variant] + float(rng.normal(0, 0.1))
            lines.append({"step": step, "val_psnr_db": val})
        if study.gains and step % 20 == 0:
            gains = {c: gain * (1 - np.exp(-step / 60)) + study.effect_db[variant] / 10 for c, gain in GAIN_DB.items()}
            lines.append({"step": step, "val_gain_db": gains})
    write_text(folder / schema.TRAIN_LOG_FILE, "".join(json.dumps(line) + "\n" for line in lines))


def _write_samples(folder: Path, images: pd.DataFrame, *, zooms: bool) -> None:
    (folder / schema.SAMPLES_FOLDER).mkdir()
    psnr = images[(images["metric"] == schema.PSNR) & (images["image"] == "scene0-crop0")].set_index("condition")
    records = []
    for condition in CONDITIONS:
        row: Any = psnr.loc[condition]
        levels = {"degraded": float(row["input_value"]), "restored": float(row["value"]), "clean": 60.0}
        pictures = {kind: _picture(level, seed=_stable(condition, 0)) for kind, level in levels.items()}
        record = {
            "condition": condition, "image": "scene0-crop0", "box": [0, 0, 64, 64],
            **_write_pngs(folder, condition, pictures),
            "psnr_db": levels["restored"], "input_psnr_db": levels["degraded"],
        }  # fmt: skip
        if zooms:
            complete = np.tile(pictures["degraded"], (2, 3, 1))
            Image.fromarray(complete).save(folder / schema.SAMPLES_FOLDER / f"{condition}.webp", quality=90)
            flipped = {kind: picture[::-1] for kind, picture in pictures.items()}
            second = {"box": [64, 100, 64, 64], **_write_pngs(folder, f"{condition}-second", flipped)}
            record |= {"image_size": [128, 192], "display": {"degraded": f"{condition}.webp"}, "second": second}
        records.append(record)
    write_text(folder / schema.SAMPLES_FILE, json.dumps(records))


def _write_pngs(folder: Path, stem: str, pictures: dict[str, np.ndarray]) -> dict[str, str]:
    """Write each picture; kind -> name of its file."""
    names = {kind: f"{stem}-{kind}.png" for kind in pictures}
    for kind, picture in pictures.items():
        Image.fromarray(picture).save(folder / schema.SAMPLES_FOLDER / names[kind])
    return names


def _picture(psnr_db: float, *, seed: int, size: int = 64) -> np.ndarray:
    """Coloured rings with noise of the stated PSNR; (size, size, 3) uint8."""
    y, x = np.mgrid[0:size, 0:size] / size
    radius = np.hypot(x - 0.4, y - 0.55)
    clean = 0.5 + 0.4 * np.stack([np.sin(18 * radius), np.cos(12 * x), np.sin(9 * y + 4 * x)], axis=-1)
    noise = np.random.default_rng(seed).normal(0, 10 ** (-psnr_db / 20), clean.shape)
    return np.asarray(np.clip(clean + noise, 0, 1) * 255, dtype=np.uint8)


def _write_probes(folder: Path, study: FakeStudy, variant: str, seed: int) -> None:
    patches = study.patches
    rng = np.random.default_rng(_stable(variant, seed + 200))
    index = np.repeat(np.arange(len(CONDITIONS)), patches)
    spread = 0.6 if variant == "restormer" else 1.4
    arrays: dict[str, np.ndarray] = {schema.FEATURE_CONDITION: index.astype(np.int64)}
    for layer, width in (("latent", 64), ("decoder3", 48)):
        centres = np.random.default_rng(3).normal(0, spread, (len(CONDITIONS), width))
        features = centres[index] + rng.normal(0, 2.0, (len(index), width))
        arrays[schema.FEATURE_PREFIX + layer] = features.astype(np.float32)
        if study.untrained:
            noise = np.random.default_rng(seed).normal(0, 2.0, features.shape)
            arrays[schema.UNTRAINED_FEATURE_PREFIX + layer] = (centres[index] / 2 + noise).astype(np.float32)
    if variant != "restormer":
        for block, width in BLOCKS.items():
            # The order follows from the seed and the prompt alone, so that all gammas share it, as in the real models.
            shared = np.random.default_rng(seed).normal(0, 1, width)
            offsets = np.random.default_rng(seed + 50).normal(0, 0.4, (len(CONDITIONS), width))
            arrays[schema.ORDER_PREFIX + block] = np.argsort(-(shared + offsets), axis=1).astype(np.int32)
        arrays |= _masks(rng, gamma=GAMMAS.get(variant, 0.9))
    maps, images = _maps(rng)
    arrays |= maps
    layers = {"latent": "mean over the patch's pixels", "decoder3": "mean over the patch's pixels"}
    metadata = {
        schema.PROBE_CONDITIONS: json.dumps(CONDITIONS),
        schema.PROBE_LAYERS: json.dumps(layers),
        schema.PROBE_IMAGES: json.dumps(images),
        schema.PROBE_PATCHES: json.dumps([patches] * len(CONDITIONS)),
    }
    save_file(arrays, folder / schema.PROBES_FILE, metadata=metadata)


def _maps(rng: np.random.Generator) -> tuple[dict[str, np.ndarray], list[dict[str, Any]]]:
    """Smooth waves as feature maps of one crop a task."""
    crop_records = [
        {"condition": c, "image": "scene0-crop0", "box": [0, 0, 64, 64]}
        for c in CONDITIONS
        if c[-2:] not in ("15", "50")
    ]
    arrays: dict[str, np.ndarray] = {}
    for place, side in (("skip1", 64), ("latent", 8)):
        x = np.arange(side) / side
        phase = rng.uniform(0, 6, (len(crop_records), 3, 1, 1))
        waves = np.sin(6 * x[:, None] + phase) + np.cos(9 * x[None, :] + 2 * phase)
        arrays[schema.MAP_PREFIX + place] = waves.astype(np.float16)
        arrays[schema.MAP_CHANNEL_PREFIX + place] = np.array([5, 2, 7], dtype=np.int32)
    return arrays, crop_records


def _masks(rng: np.random.Generator, *, gamma: float) -> dict[str, np.ndarray]:
    """Attention weights and, below gamma 1, kept entries of two blocks of 8 channels a head."""
    arrays: dict[str, np.ndarray] = {}
    for block, heads in (("level1", 1), ("latent", 2)):
        weights = rng.dirichlet(np.ones(8), (len(CONDITIONS), heads, 8))
        arrays[schema.ATTENTION_PREFIX + block] = weights.astype(np.float16)
        if gamma < 1:
            dropped = weights.argsort(-1).argsort(-1) < round(8 * (1 - gamma))
            arrays[schema.KEPT_PREFIX + block] = (1 - 0.9 * dropped).astype(np.float16)
    return arrays


def _stable(name: str, number: int) -> int:
    """A seed from a name; Python's own hash differs from process to process."""
    return int.from_bytes(name.encode(), "big") % (2**31 - 1) + number

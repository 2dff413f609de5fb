"""What a finished run holds beside its scores: training log, sample crops, probes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from reports import schema
from reports.study import Run, Study

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Crop:
    """The PNG files of one crop; `box` is (top, left, height, width) in pixels of the complete image."""

    box: tuple[int, int, int, int]
    degraded: Path
    restored: Path
    clean: Path


@dataclass(frozen=True, kw_only=True)
class Sample(Crop):
    """The first crop of an evaluated image; PSNRs are those of the complete image, in dB, infinite for a perfect one.

    Attributes:
        second: another crop of the image; None in older runs, and of small images.
        image_size: (height, width) of the complete image in pixels; None in older runs.
        display: the complete degraded image, compressed and reduced for display only; None in older runs.
    """

    condition: str
    image: str
    psnr_db: float
    input_psnr_db: float
    second: Crop | None = None
    image_size: tuple[int, int] | None = None
    display: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Probes:
    """What the evaluation recorded inside a model.

    Attributes:
        conditions: names of the conditions, in the order of the prompts.
        features: layer -> (N, D) float32, one row a patch.
        feature_condition: (N,) int64, index into `conditions`.
        pooling: layer -> how a patch became one row.
        untrained_features: as `features`, before the first training step; older runs have none.
        orders: block -> (P, eC) int32, the channel at each position under each prompt.
        maps: place -> (I, K, h, w), feature maps of I crops; runs made before there were any have none.
        map_channels: place -> (K,), which channels they are.
        images: (condition, image) of the I crops.
        attention: block -> (P, heads, c, c), mean attention weights of each condition, NaN where it has no patches.
        kept: block -> (P, heads, c, c), share of patches in which the mask keeps the entry.
        patches: (P,) patches of each condition behind `attention` and `kept`.
    """

    conditions: tuple[str, ...]
    features: dict[str, np.ndarray]
    feature_condition: np.ndarray
    pooling: dict[str, str]
    orders: dict[str, np.ndarray]
    untrained_features: dict[str, np.ndarray] = field(default_factory=dict)
    maps: dict[str, np.ndarray] = field(default_factory=dict)
    map_channels: dict[str, np.ndarray] = field(default_factory=dict)
    images: tuple[tuple[str, str], ...] = ()
    attention: dict[str, np.ndarray] = field(default_factory=dict)
    kept: dict[str, np.ndarray] = field(default_factory=dict)
    patches: tuple[int, ...] = ()

    def features_of(self, *, trained: bool) -> dict[str, np.ndarray]:
        """`features` or `untrained_features`."""
        return self.features if trained else self.untrained_features


def first_of(study: Study, read: Callable[[Run], T | None]) -> dict[str, tuple[Run, T]]:
    """Each variant's first finished run in which `read` finds something, and what; variants without are no key."""
    first_runs: dict[str, tuple[Run, T]] = {}
    for variant in study.variants:
        for run in study.done_runs_of(variant):
            if content := read(run):
                first_runs[variant] = (run, content)
                break
    return first_runs


def load_train_log(run: Run) -> pd.DataFrame:
    """The training log with columns step, loss, val_psnr_db and whatever else was logged; empty if there is none.

    A line that is no JSON (the last one, where a run was cut off) is left out.
    """
    path = run.path / schema.TRAIN_LOG_FILE
    rows = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(row, dict) and "step" in row:
                rows.append(row)
    frame = pd.DataFrame(rows)
    for name in ("step", "loss", "val_psnr_db"):
        frame[name] = pd.to_numeric(frame[name], errors="coerce") if name in frame else pd.Series(dtype="float64")
    return frame


def load_samples(run: Run) -> tuple[Sample, ...]:
    """The run's crops; entries whose files are absent or lie outside of the samples folder are left out."""
    try:
        records = json.loads((run.path / schema.SAMPLES_FILE).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        return ()
    folder = run.path / schema.SAMPLES_FOLDER
    samples = (_sample(folder, record) for record in records if isinstance(record, dict))
    return tuple(s for s in samples if s is not None)


def _sample(folder: Path, record: dict[str, Any]) -> Sample | None:
    try:
        first = _crop(folder, record)
        sample = Sample(
            condition=str(record["condition"]),
            image=str(record["image"]),
            psnr_db=_decibels(record["psnr_db"]),
            input_psnr_db=_decibels(record["input_psnr_db"]),
            **vars(first),
        )
    except (KeyError, TypeError, ValueError):
        return None
    try:
        height, width = map(int, record["image_size"])
        display = inside(folder, str(record["display"]["degraded"]))
        second = _crop(folder, record["second"]) if "second" in record else None
    except (KeyError, TypeError, ValueError):
        return sample  # of an older run, or its further files are gone
    return replace(sample, second=second, image_size=(height, width), display=display)


def _crop(folder: Path, record: dict[str, Any]) -> Crop:
    top, left, height, width = map(int, record["box"])
    files = {kind: inside(folder, str(record[kind])) for kind in ("degraded", "restored", "clean")}
    return Crop(box=(top, left, height, width), **files)


def _decibels(value: Any) -> float:
    """A PSNR of samples.json, where a perfect image's is null."""
    return math.inf if value is None else float(value)


def inside(folder: Path, name: str) -> Path:
    """The file `name` of the folder; ValueError where it is not there, so that no report shows a foreign file."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise ValueError(f"{name!r} is not a file of {folder.name}.")
    return path


def load_probes(run: Run) -> Probes | None:
    """The run's probes, or None where it has none or they can't be read."""
    path = run.path / schema.PROBES_FILE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as stored:
            metadata = stored.metadata() or {}
            arrays = {name: np.asarray(stored.get_tensor(name)) for name in stored.keys()}  # noqa: SIM118 (no iterator)
        conditions = tuple(str(c) for c in json.loads(metadata.get(schema.PROBE_CONDITIONS, "[]")))
        pooling = json.loads(metadata.get(schema.PROBE_LAYERS, "{}"))
        images = tuple(
            (str(i["condition"]), str(i["image"])) for i in json.loads(metadata.get(schema.PROBE_IMAGES, "[]"))
        )
        patches = tuple(int(n) for n in json.loads(metadata.get(schema.PROBE_PATCHES, "[]")))
    except (OSError, SafetensorError, ValueError, TypeError, KeyError):
        return None
    index = arrays.get(schema.FEATURE_CONDITION, np.zeros(0, dtype=np.int64))
    usable = len(index) > 0 and int(index.min()) >= 0 and int(index.max()) < len(conditions)
    return Probes(
        conditions=conditions,
        features=_features(arrays, schema.FEATURE_PREFIX, len(index)) if usable else {},
        untrained_features=_features(arrays, schema.UNTRAINED_FEATURE_PREFIX, len(index)) if usable else {},
        feature_condition=index,
        pooling={str(k): str(v) for k, v in pooling.items()},
        orders={
            k: v
            for k, v in _with_prefix(arrays, schema.ORDER_PREFIX).items()
            if v.ndim == 2 and len(v) == len(conditions)
        },
        maps={
            k: v.astype(np.float32)
            for k, v in _with_prefix(arrays, schema.MAP_PREFIX).items()
            if v.ndim == 4 and len(v) == len(images)
        },
        map_channels=_with_prefix(arrays, schema.MAP_CHANNEL_PREFIX),
        images=images,
        attention=_by_condition(arrays, schema.ATTENTION_PREFIX, conditions),
        kept=_by_condition(arrays, schema.KEPT_PREFIX, conditions) if len(patches) == len(conditions) else {},
        patches=patches,
    )


def _features(arrays: dict[str, np.ndarray], prefix: str, n: int) -> dict[str, np.ndarray]:
    """Layers' (N, D); one of another shape is left out."""
    return {k: v for k, v in _with_prefix(arrays, prefix).items() if v.ndim == 2 and len(v) == n}


def _by_condition(arrays: dict[str, np.ndarray], prefix: str, conditions: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Blocks' (P, heads, c, c) as float32; one of another shape is left out."""
    matching = _with_prefix(arrays, prefix)
    return {
        k: v.astype(np.float32)
        for k, v in matching.items()
        if v.ndim == 4 and len(v) == len(conditions) and v.shape[2] == v.shape[3]
    }


def _with_prefix(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose name starts with `prefix`, under the rest of their name, in the order of those names."""
    return {name[len(prefix) :]: arrays[name] for name in sorted(arrays) if name.startswith(prefix)}

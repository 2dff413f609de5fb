"""The schema of a run folder and a study folder: names, columns, units, version.

The harness writes through this module and the reports read through it; nothing else may spell a file or column name.
docs/design.md shows the folders as a tree.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from reports.files import write_bytes

SCHEMA_VERSION = 1

# Files of a run folder, runs/<run_id>/.
SPEC_FILE = "spec.json"
ENV_FILE = "env.json"
TRAIN_LOG_FILE = "train.jsonl"
CHECKPOINTS_FOLDER = "checkpoints"
IMAGES_FILE = "images.parquet"
SAMPLES_FOLDER = "samples"
SAMPLES_FILE = "samples/samples.json"
PROBES_FILE = "probes.safetensors"
WEIGHTS_FILE = "weights.safetensors"
SUMMARY_FILE = "summary.json"
DONE_FILE = "DONE"
ERROR_FILE = "ERROR.json"
SNAPSHOTS_FOLDER = "snapshots"
MEASURES_FOLDER = "measures"  # measures/<measure>.parquet, made of a finished run; see MEASURE_COLUMNS

# Files of a study folder, runs/studies/<study>-<budget>-<data>/.
STUDIES_FOLDER = "studies"
STUDY_FILE = "study.json"
INDEX_FILE = "index.html"  # beside the study folders: all of them
COMPARISON_FILE = "comparison.html"
COMPARISON_CSV_FILE = "comparison.csv"
TABLE_PARQUET_FILE = "table.parquet"
TABLE_CSV_FILE = "table.csv"
REPORT_FILE = "report.html"
REPORT_TEX_FILE = "report.tex"
TABLE_MD_FILE = "table.md"
TABLE_TEX_FILE = "table.tex"
MEANS_CSV_FILE = "means.csv"
PAIRS_CSV_FILE = "pairs.csv"
FIGURES_FOLDER = "figures"

# Names inside probes.safetensors.
FEATURE_PREFIX = "feature."  # + layer: (N, D) float32
FEATURE_CONDITION = "feature_condition"  # (N,) int64, index into the metadata's conditions
ORDER_PREFIX = "order."  # + block: (P, eC) int32, row p: the channel that stands at each position under prompt p
MAP_PREFIX = "map."  # + place: (I, K, h, w) float16, K feature maps of I crops
MAP_CHANNEL_PREFIX = "map_channel."  # + place: (K,) int32, which channels: the largest variance over pixels
ATTENTION_PREFIX = "attention."  # + block: (P, heads, c, c) float16, mean attention weights of each condition
KEPT_PREFIX = "kept."  # + block: (P, heads, c, c) float16, share of patches in which the mask keeps the entry
PROBE_IMAGES = "images"  # metadata: JSON list of ProbedImage, the I crops
PROBE_PATCHES = "patches"  # metadata: JSON list, patches of each of the P conditions behind attention and kept
PROBE_CONDITIONS = "conditions"  # metadata: JSON list of condition names, in the order of the P prompts
PROBE_LAYERS = "layers"  # metadata: JSON object, layer -> how its features were pooled

PSNR = "psnr_db"
SSIM = "ssim"

# The order in which papers list the tasks, and in which tables and figures here show them.
TASK_ORDER: tuple[str, ...] = ("noise", "rain", "haze", "blur", "lowlight")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """How one metric is shown.

    Attributes:
        name: as in the `metric` column.
        label: as a reader knows it.
        unit: "dB", or "" for a ratio.
        digits: decimals in tables.
        upper: the largest value that enters statistics; a perfect image's infinite PSNR counts as this.
    """

    name: str
    label: str
    unit: str
    digits: int
    upper: float


METRICS: tuple[Metric, ...] = (
    Metric(name=PSNR, label="PSNR", unit="dB", digits=2, upper=100.0),
    Metric(name=SSIM, label="SSIM", unit="", digits=3, upper=1.0),
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table on disk: its name, pandas dtype ("str", "int64" or "float64"), unit and meaning."""

    name: str
    dtype: str
    unit: str = ""
    meaning: str


IMAGE_COLUMNS: tuple[Column, ...] = (
    Column(name="run_id", dtype="str", meaning="the run that made the row"),
    Column(name="variant", dtype="str", meaning="name of the model variant"),
    Column(name="seed", dtype="int64", meaning="seed of the run"),
    Column(name="dataset", dtype="str", meaning="name of the evaluated set"),
    Column(name="protocol", dtype="str", meaning="name of the evaluation protocol"),
    Column(name="task", dtype="str", meaning="kind of degradation: noise, rain, haze, blur, lowlight"),
    Column(name="condition", dtype="str", meaning="task at one strength: noise-25, rain, ..."),
    Column(name="image", dtype="str", meaning="name of the image, unique in its data set"),
    Column(name="scene", dtype="str", meaning="the photograph; crops of one photograph share it"),
    Column(
        name="seen", dtype="str", meaning="seen or unseen: whether the scene was trained on; empty where nobody looked"
    ),
    Column(name="metric", dtype="str", meaning="psnr_db or ssim"),
    Column(name="value", dtype="float64", unit="dB (psnr_db) or 1 (ssim)", meaning="score of the restored image"),
    Column(name="input_value", dtype="float64", unit="as value", meaning="score of the degraded input itself"),
)

# A study's table repeats a run's rows under each name the study gives the model; an empty alias_of marks the one
# that was trained, so `alias_of == ""` counts nothing twice.
TABLE_COLUMNS: tuple[Column, ...] = (
    *IMAGE_COLUMNS,
    Column(name="alias_of", dtype="str", meaning="the variant this one is the same model as; empty if trained itself"),
)

_RESPONSE_COLUMNS: tuple[Column, ...] = (
    *(c for c in IMAGE_COLUMNS if c.name in ("dataset", "image", "scene")),
    Column(
        name="condition", dtype="str", meaning="what is wrong with the image: noise-35, rain-200, rain+noise-25, ..."
    ),
    Column(
        name="given", dtype="str", meaning="what the model was told: the condition of its prompt, or a number format"
    ),
    *(c for c in IMAGE_COLUMNS if c.name in ("metric", "value", "input_value")),
)

MEASURE_COLUMNS: dict[str, tuple[Column, ...]] = {
    # test images of each condition, restored under the prompt of every condition
    "prompts": _RESPONSE_COLUMNS,
    # noise levels and rain strengths (percent of the usual number of drops), those trained on beside others
    "levels": _RESPONSE_COLUMNS,
    # two degradations at once, restored under the prompt of either
    "mixed": _RESPONSE_COLUMNS,
    # prompt codes rounded to fp32 (as they are), fp16 and bf16, orders made from them anew
    "precision": _RESPONSE_COLUMNS,
    "order_moves": (
        Column(name="given", dtype="str", meaning="number format of the code: fp16, bf16"),
        Column(name="block", dtype="str", meaning="level of the perturbation block"),
        Column(name="condition", dtype="str", meaning="whose prompt's order it is"),
        Column(name="moved", dtype="float64", unit="share", meaning="positions that hold another channel than in fp32"),
        Column(name="tau", dtype="float64", unit="1", meaning="Kendall's tau between the two orders"),
    ),
    "interference": (
        Column(name="step", dtype="int64", meaning="optimiser steps done before the gradients were taken"),
        Column(name="fraction", dtype="float64", unit="share", meaning="the same, of all steps"),
        Column(name="draw", dtype="int64", meaning="number of the draw of images"),
        Column(name="group", dtype="str", meaning="group of layers; all: every shared parameter"),
        Column(name="task_a", dtype="str", meaning="first task of the pair"),
        Column(name="task_b", dtype="str", meaning="second task of the pair"),
        Column(name="cosine", dtype="float64", unit="1", meaning="cosine of the two gradients; negative: conflict"),
        Column(name="norm_a", dtype="float64", unit="loss per parameter unit", meaning="norm of task_a's gradient"),
        Column(name="norm_b", dtype="float64", unit="loss per parameter unit", meaning="norm of task_b's gradient"),
        Column(name="n_parameters", dtype="int64", meaning="parameters in the group"),
    ),
    "information": (
        Column(name="level", dtype="int64", meaning="level of the block: 1 to 3 skips, 4 latent"),
        Column(name="part", dtype="str", meaning="block: its output; channel: DGCPM's output alone"),
        Column(name="condition", dtype="str", meaning="condition of the images, or all"),
        Column(name="n_pixels", dtype="int64", meaning="pixels that the score is made on"),
        Column(name="channels", dtype="int64", meaning="channels of the block"),
        Column(name="r2", dtype="float64", unit="1", meaning="linear recoverability of the input from the output"),
        Column(name="loss", dtype="float64", unit="1", meaning="information loss: 1 - r2"),
        Column(name="alpha", dtype="float64", unit="1", meaning="ridge penalty chosen by cross-validation"),
    ),
}
"""Measure -> the columns of its table. A measure is taken of a finished run and never changes the run's own numbers."""

_IMAGE_KEY = ["variant", "seed", "protocol", "dataset", "condition", "image", "metric"]


class StudyRow(TypedDict):
    """One planned run in study.json; `alias_of` names the variant that was trained in its stead, or is None."""

    variant: str
    seed: int
    run_id: str
    alias_of: str | None
    note: str


class Axis(TypedDict):
    """What a study varies: its name ("gamma") and the value of each variant that lies on it."""

    name: str
    values: dict[str, float]


class StudyFile(TypedDict):
    """study.json."""

    schema: int
    study: str
    title: str
    question: str
    budget: dict[str, Any]
    data: dict[str, Any]
    text_encoder: Any
    axis: Axis | None
    reference: str | None
    rows: list[StudyRow]
    command: str
    reported: str | None
    measures: list[str]


class SpecFile(TypedDict):
    """spec.json: what was asked. `identity` holds exactly what the run_id hashes."""

    schema: int
    run_id: str
    variant: str
    seed: int
    identity: dict[str, Any]
    model: dict[str, Any]
    data: dict[str, Any]
    budget: dict[str, Any]
    protocol: str
    text_encoder: Any
    prompt_set: str | None
    precision: str


class EnvFile(TypedDict):
    """env.json: where the run was made."""

    commit: str | None
    dirty: bool | None
    python: str
    packages: dict[str, str]
    device: str
    threads: int
    started_at: str
    host_os: str


class SummaryFile(TypedDict):
    """summary.json: times in seconds, memory in MiB."""

    status: str
    steps: int
    best_step: int
    train_wall_s: float
    eval_wall_s: float
    peak_memory_mb: float | None
    oom_splits: int


class SampleRecord(TypedDict):
    """One entry of samples.json; scores are those of the whole image, as in images.parquet, not of the crop."""

    condition: str
    image: str
    box: list[int]
    degraded: str
    restored: str
    clean: str
    psnr_db: float
    input_psnr_db: float


class ProbedImage(TypedDict):
    """One crop whose feature maps probes.safetensors holds; `box` is [top, left, height, width] in pixels."""

    condition: str
    image: str
    box: list[int]


class ErrorFile(TypedDict):
    """ERROR.json of a failed run."""

    type: str
    message: str
    traceback: str
    at: str
    step: int | None


class DoneFile(TypedDict):
    """DONE, written last: the SHA-256 of every other file that a finished run consists of."""

    finished_at: str
    files: dict[str, str]


def validate_images(df: pd.DataFrame, *, columns: tuple[Column, ...] = IMAGE_COLUMNS) -> None:
    """Check that `df` is an images.parquet (or, with TABLE_COLUMNS, a study's table).

    Raises:
        ValueError: names the first column that is missing, unknown, of the wrong type or holding a value that is not
            allowed, or the first row that occurs twice.
    """
    names = [c.name for c in columns]
    for name in names:
        if name not in df.columns:
            raise ValueError(f"Column {name!r} is missing. Needed: {', '.join(names)}.")
    for name in df.columns:
        if name not in names:
            raise ValueError(f"Column {name!r} is unknown. Allowed: {', '.join(names)}.")
    for column in columns:
        _check_column(df[column.name], column)
    known = [m.name for m in METRICS]
    if not df["metric"].isin(known).all():
        wrong = df.loc[~df["metric"].isin(known), "metric"].iloc[0]
        raise ValueError(f"Column 'metric' holds {wrong!r}. Allowed: {', '.join(known)}.")
    repeated = df.duplicated(_IMAGE_KEY)
    if repeated.any():
        row = df.loc[repeated, _IMAGE_KEY].iloc[0].to_dict()
        raise ValueError(f"Column 'image': a row occurs twice: {row}.")


def _check_column(series: pd.Series, column: Column) -> None:
    """Raise ValueError unless the series has the column's type and no missing value."""
    if series.isna().any():
        raise ValueError(f"Column {column.name!r} holds a missing value (NaN or None).")
    fits = {
        # in C: value by value it was half of the time that a study of thousands of runs takes to read
        "str": pd.api.types.infer_dtype(series, skipna=False) in ("string", "empty"),
        "int64": pd.api.types.is_integer_dtype(series),
        "float64": pd.api.types.is_float_dtype(series),
    }[column.dtype]
    if not fits:
        raise ValueError(f"Column {column.name!r} must be {column.dtype}, not {series.dtype}.")
    if column.dtype == "float64" and np.isneginf(series.to_numpy(dtype=float)).any():
        raise ValueError(f"Column {column.name!r} holds -inf, which no score can be.")


def canonical(df: pd.DataFrame, *, columns: tuple[Column, ...] = IMAGE_COLUMNS) -> pd.DataFrame:
    """The frame with columns, types and rows in the one order in which they are written.

    Raises:
        ValueError: as `validate_images`.
    """
    validate_images(df, columns=columns)
    df = df.reset_index(drop=True)
    kinds: dict[str, Any] = {"str": "object", "int64": np.int64, "float64": np.float64}
    out = pd.DataFrame({c.name: df[c.name].astype(kinds[c.dtype]) for c in columns})
    keys = pd.DataFrame({name: out[name] for name in _IMAGE_KEY})
    keys["condition"] = keys["condition"].map(condition_sort_key)
    return out.loc[keys.sort_values(_IMAGE_KEY, kind="stable").index].reset_index(drop=True)


def write_images(df: pd.DataFrame, path: Path, *, columns: tuple[Column, ...] = IMAGE_COLUMNS) -> Path:
    """Write the canonical frame as Parquet, or as CSV where `path` ends in .csv; atomic.

    Args:
        df: one row per image, condition and metric, with exactly the columns asked for.
        path: images.parquet, table.parquet or table.csv.
        columns: IMAGE_COLUMNS, or TABLE_COLUMNS for a study's table.

    Raises:
        ValueError: as `validate_images`.
    """
    frame = canonical(df, columns=columns)
    if path.suffix == ".csv":
        return write_bytes(path, frame.to_csv(index=False, lineterminator="\n").encode("utf-8"))
    # Types are spelled out and pandas' own metadata left away: the bytes then depend on the rows alone.
    types = {"str": pa.string(), "int64": pa.int64(), "float64": pa.float64()}
    schema = pa.schema([(c.name, types[c.dtype]) for c in columns], metadata={"schema": str(SCHEMA_VERSION)})
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(schema.metadata), buffer)
    return write_bytes(path, buffer.getvalue())


def write_measure(df: pd.DataFrame, folder: Path, name: str, *, facts: dict[str, str]) -> Path:
    """Write one measure's table into a run folder, rows in the order given; atomic.

    Args:
        df: with exactly the columns of `MEASURE_COLUMNS[name]`.
        folder: of the run.
        name: of the measure.
        facts: what it was made from and what it cost, kept in the file's metadata.

    Raises:
        ValueError: a column that is missing, unknown or of the wrong type.
    """
    columns = MEASURE_COLUMNS[name]
    wanted = [c.name for c in columns]
    if sorted(df.columns) != sorted(wanted):
        raise ValueError(f"Measure {name!r} has columns {', '.join(df.columns)}. Needed: {', '.join(wanted)}.")
    for column in columns:
        _check_column(df[column.name], column)
    types = {"str": pa.string(), "int64": pa.int64(), "float64": pa.float64()}
    fields = pa.schema([(c.name, types[c.dtype]) for c in columns])
    table = pa.Table.from_pandas(df[wanted], schema=fields, preserve_index=False)
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata({"schema": str(SCHEMA_VERSION), **facts}), buffer)
    return write_bytes(folder / MEASURES_FOLDER / f"{name}.parquet", buffer.getvalue())


def read_measure(folder: Path, name: str) -> tuple[pd.DataFrame, dict[str, str]]:
    """What `write_measure` wrote: the table and its facts.

    Raises:
        ValueError: there is no such table, or it is not what it should be.
    """
    path = folder / MEASURES_FOLDER / f"{name}.parquet"
    try:
        table = pq.read_table(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} of {folder.name} can't be read: {error}") from error
    frame = table.to_pandas()
    columns = MEASURE_COLUMNS[name]
    if list(frame.columns) != [c.name for c in columns]:
        raise ValueError(f"{path.name} of {folder.name} has columns {', '.join(map(str, frame.columns))}.")
    for column in columns:
        _check_column(frame[column.name], column)
    return frame, {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}


def read_images(path: Path, *, columns: tuple[Column, ...] = IMAGE_COLUMNS) -> pd.DataFrame:
    """Read and check what `write_images` wrote.

    Raises:
        ValueError: the file is not the table it should be.
    """
    try:
        frame = pq.ParquetFile(path).read(use_threads=False).to_pandas()
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} can't be read: {error}") from error
    validate_images(frame, columns=columns)
    return frame


def task_of(condition: str) -> str:
    """The task of a condition's name: "noise-25" -> "noise"."""
    return re.sub(r"-\d+$", "", condition)


def condition_sort_key(condition: str) -> tuple[int, str, int]:
    """Sorts conditions as tables show them: by task in paper order, then by strength; unknown tasks last, by name."""
    task = task_of(condition)
    strength = condition[len(task) + 1 :]
    rank = TASK_ORDER.index(task) if task in TASK_ORDER else len(TASK_ORDER)
    return rank, task, int(strength) if strength else -1

"""The table of costs: its columns on disk, reading it, and the PSNR that a study's runs add to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reports import schema
from reports.files import write_csv
from reports.load import load
from reports.schema import Column
from reports.stats import seed_means
from reports.study import Study
from reports.subsets import main_subset

COUNT, FORWARD, TRAINING = "count", "forward", "training step"
NOT_RUN = "not run"

COST_COLUMNS: tuple[Column, ...] = (
    Column(name="model", dtype="str", meaning="name of the model"),
    Column(name="kind", dtype="str", meaning="variant (of DFPIR and Restormer) or comparator"),
    Column(name="aliases", dtype="str", meaning="other names of the same model at this size, separated by ;"),
    Column(name="settings", dtype="str", meaning="what replaces the model's defaults, as JSON"),
    Column(name="conditioning", dtype="str", meaning="what the model is given about the degradation"),
    Column(name="excluded_part", dtype="str", meaning="the encoder or other part that is not counted"),
    Column(name="params", dtype="float64", meaning="parameters without encoders"),
    Column(name="params_trained", dtype="float64", meaning="those that training changes"),
    Column(name="phase", dtype="str", meaning="count, forward, or training step (forward, backward, fused Adam)"),
    Column(name="size_px", dtype="float64", unit="px", meaning="side of the square images"),
    Column(name="precision", dtype="str", meaning="fp32, or bf16 (autocast); empty for a count"),
    Column(name="macs", dtype="float64", meaning="multiply-adds of one forward pass as the method is published"),
    Column(name="macs_convolutions", dtype="float64", meaning="those in convolutions, which papers print"),
    Column(name="macs_implementation", dtype="float64", meaning="those that this implementation does"),
    Column(name="macs_counter", dtype="str", meaning="what counted `macs`"),
    Column(name="macs_note", dtype="str", meaning="why they were not counted, or what the count leaves open"),
    Column(name="latency_ms", dtype="float64", unit="ms", meaning="median time for one image"),
    Column(name="latency_low_ms", dtype="float64", unit="ms", meaning="shortest time"),
    Column(name="latency_high_ms", dtype="float64", unit="ms", meaning="longest time"),
    Column(name="latency_repeats", dtype="float64", meaning="timed calls after the warm-up"),
    Column(name="latency_note", dtype="str", meaning="why it was not measured"),
    Column(name="batch", dtype="float64", meaning="images at once for the throughput"),
    Column(name="images_per_s", dtype="float64", unit="1/s", meaning="median throughput"),
    Column(name="images_per_s_low", dtype="float64", unit="1/s", meaning="lowest throughput"),
    Column(name="images_per_s_high", dtype="float64", unit="1/s", meaning="highest throughput"),
    Column(name="images_per_s_repeats", dtype="float64", meaning="timed calls after the warm-up"),
    Column(name="images_per_s_note", dtype="str", meaning="why it was not measured"),
    Column(name="memory_mib", dtype="float64", unit="MiB", meaning="peak for one image, weights included"),
    Column(name="memory_method", dtype="str", meaning="how the peak was measured"),
    Column(name="memory_note", dtype="str", meaning="why it was not measured"),
    Column(name="reference_ms", dtype="float64", unit="ms", meaning="time of one fixed convolution just after the row"),
    Column(name="budget", dtype="str", meaning="whose model sizes these are"),
    Column(name="device", dtype="str", meaning="processor or GPU"),
    Column(name="threads", dtype="float64", meaning="CPU threads"),
    Column(name="torch", dtype="str", meaning="version"),
    Column(name="python", dtype="str", meaning="version"),
    Column(name="commit", dtype="str", meaning="of the suite's checkout, or empty"),
    Column(name="dirty", dtype="str", meaning="yes or no: uncommitted changes; empty where unknown"),
    Column(name="at", dtype="str", meaning="UTC time at which measuring began"),
    Column(name="command", dtype="str", meaning="what made the table"),
)


@dataclass(frozen=True, kw_only=True)
class ModelQuality:
    """A model's average PSNR in a study, or why there is none.

    Attributes:
        psnr_db: mean over seeds of the average over the columns, NaN if there is none.
        instead: shown in place of a missing PSNR.
        hover: its source: seeds and run ids.
    """

    psnr_db: float = math.nan
    instead: str = NOT_RUN
    hover: str = ""


def write_costs(frame: pd.DataFrame, path: Path) -> Path:
    """Write the table as CSV, atomically, columns in their one order."""
    ordered = frame[[column.name for column in COST_COLUMNS]]
    return write_csv(path, ordered)


def read_costs(path: Path) -> pd.DataFrame:
    """Read what `write_costs` wrote; empty texts are "", absent numbers NaN.

    Raises:
        ValueError: one line: no such file, or not the table it should be.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file; `python -m ablations.efficiency` measures and writes it.")
    texts = {c.name for c in COST_COLUMNS if c.dtype == "str"}
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except (UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{path}: not a table of costs ({' '.join(str(error).split())}).") from error
    frame = schema.current_frame(frame, schema.COSTS_TABLE)
    for column in COST_COLUMNS:
        if column.name not in frame.columns:
            raise ValueError(f"{path}: not a table of costs: column {column.name!r} is missing.")
    if frame.empty:
        raise ValueError(f"{path}: the table of costs holds no rows.")
    for name in (c.name for c in COST_COLUMNS if c.name not in texts):
        try:
            frame[name] = pd.to_numeric(frame[name].where(frame[name] != "", None)).astype(float)
        except ValueError as error:
            raise ValueError(f"{path}: column {name!r} holds something that is no number ({error}).") from error
    for name in ("device", "budget"):
        if frame[name].nunique() > 1:
            raise ValueError(f"{path}: the rows mix {name}s ({', '.join(sorted(frame[name].unique()))}).")
    return frame[[c.name for c in COST_COLUMNS]]


def qualities(frame: pd.DataFrame, study: Study) -> dict[str, ModelQuality]:
    """The average PSNR of each model of the table from a study's finished runs, matched by name and size.

    A run counts only if its model has as many parameters as the measured one: the PSNR of a small model says nothing
    about a large one of the same name.
    """
    quality_of = {}
    scores = study.scores(schema.PSNR)
    trained = {e.variant: e.alias_of or e.variant for e in study.entries}
    for model, rows in frame.groupby("model", sort=False):
        names = [str(model), *filter(None, str(rows["aliases"].iloc[0]).split(";"))]
        variant = next((trained[n] for n in names if trained.get(n) in scores.values), None)
        params = float(rows["params"].iloc[0])
        quality_of[str(model)] = ModelQuality() if variant is None else _quality_of_variant(study, variant, params)
    return quality_of


def _quality_of_variant(study: Study, variant: str, params: float) -> ModelQuality:
    runs = study.done_runs_of(variant)
    sizes = {
        float(model["params"]) for r in runs if isinstance(model := r.spec.get("model"), dict) and "params" in model
    }
    if sizes != {params}:
        sizes_text = " or ".join(f"{size / 1e6:.3f} M" for size in sorted(sizes)) or "an unknown number of"
        return ModelQuality(instead=f"{NOT_RUN} at this size", hover=f"The study's model has {sizes_text} parameters.")
    values = seed_means(study.scores(schema.PSNR), variant)
    mean = float(values.mean())
    if math.isnan(mean):
        return ModelQuality(instead="not run on every task")
    return ModelQuality(psnr_db=mean, instead="", hover=f"{len(values)} seed(s); {', '.join(r.run_id for r in runs)}")


def load_study_of(folder: Path) -> Study:
    """The study whose PSNR the page shows: its own protocol and its first test sets.

    Raises:
        ValueError: no study there, or several; one line.
    """
    return main_subset(load([folder]))

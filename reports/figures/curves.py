"""Training curves: loss and validation PSNR."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, LogLocator

from reports.artifacts import load_train_log
from reports.figures.style import PAGE_IN, Picture, lines_by_variant, new_figure, save
from reports.messages import message, sentences
from reports.study import Run, Status, Study

MOST_RUNS = 120


def draw(study: Study, folder: Path) -> Picture | None:
    """Draw the figure from every run that logged something, failed ones included; None where none did."""
    chosen, left_out = _chosen(study)
    logs = [(variant, run, load_train_log(run)) for variant, run in chosen]
    logs = [(variant, run, log) for variant, run, log in logs if log["loss"].notna().any()]
    if not logs:
        return None
    looks = lines_by_variant(study)
    figure = new_figure(PAGE_IN, 3.0)
    left, right = figure.subplots(1, 2)
    named: set[str] = set()
    for variant, run, log in logs:
        look = {**looks[variant], "alpha": 0.9}
        label = None if variant in named else look["label"]
        del look["label"]
        named.add(variant)
        if not _has_own_objective(run):
            loss = log.dropna(subset=["loss"]).sort_values("step")
            smooth = _smooth(loss["loss"])
            left.plot(loss["step"], smooth, **look)
            if run.status is Status.FAILED:
                _mark_failure(left, float(loss["step"].iloc[-1]), float(smooth.iloc[-1]))
        val = log.dropna(subset=["val_psnr_db"]).sort_values("step")
        right.plot(val["step"], val["val_psnr_db"], label=label, **look)
    own = sum(_has_own_objective(run) for _, run, _ in logs)
    if own == len(logs):
        left.text(0.5, 0.5, "no run was trained with L1", transform=left.transAxes, ha="center")
    elif all((log["loss"].dropna() > 0).all() for _, run, log in logs if not _has_own_objective(run)):
        left.set_yscale("log")
        for which in (left.yaxis.set_major_formatter, left.yaxis.set_minor_formatter):
            which(FuncFormatter(lambda value, _: f"{value:g}"))
        left.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    left.set(xlabel="training step", ylabel="training loss (L1, smoothed)")
    right.set(xlabel="training step", ylabel="validation PSNR (dB)")
    if not any(log["val_psnr_db"].notna().any() for *_, log in logs):
        right.text(0.5, 0.5, "no validation was logged", transform=right.transAxes, ha="center")
    figure.legend(loc="outside lower center", ncols=4)
    return save(
        figure,
        folder,
        "training_curves",
        title=message("Training curves"),
        alt=message(
            "Loss and validation PSNR against the training step for {n} runs of {variants} variants.",
            n=len(logs),
            variants=len(named),
        ),
        caption=_caption(_span(logs[0][2]), own, left_out),
    )


def _caption(span: int, own: int, left_out: int) -> str:
    """How the figure was made; `own` runs have another loss, `left_out` are not drawn."""
    told: list[str] = [
        message(
            "One line a run; seeds share their variant's colour. The loss is a running mean over {span} logged steps.",
            span=span,
        )
    ]
    if own:
        told.append(
            message("Comparators train with objectives of their own, on other scales: their losses are not drawn.")
        )
    if left_out:
        told.append(message("Of each variant its first runs, {n:,} more are not drawn.", n=left_out))
    return sentences(told)


def _has_own_objective(run: Run) -> bool:
    """Whether the run is of a comparator: its loss may be a PSNR, a contrast or a sum, and shares no axis with L1."""
    model = (run.spec.get("identity") or {}).get("model") or {}
    return "baseline" in model


def _chosen(study: Study) -> tuple[list[tuple[str, Run]], int]:
    """The runs that are drawn, with their variants, and how many are not: more lines than that tell nobody more."""
    each = max(1, MOST_RUNS // max(len(study.variants), 1))
    found = [(variant, study.runs_of(variant)) for variant in study.variants]
    drawn = [(variant, run) for variant, runs in found for run in runs[:each]]
    return drawn, sum(len(runs) for _, runs in found) - len(drawn)


def _mark_failure(ax: Any, step: float, loss: float) -> None:
    """A cross with a word where a run stopped with an error, above all lines."""
    ax.plot(step, loss, "X", color="#D55E00", markeredgecolor="white", markersize=8, zorder=5)
    ax.annotate("failed", (step, loss), textcoords="offset points", xytext=(5, 6), fontweight="bold", zorder=6)


def _span(log: pd.DataFrame) -> int:
    """Steps that one smoothed value averages: a twentieth of what was logged."""
    return max(int(np.ceil(log["loss"].notna().sum() / 20)), 1)


def _smooth(loss: pd.Series) -> pd.Series:
    span = max(int(np.ceil(len(loss) / 20)), 1)
    return loss.rolling(span, min_periods=1).mean()

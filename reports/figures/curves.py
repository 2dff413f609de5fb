"""Training curves: loss and validation PSNR, with the phases of the recipe and the step that was tested."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from reports.artifacts import load_train_log
from reports.figures.style import (
    INK,
    MAX_COLOURS,
    PAGE_IN,
    QUIET,
    Picture,
    lines_by_variant,
    new_figure,
    save,
    variant_colours,
)
from reports.messages import join_sentences, message, ngettext
from reports.run_state import Status
from reports.study import Run, Study

MAX_RUNS = 120
_BAND, _GREY = "#f1f1f1", "#bdbdbd"  # of phases; of variants without a colour
_OUTER_PERCENT = 2  # of the points at each end of the vertical axis, beyond which it need not reach
_MARGIN, _PAD = 0.25, 0.05  # how far it reaches beyond them where points are there; empty space beside the last point
_MIN_LABEL_SHARE = 0.25  # of the axis: narrower phases in the middle have no label


@dataclass(frozen=True, kw_only=True)
class LoggedRun:
    """A run with its training log.

    Attributes:
        variant: its name.
        run: the run.
        log: columns step, loss, val_psnr_db.
    """

    variant: str
    run: Run
    log: pd.DataFrame

    @property
    def loss(self) -> pd.Series:
        """The running mean of the logged loss, indexed by step."""
        loss = self.log.dropna(subset=["loss"]).sort_values("step").set_index("step")["loss"]
        return loss.rolling(_smoothing_span(self.log), min_periods=1).mean()

    @property
    def validation(self) -> pd.Series:
        """Validation PSNR in dB, indexed by step."""
        return self.log.dropna(subset=["val_psnr_db"]).sort_values("step").set_index("step")["val_psnr_db"]

    @property
    def trains_with_l1(self) -> bool:
        """False for comparators: their loss may be a PSNR, a contrast or a sum, and shares no axis with L1."""
        return "baseline" not in ((self.run.spec.get("identity") or {}).get("model") or {})

    @property
    def tested_step(self) -> int | None:
        """The step whose weights were tested; None while the run is not finished."""
        step = self.run.summary.get("best_step") if self.run.status is Status.DONE else None
        return step if isinstance(step, int) else None


@dataclass(frozen=True, kw_only=True)
class PhaseSpan:
    """A phase of the recipe: its first and last step, and how it differs from the others."""

    start: int
    end: int
    label: str


def draw(study: Study, folder: Path) -> Picture | None:
    """Draw the figure from every run that logged something, failed ones included; None where none did."""
    runs, n_omitted = _logged_runs(study)
    if not runs:
        return None
    figure = new_figure(PAGE_IN, 3.0)
    loss_axes, psnr_axes = figure.subplots(1, 2, sharex=True)
    phases, tested = phase_spans([r.run for r in runs]), _tested_steps(runs)
    coloured = _coloured_variants(study, {r.variant for r in runs})
    _draw_lines(study, runs, coloured, loss_axes, psnr_axes)
    if len(tested) > 1:
        _mark_tested(study, runs, coloured, loss_axes, psnr_axes)
    for ax, y, align in ((loss_axes, 0.98, "top"), (psnr_axes, 0.02, "bottom")):
        _draw_phases(ax, phases)
        if len(tested) == 1:
            ax.axvline(tested[0], color=INK, linestyle=":", linewidth=0.8, zorder=1)
            # above the falling loss, below the rising PSNR
            ax.annotate(
                "tested", (tested[0], y), xycoords=("data", "axes fraction"), textcoords="offset points",
                xytext=(-2, 0), rotation=90, ha="right", va=align, fontsize=7,
            )  # fmt: skip
    _label_axes(runs, loss_axes, psnr_axes)
    n_outside = _set_limits(loss_axes, [r.loss for r in runs if r.trains_with_l1])
    n_outside += _set_limits(psnr_axes, [r.validation for r in runs])
    figure.legend(*_legend(study, runs, coloured, has_dots=len(tested) > 1), loc="outside lower center", ncols=4)
    return save(
        figure,
        folder,
        "training_curves",
        title=message("Training curves"),
        alt=message(
            "Loss and validation PSNR against the training step for {n} runs of {variants} variants.",
            n=len(runs),
            variants=len({r.variant for r in runs}),
        ),
        caption=_caption(runs, n_omitted, tested, phases, n_outside),
    )


def _coloured_variants(study: Study, available: Collection[str]) -> list[str]:
    """Variants with a colour: all where colours suffice, else those on the axis and the featured ones."""
    drawn = [v for v in study.variants if v in available]
    on_axis = [v for v in drawn if v in study.axis_values]
    others = [v for v in drawn if v not in on_axis]
    if len(others) > MAX_COLOURS:
        n_featured = len({v for v in study.featured if v in others})
        selected = study.select_variants(others, n_featured or MAX_COLOURS)
        others = [v for v in others if v in selected]
    return [v for v in drawn if v in on_axis or v in others]


def _draw_lines(
    study: Study, runs: Sequence[LoggedRun], coloured: Collection[str], loss_axes: Axes, psnr_axes: Axes
) -> None:
    """The mean over each variant's seeds, within a band from the lowest to the highest seed where it is coloured."""
    styles = lines_by_variant(study)
    for variant in dict.fromkeys(r.variant for r in runs):
        of_variant = [r for r in runs if r.variant == variant]
        losses = [r.loss for r in of_variant if r.trains_with_l1]
        for ax, curves in ((loss_axes, losses), (psnr_axes, [r.validation for r in of_variant])):
            by_seed = align_seeds(curves)
            if by_seed.empty:
                continue
            if variant not in coloured:
                ax.plot(by_seed.index, by_seed.mean(axis=1), color=_GREY, linewidth=0.8, zorder=1.5)
                continue
            line = {"color": styles[variant]["color"], "linestyle": styles[variant]["linestyle"]}
            ax.plot(by_seed.index, by_seed.mean(axis=1), zorder=3, **line)
            if by_seed.shape[1] > 1:
                band = {"color": line["color"], "alpha": 0.18, "linewidth": 0}
                ax.fill_between(by_seed.index, by_seed.min(axis=1), by_seed.max(axis=1), zorder=2, **band)
        for logged in of_variant:
            if logged.trains_with_l1 and logged.run.status is Status.FAILED:
                _mark_failure(loss_axes, float(logged.loss.index[-1]), float(logged.loss.iloc[-1]))


def align_seeds(curves: Sequence[pd.Series]) -> pd.DataFrame:
    """Curves of several seeds by step, one a column, straight between a seed's own steps and NaN outside of them."""
    columns = {n: curve.groupby(level=0).last() for n, curve in enumerate(curves) if len(curve)}
    return pd.DataFrame(columns).sort_index().interpolate(method="index", limit_area="inside")


def _mark_tested(
    study: Study, runs: Sequence[LoggedRun], coloured: Collection[str], loss_axes: Axes, psnr_axes: Axes
) -> None:
    """A dot on each run's own curve at the step whose weights were tested."""
    colours = variant_colours(study)
    for r in runs:
        colour = colours[r.variant] if r.variant in coloured else _GREY
        for ax, curve in ((psnr_axes, r.validation), (loss_axes, r.loss if r.trains_with_l1 else r.loss[:0])):
            if r.tested_step is not None and len(curve):
                y = np.interp(r.tested_step, curve.index, curve)
                ax.plot(r.tested_step, y, "o", color=colour, markersize=4, zorder=4)


def _legend(
    study: Study, runs: Sequence[LoggedRun], coloured: Sequence[str], *, has_dots: bool
) -> tuple[list[Artist], list[str]]:
    """Entries for what is drawn: coloured variants, the others together, and the dots."""
    styles = lines_by_variant(study)
    entries: list[tuple[Artist, str]] = []
    for variant in coloured:
        style = styles[variant]
        line = Line2D([], [], color=style["color"], linestyle=style["linestyle"])
        entries.append((line, style["label"]))
    if n_others := len({r.variant for r in runs} - set(coloured)):
        entries.append((Line2D([], [], color=_GREY, linewidth=0.8), f"others ({n_others})"))
    if has_dots:
        entries.append((Line2D([], [], color=INK, marker="o", linestyle="", markersize=4), "tested"))
    return [handle for handle, _ in entries], [label for _, label in entries]


def _set_limits(ax: Axes, curves: Sequence[pd.Series]) -> int:
    """Limit the vertical axis to the middle of all points, so that single ones don't flatten the rest.

    Returns:
        How many points lie outside.
    """
    values = np.concatenate([np.asarray(curve, dtype=float) for curve in curves]) if curves else np.zeros(0)
    values = values[np.isfinite(values)]
    if not len(values):
        return 0
    is_log = ax.get_yscale() == "log"
    positions = np.log10(values) if is_log else values
    low, high = np.percentile(positions, (_OUTER_PERCENT, 100 - _OUTER_PERCENT))
    margin = _MARGIN * (high - low)
    low, high = max(low - margin, positions.min()), min(high + margin, positions.max())
    outside = (positions < low) | (positions > high)
    if not outside.any() or not high > low:
        return 0
    pad = _PAD * (high - low)
    limits = (low - pad, high + pad)
    ax.set_ylim(*(10.0**x for x in limits) if is_log else limits)
    return int(((positions < limits[0]) | (positions > limits[1])).sum())


def _label_axes(runs: Sequence[LoggedRun], loss_axes: Axes, psnr_axes: Axes) -> None:
    losses = [r.log["loss"].dropna() for r in runs if r.trains_with_l1]
    if not losses:
        loss_axes.text(0.5, 0.5, "no run was trained with L1", transform=loss_axes.transAxes, ha="center")
    elif all((loss > 0).all() for loss in losses):
        loss_axes.set_yscale("log")
        for set_formatter in (loss_axes.yaxis.set_major_formatter, loss_axes.yaxis.set_minor_formatter):
            set_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        loss_axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
    if not any(r.log["val_psnr_db"].notna().any() for r in runs):
        psnr_axes.text(0.5, 0.5, "no validation was logged", transform=psnr_axes.transAxes, ha="center")
    loss_axes.set(xlabel="training step", ylabel="training loss (L1, smoothed)")
    psnr_axes.set(xlabel="training step", ylabel="validation PSNR (dB)")
    loss_axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))


def _draw_phases(ax: Axes, phases: Sequence[PhaseSpan]) -> None:
    """Bands behind every other phase; their labels above the axes, as far as there is room."""
    length = phases[-1].end if phases else 0
    for number, phase in enumerate(phases):
        if number % 2 == 0:
            ax.axvspan(phase.start, phase.end, color=_BAND, linewidth=0, zorder=0)
        ends = {0: (phase.start, "left"), len(phases) - 1: (phase.end, "right")}
        x, align = ends.get(number, ((phase.start + phase.end) / 2, "center"))
        if number in ends or phase.end - phase.start >= _MIN_LABEL_SHARE * length:
            ax.text(x, 1.02, phase.label, transform=ax.get_xaxis_transform(), ha=align, fontsize=7, color=QUIET)


def phase_spans(runs: Sequence[Run]) -> list[PhaseSpan]:
    """The phases that all runs with a recipe share; none where they differ, or the recipe has one phase alone."""
    recipes = [(run.spec.get("identity") or {}).get("recipe") or {} for run in runs]
    phases_by_run = [recipe["phases"] for recipe in recipes if recipe.get("phases")]
    if not phases_by_run or len(phases_by_run[0]) < 2:
        return []
    phases = phases_by_run[0]
    ends = np.cumsum([phase["steps"] for phase in phases]).tolist()
    labels = _phase_labels(phases)
    if any(np.cumsum([p["steps"] for p in candidate]).tolist() != ends for candidate in phases_by_run) or any(
        _phase_labels(candidate) != labels for candidate in phases_by_run
    ):
        return []
    starts = [0, *ends[:-1]]
    return [PhaseSpan(start=s, end=e, label=label) for s, e, label in zip(starts, ends, labels, strict=True)]


def _phase_labels(phases: Sequence[dict[str, Any]]) -> list[str]:
    """What each phase has that not all have: its tasks, its learning rate, its patch size."""
    fields = [[_tasks(phase), f"lr {phase['lr']:g}", f"{phase['patch']} px"] for phase in phases]
    varying = [len({row[k] for row in fields}) > 1 for k in range(3)]
    return [", ".join(text for text, varies in zip(row, varying, strict=True) if varies) for row in fields]


def _tasks(phase: dict[str, Any]) -> str:
    tasks = [share["task"] for share in phase.get("mixture") or ()]
    return f"{tasks[0]} only" if len(tasks) == 1 else "all tasks"


def _tested_steps(runs: Sequence[LoggedRun]) -> list[int]:
    return sorted({r.tested_step for r in runs if r.tested_step is not None})


def _caption(
    runs: Sequence[LoggedRun],
    n_omitted: int,
    tested: Sequence[int],
    phases: Sequence[PhaseSpan],
    n_outside: int,
) -> str:
    """How the figure was made."""
    span = _smoothing_span(runs[0].log)
    parts: list[str] = [
        message(
            "Lines: means over seeds; bands: from the lowest to the highest seed. The loss is a running mean over "
            "{span} logged steps.",
            span=span,
        )
        if len(runs) > len({r.variant for r in runs})
        else message("The loss is a running mean over {span} logged steps.", span=span)
    ]
    if len(tested) == 1:
        parts.append(message("The weights of step {step:,} were tested.", step=tested[0]))
    elif tested:
        parts.append(message("Dots mark the step whose weights were tested."))
    if phases:
        parts.append(message("Grey background: phases of the recipe."))
    if not all(r.trains_with_l1 for r in runs):
        parts.append(
            message("Comparators train with objectives of their own, on other scales: their losses are not drawn.")
        )
    if n_outside:
        parts.append(
            ngettext(
                "{n:,} point of single runs lies outside the vertical axes.",
                "{n:,} points of single runs lie outside the vertical axes.",
                n_outside,
            )
        )
    if n_omitted:
        parts.append(message("Of each variant its first runs, {n:,} more are not drawn.", n=n_omitted))
    return join_sentences(parts)


def _logged_runs(study: Study) -> tuple[list[LoggedRun], int]:
    """The runs that are drawn, and how many are not: with more lines nobody can tell them apart."""
    per_variant = max(1, MAX_RUNS // max(len(study.variants), 1))
    selected = [(variant, run) for variant in study.variants for run in study.runs_of(variant)[:per_variant]]
    n_runs = sum(len(study.runs_of(variant)) for variant in study.variants)
    runs = [LoggedRun(variant=variant, run=run, log=load_train_log(run)) for variant, run in selected]
    return [r for r in runs if r.log["loss"].notna().any()], n_runs - len(selected)


def _mark_failure(ax: Axes, step: float, loss: float) -> None:
    """A cross with a word where a run stopped with an error, above all lines."""
    ax.plot(step, loss, "X", color="#D55E00", markeredgecolor="white", markersize=8, zorder=5)
    ax.annotate("failed", (step, loss), textcoords="offset points", xytext=(5, 6), fontweight="bold", zorder=6)


def _smoothing_span(log: pd.DataFrame) -> int:
    """Steps that one smoothed value averages: a twentieth of what was logged."""
    return max(int(np.ceil(log["loss"].notna().sum() / 20)), 1)

"""PSNR against cost, and time against multiply-adds: do counted operations predict the time?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports.costs import COUNT, FORWARD, NOT_RUN, ModelQuality
from reports.figures.style import INK, PAGE_IN, QUIET, Picture, new_figure, plain, plain_log_ticks, save

_COLOURS = {"variant": "#0072B2", "comparator": "#D55E00"}
_MARKERS = {"variant": "o", "comparator": "s"}
_KINDS = "Circles: variants of DFPIR and Restormer; squares: comparators."
_KEY_COLUMNS = 3
_PANEL_PT = 165  # height of a panel


@dataclass(frozen=True, kw_only=True)
class Point:
    """One model.

    Attributes:
        model: its name.
        kind: `variant` or `comparator`.
        psnr_db: average over the columns, NaN if it has none.
        params: parameters.
        macs: multiply-adds of a forward pass, NaN if not counted.
        latency_ms: of a forward pass on one image, NaN if not measured.
    """

    model: str
    kind: str
    psnr_db: float
    params: float
    macs: float
    latency_ms: float


def draw_quality(points: Sequence[Point], folder: Path, *, macs_at: str, latency_at: str) -> Picture | None:
    """PSNR against parameters, multiply-adds and latency; None where no model has a PSNR.

    Args:
        points: the models.
        folder: to write to.
        macs_at: resolution of the multiply-adds, in words.
        latency_at: resolution and precision of the latency, in words.
    """
    plotted = sorted((p for p in points if not math.isnan(p.psnr_db)), key=lambda p: -p.psnr_db)
    if not plotted:
        return None
    figure = new_figure(PAGE_IN, 3.2 + _key_height_in(plotted))
    axes = figure.subplots(1, 3, sharey=True)
    panels = (
        ("params", 1e6, "parameters (M)"),
        ("macs", 1e9, f"multiply-adds (G), {macs_at}"),
        ("latency_ms", 1.0, f"latency (ms), {latency_at}"),
    )
    for ax, (field, unit, label) in zip(axes, panels, strict=True):
        _draw_panel(ax, plotted, [getattr(p, field) / unit for p in plotted], [p.psnr_db for p in plotted], near=0.16)
        ax.set_xlabel(plain(label))
    axes[0].set_ylabel("PSNR averaged over columns (dB)")
    _draw_key(figure, plotted, [f"{p.psnr_db:.2f} dB" for p in plotted])
    n_without_psnr = len(points) - len(plotted)
    return save(
        figure,
        folder,
        "psnr_cost",
        title="PSNR, averaged over the columns, against cost",
        alt=f"PSNR, averaged over the columns, against parameters, multiply-adds and latency for {len(plotted)} "
        f"models; the best is {plotted[0].model} with {plotted[0].psnr_db:.2f} dB.",
        caption=f"{_KINDS} Up and to the left is better. Cost is on a logarithmic scale; models are numbered from the "
        "highest PSNR down. A model whose cost is zero or was not measured is missing from that panel"
        + (f"; {n_without_psnr} models have no PSNR in the study and are missing from all." if n_without_psnr else "."),
    )


def draw_time(points: Sequence[Point], folder: Path, *, macs_at: str, latency_at: str) -> Picture | None:
    """Latency against multiply-adds; None with fewer than two models that have both."""
    plotted = sorted((p for p in points if p.macs > 0 and p.latency_ms > 0), key=lambda p: p.macs / p.latency_ms)
    if len(plotted) < 2:
        return None
    figure = new_figure(PAGE_IN, 3.0 + _key_height_in(plotted))
    ax = figure.subplots()
    ax.set_yscale("log")
    _draw_panel(ax, plotted, [p.macs / 1e9 for p in plotted], [p.latency_ms for p in plotted], near=0.06)
    plain_log_ticks(ax.yaxis)
    ax.set_xlabel(plain(f"multiply-adds (G), {macs_at}"))
    ax.set_ylabel(plain(f"latency (ms), {latency_at}"))
    rates = [p.macs / p.latency_ms / 1e6 for p in plotted]
    _draw_key(figure, plotted, [f"{rate:.1f} GMAC/s" for rate in rates])
    return save(
        figure,
        folder,
        "time_macs",
        title="Latency against multiply-adds",
        alt=f"Latency against multiply-adds for {len(plotted)} models: from {rates[0]:.1f} to {rates[-1]:.1f} billion "
        "multiply-adds a second.",
        caption=f"{_KINDS} Models on one diagonal do as many multiply-adds a second; those above it wait for memory or "
        "launches. Numbered from the slowest rate up.",
    )


def _draw_panel(ax: Any, points: Sequence[Point], x: Sequence[float], y: Sequence[float], near: float) -> None:
    """A scatter with a number beside each marker; numbers that would overlap are moved apart.

    `near`: share of the width within which they would.
    """
    ax.set_xscale("log")
    numbered = [(n, p, a, b) for n, (p, a, b) in enumerate(zip(points, x, y, strict=True), start=1) if a > 0]
    for kind, colour in _COLOURS.items():
        xy = [(a, b) for _, p, a, b in numbered if p.kind == kind]
        if xy:
            ax.scatter(*zip(*xy, strict=True), s=16, color=colour, marker=_MARKERS[kind], alpha=0.85, linewidth=0)
    plain_log_ticks(ax.xaxis)
    ax.margins(x=0.14, y=0.08)
    scaled = [math.log10(value) for value in y] if ax.get_yscale() == "log" else y
    for (number, _, a, b), shift in zip(numbered, _shifts(numbered, scaled, near), strict=True):
        ax.annotate(
            str(number), (a, b), xytext=(7, shift), textcoords="offset points", fontsize=7, color=INK, va="center",
            arrowprops={"arrowstyle": "-", "color": QUIET, "linewidth": 0.4, "shrinkA": 0, "shrinkB": 2}
            if abs(shift) > 4 else None,
        )  # fmt: skip


def _shifts(numbered: Sequence[tuple[int, Point, float, float]], y: Sequence[float], near: float) -> list[float]:
    """Vertical offsets in points that keep the numbers of neighbouring markers 8 points apart.

    Args:
        numbered: number, model and position of each marker.
        y: position of every model on the vertical axis, in its scale (logarithms on a logarithmic one).
        near: share of the width within which two markers are neighbours.
    """
    spread = (max(y) - min(y)) or 1.0
    positions = [(math.log10(a), _PANEL_PT * y[number - 1] / spread) for number, _, a, _ in numbered]
    near *= ((max(p[0] for p in positions) - min(p[0] for p in positions)) or 1.0) if positions else 0.0
    shifts = [0.0] * len(positions)
    placed: list[int] = []
    for i in sorted(range(len(positions)), key=lambda i: -positions[i][1]):
        for j in placed:
            gap = positions[j][1] + shifts[j] - positions[i][1] - shifts[i]
            if abs(positions[i][0] - positions[j][0]) < near and gap < 8:
                shifts[i] -= 8 - gap
        placed.append(i)
    groups = np.array([p[0] for p in positions])
    for i in range(len(positions)):  # a stack hangs around its markers, not below them
        aligned = np.abs(groups - groups[i]) < 1e-9
        if aligned.sum() > 1:
            shifts[i] += 0.5 * max(-shifts[j] for j in np.flatnonzero(aligned))
    return shifts


def _key_height_in(points: Sequence[Point]) -> float:
    """Height of the key, in inches."""
    return 0.13 * math.ceil(len(points) / _KEY_COLUMNS)


def _draw_key(figure: Any, points: Sequence[Point], values: Sequence[str]) -> None:
    """Number, model and value of every point, in columns below the panels."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="", marker=_MARKERS[p.kind], color=_COLOURS[p.kind], markersize=5,
               label=f"{number}  {plain(p.model)}  {text}")
        for number, (p, text) in enumerate(zip(points, values, strict=True), start=1)
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=_KEY_COLUMNS, handletextpad=0.3, labelspacing=0.28)


def points(frame: pd.DataFrame, quality: dict[str, ModelQuality]) -> tuple[list[Point], str, str]:
    """A point a model, with the resolution of its multiply-adds and of its latency in words.

    The latency is of the forward pass at the largest timed size in float32 (or the first precision there is), the
    multiply-adds are of that size too.
    """
    timed = frame[frame["phase"] == FORWARD]
    size = timed["size_px"].max() if len(timed) else frame["size_px"].max()
    precisions = list(dict.fromkeys(timed["precision"]))
    precision = "fp32" if "fp32" in precisions or not precisions else precisions[0]
    rows = timed[(timed["size_px"] == size) & (timed["precision"] == precision)]
    if rows.empty:
        rows = frame[(frame["phase"] == COUNT) & (frame["size_px"] == size)]
    models = [
        Point(
            model=str(row["model"]), kind=str(row["kind"]), params=float(row["params"]), macs=float(row["macs"]),
            psnr_db=quality.get(str(row["model"]), ModelQuality(instead=NOT_RUN)).psnr_db,
            latency_ms=float(row["latency_ms"]),
        )
        for _, row in rows.iterrows()
    ]  # fmt: skip
    size_text = f"{size:.0f} px"
    return models, size_text, f"{size_text}, {precision}"

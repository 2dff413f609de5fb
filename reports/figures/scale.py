"""Growth of time and memory: a benchmark's measurements against the size of its input, on logarithmic axes."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.figures.style import COLUMN_IN, Picture, new_figure, plain_log_ticks, save, settings

_MARKERS = ("o", "s", "^", "D", "v", "P")
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00")


def draw(frame: pd.DataFrame, folder: Path, name: str) -> Picture | None:
    """One panel a unit, one line a series.

    Args:
        frame: lines of a benchmark: `series`, `x`, `x_unit`, `unit`, `value`; rows without `x` are left out.
        folder: to write to.
        name: of the files, without ending.

    Returns:
        The figure, or None where no line has a size.
    """
    measured = frame.dropna(subset=["x"])
    if measured.empty:
        return None
    units = list(dict.fromkeys(measured["unit"]))
    series = list(dict.fromkeys(measured["series"]))
    with settings():
        figure = new_figure(COLUMN_IN * min(len(units), 2), 2.8)
        for number, unit in enumerate(units, start=1):
            axes = figure.add_subplot(1, len(units), number)
            for label, marker, colour in zip(series, _MARKERS, _COLOURS, strict=False):
                rows = measured[(measured["series"] == label) & (measured["unit"] == unit)].sort_values("x")
                axes.plot(rows["x"], rows["value"], marker=marker, color=colour, label=label)
            axes.set_xscale("log")
            axes.set_yscale("log")
            plain_log_ticks(axes.xaxis)
            plain_log_ticks(axes.yaxis)
            axes.set_xlabel(str(measured["x_unit"].iloc[0]))
            axes.set_ylabel({"s": "wall time (s)", "GiB": "peak tensor memory (GiB)"}.get(unit, unit))
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2)
        range_text = f"{measured['x'].min():.2g} to {measured['x'].max():.3g} {measured['x_unit'].iloc[0]}"
        return save(
            figure,
            folder,
            name,
            title="Growth",
            alt=f"{', '.join(units)} against {measured['x_unit'].iloc[0]} for {', '.join(series)}, {range_text}.",
            caption=f"Medians of one benchmark run on {frame['device'].iloc[0]}; both axes logarithmic.",
        )

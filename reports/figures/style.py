"""What all figures share: colours, sizes, saving.

Colours follow Okabe and Ito's palette, which people with any common colour blindness tell apart; a task also has a
marker of its own, and a variant its name in the legend.
"""

from __future__ import annotations

import io
import math
import textwrap
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from fontTools import subset
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.font_manager import findSystemFonts, fontManager
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import Bbox

from reports import schema
from reports.document import Picture as Picture  # of the interface: figures of other packages return it
from reports.files import write_bytes
from reports.study import Study

DPI = 200
COLUMN_IN, PAGE_IN = 3.25, 6.875  # widths of a column and of a page in print
INK = "#222222"
QUIET = "#767676"
_DARK_TEXT_LUMINANCE = 0.2  # of a background on which dark text contrasts as much as white text
_SHAPING_TABLES = ("GSUB", "GPOS", "GDEF")  # of a font: ligatures, kerning, classes of glyphs
_POSITION_DIGITS = 9  # of a figure's side

_PRINT_FONTS = ("Arial", "Helvetica", "Liberation Sans")
_PRINT_FONT_FILES = ("arial", "helvetica", "liberationsans-")  # beginnings of their file names, in lower case

_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": [*_PRINT_FONTS, "DejaVu Sans"],
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "figure.facecolor": "white",
    "figure.labelsize": 7.5,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "svg.hashsalt": "reports",  # equal runs give equal files
    "pdf.fonttype": 42,
}

_COLOURS = ("#000000", "#D55E00", "#009E73", "#CC79A7", "#0072B2", "#E69F00", "#56B4E9", "#8a6d00")
_DASHES = ("-", "--", "-.", ":")
MAX_COLOURS = len(_COLOURS)
"""Variants off the axis that have a colour of their own; more share one, and differ by dashes."""


@cache
def _register_print_fonts() -> None:
    """Add the print fonts that were installed after matplotlib cached its list of this machine's fonts."""
    if not {font.name for font in fontManager.ttflist}.isdisjoint(_PRINT_FONTS):
        return
    for path in findSystemFonts():
        if Path(path).name.lower().startswith(_PRINT_FONT_FILES):
            with suppress(OSError, RuntimeError):  # a damaged font file
                fontManager.addfont(path)


@contextmanager
def settings() -> Iterator[None]:
    """The matplotlib settings of our figures; the previous ones are restored afterwards."""
    _register_print_fonts()
    with matplotlib.rc_context(_SETTINGS):
        yield


def new_figure(width_in: float, height_in: float) -> Figure:
    """A figure that belongs to no window and no global list."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


_OMITTED_METADATA = {"png": ("Software",), "svg": ("Date", "Creator"), "pdf": ("CreationDate", "Creator", "Producer")}
"""Metadata of each format that would change a figure's bytes with the date or the version."""


def save(figure: Figure, folder: Path, name: str, *, title: str, alt: str, caption: str) -> Picture:
    """Write the figure as PNG, SVG and PDF into `folder`."""
    _write(figure, folder, name)
    width_in = float(figure.get_size_inches()[0])
    png = folder / f"{name}.png"
    return Picture(name=name, title=title, alt=alt, caption=caption, png=png, width_in=width_in)


def save_with_column(figure: Figure, in_column: Figure, folder: Path, name: str, **texts: str) -> Picture:
    """`save`, and the figure's form for a journal's column as NAME_column."""
    _write(in_column, folder, f"{name}_column")
    return replace(save(figure, folder, name, **texts), column_png=folder / f"{name}_column.png")


def _write(figure: Figure, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # A name in a script that the font lacks gives boxes; that is no reason to have no report.
        warnings.filterwarnings("ignore", message=".*Glyph.*missing")
        _apply_layout(figure)
        for kind, omitted in _OMITTED_METADATA.items():
            content = io.BytesIO()
            with _without_shaping_tables():
                figure.savefig(content, format=kind, metadata=dict.fromkeys(omitted), dpi=DPI)
            write_bytes(folder / f"{name}.{kind}", content.getvalue())


@contextmanager
def _without_shaping_tables() -> Iterator[None]:
    """Fonts in a PDF without the tables of ligatures and kerning, which cost more time than all else of a figure.

    matplotlib places every glyph of a figure, so that no reader needs them. Neither matplotlib nor fontTools has an
    option for it; without the attribute that we change the files are right as well, only slower.
    """
    default = getattr(subset.Options, "_drop_tables_default", [])
    subset.Options._drop_tables_default = [*default, *_SHAPING_TABLES]
    try:
        yield
    finally:
        subset.Options._drop_tables_default = default


def _apply_layout(figure: Figure) -> None:
    """Place everything once, for all three formats; a figure that keeps its engine is drawn twice a format.

    The places are rounded: the last bits that the layout's solver gives depend on where its variables lie in memory,
    and with them the names of clip paths in SVG would.
    """
    engine = figure.get_layout_engine()
    if engine is None:
        return
    figure.set_dpi(DPI)
    engine.execute(figure)
    figure.set_layout_engine(None)
    for part in figure.subfigs:
        part.bbox_relative.set_points(np.round(part.bbox_relative.get_points(), _POSITION_DIGITS))
    for ax in figure.axes:
        ax.set_position(Bbox(np.round(ax.get_position(original=True).get_points(), _POSITION_DIGITS)))


def plain(text: str) -> str:
    """A name from outside for matplotlib: no mathematics, and shown in a legend even if it starts with "_"."""
    line = " ".join(text.split()).replace("$", r"\$")
    return f" {line}" if line.startswith("_") else line


def wrap_label(text: str, width: int = 18) -> str:
    """A name on as many lines as it needs, broken at spaces and underscores: cut, two could look alike."""
    return textwrap.fill(plain(text).replace("_", "_ "), width).replace("_ ", "_")


def panel_grid(figure: Figure, n: int, max_columns: int, **subplot_options: Any) -> list[Axes]:
    """`n` panels in rows of at most `wide`; places that are left over stay empty."""
    max_columns = min(max_columns, n)
    axes = list(figure.subplots(math.ceil(n / max_columns), max_columns, squeeze=False, **subplot_options).flat)
    for ax in axes[n:]:
        ax.set_axis_off()
    for ax in axes[max(n - max_columns, 0) : n]:  # of panels that share x only those of the last row have labels
        ax.tick_params(axis="x", labelbottom=True)
    return axes[:n]


def heatmap(ax: Axes, values: pd.DataFrame, *, texts: pd.DataFrame | None = None, **seaborn_options: Any) -> Any:
    """A matrix with its labels; what seaborn's heat map returns can have a colour bar.

    Args:
        ax: to draw on.
        values: cells, NaN for none; index and columns as they are printed.
        texts: what stands in the cells.
        seaborn_options: to seaborn: cmap, vmin, vmax and so on.
    """
    import seaborn  # half a second that a page without matrices saves

    options: dict[str, Any] = {"annot_kws": {"fontsize": 7}, "linewidths": 0.5, "cbar": False, **seaborn_options}
    seaborn.heatmap(values, ax=ax, annot=False if texts is None else texts, fmt="", **options)
    ax.set(xlabel="", ylabel="")
    ax.tick_params(length=0)
    ax.tick_params(axis="x", rotation=90)
    ax.tick_params(axis="y", rotation=0)
    ax.grid(visible=False)
    mesh = ax.collections[0]
    colours = np.asarray(mesh.get_facecolor())
    for text in ax.texts:
        x, y = text.get_position()
        luminance = seaborn.utils.relative_luminance(colours[int(y) * values.shape[1] + int(x)])
        text.set_color(INK if luminance > _DARK_TEXT_LUMINANCE else "white")
    return mesh


def lines_by_variant(study: Study) -> dict[str, dict[str, Any]]:
    """How each variant's line is drawn: its colour, dashes and, for a legend, its label."""
    colours, dashes = variant_colours(study), variant_dashes(study)
    return {v: {"color": colours[v], "linestyle": dashes[v], "label": wrap_label(study.label(v), 24)} for v in colours}


def interval_bars(ax: Axes, x: Any, estimates: Sequence[Any], colour: str) -> None:
    """Intervals of estimates as bars behind their line."""
    ax.vlines(x, [e.low for e in estimates], [e.high for e in estimates], color=colour, alpha=0.3, linewidth=2)


def plain_log_ticks(axis: Any) -> None:
    """Ticks of a logarithmic axis at 1, 2 and 5 times the powers of ten, as plain numbers."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def seed_rings(ax: Axes, x: np.ndarray, by_seed: Sequence[np.ndarray]) -> None:
    """A ring for each single seed, where there are several, around the means of an axis."""
    if max(map(len, by_seed)) > 1:
        style: dict[str, Any] = {"s": 9, "facecolor": "none", "edgecolor": INK, "linewidth": 0.6, "zorder": 3}
        ax.scatter(np.repeat(x, [len(s) for s in by_seed]), np.concatenate(by_seed), label="one seed", **style)


def alias_marks(ax: Axes, study: Study, level: Mapping[str, float], colour: str) -> None:
    """Values of the axis that give a model which was trained under another value: a mark at that model's level."""
    marks = [
        (study.axis_values[e.variant], y)
        for variant, y in level.items()
        for e in study.aliases.get(variant, ())
        if e.variant in study.axis_values
    ]
    if marks:
        style: dict[str, Any] = {"marker": "D", "s": 16, "facecolor": "white", "edgecolor": colour, "zorder": 3}
        ax.scatter(*zip(*marks, strict=True), label="same model, other value", **style)


def is_constant(values: Any, tolerance: float = 0.005) -> bool:
    """Whether all finite values are equal within the tolerance: then a figure shows nothing."""
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    return not len(finite) or float(np.ptp(finite)) < tolerance


def condition_colour(condition: str) -> str:
    """Colour of a condition: its task's, in a shade of its strength (noise: three blues, darker for stronger noise)."""
    task = schema.task_of(condition)
    strength = condition[len(task) + 1 :]
    return schema.task_style(task).colour_at(int(strength) if strength else None)


def condition_marker(condition: str) -> str:
    """Marker of a condition: its task's."""
    return schema.task_style(schema.task_of(condition)).marker


def variant_colours(study: Study) -> dict[str, str]:
    """A colour for each variant: along the study's axis from dark to light, elsewhere one by one, featured first."""
    colours: dict[str, str] = {}
    on_axis = sorted((v for v in study.variants if v in study.axis_values), key=study.axis_values.__getitem__)
    ramp = matplotlib.colormaps["viridis"]
    for number, variant in enumerate(on_axis):
        colours[variant] = to_hex(ramp(0.85 * number / max(len(on_axis) - 1, 1)))
    off_axis = [v for v in _variants_by_rank(study) if v not in colours]
    colours.update({v: _COLOURS[i % len(_COLOURS)] for i, v in enumerate(off_axis)})
    return colours


def _variants_by_rank(study: Study) -> list[str]:
    """The study's variants, featured first, in their own order: such a name has one colour in all studies."""
    trained = {e.variant: e.alias_of or e.variant for e in study.entries}
    first = [trained.get(v, v) for v in study.featured]
    return [v for v in dict.fromkeys([*first, *study.variants]) if v in study.variants]


def variant_dashes(study: Study) -> dict[str, str]:
    """A line style for each variant: solid on the axis; elsewhere it changes once the colours are used up or shared."""
    off_axis = [v for v in _variants_by_rank(study) if v not in study.axis_values]
    dashes = dict.fromkeys(study.variants, "-")
    first_dash = 1 if study.axis_values else 0
    dashes.update({v: _DASHES[(first_dash + i // len(_COLOURS)) % len(_DASHES)] for i, v in enumerate(off_axis)})
    return dashes

"""The tables of the page of costs, built once and rendered as Markdown and LaTeX here and as HTML by the template."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pandas as pd

from reports.cost_rows import COUNT, FORWARD, NOT_RUN, TRAINING, Quality
from reports.figures.cost import Point
from reports.labels import latex, markdown
from reports.study import Study

NOT_MEASURED = "not measured"
_TITLES = {FORWARD: "Forward pass", TRAINING: "Training step"}


@dataclass(frozen=True, kw_only=True)
class CostCell:
    """One cell.

    Attributes:
        text: as printed.
        value: to sort by, None for words.
        hover: spread, or why there is no number.
    """

    text: str
    value: float | None = None
    hover: str = ""


@dataclass(frozen=True, kw_only=True)
class GridRow:
    """One model."""

    model: str
    aliases: tuple[str, ...]
    cells: tuple[CostCell, ...]


@dataclass(frozen=True, kw_only=True)
class Grid:
    """One table: `key` is its anchor; `words` tells which columns hold words; `notes` stand below it."""

    key: str
    title: str
    caption: str
    heads: tuple[str, ...]
    words: tuple[bool, ...]
    rows: tuple[GridRow, ...]
    notes: tuple[str, ...] = ()


def grids(frame: pd.DataFrame, quality: dict[str, Quality]) -> list[Grid]:
    """The table of sizes, then one of times and memory for each phase and precision."""
    found = [_size_grid(frame, quality)]
    for phase in (FORWARD, TRAINING):
        for precision in dict.fromkeys(frame.loc[frame["phase"] == phase, "precision"]):
            rows = frame[(frame["phase"] == phase) & (frame["precision"] == precision)]
            found.append(_speed_grid(rows, phase, str(precision)))
    return found


def _size_grid(frame: pd.DataFrame, quality: dict[str, Quality]) -> Grid:
    counted = frame.drop_duplicates(["model", "size_px"])
    sizes = sorted(counted["size_px"].unique())
    largest = int(sizes[-1])
    rows = []
    for model, own in _by_model(counted):
        first = own.iloc[0]
        by_size = {float(r["size_px"]): r for _, r in own.iterrows()}
        top = by_size[largest]
        cells = [
            _quality_cell(quality.get(model, Quality())),
            _number(float(first["params"]) / 1e6, 3, ""),
            _number(float(first["params_trained"]) / 1e6, 3, ""),
            *(_number(float(r["macs"]) / 1e9, 2, str(r["macs_why"])) for r in map(by_size.__getitem__, sizes)),
            _number(float(top["macs_convolutions"]) / 1e9, 2, str(top["macs_why"])),
            _number(float(top["macs_here"]) / 1e9, 2, str(top["macs_why"])),
            CostCell(text=str(first["told"]) or "-", hover=str(first["apart"])),
        ]
        rows.append(_row(model, first, cells))
    heads = (
        "PSNR (dB), column average", "Parameters (M)", "of them trained (M)",
        *(f"GMACs, {s:.0f} px" for s in sizes), f"in convolutions, {largest} px",
        f"GMACs run here, {largest} px", "Told of the degradation",
    )  # fmt: skip
    return Grid(
        key="size",
        title="Size and multiply-adds",
        caption="GMACs: billions of multiply-adds of one forward pass on one square image, as the method is published. "
        "Convolutions alone are what most papers print. “Run here” is what this implementation multiplies: it folds "
        "the output projection of channel attention into the attention product, and DFPIR's two convolutions around "
        "the shuffle into one, for the same result. Encoders of text or images are not counted in any column.",
        heads=heads,
        words=(*(False for _ in heads[1:]), True),
        rows=tuple(rows),
        notes=(*_counters(counted), *_apart(counted), *_reasons(counted, {"macs_why": "Multiply-adds"})),
    )


def _speed_grid(frame: pd.DataFrame, phase: str, precision: str) -> Grid:
    sizes = sorted(frame["size_px"].unique())
    batch = f"{frame['batch'].iloc[0]:.0f}"
    rows = []
    for model, own in _by_model(frame):
        by_size = own.set_index("size_px")
        cells = []
        for value, digits, why in (
            ("latency_ms", 2, "latency_why"), ("images_per_s", 1, "images_per_s_why"), ("memory_mib", 0, "memory_why")
        ):  # fmt: skip
            cells += [_measured(by_size.loc[s], value, digits, why) for s in sizes]
        rows.append(_row(model, own.iloc[0], cells))
    step = "forward, backward with the method's own loss, and fused Adam" if phase == TRAINING else "without gradients"
    methods = " or ".join(filter(None, frame["memory_method"].unique()))
    heads = tuple(
        f"{what}, {s:.0f} px"
        for what in ("Latency (ms)", f"Images/s, {batch} at once", "Peak memory (MiB)")
        for s in sizes
    )
    return Grid(
        key=f"{phase.split()[0]}-{precision}",
        title=f"{_TITLES[phase]}, {precision}{' autocast' if precision == 'bf16' else ''}",
        caption=f"A {phase if phase == TRAINING else 'forward pass'}: {step}. Latency and peak memory are of one "
        f"image. Medians{_repeats(frame)}; the range stands in each cell's tooltip and in the CSV. "
        + (f"Memory: {methods}; weights are in it." if methods else ""),
        heads=heads,
        words=tuple(False for _ in heads),
        rows=tuple(rows),
        notes=_reasons(frame, {"latency_why": "Latency", "images_per_s_why": "Throughput", "memory_why": "Memory"}),
    )


def _by_model(frame: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    return ((str(name), rows) for name, rows in frame.groupby("model", sort=False))


def _row(model: str, first: pd.Series, cells: list[CostCell]) -> GridRow:
    aliases = tuple(a for a in str(first["aliases"]).split(";") if a)
    return GridRow(model=model, aliases=aliases, cells=tuple(cells))


def _number(value: float, digits: int, why: str) -> CostCell:
    if math.isnan(value):
        return CostCell(text=NOT_MEASURED, hover=why)
    return CostCell(text=_round(value, digits), value=value, hover=why)


def _round(value: float, digits: int) -> str:
    """Fixed digits, or more for a small number, so that it never prints as zero."""
    if not value:
        return "0"
    if abs(value) < 10**-digits:
        return f"{value:.1g}" if abs(value) >= 1e-6 else "< 0.000001"
    return f"{value:,.{digits}f}"


def _quality_cell(quality: Quality) -> CostCell:
    if math.isnan(quality.psnr_db):
        return CostCell(text=quality.instead, hover=quality.hover)
    return CostCell(text=f"{quality.psnr_db:.2f}", value=quality.psnr_db, hover=quality.hover)


def _measured(row: pd.Series, value: str, digits: int, why: str) -> CostCell:
    cell = _number(float(row[value]), digits, str(row[why]))
    if cell.value is None or value == "memory_mib":
        return cell
    stem, unit = (value.removesuffix("_ms"), "_ms") if value.endswith("_ms") else (value, "")
    low, high, repeats = row[f"{stem}_low{unit}"], row[f"{stem}_high{unit}"], row[f"{stem}_repeats"]
    hover = f"{_round(low, digits)} to {_round(high, digits)} in {repeats:.0f} calls"
    return CostCell(text=cell.text, value=cell.value, hover=hover)


def _repeats(frame: pd.DataFrame) -> str:
    counts = sorted({int(n) for n in frame["latency_repeats"].dropna()})
    return f" of {counts[0]}{f' to {counts[-1]}' if len(counts) > 1 else ''} calls after a warm-up" if counts else ""


def _reasons(frame: pd.DataFrame, columns: dict[str, str]) -> tuple[str, ...]:
    """Every reason once, with what it explains and the models it holds for."""
    models: dict[str, dict[str, None]] = {}
    whats: dict[str, dict[str, None]] = {}
    for column, what in columns.items():
        for model, reason in zip(frame["model"], frame[column], strict=True):
            if reason:
                models.setdefault(reason, {})[str(model)] = None
                whats.setdefault(reason, {})[what] = None
    return tuple(
        f"{', '.join(whats[reason]) + ' of ' if len(whats[reason]) < len(columns) else ''}"
        f"{', '.join(names)}: {reason.rstrip('.')}."
        for reason, names in models.items()
    )


def _counters(frame: pd.DataFrame) -> tuple[str, ...]:
    told = []
    for counter, rows in frame[frame["macs_counter"] != ""].groupby("macs_counter", sort=False):
        told.append(f"Counter of {', '.join(dict.fromkeys(rows['model']))}: {counter}.")
    if told:
        told.append("Counter of “run here”: torch.utils.flop_counter.FlopCounterMode / 2.")
    return tuple(told)


def _apart(frame: pd.DataFrame) -> tuple[str, ...]:
    groups = frame[frame["apart"] != ""].groupby("apart", sort=False)["model"]
    return tuple(f"Not counted for {', '.join(dict.fromkeys(models))}: {what}." for what, models in groups)


def remarks(frame: pd.DataFrame, quality: dict[str, Quality], study: Study | None) -> list[str]:
    """What a reader must know before believing a number."""
    said = []
    if frame["budget"].iloc[0] == "demo":
        said.append("These are the small models of a demonstration: their costs are not those that papers print.")
        whole = frame[(frame["kind"] == "comparator") & (frame["settings"] == "") & (frame["params"] > 0)][
            "model"
        ].unique()
        if len(whole):
            said.append(f"At full size among them, since they have no small settings: {', '.join(whole)}.")
    reference = frame["reference_ms"].dropna()
    if len(reference) and reference.max() > 1.2 * reference.min():
        low, high = reference.quantile([0.05, 0.95])
        said.append(
            f"The machine was not quiet: one and the same job, timed beside every row, took {low:.3g} to {high:.3g} ms "
            f"(nine rows in ten). Where times differ by less than a factor of {high / low:.1f}, they tell nothing."
        )
    if study is not None and all(math.isnan(q.psnr_db) for q in quality.values()):
        said.append(f"No finished run of study {study.name} has a model of this table's names and sizes.")
    if frame["dirty"].iloc[0] == "yes":
        said.append("Measured from a working tree with uncommitted changes: its code is in no commit.")
    return said


def points(frame: pd.DataFrame, quality: dict[str, Quality]) -> tuple[list[Point], str, str]:
    """A point a model, with the words for where its multiply-adds and its latency stand.

    The latency is of the forward pass at the largest timed size in float32 (or the first precision there is), the
    multiply-adds are of that size too.
    """
    timed = frame[frame["phase"] == FORWARD]
    size = timed["size_px"].max() if len(timed) else frame["size_px"].max()
    precisions = list(dict.fromkeys(timed["precision"]))
    precision = "fp32" if "fp32" in precisions or not precisions else precisions[0]
    chosen = timed[(timed["size_px"] == size) & (timed["precision"] == precision)]
    if chosen.empty:
        chosen = frame[(frame["phase"] == COUNT) & (frame["size_px"] == size)]
    found = [
        Point(
            model=str(row["model"]), kind=str(row["kind"]), params=float(row["params"]), macs=float(row["macs"]),
            psnr_db=quality.get(str(row["model"]), Quality(instead=NOT_RUN)).psnr_db,
            latency_ms=float(row["latency_ms"]),
        )
        for _, row in chosen.iterrows()
    ]  # fmt: skip
    at = f"{size:.0f} px"
    return found, at, f"{at}, {precision}"


def to_markdown(tables: list[Grid], said: list[str]) -> str:
    """All tables as GitHub's Markdown."""
    lines = [f"> {markdown(remark)}\n" for remark in said]
    for grid in tables:
        lines += [f"## {markdown(grid.title)}", "", markdown(grid.caption), ""]
        lines.append("| Model | " + " | ".join(markdown(h) for h in grid.heads) + " |")
        lines.append("|---|" + "".join("---|" if words else "---:|" for words in grid.words))
        lines += [f"| {markdown(_name(r))} | {' | '.join(markdown(c.text) for c in r.cells)} |" for r in grid.rows]
        lines += ["", *(f"{markdown(note)}  " for note in grid.notes), ""]
    return "\n".join(lines)


def to_latex(tables: list[Grid], said: list[str]) -> str:
    """All tables for a paper; needs the package booktabs."""
    escape: Callable[[str], str] = latex
    lines = [r"% needs \usepackage{booktabs}", *(f"% {escape(remark)}" for remark in said)]
    for grid in tables:
        columns = "".join("l" if words else "r" for words in grid.words)
        lines += [f"% {escape(grid.title)}", rf"\begin{{tabular}}{{l{columns}}}", r"\toprule"]
        lines += [" & ".join(["Model", *map(escape, grid.heads)]) + r" \\", r"\midrule"]
        lines += [" & ".join([escape(_name(r)), *(escape(c.text) for c in r.cells)]) + r" \\" for r in grid.rows]
        lines += [r"\bottomrule", r"\end{tabular}", *(f"% {escape(t)}" for t in (grid.caption, *grid.notes)), ""]
    return "\n".join(lines)


def _name(row: GridRow) -> str:
    return row.model + (f" (= {', '.join(row.aliases)})" if row.aliases else "")

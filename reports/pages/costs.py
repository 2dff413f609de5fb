"""The page of costs: sizes, multiply-adds, times and memory of every model, and PSNR against them."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from reports.costs import FORWARD, TRAINING, ModelQuality
from reports.document import (
    Block,
    Cell,
    Code,
    Column,
    DescriptionList,
    Document,
    Figure,
    Picture,
    Row,
    Section,
    Table,
    Text,
    text_cell,
    text_column,
)
from reports.messages import join_commas, join_sentences, message
from reports.study import Study

NOT_MEASURED = message("not measured")
_TITLES = {FORWARD: message("Forward pass"), TRAINING: message("Training step")}


def costs_document(
    frame: pd.DataFrame,
    tables: Sequence[Table],
    pictures: Sequence[Picture],
    path: Path,
    study: Study | None,
    remarks: Sequence[str],
) -> Document:
    """The page.

    Args:
        frame: the table that was measured.
        tables: of `cost_tables`.
        pictures: PSNR against cost, and time against multiply-adds.
        path: of the table.
        study: whose PSNR is shown.
        remarks: of `cost_remarks`.
    """
    measured: list[Block] = [
        DescriptionList(facts=_measurement_facts(frame, study)),
        *(Text(text=line, style="remark") for line in remarks),
    ]
    figures: list[Block] = [Figure(picture=picture) for picture in pictures]
    if not any(picture.name == "psnr_cost" for picture in pictures):
        reason = (
            message("No finished run of the study matches a model measured here.")
            if study
            else message("No PSNR: no study was given. Name one with --psnr.")
        )
        figures.insert(0, Text(text=reason, style="quiet"))
    return Document(
        title=message("Computational cost of each model"),
        question=[message("Parameters, multiply-adds, time and memory of every model that can be built here.")],
        sections=[
            Section(name="measured", title=message("Measurement setup"), blocks=measured),
            Section(name="figures", title=message("PSNR against cost"), blocks=figures),
            *(Section(name=f"table-{table.name}", title=table.title, blocks=[table]) for table in tables),
            _reproduce_section(frame, path, study),
        ],
    )


def _reproduce_section(frame: pd.DataFrame, path: Path, study: Study | None) -> Section:
    psnr = "" if study is None or study.folder is None else f" --psnr {shlex.quote(str(study.folder))}"
    command = str(frame.iloc[0]["command"])
    blocks: list[Block] = []
    if command:
        blocks += [Text(text=message("To repeat the measurements and rebuild this page:")), Code(code=command)]
    files_note = message(
        "{table} holds every number with its range, repeats, device, versions and commit. Beside this page: table.md, "
        "table.tex (needs booktabs), and figures/ with PNG, SVG and PDF.",
        table=path.name,
    )
    blocks += [
        Text(text=message("To rebuild this page from the table {table}:", table=path.name)),
        Code(code=f"python -m reports costs {shlex.quote(str(path))}{psnr}"),
        Text(text=files_note),
    ]
    return Section(name="again", title=message("Reproduce"), blocks=blocks)


def _measurement_facts(frame: pd.DataFrame, study: Study | None) -> list[tuple[str, str]]:
    first = frame.iloc[0]
    commit = str(first["commit"] or "") or message("unknown")
    commit_text = message("{commit} + uncommitted changes", commit=commit) if first["dirty"] == "yes" else commit
    demo_sizes = message("{budget}: small demonstration sizes, not those of papers", budget=first["budget"])
    published_sizes = message("{budget}: as published", budget=first["budget"])
    facts: list[tuple[str, str]] = [
        (message("Device"), str(first["device"])),
        (message("CPU threads"), f"{first['threads']:.0f}"),
        ("PyTorch", str(first["torch"])),
        ("Python", str(first["python"])),
        (message("Model sizes"), demo_sizes if first["budget"] == "demo" else published_sizes),
        (message("Models"), str(frame["model"].nunique())),
        (
            "PSNR",
            message("study {name}, {data}", name=study.name, data=str(study.data.get("name", "")))
            if study is not None
            else message("no study given"),
        ),
        (message("Measured"), str(first["at"])),
        (message("Commit"), commit_text),
    ]
    return [(name, text) for name, text in facts if text not in ("", "nan")]


def cost_tables(frame: pd.DataFrame, quality: dict[str, ModelQuality]) -> list[Table]:
    """The table of sizes, then one of times and memory for each phase and precision."""
    tables = [_size_table(frame, quality)]
    for phase in (FORWARD, TRAINING):
        for precision in dict.fromkeys(frame.loc[frame["phase"] == phase, "precision"]):
            rows = frame[(frame["phase"] == phase) & (frame["precision"] == precision)]
            tables.append(_speed_table(rows, phase, str(precision)))
    return tables


def _size_table(frame: pd.DataFrame, quality: dict[str, ModelQuality]) -> Table:
    counted = frame.drop_duplicates(["model", "size_px"])
    sizes = sorted(counted["size_px"].unique())
    largest = int(sizes[-1])
    rows = []
    for model, model_rows in _by_model(counted):
        first = model_rows.iloc[0]
        by_size = {float(r["size_px"]): r for _, r in model_rows.iterrows()}
        largest_size = by_size[largest]
        cells = [
            _quality_cell(quality.get(model, ModelQuality())),
            _number_cell(float(first["params"]) / 1e6, 3, ""),
            _number_cell(float(first["params_trained"]) / 1e6, 3, ""),
            *(_number_cell(float(r["macs"]) / 1e9, 2, str(r["macs_note"])) for r in map(by_size.__getitem__, sizes)),
            _number_cell(float(largest_size["macs_convolutions"]) / 1e9, 2, str(largest_size["macs_note"])),
            _number_cell(float(largest_size["macs_implementation"]) / 1e9, 2, str(largest_size["macs_note"])),
            text_cell(str(first["conditioning"]) or "-", hover=str(first["excluded_part"])),
        ]
        rows.append(_model_row(model, first, cells))
    heads = [
        message("PSNR (dB), column average"),
        message("Parameters (M)"),
        message("Trainable parameters (M)"),
        *(message("GMACs, {px} px", px=f"{size:.0f}") for size in sizes),
        message("GMACs in convolutions, {px} px", px=largest),
        message("GMACs run here, {px} px", px=largest),
    ]
    return Table(
        name="size",
        title=message("Size and multiply-adds"),
        caption=message(
            "GMACs: billions of multiply-adds of one forward pass on one square image, as the method is published. "
            "Most papers report convolutions alone. “Run here” counts what this implementation multiplies: it folds "
            "the output projection of channel attention into the attention product, and DFPIR's two convolutions "
            "around the shuffle into one, with the same result. Text and image encoders are not counted in any "
            "column."
        ),
        columns=(
            text_column(message("Model")),
            *(Column(head=head) for head in heads),
            text_column(message("Conditioned on")),
        ),
        rows=tuple(rows),
        notes=(
            *_counter_notes(counted),
            *_uncounted_notes(counted),
            *_reason_notes(counted, {"macs_note": message("Multiply-adds")}),
        ),
        has_title=False,
    )


def _speed_table(frame: pd.DataFrame, phase: str, precision: str) -> Table:
    sizes = sorted(frame["size_px"].unique())
    batch = f"{frame['batch'].iloc[0]:.0f}"
    rows = []
    for model, model_rows in _by_model(frame):
        by_size = model_rows.set_index("size_px")
        cells = []
        for value, digits, reason_column in (
            ("latency_ms", 2, "latency_note"),
            ("images_per_s", 1, "images_per_s_note"),
            ("memory_mib", 0, "memory_note"),
        ):
            cells += [_measured_cell(by_size.loc[s], value, digits, reason_column) for s in sizes]
        rows.append(_model_row(model, model_rows.iloc[0], cells))
    heads = [
        message("{quantity}, {px} px", quantity=quantity, px=f"{size:.0f}")
        for quantity in (
            message("Latency (ms)"),
            message("Images/s, batch size {n}", n=batch),
            message("Peak memory (MiB)"),
        )
        for size in sizes
    ]
    step = (
        message("A training step: forward, backward with the method's own loss, and fused Adam.")
        if phase == TRAINING
        else message("A forward pass without gradients.")
    )
    methods = [str(method) for method in frame["memory_method"].unique() if method]
    memory = message("Memory: {methods}, including weights.", methods=", ".join(methods)) if methods else ""
    latency = message("Latency and peak memory are for one image; ranges are in each cell's tooltip and in the CSV.")
    title = message("{phase}, {precision}", phase=_TITLES[phase], precision=precision)
    return Table(
        name=f"{phase.split()[0]}-{precision}",
        title=message("{title} autocast", title=title) if precision == "bf16" else title,
        caption=join_sentences([step, latency, _repeats_text(frame), memory]),
        columns=(text_column(message("Model")), *(Column(head=head) for head in heads)),
        rows=tuple(rows),
        notes=_reason_notes(
            frame,
            {
                "latency_note": message("Latency"),
                "images_per_s_note": message("Throughput"),
                "memory_note": message("Memory"),
            },
        ),
        has_title=False,
    )


def _by_model(frame: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    return ((str(name), rows) for name, rows in frame.groupby("model", sort=False))


def _model_row(model: str, first: pd.Series, cells: list[Cell]) -> Row:
    aliases = tuple(f"= {alias}" for alias in str(first["aliases"]).split(";") if alias)
    return Row(cells=(text_cell(model, below=aliases), *cells), name=model)


def _number_cell(value: float, digits: int, reason: str) -> Cell:
    if math.isnan(value):
        return Cell(text=NOT_MEASURED, hover=reason)
    return Cell(text=_format_number(value, digits), value=value, hover=reason)


def _format_number(value: float, digits: int) -> str:
    """Fixed digits, or more for a small number, so that it never prints as zero."""
    if not value:
        return "0"
    if abs(value) < 10**-digits:
        return f"{value:.1g}" if abs(value) >= 1e-6 else "< 0.000001"
    return f"{value:,.{digits}f}"


def _quality_cell(quality: ModelQuality) -> Cell:
    if math.isnan(quality.psnr_db):
        return Cell(text=quality.instead, hover=quality.hover)
    return Cell(text=f"{quality.psnr_db:.2f}", value=quality.psnr_db, hover=quality.hover)


def _measured_cell(row: pd.Series, value: str, digits: int, reason_column: str) -> Cell:
    cell = _number_cell(float(row[value]), digits, str(row[reason_column]))
    if cell.value is None or value == "memory_mib":
        return cell
    stem, unit = (value.removesuffix("_ms"), "_ms") if value.endswith("_ms") else (value, "")
    low, high, repeats = row[f"{stem}_low{unit}"], row[f"{stem}_high{unit}"], row[f"{stem}_repeats"]
    hover = f"{_format_number(low, digits)} to {_format_number(high, digits)} in {repeats:.0f} calls"
    return Cell(text=cell.text, value=cell.value, hover=hover)


def _repeats_text(frame: pd.DataFrame) -> str:
    counts = sorted({int(n) for n in frame["latency_repeats"].dropna()})
    if not counts:
        return ""
    calls = str(counts[0]) if len(counts) == 1 else message("{low} to {high}", low=counts[0], high=counts[-1])
    return message("Medians of {calls} calls after a warm-up.", calls=calls)


def _reason_notes(frame: pd.DataFrame, columns: dict[str, str]) -> tuple[str, ...]:
    """Every reason once, with what it explains and the models it holds for."""
    models: dict[str, dict[str, None]] = {}
    quantities: dict[str, dict[str, None]] = {}
    for column, quantity in columns.items():
        for model, reason in zip(frame["model"], frame[column], strict=True):
            if reason:
                models.setdefault(reason, {})[str(model)] = None
                quantities.setdefault(reason, {})[quantity] = None
    notes: list[str] = []
    for reason, names in models.items():
        values = {"models": ", ".join(names), "reason": reason.rstrip(".")}
        if len(quantities[reason]) < len(columns):
            notes.append(
                message("{quantities} of {models}: {reason}.", quantities=join_commas(quantities[reason]), **values)
            )
        else:
            notes.append(message("{models}: {reason}.", **values))
    return tuple(notes)


def _counter_notes(frame: pd.DataFrame) -> tuple[str, ...]:
    notes: list[str] = []
    for counter, rows in frame[frame["macs_counter"] != ""].groupby("macs_counter", sort=False):
        models = ", ".join(dict.fromkeys(rows["model"]))
        notes.append(message("Counter of {models}: {counter}.", models=models, counter=str(counter)))
    if notes:
        notes.append(message("Counter of “run here”: torch.utils.flop_counter.FlopCounterMode / 2."))
    return tuple(notes)


def _uncounted_notes(frame: pd.DataFrame) -> tuple[str, ...]:
    groups = frame[frame["excluded_part"] != ""].groupby("excluded_part", sort=False)["model"]
    return tuple(
        message("Not counted for {models}: {part}.", models=", ".join(dict.fromkeys(models)), part=str(encoders))
        for encoders, models in groups
    )


def cost_remarks(frame: pd.DataFrame, quality: dict[str, ModelQuality], study: Study | None) -> list[str]:
    """Caveats of the measurements."""
    lines: list[str] = []
    if frame["budget"].iloc[0] == "demo":
        lines.append(message("These are small demonstration models: their costs are not those reported in papers."))
        is_full_size = (frame["kind"] == "comparator") & (frame["settings"] == "") & (frame["params"] > 0)
        full_size = frame[is_full_size]["model"].unique()
        if len(full_size):
            models = ", ".join(full_size)
            lines.append(message("Measured at full size, since they have no small settings: {models}.", models=models))
    reference = frame["reference_ms"].dropna()
    if len(reference) and reference.max() > 1.2 * reference.min():
        low, high = reference.quantile([0.05, 0.95])
        lines.append(
            message(
                "The machine was not idle: the same reference job, timed with every row, took {low} to {high} ms "
                "(5th to 95th percentile). Times that differ by less than a factor of {factor} are not comparable.",
                low=f"{low:.3g}",
                high=f"{high:.3g}",
                factor=f"{high / low:.1f}",
            )
        )
    if study is not None and all(math.isnan(q.psnr_db) for q in quality.values()):
        lines.append(
            message("No finished run of study {name} matches a model of this table by name and size.", name=study.name)
        )
    if frame["dirty"].iloc[0] == "yes":
        lines.append(message("Measured with uncommitted changes: the code is in no commit."))
    return lines

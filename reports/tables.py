"""The table of a paper: variants as rows, conditions as columns, PSNR / SSIM in each cell.

One `Table` is built from the means and rendered as Markdown, LaTeX (booktabs) and, by the page's template, HTML.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd

from reports import schema
from reports.labels import condition_label, latex, markdown
from reports.messages import comma, message, stored
from reports.stats import AVERAGE, TASK_AVERAGE, Scores, input_mean, means, seed_means
from reports.study import Run, Status, Study
from reports.wording import metric_note, scaled

_NOT_DONE = {
    Status.RUNNING: message("unfinished"),
    Status.FAILED: message("failed"),
    Status.DAMAGED: message("damaged"),
    Status.MISSING: message("not run"),
}
MARKS_TOLD = (
    "Bold: best, told from the second by an unadjusted test of that pair. Underlined: second, told from the third "
    "likewise. Nothing is marked with one seed, nor what is no better than the input."
)
AVERAGES_TOLD = {
    1: message("Average: plain mean over the columns."),
    2: message(
        "Average (columns): plain mean over the columns, as papers print it. Average (tasks): noise levels first, then "
        "tasks alike."
    ),
}
INPUT_LABEL = message("degraded input")
SIZE_HEADS = (message("Params trained"), message("Params"), message("MACs"))
SHOWN_IDS = 20
"""Run ids that a cell names; means.csv has them all."""


@dataclass(frozen=True, kw_only=True)
class Number:
    """One printed number.

    Attributes:
        value: unrounded, NaN if there is none.
        text: as printed, "" if there is none.
        rank: 1 for the best of the column, 2 for the second, where they are told from the next; 0 otherwise.
    """

    value: float
    text: str
    rank: int = 0


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Each metric's number of one variant in one column; `instead` is shown where there is no score ("not run")."""

    numbers: tuple[Number, ...]
    instead: str = ""
    hover: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table; `aliases` are labels of the model's other names, `sizes` its size by `SIZE_HEADS`."""

    variant: str
    label: str
    cells: tuple[Cell, ...]
    seeds: str
    aliases: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ("", "", "")
    is_input: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """The table with everything that its renderings share.

    Attributes:
        columns: conditions and the averages that differ, by name.
        rows: the degraded input first, then the variants in the study's order.
        notes: lines below the table (aliases, what the marks mean).
        protocol: name of the evaluation protocol.
        data: name of the data.
        metrics: whose numbers stand in a cell, in this order.
    """

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    protocol: str
    data: str
    metrics: tuple[schema.Metric, ...] = schema.METRICS

    @property
    def heads(self) -> tuple[str, ...]:
        """The columns as a reader sees them."""
        return tuple(condition_label(c) for c in self.columns)

    @property
    def averages_told(self) -> str:
        """What the averages are."""
        return AVERAGES_TOLD[len({AVERAGE, TASK_AVERAGE} & set(self.columns))]

    @property
    def size_heads(self) -> tuple[str, ...]:
        """The columns of sizes as a reader sees them."""
        return SIZE_HEADS


def build_table(study: Study) -> Table:
    """The study's table from the rows of its finished runs."""
    metrics = [(m, study.scores(m.name)) for m in study.metrics]
    averages = {m.name: means(scores) for m, scores in metrics}
    columns = (*metrics[0][1].conditions, *metrics[0][1].averages)
    first = _cells("input", columns, averages, "", study.metrics)
    rows = [Row(variant=INPUT_LABEL, label=INPUT_LABEL, cells=first, seeds="", is_input=True)]
    for variant in study.variants:
        done, planned = study.done_runs_of(variant), study.runs_of(variant)
        instead = "" if done else _not_done(planned)
        aliases = tuple(study.label(e.variant) for e in study.aliases.get(variant, ()))
        cells = _with_hover(
            _cells(variant, columns, averages, instead, study.metrics), variant, columns, metrics[0][1], done
        )
        sizes = sizes_of(planned)
        rows.append(
            Row(
                variant=variant, label=study.label(variant), cells=cells, seeds=_seeds(study, variant), aliases=aliases,
                sizes=sizes,
            )
        )  # fmt: skip
    return Table(
        columns=columns,
        rows=tuple(_marked(rows, columns, study)),
        notes=_notes(study),
        protocol=", ".join(sorted(study.terms["protocol"].unique())),
        data=str(study.data.get("name", "")),
        metrics=study.metrics,
    )


def sizes_of(runs: Sequence[Run]) -> tuple[str, ...]:
    """Trained parameters, parameters and multiply-adds of a variant as `SIZE_HEADS` has them; "" where unknown."""
    model = next((m for run in runs if isinstance(m := run.spec.get("model"), dict)), {})
    macs = scaled(model.get("macs"))
    return (
        scaled(model.get("params_trained")),
        scaled(model.get("params")),
        message("{size} at {px} px", size=macs, px=model.get("macs_px")) if macs else "",
    )


def _cells(
    name: str,
    columns: tuple[str, ...],
    averages: dict[str, pd.DataFrame],
    instead: str,
    metrics: Sequence[schema.Metric],
) -> tuple[Cell, ...]:
    cells = []
    for column in columns:
        numbers = []
        for metric in metrics:
            frame = averages[metric.name]
            known = name in frame.index and column in frame.columns
            value = float(frame.at[name, column]) if known else float("nan")  # type: ignore[arg-type]
            numbers.append(Number(value=value, text="" if np.isnan(value) else f"{value:.{metric.digits}f}"))
        empty = all(np.isnan(n.value) for n in numbers)
        nothing = "-" if name == "input" else instead or message("not run")
        cells.append(Cell(numbers=tuple(numbers), instead=nothing if empty else ""))
    return tuple(cells)


def _seeds(study: Study, variant: str) -> str:
    """How many seeds are done; several runs of one seed (a model a task) count once, when all are done."""
    own = [entry for entry in study.entries if entry.variant == variant and entry.alias_of is None]
    asked = {entry.seed for entry in own}  # of the plan: a run that is missing does not know its seed
    unfinished = {entry.seed for entry in own if study.runs[entry.run_id].status is not Status.DONE}
    return message("{n} of {all}", n=len(asked - unfinished), all=len(asked)) if unfinished else str(len(asked))


def _with_hover(
    cells: tuple[Cell, ...], variant: str, columns: tuple[str, ...], scores: Scores, done: tuple[Run, ...]
) -> tuple[Cell, ...]:
    """The cells with the way back to their rows: seeds and their spread, images, run ids."""
    if variant not in scores.values:
        return cells
    told = []
    for cell, column in zip(cells, columns, strict=True):
        by_seed = seed_means(scores, variant, column)
        known = {"seeds": len(by_seed), "images": scores.counted(column)[1], "ids": _ids(done)}
        hover = message("{seeds} seed(s); {images} images; {ids}", **known)
        if len(by_seed) > 1:
            known["spread"] = f"{by_seed.std(ddof=1):.3f}"
            hover = message("{seeds} seed(s), SD over seeds {spread} dB; {images} images; {ids}", **known)
        told.append(replace(cell, hover="" if cell.instead else hover))
    return tuple(told)


def _ids(done: tuple[Run, ...]) -> str:
    more = f", \N{HORIZONTAL ELLIPSIS} (+{len(done) - SHOWN_IDS:,})" if len(done) > SHOWN_IDS else ""
    return ", ".join(run.run_id for run in done[:SHOWN_IDS]) + more


def _marked(rows: list[Row], columns: tuple[str, ...], study: Study) -> list[Row]:
    """Mark the best of each column where a test tells it from the second, and then the second likewise.

    The tests are of the pairs, unadjusted, and need more than one seed. What is no better than the input is not marked.
    """
    ranks: dict[tuple[str, int, int], int] = {}
    for m, metric in enumerate(study.metrics):
        analysis = study.analysis(metric.name)
        for c, column in enumerate(columns):
            sign, floor = metric.sign, rows[0].cells[c].numbers[m].value
            level = {row.variant: row.cells[c].numbers[m].value for row in rows[1:]}
            order = sorted((v for v, x in level.items() if not np.isnan(x)), key=lambda v: -sign * level[v])
            for rank, (better, next_one) in enumerate(pairwise(order[:3]), start=1):
                gap = analysis.difference(better, next_one, column)
                if gap.n_seeds < 2 or not gap.excludes_zero or not sign * level[better] > sign * floor:
                    break
                ranks[better, c, m] = rank
    return [
        replace(
            row,
            cells=tuple(
                replace(
                    cell,
                    numbers=tuple(
                        replace(n, rank=ranks.get((row.variant, c, m), 0)) for m, n in enumerate(cell.numbers)
                    ),
                )
                for c, cell in enumerate(row.cells)
            ),
        )
        for row in rows
    ]


def _not_done(planned: tuple[Run, ...]) -> str:
    """What stands in the cells of a variant without a finished run."""
    found = list(dict.fromkeys(_NOT_DONE[run.status] for run in planned if run.status is not Status.DONE))
    return comma(found) if found else message("not run")


def _notes(study: Study) -> tuple[str, ...]:
    notes = []
    for variant, entries in study.aliases.items():
        for entry in entries:
            told = entry.note.removeprefix(f"the same model as {variant}").lstrip(": ")
            names = {"alias": study.label(entry.variant), "variant": study.label(variant)}
            notes.append(
                message("{alias} = {variant}: {told} (one model, trained once)", **names, told=stored(told))
                if told
                else message("{alias} = {variant} (one model, trained once)", **names)
            )
    return tuple(notes)


def to_markdown(table: Table) -> str:
    """The table as GitHub's Markdown; best bold, second underlined."""
    heads = [*table.heads, *SIZE_HEADS, "Seeds"]
    lines = ["| Variant | " + " | ".join(markdown(h) for h in heads) + " |"]
    lines.append("|---|" + "---:|" * len(heads))
    for row in table.rows:
        cells = [*(markdown_cell(c) for c in row.cells), *row.sizes]
        lines.append(f"| {markdown(_name(row))} | {' | '.join(cells)} | {row.seeds} |")
    lines += ["", *(f"{line}  " for line in _legend(table, markdown)), ""]
    return "\n".join(lines)


def to_latex(table: Table) -> str:
    """The table for a paper; needs the package booktabs."""
    lines = [r"% needs \usepackage{booktabs}", rf"\begin{{tabular}}{{l{'c' * len(table.columns)}rrrr}}", r"\toprule"]
    lines.append(" & ".join(["Variant", *map(latex, table.heads), *SIZE_HEADS, "Seeds"]) + r" \\")
    lines.append(r"\midrule")
    for row in table.rows:
        cells = [*(latex_cell(c) for c in row.cells), *(latex(size or "--") for size in row.sizes)]
        lines.append(" & ".join([latex(_name(row)), *cells, row.seeds or "--"]) + r" \\")
        if row.is_input:
            lines.append(r"\midrule")
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [f"% {line}" for line in _legend(table, latex)]
    return "\n".join(lines) + "\n"


def markdown_cell(cell: Cell) -> str:
    """A cell's numbers for Markdown, marked; or what stands in their place."""
    wraps: dict[int, str] = {1: "**{}**", 2: "<u>{}</u>"}
    return markdown(cell.instead) or " / ".join(wraps.get(n.rank, "{}").format(n.text or "-") for n in cell.numbers)


def latex_cell(cell: Cell) -> str:
    """A cell's numbers for LaTeX, marked; or what stands in their place."""
    wraps = {1: r"\textbf{%s}", 2: r"\underline{%s}"}
    return latex(cell.instead) or " / ".join(wraps.get(n.rank, "%s") % latex(n.text or "-") for n in cell.numbers)


def _name(row: Row) -> str:
    return row.label + (f" (= {', '.join(row.aliases)})" if row.aliases else "")


def _legend(table: Table, escape: Callable[[str], str]) -> list[str]:
    """The lines below the table, escaped; the marks' own line is ours."""
    said = f"{metric_note(table.metrics)}. Protocol: {table.protocol}. Data: {table.data}. {table.averages_told}"
    return [escape(line) for line in (said, MARKS_TOLD, *table.notes)]


def _named_in(terms: pd.DataFrame, what: str, column: str) -> str:
    used = terms if column in (AVERAGE, TASK_AVERAGE) else terms[terms["condition"] == column]
    return ";".join(sorted(used[what].unique()))


def means_frame(study: Study) -> pd.DataFrame:
    """Every cell of the table as a tidy row, unrounded, with spread, interval, protocol and run ids."""
    rows = []
    for metric in (m.name for m in study.metrics):
        analysis, scores = study.analysis(metric), study.scores(metric)
        for variant in scores.variants:
            for column in (*scores.conditions, *scores.averages):
                estimate = analysis.estimate(variant, column)
                by_seed = seed_means(scores, variant, column)
                rows.append({
                    "variant": variant, "condition": column, "metric": metric, "mean": estimate.value,
                    "ci_low": estimate.low, "ci_high": estimate.high,
                    "input_mean": input_mean(scores, column),
                    "sd_over_seeds": by_seed.std(ddof=1) if len(by_seed) > 1 else float("nan"),
                    "n_seeds": len(by_seed), "n_images": scores.counted(column)[1],
                    "dataset": _named_in(study.terms, "dataset", column),
                    "protocol": _named_in(study.terms, "protocol", column),
                    "run_ids": ";".join(run.run_id for run in study.done_runs_of(variant)),
                    "aliases": ";".join(e.variant for e in study.aliases.get(variant, ())),
                })  # fmt: skip
    return pd.DataFrame(rows)

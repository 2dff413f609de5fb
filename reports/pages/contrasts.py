"""Planned contrasts and pairs of variants as tables."""

from __future__ import annotations

import math
from dataclasses import replace

from reports.contrasts import ContrastResult, Contrasts
from reports.document import Cell, Column, Row, Table, text_cell, text_column
from reports.formatting import format_estimate, format_p, format_seeds_needed, format_signed, format_size
from reports.labels import task_heading
from reports.messages import join_sentences, message
from reports.pairs import PairDifference
from reports.study import Study
from reports.verdict import Verdict


def contrasts_table(verdict: Verdict) -> Table:
    """The planned contrasts of the average over the columns."""
    planned: Contrasts = verdict.contrasts
    same_images = planned.in_column(question="these images")
    has_same_images = any(math.isfinite(tested.simultaneous.low) for tested in same_images)  # none with one seed
    caption = [
        message(
            "PSNR in dB with simultaneous 95% intervals over the {n} planned contrasts of a column, for new training "
            "runs and new photographs. A contrast is significant where its interval excludes zero, that is where its "
            "adjusted p is below 0.05; with one seed it is never significant.",
            n=len(planned.planned),
        )
    ]
    if has_same_images:
        caption.append(message("These images: for new training runs scored on the same images."))
    columns = [
        text_column(message("Contrast")),
        Column(head=message("Average (columns)")),
        Column(head=message("p, adjusted")),
        text_column(message("Significant")),
    ]
    if has_same_images:
        columns.append(Column(head=message("These images")))
    notes = []
    if verdict.has_power:
        columns += [Column(head=message("MDD, dB")), Column(head=message("Seeds"))]
        notes.append(
            message(
                "MDD: minimum detectable difference at 80% power. Seeds: number of seeds needed to detect a "
                "difference of the observed size on these images."
            )
        )
    rows = []
    for tested, tested_here in zip(planned.in_column(), same_images, strict=True):
        cells = [
            text_cell(tested.contrast.label, below=(tested.contrast.note,) if tested.contrast.note else ()),
            _estimate_cell(tested),
            Cell(text=format_p(tested.p_adjusted), value=tested.p_adjusted),
            text_cell(_significance(tested)),
        ]
        if has_same_images:
            cells.append(_estimate_cell(tested_here))
        if verdict.has_power:
            cells += [Cell(text=format_size(tested.mdd), value=tested.mdd), _seeds_cell(tested)]
        rows.append(Row(cells=tuple(cells)))
    return Table(
        name="contrasts",
        title=message("Planned contrasts"),
        columns=tuple(columns),
        rows=tuple(rows),
        caption=join_sentences(caption),
        notes=tuple(notes),
        has_title=False,
        style="pairs",
    )


def _significance(tested: ContrastResult) -> str:
    if tested.estimate.n_seeds == 1:
        return message("one seed")
    return message("yes") if tested.differs else message("no")


def _estimate_cell(tested: ContrastResult, *, is_stacked: bool = False) -> Cell:
    """The difference with its interval; below it, where the table is wide."""
    estimate = tested.simultaneous
    cell = Cell(text=format_estimate(estimate), value=tested.estimate.value, hover=_test_details(tested))
    if not is_stacked or math.isnan(estimate.low):
        return cell
    interval = f"[{format_signed(estimate.low)}, {format_signed(estimate.high)}]"
    return replace(cell, text=format_signed(estimate.value), below=(interval,))


def _seeds_cell(tested: ContrastResult) -> Cell:
    """The seeds needed; more than are counted sort last, none needed first."""
    seeds = format_seeds_needed(tested)
    sort_value = {"> ": 1e9, "\N{EN DASH}": 0.0}.get(seeds[:2] if seeds.startswith("> ") else seeds)
    return Cell(text=seeds, value=float(seeds) if sort_value is None else sort_value)


def contrasts_by_task(planned: Contrasts) -> Table:
    """The planned contrasts of each task."""
    rows = []
    for tested in planned.in_column():
        cells = [
            replace(_estimate_cell(result, is_stacked=True), style="strong" if result.differs else "")
            for result in planned.by_task(tested.contrast).values()
        ]
        rows.append(Row(cells=(text_cell(tested.contrast.label), *cells)))
    return Table(
        name="by-task",
        title=message("Planned contrasts by task"),
        columns=(
            text_column(message("Contrast")),
            *(Column(head=task_heading(task)) for task in planned.tasks),
        ),
        rows=tuple(rows),
        caption=message(
            "PSNR difference in dB, for new photographs, with one family of contrasts per task. Bold: significant."
        ),
        style="pairs",
    )


def pairs_table(study: Study, pairs: tuple[PairDifference, ...]) -> Table:
    """Every pair of variants, a description without a test."""
    title = (
        message("Pairwise difference (exploratory)")
        if len(pairs) == 1
        else message("All {n} pairwise differences (exploratory)", n=len(pairs))
    )
    rows = [
        Row(
            cells=(
                text_cell(study.label(pair.first)),
                text_cell(study.label(pair.second), style="name"),
                Cell(text=format_estimate(pair.estimate), value=pair.estimate.value, hover=_test_details(pair)),
                Cell(text=format_p(pair.estimate.p), value=pair.estimate.p),
            )
        )
        for pair in pairs
    ]
    return Table(
        name="pairs",
        title=title,
        columns=(
            text_column(message("Higher")),
            text_column(message("Lower")),
            Column(head=message("Difference")),
            Column(head=message("p, unadjusted")),
        ),
        rows=tuple(rows),
        caption=message(
            "Difference of the PSNR averaged over the columns, for new photographs, with its unadjusted 95% interval "
            "and p. Exploratory, not tested: some of many such intervals exclude zero by chance."
        ),
        is_collapsed=True,
        style="pairs",
    )


def _test_details(tested: ContrastResult | PairDifference) -> str:
    return message(
        "SE {se} dB, {df} degrees of freedom, {seeds} seed(s), {scenes} scene(s), {images} image(s); unadjusted p {p}",
        se=format_size(tested.estimate.se),
        df=f"{tested.estimate.df:.1f}",
        seeds=tested.estimate.n_seeds,
        scenes=tested.n_scenes,
        images=tested.n_images,
        p=format_p(tested.estimate.p),
    )

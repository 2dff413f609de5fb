"""The measures' part of the page: one section a measure, each with its sentences, figures, tables and CSV file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from reports import schema
from reports.convergence import TaskConvergence
from reports.document import Table
from reports.figure_jobs import FigureJob, Figures
from reports.figures import information as information_figures
from reports.figures import interference as interference_figures
from reports.figures import levels as levels_figures
from reports.figures import mechanism as mechanism_figures
from reports.figures import prompts as prompts_figures
from reports.files import write_csv
from reports.measures import (
    information,
    interference,
    interference_report,
    levels,
    mechanism,
    mixed,
    plugin,
    precision,
    prompts,
    routing,
    separation,
    training,
)
from reports.measures.load import Measures, load_measures
from reports.measures.plateau import learned_tasks
from reports.measures.result import MeasureResult
from reports.messages import join_and, join_clauses, join_sentences, message, with_labels
from reports.stats import Analysis
from reports.study import Study

_SETTINGS = {
    "tenths": message("tenths of the training"),
    "draws": message("draws of images"),
    "batch": message("patches a draw"),
    "images": message("images per condition"),
    "information_images": message("images per condition"),
    "pixels": message("pixels an image"),
    "plugins": message("of the package"),
}
_UNLIMITED = "None"
SEPARATION = "separation"
TRAINING = "learning"


@dataclass(frozen=True, kw_only=True)
class MeasureResults:
    """The measures' sections of the page, and one line for each table that is damaged.

    Attributes:
        sections: in the page's order.
        problems: measures that could not be summarized, with the reason.
        jobs: section's name -> figures that are still to be drawn.
    """

    sections: tuple[MeasureResult, ...] = ()
    problems: tuple[str, ...] = ()
    jobs: Mapping[str, Sequence[FigureJob]] = field(default_factory=dict)

    @property
    def training(self) -> tuple[MeasureResult, ...]:
        """The section on training past the plateau, if there is one."""
        return tuple(section for section in self.sections if section.name == TRAINING)

    def others(self, primary: str) -> tuple[MeasureResult, ...]:
        """The remaining sections without the study's primary one; controls of t-SNE are placed beside its figure."""
        return tuple(s for s in self.sections if s.name not in (SEPARATION, TRAINING, primary))

    def section(self, name: str) -> MeasureResult | None:
        """The section of this name, if there is one."""
        return next((section for section in self.sections if section.name == name), None)

    def with_figures(self, figures: Mapping[str, Figures]) -> MeasureResults:
        """The same with the figures that the jobs drew, by section."""
        sections = [
            replace(s, pictures=figures[s.name].pictures, problems=figures[s.name].problems) if s.name in figures else s
            for s in self.sections
        ]
        return MeasureResults(sections=tuple(sections), problems=self.problems)


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """What every section is made from.

    Attributes:
        study: the study on the page.
        measures: their tables.
        psnr: the study's own analysis.
        folder: where figures go.
    """

    study: Study
    measures: Measures
    psnr: Analysis
    folder: Path

    def jobs(self, result: object, *draws: Callable[..., Any]) -> list[FigureJob]:
        """The jobs that draw figures of a measure's summary."""
        return [FigureJob(draw=draw, args=(result, self.study, self.folder)) for draw in draws]


MAX_SEPARATION_VARIANTS = 3
"""Variants that the sentences on separation are about; its table has all."""

SectionWithJobs = (
    tuple[MeasureResult, list[FigureJob]] | None
)  # a section and its figures; None where there is too little for it


def show_measures(
    study: Study, psnr: Analysis, out: Path, *, learned: Sequence[TaskConvergence] = ()
) -> MeasureResults:
    """Summarize the training of each variant and every measure of finished runs; a failure of one leaves the others.

    Writes <measure>.csv into the folder of measures below `out`. The figures are left to the caller
    (`MeasureResults.jobs`), who may draw them beside others; they go into the figures' folder below `out`.
    """
    measures = load_measures(study)
    inputs = _Inputs(study=study, measures=measures, psnr=psnr, folder=out / schema.FIGURES_FOLDER)
    sections, problems, jobs = [], list(measures.problems), {}
    if learned:
        first = training.make_section(study, list(learned))
        sections.append(first)
        write_csv(out / schema.MEASURES_FOLDER / f"{first.name}.csv", first.summary, "%.6f")
    plugin_sections: list[tuple[tuple[str, ...], Callable[[_Inputs], SectionWithJobs]]]
    plugin_sections = [((name,), partial(_plugin_section, name=name)) for name in measures.plugin_sections]
    for names, make in [*_SECTIONS, *plugin_sections]:
        present = [name for name in names if name in measures.tables]
        if not present:
            continue
        try:
            section_with_jobs = make(inputs)
        except Exception as error:  # bad content of one measure must not cost the rest of the report
            reason = f"{type(error).__name__}: {error}"
            problems.append(message("{names} could not be summed up: {reason}", names=join_and(present), reason=reason))
            continue
        if section_with_jobs is None:
            if len(present) == len(names) == 1:
                problems.append(message("{names} holds too few rows to summarise.", names=join_and(present)))
            continue
        section, jobs[section_with_jobs[0].name] = section_with_jobs
        sections.append(replace(section, note=_measurement_note(measures, present)))
        write_csv(out / schema.MEASURES_FOLDER / f"{section.name}.csv", section.summary, "%.6f")
    _remove_old_csv(out / schema.MEASURES_FOLDER, {section.name for section in sections})
    relabelled = tuple(_relabel(section, study) for section in sections)
    return MeasureResults(sections=relabelled, problems=tuple(problems), jobs=jobs)


def _relabel(section: MeasureResult, study: Study) -> MeasureResult:
    """The section as a reader sees it: variants by their labels, in sentences and in the first column of tables."""
    tables = []
    for table in section.tables:
        heads = [replace(row.cells[0], text=with_labels(row.cells[0].text, study.labels)) for row in table.rows]
        rows = [replace(row, cells=(head, *row.cells[1:])) for head, row in zip(heads, table.rows, strict=True)]
        caption = with_labels(table.caption, study.labels)
        tables.append(replace(table, rows=tuple(rows), caption=caption))
    sentences = tuple(with_labels(sentence, study.labels) for sentence in section.sentences)
    return replace(section, sentences=sentences, tables=tuple(tables))


def _remove_old_csv(folder: Path, names: set[str]) -> None:
    """Tables of an earlier build that the page no longer has would be taken for its own."""
    for path in folder.glob("*.csv"):
        if path.stem not in names:
            path.unlink()


def _make_section(
    name: str,
    title: str,
    sentences: Iterable[str],
    tables: Iterable[Table],
    summary: pd.DataFrame,
    jobs: Iterable[FigureJob] = (),
) -> SectionWithJobs:
    section = MeasureResult(name=name, title=title, sentences=tuple(sentences), tables=tuple(tables), summary=summary)
    return section, list(jobs)


def _prompts_section(inputs: _Inputs) -> SectionWithJobs:
    costs = prompts.summarize(inputs.measures.tables["prompts"])
    if costs is None:
        return None
    variants = inputs.study.select_variants(costs.variants, 1)
    title, jobs = message("What a wrong prompt costs"), inputs.jobs(costs, prompts_figures.draw)
    return _make_section(
        "prompts", title, prompts.sentences(costs, variants), [prompts.make_table(costs)], prompts.to_frame(costs), jobs
    )


def _precision_section(inputs: _Inputs) -> SectionWithJobs:
    tables = inputs.measures.tables
    changed = precision.summarize_changes(tables["precision"]) if "precision" in tables else {}
    moved = precision.summarize_moves(tables["order_moves"]) if "order_moves" in tables else {}
    if not changed and not moved:
        return None
    sentences, table = precision.sentences(changed, moved), precision.make_table(changed, moved)
    return _make_section(
        "precision", message("Prompt codes in half precision"), sentences, [table], precision.to_frame(changed, moved)
    )


def _separation_section(inputs: _Inputs) -> SectionWithJobs:
    controls = separation.summarize(inputs.measures.tables[SEPARATION])
    if controls is None:
        return None
    title = message("Features by condition: controls")
    return _make_section(
        SEPARATION,
        title,
        separation.sentences(controls, inputs.study.select_variants(controls.last, MAX_SEPARATION_VARIANTS)),
        separation.make_tables(controls),
        separation.to_frame(controls),
    )


def _interference_section(inputs: _Inputs) -> SectionWithJobs:
    table, learned = inputs.measures.tables["interference"], learned_tasks(inputs.study)
    results = {loss: interference.summarize(table, loss, learned=learned) for loss in interference_report.LOSSES}
    by_loss = {loss: result for loss, result in results.items() if result is not None}
    plain = by_loss.get(interference.PLAIN)
    if plain is None:
        return None
    jobs = inputs.jobs(plain, interference_figures.draw_pairs, interference_figures.draw_progress)
    tables = [interference_report.make_table(by_loss)]
    pairs = interference_report.make_pair_table(by_loss)
    tables += [pairs] if any(cell.value is not None for row in pairs.rows for cell in row.cells) else []
    tables += [interference_report.make_group_table(plain)] if len(plain.groups) > 1 else []
    sentences, title = interference_report.sentences(by_loss), message("Gradient interference")
    return _make_section("interference", title, sentences, tables, interference.to_frame(by_loss), jobs)


def _information_section(inputs: _Inputs) -> SectionWithJobs:
    losses, study = information.summarize(inputs.measures.tables["information"]), inputs.study
    if losses is None:
        return None
    sentences, title = (
        information.sentences(losses, study.axis_values, study.axis_name),
        message("Information a block loses"),
    )
    jobs = inputs.jobs(losses, information_figures.draw_levels)
    return _make_section(
        "information", title, sentences, information.make_tables(losses), information.to_frame(losses), jobs
    )


def _mechanism_section(inputs: _Inputs) -> SectionWithJobs:
    """PSNR, interference and information loss together, as far as measured, for a study with an axis."""
    tables, study = inputs.measures.tables, inputs.study
    gradients = interference.summarize(tables["interference"]) if "interference" in tables else None
    losses = information.summarize(tables["information"]) if "information" in tables else None
    summary = mechanism.summarize(study, inputs.psnr, gradients, losses)
    if summary is None:
        return None
    sentences, jobs = mechanism.sentences(summary, study), inputs.jobs(summary, mechanism_figures.draw)
    return _make_section("mechanism", summary.title(study), sentences, [], mechanism.to_frame(summary, study), jobs)


def _levels_section(inputs: _Inputs) -> SectionWithJobs:
    summary, reference = levels.summarize(inputs.measures.tables["levels"], inputs.study), inputs.study.reference
    if summary is None:
        return None
    sentences, tables = levels.sentences(summary, reference), levels.make_tables(summary, reference)
    title, jobs = message("Levels not trained on"), inputs.jobs(summary, levels_figures.draw)
    return _make_section("levels", title, sentences, tables, levels.to_frame(summary, reference), jobs)


def _mixed_section(inputs: _Inputs) -> SectionWithJobs:
    summary = mixed.summarize(inputs.measures.tables["mixed"])
    if summary is None:
        return None
    title = message("Two degradations at once")
    return _make_section("mixed", title, mixed.sentences(summary), [mixed.make_table(summary)], mixed.to_frame(summary))


_SECTIONS: tuple[tuple[tuple[str, ...], Callable[[_Inputs], SectionWithJobs]], ...] = (
    ((SEPARATION,), _separation_section),
    (("prompts",), _prompts_section),
    (("precision", "order_moves"), _precision_section),
    (("interference",), _interference_section),
    (("information",), _information_section),
    (("interference", "information"), _mechanism_section),
    (("levels",), _levels_section),
    (("mixed",), _mixed_section),
    (("routing",), lambda inputs: routing.make_section(inputs.measures.tables["routing"], inputs.study, inputs.folder)),
)


def _plugin_section(inputs: _Inputs, *, name: str) -> SectionWithJobs:
    """A measure of another package."""
    measures = inputs.measures
    return plugin.make_section(measures.tables[name], measures.plugin_sections[name], inputs.study.variants), []


def _measurement_note(measures: Measures, names: list[str]) -> str:
    """Number of measured runs, and the settings of the measures."""
    lines = []
    for name in names:
        runs = _format_run_count(measures.counts[name], measures.runs)
        lines.append(
            message("Measure {name}: taken on {runs}.", name=name, runs=runs)
            if len(names) > 1
            else message("Measured on {runs}.", runs=runs)
        )
        values = measures.settings[name].items()
        settings = [
            message("{setting} {value}", setting=_SETTINGS.get(key, key), value=value)
            for key, value in values
            if value != _UNLIMITED
        ]
        lines += [message("Settings: {settings}.", settings=join_clauses(settings))] if settings else []
    return join_sentences(dict.fromkeys(lines))


def _format_run_count(count: int, runs: int) -> str:
    if count != runs:
        return message(
            "{n} of {all} finished runs; it does not apply to the others or was not taken", n=count, all=runs
        )
    if count == 1:
        return message("the one finished run")
    return message("both finished runs") if count == 2 else message("all {n} finished runs", n=count)

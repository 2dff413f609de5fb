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
from reports.figure_jobs import Figures, Job
from reports.figures import information as information_figures
from reports.figures import interference as interference_figures
from reports.figures import levels as levels_figures
from reports.figures import mechanism as mechanism_figures
from reports.figures import prompts as prompts_figures
from reports.files import write_csv
from reports.measures import (
    declared,
    information,
    interference,
    interference_shown,
    levels,
    mechanism,
    mixed,
    precision,
    prompts,
    routing,
    separation,
    training,
)
from reports.measures.load import Measures, load_measures
from reports.measures.plateau import learned_tasks
from reports.measures.result import MeasureResult
from reports.messages import listed, message, series, with_labels
from reports.messages import sentences as texts
from reports.stats import Analysis
from reports.study import Study

_SETTINGS = {
    "tenths": message("tenths of the training"),
    "draws": message("draws of images"),
    "batch": message("patches a draw"),
    "images": message("images a condition"),
    "information_images": message("images a condition"),
    "pixels": message("pixels an image"),
    "plugins": message("of the package"),
}
_NO_LIMIT = "None"
SEPARATION = "separation"
TRAINING = "learning"


@dataclass(frozen=True, kw_only=True)
class MeasureResults:
    """What the page shows of the measures: its sections, and one line for each table that is damaged.

    Attributes:
        sections: in the page's order.
        problems: what could not be summed up, and why.
        jobs: section's name -> figures that are still to be drawn.
    """

    sections: tuple[MeasureResult, ...] = ()
    problems: tuple[str, ...] = ()
    jobs: Mapping[str, Sequence[Job]] = field(default_factory=dict)

    @property
    def training(self) -> tuple[MeasureResult, ...]:
        """How far each variant was trained, if the runs say so."""
        return tuple(section for section in self.sections if section.name == TRAINING)

    def others(self, primary: str) -> tuple[MeasureResult, ...]:
        """The other sections but the study's primary one; t-SNE's controls stand beside its figure."""
        return tuple(s for s in self.sections if s.name not in (SEPARATION, TRAINING, primary))

    def section(self, name: str) -> MeasureResult | None:
        """The section of this name, if there is one."""
        return next((section for section in self.sections if section.name == name), None)

    def with_figures(self, drawn: Mapping[str, Figures]) -> MeasureResults:
        """The same with the figures that the jobs drew, by section."""
        sections = [
            replace(s, pictures=drawn[s.name].pictures, problems=drawn[s.name].problems) if s.name in drawn else s
            for s in self.sections
        ]
        return MeasureResults(sections=tuple(sections), problems=self.problems)


@dataclass(frozen=True, kw_only=True)
class _Inputs:
    """What every section is made from.

    Attributes:
        study: whose measures they are.
        measures: their tables.
        psnr: the study's own analysis.
        folder: where figures go.
    """

    study: Study
    measures: Measures
    psnr: Analysis
    folder: Path

    def jobs(self, found: object, *draws: Callable[..., Any]) -> list[Job]:
        """Figures of what was found."""
        return [Job(draw=draw, args=(found, self.study, self.folder)) for draw in draws]


SectionWithFigures = (
    tuple[MeasureResult, list[Job]] | None
)  # a section and its figures; None where there is too little for it


def show_measures(
    study: Study, psnr: Analysis, out: Path, *, learned: Sequence[TaskConvergence] = ()
) -> MeasureResults:
    """Sum up what each variant learned and every measure that finished runs have; one that fails leaves the others.

    Writes <measure>.csv into the folder of measures below `out`. The figures are left to the caller
    (`MeasureResults.jobs`), who may draw them beside others; they go into the figures' folder below `out`.
    """
    measures = load_measures(study)
    inputs = _Inputs(study=study, measures=measures, psnr=psnr, folder=out / schema.FIGURES_FOLDER)
    sections, problems, jobs = [], list(measures.problems), {}
    if learned:
        first = training.section(study, list(learned))
        sections.append(first)
        write_csv(out / schema.MEASURES_FOLDER / f"{first.name}.csv", first.summary, "%.6f")
    others: list[tuple[tuple[str, ...], Callable[[_Inputs], SectionWithFigures]]]
    others = [((name,), partial(_declared, name=name)) for name in measures.declared]
    for names, make in [*_SECTIONS, *others]:
        present = [name for name in names if name in measures.tables]
        if not present:
            continue
        try:
            made = make(inputs)
        except Exception as error:  # a measure's odd content must not cost the reader the rest of the report
            why = f"{type(error).__name__}: {error}"
            problems.append(message("{names} could not be summed up: {why}", names=listed(present), why=why))
            continue
        if made is None:
            if len(present) == len(names) == 1:
                problems.append(message("{names} holds too little to be summed up.", names=listed(present)))
            continue
        section, jobs[made[0].name] = made
        sections.append(replace(section, note=_note(measures, present)))
        write_csv(out / schema.MEASURES_FOLDER / f"{section.name}.csv", section.summary, "%.6f")
    _remove_old_csv(out / schema.MEASURES_FOLDER, {section.name for section in sections})
    told = tuple(_with_labels(section, study) for section in sections)
    return MeasureResults(sections=told, problems=tuple(problems), jobs=jobs)


def _with_labels(section: MeasureResult, study: Study) -> MeasureResult:
    """The section as a reader sees it: variants by their labels, in sentences and in the first column of tables."""
    tables = []
    for table in section.tables:
        heads = [replace(row.cells[0], text=with_labels(row.cells[0].text, study.labels)) for row in table.rows]
        rows = [replace(row, cells=(head, *row.cells[1:])) for head, row in zip(heads, table.rows, strict=True)]
        caption = with_labels(table.caption, study.labels_in_text)
        tables.append(replace(table, rows=tuple(rows), caption=caption))
    said = tuple(with_labels(each, study.labels_in_text) for each in section.sentences)
    return replace(section, sentences=said, tables=tuple(tables))


def _remove_old_csv(folder: Path, shown: set[str]) -> None:
    """Tables of an earlier build that the page no longer has would be taken for its own."""
    for path in folder.glob("*.csv"):
        if path.stem not in shown:
            path.unlink()


def _section(
    name: str, title: str, said: Iterable[str], tables: Iterable[Table], summary: pd.DataFrame, jobs: Iterable[Job] = ()
) -> SectionWithFigures:
    made = MeasureResult(name=name, title=title, sentences=tuple(said), tables=tuple(tables), summary=summary)
    return made, list(jobs)


def _prompts(inputs: _Inputs) -> SectionWithFigures:
    found = prompts.costs(inputs.measures.tables["prompts"])
    if found is None:
        return None
    title, jobs = message("What a wrong prompt costs"), inputs.jobs(found, prompts_figures.draw)
    return _section("prompts", title, prompts.sentences(found), [prompts.grid(found)], prompts.summary(found), jobs)


def _precision(inputs: _Inputs) -> SectionWithFigures:
    tables = inputs.measures.tables
    changed = precision.changes(tables["precision"]) if "precision" in tables else {}
    moved = precision.moves(tables["order_moves"]) if "order_moves" in tables else {}
    if not changed and not moved:
        return None
    said, grid = precision.sentences(changed, moved), precision.grid(changed, moved)
    return _section(
        "precision", message("Prompt codes in half precision"), said, [grid], precision.summary(changed, moved)
    )


def _separation(inputs: _Inputs) -> SectionWithFigures:
    found = separation.separation_controls(inputs.measures.tables[SEPARATION])
    if found is None:
        return None
    title = message("Features by condition: controls")
    return _section(SEPARATION, title, separation.sentences(found), separation.grids(found), separation.summary(found))


def _interference(inputs: _Inputs) -> SectionWithFigures:
    table, learned = inputs.measures.tables["interference"], learned_tasks(inputs.study)
    every = {loss: interference.interference(table, loss, learned=learned) for loss in interference_shown.LOSSES}
    by_loss = {loss: one for loss, one in every.items() if one is not None}
    found = by_loss.get(interference.PLAIN)
    if found is None:
        return None
    jobs = inputs.jobs(found, interference_figures.draw_pairs, interference_figures.draw_progress)
    grids = [interference_shown.grid(by_loss)]
    grids += [interference_shown.grid_by_pair(by_loss)] if found.alone else []
    grids += [interference_shown.grid_by_group(found)] if len(found.groups) > 1 else []
    said, title = interference_shown.sentences(by_loss), message("Gradient interference")
    return _section("interference", title, said, grids, interference.summary(by_loss), jobs)


def _information(inputs: _Inputs) -> SectionWithFigures:
    found, study = information.information(inputs.measures.tables["information"]), inputs.study
    if found is None:
        return None
    said, title = information.sentences(found, study.axis_values, study.axis_name), message("Information a block loses")
    jobs = inputs.jobs(found, information_figures.draw_levels)
    return _section("information", title, said, information.grids(found), information.summary(found), jobs)


def _mechanism(inputs: _Inputs) -> SectionWithFigures:
    """PSNR, interference and information loss together, as far as measured, for a study with an axis."""
    tables, study = inputs.measures.tables, inputs.study
    pulls = interference.interference(tables["interference"]) if "interference" in tables else None
    losses = information.information(tables["information"]) if "information" in tables else None
    found = mechanism.mechanism(study, inputs.psnr, pulls, losses)
    if found is None:
        return None
    said, jobs = mechanism.sentences(found, study), inputs.jobs(found, mechanism_figures.draw)
    return _section("mechanism", found.title(study), said, [], mechanism.summary(found, study), jobs)


def _levels(inputs: _Inputs) -> SectionWithFigures:
    found, reference = levels.levels(inputs.measures.tables["levels"], inputs.study), inputs.study.reference
    if found is None:
        return None
    said, grids = levels.sentences(found, reference), levels.grids(found, reference)
    title, jobs = message("Levels not trained on"), inputs.jobs(found, levels_figures.draw)
    return _section("levels", title, said, grids, levels.summary(found, reference), jobs)


def _mixed(inputs: _Inputs) -> SectionWithFigures:
    found = mixed.mixed(inputs.measures.tables["mixed"])
    if found is None:
        return None
    title = message("Two degradations at once")
    return _section("mixed", title, mixed.sentences(found), [mixed.grid(found)], mixed.summary(found))


_SECTIONS: tuple[tuple[tuple[str, ...], Callable[[_Inputs], SectionWithFigures]], ...] = (
    ((SEPARATION,), _separation),
    (("prompts",), _prompts),
    (("precision", "order_moves"), _precision),
    (("interference",), _interference),
    (("information",), _information),
    (("interference", "information"), _mechanism),
    (("levels",), _levels),
    (("mixed",), _mixed),
    (("routing",), lambda inputs: routing.section(inputs.measures.tables["routing"], inputs.study, inputs.folder)),
)


def _declared(inputs: _Inputs, *, name: str) -> SectionWithFigures:
    """A measure of another package."""
    measures = inputs.measures
    return declared.section(measures.tables[name], measures.declared[name], inputs.study.variants), []


def _note(measures: Measures, names: list[str]) -> str:
    """On how many runs it was measured, and what the tables say about how."""
    said = []
    for name in names:
        runs = _runs_told(measures.counts[name], measures.runs)
        said.append(
            message("Measure {name}: taken on {runs}.", name=name, runs=runs)
            if len(names) > 1
            else message("Measured on {runs}.", runs=runs)
        )
        told = measures.settings[name].items()
        settings = [
            message("{setting} {value}", setting=_SETTINGS.get(key, key), value=value)
            for key, value in told
            if value != _NO_LIMIT
        ]
        said += [message("Settings: {settings}.", settings=series(settings))] if settings else []
    return texts(dict.fromkeys(said))


def _runs_told(count: int, runs: int) -> str:
    if count != runs:
        return message(
            "{n} of {all} finished runs; it does not apply to the others or was not taken", n=count, all=runs
        )
    if count == 1:
        return message("the one finished run")
    return message("both finished runs") if count == 2 else message("all {n} finished runs", n=count)

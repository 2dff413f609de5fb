"""The measures' part of the page: one section a measure, each with its sentences, figures, tables and CSV file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from reports import schema
from reports.drawing import Figures, Job
from reports.figures import information as information_figures
from reports.figures import interference as interference_figures
from reports.figures import levels as levels_figures
from reports.figures import mechanism as mechanism_figures
from reports.figures import prompts as prompts_figures
from reports.files import write_csv
from reports.learning import TaskLearning
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
from reports.measures.section import Section
from reports.stats import Analysis
from reports.study import Study

_SETTINGS = {
    "tenths": "tenths of the training",
    "draws": "draws of images",
    "batch": "patches a draw",
    "images": "images a condition",
    "information_images": "images a condition",
    "pixels": "pixels an image",
    "plugins": "of the package",
}
_NO_LIMIT = "None"
SEPARATION = "separation"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the page shows of the measures: its sections, and one line for each table that is damaged.

    Attributes:
        sections: in the page's order.
        problems: what could not be summed up, and why.
        jobs: section's name -> figures that are still to be drawn.
    """

    sections: tuple[Section, ...] = ()
    problems: tuple[str, ...] = ()
    jobs: Mapping[str, Sequence[Job]] = field(default_factory=dict)

    @property
    def apart(self) -> tuple[Section, ...]:
        """The sections that stand for themselves; the controls of t-SNE stand beside its figure."""
        return tuple(section for section in self.sections if section.name != SEPARATION)

    def section(self, name: str) -> Section | None:
        """The section of this name, if there is one."""
        return next((section for section in self.sections if section.name == name), None)

    def with_figures(self, drawn: Mapping[str, Figures]) -> Shown:
        """The same with the figures that the jobs drew, by section."""
        sections = [
            replace(s, pictures=drawn[s.name].pictures, problems=drawn[s.name].problems) if s.name in drawn else s
            for s in self.sections
        ]
        return Shown(sections=tuple(sections), problems=self.problems)


@dataclass(frozen=True, kw_only=True)
class _Source:
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


Made = tuple[Section, list[Job]] | None  # a section and its figures; None where there is too little for it


def show_measures(study: Study, psnr: Analysis, out: Path, *, learned: Sequence[TaskLearning] = ()) -> Shown:
    """Sum up what each variant learned and every measure that finished runs have; one that fails leaves the others.

    Writes <measure>.csv into the folder of measures below `out`. The figures are left to the caller (`Shown.jobs`),
    who may draw them beside others; they go into the figures' folder below `out`.
    """
    measures = load_measures(study)
    source = _Source(study=study, measures=measures, psnr=psnr, folder=out / schema.FIGURES_FOLDER)
    sections, problems, jobs = [], list(measures.problems), {}
    if learned:
        first = training.section(study, list(learned))
        sections.append(first)
        write_csv(out / schema.MEASURES_FOLDER / f"{first.name}.csv", first.summary, "%.6f")
    others = (((name,), partial(_declared, name=name)) for name in measures.declared)
    for names, make in (*_SECTIONS, *others):
        present = [name for name in names if name in measures.tables]
        if not present:
            continue
        try:
            made = make(source)
        except Exception as error:  # a measure's odd content must not cost the reader the rest of the report
            problems.append(f"{' and '.join(present)} could not be summed up: {type(error).__name__}: {error}")
            continue
        if made is None:
            if len(present) == len(names) == 1:
                problems.append(f"{' and '.join(present)} holds too little to be summed up.")
            continue
        section, jobs[made[0].name] = made
        sections.append(replace(section, note=_note(measures, present)))
        write_csv(out / schema.MEASURES_FOLDER / f"{section.name}.csv", section.summary, "%.6f")
    _remove_old_csv(out / schema.MEASURES_FOLDER, {section.name for section in sections})
    return Shown(sections=tuple(sections), problems=tuple(problems), jobs=jobs)


def _remove_old_csv(folder: Path, shown: set[str]) -> None:
    """Tables of an earlier build that the page no longer has would be taken for its own."""
    for path in folder.glob("*.csv"):
        if path.stem not in shown:
            path.unlink()


def _prompts(source: _Source) -> Made:
    found = prompts.costs(source.measures.tables["prompts"])
    if found is None:
        return None
    jobs = [Job(draw=prompts_figures.draw, given=(found, source.folder))]
    section = Section(
        name="prompts",
        title="What a wrong prompt costs",
        sentences=tuple(prompts.sentences(found)),
        grids=(prompts.grid(found),),
        summary=prompts.summary(found),
    )
    return section, jobs


def _precision(source: _Source) -> Made:
    tables = source.measures.tables
    changed = precision.changes(tables["precision"]) if "precision" in tables else {}
    moved = precision.moves(tables["order_moves"]) if "order_moves" in tables else {}
    if not changed and not moved:
        return None
    section = Section(
        name="precision",
        title="Prompt codes in half precision",
        sentences=tuple(precision.sentences(changed, moved)),
        grids=(precision.grid(changed, moved),),
        summary=precision.summary(changed, moved),
    )
    return section, []


def _separation(source: _Source) -> Made:
    found = separation.separation_controls(source.measures.tables[SEPARATION])
    if found is None:
        return None
    section = Section(
        name=SEPARATION,
        title="Features by condition: controls",
        sentences=tuple(separation.sentences(found)),
        grids=tuple(separation.grids(found)),
        summary=separation.summary(found),
    )
    return section, []


def _interference(source: _Source) -> Made:
    table, learned = source.measures.tables["interference"], learned_tasks(source.study)
    every = {loss: interference.interference(table, loss, learned=learned) for loss in interference_shown.LOSSES}
    by_loss = {loss: one for loss, one in every.items() if one is not None}
    found = by_loss.get(interference.PLAIN)
    if found is None:
        return None
    study, folder = source.study, source.folder
    jobs = [
        Job(draw=interference_figures.draw_pairs, given=(found, folder)),
        Job(draw=interference_figures.draw_progress, given=(found, study, folder)),
        Job(draw=interference_figures.draw_axis, given=(found, study, folder)),
    ]
    grids = [interference_shown.grid(by_loss)]
    grids += [interference_shown.grid_by_pair(by_loss)] if found.alone else []
    grids += [interference_shown.grid_by_group(found)] if len(found.groups) > 1 else []
    section = Section(
        name="interference",
        title="Gradient interference",
        sentences=tuple(interference_shown.sentences(by_loss)),
        grids=tuple(grids),
        summary=interference_shown.summary(by_loss),
    )
    return section, jobs


def _information(source: _Source) -> Made:
    found = information.information(source.measures.tables["information"])
    if found is None:
        return None
    study, folder = source.study, source.folder
    jobs = [
        Job(draw=information_figures.draw_levels, given=(found, study, folder)),
        Job(draw=information_figures.draw_axis, given=(found, study, folder)),
    ]
    section = Section(
        name="information",
        title="Information a block loses",
        sentences=tuple(information.sentences(found, study.axis_values, study.axis_name)),
        grids=tuple(information.grids(found)),
        summary=information.summary(found),
    )
    return section, jobs


def _mechanism(source: _Source) -> Made:
    """PSNR, interference and information loss together, for a study with an axis."""
    tables = source.measures.tables
    pulls = interference.interference(tables["interference"]) if "interference" in tables else None
    losses = information.information(tables["information"]) if "information" in tables else None
    if pulls is None or losses is None:
        return None
    found = mechanism.mechanism(source.study, source.psnr, pulls, losses)
    if found is None:
        return None
    jobs = [Job(draw=mechanism_figures.draw, given=(found, source.study, source.folder))]
    section = Section(
        name="mechanism",
        title=f"PSNR, interference and information loss against {source.study.axis_name}",
        sentences=tuple(mechanism.sentences(found, source.study)),
        summary=mechanism.summary(found, source.study),
    )
    return section, jobs


def _levels(source: _Source) -> Made:
    found = levels.levels(source.measures.tables["levels"], source.study)
    if found is None:
        return None
    jobs = [Job(draw=levels_figures.draw, given=(found, source.study, source.folder))]
    section = Section(
        name="levels",
        title="Levels not trained on",
        sentences=tuple(levels.sentences(found, source.study.reference)),
        grids=tuple(levels.grids(found, source.study.reference)),
        summary=levels.summary(found, source.study.reference),
    )
    return section, jobs


def _mixed(source: _Source) -> Made:
    found = mixed.mixed(source.measures.tables["mixed"])
    if found is None:
        return None
    section = Section(
        name="mixed",
        title="Two degradations at once",
        sentences=tuple(mixed.sentences(found)),
        grids=(mixed.grid(found),),
        summary=mixed.summary(found),
    )
    return section, []


_SECTIONS: tuple[tuple[tuple[str, ...], Callable[[_Source], Made]], ...] = (
    ((SEPARATION,), _separation),
    (("prompts",), _prompts),
    (("precision", "order_moves"), _precision),
    (("interference",), _interference),
    (("information",), _information),
    (("interference", "information"), _mechanism),
    (("levels",), _levels),
    (("mixed",), _mixed),
    (("routing",), lambda source: routing.section(source.measures.tables["routing"], source.folder)),
)


def _declared(source: _Source, *, name: str) -> Made:
    """A measure of another package."""
    measures = source.measures
    return declared.section(measures.tables[name], measures.declared[name], source.study.variants), []


def _note(measures: Measures, names: list[str]) -> str:
    """On how many runs it was measured, and what the tables say about how."""
    said = []
    for name in names:
        count = measures.counts[name]
        what = f"Measure {name}: taken" if len(names) > 1 else "Measured"
        if count == measures.runs:
            all_of = {1: "the one finished run", 2: "both finished runs"}.get(count, f"all {count} finished runs")
            said.append(f"{what} on {all_of}.")
        else:
            others = "it does not apply to the others or was not taken"
            said.append(f"{what} on {count} of {measures.runs} finished runs; {others}.")
        told = measures.settings[name].items()
        settings = [f"{_SETTINGS.get(key, key)} {value}" for key, value in told if value != _NO_LIMIT]
        said += [f"Settings: {'; '.join(settings)}."] if settings else []
    return " ".join(dict.fromkeys(said))

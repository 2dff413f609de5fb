"""The page of a study: the answer first, then the table, then what may explain it, and last how it was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from reports import schema
from reports.document import (
    Block,
    Cell,
    Chips,
    Column,
    Document,
    Facts,
    Figure,
    Fold,
    Items,
    Picture,
    Row,
    Section,
    Summary,
    Table,
    Tabs,
    Template,
    Text,
    text_column,
    words,
)
from reports.figures.tsne import Measured
from reports.measures.result import not_drawn
from reports.measures.sections import SEPARATION, MeasureResults
from reports.messages import message, sentences, stored
from reports.pages import result, setup
from reports.pages.chips import chips
from reports.pages.contrasts import contrasts_by_task, contrasts_table, pairs_table
from reports.parts import Part
from reports.reported.table import ReportedTable
from reports.study import Study
from reports.tables import ResultTable
from reports.verdict import Verdict
from reports.viewer.show import Interactive

FURTHER = "figure-"
"""Before the name of another package's figure: its section's."""

SCRIPTS = ("tabs.js", "copy.js", "errors.js", "lens.js", "gallery.js", "scatter.js", "origins.js")
_TITLES: dict[str, str] = {"feature_maps": message("Feature maps")}  # of our own figures that studies ask for
_ENGLISH_FIGURES = message("Words inside the figures are English, as in papers; the captions say what they mean.")


@dataclass(frozen=True, kw_only=True)
class RenderedFigures:
    """The page's figures by section; `problems` says which could not be drawn and why."""

    pictures: dict[str, list[Picture]] = field(default_factory=dict)
    measured: list[Measured] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    def has(self, section: str) -> bool:
        """Whether there is a figure, or a problem to tell of."""
        return bool(self.pictures.get(section)) or section in self.problems

    def blocks(self, section: str, nothing: str = "") -> list[Block]:
        """The section's figures; why they are missing; or `nothing`."""
        if section in self.problems:
            problem: list[Block] = [Text(text=not_drawn(self.problems[section]), style="remark")]
        else:
            problem = []
        figures = [Figure(picture=picture) for picture in self.pictures.get(section, ())]
        return [*problem, *figures] or ([Text(text=nothing, style="quiet")] if nothing else [])


@dataclass(frozen=True, kw_only=True)
class StudyReport:
    """All that the page shows.

    Attributes:
        study: whose page it is.
        table: its results.
        verdict: what they allow to be said.
        figures: of the study itself.
        parts: other test sets and protocols, with their tables.
        reported: what papers print, where the study asks for it.
        measures: with their figures.
        interactive: what moves.
        plateau: what is to be said of training that ended early.
        references: what is to be said of networks that a method without training surpasses.
    """

    study: Study
    table: ResultTable
    verdict: Verdict
    figures: RenderedFigures = field(default_factory=RenderedFigures)
    parts: Sequence[tuple[Part, ResultTable]] = ()
    reported: ReportedTable | None = None
    measures: MeasureResults = field(default_factory=MeasureResults)
    interactive: Interactive = field(default_factory=Interactive)
    plateau: Sequence[str] = ()
    references: Sequence[str] = ()

    @property
    def document(self) -> Document:
        """The page."""
        study, figures = self.study, self.figures
        primary = self.measures.section(study.primary)
        sections = [
            self._short(),
            self._result(),
            primary.section if primary else None,
            self._axis(),
            self._parts(),
            self.reported.section if self.reported else None,
            self._crops(),
            _section("differences", message("PSNR gain by image"), figures),
            _section("curves", message("Training"), figures, message("No run has logged its training.")),
            *(measure.section for measure in self.measures.training),
            self._mechanism(),
            self._problems(),
            setup.failures_section(study),
            self._appendix(),
        ]
        origins = Template(template="origins.html.j2", values={"origins": self.interactive.origins})
        return Document(
            title=stored(study.title),
            question=[stored(study.question)] if study.question else [],
            sections=[section for section in sections if section is not None],
            end=[origins],
            scripts=SCRIPTS,
            styles=("interactive.css",),
        )

    def _short(self) -> Section:
        verdict, study = self.verdict, self.study
        primary = self.measures.section(study.primary)
        interim = setup.interim(study)
        said = [*interim, *([primary.sentences[0]] if primary else []), verdict.headline]
        about = [(chip.text, chip.is_warning) for chip in chips(study, still_learning=bool(self.plateau))]
        blocks: list[Block] = [
            Summary(sentences=said, strong=len(interim), verdict=verdict.ranks),
            Chips(title=message("What it rests on"), chips=about),
            *self.figures.blocks("forest"),
        ]
        more = [*self.plateau, *self.references, *verdict.sentences]
        if more:
            title = message("In words, and what limits it")
            is_open = not self.figures.pictures.get("forest")
            blocks.append(Fold(title=title, blocks=[Items(items=more)], is_open=is_open))
        return Section(name="short", title=message("In short"), blocks=blocks)

    def _result(self) -> Section:
        verdict = self.verdict
        blocks: list[Block] = [*result_blocks(self.table, self.study, "result", 0)]
        if verdict.contrasts.of():
            tables = [contrasts_table(verdict)]
            tables += [contrasts_by_task(verdict.contrasts)] if verdict.contrasts.tasks else []
            blocks.append(Fold(title=message("Planned contrasts in numbers"), blocks=tables))
        blocks += [pairs_table(self.study, verdict.pairs)] if verdict.pairs else []
        return Section(name="result", title=message("Result"), blocks=blocks)

    def _axis(self) -> Section | None:
        name = self.study.axis_name
        if not name and "axis" not in self.figures.problems:
            return None
        title = message("PSNR against {axis}", axis=name or message("an axis"))
        blocks = self.figures.blocks("axis", message("Fewer than two of the variants on the axis are done."))
        return Section(name="axis", title=title, short=name or message("Axis"), blocks=blocks)

    def _parts(self) -> Section | None:
        blocks: list[Block] = []
        for number, (part, table) in enumerate(self.parts, start=1):
            own = [Text(text=part.note, style="caption"), *result_blocks(table, part.study, f"part-{number}", number)]
            blocks.append(Section(name=f"part-{number}", title=part.title, blocks=own))
        title, short = message("Other images and protocols"), message("Other images")
        return Section(name="parts", title=title, short=short, blocks=blocks) if blocks else None

    def _crops(self) -> Section:
        gallery, problems = self.interactive.gallery, self.interactive.problems
        blocks: list[Block] = []
        if "gallery" in problems:
            why = message("The images could not be prepared: {why}", why=problems["gallery"])
            blocks.append(Text(text=why, style="remark"))
        if gallery.scenes:
            blocks.append(Template(template="gallery.html.j2", values={"gallery": gallery}))
        if gallery.scenes and self.figures.pictures.get("crops"):
            file = f"{schema.FIGURES_FOLDER}/{{crops,error_maps}}"
            blocks.append(Text(text=message("For print: {file}.pdf, .svg.", file=file), style="note"))
        else:
            blocks += self.figures.blocks("crops", message("No finished run has kept crops."))
        return Section(name="crops", title=message("Qualitative results"), blocks=blocks)

    def _mechanism(self) -> Section:
        figures = self.figures
        orders = message("No finished run has recorded channel orders.")
        sections = [
            self._features(),
            _section("orders", message("Channel order by prompt"), figures, orders),
            _section("masks", message("Attention and its masks"), figures),
            *(_section(FURTHER + name, _TITLES.get(name, title), figures) for name, title in self.study.figures),
            *(measure.section for measure in self.measures.others(self.study.primary)),
        ]
        return Section(
            name="mechanism",
            title=message("Inside the network"),
            blocks=[section for section in sections if section is not None],
            fold=message("Features, channel orders, masks and measures"),
        )

    def _features(self) -> Section:
        """t-SNE with what the separation of its clouds proves."""
        controls = self.measures.section(SEPARATION)
        blocks: list[Block] = []
        if controls and not self.figures.pictures.get("features"):
            first, *others = controls.sentences
            blocks.append(Text(lead=first, text=sentences(others) if others else ""))
        blocks += self.figures.blocks("features", message("No finished run has recorded features."))
        blocks += [*controls.numbered_tables, controls.noted] if controls else []
        if "scatter" in self.interactive.problems:
            why = message("The scatter could not be prepared: {why}", why=self.interactive.problems["scatter"])
            blocks.append(Text(text=why, style="remark"))
        if self.interactive.scatter:
            blocks.append(Template(template="scatter.html.j2", values={"scatter": self.interactive.scatter}))
        blocks += [separation_table(self.study, self.figures.measured)] if self.figures.measured else []
        return Section(name="features", title=message("Features by condition"), blocks=blocks)

    def _problems(self) -> Section | None:
        blocks = [Text(text=problem, style="remark") for problem in self.measures.problems]
        title = message("Measures left out")
        return Section(name="measure-problems", title=title, blocks=blocks) if blocks else None

    def _appendix(self) -> Section:
        study = self.study
        remarks = [Text(text=remark, style="remark") for remark in setup.remarks(study)]
        asked: list[Block] = [Facts(facts=setup.facts(study)), *remarks]
        asked.append(Text(text=_ENGLISH_FIGURES, style="note translated"))
        return Section(
            name="appendix",
            title=message("Setup, runs, reproduction"),
            fold=message("How it was made, and how to make it again"),
            blocks=[
                Section(name="asked", title=message("Setup"), blocks=asked),
                Section(name="runs", title=message("Runs"), blocks=[setup.runs_table(study)]),
                setup.reproduce(study, has_measures=bool(self.measures.sections)),
            ],
        )


def result_blocks(table: ResultTable, study: Study, name: str, origins: int) -> list[Block]:
    """A table of results, a metric a tab, and the differences from the study's reference."""
    tables = [(metric, result.one_metric(table, metric, name, origins)) for metric in table.metrics]
    tabs: list[tuple[str, Sequence[Block]]] = []
    tabs += [(metric.label, [replace(each, caption="", notes=())]) for metric, each in tables]
    gaps = result.differences(table, study, name)
    tabs += [(message("Difference"), [gaps])] if gaps else []
    hint = message("A click or Enter on a number shows the runs behind it; arrow keys go from cell to cell.")
    return [
        Text(text=result.about(table), style="caption"),
        Tabs(name=name, title=message("Metric"), tabs=tabs),
        Text(text=hint, style="note scripted"),
        *(Text(text=note, style="note") for note in table.notes),
    ]


def separation_table(study: Study, measured: Sequence[Measured]) -> Table:
    """Separation of features in numbers, of every variant and layer."""
    rows = []
    for m in measured:
        found = m.separation
        cells = [
            words(study.label(m.variant)),
            words(m.layer),
            Cell(text=str(m.seed), value=m.seed),
            _with_interval(found.silhouette, found.silhouette_interval, 3),
            _with_interval(found.purity, found.purity_interval, 2),
            Cell(text=f"{found.chance:.2f}", value=found.chance),
            Cell(text=str(found.n), value=found.n),
        ]
        rows.append(Row(cells=tuple(cells)))
    return Table(
        name="separation-all",
        title=message("Separation of every variant and layer"),
        columns=(
            text_column(message("Variant")),
            text_column(message("Layer")),
            Column(head=message("Seed")),
            Column(head=message("Silhouette")),
            Column(head=message("kNN purity")),
            Column(head=message("Chance")),
            Column(head=message("Patches")),
        ),
        rows=tuple(rows),
        caption=message(
            "Measured in PCA space; 95% intervals over patches, which leave out training seeds. Chance is the purity "
            "of features that know nothing of the condition."
        ),
        is_folded=True,
    )


def _with_interval(value: float, interval: tuple[float, float], digits: int) -> Cell:
    return Cell(text=f"{value:.{digits}f} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]", value=value)


def _section(name: str, title: str, figures: RenderedFigures, nothing: str = "") -> Section | None:
    """A section of figures; None where there is nothing to say."""
    blocks = figures.blocks(name, nothing)
    return Section(name=name, title=title, blocks=blocks) if blocks else None

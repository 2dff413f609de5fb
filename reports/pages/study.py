"""The page of a study: the answer, the table, what may explain it, and the setup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from reports import schema
from reports.convergence import TaskConvergence
from reports.document import (
    Block,
    Chips,
    Collapsible,
    DescriptionList,
    Document,
    Figure,
    Items,
    Picture,
    Section,
    Summary,
    Tabs,
    Template,
    Text,
)
from reports.figures.tsne import LayerSeparation
from reports.measures.result import missing_figure_message
from reports.measures.sections import SEPARATION, MeasureResults
from reports.messages import join_clauses, join_sentences, message, stored_text, with_labels
from reports.pages import result, setup
from reports.pages.chips import chips
from reports.pages.contrasts import contrasts_by_task, contrasts_table, pairs_table
from reports.pages.separation import separation_table
from reports.reported.table import ReportedTable
from reports.study import Study
from reports.subsets import Subset
from reports.tables import ResultTable
from reports.verdict import Verdict
from reports.viewer.interactive import Interactive

FIGURE_PREFIX = "figure-"
"""Prefix of the section of a plug-in's figure."""

SCRIPTS = ("tabs.js", "copy.js", "errors.js", "lens.js", "gallery.js", "scatter.js", "origins.js")
_FIGURE_TITLES: dict[str, str] = {"feature_maps": message("Feature maps")}  # of built-in figures that studies request
_CROPS, _CURVES = message("Qualitative results"), message("Training")
_FEATURES, _ORDERS = message("Features by condition"), message("Channel order by prompt")
_ENGLISH_FIGURES = message("Text inside figures is English, as in papers; the captions explain it.")


@dataclass(frozen=True, kw_only=True)
class RenderedFigures:
    """The page's figures by section; `problems`: section -> why it could not be drawn."""

    pictures: dict[str, list[Picture]] = field(default_factory=dict)
    measured: list[LayerSeparation] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    def has(self, section: str) -> bool:
        """Whether there is a figure or a problem to report."""
        return bool(self.pictures.get(section)) or section in self.problems

    def blocks(self, section: str) -> list[Block]:
        """The section's figures, and why some are missing; empty where there are neither."""
        if section in self.problems:
            problem: list[Block] = [Text(text=missing_figure_message(self.problems[section]), style="remark")]
        else:
            problem = []
        return [*problem, *(Figure(picture=picture) for picture in self.pictures.get(section, ()))]


@dataclass(frozen=True, kw_only=True)
class StudyReport:
    """Contents of the page.

    Attributes:
        study: whose page it is.
        table: its results.
        verdict: on its planned contrasts.
        figures: of the study itself.
        subsets: other test sets and protocols, with their tables.
        reported: numbers from papers, where the study requests them.
        measures: with their figures.
        interactive: its interactive parts.
        learning: whether each variant was trained past the plateau on each task.
        plateau: sentences on it.
        below_classical: sentences on trained variants below a method without training.
        loss_rises: sentences on runs whose training loss rose.
    """

    study: Study
    table: ResultTable
    verdict: Verdict
    figures: RenderedFigures = field(default_factory=RenderedFigures)
    subsets: Sequence[tuple[Subset, ResultTable]] = ()
    reported: ReportedTable | None = None
    measures: MeasureResults = field(default_factory=MeasureResults)
    interactive: Interactive = field(default_factory=Interactive)
    learning: Sequence[TaskConvergence] = ()
    plateau: Sequence[str] = ()
    below_classical: Sequence[str] = ()
    loss_rises: Sequence[str] = ()

    @property
    def document(self) -> Document:
        """The page."""
        study, figures = self.study, self.figures
        primary = self.measures.section(study.primary)
        axis, crops, features = self._axis(), self._crops(), self._features()
        curves = self._training()
        orders = _figure_section("orders", _ORDERS, figures)
        optional: list[tuple[str, Section | None]] = [
            (_CROPS, crops),
            (_CURVES, curves),
            (_FEATURES, features),
            (_ORDERS, orders),
        ]
        optional += [(self._axis_title, axis)] if study.axis_name else []
        sections = [
            self._summary(),
            self._result(),
            primary.section if primary else None,
            axis,
            self._subsets(),
            self.reported.section if self.reported else None,
            crops,
            _figure_section("differences", message("PSNR difference by image"), figures),
            curves,
            *(measure.section for measure in self.measures.training),
            self._mechanism(features, orders),
            self._problems(),
            setup.unfinished_section(study),
            self._appendix([title for title, section in optional if section is None]),
        ]
        provenance = Template(template="origins.html.j2", values={"origins": self.interactive.provenance})
        return Document(
            title=stored_text(study.title),
            question=[stored_text(study.question)] if study.question else [],
            sections=[section for section in sections if section is not None],
            end=[provenance],
            scripts=SCRIPTS,
            styles=("interactive.css",),
        )

    def _summary(self) -> Section:
        verdict, study = self.verdict, self.study
        primary = self.measures.section(study.primary)
        interim = setup.interim_warning(study)
        lines = [*interim, *([primary.sentences[0]] if primary else []), verdict.headline, *self.below_classical]
        chip_items = [(chip.text, chip.is_warning) for chip in chips(study, self.learning)]
        blocks: list[Block] = [
            Summary(sentences=lines, strong=len(interim), verdict=verdict.outcome),
            Chips(title=message("Evidence"), chips=chip_items),
            *self.figures.blocks("forest"),
        ]
        findings = [with_labels(sentence, study.labels) for sentence in verdict.sentences]
        details = [*self.plateau, *self.loss_rises, *findings]
        if details:
            title = message("Findings and limitations")
            is_open = not self.figures.pictures.get("forest")
            blocks.append(Collapsible(title=title, blocks=[Items(items=details)], is_open=is_open))
        return Section(name="short", title=message("Summary"), blocks=blocks)

    def _result(self) -> Section:
        verdict = self.verdict
        blocks: list[Block] = [*result_blocks(self.table, self.study, "result", 0)]
        if verdict.contrasts.in_column():
            tables = [contrasts_table(verdict)]
            tables += [contrasts_by_task(verdict.contrasts)] if verdict.contrasts.tasks else []
            blocks.append(Collapsible(title=message("Planned contrasts in numbers"), blocks=tables))
        blocks += [pairs_table(self.study, verdict.pairs)] if verdict.pairs else []
        return Section(name="result", title=message("Result"), blocks=blocks)

    @property
    def _axis_title(self) -> str:
        return message("PSNR against {axis}", axis=self.study.axis_name or message("an axis"))

    def _axis(self) -> Section | None:
        """PSNR over the study's axis; None where fewer than two variants on it have finished."""
        blocks = self.figures.blocks("axis")
        short = self.study.axis_name or message("Axis")
        return Section(name="axis", title=self._axis_title, short=short, blocks=blocks) if blocks else None

    def _subsets(self) -> Section | None:
        blocks: list[Block] = []
        for number, (subset, table) in enumerate(self.subsets, start=1):
            subset_blocks = [
                Text(text=subset.note, style="caption"),
                *result_blocks(table.without_model_columns(), subset.study, f"part-{number}", number),
            ]
            blocks.append(Section(name=f"part-{number}", title=subset.title, blocks=subset_blocks))
        title, short = message("Other images and protocols"), message("Other images")
        return Section(name="parts", title=title, short=short, blocks=blocks) if blocks else None

    def _crops(self) -> Section | None:
        """Crops of restored images; None where no finished run has saved any."""
        gallery, problems = self.interactive.gallery, self.interactive.problems
        blocks: list[Block] = []
        if "gallery" in problems:
            reason = message("The images could not be prepared: {reason}", reason=problems["gallery"])
            blocks.append(Text(text=reason, style="remark"))
        if gallery.scenes:
            blocks.append(Template(template="gallery.html.j2", values={"gallery": gallery}))
        if gallery.scenes and self.figures.pictures.get("crops"):
            file = f"{schema.FIGURES_FOLDER}/{{crops,error_maps}}"
            blocks.append(Text(text=message("For print: {file}.pdf, .svg.", file=file), style="note"))
        else:
            blocks += self.figures.blocks("crops")
        return Section(name="crops", title=_CROPS, blocks=blocks) if blocks else None

    def _training(self) -> Section | None:
        """Rises of the loss, and the curves; None where no run has logged its training."""
        blocks = [*(Text(text=sentence) for sentence in self.loss_rises), *self.figures.blocks("curves")]
        return Section(name="curves", title=_CURVES, blocks=blocks) if blocks else None

    def _mechanism(self, features: Section | None, orders: Section | None) -> Section | None:
        """What was recorded or measured inside the networks; None where nothing was."""
        figures = self.figures
        candidates = [
            features,
            orders,
            _figure_section("masks", message("Attention and its masks"), figures),
            *(
                _figure_section(FIGURE_PREFIX + name, _FIGURE_TITLES.get(name, title), figures)
                for name, title in self.study.figures
            ),
            *(measure.section for measure in self.measures.others(self.study.primary)),
        ]
        sections = [section for section in candidates if section is not None]
        if not sections:
            return None
        return Section(
            name="mechanism",
            title=message("Inside the network"),
            blocks=sections,
            collapsed_title=message("Features, channel orders, masks and measures"),
        )

    def _features(self) -> Section | None:
        """t-SNE with the controls of its separation; None where neither was recorded."""
        controls = self.measures.section(SEPARATION)
        blocks: list[Block] = []
        if controls and not self.figures.pictures.get("features"):
            first, *remaining = controls.sentences
            blocks.append(Text(lead=first, text=join_sentences(remaining) if remaining else ""))
        scatter = self.interactive.scatter
        if scatter:
            pictures = self.figures.pictures.get("features", ())
            captions = [Text(text=picture.caption, style="caption") for picture in pictures]
            blocks += [*captions, Template(template="scatter.html.j2", values={"scatter": scatter})]
            title = message("The same as a static figure, for print")
            static = [Figure(picture=replace(picture, caption=message("Described above."))) for picture in pictures]
            blocks.append(Collapsible(title=title, blocks=static))
        else:
            blocks += self.figures.blocks("features")
        blocks += [*controls.numbered_tables, controls.note_text] if controls else []
        if "scatter" in self.interactive.problems:
            reason = message("The scatter could not be prepared: {reason}", reason=self.interactive.problems["scatter"])
            blocks.append(Text(text=reason, style="remark"))
        blocks += [separation_table(self.study, self.figures.measured)] if self.figures.measured else []
        return Section(name="features", title=_FEATURES, blocks=blocks) if blocks else None

    def _problems(self) -> Section | None:
        blocks = [Text(text=problem, style="remark") for problem in self.measures.problems]
        title = message("Measures not shown")
        return Section(name="measure-problems", title=title, blocks=blocks) if blocks else None

    def _appendix(self, left_out: Sequence[str]) -> Section:
        """Setup, runs and commands; `left_out`: titles of sections for which the finished runs hold nothing."""
        study = self.study
        remarks = [Text(text=remark, style="remark") for remark in setup.caveats(study)]
        setup_blocks: list[Block] = [DescriptionList(facts=setup.setup_facts(study)), *remarks]
        if left_out:
            text = message(
                "Left out, since the finished runs do not hold what they show: {sections}.",
                sections=join_clauses(left_out),
            )
            setup_blocks.append(Text(text=text, style="note"))
        setup_blocks.append(Text(text=_ENGLISH_FIGURES, style="note translated"))
        return Section(
            name="appendix",
            title=message("Setup, runs, reproduction"),
            collapsed_title=message("Settings, runs and commands"),
            blocks=[
                Section(name="asked", title=message("Setup"), blocks=setup_blocks),
                Section(name="runs", title=message("Runs"), blocks=[setup.runs_table(study)]),
                setup.reproduce_section(study, has_measures=bool(self.measures.sections)),
            ],
        )


def result_blocks(table: ResultTable, study: Study, name: str, provenance_index: int) -> list[Block]:
    """A table of results, a metric a tab, and the differences from the study's reference."""
    tables = [(metric, result.metric_table(table, metric, name, provenance_index)) for metric in table.metrics]
    tabs: list[tuple[str, Sequence[Block]]] = []
    tabs += [(metric.label, [replace(metric_table, caption="", notes=())]) for metric, metric_table in tables]
    difference = result.difference_table(table, study, name)
    tabs += [(message("Difference"), [difference])] if difference else []
    hint = message("A click or Enter on a number shows the runs behind it; arrow keys go from cell to cell.")
    return [
        Text(text=result.page_caption(table), style="caption"),
        Tabs(name=name, title=message("Metric"), tabs=tabs),
        Text(text=hint, style="note scripted"),
        *(Text(text=note, style="note") for note in table.notes),
    ]


def _figure_section(name: str, title: str, figures: RenderedFigures) -> Section | None:
    """A section of figures; None where it would be empty."""
    blocks = figures.blocks(name)
    return Section(name=name, title=title, blocks=blocks) if blocks else None

"""The report of a study or of runs: tables, figures and the page (`python -m reports study`)."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reports import schema
from reports.against_input import said_of_references
from reports.contrasts import Contrasts, contrasts_frame
from reports.document.html import write_html
from reports.document.markdown import to_markdown
from reports.drawing import Drawing, Figures, Job, get_ready
from reports.figures import axis, crops, curves, differences, errors, forest, masks, orders, tsne
from reports.figures.further import figure_named
from reports.files import write_csv, write_text
from reports.language import languages
from reports.learning import learning, sentences
from reports.load import check_comparable, load
from reports.measures.sections import SEPARATION, MeasureResults, show_measures
from reports.measures.separation import NOT_MEASURED
from reports.messages import renamed
from reports.messages import sentences as texts
from reports.pages.result import all_metrics, one_metric
from reports.pages.setup import failures, interim, lists_all, n_not_done
from reports.pages.study import FURTHER, RenderedFigures, StudyReport
from reports.pairs import pairs_frame
from reports.parts import main_part, other_parts
from reports.publish import provenance
from reports.reported.table import asked_setting, reported_table
from reports.study import Status, Study
from reports.tables import build_table, means_frame
from reports.verdict import verdict_of
from reports.viewer.show import interactive

_MOST_ROWS_SENT = 200_000
_MOST_NAMED = 5  # runs that were not started
_WHAT_DRAWS = ("reports.measures.sections",)  # imports every kind of figure
_MEASURE = "measure "  # before a measure's name, whose figures must not be taken for a section's own


def build_report(
    paths: Iterable[Path],
    out_dir: Path | None = None,
    *,
    lang: str = "en",
    tell: Callable[[str], None] | None = None,
) -> Path:
    """Make the report of a study or of runs.

    Args:
        paths: a study folder, run folders, or a runs root that holds at most one study.
        out_dir: where to write; the study's own folder by default, ./report for runs without one.
        tell: gets a line for each run that is missing or damaged, and therefore not in the report.
        lang: language of a second page beside the English one (reports/language.py); "en" for none.

    Returns:
        report.html (report.zh.html for `lang="zh"`). Beside it lie table.md, table.tex, means.csv, contrasts.csv,
        pairs.csv, figures/ (PNG, SVG, PDF) and, for runs with measures, measures/ (CSV).

    Raises:
        ValueError: nothing to report on, several studies, or numbers that can't be compared; the message is one line.
    """
    page_languages = languages(lang)
    whole = load(paths)
    study = main_part(whole)
    check_comparable(study)
    get_ready(_WHAT_DRAWS)
    if tell is not None:
        _tell_of_failures(study, tell)
    setting = asked_setting(whole)
    learned = learning(study)
    report = StudyReport(
        study=study,
        table=build_table(study),
        verdict=verdict_of(study),
        parts=[(part, build_table(part.study)) for part in other_parts(whole)],
        reported=None if setting is None else reported_table(whole, setting),
        plateau=[renamed(each, study.labels_in_text) for each in sentences(learned)],
        references=[renamed(each, study.labels_in_text) for each in said_of_references(study)],
    )
    out = Path(out_dir) if out_dir is not None else study.folder or Path("report")
    _write_tables(report, out)
    measures = show_measures(study, study.analysis(schema.PSNR), out, learned=learned)
    # each process that draws would get all rows: of a study of many, they cost more than they save
    workers = 1 if len(study.rows) > _MOST_ROWS_SENT else None
    pending = begin_figures(study, report.verdict.contrasts, out / schema.FIGURES_FOLDER, measures, workers=workers)
    moving = interactive(study, [(study, report.table), *((part.study, table) for part, table in report.parts)])
    figures, measures = pending.finished()
    document = replace(report, figures=figures, measures=measures, interactive=moving).document
    return write_html(document, out / schema.REPORT_FILE, page_languages)


def _write_tables(report: StudyReport, out: Path) -> None:
    """The tables as files: Markdown with what is said of them, LaTeX, and CSV with every number unrounded."""
    study, verdict, table = report.study, report.verdict, all_metrics(report.table)
    said = [*table.notes, *interim(study), *report.plateau, *report.references, verdict.headline, *verdict.sentences]
    markdown = [to_markdown(replace(table, notes=tuple(said)))]
    latex = [one_metric(report.table, metric).latex for metric in report.table.metrics]
    for number, (part, extra) in enumerate(report.parts, start=1):
        markdown.append(f"\n## {part.title}\n\n{to_markdown(all_metrics(extra))}")
        latex += [f"% {part.title}", *(one_metric(extra, m, f"part-{number}").latex for m in extra.metrics)]
    if report.reported is not None:
        markdown.append(f"\n## Reported numbers\n\n{report.reported.markdown}")
        latex += ["% Reported numbers", report.reported.latex]
    write_text(out / schema.TABLE_MD_FILE, "".join(markdown))
    write_text(out / schema.TABLE_TEX_FILE, "\n".join(latex))
    write_csv(out / schema.MEANS_CSV_FILE, means_frame(study), "%.9g")
    write_csv(out / schema.PAIRS_CSV_FILE, pairs_frame(verdict.pairs), "%.9g")
    write_csv(out / schema.CONTRASTS_CSV_FILE, contrasts_frame(verdict.contrasts, verdict.without_diverged), "%.9g")
    _write_runs(study, out / schema.RUNS_CSV_FILE)


def _tell_of_failures(study: Study, tell: Callable[[str], None]) -> None:
    shown = failures(study)
    missing = [run for run in shown if run.status is Status.MISSING]
    if len(missing) > _MOST_NAMED:
        tell(f"not in the report: {len(missing)} runs that were not started")
    for run in shown:
        if run in missing and len(missing) > _MOST_NAMED:
            continue
        tell(f"not in the report: {run.run_id}: {run.status.told}" + (f", {run.reason}" if run.reason else ""))
    if (more := n_not_done(study) - len(shown)) > 0:
        tell(f"not in the report: {more} more")


@dataclass(frozen=True, kw_only=True)
class PendingFigures:
    """The page's figures under way."""

    drawing: Drawing
    measures: MeasureResults
    measured: list[tsne.LayerSeparation]
    problems: dict[str, str]
    labels: Mapping[str, str]

    def finished(self) -> tuple[RenderedFigures, MeasureResults]:
        """The figures, and the measures with theirs; what could not be drawn is said, not raised."""
        done = {name: _with_labels(figures, self.labels) for name, figures in self.drawing.finished().items()}
        problems = {name: "; ".join(figures.problems) for name, figures in done.items() if figures.problems}
        own = [name for name in done if not name.startswith(_MEASURE)]
        rendered = RenderedFigures(
            pictures={name: list(done[name].pictures) for name in own},
            measured=self.measured,
            problems={**self.problems, **{name: problems[name] for name in own if name in problems}},
        )
        of_measures = {name.removeprefix(_MEASURE): figures for name, figures in done.items() if name not in own}
        return rendered, self.measures.with_figures(of_measures)


def _with_labels(figures: Figures, labels: Mapping[str, str]) -> Figures:
    """The figures with variants by their labels in titles, captions and what is read out."""
    pictures = [
        replace(p, title=renamed(p.title, labels), alt=renamed(p.alt, labels), caption=renamed(p.caption, labels))
        for p in figures.pictures
    ]
    return replace(figures, pictures=tuple(pictures))


def begin_figures(
    study: Study, planned: Contrasts, folder: Path, measures: MeasureResults, *, workers: int | None = None
) -> PendingFigures:
    """Begin to draw every figure that the runs have something for; one that fails leaves the others standing.

    Args:
        study: whose figures.
        planned: its contrasts by PSNR.
        folder: where figures go.
        measures: whose figures are drawn beside the study's own.
        workers: processes that draw (`reports.drawing.Drawing`).
    """
    problems: dict[str, str] = {}
    psnr = study.analysis(schema.PSNR)
    try:
        measured = tsne.layer_separations(study)
    except Exception as error:  # a run's odd content must not cost the reader the rest of the report
        measured, problems["features"] = [], f"{type(error).__name__}: {error}"
    separation = measures.section(SEPARATION)
    controls = NOT_MEASURED if separation is None else texts(separation.sentences)
    # named as the page shows them; the caller begins with the last, and has t-SNE imported for its own measures
    jobs = {
        "forest": [Job(draw=forest.draw, given=(planned, folder))],
        "axis": [Job(draw=axis.draw, given=(study, psnr, folder))],
        "crops": [Job(draw=one.draw, given=(study, folder), long=True) for one in (crops, errors)],
        "differences": [Job(draw=differences.draw, given=(study, psnr, folder), long=True)],
        "features": [Job(draw=tsne.draw, given=(study, folder, measured, controls))],
        "orders": [Job(draw=orders.draw, given=(study, folder), long=True)],
        "masks": [Job(draw=masks.draw, given=(study, folder), long=True)],
        "curves": [Job(draw=curves.draw, given=(study, folder))],
    }
    for name, _ in study.figures:
        try:
            jobs[f"{FURTHER}{name}"] = [Job(draw=figure_named(name).draw, given=(study, folder))]
        except ValueError as error:
            problems[f"{FURTHER}{name}"] = str(error)
    jobs |= {f"{_MEASURE}{name}": list(own) for name, own in measures.jobs.items()}
    return PendingFigures(
        drawing=Drawing(jobs, workers=workers),
        measures=measures,
        measured=measured,
        problems=problems,
        labels=study.labels_in_text,
    )


def _write_runs(study: Study, path: Path) -> None:
    """Every run in a file where the page can't list them; where it can, no such file is left of a larger study."""
    table = provenance(study)
    if not lists_all(study):
        write_csv(path, table, "%.9g")
    elif path.is_file():
        with path.open(encoding="utf-8", errors="replace") as file:
            ours = file.readline().rstrip("\r\n") == ",".join(table.columns)
        if ours:
            path.unlink()


if __name__ == "__main__":  # the spelling of older pages and scripts
    runpy.run_module("reports", run_name="__main__")

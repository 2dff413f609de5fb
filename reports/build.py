"""The report of a study or of runs: tables, figures and the page (`python -m reports study`)."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from reports import schema
from reports.contrasts import Contrasts, contrasts_frame
from reports.convergence import convergence_sentences, task_convergence
from reports.document.html import write_html
from reports.document.markdown import to_markdown
from reports.figure_jobs import FigureJob, FigureJobs, Figures, start_workers
from reports.figures import axis, crops, curves, differences, errors, forest, masks, orders, tsne
from reports.figures.further import figure_named
from reports.files import write_csv, write_text
from reports.input_gain import below_classical_sentences
from reports.language import languages
from reports.load import check_comparable, load
from reports.loss_rises import loss_rise_sentences, loss_rises
from reports.measures.sections import SEPARATION, MeasureResults, show_measures
from reports.measures.separation import NOT_MEASURED
from reports.messages import join_sentences, with_labels
from reports.pages.result import all_metrics, metric_table
from reports.pages.setup import count_unfinished, interim_warning, listed_unfinished, lists_all_runs
from reports.pages.study import FIGURE_PREFIX, RenderedFigures, StudyReport
from reports.pairs import pairs_frame
from reports.publish import provenance
from reports.reported.table import reported_table, requested_setting
from reports.run_state import Status
from reports.study import Study
from reports.subsets import main_subset, other_subsets
from reports.tables import build_table, means_frame
from reports.verdict import verdict_of
from reports.viewer.interactive import interactive

_MAX_ROWS_SENT = 200_000
_MAX_LISTED_MISSING = 5  # of the runs that were not started
_WORKER_IMPORTS = ("reports.measures.sections",)  # imports every kind of figure
_MEASURE_PREFIX = "measure "  # of a measure's name, which separates its figures from those of sections


def build_report(
    paths: Iterable[Path],
    out_dir: Path | None = None,
    *,
    lang: str = "en",
    warn: Callable[[str], None] | None = None,
) -> Path:
    """Make the report of a study or of runs.

    Args:
        paths: a study folder, run folders, or a runs root that holds at most one study.
        out_dir: where to write; the study's own folder by default, ./report for runs without one.
        warn: called with a line for each run that is missing or damaged and therefore not in the report.
        lang: language of a second page beside the English one (reports/language.py); "en" for none.

    Returns:
        report.html (report.zh.html for `lang="zh"`). The same folder holds table.md, table.tex, means.csv,
        contrasts.csv, pairs.csv, figures/ (PNG, SVG, PDF) and, for runs with measures, measures/ (CSV).

    Raises:
        ValueError: nothing to report on, several studies, or numbers that can't be compared; the message is one line.
    """
    page_languages = languages(lang)
    full_study = load(paths)
    study = main_subset(full_study)
    check_comparable(study)
    start_workers(_WORKER_IMPORTS)
    if warn is not None:
        _warn_of_failures(study, warn)
    setting = requested_setting(full_study)
    learning = task_convergence(study)
    report = StudyReport(
        study=study,
        table=build_table(study),
        verdict=verdict_of(study),
        subsets=[(subset, build_table(subset.study)) for subset in other_subsets(full_study)],
        reported=None if setting is None else reported_table(full_study, setting),
        learning=learning,
        plateau=[with_labels(sentence, study.labels) for sentence in convergence_sentences(learning)],
        below_classical=[
            with_labels(sentence, study.labels) for sentence in below_classical_sentences(study, learning)
        ],
        loss_rises=[with_labels(s, study.labels) for s in loss_rise_sentences(loss_rises(study))],
    )
    out = Path(out_dir) if out_dir is not None else study.folder or Path("report")
    _write_tables(report, out)
    measures = show_measures(study, study.analysis(schema.PSNR), out, learned=learning)
    # each worker process would receive all rows: for a large study that costs more than it saves
    workers = 1 if len(study.rows) > _MAX_ROWS_SENT else None
    pending = start_figures(study, report.verdict.contrasts, out / schema.FIGURES_FOLDER, measures, workers=workers)
    interactive_parts = interactive(
        study, [(study, report.table), *((subset.study, table) for subset, table in report.subsets)]
    )
    figures, measures = pending.results()
    document = replace(report, figures=figures, measures=measures, interactive=interactive_parts).document
    return write_html(document, out / schema.REPORT_FILE, page_languages)


def _write_tables(report: StudyReport, out: Path) -> None:
    """Write the tables: Markdown with notes and findings, LaTeX, and CSV with every number unrounded."""
    study, verdict, table = report.study, report.verdict, all_metrics(report.table)
    notes = [
        *table.notes,
        *interim_warning(study),
        *report.plateau,
        *report.loss_rises,
        *report.below_classical,
        verdict.headline,
        *verdict.sentences,
    ]
    markdown = [to_markdown(replace(table, notes=tuple(notes)))]
    latex = [metric_table(report.table, metric).latex for metric in report.table.metrics]
    for number, (subset, subset_table) in enumerate(report.subsets, start=1):
        markdown.append(f"\n## {subset.title}\n\n{to_markdown(all_metrics(subset_table))}")
        latex += [
            f"% {subset.title}",
            *(metric_table(subset_table, m, f"part-{number}").latex for m in subset_table.metrics),
        ]
    if report.reported is not None:
        markdown.append(f"\n## Reported numbers\n\n{report.reported.markdown}")
        latex += ["% Reported numbers", report.reported.latex]
    write_text(out / schema.TABLE_MD_FILE, "".join(markdown))
    write_text(out / schema.TABLE_TEX_FILE, "\n".join(latex))
    write_csv(out / schema.MEANS_CSV_FILE, means_frame(study), "%.9g")
    write_csv(out / schema.PAIRS_CSV_FILE, pairs_frame(verdict.pairs), "%.9g")
    write_csv(out / schema.CONTRASTS_CSV_FILE, contrasts_frame(verdict.contrasts, verdict.without_diverged), "%.9g")
    _write_run_list(study, out / schema.RUNS_CSV_FILE)


def _warn_of_failures(study: Study, warn: Callable[[str], None]) -> None:
    not_done = listed_unfinished(study)
    missing = [run for run in not_done if run.status is Status.MISSING]
    if len(missing) > _MAX_LISTED_MISSING:
        warn(f"not in the report: {len(missing)} runs that were not started")
    for run in not_done:
        if run in missing and len(missing) > _MAX_LISTED_MISSING:
            continue
        warn(f"not in the report: {run.run_id}: {run.status.label}" + (f", {run.reason}" if run.reason else ""))
    if (n_hidden := count_unfinished(study) - len(not_done)) > 0:
        warn(f"not in the report: {n_hidden} more")


@dataclass(frozen=True, kw_only=True)
class PendingFigures:
    """The page's figures under way."""

    drawing: FigureJobs
    measures: MeasureResults
    measured: list[tsne.LayerSeparation]
    problems: dict[str, str]
    labels: Mapping[str, str]

    def results(self) -> tuple[RenderedFigures, MeasureResults]:
        """The figures, and the measures with theirs; a figure that failed is reported, not raised."""
        figures_by_name = {name: _with_labels(figures, self.labels) for name, figures in self.drawing.results().items()}
        problems = {name: "; ".join(figures.problems) for name, figures in figures_by_name.items() if figures.problems}
        section_names = [name for name in figures_by_name if not name.startswith(_MEASURE_PREFIX)]
        rendered = RenderedFigures(
            pictures={name: list(figures_by_name[name].pictures) for name in section_names},
            measured=self.measured,
            problems={**self.problems, **{name: problems[name] for name in section_names if name in problems}},
        )
        measure_figures = {
            name.removeprefix(_MEASURE_PREFIX): figures
            for name, figures in figures_by_name.items()
            if name not in section_names
        }
        return rendered, self.measures.with_figures(measure_figures)


def _with_labels(figures: Figures, labels: Mapping[str, str]) -> Figures:
    """The figures with variants by their labels in titles, captions and what is read out."""
    pictures = [
        replace(
            p,
            title=with_labels(p.title, labels),
            alt=with_labels(p.alt, labels),
            caption=with_labels(p.caption, labels),
        )
        for p in figures.pictures
    ]
    return replace(figures, pictures=tuple(pictures))


def start_figures(
    study: Study, planned: Contrasts, folder: Path, measures: MeasureResults, *, workers: int | None = None
) -> PendingFigures:
    """Start drawing every figure that the runs have data for; a figure that fails does not affect the others.

    Args:
        study: whose figures.
        planned: its contrasts by PSNR.
        folder: where figures go.
        measures: whose figures are drawn beside the study's own.
        workers: processes that draw (`reports.figure_jobs.FigureJobs`).
    """
    problems: dict[str, str] = {}
    psnr = study.analysis(schema.PSNR)
    try:
        measured = tsne.layer_separations(study)
    except Exception as error:  # a run's odd content must not cost the reader the rest of the report
        measured, problems["features"] = [], f"{type(error).__name__}: {error}"
    separation = measures.section(SEPARATION)
    controls = NOT_MEASURED if separation is None else join_sentences(separation.sentences)
    # in the order of the page; this process takes jobs from the end, and has imported t-SNE for the measures already
    jobs = {
        "forest": [FigureJob(draw=forest.draw, args=(planned, folder))],
        "axis": [FigureJob(draw=axis.draw, args=(study, psnr, folder))],
        "crops": [FigureJob(draw=module.draw, args=(study, folder), is_slow=True) for module in (crops, errors)],
        "differences": [FigureJob(draw=differences.draw, args=(study, psnr, folder), is_slow=True)],
        "features": [FigureJob(draw=tsne.draw, args=(study, folder, measured, controls))],
        "orders": [FigureJob(draw=orders.draw, args=(study, folder), is_slow=True)],
        "masks": [FigureJob(draw=masks.draw, args=(study, folder), is_slow=True)],
        "curves": [FigureJob(draw=curves.draw, args=(study, folder))],
    }
    for name, _ in study.figures:
        try:
            jobs[f"{FIGURE_PREFIX}{name}"] = [FigureJob(draw=figure_named(name).draw, args=(study, folder))]
        except ValueError as error:
            problems[f"{FIGURE_PREFIX}{name}"] = str(error)
    jobs |= {f"{_MEASURE_PREFIX}{name}": list(measure_jobs) for name, measure_jobs in measures.jobs.items()}
    return PendingFigures(
        drawing=FigureJobs(jobs, workers=workers),
        measures=measures,
        measured=measured,
        problems=problems,
        labels=study.labels,
    )


def _write_run_list(study: Study, path: Path) -> None:
    """Every run in a file where the page can't list them; where it can, no such file is left of a larger study."""
    table = provenance(study)
    if not lists_all_runs(study):
        write_csv(path, table, "%.9g")
    elif path.is_file():
        with path.open(encoding="utf-8", errors="replace") as file:
            is_run_list = file.readline().rstrip("\r\n") == ",".join(table.columns)
        if is_run_list:
            path.unlink()


if __name__ == "__main__":  # the spelling of older pages and scripts
    runpy.run_module("reports", run_name="__main__")

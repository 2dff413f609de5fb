"""Build a report: `python -m reports.build RUNS...`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reports import page, schema, tex
from reports.compare import build_comparison
from reports.console import Parser, steady_output, words_of
from reports.contrasts import Contrasts, contrasts_frame
from reports.drawing import Drawing, Job, get_ready
from reports.figures import axis, crops, curves, differences, errors, forest, maps, masks, orders, tsne
from reports.figures.further import figure_named
from reports.files import require_folder, write_csv, write_text
from reports.index import build_index
from reports.language import ENGLISH, LANGUAGES, language
from reports.learning import learning, sentences
from reports.load import check_comparable, load
from reports.measures.sections import SEPARATION, Shown, show_measures
from reports.measures.separation import NOT_MEASURED
from reports.messages import renamed
from reports.messages import sentences as texts
from reports.pairs import pairs_frame
from reports.parts import main_part, other_parts
from reports.publish import provenance
from reports.render import FURTHER, Drawn, render
from reports.reported.show import reported_latex, reported_markdown
from reports.reported.table import asked_setting, reported_table
from reports.study import Study
from reports.tables import build_table, means_frame, to_latex, to_markdown
from reports.verdict import Verdict, verdict_of
from reports.viewer.show import interactive

_MOST_ROWS_SENT = 200_000
_WHAT_DRAWS = ("reports.measures.sections",)  # imports every kind of figure
_MEASURE = "measure "  # before a measure's name, whose figures must not be taken for a section's own


def build_report(
    paths: Iterable[Path],
    out_dir: Path | None = None,
    *,
    as_tex: bool = False,
    lang: str = "en",
    tell: Callable[[str], None] | None = None,
) -> Path:
    """Make the report of a study or of runs.

    Args:
        paths: a study folder, run folders, or a runs root that holds at most one study.
        out_dir: where to write; the study's own folder by default, ./report for runs without one.
        as_tex: whether to write a LaTeX document instead of the page.
        tell: gets a line for each run that is missing or damaged, and therefore not in the report.
        lang: language of a second page beside the English one (reports/language.py); "en" for none.

    Returns:
        report.html (report.zh.html for `lang="zh"`) or report.tex. Beside it lie table.md, table.tex, means.csv,
        contrasts.csv, pairs.csv, figures/ (PNG, SVG, PDF) and, for runs with measures, measures/ (CSV).

    Raises:
        ValueError: nothing to report on, several studies, or numbers that can't be compared; the message is one line.
    """
    other = language(lang)
    whole = load(paths)
    study = main_part(whole)
    check_comparable(study)
    get_ready(_WHAT_DRAWS)
    parts = [(part, build_table(part.study)) for part in other_parts(whole)]
    if tell is not None:
        for failure in page.failures(study):
            tell(
                f"not in the report: {failure.run_id}: {failure.status}"
                + (f", {failure.reason}" if failure.reason else "")
            )
        if (more := page.n_not_done(study) - len(page.failures(study))) > 0:
            tell(f"not in the report: {more} more")
    setting = asked_setting(whole)
    reported = None if setting is None else reported_table(whole, setting)
    out = Path(out_dir) if out_dir is not None else study.folder or Path("report")
    psnr = study.analysis(schema.PSNR)
    found = verdict_of(study)
    table = build_table(study)
    learned = learning(study)
    plateau = [renamed(sentence, study.labels_in_text) for sentence in sentences(learned)]
    said = replace(table, notes=(*table.notes, *page.interim(study), *plateau, found.headline, *found.sentences))
    besides = [(part.title, extra) for part, extra in parts]
    markdown = [to_markdown(said), *(f"\n## {title}\n\n{to_markdown(extra)}" for title, extra in besides)]
    markdown += [f"\n## Reported numbers\n\n{reported_markdown(reported)}"] if reported else []
    write_text(out / schema.TABLE_MD_FILE, "".join(markdown))
    latex = [to_latex(said), *(f"\n% {title}\n{to_latex(extra)}" for title, extra in besides)]
    latex += [f"\n% Reported numbers\n{reported_latex(reported)}"] if reported else []
    write_text(out / schema.TABLE_TEX_FILE, "".join(latex))
    write_csv(out / schema.MEANS_CSV_FILE, means_frame(study), "%.9g")
    write_csv(out / schema.PAIRS_CSV_FILE, pairs_frame(found.pairs), "%.9g")
    write_csv(out / schema.CONTRASTS_CSV_FILE, contrasts_frame(found.contrasts, found.without_diverged), "%.9g")
    _write_runs(study, out / schema.RUNS_CSV_FILE)
    shown = show_measures(study, psnr, out, learned=learned)
    # each process that draws would get all rows: of a study of many, they cost more than they save
    workers = 1 if len(study.rows) > _MOST_ROWS_SENT else None
    begun = begin_figures(study, found.contrasts, out / schema.FIGURES_FOLDER, shown, workers=workers)
    if as_tex:
        tables = [("Result", to_latex(table)), *((title, to_latex(extra)) for title, extra in besides)]
        tables += [("Reported numbers", reported_latex(reported))] if reported else []
        return write_text(out / schema.REPORT_TEX_FILE, _document(study, tables, found, *begun.finished()))
    alive = interactive(study, [(study, table), *((part.study, extra) for part, extra in parts)])
    drawn, measured = begun.finished()
    written = out / schema.REPORT_FILE
    for one in dict.fromkeys((ENGLISH, other)):
        text = render(
            study, table, found, drawn, parts, reported, measured, interactive=alive, language=one, plateau=plateau
        )
        written = write_text(out / one.file_name(schema.REPORT_FILE), text)
    return written


@dataclass(frozen=True, kw_only=True)
class Begun:
    """The page's figures under way."""

    drawing: Drawing
    shown: Shown
    measured: list[tsne.Measured]
    problems: dict[str, str]

    def finished(self) -> tuple[Drawn, Shown]:
        """The figures, and the measures with theirs; what could not be drawn is said, not raised."""
        done = self.drawing.finished()
        problems = {name: "; ".join(figures.problems) for name, figures in done.items() if figures.problems}
        own = [name for name in done if not name.startswith(_MEASURE)]
        drawn = Drawn(
            pictures={name: list(done[name].pictures) for name in own},
            measured=self.measured,
            problems={**self.problems, **{name: problems[name] for name in own if name in problems}},
        )
        of_measures = {name.removeprefix(_MEASURE): figures for name, figures in done.items() if name not in own}
        return drawn, self.shown.with_figures(of_measures)


def begin_figures(study: Study, planned: Contrasts, folder: Path, shown: Shown, *, workers: int | None = None) -> Begun:
    """Begin to draw every figure that the runs have something for; one that fails leaves the others standing.

    Args:
        study: whose figures.
        planned: its contrasts by PSNR.
        folder: where figures go.
        shown: the measures, whose figures are drawn beside the study's own.
        workers: processes that draw (`reports.drawing.Drawing`).
    """
    problems: dict[str, str] = {}
    psnr = study.analysis(schema.PSNR)
    try:
        measured = tsne.measure(study)
    except Exception as error:  # a run's odd content must not cost the reader the rest of the report
        measured, problems["features"] = [], f"{type(error).__name__}: {error}"
    separation = shown.section(SEPARATION)
    controls = NOT_MEASURED if separation is None else texts(separation.sentences)
    # named as the page shows them; the caller begins with the last, and has t-SNE imported for its own measures
    jobs = {
        "forest": [Job(draw=forest.draw, given=(planned, folder))],
        "axis": [Job(draw=axis.draw, given=(study, psnr, folder))],
        "crops": [Job(draw=one.draw, given=(study, folder), long=True) for one in (crops, errors)],
        "differences": [Job(draw=differences.draw, given=(study, psnr, folder), long=True)],
        "maps": [Job(draw=maps.draw, given=(study, folder), long=True)],
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
    jobs |= {f"{_MEASURE}{name}": list(own) for name, own in shown.jobs.items()}
    return Begun(drawing=Drawing(jobs, workers=workers), shown=shown, measured=measured, problems=problems)


def _document(study: Study, tables: list[tuple[str, str]], found: Verdict, drawn: Drawn, measured: Shown) -> str:
    """The LaTeX document of the same tables, figures and sentences as the page."""
    tabulars = [tex.Tabular(title=title, code=code) for title, code in tables]
    contrasts = tex.contrasts(found.contrasts)
    if contrasts:
        note = "PSNR in dB with simultaneous 95% intervals, for other training runs and other photographs."
        tabulars.insert(1, tex.Tabular(title="Planned contrasts", code=contrasts, notes=(note,)))
    return tex.document(
        study,
        said=(found.headline, *found.sentences),
        facts=page.facts(study),
        remarks=[*page.remarks(study), *(f"A figure could not be drawn: {p}" for p in drawn.problems.values())],
        tables=tabulars,
        pictures=[picture for pictures in drawn.pictures.values() for picture in pictures],
        measures=measured.sections,
    )


def _write_runs(study: Study, path: Path) -> None:
    """Every run in a file where the page can't list them; where it can, no such file is left of a larger study."""
    table = provenance(study)
    if not page.lists_all(study):
        write_csv(path, table, "%.9g")
    elif path.is_file():
        with path.open(encoding="utf-8", errors="replace") as file:
            ours = file.readline().rstrip("\r\n") == ",".join(table.columns)
        if ours:
            path.unlink()


def _made(options: argparse.Namespace) -> Path:
    """What the command line asks for."""
    if options.all + (options.compare is not None) + (bool(options.runs) and not options.all) > 1:
        raise ValueError("RUNS, --all and --compare ask for different pages: name one of them.")
    if options.all:
        if len(options.runs) > 1:
            raise ValueError("--all takes one runs folder.")
        return build_index(options.runs[0] if options.runs else Path("runs"), options.out)
    if options.compare is not None:
        return build_comparison(options.compare[0], options.compare[1], options.out)
    if not options.runs:
        raise ValueError("Nothing named: give RUNS, --all, or --compare with two study folders.")
    return build_report(options.runs, options.out, as_tex=options.format == "tex", lang=options.lang, tell=_warn)


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0, or 2 with one line on standard error."""
    steady_output()
    parser = Parser(
        prog="python -m reports.build",
        description="Make one self-contained HTML page, tables (Markdown, LaTeX, CSV) and figures (PNG, SVG, PDF) "
        "from run folders. Nothing is trained and nothing is fetched.",
        epilog="Example: python -m reports.build runs/studies/gamma_sweep-demo-embedded",
    )
    parser.add_argument(
        "runs",
        nargs="*",
        type=Path,
        metavar="RUNS",
        help="a study folder, run folders, or a runs root with one study; with --all the runs root (default: runs)",
    )
    parser.add_argument("--all", action="store_true", help="an index page over all studies below RUNS")
    parser.add_argument(
        "--compare",
        nargs=2,
        type=Path,
        metavar=("REPORT_A", "REPORT_B"),
        help="two folders of one study, or of two that share variants: what moved from A to B, and whether it is more "
        "than noise",
    )
    parser.add_argument(
        "--format",
        choices=("html", "tex"),
        default="html",
        help="html: one page (default); tex: report.tex, a LaTeX document that compiles as it is",
    )
    parser.add_argument(
        "--lang",
        choices=tuple(LANGUAGES),
        default="en",
        help="zh: also a page in Chinese, report.zh.html (default: en)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to write (default: the study's folder; ./report for single runs; REPORT_B for a comparison)",
    )
    options = parser.parse_args(argv)
    try:
        if options.out is not None:
            require_folder(options.out, "--out")
        report = _made(options)
    except (OSError, ValueError) as error:
        print(f"error: {words_of(error, '--out')}", file=sys.stderr)
        return 2
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

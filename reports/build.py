"""Build a report: `python -m reports.build RUNS...`."""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from reports import page, schema, tex
from reports.compare import build_comparison
from reports.figures import axis, crops, curves, differences, errors, maps, masks, orders, style, tsne
from reports.figures.style import Picture
from reports.files import write_bytes, write_text
from reports.index import build_index
from reports.language import ENGLISH, LANGUAGES, language
from reports.load import check_comparable, load
from reports.measures.sections import Shown, show_measures
from reports.pairs import pairs_frame
from reports.parts import main_part, other_parts
from reports.render import render
from reports.reported.show import reported_latex, reported_markdown
from reports.reported.table import asked_setting, reported_table
from reports.stats import Bootstrap, collect
from reports.study import Study
from reports.tables import build_table, means_frame, to_latex, to_markdown
from reports.verdict import Verdict, verdict
from reports.viewer.show import interactive


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The page's figures by section; `problems` says which could not be drawn and why."""

    pictures: dict[str, list[Picture]]
    measured: list[tsne.Measured]
    problems: dict[str, str]


def build_report(paths: Iterable[Path], out_dir: Path | None = None, *, as_tex: bool = False, lang: str = "en") -> Path:
    """Make the report of a study or of runs.

    Args:
        paths: a study folder, run folders, or a runs root that holds at most one study.
        out_dir: where to write; the study's own folder by default, ./report for runs without one.
        as_tex: whether to write a LaTeX document instead of the page.
        lang: language of a second page beside the English one (reports/language.py); "en" for none.

    Returns:
        report.html (report.zh.html for `lang="zh"`) or report.tex. Beside it lie table.md, table.tex, means.csv,
        pairs.csv, figures/ (PNG, SVG, PDF) and, for runs with measures, measures/ (CSV).

    Raises:
        ValueError: nothing to report on, several studies, or numbers that can't be compared; the message is one line.
    """
    other = language(lang)
    whole = load(paths)
    study = main_part(whole)
    check_comparable(study)
    parts = [(part, build_table(part.study)) for part in other_parts(whole)]
    setting = asked_setting(whole)
    reported = None if setting is None else reported_table(whole, setting)
    out = Path(out_dir) if out_dir is not None else study.folder or Path("report")
    images = study.images()
    bootstraps = {m.name: Bootstrap(scores=collect(images, m.name)) for m in schema.METRICS}
    found = verdict(bootstraps[schema.PSNR], reference=study.reference)
    table = build_table(study)
    said = replace(table, notes=(*table.notes, found.headline, *found.sentences))
    besides = [(part.title, extra) for part, extra in parts]
    markdown = [to_markdown(said), *(f"\n## {title}\n\n{to_markdown(extra)}" for title, extra in besides)]
    markdown += [f"\n## Reported numbers\n\n{reported_markdown(reported)}"] if reported else []
    write_text(out / schema.TABLE_MD_FILE, "".join(markdown))
    latex = [to_latex(said), *(f"\n% {title}\n{to_latex(extra)}" for title, extra in besides)]
    latex += [f"\n% Reported numbers\n{reported_latex(reported)}"] if reported else []
    write_text(out / schema.TABLE_TEX_FILE, "".join(latex))
    _write_csv(means_frame(study, bootstraps), out / schema.MEANS_CSV_FILE)
    _write_csv(pairs_frame(found.pairs), out / schema.PAIRS_CSV_FILE)
    drawn = draw_all(study, bootstraps[schema.PSNR], out / schema.FIGURES_FOLDER)
    measured = show_measures(study, bootstraps[schema.PSNR], out)
    if as_tex:
        tables = [("Result", to_latex(table)), *((title, to_latex(extra)) for title, extra in besides)]
        tables += [("Reported numbers", reported_latex(reported))] if reported else []
        pages = _document(study, tables, found, drawn, measured)
        return write_text(out / schema.REPORT_TEX_FILE, pages)
    alive = interactive(study, [(study, table), *((part.study, extra) for part, extra in parts)])
    written = out / schema.REPORT_FILE
    for one in dict.fromkeys((ENGLISH, other)):
        text = render(study, table, found, drawn, parts, reported, measured, interactive=alive, language=one)
        written = write_text(out / one.file_name(schema.REPORT_FILE), text)
    return written


def draw_all(study: Study, bootstrap: Bootstrap, folder: Path) -> Drawn:
    """Draw every figure that the runs have something for; one that fails leaves the others standing."""
    pictures: dict[str, list[Picture]] = {}
    problems: dict[str, str] = {}
    measured: list[tsne.Measured] = []

    def features() -> Picture | None:
        measured.extend(tsne.measure(study))
        return tsne.draw(study, folder, measured)

    figures: dict[str, Callable[[], Picture | list[Picture] | None]] = {
        "axis": lambda: axis.draw(study, bootstrap, folder),
        "crops": lambda: _present(crops.draw(study, folder), errors.draw(study, folder)),
        "differences": lambda: differences.draw(study, bootstrap, folder),
        "maps": lambda: maps.draw(study, folder),
        "features": features,
        "orders": lambda: orders.draw(study, folder),
        "masks": lambda: masks.draw(study, folder),
        "curves": lambda: curves.draw(study, folder),
    }
    with style.settings():
        for section, draw in figures.items():
            try:
                made = draw()
            except Exception as error:  # a run's odd content must not cost the reader the rest of the report
                problems[section] = f"{type(error).__name__}: {error}"
                made = None
            pictures[section] = made if isinstance(made, list) else [made] if made is not None else []
    return Drawn(pictures=pictures, measured=measured, problems=problems)


def _present(*pictures: Picture | None) -> list[Picture]:
    return [picture for picture in pictures if picture is not None]


def _document(study: Study, tables: list[tuple[str, str]], found: Verdict, drawn: Drawn, measured: Shown) -> str:
    """The LaTeX document of the same tables, figures and sentences as the page."""
    tabulars = [tex.Tabular(title=title, code=code) for title, code in tables]
    differences = tex.against_reference(found.against_reference)
    if differences:
        note = "Difference of the average PSNR with its 95% interval (hierarchical paired bootstrap, uncorrected)."
        title = f"Against the reference, {study.reference}"
        tabulars.insert(1, tex.Tabular(title=title, code=differences, notes=(note,)))
    return tex.document(
        study,
        said=(found.headline, *found.sentences),
        facts=page.facts(study),
        remarks=[*page.remarks(study), *(f"A figure could not be drawn: {p}" for p in drawn.problems.values())],
        tables=tabulars,
        pictures=[picture for pictures in drawn.pictures.values() for picture in pictures],
        measures=measured.sections,
    )


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False, lineterminator="\n", float_format="%.6f")
    write_bytes(path, buffer.getvalue().encode("utf-8"))


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
    return build_report(options.runs, options.out, as_tex=options.format == "tex", lang=options.lang)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0, or 2 with one line on standard error."""
    parser = argparse.ArgumentParser(
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
        help="two folders of the same study: what moved from A to B, and whether it is more than noise",
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
        report = _made(options)
    except (OSError, ValueError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The page of costs: `python -m reports.efficiency TABLE.csv`. Reads the table that was measured; never torch."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from reports.console import Parser, steady_output, words_of
from reports.costs import Quality, load_study_of, qualities, read_costs
from reports.document import Picture
from reports.document.html import write_html
from reports.document.latex import to_latex
from reports.document.markdown import to_markdown
from reports.figures import cost, style
from reports.files import require_folder, write_text
from reports.labels import latex, markdown
from reports.language import LANGUAGES, languages
from reports.pages.costs import cost_tables, costs_document, remarks


def build_report(table: Path, *, study: Path | None = None, out: Path | None = None, lang: str = "en") -> Path:
    """Make the page of a table of costs.

    Args:
        table: the CSV.
        study: folder of a study (or of runs) whose average PSNR stands beside the costs.
        out: where to write; a folder beside the table, named like it, by default.
        lang: language of a second page beside the English one; "en" for none.

    Returns:
        report.html. Beside it lie table.md, table.tex and figures/ (PNG, SVG, PDF).

    Raises:
        ValueError: not a table of costs, or no study there; one line.
    """
    told_in = languages(lang)
    frame = read_costs(table)
    found = load_study_of(study) if study is not None else None
    quality = qualities(frame, found) if found is not None else {}
    out = out if out is not None else table.with_suffix("")
    tables, said = cost_tables(frame, quality), remarks(frame, quality, found)
    quoted = "".join(f"> {markdown(remark)}\n\n" for remark in said)
    write_text(out / "table.md", quoted + "\n".join(to_markdown(each, with_title=True) for each in tables))
    write_text(out / "table.tex", "\n".join([*(f"% {latex(line)}" for line in said), *map(to_latex, tables)]))
    pictures = _draw(frame, quality, out / "figures")
    document = costs_document(frame, tables, pictures, table, found, said)
    return write_html(document, out / "report.html", told_in)


def _draw(frame: pd.DataFrame, quality: dict[str, Quality], folder: Path) -> list[Picture]:
    found, macs_at, latency_at = cost.points(frame, quality)
    with style.settings():
        drawn = (
            cost.draw_quality(found, folder, macs_at=macs_at, latency_at=latency_at),
            cost.draw_time(found, folder, macs_at=macs_at, latency_at=latency_at),
        )
    return [picture for picture in drawn if picture is not None]


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0, or 2 with one line on standard error."""
    steady_output()
    parser = Parser(
        prog="python -m reports.efficiency",
        description="Make the page, tables (Markdown, LaTeX) and figures of a table of costs. Nothing is measured.",
        epilog="Example: python -m reports.efficiency runs/efficiency/cpu-demo.csv --psnr "
        "runs/studies/three_task-demo-embedded",
    )
    parser.add_argument("table", type=Path, metavar="TABLE", help="what `python -m ablations.efficiency` wrote")
    parser.add_argument("--psnr", type=Path, metavar="FOLDER", help="a study's folder: its average PSNR is shown")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where to write (default: a folder beside the table)")
    parser.add_argument("--lang", choices=tuple(LANGUAGES), default="en", help="zh: also a page in Chinese")
    options = parser.parse_args(argv)
    try:
        if options.out is not None:
            require_folder(options.out, "--out")
        report = build_report(options.table, study=options.psnr, out=options.out, lang=options.lang)
    except (OSError, ValueError) as error:
        print(f"error: {words_of(error, '--out')}", file=sys.stderr)
        return 2
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

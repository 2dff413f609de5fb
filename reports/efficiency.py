"""The page of costs: `python -m reports.efficiency TABLE.csv`. Reads the table that was measured; never torch."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from reports import html
from reports.console import Parser, steady_output, words_of
from reports.cost_grid import Grid, grids, points, remarks, to_latex, to_markdown
from reports.cost_rows import Quality, load_study_of, qualities, read_costs
from reports.figures import cost, style
from reports.figures.style import Picture
from reports.files import require_folder, write_text
from reports.study import Study


def build_report(table: Path, *, study: Path | None = None, out: Path | None = None) -> Path:
    """Make the page of a table of costs.

    Args:
        table: the CSV.
        study: folder of a study (or of runs) whose average PSNR stands beside the costs.
        out: where to write; a folder beside the table, named like it, by default.

    Returns:
        report.html. Beside it lie table.md, table.tex and figures/ (PNG, SVG, PDF).

    Raises:
        ValueError: not a table of costs, or no study there; one line.
    """
    frame = read_costs(table)
    found = load_study_of(study) if study is not None else None
    quality = qualities(frame, found) if found is not None else {}
    out = out if out is not None else table.with_suffix("")
    shown = grids(frame, quality)
    said = remarks(frame, quality, found)
    write_text(out / "table.md", to_markdown(shown, said))
    write_text(out / "table.tex", to_latex(shown, said))
    pictures = _draw(frame, quality, out / "figures")
    return write_text(out / "report.html", render(frame, shown, said, pictures, table, found))


def _draw(frame: pd.DataFrame, quality: dict[str, Quality], folder: Path) -> list[Picture]:
    found, macs_at, latency_at = points(frame, quality)
    with style.settings():
        drawn = (
            cost.draw_quality(found, folder, macs_at=macs_at, latency_at=latency_at),
            cost.draw_time(found, folder, macs_at=macs_at, latency_at=latency_at),
        )
    return [picture for picture in drawn if picture is not None]


def render(
    frame: pd.DataFrame, shown: list[Grid], said: list[str], pictures: list[Picture], table: Path, study: Study | None
) -> str:
    """The page as one HTML text that fetches nothing."""
    first = frame.iloc[0]
    psnr = "" if study is None or study.folder is None else f" --psnr {shlex.quote(str(study.folder))}"
    return html.page(
        "efficiency.html.j2",
        styles=("report.css",),
        scripts=("report.js",),
        facts=_facts(frame, study),
        grids=shown,
        remarks=said,
        pictures=pictures,
        has_psnr=any(picture.name == "psnr_cost" for picture in pictures),
        study=study,
        command=first["command"],
        rebuild=f"python -m reports.efficiency {shlex.quote(str(table))}{psnr}",
        table=table.name,
    )


def _facts(frame: pd.DataFrame, study: Study | None) -> list[tuple[str, str]]:
    first = frame.iloc[0]
    dirty = {"yes": " + uncommitted changes"}.get(str(first["dirty"]), "")
    sizes = "the demonstration's small ones, not those of papers" if first["budget"] == "demo" else "as published"
    facts = [
        ("Device", str(first["device"])),
        ("CPU threads", f"{first['threads']:.0f}"),
        ("PyTorch", str(first["torch"])),
        ("Python", str(first["python"])),
        ("Model sizes", f"{first['budget']}: {sizes}"),
        ("Models", str(frame["model"].nunique())),
        ("PSNR", f"study {study.name}, {study.data.get('name', '')}" if study is not None else "no study given"),
        ("Measured", str(first["at"])),
        ("Commit", f"{first['commit'] or 'unknown'}{dirty}"),
    ]
    return [(name, text) for name, text in facts if text not in ("", "nan")]


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
    options = parser.parse_args(argv)
    try:
        if options.out is not None:
            require_folder(options.out, "--out")
        report = build_report(options.table, study=options.psnr, out=options.out)
    except (OSError, ValueError) as error:
        print(f"error: {words_of(error, '--out')}", file=sys.stderr)
        return 2
    print(report)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The report of a table of costs (`python -m reports costs TABLE.csv`). Reads what was measured; never torch."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports.costs import Quality, load_study_of, qualities, read_costs
from reports.document import Picture
from reports.document.html import write_html
from reports.document.latex import to_latex
from reports.document.markdown import to_markdown
from reports.figures import cost, style
from reports.files import write_text
from reports.labels import latex, markdown
from reports.language import languages
from reports.pages.costs import cost_remarks, cost_tables, costs_document


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
    page_languages = languages(lang)
    frame = read_costs(table)
    found = load_study_of(study) if study is not None else None
    quality = qualities(frame, found) if found is not None else {}
    out = out if out is not None else table.with_suffix("")
    tables, said = cost_tables(frame, quality), cost_remarks(frame, quality, found)
    quoted = "".join(f"> {markdown(remark)}\n\n" for remark in said)
    write_text(out / "table.md", quoted + "\n".join(to_markdown(each, with_title=True) for each in tables))
    write_text(out / "table.tex", "\n".join([*(f"% {latex(line)}" for line in said), *map(to_latex, tables)]))
    pictures = _draw(frame, quality, out / "figures")
    document = costs_document(frame, tables, pictures, table, found, said)
    return write_html(document, out / "report.html", page_languages)


def _draw(frame: pd.DataFrame, quality: dict[str, Quality], folder: Path) -> list[Picture]:
    found, macs_at, latency_at = cost.points(frame, quality)
    with style.settings():
        drawn = (
            cost.draw_quality(found, folder, macs_at=macs_at, latency_at=latency_at),
            cost.draw_time(found, folder, macs_at=macs_at, latency_at=latency_at),
        )
    return [picture for picture in drawn if picture is not None]

"""The report of a table of costs (`python -m reports costs TABLE.csv`). Reads what was measured; never torch."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from reports import layout
from reports.costs import ModelQuality, load_study_of, qualities, read_costs
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
        study: folder of a study (or of runs) whose average PSNR is shown beside the costs.
        out: where to write; a folder beside the table, named like it, by default.
        lang: language of a second page beside the English one; "en" for none.

    Returns:
        report.html. Beside it are table.md, table.tex and figures/ (PNG, SVG, PDF).

    Raises:
        ValueError: not a table of costs, or no study there; one line.
    """
    page_languages = languages(lang)
    frame = read_costs(table)
    loaded_study = load_study_of(study) if study is not None else None
    quality = qualities(frame, loaded_study) if loaded_study is not None else {}
    out = out if out is not None else table.with_suffix("")
    tables, warnings = cost_tables(frame, quality), cost_remarks(frame, quality, loaded_study)
    quoted = "".join(f"> {markdown(remark)}\n\n" for remark in warnings)
    write_text(
        out / layout.TABLE_MD_FILE,
        quoted + "\n".join(to_markdown(cost_table, with_title=True) for cost_table in tables),
    )
    write_text(
        out / layout.TABLE_TEX_FILE, "\n".join([*(f"% {latex(line)}" for line in warnings), *map(to_latex, tables)])
    )
    pictures = _draw_figures(frame, quality, out / layout.FIGURES_FOLDER)
    document = costs_document(frame, tables, pictures, table, loaded_study, warnings)
    return write_html(document, out / layout.REPORT_FILE, page_languages)


def _draw_figures(frame: pd.DataFrame, quality: dict[str, ModelQuality], folder: Path) -> list[Picture]:
    points, macs_at, latency_at = cost.points(frame, quality)
    with style.settings():
        pictures = (
            cost.draw_quality(points, folder, macs_at=macs_at, latency_at=latency_at),
            cost.draw_time(points, folder, macs_at=macs_at, latency_at=latency_at),
        )
    return [picture for picture in pictures if picture is not None]

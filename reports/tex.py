"""The report as a LaTeX document that compiles as it is: booktabs tables and PDF figures.

It needs nothing beyond booktabs, geometry, graphicx and iftex, which every TeX distribution has. Its parts are meant to
be copied into a paper.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from reports import schema
from reports.contrasts import Contrasts
from reports.figures.style import Picture
from reports.labels import condition_label, latex
from reports.measures.section import Grid, Section
from reports.stats import AVERAGE
from reports.study import Study
from reports.wording import show, show_p, show_seeds, show_size

_TEXT_WIDTH_IN = 6.6
_ROWS_A_TABLE = 44  # more would not fit a page
_PREAMBLE = r"""\documentclass[10pt]{article}
\usepackage[a4paper,margin=2.1cm]{geometry}
\usepackage{iftex}
\ifPDFTeX
  \usepackage[T1]{fontenc}
  \usepackage[utf8]{inputenc}
  \IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\fi
\usepackage{booktabs}
\usepackage{graphicx}
\setlength{\parindent}{0pt}
\setlength{\parskip}{0.5em}
\emergencystretch=3em
% a table as wide as it is, or as wide as the text where it would stick out
\newsavebox{\tablebox}
\newenvironment{fitted}{\begin{lrbox}{\tablebox}}{\end{lrbox}%
  \ifdim\wd\tablebox>\linewidth\resizebox{\linewidth}{!}{\usebox{\tablebox}}\else\usebox{\tablebox}\fi}
"""
_SYMBOLS = {
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
    "\N{ALMOST EQUAL TO}": r"$\approx$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MIDDLE DOT}": r"$\cdot$",
    "\N{RIGHTWARDS ARROW}": r"$\rightarrow$",
    "\N{SUPERSCRIPT TWO}": r"\textsuperscript{2}",
    "\N{SUPERSCRIPT THREE}": r"\textsuperscript{3}",
    "\N{DEGREE SIGN}": r"$^\circ$",
    "\N{GREEK SMALL LETTER TAU}": r"$\tau$",
    "\N{GREEK SMALL LETTER RHO}": r"$\rho$",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
    "\N{LEFT SINGLE QUOTATION MARK}": "`",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{SOFT HYPHEN}": r"\-",
}


@dataclass(frozen=True, kw_only=True)
class Tabular:
    """A table with its heading; `code` is LaTeX (comments at its end become the notes below), all else plain text."""

    title: str
    code: str
    notes: tuple[str, ...] = ()


def document(
    study: Study,
    *,
    said: Sequence[str],
    facts: Iterable[tuple[str, str]],
    remarks: Sequence[str],
    tables: Sequence[Tabular],
    pictures: Sequence[Picture],
    measures: Sequence[Section],
) -> str:
    """The whole document.

    Args:
        study: of the report.
        said: headline and sentences of its verdict.
        facts: (name, text) pairs: what was asked, under which terms.
        remarks: what a reader must know before believing a number.
        tables: in order.
        pictures: their PDF files lie in the figures' folder beside the document.
        measures: the sections of the measures.
    """
    lines = [_PREAMBLE, r"\begin{document}", rf"\section*{{{text(study.title)}}}"]
    if study.question:
        lines.append(rf"\textit{{{text(study.question)}}}")
    lines += ["", *(rf"\textbf{{{text(line)}}}" for line in said[:1]), *_items([text(line) for line in said[1:]])]
    lines += [r"\subsection*{What was asked}", *_items([rf"{text(n)}: {text(t)}" for n, t in facts])]
    lines += [rf"\textbf{{Remark.}} {text(remark)}" + "\n" for remark in remarks]
    for table in tables:
        lines += [*_table(table), ""]
    lines += [*(line for picture in pictures for line in _figure(picture)), r"\clearpage", ""]
    for section in measures:
        lines += _measure(section)
    return "\n".join([*lines, r"\end{document}", ""])


def contrasts(found: Contrasts) -> str:
    """The planned contrasts as a booktabs table, tasks beside the average; "" for none."""
    on_average = found.of()
    if not on_average:
        return ""
    heads = ["Contrast", condition_label(AVERAGE), "$p$ (adjusted)", "Differs", "MDD (dB)", "Seeds needed"]
    rows = []
    for t in on_average:
        told = [text(show(t.simultaneous)), text(show_p(t.p_adjusted)), "yes" if t.differs else "no"]
        by_task = [text(show(one.simultaneous)) for one in found.by_task(t.contrast).values()]
        rows.append((text(t.contrast.label), *told, text(show_size(t.mdd)), text(show_seeds(t)), *by_task))
    heads += [text(condition_label(task)) for task in found.tasks]
    return _tabular("lrrlrr" + "r" * len(found.tasks), heads, rows)


def text(plain: str) -> str:
    """Plain text for any of the engines; a character that pdfLaTeX's fonts lack becomes its code point, [U+4E2D]."""
    return "".join(_character(c) for c in latex(plain))


def _character(c: str) -> str:
    if c in _SYMBOLS:
        return _SYMBOLS[c]
    return c if ord(c) < 0x180 and c.isprintable() else f"{{[}}U+{ord(c):04X}]"


def _items(lines: Sequence[str]) -> list[str]:
    return (
        [r"\begin{itemize}\setlength{\itemsep}{0pt}", *(rf"\item {line}" for line in lines), r"\end{itemize}"]
        if lines
        else []
    )


def _table(table: Tabular) -> list[str]:
    """Each tabular of the code under one heading, and what its comments say below the last."""
    lines = [rf"\subsection*{{{text(table.title)}}}"]
    comments = [text(note) for note in table.notes]
    for line in table.code.splitlines():
        if line.startswith("%"):
            comments += [] if line.startswith("% needs") else [_known(line[1:].strip())]
        elif line.startswith(r"\begin{tabular}"):
            lines += [r"\begin{center}\begin{fitted}", _known(line)]
        elif line.startswith(r"\end{tabular}"):
            lines += [line, r"\end{fitted}\end{center}"]
        elif line.strip():
            lines.append(_known(line))
    return [*lines, *(rf"{{\small {c}}}" + r"\par" for c in comments if c)]


def _known(code: str) -> str:
    """LaTeX code with characters that the fonts lack made known; what is escaped already stays."""
    return "".join(_character(c) for c in code)


def _figure(picture: Picture) -> list[str]:
    width = rf"{picture.width_in:.2f}in" if picture.width_in < _TEXT_WIDTH_IN else r"\linewidth"
    return [
        r"\begin{figure}[htbp]",
        r"\centering",
        rf"\includegraphics[width={width},height=0.78\textheight,keepaspectratio]"
        rf"{{{schema.FIGURES_FOLDER}/{picture.name}.pdf}}",
        rf"\caption{{{text(picture.title)}. {text(picture.caption)}}}",
        rf"\label{{fig:{_label(picture.name)}}}",
        r"\end{figure}",
    ]


def _measure(section: Section) -> list[str]:
    lines = [rf"\section*{{{text(section.title)}}}"]
    lines += [text(" ".join(section.sentences)), "", rf"{{\small {text(section.note)}}}\par"]
    for grid in section.grids:
        lines += _grid(grid)
    return [*lines, *(line for picture in section.pictures for line in _figure(picture)), r"\clearpage", ""]


def _grid(grid: Grid) -> list[str]:
    columns = "".join("r" if head.is_number else "l" for head in grid.heads)
    heads = [text(head.text) for head in grid.heads]
    rows = [[text(value.full) for value in row] for row in grid.rows]
    parts = [rows[start : start + _ROWS_A_TABLE] for start in range(0, len(rows), _ROWS_A_TABLE)]
    code = "\n".join(_tabular(columns, heads, part) for part in parts)
    return _table(Tabular(title=grid.title, code=code, notes=(grid.caption,)))


def _tabular(columns: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", " & ".join(heads) + r" \\", r"\midrule"]
    return "\n".join([*lines, *(" & ".join(row) + r" \\" for row in rows), r"\bottomrule", r"\end{tabular}"])


def _label(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)

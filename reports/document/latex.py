"""Tables for a paper: booktabs in a two-column float with caption and label, as in CVPR's template.

They need the packages booktabs and, in pdfLaTeX, inputenc and fontenc as every template loads them. What a font lacks
is written as a command, or as its code point.
"""

from __future__ import annotations

from itertools import groupby

from reports.document.model import Cell, Column, Row, Table
from reports.labels import latex

PACKAGES = "% needs \\usepackage{booktabs} and, for check marks, \\usepackage{amssymb}"
_WRAPS = {1: r"\textbf{%s}", 2: r"\underline{%s}"}
_SYMBOLS = {
    "\N{LESS-THAN OR EQUAL TO}": r"$\leq$",
    "\N{GREATER-THAN OR EQUAL TO}": r"$\geq$",
    "\N{ALMOST EQUAL TO}": r"$\approx$",
    "\N{MULTIPLICATION SIGN}": r"$\times$",
    "\N{PLUS-MINUS SIGN}": r"$\pm$",
    "\N{MIDDLE DOT}": r"$\cdot$",
    "\N{RIGHTWARDS ARROW}": r"$\rightarrow$",
    "\N{UPWARDS ARROW}": r"$\uparrow$",
    "\N{DOWNWARDS ARROW}": r"$\downarrow$",
    "\N{CHECK MARK}": r"\checkmark",
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
    "\N{NO-BREAK SPACE}": "~",
    "\N{SOFT HYPHEN}": r"\-",
}


def to_latex(table: Table) -> str:
    """The table as a `table*`; columns of one group share a head with a rule."""
    columns = "".join("r" if column.is_number else "l" for column in table.columns)
    lines = [PACKAGES, r"\begin{table*}[t]", r"\centering", r"\scriptsize", r"\setlength{\tabcolsep}{2pt}"]
    caption = " ".join(escape_text(line) for line in (f"{table.title}.", table.caption, *table.notes) if line)
    lines += [rf"\caption{{{caption}}}", rf"\label{{tab:{table.name}}}"]
    lines += [rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}", r"\toprule", *_heads(table.columns)]
    for number, rows in enumerate(table.bodies):
        lines += [r"\midrule"] if not number or not rows[0].heading else []
        for row in rows:
            lines += [r"\midrule"] if row.heading and number else []
            lines.append(_row(row, table.columns) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table*}", ""])


def escape_text(plain: str) -> str:
    """Plain text for any engine; a character that pdfLaTeX's fonts lack becomes its code point, [U+4E2D]."""
    return "".join(_escape_character(c) for c in latex(plain))


def _escape_character(c: str) -> str:
    if c in _SYMBOLS:
        return _SYMBOLS[c]
    return c if ord(c) < 0x180 and c.isprintable() else f"{{[}}U+{ord(c):04X}]"


def _heads(columns: tuple[Column, ...]) -> list[str]:
    heads = " & ".join(escape_text(column.head) for column in columns) + r" \\"
    if not any(column.group for column in columns):
        return [heads]
    group_heads, rules, first_column = [], [], 1
    for group, members in groupby(columns, key=lambda column: column.group):
        n = len(list(members))
        group_heads.append(rf"\multicolumn{{{n}}}{{c}}{{{escape_text(group)}}}" if group else " & " * (n - 1))
        rules += [rf"\cmidrule(lr){{{first_column}-{first_column + n - 1}}}"] if group else []
        first_column += n
    return [" & ".join(group_heads) + r" \\", "".join(rules), heads]


def _row(row: Row, columns: tuple[Column, ...]) -> str:
    if row.heading:
        return rf"\multicolumn{{{len(columns)}}}{{@{{}}l}}{{\textit{{{escape_text(row.heading)}}}}}"
    return " & ".join(_cell(cell, column) for cell, column in zip(row.cells, columns, strict=True))


def _cell(cell: Cell, column: Column) -> str:
    if cell.numbers and not cell.text:
        printed = " / ".join(_WRAPS.get(n.rank, "%s") % escape_text(n.text or "-") for n in cell.numbers)
        return printed + "".join(rf"{{\tiny {escape_text(line)}}}" for line in cell.below)
    marks = rf"\textsuperscript{{{','.join(map(str, cell.marks))}}}" if cell.marks else ""
    cell_text = escape_text(cell.full) or ("--" if column.is_number else "")
    return (rf"\textbf{{{cell_text}}}" if "strong" in cell.style else cell_text) + marks

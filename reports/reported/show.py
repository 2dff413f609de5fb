"""A `ReportedTable` as Markdown and LaTeX; the page's template shows it as HTML."""

from __future__ import annotations

from reports.labels import latex, markdown
from reports.reported.table import Group, Line, ReportedTable
from reports.tables import latex_cell, markdown_cell
from reports.wording import metric_note

_FIRST, _LAST = "Method or variant", "Where from"
_MARKS = "Bold: best of the group. Underlined: second. Equal prints share the mark."


def reported_markdown(table: ReportedTable) -> str:
    """The table as GitHub's Markdown: warnings first, one table for each block, remarks numbered below."""
    lines = [f"**{markdown(w)}**\n" for w in table.warnings]
    for block in table.blocks:
        heads = [_FIRST, *block[0].heads, _LAST]
        lines.append("| " + " | ".join(map(markdown, heads)) + " |")
        lines.append("|---|" + "---:|" * len(block[0].heads) + "---|")
        for group in block:
            # Markdown knows no row groups: a row without numbers stands for the group's head.
            lines.append(f"| *{markdown(group.title)}* |" + " |" * (len(heads) - 1))
            lines += [_markdown_row(line) for line in group.lines]
        lines.append("")
    lines += [f"{line}  " for line in map(markdown, (f"{metric_note()}. {_MARKS}", *table.notes))]
    lines += ["", *(f"{number}. {markdown(remark)}" for number, remark in enumerate(table.remarks, start=1))]
    return "\n".join(lines).rstrip() + "\n"


def _markdown_row(line: Line) -> str:
    marks = f" <sup>{','.join(map(str, line.marks))}</sup>" if line.marks else ""
    cells = [markdown(line.label) + marks, *map(markdown_cell, line.cells), markdown(line.aside)]
    return "| " + " | ".join(cells) + " |"


def reported_latex(table: ReportedTable) -> str:
    """The table for a paper (booktabs), one tabular for each block; warnings and remarks are comments."""
    lines = [r"% needs \usepackage{booktabs}", *(f"% {latex(w)}" for w in table.warnings)]
    for block in table.blocks:
        heads = block[0].heads
        lines += [rf"\begin{{tabular}}{{l{'c' * len(heads)}l}}", r"\toprule"]
        lines.append(" & ".join(map(latex, (_FIRST, *heads, _LAST))) + r" \\")
        for group in block:
            lines += _latex_group(group)
        lines += [r"\bottomrule", r"\end{tabular}", ""]
    lines += [f"% {latex(line)}" for line in (f"{metric_note()}. {_MARKS}", *table.notes)]
    lines += [f"% {number}. {latex(remark)}" for number, remark in enumerate(table.remarks, start=1)]
    return "\n".join(lines) + "\n"


def _latex_group(group: Group) -> list[str]:
    lines = [r"\midrule", rf"\multicolumn{{{len(group.heads) + 2}}}{{l}}{{\textit{{{latex(group.title)}}}}} \\"]
    for line in group.lines:
        marks = rf"\textsuperscript{{{','.join(map(str, line.marks))}}}" if line.marks else ""
        cells = [latex(line.label) + marks, *map(latex_cell, line.cells), latex(line.aside)]
        lines.append(" & ".join(cells) + r" \\")
    return lines

"""Names as a reader sees them, and their escaping for Markdown and LaTeX (HTML escapes in Jinja2)."""

from __future__ import annotations

import re

from reports import schema
from reports.stats import AVERAGE, TASK_AVERAGE

SIGMA = "\N{GREEK SMALL LETTER SIGMA}"
GAMMA = "\N{GREEK SMALL LETTER GAMMA}"

_AVERAGES = {AVERAGE: "Average (columns)", TASK_AVERAGE: "Average (tasks)"}
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # first in a table's row, both would be read as an argument of the line break before
    "*": "{*}",
    "\N{MINUS SIGN}": "$-$",
    SIGMA: r"$\sigma$",
    GAMMA: r"$\gamma$",
}


def condition_label(condition: str) -> str:
    """A condition for a column head: "rain" -> "Rain"; a name that is not known stays as it is.

    Rain's strength is its number of drops in percent of the usual ("rain-200"); two degradations at once are joined
    by a plus sign ("rain+noise-25").
    """
    if condition in _AVERAGES:
        return _AVERAGES[condition]
    if "+" in condition:
        first, *others = (condition_label(part) for part in condition.split("+"))
        return " + ".join([first, *(in_sentence(other) for other in others)])
    task = schema.task_of(condition)
    return schema.task_style(task).named(condition[len(task) + 1 :])


def task_label(task: str) -> str:
    """A task inside a sentence: "blur" -> "motion blur"."""
    return in_sentence(schema.task_style(task).label)


def in_sentence(label: str) -> str:
    """A label inside a sentence: "Low light" -> "low light"; an abbreviation ("JPEG") stays as it is."""
    if label[1:2].isupper():
        return label
    return label[:1].lower() + label[1:]


def axis_label(name: str) -> str:
    """A study's axis for a figure: gamma as its Greek letter."""
    return f"perturbation factor {GAMMA}" if name == "gamma" else name


def markdown(text: str) -> str:
    """Text that Markdown (GitHub's) shows as it is, on one line; underscores inside a word need no escape there."""
    return re.sub(r"([\\|`*<>\[\]])", r"\\\1", " ".join(text.split()))


def latex(text: str) -> str:
    """Text that LaTeX sets as it is, on one line; other control characters vanish."""
    line = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return "".join(_LATEX.get(c, c) for c in line)

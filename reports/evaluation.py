"""The page of one evaluation: `python -m reports.evaluation FOLDER`. Reads what was measured; never torch."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import UndefinedError

from reports import schema
from reports.console import Parser, steady_output, words_of
from reports.files import write_text
from reports.labels import condition_label
from reports.verdict import signed

EVALUATION_FILE, PAGE_FILE = "evaluation.json", "evaluation.html"
_DASH = "\N{EN DASH}"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of the confusion matrix: images, their share of the row (also in tenths, 0 to 10), whether it is right."""

    count: int
    share: str
    tenths: int
    right: bool


def build_page(folder: Path) -> Path:
    """Write evaluation.html beside an evaluation.json.

    Args:
        folder: what `python -m ablations.evaluate --out` wrote.

    Returns:
        The page, which fetches nothing.

    Raises:
        ValueError: no evaluation there; one line.
    """
    path = folder / EVALUATION_FILE
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return write_text(folder / PAGE_FILE, render(found))
    except FileNotFoundError as error:
        raise ValueError(
            f"{folder} holds no {EVALUATION_FILE}: name the --out folder of ablations.evaluate."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, UndefinedError) as error:
        raise ValueError(f"{path} is no evaluation ({type(error).__name__}: {error}): evaluate again.") from error


def render(found: dict[str, Any]) -> str:
    """The page of an evaluation (the content of evaluation.json) as HTML text."""
    from reports import html  # with the figures' libraries, 70 MB: for a page alone

    schema.declare_tasks(found.get("task_styles") or [])
    guess = found["guess"]
    return html.page(
        "evaluation.html.j2",
        styles=("report.css", "evaluation.css"),
        scripts=("report.js",),
        filters={"condition": condition_label, "number": number, "signed": _signed},
        found=found,
        facts=_facts(found),
        guess=guess,
        verdict=headline(guess) if guess else "",
        matrix=matrix(guess["confusion"]) if guess else {},
    )


def headline(guess: dict[str, Any]) -> str:
    """What guessing costs, in a sentence, said only as firmly as the interval allows."""
    line = guess["costs"][-1]
    what = "on average over the columns" if len(guess["costs"]) > 1 else f"on {condition_label(line['condition'])}"
    right = f"{guess['right']} of {guess['images']} guesses are right."
    difference, low, high = (line[key] for key in ("difference_db", "low_db", "high_db"))
    if difference is None:
        return f"{right} What they cost can't be said: no image has a finite PSNR."
    if guess["right"] == guess["images"]:
        return f"{right} Guessing costs nothing here: {signed(0.0)} dB."
    by = f"{signed(difference)} dB {what}"
    if low is None:
        return f"{right} They change PSNR by {by}; there are too few photographs for an interval."
    interval = f"95 % interval [{signed(low)}, {signed(high)}]"
    if low <= 0 <= high:
        return f"{right} They change PSNR by {by}, {interval}: not told apart from no change by these photographs."
    return (
        f"{right} Told the guess instead of the truth, the model {'loses' if high < 0 else 'gains'}: {by}, {interval}."
    )


def matrix(confusion: dict[str, dict[str, int]]) -> dict[str, list[Cell]]:
    """Rows of the confusion matrix with each cell's share of its row."""
    rows = {}
    for true, counts in confusion.items():
        total = sum(counts.values())
        rows[true] = [
            Cell(
                count=count,
                share=f"{count / total:.0%}" if total else _DASH,
                # anything at all is shaded, and only a whole row is shaded fully
                tenths=0 if not count else max(1, math.floor(10 * count / total)),
                right=name == true,
            )
            for name, count in counts.items()
        ]
    return rows


def number(value: float | None, digits: int = 2) -> str:
    """A number, or a dash where it is not finite."""
    return _DASH if value is None else f"{value:.{digits}f}"


def _signed(value: float | None, digits: int = 2) -> str:
    return _DASH if value is None else signed(value, digits)


def _facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    weights, around, rules = found["weights"], found.get("environment", {}), found["protocol"]
    dirty = " + uncommitted changes" if around.get("dirty") else ""
    facts = [
        ("Model", found["model"]),
        ("Run", found["run_id"] if weights["layout"] == "own" else ""),
        ("Settings", ", ".join(f"{key} = {value}" for key, value in found["config"].items())),
        ("Weights", f"{weights['file']} ({weights['layout']})" if weights["sha256"] else "none needed"),
        ("SHA-256", weights["sha256"]),
        ("Told", found["told"]),
        ("Images", found["data"] + (f"; the first {found['limit']} of each" if found["limit"] else "")),
        ("Not scored", "; ".join(f"{each['image']} ({each['reason']})" for each in found.get("refused", ()))),
        ("Protocol", f"{rules['label']}: {rules['summary']}"),
        ("Device", str(around.get("device", ""))),
        ("Commit", f"{around['commit']}{dirty}" if around.get("commit") else ""),
    ]
    return [(name, text) for name, text in facts if text]


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0, or 2 with one line on standard error."""
    steady_output()
    parser = Parser(
        prog="python -m reports.evaluation",
        description="Make the page of an evaluation again from its evaluation.json. Nothing is measured.",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="what `python -m ablations.evaluate --out` wrote")
    options = parser.parse_args(argv)
    try:
        page = build_page(options.folder)
    except (OSError, ValueError) as error:
        print(f"error: {words_of(error)}", file=sys.stderr)
        return 2
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())

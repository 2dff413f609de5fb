"""The page of one evaluation (`python -m reports evaluation FOLDER`). Reads what was measured; never torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reports import schema
from reports.labels import condition_label
from reports.language import languages
from reports.messages import message, sentences
from reports.wording import signed

EVALUATION_FILE, PAGE_FILE = "evaluation.json", "evaluation.html"
_DASH = "\N{EN DASH}"


def build_page(folder: Path, out: Path | None = None, *, lang: str = "en") -> Path:
    """Write evaluation.html beside an evaluation.json.

    Args:
        folder: what `python -m ablations.evaluate --out` wrote.
        out: where to write; the folder itself by default.
        lang: language of a second page beside the English one; "en" for none.

    Returns:
        The page, which fetches nothing.

    Raises:
        ValueError: no evaluation there; one line.
    """
    from reports.document.html import write_html  # Jinja is for the page alone
    from reports.pages.evaluation import evaluation_document

    path, told_in = folder / EVALUATION_FILE, languages(lang)
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema.declare_tasks(found.get("task_styles") or [])
        return write_html(evaluation_document(found), (out or folder) / PAGE_FILE, told_in)
    except FileNotFoundError as error:
        raise ValueError(
            f"{folder} holds no {EVALUATION_FILE}: name the --out folder of ablations.evaluate."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no evaluation ({type(error).__name__}: {error}): evaluate again.") from error


def headline(guess: dict[str, Any]) -> str:
    """What guessing costs, in a sentence, said only as firmly as the interval allows."""
    line = guess["costs"][-1]
    right = message("{n} of {all} guesses are right.", n=guess["right"], all=guess["images"])
    difference, low, high = (line[key] for key in ("difference_db", "low_db", "high_db"))
    if difference is None:
        return sentences([right, message("What they cost can't be said: no image has a finite PSNR.")])
    if guess["right"] == guess["images"]:
        return sentences([right, message("Guessing costs nothing here: {zero} dB.", zero=signed(0.0))])
    told: dict[str, Any] = {
        "change": signed(difference),
        "where": message("on average over the columns")
        if len(guess["costs"]) > 1
        else message("on {condition}", condition=condition_label(line["condition"])),
    }
    if low is None:
        few = message("They change PSNR by {change} dB {where}; there are too few photographs for an interval.", **told)
        return sentences([right, few])
    told["interval"] = f"[{signed(low)}, {signed(high)}]"
    if low <= 0 <= high:
        pattern = message(
            "They change PSNR by {change} dB {where}, 95% interval {interval}: not told apart from no change by these "
            "photographs.",
            **told,
        )
    elif high < 0:
        pattern = message(
            "Told the guess instead of the truth, the model loses: {change} dB {where}, 95% interval {interval}.",
            **told,
        )
    else:
        pattern = message(
            "Told the guess instead of the truth, the model gains: {change} dB {where}, 95% interval {interval}.",
            **told,
        )
    return sentences([right, pattern])


def number(value: float | None, digits: int = 2) -> str:
    """A number, or a dash where it is not finite."""
    return _DASH if value is None else f"{value:.{digits}f}"

"""Cost of predicting an image's degradation instead of knowing it: tables from one row per image.

A conditioned model restores each image twice, conditioned on the true and on the predicted degradation. Differences
are paired over images; their intervals are clustered by photograph, as everywhere in the reports.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from reports.formatting import format_signed
from reports.labels import condition_label
from reports.messages import join_sentences, message
from reports.schema import PSNR, condition_sort_key
from reports.stats import AVERAGE, Analysis, collect

_DASH = "\N{EN DASH}"
GUESSES_FILE, COSTS_FILE, CONFUSION_FILE = "guesses.csv", "guess_costs.csv", "guess_confusion.csv"

COLUMNS = {
    "dataset": "str",
    "image": "str",
    "scene": "str",
    "condition": "str",
    "guessed": "str",
    "confidence": "float64",
    "psnr_db": "float64",
    "psnr_guess_db": "float64",
    "input_psnr_db": "float64",
}
"""Columns of the rows: `condition` is the true degradation, `confidence` the prediction's (0 to 1), `psnr_db` is
conditioned on the true and `psnr_guess_db` on the predicted degradation, `input_psnr_db` is of the degraded image."""


@dataclass(frozen=True, kw_only=True)
class GuessCost:
    """Of one condition, or of the average over the conditions.

    Attributes:
        condition: its name, or `average`.
        images: how many.
        right: of them, correctly classified.
        psnr_db: mean with the true degradation; images with an infinite PSNR are excluded from all means.
        psnr_guess_db: mean with the predicted degradation.
        difference_db: the second minus the first: below zero where predictions cost PSNR.
        low_db: of the 95 % interval of the difference; NaN where there are too few photographs.
        high_db: the same.
        wrong_db: mean difference over the misclassified images; NaN where there is none.
    """

    condition: str
    images: int
    right: int
    psnr_db: float
    psnr_guess_db: float
    difference_db: float
    low_db: float
    high_db: float
    wrong_db: float


def compute_costs(rows: pd.DataFrame) -> list[GuessCost]:
    """A line for each condition, and the average over the conditions where there are several.

    Args:
        rows: with `COLUMNS`.
    """
    scores = collect(_to_long_format(rows))
    analysis = Analysis(scores=scores)
    conditions = list(scores.conditions)
    names = [*conditions, AVERAGE] if len(conditions) > 1 else conditions
    lines = []
    for name in names:
        selected = rows if name == AVERAGE else rows[rows["condition"] == name]
        difference = analysis.difference("guess", "truth", name)
        wrong = selected[selected["condition"] != selected["guessed"]]
        losses = (wrong["psnr_guess_db"] - wrong["psnr_db"]).replace([np.inf, -np.inf], np.nan)
        lines.append(
            GuessCost(
                condition=name,
                images=len(selected),
                right=len(selected) - len(wrong),
                psnr_db=analysis.estimate("truth", name).value,
                psnr_guess_db=analysis.estimate("guess", name).value,
                difference_db=difference.value,
                low_db=difference.low,
                high_db=difference.high,
                wrong_db=float(losses.mean()),
            )
        )
    return lines


def _to_long_format(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows as those of two models of one seed, so that the reports' statistics apply."""
    parts = []
    for variant, column in (("truth", "psnr_db"), ("guess", "psnr_guess_db")):
        part = rows[["dataset", "image", "scene", "condition"]].assign(
            variant=variant, seed=0, metric=PSNR, value=rows[column], input_value=rows["input_psnr_db"]
        )
        # differences of infinite PSNR are undefined: perfect images count as missing
        parts.append(part.replace([np.inf, -np.inf], np.nan))
    return pd.concat(parts, ignore_index=True)


def confusion_matrix(rows: pd.DataFrame, candidates: list[str]) -> pd.DataFrame:
    """Images by true (rows) and predicted (columns) condition.

    Args:
        rows: with `COLUMNS`.
        candidates: conditions that the classifier chooses from; each is a column, predicted or not.
    """
    true = sorted(rows["condition"].unique(), key=condition_sort_key)
    table = pd.crosstab(rows["condition"], rows["guessed"])
    table = table.reindex(
        index=true, columns=sorted({*candidates, *table.columns}, key=condition_sort_key), fill_value=0
    )
    return table.rename_axis(index="true", columns="guessed")


def summarize_guesses(rows: pd.DataFrame, candidates: list[str]) -> dict[str, Any]:
    """Costs and confusion for JSON; numbers that are not finite become None."""
    lines = compute_costs(rows)
    table = confusion_matrix(rows, candidates)
    return {
        "images": len(rows),
        "photographs": int((rows["dataset"] + "\n" + rows["scene"]).nunique()),
        "right": int((rows["condition"] == rows["guessed"]).sum()),
        "among": candidates,
        "costs": [{key: _none_if_not_finite(value) for key, value in asdict(line).items()} for line in lines],
        "confusion": {
            str(true): {str(name): int(count) for name, count in row.items()} for true, row in table.iterrows()
        },
    }


def guess_headline(guess: dict[str, Any]) -> str:
    """A sentence on the cost of predictions, as firm as the interval allows."""
    line = guess["costs"][-1]
    right = message("{n} of {all} images are classified correctly.", n=guess["right"], all=guess["images"])
    difference, low, high = (line[key] for key in ("difference_db", "low_db", "high_db"))
    if difference is None:
        return join_sentences(
            [right, message("The cost of using the predictions is undefined: no image has a finite PSNR.")]
        )
    if guess["right"] == guess["images"]:
        return join_sentences(
            [right, message("Using the predictions costs nothing here: {zero} dB.", zero=format_signed(0.0))]
        )
    values: dict[str, Any] = {
        "change": format_signed(difference),
        "where": message("on average over the columns")
        if len(guess["costs"]) > 1
        else message("on {condition}", condition=condition_label(line["condition"])),
    }
    if low is None:
        statement = message(
            "Using the predictions changes PSNR by {change} dB {where}; there are too few photographs for an interval.",
            **values,
        )
        return join_sentences([right, statement])
    values["interval"] = f"[{format_signed(low)}, {format_signed(high)}]"
    if low <= 0 <= high:
        statement = message(
            "Using the predictions changes PSNR by {change} dB {where}, 95% interval {interval}: no significant "
            "change.",
            **values,
        )
    elif high < 0:
        statement = message(
            "Conditioned on the predicted degradation instead of the true one, the model loses PSNR: {change} dB "
            "{where}, 95% interval {interval}.",
            **values,
        )
    else:
        statement = message(
            "Conditioned on the predicted degradation instead of the true one, the model gains PSNR: {change} dB "
            "{where}, 95% interval {interval}.",
            **values,
        )
    return join_sentences([right, statement])


def format_number(value: float | None, digits: int = 2) -> str:
    """A number, or a dash where it is not finite."""
    return _DASH if value is None else f"{value:.{digits}f}"


def costs_table(guess_summary: dict[str, Any]) -> pd.DataFrame:
    """The costs of a `summarize_guesses` as a table for CSV, with the share of correct predictions."""
    table = pd.DataFrame(guess_summary["costs"])
    table.insert(3, "share_right", table["right"] / table["images"])
    return table


def confusion_table(guess_summary: dict[str, Any]) -> pd.DataFrame:
    """The confusion of a `summarize_guesses` as a table for CSV."""
    return pd.DataFrame.from_dict(guess_summary["confusion"], orient="index").rename_axis(index="true")


def _none_if_not_finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value

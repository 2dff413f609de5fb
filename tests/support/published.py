"""The tables of docs/results.md, written from the published studies' CSV files: python -m tests.support.published.

A block stands between `<!-- from reports/published/STUDY: NAME -->` and `<!-- end -->`; a test holds it to the files.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from reports import schema
from reports.formatting import format_signed

ROOT = Path(__file__).parents[2]
PUBLISHED = ROOT / "reports" / "published"
PAGE = ROOT / "docs" / "results.md"
_BLOCK = re.compile(r"(<!-- from reports/published/(\S+): (\w+) -->\n)(?:(?!<!--).)*(<!-- end -->)", re.DOTALL)
_NOISE = ("noise-15", "noise-25", "noise-50")


def runs(study: str) -> str:
    """How many of the planned runs are finished."""
    folder = PUBLISHED / study
    plan = json.loads((folder / schema.STUDY_FILE).read_text(encoding="utf-8"))
    planned = {row["run_id"] for row in plan["rows"]}
    finished = _finished(folder)
    state = "finished" if len(finished) == len(planned) else f"{len(finished)} of {len(planned)} runs finished"
    missing = [row["variant"] for row in plan["rows"] if row["variant"] not in set(finished["variant"])]
    labels = ", ".join(plan["labels"][variant] for variant in dict.fromkeys(missing))
    return f"State: {state}{f'; no run yet of {labels}' if labels else ''}.\n"


def gains(study: str) -> str:
    """PSNR gain over the degraded input, a variant a row."""
    folder = PUBLISHED / study
    plan = json.loads((folder / schema.STUDY_FILE).read_text(encoding="utf-8"))
    means = pd.read_csv(folder / schema.MEANS_CSV_FILE).query("metric == 'psnr_db'")
    gained = means.assign(gain=means["mean"] - means["input_mean"]).pivot(
        index="variant", columns="condition", values="gain"
    )
    seeds = means.groupby("variant")["n_seeds"].max()
    training = _training(folder)
    lines = [
        "| | Noise \N{GREEK SMALL LETTER SIGMA}=15 / 25 / 50 | Rain | Haze | Average (columns) | Seeds | Training |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for variant in dict.fromkeys(row["variant"] for row in plan["rows"]):
        if variant in gained.index:
            row = gained.loc[variant]
            noise = " / ".join(format_signed(row[name], 1) for name in _NOISE)
            others = " | ".join(format_signed(row[name], 1) for name in ("rain", "haze", "average"))
            lines.append(
                f"| {plan['labels'][variant]} | {noise} | {others} | {seeds[variant]} | "
                f"{training.get(variant, 'no training')} |"
            )
    return "\n" + "\n".join(lines) + "\n\n"


def contrasts(study: str) -> str:
    """The planned contrasts on average and by task, with their simultaneous intervals."""
    table = pd.read_csv(PUBLISHED / study / schema.CONTRASTS_CSV_FILE)
    table = table.query("role == 'primary' and question == 'new photographs' and runs == 'all'")
    columns = list(dict.fromkeys(table["column"]))
    heads = ["Average" if column == "average" else column.capitalize() for column in columns]
    lines = [f"| PSNR difference in dB | {' | '.join(heads)} |", "|---|" + "---:|" * len(columns)]
    for _, rows in table.groupby("contrast", sort=False):
        cells = rows.set_index("column")
        shown = [_interval(cells.loc[column]) if column in cells.index else "" for column in columns]
        lines.append(f"| {rows['label'].iloc[0]} | {' | '.join(shown)} |")
    return "\n" + "\n".join(lines) + "\n\n"


WRITERS: dict[str, Callable[[str], str]] = {"runs": runs, "gains": gains, "contrasts": contrasts}


def rewrite(text: str) -> str:
    """The page with its blocks as the published files have them now.

    Raises:
        ValueError: a block has no end.
    """
    if len(_BLOCK.findall(text)) != text.count("<!-- from "):
        raise ValueError("A block of the page has no <!-- end -->.")
    return _BLOCK.sub(lambda found: f"{found[1]}{WRITERS[found[3]](found[2])}{found[4]}", text)


def _finished(folder: Path) -> pd.DataFrame:
    """The runs whose scores are in the tables."""
    return pd.read_csv(folder / "provenance.csv").query("status == 'done'")


def _training(folder: Path) -> dict[str, str]:
    """Variant -> the tasks on which it isn't past the plateau, or that it is on all."""
    learning = pd.read_csv(folder / schema.MEASURES_FOLDER / "learning.csv")
    words = {}
    for variant, rows in learning.groupby("variant", sort=False):
        failing = rows[rows["status"] != "past the plateau"]
        states = [f"{state}: {', '.join(group['task'])}" for state, group in failing.groupby("status", sort=False)]
        words[str(variant)] = "; ".join(states) or "past the plateau"
    return words


def _interval(row: pd.Series) -> str:
    """Estimate and interval; in bold where zero lies outside."""
    estimate, low, high = (format_signed(row[name]) for name in ("estimate_db", "ci_low", "ci_high"))
    if row["verdict"] in ("one seed", "not estimable yet"):
        return f"{estimate}, one seed" if row["verdict"] == "one seed" else "not yet"
    text = f"{estimate} [{low}, {high}]"
    return f"**{text}**" if row["verdict"] == "differs" else text


def main() -> int:
    """Write the page's blocks anew."""
    PAGE.write_text(rewrite(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""An evaluation as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from datasets.score import Mean
from reports.guess_costs import format_number, guess_headline

_WIDE = 200


def print_result(result: dict[str, Any], means: Sequence[Mean]) -> None:
    """Print what `examine` found, for a reader."""
    console = _console()
    weights = result["weights"]
    digest = f", sha256 {weights['sha256']}" if weights["sha256"] else ""
    _say(console, f"{result['model']} ({weights['layout']} weights: {weights['file']}{digest})")
    _say(console, f"Told: {result['told']}.")
    _say(console, f"Protocol {result['protocol']['label']}: {result['protocol']['summary']}.")
    _say(console, f"Images: {result['data']}" + (f"; the first {result['limit']} of each." if result["limit"] else "."))
    rows = []
    for mean in means:
        numbers = zip((mean.psnr_db, mean.ssim, mean.input_psnr_db, mean.input_ssim), (3, 5, 3, 5), strict=True)
        texts = [f"{value:.{digits}f}" for value, digits in numbers]
        rows.append([mean.dataset, mean.condition, mean.part, str(mean.images), *texts])
    heads = ["set", "condition", "images", "n", "PSNR (dB)", "SSIM", "input PSNR", "input SSIM"]
    console.print(_table(heads, rows, left=3))
    if result["guess"] is not None:
        _print_guess(console, result["guess"])
    if result["reported"] is not None:
        _print_reported(console, result["reported"])


def _print_guess(console: Console, guess: dict[str, Any]) -> None:
    _say(console, f"\nDegradation guessed by a classifier that learnt from: {guess['classifier']['trained_on']}.")
    _say(console, guess_headline(guess))
    rows = []
    for line in guess["costs"]:
        interval = "-" if line["low_db"] is None else f"{line['low_db']:+.2f} to {line['high_db']:+.2f}"
        interval = "none is wrong" if line["right"] == line["images"] else interval
        means = [format_number(line[key], 3) for key in ("psnr_db", "psnr_guess_db")]
        changes = ["-" if line[key] is None else f"{line[key]:+.3f}" for key in ("difference_db", "wrong_db")]
        right = f"{line['right']} of {line['images']}"
        rows.append([line["condition"], right, *means, changes[0], interval, changes[1]])
    heads = ["condition", "right", "true, dB", "guessed, dB", "diff.", "95 % interval", "where wrong"]
    console.print(_table(heads, rows))
    names = list(next(iter(guess["confusion"].values())))
    counts = [[true, *map(str, row.values())] for true, row in guess["confusion"].items()]
    console.print("")
    console.print(_table(["true \\ guessed", *names], counts))


def _print_reported(console: Console, compared: dict[str, Any]) -> None:
    _say(console, f"\nReported: {compared['name']}")
    if not compared["same_protocol"]:
        _say(
            console,
            f"The printed numbers belong to protocol {compared['protocol_of_the_printed_numbers']}: not comparable.",
        )
    for text in compared["left_out"]:
        _say(console, f"Not compared, not the whole set: {text}.")
    rows = []
    for cell in compared["cells"]:
        texts = []
        for metric, digits in (("psnr_db", 2), ("ssim", 4)):
            values = cell[metric]
            texts += ["-" if (v := values[k]) is None else f"{v:.{digits}f}" for k in ("reported", "measured")]
            texts.append("-" if values["difference"] is None else f"{values['difference']:+.{digits}f}")
        verdict = cell["verdict"] if compared["same_protocol"] else "other protocol"
        rows.append([cell["dataset"], cell["source"], *texts, verdict])
    heads = ["column", "source", "PSNR", "measured", "diff.", "SSIM", "measured", "diff.", "verdict"]
    console.print(_table(heads, rows, left=2))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> Table:
    """A table whose first columns are words, and fold where the screen is narrow."""
    table = Table(box=None, pad_edge=False)
    for place, head in enumerate(heads):
        words = place < left or head == "verdict"
        table.add_column(head, justify="left" if words else "right", overflow="fold" if place < left else "ellipsis")
    for row in rows:
        table.add_row(*row)
    return table


def _console() -> Console:
    """In a file or a pipe nothing is folded to the width of a screen."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDE)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)

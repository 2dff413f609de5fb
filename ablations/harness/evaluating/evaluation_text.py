"""An evaluation as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from datasets.score import Mean
from reports.guess_costs import format_number, guess_headline

_FILE_WIDTH = 200


def print_result(result: dict[str, Any], means: Sequence[Mean]) -> None:
    """Print the results of an evaluation."""
    console = _console()
    weights = result["weights"]
    digest = f", sha256 {weights['sha256']}" if weights["sha256"] else ""
    _print_line(console, f"{result['model']} ({weights['layout']} weights: {weights['file']}{digest})")
    _print_line(console, f"Conditioning: {result['told']}.")
    if result.get("tile"):
        _print_line(console, f"Restored in overlapping tiles of {result['tile']} pixels, as the run was tested.")
    _print_line(console, f"Protocol {result['protocol']['label']}: {result['protocol']['summary']}.")
    _print_line(
        console, f"Images: {result['data']}" + (f"; the first {result['limit']} of each." if result["limit"] else ".")
    )
    rows = []
    for mean in means:
        numbers = zip((mean.psnr_db, mean.ssim, mean.input_psnr_db, mean.input_ssim), (3, 5, 3, 5), strict=True)
        texts = [f"{value:.{digits}f}" for value, digits in numbers]
        rows.append([mean.dataset, mean.condition, mean.part, str(mean.images), *texts])
    headers = ["set", "condition", "images", "n", "PSNR (dB)", "SSIM", "input PSNR", "input SSIM"]
    console.print(_table(headers, rows, text_columns=3))
    if result["guess"] is not None:
        _print_guess(console, result["guess"])
    if result["reported"] is not None:
        _print_reported(console, result["reported"])


def _print_guess(console: Console, guess: dict[str, Any]) -> None:
    _print_line(console, f"\nDegradation guessed by a classifier trained on: {guess['classifier']['trained_on']}.")
    _print_line(console, guess_headline(guess))
    rows = []
    for cost in guess["costs"]:
        interval = "-" if cost["low_db"] is None else f"{cost['low_db']:+.2f} to {cost['high_db']:+.2f}"
        interval = "none is wrong" if cost["right"] == cost["images"] else interval
        means = [format_number(cost[key], 3) for key in ("psnr_db", "psnr_guess_db")]
        changes = ["-" if cost[key] is None else f"{cost[key]:+.3f}" for key in ("difference_db", "wrong_db")]
        correct = f"{cost['right']} of {cost['images']}"
        rows.append([cost["condition"], correct, *means, changes[0], interval, changes[1]])
    headers = ["condition", "right", "true, dB", "guessed, dB", "diff.", "95 % interval", "where wrong"]
    console.print(_table(headers, rows))
    names = list(next(iter(guess["confusion"].values())))
    counts = [[true_name, *map(str, row.values())] for true_name, row in guess["confusion"].items()]
    console.print("")
    console.print(_table(["true \\ guessed", *names], counts))


def _print_reported(console: Console, comparison: dict[str, Any]) -> None:
    _print_line(console, f"\nReported: {comparison['name']}")
    if not comparison["same_protocol"]:
        _print_line(
            console,
            f"The printed numbers belong to protocol {comparison['protocol_of_the_printed_numbers']}: not comparable.",
        )
    for text in comparison["left_out"]:
        _print_line(console, f"Not compared, not the whole set: {text}.")
    rows = []
    for cell in comparison["cells"]:
        texts = []
        for metric, digits in (("psnr_db", 2), ("ssim", 4)):
            values = cell[metric]
            texts += ["-" if (v := values[k]) is None else f"{v:.{digits}f}" for k in ("reported", "measured")]
            texts.append("-" if values["difference"] is None else f"{values['difference']:+.{digits}f}")
        verdict = cell["verdict"] if comparison["same_protocol"] else "other protocol"
        rows.append([cell["dataset"], cell["source"], *texts, verdict])
    headers = ["column", "source", "PSNR", "measured", "diff.", "SSIM", "measured", "diff.", "verdict"]
    console.print(_table(headers, rows, text_columns=2))


def _table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, text_columns: int = 1) -> Table:
    """A table whose first columns are text, which folds on a narrow screen."""
    table = Table(box=None, pad_edge=False)
    for column, header in enumerate(headers):
        is_text = column < text_columns or header == "verdict"
        table.add_column(
            header, justify="left" if is_text else "right", overflow="fold" if column < text_columns else "ellipsis"
        )
    for row in rows:
        table.add_row(*row)
    return table


def _console() -> Console:
    """In a file or a pipe nothing is folded to the width of a screen."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_FILE_WIDTH)


def _print_line(console: Console, text: str) -> None:
    console.print(text, markup=False, soft_wrap=True)

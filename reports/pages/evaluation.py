"""The page of one evaluation: scores by condition and, where degradations were guessed, what guessing costs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reports.document import (
    Block,
    Cell,
    Column,
    Document,
    Facts,
    Row,
    Section,
    Summary,
    Table,
    Text,
    text_column,
    words,
)
from reports.formatting import signed
from reports.guess_costs import headline, number
from reports.labels import condition_label
from reports.messages import comma, message, series
from reports.stats import AVERAGE

_DASH = "\N{EN DASH}"


def evaluation_document(found: Mapping[str, Any]) -> Document:
    """The page of an evaluation (the content of evaluation.json)."""
    guess = found["guess"]
    sections = [
        Section(name="what", title=message("What was evaluated"), blocks=[Facts(facts=_facts(found))]),
        Section(name="scores", title=message("Scores"), blocks=[scores_table(found)]),
    ]
    if guess:
        sections += [_guess(guess), _confusion(guess["confusion"])]
    return Document(
        title=message("{model} evaluated", model=str(found["model"])), sections=sections, styles=("matrix.css",)
    )


def scores_table(found: Mapping[str, Any]) -> Table:
    """Means of each condition and set."""
    rows = []
    for mean in found["means"]:
        cells = [
            words(condition_label(mean["condition"])),
            words(str(mean["dataset"])),
            words(str(mean["part"])) if "part" in mean else words(""),
            Cell(text=str(mean["images"]), value=mean["images"]),
            *(
                Cell(text=number(mean[name], digits), value=mean[name])
                for name, digits in (("psnr_db", 2), ("input_psnr_db", 2), ("ssim", 4), ("input_ssim", 4))
            ),
        ]
        rows.append(Row(cells=tuple(cells)))
    return Table(
        name="scores-table",
        title=message("Scores"),
        columns=(
            text_column(message("Condition")),
            text_column(message("Set")),
            text_column(message("Images")),
            Column(head=message("Number")),
            Column(head="PSNR (dB)"),
            Column(head=message("Input PSNR (dB)")),
            Column(head="SSIM"),
            Column(head=message("Input SSIM")),
        ),
        rows=tuple(rows),
        caption=message(
            "Means over images, by protocol {protocol}; the model is told the true degradation. Input: the degraded "
            "image's own score.",
            protocol=found["protocol"]["label"],
        ),
        has_title=False,
    )


def _guess(guess: Mapping[str, Any]) -> Section:
    how = message(
        "Each image was restored a second time, the model told what a classifier takes the image for instead of the "
        "truth. The classifier chose among the {n} conditions that the model serves: {names}. It learnt from the "
        "training images of these data: {images}.",
        n=len(guess["among"]),
        names=comma(map(condition_label, guess["among"])),
        images=str(guess["classifier"]["trained_on"]),
    )
    blocks: list[Block] = [Summary(sentences=[headline(dict(guess))]), Text(text=how), costs_table(guess)]
    title, short = message("Where the degradation is guessed"), message("Guessed degradation")
    return Section(name="guess", title=title, short=short, blocks=blocks)


def costs_table(guess: Mapping[str, Any]) -> Table:
    """What a guess costs by condition, and on average."""
    rows = []
    for line in guess["costs"]:
        interval: str = _DASH
        if line["low_db"] is not None:
            interval = message("{low} to {high}", low=signed(line["low_db"]), high=signed(line["high_db"]))
            interval = message("none is wrong") if line["right"] == line["images"] else interval
        cells = [
            words(condition_label(line["condition"])),
            Cell(text=message("{n} of {all}", n=line["right"], all=line["images"]), value=line["right"]),
            Cell(text=number(line["psnr_db"]), value=line["psnr_db"]),
            Cell(text=number(line["psnr_guess_db"]), value=line["psnr_guess_db"]),
            Cell(text=_signed(line["difference_db"]), value=line["difference_db"]),
            Cell(text=interval, value=line["low_db"]),
            Cell(text=_signed(line["wrong_db"]), value=line["wrong_db"]),
        ]
        rows.append(Row(cells=tuple(cells), style="total" if line["condition"] == AVERAGE else ""))
    return Table(
        name="cost",
        title=message("Cost of a guess"),
        columns=(
            text_column(message("Condition")),
            Column(head=message("Right guesses")),
            Column(head=message("Told the truth")),
            Column(head=message("Told the guess")),
            Column(head=message("Difference")),
            Column(head=message("95% interval")),
            Column(head=message("Where wrong")),
        ),
        rows=tuple(rows),
        caption=message(
            "PSNR in dB, plain means over images; images restored perfectly, whose PSNR is infinite, are left out. "
            "Difference: told the guess less told the truth, below zero where guessing costs, with its 95% interval "
            "(paired over images; the {n} photographs that they show are its units, few of which make it wide). Where "
            "wrong: the mean difference over the wrongly guessed images alone. The average is the plain mean over the "
            "columns.",
            n=guess["photographs"],
        ),
        has_title=False,
        is_sortable=False,
    )


def _confusion(confusion: Mapping[str, Mapping[str, int]]) -> Section:
    title, short = message("What is taken for what"), message("Confusion")
    return Section(name="confusion", title=title, short=short, blocks=[confusion_table(confusion)])


def confusion_table(confusion: Mapping[str, Mapping[str, int]]) -> Table:
    """Images by true and guessed condition, each cell with its share of the row."""
    guessed = list(next(iter(confusion.values())))
    return Table(
        name="matrix",
        title=message("Confusion matrix"),
        columns=(
            text_column(message("True")),
            *(Column(head=condition_label(name), group=message("guessed")) for name in guessed),
        ),
        rows=tuple(
            Row(
                cells=(
                    words(condition_label(true)),
                    *(_share(count, sum(counts.values()), is_right=name == true) for name, count in counts.items()),
                )
            )
            for true, counts in confusion.items()
        ),
        caption=message(
            "Images by true condition (rows) and guessed condition (columns), and their share of the row, by which "
            "cells are shaded. Right guesses are framed."
        ),
        has_title=False,
        is_sortable=False,
        style="matrix",
    )


def _share(count: int, total: int, *, is_right: bool) -> Cell:
    # anything at all is shaded, and only a whole row is shaded fully
    tenths = 0 if not count else max(1, math.floor(10 * count / total))
    below = (f"{count / total:.0%}",) if count else ()
    return Cell(text=str(count), value=count, below=below, style=f"tenths-{tenths}{' right' if is_right else ''}")


def _signed(value: float | None) -> str:
    return _DASH if value is None else signed(value)


def _facts(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    weights, around, rules = found["weights"], found.get("environment", {}), found["protocol"]
    commit = str(around.get("commit") or "")
    images = str(found["data"])
    if found["limit"]:
        images = message("{data}; the first {n} of each", data=images, n=found["limit"])
    facts: list[tuple[str, str]] = [
        (message("Model"), str(found["model"])),
        (message("Run"), str(found["run_id"]) if weights["layout"] == "own" else ""),
        (message("Settings"), ", ".join(f"{key} = {value}" for key, value in found["config"].items())),
        (
            message("Weights"),
            f"{weights['file']} ({weights['layout']})" if weights["sha256"] else message("none needed"),
        ),
        ("SHA-256", str(weights["sha256"] or "")),
        (message("Told"), str(found["told"])),
        (message("Images"), images),
        (message("Not scored"), _refused(found)),
        (message("Protocol"), f"{rules['label']}: {rules['summary']}"),
        (message("Device"), str(around.get("device", ""))),
        (
            message("Commit"),
            message("{commit} + uncommitted changes", commit=commit) if commit and around.get("dirty") else commit,
        ),
    ]
    return [(name, text) for name, text in facts if text]


def _refused(found: Mapping[str, Any]) -> str:
    refused = [f"{each['image']} ({each['reason']})" for each in found.get("refused", ())]
    return series(refused) if refused else ""

"""The page of one evaluation: scores by condition and, where degradations were predicted, the cost of predictions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from reports.document import (
    Block,
    Cell,
    Column,
    DescriptionList,
    Document,
    Row,
    Section,
    Summary,
    Table,
    Text,
    text_cell,
    text_column,
)
from reports.formatting import format_signed
from reports.guess_costs import format_number, guess_headline
from reports.labels import condition_label
from reports.messages import join_clauses, join_commas, message
from reports.stats import AVERAGE

_DASH = "\N{EN DASH}"
_SCORES = (("psnr_db", 2), ("input_psnr_db", 2), ("ssim", 4), ("input_ssim", 4))  # with their digits
_CONDITIONING = {
    "the condition": message("told the true degradation and its strength"),
    "the task's operator": message("told the true task, as its operator"),
    "nothing (blind)": message("none (blind)"),
}  # as evaluation.json says it -> for the reader


def evaluation_document(evaluation: Mapping[str, Any]) -> Document:
    """The page of an evaluation (the content of evaluation.json; files of older versions have no label)."""
    guess = evaluation["guess"]
    sections = [
        Section(
            name="what",
            title=message("Evaluation setup"),
            blocks=[DescriptionList(facts=_evaluation_facts(evaluation))],
        ),
        Section(name="scores", title=message("Scores"), blocks=[scores_table(evaluation)]),
    ]
    if guess:
        sections += [_guess_section(guess), _confusion_section(guess["confusion"])]
    return Document(
        title=message("{model} evaluated", model=str(evaluation.get("label") or evaluation["model"])),
        sections=sections,
        styles=("matrix.css",),
    )


def scores_table(evaluation: Mapping[str, Any]) -> Table:
    """Means of each condition and set, and below them their average where every column counts once."""
    means = evaluation["means"]
    rows = [
        _scores_row(condition_label(mean["condition"]), str(mean["dataset"]), str(mean.get("part", "")), mean)
        for mean in means
    ]
    columns = [mean for mean in means if mean.get("part", "all") == "all"]
    if len(columns) > 1 and len({mean["condition"] for mean in columns}) == len(columns):
        average = {name: _average(mean[name] for mean in columns) for name, _ in _SCORES}
        average["images"] = sum(mean["images"] for mean in columns)
        rows.append(replace(_scores_row(message("Average"), "", "", average), style="total", is_fixed=True))
    return Table(
        name="scores-table",
        title=message("Scores"),
        columns=(
            text_column(message("Condition")),
            text_column(message("Set")),
            text_column(message("Subset")),
            Column(head=message("Images")),
            Column(head="PSNR (dB)"),
            Column(head=message("Input PSNR (dB)")),
            Column(head="SSIM"),
            Column(head=message("Input SSIM")),
        ),
        rows=tuple(rows),
        caption=message(
            "Means over images, by protocol {protocol}; the model is conditioned on the true degradation. Input: the "
            "score of the degraded image. The average is the plain mean over the conditions.",
            protocol=evaluation["protocol"]["label"],
        ),
        has_title=False,
    )


def _scores_row(label: str, dataset: str, subset: str, scores: Mapping[str, Any]) -> Row:
    numbers = (Cell(text=format_number(scores[name], digits), value=scores[name]) for name, digits in _SCORES)
    images = Cell(text=str(scores["images"]), value=scores["images"])
    return Row(cells=(text_cell(label), text_cell(dataset), text_cell(subset), images, *numbers))


def _average(values: Iterable[float | None]) -> float | None:
    """Plain mean; None where a value is infinite."""
    known = list(values)
    finite = [value for value in known if value is not None]
    return sum(finite) / len(finite) if len(finite) == len(known) else None


def _guess_section(guess: Mapping[str, Any]) -> Section:
    procedure = message(
        "Each image was restored a second time, conditioned on the degradation predicted by a classifier instead of "
        "the true one. The classifier chose among the {n} conditions that the model supports: {names}. It was "
        "trained on the training images of these data: {images}.",
        n=len(guess["among"]),
        names=join_commas(map(condition_label, guess["among"])),
        images=str(guess["classifier"]["trained_on"]),
    )
    blocks: list[Block] = [Summary(sentences=[guess_headline(dict(guess))]), Text(text=procedure), costs_table(guess)]
    title, short = message("Results with the predicted degradation"), message("Predicted degradation")
    return Section(name="guess", title=title, short=short, blocks=blocks)


def costs_table(guess: Mapping[str, Any]) -> Table:
    """Cost of predictions by condition and on average."""
    rows = []
    for line in guess["costs"]:
        interval: str = _DASH
        if line["low_db"] is not None:
            interval = message(
                "{low} to {high}", low=format_signed(line["low_db"]), high=format_signed(line["high_db"])
            )
            interval = message("none misclassified") if line["right"] == line["images"] else interval
        cells = [
            text_cell(condition_label(line["condition"])),
            Cell(text=message("{n} of {all}", n=line["right"], all=line["images"]), value=line["right"]),
            Cell(text=format_number(line["psnr_db"]), value=line["psnr_db"]),
            Cell(text=format_number(line["psnr_guess_db"]), value=line["psnr_guess_db"]),
            Cell(text=_format_signed(line["difference_db"]), value=line["difference_db"]),
            Cell(text=interval, value=line["low_db"]),
            Cell(text=_format_signed(line["wrong_db"]), value=line["wrong_db"]),
        ]
        rows.append(Row(cells=tuple(cells), style="total" if line["condition"] == AVERAGE else ""))
    return Table(
        name="cost",
        title=message("Cost of predicting the degradation"),
        columns=(
            text_column(message("Condition")),
            Column(head=message("Correct")),
            Column(head=message("True degradation")),
            Column(head=message("Predicted degradation")),
            Column(head=message("Difference")),
            Column(head=message("95% interval")),
            Column(head=message("Misclassified")),
        ),
        rows=tuple(rows),
        caption=message(
            "PSNR in dB, plain means over images; images restored perfectly, whose PSNR is infinite, are excluded. "
            "Difference: predicted minus true degradation, negative where predictions cost PSNR, with its 95% "
            "interval (paired over images, clustered by the {n} photographs they show; few photographs make it "
            "wide). Misclassified: mean difference over the misclassified images alone. The average is the plain "
            "mean over the columns.",
            n=guess["photographs"],
        ),
        has_title=False,
        is_sortable=False,
    )


def _confusion_section(confusion: Mapping[str, Mapping[str, int]]) -> Section:
    title, short = message("Confusion matrix"), message("Confusion")
    return Section(name="confusion", title=title, short=short, blocks=[confusion_table(confusion)])


def confusion_table(confusion: Mapping[str, Mapping[str, int]]) -> Table:
    """Images by true and predicted condition, each cell with its share of the row."""
    guessed = list(next(iter(confusion.values())))
    return Table(
        name="matrix",
        title=message("Confusion matrix"),
        columns=(
            text_column(message("True")),
            *(Column(head=condition_label(name), group=message("predicted")) for name in guessed),
        ),
        rows=tuple(
            Row(
                cells=(
                    text_cell(condition_label(true)),
                    *(
                        _share_cell(count, sum(counts.values()), is_right=name == true)
                        for name, count in counts.items()
                    ),
                )
            )
            for true, counts in confusion.items()
        ),
        caption=message(
            "Images by true condition (rows) and predicted condition (columns), with their share of the row "
            "(shading). Correct predictions are framed."
        ),
        has_title=False,
        is_sortable=False,
        style="matrix",
    )


def _share_cell(count: int, total: int, *, is_right: bool) -> Cell:
    # any non-zero cell is shaded; only 100% is shaded fully
    tenths = 0 if not count else max(1, math.floor(10 * count / total))
    below = (f"{count / total:.0%}",) if count else ()
    return Cell(text=str(count), value=count, below=below, style=f"tenths-{tenths}{' right' if is_right else ''}")


def _format_signed(value: float | None) -> str:
    return _DASH if value is None else format_signed(value)


def _evaluation_facts(evaluation: Mapping[str, Any]) -> list[tuple[str, str]]:
    weights, environment, protocol = evaluation["weights"], evaluation.get("environment", {}), evaluation["protocol"]
    commit = str(environment.get("commit") or "")
    images = str(evaluation["data"])
    if evaluation["limit"]:
        images = message("{data}; the first {n} of each", data=images, n=evaluation["limit"])
    facts: list[tuple[str, str]] = [
        (message("Model"), str(evaluation["model"])),
        (message("Run"), str(evaluation["run_id"]) if weights["layout"] == "own" else ""),
        (message("Settings"), ", ".join(f"{key} = {value}" for key, value in evaluation["config"].items())),
        (
            message("Weights"),
            f"{weights['file']} ({weights['layout']})" if weights["sha256"] else message("none needed"),
        ),
        ("SHA-256", str(weights["sha256"] or "")),
        (message("Conditioning"), _CONDITIONING.get(str(evaluation["told"]), str(evaluation["told"]))),
        (message("Images"), images),
        (message("Not scored"), _rejected_images(evaluation)),
        (message("Protocol"), f"{protocol['label']}: {protocol['summary']}"),
        (message("Device"), str(environment.get("device", ""))),
        (
            message("Commit"),
            message("{commit} + uncommitted changes", commit=commit) if commit and environment.get("dirty") else commit,
        ),
    ]
    return [(name, text) for name, text in facts if text]


def _rejected_images(evaluation: Mapping[str, Any]) -> str:
    rejected = [f"{image['image']} ({image['reason']})" for image in evaluation.get("refused", ())]
    return join_clauses(rejected) if rejected else ""

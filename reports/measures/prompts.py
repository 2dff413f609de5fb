"""What a wrong prompt costs: the same degraded image restored under the prompt of every condition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports import schema
from reports.document import Cell, Column, Table, rows_of, text_cell, text_column
from reports.labels import condition_in_sentence, condition_label
from reports.measures import intervals
from reports.measures.intervals import IMAGE_KEY
from reports.messages import join_and, join_clauses, join_sentences, message
from reports.stats import AVERAGE, Analysis, Estimate

NOTHING_DB = 0.005
"""A change below this prints as zero."""


@dataclass(frozen=True, kw_only=True)
class PromptCosts:
    """Changes of PSNR against the right prompt, in dB; negative is a loss.

    Attributes:
        matrices: variant -> true conditions (rows) x given prompts (columns), means over images, then seeds.
        other_task: changes under a prompt of another task (mean over prompts of a task, then tasks).
        other_level: the same under a prompt of the right task and the wrong strength; None where there is none.
        n_excluded: images left out because they were not restored under their own prompt.
    """

    matrices: dict[str, pd.DataFrame]
    other_task: Analysis
    other_level: Analysis | None
    n_excluded: int

    @property
    def variants(self) -> tuple[str, ...]:
        """Variants in the study's order."""
        return tuple(self.matrices)

    @property
    def unaffected_variants(self) -> list[str]:
        """Variants for which no prompt changes the result by `NOTHING_DB`."""
        return [v for v, m in self.matrices.items() if np.nanmax(np.abs(m.to_numpy())) < NOTHING_DB]

    def mean(self, variant: str) -> Estimate:
        """Change averaged over the columns under a prompt of another task."""
        return self.other_task.estimate(variant)

    def largest_loss(self, variant: str) -> tuple[str, str, float]:
        """True condition, given prompt of another task and the change that is the lowest of the variant's."""
        matrix = self.matrices[variant]
        cells = {
            (str(c), str(p)): float(value)
            for c, row in matrix.iterrows()
            for p, value in row.items()
            if schema.task_of(str(c)) != schema.task_of(str(p)) and not np.isnan(value)
        }
        condition, prompt = min(cells, key=cells.__getitem__)
        return condition, prompt, cells[condition, prompt]


def summarize(table: pd.DataFrame) -> PromptCosts | None:
    """Summarize the measure "prompts"; None where no image was restored under its own and another task's prompt."""
    rows = table[table["metric"] == schema.PSNR]
    changes = rows.assign(change=intervals.paired_changes(rows, rows[rows["prompt"] == rows["condition"]]))
    has_correct = changes["change"].notna()
    n_excluded = int((~has_correct).groupby([changes[k] for k in IMAGE_KEY]).any().sum())
    changes = changes[has_correct]
    wrong_prompts = changes[changes["prompt"] != changes["condition"]]
    same_task = wrong_prompts["prompt"].map(schema.task_of) == wrong_prompts["condition"].map(schema.task_of)
    other_task = _average_by_image(wrong_prompts[~same_task])
    if other_task is None:
        return None
    by_seed = changes.groupby(["variant", "seed", "condition", "prompt"], sort=False)["change"].mean()
    means = by_seed.groupby(["variant", "condition", "prompt"], sort=False).mean()
    matrices = {v: _to_matrix(means[v]) for v in dict.fromkeys(wrong_prompts.loc[~same_task, "variant"])}
    return PromptCosts(
        matrices=matrices,
        other_task=other_task,
        other_level=_average_by_image(wrong_prompts[same_task]),
        n_excluded=n_excluded,
    )


def _average_by_image(wrong: pd.DataFrame) -> Analysis | None:
    """Changes averaged over the wrong prompts of an image: prompts of a task first, so that noise counts once."""
    if wrong.empty:
        return None
    by_task = wrong.assign(prompt_task=wrong["prompt"].map(schema.task_of)).groupby(
        [*IMAGE_KEY, "prompt_task"], sort=False
    )
    rows = by_task["change"].mean().groupby(level=IMAGE_KEY, sort=False).mean().reset_index()
    return intervals.over_images(rows, rows["change"])


def _to_matrix(means: pd.Series) -> pd.DataFrame:
    frame = means.unstack("prompt")
    return frame.reindex(
        index=sorted(frame.index, key=schema.condition_sort_key),
        columns=sorted(frame.columns, key=schema.condition_sort_key),
    )


def sentences(costs: PromptCosts, variants: Sequence[str] = ()) -> list[str]:
    """Loss of `variants`, or of all where that is empty, and variants on which no prompt has an effect."""
    affected = [v for v in variants or costs.variants if v in costs.variants and v not in costs.unaffected_variants]
    lines = [_loss_sentence(costs, variant) for variant in affected if not np.isnan(costs.mean(variant).value)]
    if costs.unaffected_variants:
        lines.append(
            message(
                "No prompt changes the PSNR of {names} by {size:g} dB on any condition.",
                names=join_and(costs.unaffected_variants),
                size=NOTHING_DB,
            )
        )
    return [*lines, *intervals.caveats(costs.other_task)]


def _loss_sentence(costs: PromptCosts, variant: str) -> str:
    clauses = [_loss_clause(variant, costs.mean(variant))]
    condition, prompt, change = costs.largest_loss(variant)
    if change <= -NOTHING_DB:
        clauses.append(
            message(
                "the largest loss is {loss} dB, on {condition} with the prompt of {prompt}",
                condition=condition_in_sentence(condition),
                prompt=condition_in_sentence(prompt),
                loss=intervals.number(-change, 2),
            )
        )
    return message("{clauses}.", clauses=join_clauses(clauses))


def _loss_clause(variant: str, mean: Estimate) -> str:
    if mean.value >= 0 and mean.excludes_zero:
        return message(
            "{variant} gains {gain} dB {interval} with the prompt of another task, averaged over the columns",
            variant=variant,
            gain=intervals.number(mean.value, 2),
            interval=intervals.format_interval(mean.low, mean.high, 2),
        )
    values = {"variant": variant, "loss": intervals.format_loss(mean)}
    if not mean.excludes_zero and not np.isnan(mean.low):
        return message(
            "{variant} loses {loss} with the prompt of another task, averaged over the columns: not significant",
            **values,
        )
    return message("{variant} loses {loss} with the prompt of another task, averaged over the columns", **values)


def make_table(costs: PromptCosts) -> Table:
    """Mean change under another task's prompt, for each variant that a prompt changes and each true condition."""
    conditions = costs.other_task.scores.conditions
    other_level = costs.other_level
    affected = [v for v in costs.variants if v not in costs.unaffected_variants] or costs.variants
    rows = []
    for variant in affected:
        cells: list[Cell] = [
            intervals.change_cell(costs.other_task.estimate(variant, c)) for c in (AVERAGE, *conditions)
        ]
        if other_level is not None:
            cells.append(intervals.change_cell(intervals.estimate(other_level, variant)))
        rows.append((text_cell(variant), *cells))
    heads = [text_column(message("Variant")), *(Column(head=condition_label(c)) for c in (AVERAGE, *conditions))]
    if other_level is not None:
        heads.append(Column(head=message("Right task, wrong strength")))
    caption = [
        message(
            "PSNR change in dB from the right prompt, by degradation of the image; negative is a loss. Prompts "
            "of a task are averaged first; the average is the plain mean over the columns. Paired within each "
            "image."
        ),
        intervals.describe_sample(costs.other_task),
    ]
    if len(affected) < len(costs.variants):
        text = message(
            "Networks without a prompt, which no prompt changes by {size:g} dB, are left out.", size=NOTHING_DB
        )
        caption.append(text)
    if costs.n_excluded:
        caption.append(message("{n} images without the right prompt's result are left out.", n=costs.n_excluded))
    return Table(
        title=message("Mean change under the prompt of another task"),
        caption=join_sentences(caption),
        columns=tuple(heads),
        rows=rows_of(rows),
    )


def to_frame(costs: PromptCosts) -> pd.DataFrame:
    """Every cell of the matrices, and the means with their intervals under prompt = "another task"."""
    rows = []
    for variant, matrix in costs.matrices.items():
        for (condition, prompt), value in matrix.stack().items():  # type: ignore[misc]
            rows.append({"variant": variant, "condition": condition, "prompt": prompt, "value_db": value})
        for condition in (AVERAGE, *costs.other_task.scores.conditions):
            estimate = intervals.to_columns(costs.other_task.estimate(variant, condition), "db")
            rows.append({"variant": variant, "condition": condition, "prompt": "another task", **estimate})
    return pd.DataFrame(rows)

"""What a wrong prompt costs: the same degraded image restored under the prompt of every condition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from reports import schema
from reports.document import Cell, Column, Table, rows_of, text_column, words
from reports.labels import condition_in_sentence, condition_label
from reports.measures import intervals
from reports.messages import comma, message, ngettext, series
from reports.messages import sentences as texts
from reports.stats import AVERAGE, Analysis, Estimate

_IMAGE = ["variant", "seed", "dataset", "scene", "image", "condition"]
NOTHING_DB = 0.005
"""A change below this prints as zero."""


@dataclass(frozen=True, kw_only=True)
class PromptCosts:
    """Changes of PSNR against the right prompt, in dB; negative is a loss.

    Attributes:
        matrices: variant -> true conditions (rows) x given prompts (columns), means over images, then seeds.
        other_task: changes under a prompt of another task (mean over prompts of a task, then tasks).
        other_level: the same under a prompt of the right task and the wrong strength; None where there is none.
        without_right: images left out because they were not restored under their own prompt.
    """

    matrices: dict[str, pd.DataFrame]
    other_task: Analysis
    other_level: Analysis | None
    without_right: int

    @property
    def variants(self) -> tuple[str, ...]:
        """Variants in the study's order."""
        return tuple(self.matrices)

    @property
    def idle(self) -> list[str]:
        """Variants whose result no prompt changes by `NOTHING_DB`."""
        return [v for v, m in self.matrices.items() if np.nanmax(np.abs(m.to_numpy())) < NOTHING_DB]

    def mean(self, variant: str) -> Estimate:
        """Change averaged over the columns under a prompt of another task."""
        return self.other_task.estimate(variant)

    def worst(self, variant: str) -> tuple[str, str, float]:
        """True condition, given prompt of another task and the change that is the lowest of the variant's."""
        matrix = self.matrices[variant]
        cells = {
            (str(c), str(g)): float(value)
            for c, row in matrix.iterrows()
            for g, value in row.items()
            if schema.task_of(str(c)) != schema.task_of(str(g)) and not np.isnan(value)
        }
        condition, given = min(cells, key=cells.__getitem__)
        return condition, given, cells[condition, given]


def costs(table: pd.DataFrame) -> PromptCosts | None:
    """Sum up the measure "prompts"; None where no image was restored under its own and another task's prompt."""
    rows = table[table["metric"] == schema.PSNR]
    right = rows[rows["prompt"] == rows["condition"]].set_index(_IMAGE)["value"]
    base = right.reindex(pd.MultiIndex.from_frame(rows[_IMAGE])).to_numpy()
    changes = rows.assign(change=rows["value"].to_numpy() - base)
    known = changes["change"].notna()
    lost = int((~known).groupby([changes[k] for k in _IMAGE]).any().sum())
    changes = changes[known]
    wrong = changes[changes["prompt"] != changes["condition"]]
    same_task = wrong["prompt"].map(schema.task_of) == wrong["condition"].map(schema.task_of)
    other_task = _by_image(wrong[~same_task])
    if other_task is None:
        return None
    by_seed = changes.groupby(["variant", "seed", "condition", "prompt"], sort=False)["change"].mean()
    means = by_seed.groupby(["variant", "condition", "prompt"], sort=False).mean()
    matrices = {v: _matrix(means[v]) for v in dict.fromkeys(wrong.loc[~same_task, "variant"])}
    return PromptCosts(
        matrices=matrices,
        other_task=other_task,
        other_level=_by_image(wrong[same_task]),
        without_right=lost,
    )


def _by_image(wrong: pd.DataFrame) -> Analysis | None:
    """Changes averaged over the wrong prompts of an image: prompts of a task first, so that noise counts once."""
    if wrong.empty:
        return None
    by_task = wrong.assign(given_task=wrong["prompt"].map(schema.task_of)).groupby([*_IMAGE, "given_task"], sort=False)
    rows = by_task["change"].mean().groupby(level=_IMAGE, sort=False).mean().reset_index()
    return intervals.over_images(rows, rows["change"])


def _matrix(means: pd.Series) -> pd.DataFrame:
    frame = means.unstack("prompt")
    return frame.reindex(
        index=sorted(frame.index, key=schema.condition_sort_key),
        columns=sorted(frame.columns, key=schema.condition_sort_key),
    )


def sentences(found: PromptCosts) -> list[str]:
    """Who loses how much, and for whom the prompt does nothing."""
    idle = found.idle
    means = {v: found.mean(v) for v in found.variants if v not in idle}
    ranked = sorted((v for v in means if not np.isnan(means[v].value)), key=lambda v: means[v].value)
    said = []
    gap = found.other_task.difference(ranked[0], ranked[-1]) if len(ranked) > 1 else None
    is_ranked = gap is not None and gap.excludes_zero
    if ranked:
        said.append(_loses(found, ranked[0], means[ranked[0]], "most" if is_ranked else ""))
    if gap is not None:
        said.append(_loses(found, ranked[-1], means[ranked[-1]], "least" if is_ranked else ""))
        said += _unlike(gap)
    if idle:
        said.append(
            ngettext(
                "The prompt does nothing in {names}: it does not lose {size:g} dB on any condition, whatever it is "
                "told.",
                "The prompt does nothing in {names}: they do not lose {size:g} dB on any condition, whatever they are "
                "told.",
                len(idle),
                names=comma(idle),
                size=NOTHING_DB,
            )
        )
    said.append(intervals.limits(found.other_task))
    return [s for s in said if s]


def _loses(found: PromptCosts, variant: str, mean: Estimate, rank: str) -> str:
    condition, given, change = found.worst(variant)
    clauses = [_loss(variant, mean, rank)]
    if change <= -NOTHING_DB:
        clauses.append(
            message(
                "the largest loss is {condition} told as {given}, {loss} dB",
                condition=condition_in_sentence(condition),
                given=condition_in_sentence(given),
                loss=intervals.number(-change, 2),
            )
        )
    return message("{clauses}.", clauses=series(clauses))


def _loss(variant: str, mean: Estimate, rank: str) -> str:
    told = {"variant": variant, "loss": intervals.loss_text(mean)}
    if mean.value >= 0 and mean.excludes_zero:
        return message(
            "{variant} does better when told the wrong task, by {gain} dB {interval} averaged over the columns",
            variant=variant,
            gain=intervals.number(mean.value, 2),
            interval=intervals.bracket(mean.low, mean.high, 2),
        )
    if not mean.excludes_zero and not np.isnan(mean.low):
        return message(
            "{variant} loses nothing that could be told from zero when told the wrong task: {loss} averaged over the "
            "columns",
            **told,
        )
    if rank == "most":
        return message("{variant} loses most when told the wrong task, {loss} averaged over the columns", **told)
    if rank == "least":
        return message("{variant} loses least when told the wrong task, {loss} averaged over the columns", **told)
    return message("{variant} loses when told the wrong task, {loss} averaged over the columns", **told)


def _unlike(gap: Estimate) -> list[str]:
    """Whether the variant that loses most and the one that loses least can be told apart."""
    if np.isnan(gap.low):
        return []
    size = intervals.loss_text(gap)
    if gap.excludes_zero:
        return [message("The two differ in it ({size}; chosen as the extremes, not corrected for that).", size=size)]
    return [
        message(
            "The two can't be told apart in it ({size}; chosen as the extremes, not corrected for that).", size=size
        )
    ]


def grid(found: PromptCosts) -> Table:
    """Mean change under another task's prompt, for each variant and true condition."""
    conditions = found.other_task.scores.conditions
    level = found.other_level
    rows = []
    for variant in found.variants:
        cells: list[Cell] = [intervals.change(found.other_task.estimate(variant, c)) for c in (AVERAGE, *conditions)]
        if level is not None:
            cells.append(intervals.change(intervals.estimate(level, variant)))
        rows.append((words(variant), *cells))
    heads = [text_column(message("Variant")), *(Column(head=condition_label(c)) for c in (AVERAGE, *conditions))]
    if level is not None:
        heads.append(Column(head=message("Right task, wrong strength")))
    caption = [
        message(
            "PSNR in dB against the right prompt, by what is wrong with the image; negative is a loss. Prompts of a "
            "task are averaged first; the average is the plain mean over the columns. Paired within each image."
        ),
        intervals.basis(found.other_task),
    ]
    if found.without_right:
        n = found.without_right
        caption.append(message("{n} images without the right prompt's result are left out.", n=n))
    return Table(
        title=message("Mean change under the prompt of another task"),
        caption=texts(caption),
        columns=tuple(heads),
        rows=rows_of(rows),
    )


def summary(found: PromptCosts) -> pd.DataFrame:
    """Every cell of the matrices, and the means with their intervals under prompt = "another task"."""
    rows = []
    for variant, matrix in found.matrices.items():
        for (condition, given), value in matrix.stack().items():  # type: ignore[misc]
            rows.append({"variant": variant, "condition": condition, "prompt": given, "value_db": value})
        for condition in (AVERAGE, *found.other_task.scores.conditions):
            estimate = intervals.columns(found.other_task.estimate(variant, condition), "db")
            rows.append({"variant": variant, "condition": condition, "prompt": "another task", **estimate})
    return pd.DataFrame(rows)

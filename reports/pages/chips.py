"""The strip of short facts below a study's headline: sample sizes, budget and warnings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports import schema
from reports.convergence import TaskConvergence
from reports.divergence import diverged_runs
from reports.messages import join_and, message, ngettext
from reports.run_state import Status
from reports.stats import AVERAGE, Scores
from reports.study import Study

_ENCODERS = {"minilm": "MiniLM", "onehot": "one-hot"}


@dataclass(frozen=True, kw_only=True)
class Chip:
    """A few words; a warning limits how far numbers can be interpreted."""

    text: str
    is_warning: bool = False


def chips(study: Study, learning: Sequence[TaskConvergence]) -> list[Chip]:
    """Sample sizes, budget and warnings of a study.

    Args:
        study: whose.
        learning: whether each variant was trained past the plateau on each task.
    """
    scores = study.scores(schema.PSNR)
    items = [*_seed_chips(scores), *_image_chips(scores), *_budget_chips(study)]
    n_finished = sum(run.status is Status.DONE for run in study.runs.values())
    if n_finished < len(study.runs):
        text = message("{done} of {all} runs", done=n_finished, all=len(study.runs))
        items.append(Chip(text=text, is_warning=True))
    encoder = study.text_encoder
    if encoder and encoder != "clip":
        items.append(
            Chip(
                text=message("text encoder {encoder}, not CLIP", encoder=_ENCODERS.get(encoder, encoder)),
                is_warning=True,
            )
        )
    return [*items, *_training_chips(study, learning)]


def _training_chips(study: Study, learning: Sequence[TaskConvergence]) -> list[Chip]:
    """Variants that did not reach the plateau on every task, and runs that diverged."""
    items = []
    failing = {result.variant for result in learning if not result.is_past_plateau}
    if failing:
        n_variants = len({result.variant for result in learning})
        text = message("{n} of {all} variants not past the plateau", n=len(failing), all=n_variants)
        items.append(Chip(text=text, is_warning=True))
    diverged = diverged_runs(study)
    if diverged:
        labels = join_and(list(dict.fromkeys(study.label(run.variant) for run in diverged)))
        text = ngettext("{n} run diverged: {names}", "{n} runs diverged: {names}", len(diverged), names=labels)
        items.append(Chip(text=text, is_warning=True))
    return items


def finished_seeds(scores: Scores) -> tuple[int, int]:
    """Fewest and most seeds of a variant with scores; (0, 0) where none has any."""
    counts = [len(seeds) for seeds in scores.seeds.values()]
    return min(counts, default=0), max(counts, default=0)


def _seed_chips(scores: Scores) -> list[Chip]:
    low, high = finished_seeds(scores)
    if not high:
        return []
    if low < high:
        return [Chip(text=message("{low} to {high} seeds", low=low, high=high), is_warning=low == 1)]
    return [Chip(text=ngettext("{n} seed", "{n} seeds", low), is_warning=low == 1)]


def _image_chips(scores: Scores) -> list[Chip]:
    if not scores.variants:
        return []
    n_scenes, n_images = scores.count_scenes_and_images(AVERAGE)
    return [Chip(text=message("{images} images of {scenes} scenes", images=n_images, scenes=n_scenes))]


def _budget_chips(study: Study) -> list[Chip]:
    name, steps = study.budget.get("name"), study.budget.get("steps")
    if not name:
        return []
    if isinstance(steps, int):
        return [Chip(text=message("budget {name}, {steps:,} steps", name=name, steps=steps))]
    return [Chip(text=message("budget {name}", name=name))]

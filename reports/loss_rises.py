"""Runs whose training loss rose far above the level it had reached, by a fixed rule on the training logs.

A level is the median of a tenth of the logged losses (at least `_MIN_WINDOW`). A loss's rise is its ratio to the
lowest level before it, divided by the median of that ratio over the study's other runs at the same step where this is
above one: the recipe's next phase may have harder tasks, and raises every run's loss. A run is named where its largest
rise is above `MAX_RISE`. Logs with losses that are not positive, such as a negative PSNR, have no such ratio and are
not tested.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from reports.artifacts import load_train_log
from reports.messages import join_clauses, join_commas, message
from reports.study import Study

MAX_RISE = 3.0
"""Ratio of a logged loss to the level reached above which its run is named."""
_MIN_WINDOW = 3  # logged losses of a level
_MAX_VARIANTS, _MAX_SEEDS = 6, 4  # in a sentence


@dataclass(frozen=True, kw_only=True)
class LossRise:
    """A run with the step and the ratio of its largest rise."""

    variant: str
    seed: int
    step: int
    ratio: float


def loss_rises(study: Study) -> tuple[LossRise, ...]:
    """The study's finished runs that the rule names, in the order of its variants."""
    losses = {}
    for variant in study.variants:
        for run in study.done_runs_of(variant):
            log = load_train_log(run).dropna(subset=["step", "loss"])
            if run.seed is not None and len(log):
                losses[variant, run.seed] = log.groupby("step")["loss"].last()
    return find_loss_rises(losses)


def find_loss_rises(losses: Mapping[tuple[str, int], pd.Series]) -> tuple[LossRise, ...]:
    """The runs that the rule names.

    Args:
        losses: (variant, seed) -> logged losses, indexed by step in ascending order.
    """
    runs = [key for key, loss in losses.items() if (loss > 0).all()]
    ratios = pd.DataFrame({n: _ratios(losses[key]) for n, key in enumerate(runs)})
    rises = []
    for n, (variant, seed) in enumerate(runs):
        expected = ratios.drop(columns=n).median(axis=1).fillna(1.0).clip(lower=1.0)
        rise = (ratios[n] / expected).dropna()
        if len(rise) and rise.max() > MAX_RISE:
            step = int(rise.index[int(rise.to_numpy().argmax())])
            rises.append(LossRise(variant=variant, seed=seed, step=step, ratio=float(rise.max())))
    return tuple(rises)


def _ratios(loss: pd.Series) -> pd.Series:
    """Each loss over the lowest level before it; NaN before the first level."""
    window = max(_MIN_WINDOW, len(loss) // 10)
    return loss / loss.rolling(window).median().cummin().shift(1)


def loss_rise_sentences(rises: Sequence[LossRise]) -> list[str]:
    """One sentence on the runs that the rule names, the variant with the largest rise first; or none."""
    if not rises:
        return []
    by_variant: dict[str, list[LossRise]] = {}
    for rise in sorted(rises, key=lambda r: -r.ratio):
        by_variant.setdefault(rise.variant, []).append(rise)
    runs = [
        message("{name} ({details})", name=variant, details=_seed_ratios(of_variant))
        for variant, of_variant in by_variant.items()
    ]
    hidden = runs[_MAX_VARIANTS:]
    listed = [*runs[:_MAX_VARIANTS], *([message("{n} more", n=len(hidden))] if hidden else [])]
    return [
        message(
            "Training loss rose above {limit:g} times the level it had reached, allowing for the other runs' rise at "
            "that step: {runs}. All numbers here include these runs.",
            limit=MAX_RISE,
            runs=join_clauses(listed),
        )
    ]


def _seed_ratios(rises: Sequence[LossRise]) -> str:
    """The runs of one variant, by seed: "seed 0 x 22, seed 2 x 5.9"."""
    texts: list[str] = [
        message("seed {seed} \N{MULTIPLICATION SIGN}\N{NO-BREAK SPACE}{ratio}", seed=r.seed, ratio=_ratio_text(r.ratio))
        for r in sorted(rises[:_MAX_SEEDS], key=lambda r: r.seed)
    ]
    n_hidden = len(rises) - len(texts)
    return join_commas([*texts, *([message("{n} more", n=n_hidden)] if n_hidden else [])])


def _ratio_text(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.1f}"

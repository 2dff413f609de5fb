"""Whether each variant has learned each task and stopped improving.

An ablation of networks that do not restore shows nothing. Past the plateau, by variant and task, means both: the mean
gain of PSNR over the degraded input on the test images is at least `LEARNED_DB`, and the last tenth of the training
added less than `PLATEAU_DB` on the validation images. The learning rate falls to zero at the end, so the second
criterion alone would be met by an untrained network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from reports import schema
from reports.artifacts import load_train_log
from reports.formatting import format_signed
from reports.labels import condition_label, in_sentence
from reports.messages import join_clauses, join_commas, message
from reports.stats import means
from reports.study import Run, Study

LEARNED_DB = 0.5
"""Gain over the degraded input from which a task counts as learned, in dB."""
PLATEAU_DB = 0.2
"""Gain over the last tenth of training below which it counts as over, in dB."""
FAST_GAIN_DB = 3.0
"""Gain over the degraded input at which learning speed is measured, in dB (`steps_to_3_db`)."""
_N_TENTHS = 10
NOT_LEARNED, NO_CURVE = message("not learned"), message("no curve")
PAST_PLATEAU, STILL_IMPROVING = message("past the plateau"), message("still improving")

MAX_LISTED = 3
"""Variants that a sentence names with their tasks; the table has all."""


@dataclass(frozen=True, kw_only=True)
class TaskConvergence:
    """Convergence of one variant on one task, means over its seeds.

    Attributes:
        variant: its name.
        task: mean over its conditions.
        gain_db: PSNR over the degraded input's on the test images, after training.
        last_tenth_db: what the last tenth of training added on the validation images; NaN where no curve was logged.
        steps_to_3_db: step at which the validation gain first reached `FAST_GAIN_DB`, between validations by straight
            lines; NaN where a seed never did, or no curve was logged.
    """

    variant: str
    task: str
    gain_db: float
    last_tenth_db: float
    steps_to_3_db: float

    @property
    def is_learned(self) -> bool:
        """Whether it restores the task."""
        return self.gain_db >= LEARNED_DB

    @property
    def is_past_plateau(self) -> bool:
        """Whether it restores the task and had stopped improving; False where the latter is not known."""
        return self.is_learned and self.last_tenth_db < PLATEAU_DB

    @property
    def is_falling(self) -> bool:
        """Whether it restores the task and lost what would otherwise count as still improving."""
        return self.is_learned and self.last_tenth_db <= -PLATEAU_DB

    @property
    def status(self) -> str:
        """Its state in few words."""
        if not self.is_learned:
            return NOT_LEARNED
        if math.isnan(self.last_tenth_db):
            return NO_CURVE
        return PAST_PLATEAU if self.is_past_plateau else STILL_IMPROVING


def task_convergence(study: Study) -> list[TaskConvergence]:
    """Every trained variant with finished runs, task by task, in the study's order."""
    scores = study.scores(schema.PSNR)
    gains = means(scores)
    results = []
    for variant in study.variants:
        curves = [gain_curves(run) for run in study.done_runs_of(variant) if _is_trained(run)]
        if not curves or variant not in gains.index:
            continue
        for task in dict.fromkeys(schema.task_of(condition) for condition in scores.conditions):
            columns = [c for c in scores.conditions if schema.task_of(c) == task]
            gain = float(np.mean(gains.loc[variant, columns].to_numpy() - gains.loc["input", columns].to_numpy()))
            if math.isnan(gain):
                continue
            of_task = [curve[task] for curve in curves if task in curve]
            results.append(
                TaskConvergence(
                    variant=variant,
                    task=task,
                    gain_db=gain,
                    last_tenth_db=_mean([_last_tenth_db(curve) for curve in of_task]),
                    steps_to_3_db=_mean([_step_at_gain(curve, FAST_GAIN_DB) for curve in of_task]),
                )
            )
    return results


def gain_curves(run: Run) -> dict[str, pd.Series]:
    """Task -> gain over the input on validation images in dB, by step; a task's conditions averaged."""
    log = load_train_log(run)
    if "val_gain_db" not in log:
        return {}
    rows = log[log["val_gain_db"].map(lambda gains: isinstance(gains, Mapping))].sort_values("step")
    gains = pd.DataFrame([dict(row) for row in rows["val_gain_db"]], index=pd.Index(rows["step"], name="step"))
    tasks = [schema.task_of(str(condition)) for condition in gains.columns]
    return {task: gains.loc[:, [t == task for t in tasks]].astype(float).mean(axis=1) for task in dict.fromkeys(tasks)}


def convergence_sentences(results: list[TaskConvergence]) -> list[str]:
    """Sentences on which variants did not converge on which tasks, or that all did."""
    if not results:
        return []
    if all(f.status == NO_CURVE for f in results):
        return [message("Whether training was past the plateau is unknown: these runs saved no learning curves.")]
    failing = [f for f in results if not f.is_past_plateau]
    criterion = message(
        "at least {learned:g} dB over the degraded input on the test images, and less than {plateau:g} dB gained on "
        "the validation images in the last tenth of training",
        learned=LEARNED_DB,
        plateau=PLATEAU_DB,
    )
    falling: list[str] = []
    if variants := _variants_with(results, lambda f: f.is_falling, show_last_tenth=True):
        falling.append(
            message(
                "Falling at the end of training, on the validation images in its last tenth: {variants}.",
                variants=variants,
            )
        )
    if not failing:
        passed = message("Every variant is trained past the plateau on every task ({criterion}).", criterion=criterion)
        return [passed, *falling]
    lines: list[str] = []
    if variants := _variants_with(failing, lambda f: f.status == NOT_LEARNED):
        lines.append(message("Not learned: {variants}.", variants=variants))
    if variants := _variants_with(failing, lambda f: f.status == STILL_IMPROVING, show_last_tenth=True):
        lines.append(message("Still improving at the end of training: {variants}.", variants=variants))
    if variants := _variants_with(failing, lambda f: f.status == NO_CURVE, show_gain=False):
        lines.append(
            message(
                "Restores, but no learning curve shows whether it was still improving: {variants}.", variants=variants
            )
        )
    return [
        *lines,
        message(
            "Differences between them may only reflect learning speed; past the plateau means {criterion}.",
            criterion=criterion,
        ),
        *falling,
    ]


def _variants_with(
    results: list[TaskConvergence],
    condition: Callable[[TaskConvergence], bool],
    *,
    show_gain: bool = True,
    show_last_tenth: bool = False,
) -> str:
    """Variants of which this holds with their tasks, each with its gain or the last tenth's; "" where there is none."""
    tasks_by_variant: dict[str, list[str]] = {}
    for result in filter(condition, results):
        task = in_sentence(condition_label(result.task))
        gain = format_signed(result.last_tenth_db if show_last_tenth else result.gain_db)
        text = message("{task} {gain} dB", task=task, gain=gain) if show_gain else task
        tasks_by_variant.setdefault(result.variant, []).append(text)
    texts: list[str] = [
        message("{name} ({details})", name=v, details=join_commas(tasks)) for v, tasks in tasks_by_variant.items()
    ]
    if len(texts) > MAX_LISTED + 1:
        texts[MAX_LISTED:] = [message("{n} more", n=len(texts) - MAX_LISTED)]
    return join_clauses(texts) if texts else ""


def checkpoint_note(study: Study) -> str:
    """Which weights were tested."""
    checkpoints = {
        str((run.spec.get("budget") or {}).get("checkpoint", "best")) for run in study.runs.values() if run.spec
    }
    if checkpoints == {"last"}:
        return message("Every trained run is tested with the weights after its last step.")
    if checkpoints == {"best"}:
        return message("Every trained run is tested with its weights that scored best on the validation images.")
    return message(
        "Some runs are tested with the weights after their last step, others with those that scored best on the "
        "validation images."
    )


def convergence_frame(results: list[TaskConvergence]) -> pd.DataFrame:
    """Rows of learning.csv, unrounded."""
    return pd.DataFrame(
        {
            "variant": [f.variant for f in results],
            "task": [f.task for f in results],
            "gain_db": [f.gain_db for f in results],
            "last_tenth_db": [f.last_tenth_db for f in results],
            "steps_to_3_db": [f.steps_to_3_db for f in results],
            "status": [f.status for f in results],
        }
    )


def read_convergence(path: Path) -> list[TaskConvergence]:
    """The rows of a report's learning.csv; empty where there is no such file."""
    if not path.is_file():
        return []
    rows = pd.read_csv(path).drop(columns="status")
    return [TaskConvergence(**{str(name): value for name, value in row.items()}) for row in rows.to_dict("records")]


def _is_trained(run: Run) -> bool:
    return (run.spec.get("identity") or {}).get("recipe", "unknown") is not None  # None for classical methods


def _last_tenth_db(curve: pd.Series) -> float:
    steps = curve.index.to_numpy(dtype=float)
    if len(curve) < 2:
        return math.nan
    before = float(np.interp(steps[-1] * (1 - 1 / _N_TENTHS), steps, curve.to_numpy()))
    return float(curve.iloc[-1]) - before


def _step_at_gain(curve: pd.Series, gain_db: float) -> float:
    steps, gains = np.r_[0.0, curve.index.to_numpy(dtype=float)], np.r_[0.0, curve.to_numpy()]
    reached = np.flatnonzero(gains >= gain_db)
    if not len(reached):
        return math.nan
    k = int(reached[0])
    share = (gain_db - gains[k - 1]) / (gains[k] - gains[k - 1])
    return float(steps[k - 1] + share * (steps[k] - steps[k - 1]))


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan

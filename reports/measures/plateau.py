"""Which tasks a run had learned by a step, from the validation gains in its training log.

Restoration networks stay for a while at an output that is the input: gradients taken there are those of the plateau's
end, not of tasks that share what was learned. A pair of tasks counts only once both are learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from reports import schema
from reports.artifacts import load_train_log
from reports.study import Run, Status, Study

LEARNED_DB = 0.5
"""A task is learned at a step where its mean validation gain over the degraded input is at least this."""

VAL_GAIN_DB = "val_gain_db"  # in a row of train.jsonl: condition -> gain over the degraded input in dB

Learned = Mapping[str, Mapping[int, frozenset[str]]]  # run id -> step of a validation -> tasks learned at it


def learned_tasks(study: Study) -> Learned:
    """What each finished run had learned at each validation; a run whose log has no gains is no key."""
    runs = [run for run in study.runs.values() if run.status is Status.DONE]
    found = {run.run_id: _learned(run) for run in runs}
    return {run_id: steps for run_id, steps in found.items() if steps}


def _learned(run: Run) -> dict[int, frozenset[str]]:
    log = load_train_log(run)
    if VAL_GAIN_DB not in log:
        return {}
    rows = zip(log["step"], log[VAL_GAIN_DB], strict=True)
    return {int(step): learned_of(gains) for step, gains in rows if isinstance(gains, dict) and not np.isnan(step)}


def learned_of(gains_db: Mapping[str, Any]) -> frozenset[str]:
    """Tasks whose mean gain over their conditions is at least `LEARNED_DB`; a gain that is no number is none."""
    of_task: dict[str, list[float]] = {}
    for condition, gain in gains_db.items():
        known = isinstance(gain, int | float) and not np.isnan(gain)
        of_task.setdefault(schema.task_of(condition), []).append(float(gain) if known else 0.0)
    return frozenset(task for task, gains in of_task.items() if np.mean(gains) >= LEARNED_DB)


def both_learned(rows: pd.DataFrame, learned: Learned) -> pd.Series:
    """For each row (run_id, step, task_a, task_b): 1 where both tasks were learned by its step, 0 where not, else NaN.

    The last validation at or before the step counts; before the first nothing is learned. NaN: the run's log has none.
    """
    known: dict[tuple[str, int], frozenset[str] | None] = {}
    values = []
    for run_id, step, a, b in zip(rows["run_id"], rows["step"], rows["task_a"], rows["task_b"], strict=True):
        key = (str(run_id), int(step))
        if key not in known:
            known[key] = _by(learned[key[0]], key[1]) if key[0] in learned else None
        tasks = known[key]
        values.append(np.nan if tasks is None else float({a, b} <= tasks))
    return pd.Series(values, index=rows.index, dtype=float)


def _by(steps: Mapping[int, frozenset[str]], step: int) -> frozenset[str]:
    before: Iterable[int] = (s for s in steps if s <= step)
    last = max(before, default=None)
    return frozenset() if last is None else steps[last]

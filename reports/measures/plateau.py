"""Which tasks a run had learned at a step, from the validation gains in its training log.

Restoration networks stay for a while at an output that is the input: gradients taken there are those of the plateau,
not of tasks that share what was learned. A pair of tasks counts only once both are learned (`reports.convergence`).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from reports.convergence import LEARNED_DB, gain_curves
from reports.run_state import Status
from reports.study import Study

Learned = Mapping[str, Mapping[int, frozenset[str]]]  # run id -> step of a validation -> tasks learned at it


def learned_tasks(study: Study) -> Learned:
    """Tasks that each finished run had learned at each validation; runs whose log has no gains are left out."""
    runs = [run for run in study.runs.values() if run.status is Status.DONE]
    learned = {run.run_id: tasks_learned_at(gain_curves(run)) for run in runs}
    return {run_id: steps for run_id, steps in learned.items() if steps}


def tasks_learned_at(curves: Mapping[str, pd.Series]) -> dict[int, frozenset[str]]:
    """Step -> tasks whose gain at it (task -> gain in dB by step) is `LEARNED_DB` or more."""
    gains = pd.DataFrame(dict(curves))
    return {int(step): frozenset(map(str, row.index[row >= LEARNED_DB])) for step, row in gains.iterrows()}  # type: ignore[call-overload]


def both_learned(rows: pd.DataFrame, learned: Learned) -> pd.Series:
    """For each row (run_id, step, task_a, task_b): 1 where both tasks were learned by its step, 0 where not, else NaN.

    The last validation at or before the step counts; before the first nothing is learned. NaN: the run's log has none.
    """
    tasks_by_step: dict[tuple[str, int], frozenset[str] | None] = {}
    values = []
    for run_id, step, a, b in zip(rows["run_id"], rows["step"], rows["task_a"], rows["task_b"], strict=True):
        key = (str(run_id), int(step))
        if key not in tasks_by_step:
            tasks_by_step[key] = _tasks_at(learned[key[0]], key[1]) if key[0] in learned else None
        tasks = tasks_by_step[key]
        values.append(np.nan if tasks is None else float({a, b} <= tasks))
    return pd.Series(values, index=rows.index, dtype=float)


def _tasks_at(steps: Mapping[int, frozenset[str]], step: int) -> frozenset[str]:
    last = max((s for s in steps if s <= step), default=None)
    return frozenset() if last is None else steps[last]

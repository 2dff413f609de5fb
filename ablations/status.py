"""How the studies in a folder stand: `python -m ablations.status RUNS`. Reads; writes and locks nothing."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from ablations.cli import counted, duration, exit_code_of, fail
from ablations.flags import Switch, parse
from ablations.harness import run_status as files
from ablations.harness.run_status import State, last_step, read_object, state_of

_SAMPLED = 5  # finished runs of a variant whose seconds are read
_LONGEST_S = 1e12  # what a file says beyond these is no run's, and overflows
_MOST_STEPS = 10**15
_SHOWN = 20  # failed or running runs that are listed for people


@dataclass(frozen=True, kw_only=True)
class Running:
    """A run that a process works on; `left_s` is None where nothing tells its pace yet."""

    run_id: str
    step: int
    steps: int | None
    left_s: float | None


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A run that ended with an error, and why."""

    run_id: str
    type: str
    message: str


@dataclass(kw_only=True)
class Status:
    """How a set of runs stands."""

    name: str  # of the study's folder, or of the folder of runs
    total: int = 0  # distinct runs
    done: int = 0  # how many are finished
    waiting: int = 0  # how many have not begun
    interrupted: list[str] = field(default_factory=list)  # ids of runs that began and that no process works on
    running: list[Running] = field(default_factory=list)  # what a process works on now
    failed: list[Failed] = field(default_factory=list)  # what ended with an error; the study's command tries them again
    left_s: float | None = None  # seconds until all are done at the present pace; None where it can't be told
    reported: bool = True  # whether a report is there; true of runs without a study, which have none


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """A run of a study: its folder's name, variant and steps, as far as the study says."""

    run_id: str
    variant: str
    steps: int | None


def statuses(path: Path) -> list[Status]:
    """How the studies under `path` stand: a study folder, or a folder of runs with its studies.

    Raises:
        ValueError: `path` is no folder, or holds neither studies nor runs.
    """
    if not path.is_dir():
        raise ValueError(f"{path}: no such folder; the folder of runs is needed, as given to --out.")
    if (path / files.STUDY_FILE).is_file():
        return [_study_status(path)]
    found = [_study_status(p.parent) for p in sorted((path / files.STUDIES_FOLDER).glob(f"*/{files.STUDY_FILE}"))]
    if found:
        return found
    runs = [
        _Asked(run_id=p.parent.name, variant=p.parent.name.rpartition("-s")[0], steps=None)
        for p in sorted(path.glob(f"*/{files.SPEC_FILE}"))
    ]
    if not runs:
        raise ValueError(f"{path}: neither studies nor runs in it.")
    return [_status(path.name, path, runs)]


def _study_status(folder: Path) -> Status:
    plan = read_object(folder / files.STUDY_FILE)
    budget, rows = plan.get("budget"), plan.get("rows")
    steps = budget.get("steps") if isinstance(budget, dict) else None
    runs = {}
    for row in rows if isinstance(rows, list) else []:
        run_id = row.get("run_id") if isinstance(row, dict) else None
        # a name from a file must not lead out of the folder of runs
        if isinstance(run_id, str) and run_id not in ("", ".", "..") and not set(run_id) & set("/\\\0"):
            runs[run_id] = _Asked(
                run_id=run_id, variant=str(row.get("variant")), steps=steps if isinstance(steps, int) else None
            )
    if not runs:
        raise ValueError(f"{folder / files.STUDY_FILE}: it names no runs.")
    status = _status(folder.name, folder.resolve().parent.parent, runs.values())
    status.reported = any((folder / name).is_file() for name in files.REPORT_FILES)
    return status


def _status(name: str, root: Path, runs: Iterable[_Asked]) -> Status:
    status = Status(name=name)
    states: dict[State, list[_Asked]] = defaultdict(list)
    for run in runs:
        states[state_of(root / run.run_id)].append(run)
    status.total = sum(map(len, states.values()))
    status.done, status.waiting = len(states[State.DONE]), len(states[State.WAITING])
    status.interrupted = [run.run_id for run in states[State.INTERRUPTED]]
    for run in states[State.FAILED]:
        error = read_object(root / run.run_id / files.ERROR_FILE)
        status.failed.append(
            Failed(
                run_id=run.run_id,
                type=str(error.get("type", "unknown")),
                message=" ".join(str(error.get("message", "no reason can be read")).split()),
            )
        )
    whole = _seconds_of_done(root, states[State.DONE])
    status.running = [_running(root, run, whole) for run in states[State.RUNNING]]
    to_come = [*states[State.WAITING], *states[State.INTERRUPTED]]
    status.left_s = _left(status.running, [whole.get(run.variant, whole.get("")) for run in to_come])
    return status


def _seconds_of_done(root: Path, done: list[_Asked]) -> dict[str, float]:
    """Mean seconds of a finished run of each variant, from a few of each; under "" of all of these."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for run in done:
        if len(seconds[run.variant]) >= _SAMPLED:
            continue
        summary = read_object(root / run.run_id / files.SUMMARY_FILE)
        parts = summary.get("train_wall_s"), summary.get("eval_wall_s")
        if all(isinstance(part, (int, float)) and abs(part) <= _LONGEST_S for part in parts):
            seconds[run.variant].append(sum(float(part or 0) for part in parts))
    means = {variant: sum(found) / len(found) for variant, found in seconds.items() if found}
    return {**means, "": sum(means.values()) / len(means)} if means else {}


def _running(root: Path, run: _Asked, whole: dict[str, float]) -> Running:
    last = last_step(root / run.run_id)
    steps = run.steps if run.steps is not None else _steps_of(root / run.run_id)
    left = whole.get(run.variant, whole.get(""))
    if last is not None and steps and last.step and max(abs(steps), abs(last.step)) <= _MOST_STEPS:
        left = last.wall_s / last.step * max(steps - last.step, 0)
    return Running(run_id=run.run_id, step=last.step if last else 0, steps=steps, left_s=left)


def _steps_of(folder: Path) -> int | None:
    budget: Any = read_object(folder / files.SPEC_FILE).get("budget")
    try:
        return sum(int(phase["steps"]) for phase in budget["phases"])
    except (TypeError, KeyError, ValueError):
        return None


def _left(running: list[Running], to_come: list[float | None]) -> float | None:
    """Seconds until the end if as many runs go on at once as now; None where a pace is unknown or nothing runs."""
    parts = [run.left_s for run in running] + to_come
    if not parts:
        return 0.0
    if not running or any(part is None for part in parts):
        return None
    longest = max(float(run.left_s or 0) for run in running)
    return max(longest, sum(float(part or 0) for part in parts) / len(running))


def as_text(status: Status) -> str:
    """A few lines for people."""
    counts = f"{status.done} done, {len(status.running)} running, {len(status.failed)} failed"
    counts += f", {len(status.interrupted)} interrupted, {status.waiting} waiting"
    lines = [f"{status.name}: {counted(status.total, 'run')}: {counts}; {_time_left(status)}"]
    for run in status.running[:_SHOWN]:
        left = "" if run.left_s is None else f", {duration(run.left_s)} left"
        lines.append(f"  running {run.run_id}: step {run.step} of {run.steps or 'unknown'}{left}")
    lines += [f"  failed {run.run_id}: {run.type}: {run.message}" for run in status.failed[:_SHOWN]]
    hidden = max(0, len(status.running) - _SHOWN) + max(0, len(status.failed) - _SHOWN)
    return "\n".join(lines + ([f"  and {hidden} more (--json lists all)"] if hidden else []))


def _time_left(status: Status) -> str:
    if status.done == status.total:
        if not status.reported:
            return "all trained, measures and report to come: if the study's command is not running, run it again"
        return "finished"
    if not status.running:
        return "nothing is running: run the study's command again to continue"
    return "time left unknown yet" if status.left_s is None else f"about {duration(status.left_s)} left"


@dataclass(frozen=True, kw_only=True)
class StatusOptions:
    """What is told.

    Attributes:
        runs: folder of runs (--out of the study), or of one study
        json: everything, for programs
        version: print the suite's version
    """

    runs: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="RUNS", help_behavior_hint="")] = None
    json: Switch = False
    version: Switch = False


_DESCRIPTION = """\
How the studies in a folder stand: runs done, running, failed and why, and the
time left."""


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; exit code 0, or 2 for bad input."""
    words = list(sys.argv[1:] if argv is None else argv)
    return exit_code_of(
        lambda: _tell(parse(StatusOptions, words, prog="python -m ablations.status", description=_DESCRIPTION))
    )


def _tell(options: StatusOptions) -> int:
    if options.runs is None:
        fail("the following arguments are required: RUNS (see --help)")
    found = statuses(Path(options.runs))
    shown: list[dict[str, Any]] = [asdict(status) for status in found]
    print(json.dumps(shown, indent=2) if options.json else "\n".join(as_text(status) for status in found))
    return 0


if __name__ == "__main__":
    sys.exit(main())

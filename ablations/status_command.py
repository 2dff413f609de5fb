"""Progress of the studies in a folder: `python -m ablations.status RUNS`. Read-only; takes no locks."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from ablations.cli import counted, duration, fail
from ablations.flags import Switch, parse
from ablations.harness.run_status import last_step, status_of
from reports import layout
from reports.run_state import Status, failure_of, read_object

_MAX_TIMED_RUNS = 5  # finished runs of a variant whose durations are read
_MAX_SECONDS = 1e12  # larger values in a file are invalid and would overflow
_MAX_STEPS = 10**15
_MAX_LISTED = 20  # failed or running runs in the text output


@dataclass(frozen=True, kw_only=True)
class Running:
    """A run in progress; `left_s` is None while its speed is unknown."""

    run_id: str
    step: int
    steps: int | None
    left_s: float | None


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A run that ended with an error."""

    run_id: str
    type: str
    message: str


@dataclass(kw_only=True)
class StudyStatus:
    """Progress of a set of runs."""

    name: str  # of the study's folder, or of the folder of runs
    total: int = 0  # distinct runs
    done: int = 0  # how many are finished
    waiting: int = 0  # how many have not started
    interrupted: list[str] = field(default_factory=list)  # ids of runs that started and that no process works on
    running: list[Running] = field(default_factory=list)  # in progress
    failed: list[Failed] = field(default_factory=list)  # ended with an error; the study's command retries them
    left_s: float | None = None  # seconds until all are done at the present speed; None where unknown
    reported: bool = True  # whether there is a report; always true for runs without a study


@dataclass(frozen=True, kw_only=True)
class _PlannedRun:
    """A run of a study; `steps` is None where study.json does not tell."""

    run_id: str
    variant: str
    steps: int | None


def statuses(path: Path) -> list[StudyStatus]:
    """Progress of the studies under `path`: a study folder, or a folder of runs with its studies.

    Raises:
        ValueError: `path` is no folder, or holds neither studies nor runs.
    """
    if not path.is_dir():
        raise ValueError(f"{path}: no such folder; the folder of runs is needed, as given to --out.")
    if (path / layout.STUDY_FILE).is_file():
        return [_study_status(path)]
    results = [_study_status(p.parent) for p in sorted((path / layout.STUDIES_FOLDER).glob(f"*/{layout.STUDY_FILE}"))]
    if results:
        return results
    runs = [
        _PlannedRun(run_id=p.parent.name, variant=p.parent.name.rpartition("-s")[0], steps=None)
        for p in sorted(path.glob(f"*/{layout.SPEC_FILE}"))
    ]
    if not runs:
        raise ValueError(f"{path}: neither studies nor runs in it.")
    return [_status(path.name, path, runs)]


def _study_status(folder: Path) -> StudyStatus:
    plan = read_object(folder / layout.STUDY_FILE)
    budget, rows = plan.get("budget"), plan.get("rows")
    steps = budget.get("steps") if isinstance(budget, dict) else None
    runs = {}
    for row in rows if isinstance(rows, list) else []:
        run_id = row.get("run_id") if isinstance(row, dict) else None
        # a name from a file must not lead out of the folder of runs
        if isinstance(run_id, str) and run_id not in ("", ".", "..") and not set(run_id) & set("/\\\0"):
            runs[run_id] = _PlannedRun(
                run_id=run_id, variant=str(row.get("variant")), steps=steps if isinstance(steps, int) else None
            )
    if not runs:
        raise ValueError(f"{folder / layout.STUDY_FILE}: it names no runs.")
    status = _status(folder.name, folder.resolve().parent.parent, runs.values())
    status.reported = (folder / layout.REPORT_FILE).is_file()
    return status


def _status(name: str, root: Path, runs: Iterable[_PlannedRun]) -> StudyStatus:
    status = StudyStatus(name=name)
    runs_by_status: dict[Status, list[_PlannedRun]] = defaultdict(list)
    for run in runs:
        run_status = status_of(root / run.run_id)
        is_interrupted = run_status in (Status.INTERRUPTED, Status.DAMAGED)  # both are repeated by the study's command
        runs_by_status[Status.INTERRUPTED if is_interrupted else run_status].append(run)
    status.total = sum(map(len, runs_by_status.values()))
    status.done, status.waiting = len(runs_by_status[Status.DONE]), len(runs_by_status[Status.MISSING])
    status.interrupted = [run.run_id for run in runs_by_status[Status.INTERRUPTED]]
    for run in runs_by_status[Status.FAILED]:
        failure = failure_of(read_object(root / run.run_id / layout.ERROR_FILE))
        status.failed.append(Failed(run_id=run.run_id, type=failure.type, message=" ".join(failure.message.split())))
    seconds_per_variant = _seconds_per_variant(root, runs_by_status[Status.DONE])
    status.running = [_running_status(root, run, seconds_per_variant) for run in runs_by_status[Status.RUNNING]]
    unfinished = [*runs_by_status[Status.MISSING], *runs_by_status[Status.INTERRUPTED]]
    status.left_s = _seconds_left(
        status.running, [seconds_per_variant.get(run.variant, seconds_per_variant.get("")) for run in unfinished]
    )
    return status


def _seconds_per_variant(root: Path, runs: list[_PlannedRun]) -> dict[str, float]:
    """Variant -> mean seconds of its finished runs, from a few of them; "" -> mean over the variants."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        if len(seconds[run.variant]) >= _MAX_TIMED_RUNS:
            continue
        summary = read_object(root / run.run_id / layout.SUMMARY_FILE)
        durations = summary.get("train_wall_s"), summary.get("eval_wall_s")
        if all(isinstance(duration_s, (int, float)) and abs(duration_s) <= _MAX_SECONDS for duration_s in durations):
            seconds[run.variant].append(sum(float(duration_s or 0) for duration_s in durations))
    means = {variant: sum(values) / len(values) for variant, values in seconds.items() if values}
    return {**means, "": sum(means.values()) / len(means)} if means else {}


def _running_status(root: Path, run: _PlannedRun, seconds_per_variant: dict[str, float]) -> Running:
    last = last_step(root / run.run_id)
    steps = run.steps if run.steps is not None else _total_steps(root / run.run_id)
    left_s = seconds_per_variant.get(run.variant, seconds_per_variant.get(""))
    if last is not None and steps and last.step and max(abs(steps), abs(last.step)) <= _MAX_STEPS:
        left_s = last.wall_s / last.step * max(steps - last.step, 0)
    return Running(run_id=run.run_id, step=last.step if last else 0, steps=steps, left_s=left_s)


def _total_steps(folder: Path) -> int | None:
    budget: Any = read_object(folder / layout.SPEC_FILE).get("budget")
    try:
        return sum(int(phase["steps"]) for phase in budget["phases"])
    except (TypeError, KeyError, ValueError):
        return None


def _seconds_left(running: list[Running], unfinished: list[float | None]) -> float | None:
    """Seconds until the end with as many parallel runs as now; None where a speed is unknown or nothing runs."""
    seconds = [run.left_s for run in running] + unfinished
    if not seconds:
        return 0.0
    if not running or any(value is None for value in seconds):
        return None
    longest = max(float(run.left_s or 0) for run in running)
    return max(longest, sum(float(value or 0) for value in seconds) / len(running))


def as_text(status: StudyStatus) -> str:
    """The status as a few lines of text."""
    counts = f"{status.done} done, {len(status.running)} running, {len(status.failed)} failed"
    counts += f", {len(status.interrupted)} interrupted, {status.waiting} waiting"
    lines = [f"{status.name}: {counted(status.total, 'run')}: {counts}; {_time_left(status)}"]
    for run in status.running[:_MAX_LISTED]:
        time_left = "" if run.left_s is None else f", {duration(run.left_s)} left"
        lines.append(f"  running {run.run_id}: step {run.step} of {run.steps or 'unknown'}{time_left}")
    lines += [f"  failed {run.run_id}: {run.type}: {run.message}" for run in status.failed[:_MAX_LISTED]]
    hidden = max(0, len(status.running) - _MAX_LISTED) + max(0, len(status.failed) - _MAX_LISTED)
    return "\n".join(lines + ([f"  and {hidden} more (--json lists all)"] if hidden else []))


def _time_left(status: StudyStatus) -> str:
    if status.done == status.total:
        if not status.reported:
            return "all trained, measures and report to come: if the study's command is not running, run it again"
        return "finished"
    if not status.running:
        return "nothing is running: run the study's command again to continue"
    return "time left unknown yet" if status.left_s is None else f"about {duration(status.left_s)} left"


@dataclass(frozen=True, kw_only=True)
class StatusOptions:
    """What is printed.

    Attributes:
        runs: folder of runs (--out of the study), or of one study
        json: print everything as JSON
        version: print the suite's version
    """

    runs: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="RUNS", help_behavior_hint="")] = None
    json: Switch = False
    version: Switch = False


_DESCRIPTION = """\
Progress of the studies in a folder: runs done, running, failed and why, and the
time left."""


def run(words: Sequence[str]) -> int:
    """Print the status of the studies in a folder; exit code 0.

    Raises:
        SystemExit: bad flags, with code 2.
        ValueError, OSError: a folder that can't be read.
    """
    return _print_statuses(parse(StatusOptions, words, prog="python -m ablations.status", description=_DESCRIPTION))


def _print_statuses(options: StatusOptions) -> int:
    if options.runs is None:
        fail("the following arguments are required: RUNS (see --help)")
    all_statuses = statuses(Path(options.runs))
    records: list[dict[str, Any]] = [asdict(status) for status in all_statuses]
    print(json.dumps(records, indent=2) if options.json else "\n".join(as_text(status) for status in all_statuses))
    return 0

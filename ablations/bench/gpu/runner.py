"""Run steps as processes with a time limit each; whatever happens, a line is written and the next step follows."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

RESULT = "RESULT "
"""Prefix of the lines of a check's output that are JSON objects of results."""

RATES = ("patches/s", "images/s")
"""Units of speeds, which are compared."""

DONE, FAILED, TIMED_OUT = "done", "failed", "past its limit"
NO_TIME, SKIPPED, NO_RESULT = "no time left", "skipped", "no result"

MIN_START_S = 12.0
"""No step starts with less time left: a process takes about as long to import PyTorch and initialise the GPU."""

_GRACE_S = 4.0  # between SIGTERM and SIGKILL, in which torchrun ends its workers
_RESERVE_S = 2.0  # for the summary
_POLL_S = 0.05
_TAIL = 1500  # characters of a failed step's output in its line

Row = dict[str, Any]
Reader = Callable[[str], list[Row]]


def results_in(output: str) -> list[Row]:
    """Parse the RESULT lines of a check; an incomplete one is skipped."""
    results = []
    for line in output.splitlines():
        if line.startswith(RESULT):
            try:
                row = json.loads(line[len(RESULT) :])
            except ValueError:
                continue
            if isinstance(row, dict):
                results.append(row)
    return results


@dataclass(frozen=True, kw_only=True)
class Step:
    """One check or measurement.

    Attributes:
        name: unique.
        description: what it shows.
        command: program and arguments.
        limit_s: seconds after which it is stopped.
        shares_device: whether it may run in parallel with others, since nothing is timed.
        read: parses results from its output or files, also of a stopped step.
        env: additional environment variables.
        reference: name of the step that its speed is compared to.
        skipped: why it can't run here, and the fix; empty where it can.
        open_ended: uses all the time left, so that reaching its limit is no failure.
    """

    name: str
    description: str
    command: Sequence[str]
    limit_s: float
    shares_device: bool = False
    read: Reader = results_in
    env: Mapping[str, str] = field(default_factory=dict)
    reference: str = ""
    skipped: str = ""
    open_ended: bool = False


class ResultsLog:
    """Writes results: one JSON line each, and the complete output of each step as a text file.

    Args:
        folder: results.jsonl is appended to; output of earlier steps of the same name is replaced.
        on_message: called with a message when a step ends.
    """

    def __init__(self, folder: Path, on_message: Callable[[str], None]) -> None:
        self.folder, self.on_message = folder, on_message
        self.rows: list[Row] = []
        self._began = time.monotonic()
        (folder / "output").mkdir(parents=True, exist_ok=True)
        self._results = (folder / "results.jsonl").open("a", encoding="utf-8")

    def output_of(self, step: Step) -> Path:
        """The file of a step's output."""
        return self.folder / "output" / f"{file_name(step.name)}.txt"

    def note(self, step: Step, status: str, results: Sequence[Row] = (), **facts: Any) -> None:
        """Write a line for each result, or one without."""
        for result in results or [{}]:
            row = {"step": step.name, "status": status, **facts}
            row |= {name: value for name, value in result.items() if name not in row}
            self.rows.append(row)
            self._results.write(json.dumps(row) + "\n")
        self._results.flush()
        words = f"{status}{_seconds(facts)}"
        if facts.get("error"):
            words += ": " + " | ".join(str(facts["error"]).splitlines()[-2:])[-300:]
        elif facts.get("why"):
            words += f": {facts['why']}"
        elif wrong := [result for result in results if result.get("ok") is False]:
            words += f", NOT RIGHT: {json.dumps(wrong[0])[:300]}"
        elif rates := [result for result in results if result.get("unit") in RATES]:
            words += f", {rates[0].get('value', '-')} {rates[0]['unit']}"
        self.on_message(f"[{time.monotonic() - self._began:4.0f} s] {step.name}: {words}")

    def close(self) -> None:
        """Close results.jsonl."""
        self._results.close()


def file_name(name: str) -> str:
    """A step's or a card's name as a file name."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-") or "unknown"


def run_steps(
    steps: Sequence[Step], log: ResultsLog, *, seconds: float, max_parallel: int, min_start_s: float = MIN_START_S
) -> None:
    """Run the steps that share the device in parallel, then the others one by one, until the time is up.

    Args:
        steps: most important first.
        log: gets at least one line for each step.
        seconds: time limit of all steps.
        max_parallel: parallel processes of the steps that share the device.
        min_start_s: no step starts with less time left.
    """
    deadline = time.monotonic() + seconds
    _run_group([step for step in steps if step.shares_device], log, deadline, max(max_parallel, 1), min_start_s)
    _run_group([step for step in steps if not step.shares_device], log, deadline, 1, min_start_s)


@dataclass
class _Running:
    step: Step
    process: subprocess.Popen[bytes]
    stream: TextIO
    started_at: float
    deadline: float


def _run_group(steps: Sequence[Step], log: ResultsLog, deadline: float, max_parallel: int, min_start_s: float) -> None:
    pending, running = list(steps), list[_Running]()
    try:
        while pending or running:
            while pending and len(running) < max_parallel:
                started = _start_step(pending.pop(0), log, deadline, min_start_s)
                running += [started] if started else []
            for current in list(running):
                is_late = time.monotonic() > current.deadline
                if current.process.poll() is None and not is_late:
                    continue
                running.remove(current)
                _finish_step(current, log, timed_out=current.process.poll() is None)
            time.sleep(_POLL_S if running else 0)
    finally:
        for current in running:  # interrupted
            stop(current.process)
            current.stream.close()


def _start_step(step: Step, log: ResultsLog, deadline: float, min_start_s: float) -> _Running | None:
    """Start a step, or log why not."""
    seconds_left = deadline - time.monotonic()
    if step.skipped:
        log.note(step, SKIPPED, why=step.skipped)
        return None
    if seconds_left < min_start_s:
        log.note(step, NO_TIME)
        return None
    stream = log.output_of(step).open("w", encoding="utf-8")
    try:
        process = subprocess.Popen(
            list(step.command),
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, **step.env},
            start_new_session=True,
        )
    except OSError as error:
        stream.close()
        log.note(step, FAILED, error=str(error))
        return None
    started_at = time.monotonic()
    step_deadline = started_at + min(step.limit_s, max(seconds_left - _RESERVE_S, 0.1))
    return _Running(step=step, process=process, stream=stream, started_at=started_at, deadline=step_deadline)


def _finish_step(current: _Running, log: ResultsLog, *, timed_out: bool) -> None:
    """Log the results of a step that ended or is past its limit."""
    if timed_out:
        stop(current.process)
    current.stream.close()
    code, seconds = current.process.returncode, round(time.monotonic() - current.started_at, 1)
    output = log.output_of(current.step).read_text(encoding="utf-8", errors="replace")
    try:
        results = current.step.read(output)
    except Exception as error:  # an incomplete file of a stopped step
        results, output = [], f"{output}\n{type(error).__name__}: {error}"
    if timed_out:
        status = DONE if current.step.open_ended and results else TIMED_OUT
    else:
        status = FAILED if code else DONE if results else NO_RESULT
    facts: Row = {"seconds": seconds, "exit_code": code}
    if status in (FAILED, NO_RESULT) or (timed_out and not results):
        facts["error"] = output.strip()[-_TAIL:]
    log.note(current.step, status, results, **facts)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a process and its children."""
    for sign, wait_s in ((signal.SIGTERM, _GRACE_S), (signal.SIGKILL, _GRACE_S)):
        try:
            os.killpg(process.pid, sign)
            process.wait(wait_s)
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    process.poll()


def _seconds(facts: Mapping[str, Any]) -> str:
    return f" in {facts['seconds']} s" if "seconds" in facts else ""

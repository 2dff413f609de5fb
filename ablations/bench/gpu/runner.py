"""Steps as processes with a limit each; whatever one does, its line is written and the next one follows."""

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
"""Begins each line of a check's output that holds a JSON object of results."""

RATES = ("patches/s", "images/s")
"""Units that steps are compared in."""

DONE, FAILED, LATE = "done", "failed", "past its limit"
NO_TIME, SKIPPED, SILENT = "no time left", "skipped", "no result"

LEAST_S = 12.0
"""Seconds left below which no step is begun: a process needs about as long to import PyTorch and find the GPU."""

_GRACE_S = 4.0  # between asking a step to end and ending it; torchrun ends its workers meanwhile
_RESERVE_S = 2.0  # for the summary
_POLL_S = 0.05
_TAIL = 1500  # characters of a failed step's output in its line

Row = dict[str, Any]
Reader = Callable[[str], list[Row]]


def results_in(output: str) -> list[Row]:
    """The objects of a check's RESULT lines; one that was cut off is left out."""
    found = []
    for line in output.splitlines():
        if line.startswith(RESULT):
            try:
                row = json.loads(line[len(RESULT) :])
            except ValueError:
                continue
            if isinstance(row, dict):
                found.append(row)
    return found


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing to find out.

    Attributes:
        name: unique.
        shows: what is learnt from it, for people.
        command: program and arguments.
        limit_s: seconds after which it is ended.
        together: whether it may share the device with others, since nothing is timed.
        read: takes its results from its output, or from files that it left; also where it was ended.
        env: variables beside the runner's own.
        against: name of the step whose speed its own is compared to.
        skipped: why it can't be tried here, and the mend; empty where it can.
        open_ended: goes on for as long as there is time, so that its limit is no fault.
    """

    name: str
    shows: str
    command: Sequence[str]
    limit_s: float
    together: bool = False
    read: Reader = results_in
    env: Mapping[str, str] = field(default_factory=dict)
    against: str = ""
    skipped: str = ""
    open_ended: bool = False


class Record:
    """Where results go: one JSON line each, and the whole output of each step as a text file.

    Args:
        folder: results.jsonl is added to; output of earlier calls' steps of the same name is replaced.
        say: called with a line for people as each step ends.
    """

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self.folder, self.say = folder, say
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
        self.say(f"[{time.monotonic() - self._began:4.0f} s] {step.name}: {words}")

    def close(self) -> None:
        """No more lines."""
        self._results.close()


def file_name(name: str) -> str:
    """A step's or a card's name as a file's."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-") or "unknown"


def run_steps(
    steps: Sequence[Step], record: Record, *, seconds: float, max_parallel: int, least_s: float = LEAST_S
) -> None:
    """First the steps that may run together, then the others one after another, in their order, until time is up.

    Args:
        steps: by worth; the last ones get what time is left.
        record: gets at least one line for each of them.
        seconds: for all of them.
        max_parallel: processes of those that may run together.
        least_s: no step is begun with less time left.
    """
    ends = time.monotonic() + seconds
    _run([step for step in steps if step.together], record, ends, max(max_parallel, 1), least_s)
    _run([step for step in steps if not step.together], record, ends, 1, least_s)


@dataclass
class _Running:
    step: Step
    process: subprocess.Popen[bytes]
    stream: TextIO
    began: float
    until: float


def _run(steps: Sequence[Step], record: Record, ends: float, max_parallel: int, least_s: float) -> None:
    waiting, running = list(steps), list[_Running]()
    try:
        while waiting or running:
            while waiting and len(running) < max_parallel:
                started = _begin(waiting.pop(0), record, ends, least_s)
                running += [started] if started else []
            for one in list(running):
                late = time.monotonic() > one.until
                if one.process.poll() is None and not late:
                    continue
                running.remove(one)
                _end(one, record, late=one.process.poll() is None)
            time.sleep(_POLL_S if running else 0)
    finally:
        for one in running:  # interrupted
            stop(one.process)
            one.stream.close()


def _begin(step: Step, record: Record, ends: float, least_s: float) -> _Running | None:
    """Start a step, or write why not."""
    left = ends - time.monotonic()
    if step.skipped:
        record.note(step, SKIPPED, why=step.skipped)
        return None
    if left < least_s:
        record.note(step, NO_TIME)
        return None
    stream = record.output_of(step).open("w", encoding="utf-8")
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
        record.note(step, FAILED, error=str(error))
        return None
    began = time.monotonic()
    until = began + min(step.limit_s, max(left - _RESERVE_S, 0.1))
    return _Running(step=step, process=process, stream=stream, began=began, until=until)


def _end(one: _Running, record: Record, *, late: bool) -> None:
    """Write what a step found that ended or is out of time."""
    if late:
        stop(one.process)
    one.stream.close()
    code, seconds = one.process.returncode, round(time.monotonic() - one.began, 1)
    output = record.output_of(one.step).read_text(encoding="utf-8", errors="replace")
    try:
        results = one.step.read(output)
    except Exception as error:  # half a file of a step that was ended
        results, output = [], f"{output}\n{type(error).__name__}: {error}"
    if late:
        status = DONE if one.step.open_ended and results else LATE
    else:
        status = FAILED if code else DONE if results else SILENT
    facts: Row = {"seconds": seconds, "exit_code": code}
    if status in (FAILED, SILENT) or (late and not results):
        facts["error"] = output.strip()[-_TAIL:]
    record.note(one.step, status, results, **facts)


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a step and what it started."""
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

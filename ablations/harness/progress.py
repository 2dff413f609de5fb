"""Progress of a running study: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ablations.cli import counted, duration, print_prose
from ablations.harness.training.train import Progress as RunProgress
from ablations.spec import RunSpec
from reports.layout import ERROR_FILE
from reports.run_state import failure_of, read_object

_LINE_INTERVAL_S = 15.0
_STAGES = {"evaluate": "evaluating", "measure": "taking its measures"}
"""What a run does after its last step."""


@contextmanager
def timed_status(console: Console, task: str) -> Iterator[None]:
    """Show a task with a clock on a terminal, and print how long it took."""
    started = time.monotonic()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        progress.add_task(task, total=None)
        yield
    elapsed = duration(time.monotonic() - started)
    console.print(f"{task[:1].upper()}{task[1:]} took {elapsed}.", markup=False, highlight=False)


class _NoteColumn(ProgressColumn):
    """The stage of a run; after its last step with the time since then."""

    def render(self, task: Task) -> Text:
        since = task.fields.get("since")
        return Text(task.fields["note"] + ("" if since is None else f", {duration(time.monotonic() - since)}"))


class _RemainingColumn(TimeRemainingColumn):
    """The time left, until the last step: the rest is not estimated."""

    def render(self, task: Task) -> Text:
        return Text("") if task.remaining == 0 else super().render(task)


class StudyProgress:
    """Progress of a study's distinct runs, a context manager; bars appear only on a terminal."""

    def __init__(self, specs: Sequence[RunSpec], console: Console) -> None:
        self.console = console
        self._run_names = {spec.digest: f"{spec.variant} seed {spec.seed}" for spec in specs}
        self._planned_steps = {spec.digest: spec.recipe.steps for spec in specs}
        self._completed_steps = dict.fromkeys(self._run_names, 0)
        self._first_step: dict[str, int] = {}
        self._completed_total, self._planned_total = 0, sum(self._planned_steps.values())
        self._runs_done = 0
        self._bars: dict[str, TaskID] = {}
        self._stages: dict[str, str] = {}
        self._last_line_at = time.monotonic()
        self._started_at = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _NoteColumn(),
            TimeElapsedColumn(),
            _RemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )
        self._total = self._progress.add_task("study", total=self._planned_total, note="steps")

    def __enter__(self) -> StudyProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def reused(self, spec: RunSpec) -> None:
        """A run that was done before."""
        self._runs_done += 1
        self._set_step(spec.digest, self._planned_steps[spec.digest])
        self._first_step[spec.digest] = self._planned_steps[spec.digest]
        self._print(f"{self._run_name(spec)}: done before, not run again")

    def started(self, spec: RunSpec) -> None:
        """A run's process has started."""
        if spec.digest not in self._bars:
            self._bars[spec.digest] = self._progress.add_task(
                self._run_name(spec), total=self._planned_steps[spec.digest], note="starting"
            )

    def update(self, digest: str, progress: RunProgress) -> None:
        """Progress of a run."""
        self._first_step.setdefault(digest, progress.step)
        self._set_step(digest, progress.step)
        note = progress.stage
        if progress.loss is not None and progress.images_per_s is not None:
            note = f"loss {progress.loss:.4f}, {progress.images_per_s:.0f} images/s"
        since = None
        if progress.stage in _STAGES:
            note, since = _STAGES[progress.stage], time.monotonic()
            if not self.console.is_terminal and self._stages.get(digest) != progress.stage:
                self._print(f"{self._run_names[digest]}: {note}, all {counted(progress.steps, 'step')} done")
            self._stages[digest] = progress.stage
        if digest in self._bars:
            self._progress.update(self._bars[digest], completed=progress.step, note=note, since=since)
        if since is not None:
            return
        if not self.console.is_terminal and time.monotonic() - self._last_line_at > _LINE_INTERVAL_S:
            self._last_line_at = time.monotonic()
            self._print(
                f"{self._run_names[digest]}: step {progress.step}/{progress.steps}, {note}; {self._time_remaining()}"
            )

    def finished(self, spec: RunSpec) -> None:
        """A run is done."""
        self._runs_done += 1
        self._set_step(spec.digest, self._planned_steps[spec.digest])
        self._remove_bar(spec)
        self._print(f"{self._run_name(spec)}: done ({self._runs_done} of {counted(len(self._run_names), 'run')})")

    def busy(self, spec: RunSpec) -> None:
        """Another launcher works on the run: it is retried later."""
        self._remove_bar(spec)

    def failed(self, spec: RunSpec, folder: Path) -> None:
        """A run failed; the study continues."""
        self._remove_bar(spec)
        failure = failure_of(read_object(folder / ERROR_FILE))
        self._print(f"{self._run_name(spec)}: FAILED, {failure} (traceback in {folder / ERROR_FILE})")

    def _run_name(self, spec: RunSpec) -> str:
        return self._run_names[spec.digest]

    def _set_step(self, digest: str, step: int) -> None:
        # no sum over all runs: a study of thousands would spend its time in it
        self._completed_total += step - self._completed_steps[digest]
        self._completed_steps[digest] = step
        self._progress.update(self._total, completed=self._completed_total)

    def _remove_bar(self, spec: RunSpec) -> None:
        if spec.digest in self._bars:
            self._progress.remove_task(self._bars.pop(spec.digest))

    def _time_remaining(self) -> str:
        steps_this_session = sum(
            step - self._first_step.get(digest, 0) for digest, step in self._completed_steps.items()
        )
        steps_remaining = self._planned_total - self._completed_total
        if steps_this_session <= 0:
            return "time left unknown yet"
        if not steps_remaining:
            return "study: all steps done"
        remaining_s = (time.monotonic() - self._started_at) * steps_remaining / steps_this_session
        return f"study: about {duration(remaining_s)} left for the steps"

    def _print(self, text: str) -> None:
        print_prose(self.console, text)

"""One run as a report reads it."""

from pathlib import Path

from reports.load import load
from reports.study import Run


def read_run(folder: Path) -> Run:
    """The only run of the study that its folder is."""
    (run,) = load([folder]).runs.values()
    return run

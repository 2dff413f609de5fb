"""The suite from Python: run a study, or load the results of one, as pandas tables.

`load_results` imports no torch. `run_study` and the command line are equivalent: same runs, same folders, same report.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from ablations.startup import prepare


@dataclass(frozen=True)
class StudyResult:
    """A study's finished runs, read from its folder."""

    folder: Path  # of the study, with its tables, figures and report

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row for each variant, seed, test set, image and metric, as in table.parquet; infinite PSNR is capped."""
        from reports.image_rows import decode_texts

        return decode_texts(self._all_rows.rows)

    @cached_property
    def means(self) -> pd.DataFrame:
        """Each variant's mean over images and seeds by condition and metric, with 95 % intervals, as in means.csv."""
        from reports.tables import means_frame

        return means_frame(self._study)

    @cached_property
    def pairs(self) -> pd.DataFrame:
        """Each variant against the study's reference: PSNR difference in dB, interval and p-value."""
        from reports.pairs import pairs_frame

        return pairs_frame(self._verdict.pairs)

    @cached_property
    def contrasts(self) -> pd.DataFrame:
        """The planned comparisons of the study, with simultaneous intervals."""
        from reports.contrasts import contrasts_frame

        return contrasts_frame(self._verdict.contrasts, self._verdict.without_diverged)

    @property
    def report(self) -> Path:
        """The HTML report."""
        from reports import schema

        return self.folder / schema.REPORT_FILE

    @property
    def failed(self) -> tuple[str, ...]:
        """Ids of the planned runs that are not finished."""
        from reports.run_state import Status

        return tuple(name for name, run in self._study.runs.items() if run.status is not Status.DONE)

    @property
    def summary(self) -> str:
        """The main result in one sentence, as at the top of the report."""
        return str(self._verdict.headline)

    def _repr_markdown_(self) -> str:
        """The study's table, for notebooks."""
        from reports import schema

        path = self.folder / schema.TABLE_MD_FILE
        return path.read_text(encoding="utf-8") if path.is_file() else f"No report yet in {self.folder}."

    @cached_property
    def _all_rows(self) -> Any:
        """The study with every test set and protocol."""
        from reports.load import load

        return load([self.folder])

    @cached_property
    def _study(self) -> Any:
        """The study as the report's first table has it: one protocol, and one test set a condition."""
        from reports.subsets import main_subset

        return main_subset(self._all_rows)

    @cached_property
    def _verdict(self) -> Any:
        from reports.verdict import verdict_of

        return verdict_of(self._study)


def load_results(folder: str | Path) -> StudyResult:
    """Load the results of a study.

    Args:
        folder: of the study, under runs/studies/, or a folder of runs with one study.

    Raises:
        ValueError: no study in it, or several; the message is one line.
    """
    prepare()
    from reports.load import find_studies

    if not isinstance(folder, str | Path):
        raise ValueError(f"{folder!r} is no folder: the path of a study's folder is needed.")
    path = Path(folder).expanduser()
    if not path.is_dir():
        raise ValueError(f"{path}: no such folder.")
    folders = find_studies(path)
    if len(folders) != 1:
        names = ", ".join(folder.name for folder in folders) or "none"
        raise ValueError(f"{path} holds {len(folders)} studies ({names}); name one: a folder under runs/studies/.")
    return StudyResult(folders[0])


def run_study(
    study: str,
    *,
    budget: str = "demo",
    seeds: Sequence[int] | None = None,
    data: str | Path = "embedded",
    out: str | Path = "runs",
    quiet: bool = False,
    **options: Any,
) -> StudyResult:
    """Run a study as `python -m ablations.run` does; finished runs are not repeated.

    Args:
        study: its name, as listed by `python -m ablations.run --list`.
        budget: smoke, demo, small, quick or paper.
        seeds: by default the budget's.
        data: "embedded", "bsds", "paper" or a folder of images or pairs.
        out: folder of all runs.
        quiet: print nothing.
        options: any other flag of the command line, but --dry-run and --early-look, by its name:
            `only=["dfpir_g50"]`, `tasks=["noise", "rain"]`, `device="cuda"`, `jobs=2`, `text_encoder="onehot"`,
            `root="data"`; overrides of the budget's recipe, model and evaluation as dictionaries:
            `recipe={"steps": 500}`, `model={"dim": 16}`.

    Returns:
        The study's results; runs that failed are in `failed`.

    Raises:
        ValueError: a name or a value that can't be used; the message is one line.
        RuntimeError: called again by a process that the study started: the script that calls this needs
            `if __name__ == "__main__":`, since each run is a process that imports it.
    """
    if "--multiprocessing-fork" in sys.orig_argv:  # how multiprocessing starts a process that imports the script
        raise RuntimeError(
            "run_study starts processes that import the calling script: put the call under "
            'if __name__ == "__main__": in it.'
        )
    prepare()
    from rich.console import Console

    from ablations import run_command
    from ablations.name_checks import check_names
    from ablations.run_options import options_from_keywords, to_command

    run_options = options_from_keywords(study, {"budget": budget, "seeds": seeds, "data": data, "out": out, **options})
    check_names(study, budget)
    outcome = run_command.run(
        run_options, command=to_command(run_options), console=Console(highlight=False, quiet=quiet)
    )
    if outcome is None:
        launcher = run_options.launching.launcher
        raise ValueError(
            f"launcher={launcher!r}: this process only takes part in another one's study; the results are there."
        )
    return StudyResult(outcome.folder)

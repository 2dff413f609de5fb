"""One page over all studies of a runs folder: question, progress and result of each."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from reports import schema
from reports.contrasts import ContrastResult
from reports.document import (
    Block,
    Cell,
    Code,
    Column,
    Document,
    Interval,
    Row,
    Section,
    Table,
    Text,
    text_cell,
    text_column,
)
from reports.document.html import write_html
from reports.formatting import format_estimate
from reports.language import languages
from reports.load import check_comparable, find_runs, find_studies, load_study
from reports.messages import join_commas, message, ngettext, stored_text
from reports.pages.chips import finished_seeds
from reports.run_folder import read_json
from reports.run_state import Status
from reports.stats import AVERAGE
from reports.study import Study
from reports.subsets import main_subset
from reports.verdict import verdict_of


@dataclass(frozen=True, kw_only=True)
class StudyRow:
    """One study.

    Attributes:
        folder: name of its folder.
        title, question: of study.json; `budget` and `data` by name.
        date: day on which its last run finished, "YYYY-MM-DD", "" while none is.
        n_done, n_planned: its finished and its planned runs.
        unfinished: the runs that are not done, in words: "1 failed, 2 missing".
        seeds: fewest and most finished ones of a variant; (0, 0) while none is.
        n_planned_seeds: how many it was planned with.
        headline: of its verdict.
        verdict: as in `Verdict.outcome`.
        results: its planned contrasts of the average, those that can be estimated.
        n_images: test images behind them.
        report: address of its page from the index, "" where it has none yet.
        problem: why it has no result; "" normally.
    """

    folder: str
    title: str = ""
    question: str = ""
    budget: str = ""
    data: str = ""
    date: str = ""
    n_done: int = 0
    n_planned: int = 0
    unfinished: str = ""
    seeds: tuple[int, int] = (0, 0)
    n_planned_seeds: int = 0
    headline: str = ""
    verdict: str = "nothing"
    results: tuple[ContrastResult, ...] = ()
    n_images: int = 0
    report: str = ""
    problem: str = ""

    @property
    def contrast(self) -> ContrastResult | None:
        """The first planned contrast, where it can be estimated."""
        return self.results[0] if self.results else None


def build_index(root: Path, out_dir: Path | None = None, *, lang: str = "en") -> Path:
    """Write index.html over all studies below a runs folder.

    Args:
        root: the runs folder.
        out_dir: where to write; the folder of the studies by default.
        lang: language of a second page beside the English one; "en" for none.

    Returns:
        The page. It links to the reports that are there; none is made.

    Raises:
        ValueError: no such folder, or no study in it; one line.
    """
    page_languages = languages(lang)
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder. Name the folder that --out of ablations.run wrote to.")
    folders = find_studies(root)
    if not folders:
        raise ValueError(f"{root}: no study in it (no {schema.STUDIES_FOLDER}/*/{schema.STUDY_FILE}).")
    out = out_dir if out_dir is not None else folders[0].parent
    lines = sorted((read_study_row(folder, out) for folder in folders), key=lambda line: line.date, reverse=True)
    document = index_document(
        lines, _unassigned_runs(root, folders), f"python -m reports index {shlex.quote(str(root))}"
    )
    return write_html(document, out / schema.INDEX_FILE, page_languages)


def index_document(lines: Sequence[StudyRow], unassigned: str, command: str) -> Document:
    """The page: one row per study, latest first; `unassigned` is a note on runs of no study."""
    n_done, n_planned = sum(line.n_done for line in lines), sum(line.n_planned for line in lines)
    totals = ngettext(
        "{n} study; {done:,} of {planned:,} planned runs finished (a run shared by several studies counts in each).",
        "{n} studies; {done:,} of {planned:,} planned runs finished (a run shared by several studies counts in each).",
        len(lines),
        done=n_done,
        planned=n_planned,
    )
    notes: list[Block] = [Text(text=unassigned, style="note")] if unassigned else []
    return Document(
        title=message("All studies"),
        question=[totals],
        sections=[
            Section(
                name="studies",
                title=message("Studies and results"),
                blocks=[studies_table(lines), *notes],
            ),
            Section(name="again", title=message("Reproduce"), blocks=[Code(code=command)]),
        ],
        has_contents=False,
    )


def studies_table(lines: Sequence[StudyRow]) -> Table:
    """Each study with its first planned contrast and its result in one sentence."""
    bounds = [abs(end) for line in lines if line.contrast for end in _interval_bounds(line.contrast) if end == end]
    limit = max(bounds, default=1.0) or 1.0
    return Table(
        name="studies-table",
        title=message("Table of studies"),
        columns=(
            text_column(message("Study")),
            text_column(message("First planned contrast")),
            text_column(message("Verdict")),
            Column(head=message("Seeds x images")),
            Column(head=message("Runs done")),
            text_column(message("Finished")),
            text_column(message("Budget")),
            text_column(message("Data")),
        ),
        rows=tuple(Row(cells=_study_cells(line, limit), name=line.folder) for line in lines),
        caption=message(
            "Latest first. A study's name opens its report; its sentence is shown over the verdict. "
            "Results are recomputed from the runs that are finished "
            "now, so an earlier report may show fewer. Bars: simultaneous 95% intervals of the difference of PSNR "
            "averaged over the columns, all on one scale, \N{PLUS-MINUS SIGN}{limit} dB around zero.",
            limit=f"{limit:.2f}",
        ),
        has_title=False,
        style="studies",
    )


def _study_cells(line: StudyRow, limit: float) -> tuple[Cell, ...]:
    title = stored_text(line.title) if line.title else line.folder
    no_report = () if line.report else (message("no report yet: run python -m reports study on this folder"),)
    contrast = text_cell("\N{EN DASH}")
    if line.contrast is not None:
        value, low, high = line.contrast.estimate.value, *_interval_bounds(line.contrast)
        contrast = text_cell(
            line.contrast.contrast.label,
            below=(format_estimate(line.contrast.simultaneous),),
            interval=Interval(value=value, low=low, high=high, limit=limit),
            style="words",
        )
    return (
        text_cell(
            title,
            href=line.report,
            below=(line.folder, *no_report),
            hover=stored_text(line.question) if line.question else "",
        ),
        contrast,
        text_cell(
            line.problem or _verdict_text(line),
            style=f"words {'problem' if line.problem else line.verdict}",
            hover=line.headline,
        ),
        _seeds_cell(line),
        Cell(
            text=message("{n} of {all}", n=line.n_done, all=line.n_planned),
            value=line.n_done,
            below=(line.unfinished,) if line.unfinished else (),
        ),
        text_cell(line.date or "\N{EN DASH}", style="day"),
        text_cell(line.budget),
        text_cell(line.data),
    )


def _seeds_cell(line: StudyRow) -> Cell:
    """Finished seeds and test images; below them the planned seeds where more were planned."""
    low, high = line.seeds
    seeds = str(high) if low == high else f"{low}\N{EN DASH}{high}"
    below = (message("{n} seeds planned", n=line.n_planned_seeds),) if high < line.n_planned_seeds else ()
    return Cell(text=f"{seeds} \N{MULTIPLICATION SIGN} {line.n_images}", value=high * line.n_images, below=below)


def _verdict_text(line: StudyRow) -> str:
    """A few words: how many contrasts differ, or why none is tested."""
    if not line.results:
        return message("nothing to compare")
    if all(result.estimate.n_seeds == 1 for result in line.results):
        return message("one seed: not tested")
    n_differing = sum(result.differs for result in line.results)
    if not n_differing:
        return message("no significant difference")
    return message("{n} of {all} contrasts significant", n=n_differing, all=len(line.results))


def _interval_bounds(contrast: ContrastResult) -> tuple[float, float]:
    return contrast.simultaneous.low, contrast.simultaneous.high


def read_study_row(folder: Path, out: Path) -> StudyRow:
    """The study's row; never raises for malformed content.

    Args:
        folder: of the study.
        out: folder of the index, to which its links are relative.
    """
    try:
        full_study = load_study(folder)
    except (OSError, ValueError) as error:
        return StudyRow(folder=folder.name, problem=" ".join(str(error).split()))
    status = Counter(run.status for run in full_study.runs.values())
    unfinished = [
        message("{n} {status}", n=status[s], status=s.label) for s in Status if s is not Status.DONE and status[s]
    ]
    study = main_subset(full_study)
    headline, verdict, seeds, n_images, problem = "", "nothing", (0, 0), 0, ""
    results: tuple[ContrastResult, ...] = ()
    try:
        check_comparable(study)
        study_verdict = verdict_of(study)
        headline, verdict = study_verdict.headline, study_verdict.outcome
        results = study_verdict.contrasts.in_column()
        scores = study.scores(schema.PSNR)
        seeds, n_images = finished_seeds(scores), scores.count_scenes_and_images(AVERAGE)[1]
    except ValueError as error:
        problem = " ".join(str(error).split())
    report = folder / schema.REPORT_FILE
    return StudyRow(
        folder=folder.name,
        title=full_study.title,
        question=full_study.question,
        budget=str(full_study.budget.get("name") or ""),
        data=str(full_study.data.get("name") or ""),
        date=_last_day(full_study),
        n_done=status[Status.DONE],
        n_planned=len(full_study.runs),
        unfinished=join_commas(unfinished) if unfinished else "",
        seeds=seeds,
        n_planned_seeds=len({entry.seed for entry in full_study.entries}),
        headline=headline,
        verdict=verdict,
        results=results,
        n_images=n_images,
        report=_relative_url(report, out) if report.is_file() else "",
        problem=problem,
    )


def _last_day(study: Study) -> str:
    """When the last of its runs finished; a date that can't be read counts for nothing."""
    days = []
    for run in study.runs.values():
        if run.status is Status.DONE:
            stamp = str(read_json(run.path / schema.DONE_FILE).get("finished_at", ""))
            days.append(stamp[:10] if len(stamp) >= 10 and stamp[4:5] == "-" else "")
    return max(days, default="")


def _relative_url(path: Path, out: Path) -> str:
    """A relative address, whatever characters the folder's name holds."""
    return quote(os.path.relpath(path.resolve(), out.resolve()).replace(os.sep, "/"))


def _unassigned_runs(root: Path, folders: list[Path]) -> str:
    """How many run folders belong to none of the studies; "" for none."""
    planned_ids = set()
    for folder in folders:
        try:
            planned_ids |= set(_run_ids(folder))
        except (OSError, ValueError):
            continue
    try:
        unassigned = [run for run in find_runs([root]) if run.name not in planned_ids]
    except ValueError:
        return ""
    if not unassigned:
        return ""
    return ngettext("{n} run belongs to no study above.", "{n} runs belong to no study above.", len(unassigned))


def _run_ids(folder: Path) -> list[str]:
    """The run ids that a study names."""
    rows = read_json(folder / schema.STUDY_FILE).get("rows")
    return [str(row.get("run_id")) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

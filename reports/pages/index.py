"""One page over all studies of a runs folder: what each asked, how far it is, what came of it."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from reports import schema
from reports.contrasts import Tested
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
    text_column,
    words,
)
from reports.document.html import write_html
from reports.formatting import show
from reports.language import languages
from reports.load import check_comparable, find_runs, find_studies, load_study, read_json
from reports.messages import comma, message, ngettext, stored
from reports.study import Status, Study
from reports.subsets import main_part
from reports.verdict import verdict_of


@dataclass(frozen=True, kw_only=True)
class StudyLine:
    """One study.

    Attributes:
        folder: name of its folder.
        title, question: as the study says them; `budget` and `data` by name.
        date: day on which its last run finished, "YYYY-MM-DD", "" while none is.
        done, planned: its finished and its planned runs.
        others: the runs that are not done, in words: "1 failed, 2 missing".
        seeds: how many its variants were planned with.
        headline: of its verdict.
        verdict: as in `Verdict.ranks`.
        contrast: its first planned contrast, where it can be estimated.
        report: address of its page from the index, "" where it has none yet.
        problem: why there is nothing to say of it; "" in general.
    """

    folder: str
    title: str = ""
    question: str = ""
    budget: str = ""
    data: str = ""
    date: str = ""
    done: int = 0
    planned: int = 0
    others: str = ""
    seeds: int = 0
    headline: str = ""
    verdict: str = "nothing"
    contrast: Tested | None = None
    report: str = ""
    problem: str = ""


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
    lines = sorted((describe(folder, out) for folder in folders), key=lambda line: line.date, reverse=True)
    document = index_document(lines, _runs_alone(root, folders), f"python -m reports index {shlex.quote(str(root))}")
    return write_html(document, out / schema.INDEX_FILE, page_languages)


def index_document(lines: Sequence[StudyLine], alone: str, command: str) -> Document:
    """The page: a line a study, latest first; `alone` is said of runs of no study."""
    done, planned = sum(line.done for line in lines), sum(line.planned for line in lines)
    totals = ngettext(
        "{n} study; {done:,} of {planned:,} planned runs done (a run that several studies share counts in each).",
        "{n} studies; {done:,} of {planned:,} planned runs done (a run that several studies share counts in each).",
        len(lines),
        done=done,
        planned=planned,
    )
    notes: list[Block] = [Text(text=alone, style="note")] if alone else []
    return Document(
        title=message("All studies"),
        question=[totals],
        sections=[
            Section(
                name="studies",
                title=message("What was asked, and what came of it"),
                blocks=[studies_table(lines), *notes],
            ),
            Section(name="again", title=message("Make it again"), blocks=[Code(code=command)]),
        ],
        has_contents=False,
    )


def studies_table(lines: Sequence[StudyLine]) -> Table:
    """Each study with its first planned contrast and its result in one sentence."""
    ends = [abs(end) for line in lines if line.contrast for end in _bounds(line.contrast) if end == end]
    limit = max(ends, default=1.0) or 1.0
    return Table(
        name="studies-table",
        title=message("Table of studies"),
        columns=(
            text_column(message("Study")),
            text_column(message("First planned contrast")),
            text_column(message("Result in one sentence")),
            Column(head=message("Runs done")),
            Column(head=message("Seeds")),
            text_column(message("Finished")),
            text_column(message("Budget")),
            text_column(message("Data")),
        ),
        rows=tuple(Row(cells=_cells(line, limit), name=line.folder) for line in lines),
        caption=message(
            "Latest first. A study's name opens its report. The sentence beside it is worked out anew from the runs "
            "that are done now, so a report made earlier may say less. Bars: simultaneous 95% intervals of the "
            "difference of PSNR averaged over the columns, all on one scale, \N{PLUS-MINUS SIGN}{limit} dB around "
            "zero.",
            limit=f"{limit:.2f}",
        ),
        has_title=False,
        style="studies",
    )


def _cells(line: StudyLine, limit: float) -> tuple[Cell, ...]:
    title = stored(line.title) if line.title else line.folder
    no_report = () if line.report else (message("no report yet: python -m reports study, with this folder"),)
    contrast = words("\N{EN DASH}")
    if line.contrast is not None:
        value, low, high = line.contrast.estimate.value, *_bounds(line.contrast)
        contrast = words(
            line.contrast.contrast.label,
            below=(show(line.contrast.simultaneous),),
            interval=Interval(value=value, low=low, high=high, limit=limit),
            style="words",
        )
    return (
        words(
            title,
            href=line.report,
            below=(line.folder, *no_report),
            hover=stored(line.question) if line.question else "",
        ),
        contrast,
        words(line.problem or line.headline, style=f"words {'problem' if line.problem else line.verdict}"),
        Cell(
            text=message("{n} of {all}", n=line.done, all=line.planned),
            value=line.done,
            below=(line.others,) if line.others else (),
        ),
        Cell(text=str(line.seeds), value=line.seeds),
        words(line.date or "\N{EN DASH}", style="day"),
        words(line.budget),
        words(line.data),
    )


def _bounds(contrast: Tested) -> tuple[float, float]:
    return contrast.simultaneous.low, contrast.simultaneous.high


def describe(folder: Path, out: Path) -> StudyLine:
    """The study's line; never raises for what the folder holds.

    Args:
        folder: of the study.
        out: folder of the index, from which its links lead.
    """
    try:
        whole = load_study(folder)
    except (OSError, ValueError) as error:
        return StudyLine(folder=folder.name, problem=" ".join(str(error).split()))
    status = Counter(run.status for run in whole.runs.values())
    left = [message("{n} {status}", n=status[s], status=s.told) for s in Status if s is not Status.DONE and status[s]]
    study = main_part(whole)
    headline, verdict, contrast, problem = "", "nothing", None, ""
    try:
        check_comparable(study)
        found = verdict_of(study)
        headline, verdict = found.headline, found.ranks
        contrast = next(iter(found.contrasts.of()), None)
    except ValueError as error:
        problem = " ".join(str(error).split())
    report = folder / schema.REPORT_FILE
    return StudyLine(
        folder=folder.name,
        title=whole.title,
        question=whole.question,
        budget=str(whole.budget.get("name") or ""),
        data=str(whole.data.get("name") or ""),
        date=_last_day(whole),
        done=status[Status.DONE],
        planned=len(whole.runs),
        others=comma(left) if left else "",
        seeds=len({entry.seed for entry in whole.entries}),
        headline=headline,
        verdict=verdict,
        contrast=contrast,
        report=_address(report, out) if report.is_file() else "",
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


def _address(path: Path, out: Path) -> str:
    """A relative address, whatever characters the folder's name holds."""
    return quote(os.path.relpath(path.resolve(), out.resolve()).replace(os.sep, "/"))


def _runs_alone(root: Path, folders: list[Path]) -> str:
    """How many run folders belong to none of the studies; "" for none."""
    named = set()
    for folder in folders:
        try:
            named |= set(_run_ids(folder))
        except (OSError, ValueError):
            continue
    try:
        alone = [run for run in find_runs([root]) if run.name not in named]
    except ValueError:
        return ""
    if not alone:
        return ""
    return ngettext("{n} run belongs to no study above.", "{n} runs belong to no study above.", len(alone))


def _run_ids(folder: Path) -> list[str]:
    """The run ids that a study names."""
    rows = read_json(folder / schema.STUDY_FILE).get("rows")
    return [str(row.get("run_id")) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

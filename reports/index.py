"""One page over all studies of a runs folder: what each asked, how far it is, what came of it."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reports import html, schema
from reports.files import write_text
from reports.load import check_comparable, find_runs, find_studies, load_study, read_json
from reports.parts import main_part
from reports.study import Status, Study
from reports.verdict import verdict_of


@dataclass(frozen=True, kw_only=True)
class Line:
    """One study.

    Attributes:
        folder: name of its folder.
        title, question: as the study says them; `budget` and `data` by name and in a few words.
        date: day on which its last run finished, "YYYY-MM-DD", "" while none is.
        done, planned: its finished and its planned runs.
        others: the runs that are not done, in words: "1 failed, 2 missing".
        headline: of its verdict; `ranks` as in Verdict.
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
    headline: str = ""
    ranks: str = "nothing"
    report: str = ""
    problem: str = ""


def build_index(root: Path, out_dir: Path | None = None) -> Path:
    """Write index.html over all studies below a runs folder.

    Args:
        root: the runs folder.
        out_dir: where to write; the folder of the studies by default.

    Returns:
        The page. It links to the reports that are there; none is made.

    Raises:
        ValueError: no such folder, or no study in it; one line.
    """
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder. Name the folder that --out of ablations.run wrote to.")
    folders = find_studies(root)
    if not folders:
        raise ValueError(f"{root}: no study in it (no {schema.STUDIES_FOLDER}/*/{schema.STUDY_FILE}).")
    out = out_dir if out_dir is not None else folders[0].parent
    lines = sorted((describe(folder, out) for folder in folders), key=lambda line: line.date, reverse=True)
    text = html.page(
        "index.html.j2",
        styles=("report.css", "index.css"),
        scripts=("report.js",),
        lines=lines,
        totals=_totals(lines),
        alone=_runs_alone(root, folders),
        command=f"python -m reports.build --all {shlex.quote(str(root))}",
    )
    return write_text(out / schema.INDEX_FILE, text)


def describe(folder: Path, out: Path) -> Line:
    """The study's line; never raises for what the folder holds.

    Args:
        folder: of the study.
        out: folder of the index, from which its links lead.
    """
    try:
        whole = load_study(folder)
    except (OSError, ValueError) as error:
        return Line(folder=folder.name, problem=" ".join(str(error).split()))
    status = Counter(run.status for run in whole.runs.values())
    left = [f"{status[s]} {s.value}" for s in Status if s is not Status.DONE and status[s]]
    study = main_part(whole)
    headline, ranks, problem = "", "nothing", ""
    try:
        check_comparable(study)
        found = verdict_of(study)
        headline, ranks = found.headline, found.ranks
    except ValueError as error:
        problem = " ".join(str(error).split())
    report = folder / schema.REPORT_FILE
    return Line(
        folder=folder.name,
        title=whole.title,
        question=whole.question,
        budget=_words(whole.budget, "name", "summary"),
        data=_words(whole.data, "name", "description"),
        date=_last_day(whole),
        done=status[Status.DONE],
        planned=len(whole.runs),
        others=", ".join(left),
        headline=headline,
        ranks=ranks,
        report=_address(report, out) if report.is_file() else "",
        problem=problem,
    )


def _words(values: dict[str, Any], *keys: str) -> str:
    return " · ".join(str(values[key]) for key in keys if values.get(key))


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


def _totals(lines: list[Line]) -> str:
    done, planned = sum(line.done for line in lines), sum(line.planned for line in lines)
    studies = "1 study" if len(lines) == 1 else f"{len(lines)} studies"
    return f"{studies}; {done:,} of {planned:,} planned runs done (a run that several studies share counts in each)."


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
    many = "1 run belongs" if len(alone) == 1 else f"{len(alone)} runs belong"
    return f"{many} to no study above."


def _run_ids(folder: Path) -> list[str]:
    """The run ids that a study names."""
    rows = read_json(folder / schema.STUDY_FILE).get("rows")
    return [str(row.get("run_id")) for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []

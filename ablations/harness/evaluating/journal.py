"""Rows of an evaluation as they are made, in `--out`: one that was stopped goes on from them, and no two are mixed."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

import baselines
import datasets
import dfpir
from ablations.harness.lock import BusyError, run_lock
from datasets.bundle import EvalItem
from datasets.noise import content_hash
from reports.evaluation import EVALUATION_FILE, PAGE_FILE
from reports.files import sha256_of, write_text
from reports.guess_costs import CONFUSION_FILE, COSTS_FILE, GUESSES_FILE
from reports.schema import IMAGES_FILE, SPEC_FILE

ROWS_FILE = "images.jsonl"
"""First line: the evaluation's terms. Then a line an image and condition: its rows, its guess, its pixels' hash."""

RESULT_FILES = (IMAGES_FILE, EVALUATION_FILE, PAGE_FILE, GUESSES_FILE, COSTS_FILE, CONFUSION_FILE)


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """What was found for one image under one condition."""

    rows: list[dict[str, Any]]  # of images.parquet, one a metric.
    guess: dict[str, Any] | None = None  # row of guesses.csv, where guesses are tried.


@dataclass(kw_only=True)
class Journal:
    """Images that are scored, kept in memory and, where there is a file, in it."""

    path: Path | None = None  # the file, or None for an evaluation without `--out`
    # (image, condition) -> hash of its pixels, and what was found
    found: dict[tuple[str, str], tuple[str, Recorded]] = field(default_factory=dict)

    def recall(self, item: EvalItem) -> Recorded | None:
        """What was found for this image before.

        Raises:
            ValueError: it was another picture then.
        """
        stored = self.found.get((item.name, item.condition.name))
        if stored is None:
            return None
        if stored[0] != _pixels(item):
            raise ValueError(
                f"{item.source or item.name}: the picture is another than when --out "
                f"{self.path.parent if self.path else ''} was evaluated: choose another --out, or --force."
            )
        return stored[1]

    def add(self, item: EvalItem, recorded: Recorded) -> None:
        """Keep what was found; on disk before the next image begins."""
        image, condition, pixels = item.name, item.condition.name, _pixels(item)
        self.found[image, condition] = (pixels, recorded)
        if self.path is not None:
            line = {"image": image, "condition": condition, "pixels": pixels, "rows": recorded.rows}
            with self.path.open("a", encoding="utf-8", newline="\n") as stream:
                stream.write(json.dumps({**line, "guess": recorded.guess}) + "\n")


@contextmanager
def one_at_a_time(folder: Path | None) -> Iterator[None]:
    """Hold `--out` (None: nothing to hold) while an evaluation reads, adds to and writes its files.

    Raises:
        ValueError: another evaluation holds it, or it is a run's folder.
    """
    if folder is None:
        yield
        return
    _refuse_runs_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    held = ExitStack()
    with held:
        try:
            held.enter_context(run_lock(folder / ROWS_FILE))  # `.images.jsonl.lock` in the folder
        except BusyError as error:
            raise ValueError(
                f"--out {folder}: another evaluation is writing there: wait until it is done, or choose another --out."
            ) from error
        yield


def open_journal(folder: Path | None, terms: Mapping[str, Any], *, force: bool) -> Journal:
    """The journal of an evaluation, with what an earlier call of the same evaluation has found.

    Args:
        folder: `--out`, or None to keep nothing on disk.
        terms: what decides the numbers, JSON-ready (`terms_of`).
        force: whether another evaluation's results may be replaced.

    Raises:
        ValueError: the folder holds results of another evaluation, or of a run.
    """
    if folder is None:
        return Journal()
    _refuse_runs_folder(folder)
    path, terms = folder / ROWS_FILE, json.loads(json.dumps(terms))
    kept = [] if force else read_lines(path)
    if not force:
        _require_same(folder, kept[0] if kept else _finished_before(folder), terms)
    write_text(path, "".join(json.dumps(line) + "\n" for line in [terms, *kept[1:]]))
    found = {
        (line["image"], line["condition"]): (line["pixels"], Recorded(rows=line["rows"], guess=line["guess"]))
        for line in kept[1:]
    }
    return Journal(path=path, found=found)


def _refuse_runs_folder(folder: Path) -> None:
    if (folder / SPEC_FILE).exists():
        raise ValueError(f"--out {folder}: that is a run's folder, whose own files stay as they are; choose another.")


def terms_of(result: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """What decides an evaluation's numbers: what evaluation.json says of them, and more."""
    weights = result["weights"]
    return {
        "model": result["model"],
        "settings": result["config"],
        "weights": weights["sha256"],
        "run": result["run_id"],
        "told": result["told"],
        "data": result["data"],
        "limit": result["limit"],
        "protocol": result["protocol"]["label"],
        **more,
    }


def code_digest(model: nn.Module) -> str:
    """Of the source of the model's modules and of the scores: results of other code are not gone on with."""
    sources = {Path(source) for module in model.modules() if (source := inspect.getsourcefile(type(module)))}
    for package in (baselines, datasets, dfpir):
        sources.update(path for folder in package.__path__ for path in Path(folder).rglob("*.py"))
    digest = hashlib.sha256()
    for each in sorted(map(sha256_of, sources)):
        digest.update(each.encode())
    return digest.hexdigest()[:16]


def _pixels(item: EvalItem) -> str:
    return f"{content_hash(item.degraded)}{content_hash(item.clean)}"


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines, if there is one; a line that was cut short is dropped."""
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        with suppress(ValueError):
            found.append(json.loads(line))
    return [line for line in found if isinstance(line, dict)]


def _finished_before(folder: Path) -> dict[str, Any] | None:
    """The terms of results without a journal, as far as they are known; None for an empty folder."""
    there = [name for name in RESULT_FILES if (folder / name).exists()]
    if not there:
        return None
    try:
        return terms_of(json.loads((folder / EVALUATION_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return {"model": f"{there[0]} of something else"}


def _require_same(folder: Path, before: Mapping[str, Any] | None, terms: Mapping[str, Any]) -> None:
    for key, value in (before or {}).items():
        if value != terms.get(key):
            now = shortened(terms.get(key))
            raise ValueError(
                f"--out {folder} holds another evaluation ({key}: {shortened(value)} there, {now} asked for): choose "
                "another --out, or say --force to replace all of it."
            )


def shortened(value: Any, most: int = 60) -> str:
    """A value as one line's worth of text."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."

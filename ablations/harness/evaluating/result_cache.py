"""Cache of an evaluation's rows in `--out`: an interrupted evaluation resumes from it, and no two are mixed."""

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
from reports.schema import IMAGES_FILE, SCHEMA_VERSION, SPEC_FILE

ROWS_FILE = "images.jsonl"
"""First line: the evaluation's settings. Then a line an image and condition: rows, prediction, hash of the pixels."""

RESULT_FILES = (IMAGES_FILE, EVALUATION_FILE, PAGE_FILE, GUESSES_FILE, COSTS_FILE, CONFUSION_FILE)


@dataclass(frozen=True, kw_only=True)
class CachedScores:
    """Scores of one image under one condition."""

    rows: list[dict[str, Any]]  # of images.parquet, one a metric
    prediction: dict[str, Any] | None = None  # row of guesses.csv, where degradations are predicted, too


@dataclass(kw_only=True)
class ResultCache:
    """Scores by image, in memory and, where there is one, in a file."""

    path: Path | None = None  # the file, or None for an evaluation without `--out`
    # (image, condition) -> hash of its pixels, and its scores
    entries: dict[tuple[str, str], tuple[str, CachedScores]] = field(default_factory=dict)

    def get(self, item: EvalItem) -> CachedScores | None:
        """The scores of this image from an earlier call, if any.

        Raises:
            ValueError: its pixels have changed since.
        """
        entry = self.entries.get((item.name, item.condition.name))
        if entry is None:
            return None
        if entry[0] != _pixel_hash(item):
            raise ValueError(
                f"{item.source or item.name}: the picture is another than when --out "
                f"{self.path.parent if self.path else ''} was evaluated: choose another --out, or --force."
            )
        return entry[1]

    def add(self, item: EvalItem, scores: CachedScores) -> None:
        """Store the scores; they are on disk before the next image begins."""
        image, condition, pixels = item.name, item.condition.name, _pixel_hash(item)
        self.entries[image, condition] = (pixels, scores)
        if self.path is not None:
            line = {"image": image, "condition": condition, "pixels": pixels, "rows": scores.rows}
            with self.path.open("a", encoding="utf-8", newline="\n") as stream:
                stream.write(json.dumps({**line, "guess": scores.prediction}) + "\n")


@contextmanager
def lock_output_folder(folder: Path | None) -> Iterator[None]:
    """Hold `--out` (None: nothing to hold) while an evaluation reads, adds to and writes its files.

    Raises:
        ValueError: another evaluation holds it, or it is a run's folder.
    """
    if folder is None:
        yield
        return
    _refuse_run_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(run_lock(folder / ROWS_FILE))  # `.images.jsonl.lock` in the folder
        except BusyError as error:
            raise ValueError(
                f"--out {folder}: another evaluation is writing there: wait until it is done, or choose another --out."
            ) from error
        yield


def open_result_cache(folder: Path | None, settings: Mapping[str, Any], *, force: bool) -> ResultCache:
    """The cache of an evaluation, with the scores of earlier calls of the same evaluation.

    Args:
        folder: `--out`, or None to store nothing on disk.
        settings: every setting that decides the numbers, JSON-ready (`evaluation_settings`).
        force: whether another evaluation's results may be replaced.

    Raises:
        ValueError: the folder holds results of another evaluation, or of a run.
    """
    if folder is None:
        return ResultCache()
    _refuse_run_folder(folder)
    path, settings = folder / ROWS_FILE, json.loads(json.dumps(settings))
    lines = [] if force else read_json_lines(path)
    if not force:
        _require_same_settings(folder, lines[0] if lines else _settings_of_finished(folder), settings)
    write_text(path, "".join(json.dumps(line) + "\n" for line in [settings, *lines[1:]]))
    entries = {
        (line["image"], line["condition"]): (line["pixels"], CachedScores(rows=line["rows"], prediction=line["guess"]))
        for line in lines[1:]
    }
    return ResultCache(path=path, entries=entries)


def _refuse_run_folder(folder: Path) -> None:
    if (folder / SPEC_FILE).exists():
        raise ValueError(f"--out {folder}: that is a run's folder, whose own files stay as they are; choose another.")


def evaluation_settings(result: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Every setting that decides an evaluation's numbers: those in evaluation.json, and `more`."""
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


def source_digest(model: nn.Module) -> str:
    """Hash of the source of the model's modules and of the scores: results of other code are not resumed."""
    sources = {Path(source) for module in model.modules() if (source := inspect.getsourcefile(type(module)))}
    for package in (baselines, datasets, dfpir):
        sources.update(path for folder in package.__path__ for path in Path(folder).rglob("*.py"))
    digest = hashlib.sha256(f"schema {SCHEMA_VERSION}".encode())  # of the rows
    for file_hash in sorted(map(sha256_of, sources)):
        digest.update(file_hash.encode())
    return digest.hexdigest()[:16]


def _pixel_hash(item: EvalItem) -> str:
    return f"{content_hash(item.degraded)}{content_hash(item.clean)}"


def read_json_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines, if there is one; a line that was cut short is dropped."""
    objects = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else ():
        with suppress(ValueError):
            objects.append(json.loads(line))
    return [line for line in objects if isinstance(line, dict)]


def _settings_of_finished(folder: Path) -> dict[str, Any] | None:
    """The settings of results without a cache file, as far as they are recorded; None for an empty folder."""
    existing = [name for name in RESULT_FILES if (folder / name).exists()]
    if not existing:
        return None
    try:
        return evaluation_settings(json.loads((folder / EVALUATION_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return {"model": f"{existing[0]} of something else"}


def _require_same_settings(
    folder: Path, stored_settings: Mapping[str, Any] | None, settings: Mapping[str, Any]
) -> None:
    for key, value in (stored_settings or {}).items():
        if value != settings.get(key):
            requested = truncate(settings.get(key))
            raise ValueError(
                f"--out {folder} holds another evaluation ({key}: {truncate(value)} there, {requested} asked for): "
                "choose another --out, or say --force to replace all of it."
            )


def truncate(value: Any, max_length: int = 60) -> str:
    """A value as one line's worth of text."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= max_length else f"{text[: max_length - 3]}..."

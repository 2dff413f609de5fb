"""Runs and studies read from disk; whatever is broken comes back as a run with a status and a reason."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from reports import schema
from reports.contrasts import declared_contrasts
from reports.extra_metrics import Metrics, had_by_any, metrics_of, with_metrics
from reports.files import sha256_of
from reports.image_rows import Gathered, read_rows
from reports.labels import as_shown
from reports.study import Entry, Run, Status, Study

_DOCUMENTS = (schema.SPEC_FILE, schema.ENV_FILE, schema.SUMMARY_FILE, schema.DONE_FILE, schema.ERROR_FILE)


def load(paths: Iterable[Path]) -> Study:
    """The one study that `paths` mean: a study folder, run folders, or a runs root.

    A root that holds one study gives that study; a root without studies gives its runs as a study of their own.

    Raises:
        ValueError: nothing found, several studies, or a study together with other paths; the message is one line.
    """
    paths = [Path(p) for p in paths]
    for path in paths:
        if not path.is_dir():
            raise ValueError(f"{path}: no such folder.")
    studies = [s for p in paths for s in find_studies(p)]
    if len(studies) > 1:
        raise ValueError(f"A report is of one study; found {len(studies)}: {', '.join(map(str, studies))}. Name one.")
    if studies and len(paths) > 1:
        raise ValueError(f"A report is of one study or of runs; {studies[0]} was given together with other folders.")
    return load_study(studies[0]) if studies else _study_of_runs(find_runs(paths))


def find_studies(path: Path) -> list[Path]:
    """The study folders that `path` is or, as a runs root, holds."""
    if (path / schema.STUDY_FILE).is_file():
        return [path]
    return sorted(p.parent for p in (path / schema.STUDIES_FOLDER).glob(f"*/{schema.STUDY_FILE}"))


def find_runs(paths: Iterable[Path]) -> list[Path]:
    """The run folders that `paths` are or hold, in order and without repetition.

    Raises:
        ValueError: a path is neither a run folder nor holds any.
    """
    found: dict[Path, None] = {}
    for path in map(Path, paths):
        here = [path] if _is_run(path) else sorted(p for p in path.glob("*") if _is_run(p))
        if not here:
            raise ValueError(f"{path}: neither a run (no {schema.SPEC_FILE}) nor a study nor a folder of runs.")
        found.update(dict.fromkeys(here))
    return list(found)


def load_study(folder: Path) -> Study:
    """Read a study folder and the runs it names, which lie two folders up.

    Raises:
        ValueError: study.json can't be read or lacks what a report needs.
    """
    folder = Path(folder).resolve()
    try:
        plan = read_json(folder / schema.STUDY_FILE)
    except FileNotFoundError:
        raise ValueError(f"{folder}: no {schema.STUDY_FILE} in it.") from None
    _check_version(plan, schema.STUDY_FILE)
    try:
        schema.declare_tasks(plan.get("task_styles") or [])
        entries = tuple(_entry(row) for row in plan["rows"])
        axis = plan.get("axis") or {"name": "", "values": {}}
        metrics = metrics_of(plan.get("metrics") or [])
        runs, gathered = _read_runs(entries, {e.run_id: folder.parent.parent / e.run_id for e in entries}, metrics)
        rows = gathered.frame(metrics)
        return Study(
            folder=folder,
            name=str(plan["study"]),
            title=str(plan.get("title") or plan["study"]),
            question=str(plan.get("question") or ""),
            budget=_as_dict(plan.get("budget")),
            data=_as_dict(plan.get("data")),
            text_encoder=name_of(plan.get("text_encoder")),
            axis_name=str(axis["name"]),
            axis_values={str(k): float(v) for k, v in axis["values"].items()},
            reference=plan.get("reference"),
            entries=entries,
            runs=runs,
            rows=rows,
            command=str(plan.get("command") or ""),
            measures=None if plan.get("measures") is None else tuple(map(str, plan["measures"])),
            contrasts=declared_contrasts(plan.get("contrasts") or []),
            **as_shown(plan),
            metrics=had_by_any(metrics, rows),
            figures=tuple((str(figure["name"]), str(figure["title"])) for figure in plan.get("figures") or ()),
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{folder / schema.STUDY_FILE}: not the study file it should be ({error!r}).") from error


def check_comparable(study: Study) -> None:
    """Refuse a table whose numbers can't be compared.

    Raises:
        ValueError: one line that names the protocols, the data sets of a condition or the data checksums that differ.
    """
    protocols = sorted(study.terms["protocol"].unique())
    if len(protocols) > 1:
        raise ValueError(f"Refusing to mix protocols in one table: {', '.join(protocols)}. Report them one by one.")
    for condition, terms in study.terms.groupby("condition"):
        sets = sorted(terms["dataset"].unique())
        if len(sets) > 1:
            raise ValueError(f"Refusing to mix data sets in the column {condition!r}: {', '.join(sets)}.")
    done = [r for r in study.runs.values() if r.status is Status.DONE]
    data = sorted(
        {f"{d.get('name')} ({str(d.get('checksum'))[:8]})" for d in (_as_dict(r.spec.get("data")) for r in done)}
    )
    if len(data) > 1:
        raise ValueError(f"Refusing to mix data in one table: {', '.join(data)}.")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object.

    Raises:
        FileNotFoundError: no such file.
        ValueError: one line: not JSON, or no object.
    """
    return _as_object(path.name, _content(path))


def name_of(value: Any) -> str:
    """The name of something that is written as a bare name or as {"name": ...}; "" for None."""
    return str(value.get("name", "")) if isinstance(value, dict) else str(value or "")


def _read_runs(entries: Iterable[Entry], folders: dict[str, Path], metrics: Metrics) -> tuple[dict[str, Run], Gathered]:
    """The runs by id, and the rows of those that are done under the names that the entries give them."""
    runs: dict[str, Run] = {}
    gathered = Gathered()
    for entry in entries:
        if entry.run_id in runs and entry.alias_of is not None:
            continue
        runs[entry.run_id], rows = _read_run(folders[entry.run_id])
        if rows is not None and entry.alias_of is None:
            rows = with_metrics(rows, folders[entry.run_id], metrics)
            gathered.add(rows, variant=entry.variant, seed=entry.seed)
    return runs, gathered


def _read_run(folder: Path) -> tuple[Run, pa.Table | None]:
    """The run and, where it is done, its rows; each file is read once, so that what was checked is what is shown."""
    contents: dict[str, bytes] = {}
    documents: dict[str, dict[str, Any]] = {}
    reasons = []
    for name in _DOCUMENTS:
        try:
            contents[name] = _content(folder / name)
            documents[name] = _as_object(name, contents[name])
        except FileNotFoundError:
            continue
        except ValueError as error:
            reasons.append(str(error))
            documents[name] = {}
    status, reason, rows = _judge(folder, contents, documents, reasons)
    spec = documents.get(schema.SPEC_FILE, {})
    seed = spec.get("seed")
    run = Run(
        path=folder,
        run_id=folder.name,
        variant=str(spec.get("variant", "")),
        seed=seed if isinstance(seed, int) else None,
        status=status,
        reason=reason,
        spec=spec,
        env=documents.get(schema.ENV_FILE, {}),
        summary=documents.get(schema.SUMMARY_FILE, {}),
        error=documents.get(schema.ERROR_FILE),
    )
    return run, rows


def _judge(
    folder: Path, contents: dict[str, bytes], documents: dict[str, dict[str, Any]], reasons: list[str]
) -> tuple[Status, str, pa.Table | None]:
    """Status, reason and, for a run that is done, its rows."""
    if not folder.is_dir():
        return Status.MISSING, "No folder: the run was not started.", None
    if schema.DONE_FILE in documents:
        try:
            if reasons:
                raise ValueError(" ".join(reasons))
            _check_version(documents.get(schema.SPEC_FILE, {}), schema.SPEC_FILE)
            listed = _as_dict(documents[schema.DONE_FILE].get("files"))
            needs = documents[schema.DONE_FILE].get("needs") or ()
            if schema.IMAGES_FILE in listed and (folder / schema.IMAGES_FILE).is_file():
                contents[schema.IMAGES_FILE] = _content(folder / schema.IMAGES_FILE)
            _check_files(folder, listed, contents, tuple(map(str, needs)))
            return Status.DONE, "", _rows_of(folder, contents[schema.IMAGES_FILE])
        except (OSError, ValueError) as error:
            return Status.DAMAGED, str(error), None
    if schema.ERROR_FILE in documents:
        failure = documents[schema.ERROR_FILE]
        return Status.FAILED, f"{failure.get('type', 'Error')}: {failure.get('message', '')}".strip(": "), None
    if reasons:
        return Status.DAMAGED, " ".join(reasons), None
    if schema.SPEC_FILE not in documents:
        return Status.MISSING, f"The folder holds no {schema.SPEC_FILE}.", None
    return Status.RUNNING, f"No {schema.DONE_FILE}: under way, or interrupted.", None


def _check_files(folder: Path, listed: dict[str, Any], contents: dict[str, bytes], needs: tuple[str, ...] = ()) -> None:
    """Raise ValueError unless every file has the content that DONE lists, and DONE lists what a table needs.

    Args:
        folder: of the run.
        listed: file -> its SHA-256.
        contents: of the files that were read already.
        needs: files that DONE says a run of this kind has.
    """
    for needed in dict.fromkeys((schema.SPEC_FILE, schema.IMAGES_FILE, *needs)):
        if needed not in listed:
            raise ValueError(f"{schema.DONE_FILE} does not list {needed}.")
    for name, expected in listed.items():
        path = folder / name
        if not _is_own_file(path, name) and not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{schema.DONE_FILE} lists a file outside of the folder: {name}.")
        if not path.is_file():
            raise ValueError(f"{name} is missing.")
        digest = hashlib.sha256(contents[name]).hexdigest() if name in contents else sha256_of(path)
        if digest != expected:
            raise ValueError(f"{name} has changed since the run finished (SHA-256 differs from {schema.DONE_FILE}).")


def _is_own_file(path: Path, name: str) -> bool:
    """Whether the file plainly lies in the folder itself, which saves following every part of its path."""
    try:
        return os.sep not in name and stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _rows_of(folder: Path, content: bytes) -> pa.Table:
    table = read_rows(folder / schema.IMAGES_FILE, content)
    ids = sorted(table.column("run_id").unique().to_pylist())
    if ids != [folder.name]:
        raise ValueError(f"{schema.IMAGES_FILE} holds rows of {', '.join(ids) or 'no run'}, not of {folder.name}.")
    return table


def _content(path: Path) -> bytes:
    """The file's bytes.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it can't be read; one line.
    """
    try:
        return path.read_bytes()
    except (IsADirectoryError, PermissionError) as error:
        raise ValueError(f"{path.name} can't be read ({error.strerror}).") from error


@lru_cache(maxsize=256)  # env.json and summary.json are the same for many runs, and then kept in memory once
def _as_object(name: str, content: bytes) -> dict[str, Any]:
    """The JSON object in a file's bytes; shared, so not to be changed.

    Raises:
        ValueError: one line: not JSON, or no object.
    """
    try:
        found = json.loads(content.decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{name} is not JSON ({error}).") from error
    if not isinstance(found, dict):
        raise ValueError(f"{name} holds no JSON object.")
    return found


def _check_version(document: dict[str, Any], name: str) -> None:
    version = document.get("schema")
    if version != schema.SCHEMA_VERSION:
        raise ValueError(f"{name} has schema {version!r}; this version reads {schema.SCHEMA_VERSION}.")


def _entry(row: dict[str, Any]) -> Entry:
    run_id = str(row["run_id"])
    if Path(run_id).name != run_id:
        raise ValueError(f"{schema.STUDY_FILE} names a run outside of the runs folder: {run_id!r}.")
    return Entry(
        variant=str(row["variant"]),
        seed=int(row["seed"]),
        run_id=run_id,
        alias_of=row.get("alias_of"),
        note=str(row.get("note") or ""),
    )


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in (schema.SPEC_FILE, schema.DONE_FILE, schema.ERROR_FILE))


def _as_dict(value: Any) -> dict[str, Any]:
    """A dict as it is; anything else under the key "name", so that a bare name does no harm."""
    return value if isinstance(value, dict) else {"name": value} if value else {}


def _study_of_runs(folders: list[Path]) -> Study:
    """Runs that were named one by one, as a study that asks nothing."""
    read = [_read_run(folder) for folder in folders]
    runs = [run for run, _ in read]
    if len({run.run_id for run in runs}) < len(runs):
        raise ValueError("Two of the folders hold the same run.")
    entries = tuple(Entry(variant=r.variant or r.run_id, seed=r.seed or 0, run_id=r.run_id) for r in runs)
    gathered = Gathered()
    for entry, (_, rows) in zip(entries, read, strict=True):
        if rows is not None:
            gathered.add(rows, variant=entry.variant, seed=entry.seed)
    known = [run for run in runs if run.spec]
    first = known[0].spec if known else {}
    encoders = sorted({name_of(r.spec.get("text_encoder")) for r in known} - {""})
    return Study(
        folder=None,
        name="runs",
        title=f"{len(runs)} runs, named one by one",
        question="",
        budget=_as_dict(first.get("budget")),
        data=_as_dict(first.get("data")),
        text_encoder=", ".join(encoders),
        axis_name="",
        axis_values={},
        reference=None,
        entries=entries,
        runs={run.run_id: run for run in runs},
        rows=gathered.frame(),
        command="python -m reports study " + " ".join(str(f) for f in folders),
    )

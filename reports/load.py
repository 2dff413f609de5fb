"""Runs and studies read from disk; whatever is broken comes back as a run with a status and a reason."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from reports import schema
from reports.files import sha256_of
from reports.study import Entry, Run, Status, Study


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


def load_run(folder: Path) -> Run:
    """Read one run folder; never raises for what it holds (see `Run.status`)."""
    folder = Path(folder)
    documents: dict[str, dict[str, Any]] = {}
    reasons = []
    for name in (schema.SPEC_FILE, schema.ENV_FILE, schema.SUMMARY_FILE, schema.DONE_FILE, schema.ERROR_FILE):
        try:
            documents[name] = read_json(folder / name)
        except FileNotFoundError:
            continue
        except ValueError as error:
            reasons.append(str(error))
            documents[name] = {}
    status, reason, images = _judge(folder, documents, reasons)
    spec = documents.get(schema.SPEC_FILE, {})
    seed = spec.get("seed")
    return Run(
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
        images=images,
    )


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
        entries = tuple(_entry(row) for row in plan["rows"])
        axis = plan.get("axis") or {"name": "", "values": {}}
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
            runs={e.run_id: load_run(folder.parent.parent / e.run_id) for e in entries},
            command=str(plan.get("command") or ""),
            measures=None if plan.get("measures") is None else tuple(map(str, plan["measures"])),
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{folder / schema.STUDY_FILE}: not the study file it should be ({error!r}).") from error


def check_comparable(study: Study) -> None:
    """Refuse a table whose numbers can't be compared.

    Raises:
        ValueError: one line that names the protocols, the data sets of a condition or the data checksums that differ.
    """
    images = study.images()
    protocols = sorted(images["protocol"].unique())
    if len(protocols) > 1:
        raise ValueError(f"Refusing to mix protocols in one table: {', '.join(protocols)}. Report them one by one.")
    for condition, rows in images.groupby("condition"):
        sets = sorted(rows["dataset"].unique())
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
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path.name} is not JSON ({error}).") from error
    except (IsADirectoryError, PermissionError) as error:
        raise ValueError(f"{path.name} can't be read ({error.strerror}).") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path.name} holds no JSON object.")
    return content


def name_of(value: Any) -> str:
    """The name of something that is written as a bare name or as {"name": ...}; "" for None."""
    return str(value.get("name", "")) if isinstance(value, dict) else str(value or "")


def _judge(
    folder: Path, documents: dict[str, dict[str, Any]], reasons: list[str]
) -> tuple[Status, str, pd.DataFrame | None]:
    """Status, reason and, for a run that is done, its rows."""
    if not folder.is_dir():
        return Status.MISSING, "No folder: the run was not started.", None
    if schema.DONE_FILE in documents:
        try:
            if reasons:
                raise ValueError(" ".join(reasons))
            _check_version(documents.get(schema.SPEC_FILE, {}), schema.SPEC_FILE)
            _check_files(folder, documents[schema.DONE_FILE])
            return Status.DONE, "", _read_rows(folder)
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


def _check_files(folder: Path, done: dict[str, Any]) -> None:
    """Raise ValueError unless every file has the content that DONE lists, and DONE lists what a table needs."""
    listed = _as_dict(done.get("files"))
    for needed in (schema.SPEC_FILE, schema.IMAGES_FILE):
        if needed not in listed:
            raise ValueError(f"{schema.DONE_FILE} does not list {needed}.")
    for name, expected in listed.items():
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{schema.DONE_FILE} lists a file outside of the folder: {name}.")
        if not path.is_file():
            raise ValueError(f"{name} is missing.")
        if sha256_of(path) != expected:
            raise ValueError(f"{name} has changed since the run finished (SHA-256 differs from {schema.DONE_FILE}).")


def _read_rows(folder: Path) -> pd.DataFrame:
    images = schema.read_images(folder / schema.IMAGES_FILE)
    ids = sorted(images["run_id"].unique())
    if ids != [folder.name]:
        raise ValueError(f"{schema.IMAGES_FILE} holds rows of {', '.join(ids) or 'no run'}, not of {folder.name}.")
    return images


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
    runs = [load_run(folder) for folder in folders]
    if len({run.run_id for run in runs}) < len(runs):
        raise ValueError("Two of the folders hold the same run.")
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
        entries=tuple(Entry(variant=r.variant or r.run_id, seed=r.seed or 0, run_id=r.run_id) for r in runs),
        runs={run.run_id: run for run in runs},
        command="python -m reports.build " + " ".join(str(f) for f in folders),
    )

"""Read runs and studies from disk; a broken run is returned with a status and a reason."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reports import schema
from reports.contrasts import parse_contrasts
from reports.extra_metrics import Metrics, append_metric_rows, parse_metrics, present_metrics
from reports.image_rows import RowCollector
from reports.labels import display_fields
from reports.run_folder import read_json, read_run
from reports.run_state import Status
from reports.study import Entry, Run, Study


def load(paths: Iterable[Path]) -> Study:
    """The study at `paths`: a study folder, run folders, or a runs root.

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
    folders: dict[Path, None] = {}
    for path in map(Path, paths):
        run_folders = [path] if _is_run(path) else sorted(p for p in path.glob("*") if _is_run(p))
        if not run_folders:
            raise ValueError(f"{path}: neither a run (no {schema.SPEC_FILE}) nor a study nor a folder of runs.")
        folders.update(dict.fromkeys(run_folders))
    return list(folders)


def load_study(folder: Path) -> Study:
    """Read a study folder and its runs, which are two folders up.

    Raises:
        ValueError: study.json can't be read or lacks what a report needs.
    """
    folder = Path(folder).resolve()
    try:
        plan = read_json(folder / schema.STUDY_FILE)
    except FileNotFoundError:
        raise ValueError(f"{folder}: no {schema.STUDY_FILE} in it.") from None
    schema.check_version(plan.get("schema"), schema.STUDY_FILE)
    try:
        schema.declare_tasks(plan.get("task_styles") or [])
        entries = tuple(_entry(row) for row in plan["rows"])
        axis = plan.get("axis") or {"name": "", "values": {}}
        metrics = parse_metrics(plan.get("metrics") or [])
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
            contrasts=parse_contrasts(plan.get("contrasts") or []),
            **display_fields(plan),
            metrics=present_metrics(metrics, rows),
            figures=tuple((str(figure["name"]), str(figure["title"])) for figure in plan.get("figures") or ()),
        )
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{folder / schema.STUDY_FILE}: not the study file it should be ({error!r}).") from error


def check_comparable(study: Study) -> None:
    """Refuse a table whose numbers can't be compared.

    Raises:
        ValueError: one line that names the protocols, the data sets of a condition or the data checksums that differ.
    """
    protocols = sorted(study.test_settings["protocol"].unique())
    if len(protocols) > 1:
        raise ValueError(f"Refusing to mix protocols in one table: {', '.join(protocols)}. Report them one by one.")
    for condition, settings in study.test_settings.groupby("condition"):
        sets = sorted(settings["dataset"].unique())
        if len(sets) > 1:
            raise ValueError(f"Refusing to mix data sets in the column {condition!r}: {', '.join(sets)}.")
    finished = [r for r in study.runs.values() if r.status is Status.DONE]
    data = sorted(
        {f"{d.get('name')} ({str(d.get('checksum'))[:8]})" for d in (_as_dict(r.spec.get("data")) for r in finished)}
    )
    if len(data) > 1:
        raise ValueError(f"Refusing to mix data in one table: {', '.join(data)}.")


def name_of(value: Any) -> str:
    """The name of something that is written as a bare name or as {"name": ...}; "" for None."""
    return str(value.get("name", "")) if isinstance(value, dict) else str(value or "")


def _read_runs(
    entries: Iterable[Entry], folders: dict[str, Path], metrics: Metrics
) -> tuple[dict[str, Run], RowCollector]:
    """The runs by id, and the rows of those that are done under the names that the entries give them."""
    runs: dict[str, Run] = {}
    gathered = RowCollector()
    for entry in entries:
        if entry.run_id in runs and entry.alias_of is not None:
            continue
        runs[entry.run_id], rows = read_run(folders[entry.run_id])
        if rows is not None and entry.alias_of is None:
            rows = append_metric_rows(rows, folders[entry.run_id], metrics)
            gathered.add(rows, variant=entry.variant, seed=entry.seed)
    return runs, gathered


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
    """Runs given one by one, as a study without a question."""
    results = [read_run(folder) for folder in folders]
    runs = [run for run, _ in results]
    if len({run.run_id for run in runs}) < len(runs):
        raise ValueError("Two of the folders hold the same run.")
    entries = tuple(Entry(variant=r.variant or r.run_id, seed=r.seed or 0, run_id=r.run_id) for r in runs)
    gathered = RowCollector()
    for entry, (_, rows) in zip(entries, results, strict=True):
        if rows is not None:
            gathered.add(rows, variant=entry.variant, seed=entry.seed)
    with_spec = [run for run in runs if run.spec]
    first = with_spec[0].spec if with_spec else {}
    encoders = sorted({name_of(r.spec.get("text_encoder")) for r in with_spec} - {""})
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

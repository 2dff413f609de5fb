"""Copy a study's tables to where they can be committed or attached: `python -m reports publish STUDY OUT`.

The copy holds tables, the plan and two figures, no weights; `provenance.csv` lists the commit, machine and versions of
each run, and `SHA256SUMS` the checksum of every file.

`python -m reports publish STUDY OUT --runs` copies the finished runs instead, scores, logs and measures without weights
and pictures: copied back to `runs/` they count as finished, so that a long study can resume elsewhere.
"""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from reports import schema
from reports.figures import crops, forest, style
from reports.files import sha256_of, write_bytes, write_csv, write_json, write_text
from reports.image_rows import decode_texts
from reports.load import load
from reports.run_state import Status
from reports.study import Run, Study
from reports.subsets import main_subset
from reports.verdict import verdict_of

_FOREST = ("forest.png", "forest.pdf", "forest_column.png", "forest_column.pdf")
_CROPS = ("crops_by_task.png", "crops_by_task.pdf")
_STUDY_FILES = (
    schema.STUDY_FILE,
    schema.TABLE_MD_FILE,
    schema.TABLE_TEX_FILE,
    schema.MEANS_CSV_FILE,
    schema.PAIRS_CSV_FILE,
    schema.CONTRASTS_CSV_FILE,
)
_RUN_FILES = (schema.SPEC_FILE, schema.ENV_FILE, schema.SUMMARY_FILE, schema.TRAIN_LOG_FILE, schema.IMAGES_FILE)
_PACKAGES = ("torch", "numpy", "open_clip_torch")


def publish(folder: Path, out: Path) -> Path:
    """Copy a study's tables with their provenance.

    Args:
        folder: of the study, with its report built.
        out: where to; made if it isn't there.

    Returns:
        `out`.

    Raises:
        ValueError: not a study, nothing finished, or its report was not built.
    """
    study = load([folder])
    if study.folder is None or not any(run.status is Status.DONE for run in study.runs.values()):
        raise ValueError(f"{folder} holds no finished study: publish a folder under runs/studies/.")
    folder = study.folder
    missing = [name for name in _STUDY_FILES if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder} has no {', '.join(missing)}: build its report first (python -m reports study).")
    names = [
        *_STUDY_FILES,
        *(f"{schema.MEASURES_FOLDER}/{path.name}" for path in sorted((folder / schema.MEASURES_FOLDER).glob("*.csv"))),
    ]
    for name in names:
        write_bytes(out / name, (folder / name).read_bytes())
    _strip_folders(out / schema.STUDY_FILE)
    metric_names = [metric.name for metric in study.metrics]
    schema.write_images(decode_texts(study.rows), out / schema.IMAGES_FILE, metrics=metric_names)
    write_csv(out / "provenance.csv", provenance(study))
    _draw_pictures(main_subset(study), out)
    pictures = [name for name in (*_FOREST, *_CROPS) if (out / name).is_file()]
    written = [*names, schema.IMAGES_FILE, "provenance.csv", *pictures]
    sums = [f"{sha256_of(out / name)}  {name}\n" for name in written]
    write_text(out / "SHA256SUMS", "".join(sums))
    return out


def _draw_pictures(study: Study, out: Path) -> None:
    """The planned contrasts, and one image a task as the featured variants restore it, as PNG and PDF.

    Crops of an earlier publication stay where some featured variant's runs came back without pictures.
    """
    for name in _FOREST:
        (out / name).unlink(missing_ok=True)
    with style.settings():
        forest.draw(verdict_of(study).contrasts, out)
        if _all_have_crops(study) or not (out / _CROPS[0]).is_file():
            crops.draw(study, out, by_task=True)
    for path in out.glob("*.svg"):
        path.unlink()


def _all_have_crops(study: Study) -> bool:
    """Whether each featured variant that has finished runs has stored crops of one of them."""
    runs = [study.done_runs_of(variant) for variant in study.featured or study.variants]
    return all(
        any((run.path / schema.SAMPLES_FOLDER).is_dir() for run in of_variant) for of_variant in runs if of_variant
    )


def publish_runs(folder: Path, out: Path) -> list[Path]:
    """Copy the small files of a study's finished runs, with checksums, so that they count as finished when copied back.

    Args:
        folder: of the study.
        out: folder of the copies, one a run; runs that are there already stay.

    Returns:
        The folders that are new.

    Raises:
        ValueError: not a study.
    """
    study = load([folder])
    copied = []
    for run in study.runs.values():
        target = out / run.path.name
        if run.status is not Status.DONE or (target / schema.DONE_FILE).is_file():
            continue
        files = [run.path / name for name in _RUN_FILES if (run.path / name).is_file()]
        measures = sorted((run.path / schema.MEASURES_FOLDER).glob("*.parquet"))
        for path in (*files, *measures):
            write_bytes(target / path.relative_to(run.path), path.read_bytes())
        sealed = json.loads((run.path / schema.DONE_FILE).read_text(encoding="utf-8"))
        sums = {path.name: sha256_of(target / path.name) for path in files}
        needs = [name for name in sealed.get("needs", ()) if name in sums]
        write_json(target / schema.DONE_FILE, {**sealed, "files": sums, "needs": needs})
        copied.append(target)
    return copied


def _strip_folders(path: Path) -> None:
    """Remove the machine's folders from the study's command; only their last part is useful elsewhere."""
    plan = json.loads(path.read_text(encoding="utf-8"))
    words = str(plan["command"]).split(" ")
    plan["command"] = " ".join(Path(word).name if word.startswith(("/", "~")) else word for word in words)
    write_json(path, plan)


def provenance(study: Study) -> pd.DataFrame:
    """One row per run: code, machine, versions and training time (seconds)."""
    rows = []
    for entry in study.entries:
        if entry.alias_of is None:
            rows.append({"variant": entry.variant, "seed": entry.seed} | _run_record(study.runs[entry.run_id]))
    return pd.DataFrame(rows)


def _run_record(run: Run) -> dict[str, object]:
    packages = run.env.get("packages") or {}
    model = run.spec.get("model") or {}
    return {
        "run_id": run.run_id,
        "status": run.status.value,
        "commit": run.env.get("commit"),
        "uncommitted_changes": run.env.get("dirty"),
        "device": run.env.get("device"),
        "threads": run.env.get("threads"),
        "python": run.env.get("python"),
        **{name: packages.get(name) for name in _PACKAGES},
        "text_encoder": run.spec.get("text_encoder"),
        "protocol": run.spec.get("protocol"),
        "precision": run.spec.get("precision"),
        "params": model.get("params"),
        "macs": model.get("macs"),
        "macs_px": model.get("macs_px"),
        "steps": run.summary.get("steps"),
        "best_step": run.summary.get("best_step"),
        "train_wall_s": run.summary.get("train_wall_s"),
        "started_at": run.env.get("started_at"),
        "reason": run.reason or None,
    }

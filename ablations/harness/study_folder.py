"""A study's folder and its rows: more seeds or variants join a table, other settings get a separate folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from ablations.models import is_trained
from ablations.override_flags import format_value
from ablations.plan import Plan
from ablations.registry import STUDIES, Study
from ablations.spec import IDENTITY_VERSION
from reports.schema import SPEC_FILE, STUDIES_FOLDER, STUDY_FILE, StudyFile, StudyRow

_MAX_LISTED = 4
"""Rows that are named where more are kept."""


def study_folder(plan: Plan, root: Path) -> Path:
    """The folder of study.json and report, for any seeds and variants: the default, or one for other settings."""
    default = root / STUDIES_FOLDER / plan.folder_name
    separate = default.with_name(f"{default.name}-{settings_digest(plan)[:8]}")
    if (separate / STUDY_FILE).exists():
        return separate
    return separate if (default / STUDY_FILE).exists() and read_matching_study(plan, default) is None else default


def read_matching_study(plan: Plan, folder: Path) -> StudyFile | None:
    """The study.json in `folder` if its settings are the plan's; None where there is none, or with other settings.

    A file without a digest (of an older version) is compared by its own settings and those of its first run.
    """
    try:
        record = json.loads((folder / STUDY_FILE).read_text(encoding="utf-8"))
        if "terms" in record:
            matches = record["terms"] == settings_digest(plan)
        else:
            matches = _settings_in_record(record) == _settings_of_plan(plan, record) and _matches_runs(
                plan, record, folder.parent.parent
            )
        rows = [_parse_row(row) for row in record["rows"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return StudyFile(**{**record, "rows": rows}) if matches else None  # type: ignore[typeddict-item]


def settings_digest(plan: Plan) -> str:
    """SHA-256 of the settings that all rows of a table share: all that decides its numbers but variants and seeds."""
    return hashlib.sha256(
        json.dumps(_shared_settings(plan), sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def budget_record(plan: Plan) -> dict[str, Any]:
    """The budget as in study.json: with the recipe and tasks of its runs, but for learning rates of their own."""
    budget = plan.budget
    recipe = next((spec.recipe for spec in plan.specs if is_trained(spec.config)), budget.recipe)
    rates = [phase.lr for phase in budget.recipe.phases]
    recipe = replace(recipe, phases=tuple(replace(p, lr=lr) for p, lr in zip(recipe.phases, rates, strict=True)))
    overrides = {name: format_value(value) for name, value in budget.overrides.items()}
    return {
        "name": budget.name,
        "summary": budget.summary,
        **({"overrides": overrides} if overrides else {}),
        "model": dict(budget.model),
        **asdict(recipe),
        "steps": recipe.steps,
    }


def merge_rows(rows: Sequence[StudyRow], earlier: Sequence[StudyRow], study: Study) -> list[StudyRow]:
    """The rows of a plan and earlier rows of the same settings, by variant and seed, in the study's order.

    The plan's rows replace earlier ones.
    """
    extra_rows = rows_only_in_earlier(rows, earlier)
    if not extra_rows:
        return list(rows)
    variant_order = {variant: place for place, variant in enumerate(registered_study(study).variants)}
    all_rows = sorted(
        [*rows, *extra_rows], key=lambda row: (row["seed"], variant_order.get(row["variant"], len(variant_order)))
    )
    notes = {(row["variant"], row["alias_of"], _run_key(row)): row["note"] for row in [*earlier, *rows]}
    first_row_of_run: dict[str, StudyRow] = {}
    planned_run_ids = {_run_key(row): row["run_id"] for row in rows}
    merged = []
    for row in all_rows:
        first = first_row_of_run.setdefault(_run_key(row), row)
        run_id = planned_run_ids.get(_run_key(row), first["run_id"])
        if first["variant"] == row["variant"]:
            merged.append(StudyRow(**{**row, "run_id": run_id, "alias_of": None, "note": ""}))
            continue
        model = first["variant"]
        note = notes.get((row["variant"], model, _run_key(row))) or f"the same model as {model} under another name"
        merged.append(StudyRow(variant=row["variant"], seed=row["seed"], run_id=run_id, alias_of=model, note=note))
    return merged


def rows_only_in_earlier(rows: Sequence[StudyRow], earlier: Sequence[StudyRow]) -> list[StudyRow]:
    """The earlier rows whose variant and seed are not in the plan."""
    planned_keys = {(row["variant"], row["seed"]) for row in rows}
    return [row for row in earlier if (row["variant"], row["seed"]) not in planned_keys]


def earlier_rows_note(extra_rows: Sequence[StudyRow], folder: Path) -> str:
    """One line on the rows of earlier commands that stay in the table."""
    names = [f"{row['variant']} seed {row['seed']}" for row in extra_rows]
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - _MAX_LISTED} more" if len(names) > _MAX_LISTED else ""
    rows = "1 row" if len(names) == 1 else f"{len(names)} rows"
    return (
        f"The table keeps {rows} of earlier commands ({', '.join(names[:_MAX_LISTED])}{more}); "
        f"to leave them out, remove {folder / STUDY_FILE}."
    )


def registered_study(study: Study) -> Study:
    """The study as it is registered, with the variants that a short form leaves out."""
    return STUDIES[study.name]() if study.name in set(STUDIES) else study


def _shared_settings(plan: Plan) -> dict[str, Any]:
    spec, budget = plan.rows[0].spec, plan.budget
    return {
        "version": IDENTITY_VERSION,
        "study": plan.study.name,
        "budget": budget.name,
        "model": budget.model,
        "recipe": asdict(budget.recipe),
        "epochs": budget.epochs,
        "checkpoint": spec.recipe.checkpoint,
        "evaluation": budget.evaluation.to_json(),
        "data": plan.data.checksum,
        "exclude_leaks": plan.data.exclude_leaks,
        "tasks": plan.tasks,
        "text_encoder": plan.text_encoder,
        "precision": spec.precision,
        "protocol": spec.protocol,
        "also_protocols": spec.also_protocols,
    }


def _settings_in_record(record: dict[str, Any]) -> dict[str, Any]:
    """The settings recorded in a study.json without a digest."""
    text_encoder, data, budget = record.get("text_encoder"), record["data"], record["budget"]
    return {
        "study": record["study"],
        "budget": {name: value for name, value in budget.items() if name != "summary"},
        "checksum": data.get("checksum"),
        "exclude_leaks": bool(data.get("exclude_leaks")),
        "text_encoder": text_encoder.get("name") if isinstance(text_encoder, dict) else text_encoder,
        "tasks": record.get("tasks"),
    }


def _settings_of_plan(plan: Plan, record: dict[str, Any]) -> dict[str, Any]:
    """The same of a plan, with the keys of a study.json."""
    settings = {
        "study": plan.study.name,
        "budget": {name: value for name, value in budget_record(plan).items() if name != "summary"},
        "checksum": plan.data.checksum,
        "exclude_leaks": plan.data.exclude_leaks,
        "text_encoder": plan.text_encoder,
        "tasks": plan.tasks if "tasks" in record else None,
    }
    return dict(json.loads(json.dumps(settings)))


def _matches_runs(plan: Plan, record: dict[str, Any], root: Path) -> bool:
    """Whether the first run that can be read has the plan's precision, protocols and choice of weights."""
    spec = plan.rows[0].spec
    for row in record["rows"]:
        try:
            identity = json.loads((root / str(row["run_id"]) / SPEC_FILE).read_text(encoding="utf-8"))["identity"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        checkpoint = (identity.get("recipe") or {}).get("checkpoint", spec.recipe.checkpoint)
        run_settings = (identity.get("precision"), identity.get("protocol"), identity.get("also_protocols"), checkpoint)
        return run_settings == (spec.precision, spec.protocol, list(spec.also_protocols), spec.recipe.checkpoint)
    return True


def _parse_row(row: dict[str, Any]) -> StudyRow:
    return StudyRow(
        variant=str(row["variant"]),
        seed=int(row["seed"]),
        run_id=str(row["run_id"]),
        alias_of=row.get("alias_of"),
        note=str(row.get("note") or ""),
    )


def _run_key(row: StudyRow) -> str:
    """The seed and digest at the end of a run's id: one run, whatever label its folder has."""
    return "-".join(row["run_id"].rsplit("-", 2)[-2:])

"""A study's folder and the rows that are in it: more seeds or variants join a table, other terms get a folder apart."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ablations.models import is_trained
from ablations.override_flags import format_value
from ablations.plan import Plan
from ablations.registry import STUDIES, Study
from ablations.spec import IDENTITY_VERSION
from reports.schema import SPEC_FILE, STUDIES_FOLDER, STUDY_FILE, StudyFile, StudyRow

_LISTED = 4
"""Rows that are named where more are kept."""


def study_folder(plan: Plan, root: Path) -> Path:
    """Where study.json and report lie, whatever seeds and variants: the usual folder, or one apart for other terms."""
    usual = root / STUDIES_FOLDER / plan.folder_name
    apart = usual.with_name(f"{usual.name}-{terms_digest(plan)[:8]}")
    if (apart / STUDY_FILE).exists():
        return apart
    return apart if (usual / STUDY_FILE).exists() and read_earlier(plan, usual) is None else usual


def read_earlier(plan: Plan, folder: Path) -> StudyFile | None:
    """The study.json in `folder` where it is of the plan's terms; None where none can be read, or of others.

    A file that says no terms (of an older version) is compared by what it and the first of its runs do say.
    """
    try:
        found = json.loads((folder / STUDY_FILE).read_text(encoding="utf-8"))
        if "terms" in found:
            same = found["terms"] == terms_digest(plan)
        else:
            same = _said(found) == _asked(plan, found) and _agrees_with_runs(plan, found, folder.parent.parent)
        rows = [_row(row) for row in found["rows"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return StudyFile(**{**found, "rows": rows}) if same else None  # type: ignore[typeddict-item]


def terms_digest(plan: Plan) -> str:
    """SHA-256 of what all rows of one table share: everything that decides its numbers but variants and seeds."""
    return hashlib.sha256(json.dumps(_terms(plan), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def budget_record(plan: Plan) -> dict[str, Any]:
    """What study.json says of the budget: the recipe as its runs train, with the tasks that they have."""
    budget = plan.budget
    recipe = next((spec.recipe for spec in plan.specs if is_trained(spec.config)), budget.recipe)
    changed = {name: format_value(value) for name, value in budget.overrides.items()}
    return {
        "name": budget.name,
        "summary": budget.summary,
        **({"overrides": changed} if changed else {}),
        "model": dict(budget.model),
        **asdict(recipe),
        "steps": recipe.steps,
    }


def joined(rows: Sequence[StudyRow], earlier: Sequence[StudyRow], study: Study) -> list[StudyRow]:
    """The rows of a plan and those of the same terms that were there before, by variant and seed, in the study's order.

    The plan's stand where both have one.
    """
    kept = kept_rows(rows, earlier)
    if not kept:
        return list(rows)
    order = {variant: place for place, variant in enumerate(whole(study).variants)}
    together = sorted([*rows, *kept], key=lambda row: (row["seed"], order.get(row["variant"], len(order))))
    notes = {(row["variant"], row["alias_of"], _run_of(row)): row["note"] for row in [*earlier, *rows]}
    trained: dict[str, StudyRow] = {}
    planned = {_run_of(row): row["run_id"] for row in rows}
    named = []
    for row in together:
        first = trained.setdefault(_run_of(row), row)
        run_id = planned.get(_run_of(row), first["run_id"])
        if first["variant"] == row["variant"]:
            named.append(StudyRow(**{**row, "run_id": run_id, "alias_of": None, "note": ""}))  # type: ignore[typeddict-item]
            continue
        model = first["variant"]
        note = notes.get((row["variant"], model, _run_of(row))) or f"the same model as {model} under another name"
        named.append(StudyRow(variant=row["variant"], seed=row["seed"], run_id=run_id, alias_of=model, note=note))
    return named


def kept_rows(rows: Sequence[StudyRow], earlier: Sequence[StudyRow]) -> list[StudyRow]:
    """The earlier rows whose variant and seed the plan has not."""
    planned = {(row["variant"], row["seed"]) for row in rows}
    return [row for row in earlier if (row["variant"], row["seed"]) not in planned]


def kept_line(kept: Sequence[StudyRow], folder: Path) -> str:
    """One line that says which rows of earlier commands the table keeps."""
    names = [f"{row['variant']} seed {row['seed']}" for row in kept]
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    rows = "1 row" if len(names) == 1 else f"{len(names)} rows"
    return (
        f"The table keeps {rows} of earlier commands ({', '.join(names[:_LISTED])}{more}); "
        f"to leave them out, remove {folder / STUDY_FILE}."
    )


def whole(study: Study) -> Study:
    """The study as it is registered, with the variants that a short form leaves out."""
    return STUDIES[study.name]() if study.name in set(STUDIES) else study


def _terms(plan: Plan) -> dict[str, Any]:
    spec, budget = plan.rows[0].spec, plan.budget
    return {
        "version": IDENTITY_VERSION,
        "study": plan.study.name,
        "budget": budget.name,
        "model": budget.model,
        "recipe": asdict(budget.recipe),
        "epochs": budget.epochs,
        "checkpoint": spec.recipe.checkpoint,
        "evaluation": asdict(budget.evaluation),
        "data": plan.data.checksum,
        "exclude_leaks": plan.data.exclude_leaks,
        "tasks": plan.tasks,
        "text_encoder": plan.text_encoder,
        "precision": spec.precision,
        "protocol": spec.protocol,
        "also_protocols": spec.also_protocols,
    }


def _said(found: dict[str, Any]) -> dict[str, Any]:
    """What a study.json without terms says of them."""
    encoder, data, budget = found.get("text_encoder"), found["data"], found["budget"]
    return {
        "study": found["study"],
        "budget": {name: value for name, value in budget.items() if name != "summary"},
        "checksum": data.get("checksum"),
        "exclude_leaks": bool(data.get("exclude_leaks")),
        "text_encoder": encoder.get("name") if isinstance(encoder, dict) else encoder,
        "tasks": found.get("tasks"),
    }


def _asked(plan: Plan, found: dict[str, Any]) -> dict[str, Any]:
    """The same of a plan, in the words of a study.json."""
    asked = {
        "study": plan.study.name,
        "budget": {name: value for name, value in budget_record(plan).items() if name != "summary"},
        "checksum": plan.data.checksum,
        "exclude_leaks": plan.data.exclude_leaks,
        "text_encoder": plan.text_encoder,
        "tasks": plan.tasks if "tasks" in found else None,
    }
    return dict(json.loads(json.dumps(asked)))


def _agrees_with_runs(plan: Plan, found: dict[str, Any], root: Path) -> bool:
    """Whether the first run that can be read has the plan's precision, protocols and choice of weights."""
    spec = plan.rows[0].spec
    for row in found["rows"]:
        try:
            identity = json.loads((root / str(row["run_id"]) / SPEC_FILE).read_text(encoding="utf-8"))["identity"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        chosen = (identity.get("recipe") or {}).get("checkpoint", spec.recipe.checkpoint)
        here = (identity.get("precision"), identity.get("protocol"), identity.get("also_protocols"), chosen)
        return here == (spec.precision, spec.protocol, list(spec.also_protocols), spec.recipe.checkpoint)
    return True


def _row(row: dict[str, Any]) -> StudyRow:
    return StudyRow(
        variant=str(row["variant"]),
        seed=int(row["seed"]),
        run_id=str(row["run_id"]),
        alias_of=row.get("alias_of"),
        note=str(row.get("note") or ""),
    )


def _run_of(row: StudyRow) -> str:
    """The seed and digest at the end of a run's id: one run, whatever label its folder has."""
    return "-".join(row["run_id"].rsplit("-", 2)[-2:])

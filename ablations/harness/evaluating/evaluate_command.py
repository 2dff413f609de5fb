"""The evaluation of a checkpoint: restore, score, print."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console

from ablations.checkpoint_options import EvaluateOptions
from ablations.harness.evaluating.evaluation_text import print_result
from ablations.harness.evaluating.predicted_degradation import AUTO, TRUTH, PredictionTrial, open_prediction_trial
from ablations.harness.evaluating.pretrained import PretrainedModel
from ablations.harness.evaluating.resolve_model import load_requested_model
from ablations.harness.evaluating.result_cache import (
    RESULT_FILES,
    evaluation_settings,
    lock_output_folder,
    open_result_cache,
    source_digest,
)
from ablations.harness.evaluating.scoring import SkippedImage, score_pretrained
from ablations.harness.malloc import keep_freed_memory
from ablations.harness.provenance import environment
from ablations.models import model_label
from datasets.protocols import Protocol, get_protocol
from datasets.score import Mean, compute_means
from datasets.sources.embedded import load_embedded
from datasets.tasks import PAPER_TASKS, Condition, Task, condition_named, known_tasks
from datasets.test_sets.opening import (
    TestQuery,
    TestSets,
    bundle_test_set,
    holds_test_sets,
    open_clean_images,
    open_test_sets,
)
from dfpir.registry import suggestion
from reports.evaluation import EVALUATION_FILE, PAGE_FILE, build_page
from reports.files import require_folder, sha256_of, write_json, write_text
from reports.guess_costs import CONFUSION_FILE, COSTS_FILE, GUESSES_FILE, confusion_table, costs_table
from reports.schema import IMAGES_FILE, condition_sort_key, write_images


def run(options: EvaluateOptions) -> int:
    """Evaluate as the command line asks; the exit code.

    Raises:
        ValueError: an option, a file or data that can't be used.
    """
    if options.results.out is not None:
        require_folder(options.results.out, "--out")
    degradation = options.guessing.degradation
    if degradation not in (TRUTH, AUTO):
        raise ValueError(f"--degradation {degradation}: {TRUTH} (the default), or {AUTO} to try guesses, too.")
    rules = get_protocol(options.images.protocol or default_protocol(options.images.data))
    if options.results.reported:
        _reported_setting(options.results.reported)  # refuses a misspelt name before anything is computed
    pretrained = load_requested_model(options.model, options.checkpoint)
    if pretrained.sha256:  # a network; for classical methods, freed memory goes back to the system
        keep_freed_memory()
    requested_names = tuple(options.images.tasks or ())
    tasks = _parse_tasks(requested_names) or list(pretrained.tasks)
    console = Console(stderr=True, highlight=False)
    if pretrained.weights_note:
        console.print(f"{options.checkpoint.weights}: {pretrained.weights_note}", markup=False, soft_wrap=True)
    query = TestQuery(
        rules=rules,
        tasks=tuple(tasks),
        trained_on=pretrained.trained_on,
        note=lambda text: console.print(f"{text} ...", markup=False, soft_wrap=True),
        skip_bad=options.images.skip_bad,
        limit=options.images.limit,
    )
    data = open_images(options.images.data, options.images.root, query)
    conditions = select_conditions(pretrained, data, requested_names)
    trial = open_prediction_trial(options, pretrained, rules) if degradation == AUTO else None
    with lock_output_folder(options.results.out):
        result, means, skipped_images = _score_and_write(pretrained, data, conditions, trial, options, console)
    if options.results.json:
        print(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_result(result, means)
    for skipped in skipped_images:
        console.print(
            f"not scored: {skipped.image}: {skipped.condition}: {skipped.reason}", markup=False, soft_wrap=True
        )
    return 1 if skipped_images else 0


def open_images(choice: str, root: Path | None, query: TestQuery) -> TestSets:
    """The test images that `--data` names: `embedded`, `paper` (the field's test sets under a root), or a folder.

    Raises:
        ValueError: no such data, nothing in it to evaluate, or a protocol that does not fit.
    """
    if choice == "paper":
        if root is None:
            raise ValueError("--data paper needs --root FOLDER: where the data sets lie (python -m datasets list).")
        return open_test_sets(root, replace(query, training=root, trained_on={}))
    if root is not None:
        raise ValueError(f"--root {root}: it goes with --data paper.")
    if choice == "embedded":
        if query.rules.name != "suite":
            raise ValueError(
                f"--protocol {query.rules.name} goes with images from files; images degraded here follow 'suite'."
            )
        return bundle_test_set(load_embedded(), query.rules)
    folder = Path(choice)
    if not folder.is_dir():
        raise ValueError(f"--data {choice!r}: 'embedded', 'paper' or the path of a folder of images is needed.")
    if holds_test_sets(folder):
        return open_test_sets(folder, replace(query, training=folder))
    return open_clean_images(folder, query)


def default_protocol(choice: str) -> str:
    """`allinone` for images from files, as papers score them; `suite` for those that are degraded here."""
    return "allinone" if choice == "paper" or (choice != "embedded" and holds_test_sets(Path(choice))) else "suite"


def _score_and_write(
    pretrained: PretrainedModel,
    data: TestSets,
    conditions: Sequence[Condition],
    trial: PredictionTrial | None,
    options: EvaluateOptions,
    console: Console,
) -> tuple[dict[str, Any], list[Mean], list[SkippedImage]]:
    """Score and write into `--out`: the content of evaluation.json, its means, and the images without scores."""
    header, rules = _result_header(pretrained, data, options), data.rules
    cache = open_result_cache(
        options.results.out,
        _cache_settings(header, pretrained, conditions, trial, options),
        force=options.results.force,
    )
    scores = score_pretrained(
        pretrained,
        data,
        conditions,
        limit=options.images.limit,
        console=console,
        predict=trial.evaluate if trial is not None else None,
        cache=cache,
    )
    if scores.cached_count:
        console.print(f"{scores.cached_count} images were scored before and are not restored again.", soft_wrap=True)
    if trial is not None:
        trial.rows.extend(scores.predictions)
    means = sorted(
        compute_means(scores.rows, rules), key=lambda mean: (condition_sort_key(mean.condition), mean.dataset)
    )
    reported = options.results.reported
    comparison = _compare_with_reported(reported, means, rules) if reported else None
    result = {
        **header,
        "means": [{key: _finite_or_none(value) for key, value in asdict(mean).items()} for mean in means],
        "refused": [asdict(skipped) for skipped in scores.skipped],
        "reported": comparison,
        "guess": trial.summary_record() if trial is not None else None,
    }
    if options.results.out is not None:
        _write_results(
            options.results.out, {**result, "environment": environment(pretrained.device)}, scores.rows, trial
        )
    return result, means, scores.skipped


def _write_results(
    folder: Path, result: dict[str, Any], rows: Sequence[dict[str, Any]], trial: PredictionTrial | None
) -> None:
    """Write every result file, and remove those of an earlier evaluation."""
    tables = {}
    if trial is not None:
        guess_record = result["guess"]
        tables = {
            GUESSES_FILE: trial.table(),
            COSTS_FILE: costs_table(guess_record),
            CONFUSION_FILE: confusion_table(guess_record),
        }
    write_images(pd.DataFrame(list(rows)), folder / IMAGES_FILE)
    for name, table in tables.items():
        write_text(folder / name, table.to_csv(index=name == CONFUSION_FILE))
    write_json(folder / EVALUATION_FILE, result)
    build_page(folder)
    for name in {*RESULT_FILES} - {IMAGES_FILE, EVALUATION_FILE, PAGE_FILE, *tables}:
        (folder / name).unlink(missing_ok=True)


def _cache_settings(
    header: dict[str, Any],
    pretrained: PretrainedModel,
    conditions: Sequence[Condition],
    trial: PredictionTrial | None,
    options: EvaluateOptions,
) -> dict[str, Any]:
    """Every setting that decides the numbers of this evaluation."""
    return evaluation_settings(
        header,
        conditions=[condition.name for condition in conditions],
        codes=sha256_of(options.checkpoint.codes) if options.checkpoint.codes is not None else "",
        guesses_by=trial.classifier.path.name if trial is not None else "",
        device=pretrained.device.type,
        code=source_digest(pretrained.model),
    )


def select_conditions(pretrained: PretrainedModel, data: TestSets, requested: Sequence[str]) -> list[Condition]:
    """The data's conditions that the model serves, or those requested by task or name.

    Raises:
        ValueError: an unknown name, or one that the data or the model does not serve.
    """
    available = [condition for condition in data.conditions if pretrained.serves(condition)]
    if not requested:
        if not available:
            tasks = ", ".join(task.name for task in pretrained.tasks)
            raise ValueError(f"No image for {tasks}, which is what {pretrained.name} serves: choose other --data.")
        return available
    selected: list[Condition] = []
    for name in requested:
        matching = [c for c in available if name in (c.name, c.task.name)]
        if not matching and name.startswith("noise-") and any(c.task is Task.NOISE for c in available):
            matching = [condition_named(name)]  # a level of its own, where the protocol draws any
        if not matching:
            names = ", ".join(c.name for c in available) or "nothing"
            raise ValueError(f"--tasks {name}: these images and {pretrained.name} serve {names}.")
        selected += [c for c in matching if c not in selected]
    return selected


def _parse_tasks(requested: Sequence[str]) -> list[Task]:
    """The tasks of the requested names.

    Raises:
        ValueError: no such task or condition.
    """
    tasks_by_name = {task.name: task for task in known_tasks()}
    tasks = []
    for name in requested:
        try:
            tasks.append(tasks_by_name[name] if name in tasks_by_name else condition_named(name).task)
        except ValueError as error:
            raise ValueError(f"--tasks {name}: unknown.{suggestion(name, [*tasks_by_name, 'noise-25'])}") from error
    return list(dict.fromkeys(tasks))


def _result_header(pretrained: PretrainedModel, data: TestSets, options: EvaluateOptions) -> dict[str, Any]:
    styles = [task.style_json() for task in pretrained.tasks if task not in PAPER_TASKS]
    return {
        "schema": 1,
        "model": pretrained.name,
        "label": model_label(pretrained.name),
        "config": dict(pretrained.config),
        "weights": {"file": pretrained.weights, "sha256": pretrained.sha256, "layout": pretrained.layout}
        | ({"taken": pretrained.weights_note} if pretrained.weights_note else {}),
        "run_id": pretrained.run_id,
        "told": pretrained.conditioning,
        **({"tile": pretrained.tile} if pretrained.tile else {}),
        "data": data.description,
        "limit": options.images.limit,
        "protocol": data.rules.to_json(),
        "partial": data.partial,
        **({"task_styles": styles} if styles else {}),
    }


def _finite_or_none(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _reported_setting(name: str) -> Any:
    """The table that `--reported` names.

    Raises:
        ValueError: no such method or setting.
    """
    from reports import reported

    cells = reported.compare(name, {})
    return reported.SETTINGS[cells[0].setting]


def _compare_with_reported(name: str, means: Sequence[Mean], rules: Protocol) -> dict[str, Any]:
    """Measured numbers of complete sets beside the published ones; means over part of a set are left out."""
    from reports import reported

    setting = _reported_setting(name)
    mean_of_set = {(mean.dataset, mean.condition): mean for mean in means if mean.part == "all"}
    measured, left_out = {}, []
    for column in setting.columns:
        mean = mean_of_set.get((column.dataset, column.condition))
        if mean is not None and mean.images == column.n_images and math.isfinite(mean.psnr_db):
            measured[column.name] = (mean.psnr_db, mean.ssim)
        elif mean is not None:
            left_out.append(f"{column.name}: {mean.images} of {column.n_images} images")
    cells = reported.compare(name, measured)
    protocol_needed = reported.protocol_for(setting.name, cells[0].method)
    return {
        "name": name,
        "protocol_of_the_printed_numbers": protocol_needed,
        "same_protocol": protocol_needed == rules.name,
        "left_out": left_out,
        "cells": [{**asdict(cell), "verdict": cell.verdict} for cell in cells],
    }

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
from ablations.harness.allocator import keep_freed_memory
from ablations.harness.evaluating.asked_model import open_asked
from ablations.harness.evaluating.evaluation_text import print_result
from ablations.harness.evaluating.guess_cost import AUTO, TRUTH, GuessTrial, open_trial
from ablations.harness.evaluating.journal import RESULT_FILES, code_digest, one_at_a_time, open_journal, terms_of
from ablations.harness.evaluating.released import Released
from ablations.harness.evaluating.scoring import Refused, score_released
from ablations.harness.provenance import environment
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
    told = options.guessing.degradation
    if told not in (TRUTH, AUTO):
        raise ValueError(f"--degradation {told}: {TRUTH} (the default), or {AUTO} to try guesses, too.")
    rules = get_protocol(options.images.protocol or usual_protocol(options.images.data))
    if options.results.reported:
        _reported_setting(options.results.reported)  # a misspelt name ends here, before anything is computed
    released = open_asked(options.model, options.checkpoint)
    if released.sha256:  # for a network's tensors; what references free, the next photograph may take
        keep_freed_memory()
    asked = tuple(options.images.tasks or ())
    tasks = _tasks(asked) or list(released.tasks)
    console = Console(stderr=True, highlight=False)
    if released.taken:
        console.print(f"{options.checkpoint.weights}: {released.taken}", markup=False, soft_wrap=True)
    query = TestQuery(
        rules=rules,
        tasks=tuple(tasks),
        trained_on=released.trained_on,
        note=lambda text: console.print(f"{text} ...", markup=False, soft_wrap=True),
        skip_bad=options.images.skip_bad,
        limit=options.images.limit,
    )
    data = open_images(options.images.data, options.images.root, query)
    conditions = chosen_conditions(released, data, asked)
    trial = open_trial(options, released, rules) if told == AUTO else None
    with one_at_a_time(options.results.out):
        result, means, refused_images = _evaluated(released, data, conditions, trial, options, console)
    if options.results.json:
        print(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_result(result, means)
    for refused in refused_images:
        console.print(
            f"not scored: {refused.image}: {refused.condition}: {refused.reason}", markup=False, soft_wrap=True
        )
    return 1 if refused_images else 0


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


def usual_protocol(choice: str) -> str:
    """`allinone` for images from files, as papers score them; `suite` for those that are degraded here."""
    return "allinone" if choice == "paper" or (choice != "embedded" and holds_test_sets(Path(choice))) else "suite"


def _evaluated(
    released: Released,
    data: TestSets,
    conditions: Sequence[Condition],
    trial: GuessTrial | None,
    options: EvaluateOptions,
    console: Console,
) -> tuple[dict[str, Any], list[Mean], list[Refused]]:
    """Score, and write what `--out` asks for: the content of evaluation.json, its means, and what was not scored."""
    head, rules = _head(released, data, options), data.rules
    journal = open_journal(
        options.results.out, _terms(head, released, conditions, trial, options), force=options.results.force
    )
    scores = score_released(
        released,
        data,
        conditions,
        limit=options.images.limit,
        console=console,
        guess=trial.of if trial is not None else None,
        journal=journal,
    )
    if scores.recalled:
        console.print(f"{scores.recalled} images were scored before and are not restored again.", soft_wrap=True)
    if trial is not None:
        trial.found.extend(scores.guesses)
    means = sorted(
        compute_means(scores.rows, rules), key=lambda mean: (condition_sort_key(mean.condition), mean.dataset)
    )
    result = {
        **head,
        "means": [{key: _finite(value) for key, value in asdict(mean).items()} for mean in means],
        "refused": [asdict(refused) for refused in scores.refused],
        "reported": _compared(options.results.reported, means, rules) if options.results.reported else None,
        "guess": trial.result() if trial is not None else None,
    }
    if options.results.out is not None:
        _write(options.results.out, {**result, "environment": environment(released.device)}, scores.rows, trial)
    return result, means, scores.refused


def _write(folder: Path, result: dict[str, Any], rows: Sequence[dict[str, Any]], trial: GuessTrial | None) -> None:
    """Every file of the results, and none that an earlier evaluation left."""
    tables = {}
    if trial is not None:
        found = result["guess"]
        tables = {GUESSES_FILE: trial.rows(), COSTS_FILE: costs_table(found), CONFUSION_FILE: confusion_table(found)}
    write_images(pd.DataFrame(list(rows)), folder / IMAGES_FILE)
    for name, table in tables.items():
        write_text(folder / name, table.to_csv(index=name == CONFUSION_FILE))
    write_json(folder / EVALUATION_FILE, result)
    build_page(folder)
    for name in {*RESULT_FILES} - {IMAGES_FILE, EVALUATION_FILE, PAGE_FILE, *tables}:
        (folder / name).unlink(missing_ok=True)


def _terms(
    head: dict[str, Any],
    released: Released,
    conditions: Sequence[Condition],
    trial: GuessTrial | None,
    options: EvaluateOptions,
) -> dict[str, Any]:
    """What decides the numbers of an evaluation."""
    return terms_of(
        head,
        conditions=[condition.name for condition in conditions],
        codes=sha256_of(options.checkpoint.codes) if options.checkpoint.codes is not None else "",
        guesses_by=trial.guesser.path.name if trial is not None else "",
        device=released.device.type,
        code=code_digest(released.model),
    )


def chosen_conditions(released: Released, data: TestSets, asked: Sequence[str]) -> list[Condition]:
    """The data's conditions that the model serves, or those asked for by task or name.

    Raises:
        ValueError: an unknown name, or one that the data or the model does not serve.
    """
    there = [condition for condition in data.conditions if released.serves(condition)]
    if not asked:
        if not there:
            tasks = ", ".join(task.name for task in released.tasks)
            raise ValueError(f"No image for {tasks}, which is what {released.name} serves: choose other --data.")
        return there
    chosen: list[Condition] = []
    for name in asked:
        fitting = [c for c in there if name in (c.name, c.task.name)]
        if not fitting and name.startswith("noise-") and any(c.task is Task.NOISE for c in there):
            fitting = [condition_named(name)]  # a level of its own, where the protocol draws any
        if not fitting:
            known = ", ".join(c.name for c in there) or "nothing"
            raise ValueError(f"--tasks {name}: these images and {released.name} serve {known}.")
        chosen += [c for c in fitting if c not in chosen]
    return chosen


def _tasks(asked: Sequence[str]) -> list[Task]:
    """The tasks of the names asked for.

    Raises:
        ValueError: no such task or condition.
    """
    known = {task.name: task for task in known_tasks()}
    tasks = []
    for name in asked:
        try:
            tasks.append(known[name] if name in known else condition_named(name).task)
        except ValueError as error:
            raise ValueError(f"--tasks {name}: unknown.{suggestion(name, [*known, 'noise-25'])}") from error
    return list(dict.fromkeys(tasks))


def _head(released: Released, data: TestSets, options: EvaluateOptions) -> dict[str, Any]:
    styles = [task.style_json() for task in released.tasks if task not in PAPER_TASKS]
    return {
        "schema": 1,
        "model": released.name,
        "config": dict(released.config),
        "weights": {"file": released.weights, "sha256": released.sha256, "layout": released.layout}
        | ({"taken": released.taken} if released.taken else {}),
        "run_id": released.run_id,
        "told": released.told,
        "data": data.description,
        "limit": options.images.limit,
        "protocol": data.rules.to_json(),
        "partial": data.partial,
        **({"task_styles": styles} if styles else {}),
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _reported_setting(name: str) -> Any:
    """The table that `--reported` names.

    Raises:
        ValueError: no such method or setting.
    """
    from reports import reported

    cells = reported.compare(name, {})
    return reported.SETTINGS[cells[0].setting]


def _compared(name: str, means: Sequence[Mean], rules: Protocol) -> dict[str, Any]:
    """Measured numbers of whole sets beside the printed ones; a mean over some of a set's images is none of its."""
    from reports import reported

    setting = _reported_setting(name)
    by_place = {(mean.dataset, mean.condition): mean for mean in means if mean.part == "all"}
    measured, left_out = {}, []
    for column in setting.columns:
        mean = by_place.get((column.dataset, column.condition))
        if mean is not None and mean.images == column.n_images and math.isfinite(mean.psnr_db):
            measured[column.name] = (mean.psnr_db, mean.ssim)
        elif mean is not None:
            left_out.append(f"{column.name}: {mean.images} of {column.n_images} images")
    cells = reported.compare(name, measured)
    needed = reported.protocol_for(setting.name, cells[0].method)
    return {
        "name": name,
        "protocol_of_the_printed_numbers": needed,
        "same_protocol": needed == rules.name,
        "left_out": left_out,
        "cells": [{**asdict(cell), "verdict": cell.verdict} for cell in cells],
    }

"""Plan a study: from a study, a budget, data and prompts to the specs of its runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, NamedTuple

from ablations.metrics import extra_metrics
from ablations.mixture import paper_epoch_samples
from ablations.models import (
    BaselineConfig,
    ModelConfig,
    is_tested_in_tiles,
    learning_rate_factor,
    missing_extra,
    model_config,
)
from ablations.name_checks import select_variants
from ablations.overrides import folder_suffix
from ablations.registry import STUDIES, Study
from ablations.spec import Budget, Checkpoint, DataRef, Precision, Recipe, RunSpec, TaskShare
from datasets.tasks import PAPER_TASKS, condition_named, task_named
from dfpir import DFPIRConfig
from dfpir.prompts import TextEncoder, load_prompts
from reports.figures.further import figure_named


@dataclass(frozen=True, kw_only=True)
class PlannedRow:
    """One variant and seed of a study's table."""

    variant: str  # its name in this study
    spec: RunSpec  # the run that stands for it
    alias_of: str | None = None  # the variant whose run it shares, where both are the same model
    note: str = ""  # why they are the same model


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All rows of a study; `specs` are the distinct runs among them; `left_out`: why other variants are missing."""

    study: Study
    budget: Budget
    data: DataRef
    text_encoder: str
    text_encoder_note: str
    tasks: tuple[str, ...]
    rows: tuple[PlannedRow, ...]
    left_out: tuple[str, ...] = ()

    @property
    def specs(self) -> list[RunSpec]:
        """The runs to train, each once, in the order of the table."""
        return [row.spec for row in self.rows if row.alias_of is None]

    @property
    def folder_name(self) -> str:
        """Name of the study's folder: study, budget and data; tasks, overrides and protocol where not the default."""
        name = f"{self.study.name}-{self.budget.name}-{self.data.name}"
        if self.study.tasks is not None and not set(self.tasks) <= set(self.study.tasks):
            name += f"-{'+'.join(self.tasks)}"
        if self.budget.overrides:
            name += f"-{folder_suffix(self.budget.overrides)}"
        return f"{name}-{self.rows[0].spec.protocol.rpartition('-v')[0]}" if self.data.kind == "paper" else name


@dataclass(frozen=True, kw_only=True)
class PlanContext:
    """What all runs of a plan have in common."""

    budget: Budget  # sizes of model, training and tests
    data: DataRef  # training, validation and test images
    conditions: Sequence[str]  # names of those that the data have images for
    protocol: str  # label of the evaluation protocol
    also_protocols: Sequence[str] = ()  # labels of further ones
    text_encoder: TextEncoder  # of the prompts
    text_encoder_note: str = ""  # why this encoder, for the report
    precision: Precision = "fp32"  # of the forward pass


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What the command line chooses of a study."""

    seeds: Sequence[int] | None = None  # the budget's by default; duplicates are dropped
    only: Sequence[str] | None = None  # of the study's variants; names or patterns (`dfpir_g*`), in any case
    tasks: Sequence[str] | None = None  # to train on, instead of the study's
    checkpoint: Checkpoint | None = None  # which weights are tested, instead of the budget's choice
    metrics: Sequence[str] = ()  # names of further columns of the table


def make_plan(study_name: str, **options: Any) -> Plan:
    """`plan_study` with the fields of `PlanContext` and `Selection` as keywords."""
    selection_fields = {field.name for field in fields(Selection)}
    selection = Selection(**{name: value for name, value in options.items() if name in selection_fields})
    context = PlanContext(**{name: value for name, value in options.items() if name not in selection_fields})
    return plan_study(study_name, context, selection)


def plan_study(study_name: str, context: PlanContext, selection: Selection) -> Plan:
    """Plan a study's runs.

    Raises:
        ValueError: unknown study, variant, metric or task, a variant requested by name whose library is not
            installed, or nothing is left to run.
    """
    study = study_for(study_name, context.budget, selection.only)
    study = replace(study, metrics=extra_metrics([*study.metrics, *selection.metrics]))
    for name in study.figures:
        figure_named(name)  # raises for an unknown name
    train_conditions = _training_conditions(study, selection.tasks, context.conditions)
    _check_overrides(context.budget, _task_names(train_conditions), selection.checkpoint)
    test_conditions = [name for name in train_conditions if study.tested_on is None or name in study.tested_on]
    variants = select_variants(study.name, study.variants, selection.only)
    variants, left_out = _split_buildable(variants, selection.only or ())
    rows: list[PlannedRow] = []
    for seed in dict.fromkeys(selection.seeds or context.budget.seeds):
        rows_by_digest: dict[str, PlannedRow] = {}
        for variant in variants:
            task = variant.partition("@")[2]
            for run_task in _task_names(train_conditions) if task == "each" else [task]:
                run_train = [c for c in train_conditions if not run_task or condition_named(c).task.name == run_task]
                run_test = [c for c in test_conditions if c in run_train]
                if run_test:  # else the data have no test images of this task
                    conditions = RunConditions(train=run_train, test=run_test)
                    spec = _spec(variant, run_task, seed, conditions, context, selection.checkpoint)
                    rows.append(_planned_row(variant, spec, rows_by_digest))
    return Plan(
        study=study,
        budget=context.budget,
        data=context.data,
        text_encoder=context.text_encoder,
        text_encoder_note=context.text_encoder_note,
        tasks=tuple(_task_names(train_conditions)),
        rows=tuple(rows),
        left_out=left_out,
    )


def study_for(study_name: str, budget: Budget, only: Sequence[str] | None) -> Study:
    """The study as a budget runs it: the short form for small budgets, unless variants are named.

    Raises:
        UnknownNameError: unknown study.
    """
    study = STUDIES[study_name]()
    return study.short_form() if budget.short and study.short and not only else study


class RunConditions(NamedTuple):
    """Names of a run's conditions."""

    train: list[str]
    test: list[str]


def _spec(
    variant: str,
    task: str,
    seed: int,
    conditions: RunConditions,
    context: PlanContext,
    checkpoint: Checkpoint | None,
) -> RunSpec:
    """The spec of one run; `task` is empty for a run on all tasks."""
    name, tasks = variant.partition("@")[0], _task_names(conditions.train)
    config = model_config(name, context.budget.model, prompts=len(conditions.train))
    _require_paper_tasks(config, tasks)
    recipe = _recipe_for(context.budget, tasks, checkpoint).with_lr_factor(learning_rate_factor(config))
    evaluation = context.budget.evaluation
    if evaluation.tile is None and is_tested_in_tiles(config):
        evaluation = replace(evaluation, tile=recipe.phases[-1].patch)
    elif not evaluation.tile:
        evaluation = replace(evaluation, tile=None)
    return RunSpec(
        variant=f"{name}@{task}" if task else name,
        seed=seed,
        config=config,
        recipe=recipe,
        evaluation=evaluation,
        data=context.data,
        conditions=tuple(conditions.train),
        tested=tuple(conditions.test),
        protocol=context.protocol,
        also_protocols=tuple(context.also_protocols),
        text_encoder=context.text_encoder,
        codes_checksum=load_prompts(config.prompt_set, context.text_encoder, conditions.train).checksum,
        precision=context.precision,
        budget=context.budget.name,
    )


def _split_buildable(variants: Sequence[str], only: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split into the variants whose libraries are installed, and the reasons why others are left out.

    Raises:
        ValueError: a variant that can't be built was requested by name, or none can be built; with the fix.
    """
    reasons = {variant: missing_extra(variant.partition("@")[0]) for variant in variants}
    left_out = {variant: reason for variant, reason in reasons.items() if reason is not None}
    requested = {name.lower() for name in only}
    for variant, reason in left_out.items():
        if variant.lower() in requested or len(left_out) == len(variants):
            raise ValueError(reason)
    return tuple(variant for variant in variants if variant not in left_out), tuple(left_out.values())


def _training_conditions(study: Study, tasks: Sequence[str] | None, conditions: Sequence[str]) -> list[str]:
    """The conditions of the requested tasks, else of the study's, else all that the data have."""
    available_tasks = _task_names(conditions)
    for task in tasks or ():
        task_named(task)  # raises for an unknown name
        if task not in available_tasks:
            raise ValueError(f"--tasks {task}: the data have images for {', '.join(available_tasks)}.")
    wanted_tasks = tasks or study.tasks or available_tasks
    train_conditions = [name for name in conditions if condition_named(name).task.name in wanted_tasks]
    if not train_conditions:
        raise ValueError(
            f"{study.name} is about {', '.join(wanted_tasks)}; the data have images for {', '.join(available_tasks)}."
        )
    return train_conditions


def _check_overrides(budget: Budget, tasks: Sequence[str], checkpoint: Checkpoint | None) -> None:
    """Refuse a mixture with a task that is not trained on, and two choices of the tested weights."""
    if "recipe.mixture" in budget.overrides:
        named = dict.fromkeys(share.task for phase in budget.recipe.phases for share in phase.mixture)
        unknown = [task for task in named if task not in tasks]
        if unknown:
            raise ValueError(
                f"--recipe.mixture {unknown[0]}: the study trains on {', '.join(tasks)}; leave it out, or name it in "
                "--tasks."
            )
    tested = budget.overrides.get("recipe.checkpoint")
    if checkpoint is not None and tested is not None and tested != checkpoint:
        raise ValueError(f"--recipe.checkpoint {tested} and --checkpoint {checkpoint}: give one of the two.")


def _require_paper_tasks(config: ModelConfig, tasks: Sequence[str]) -> None:
    """Refuse other tasks for comparators that take one of the paper's tasks as a label."""
    if not isinstance(config, BaselineConfig) or config.entry.needs not in ("label", "operator", "condition"):
        return
    unsupported = next((task for task in map(task_named, tasks) if task not in PAPER_TASKS), None)
    if unsupported is not None:
        raise ValueError(
            f"{config.name} takes one of the paper's five tasks as its label, and {unsupported.name} is none of them: "
            "leave one of the two out (--only, --tasks)."
        )


def _recipe_for(budget: Budget, tasks: Sequence[str], checkpoint: Checkpoint | None) -> Recipe:
    """The budget's recipe for a run on these tasks: mixtures of these tasks only, epochs converted to steps."""
    new_tasks = [task for task in map(task_named, tasks) if task not in PAPER_TASKS]
    shares = [TaskShare(task=task.name, share=task.share, weight=task.loss_weight) for task in new_tasks]
    is_mixture_overridden = "recipe.mixture" in budget.overrides
    recipe = budget.recipe.for_tasks(tasks, () if is_mixture_overridden else shares)
    if new_tasks and (budget.epochs or recipe.sampling == "paper"):
        raise ValueError(
            f"--tasks {new_tasks[0].name}: the {budget.name} budget samples the released code's lists, which have the "
            "paper's five tasks only: choose another budget."
        )
    if budget.epochs:
        samples = paper_epoch_samples([task_named(task) for task in tasks])
        phases = zip(recipe.phases, budget.epochs, strict=True)
        recipe = replace(recipe, phases=tuple(replace(p, steps=n * samples // p.batch) for p, n in phases))
    return recipe if checkpoint is None else replace(recipe, checkpoint=checkpoint)


def _task_names(conditions: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(condition_named(c).task.name for c in conditions))


def _planned_row(variant: str, spec: RunSpec, rows_by_digest: dict[str, PlannedRow]) -> PlannedRow:
    original = rows_by_digest.get(spec.digest)
    if original is None:
        row = rows_by_digest[spec.digest] = PlannedRow(variant=variant, spec=spec)
        return row
    return PlannedRow(
        variant=variant,
        spec=original.spec,
        alias_of=original.variant,
        note=_alias_note(spec.config, original.spec.config, original.variant),
    )


def _alias_note(config: ModelConfig, other: ModelConfig, name: str) -> str:
    if not isinstance(config, DFPIRConfig) or not isinstance(other, DFPIRConfig):
        return f"the same model as {name} under another name"
    if config.gamma != other.gamma and config.attention_perturbation:
        level = config.levels[0]
        width = config.channels(level) // config.heads[level - 1]
        return (
            f"the same model as {name}: gamma {config.gamma_at(level):g} and {other.gamma_at(level):g} both keep "
            f"{config.topk(level)} "
            f"of {width} entries a row at this model size"
        )
    return f"the same model as {name} under another name"

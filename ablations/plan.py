"""From a study, a budget, data and prompts to the runs that answer it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from ablations.metrics import further
from ablations.mixture import paper_epoch_samples
from ablations.models import BaselineConfig, ModelConfig, missing_extra, model_config
from ablations.name_checks import select_variants
from ablations.overrides import name_part
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
    alias_of: str | None = None  # the variant whose run that is, where it is the same model under another name
    note: str = ""  # why, for the reader


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All rows of a study; `specs` are the distinct runs among them; `left_out`: why other variants have none."""

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
        """Name of the study's folder: study, budget, data; tasks, overrides or protocol where others were chosen."""
        name = f"{self.study.name}-{self.budget.name}-{self.data.name}"
        if self.study.tasks is not None and not set(self.tasks) <= set(self.study.tasks):
            name += f"-{'+'.join(self.tasks)}"
        if self.budget.overrides:
            name += f"-{name_part(self.budget.overrides)}"
        return f"{name}-{self.rows[0].spec.protocol.rpartition('-v')[0]}" if self.data.kind == "paper" else name


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What all runs of a plan have in common."""

    budget: Budget  # sizes of model, training and tests
    data: DataRef  # training, validation and test images
    conditions: Sequence[str]  # names of those that the data serve
    protocol: str  # label of the evaluation protocol
    also_protocols: Sequence[str] = ()  # labels of further ones
    text_encoder: TextEncoder  # of the prompts
    text_encoder_note: str = ""  # what a reader must know of it
    precision: Precision = "fp32"  # of the forward pass


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which of a study's runs are planned."""

    seeds: Sequence[int] | None = None  # the budget's by default; each counts once
    only: Sequence[str] | None = None  # of the study's variants; names or patterns (`dfpir_g*`), in any case
    tasks: Sequence[str] | None = None  # to train on, instead of the study's own
    checkpoint: Checkpoint | None = None  # which weights are tested, instead of the budget's choice
    metrics: Sequence[str] = ()  # names of further ones of the table, besides the study's own


def make_plan(study_name: str, **asked: Any) -> Plan:
    """Plan a study's runs: `plan_study` with the fields of `Terms` and `Selection` as keywords."""
    chosen_by = {each.name for each in fields(Selection)}
    selection = Selection(**{name: value for name, value in asked.items() if name in chosen_by})
    return plan_study(
        study_name, Terms(**{name: value for name, value in asked.items() if name not in chosen_by}), selection
    )


def plan_study(study_name: str, terms: Terms, selection: Selection) -> Plan:
    """Plan a study's runs.

    Raises:
        ValueError: unknown study, variant, metric or task, a variant asked for by name whose library is not
            installed, or nothing is left to run.
    """
    study = study_for(study_name, terms.budget, selection.only)
    study = replace(study, metrics=further([*study.metrics, *selection.metrics]))
    for name in study.figures:
        figure_named(name)  # an unknown one ends here
    trained = _trained_on(study, selection.tasks, terms.conditions)
    tested = [name for name in trained if study.tested_on is None or name in study.tested_on]
    variants, left_out = _buildable(select_variants(study.name, study.variants, selection.only), selection.only or ())
    rows: list[PlannedRow] = []
    for seed in dict.fromkeys(selection.seeds or terms.budget.seeds):
        first: dict[str, PlannedRow] = {}
        for variant in variants:
            task = variant.partition("@")[2]
            for own in _tasks(trained) if task == "each" else [task]:
                own_trained = [c for c in trained if not own or condition_named(c).task.name == own]
                own_tested = [c for c in tested if c in own_trained]
                if own_tested:  # else the data have nothing for this task
                    spec = _spec(variant, own, seed, (own_trained, own_tested), terms, selection.checkpoint)
                    rows.append(_row(variant, spec, first))
    return Plan(
        study=study,
        budget=terms.budget,
        data=terms.data,
        text_encoder=terms.text_encoder,
        text_encoder_note=terms.text_encoder_note,
        tasks=tuple(_tasks(trained)),
        rows=tuple(rows),
        left_out=left_out,
    )


def study_for(study_name: str, budget: Budget, only: Sequence[str] | None) -> Study:
    """The study in the form that a budget runs: the short one for small budgets where nobody named variants.

    Raises:
        UnknownNameError: there is no such study.
    """
    study = STUDIES[study_name]()
    return study.shortened() if budget.short and study.short and not only else study


def _spec(
    variant: str,
    task: str,
    seed: int,
    conditions: tuple[list[str], list[str]],
    terms: Terms,
    checkpoint: Checkpoint | None,
) -> RunSpec:
    """One run of a variant, on one task or (an empty word) on all; `conditions` are those trained and tested on."""
    name, (trained, tested) = variant.partition("@")[0], conditions
    config = model_config(name, terms.budget.model, prompts=len(trained))
    _refuse_closed(config, _tasks(trained))
    return RunSpec(
        variant=f"{name}@{task}" if task else name,
        seed=seed,
        config=config,
        recipe=_recipe(terms.budget, _tasks(trained), checkpoint),
        evaluation=terms.budget.evaluation,
        data=terms.data,
        conditions=tuple(trained),
        tested=tuple(tested),
        protocol=terms.protocol,
        also_protocols=tuple(terms.also_protocols),
        text_encoder=terms.text_encoder,
        codes_checksum=load_prompts(config.prompt_set, terms.text_encoder, trained).checksum,
        precision=terms.precision,
        budget=terms.budget.name,
    )


def _buildable(variants: Sequence[str], only: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """The variants whose libraries are installed, and why each of the others is left out.

    Raises:
        ValueError: one of the others was asked for by its name, or nothing is left; with the mend.
    """
    reasons = {variant: missing_extra(variant.partition("@")[0]) for variant in variants}
    left_out = {variant: reason for variant, reason in reasons.items() if reason is not None}
    asked = {name.lower() for name in only}
    for variant, reason in left_out.items():
        if variant.lower() in asked or len(left_out) == len(variants):
            raise ValueError(reason)
    return [variant for variant in variants if variant not in left_out], tuple(left_out.values())


def _trained_on(study: Study, tasks: Sequence[str] | None, conditions: Sequence[str]) -> list[str]:
    """The conditions of the tasks that are wanted: as asked, else the study's own, else all that the data serve."""
    served = _tasks(conditions)
    for task in tasks or ():
        task_named(task)  # an unknown name ends here
        if task not in served:
            raise ValueError(f"--tasks {task}: the data serve {', '.join(served)}.")
    asked = tasks or study.tasks or served
    wanted = [name for name in conditions if condition_named(name).task.name in asked]
    if not wanted:
        raise ValueError(f"{study.name} is about {', '.join(asked)}; the data serve {', '.join(served)}.")
    return wanted


def _refuse_closed(config: ModelConfig, tasks: Sequence[str]) -> None:
    """Some comparators are told by the number of one of the paper's tasks, and have none for others."""
    if not isinstance(config, BaselineConfig) or config.row.needs not in ("label", "operator", "condition"):
        return
    other = next((task for task in map(task_named, tasks) if task not in PAPER_TASKS), None)
    if other is not None:
        raise ValueError(
            f"{config.name} is told which of the paper's five tasks an image shows, and {other.name} is none: leave "
            "one of them out (--only, --tasks)."
        )


def _recipe(budget: Budget, tasks: Sequence[str], checkpoint: Checkpoint | None) -> Recipe:
    """The budget's recipe for a run on these tasks: mixtures without the others, epochs as steps."""
    foreign = [task for task in map(task_named, tasks) if task not in PAPER_TASKS]
    shares = [TaskShare(task=task.name, share=task.share, weight=task.loss_weight) for task in foreign]
    asked = "recipe.mixture" in budget.overrides  # which says itself what is drawn
    recipe = budget.recipe.for_tasks(tasks, () if asked else shares)
    if foreign and (budget.epochs or recipe.sampling == "paper"):
        raise ValueError(
            f"--tasks {foreign[0].name}: the {budget.name} budget draws from the released code's lists, which have the "
            "paper's five tasks alone: choose another budget."
        )
    if budget.epochs:
        samples = paper_epoch_samples([task_named(task) for task in tasks])
        phases = zip(recipe.phases, budget.epochs, strict=True)
        recipe = replace(recipe, phases=tuple(replace(p, steps=n * samples // p.batch) for p, n in phases))
    return recipe if checkpoint is None else replace(recipe, checkpoint=checkpoint)


def _tasks(conditions: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(condition_named(c).task.name for c in conditions))


def _row(variant: str, spec: RunSpec, first: dict[str, PlannedRow]) -> PlannedRow:
    same = first.get(spec.digest)
    if same is None:
        row = first[spec.digest] = PlannedRow(variant=variant, spec=spec)
        return row
    return PlannedRow(
        variant=variant,
        spec=same.spec,
        alias_of=same.variant,
        note=_why_same(spec.config, same.spec.config, same.variant),
    )


def _why_same(config: ModelConfig, other: ModelConfig, name: str) -> str:
    if not isinstance(config, DFPIRConfig) or not isinstance(other, DFPIRConfig):
        return f"the same model as {name} under another name"
    if config.gamma != other.gamma and config.attention_perturbation:
        level = config.levels[0]
        width = config.channels(level) // config.heads[level - 1]
        return (
            f"the same model as {name}: gamma {config.gamma_at(level):g} and {other.gamma_at(level):g} both keep "
            f"{config.kept(level)} "
            f"of {width} entries a row at this model size"
        )
    return f"the same model as {name} under another name"

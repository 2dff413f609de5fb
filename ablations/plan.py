"""From a study, a budget, data and prompts to the runs that answer it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablations.models import ModelConfig, model_config
from ablations.registry import STUDIES, Study
from ablations.spec import Budget, DataRef, Precision, RunSpec
from datasets.tasks import condition_named
from dfpir import DFPIRConfig
from dfpir.prompts import TextEncoder, load_prompts
from dfpir.registry import UnknownNameError, suggestion


@dataclass(frozen=True, kw_only=True)
class PlannedRow:
    """One variant and seed of a study's table.

    Attributes:
        variant: its name in this study.
        spec: the run that stands for it.
        alias_of: the variant whose run that is, where it is the same model under another name.
        note: why, for the reader.
    """

    variant: str
    spec: RunSpec
    alias_of: str | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All rows of a study; `specs` are the distinct runs among them."""

    study: Study
    budget: Budget
    data: DataRef
    text_encoder: str
    text_encoder_note: str
    rows: tuple[PlannedRow, ...]

    @property
    def specs(self) -> list[RunSpec]:
        """The runs to train, each once, in the order of the table."""
        return [row.spec for row in self.rows if row.alias_of is None]

    @property
    def folder_name(self) -> str:
        """Name of the study's folder: study, budget, data and, where there is a choice, protocol."""
        name = f"{self.study.name}-{self.budget.name}-{self.data.name}"
        return f"{name}-{self.rows[0].spec.protocol.rpartition('-v')[0]}" if self.data.kind == "paper" else name


def make_plan(
    study_name: str,
    *,
    budget: Budget,
    data: DataRef,
    conditions: Sequence[str],
    protocol: str,
    also_protocols: Sequence[str] = (),
    text_encoder: TextEncoder,
    text_encoder_note: str = "",
    precision: Precision = "fp32",
    seeds: Sequence[int] | None = None,
    only: Sequence[str] | None = None,
) -> Plan:
    """Plan a study's runs.

    Raises:
        ValueError: unknown study or variant, or `only` names none of the study's.
    """
    study = STUDIES[study_name]()
    trained = _wanted(study.trained_on, conditions, study)
    tested = [name for name in trained if study.tested_on is None or name in study.tested_on]
    rows: list[PlannedRow] = []
    for seed in seeds or budget.seeds:
        first: dict[str, PlannedRow] = {}
        for variant in _chosen(study, only):
            name, _, task = variant.partition("@")
            for own in _tasks(trained) if task == "each" else [task]:
                own_trained = [c for c in trained if not own or condition_named(c).task.value == own]
                own_tested = [c for c in tested if c in own_trained]
                if not own_tested:
                    continue  # the data have nothing for this task
                config = model_config(name, budget.model, prompts=len(own_trained))
                prompts = load_prompts(config.prompt_set, text_encoder, own_trained)
                spec = RunSpec(
                    variant=f"{name}@{own}" if own else name,
                    seed=seed,
                    config=config,
                    recipe=budget.recipe,
                    evaluation=budget.evaluation,
                    data=data,
                    conditions=tuple(own_trained),
                    tested=tuple(own_tested),
                    protocol=protocol,
                    also_protocols=tuple(also_protocols),
                    text_encoder=text_encoder,
                    codes_checksum=prompts.checksum,
                    precision=precision,
                    budget=budget.name,
                )
                rows.append(_row(variant, spec, first))
    return Plan(
        study=study,
        budget=budget,
        data=data,
        text_encoder=text_encoder,
        text_encoder_note=text_encoder_note,
        rows=tuple(rows),
    )


def _wanted(names: Sequence[str] | None, conditions: Sequence[str], study: Study) -> list[str]:
    """Those of the study's conditions that the data serve."""
    wanted = [name for name in conditions if names is None or name in names]
    if not wanted:
        raise ValueError(f"{study.name} is about {', '.join(names or ())}; the data serve {', '.join(conditions)}.")
    return wanted


def _chosen(study: Study, only: Sequence[str] | None) -> tuple[str, ...]:
    for name in only or ():
        if name not in study.variants:
            raise UnknownNameError(f"{name!r} is not in study {study.name}.{suggestion(name, study.variants)}")
    return tuple(v for v in study.variants if not only or v in only)


def _tasks(conditions: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(condition_named(c).task.value for c in conditions))


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

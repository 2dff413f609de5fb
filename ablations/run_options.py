"""The options of `python -m ablations.run` and of `run_study`: the argument of `run_command.run`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from ablations import flags, override_flags
from ablations.cli import shell_command
from ablations.flags import (
    OPTION,
    SEE_HELP,
    Switch,
    changed_flags,
    flag_name,
    flags_of,
    iter_options,
    option,
    optional_value,
    parse,
    single_value,
    value_list,
)
from ablations.harness.launch import LaunchOptions
from ablations.recipe import Acceleration, Checkpoint
from dfpir.registry import suggestion

RecipeSettings = Annotated[
    Mapping[str, Any], tyro.conf.arg(constructor_factory=partial(override_flags.group_type, "recipe"))
]
ModelSettings = Annotated[
    Mapping[str, Any], tyro.conf.arg(constructor_factory=partial(override_flags.group_type, "model"))
]
EvaluationSettings = Annotated[
    Mapping[str, Any], tyro.conf.arg(constructor_factory=partial(override_flags.group_type, "evaluation"))
]

_PERCENT = flags.integer_between(1, 98, " per cent: three whole numbers from 1 to 98, as in 80 10 10")


def _known_tasks(_: str) -> str:
    from datasets.tasks import known_tasks

    names = ", ".join(task.name for task in known_tasks())
    return f"{names} (default: the study's tasks; noise, rain and haze in the paper's ablations)"


def _known_budgets(default: str) -> str:
    from ablations.budgets import BUDGETS

    return f"{', '.join(BUDGETS)} (default: {default})"


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """Print and stop.

    Attributes:
        list: list the studies, or the variants and contrasts of STUDY
        names: with --list: only the names of the studies, for scripts
        variants: list the model variants and their sizes: all, those of STUDY, or those that match PATTERN ('dfpir_g*')
        version: print the suite's version
    """

    list: Switch = False
    names: Switch = False
    variants: Annotated[str | None, optional_value("--variants", "[PATTERN]", "*"), OPTION] = None
    version: Switch = False


@dataclass(frozen=True, kw_only=True)
class RunSelection:
    """What to run.

    Attributes:
        only: run only these variants of the study; patterns such as 'dfpir_g*' match several
        seeds: seeds, as in 0 1 2, 0,1,2 or 0-4 (default: the budget's)
        budget: size of the models and length of training:
        metrics: further metrics of the table, from plug-ins (docs/extending.md)
    """

    only: Annotated[tuple[str, ...] | None, value_list("--only", "VARIANT ..."), OPTION] = None
    seeds: Annotated[tuple[int, ...] | None, flags.seed_list("--seeds"), OPTION] = None
    budget: Annotated[str, single_value("--budget", "NAME"), option(_known_budgets)] = "demo"
    metrics: Annotated[tuple[str, ...] | None, value_list("--metrics", "METRIC ..."), OPTION] = None


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What each run computes.

    Attributes:
        tasks: tasks to train and test on:
        checkpoint: last or best: which weights are tested: the last, at the same step for all runs, or those that
            validated best (default: the budget's: last)
        text_encoder: clip, minilm or onehot: the encoder of the prompts (default: minilm for smoke, demo and small;
            else clip, or minilm with a notice where CLIP's weights can't be downloaded)
        precision: fp32, tf32 (GPU) or bf16 autocast, on a CPU too where it has bf16 instructions (default: the
            budget's)
    """

    tasks: Annotated[tuple[str, ...] | None, value_list("--tasks", "TASK ..."), option(_known_tasks)] = None
    checkpoint: Annotated[
        Checkpoint | None, single_value("--checkpoint", "NAME", flags.choice("last", "best")), OPTION
    ] = None
    text_encoder: Annotated[str | None, single_value("--text-encoder", "NAME"), OPTION] = None
    precision: Annotated[str | None, single_value("--precision", "NAME"), OPTION] = None


@dataclass(frozen=True, kw_only=True)
class Images:
    """Images and their evaluation protocol.

    Attributes:
        data: 'embedded' photographs or 'bsds' (BSDS500's, with --root), both with synthetic degradations, 'paper' (the
            field's data sets, with --root), or a folder: of clean images, with synthetic degradations, or of pairs such
            as degraded/ and clean/
        split: how a folder without train/, val/ and test/ is split to train, validate and test (default: 80 10 10)
        skip_bad: skip files of a folder that can't be used
        root: folder of the data sets of --data bsds or paper
        exclude_leaks: train without images that are also in test sets
        protocol: evaluation protocol, or 'all' to score under each (default: allinone for --data paper, else suite)
    """

    data: Annotated[str, single_value("--data", "NAME|FOLDER"), OPTION] = "embedded"
    split: Annotated[
        tuple[int, int, int] | None, value_list("--split", "PERCENT PERCENT PERCENT", _PERCENT, count=3), OPTION
    ] = None
    skip_bad: Switch = False
    root: Annotated[Path | None, single_value("--root", "FOLDER", Path), OPTION] = None
    exclude_leaks: Switch = False
    protocol: Annotated[str | None, single_value("--protocol", "NAME"), OPTION] = None


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where and how the runs execute; no part of a run's id.

    Attributes:
        out: folder of all runs
        device: auto, cpu or cuda
        jobs: runs at the same time, or auto: as many as fit (default: by CPU cores; 1 on a GPU)
        hang_after: stop a run that finishes no step and no image for this long; 0: never
        log: jsonl, or tensorboard: also write tensorboard/ beside the runs
        force: repeat finished runs
        dry_run: print the runs, their ids and the estimated time and memory; train nothing
        early_look: train nothing; write a provisional report of the unfinished runs, from the last tenth of training
            that all of them reached
        report_only: start no run; write the table and the report of those that are finished
    """

    out: Annotated[Path, single_value("--out", "FOLDER", flags.folder_path), OPTION] = Path("runs")
    device: Annotated[str, single_value("--device", "NAME"), OPTION] = "auto"
    jobs: Annotated[int | None, single_value("--jobs", "N", flags.job_count), OPTION] = None
    hang_after: Annotated[float, single_value("--hang-after", "MINUTES", flags.minutes), OPTION] = 60.0
    log: Annotated[str, single_value("--log", "NAME"), OPTION] = "jsonl"
    force: Switch = False
    dry_run: Switch = False
    early_look: Switch = False
    report_only: Switch = False


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """A study and how to run it.

    Attributes:
        study: name of a study (see --list)
        listing: Print and exit.
        selection: What to run; of these, a run's id holds its seed and the budget's settings.
        run: What each run computes: part of its id.
        images: Images and how they are scored: a run's id holds the images' checksum and the protocol.
        execution: Where and how the runs execute: no part of a run's id.
        launching: Who starts the runs: no part of a run's id; see docs/launchers.md.
        speed: Speed and memory: no part of a run's id; see docs/performance.md.
        recipe: Replace the budget's training (ablations/recipe.py): part of each run's id and of the report.
        model: Replace a field of every variant of DFPIR (dfpir/config.py): part of each run's id and of the report.
        evaluation: Replace the budget's testing (ablations/recipe.py): part of each run's id and of the report.
    """

    study: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="STUDY", help_behavior_hint="")] = None
    listing: ListOptions = field(default_factory=ListOptions)
    selection: RunSelection = field(default_factory=RunSelection)
    run: RunSettings = field(default_factory=RunSettings)
    images: Annotated[Images, tyro.conf.arg(name="image")] = field(default_factory=Images)
    execution: Execution = field(default_factory=Execution)
    launching: LaunchOptions = field(default_factory=LaunchOptions)
    speed: Acceleration = field(default_factory=Acceleration)
    recipe: RecipeSettings = field(default_factory=dict)
    model: ModelSettings = field(default_factory=dict)
    evaluation: EvaluationSettings = field(default_factory=dict)

    @property
    def replaced(self) -> dict[str, Mapping[str, Any]]:
        """Group -> setting -> new value."""
        return {"recipe": self.recipe, "model": self.model, "evaluation": self.evaluation}


_WITHOUT_RUNS = ("dry_run", "early_look", "report_only")
"""Options with which no run starts."""


def refuse_unused_flags(options: RunOptions) -> None:
    """Refuse flags that have no effect in combination with others.

    Raises:
        ValueError: one line with the flags that have no effect, and why.
    """
    changed = changed_flags(options, RunOptions(study=options.study))
    if "names" in changed and "list" not in changed:
        raise ValueError("--names goes with --list: python -m ablations.run --list --names.")
    if "list" in changed:
        allowed = ("list",) if options.study not in (None, "efficiency") else ("list", "names")
        _allow_only(changed, allowed, "--list prints and exits")
    elif "variants" in changed:
        _allow_only(changed, ("variants",), "--variants prints and exits")
    elif options.study == "efficiency":  # nothing is trained: another command measures
        reason = "efficiency trains nothing and takes only --budget, --device and --out here"
        _allow_only(
            changed, ("budget", "device", "out"), reason, "python -m ablations.efficiency --help shows its other flags."
        )
    elif len(without_runs := [name for name in _WITHOUT_RUNS if name in changed]) > 1:
        raise ValueError(f"{', '.join(map(flag_name, without_runs))}: choose one of them.")
    elif without_runs and "force" in changed:
        raise ValueError(f"--force: {flag_name(without_runs[0])} starts no run; leave one of them out.")


@lru_cache
def known_flags() -> tuple[str, ...]:
    """Every flag of `ablations.run`."""
    return (*flags_of(RunOptions), *_override_flags())


def _override_flags() -> list[str]:
    return [flag_name(f"{g}.{name}") for g in override_flags.GROUPS for name in override_flags.setting_types(g)]


def options_from_keywords(study: str, keywords: Mapping[str, Any]) -> RunOptions:
    """Options from Python keywords: each has the name of its flag; recipe, model and evaluation are dictionaries.

    None means the default; other values are parsed like the arguments of a command line.

    Raises:
        ValueError: an unknown option or setting, or a value that can't be used; one line.
    """
    excluded = {name for name, _ in iter_options(ListOptions())} | {"study", "dry_run", "early_look"}
    allowed = [*(name for name, _ in iter_options(RunOptions()) if name not in excluded), *override_flags.GROUPS]
    if not isinstance(study, str):
        raise ValueError(
            f"study={study!r}: the name of a study is needed, as `python -m ablations.run --list` names it."
        )
    if "budget" in keywords and not isinstance(keywords["budget"], str):
        raise ValueError(f"budget={keywords['budget']!r}: the name of a budget is needed, such as demo.")
    words = [study]
    for name, value in keywords.items():
        if name not in allowed:
            raise ValueError(f"Unknown option {name!r} of run_study.{suggestion(name, allowed)}")
        if name in override_flags.GROUPS:
            if not isinstance(value, Mapping | None):
                raise ValueError(f"{name}={value!r}: a dictionary of settings is needed, as in {_EXAMPLES[name]}.")
            override_flags.validate(name, value or {})  # its errors name the setting
            for key, setting in (value or {}).items():
                words += [flag_name(f"{name}.{key}"), *override_flags.to_arguments(setting)]
        elif value is True:
            words.append(flag_name(name))
        elif value is not None and value is not False:
            words += [flag_name(name), *_keyword_arguments(name, value)]
    try:
        return parse_arguments(words)
    except ValueError as error:
        raise ValueError(str(error).removesuffix(SEE_HELP)) from None


_EXAMPLES = {"recipe": "{'steps': 500}", "model": "{'dim': 16}", "evaluation": "{'limit': 8}"}


def _keyword_arguments(name: str, value: Any) -> list[str]:
    """The words of a command line for a keyword's value: a number, a name, a path, or several of them."""
    if name in ("out", "root"):
        return [str(Path(value).expanduser())]
    if isinstance(value, Mapping):
        raise ValueError(f"{name}={value!r}: a value or a list of values is needed, not a dictionary.")
    if isinstance(value, str | bytes | Path) or not isinstance(value, Iterable):
        return override_flags.to_arguments(value)
    values = sorted(value) if isinstance(value, Set) else list(value)
    if not values:
        raise ValueError(f"{name}={value!r}: name one or more, or leave it out.")
    return override_flags.to_arguments(values)


def parse_arguments(arguments: Sequence[str], description: str = "") -> RunOptions:
    """Parse the arguments of a command line.

    Raises:
        ValueError: one line.
    """
    prog = "python -m ablations.run"
    return parse(RunOptions, arguments, prog=prog, description=description, further_flags=_override_flags())


def to_command(options: RunOptions) -> str:
    """The command line of these options."""
    defaults = dict(iter_options(RunOptions()))
    arguments = [str(options.study)]
    for name, value in iter_options(options):
        if name == "study" or (name in defaults and value == defaults[name]):
            continue
        arguments.append(flag_name(name))
        if name == "jobs" and value == 0:
            arguments.append("auto")
        elif value is not True or name not in defaults:
            arguments += override_flags.to_arguments(value)
    return shell_command("ablations.run", arguments)


def _allow_only(changed: dict[str, str], allowed: Iterable[str], reason: str, fix: str = "leave it out.") -> None:
    unused = [flag for name, flag in changed.items() if name not in allowed]
    if unused:
        raise ValueError(f"{', '.join(unused)}: {reason}; {fix}")

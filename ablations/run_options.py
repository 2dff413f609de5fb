"""What `python -m ablations.run` takes: its flags, the argument of `commands.run`, and what `run_study` builds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    iter_options,
    option,
    optional_value,
    parse,
    single_value,
    value_list,
)
from ablations.harness.launch import Launching
from ablations.recipe import Acceleration, Checkpoint
from dfpir.registry import suggestion

RecipeSettings = Annotated[
    Mapping[str, Any], tyro.conf.arg(constructor_factory=partial(override_flags.flags, "recipe"))
]
ModelSettings = Annotated[Mapping[str, Any], tyro.conf.arg(constructor_factory=partial(override_flags.flags, "model"))]
EvaluationSettings = Annotated[
    Mapping[str, Any], tyro.conf.arg(constructor_factory=partial(override_flags.flags, "evaluation"))
]

_PERCENT = flags.integer_between(1, 98, " per cent: three whole numbers from 1 to 98, as in 80 10 10")


def _known_tasks(_: str) -> str:
    from datasets.tasks import known_tasks

    names = ", ".join(task.name for task in known_tasks())
    return f"{names} (default: the study's; the paper's ablations have noise, rain and haze)"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Print and stop.

    Attributes:
        list: list the studies, or the variants and contrasts of STUDY
        names: with --list: the studies' names alone, for other programs
        variants: list the model variants with their size, those of STUDY or as 'dfpir_g*' says
        version: print the suite's version
    """

    list: Switch = False
    names: Switch = False
    variants: Annotated[str | None, optional_value("--variants", "[PATTERN]", "*"), OPTION] = None
    version: Switch = False


@dataclass(frozen=True, kw_only=True)
class Runs:
    """What is run; part of a run's id.

    Attributes:
        only: run these variants of the study alone; 'dfpir_g*' names several
        seeds: seeds, as in 0 1 2, 0,1,2 or 0-4 (default: the budget's)
        budget: smoke, demo, small, quick or paper
        tasks: tasks to train and test on:
        metrics: further metrics of the table: of plug-ins (docs/extending.md)
        checkpoint: last or best: which weights are tested, the last ones, the same step for all, or those that
            validated best (default: the budget's: last)
        text_encoder: clip, minilm or onehot: what encodes the prompts (default: minilm for smoke and demo; else clip,
            or minilm, said so, where CLIP's weights can't be had)
        precision: fp32, tf32 (GPU) or bf16 autocast, on a CPU too where it has bf16 instructions (default: the
            budget's)
    """

    only: Annotated[tuple[str, ...] | None, value_list("--only", "VARIANT ..."), OPTION] = None
    seeds: Annotated[tuple[int, ...] | None, flags.seed_list("--seeds"), OPTION] = None
    budget: Annotated[str, single_value("--budget", "NAME"), OPTION] = "demo"
    tasks: Annotated[tuple[str, ...] | None, value_list("--tasks", "TASK ..."), option(_known_tasks)] = None
    metrics: Annotated[tuple[str, ...] | None, value_list("--metrics", "METRIC ..."), OPTION] = None
    checkpoint: Annotated[
        Checkpoint | None, single_value("--checkpoint", "NAME", flags.choice("last", "best")), OPTION
    ] = None
    text_encoder: Annotated[str | None, single_value("--text-encoder", "NAME"), OPTION] = None
    precision: Annotated[str | None, single_value("--precision", "NAME"), OPTION] = None


@dataclass(frozen=True, kw_only=True)
class Images:
    """On which images.

    Attributes:
        data: 'embedded' photographs, 'bsds' (BSDS500's, degraded here, with --root), 'paper' (the field's data sets,
            with --root), or a folder: of clean images, degraded here, or of pairs such as degraded/ and clean/
        split: how a folder without train/, val/ and test/ is split to train, validate and test (default: 80 10 10)
        skip_bad: leave out files of a folder that can't be used
        root: where the data sets of --data bsds or paper lie
        exclude_leaks: train without images that stand in test sets
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
    """Where and how; no part of a run's id.

    Attributes:
        out: where runs are kept
        device: auto, cpu or cuda
        jobs: runs at once, or auto: as many as fit (default: what the processor holds; 1 on a GPU)
        hang_after: end a run without a step or an image for so long; 0 never does
        log: jsonl, or tensorboard for that too, in tensorboard/ beside the runs
        force: do finished runs again
        dry_run: print the runs, their ids, and the hours and memory they take; train nothing
        early_look: train nothing: a provisional report of the runs under way, from the last tenth that all of them
            reached
    """

    out: Annotated[Path, single_value("--out", "FOLDER", flags.folder_path), OPTION] = Path("runs")
    device: Annotated[str, single_value("--device", "NAME"), OPTION] = "auto"
    jobs: Annotated[int | None, single_value("--jobs", "N", flags.job_count), OPTION] = None
    hang_after: Annotated[float, single_value("--hang-after", "MINUTES", flags.minutes), OPTION] = 60.0
    log: Annotated[str, single_value("--log", "NAME"), OPTION] = "jsonl"
    force: Switch = False
    dry_run: Switch = False
    early_look: Switch = False


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """A study and how it is run.

    Attributes:
        study: name of a study (see --list)
        listing: Print and stop.
        runs: What is run: part of each run's id.
        images: On which images, and how they are scored: part of each run's id.
        execution: Where and how: no part of a run's id.
        launching: By whom: no part of a run's id; see docs/launchers.md.
        speed: Speed and memory: no part of a run's id; see docs/performance.md.
        recipe: Replace the budget's training (ablations/recipe.py): part of each run's id and of the report.
        model: Replace a field in every variant of DFPIR (dfpir/config.py): part of each run's id and of the report.
        evaluation: Replace the budget's testing (ablations/recipe.py): part of each run's id and of the report.
    """

    study: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="STUDY", help_behavior_hint="")] = None
    listing: Listing = field(default_factory=Listing)
    runs: Runs = field(default_factory=Runs)
    images: Images = field(default_factory=Images)
    execution: Execution = field(default_factory=Execution)
    launching: Launching = field(default_factory=Launching)
    speed: Acceleration = field(default_factory=Acceleration)
    recipe: RecipeSettings = field(default_factory=dict)
    model: ModelSettings = field(default_factory=dict)
    evaluation: EvaluationSettings = field(default_factory=dict)

    @property
    def replaced(self) -> dict[str, Mapping[str, Any]]:
        """Group -> setting -> what replaces it."""
        return {"recipe": self.recipe, "model": self.model, "evaluation": self.evaluation}


def refuse_unused_flags(options: RunOptions) -> None:
    """Refuse combinations of which a part would not act.

    Raises:
        ValueError: one line with the flags that would not act, and what does.
    """
    found = changed_flags(options, RunOptions(study=options.study))
    if "names" in found and "list" not in found:
        raise ValueError("--names goes with --list: python -m ablations.run --list --names.")
    if "list" in found:
        used = ("list",) if options.study not in (None, "efficiency") else ("list", "names")
        _only(found, used, "--list prints and stops")
    elif "variants" in found:
        _only(found, ("variants",), "--variants prints and stops")
    elif options.study == "efficiency":  # nothing is trained: its own command measures
        takes = "efficiency trains nothing and takes --budget, --device and --out alone here"
        _only(
            found, ("budget", "device", "out"), takes, "python -m ablations.efficiency --help shows what else it knows."
        )
    elif "dry_run" in found and "early_look" in found:
        raise ValueError("--dry-run, --early-look: each trains nothing and prints something else; name one of them.")
    elif "force" in found and ("dry_run" in found or "early_look" in found):
        raise ValueError("--force: --dry-run and --early-look train nothing; leave it out.")


@lru_cache
def known_flags() -> tuple[str, ...]:
    """Every flag of `ablations.run`."""
    own = [flag_name(name) for name, _ in iter_options(RunOptions()) if name != "study"]
    return (
        *own,
        *(flag_name(f"{group}.{name}") for group in override_flags.GROUPS for name in override_flags.hints(group)),
    )


def of_keywords(study: str, asked: Mapping[str, Any]) -> RunOptions:
    """Options from Python: each by the name of its flag, recipe, model and evaluation as dictionaries.

    What is None is left at its default, all else is read as the words of a command line.

    Raises:
        ValueError: an unknown option or setting, or a value that can't be used; one line.
    """
    listing = {name for name, _ in iter_options(Listing())} | {"study", "dry_run", "early_look"}
    known = [*(name for name, _ in iter_options(RunOptions()) if name not in listing), *override_flags.GROUPS]
    words = [study]
    for name, value in asked.items():
        if name not in known:
            raise ValueError(f"Unknown option {name!r} of run_study.{suggestion(name, known)}")
        if name in override_flags.GROUPS:
            override_flags.checked(name, value or {})  # whose errors name the setting
            for key, setting in (value or {}).items():
                words += [flag_name(f"{name}.{key}"), *override_flags.words_of(setting)]
        elif value is True:
            words.append(flag_name(name))
        elif value not in (None, False, (), []):
            found = Path(value).expanduser() if name in ("out", "root") else value
            words += [flag_name(name), *override_flags.words_of(found)]
    try:
        return options_of(words)
    except ValueError as error:
        raise ValueError(str(error).removesuffix(SEE_HELP)) from error


def options_of(words: Sequence[str], description: str = "") -> RunOptions:
    """What the words of a command line say.

    Raises:
        ValueError: one line.
    """
    return parse(RunOptions, words, prog="python -m ablations.run", description=description, known=known_flags())


def command(options: RunOptions) -> str:
    """The command line that runs the same."""
    usual = dict(iter_options(RunOptions()))
    found = [str(options.study)]
    for name, value in iter_options(options):
        if name == "study" or (name in usual and value == usual[name]):
            continue
        found.append(flag_name(name))
        if name == "jobs" and value == 0:
            found.append("auto")
        elif value is not True or name not in usual:
            found += override_flags.words_of(value)
    return shell_command("ablations.run", found)


def _only(found: dict[str, str], used: Iterable[str], why: str, mend: str = "leave it out.") -> None:
    idle = [flag for name, flag in found.items() if name not in used]
    if idle:
        raise ValueError(f"{', '.join(idle)}: {why}; {mend}")

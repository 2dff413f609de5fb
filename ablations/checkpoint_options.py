"""The options of `python -m ablations.evaluate` and `ablations.restore`."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ablations import flags
from ablations.flags import OPTION, Switch, option, single_value, value_list


def _known_conditions(_: str) -> str:
    from datasets.tasks import known_tasks

    names = []
    for task in known_tasks():
        if task.any_strength:
            least, most = task.any_strength
            names.append(f"{task.name}-N (N: a whole number from {least} to {most})")
        else:
            names += [condition.name for condition in task.conditions]
    return f"{', '.join(names)}; auto: guess it; noise: guess its level"


def _known_tasks(_: str) -> str:
    from datasets.tasks import known_tasks

    return f"{', '.join(task.name for task in known_tasks())} (default: all of the data)"


_POSITIVE_INTEGER = flags.integer_between(1, sys.maxsize, ": a whole number, 1 or more")


@dataclass(frozen=True, kw_only=True)
class CheckpointOptions:
    """The model's weights and its conditioning.

    Attributes:
        weights: safetensors or a torch file with released names, or the folder of a run, which names its model
        config: model settings of the weights
        use: plain or averaged: which weights of a file that has both (default: averaged)
        text_encoder: clip, minilm or onehot: the encoder of the prompts (default: clip, or the run's)
        codes: safetensors file with a vector for each condition, instead of a text encoder
        device: auto, cpu or cuda
    """

    weights: Annotated[Path | None, single_value("--weights", "FILE", Path), OPTION] = None
    config: Annotated[tuple[str, ...], value_list("--config", "KEY=VALUE ..."), OPTION] = ()
    use: Annotated[
        Literal["plain", "averaged"] | None,
        single_value("--use", "plain|averaged", flags.choice("plain", "averaged")),
        OPTION,
    ] = None
    text_encoder: Annotated[str | None, single_value("--text-encoder", "NAME"), OPTION] = None
    codes: Annotated[Path | None, single_value("--codes", "FILE", Path), OPTION] = None
    device: Annotated[str, single_value("--device", "NAME"), OPTION] = "auto"


@dataclass(frozen=True, kw_only=True)
class TestImageOptions:
    """Test images.

    Attributes:
        data: 'embedded' photographs, 'paper' (the field's test sets, with --root), or a folder: with test sets, with
            pairs such as degraded/ and clean/, or with clean images, which get synthetic degradations
        skip_bad: skip files of a folder that can't be used
        root: folder of the data sets of --data paper
        tasks: conditions such as noise-25, or tasks:
        limit: at most N images for each set and condition
        protocol: evaluation protocol (default: allinone for files, else suite)
    """

    __test__ = False  # no test class of pytest

    data: Annotated[str, single_value("--data", "NAME|FOLDER"), OPTION] = "embedded"
    skip_bad: Switch = False
    root: Annotated[Path | None, single_value("--root", "FOLDER", Path), OPTION] = None
    tasks: Annotated[tuple[str, ...], value_list("--tasks", "NAME ..."), option(_known_tasks)] = ()
    limit: Annotated[int | None, single_value("--limit", "N", _POSITIVE_INTEGER), OPTION] = None
    protocol: Annotated[str | None, single_value("--protocol", "NAME"), OPTION] = None


@dataclass(frozen=True, kw_only=True)
class DegradationOptions:
    """Conditioning on the true or on a guessed degradation.

    Attributes:
        degradation: auto: also restore each image conditioned on the guess of a classifier, and report the difference
        guess_data: training images of the classifier of --degradation auto
        runs: folder of that classifier
    """

    degradation: Annotated[str, single_value("--degradation", "true|auto"), OPTION] = "true"
    guess_data: Annotated[str, single_value("--guess-data", "NAME|FOLDER"), OPTION] = "embedded"
    runs: Annotated[Path, single_value("--runs", "FOLDER", Path), OPTION] = Path("runs")


@dataclass(frozen=True, kw_only=True)
class ResultOptions:
    """Outputs.

    Attributes:
        out: write images.parquet, evaluation.json and evaluation.html; each row is also appended to images.jsonl, from
            which the same command continues after an interruption
        json: print one JSON object instead of a table
        force: replace all results in --out
        reported: add the numbers that papers report, such as 'DFPIR 3-task'
        version: print the suite's version
    """

    out: Annotated[Path | None, single_value("--out", "FOLDER", flags.folder_path), OPTION] = None
    json: Switch = False
    force: Switch = False
    reported: Annotated[str | None, single_value("--reported", "'METHOD SETTING'"), OPTION] = None
    version: Switch = False


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """A checkpoint and how to score it.

    Attributes:
        model: a variant, a comparator, ffdnet or prenet (an unknown name lists them); not needed for a run's folder
        checkpoint: The model's weights and its conditioning.
        images: Test images and evaluation protocol.
        guessing: Conditioning on the true or on a guessed degradation.
        results: What is printed and written.
    """

    model: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[MODEL]", help_behavior_hint="")] = None
    checkpoint: CheckpointOptions = field(default_factory=CheckpointOptions)
    images: Annotated[TestImageOptions, tyro.conf.arg(name="image")] = field(default_factory=TestImageOptions)
    guessing: Annotated[DegradationOptions, tyro.conf.arg(name="degradation")] = field(
        default_factory=DegradationOptions
    )
    results: Annotated[ResultOptions, tyro.conf.arg(name="output")] = field(default_factory=ResultOptions)


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Degradation and outputs.

    Attributes:
        degradation: of the images:
        out: folder to write to
        tile: side of tiles in pixels (default: what fits in memory)
        force: overwrite existing outputs
        version: print the suite's version
    """

    degradation: Annotated[str | None, single_value("--degradation", "NAME"), option(_known_conditions)] = None
    out: Annotated[Path | None, single_value("--out", "DIR", flags.folder_path), OPTION] = None
    tile: Annotated[int | None, single_value("--tile", "N", flags.integer), OPTION] = None
    force: Switch = False
    version: Switch = False


@dataclass(frozen=True, kw_only=True)
class ClassifierOptions:
    """The classifier that guesses the degradation.

    Attributes:
        data: training images of the classifier
        root: folder of the data sets of --data paper
        runs: folder of the classifier
    """

    data: Annotated[str, single_value("--data", "NAME|FOLDER"), OPTION] = "embedded"
    root: Annotated[Path | None, single_value("--root", "FOLDER", Path), OPTION] = None
    runs: Annotated[Path, single_value("--runs", "FOLDER", Path), OPTION] = Path("runs")


@dataclass(frozen=True, kw_only=True)
class ModelOptions(CheckpointOptions):
    """The model, its weights and its conditioning.

    Attributes:
        model: as for ablations.evaluate; not needed for a run's folder
    """

    model: Annotated[str | None, single_value("--model", "M"), OPTION] = None


@dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    """Images and the model that restores them.

    Attributes:
        images: files, or folders of files
        output: Degradation and outputs.
        checkpoint: The model, its weights and its conditioning.
        guessing: The classifier of --degradation auto and noise.
    """

    images: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES", help_behavior_hint="")
    ] = ()
    output: OutputOptions = field(default_factory=OutputOptions)
    checkpoint: Annotated[ModelOptions, tyro.conf.arg(name="model")] = field(default_factory=ModelOptions)
    guessing: Annotated[ClassifierOptions, tyro.conf.arg(name="classifier")] = field(default_factory=ClassifierOptions)

    @property
    def out(self) -> Path:
        """The folder to write to, which is required."""
        return self.output.out or Path()

    @property
    def degradation(self) -> str:
        """The degradation of the images, which is required."""
        return self.output.degradation or ""

    @property
    def missing(self) -> list[str]:
        """Required arguments that are missing."""
        required = (
            ("IMAGES", self.images),
            ("--degradation", self.output.degradation),
            ("--out", self.output.out),
        )
        return [name for name, value in required if value is None or value == ()]

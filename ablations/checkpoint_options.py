"""What `python -m ablations.evaluate` and `ablations.restore` take: their flags, and what the harness reads."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ablations import flags
from ablations.flags import OPTION, Switch, single_value, value_list

_COUNT = flags.integer_between(1, sys.maxsize, ": a whole number, 1 or more")


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """The model's weights and what it is told.

    Attributes:
        weights: safetensors or a torch file with released names, or a run's folder, which says its own model
        config: settings that the weights were trained with
        use: plain or averaged: which weights of a file that holds both (default: the averaged ones)
        text_encoder: clip, minilm or onehot: what encodes the prompts (default: clip, or the run's own)
        codes: safetensors with a vector for each condition's name, instead of an encoder
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
class TestImages:
    """On which images.

    Attributes:
        data: 'embedded' photographs, 'paper' (the field's test sets, with --root), or a folder: with test sets, with
            pairs such as degraded/ and clean/, or with clean images, which are degraded here
        skip_bad: leave out files of a folder that can't be used
        root: where the data sets of --data paper lie
        tasks: tasks (rain) or conditions (noise-25); default: all that there are
        limit: at most N images a set and condition
        protocol: evaluation protocol (default: allinone for files, else suite)
    """

    __test__ = False  # no class of tests

    data: Annotated[str, single_value("--data", "NAME|FOLDER"), OPTION] = "embedded"
    skip_bad: Switch = False
    root: Annotated[Path | None, single_value("--root", "FOLDER", Path), OPTION] = None
    tasks: Annotated[tuple[str, ...], value_list("--tasks", "NAME ..."), OPTION] = ()
    limit: Annotated[int | None, single_value("--limit", "N", _COUNT), OPTION] = None
    protocol: Annotated[str | None, single_value("--protocol", "NAME"), OPTION] = None


@dataclass(frozen=True, kw_only=True)
class Guessing:
    """What is told of the degradation.

    Attributes:
        degradation: auto: restore each image a second time, told what a classifier guesses, and say what that costs
        guess_data: whose training images the classifier of --degradation auto learns from
        runs: where that classifier is kept
    """

    degradation: Annotated[str, single_value("--degradation", "true|auto"), OPTION] = "true"
    guess_data: Annotated[str, single_value("--guess-data", "NAME|FOLDER"), OPTION] = "embedded"
    runs: Annotated[Path, single_value("--runs", "FOLDER", Path), OPTION] = Path("runs")


@dataclass(frozen=True, kw_only=True)
class Results:
    """What is written and printed.

    Attributes:
        out: write images.parquet, evaluation.json and evaluation.html; rows are kept as they are made (images.jsonl),
            and the same command goes on from them
        json: print one JSON object instead of a table
        force: replace all results that --out holds
        reported: add the printed numbers, such as 'DFPIR 3-task'
        version: print the suite's version
    """

    out: Annotated[Path | None, single_value("--out", "FOLDER", flags.folder_path), OPTION] = None
    json: Switch = False
    force: Switch = False
    reported: Annotated[str | None, single_value("--reported", "'METHOD SETTING'"), OPTION] = None
    version: Switch = False


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """A checkpoint and how it is scored.

    Attributes:
        model: a variant, a comparator, ffdnet or prenet (an unknown name lists them); a run says its own
        checkpoint: The model's weights, and what it is told.
        images: On which images, and by which rules.
        guessing: The degradation: told, or guessed as well.
        results: What is printed and written.
    """

    model: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[MODEL]", help_behavior_hint="")] = None
    checkpoint: ModelFile = field(default_factory=ModelFile)
    images: TestImages = field(default_factory=TestImages)
    guessing: Guessing = field(default_factory=Guessing)
    results: Results = field(default_factory=Results)


@dataclass(frozen=True, kw_only=True)
class Restoring:
    """How and where to.

    Attributes:
        degradation: noise-25 (any whole sigma), rain, haze, blur or lowlight; auto guesses it, noise its level
        out: folder to write to
        tile: side of tiles in pixels (default: what fits in memory)
        force: write over existing outputs
        version: print the suite's version
    """

    degradation: Annotated[str | None, single_value("--degradation", "NAME"), OPTION] = None
    out: Annotated[Path | None, single_value("--out", "DIR", flags.folder_path), OPTION] = None
    tile: Annotated[int | None, single_value("--tile", "N", flags.integer), OPTION] = None
    force: Switch = False
    version: Switch = False


@dataclass(frozen=True, kw_only=True)
class Classifier:
    """What guesses the degradation.

    Attributes:
        data: what auto is trained on
        root: where the data sets of --data paper lie
        runs: where auto's classifier is kept
    """

    data: Annotated[str, single_value("--data", "NAME|FOLDER"), OPTION] = "embedded"
    root: Annotated[Path | None, single_value("--root", "FOLDER", Path), OPTION] = None
    runs: Annotated[Path, single_value("--runs", "FOLDER", Path), OPTION] = Path("runs")


@dataclass(frozen=True, kw_only=True)
class RestoreOptions:
    """Images and the model that restores them.

    Attributes:
        images: files, or folders of files
        model: as for ablations.evaluate; a run says its own
        restoring: How, and where to.
        checkpoint: The model's weights, and what it is told.
        guessing: The classifier of --degradation auto and noise.
    """

    images: Annotated[
        tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGES", help_behavior_hint="")
    ] = ()
    model: Annotated[str | None, single_value("--model", "M"), OPTION] = None
    restoring: Restoring = field(default_factory=Restoring)
    checkpoint: ModelFile = field(default_factory=ModelFile)
    guessing: Classifier = field(default_factory=Classifier)

    @property
    def out(self) -> Path:
        """The folder to write to, which the command line asks for."""
        return self.restoring.out or Path()

    @property
    def degradation(self) -> str:
        """What the images have, which the command line asks for."""
        return self.restoring.degradation or ""

    @property
    def missing(self) -> list[str]:
        """What must be named and is not."""
        asked = (("IMAGES", self.images), ("--degradation", self.restoring.degradation), ("--out", self.restoring.out))
        return [name for name, value in asked if value is None or value == ()]

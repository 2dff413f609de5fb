"""The comparators: one row a method, with what a harness and a reader of its tables must know about it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Literal

from torch import Tensor, nn

from dfpir.registry import Registry, suggestion

Needs = Literal["none", "code512", "code256", "image512", "label", "view", "operator", "condition"]
"""What `code` holds: nothing; a CLIP text code (B, 512); an instruction embedding (B, 256); a CLIP image feature
(B, 512); the degradation's class (B,) int64; a second crop of the same image (B, 3, H, W), in training only; DL's
operator and strength; rows of `datasets.tasks.CONDITIONS`, (B,) int64."""

Objective = Callable[[nn.Module, Tensor, Tensor, "Tensor | None"], Tensor]
"""(model, degraded, clean, code) -> scalar loss; it calls the model itself, since some losses need inner outputs."""

SMALL_DIM, QUICK_DIM, FULL_DIM = 12, 24, 48
"""Widths of DFPIR from which a comparator beside it takes its `small`, its `quick` and its published settings."""

EXTRAS = {"spandrel": "spandrel"}
"""Optional extra of the suite -> the module that it installs."""


class MissingExtraError(ImportError):
    """A model whose library is not installed."""


class UnavailableError(ValueError):
    """A method that the suite names but can't provide."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A method that can be built here.

    Attributes:
        name: as in `create_model`.
        make: class or function that takes the configuration as keyword arguments and returns a module called as
            `model(image, code=None)`: image (B, 3, H, W), RGB, float, in [0, 1]; the same shape comes back.
        fixed: settings of the released code of which one value alone is provided: `create_model` takes them, too.
        paper: title, venue; empty for what has none.
        year: of the paper; where none is given, the one that `paper` ends with.
        licence: of the method's released code; what is written here is under the suite's own licence.
        multiple_of: image sides must be a multiple of this; `baselines.base.restore` pads.
        min_size: shortest side that the model takes.
        needs: what `code` it takes.
        notes: what a reader must know when comparing numbers.
        params_m_published: parameters of the released code in millions, unused ones included.
        gmacs_published: multiply-adds of one forward pass of 256 x 256 pixels in billions, convolutions and attention
            products.
        objective: its own training loss, or None for the mean absolute error of the output.
        whole_batch: why its training step needs the batch as a whole, so that memory can't be saved by splitting it;
            empty where the gradient is the mean of the samples' own.
        extra: the optional extra that it needs, or None.
        trained: whether it has anything to train; classical references don't.
        demo: settings that make it small enough to train on a CPU in minutes: for tests and demonstrations, never for
            numbers to compare with a paper's. As many trained parameters as DFPIR of width 8, as near as they go.
        small: settings with as many trained parameters as DFPIR of width 12.
        quick: settings with as many trained parameters as DFPIR of width 24.
        lr_factor: multiple of the budget's learning rate, for a method that can't be trained at the common one (`notes`
            say why).
        tiled_test: whether test images are restored in overlapping tiles of the training patches' size, as a network
            that normalises over the image needs (Chu et al., "Improving Image Restoration by Revisiting Global
            Information Aggregation", ECCV 2022: statistics of a whole image are not those of a patch).
        label: as tables and figures print it; the name where there is none.
        probed: the submodule whose output (B, C, H, W), or the first of several, t-SNE shows: the deepest features that
            all of the image passes. A number in its path is a place in a list, as in `R.body.-1`; "" for none.
    """

    name: str
    make: Callable[..., nn.Module]
    paper: str
    licence: str
    year: int | None = None
    multiple_of: int = 1
    min_size: int = 1
    fixed: Mapping[str, Any] = field(default_factory=dict)
    needs: Needs = "none"
    notes: str = ""
    params_m_published: float | None = None
    gmacs_published: float | None = None
    objective: Objective | None = None
    whole_batch: str = ""
    extra: str | None = None
    trained: bool = True
    demo: Mapping[str, Any] = field(default_factory=dict)
    small: Mapping[str, Any] = field(default_factory=dict)
    quick: Mapping[str, Any] = field(default_factory=dict)
    lr_factor: float = 1.0
    tiled_test: bool = False
    label: str = ""
    probed: str = ""

    def __post_init__(self) -> None:
        last = self.paper.split(" ")[-1]
        if self.year is None and last.isdecimal():
            object.__setattr__(self, "year", int(last))

    def settings_beside(self, dim: int | None) -> dict[str, Any]:
        """Settings to stand beside a DFPIR of `dim` channels at full resolution (None: of the published size).

        Returns:
            Those of the budget whose width is nearest below (`demo` below all of them); the published ones, no
            settings, from the published width on.
        """
        if dim is None or dim >= FULL_DIM:
            return {}
        return dict(self.quick if dim >= QUICK_DIM else self.small if dim >= SMALL_DIM else self.demo)

    def checked(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """The settings that `make` is to get.

        Raises:
            ValueError: one that neither `make` nor `fixed` has, with the nearest that they do; or another value of a
                fixed one.
        """
        parameters = inspect.signature(self.make).parameters
        for key, value in config.items():
            if key in self.fixed:
                if (tuple(value) if isinstance(value, list) else value) != self.fixed[key]:
                    raise ValueError(
                        f"{key}={value!r} is not provided: {self.name} has {key}={self.fixed[key]!r} alone."
                    )
            elif key not in parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
                settings = [*parameters, *self.fixed]
                raise ValueError(f"Unknown setting {key!r} of {self.name}.{suggestion(key, settings)}")
        return {key: value for key, value in config.items() if key not in self.fixed}


@dataclass(frozen=True)
class Unavailable:
    """A method of the tables that can't be built here: only its reported numbers can be shown.

    Attributes:
        name: as tables call it, in lower case.
        reason: why, in one sentence.
        paper: title, venue.
    """

    name: str
    reason: str
    paper: str = ""


def configured(model: Callable[[Any], nn.Module], config: Callable[..., Any]) -> Callable[..., nn.Module]:
    """`make` of a model whose settings are a dataclass."""
    make = partial(_from_settings, model, config)  # a partial: a plug-in's code is found through what it holds
    make.__signature__ = inspect.signature(config)  # type: ignore[attr-defined]
    return make


def _from_settings(model: Callable[[Any], nn.Module], config: Callable[..., Any], /, **settings: Any) -> nn.Module:
    return model(config(**settings))


def one_block_config(dim: int) -> dict[str, Any]:
    """Settings of Restormer's U-Net with one block a stage, as the budgets of small models give DFPIR."""
    return {"dim": dim, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}


def two_block_config(dim: int) -> dict[str, Any]:
    """As `one_block_config`, with two below the first level, as `quick` gives DFPIR."""
    return {**one_block_config(dim), "num_blocks": (1, 2, 2, 2)}


BASELINES: Registry[Baseline | Unavailable] = Registry(
    "model", home="baselines.catalog", entry_point_group="dfpir.baselines"
)


def register(baseline: Baseline | Unavailable) -> None:
    """Add a method under its name.

    Raises:
        ValueError: the name is taken.
    """
    BASELINES.register(baseline.name, label=baseline.label if isinstance(baseline, Baseline) else "")(baseline)


def missing_extra_hint(extra: str, model_name: str) -> str | None:
    """How to install the library behind an optional extra; None where it is installed. It is not imported."""
    return _install_hint(extra, model_name) if find_spec(EXTRAS[extra]) is None else None


def require_extra(extra: str, model_name: str) -> ModuleType:
    """Import the library behind an optional extra.

    Raises:
        MissingExtraError: it is not installed; the message says how to install it.
    """
    try:
        return import_module(EXTRAS[extra])
    except ImportError as error:
        raise MissingExtraError(_install_hint(extra, model_name)) from error


def _install_hint(extra: str, model_name: str) -> str:
    return f"{model_name} needs {EXTRAS[extra]}, which is not installed: pip install 'dfpir-suite[{extra}]'."

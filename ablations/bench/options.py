"""What of `train` and `eval` is measured: their flags, and what of them can't be used on a device."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Literal

import torch

from ablations.harness.cost.measure import has_bf16
from ablations.harness.training.accelerate import Acceleration
from ablations.spec import Precision
from dfpir import DFPIRConfig, variant_config

Way = Literal["released", "ours", "both"]
PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "bf16")
TINY = {"dim": 16, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
LEAST_PX = 16
_PADDING = {"on": True, "off": False, "auto": None}
_SWITCHES = {"compile": "compiled", "cuda_graphs": "CUDA graphs", "checkpointing": "checkpointing"}
_OF_OURS = ("precision", "kernels", "padding", *_SWITCHES)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is measured.

    Attributes:
        way: the released one, ours, or both and how they compare.
        batches: samples at once; empty: the benchmark's own.
        pixels: side of the square images; None: the benchmark's own size.
        precisions: of ours; empty: all that the device has.
        padding: of GDFN's odd hidden widths; None: automatic, as in a run (`dfpir.kernels.use_padded_widths`).
        tiny: a model of one narrow block a stage in place of the full size.
        acceleration: the switches of a run.
    """

    way: Way = "both"
    batches: tuple[int, ...] = ()
    pixels: int | None = None
    precisions: tuple[Precision, ...] = ()
    padding: bool | None = None
    tiny: bool = False
    acceleration: Acceleration = field(default_factory=Acceleration)

    @property
    def config(self) -> DFPIRConfig:
        """Of the model."""
        return variant_config("dfpir", **(TINY if self.tiny else {}))

    def precisions_on(self, device: torch.device) -> tuple[Precision, ...]:
        """Those asked for, else those that the device has."""
        return self.precisions or tuple(p for p in PRECISIONS if why_not(p, device) is None)

    def stem(self) -> str:
        """What was asked for, for a file's name; empty where nothing was."""
        asked = self.acceleration
        words = [
            "" if self.way == "both" else self.way,
            *(f"b{batch}" for batch in self.batches),
            f"{self.pixels}px" if self.pixels else "",
            *self.precisions,
            asked.kernels or "",
            *(name.replace("_", "-") for name in _SWITCHES if getattr(asked, name)),
            "" if self.padding is None else f"padding-{'on' if self.padding else 'off'}",
            "tiny" if self.tiny else "",
        ]
        return "-".join(word for word in words if word)


def add_flags(parser: argparse.ArgumentParser) -> list[str]:
    """Add the flags of `train` and `eval`; returns their names in the parsed options, None or False where not given."""
    group = parser.add_argument_group("what train and eval measure")
    add = group.add_argument
    flags = [
        add("--way", choices=("released", "ours", "both"), help="default: both, and whether their answers agree"),
        add("--batch", type=int, nargs="+", metavar="N", help="samples at once, several for a line each"),
        add("--pixels", type=int, metavar="N", help="side of the square images, a multiple of 8"),
        add("--precision", nargs="+", choices=PRECISIONS, help="of ours (default: all that the device has)"),
        add("--kernels", choices=("torch", "triton"), help="of ours (default: as DFPIR_KERNELS says, else torch)"),
        add("--compile", action="store_true", help="ours by torch.compile, as runs do it"),
        add("--cuda-graphs", action="store_true", help="ours as one CUDA graph"),
        add("--padding", choices=tuple(_PADDING), help="of ours: odd hidden widths padded by zeros (default: auto)"),
        add("--checkpointing", action="store_true", help="ours computes activations twice and keeps few"),
        add("--size", choices=("full", "tiny"), help="of the model (default: full)"),
    ]
    return [flag.dest for flag in flags]


def settings_of(options: argparse.Namespace, device: torch.device) -> Settings:
    """The settings that the flags ask for.

    Raises:
        ValueError: what can't be measured on this device, or a number out of range.
    """
    if options.way == "released" and (words := given(options, _OF_OURS)):
        raise ValueError(f"{', '.join(words)}: the released way has no switches; take --way ours, or both.")
    for batch in options.batch or ():
        if batch < 1:
            raise ValueError(f"--batch {batch}: 1 or more is needed.")
    if options.pixels is not None and (options.pixels < LEAST_PX or options.pixels % 8):
        raise ValueError(f"--pixels {options.pixels}: a multiple of 8, {LEAST_PX} or more, is needed.")
    for precision in options.precision or ():
        if reason := why_not(precision, device):
            raise ValueError(f"--precision {precision}: {reason}.")
    if options.kernels == "triton" and find_spec("triton") is None:
        raise ValueError("--kernels triton: Triton is not installed here; use torch, or a CUDA build of PyTorch.")
    if options.way != "ours" and find_spec("open_clip") is None:
        raise ValueError(
            "The released way encodes prompts by open_clip, which is not installed here: "
            "pip install open_clip_torch, or take --way ours."
        )
    return Settings(
        way=options.way or "both",
        batches=tuple(dict.fromkeys(options.batch or ())),
        pixels=options.pixels,
        precisions=tuple(dict.fromkeys(options.precision or ())),
        padding=_PADDING[options.padding or "auto"],
        tiny=options.size == "tiny",
        acceleration=Acceleration(
            kernels=options.kernels,
            compile=options.compile,
            cuda_graphs=options.cuda_graphs,
            checkpointing=options.checkpointing,
        ),
    )


def why_not(precision: Precision, device: torch.device) -> str | None:
    """Why the device can't be measured in this precision, or None."""
    if precision == "tf32" and device.type != "cuda":
        return f"TF32 is an NVIDIA GPU's, not the {device.type}'s; use fp32"
    if precision == "bf16" and not has_bf16(device):
        return "this device has no bf16 arithmetic that PyTorch tells of; use fp32"
    return None


def given(options: argparse.Namespace, flags: Iterable[str]) -> list[str]:
    """Those of the flags that were given, as typed."""
    values: dict[str, Any] = vars(options)
    return [f"--{name.replace('_', '-')}" for name in flags if values[name]]

"""The options of `python -m ablations.bench`, and which of them a device does not support."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from ablations.flags import OPTION, Switch, changed_flags, choice, integer_between, single_value, value_list
from ablations.harness.cost.measure import has_bf16
from ablations.harness.training.acceleration import Acceleration
from ablations.spec import Precision
from dfpir import DFPIRConfig, variant_config

PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "bf16")
TINY = {"dim": 16, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
MIN_PX = 16
_COUNT = integer_between(1, 10**9, ": a whole number, 1 or more")
_SUITE_OPTIONS = ("precision", "kernels", "padding", "compile", "cuda_graphs", "checkpointing")


def _pixels(word: str) -> int:
    if not word.isdecimal() or int(word) < MIN_PX or int(word) % 8:
        raise ValueError(f"{word}: a multiple of 8, {MIN_PX} or more, is needed")
    return int(word)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What train and eval measure.

    Attributes:
        way: released (the released code), ours (the suite) or both, which also compares their results
        batch: batch sizes to measure (default: the benchmark's)
        pixels: side of the square images, a multiple of 8 (default: the benchmark's size)
        precision: fp32, tf32 or bf16, of ours (default: all that the device supports)
        kernels: torch or triton, of ours (default: DFPIR_KERNELS, else torch)
        compile: ours with torch.compile, as in runs
        cuda_graphs: each step of ours as one CUDA graph
        padding: on, off or auto: odd hidden widths of ours padded with zeros (auto: on GPUs only, as in runs)
        checkpointing: ours recomputes activations in the backward pass instead of storing them
        size: of the model: full or tiny
    """

    way: Annotated[str, single_value("--way", "NAME", choice("released", "ours", "both")), OPTION] = "both"
    batch: Annotated[tuple[int, ...], value_list("--batch", "N ...", _COUNT), OPTION] = ()
    pixels: Annotated[int | None, single_value("--pixels", "N", _pixels), OPTION] = None
    precision: Annotated[tuple[Precision, ...], value_list("--precision", "NAME ...", choice(*PRECISIONS)), OPTION] = ()
    kernels: Annotated[str | None, single_value("--kernels", "NAME", choice("torch", "triton")), OPTION] = None
    compile: Switch = False
    cuda_graphs: Switch = False
    padding: Annotated[str, single_value("--padding", "NAME", choice("on", "off", "auto")), OPTION] = "auto"
    checkpointing: Switch = False
    size: Annotated[Literal["full", "tiny"], single_value("--size", "NAME", choice("full", "tiny")), OPTION] = "full"

    @property
    def config(self) -> DFPIRConfig:
        """The configuration of the model."""
        return variant_config("dfpir", **(TINY if self.size == "tiny" else {}))

    @property
    def acceleration(self) -> Acceleration:
        """The switches as a run takes them."""
        return Acceleration(
            kernels=self.kernels,
            compile=self.compile,
            cuda_graphs=self.cuda_graphs,
            checkpointing=self.checkpointing,
        )

    @property
    def padded_widths(self) -> bool | None:
        """As `dfpir.kernels.use_padded_widths` takes it."""
        return {"on": True, "off": False, "auto": None}[self.padding]

    def precisions_on(self, device: torch.device) -> tuple[Precision, ...]:
        """The requested precisions, else those that the device supports."""
        return self.precision or tuple(p for p in PRECISIONS if unsupported_reason(p, device) is None)

    def stem(self) -> str:
        """The settings in a file's name; empty for the defaults."""
        parts = [
            "" if self.way == "both" else self.way,
            *(f"b{batch}" for batch in self.batch),
            f"{self.pixels}px" if self.pixels else "",
            *self.precision,
            self.kernels or "",
            *(name.replace("_", "-") for name in ("compile", "cuda_graphs", "checkpointing") if getattr(self, name)),
            "" if self.padding == "auto" else f"padding-{self.padding}",
            "tiny" if self.size == "tiny" else "",
        ]
        return "-".join(filter(None, parts))

    def check(self, device: torch.device) -> None:
        """Raise a ValueError for settings that can't be measured on this device."""
        unused = [flag for name, flag in changed_flags(self, Settings()).items() if name in _SUITE_OPTIONS]
        if self.way == "released" and unused:
            raise ValueError(f"{', '.join(unused)}: the released code has no switches; use --way ours, or both.")
        for precision in self.precision:
            if reason := unsupported_reason(precision, device):
                raise ValueError(f"--precision {precision}: {reason}.")
        if self.kernels == "triton" and find_spec("triton") is None:
            raise ValueError("--kernels triton: Triton is not installed here; use torch, or a CUDA build of PyTorch.")
        if self.way != "ours" and find_spec("open_clip") is None:
            raise ValueError(
                "The released code encodes prompts with open_clip, which is not installed: "
                "pip install open_clip_torch, or use --way ours."
            )


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """A benchmark and where it runs.

    Attributes:
        bench: data, eval, load, metrics, restore, statistics, study or train; gpu: all checks of a GPU (see gpu --help)
        device: cpu or cuda
        repeats: measured repeats after the warm-up
        out: CSV file to write (default: runs/bench/NAME-DEVICE[-FLAGS].csv)
        version: print the suite's version
        settings: What train and eval measure.
    """

    bench: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = ""
    device: Annotated[str, single_value("--device", "NAME", choice("cpu", "cuda")), OPTION] = "cpu"
    repeats: Annotated[int, single_value("--repeats", "N", _COUNT), OPTION] = 5
    out: Annotated[Path | None, single_value("--out", "FILE", Path), OPTION] = None
    version: Switch = False
    settings: Settings = field(default_factory=Settings)


def unsupported_reason(precision: Precision, device: torch.device) -> str | None:
    """Why the device does not support this precision, or None."""
    if precision == "tf32" and device.type != "cuda":
        return f"TF32 exists on NVIDIA GPUs only, not on the {device.type}; use fp32"
    if precision == "bf16" and not has_bf16(device):
        return "this device has no bf16 arithmetic; use fp32"
    return None

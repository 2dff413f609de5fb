"""What `python -m ablations.bench` takes, and what of it can't be measured on a device."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from ablations.command_line import OPTION, Switch, among, given, number_in, one, several
from ablations.harness.cost.measure import has_bf16
from ablations.harness.training.acceleration import Acceleration
from ablations.spec import Precision
from dfpir import DFPIRConfig, variant_config

PRECISIONS: tuple[Precision, ...] = ("fp32", "tf32", "bf16")
TINY = {"dim": 16, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
LEAST_PX = 16
_COUNT = number_in(1, 10**9, ": a whole number, 1 or more")
_OF_OURS = ("precision", "kernels", "padding", "compile", "cuda_graphs", "checkpointing")


def _pixels(word: str) -> int:
    if not word.isdecimal() or int(word) < LEAST_PX or int(word) % 8:
        raise ValueError(f"{word}: a multiple of 8, {LEAST_PX} or more, is needed")
    return int(word)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What train and eval measure.

    Attributes:
        way: released, ours or both; both tells whether their answers agree, too
        batch: samples at once, several for a line each (default: the benchmark's own)
        pixels: side of the square images, a multiple of 8 (default: the benchmark's own size)
        precision: fp32, tf32 or bf16, of ours (default: all that the device has)
        kernels: torch or triton, of ours (default: as DFPIR_KERNELS says, else torch)
        compile: ours by torch.compile, as runs do it
        cuda_graphs: ours as one CUDA graph
        padding: on, off or auto: odd hidden widths of ours padded by zeros (auto: on a GPU alone, as runs do)
        checkpointing: ours computes activations twice and keeps few
        size: full or tiny: of the model
    """

    way: Annotated[str, one("--way", "NAME", among("released", "ours", "both")), OPTION] = "both"
    batch: Annotated[tuple[int, ...], several("--batch", "N ...", _COUNT), OPTION] = ()
    pixels: Annotated[int | None, one("--pixels", "N", _pixels), OPTION] = None
    precision: Annotated[tuple[Precision, ...], several("--precision", "NAME ...", among(*PRECISIONS)), OPTION] = ()
    kernels: Annotated[str | None, one("--kernels", "NAME", among("torch", "triton")), OPTION] = None
    compile: Switch = False
    cuda_graphs: Switch = False
    padding: Annotated[str, one("--padding", "NAME", among("on", "off", "auto")), OPTION] = "auto"
    checkpointing: Switch = False
    size: Annotated[Literal["full", "tiny"], one("--size", "NAME", among("full", "tiny")), OPTION] = "full"

    @property
    def config(self) -> DFPIRConfig:
        """Of the model."""
        return variant_config("dfpir", **(TINY if self.size == "tiny" else {}))

    @property
    def acceleration(self) -> Acceleration:
        """The switches of a run."""
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
        """Those asked for, else those that the device has."""
        return self.precision or tuple(p for p in PRECISIONS if why_not(p, device) is None)

    def stem(self) -> str:
        """What was asked for, for a file's name; empty where nothing was."""
        asked = [
            "" if self.way == "both" else self.way,
            *(f"b{batch}" for batch in self.batch),
            f"{self.pixels}px" if self.pixels else "",
            *self.precision,
            self.kernels or "",
            *(name.replace("_", "-") for name in ("compile", "cuda_graphs", "checkpointing") if getattr(self, name)),
            "" if self.padding == "auto" else f"padding-{self.padding}",
            "tiny" if self.size == "tiny" else "",
        ]
        return "-".join(filter(None, asked))

    def check(self, device: torch.device) -> None:
        """Raise a ValueError for what can't be measured on this device."""
        idle = [flag for name, flag in given(self, Settings()).items() if name in _OF_OURS]
        if self.way == "released" and idle:
            raise ValueError(f"{', '.join(idle)}: the released way has no switches; take --way ours, or both.")
        for precision in self.precision:
            if reason := why_not(precision, device):
                raise ValueError(f"--precision {precision}: {reason}.")
        if self.kernels == "triton" and find_spec("triton") is None:
            raise ValueError("--kernels triton: Triton is not installed here; use torch, or a CUDA build of PyTorch.")
        if self.way != "ours" and find_spec("open_clip") is None:
            raise ValueError(
                "The released way encodes prompts by open_clip, which is not installed here: "
                "pip install open_clip_torch, or take --way ours."
            )


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """A benchmark and where it runs.

    Attributes:
        bench: data, eval, load, metrics, restore, statistics, study or train; gpu --help for a GPU's ten minutes
        device: cpu or cuda
        repeats: measured repeats after the warm-up
        out: CSV file to write (default: runs/bench/NAME-DEVICE[-FLAGS].csv)
        version: print the suite's version
        settings: What train and eval measure.
    """

    bench: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME", help_behavior_hint="")] = ""
    device: Annotated[str, one("--device", "NAME", among("cpu", "cuda")), OPTION] = "cpu"
    repeats: Annotated[int, one("--repeats", "N", _COUNT), OPTION] = 5
    out: Annotated[Path | None, one("--out", "FILE", Path), OPTION] = None
    version: Switch = False
    settings: Settings = field(default_factory=Settings)


def why_not(precision: Precision, device: torch.device) -> str | None:
    """Why the device can't be measured in this precision, or None."""
    if precision == "tf32" and device.type != "cuda":
        return f"TF32 is an NVIDIA GPU's, not the {device.type}'s; use fp32"
    if precision == "bf16" and not has_bf16(device):
        return "this device has no bf16 arithmetic that PyTorch tells of; use fp32"
    return None

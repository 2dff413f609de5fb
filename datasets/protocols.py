"""Named, versioned evaluation protocols: what turns a restored image into a number of somebody's table.

Differences between protocols are larger than differences between methods, so every number carries the label of one
(`allinone-v1`). A protocol whose rule changes gets a new version; numbers of two labels never share a column.

Noise itself is drawn in `datasets.noise`.

Sources, read for what they do rather than what their papers say: the test code of AirNet, PromptIR, AdaIR and DFPIR
(`allinone`), MoCE-IR, InstructIR and Restormer, and PReNet's MATLAB evaluation (`y-channel`).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from datasets.metrics import as_floats, pooled_psnr_db, psnr_db, ssim, to_y
from datasets.tasks import PAPER_TASKS, Condition, Task, known_tasks, noise
from dfpir.registry import Registry

__all__ = [
    "PROTOCOLS",
    "NoiseRule",
    "Protocol",
    "finish_output",
    "get_protocol",
    "prepare_for_scoring",
    "register_protocol",
    "score",
]


@dataclass(frozen=True, kw_only=True)
class NoiseRule:
    """How Gaussian noise is put on a clean test image."""

    # where the draws come from:
    # `stream`: one numpy legacy generator with `seed`; all files at the first sigma, all at the second, ...
    # `stream-per-sigma`: the same, but the generator starts anew for each sigma (one program run a sigma)
    # `per-image`: the generator starts anew for each image, so equal sizes get equal noise
    # `content`: seeded by the hash of the image's pixels and the sigma; order, subset and workers can't matter
    # `files`: the noisy images came as files; without them `content` noise stands in (`stand_in` says so)
    seeding: Literal["stream", "stream-per-sigma", "per-image", "content", "files"]
    seed: int | None  # seed of the generator; None where no number is used
    file_order: Literal["directory", "sorted", "natural"]  # in which order files are visited
    clip: bool  # whether values outside 0..255 are cut off
    # how a noisy value becomes 8-bit: `truncate`, `round`, or `none` (stays float)
    quantise: Literal["truncate", "round", "none"]
    # standard deviations on the 0..255 scale, in the order in which they are drawn
    sigmas_255: tuple[int, ...] = (15, 25, 50)

    @property
    def depends_on_order(self) -> bool:
        """Whether leaving a file out, or another order, changes the noise of the files after it."""
        return self.seeding in ("stream", "stream-per-sigma")

    @property
    def stand_in(self) -> bool:
        """Whether noise drawn here replaces files which the protocol's authors prepared."""
        return self.seeding == "files"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Everything between a model's output and a number."""

    name: str  # what users type
    version: int  # raised whenever a rule below changes
    summary: str  # whose numbers these are, in one line
    noise: NoiseRule  # how noisy inputs are made
    # clean and degraded images are cut about their centre to a multiple of this; 1 leaves them whole (a model pads to a
    # multiple of its own by reflection, and the padding is cut off before scoring)
    crop_multiple: int = 1
    y_tasks: frozenset[Task] = frozenset()  # tasks scored on BT.601 luma; the others are scored on RGB.
    luma_8bit: bool = False  # whether luma is rounded to 8 bits, as MATLAB's rgb2ycbcr does with uint8 images
    clip_output: bool = True  # whether the restored image is cut to [0, 1]
    # `round8` or `truncate8` where the authors score saved 8-bit images, else `none`
    round_output: Literal["none", "round8", "truncate8"] = "none"
    ssim_window: str = "uniform7"  # one of `datasets.metrics.SSIM_WINDOWS`
    average: Literal["images", "pooled"] = "images"  # mean of the images' PSNRs, or the PSNR of the pooled error
    notes: tuple[str, ...] = ()  # what a reader of a number should know besides

    @property
    def label(self) -> str:
        """`allinone-v1`: what is printed and stored beside every number."""
        return f"{self.name}-v{self.version}"

    def colour(self, task: Task | None) -> str:
        """`Y` or `RGB`: what images of this task are scored on."""
        return "Y" if self.y_tasks and (task in self.y_tasks or self.y_tasks >= set(PAPER_TASKS)) else "RGB"

    def crop(self, image: Tensor) -> Tensor:
        """The centre of (..., H, W) whose sides are multiples of `crop_multiple` (a view; the image itself for 1).

        Raises:
            ValueError: the image is smaller than the multiple.
        """
        height, width, multiple = image.shape[-2], image.shape[-1], self.crop_multiple
        if min(height, width) < multiple:
            raise ValueError(
                f"Protocol {self.label} crops to a multiple of {multiple}; the image has {height}x{width}."
            )
        top, left = (height % multiple) // 2, (width % multiple) // 2
        return image[..., top : top + height - height % multiple, left : left + width - width % multiple]

    def sort_names(self, names: Iterable[str]) -> list[str]:
        """File names in the protocol's order.

        Directory order differs from one machine to the next, so plain sorting stands in for it (worth +-0.003 dB).
        """
        if self.noise.file_order == "natural":
            return sorted(names, key=_natural_key)
        return sorted(names)

    def mean_psnr_db(self, psnrs_db: Float[Tensor, " N"]) -> float:
        """The number of a table from its images' PSNRs."""
        return pooled_psnr_db(psnrs_db) if self.average == "pooled" else float(psnrs_db.double().mean())

    def to_json(self) -> dict[str, Any]:
        """Every rule, ready for a JSON file."""
        tasks = [task.name for task in known_tasks() if task in self.y_tasks]
        return {"label": self.label, **asdict(self), "y_tasks": tasks, "notes": list(self.notes)}

    def describe(self) -> str:
        """Every rule in a few lines of text."""
        noise = self.noise
        size = f"centre crop to a multiple of {self.crop_multiple}" if self.crop_multiple > 1 else "whole image"
        luma = ", ".join(task.name for task in known_tasks() if task in self.y_tasks)
        lines = [
            f"{self.label}: {self.summary}",
            f"  noise   {noise.seeding}, seed {noise.seed}, files in {noise.file_order} order, sigma "
            f"{', '.join(map(str, noise.sigmas_255))}; {'clipped' if noise.clip else 'not clipped'}, "
            f"8-bit: {noise.quantise}",
            f"  size    {size}",
            f"  colour  {f'Y for {luma}, else RGB' if luma else 'RGB'}",
            f"  output  {'clipped' if self.clip_output else 'not clipped'}, 8-bit: {self.round_output}",
            f"  SSIM    {self.ssim_window}; mean over {'images' if self.average == 'images' else 'pooled errors'}",
        ]
        return "\n".join(lines + [f"  note    {note}" for note in self.notes])


_ROWS = 64
_ALL_IN_ONE_NOISE = NoiseRule(seeding="stream", seed=0, file_order="directory", clip=True, quantise="truncate")

_SUITE = (
    Protocol(
        name="allinone",
        version=1,
        summary="AirNet, PromptIR, AdaIR, DFPIR with three tasks",
        noise=_ALL_IN_ONE_NOISE,
        crop_multiple=16,
    ),
    Protocol(
        name="allinone-5task",
        version=1,
        summary="the same with five tasks: sigma 25 is drawn alone, so its noise differs from the 3-task test's",
        noise=replace(_ALL_IN_ONE_NOISE, sigmas_255=(25,)),
        crop_multiple=16,
    ),
    Protocol(
        name="restormer",
        version=1,
        summary="Restormer and most specialists: unclipped float noise, whole image, saved 8-bit output",
        noise=NoiseRule(seeding="per-image", seed=0, file_order="natural", clip=False, quantise="none"),
        y_tasks=frozenset({Task.RAIN}),
        luma_8bit=True,
        round_output="round8",
        ssim_window="gaussian11",
        notes=("Its authors give no SSIM for noise; the one printed here uses their rain window.",),
    ),
    Protocol(
        name="moceir",
        version=1,
        summary="MoCE-IR",
        noise=NoiseRule(seeding="stream-per-sigma", seed=0, file_order="sorted", clip=True, quantise="truncate"),
        crop_multiple=16,
        ssim_window="gaussian11-sample",
    ),
    Protocol(
        name="instructir",
        version=1,
        summary="InstructIR",
        noise=NoiseRule(seeding="files", seed=None, file_order="sorted", clip=True, quantise="round"),
        crop_multiple=16,
        clip_output=False,
        ssim_window="gaussian11",
        notes=("Its noisy images are files; noise seeded by content stands in for them.",),
    ),
    Protocol(
        name="y-channel",
        version=1,
        summary="deraining papers (PReNet and after): saved 8-bit output, luma, Gaussian SSIM window",
        noise=NoiseRule(seeding="content", seed=None, file_order="sorted", clip=True, quantise="round"),
        y_tasks=frozenset(PAPER_TASKS),
        round_output="round8",
        ssim_window="gaussian11",
    ),
    Protocol(
        name="suite",
        version=1,
        summary="this suite: noise by image content, so order, subset and parallel workers can't change it",
        noise=NoiseRule(seeding="content", seed=None, file_order="sorted", clip=True, quantise="truncate"),
    ),
)

PROTOCOLS: Registry[Protocol] = Registry("protocol", entry_point_group="dfpir.protocols")


def register_protocol(protocol: Protocol) -> Protocol:
    """Add a protocol under its name.

    Raises:
        ValueError: another has it.
    """
    return PROTOCOLS.register(protocol.name)(protocol)


for _protocol in _SUITE:
    register_protocol(_protocol)


def plugin_protocol_rules(labels: Iterable[str]) -> dict[str, Any]:
    """Label -> every rule, of the protocols among these that another package registers.

    A label of the suite's says what was done; of another package's, its rules say it.
    """
    plugin_protocols = {protocol.label: protocol for protocol in PROTOCOLS.values() if protocol not in _SUITE}
    return {label: plugin_protocols[label].to_json() for label in labels if label in plugin_protocols}


def get_protocol(name: str) -> Protocol:
    """The protocol of this name (`allinone`) or label (`allinone-v1`).

    Raises:
        ValueError: there is none; the message lists those there are and the nearest.
    """
    for protocol in PROTOCOLS.values():
        if name in (protocol.name, protocol.label):
            return protocol
    near = difflib.get_close_matches(name, PROTOCOLS, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"Unknown protocol {name!r}.{hint} Known: {', '.join(PROTOCOLS)}.")


def conditions_under(protocol: Protocol, tasks: Iterable[Task]) -> tuple[Condition, ...]:
    """The tasks' conditions; noise at the levels that the protocol draws, where it draws a stream of them."""
    sigmas = protocol.noise.sigmas_255 if protocol.noise.depends_on_order else None
    return tuple(
        condition
        for task in tasks
        for condition in (map(noise, sigmas) if task is Task.NOISE and sigmas is not None else task.conditions)
    )


def score(
    restored: Float[Tensor, "B 3 H W"],
    clean: Float[Tensor, "B 3 H W"],
    protocol: Protocol,
    task: Task | None = None,
    metrics: Sequence[str] = ("psnr_db", "ssim"),
) -> dict[str, Float[Tensor, " B"]]:
    """`psnr_db` and `ssim`, or those of them that are asked for, of each image under the protocol, in float64.

    Both images are RGB in [0, 1], or uint8 levels that stand for themselves / 255, which take less memory. They have
    the protocol's size already (`Protocol.crop`; padding cut off again).
    The degraded input's own score is this function with the degraded image as `restored`.

    Args:
        restored: a model's output; need not lie inside [0, 1].
        clean: the reference.
        protocol: what to do with them.
        task: which task the images belong to; decides between luma and RGB where the protocol uses both.
        metrics: what to compute; SSIM takes far longer than PSNR.
    """
    first, second = prepare_for_scoring(restored, clean, protocol, task)
    makers = {
        "psnr_db": lambda: psnr_db(first, second),
        "ssim": lambda: ssim(first, second, window=protocol.ssim_window),
    }
    return {name: makers[name]() for name in metrics}


def prepare_for_scoring(
    restored: Float[Tensor, "B 3 H W"], clean: Float[Tensor, "B 3 H W"], protocol: Protocol, task: Task | None = None
) -> tuple[Float[Tensor, "B C H W"], Float[Tensor, "B C H W"]]:
    """Both images as the protocol compares them: clipped, rounded and turned to luma where it says so.

    Arguments as of `score`; float64, or as they came where the protocol leaves them as they are.
    """
    if protocol.colour(task) != "Y" and protocol.round_output == "none":
        # the metrics compute in float64 whatever they are given, and clipping is exact in any type: no copy is needed
        first, second = _clip(restored) if protocol.clip_output else restored, clean
    else:
        first, second = finish_output(as_floats(restored), protocol), as_floats(clean).to(torch.float64)
    if protocol.colour(task) == "Y":
        first, second = to_y(first), to_y(second)
        if protocol.luma_8bit:
            first, second = _round8(first), _round8(second)
    return first, second


def finish_output(restored: Tensor, protocol: Protocol) -> Tensor:
    """A model's output as the protocol scores it: clipped and brought to 8 bits where it says so, float64."""
    image = restored.to(torch.float64)
    if protocol.clip_output:
        image = image.clamp(0.0, 1.0)
    if protocol.round_output == "round8":
        image = _round8(image)
    elif protocol.round_output == "truncate8":
        image = (image * 255.0).floor() / 255.0
    return image


def _clip(image: Tensor) -> Tensor:
    """Cut to [0, 1]; on a CPU an image that lies there already is itself: a copy of a photograph takes 150 MB."""
    if image.dtype == torch.uint8:
        return image
    if image.device.type != "cpu":  # asking where it lies would wait for the device
        return image.clamp(0.0, 1.0)
    # some rows at a time: aminmax copies what isn't contiguous
    bounds = (torch.aminmax(rows) for rows in torch.split(image, _ROWS, dim=-2))
    return image if all(bool(low >= 0.0) and bool(high <= 1.0) for low, high in bounds) else image.clamp(0.0, 1.0)


def _round8(image: Tensor) -> Tensor:
    return (image * 255.0).round() / 255.0


def _natural_key(name: str) -> list[tuple[int, int | str]]:
    """`img_2` before `img_10`."""
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in re.split(r"(\d+)", name) if part]

"""Multiply-adds of any model: of the method as published, and of what this implementation runs.

The blocks of Restormer's family are computed here in a folded form (`dfpir.layers.mix_channels`,
`dfpir.channel.ChannelPerturbation`), which multiplies less for the same result. Papers count the unfolded definition,
so that is what `macs` holds; `macs_implementation` is what runs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest import mock

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException
from torch.utils.flop_counter import FlopCounterMode

import dfpir.layers
from dfpir import RestorationUNet
from dfpir.channel import ChannelPerturbation, ConvolutionPerPrompt
from dfpir.count import multiply_adds
from dfpir.layers import Features, Pixels

FORMULA = "dfpir.count"
COUNTER = "FlopCounterMode / 2, projections unfolded"
ON_REAL_TENSORS = "the work depends on the image: counted for one image of noise"


@dataclass(frozen=True, kw_only=True)
class MacCount:
    """Multiply-adds of one forward pass on one image."""

    macs: int  # of the published definition
    macs_convolutions: int  # those of its convolutions, which most papers print
    macs_implementation: int  # of this implementation
    counter: str  # what counted `macs`
    note: str = ""  # caveat of the count, or ""


def count_macs(model: nn.Module, image: Tensor, code: Tensor | None) -> MacCount:
    """Count one forward pass, on fake tensors where the model allows it, so that it costs no time.

    The model and the image, (1, 3, H, W) with sides that the model takes, are on the CPU.
    """
    model = model.eval()
    executed_macs, needs_real_tensors = _count_with_fake_tensors(model, image, code)
    note = ON_REAL_TENSORS if needs_real_tensors else ""
    if isinstance(model, RestorationUNet):
        height, width = image.shape[-2:]
        macs, convolutions = (
            multiply_adds(model.config, height, width, convolutions_only=flag) for flag in (False, True)
        )
        return MacCount(
            macs=macs,
            macs_convolutions=convolutions,
            macs_implementation=sum(executed_macs),
            counter=FORMULA,
            note=note,
        )
    with unfolded():
        published, _unused = _count_with_fake_tensors(model, image, code)
    return MacCount(
        macs=sum(published),
        macs_convolutions=published[0],
        macs_implementation=sum(executed_macs),
        counter=COUNTER,
        note=note,
    )


@contextmanager
def unfolded() -> Iterator[None]:
    """Within it, blocks are computed as their papers define them: the same results, more multiply-adds.

    For counting and tests alone: it replaces functions for the whole process.
    """
    folded_mix = dfpir.layers.mix_channels
    with ExitStack() as stack:
        for module in list(sys.modules.values()):
            if getattr(module, "__dict__", {}).get("mix_channels") is folded_mix:
                stack.enter_context(mock.patch.object(module, "mix_channels", _attend_then_project))
        stack.enter_context(mock.patch.object(ChannelPerturbation, "forward", _expand_shuffle_reduce))
        stack.enter_context(mock.patch.object(ConvolutionPerPrompt, "forward", _as_convolution))
        yield


def _attend_then_project(attention: Tensor, projection: Tensor, values: Pixels) -> Pixels:
    """`dfpir.layers.mix_channels` in two steps: attention, then the 1x1 output convolution (Restormer, equation 1)."""
    by_head = rearrange(values, "b n (heads c) -> b heads c n", heads=attention.shape[1])
    mixed = rearrange(attention.to(values.dtype) @ by_head, "b heads c n -> b (heads c) n 1")
    return rearrange(F.conv2d(mixed, projection.to(values.dtype)), "b c n 1 -> b n c")


def _expand_shuffle_reduce(
    self: ChannelPerturbation, x: Features, codes: Tensor, prompts: Tensor | None = None
) -> Features:
    """DGCPM in three steps: expand, reorder the channels, reduce (DFPIR, section 3.3)."""
    order = self.order_of(codes) if prompts is None or self.orders is None else self.orders[prompts]
    expanded = self.expand(x)
    reduced: Tensor = self.reduce(expanded.gather(1, order[:, :, None, None].expand_as(expanded)))
    return reduced


def _as_convolution(self: ConvolutionPerPrompt, x: Features, codes: Tensor, prompts: Tensor | None = None) -> Features:
    """Each sample's own 1x1 convolution, as a grouped convolution."""
    assert prompts is not None
    weights, biases = self.stacked()
    batch, channels = x.shape[:2]
    kernels = rearrange(weights[prompts], "b i o -> (b o) i 1 1")
    mixed = F.conv2d(rearrange(x, "b c h w -> 1 (b c) h w"), kernels, biases[prompts].flatten(), groups=batch)
    return rearrange(mixed, "1 (b c) h w -> b c h w", c=channels)


def _count_with_fake_tensors(model: nn.Module, image: Tensor, code: Tensor | None) -> tuple[tuple[int, int], bool]:
    """((multiply-adds of convolutions, all others), whether real tensors were needed)."""
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            return _count_flops(model, image, code), False
    except (DataDependentOutputException, DynamicOutputShapeException):
        # which operations run depends on the values
        return _count_flops(model, image, code), True


def _count_flops(model: nn.Module, image: Tensor, code: Tensor | None) -> tuple[int, int]:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(image, code)
    by_operation = counter.get_flop_counts().get("Global", {})
    convolutions = sum(flops for operation, flops in by_operation.items() if "conv" in str(operation))
    return convolutions // 2, (counter.get_total_flops() - convolutions) // 2

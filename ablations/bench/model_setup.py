"""Setup shared by `train` and `eval`: switches and their labels, models, the text encoder, memory."""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ablations.bench.measurement import Measurement, summarize, synchronize
from ablations.bench.options import Settings
from ablations.harness.memory import is_out_of_memory
from ablations.harness.seeding import initialise
from ablations.harness.training.acceleration import (
    cuda_graph_blocker,
    get_acceleration,
    set_acceleration,
    set_float32_products,
)
from ablations.spec import Precision
from dfpir import DFPIRConfig, RestorationUNet
from dfpir.kernels import chosen_kernels, use_kernels, use_padded_widths
from dfpir.prompts import CLIP_MODEL, load_prompts

DOES_NOT_FIT = "does not fit"
_PRECISION_LABELS = {"fp32": "float32", "tf32": "TF32", "bf16": "bf16"}


@contextmanager
def applied_settings(settings: Settings, precision: Precision) -> Iterator[None]:
    """Apply the switches and the precision as a run does; afterwards all settings are restored."""
    acceleration, kernels = get_acceleration(), chosen_kernels()
    allow_tf32 = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        set_acceleration(settings.acceleration)
        use_padded_widths(settings.padded_widths)
        set_float32_products(precision)
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = allow_tf32
        use_padded_widths(None)
        use_kernels(kernels)
        set_acceleration(acceleration)
        if settings.compile:
            torch.compiler.reset()  # compiled code keeps references to its model


def format_label(settings: Settings, precision: Precision, device: torch.device) -> str:
    """`ours, bf16, CUDA graphs`: precision and effective switches; call it within `applied_settings`."""
    words = ["ours", _PRECISION_LABELS[precision]]
    if chosen_kernels() == "triton" and device.type == "cuda":
        words.append("Triton kernels")
    if settings.compile:
        words.append("compiled")
    if settings.cuda_graphs and cuda_graph_blocker(settings.config, device) is None:
        words.append("CUDA graphs")
    if settings.padding != "auto":
        words.append("padded widths" if settings.padded_widths else "widths not padded")
    if settings.checkpointing:
        words.append("checkpointing")
    return ", ".join(words)


def inactive_switches(settings: Settings, device: torch.device) -> str:
    """The requested switches that have no effect on this device, and why; empty for none."""
    reasons = []
    if settings.kernels == "triton" and device.type != "cuda":
        reasons.append(f"Triton's kernels serve GPUs, not {device.type}")
    if settings.cuda_graphs and (reason := cuda_graph_blocker(settings.config, device)):
        reasons.append(f"CUDA graphs {reason.rstrip('.')}")
    return "; ".join(reasons)


def tf32_note(device: torch.device) -> str:
    """Remark on the released code's float32 on this device."""
    return "TF32 in convolutions, PyTorch's default" if device.type == "cuda" else ""


def suite_model(config: DFPIRConfig) -> RestorationUNet:
    """A model of the suite on the CPU, with initial weights that depend only on their names, and with prompts bound."""
    model = RestorationUNet(config)
    initialise(model, 0)
    model.bind_prompts(load_prompts("detailed", "minilm").codes)
    return model


def text_tower(device: torch.device) -> Callable[[list[str]], Tensor]:
    """CLIP ViT-B/32's text encoder with random weights: the time of the real one, which is float16 on a GPU."""
    import open_clip

    name, _ = CLIP_MODEL
    precision = "fp16" if device.type == "cuda" else "fp32"
    tower = open_clip.create_model(name, pretrained=None, load_weights=False, precision=precision).to(device).eval()
    tokenizer = open_clip.get_tokenizer(name)

    def encode(sentences: list[str]) -> Tensor:
        with torch.no_grad():
            return torch.as_tensor(tower.encode_text(tokenizer(sentences).to(device))).float()

    return encode


def catch_out_of_memory(
    measurements: Iterator[Measurement], label: str, unit: str, device: torch.device
) -> Iterator[Measurement]:
    """Yield the measurements; where memory runs out, those before it and one with the note `DOES_NOT_FIT`."""
    fits = False
    try:
        yield from measurements
        fits = True
    except Exception as error:
        # cuBLAS and cuDNN have other messages where their workspace does not fit
        if not is_out_of_memory(error) and "_STATUS_ALLOC_FAILED" not in str(error):
            raise
    # outside the handler, whose traceback keeps the failed step's tensors alive
    free_memory(device)
    if not fits:
        yield Measurement(what=label, unit=unit, value=math.nan, spread=1.0, ratio=math.nan, note=DOES_NOT_FIT)


def free_memory(device: torch.device) -> None:
    """Collect garbage, empty the GPU's cache and reset its peak statistics."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(label: str, device: torch.device) -> Iterator[Measurement]:
    """On a GPU, the peak of allocated memory since `free_memory`."""
    if device.type == "cuda":
        yield summarize(label, "GiB", [torch.cuda.max_memory_allocated(device) / 2**30])


def time_first_call(call: Callable[[], object], label: str, device: torch.device) -> Measurement:
    """Seconds of a call, in which the model is compiled."""
    started = time.perf_counter()
    call()
    synchronize(device)
    return summarize(label, "s", [time.perf_counter() - started])

"""What `train` and `eval` set up: switches and their labels, models, the text encoder, memory, what does not fit."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ablations.bench.options import Settings
from ablations.bench.record import Line
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
_NAMES = {"fp32": "float32", "tf32": "TF32", "bf16": "bf16"}


@contextmanager
def applied_settings(settings: Settings, precision: Precision) -> Iterator[None]:
    """Ours as a run of this precision with these switches has it; PyTorch's own settings are put back afterwards."""
    before, kernels = get_acceleration(), chosen_kernels()
    products = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    try:
        set_acceleration(settings.acceleration)
        use_padded_widths(settings.padded_widths)
        set_float32_products(precision)
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = products
        use_padded_widths(None)
        use_kernels(kernels)
        set_acceleration(before)
        if settings.compile:
            torch.compiler.reset()  # compiled code holds on to what it was made for


def label(settings: Settings, precision: Precision, device: torch.device) -> str:
    """`ours, bf16, CUDA graphs`: precision and the switches that act; to be called where they are chosen."""
    words = ["ours", _NAMES[precision]]
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
    """Which of the switches asked for do nothing here, and why; empty for none."""
    reasons = []
    if settings.kernels == "triton" and device.type != "cuda":
        reasons.append(f"Triton's kernels serve GPUs, not {device.type}")
    if settings.cuda_graphs and (reason := cuda_graph_blocker(settings.config, device)):
        reasons.append(f"CUDA graphs {reason.rstrip('.')}")
    return "; ".join(reasons)


def tf32_note(device: torch.device) -> str:
    """What the released way's float32 means on this device."""
    return "TF32 in convolutions, PyTorch's default" if device.type == "cuda" else ""


def our_model(config: DFPIRConfig) -> RestorationUNet:
    """Ours with first weights that depend on names alone and the prompts bound, on the CPU."""
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


def unless_too_large(lines: Iterator[Line], what: str, unit: str, device: torch.device) -> Iterator[Line]:
    """The lines; where memory runs out, those made before it and one that says so. Memory is free when it ends."""
    fits = False
    try:
        yield from lines
        fits = True
    except Exception as error:
        # cuBLAS and cuDNN have words of their own where their scratch space does not fit
        if not is_out_of_memory(error) and "_STATUS_ALLOC_FAILED" not in str(error):
            raise
    # outside the handler, whose traceback keeps the failed step's tensors alive
    free(device)
    if not fits:
        yield Line(what=what, unit=unit, value=math.nan, spread=1.0, ratio=math.nan, note=DOES_NOT_FIT)


def free(device: torch.device) -> None:
    """Give back what nobody holds, and count the most memory from here on."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def allocated_gib(device: torch.device) -> float:
    """The most GPU memory since `free`: weights, optimiser, and all that was alive beside them."""
    return torch.cuda.max_memory_allocated(device) / 2**30

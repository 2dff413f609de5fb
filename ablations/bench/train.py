"""Training: patches a second of the full-size DFPIR, and whether the losses of 200 steps are the reference's.

The reference is the released way: NCHW float32, nothing folded, the prompt of every sample encoded by CLIP's text tower
in every step (with random weights: their values cost nothing), plain Adam. Both learn from the same random images, so
that the data path, which has its own benchmark, is left out. Ours keeps freed memory in the process, as its runs do;
one line says what it costs not to.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ablations.bench.ceilings import ceilings
from ablations.bench.record import Line, line, rate
from ablations.bench.reference import ReferenceUNet, lend_weights
from ablations.harness.allocator import keep_freed_memory
from ablations.harness.cost.measure import has_bf16
from ablations.harness.memory import LiveBytes
from ablations.harness.seeding import initialise
from datasets.embedded import load_embedded
from datasets.seeding import stable_seed
from dfpir import DFPIRConfig, RestorationUNet, variant_config
from dfpir.count import multiply_adds
from dfpir.prompts import CLIP_MODEL, PROMPTS, load_prompts

PATCH = 128
BATCHES = {"cpu": (5,), "cuda": (5, 32)}
EXACT_STEPS = 10
SAME_STEPS = 200
_SMALL = {"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
_ALLOCATOR_REPEATS = 1  # after the warm-up: a step takes half a minute there
_BACKWARD = 3  # a training step costs about three forward passes


def run(device: torch.device, repeats: int) -> list[Line]:
    """Ceilings, then for each batch size the reference and ours, then whether both learn the same."""
    lines = ceilings(device, repeats)
    config = variant_config("dfpir")
    for batch in BATCHES[device.type]:
        lines += _speed(config, batch, device, repeats)
    return [*lines, *_same_answers(device)]


def _speed(config: DFPIRConfig, batch: int, device: torch.device, repeats: int) -> list[Line]:
    image = torch.rand(batch, 3, PATCH, PATCH, device=device)
    rows = torch.arange(batch, device=device) % 7
    sentences = [list(PROMPTS["detailed"].values())[int(row)] for row in rows]
    encode = text_tower(device)
    macs = multiply_adds(config, PATCH, PATCH) * _BACKWARD
    old = ReferenceUNet(config).to(device)
    plain = torch.optim.Adam([p for p in old.parameters() if p.requires_grad], lr=1e-4, foreach=False)
    step = _step(old, plain, image, lambda: encode(sentences), device)
    name = f"batch {batch}, {PATCH} px, {device.type}"
    lines = [_rated(f"train: released way, float32, {name}", step, batch, repeats)]
    lines += _derived(lines[-1], step, macs, "released way, float32, " + name)
    reference = lines[0].value
    del old, plain
    if device.type == "cpu" and batch == BATCHES["cpu"][0]:
        without = _ours(config, image, rows, device, None)
        what = f"train: ours, float32, {name}, freed memory not kept"
        lines.append(_rated(what, without, batch, _ALLOCATOR_REPEATS, reference))
        del without
    keep_freed_memory()  # from here on: the released way runs without
    for label, dtype in [("float32", None), *([("bf16", torch.bfloat16)] if has_bf16(device) else [])]:
        step = _ours(config, image, rows, device, dtype)
        lines.append(_rated(f"train: ours, {label}, {name}", step, batch, repeats, reference))
        lines += _derived(lines[-1], step, macs, f"ours, {label}, {name}")
    return lines


def _ours(
    config: DFPIRConfig, image: Tensor, rows: Tensor, device: torch.device, dtype: torch.dtype | None
) -> Callable[[], None]:
    """A training step of ours in one precision."""
    model = RestorationUNet(config)
    model.bind_prompts(load_prompts("detailed", "minilm").codes)
    model.to(device).train()
    adam = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-4, fused=True)
    return _step(model, adam, image, lambda: rows, device, dtype)


def _rated(what: str, step: Callable[[], None], batch: int, repeats: int, reference: float | None = None) -> Line:
    def work() -> int:
        step()
        return batch

    return line(what, "patches/s", rate(work, repeats), reference)


def _derived(of: Line, step: Callable[[], None], macs: int, what: str) -> list[Line]:
    """Multiply-adds a second of the method's published definition, and the most that its tensors took."""
    with LiveBytes() as live:
        step()
    return [
        line(f"train: multiply-adds of the definition, {what}", "GMACs/s", [of.value * macs / 1e9]),
        line(f"train: most memory of a step's tensors, {what}", "GiB", [live.peak / 2**30]),
    ]


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    image: Tensor,
    code: Callable[[], Tensor],
    device: torch.device,
    dtype: torch.dtype | None = None,
) -> Callable[[], None]:
    target = image.roll(1, dims=-1)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype or torch.bfloat16, enabled=dtype is not None):
            out = model(image, code())
        loss = (out.float() - target).abs().mean()
        loss.backward()
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return step


def text_tower(device: torch.device) -> Callable[[list[str]], Tensor]:
    """CLIP ViT-B/32's text encoder with random weights: the time of the real one."""
    import open_clip

    name, _ = CLIP_MODEL
    tower = open_clip.create_model(name, pretrained=None, load_weights=False).to(device).eval()
    tokenizer = open_clip.get_tokenizer(name)

    def encode(sentences: list[str]) -> Tensor:
        with torch.no_grad():
            return torch.as_tensor(tower.encode_text(tokenizer(sentences).to(device))).float()

    return encode


def _same_answers(device: torch.device) -> list[Line]:
    """Whether ours and the reference learn the same from the same batches.

    Adam divides by the gradient's own size, so that a rounding error grows about tenfold a step: in float64 the first
    losses must agree, in float32 the means of a hundred steps.
    """
    exact = [_losses(kind, EXACT_STEPS, torch.float64, device) for kind in ("ours", "reference")]
    long = [
        _losses(kind, SAME_STEPS, torch.float32, device)[SAME_STEPS // 2 :].mean() for kind in ("ours", "reference")
    ]
    return [
        line(
            f"same answers: largest relative difference of the first {EXACT_STEPS} losses, float64",
            "1",
            [float(((exact[0] - exact[1]).abs() / exact[1]).max())],
        ),
        line(
            f"same answers: mean loss of steps {SAME_STEPS // 2} to {SAME_STEPS}, relative difference, float32",
            "1",
            [float((long[0] / long[1] - 1).abs())],
        ),
    ]


def _losses(kind: str, steps: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """(steps,) losses of a small model, from the same first weights and batches for both kinds."""
    config = variant_config("dfpir", **_SMALL)
    ours = RestorationUNet(config)
    initialise(ours, 0)
    codes = load_prompts("detailed", "minilm").codes
    ours.bind_prompts(codes)
    model: nn.Module = ours
    if kind == "reference":
        model = ReferenceUNet(config)
        lend_weights(ours, model)
    model.to(device, dtype).train()
    told = codes.to(device, dtype)
    bundle = load_embedded()
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3, fused=kind == "ours")
    losses = []
    for step in range(steps):
        rows = torch.arange(4, device=device) + step % 4
        seeds = [stable_seed("bench train", step, row) for row in range(4)]
        degraded, clean = bundle.batch([bundle.conditions[int(row)] for row in rows], seeds, 32, device)
        out = model(degraded.to(dtype), rows if kind == "ours" else told[rows])
        loss = (out - clean.to(dtype)).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses).double().cpu()

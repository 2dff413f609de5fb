"""Losses of a few training steps on a CPU, for comparison with those in tests/golden/losses.json.

`python -m tests.support.frozen_losses` writes the file: to be done where numbers are meant to change, and at no other
time. Bits are those of one kind of processor and one version of PyTorch, which the file names.
"""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import torch

from ablations.harness.seeding import initialise
from dfpir import create_model

FILE = Path(__file__).parents[1] / "golden" / "losses.json"
STEPS = 20
# name: variant, settings beside SMALL, bf16
CASES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "restormer": ("restormer", {"layer_norm": "bias_free"}, False),
    "dfpir": ("dfpir", {}, False),
    "dfpir_learned_order": ("dfpir_learned_order", {}, False),
    "dfpir_paper_mask, bf16": ("dfpir_paper_mask", {}, True),
}
SMALL = {"dim": 12, "num_blocks": (1, 2, 1, 1), "num_refinement_blocks": 1, "heads": (1, 1, 2, 4)}


def losses(case: str) -> list[float]:
    """The losses of 20 steps of Adam on one batch, with one thread."""
    variant, settings, bf16 = CASES[case]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        model = create_model(variant, **(SMALL | settings))
        initialise(model, 0)
        random = torch.Generator().manual_seed(1)
        model.bind_prompts(torch.randn(3, 512, generator=random))
        model.train()
        image = torch.rand(3, 3, 32, 24, generator=random)
        clean, rows = image.roll(1, -1), torch.tensor([0, 2, 1])
        adam = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3, fused=True)
        losses = []
        for step in range(STEPS):
            model.set_progress(step / (STEPS - 1))
            adam.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                out = model(image, rows)
            loss = (out.float() - clean).abs().mean()
            loss.backward()
            adam.step()
            losses.append(float(loss.detach()))
        return losses
    finally:
        torch.set_num_threads(threads)


def platform_name() -> str:
    """What decides the bits: PyTorch's version and the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    first = dict(line.replace("\t", "").split(":", 1) for line in reversed(lines) if ":" in line)
    names = [first.get(key, "").strip() for key in ("model name", "cpu family", "model", "stepping")]
    return ", ".join([f"torch {torch.__version__}", *(names if any(names) else [platform.processor()])])


if __name__ == "__main__":
    content = {"made_with": platform_name(), "losses": {case: losses(case) for case in CASES}}
    FILE.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

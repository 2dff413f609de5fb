"""What the benchmarks' tests measure: a toy model, and which of their lines are speeds."""

import torch

from ablations.bench.options import Settings

SIZES = {"dim": 8, "num_blocks": (1, 2, 1, 1), "num_refinement_blocks": 1}
CPU = torch.device("cpu")
TOY = Settings(size="tiny", pixels=16, batch=(2,), precision=("fp32",))


def rates(lines):
    """Lines of patches or images a second."""
    return [line for line in lines if line.unit.endswith("es/s")]

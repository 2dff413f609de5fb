"""Pixels and weights to restore with."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ablations.harness.evaluating.specialists import SPECIALISTS


def pixels(*shape, kind=np.uint8, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(kind).max + 1, shape, dtype=kind)


def drawn_ffdnet(path: Path) -> tuple[Any, ...]:
    """Flags for FFDNet with drawn weights, small enough to stay near the image."""
    torch.manual_seed(0)
    state = SPECIALISTS["ffdnet"][0]().network.state_dict()
    torch.save({key: 0.5 * value for key, value in state.items()}, path)
    return ("--model", "ffdnet", "--weights", path, "--degradation", "noise-25")

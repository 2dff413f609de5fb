"""What the tests of `python -m ablations.evaluate` share: its call, a tiny model's settings, a picture."""

import numpy as np
from PIL import Image

from ablations.evaluate import main
from tests.support.command_lines import call_of

TINY = {"dim": 4, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
CONFIG = ("--config", "dim=4", "num_blocks=1,1,1,1", "num_refinement_blocks=1")
ONEHOT = ("--text-encoder", "onehot")
QUICK = (*CONFIG, *ONEHOT, "--tasks", "noise-50", "lowlight", "--limit", "1")


call = call_of(main)


def picture(seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((72, 48), Image.Resampling.BICUBIC))

"""Pictures and pairs on disk."""

from pathlib import Path

import numpy as np
from PIL import Image


def picture(seed: int, side: int = 48) -> np.ndarray:
    coarse = Image.fromarray(np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return np.array(coarse.resize((side, side), Image.Resampling.BICUBIC))


def write(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def pair(root: Path, bad: str, good: str, seed: int) -> None:
    write(root / bad, picture(seed) // 2 + 60)
    write(root / good, picture(seed))

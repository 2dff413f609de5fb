"""Scores drawn from a known truth, for tests of the statistics: any number in them is made up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from ablations.bench.statistics import scores_of
from reports.stats import Scores


def simulated_study(
    rng: np.random.Generator,
    *,
    gains_db: tuple[float, ...],
    seeds: int = 3,
    scenes: int = 12,
    crops: int = 2,
    seed_sd: float = 0.1,
    scene_sd: float = 0.1,
    rest_sd: float = 0.2,
) -> Scores:
    """Scores of variants v0, v1, ... on crops of photographs, made as such scores come about.

    A score is the photograph's own difficulty (SD 3 dB, the same for all), plus the variant's true gain, the run's luck
    (`seed_sd`), how the variant suits the photograph (`scene_sd`) and the rest (`rest_sd`).

    Args:
        rng: source of the draws.
        gains_db: true gain of each variant.
        seeds, scenes, crops: runs of each variant, photographs, images of each photograph.
        seed_sd, scene_sd, rest_sd: standard deviations in dB.
    """
    n, images = len(gains_db), scenes * crops
    values = 25 + rng.normal(0, 3, (1, 1, scenes, 1)) + rng.normal(0, scene_sd, (n, 1, scenes, 1))
    values = values.repeat(crops, axis=2) + np.asarray(gains_db)[:, None, None, None]
    values = values + rng.normal(0, seed_sd, (n, seeds, 1, 1)) + rng.normal(0, rest_sd, (n, seeds, images, 1))
    return scores_of(values[..., 0], crops=crops)


def image_rows(
    values: dict[tuple[str, int, str, str], float], *, scene: Callable[[str], str] = lambda image: image[0]
) -> pd.DataFrame:
    """Rows from (variant, seed, condition, image) -> PSNR; an image's scene is its first letter."""
    return pd.DataFrame(
        [
            {
                "run_id": f"{v}-{s}", "variant": v, "seed": s, "dataset": "d", "protocol": "p", "task": c.split("-")[0],
                "condition": c, "image": i, "scene": scene(i), "in_training_set": "", "metric": "psnr_db", "value": x, "input_value": 10.0,
            }
            for (v, s, c, i), x in values.items()
        ]
    )  # fmt: skip

"""Made-up measures for the runs that fake_runs writes, by the columns of reports/schema/."""

from __future__ import annotations

from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from reports import schema
from tests.support.fake_runs import (
    BLOCKS,
    CONDITIONS,
    GAIN_DB,
    GAMMAS,
    INPUT_PSNR_DB,
    FakeStudy,
    _stable,
    run_id_of,
)

LEVELS = ("noise-15", "noise-25", "noise-35", "noise-50", "noise-60", "noise-75", "rain-50", "rain-100", "rain-200", "rain-300")  # fmt: skip
MIXED = ("rain+noise-25", "haze+noise-25")
TASKS = schema.TASK_ORDER
GROUPS = (("all", 0.0, 300_000), ("encoder", 0.1, 200_000), ("decoder", -0.1, 100_000))
SETTINGS = '{"draws": 4, "run": "0123", "version": 1}'


def write_measures(root: Path, study: FakeStudy, names: tuple[str, ...] = tuple(schema.MEASURE_COLUMNS)) -> None:
    """Give every finished run of `study` below `root` the named measures; blind models get those that suit them."""
    for variant in study.effect_db:
        for seed in study.seeds:
            if (variant, seed) in (*study.failed, *study.unfinished, *study.not_run):
                continue
            prompted = variant != "restormer"
            for name in names:
                if prompted or name in ("levels", "interference", "separation"):
                    table = _TABLES[name](study, variant, seed)
                    schema.write_measure(table, root / run_id_of(variant, seed), name, facts={"settings": SETTINGS})


def _response(study: FakeStudy, variant: str, seed: int, pairs: list[tuple[str, str, float, float]]) -> pd.DataFrame:
    """Rows for (condition, given, input PSNR, gain) with noise over images and a run's own luck."""
    common = np.random.default_rng(5).normal(0, 1.0, (study.scenes, study.crops))
    variant_rng = np.random.default_rng(_stable(variant, seed + 300))
    luck = variant_rng.normal(0, study.seed_sd_db)
    rows = []
    for condition, prompt, before, gain in pairs:
        for (scene, crop), difficulty in np.ndenumerate(common):
            after = before + difficulty + gain + luck + variant_rng.normal(0, study.noise_sd_db)
            rows.append(
                {
                    "dataset": study.dataset, "image": f"scene{scene}-crop{crop}", "scene": f"scene{scene}",
                    "condition": condition, "given": prompt, "metric": schema.PSNR,
                    "value": after, "input_value": before + difficulty,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _prompts(study: FakeStudy, variant: str, seed: int) -> pd.DataFrame:
    heed = 0.0 if "identity" in variant else 0.5 + GAMMAS.get(variant, 0.6)
    pairs = []
    for c, g in ((c, g) for c in CONDITIONS for g in CONDITIONS):
        apart = 0.0 if c == g else 0.25 if schema.task_of(c) == schema.task_of(g) else 1.0
        apart *= 1 + 0.6 * ((CONDITIONS.index(c) + 2 * CONDITIONS.index(g)) % 4)
        pairs.append((c, g, INPUT_PSNR_DB[c], GAIN_DB[c] + study.effect_db[variant] - heed * apart))
    return _response(study, variant, seed, pairs)


def _levels(study: FakeStudy, variant: str, seed: int) -> pd.DataFrame:
    pairs = []
    for condition in LEVELS:
        task, strength = condition.split("-")
        number = float(strength)
        if task == "noise":
            nearest = min((15, 25, 50), key=lambda s: (abs(s - number), -s))
            gain = 5 + number / 12 - 0.012 * (number - nearest) ** 2 + study.effect_db[variant]
            pairs.append((condition, f"noise-{nearest}", 48.1 - 20 * np.log10(number), gain))
        else:
            gain = 4 - 0.018 * abs(number - 100) + study.effect_db[variant]
            pairs.append((condition, "rain", 27 - number / 40, gain))
    return _response(study, variant, seed, pairs)


def _mixed(study: FakeStudy, variant: str, seed: int) -> pd.DataFrame:
    pairs = []
    for condition in MIXED:
        first, second = condition.split("+")
        before = 19.0 if first == "rain" else 14.0
        pairs += [(condition, first, before, -0.8 if first == "rain" else 1.1), (condition, second, before, 1.4)]
    return _response(study, variant, seed, pairs)


def _precision(study: FakeStudy, variant: str, seed: int) -> pd.DataFrame:
    loss = {"fp32": 0.0, "fp16": 0.004, "bf16": 0.05}
    return _response(
        study, variant, seed, [(c, g, INPUT_PSNR_DB[c], GAIN_DB[c] - d) for c in CONDITIONS for g, d in loss.items()]
    )


def _order_moves(study: FakeStudy, variant: str, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for precision, scale in (("fp16", 0.03), ("bf16", 0.25)):
        for place, block in enumerate(BLOCKS):
            for condition in CONDITIONS:
                moved = scale * (1 + place) * float(rng.uniform(0.7, 1.0)) / 2
                rows.append(
                    {"given": precision, "block": block, "condition": condition, "moved": moved, "tau": 1 - moved / 9}
                )
    return pd.DataFrame(rows)


def _interference(study: FakeStudy, variant: str, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(_stable(variant, seed + 400))
    rows: list[dict[str, Any]] = []
    places = product((0.1, 0.4, 0.7, 1.0), range(4), ("plain", "without_colour"))
    for (fraction, draw, loss), (group, shift, size) in product(places, GROUPS):
        alone = [(task, task) for task in TASKS] if draw else []
        for place, (a, b) in enumerate([*combinations(TASKS, 2), *alone]):
            mean = 0.35 - 0.35 * fraction - 0.05 * place + 0.3 * GAMMAS.get(variant, 0.2) + shift
            mean = 0.7 if a == b else mean if loss == "plain" else mean / 2
            cosine = float(np.clip(mean + rng.normal(0, 0.12), -1, 1))
            norms = {
                f"norm_{s}": float(0.1 * (1 + TASKS.index(t)) * rng.lognormal(0, 0.1)) for s, t in (("a", a), ("b", b))
            }
            rows.append(
                {
                    "step": round(fraction * study.steps), "fraction": fraction, "draw": draw, "loss": loss,
                    "group": group, "task_a": a, "task_b": b, "cosine": cosine, **norms, "n_parameters": size,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _information(study: FakeStudy, variant: str, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(_stable(variant, seed + 500))
    rows = []
    for level in (1, 2, 3, 4):
        for part, scale in (("block", 1.0), ("channel", 0.6)):
            for condition in ("all", *CONDITIONS):
                loss = scale * (0.1 * level + 0.3 * (1 - GAMMAS.get(variant, 0.6))) + float(rng.normal(0, 0.01))
                rows.append(
                    {
                        "level": level, "part": part, "condition": condition, "n_pixels": 20_000, "channels": 8 * 2**level,
                        "r2": 1 - loss, "loss": loss, "alpha": 1.0,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


def _separation(study: FakeStudy, variant: str, seed: int) -> pd.DataFrame:
    """Features behind a block follow the prompt, trained or not; those before it and of a blind model say little."""
    rng = np.random.default_rng(_stable(variant, seed + 600))
    settings = [("trained", "condition"), ("untrained", "condition")]
    prompted = variant != "restormer"
    settings += [("random_prompt", "condition"), ("random_prompt", "told")] if prompted else []
    rows = []
    for layer in ("latent", "latent-perturbed") if prompted else ("latent",):
        for setting, by in settings:
            depends_on_prompt = layer != "latent" and (setting, by) != ("random_prompt", "condition")
            before = {"trained": 0.6, "untrained": 0.3}.get(setting, 0.6 if by == "condition" else 0.14)
            purity = float(
                np.clip(
                    (0.98 if depends_on_prompt else 0.14 if layer != "latent" else before) + rng.normal(0, 0.01), 0, 1
                )
            )
            rows.append(
                {
                    "setting": setting, "layer": layer, "by": by, "silhouette": purity - 0.2,
                    "silhouette_low": purity - 0.25, "silhouette_high": purity - 0.15, "purity": purity,
                    "purity_low": purity - 0.05, "purity_high": purity + 0.01, "chance": 0.14, "near": 10, "n_points": 168,
                }
            )  # fmt: skip
    return pd.DataFrame(rows)


def _routing(study: FakeStudy, variant: str, seed: int) -> pd.DataFrame:
    """The tasks share out four experts more evenly on the first router than on the second; which expert is luck."""
    rng = np.random.default_rng(_stable(variant, seed + 700))
    turn = int(rng.integers(4))
    rows = []
    for layer, max_share in (("encoder-1", 0.4), ("encoder-2", 0.85)):
        for condition in CONDITIONS:
            favourite = (TASKS.index(schema.task_of(condition)) + turn) % 4
            for expert in range(4):
                weight = max_share if expert == favourite else (1 - max_share) / 3
                rows.append(
                    {
                        "layer": layer, "condition": condition, "expert": expert + 1, "selected": weight,
                        "weight": weight, "n_images": 24,
                    }
                )  # fmt: skip
    return pd.DataFrame(rows)


_TABLES = {
    "prompts": _prompts,
    "levels": _levels,
    "mixed": _mixed,
    "precision": _precision,
    "order_moves": _order_moves,
    "interference": _interference,
    "separation": _separation,
    "information": _information,
    "routing": _routing,
}

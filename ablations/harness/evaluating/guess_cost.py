"""Restoring test images as a guess says, beside restoring them as the truth says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ablations.checkpoint_options import EvaluateOptions
from ablations.data import open_data
from ablations.harness.evaluate import as_tensor
from ablations.harness.evaluating.guess import Guesser, open_guesser
from ablations.harness.evaluating.released import Released
from datasets.bundle import EvalItem
from datasets.protocols import Protocol, score
from datasets.tasks import CONDITIONS, Condition
from reports.guess_costs import COLUMNS, summarize_guesses
from reports.schema import PSNR

AUTO, TRUTH = "auto", "true"


class GuessTrial:
    """Collects, image by image, what being told a guess costs a model.

    Args:
        released: a model that is told the degradation.
        guesser: names it.
        rules: the protocol that scores.

    Raises:
        ValueError: a model that is told nothing, or that serves nothing the classifier knows.
    """

    def __init__(self, released: Released, guesser: Guesser, rules: Protocol) -> None:
        require_told(released)
        self.released, self.guesser, self.rules = released, guesser, rules
        self.among = [condition for condition in guesser.conditions if released.serves(condition)]
        if not self.among:
            known = ", ".join(condition.name for condition in guesser.conditions)
            raise ValueError(f"--degradation auto: the classifier knows {known}, none of which {released.name} serves.")
        self.found: list[dict[str, Any]] = []

    def of(self, item: EvalItem, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Try the guess of one image.

        Args:
            item: the image.
            rows: its scores, told the truth, as in images.parquet.

        Returns:
            Its row of guesses.csv; the caller collects them in `found`.
        """
        (told,) = [row for row in rows if row["metric"] == PSNR]
        degraded = as_tensor(item.degraded)
        guess = self.guesser.guess(degraded.clamp(0, 1), self.among)
        psnr_db = told["value"]
        if guess.condition != item.condition:
            restored = self.released.restore(degraded, guess.condition)
            clean = as_tensor(item.clean).to(restored.device)
            # scored as the image's own task is: the guess changes what the model is told, not the rules
            psnr_db = float(score(restored, clean, self.rules, item.condition.task)[PSNR])
        return {
            "dataset": item.dataset,
            "image": item.name,
            "scene": item.scene,
            "condition": item.condition.name,
            "guessed": guess.condition.name,
            "confidence": guess.confidence,
            "psnr_db": told["value"],
            "psnr_guess_db": psnr_db,
            "input_psnr_db": told["input_value"],
        }

    def rows(self) -> pd.DataFrame:
        """One row an image, with the columns of `reports.guess_costs.COLUMNS`."""
        return pd.DataFrame(self.found, columns=list(COLUMNS)).astype(COLUMNS)

    def result(self) -> dict[str, Any]:
        """What the trial found, for JSON: costs, confusion, and what guessed."""
        return {
            "classifier": {
                "trained_on": self.guesser.data,
                "file": self.guesser.path.name,
                "share_right_on_its_own_test_images": self.guesser.accuracy,
            },
            **summarize_guesses(self.rows(), [condition.name for condition in self.among]),
        }


def require_told(released: Released) -> None:
    """Raise a ValueError for a model that is told nothing, which no guess can harm."""
    if released.code(_any_served(released), 1, released.device) is None:
        raise ValueError(
            f"--degradation auto: {released.name} is told nothing of the degradation, so a guess costs nothing; leave "
            "the option out."
        )


def _any_served(released: Released) -> Condition:
    return next(condition for condition in CONDITIONS if released.serves(condition))


def open_trial(options: EvaluateOptions, released: Released, rules: Protocol) -> GuessTrial:
    """The trial that the command line asks for, its classifier trained where it is not stored yet.

    Raises:
        ValueError: a model that is told nothing, or data that the classifier can't be trained on.
    """
    require_told(released)
    if options.guessing.guess_data == options.images.data and Path(options.images.data).is_dir():
        raise ValueError(
            f"--guess-data {options.images.data}: the classifier would be judged on the images that it learns from; "
            "name another folder, or leave the option out."
        )
    paper = options.guessing.guess_data == "paper"
    root, protocol = (options.images.root, "allinone") if paper else (None, "suite")
    _, bundle = open_data(options.guessing.guess_data, root=root, protocol=protocol)
    return GuessTrial(released, open_guesser(bundle, options.guessing.runs), rules)

"""Restoration conditioned on a predicted degradation, compared with the true degradation label."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ablations.checkpoint_options import EvaluateOptions
from ablations.data import open_data
from ablations.harness.evaluate import as_tensor
from ablations.harness.evaluating.degradation_classifier import DegradationClassifier, load_or_train_classifier
from ablations.harness.evaluating.pretrained import PretrainedModel
from datasets.bundle import EvalItem
from datasets.protocols import Protocol, score
from datasets.tasks import CONDITIONS, Condition
from reports.guesses import COLUMNS, summary
from reports.schema import PSNR

AUTO, TRUTH = "auto", "true"


class PredictionTrial:
    """Compares, image by image, restoration under the predicted and the true degradation.

    Args:
        pretrained: a model conditioned on the degradation.
        classifier: predicts it.
        rules: the protocol of the scores.

    Raises:
        ValueError: a blind model, or one that serves no condition of the classifier.
    """

    def __init__(self, pretrained: PretrainedModel, classifier: DegradationClassifier, rules: Protocol) -> None:
        require_conditioned(pretrained)
        self.pretrained, self.classifier, self.rules = pretrained, classifier, rules
        self.allowed_conditions = [condition for condition in classifier.conditions if pretrained.serves(condition)]
        if not self.allowed_conditions:
            names = ", ".join(condition.name for condition in classifier.conditions)
            raise ValueError(
                f"--degradation auto: the classifier knows {names}, none of which {pretrained.name} serves."
            )
        self.rows: list[dict[str, Any]] = []

    def evaluate(self, item: EvalItem, scores: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Restore one image under its predicted degradation, and score it.

        Args:
            item: the image.
            scores: its rows of images.parquet, under the true degradation.

        Returns:
            Its row of guesses.csv; the caller collects them in `rows`.
        """
        (true_row,) = [row for row in scores if row["metric"] == PSNR]
        degraded = as_tensor(item.degraded)
        prediction = self.classifier.predict(degraded.clamp(0, 1), self.allowed_conditions)
        predicted_psnr_db = true_row["value"]
        if prediction.condition != item.condition:
            restored = self.pretrained.restore(degraded, prediction.condition)
            clean = as_tensor(item.clean).to(restored.device)
            # scored by the true task's rules: the prediction changes the model's conditioning alone
            predicted_psnr_db = float(score(restored, clean, self.rules, item.condition.task)[PSNR])
        return {
            "dataset": item.dataset,
            "image": item.name,
            "scene": item.scene,
            "condition": item.condition.name,
            "guessed": prediction.condition.name,
            "confidence": prediction.confidence,
            "psnr_db": true_row["value"],
            "psnr_guess_db": predicted_psnr_db,
            "input_psnr_db": true_row["input_value"],
        }

    def table(self) -> pd.DataFrame:
        """One row an image, with the columns of `reports.guesses.COLUMNS`."""
        return pd.DataFrame(self.rows, columns=list(COLUMNS)).astype(COLUMNS)

    def summary_record(self) -> dict[str, Any]:
        """The trial's results for JSON: costs, confusion matrix, and the classifier."""
        return {
            "classifier": {
                "trained_on": self.classifier.data,
                "file": self.classifier.path.name,
                "share_right_on_its_own_test_images": self.classifier.accuracy,
            },
            **summary(self.table(), [condition.name for condition in self.allowed_conditions]),
        }


def require_conditioned(pretrained: PretrainedModel) -> None:
    """Raise a ValueError for a blind model, which no prediction can harm."""
    if pretrained.code(_any_served_condition(pretrained), 1, pretrained.device) is None:
        raise ValueError(
            f"--degradation auto: {pretrained.name} is told nothing of the degradation, so a guess costs nothing; "
            "leave the option out."
        )


def _any_served_condition(pretrained: PretrainedModel) -> Condition:
    return next(condition for condition in CONDITIONS if pretrained.serves(condition))


def open_prediction_trial(options: EvaluateOptions, pretrained: PretrainedModel, rules: Protocol) -> PredictionTrial:
    """The trial of `--degradation auto`; its classifier is trained where none is stored.

    Raises:
        ValueError: a blind model, or data that the classifier can't be trained on.
    """
    require_conditioned(pretrained)
    if options.guessing.guess_data == options.images.data and Path(options.images.data).is_dir():
        raise ValueError(
            f"--guess-data {options.images.data}: the classifier would be judged on the images that it learns from; "
            "name another folder, or leave the option out."
        )
    paper = options.guessing.guess_data == "paper"
    root, protocol = (options.images.root, "allinone") if paper else (None, "suite")
    _, bundle = open_data(options.guessing.guess_data, root=root, protocol=protocol)
    return PredictionTrial(pretrained, load_or_train_classifier(bundle, options.guessing.runs), rules)

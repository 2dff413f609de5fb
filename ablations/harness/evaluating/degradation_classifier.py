"""A small classifier that predicts an image's degradation.

The paper's model is conditioned on the true degradation label at test time. Where the label is unknown, this classifier
predicts it, and the output says so. It is trained on the training images of a `DataBundle` and tested on its test
images.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ablations.harness.evaluate import as_tensor
from datasets.bundle import DataBundle
from datasets.seeding import stable_seed
from datasets.tasks import Condition
from dfpir.checkpoint_file import WeightsError, read_tensors
from dfpir.weights import check_keys
from reports.files import write_bytes, write_json

VERSION = 1
"""Increased when the classifier or its training changes: stored classifiers of other versions are not reused."""

CLASSIFIER_FOLDER = "guess"
STEPS, PATCHES_PER_CONDITION, PATCH, LR = 350, 3, 64, 3e-3
VIEW_PX, VIEWS_PER_SIDE = 128, 4
RESIDUAL_GAIN = 4.0

Images = Float[Tensor, "b 3 h w"]


class ClassifierNetwork(nn.Module):
    """Network that classifies the degradation of patches from their pixels and their fine detail.

    The detail is the difference to a 3x3 mean, enlarged: noise, streaks and blur show there, haze and darkness in the
    pixels. The last layer sees mean and standard deviation over the patch, so that patches of any size will do.

    Args:
        classes: number of conditions.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = (6, 16, 32, 48)
        self.layers = nn.ModuleList(
            nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
            for in_channels, out_channels, stride in zip(widths[:-1], widths[1:], (1, 2, 2), strict=True)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(4, width) for width in widths[1:])
        self.head = nn.Linear(2 * widths[-1] + 12, classes)

    def forward(self, image: Images) -> Float[Tensor, "b classes"]:
        """Logits of the conditions for patches in [0, 1]."""
        blurred = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
        x = torch.cat([image, RESIDUAL_GAIN * (image - blurred)], dim=1)
        # the input's statistics go to the head as well: normalisation would hide how bright and noisy it is
        input_moments = _moments(x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        logits: Tensor = self.head(torch.cat([_moments(x), input_moments], dim=1))
        return logits


def _moments(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2"]:
    return torch.cat([x.mean(dim=(2, 3)), x.std(dim=(2, 3))], dim=1)


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The predicted condition of an image, and its probability."""

    condition: Condition
    confidence: float


@dataclass(frozen=True, kw_only=True)
class DegradationClassifier:
    """A trained classifier."""

    model: ClassifierNetwork  # in eval mode, on the CPU
    conditions: tuple[Condition, ...]  # of its outputs, in order
    data: str  # description of its training data
    confusion: dict[str, dict[str, int]]  # true condition -> predicted condition -> number of test images
    path: Path  # where it is stored

    @property
    def accuracy(self) -> float:
        """The share of the test images whose condition was predicted correctly."""
        correct = sum(row[name] for name, row in self.confusion.items())
        return correct / max(sum(sum(row.values()) for row in self.confusion.values()), 1)

    def predict(
        self, image: Float[Tensor, "1 3 h w"], allowed_conditions: Sequence[Condition] | None = None
    ) -> Prediction:
        """The most probable condition of an image in [0, 1], of any size.

        Args:
            image: the image.
            allowed_conditions: conditions to choose from; all of the classifier's by default.

        Raises:
            ValueError: the classifier has none of them.
        """
        return self.predict_views(split_into_views(image), allowed_conditions)

    def predict_views(
        self, views: Sequence[Images], allowed_conditions: Sequence[Condition] | None = None
    ) -> Prediction:
        """The same from crops of the image (`split_into_views`)."""
        allowed_rows = [
            i for i, c in enumerate(self.conditions) if allowed_conditions is None or c in allowed_conditions
        ]
        if not allowed_rows:
            names = ", ".join(c.name for c in self.conditions)
            raise ValueError(f"The guess knows {names}, none of which the model serves: name the --degradation.")
        with torch.inference_mode():
            scores = torch.stack([self.model(view)[0].log_softmax(0) for view in views]).mean(0)[allowed_rows]
        probabilities = scores.softmax(0)
        best = int(probabilities.argmax())
        return Prediction(condition=self.conditions[allowed_rows[best]], confidence=float(probabilities[best]))


def view_boxes(height: int, width: int) -> list[tuple[slice, slice]]:
    """Up to 4 x 4 squares of 128 pixels, spread evenly over an image; the image itself where it is smaller."""

    def spans(length: int) -> list[slice]:
        count = max(min(length // VIEW_PX, VIEWS_PER_SIDE), 1)
        side = min(length, VIEW_PX)
        starts = [(length - side) * i // max(count - 1, 1) if count > 1 else (length - side) // 2 for i in range(count)]
        return [slice(start, start + side) for start in starts]

    return [(rows, columns) for rows in spans(height) for columns in spans(width)]


def split_into_views(image: Float[Tensor, "1 3 h w"]) -> list[Images]:
    """The crops that a prediction averages over; an image of under 8 pixels a side is tiled to reach 8."""
    height, width = image.shape[-2:]
    if min(height, width) < 8:
        image = image.repeat(1, 1, -(-8 // height), -(-8 // width))
    return [image[..., rows, columns] for rows, columns in view_boxes(*image.shape[-2:])]


def load_or_train_classifier(bundle: DataBundle, runs: Path, *, steps: int = STEPS) -> DegradationClassifier:
    """The classifier for a bundle's conditions: loaded where it is stored, else trained, tested and stored.

    Stored as `<runs>/guess/<checksum>.safetensors` with its confusion matrix as `.json` beside it. Training takes
    about half a minute on one core and gives the same weights each time.

    Args:
        bundle: images; those of the test split only for the confusion matrix.
        runs: folder of all runs.
        steps: of training.
    """
    fingerprint = f"{stable_seed('guess', VERSION, steps, bundle.checksum):016x}"
    path = runs / CLASSIFIER_FOLDER / f"{fingerprint}.safetensors"
    stored = _load_stored(path, bundle)
    if stored is not None:
        return stored
    untested = DegradationClassifier(
        model=train_network(bundle, steps),
        conditions=bundle.conditions,
        data=bundle.description,
        confusion={},
        path=path,
    )
    classifier = replace(untested, confusion=confusion_matrix(untested, bundle))
    state = {name: tensor.contiguous() for name, tensor in classifier.model.state_dict().items()}
    write_bytes(path, safetensors.torch.save(state))
    write_json(path.with_suffix(".json"), {
        "schema": 1, "conditions": [condition.name for condition in bundle.conditions], "steps": steps,
        "parameters": sum(p.numel() for p in classifier.model.parameters()),
        "data": {"name": bundle.name, "checksum": bundle.checksum, "description": bundle.description},
        "accuracy": classifier.accuracy, "confusion": classifier.confusion,
    })  # fmt: skip
    return classifier


def train_network(bundle: DataBundle, steps: int = STEPS) -> ClassifierNetwork:
    """A network for the bundle's conditions, trained on patches of its training images; deterministic."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the order of sums, hence the weights, must not depend on the machine's cores
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stable_seed("guess weights"))
            model = ClassifierNetwork(len(bundle.conditions))
        optimizer = torch.optim.Adam(model.parameters(), lr=LR)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=LR, total_steps=steps)
        labels = torch.arange(len(bundle.conditions)).repeat(PATCHES_PER_CONDITION)
        for step in range(steps):
            seeds = [stable_seed("guess", step, row) for row in range(len(labels))]
            degraded, _ = bundle.batch([bundle.conditions[int(i)] for i in labels], seeds, PATCH)
            loss = F.cross_entropy(model(degraded), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        return model.eval()
    finally:
        torch.set_num_threads(threads)


def confusion_matrix(
    classifier: DegradationClassifier, bundle: DataBundle, limit: int | None = 100
) -> dict[str, dict[str, int]]:
    """True condition -> predicted condition -> number of test images, at most `limit` of a condition."""
    names = [condition.name for condition in classifier.conditions]
    counts = {true_name: dict.fromkeys(names, 0) for true_name in names}
    for condition in classifier.conditions:
        for item in bundle.eval_items("test", [condition], limit=limit):
            prediction = classifier.predict(as_tensor(item.degraded).clamp(0, 1))
            counts[condition.name][prediction.condition.name] += 1
    return counts


def _load_stored(path: Path, bundle: DataBundle) -> DegradationClassifier | None:
    """The stored classifier; None where there is none that can be used."""
    model = ClassifierNetwork(len(bundle.conditions))
    try:
        record: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        tensors = read_tensors(path)
        state = model.state_dict()
        expected_shapes, shapes = (
            {k: tuple(v.shape) for k, v in state_dict.items()} for state_dict in (state, tensors)
        )
        check_keys(expected_shapes, shapes, path)
        confusion = {
            str(true_name): {str(k): int(v) for k, v in row.items()} for true_name, row in record["confusion"].items()
        }
    except (OSError, ValueError, KeyError, AttributeError, TypeError, WeightsError):
        return None
    if list(confusion) != [condition.name for condition in bundle.conditions]:
        return None
    model.load_state_dict(tensors)
    return DegradationClassifier(
        model=model.eval(), conditions=bundle.conditions, data=bundle.description, confusion=confusion, path=path
    )

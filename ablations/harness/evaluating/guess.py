"""Guessing an image's degradation from its looks.

The paper's model is told the true degradation at test time. Where nobody knows it, a small classifier names it; what it
says is a guess and is labelled as one. It is trained on the training images of a `DataBundle` and judged on its test
images.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
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
from dfpir.checkpoint_file import read_tensors
from dfpir.weights import WeightsError, check_keys
from reports.files import write_bytes, write_json

VERSION = 1
"""Raised when the classifier or its training changes: what was stored before is not reused."""

FOLDER = "guess"
STEPS, PER_CONDITION, PATCH, LR = 350, 3, 64, 3e-3
VIEW_PX, VIEWS_A_SIDE = 128, 4
RESIDUAL_GAIN = 4.0

Images = Float[Tensor, "b 3 h w"]


class Classifier(nn.Module):
    """Names the degradation of patches from their pixels and their fine detail.

    The detail is the difference to a 3x3 mean, enlarged: noise, streaks and blur show there, haze and darkness in the
    pixels. Mean and spread over the patch are what the last layer sees, so patches of any size will do.

    Args:
        classes: number of conditions.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        widths = (6, 16, 32, 48)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, stride=stride, padding=1)
            for before, after, stride in zip(widths[:-1], widths[1:], (1, 2, 2), strict=True)
        )
        self.norms = nn.ModuleList(nn.GroupNorm(4, width) for width in widths[1:])
        self.head = nn.Linear(2 * widths[-1] + 12, classes)

    def forward(self, image: Images) -> Float[Tensor, "b classes"]:
        """Scores of the conditions, before the softmax, for patches in [0, 1]."""
        blurred = F.avg_pool2d(F.pad(image, (1, 1, 1, 1), mode="reflect"), 3, stride=1)
        x = torch.cat([image, RESIDUAL_GAIN * (image - blurred)], dim=1)
        # the plain statistics go to the head as well: normalisation inside would hide how bright and noisy it is
        plain = _moments(x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return self.head(torch.cat([_moments(x), plain], dim=1))


def _moments(x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c2"]:
    return torch.cat([x.mean(dim=(2, 3)), x.std(dim=(2, 3))], dim=1)


@dataclass(frozen=True, kw_only=True)
class Guess:
    """What the classifier takes an image for, and how sure it is (0 to 1): a guess, never the truth."""

    condition: Condition
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Guesser:
    """A trained classifier."""

    model: Classifier  # in eval mode, on the CPU
    conditions: tuple[Condition, ...]  # what its outputs stand for
    data: str  # of what it was trained on
    confusion: dict[str, dict[str, int]]  # true condition -> guessed condition -> test images
    path: Path  # where it is stored

    @property
    def accuracy(self) -> float:
        """Of the test images: the share whose condition was named."""
        right = sum(row[name] for name, row in self.confusion.items())
        return right / max(sum(sum(row.values()) for row in self.confusion.values()), 1)

    def guess(self, image: Float[Tensor, "1 3 h w"], among: Sequence[Condition] | None = None) -> Guess:
        """The likeliest condition of an image in [0, 1], of any size.

        Args:
            image: the image.
            among: conditions to choose from; all that the classifier knows by default.

        Raises:
            ValueError: it knows none of them.
        """
        return self.guess_views(views_of(image), among)

    def guess_views(self, views: Sequence[Images], among: Sequence[Condition] | None = None) -> Guess:
        """The same from parts of the image, `views_of` it."""
        allowed = [i for i, c in enumerate(self.conditions) if among is None or c in among]
        if not allowed:
            known = ", ".join(c.name for c in self.conditions)
            raise ValueError(f"The guess knows {known}, none of which the model serves: name the --degradation.")
        with torch.inference_mode():
            scores = torch.stack([self.model(view)[0].log_softmax(0) for view in views]).mean(0)[allowed]
        chances = scores.softmax(0)
        best = int(chances.argmax())
        return Guess(condition=self.conditions[allowed[best]], confidence=float(chances[best]))


def view_boxes(height: int, width: int) -> list[tuple[slice, slice]]:
    """Up to 4 x 4 squares of 128 pixels, spread evenly over an image; the image itself where it is smaller."""

    def places(length: int) -> list[slice]:
        count = max(min(length // VIEW_PX, VIEWS_A_SIDE), 1)
        side = min(length, VIEW_PX)
        starts = [(length - side) * i // max(count - 1, 1) if count > 1 else (length - side) // 2 for i in range(count)]
        return [slice(start, start + side) for start in starts]

    return [(rows, columns) for rows in places(height) for columns in places(width)]


def views_of(image: Float[Tensor, "1 3 h w"]) -> list[Images]:
    """The parts of an image that a guess looks at; an image of under 8 pixels a side is repeated to have them."""
    height, width = image.shape[-2:]
    if min(height, width) < 8:
        image = image.repeat(1, 1, -(-8 // height), -(-8 // width))
    return [image[..., rows, columns] for rows, columns in view_boxes(*image.shape[-2:])]


def open_guesser(bundle: DataBundle, runs: Path, *, steps: int = STEPS) -> Guesser:
    """The classifier for a bundle's conditions: read where it is stored, else trained, judged and stored.

    Stored as `<runs>/guess/<checksum>.safetensors` with its confusion matrix as `.json` beside it. Training takes
    about half a minute on one core and gives the same weights each time.

    Args:
        bundle: images; test images are only used to judge.
        runs: folder of all runs.
        steps: of training.
    """
    key = f"{stable_seed('guess', VERSION, steps, bundle.checksum):016x}"
    path = runs / FOLDER / f"{key}.safetensors"
    stored = _read(path, bundle)
    if stored is not None:
        return stored
    model = train_classifier(bundle, steps)
    found = Guesser(model=model, conditions=bundle.conditions, data=bundle.description, confusion={}, path=path)
    confusion = confusion_of(found, bundle)
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    names = [condition.name for condition in bundle.conditions]
    write_bytes(path, safetensors.torch.save(state))
    result = Guesser(model=model, conditions=bundle.conditions, data=bundle.description, confusion=confusion, path=path)
    write_json(path.with_suffix(".json"), {
        "schema": 1, "conditions": names, "steps": steps, "parameters": sum(p.numel() for p in model.parameters()),
        "data": {"name": bundle.name, "checksum": bundle.checksum, "description": bundle.description},
        "accuracy": result.accuracy, "confusion": confusion,
    })  # fmt: skip
    return result


def train_classifier(bundle: DataBundle, steps: int = STEPS) -> Classifier:
    """A classifier of the bundle's conditions, trained on patches of its training images, the same every time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the order of sums, hence the weights, must not depend on the machine's cores
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stable_seed("guess weights"))
            model = Classifier(len(bundle.conditions))
        optimizer = torch.optim.Adam(model.parameters(), lr=LR)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=LR, total_steps=steps)
        labels = torch.arange(len(bundle.conditions)).repeat(PER_CONDITION)
        for step in range(steps):
            seeds = [stable_seed("guess", step, row) for row in range(len(labels))]
            degraded, _ = bundle.batch([bundle.conditions[int(i)] for i in labels], seeds, PATCH)
            loss = F.cross_entropy(model(degraded), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
        return model.eval()
    finally:
        torch.set_num_threads(threads)


def confusion_of(guesser: Guesser, bundle: DataBundle, limit: int | None = 100) -> dict[str, dict[str, int]]:
    """True condition -> guessed condition -> test images, at most `limit` of a condition."""
    names = [condition.name for condition in guesser.conditions]
    table = {true: dict.fromkeys(names, 0) for true in names}
    for condition in guesser.conditions:
        for item in bundle.eval_items("test", [condition], limit=limit):
            found = guesser.guess(as_tensor(item.degraded).clamp(0, 1))
            table[condition.name][found.condition.name] += 1
    return table


def _read(path: Path, bundle: DataBundle) -> Guesser | None:
    """What is stored; None where nothing usable is, so that it is made again."""
    model = Classifier(len(bundle.conditions))
    try:
        record: dict[str, Any] = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        tensors = read_tensors(path)
        state = model.state_dict()
        expected, found = ({k: tuple(v.shape) for k, v in each.items()} for each in (state, tensors))
        check_keys(expected, found, path)
        confusion = {str(true): {str(k): int(v) for k, v in row.items()} for true, row in record["confusion"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError, WeightsError):
        return None
    if list(confusion) != [condition.name for condition in bundle.conditions]:
        return None
    model.load_state_dict(tensors)
    return Guesser(
        model=model.eval(), conditions=bundle.conditions, data=bundle.description, confusion=confusion, path=path
    )

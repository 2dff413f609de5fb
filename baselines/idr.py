"""IDR: degradations reformulated as mixtures of ingredients, a Restormer with knowledge of each on its skips.

Zhang, Huang, Yao, Yang, Yu, Zhou, Zhao, "Ingredient-Oriented Multi-Degradation Learning for Image Restoration", CVPR
2023. Parameter names are the released file's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.base import Images
from baselines.idr_parts import CLASSES, QUERIES, Knowledge, KnowledgeBlock, Labels, Mixer, Prediction
from baselines.registry import Baseline, configured, one_block_config, register, two_block_config
from baselines.restormer import RestormerUNet, Step, UNetConfig
from dfpir.layers import Features

STAGE_ONE_SHARE = 550 / 1200
SMOOTHING = 0.1
PREDICTION_WEIGHT = 0.01


@dataclass(frozen=True, kw_only=True)
class IDRConfig(UNetConfig):
    """Settings as released.

    Attributes:
        num_degra_queries: keys for each degradation.
    """

    dim: int = 30
    num_blocks: tuple[int, int, int, int] = (2, 3, 3, 4)
    num_refinement_blocks: int = 2
    num_degra_queries: int = QUERIES


@dataclass(kw_only=True)
class IDROutput:
    """What IDR computes: the image, and for each of the three levels an image of its own and a guess of the label."""

    degraded: Images
    labels: Labels | None
    knowledge: Knowledge
    image: Images = field(init=False)
    sides: list[Images] = field(default_factory=list)
    predictions: list[Prediction] = field(default_factory=list)


class IDR(RestormerUNet):
    """IDR, called as `model(image, code)`.

    Stage one learns keys for each degradation from its label; stage two mixes their principal directions by what each
    image shows, and is blind. A new model is in stage two, the one for restoring; `set_progress` leads training through
    both. `code` is (B,) int64 classes (noise, rain, haze, blur, low light), needed in stage one, not looked at in stage
    two.
    """

    config: IDRConfig

    def __init__(self, config: IDRConfig) -> None:
        super().__init__(config)
        self.stage_one = False

    def extra_modules(self, step: Step, level: int) -> Iterator[tuple[str, nn.Module]]:
        config = self.config
        if step == "embed":
            self.degra_key = nn.Parameter(torch.randn(CLASSES, config.num_degra_queries, config.channels(4)))
            yield "dmixer", Mixer(config.num_degra_queries)
        if step == "down":
            block = KnowledgeBlock(config.channels(level), config.channels(4), config.heads[level - 1])
            yield f"kdp_level{level}", block

    def before_step(self, step: Step, level: int, x: Features, context: IDROutput) -> Features:
        """See the base; what a level restores and guesses is kept in the context."""
        if step != "down":
            return x
        conditioning = context.knowledge, resized(context.degraded, x), context.labels
        x, side, prediction = self.get_submodule(f"kdp_level{level}")(x, *conditioning)
        context.sides.append(side)
        context.predictions.append(prediction)
        return x

    def set_progress(self, fraction: float) -> None:
        """Choose the stage by the share of training that is done: stage one for 550 of 1200 epochs."""
        self.stage_one = fraction < STAGE_ONE_SHARE

    def context(self, image: Images, code: Labels | None) -> IDROutput:
        """See the base.

        Raises:
            ValueError: no labels in stage one.
        """
        if not self.stage_one:
            return IDROutput(degraded=image, labels=None, knowledge=self.get_submodule("dmixer")(self.degra_key))
        if code is None:
            raise ValueError("IDR's first training stage needs code: each image's class, (B,) int64.")
        return IDROutput(degraded=image, labels=code, knowledge=Knowledge(keys=self.degra_key[code]))

    def restore(self, image: Images, labels: Labels | None = None) -> IDROutput:
        """As `forward`, with what the training losses need besides."""
        context = self.context(image, labels)
        context.image = self.restored(image, context)
        return context


def resized(image: Images, like: Tensor) -> Images:
    """The image at the size of `like`, bilinear with antialiasing."""
    if image.shape[-2:] == like.shape[-2:]:
        return image
    return F.interpolate(image, like.shape[-2:], mode="bilinear", antialias=True)


def side_loss(restored: IDROutput, clean: Images) -> Tensor:
    """Mean absolute errors of the three levels' own images, summed."""
    return torch.stack([F.l1_loss(side, resized(clean, side)) for side in restored.sides]).sum()


def objective(model: nn.Module, degraded: Images, clean: Images, code: Tensor | None) -> Tensor:
    """L1 of the image and of the levels' own images; in stage one + 0.01 x cross-entropy of the predicted classes."""
    idr = cast(IDR, model)
    restored = idr.restore(degraded, code)
    loss = F.l1_loss(restored.image, clean) + side_loss(restored, clean)
    if not idr.stage_one:
        return loss
    targets = F.one_hot(cast(Tensor, code), CLASSES).to(degraded.dtype)
    # the true class keeps 0.9, the others share 0.1
    targets = targets * (1 - SMOOTHING) + (1 - targets) * SMOOTHING / (CLASSES - 1)
    entropies = [-(p.flatten(1).log() * targets).sum(1).mean() for p in restored.predictions]
    return loss + PREDICTION_WEIGHT * torch.stack(entropies).sum()


register(
    Baseline(
        name="idr",
        probed="latent",
        label="IDR",
        make=configured(IDR, IDRConfig),
        fixed={
            "bias": False,
            "LayerNorm_type": "WithBias",
            "keep_degra": 48,
            "degra_type": CLASSES,
            "ops_type": CLASSES,
            "sam": True,
            "pred": True,
        },
        paper="Ingredient-Oriented Multi-Degradation Learning for Image Restoration, CVPR 2023",
        licence="MIT",
        multiple_of=8,
        needs="label",
        notes="Blind when it restores; given the class in the first 550 of 1200 epochs of training. Its paper's table "
        "says 15.34 M parameters, the released configuration has 12.262 M.",
        params_m_published=12.262,
        gmacs_published=90.8,
        objective=objective,
        demo=one_block_config(6),
        small=one_block_config(8),
        quick=two_block_config(16),
    )
)

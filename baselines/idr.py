"""IDR: degradations reformulated as mixtures of ingredients, a Restormer with knowledge of each on its skips.

Zhang, Huang, Yao, Yang, Yu, Zhou, Zhao, "Ingredient-Oriented Multi-Degradation Learning for Image Restoration", CVPR
2023. Parameter names are the released file's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.idr_parts import CLASSES, QUERIES, Knowledge, KnowledgeBlock, Labels, Mixer, Prediction
from baselines.registry import Baseline, register
from baselines.restormer_parts import Down, Features, Images, PatchEmbed, Up, conv1, conv3, stage

STAGE_ONE_SHARE = 550 / 1200
SMOOTHING = 0.1
PREDICTION_WEIGHT = 0.01
SWITCHES: dict[str, bool | int | str] = {
    "bias": False,
    "LayerNorm_type": "WithBias",
    "keep_degra": 48,
    "degra_type": CLASSES,
    "ops_type": CLASSES,
    "sam": True,
    "pred": True,
}
"""Settings of the released code that its configuration names; no other values of them were published."""


@dataclass(frozen=True)
class Restored:
    """What IDR computes: the image, and for each of the three levels an image of its own and a guess of the label."""

    image: Images
    sides: Sequence[Images]
    predictions: Sequence[Prediction]


class IDR(nn.Module):
    """IDR, called as `model(image, code)`.

    Stage one learns keys for each degradation from its label; stage two mixes their principal directions by what each
    image shows, and is blind. A new model is in stage two, the one for restoring; `set_progress` leads training through
    both.

    Args:
        dim: channels of the first level.
        num_blocks: transformer blocks on each level.
        num_refinement_blocks: blocks after the decoder.
        heads: attention heads on each level.
        ffn_expansion_factor: hidden width of the feed-forward networks over their input width.
        num_degra_queries: keys for each degradation.
        bias: of Restormer's convolutions. This and what follows are the released code's switches, see `SWITCHES`.
        LayerNorm_type: of all norms.
        keep_degra: read by the released code, used for nothing.
        degra_type: degradations with keys.
        ops_type: degradations to predict.
        sam: each level restores an image of its own.
        pred: each level predicts the degradation.

    Raises:
        ValueError: a switch that is not as published.
    """

    def __init__(
        self,
        dim: int = 30,
        num_blocks: Sequence[int] = (2, 3, 3, 4),
        num_refinement_blocks: int = 2,
        heads: Sequence[int] = (1, 2, 4, 8),
        ffn_expansion_factor: float = 2.66,
        num_degra_queries: int = QUERIES,
        bias: bool = False,
        LayerNorm_type: str = "WithBias",
        keep_degra: int = 48,
        degra_type: int = CLASSES,
        ops_type: int = CLASSES,
        sam: bool = True,
        pred: bool = True,
    ) -> None:
        super().__init__()
        given = (bias, LayerNorm_type, keep_degra, degra_type, ops_type, sam, pred)
        for (name, published), value in zip(SWITCHES.items(), given, strict=True):
            if value != published:
                raise ValueError(f"{name}={value!r}: IDR was published with {name}={published!r} only.")
        wide = [dim, 2 * dim, 4 * dim, 8 * dim]
        grow, add = ffn_expansion_factor, self.add_module
        self.stage_one = False
        self.degra_key = nn.Parameter(torch.randn(CLASSES, num_degra_queries, wide[3]))
        self.dmixer = Mixer(num_degra_queries)
        self.patch_embed = PatchEmbed(3, dim)
        for level in (1, 2, 3):
            here, below, blocks = wide[level - 1], wide[level], num_blocks[level - 1]
            add(f"encoder_level{level}", stage(here, heads[level - 1], grow, blocks))
            add(f"kdp_level{level}", KnowledgeBlock(here, wide[3], heads[level - 1]))
            add(f"down{level}_{level + 1}", Down(here))
            add(f"up{level + 1}_{level}", Up(below))
            add(f"decoder_level{level}", stage(wide[max(level - 1, 1)], heads[level - 1], grow, blocks))
        self.latent = stage(wide[3], heads[3], grow, num_blocks[3])
        self.reduce_chan_level3 = conv1(wide[3], wide[2])
        self.reduce_chan_level2 = conv1(wide[2], wide[1])
        self.refinement = stage(wide[1], heads[0], grow, num_refinement_blocks)
        self.output = conv3(wide[1], 3)

    def set_progress(self, fraction: float) -> None:
        """Choose the stage by the share of training that is done: stage one for 550 of 1200 epochs."""
        self.stage_one = fraction < STAGE_ONE_SHARE

    def forward(self, image: Images, code: Labels | None = None) -> Images:
        """Restore images.

        Args:
            image: (B, 3, H, W) in [0, 1], H and W multiples of 8.
            code: (B,) int64 classes (noise, rain, haze, blur, low light), needed in stage one, not looked at in stage
                two.
        """
        return self.restore(image, code).image

    def restore(self, image: Images, labels: Labels | None = None) -> Restored:
        """As `forward`, with what the training losses need besides.

        Raises:
            ValueError: no labels in stage one.
        """
        if not self.stage_one:
            labels, knowledge = None, self.dmixer(self.degra_key)
        elif labels is None:
            raise ValueError("IDR's first training stage needs code: each image's class, (B,) int64.")
        else:
            knowledge = Knowledge(keys=self.degra_key[labels])
        x = self.patch_embed(image)
        skips: list[Features] = []
        sides: list[Images] = []
        predictions: list[Prediction] = []
        for level in (1, 2, 3):
            x = self.get_submodule(f"encoder_level{level}")(x)
            block = self.get_submodule(f"kdp_level{level}")
            x, side, prediction = block(x, knowledge, resized(image, x), labels)
            skips.append(x)
            sides.append(side)
            predictions.append(prediction)
            x = self.get_submodule(f"down{level}_{level + 1}")(x)
        return Restored(self._decoded(self.latent(x), skips) + image, sides, predictions)

    def _decoded(self, x: Features, skips: Sequence[Features]) -> Images:
        for level in (3, 2, 1):
            x = torch.cat([self.get_submodule(f"up{level + 1}_{level}")(x), skips[level - 1]], dim=1)
            if level > 1:
                x = self.get_submodule(f"reduce_chan_level{level}")(x)
            x = self.get_submodule(f"decoder_level{level}")(x)
        return self.output(self.refinement(x))


def resized(image: Images, like: Tensor) -> Images:
    """The image at the size of `like`, bilinear with antialiasing."""
    if image.shape[-2:] == like.shape[-2:]:
        return image
    return F.interpolate(image, like.shape[-2:], mode="bilinear", antialias=True)


def side_loss(restored: Restored, clean: Images) -> Tensor:
    """Mean absolute errors of the three levels' own images, summed."""
    return torch.stack([F.l1_loss(side, resized(clean, side)) for side in restored.sides]).sum()


def objective(model: nn.Module, degraded: Images, clean: Images, code: Tensor | None) -> Tensor:
    """L1 of the image and of the levels' own images; in stage one + 0.01 x cross-entropy of the predicted classes.

    Args:
        model: an IDR.
        degraded: (B, 3, H, W).
        clean: (B, 3, H, W).
        code: (B,) int64 classes, needed in stage one.
    """
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
        label="IDR",
        make=IDR,
        paper="Ingredient-Oriented Multi-Degradation Learning for Image Restoration, CVPR 2023",
        year=2023,
        licence="MIT",
        multiple_of=8,
        needs="label",
        notes="Blind when it restores; told the class in the first 550 of 1200 epochs of training. Its paper's table "
        "says 15.34 M parameters, the released configuration has 12.262 M.",
        params_m_published=12.262,
        gmacs_published=90.8,
        objective=objective,
        demo={"dim": 6, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1},
        small={"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1},
        quick={"dim": 16, "num_blocks": (1, 2, 2, 2), "num_refinement_blocks": 1},
    )
)

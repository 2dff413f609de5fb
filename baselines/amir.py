"""AMIR: Restormer whose encoder routes pixels to experts and whose decoder gates channels, by a vector of the image.

Yang et al., "All-In-One Medical Image Restoration via Task-Adaptive Routing", MICCAI 2024.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from baselines.amir_routing import ChannelRouting, ExpertMixture, RoutingInstruction, SpatialRouting
from baselines.registry import Baseline, register
from baselines.restormer_parts import Down, Features, Images, PatchEmbed, Up, conv1, conv3, stage

BALANCE_WEIGHT = 0.001


class AMIR(nn.Module):
    """Four-level U-Net of Restormer with hard routing on each level. Any `code` is ignored.

    Image (B, 3, H, W), RGB in [0, 1], sides multiples of 8, 16 or more, to the same shape.

    Args:
        inp_channels: 3; the released model for medical images has 1.
        out_channels: 3, too.
        dim: channels of the first level.
        num_blocks: transformer blocks on each level.
        num_refinement_blocks: blocks after the decoder.
        heads: attention heads on each level.
        ffn_expansion_factor: hidden width of the feed-forward networks and of the experts over their input width.
        noisy_gating: whether training draws noise for the experts' scores, as released.

    Raises:
        ValueError: channels other than an RGB image's.
    """

    patch_embed: nn.Module
    latent: nn.Module
    refinement: nn.Module
    output: nn.Module

    def __init__(
        self,
        *,
        inp_channels: int = 3,
        out_channels: int = 3,
        dim: int = 42,
        num_blocks: tuple[int, int, int, int] = (5, 7, 7, 9),
        num_refinement_blocks: int = 4,
        heads: tuple[int, int, int, int] = (1, 2, 4, 8),
        ffn_expansion_factor: float = 2.66,
        noisy_gating: bool = True,
    ) -> None:
        super().__init__()
        for key, value in (("inp_channels", inp_channels), ("out_channels", out_channels)):
            if value != 3:
                raise ValueError(f"{key}={value!r} is not provided. One of: 3 (images are RGB).")
        wide, grow = [dim, 2 * dim, 4 * dim, 8 * dim], ffn_expansion_factor
        self.patch_embed = PatchEmbed(3, dim)
        self.dict_generator = RoutingInstruction()
        for level in (1, 2, 3):
            add, channels = self.add_module, wide[level - 1]
            routing = SpatialRouting(channels, grow, noisy=noisy_gating)
            routing.moe.layer = f"encoder-{level}"
            add(f"spatial_routing_encoder_level{level}", routing)
            add(f"encoder_level{level}", stage(channels, heads[level - 1], grow, num_blocks[level - 1]))
            add(f"down{level}_{level + 1}", Down(channels))
            decoded = wide[max(level - 1, 1)]  # the highest level keeps the channels of its skip beside its own
            add(f"up{level + 1}_{level}", Up(wide[level]))
            add(f"channel_routing_decoder_level{level}", ChannelRouting(decoded))
            add(f"decoder_level{level}", stage(decoded, heads[level - 1], grow, num_blocks[level - 1]))
        self.channel_routing_latent = ChannelRouting(wide[3])
        self.latent = stage(wide[3], heads[3], grow, num_blocks[3])
        self.reduce_chan_level3 = conv1(wide[3], wide[2])
        self.reduce_chan_level2 = conv1(wide[2], wide[1])
        self.refinement = stage(wide[1], heads[0], grow, num_refinement_blocks)
        self.output = conv3(wide[1], 3)

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        """See the class."""
        vector = self.dict_generator(image)
        x = self.patch_embed(image)
        skips: list[Features] = []
        for level in (1, 2, 3):
            x = self.get_submodule(f"spatial_routing_encoder_level{level}")(x, vector)
            x = self.get_submodule(f"encoder_level{level}")(x)
            skips.append(x)
            x = self.get_submodule(f"down{level}_{level + 1}")(x)
        x = self.latent(self.channel_routing_latent(x, vector))
        for level in (3, 2, 1):
            x = torch.cat([self.get_submodule(f"up{level + 1}_{level}")(x), skips[level - 1]], dim=1)
            if level > 1:
                x = self.get_submodule(f"reduce_chan_level{level}")(x)
            x = self.get_submodule(f"channel_routing_decoder_level{level}")(x, vector)
            x = self.get_submodule(f"decoder_level{level}")(x)
        return self.output(self.refinement(x)) + image

    def balance_loss(self) -> Tensor:
        """How unevenly the last training batch used the experts, summed over the levels.

        Raises:
            RuntimeError: the last call was in evaluation mode, which keeps no loss.
        """
        losses = [module.balance for module in self.modules() if isinstance(module, ExpertMixture)]
        kept = [loss for loss in losses if loss is not None]
        if len(kept) != len(losses):
            raise RuntimeError("No balance loss: call the model in training mode first.")
        return torch.stack(kept).sum()


def amir_loss(model: Any, degraded: Tensor, clean: Tensor, code: Tensor | None) -> Tensor:
    """Mean absolute error plus 0.001 times the balance loss."""
    error = (model(degraded, code) - clean).abs().mean()
    return error + BALANCE_WEIGHT * model.balance_loss() if model.training else error


register(
    Baseline(
        name="amir",
        make=AMIR,
        paper="All-In-One Medical Image Restoration via Task-Adaptive Routing, MICCAI 2024",
        year=2024,
        licence="Apache-2.0",
        multiple_of=8,
        min_size=16,
        notes="Blind. Hard routing: two of four experts a pixel. Published for medical images of one channel; here the "
        "first and last convolution and the routing vector's take RGB. Most likely what DFPIR's paper calls MedIR.",
        params_m_published=23.544,
        objective=amir_loss,
        whole_batch="gating noise and the balance of its experts are of the batch",
        demo={"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1},
        small={"dim": 12, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1},
        quick={"dim": 26, "num_blocks": (1, 2, 2, 2), "num_refinement_blocks": 1},
    )
)

"""SwinIR from the library spandrel (MIT): windowed self-attention in residual groups.

Liang, Cao, Sun, Zhang, Van Gool, Timofte, "SwinIR: Image Restoration Using Swin Transformer", ICCV Workshops 2021.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module

from torch import Tensor, nn

from baselines.base import Images
from baselines.losses import charbonnier
from baselines.registry import Baseline, configured, register, require_extra


@dataclass(frozen=True, kw_only=True)
class SwinIRConfig:
    """Settings as released; the defaults are the small model that all-in-one comparisons train (0.905 M parameters).

    Attributes:
        img_size: training patch; only sets the size of stored attention masks.
        window_size: side of an attention window.
        depths: layers in each residual group.
        embed_dim: channels.
        num_heads: attention heads in each group.
        mlp_ratio: hidden width of the feed-forward network over its input width.
        img_range: largest value of the image.
        resi_connection: convolution after each group, `1conv` or `3conv`.
    """

    img_size: int = 64
    window_size: int = 8
    depths: Sequence[int] = (6, 6, 6, 6)
    embed_dim: int = 60
    num_heads: Sequence[int] = (6, 6, 6, 6)
    mlp_ratio: float = 2
    img_range: float = 1.0
    resi_connection: str = "1conv"


_SAME_SIZE = {"upscale": 1, "upsampler": "", "in_chans": 3}


class SwinIR(nn.Module):
    """SwinIR at the size of its input. Any `code` is ignored; released names are those of `network`.

    Image (B, 3, H, W), RGB in [0, 1], sides multiples of the window, to the same shape. In training it drops residual
    paths at random, from torch's global generator.

    Raises:
        MissingExtraError: spandrel is not installed.
    """

    def __init__(self, config: SwinIRConfig) -> None:
        super().__init__()
        require_extra("spandrel", "SwinIR")
        library = import_module("spandrel.architectures.SwinIR")
        lists = {"depths": list(config.depths), "num_heads": list(config.num_heads)}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="torch.meshgrid")  # the library's, at construction only
            self.network: nn.Module = library.SwinIR(**_SAME_SIZE, **(vars(config) | lists))

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        out: Tensor = self.network(image)
        return out


def swinir_loss(model: nn.Module, degraded: Tensor, clean: Tensor, code: Tensor | None) -> Tensor:
    """Charbonnier loss, the paper's for denoising (section 3.1)."""
    return charbonnier(model(degraded, code), clean)


register(
    Baseline(
        name="swinir",
        probed="network.conv_after_body",
        label="SwinIR",
        make=configured(SwinIR, SwinIRConfig),
        fixed=_SAME_SIZE,
        paper="SwinIR: Image Restoration Using Swin Transformer, ICCV Workshops 2021",
        licence="Apache-2.0; spandrel, which supplies the model, is MIT",
        multiple_of=8,
        notes="Blind. The small model of all-in-one comparisons; the released colour denoiser has embed_dim=180, six "
        "groups of six layers and six heads (11.504 M).",
        params_m_published=0.905,
        gmacs_published=68,
        objective=swinir_loss,
        extra="spandrel",
        demo={"embed_dim": 48, "depths": (4, 4, 4), "num_heads": (6, 6, 6)},
        small={"embed_dim": 60, "depths": (4, 4, 4, 4), "num_heads": (6, 6, 6, 6)},
        quick={"embed_dim": 120, "depths": (6, 6, 6, 6), "num_heads": (6, 6, 6, 6)},
    )
)

"""AirNet: restoration guided by a degradation representation learned by contrast, blind to the type.

Li, Liu, Hu, Wu, Lv, Peng, "All-in-One Image Restoration for Unknown Corruption", CVPR 2022. Parameter names are the
released file's. Images are RGB in [0, 1]; features keep the image's size throughout, so that any size fits.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from baselines.base import Images
from baselines.layers import conv3
from baselines.registry import Baseline, register
from dfpir.layers import Features

WIDTH, CODE_WIDTHS = 64, 4
QUEUE_PER_IMAGE = 256
SLOPE = 0.1
TEMPERATURE, MOMENTUM = 0.07, 0.999
CONTRAST_WEIGHT = 0.1
WARM_UP_SHARE = 100 / 1000

Codes = Float[Tensor, "b d"]


class _ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation beside a 1x1 one, LeakyReLU after their sum."""

    def __init__(self, count_in: int, count_out: int, stride: int) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(count_in, count_out, 3, stride, 1, bias=False),
            nn.BatchNorm2d(count_out),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(count_out, count_out, 3, 1, 1, bias=False),
            nn.BatchNorm2d(count_out),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(count_in, count_out, 1, stride, bias=False), nn.BatchNorm2d(count_out))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(self.backbone(x) + self.shortcut(x), SLOPE)


class _Encoder(nn.Module):
    """Degradation encoder (section 3.2): a map at full size that guides restoration, and a code for contrast."""

    def __init__(self, width: int) -> None:
        super().__init__()
        code = CODE_WIDTHS * width
        self.E_pre = _ResidualBlock(3, width, 1)
        self.E = nn.Sequential(
            _ResidualBlock(width, 2 * width, 2), _ResidualBlock(2 * width, code, 2), nn.AdaptiveAvgPool2d(1)
        )
        self.mlp = nn.Sequential(nn.Linear(code, code), nn.LeakyReLU(SLOPE), nn.Linear(code, code))

    def code(self, guide: Features) -> Codes:
        """The unit vector that stands for the degradation in the contrastive loss."""
        return F.normalize(self.mlp(self.E(guide).flatten(1)), dim=1)


class _MomentumContrast(nn.Module):
    """MoCo: a query encoder, a slowly following key encoder, and a queue of earlier keys as negatives (equation 3).

    Args:
        width: of the features.
        queue_size: number of stored keys.
    """

    training_only = ("queue",)
    """Buffers that restoring does not use: their size, 256 keys times the batch of training, may be another's."""

    queue: Float[Tensor, "d k"]
    queue_ptr: Tensor

    def __init__(self, width: int, queue_size: int) -> None:
        super().__init__()
        self.encoder_q, self.encoder_k = _Encoder(width), _Encoder(width)
        self.encoder_k.load_state_dict(self.encoder_q.state_dict())
        self.encoder_k.requires_grad_(False)
        self.register_buffer("queue", F.normalize(torch.randn(CODE_WIDTHS * width, queue_size), dim=0))
        self.register_buffer("queue_ptr", torch.zeros(1, dtype=torch.long))

    def logits(self, query: Codes, key_view: Images) -> Float[Tensor, "b n"]:
        """Similarities of each query with its own key (first) and with the queue; then the keys join the queue."""
        with torch.no_grad():
            self._update_key_encoder()
            keys = self.encoder_k.code(self.encoder_k.E_pre(key_view))
        positive = (query * keys).sum(1, keepdim=True)
        negatives = query @ self.queue.clone()  # the queue is overwritten below, before the backward pass
        self._enqueue(keys)
        return torch.cat([positive, negatives], dim=1) / TEMPERATURE

    def _update_key_encoder(self) -> None:
        for key, query in zip(self.encoder_k.parameters(), self.encoder_q.parameters(), strict=True):
            key.lerp_(query, 1 - MOMENTUM)

    @torch.no_grad()
    def _enqueue(self, keys: Codes) -> None:
        # a last, smaller batch may reach past the end of the queue: the rest of it starts over at the front
        places = (self.queue_ptr + torch.arange(len(keys), device=keys.device)) % self.queue.shape[1]
        self.queue[:, places] = keys.T.to(self.queue.dtype)
        self.queue_ptr.add_(len(keys)).remainder_(self.queue.shape[1])


def deformable_conv_by_sampling(
    x: Features, offset: Float[Tensor, "b 18 h w"], weight: Float[Tensor, "o i 3 3"], mask: Float[Tensor, "b 9 h w"]
) -> Features:
    """Modulated deformable 3x3 convolution by bilinear sampling and a 1x1 one (Zhu et al., CVPR 2019, equation 1).

    Equal to torchvision's but for rounding. Its CPU kernel takes about six times as long, most of it backward.
    """
    batch, channels, height, width = x.shape
    precise = x.to(torch.promote_types(x.dtype, torch.float32))  # bfloat16 can't tell the pixels' places apart
    taps = torch.arange(-1, 2).to(precise)
    step_y, step_x = torch.cartesian_prod(taps, taps).T[..., None, None]
    dy, dx = offset.view(batch, 9, 2, height, width).unbind(2)
    rows = torch.arange(height).to(precise)[:, None] + step_y + dy
    columns = torch.arange(width).to(precise) + step_x + dx
    # pixel centres to grid_sample's coordinates, whose -1 and 1 are the outer edges
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    sampled = F.grid_sample(precise, grid.flatten(1, 2), padding_mode="zeros", align_corners=False).to(x.dtype)
    weighted = sampled.view(batch, channels, 9, height, width) * mask.unsqueeze(1)
    return F.conv2d(weighted.flatten(1, 2), weight.flatten(1)[..., None, None])


class _DeformableConv(nn.Module):
    """Modulated deformable 3x3 convolution whose offsets and masks see the features and the degradation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        from torchvision.ops import deform_conv2d  # type: ignore[import-untyped]  # 90 MB: for its models alone

        self._deformable = deform_conv2d
        self.weight = nn.Parameter(torch.empty(width, width, 3, 3))
        self.conv_offset_mask = conv3(2 * width, 27, bias=True)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Starts as a plain convolution: offsets zero, masks one half."""
        bound = (len(self.weight) * 9) ** -0.5
        nn.init.uniform_(self.weight, -bound, bound)
        nn.init.zeros_(self.conv_offset_mask.weight)
        assert self.conv_offset_mask.bias is not None
        nn.init.zeros_(self.conv_offset_mask.bias)

    def forward(self, x: Features, guide: Features) -> Features:
        offset, mask = self.conv_offset_mask(torch.cat([x, guide], dim=1)).split([18, 9], dim=1)
        mask = mask.sigmoid()
        if x.device.type == "cpu":
            return deformable_conv_by_sampling(x, offset, self.weight, mask)
        out: Tensor = self._deformable(x, offset, self.weight, padding=1, mask=mask)
        return out


def _pointwise_pair(width: int) -> nn.Sequential:
    one, two = (nn.Conv2d(width, width, 1, bias=False) for _ in range(2))
    return nn.Sequential(one, nn.LeakyReLU(SLOPE), two)


class _Modulation(nn.Module):
    """Spatial feature transform: a scale and a shift for each feature, from the degradation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_gamma, self.conv_beta = _pointwise_pair(width), _pointwise_pair(width)

    def forward(self, x: Features, guide: Features) -> Features:
        out: Tensor = x * self.conv_gamma(guide) + self.conv_beta(guide)
        return out


class _GuidedModule(nn.Module):
    """DGM (section 3.3): x + deformable convolution + modulation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dcn, self.sft = _DeformableConv(width), _Modulation(width)

    def forward(self, x: Features, guide: Features) -> Features:
        out: Tensor = x + self.dcn(x, guide) + self.sft(x, guide)
        return out


class _GuidedBlock(nn.Module):
    """DGB: DGM, convolution, DGM, convolution, with a LeakyReLU after each but the last; residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dgm1, self.dgm2 = _GuidedModule(width), _GuidedModule(width)
        self.conv1, self.conv2 = conv3(width, width, bias=True), conv3(width, width, bias=True)

    def forward(self, x: Features, guide: Features) -> Features:
        out = F.leaky_relu(self.dgm1(x, guide), SLOPE)
        out = F.leaky_relu(self.conv1(out), SLOPE)
        out = F.leaky_relu(self.dgm2(out, guide), SLOPE)
        result: Tensor = x + self.conv2(out)
        return result


class _GuidedGroup(nn.Module):
    """DGG: blocks and a convolution; residual."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.body = nn.ModuleList([*(_GuidedBlock(width) for _ in range(blocks)), conv3(width, width, bias=True)])

    def forward(self, x: Features, guide: Features) -> Features:
        return x + _run(self.body, x, guide)


def _run(body: nn.ModuleList, x: Features, guide: Features) -> Features:
    *guided, last = body
    for module in guided:
        x = module(x, guide)
    out: Tensor = last(x)
    return out


class _Restorer(nn.Module):
    """DGRN: the restoration network, with a residual around its body but none from the image."""

    def __init__(self, width: int, groups: int, blocks: int) -> None:
        super().__init__()
        self.head = nn.Sequential(conv3(3, width, bias=True))
        self.body = nn.ModuleList(_GuidedGroup(width, blocks) for _ in range(groups))
        self.body.append(conv3(width, width, bias=True))
        self.tail = nn.Sequential(conv3(width, 3, bias=True))

    def forward(self, image: Images, guide: Features) -> Images:
        x = self.head(image)
        out: Tensor = self.tail(x + _run(self.body, x, guide))
        return out


class AirNet(nn.Module):
    """AirNet, called as `model(image)`; only its training objective asks for a second view.

    Training has two stages (the released code's `epochs_encoder`): first the encoder alone learns to separate
    degradations, then everything learns to restore. A new model is in the second; `set_progress` leads through both.

    Args:
        batch_size: of training; the queue of the released checkpoints holds 256 keys for each (all-in-one: 5, noise: 3,
            rain and haze: 1).
        n_groups: degradation-guided groups.
        n_blocks: blocks in each.
        width: channels of the features, 64 as published; the contrasted codes are four times as long.
    """

    def __init__(self, batch_size: int = 5, n_groups: int = 5, n_blocks: int = 5, width: int = WIDTH) -> None:
        super().__init__()
        self.encoder_alone = False
        self.R = _Restorer(width, n_groups, n_blocks)
        # CBDE, the contrastive degradation encoder; the released names have this level
        self.E = nn.ModuleDict({"E": _MomentumContrast(width, QUEUE_PER_IMAGE * batch_size)})

    @property
    def _encoder(self) -> _MomentumContrast:
        return cast(_MomentumContrast, self.E["E"])

    def set_progress(self, fraction: float) -> None:
        """Choose the stage by the share of training that is done: the encoder alone for 100 of 1000 epochs."""
        self.encoder_alone = fraction < WARM_UP_SHARE

    def forward(self, image: Images, code: Tensor | None = None) -> Images:
        """Restore images of any size; `code` is not looked at."""
        out: Tensor = self.R(image, self._encoder.encoder_q.E_pre(image))
        return out

    def contrast(self, image: Images, view: Images | None = None) -> tuple[Features, Float[Tensor, "b n"]]:
        """The encoder's pass in training: the features that guide restoration, and similarities.

        Args:
            image: the view to restore.
            view: another crop of the same degraded images, of any size. Without one the two halves of `image` are
                contrasted, which share a degradation but no pixels.

        Returns:
            (B, C, H, W), and (B, 1 + queue), whose first column should win.
        """
        encoder = self._encoder.encoder_q
        guide = encoder.E_pre(image)
        if view is None:
            half = image.shape[-1] // 2
            query, view = encoder.code(guide[..., :half]), image[..., half:]
        else:
            query = encoder.code(guide)
        return guide, self._encoder.logits(query, view)


def objective(model: nn.Module, degraded: Images, clean: Images, code: Tensor | None) -> Tensor:
    """Mean absolute error + 0.1 x contrastive cross-entropy (equations 1, 3); in the first stage the latter alone."""
    airnet = cast(AirNet, model)
    guide, logits = airnet.contrast(degraded, code)
    labels = torch.zeros(len(logits), dtype=torch.long, device=logits.device)
    contrast = F.cross_entropy(logits, labels)
    if airnet.encoder_alone:
        return contrast
    return F.l1_loss(airnet.R(degraded, guide), clean) + CONTRAST_WEIGHT * contrast


register(
    Baseline(
        name="airnet",
        probed="R.body.-1",
        label="AirNet",
        make=AirNet,
        paper="All-in-One Image Restoration for Unknown Corruption, CVPR 2022",
        licence="none stated",
        needs="view",
        notes="Blind. 7.610 M of the parameters are trained, the rest is the momentum encoder. Its encoder is trained "
        "alone, by contrast, for the first tenth of the steps, as released; there at ten times the later rate, here at "
        "the budget's. Multiply-adds: 301 G, and about 121 G in deformable convolutions, which most counters "
        "miss.",
        params_m_published=8.930,
        gmacs_published=422.0,
        objective=objective,
        whole_batch="batch normalisation and the contrast with other samples look at all of it",
        demo={"n_groups": 1, "n_blocks": 2, "width": 24},
        small={"n_groups": 2, "n_blocks": 2, "width": 32},
        quick={"batch_size": 10, "n_groups": 3, "n_blocks": 3},
    )
)

"""PReNet: a small recurrent deraining network with known results, here to prove the protocols end to end.

Ren, Zuo, Hu, Zhu, Meng, "Progressive Image Deraining Networks: A Better and Simpler Baseline", CVPR 2019. Parameter
names are the released file's.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH, STAGES, BLOCKS = 32, 6, 5


def _conv(count_in: int, count_out: int) -> nn.Conv2d:
    return nn.Conv2d(count_in, count_out, 3, padding=1)


class PReNet(nn.Module):
    """Six passes of one network over the rainy image and the last estimate, with an LSTM's memory between passes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv0 = nn.Sequential(_conv(6, WIDTH))
        for block in range(1, BLOCKS + 1):
            layers = nn.Sequential(_conv(WIDTH, WIDTH), nn.ReLU(), _conv(WIDTH, WIDTH), nn.ReLU())
            self.add_module(f"res_conv{block}", layers)
        for gate in "ifgo":
            self.add_module(f"conv_{gate}", nn.Sequential(_conv(2 * WIDTH, WIDTH)))
        self.conv = nn.Sequential(_conv(WIDTH, 3))

    def forward(self, degraded: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
        """Remove rain streaks from RGB images in [0, 1] of any size."""
        estimate = degraded
        hidden = cell = degraded.new_zeros(degraded.shape[0], WIDTH, *degraded.shape[-2:])
        for _ in range(STAGES):
            feature = F.relu(self.conv0(torch.cat([degraded, estimate], dim=1)))
            joined = torch.cat([feature, hidden], dim=1)
            gates = {gate: self.get_submodule(f"conv_{gate}")(joined) for gate in "ifgo"}
            cell = torch.sigmoid(gates["f"]) * cell + torch.sigmoid(gates["i"]) * torch.tanh(gates["g"])
            hidden = torch.sigmoid(gates["o"]) * torch.tanh(cell)
            feature = hidden
            for block in range(1, BLOCKS + 1):
                feature = F.relu(self.get_submodule(f"res_conv{block}")(feature) + feature)
            estimate = self.conv(feature) + degraded
        return estimate

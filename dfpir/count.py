"""Parameters and multiply-adds of a configuration, by formula.

Counted are the operations of the published definition (two 1x1 convolutions around the shuffle, attention products and
output projection apart), not those that this implementation folds, so that the numbers compare with papers.
"""

from __future__ import annotations

from dfpir.config import CODE_DIM, PER_PROMPT, DFPIRConfig


def multiply_adds(config: DFPIRConfig, height: int, width: int, *, convolutions_only: bool = False) -> int:
    """Multiply-adds of one forward pass on a height x width image.

    Args:
        config: the model.
        height: in pixels, a multiple of 8.
        width: in pixels, a multiple of 8.
        convolutions_only: leave out attention products and DGM's linear layers, as most papers' counters do.
    """
    count = _Counter(config, convolutions_only)
    full, channels = height * width, config.channels
    pixels = {level: full // 4 ** (level - 1) for level in (1, 2, 3, 4)}
    total = 9 * full * (3 * config.dim + 3 * 2 * config.dim)
    for level in (1, 2, 3, 4):
        total += config.num_blocks[level - 1] * count.block(pixels[level], channels(level), level)
        if config.perturbs and level in config.levels:
            total += count.perturbation(pixels[level], level)
    for level in (1, 2, 3):
        total += 9 * pixels[level] * channels(level) * channels(level) // 2
        total += 9 * pixels[level + 1] * channels(level + 1) * channels(level + 1) * 2
        decoder = 2 * config.dim if level == 1 else channels(level)
        total += config.num_blocks[level - 1] * count.block(pixels[level], decoder, level)
        total += pixels[level] * 2 * channels(level) * channels(level) if level > 1 else 0
    return total + config.num_refinement_blocks * count.block(full, 2 * config.dim, 1)


class _Counter:
    def __init__(self, config: DFPIRConfig, convolutions_only: bool) -> None:
        self.config, self.convolutions_only = config, convolutions_only

    def block(self, pixels: int, channels: int, level: int) -> int:
        return self.attention(pixels, channels, level) + self.feed_forward(pixels, channels)

    def attention(self, pixels: int, channels: int, level: int) -> int:
        convolutions = pixels * (3 * channels * channels + 9 * 3 * channels + channels * channels)
        products = 2 * pixels * channels * channels // self.config.heads[level - 1]
        return convolutions + (0 if self.convolutions_only else products)

    def feed_forward(self, pixels: int, channels: int) -> int:
        hidden = int(channels * self.config.ffn_expansion)
        return pixels * (channels * 2 * hidden + 9 * 2 * hidden + hidden * channels)

    def perturbation(self, pixels: int, level: int) -> int:
        config = self.config
        channels = config.channels(level)
        total = 0
        if config.channel_perturbation:
            plain = config.order in PER_PROMPT
            products = {"conv_per_prompt": 1, "bias_per_prompt": 0}.get(config.order, 2 * config.expansion)
            total += pixels * channels * channels * products
            total += 0 if plain or self.convolutions_only else CODE_DIM * (CODE_DIM + config.expansion * channels)
        if config.attention_perturbation:
            total += self.attention(pixels, channels, level) + self.feed_forward(pixels, channels)
        return total

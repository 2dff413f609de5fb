"""The one frozen configuration behind every variant of DFPIR and Restormer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from dfpir.registry import suggestion

CODE_DIM = 512
"""Length of a prompt code (CLIP ViT-B/32's text embedding)."""

LayerNormKind = Literal["with_bias", "bias_free"]
Masking = Literal["released", "paper", "figure", "columns", "random"]
Order = Literal["prompt", "identity", "shared", "random", "learned", "conv_per_prompt", "bias_per_prompt"]
PER_PROMPT: tuple[Order, ...] = ("conv_per_prompt", "bias_per_prompt")
"""Orders that reorder nothing, but give each prompt parameters of its own."""
BlockInit = Literal["released", "unit"]
LogitScale = Literal["temperature", "sqrt_dk"]
PromptSet = Literal["detailed", "simple", "onehot", "empty", "permuted", "shuffled"]


_BACKBONE = ("dim", "num_blocks", "num_refinement_blocks", "heads", "ffn_expansion", "layer_norm")
"""Settings that every model has; the others are the perturbation block's."""


@dataclass(frozen=True, kw_only=True)
class DFPIRConfig:
    """Sizes of the backbone and switches of the perturbation block. The defaults are DFPIR as released.

    Attributes:
        dim: channels C of the first level; the others have 2C, 4C and 8C.
        num_blocks: transformer blocks on each of the four levels.
        num_refinement_blocks: blocks after the decoder, at full resolution.
        heads: attention heads on each level.
        ffn_expansion: hidden width of the feed-forward network over its input width.
        layer_norm: `with_bias`, or Restormer's `bias_free` (no mean subtraction in the output, no bias).
        gamma: perturbation factor; each row of an attention map keeps its int(C/heads * gamma) largest entries.
            1 keeps all. One number, or one for each level.
        channel_perturbation: DGCPM in the block (off: the features themselves are the query).
        attention_perturbation: CAAPM, attention and feed-forward network, in the block (off: DGCPM's output is the
            block's).
        masking: what a dropped entry becomes. `released`: -inf before the softmax; `paper`: a zero logit (the formula
            read literally: it still gets weight exp(0)); `figure`: zero after the softmax, so rows sum to less than 1;
            `columns`: as released, but the largest entries of each column are kept, as the paper's words say;
            `random`: as released, but a fixed random choice of entries in each row is kept.
        order: how DGCPM orders its expanded channels. `prompt`: by the argsort of DGM's scores, as released;
            `identity`: not at all; `shared`: one fixed random order for all prompts; `random`: one fixed random order
            a prompt; `learned`: a differentiable sort, hard at test time; `conv_per_prompt`: no order and no expansion,
            but a 1x1 convolution of its own for each prompt, the most that any order could come to; `bias_per_prompt`:
            no convolution either, but a learned bias a channel for each prompt: the cheapest way to tell the task.
        expansion: channels of the space that is shuffled, over the block's channels.
        levels: where blocks sit: 1, 2, 3 are the skips, 4 the latent.
        prompt_set: what names the degradations: the paper's `detailed` or `simple` sentences, a `onehot` code a
            condition, the `empty` sentence for all, the detailed ones `permuted` (each condition has the sentence of
            another task's, in training and at test time), or `shuffled` (in training each sample gets the sentence
            of a random condition, at test time the right one).
        num_prompts: distinct prompts, for the orders `conv_per_prompt` and `bias_per_prompt` alone.
        order_temperature: the `learned` order's temperature at the start and the end of training, in mean score gaps.
        residual: whether the block's input is added to its output; the released block has no path around it.
        block_init: first weights of the block's attention. `released`: output scale 0.2, PyTorch's default elsewhere,
            which passes about a tenth of the input's standard deviation; `unit`: output scale 1 and both output
            projections three times as large, so that the output has about the spread of the input.
        logit_scale: how attention logits are scaled. `temperature`: cosines times a learned temperature, as released;
            `sqrt_dk`: dot products over the square root of the length of the vectors (the pixels), as in the formula.
        output_scale: whether the attention's output is multiplied by a learned scalar (the formula has none).
        ffn_norm: whether the feed-forward network reads LayerNorm(F_a), as released, or F_a, as in the formula.

    Raises:
        ValueError: a value outside what is allowed; the message names both.
    """

    dim: int = 48
    num_blocks: tuple[int, int, int, int] = (4, 6, 6, 8)
    num_refinement_blocks: int = 4
    heads: tuple[int, int, int, int] = (1, 2, 4, 8)
    ffn_expansion: float = 2.66
    layer_norm: LayerNormKind = "with_bias"
    gamma: float | tuple[float, ...] = 0.9
    channel_perturbation: bool = True
    attention_perturbation: bool = True
    masking: Masking = "released"
    order: Order = "prompt"
    expansion: int = 2
    levels: tuple[int, ...] = (1, 2, 3, 4)
    prompt_set: PromptSet = "detailed"
    num_prompts: int = 7
    order_temperature: tuple[float, float] = (4.0, 0.1)
    residual: bool = False
    block_init: BlockInit = "released"
    logit_scale: LogitScale = "temperature"
    output_scale: bool = True
    ffn_norm: bool = True

    def __post_init__(self) -> None:
        for name in ("num_blocks", "heads", "levels", "order_temperature"):
            value = getattr(self, name)
            if not isinstance(value, Sequence) or isinstance(value, str):
                raise ValueError(f"{name}={value!r}: a list of numbers is needed.")
            object.__setattr__(self, name, tuple(value))
        object.__setattr__(self, "levels", tuple(sorted(set(self.levels))))
        if isinstance(self.gamma, list | tuple):
            object.__setattr__(self, "gamma", tuple(self.gamma))
        self._check_sizes()
        self._check_switches()

    def _check_sizes(self) -> None:
        for name, value, allowed in (
            ("dim", self.dim, isinstance(self.dim, int) and 2 <= self.dim < 2**31 and self.dim % 2 == 0),
            ("num_blocks", self.num_blocks, len(self.num_blocks) == 4 and all(n >= 1 for n in self.num_blocks)),
            ("num_refinement_blocks", self.num_refinement_blocks, self.num_refinement_blocks >= 0),
            ("heads", self.heads, len(self.heads) == 4 and all(n >= 1 for n in self.heads)),
            ("ffn_expansion", self.ffn_expansion, self.ffn_expansion > 0),
        ):
            if not allowed:
                raise ValueError(
                    f"{name}={value!r} is not allowed: dim is even, positive and below 2**31, num_blocks and heads "
                    "are four positive numbers, num_refinement_blocks is 0 or more, ffn_expansion is positive."
                )
        for level, heads in enumerate(self.heads, start=1):
            if self.channels(level) % heads:
                raise ValueError(
                    f"heads={self.heads}: level {level} has {self.channels(level)} channels, which {heads} heads do "
                    "not divide. Choose a divisor."
                )

    def _check_switches(self) -> None:
        for name, kind in (
            ("layer_norm", LayerNormKind),
            ("masking", Masking),
            ("order", Order),
            ("prompt_set", PromptSet),
            ("block_init", BlockInit),
            ("logit_scale", LogitScale),
        ):
            value, allowed = getattr(self, name), get_args(kind)
            if value not in allowed:
                raise ValueError(f"{name}={value!r} is not allowed. One of: {', '.join(allowed)}.")
        gammas = self.gamma if isinstance(self.gamma, tuple) else (self.gamma,) * 4
        if (
            len(gammas) != 4
            or not all(isinstance(g, int | float) and 0 < g <= 1 for g in gammas)
            or min(self.topk(level) for level in (1, 2, 3, 4)) < 1
        ):
            raise ValueError(
                f"gamma={self.gamma!r}: above 0 and at most 1, and large enough to keep one entry "
                f"of {min(self.channels(n) // self.heads[n - 1] for n in (1, 2, 3, 4))} in a row; "
                "one number, or four, one a level."
            )
        for name in ("residual", "output_scale", "ffn_norm"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}={getattr(self, name)!r} is not allowed: True or False.")
        if not isinstance(self.num_prompts, int) or self.num_prompts < 1:
            raise ValueError(f"num_prompts={self.num_prompts!r}: a whole number, 1 or more.")
        if self.expansion not in (1, 2, 4):
            raise ValueError(f"expansion={self.expansion!r} is not allowed. One of: 1, 2, 4.")
        if not set(self.levels) <= {1, 2, 3, 4}:
            raise ValueError(f"levels={self.levels!r}: any of 1, 2, 3 (skips) and 4 (latent).")
        if len(self.order_temperature) != 2 or min(self.order_temperature) <= 0:
            raise ValueError(f"order_temperature={self.order_temperature!r}: two positive numbers, start and end.")

    def channels(self, level: int) -> int:
        """Channels of the features on a level (1 to 4)."""
        return self.dim << (level - 1)

    def topk(self, level: int) -> int:
        """Entries that a row of the block's attention map keeps on a level; int() truncates, as released."""
        return int(self.channels(level) / self.heads[level - 1] * self.gamma_at(level))

    def gamma_at(self, level: int) -> float:
        """The perturbation factor of a level."""
        return self.gamma[level - 1] if isinstance(self.gamma, tuple) else self.gamma

    @property
    def perturbs(self) -> bool:
        """Whether the model has a perturbation block at all; without one it is Restormer."""
        return bool(self.levels) and (self.channel_perturbation or self.attention_perturbation)

    @property
    def uses_prompts(self) -> bool:
        """Whether the output depends on the prompt code."""
        return self.perturbs and self.channel_perturbation and self.order not in ("identity", "shared")

    @property
    def ingredients(self) -> dict[str, str]:
        """Which parts of the method the model has, as in the paper's Table 3: a check mark, or how; "" for none.

        A block conditioned by separate parameters for each prompt reorders nothing: it is no DGCPM.
        """
        channel = self.perturbs and self.channel_perturbation
        attention = self.perturbs and self.attention_perturbation
        reorders = channel and self.order not in PER_PROMPT
        gammas = dict.fromkeys(f"{self.gamma_at(level):g}" for level in self.levels)
        return {
            "DGCPM": "\N{CHECK MARK}" if reorders else "",
            "CAAPM": "\N{CHECK MARK}" if attention else "",
            "order": self.order.replace("_", " ") if channel else "",
            "\N{GREEK SMALL LETTER GAMMA}": "/".join(gammas) if attention else "",
            "prompt": self.prompt_set if self.uses_prompts else "",
        }

    def identity(self) -> dict[str, Any]:
        """What the model computes, as JSON-ready values: equal dicts are one model, whatever their names.

        Settings that have no effect are left out, and gamma stands as the entries kept a row (0.95 and 0.9 are one
        model where both keep 7 of 8).
        """
        config = asdict(self)
        keep = list(_BACKBONE)
        if self.perturbs:
            keep += ["channel_perturbation", "attention_perturbation", "levels"]
            if self.channel_perturbation:
                keep += ["order"]
                keep += ["num_prompts"] if self.order in PER_PROMPT else ["expansion"]
                keep += ["order_temperature"] if self.order == "learned" else []
                keep += ["prompt_set"] if self.uses_prompts else []
            keep += ["residual"]
            keep += ["block_init", "logit_scale", "output_scale", "ffn_norm"] if self.attention_perturbation else []
        identity = {name: config[name] for name in keep}
        if self.perturbs and self.attention_perturbation:
            kept = {str(level): self.topk(level) for level in self.levels}
            identity["kept"] = kept
            if any(self.topk(level) < self.channels(level) // self.heads[level - 1] for level in self.levels):
                identity["masking"] = self.masking
        return {name: list(v) if isinstance(v, tuple) else v for name, v in identity.items()}


def make_config(**values: Any) -> DFPIRConfig:
    """A config from keyword values, lists allowed where it holds tuples.

    Raises:
        ValueError: an unknown key (with the nearest known one) or a value that is not allowed.
    """
    names = [f.name for f in fields(DFPIRConfig)]
    for name in values:
        if name not in names:
            raise ValueError(f"Unknown setting {name!r}.{suggestion(name, names)}")
    return DFPIRConfig(**values)

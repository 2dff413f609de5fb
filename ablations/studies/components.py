"""Which part earns the gain? The paper's Table 3 as a factorial, and controls of equal size."""

from __future__ import annotations

from ablations.registry import THREE_TASKS, Contrast, Study, register_study

_WITHOUT_CAAPM = {
    "identity": "dgcpm_only_identity_order",
    "prompt": "dgcpm_only",
    "conv": "dgcpm_only_conv_per_prompt",
}
_WITH_CAAPM = {"identity": "dfpir_identity_order", "prompt": "dfpir", "conv": "dfpir_conv_per_prompt"}


def _mean_difference(name: str, label: str, plus: tuple[str, ...], minus: tuple[str, ...], note: str = "") -> Contrast:
    """Mean of the variants `plus` less the mean of the variants `minus`."""
    weights = {v: 1 / len(plus) for v in plus} | {v: -1 / len(minus) for v in minus}
    return Contrast(name=name, label=label, weights=weights, note=note)


def _variants_with_order(order: str) -> tuple[str, str]:
    return _WITHOUT_CAAPM[order], _WITH_CAAPM[order]


@register_study()
def components() -> Study:
    """The paper's Table 3 as a factorial: channel order, mask and attention half, each against its own control."""
    return Study(
        name="components",
        title="Which part of the perturbation block earns its gain?",
        question=(
            "What does each part of DFPIR's block bring, given that every model is trained until it restores: the "
            "prompt's channel order (against no reordering, and against a plain 1x1 convolution for each prompt), the "
            "mask (against gamma = 1), the attention half (CAAPM), and the whole block against a Restormer that is "
            "given the task by a bias?"
        ),
        variants=(
            "restormer",
            "restormer_told",
            *_WITHOUT_CAAPM.values(),
            "caapm_only_g100",
            "caapm_only",
            "dfpir_g100",
            *_WITH_CAAPM.values(),
        ),
        reference="restormer",
        featured=("dfpir", "restormer", "dgcpm_only", "caapm_only"),
        tasks=THREE_TASKS,
        measures=("separation",),
        figures=("feature_maps",),
        contrasts=_planned_contrasts(),
    )


def _planned_contrasts() -> tuple[Contrast, ...]:
    return (
        _mean_difference(
            "order",
            "channel order by prompt against no reordering",
            _variants_with_order("prompt"),
            _variants_with_order("identity"),
            note="without reordering, the network is not told the degradation",
        ),
        _mean_difference(
            "order_conv",
            "channel order by prompt against a 1x1 convolution per prompt",
            _variants_with_order("prompt"),
            _variants_with_order("conv"),
        ),
        _mean_difference(
            "mask",
            "mask (\N{GREEK SMALL LETTER GAMMA} = 0.9) against none (\N{GREEK SMALL LETTER GAMMA} = 1)",
            ("dfpir", "caapm_only"),
            ("dfpir_g100", "caapm_only_g100"),
        ),
        _mean_difference(
            "caapm",
            "attention half (CAAPM) against none, over three orders",
            tuple(_WITH_CAAPM.values()),
            tuple(_WITHOUT_CAAPM.values()),
        ),
        _mean_difference("told", "DFPIR against Restormer with a bias per task", ("dfpir",), ("restormer_told",)),
        Contrast(
            name="order_x_caapm",
            label="effect of the channel order with CAAPM, less its effect without (interaction)",
            weights={
                "dfpir": 1,
                "dfpir_identity_order": -1,
                "dgcpm_only": -1,
                "dgcpm_only_identity_order": 1,
            },
        ),
    )


@register_study()
def equal_size() -> Study:
    """Is it the block, or only its size? DFPIR against Restormers of equal parameters and of equal multiply-adds."""
    return Study(
        name="equal_size",
        title="DFPIR against Restormers of equal size",
        question=(
            "How much of DFPIR's difference from Restormer remains when Restormer is made as large by a wider "
            "feed-forward network: in trained parameters, or in multiply-adds?"
        ),
        variants=("restormer", "restormer_same_params", "restormer_same_macs", "dfpir"),
        reference="dfpir",
        tasks=THREE_TASKS,
    )


@register_study()
def block_start() -> Study:
    """Does the released block learn slowly because of its weak start? A residual, and larger first weights."""
    return Study(
        name="block_start",
        title="The block's weak start: a residual, or larger first weights",
        question=(
            "As released, the block passes about a tenth of its input at the start and nothing goes round it. What "
            "do a residual around it, or first weights that keep its output as large as its input, bring, and how much "
            "sooner does the network restore?"
        ),
        variants=("restormer", "dfpir", "dfpir_residual", "dfpir_unit_init"),
        reference="dfpir",
        tasks=THREE_TASKS,
    )

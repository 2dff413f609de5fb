"""Which part earns the gain? The paper's Table 3, with controls of equal size."""

from __future__ import annotations

from ablations.registry import Study, register_study


@register_study()
def components() -> Study:
    """Restormer, each half of the block, the whole block, and controls that have its size but not its idea."""
    return Study(
        name="components",
        title="Which part of the perturbation block earns its gain",
        question=(
            "What do channel perturbation (DGCPM) and attention perturbation (CAAPM) bring over plain Restormer, and "
            "how much of it remains when the block keeps its parameters but neither reorders (identity order) nor "
            "masks (gamma = 1), when each prompt gets a plain 1x1 convolution instead, or when Restormer is made as "
            "large without any block?"
        ),
        variants=(
            "restormer",
            "restormer_same_params",
            "restormer_same_macs",
            "dgcpm_only",
            "caapm_only",
            "dfpir_identity_order",
            "dfpir_g100",
            "dfpir_conv_per_prompt",
            "dfpir",
        ),
        reference="restormer",
    )

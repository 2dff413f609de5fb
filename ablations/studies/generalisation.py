"""Images unlike those trained on: other strengths, and two degradations at once."""

from __future__ import annotations

from ablations.registry import Study, register_study

_VARIANTS = ("restormer", "dgcpm_only", "caapm_only", "dfpir_identity_order", "dfpir")


@register_study()
def levels() -> Study:
    """Noise levels and rain strengths that were not trained on."""
    return Study(
        name="levels",
        title="Strengths not trained on",
        question=(
            "How does each variant fare on noise of standard deviation 10, 35 and 75 and on lighter and heavier "
            "rain, for which it has no prompt of its own?"
        ),
        variants=_VARIANTS,
        reference="restormer",
        measures=("levels",),
        primary="levels",
    )


@register_study()
def mixed() -> Study:
    """Two degradations at once, restored under the prompt of either."""
    return Study(
        name="mixed",
        title="Two degradations at once",
        question=(
            "Trained on one degradation at a time: what does each variant make of rain and noise, haze and noise, or "
            "blur in low light, and which of the two prompts should it be told?"
        ),
        variants=_VARIANTS,
        reference="restormer",
        measures=("mixed",),
        primary="mixed",
    )

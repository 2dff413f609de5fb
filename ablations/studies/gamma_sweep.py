"""How much of the attention map should be kept? The paper's gamma study, with the missing control."""

from __future__ import annotations

from ablations.registry import THREE_TASKS, Study, register_study

_PERCENT = (50, 60, 70, 80, 90, 95, 100)


@register_study()
def gamma_sweep() -> Study:
    """Test PSNR against the perturbation factor gamma; gamma = 1 keeps all entries: the block without its mask."""
    values = {f"dfpir_g{percent}": percent / 100 for percent in _PERCENT}
    return Study(
        name="gamma_sweep",
        title="How much of the attention map to keep",
        question=(
            "Does masking the smallest entries of the perturbed channel attention help, and which share of them "
            "(gamma) should be kept? gamma = 1 is the same block without a mask: the difference from it is the mask's "
            "effect."
        ),
        variants=tuple(values),
        reference="dfpir_g100",
        featured=("dfpir_g90", "dfpir_g100", "dfpir_g50"),
        axis="gamma",
        axis_values=values,
        measures=("interference", "information", "separation"),
        tasks=THREE_TASKS,
        short=("dfpir_g50", "dfpir_g70", "dfpir_g90", "dfpir_g100"),
    )

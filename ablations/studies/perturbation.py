"""One part of the perturbation block at a time: the channel order, the mask, and where blocks sit."""

from __future__ import annotations

from ablations.registry import THREE_TASKS, Study, register_study


@register_study()
def channel_order() -> Study:
    """The order from the prompt against no order, random orders, a learned one, a one-hot code, other expansions."""
    return Study(
        name="channel_order",
        title="Does the order of the channels matter, and does the prompt have to choose it",
        question=(
            "As released, the order comes from a random projection of the prompt's code and is never trained. Is it "
            "better than no order, than one random order for all prompts or for each, and than a learned one? Does a "
            "one-hot code do as well as a sentence? Does expanding the channels help, as the paper says?"
        ),
        variants=(
            "dfpir_identity_order",
            "dfpir_shared_order",
            "dfpir_random_order",
            "dfpir_onehot_prompts",
            "dfpir_learned_order",
            "dfpir_expansion1",
            "dfpir_expansion4",
            "dfpir",
        ),
        reference="dfpir",
        featured=("dfpir", "dfpir_identity_order", "dfpir_random_order", "dfpir_learned_order"),
        tasks=THREE_TASKS,
        measures=("information",),
    )


@register_study()
def masking() -> Study:
    """What the mask drops and how: released code, formula, figure, columns, a random mask, skips or latent alone."""
    return Study(
        name="masking",
        title="Which reading of the mask works, and does it matter what it drops",
        question=(
            "The released code, the formula, the figure and the words of the paper describe four different masks. "
            "Which is best, is any better than none (gamma = 1), and is dropping the smallest entries better than "
            "dropping as many at random?"
        ),
        variants=(
            "dfpir_g100",
            "dfpir_paper_mask",
            "dfpir_figure_mask",
            "dfpir_column_mask",
            "dfpir_random_mask",
            "dfpir_skips_mask",
            "dfpir_latent_mask",
            "dfpir",
        ),
        reference="dfpir_g100",
        tasks=THREE_TASKS,
    )


@register_study()
def placement() -> Study:
    """Perturbation blocks on one level at a time, on the skips, on the latent, everywhere."""
    return Study(
        name="placement",
        title="Where the perturbation blocks belong",
        question="Which of the four blocks, on three skips and the latent, is worth its parameters?",
        variants=(
            "restormer",
            "dfpir_skip1",
            "dfpir_skip2",
            "dfpir_skip3",
            "dfpir_latent",
            "dfpir_skips",
            "dfpir",
        ),
        reference="restormer",
        tasks=THREE_TASKS,
    )


@register_study()
def formula() -> Study:
    """The paper's formula against the released code, reading by reading, and all at once."""
    return Study(
        name="formula",
        title="The paper's formula against the released code",
        question=(
            "The formula has dot products over sqrt(d_k) where the code has cosines and a learned temperature, no "
            "scale on the attention's output, no LayerNorm before the feed-forward network, and a mask that zeroes "
            "logits. Which of these matter?"
        ),
        variants=(
            "dfpir_paper_mask",
            "dfpir_dot_product",
            "dfpir_no_output_scale",
            "dfpir_no_ffn_norm",
            "dfpir_paper_formula",
            "dfpir",
        ),
        reference="dfpir",
        tasks=THREE_TASKS,
    )

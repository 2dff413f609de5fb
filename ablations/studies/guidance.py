"""What the prompt says, what a wrong one costs, and what one model for all tasks costs."""

from __future__ import annotations

from ablations.registry import Study, register_study


@register_study()
def prompts() -> Study:
    """Detailed, simple, one-hot, empty, permuted and shuffled prompts; what a wrong prompt costs at test time."""
    return Study(
        name="prompts",
        title="What the prompt has to say",
        question=(
            "Does the network need the sentence, or only to have the degradations told apart? What is lost when the "
            "prompt is one word, a one-hot code, nothing, another task's, or random in training? And what does a "
            "wrong prompt cost a trained network?"
        ),
        variants=(
            "dfpir_empty_prompts",
            "dfpir_shuffled_prompts",
            "dfpir_permuted_prompts",
            "dfpir_onehot_prompts",
            "dfpir_simple_prompts",
            "dfpir",
        ),
        reference="dfpir",
        featured=("dfpir", "dfpir_simple_prompts", "dfpir_onehot_prompts", "dfpir_empty_prompts"),
        measures=("prompts", "precision", "order_moves"),
        primary="prompts",
    )


@register_study()
def interference() -> Study:
    """Gradients of the tasks on shared parameters: do they conflict, and does perturbation make them conflict less?"""
    return Study(
        name="interference",
        title="Do the tasks interfere, and does perturbation change it",
        question=(
            "The method is motivated by interference between tasks, which the paper draws and does not measure. How "
            "often do the gradients of two tasks on the shared parameters point against each other, in plain "
            "Restormer and with each part of the block, and what does a block lose of its input?"
        ),
        variants=(
            "restormer",
            "dgcpm_only",
            "caapm_only",
            "dfpir_identity_order",
            "dfpir_g50",
            "dfpir_g70",
            "dfpir_g100",
            "dfpir",
        ),
        reference="restormer",
        featured=("dfpir", "restormer", "dfpir_identity_order", "dgcpm_only", "caapm_only"),
        measures=("interference", "information", "separation"),
        primary="interference",
    )


@register_study()
def all_in_one_vs_single() -> Study:
    """One model for all tasks against one model a task, each trained under the same budget."""
    return Study(
        name="all_in_one_vs_single",
        title="The price of sharing one network",
        question=(
            "How much better is a network of its own for each task, trained for as many steps as the shared one, so "
            "that it sees several times the images of its task at several times the cost in all? Does "
            "perturbation lower that price?"
        ),
        variants=("restormer", "restormer@each", "dfpir", "dfpir@each"),
        reference="restormer",
    )

"""The trainable parameters of a model by the layers they belong to."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from dfpir import RestorationUNet

ALL = "all"
BACKBONE = "backbone"
"""All layers except the perturbation blocks, which variants with and without blocks share."""

_UNET_GROUPS = (
    "input",
    *(f"encoder-{level}" for level in (1, 2, 3)),
    "latent",
    *(f"perturb-{level}" for level in (1, 2, 3, 4)),
    *(f"decoder-{level}" for level in (3, 2, 1)),
    "refinement",
    "output",
    "resampling",
)


def layer_groups(model: nn.Module) -> dict[str, list[str]]:
    """Group -> names of its trained parameters (`requires_grad`); groups without any are omitted.

    A `RestorationUNet` has `all`, `backbone` (all except the perturbation blocks), `input` and `output` (first and last
    convolution), `encoder-N`, `latent`, `perturb-N` (4 is the latent's block), `decoder-N`, `refinement` and
    `resampling` (convolutions between levels). Any other model has `all` and its top-level children, those of its only
    child where it wraps one.
    """
    names = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    groups = {ALL: names}
    if isinstance(model, RestorationUNet):
        groups[BACKBONE] = [name for name in names if not name.startswith("perturb.")]
        groups |= {group: [] for group in _UNET_GROUPS}
        group_of: Callable[[str], str] = _unet_group
    else:
        start = len(_shared_prefix(names))

        def group_of(name: str) -> str:
            return name[start:].partition(".")[0]

    for name in names:
        groups.setdefault(group_of(name), []).append(name)
    return {group: members for group, members in groups.items() if members}


def _unet_group(name: str) -> str:
    module, _, child_path = name.partition(".")
    number = child_path.partition(".")[0]
    if module in ("encoder", "decoder"):
        return f"{module}-{int(number) + 1}"
    if module == "perturb":
        return f"perturb-{number}"
    return {"patch_embed": "input", "down": "resampling", "up": "resampling", "reduce": "resampling"}.get(
        module, module
    )


def _shared_prefix(names: list[str]) -> str:
    """The common prefix of all names, such as `network.` of a wrapper around a model."""
    prefix = ""
    while names:
        child, dot, _ = names[0][len(prefix) :].partition(".")
        longer = prefix + child + dot
        if not dot or not all(name.startswith(longer) for name in names):
            break
        prefix = longer
    return prefix

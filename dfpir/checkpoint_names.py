"""Names of a checkpoint's tensors: prefixes that all share, and a moving average that stands under one of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

PREFIXES = ("_orig_mod.", "module.", "net.", "model.")
AVERAGE_COUNTER = "n_averaged"  # of torch.optim.swa_utils.AveragedModel, beside `module.`

_AVERAGE_PREFIXES = (
    "ema",
    "ema_model",
    "model_ema",
    "net_ema",
    "ema_net",
    "net_g_ema",
    "generator_ema",
    "g_ema",
    "ema_module",
)
_AVERAGE_COUNTERS = (AVERAGE_COUNTER, "decay", "num_updates", "initted", "step")  # what an average keeps of itself
_NO_PREFIX = "no prefix"


@dataclass(frozen=True, kw_only=True)
class WeightCopies:
    """Plain and averaged weights of one flat state dict.

    Attributes:
        averaged: name -> tensor, without prefixes.
        averaged_prefix: the prefix that they stood under, without its dot.
        plain: the same names; empty where the file holds the average alone.
        plain_prefixes: the prefixes that they stood under, without the dot; empty where there are none of them.
        unrelated: what belongs to neither, under its full names.
    """

    averaged: dict[str, Tensor]
    averaged_prefix: str
    plain: dict[str, Tensor]
    plain_prefixes: tuple[str, ...]
    unrelated: dict[str, Tensor]


def find_averaged_copy(tensors: Mapping[str, Tensor]) -> WeightCopies | None:
    """Weights and their average side by side, as Lightning writes a module `net` and a module `ema`.

    A prefix counts as an average's only where all names and shapes below it are also those below another prefix (or
    of all other tensors), or where nothing stands beside it: a model may have a part that is called `ema`.

    Returns:
        None for anything else.
    """
    roots = list(dict.fromkeys(key.partition(".")[0] for key in tensors if "." in key))
    for root in (name for name in _AVERAGE_PREFIXES if name in roots):
        average = _averaged_weights(_tensors_below(tensors, root))
        remaining = {key: value for key, value in tensors.items() if not key.startswith(f"{root}.")}
        if average and not remaining:
            return WeightCopies(averaged=average, averaged_prefix=root, plain={}, plain_prefixes=(), unrelated={})
        groups = {prefix: _tensors_below(tensors, prefix) for prefix in roots if prefix not in _AVERAGE_PREFIXES} | {
            _NO_PREFIX: remaining
        }
        matches = {
            prefix: renamed
            for prefix, group in groups.items()
            if (renamed := _match_names(average, strip_prefixes(group)[0]))
        }
        if len(matches) > 1:
            matches.pop(_NO_PREFIX, None)
        if matches:
            prefix = next(iter(matches))
            matched_prefixes = (f"{root}.", *("" if name == _NO_PREFIX else f"{name}." for name in matches))
            return WeightCopies(
                averaged=matches[prefix],
                averaged_prefix=root,
                plain=strip_prefixes(groups[prefix])[0],
                plain_prefixes=tuple(matches),
                unrelated={key: value for key, value in tensors.items() if not key.startswith(matched_prefixes)},
            )
    return None


def strip_prefixes(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], bool]:
    """Names without the prefixes that all share, and whether a count of averages says that it is a moving average."""
    names = dict(tensors)
    count = names.get(AVERAGE_COUNTER)
    averaged = count is not None and count.numel() == 1 and len(names) > 1
    if averaged:
        del names[AVERAGE_COUNTER]
    changed = bool(names)
    while changed:
        changed = False
        for prefix in PREFIXES:
            if all(key.startswith(prefix) for key in names):
                names = {key[len(prefix) :]: value for key, value in names.items()}
                changed = True
    return {key.replace("_orig_mod.", ""): value for key, value in names.items()}, averaged


def _tensors_below(tensors: Mapping[str, Tensor], root: str) -> dict[str, Tensor]:
    return {key[len(root) + 1 :]: value for key, value in tensors.items() if key.startswith(f"{root}.")}


def _averaged_weights(below: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The averaged weights alone: without counters, and without a second copy of the plain ones."""
    weights = {key: value for key, value in below.items() if key not in _AVERAGE_COUNTERS or value.numel() != 1}
    inner = find_averaged_copy(weights)
    return inner.averaged if inner is not None else strip_prefixes(weights)[0]


def _match_names(average: Mapping[str, Tensor], plain: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The average under the names of the plain weights, or None where it is of something else."""
    # an average kept in buffers has no dots in its names, since a buffer's name may hold none
    names = {key if key in average else key.replace(".", ""): key for key in plain}
    if not average or len(names) != len(plain) or set(names) != set(average):
        return None
    if any(average[short].shape != plain[name].shape for short, name in names.items()):
        return None
    return {name: average[short] for short, name in names.items()}

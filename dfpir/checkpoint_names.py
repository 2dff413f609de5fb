"""Names of a checkpoint's tensors: prefixes that all share, and a moving average that stands under one of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

PREFIXES = ("_orig_mod.", "module.", "net.", "model.")
AVERAGES_COUNTED = "n_averaged"  # of torch.optim.swa_utils.AveragedModel, beside `module.`

_AVERAGES = ("ema", "ema_model", "model_ema", "net_ema", "ema_net", "net_g_ema", "generator_ema", "g_ema", "ema_module")
_COUNTS = (AVERAGES_COUNTED, "decay", "num_updates", "initted", "step")  # what an average keeps of itself
_NO_PREFIX = "no prefix"


@dataclass(frozen=True, kw_only=True)
class Copies:
    """Plain and averaged weights of one flat state dict.

    Attributes:
        averaged: name -> tensor, without prefixes.
        averaged_at: the prefix that they stood under, without its dot.
        plain: the same names; empty where the file holds the average alone.
        plain_at: the prefixes that they stood under, without the dot; empty where there are none of them.
        rest: what belongs to neither, under its full names.
    """

    averaged: dict[str, Tensor]
    averaged_at: str
    plain: dict[str, Tensor]
    plain_at: tuple[str, ...]
    rest: dict[str, Tensor]


def averaged_copy(tensors: Mapping[str, Tensor]) -> Copies | None:
    """Weights and their average side by side, as Lightning writes a module `net` and a module `ema`.

    A prefix counts as an average's only where all names and shapes below it are also those below another prefix (or
    of all other tensors), or where nothing stands beside it: a model may have a part that is called `ema`.

    Returns:
        None for anything else.
    """
    roots = list(dict.fromkeys(key.partition(".")[0] for key in tensors if "." in key))
    for root in (name for name in _AVERAGES if name in roots):
        average = _average(_below(tensors, root))
        others = {key: value for key, value in tensors.items() if not key.startswith(f"{root}.")}
        if average and not others:
            return Copies(averaged=average, averaged_at=root, plain={}, plain_at=(), rest={})
        sides = {each: _below(tensors, each) for each in roots if each not in _AVERAGES} | {_NO_PREFIX: others}
        twins = {at: named for at, side in sides.items() if (named := _named_as(average, stripped(side)[0]))}
        if len(twins) > 1:
            twins.pop(_NO_PREFIX, None)
        if twins:
            at = next(iter(twins))
            used = (f"{root}.", *("" if each == _NO_PREFIX else f"{each}." for each in twins))
            return Copies(
                averaged=twins[at],
                averaged_at=root,
                plain=stripped(sides[at])[0],
                plain_at=tuple(twins),
                rest={key: value for key, value in tensors.items() if not key.startswith(used)},
            )
    return None


def stripped(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], bool]:
    """Names without the prefixes that all share, and whether a count of averages says that it is a moving average."""
    found = dict(tensors)
    count = found.get(AVERAGES_COUNTED)
    averaged = count is not None and count.numel() == 1 and len(found) > 1
    if averaged:
        del found[AVERAGES_COUNTED]
    again = bool(found)
    while again:
        again = False
        for prefix in PREFIXES:
            if all(key.startswith(prefix) for key in found):
                found = {key[len(prefix) :]: value for key, value in found.items()}
                again = True
    return {key.replace("_orig_mod.", ""): value for key, value in found.items()}, averaged


def _below(tensors: Mapping[str, Tensor], root: str) -> dict[str, Tensor]:
    return {key[len(root) + 1 :]: value for key, value in tensors.items() if key.startswith(f"{root}.")}


def _average(below: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The averaged weights alone: without counters, and without a second copy of the plain ones."""
    weights = {key: value for key, value in below.items() if key not in _COUNTS or value.numel() != 1}
    inner = averaged_copy(weights)
    return inner.averaged if inner is not None else stripped(weights)[0]


def _named_as(average: Mapping[str, Tensor], plain: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The average under the names of the plain weights, or None where it is of something else."""
    # an average kept in buffers has no dots in its names, since a buffer's name may hold none
    names = {key if key in average else key.replace(".", ""): key for key in plain}
    if not average or len(names) != len(plain) or set(names) != set(average):
        return None
    if any(average[short].shape != plain[name].shape for short, name in names.items()):
        return None
    return {name: average[short] for short, name in names.items()}

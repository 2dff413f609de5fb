"""Weights from files of any layout into a model, key for key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from torch import Tensor, nn

import dfpir
from dfpir.weights import WeightsError, check_floating, load_weights, released_names, resize_training_buffers
from reports.schema import SPEC_FILE, WEIGHTS_FILE

_LISTED = 3


def load_strictly(model: nn.Module, tensors: Mapping[str, Tensor], source: Path, *, own: bool) -> str:
    """Put the tensors into the model, strictly; every key has to be there, and no other.

    Args:
        model: as built.
        tensors: of the file.
        source: the file, for messages.
        own: whether a run of this suite wrote it.

    Returns:
        `released` or `own`: which names the tensors came by.

    Raises:
        WeightsError: they do not fit.
    """
    target = cast(nn.Module, getattr(model, "network", model))
    if isinstance(model, dfpir.RestorationUNet):
        if own or set(dict(model.named_parameters())) <= set(tensors):
            try:
                load_weights(model, tensors)
            except WeightsError as error:
                raise WeightsError(_short(str(error)).replace("the state dict", str(source), 1)) from error
            return "own"
        if not own and _is_a_runs(tensors):
            raise WeightsError(_without_spec(source))
        parameters = dict(model.named_parameters())
        _check({new: parameters[old] for old, new in released_names(model).items()}, tensors, source)
        dfpir.load_released(model, tensors)
        return "released"
    resize_training_buffers(model if own else target, tensors)
    state = model.state_dict() if own else target.state_dict()
    # reading takes a prefix off that all keys share; FFDNet's `model.` is one that belongs to its names
    shared = next((p for p in ("model.", "net.") if all(key.startswith(p) for key in state)), "")
    _check({key.removeprefix(shared): value for key, value in state.items()}, tensors, source)
    (model if own else target).load_state_dict({f"{shared}{key}": value for key, value in tensors.items()})
    return "own" if own else "released"


def _check(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], source: Path) -> None:
    """Raise a WeightsError that counts what does not fit and names the first few."""
    missing = [key for key in expected if key not in found]
    unexpected = [key for key in found if key not in expected]
    other = [
        f"{key} {tuple(found[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in found and found[key].shape != expected[key].shape
    ]
    groups = (("missing", missing), ("unexpected", unexpected), ("of another shape", other))
    parts = [f"{len(keys)} {what} ({_first(keys)})" for what, keys in groups if keys]
    if parts:
        raise WeightsError(
            f"{source} does not fit the model, which has {len(expected)} tensors (the file: {len(found)}): "
            f"{'; '.join(parts)}. {_mend(expected, found, source)}"
        )
    check_floating(expected, found, source)


def _mend(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], source: Path) -> str:
    """What helps: the keys in the way of weights that are all there, else another choice of model."""
    for prefix in [*sorted({key[: key.index(".") + 1] for key in found if "." in key}), ""]:
        if all(f"{prefix}{key}" in found for key in expected):
            strangers = [key for key in found if key.removeprefix(prefix) not in expected or not key.startswith(prefix)]
            if strangers and all(found[f"{prefix}{key}"].shape == value.shape for key, value in expected.items()):
                where = f" under {prefix!r}" if prefix else ""
                return (
                    f"All of the model's weights are there{where}; in their way stand {_first(strangers)}: "
                    "save the file without those."
                )
    if source.name == WEIGHTS_FILE:
        return _without_spec(source)
    return "Choose the model, and with --config the settings, that it was trained with."


def _is_a_runs(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the names are those that runs of this suite write for DFPIR and its variants, not released ones."""
    return "patch_embed.weight" in tensors and any(key.startswith("encoder.0.") for key in tensors)


def _without_spec(source: Path) -> str:
    return (
        f"{source} is a run's, but no {SPEC_FILE} lies beside it, which names its settings and prompts: copy it "
        "from the run's folder, or give the file in that folder."
    )


def _first(keys: list[str]) -> str:
    return ", ".join(keys[:_LISTED]) + (", ..." if len(keys) > _LISTED else "")


def _short(message: str, most: int = 400) -> str:
    return message if len(message) <= most else f"{message[:most]} ..."

"""Weights from files of any layout into a model, key for key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

import dfpir
from dfpir.weights import WeightsError, load_own, plain_state_dict, read_tensors, released_names

_LISTED = 3


def read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by what it holds and not by its name's ending; code in it is never run.

    Raises:
        WeightsError: see `open_released`.
    """
    if not path.is_file() or path.suffix == ".safetensors":
        return read_tensors(path)
    with path.open("rb") as file:
        head = file.read(9)
    # safetensors begin with the length of a JSON object, then that object
    if len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size:
        try:
            return plain_state_dict(load_file(path), path)
        except SafetensorError as error:
            raise WeightsError(f"{path} can't be read as safetensors ({error}): is the download complete?") from error
    return read_tensors(path)


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
                load_own(model, tensors)
            except WeightsError as error:
                raise WeightsError(_short(str(error)).replace("the state dict", str(source), 1)) from error
            return "own"
        parameters = dict(model.named_parameters())
        _check({new: parameters[old] for old, new in released_names(model).items()}, tensors, source)
        dfpir.load_released(model, tensors)
        return "released"
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
            f"{'; '.join(parts)}. Choose the model, and with --config the settings, that it was trained with."
        )


def _first(keys: list[str]) -> str:
    return ", ".join(keys[:_LISTED]) + (", ..." if len(keys) > _LISTED else "")


def _short(message: str, most: int = 400) -> str:
    return message if len(message) <= most else f"{message[:most]} ..."

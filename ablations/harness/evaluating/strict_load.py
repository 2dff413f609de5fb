"""Weights from files of any layout into a model, key for key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from torch import Tensor, nn

import dfpir
from dfpir.checkpoint_file import WeightsError
from dfpir.weights import check_floating, load_weights, released_names, resize_training_buffers
from reports.schema import SPEC_FILE, WEIGHTS_FILE

_MAX_LISTED = 3


def load_strictly(model: nn.Module, tensors: Mapping[str, Tensor], source: Path, *, from_run: bool) -> str:
    """Put the tensors into the model, strictly; every key has to be there, and no other.

    Args:
        model: as built.
        tensors: of the file.
        source: the file, for messages.
        from_run: whether a run of this suite wrote it.

    Returns:
        `released` or `own`: the layout of the tensors' names.

    Raises:
        WeightsError: they do not fit.
    """
    network = cast(nn.Module, getattr(model, "network", model))
    if isinstance(model, dfpir.RestorationUNet):
        if from_run or set(dict(model.named_parameters())) <= set(tensors):
            try:
                load_weights(model, tensors)
            except WeightsError as error:
                raise WeightsError(_truncate(str(error)).replace("the state dict", str(source), 1)) from error
            return "own"
        if not from_run and _has_run_names(tensors):
            raise WeightsError(_missing_spec_message(source))
        parameters = dict(model.named_parameters())
        _check_names_and_shapes({new: parameters[old] for old, new in released_names(model).items()}, tensors, source)
        dfpir.load_released(model, tensors)
        return "released"
    resize_training_buffers(model if from_run else network, tensors)
    state = model.state_dict() if from_run else network.state_dict()
    # reading takes a prefix off that all keys share; FFDNet's `model.` is one that belongs to its names
    shared_prefix = next((p for p in ("model.", "net.") if all(key.startswith(p) for key in state)), "")
    _check_names_and_shapes({key.removeprefix(shared_prefix): value for key, value in state.items()}, tensors, source)
    (model if from_run else network).load_state_dict({f"{shared_prefix}{key}": value for key, value in tensors.items()})
    return "own" if from_run else "released"


def _check_names_and_shapes(expected: Mapping[str, Tensor], stored: Mapping[str, Tensor], source: Path) -> None:
    """Raise a WeightsError that counts what does not fit and names the first few."""
    missing = [key for key in expected if key not in stored]
    unexpected = [key for key in stored if key not in expected]
    wrong_shapes = [
        f"{key} {tuple(stored[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in expected
        if key in stored and stored[key].shape != expected[key].shape
    ]
    groups = (("missing", missing), ("unexpected", unexpected), ("of another shape", wrong_shapes))
    problems = [f"{len(keys)} {problem} ({_list_first(keys)})" for problem, keys in groups if keys]
    if problems:
        raise WeightsError(
            f"{source} does not fit the model, which has {len(expected)} tensors (the file: {len(stored)}): "
            f"{'; '.join(problems)}. {_fix_hint(expected, stored, source)}"
        )
    check_floating(expected, stored, source)


def _fix_hint(expected: Mapping[str, Tensor], stored: Mapping[str, Tensor], source: Path) -> str:
    """What helps: the keys in the way of weights that are all there, else another choice of model."""
    for prefix in [*sorted({key[: key.index(".") + 1] for key in stored if "." in key}), ""]:
        if all(f"{prefix}{key}" in stored for key in expected):
            extra_keys = [
                key for key in stored if key.removeprefix(prefix) not in expected or not key.startswith(prefix)
            ]
            if extra_keys and all(stored[f"{prefix}{key}"].shape == value.shape for key, value in expected.items()):
                location = f" under {prefix!r}" if prefix else ""
                return (
                    f"All of the model's weights are there{location}; in their way stand {_list_first(extra_keys)}: "
                    "save the file without those."
                )
    if source.name == WEIGHTS_FILE:
        return _missing_spec_message(source)
    return "Choose the model, and with --config the settings, that it was trained with."


def _has_run_names(tensors: Mapping[str, Tensor]) -> bool:
    """Whether the names are those that runs of this suite write for DFPIR and its variants, not released ones."""
    return "patch_embed.weight" in tensors and any(key.startswith("encoder.0.") for key in tensors)


def _missing_spec_message(source: Path) -> str:
    return (
        f"{source} is a run's, but no {SPEC_FILE} lies beside it, which names its settings and prompts: copy it "
        "from the run's folder, or give the file in that folder."
    )


def _list_first(keys: list[str]) -> str:
    return ", ".join(keys[:_MAX_LISTED]) + (", ..." if len(keys) > _MAX_LISTED else "")


def _truncate(message: str, max_length: int = 400) -> str:
    return message if len(message) <= max_length else f"{message[:max_length]} ..."

"""Checkpoints that are whole or not there: one safetensors file whose name carries the hash of its bytes."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from reports.files import write_bytes

_NAME = re.compile(r"step-(\d+)-([0-9a-f]{16})\.safetensors")
_KEPT = 2
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Training state after `step` steps: tensors by name and JSON-ready facts."""

    step: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


def save(folder: Path, checkpoint: Checkpoint, *, keep: int = _KEPT) -> Path:
    """Write a checkpoint, then remove all but the newest `keep`."""
    facts = {"facts": json.dumps(dict(checkpoint.facts), sort_keys=True), "step": str(checkpoint.step)}
    # copied: safetensors refuses tensors that share memory, as tied parameters do
    tensors = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in checkpoint.tensors.items()}
    content = safetensors.torch.save(tensors, metadata=facts)
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = write_bytes(folder / f"step-{checkpoint.step:09d}-{digest}.safetensors", content)
    for old in _candidates(folder)[keep:]:
        old.unlink(missing_ok=True)
    return path


def load_latest(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint, or None; a damaged one is named in the log and passed over."""
    content = latest_bytes(folder)
    return None if content is None else parsed(content)


def latest_bytes(folder: Path) -> bytes | None:
    """The content of the newest whole checkpoint, for `parsed`, or None."""
    return _first_whole(_candidates(folder))


def parsed(content: bytes) -> Checkpoint:
    """A checkpoint from a file's content."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    return Checkpoint(
        step=int(header["step"]), tensors=safetensors.torch.load(content), facts=json.loads(header["facts"])
    )


def load_step(folder: Path, step: int) -> Checkpoint | None:
    """The whole checkpoint after `step` steps, or None."""
    content = _first_whole([path for path in _candidates(folder) if _step_of(path) == step])
    return None if content is None else parsed(content)


def steps(folder: Path) -> list[int]:
    """The steps after which there are checkpoints, whole or not, newest first."""
    return [_step_of(path) for path in _candidates(folder)]


def remove(folder: Path, unwanted: list[int]) -> None:
    """Delete the checkpoints after these steps."""
    for path in _candidates(folder):
        if _step_of(path) in unwanted:
            path.unlink(missing_ok=True)


def _first_whole(paths: list[Path]) -> bytes | None:
    for path in paths:
        match = _NAME.fullmatch(path.name)
        content = path.read_bytes()
        if match is not None and hashlib.sha256(content).hexdigest()[:16] == match[2]:
            try:
                parsed(content)
                return content
            except (ValueError, KeyError, TypeError, SafetensorError):
                pass  # a right hash of wrong content: written by something else
        _LOG.warning("%s is damaged and is passed over.", path)
    return None


def _step_of(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1])


def _candidates(folder: Path) -> list[Path]:
    """Checkpoint files, newest step first."""
    return sorted((p for p in folder.glob("step-*.safetensors") if _NAME.fullmatch(p.name)), reverse=True)


def adam_tensors(optimizer: torch.optim.Optimizer, names: list[str]) -> dict[str, Tensor]:
    """Adam's state as named tensors; `names` are those of the optimiser's parameters, in order."""
    state = optimizer.state_dict()["state"]
    return {
        f"adam/{key}/{names[index]}": torch.as_tensor(value)
        for index, entry in state.items()
        for key, value in entry.items()
    }


def load_adam(optimizer: torch.optim.Optimizer, names: list[str], tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `adam_tensors`."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("adam/"):
            _, field, name = key.split("/", 2)
            state.setdefault(names.index(name), {})[field] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})

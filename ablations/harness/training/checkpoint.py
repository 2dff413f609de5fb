"""Atomic checkpoints: safetensors files whose names carry the hash of their bytes.

The best weights so far are in a file of their own, since they change seldom; a checkpoint names its file of best
weights and is valid only together with it. Both are written to a temporary file that is renamed: after a crash there
are the old files or the new ones.
"""

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

from reports.files import writing

BEST_FILE = "best_file"
"""The fact that names the file of the best weights; absent where there are none, or in the checkpoint itself."""

_FILE_NAME = re.compile(r"(?:step|best)-(\d+)-([0-9a-f]{16})\.safetensors")
_MAX_KEPT = 2
_ALIGNMENT = 64  # bytes: any element type may begin there
_DTYPES = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64",
    torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
}  # fmt: skip
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Training state after `step` steps: tensors by name and JSON-ready facts."""

    step: int
    tensors: Mapping[str, Tensor]
    facts: Mapping[str, Any]


class HostBuffer:
    """Host memory for copies of tensors, reused by the next copy; page-locked for tensors of a GPU."""

    def __init__(self) -> None:
        self._memory: Tensor | None = None

    def copy(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Contiguous copies by the same names, valid until the next call. Waits for the GPU once, not for each."""
        offsets, size = [], 0
        for tensor in tensors.values():
            offsets.append(size)
            size += -(-tensor.numel() * tensor.element_size() // _ALIGNMENT) * _ALIGNMENT
        devices = {tensor.device for tensor in tensors.values() if tensor.is_cuda}
        if self._memory is None or len(self._memory) != size:
            self._memory = torch.empty(size, dtype=torch.uint8, pin_memory=bool(devices))
        copies = {}
        for (name, tensor), offset in zip(tensors.items(), offsets, strict=True):
            slot = self._memory[offset : offset + tensor.numel() * tensor.element_size()]
            copies[name] = slot.view(tensor.dtype).view(tensor.shape)
            copies[name].copy_(tensor.detach(), non_blocking=True)
        for device in devices:
            torch.cuda.current_stream(device).synchronize()
        return copies


def save(folder: Path, checkpoint: Checkpoint, *, keep: int = _MAX_KEPT) -> Path:
    """Write a checkpoint, then remove all but the newest `keep`, and best weights that none of these names."""
    facts = {"facts": json.dumps(dict(checkpoint.facts), sort_keys=True), "step": str(checkpoint.step)}
    path = _write(folder, f"step-{checkpoint.step:09d}", checkpoint.tensors, facts)
    for surplus in _candidates(folder)[keep:]:
        surplus.unlink(missing_ok=True)
    if best_paths := list(folder.glob("best-*.safetensors")):
        best_files = {_best_file_of(path) for path in _candidates(folder)}
        for best_path in best_paths:
            if best_path.name not in best_files:
                best_path.unlink(missing_ok=True)
    return path


def save_best(folder: Path, step: int, tensors: Mapping[str, Tensor]) -> str:
    """Write the best weights, those after `step` steps; returns the file's name, for `BEST_FILE`."""
    return _write(folder, f"best-{step:09d}", tensors, {"step": str(step)}).name


def _write(folder: Path, stem: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Path:
    """A safetensors file `stem-HASH.safetensors`.

    By hand, since the library serialises with Python's lock held: a second for half a gigabyte, in which no thread
    trains. Hashing and writing tensors where they lie let go of it.
    """
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))  # aligned, as the format asks
    chunks: list[Any] = []
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    offset = 0
    for name in names:
        tensor = tensors[name].detach().cpu().contiguous()
        chunks.append(tensor.flatten().view(torch.uint8).numpy())
        start, offset = offset, offset + len(chunks[-1])
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, offset]}
    encoded_header = json.dumps(header).encode()
    encoded_header += b" " * (-len(encoded_header) % 8)
    chunks = [len(encoded_header).to_bytes(8, "little"), encoded_header, *chunks]
    digest = hashlib.sha256()
    for chunk in chunks:
        digest.update(chunk)
    path = folder / f"{stem}-{digest.hexdigest()[:16]}.safetensors"
    with writing(path) as stream:
        for chunk in chunks:
            stream.write(chunk)
    return path


def latest_checkpoint_bytes(folder: Path) -> bytes | None:
    """The content of the newest intact checkpoint, for `parse`, or None."""
    return _first_intact(_candidates(folder))


def best_weights_bytes(folder: Path, content: bytes) -> bytes | None:
    """The content of the file of best weights that a checkpoint names, for `parse`; None where it names none."""
    best_file = _header(content)[1].get(BEST_FILE)
    return None if best_file is None else (folder / str(best_file)).read_bytes()


def parse(content: bytes, best: bytes | None = None) -> Checkpoint:
    """A checkpoint from a file's content, with the best weights, as `best/NAME`, from that of theirs."""
    step, facts = _header(content)
    tensors = dict(safetensors.torch.load(content))
    if best is not None:
        tensors |= {f"best/{name}": tensor for name, tensor in safetensors.torch.load(best).items()}
    return Checkpoint(step=step, tensors=tensors, facts=facts)


def _header(content: bytes) -> tuple[int, dict[str, Any]]:
    """Steps and facts of a checkpoint."""
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    return int(header["step"]), json.loads(header["facts"])


def _best_file_of(path: Path) -> str | None:
    """The file of best weights that a checkpoint names; None where it names none or can't be read."""
    try:
        with path.open("rb") as stream:
            length = stream.read(8)
            name = _header(length + stream.read(int.from_bytes(length, "little")))[1].get(BEST_FILE)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError):
        return None
    return None if name is None else str(name)


def load_step(folder: Path, step: int) -> Checkpoint | None:
    """The intact checkpoint after `step` steps, or None."""
    content = _first_intact([path for path in _candidates(folder) if _step_of(path) == step])
    return None if content is None else parse(content)


def steps(folder: Path) -> list[int]:
    """The steps of all checkpoints, intact or not, newest first."""
    return [_step_of(path) for path in _candidates(folder)]


def remove_steps(folder: Path, steps_to_remove: list[int]) -> None:
    """Delete the checkpoints after these steps."""
    for path in _candidates(folder):
        if _step_of(path) in steps_to_remove:
            path.unlink(missing_ok=True)


def _first_intact(paths: list[Path]) -> bytes | None:
    for path in paths:
        content = _read_intact(path)
        if content is not None:
            best = _header(content)[1].get(BEST_FILE)
            if best is None or _read_intact(path.parent / str(best)) is not None:
                return content
            _LOGGER.warning("%s, the best weights of %s, is damaged or gone.", best, path)
        _LOGGER.warning("%s is damaged and is passed over.", path)
    return None


def _read_intact(path: Path) -> bytes | None:
    """The content of a file of tensors that is as it was written, or None."""
    match = _FILE_NAME.fullmatch(path.name)
    try:
        content = path.read_bytes()
        if match is not None and hashlib.sha256(content).hexdigest()[:16] == match[2]:
            # a right hash of wrong content: written by something else
            safetensors.torch.load(content)
            if path.name.startswith("step-"):
                _header(content)
            return content
    except (FileNotFoundError, ValueError, KeyError, TypeError, SafetensorError):
        pass
    return None


def _step_of(path: Path) -> int:
    match = _FILE_NAME.fullmatch(path.name)
    assert match is not None
    return int(match[1])


def _candidates(folder: Path) -> list[Path]:
    """Checkpoint files, newest step first."""
    return sorted((p for p in folder.glob("step-*.safetensors") if _FILE_NAME.fullmatch(p.name)), reverse=True)


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

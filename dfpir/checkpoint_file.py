"""Checkpoint files: the tensors that they hold, whatever wraps them; code in a file is never run."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from dfpir.checkpoint_names import find_averaged_copy, strip_prefixes

Use = Literal["plain", "averaged"]
"""Weights as they were trained, or their moving average (EMA, SWA)."""


_AVERAGED = (
    *("state_dict_ema", "ema_state_dict", "model_ema", "ema_model", "params_ema", "ema", "model_state_dict_ema"),
    *("generator_ema", "net_g_ema", "g_ema", "ema_model_state_dict", "shadow"),
)
_PLAIN = (
    *("state_dict", "model_state_dict", "params", "model", "net", "network", "weight", "weights", "generator"),
    *("net_g", "module"),
)
_MAX_NAMES = 6
_LFS = b"version https://git-lfs.github.com/spec"
_HTML_STARTS = (b"<!doctype html", b"<html", b"<head", b"<?xml", b"<body")
_RESAVE = "where it was made, torch.save(model.state_dict(), 'weights.pth') writes the tensors alone"


class WeightsError(ValueError):
    """A checkpoint that can't be read, or does not fit the model."""


@dataclass(frozen=True, kw_only=True)
class StoredWeights:
    """The weights that a file gives.

    Attributes:
        tensors: by name, wrappers opened and prefixes that all names share taken off.
        use: `averaged` where they are a moving average, else `plain`.
        place: keys of the wrappers that were opened, such as `state_dict_ema`; empty for a bare state dict.
        unused_keys: keys of the sets of weights beside them, which were not taken.
    """

    tensors: dict[str, Tensor]
    use: Use = "plain"
    place: str = ""
    unused_keys: tuple[str, ...] = ()

    @property
    def notice(self) -> str:
        """One sentence on a choice that a reader must know of; empty where there was none."""
        if not self.unused_keys:
            return ""
        beside = ", ".join(map(repr, self.unused_keys))
        alternative: Use = "plain" if self.use == "averaged" else "averaged"
        return f"Takes the {self.use} weights, {self.place!r}, not {beside}: --use {alternative} takes those."


def read_tensors(path: str | Path, use: Use | None = None) -> dict[str, Tensor]:
    """The tensors of a checkpoint file; see `read_checkpoint`."""
    return read_checkpoint(path, use).tensors


def read_checkpoint(path: str | Path, use: Use | None = None) -> StoredWeights:
    """The weights of a checkpoint file, on the CPU; code in it is never run.

    Reads safetensors, and torch files with weights_only=True. Wrappers (`state_dict`, `params`, ...) are opened, and
    prefixes (`module.`, `_orig_mod.`, ...) taken off where every key has them; of `net.` and `ema.` beside each other
    one is taken.

    Args:
        path: of the file.
        use: which of the two where a file holds both; None takes the averaged ones.

    Raises:
        WeightsError: no such file, not a checkpoint, truncated, a pickle that holds more than tensors, or one without
            the weights that `use` asks for.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"No weights file at {path}: give the path of a .safetensors, .pt, .pth or .ckpt file.")
    _refuse_other_kinds(path)
    try:
        content: Any = load_file(path) if _is_safetensors(path) else _load_torch_file(path)
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(
            f"{path} can't be read as weights ({_first_line(error)}): is the download complete?"
        ) from error
    return extract_weights(content, path, use)


def plain_state_dict(content: Any, source: object, use: Use | None = None) -> dict[str, Tensor]:
    """The tensors of what a checkpoint holds, wrappers opened and prefixes taken off; `source` names it in errors."""
    return extract_weights(content, source, use).tensors


def extract_weights(content: Any, source: object, use: Use | None = None) -> StoredWeights:
    """The weights in what a checkpoint holds; `source` names it in errors, `use` as for `read_checkpoint`."""
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{source} holds no state dict (a mapping from names to tensors).")
    weights = _choose_copy(_unwrap(content, source, use), source, use)
    tensors, averaged = strip_prefixes(weights.tensors)
    loaded_use: Use = "averaged" if averaged else weights.use
    if use is not None and loaded_use != use:
        raise WeightsError(f"--use {use}: {source} holds {loaded_use} weights only; leave --use out.")
    return replace(weights, tensors=tensors, use=loaded_use)


def _unwrap(content: Mapping[Any, Any], source: object, use: Use | None) -> StoredWeights:
    """Wrappers opened, one in another; of plain and averaged weights side by side the averaged, or those asked for."""
    averaged, plain = (_keys_with_tensors(content, wrapper_keys) for wrapper_keys in (_AVERAGED, _PLAIN))
    if averaged or plain:
        chosen = plain if plain and (use == "plain" or not averaged) else averaged
        if len(chosen) > 1:
            raise WeightsError(
                f"{source} holds several sets of weights ({_quote_names(chosen)}): save the one that is meant alone, "
                f"{_save_hint(chosen[0])}."
            )
        inner = _unwrap(content[chosen[0]], source, use)
        return replace(
            inner,
            use="averaged" if chosen is averaged else inner.use,
            place=f"{chosen[0]}.{inner.place}".rstrip("."),
            unused_keys=(*(plain if chosen is averaged else averaged), *inner.unused_keys),
        )
    tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
    if not tensors:
        keys = _keys_with_tensors(content, [str(key) for key in content])
        hint = f" Save the weights alone, {_save_hint(keys[0])}." if keys else ""
        raise WeightsError(f"{source} holds no tensors under a known name; its keys: {_quote_names(content)}.{hint}")
    return StoredWeights(tensors=tensors)


def _choose_copy(weights: StoredWeights, source: object, use: Use | None) -> StoredWeights:
    """Of weights and their average under two prefixes of one state dict, those asked for, or the average."""
    copies = find_averaged_copy(weights.tensors)
    if copies is None:
        return weights
    if len(copies.plain_prefixes) > 1:
        sets = _quote_names([copies.averaged_prefix, *copies.plain_prefixes])
        raise WeightsError(f"{source} holds several sets of weights ({sets}): save the one that is meant alone.")
    plain = use == "plain" and bool(copies.plain)
    place, unused_keys = (
        (*copies.plain_prefixes, (copies.averaged_prefix,))
        if plain
        else (copies.averaged_prefix, copies.plain_prefixes)
    )
    return StoredWeights(
        tensors=copies.unrelated | (copies.plain if plain else copies.averaged),
        use="plain" if plain else "averaged",
        place=f"{weights.place}.{place}".lstrip("."),
        unused_keys=(*unused_keys, *weights.unused_keys),
    )


def _keys_with_tensors(content: Mapping[Any, Any], keys: Sequence[str]) -> list[str]:
    """Those of the keys under which there are tensors."""
    return [key for key in keys if isinstance(content.get(key), Mapping) and _holds_tensors(content[key])]


def _holds_tensors(value: Mapping[Any, Any]) -> bool:
    return any(
        isinstance(inner, Tensor) or (isinstance(inner, Mapping) and _holds_tensors(inner)) for inner in value.values()
    )


def _refuse_other_kinds(path: Path) -> None:
    """Raise a WeightsError that calls a file by its name which only bears that of weights."""
    with path.open("rb") as file:
        head = file.read(512)
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if not head:
        raise WeightsError(f"{path} is empty: download it again; it can't be read as weights.")
    if text.startswith(_HTML_STARTS):
        raise WeightsError(
            f"{path} is a web page, not weights: the link leads to a page to log in or confirm on; download the file "
            "itself, in a browser if need be."
        )
    if head.startswith(_LFS):
        raise WeightsError(
            f"{path} is a Git LFS pointer of {path.stat().st_size} bytes, not the weights: run 'git lfs pull' in its "
            "repository, or download the file itself."
        )
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
        if not any(name.endswith(("data.pkl", "constants.pkl")) for name in names):
            raise WeightsError(f"{path} is a zip archive of {_quote_names(names)}, not a checkpoint: unpack it first.")


def _is_safetensors(path: Path) -> bool:
    """By its name, or by its content: the length of a JSON object, then that object."""
    if path.suffix == ".safetensors":
        return True
    with path.open("rb") as file:
        head = file.read(9)
    return len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") < path.stat().st_size


def _load_torch_file(path: Path) -> Any:
    """What a torch file holds, if that is tensors and plain values alone.

    Raises:
        WeightsError: there is something else; it is named.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile):
        raise
    except Exception as error:  # torch raises pickle.UnpicklingError and others for what it won't run
        names = _object_names(str(error))
        if not names:
            raise WeightsError(
                f"{path} can't be read as weights: it is no file of torch.save or safetensors."
            ) from None
        raise WeightsError(
            f"{path} holds {', '.join(names)}, not tensors alone, and is not opened, since making such objects can run "
            f"code: {_RESAVE}."
        ) from None


def _object_names(message: str) -> list[str]:
    """The classes and functions in torch's refusal."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", message)
    matches = re.findall(r"(?:GLOBAL|class|whose module) ([A-Za-z_]\w*(?:\.\w+)*)", plain)
    return list(dict.fromkeys(name for name in matches if "." in name or name[0].isupper()))[:_MAX_NAMES]


def _save_hint(key: str) -> str:
    return f"torch.save(torch.load(FILE, weights_only=True)[{key!r}], 'weights.pth')"


def _quote_names(keys: Any) -> str:
    names = [repr(str(key)) for key in keys]
    return ", ".join(names[:_MAX_NAMES]) + (f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else "")


def _first_line(error: BaseException) -> str:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    return (plain.strip().splitlines() or [type(error).__name__])[0][:200]

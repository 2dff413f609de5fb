"""Text prompts and their codes: the model's conditioning on the degradation.

The paper encodes a sentence a degradation with CLIP ViT-B/32 (`encode_text`, not normalised, 512 numbers of norm about
10). Where CLIP's weights can't be had, `minilm` codes (another text encoder, shipped with this package) or `onehot`
codes stand in, under their own name: a stand-in is part of a run's identity and never called CLIP.
"""

from __future__ import annotations

import hashlib
import logging
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlparse
from urllib.request import getproxies

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from dfpir.config import CODE_DIM, PromptSet
from dfpir.registry import suggestion
from dfpir.sentences import PAPER_CONDITIONS, PAPER_SENTENCES, PROMPTS, SENTENCES

TextEncoder = Literal["clip", "minilm", "onehot"]
TEXT_ENCODERS: tuple[str, ...] = get_args(TextEncoder)
CODE_NORM = 10.0
"""Norm given to stand-in codes: about that of CLIP's."""

CLIP_MODEL = ("ViT-B-32-quickgelu", "openai")
"""open_clip's name of the released code's encoder: OpenAI's weights use the quick GELU."""

PROMPT_SETS: tuple[str, ...] = get_args(PromptSet)


CLIP_FILE_VARIABLE = "DFPIR_CLIP"
"""Environment variable that names a local open_clip_model.safetensors of CLIP's, instead of open_clip's cache."""


class TextEncoderUnavailableError(ValueError):
    """CLIP's weights are neither on this machine nor to be downloaded.

    Attributes:
        reason: why, in a few words.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[TextEncoderUnavailableError], tuple[str, str]]:
        """Let the error be pickled."""
        return type(self), (str(self), self.reason)


@dataclass(frozen=True, kw_only=True)
class PromptBank:
    """The prompts of a run, a row for each condition.

    Attributes:
        conditions: condition names, in the order of the rows.
        texts: the sentences.
        codes: (P, 512) float32, on the CPU.
        encoder: which encoder made the codes.
        prompt_set: which of the paper's sets the sentences come from.
    """

    conditions: tuple[str, ...]
    texts: tuple[str, ...]
    codes: Float[Tensor, "p 512"]
    encoder: str
    prompt_set: str

    @property
    def checksum(self) -> str:
        """Of the codes' bits and their order: equal checksums give equal channel orders."""
        digest = hashlib.sha256("\x1f".join(self.conditions).encode())
        digest.update(self.codes.numpy().tobytes())
        return digest.hexdigest()[:16]

    def row(self, condition: str) -> int:
        """The row of a condition; an untrained noise level takes the nearest trained level's prompt.

        Raises:
            ValueError: a condition without a prompt.
        """
        if condition in self.conditions:
            return self.conditions.index(condition)
        kind, _, level = condition.partition("-")
        levels = {c: int(c.partition("-")[2]) for c in self.conditions if c.startswith(f"{kind}-")}
        if level.isdecimal() and levels:
            return self.conditions.index(min(levels, key=lambda c: abs(levels[c] - int(level))))
        raise ValueError(f"No prompt for condition {condition!r}.{suggestion(condition, self.conditions)}")


def load_prompts(prompt_set: PromptSet, encoder: TextEncoder, conditions: Sequence[str] | None = None) -> PromptBank:
    """The codes of a prompt set, computed once a process.

    Args:
        prompt_set: `detailed` or `simple` sentences of the paper, or one of the controls made from the detailed ones
            (see `DFPIRConfig.prompt_set`). `onehot` codes are the same whatever the encoder; `empty` is the encoder's
            code of the empty sentence, all zeros for a stand-in.
        encoder: `clip`, or a stand-in by its own name.
        conditions: condition names, in the order wanted; default: the seven of the paper.

    Raises:
        ValueError: unknown set, encoder or condition.
        TextEncoderUnavailableError: `clip` without its weights.
    """
    if prompt_set not in PROMPT_SETS:
        raise ValueError(f"Unknown prompt set {prompt_set!r}.{suggestion(prompt_set, PROMPT_SETS)}")
    if encoder not in TEXT_ENCODERS:
        raise ValueError(f"Unknown text encoder {encoder!r}.{suggestion(encoder, TEXT_ENCODERS)}")
    names = tuple(conditions) if conditions is not None else PAPER_CONDITIONS
    for name in names:
        if name not in SENTENCES:
            raise ValueError(f"No prompt for condition {name!r}.{suggestion(name, SENTENCES)}")
    sources = _permuted(names) if prompt_set == "permuted" else names
    which = "simple" if prompt_set == "simple" else "detailed"
    sentences = tuple("" if prompt_set == "empty" else getattr(SENTENCES[name], which) for name in sources)
    encoders: dict[str, Callable[[tuple[str, ...]], Tensor]] = {
        "clip": _clip_codes,
        "minilm": _minilm_codes,
        "onehot": _onehot_codes,
    }
    encode = encoders["onehot" if prompt_set == "onehot" else encoder]
    codes = torch.zeros(len(names), CODE_DIM)
    if prompt_set != "empty" or encoder == "clip":
        codes = encode(sentences)
    return PromptBank(conditions=names, texts=sentences, codes=codes, encoder=encoder, prompt_set=prompt_set)


def _permuted(conditions: Sequence[str]) -> tuple[str, ...]:
    """Whose sentence each condition gets: that of another task, as far as the conditions allow."""
    tasks = [name.partition("-")[0] for name in conditions]
    n = len(conditions)
    shift = min(range(1, n), key=lambda s: sum(tasks[i] == tasks[(i + s) % n] for i in range(n)), default=0)
    return tuple(conditions[(i + shift) % n] for i in range(n))


def _onehot_codes(sentences: tuple[str, ...]) -> Tensor:
    """A direction of its own for each distinct sentence: the paper's in the order of its lists, then these others."""
    vocabulary = list(dict.fromkeys((*PAPER_SENTENCES, *sentences)))
    codes = torch.zeros(len(sentences), CODE_DIM)
    for row, text in enumerate(sentences):
        codes[row, vocabulary.index(text)] = CODE_NORM
    return codes


def conditions_without_code(encoder: str, conditions: Sequence[str]) -> tuple[str, ...]:
    """Those of the conditions whose sentences this encoder can't encode: `minilm`'s codes are of the paper's alone."""
    if encoder != "minilm":
        return ()
    return tuple(name for name in conditions if SENTENCES[name].detailed not in PAPER_SENTENCES)


def _minilm_codes(sentences: tuple[str, ...]) -> Tensor:
    foreign = [text for text in sentences if text not in PAPER_SENTENCES]
    if foreign:
        raise ValueError(
            f"The stored minilm codes are of the paper's sentences, and {foreign[0]!r} is none: choose "
            "--text-encoder clip or onehot."
        )
    with (files("dfpir") / "data" / "minilm_text.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
        stored_codes: dict[str, np.ndarray] = {}
        for prompt_set in PROMPTS:
            stored_codes |= dict(zip(stored[f"{prompt_set}_prompts"].tolist(), stored[prompt_set], strict=True))
    codes = torch.zeros(len(sentences), CODE_DIM)
    for row, text in enumerate(sentences):
        code = torch.from_numpy(stored_codes[text])
        codes[row, : len(code)] = code * CODE_NORM / code.norm()
    return codes


@lru_cache(maxsize=8)
def _clip_codes(sentences: tuple[str, ...]) -> Tensor:
    """CLIP ViT-B/32's text embeddings in float32; its weights are downloaded at the first use (open_clip's cache)."""
    try:
        import open_clip
    except ImportError as error:  # a broken torchvision ends here too
        raise TextEncoderUnavailableError(
            f"open_clip does not import ({error}). Mend the installation, or choose --text-encoder minilm or onehot.",
            f"open_clip does not import: {error}",
        ) from error
    name, pretrained = CLIP_MODEL
    local = os.environ.get(CLIP_FILE_VARIABLE)
    if local:
        pretrained = _local_file(local)
    else:
        _check_reachable(name, pretrained)
    quiet = logging.root.manager.disable
    logging.disable(logging.ERROR)  # the hub client logs each of its retries; the one error below says it all
    try:
        model = open_clip.create_model(name, pretrained=pretrained, precision="fp32", require_pretrained=True)
    except Exception as error:  # the hub client raises many kinds
        raise _clip_error((str(error).strip().splitlines() or [type(error).__name__])[0][:160]) from error
    finally:
        logging.disable(quiet)
    return encode_text(model, open_clip.get_tokenizer(name), sentences)


def _clip_error(reason: str) -> TextEncoderUnavailableError:
    name, pretrained = CLIP_MODEL
    return TextEncoderUnavailableError(
        f"CLIP's weights ({name}, {pretrained}) can't be had ({reason}). Connect to the network once, or choose "
        "--text-encoder minilm or onehot, which are reported under their own names; a local copy is named by "
        f"{CLIP_FILE_VARIABLE}=open_clip_model.safetensors.",
        reason,
    )


def clip_cache() -> str:
    """The folder where open_clip's downloads of CLIP's weights lie."""
    from huggingface_hub import constants
    from open_clip.pretrained import get_pretrained_cfg

    hub = str(get_pretrained_cfg(*CLIP_MODEL).get("hf_hub", "")).strip("/")
    return str(Path(constants.HF_HUB_CACHE) / f"models--{hub.replace('/', '--')}")


def _local_file(name: str) -> str:
    """The file that the environment names; safetensors alone, since nothing is unpickled."""
    if not name.endswith(".safetensors") or not Path(name).is_file():
        raise _clip_error(f"{CLIP_FILE_VARIABLE}={name}: no such file, or none of safetensors")
    return name


def _check_reachable(name: str, pretrained: str) -> None:
    """Fail at once, not after a minute of retries, where the weights are not cached and the hub has no address."""
    from huggingface_hub import constants, try_to_load_from_cache
    from open_clip.pretrained import get_pretrained_cfg

    hub = str(get_pretrained_cfg(name, pretrained).get("hf_hub", "")).rstrip("/")
    files_of_hub = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
    if not hub or any(isinstance(try_to_load_from_cache(hub, file), str) for file in files_of_hub):
        return
    if constants.HF_HUB_OFFLINE:
        raise _clip_error("they are not cached, and HF_HUB_OFFLINE is set")
    if not getproxies():
        try:
            socket.getaddrinfo(urlparse(constants.ENDPOINT).hostname, 443)
        except OSError as error:
            raise _clip_error(f"they are not cached, and there is no network: {error}") from error


def encode_text(model: torch.nn.Module, tokenizer: object, sentences: Sequence[str]) -> Float[Tensor, "p 512"]:
    """`encode_text` of a CLIP model on the CPU in float32, not normalised, as the released code uses it."""
    with torch.inference_mode():
        tokens = tokenizer(list(sentences))  # type: ignore[operator]
        codes: Tensor = model.eval().encode_text(tokens).float().clone()  # type: ignore[operator]
        return codes

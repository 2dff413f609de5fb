"""The conditioning of each model at test time: a degradation's `code` argument."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ablations.harness.training.conditioning import Conditioning
from ablations.models import BaselineConfig
from baselines.registry import BASELINES
from datasets.tasks import Condition
from dfpir import RestorationUNet
from dfpir.prompts import CLIP_MODEL, PromptBank, load_prompts
from dfpir.registry import suggestion
from dfpir.sentences import SENTENCES

CodeFunction = Callable[[Condition, int, torch.device], "Tensor | None"]
"""(condition, images, device) -> the models' `code` argument."""

_DESCRIPTIONS = {
    "operator": "the task's operator",
    "condition": "the condition",
    "code256": "the run's prompts, projected: a stand-in for an instruction encoder",
}


def build_code_function(
    name: str,
    model: nn.Module,
    prompts: Callable[[], PromptBank] | None,
    vectors_file: Path | None,
    *,
    trained_here: bool = False,
) -> tuple[CodeFunction, str]:
    """The function that gives a model its `code`, and a description of the conditioning.

    `prompts` is called only for a model that takes text codes; `vectors_file`, a safetensors file with a vector for
    each condition's name, replaces them. Weights that were `trained_here` use the run's stand-in for an instruction
    encoder.

    Raises:
        ValueError: a model whose codes can't be computed here and were not given; a file without usable vectors.
    """
    required = _required_code(name, model)
    if vectors_file is not None:
        length = {"code512": 512, "code256": 256}.get(required)
        if length is None:
            raise ValueError(f"--codes {vectors_file}: {name} takes no vectors; leave the option out.")
        return _code_from_vectors(_read_vectors(vectors_file, length), vectors_file), f"vectors of {vectors_file.name}"
    if required == "sigma":
        return _noise_level_code, "the noise level"
    if required == "code512":
        assert prompts is not None
        bank = prompts()
        return _code_from_prompts(model, bank), _describe_prompts(bank)
    if required == "code256" and not trained_here:
        raise ValueError(
            f"{name} is told by vectors of an encoder that this suite does not have: give them with --codes FILE, a "
            "safetensors file with one vector of 256 numbers for each condition's name."
        )
    # the conditioning of a run; a blind model looks its prompts up as well, and gets none
    bank = (
        prompts()
        if prompts is not None and required == "code256"
        else load_prompts("detailed", "onehot", list(SENTENCES))
    )
    conditioning = Conditioning(BaselineConfig(name=name), bank) if name in BASELINES else None

    def code(condition: Condition, count: int, device: torch.device) -> Tensor | None:
        return None if conditioning is None else conditioning([condition] * count, device, training=False)

    return code, _DESCRIPTIONS.get(required, "nothing (blind)")


def _required_code(name: str, model: nn.Module) -> str:
    if isinstance(model, RestorationUNet):
        return "code512" if model.config.uses_prompts else "none"
    if name == "ffdnet":
        return "sigma"
    return str(getattr(BASELINES[name], "needs", "none")) if name in BASELINES else "none"


def _describe_prompts(bank: PromptBank) -> str:
    encoder_text = f"CLIP ({CLIP_MODEL[0]})" if bank.encoder == "clip" else f"{bank.encoder}, a stand-in for CLIP,"
    return f"{bank.prompt_set} prompts encoded by {encoder_text} {bank.checksum}"


def _code_from_prompts(model: nn.Module, bank: PromptBank) -> CodeFunction:
    """Rows of the prompts bound to a run's weights, else the codes themselves."""
    bound_prompts = getattr(model, "prompt_codes", None)
    if bound_prompts is not None and bound_prompts.shape != bank.codes.shape:
        raise ValueError(
            f"The weights carry {len(bound_prompts)} prompts, the run's spec.json names {len(bank.codes)}."
        )

    def code(condition: Condition, count: int, device: torch.device) -> Tensor:
        row = bank.row(condition.name)
        if bound_prompts is not None:
            return torch.full((count,), row, device=device)
        return bank.codes[row].to(device).expand(count, -1)

    return code


def _code_from_vectors(vectors: dict[str, Tensor], source: Path) -> CodeFunction:
    def code(condition: Condition, count: int, device: torch.device) -> Tensor:
        if condition.name not in vectors:
            raise ValueError(f"{source} has no vector for {condition.name!r}.{suggestion(condition.name, vectors)}")
        return vectors[condition.name].to(device).expand(count, -1)

    return code


def _read_vectors(path: Path, length: int) -> dict[str, Tensor]:
    if not path.is_file():
        raise ValueError(f"--codes {path}: no such file; a safetensors file with a vector for each condition's name.")
    try:
        vectors = {name: vector.float().flatten() for name, vector in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"--codes {path} can't be read as safetensors ({error}).") from error
    wrong_lengths = [f"{name} has {len(vector)}" for name, vector in vectors.items() if len(vector) != length]
    if wrong_lengths or not vectors:
        raise ValueError(
            f"--codes {path}: vectors of {length} numbers are needed; {wrong_lengths[0] if wrong_lengths else 'none'}."
        )
    return vectors


def _noise_level_code(condition: Condition, count: int, device: torch.device) -> Tensor:
    assert condition.sigma_255 is not None
    return torch.full((count,), float(condition.sigma_255), device=device)

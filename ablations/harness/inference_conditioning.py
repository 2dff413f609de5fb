"""What each model is told of an image's degradation at test time."""

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

Code = Callable[[Condition, int, torch.device], "Tensor | None"]
"""(condition, images, device) -> the models' `code` argument."""

_TOLD = {
    "operator": "the task's operator",
    "condition": "the condition",
    "code256": "the run's prompts, projected: a stand-in for an instruction encoder",
}


def code_for(
    name: str,
    model: nn.Module,
    prompts: Callable[[], PromptBank] | None,
    codes: Path | None,
    *,
    trained_here: bool = False,
) -> tuple[Code, str]:
    """How a model is told the degradation, and that in words.

    `prompts` is called only for a model that takes text codes; `codes`, a safetensors file with a vector for each
    condition's name, takes their place. Weights that were `trained_here` have the run's stand-in for an instruction
    encoder.

    Raises:
        ValueError: a model whose codes can't be made here and were not given; a file that holds none.
    """
    needs = _needs(name, model)
    if codes is not None:
        length = {"code512": 512, "code256": 256}.get(needs)
        if length is None:
            raise ValueError(f"--codes {codes}: {name} takes no vectors; leave the option out.")
        return _from_table(_read_table(codes, length), codes), f"vectors of {codes.name}"
    if needs == "sigma":
        return _sigma, "the noise level"
    if needs == "code512":
        assert prompts is not None
        bank = prompts()
        return _from_prompts(model, bank), _words(bank)
    if needs == "code256" and not trained_here:
        raise ValueError(
            f"{name} is told by vectors of an encoder that this suite does not have: give them with --codes FILE, a "
            "safetensors file with one vector of 256 numbers for each condition's name."
        )
    # what the harness tells a model in a run; a blind one is asked for its rows of the prompts and not told them
    bank = (
        prompts() if prompts is not None and needs == "code256" else load_prompts("detailed", "onehot", list(SENTENCES))
    )
    told = Conditioning(BaselineConfig(name=name), bank) if name in BASELINES else None

    def code(condition: Condition, count: int, device: torch.device) -> Tensor | None:
        return None if told is None else told([condition] * count, device, training=False)

    return code, _TOLD.get(needs, "nothing (blind)")


def _needs(name: str, model: nn.Module) -> str:
    if isinstance(model, RestorationUNet):
        return "code512" if model.config.uses_prompts else "none"
    if name == "ffdnet":
        return "sigma"
    return str(getattr(BASELINES[name], "needs", "none")) if name in BASELINES else "none"


def _words(bank: PromptBank) -> str:
    encoder = f"CLIP ({CLIP_MODEL[0]})" if bank.encoder == "clip" else f"{bank.encoder}, a stand-in for CLIP,"
    return f"{bank.prompt_set} prompts encoded by {encoder} {bank.checksum}"


def _from_prompts(model: nn.Module, bank: PromptBank) -> Code:
    """Rows of the prompts that a run's weights carry, else the codes themselves."""
    bound = getattr(model, "prompt_codes", None)
    if bound is not None and bound.shape != bank.codes.shape:
        raise ValueError(f"The weights carry {len(bound)} prompts, the run's spec.json names {len(bank.codes)}.")

    def code(condition: Condition, count: int, device: torch.device) -> Tensor:
        row = bank.row(condition.name)
        if bound is not None:
            return torch.full((count,), row, device=device)
        return bank.codes[row].to(device).expand(count, -1)

    return code


def _from_table(table: dict[str, Tensor], source: Path) -> Code:
    def code(condition: Condition, count: int, device: torch.device) -> Tensor:
        if condition.name not in table:
            raise ValueError(f"{source} has no vector for {condition.name!r}.{suggestion(condition.name, table)}")
        return table[condition.name].to(device).expand(count, -1)

    return code


def _read_table(path: Path, length: int) -> dict[str, Tensor]:
    if not path.is_file():
        raise ValueError(f"--codes {path}: no such file; a safetensors file with a vector for each condition's name.")
    try:
        table = {name: vector.float().flatten() for name, vector in load_file(path).items()}
    except (SafetensorError, OSError) as error:
        raise ValueError(f"--codes {path} can't be read as safetensors ({error}).") from error
    wrong = [f"{name} has {len(vector)}" for name, vector in table.items() if len(vector) != length]
    if wrong or not table:
        raise ValueError(f"--codes {path}: vectors of {length} numbers are needed; {wrong[0] if wrong else 'none'}.")
    return table


def _sigma(condition: Condition, count: int, device: torch.device) -> Tensor:
    assert condition.sigma_255 is not None
    return torch.full((count,), float(condition.sigma_255), device=device)

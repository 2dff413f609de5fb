"""Which models are measured, and everything needed to call one of them: code, images, training loss."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

import baselines
from ablations.harness.model_factory import build_model
from ablations.models import BaselineConfig, ModelConfig, model_config, model_names
from baselines.dl import OPERATORS, operator_code
from datasets.tasks import CONDITIONS, PAPER_TASKS
from dfpir import DFPIRConfig, RestorationUNet
from dfpir.config import CODE_DIM
from dfpir.prompts import load_prompts
from dfpir.registry import UnknownNameError, suggestion

Images = Float[Tensor, "b 3 h w"]

CLASSICAL_CONDITION = "noise-25"
"""What classical references are timed on: each condition has a method of its own, this one's is the slowest."""

CONDITIONING_TEXT = {
    "none": "nothing (blind)",
    "view": "nothing (blind)",
    "label": "nothing (blind); the class in its first training stage",
    "operator": "operator and strength",
    "condition": f"the condition (timed on {CLASSICAL_CONDITION})",
    "code512": "text code, 512 numbers",
    "code256": "instruction embedding, 256 numbers",
    "image512": "CLIP's feature of the image, 512 numbers",
}
EXCLUDED_PARTS = {
    "code512": "CLIP's text encoder: runs once a prompt, not once an image",
    "code256": "the instruction encoder: runs once an instruction, not once an image",
    "image512": "its authors' CLIP image encoder: runs once an image, so its time comes on top",
}


@dataclass(frozen=True, kw_only=True)
class BenchmarkedModel:
    """A model to measure."""

    name: str  # as in `ablations.models.model_names`
    config: ModelConfig | None  # its configuration; None for a method that can't be built here
    aliases: tuple[str, ...] = ()  # other names of the same model at this size
    reason: str = ""  # why it can't be built, or ""

    @property
    def needs(self) -> str:
        """What `code` its model takes, as `baselines.registry.Needs`."""
        if isinstance(self.config, DFPIRConfig):
            return "code512" if self.config.uses_prompts else "none"
        return self.config.entry.needs if self.config is not None else "none"

    def facts(self) -> dict[str, str]:
        """What the table says of it whatever is measured."""
        settings = json.loads(self.config.settings) if isinstance(self.config, BaselineConfig) else {}
        return {
            "model": self.name,
            "kind": "variant" if isinstance(self.config, DFPIRConfig) else "comparator",
            "aliases": ";".join(self.aliases),
            "settings": json.dumps(settings, sort_keys=True) if settings else "",
            "conditioning": CONDITIONING_TEXT.get(self.needs, self.needs) if self.config is not None else "",
            "excluded_part": EXCLUDED_PARTS.get(self.needs, ""),
        }


def benchmark_models(sizes: Mapping[str, Any], names: Sequence[str] | None = None) -> list[BenchmarkedModel]:
    """The distinct models at a budget's size, each under its first name; methods that can't be built come last.

    Raises:
        UnknownNameError: a name that there is not, with the nearest known one.
    """
    unavailable_names = baselines.list_models(unavailable=True)
    for name in names or ():
        if name not in (*model_names(), *unavailable_names):
            raise UnknownNameError(f"Unknown model {name!r}.{suggestion(name, [*model_names(), *unavailable_names])}")
    models_by_key: dict[str, BenchmarkedModel] = {}
    for name in model_names():
        if names and name not in names:
            continue
        config = model_config(name, sizes)
        key = json.dumps(config.identity(), sort_keys=True, default=list)
        existing = models_by_key.get(key)
        aliases = (*existing.aliases, name) if existing else ()
        models_by_key[key] = BenchmarkedModel(name=existing.name if existing else name, config=config, aliases=aliases)
    unavailable = {name: baselines.describe(name) for name in unavailable_names if not names or name in names}
    return [
        *models_by_key.values(),
        *(
            BenchmarkedModel(name=n, config=None, reason=d.reason)
            for n, d in unavailable.items()
            if hasattr(d, "reason")
        ),
    ]


def build_benchmark_model(model: BenchmarkedModel) -> nn.Module:
    """The model on the CPU, with prompts bound where it has any.

    Raises:
        ValueError: it can't be built here. MissingExtraError: its library is not installed.
    """
    if model.config is None:
        raise ValueError(model.reason)
    network = build_model(model.config, seed=0)
    if isinstance(network, RestorationUNet) and network.config.uses_prompts:
        # stored orders, as a trained model has them; which prompts they are of costs nothing
        network.bind_prompts(load_prompts(network.config.prompt_set, "minilm").codes)
    return network


def random_code(model: BenchmarkedModel, network: nn.Module, images: Images, *, training: bool) -> Tensor | None:
    """A valid `code` for a batch: random numbers where the model takes a vector, since values cost nothing."""
    batch, device = len(images), images.device
    if isinstance(network, RestorationUNet) and network.prompt_codes is not None:
        return torch.arange(batch, device=device) % len(network.prompt_codes)
    if isinstance(network, RestorationUNet) and network.config.channel_perturbation:
        return torch.zeros(batch, CODE_DIM, device=device)  # the `identity` order looks at no code, but takes one
    vectors = {"code512": 512, "image512": 512, "code256": 256}
    if model.needs in vectors:
        generator = torch.Generator().manual_seed(0)
        return F.normalize(torch.randn(batch, vectors[model.needs], generator=generator), dim=-1).to(device)
    row = [c.name for c in CONDITIONS].index(CLASSICAL_CONDITION)
    code_makers: dict[str, Callable[[], Tensor | None]] = {
        "label": lambda: torch.arange(batch, device=device) % len(PAPER_TASKS) if training else None,
        "view": lambda: images.roll(5, dims=-1) if training else None,
        "operator": lambda: operator_code([list(OPERATORS)[i % len(OPERATORS)] for i in range(batch)]).to(device),
        "condition": lambda: torch.full((batch,), row, device=device),
    }
    return code_makers.get(model.needs, lambda: None)()

"""Conditioning: the `code` argument that describes a sample's degradation, in training and at test time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ablations.models import ModelConfig
from baselines.dl import operator_code
from datasets.seeding import stable_seed
from datasets.tasks import CONDITIONS, PAPER_TASKS, Condition
from datasets.transfer import to_device_async
from dfpir import DFPIRConfig
from dfpir.config import CODE_DIM
from dfpir.prompts import PromptBank

INSTRUCTION_DIM = 256


class Conditioning:
    """Turns conditions into a model's `code` argument; `prompts` has a row for each condition trained on.

    Raises:
        ValueError: the model needs an encoding that can't be made here.
    """

    def __init__(self, config: ModelConfig, prompts: PromptBank) -> None:
        self.prompts = prompts
        self._shuffled = config.prompt_set == "shuffled"
        self.needs = "row" if isinstance(config, DFPIRConfig) else config.entry.needs
        if self.needs == "image512":
            raise ValueError(
                "This model is told by the image features of its authors' fine-tuned CLIP, which are not published "
                "in a form that can be loaded here: it can be built and compared with its fixture, not trained."
            )
        self._instructions = self._project_to_instructions(prompts.codes) if self.needs == "code256" else None

    def __call__(
        self,
        conditions: Sequence[Condition],
        device: torch.device,
        *,
        training: bool,
        seeds: Sequence[int] | None = None,
    ) -> Tensor | None:
        """The `code` of a batch with these conditions, on the device; None for a blind model.

        `seeds` of the samples are needed in training where the prompts are shuffled among the conditions.
        """
        rows = [self.prompts.row(condition.name) for condition in conditions]
        if self._shuffled and training:
            assert seeds is not None
            rows = [stable_seed("shuffled prompt", seed) % len(self.prompts.conditions) for seed in seeds]
        if self.needs == "row":
            return to_device_async(torch.tensor(rows), device)
        if self.needs == "code512":
            return to_device_async(self.prompts.codes[rows], device)
        if self._instructions is not None:
            return to_device_async(self._instructions[rows], device)
        if self.needs == "label" and training:
            return to_device_async(torch.tensor([PAPER_TASKS.index(c.task) for c in conditions]), device)
        if self.needs == "operator":
            return to_device_async(operator_code([c.task.name for c in conditions]), device)
        if self.needs == "condition":
            return to_device_async(torch.tensor([_nearest_condition_row(c) for c in conditions]), device)
        return None

    @staticmethod
    def _project_to_instructions(codes: Tensor) -> Tensor:
        """Unit vectors of 256 numbers that keep the codes' angles: a stand-in for an instruction encoder.

        A fixed random projection (Johnson and Lindenstrauss), the same in every run.
        """
        generator = torch.Generator().manual_seed(stable_seed("instruction projection"))
        projection = torch.randn(CODE_DIM, INSTRUCTION_DIM, generator=generator) / INSTRUCTION_DIM**0.5
        return torch.nn.functional.normalize(codes @ projection, dim=-1)


def _nearest_condition_row(condition: Condition) -> int:
    """The condition's place in `CONDITIONS`; a noise level between two of them takes the nearer one's."""
    candidates = [row for row, other in enumerate(CONDITIONS) if other.task is condition.task]
    return min(candidates, key=lambda row: abs((CONDITIONS[row].sigma_255 or 0) - (condition.sigma_255 or 0)))

"""What training and evaluation of one run work with."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ablations.data import load_data
from ablations.harness.training.conditioning import Conditioning
from ablations.harness.training.distributed import SINGLE_PROCESS, ProcessGroup
from ablations.spec import RunSpec
from datasets.bundle import DataBundle
from dfpir.prompts import load_prompts


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """A run with its data, on a device."""

    spec: RunSpec
    bundle: DataBundle  # its images
    conditioning: Conditioning  # the model's `code` argument for each sample
    device: torch.device
    process_group: ProcessGroup = SINGLE_PROCESS  # its rank 0 alone reads and writes files


def run_context(spec: RunSpec, device: torch.device, process_group: ProcessGroup = SINGLE_PROCESS) -> RunContext:
    """The run with its images read and its prompts encoded.

    Raises:
        ValueError: the data changed since the run was planned.
    """
    bundle = load_data(spec)
    prompts = load_prompts(spec.config.prompt_set, spec.text_encoder, spec.conditions)  # type: ignore[arg-type]
    conditioning = Conditioning(spec.config, prompts)
    return RunContext(spec=spec, bundle=bundle, conditioning=conditioning, device=device, process_group=process_group)

"""Models with initial weights that depend on the seed alone."""

from __future__ import annotations

import json

import torch
from torch import Tensor, nn

import baselines
from ablations.harness.seeding import initialise
from ablations.models import ModelConfig
from datasets.seeding import stable_seed
from dfpir import DFPIRConfig, RestorationUNet


def build_model(config: ModelConfig, seed: int) -> nn.Module:
    """A freshly initialised model on the CPU; the global random state is unchanged.

    Variants of DFPIR initialise each layer from its name, so that common layers have equal weights. A comparator uses
    its own initialisation, under one seed for the model.
    """
    if isinstance(config, DFPIRConfig):
        model = RestorationUNet(config)
        initialise(model, seed)
        return model
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stable_seed("first weights", seed, config.name))
        return baselines.create_model(config.name, **json.loads(config.settings))


def untrained_model(config: ModelConfig, seed: int, codes: Tensor) -> nn.Module:
    """The model before the first training step, on the CPU in eval mode, with the prompt `codes` (P, T) bound."""
    model = build_model(config, seed)
    if isinstance(model, RestorationUNet):
        model.bind_prompts(codes)
    if hasattr(model, "set_progress"):
        model.set_progress(0.0)  # type: ignore[operator]
    return model.eval()

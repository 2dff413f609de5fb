"""A finished run, loaded to be measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from ablations.harness.context import RunContext, run_context
from ablations.harness.evaluate import restore_items
from ablations.harness.model_factory import build_model, untrained_model
from ablations.harness.run_one import test_items
from ablations.harness.training import snapshots
from ablations.models import is_trained
from ablations.spec import MeasureConfig, RunSpec
from datasets.bundle import EvalItem
from dfpir.prompts import PromptBank
from dfpir.weights import load_weights
from reports.schema import WEIGHTS_FILE


@dataclass(frozen=True, kw_only=True)
class LoadedRun(RunContext):
    """The input of a measure."""

    folder: Path  # of the run
    sizes: MeasureConfig  # how much is measured

    @cached_property
    def model(self) -> nn.Module:
        """The finished run's model, in eval mode, on `device`.

        Raises:
            ValueError: the weights are not the model's.
            OSError: the run has none.
        """
        model = build_model(self.spec.config, self.spec.seed)
        if is_trained(self.spec.config):
            load_weights(model, safetensors.torch.load((self.folder / WEIGHTS_FILE).read_bytes()))
        if hasattr(model, "set_progress"):
            model.set_progress(1.0)  # type: ignore[operator]
        return model.to(self.device).eval()

    def restored(self) -> Iterator[tuple[EvalItem, Tensor]]:
        """The run's test images under its protocol, each with the restored image.

        Yields:
            The image and (1, 3, H, W) float32, RGB, not clipped, on `device`.
        """
        items = test_items(self.spec, self.bundle, self.spec.protocol)
        yield from restore_items(self, self.model, items)

    @property
    def prompts(self) -> PromptBank:
        """The run's prompts."""
        return self.conditioning.prompts

    def model_at(self, tenth: int) -> nn.Module | None:
        """The model at a tenth of its training (0: before the first step), or None where it is not stored."""
        if tenth == snapshots.TENTHS and (self.folder / WEIGHTS_FILE).is_file():
            return self.model
        if tenth == 0:
            return untrained_model(self.spec.config, self.spec.seed, self.prompts.codes).to(self.device)
        state = snapshots.load(self.folder, snapshots.step_at(self.spec.recipe, tenth))
        if state is None:
            return None
        model = build_model(self.spec.config, self.spec.seed)
        load_weights(model, state)
        if hasattr(model, "set_progress"):
            model.set_progress(tenth / snapshots.TENTHS)  # type: ignore[operator]
        return model.to(self.device).eval()


def load_run(spec: RunSpec, folder: Path, device: torch.device, sizes: MeasureConfig | None = None) -> LoadedRun:
    """Load a run's data and prompts; its weights are read on first use.

    Raises:
        ValueError: the data changed since the run.
    """
    run = run_context(spec, device)
    return LoadedRun(folder=folder, sizes=sizes or MeasureConfig(), **vars(run))

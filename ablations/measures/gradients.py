"""Interference of tasks: how far the gradients of the tasks' losses point apart on the parameters that they share.

Two tasks conflict where the cosine between their gradients is negative: a step that lowers the loss of one raises the
other's, to first order (PCGrad: Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, definition 1; its
definition 2 compares the gradients' magnitudes, here their ratio). The paper motivates feature perturbation by such
interference without measuring it.

A task's gradient is estimated from `batch` patches, drawn for each task on its own, as training draws them: the inner
product of two estimates is that of the true gradients on average, while sampling noise lengthens both and so pulls the
cosine towards 0, without changing its sign on average. Compare variants at the same `batch`. The numbers describe one
point of training, the weights as given.

The mean absolute error has the sign of the error as its gradient. An image that is too dark or too blue as a whole has
one sign everywhere, so that its pixels add up, while those of noise cancel: gradients then agree or conflict about a
global colour, which is not the interference that the paper means. Each gradient is therefore taken twice, the second
time of the error without its mean over the pixels of each image and channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ablations.harness.context import RunContext
from ablations.harness.heartbeat import notify_heartbeat
from ablations.harness.training.gradients import training_loss
from ablations.harness.training.train import run_conditions
from ablations.measures.groups import ALL, layer_groups
from ablations.models import is_trained
from ablations.spec import MeasureConfig, RunSpec
from datasets.seeding import stable_seed
from datasets.tasks import Condition, Task
from dfpir import DFPIRConfig

PLAIN = "plain"
"""The training loss as it is."""
WITHOUT_COLOUR = "without_colour"
"""The mean absolute error after its mean over pixels was subtracted from the error of each image and channel."""

COLUMNS = ("draw", "loss", "group", "task_a", "task_b", "cosine", "norm_a", "norm_b", "n_parameters")

_ROUNDING = 1e-5
"""A gradient shorter than this share of the plain loss's is what rounding left of zero."""

Gradients = dict[str, dict[str, Tensor]]  # loss -> parameter -> gradient


@dataclass(frozen=True, kw_only=True)
class _Draw:
    """Everything that a draw of one task fixes: nothing of it depends on the model."""

    conditions: list[Condition]
    seeds: list[int]
    rng_seed: int


def task_gradient_interference(run: RunContext, model: nn.Module, sizes: MeasureConfig) -> pd.DataFrame:
    """Cosines between the tasks' gradients at the model's present weights.

    Each of `sizes.draws` draws gives every task two gradients on `batch` training patches: of its training loss (a
    comparator's own objective where it has one; such a model has rows of `PLAIN` alone) and of `WITHOUT_COLOUR`. The
    patches have the side of the recipe's first phase, and each noise level comes as often as the others. They depend on
    the data, the task and the draw alone: every variant and seed meets the same ones. The model is in training mode, so
    that learned orders are soft, and in float32 whatever precision it was trained in. Gradients of micro-batches add up
    to that of the batch, except where a model ties the samples of a batch together (batch normalisation, a contrastive
    or a load-balancing loss): those see micro-batches.

    Weights, buffers, modes, `.grad` and the global random state are as before afterwards.

    Args:
        run: whose training images are drawn.
        model: on the run's device, prompts bound; a comparator that isn't trained, or a model of one task, has no rows.
        sizes: `draws`, `batch` and `micro_batch`.

    Returns:
        `COLUMNS`, a row for each draw, loss, group of layers (see `layer_groups`) and unordered pair of tasks: the
        cosine, the gradients' Euclidean norms and the number of parameters that any task's gradient reached. Inner
        products are in float64. Where a task's gradient on a group is zero there is no cosine and no row. A row with
        one task twice compares its gradient with that of the draw before: how well a batch shows the gradient at all,
        and so how large a cosine between two tasks could come out.

    Raises:
        ValueError: a number below 1, or a batch that does not hold each noise level equally often.
    """
    levels = _levels_of_tasks(run.spec, sizes)
    rows: list[dict[str, object]] = []
    if is_trained(run.spec.config) and len(levels) > 1:
        groups = layer_groups(model)
        with _as_in_training(model, run.device):
            before: dict[Task, Gradients] = {}
            for draw in range(sizes.draws):
                gradients = {
                    task: _gradient(run, model, _draw(run.spec, task, conditions, draw, sizes.batch), sizes.micro_batch)
                    for task, conditions in levels.items()
                }
                rows += _rows(draw, groups, list(gradients.items()))
                for task, gradient in before.items():
                    rows += _rows(draw, groups, [(task, gradient), (task, gradients[task])])
                before = gradients
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _levels_of_tasks(spec: RunSpec, sizes: MeasureConfig) -> dict[Task, list[Condition]]:
    """The conditions of each task; sizes that do not fit them are refused."""
    for name in ("draws", "batch", "micro_batch"):
        if getattr(sizes, name) < 1:
            raise ValueError(f"{name}={getattr(sizes, name)}: 1 or more is needed.")
    levels: dict[Task, list[Condition]] = {}
    for condition in run_conditions(spec):
        levels.setdefault(condition.task, []).append(condition)
    for task, conditions in levels.items():
        if sizes.batch % len(conditions):
            names = ", ".join(c.name for c in conditions)
            raise ValueError(
                f"batch={sizes.batch}: a multiple of {len(conditions)} is needed for {task.name} ({names})."
            )
    return levels


def _draw(spec: RunSpec, task: Task, levels: Sequence[Condition], draw: int, batch: int) -> _Draw:
    """Neither the run's seed nor its variant goes in."""
    names = ("task gradient", spec.data.checksum, task.name, draw)
    return _Draw(
        conditions=[levels[row % len(levels)] for row in range(batch)],
        seeds=[stable_seed(*names, "sample", row) for row in range(batch)],
        rng_seed=stable_seed(*names, "model"),
    )


@contextmanager
def _as_in_training(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Training mode, and afterwards all that a training pass may change as it was."""
    modes = [(module, module.training) for module in model.modules()]
    # running statistics, queues, and momentum encoders, which are parameters that no gradient reaches
    moving = [*model.buffers(), *(p for p in model.parameters() if not p.requires_grad)]
    before = [tensor.detach().clone() for tensor in moving]
    model.train()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.enable_grad():
            yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(moving, before, strict=True):
                tensor.copy_(value)
        for module, mode in modes:
            module.training = mode


def _gradient(run: RunContext, model: nn.Module, drawn: _Draw, micro_batch: int) -> Gradients:
    """The gradients of both mean losses over a draw's patches, without parameters that none reached."""
    spec, batch = run.spec, len(drawn.seeds)
    degraded, clean = run.bundle.batch(drawn.conditions, drawn.seeds, spec.recipe.phase_at(0).patch, run.device)
    code = run.conditioning(drawn.conditions, run.device, training=True, seeds=drawn.seeds)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    total: Gradients = {}
    torch.manual_seed(drawn.rng_seed)  # what a model draws while training (dropped paths, routing noise)
    for start in range(0, batch, micro_batch):
        part = slice(start, start + micro_batch)
        told = None if code is None else code[part]
        losses = _losses(spec, model, degraded[part], clean[part], told)
        for left, (name, loss) in zip(reversed(range(len(losses))), losses.items(), strict=True):
            mean = loss * (len(degraded[part]) / batch)
            # autograd.grad, not backward: nobody's .grad is written
            found = torch.autograd.grad(mean, list(trained.values()), allow_unused=True, retain_graph=left > 0)
            _add(total.setdefault(name, {}), trained, found)
        notify_heartbeat()
    return total


def _losses(spec: RunSpec, model: nn.Module, degraded: Tensor, clean: Tensor, code: Tensor | None) -> dict[str, Tensor]:
    """Mean losses of patches, (B, 3, H, W) each, from one forward pass."""
    if not isinstance(spec.config, DFPIRConfig) and spec.config.row.objective is not None:
        return {PLAIN: training_loss(spec.config, model, degraded, clean, code)}
    error = model(degraded, code).float() - clean
    return {PLAIN: error.abs().mean(), WITHOUT_COLOUR: (error - error.mean((2, 3), keepdim=True)).abs().mean()}


def _add(total: dict[str, Tensor], names: Iterable[str], found: Sequence[Tensor | None]) -> None:
    for name, gradient in zip(names, found, strict=True):
        if gradient is not None:
            total[name] = total[name].add_(gradient) if name in total else gradient.detach().clone()


def _rows(
    draw: int, groups: dict[str, list[str]], gradients: Sequence[tuple[Task, Gradients]]
) -> list[dict[str, object]]:
    """Every loss, group and pair of these gradients, from the inner products of each parameter's."""
    rows: list[dict[str, object]] = []
    plain: dict[str, NDArray[np.float64]] = {}
    for loss in gradients[0][1]:
        alone = [gradient[loss] for _, gradient in gradients]
        products = {name: _inner_products(name, alone) for name in groups[ALL]}
        sizes = {name: max((g[name].numel() for g in alone if name in g), default=0) for name in groups[ALL]}
        for group, names in groups.items():
            gram = np.sum([products[name] for name in names], axis=0)
            norms = np.sqrt(gram.diagonal())
            least = 0 if loss == PLAIN else _ROUNDING * plain[group]
            plain.setdefault(group, norms)
            is_zero = norms <= least
            for (a, task_a), (b, task_b) in combinations([(row, task) for row, (task, _) in enumerate(gradients)], 2):
                if is_zero[a] or is_zero[b]:
                    continue
                rows.append(
                    {
                        "draw": draw,
                        "loss": loss,
                        "group": group,
                        "task_a": task_a.name,
                        "task_b": task_b.name,
                        "cosine": float(gram[a, b] / (norms[a] * norms[b])),
                        "norm_a": float(norms[a]),
                        "norm_b": float(norms[b]),
                        "n_parameters": sum(sizes[name] for name in names),
                    }
                )
    return rows


def _inner_products(name: str, gradients: Sequence[dict[str, Tensor]]) -> NDArray[np.float64]:
    """(T, T) inner products of the T tasks' gradients on one parameter; zero where no gradient reached it."""
    reached = [row for row, gradient in enumerate(gradients) if name in gradient]
    products = np.zeros((len(gradients), len(gradients)))
    if reached:
        stacked = torch.stack([gradients[row][name].flatten().double() for row in reached])
        products[np.ix_(reached, reached)] = (stacked @ stacked.T).cpu().numpy()
    return products

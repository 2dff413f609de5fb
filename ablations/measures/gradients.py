"""Interference of tasks: the cosine between the gradients of the tasks' losses on their shared parameters.

Two tasks conflict where the cosine between their gradients is negative: a step that lowers the loss of one raises the
other's, to first order (PCGrad: Yu et al., "Gradient Surgery for Multi-Task Learning", NeurIPS 2020, definition 1; its
definition 2 compares the gradients' magnitudes, here their ratio). The paper motivates feature perturbation by such
interference without measuring it.

A task's gradient is estimated from `batch` patches, sampled for each task separately, as in training: the inner
product of two estimates is that of the true gradients on average, while sampling noise lengthens both and so pulls the
cosine towards 0, without changing its sign on average. Compare variants at the same `batch`. The numbers describe one
point of training, the present weights.

The gradient of the mean absolute error is the sign of the error. In an image that is too dark or too blue everywhere it
is the same in all pixels, which add up, while those of noise cancel: gradients then agree or conflict about a global
colour, which is not the interference that the paper means. Each gradient is therefore computed twice, the second time
from the error without its mean over the pixels of each image and channel.
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
"""The training loss, unchanged."""
WITHOUT_COLOUR = "without_colour"
"""The mean absolute error, after the mean error over the pixels of each image and channel was subtracted."""

COLUMNS = ("draw", "loss", "group", "task_a", "task_b", "cosine", "norm_a", "norm_b", "n_parameters")

_ROUNDING = 1e-5
"""A gradient shorter than this share of the plain loss's is zero up to rounding."""

Gradients = dict[str, dict[str, Tensor]]  # loss -> parameter -> gradient


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """The random choices of a batch of one task; independent of the model."""

    conditions: list[Condition]
    seeds: list[int]
    rng_seed: int


def task_gradient_interference(run: RunContext, model: nn.Module, sizes: MeasureConfig) -> pd.DataFrame:
    """Cosines between the tasks' gradients at the model's present weights.

    Each of `sizes.draws` draws gives every task two gradients on `batch` training patches: of its training loss (a
    comparator's own objective where it has one; such a model has rows of `PLAIN` alone) and of `WITHOUT_COLOUR`. The
    patches have the side of the recipe's first phase, and each noise level comes as often as the others. They depend on
    only the data, the task and the draw: all variants and seeds get the same. The model is in training mode, so that
    learned orders are soft, and in float32 whatever precision it was trained in. Gradients of micro-batches add up
    to that of the batch, except where a model ties the samples of a batch together (batch normalisation, a contrastive
    or a load-balancing loss): those see micro-batches.

    Weights, buffers, modes, `.grad` and the global random state are restored afterwards.

    Args:
        run: its training images are used.
        model: on the run's device, prompts bound; a comparator that isn't trained, or a model of one task, has no rows.
        sizes: `draws`, `batch` and `micro_batch`.

    Returns:
        `COLUMNS`, a row for each draw, loss, group of layers (see `layer_groups`) and unordered pair of tasks: the
        cosine, the gradients' Euclidean norms and the number of parameters that any task's gradient reached. Inner
        products are in float64. Where a task's gradient on a group is zero there is no cosine and no row. A row with
        one task twice compares its gradient with that of the previous draw: how reproducible the estimate is, and so
        how large a cosine between two tasks can be.

    Raises:
        ValueError: a number below 1, or a batch that does not hold each noise level equally often.
    """
    conditions_by_task = _conditions_by_task(run.spec, sizes)
    rows: list[dict[str, object]] = []
    if is_trained(run.spec.config) and len(conditions_by_task) > 1:
        groups = layer_groups(model)
        with _training_mode(model, run.device):
            previous: dict[Task, Gradients] = {}
            for draw in range(sizes.draws):
                gradients = {
                    task: _task_gradients(
                        run, model, _sample_batch(run.spec, task, conditions, draw, sizes.batch), sizes.micro_batch
                    )
                    for task, conditions in conditions_by_task.items()
                }
                rows += _cosine_rows(draw, groups, list(gradients.items()))
                for task, gradient in previous.items():
                    rows += _cosine_rows(draw, groups, [(task, gradient), (task, gradients[task])])
                previous = gradients
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _conditions_by_task(spec: RunSpec, sizes: MeasureConfig) -> dict[Task, list[Condition]]:
    """Task -> its conditions; sizes that do not match them are refused."""
    for name in ("draws", "batch", "micro_batch"):
        if getattr(sizes, name) < 1:
            raise ValueError(f"{name}={getattr(sizes, name)}: 1 or more is needed.")
    conditions_by_task: dict[Task, list[Condition]] = {}
    for condition in run_conditions(spec):
        conditions_by_task.setdefault(condition.task, []).append(condition)
    for task, conditions in conditions_by_task.items():
        if sizes.batch % len(conditions):
            names = ", ".join(c.name for c in conditions)
            raise ValueError(
                f"batch={sizes.batch}: a multiple of {len(conditions)} is needed for {task.name} ({names})."
            )
    return conditions_by_task


def _sample_batch(spec: RunSpec, task: Task, conditions: Sequence[Condition], draw: int, batch: int) -> _Batch:
    """Independent of the run's seed and variant."""
    seed_names = ("task gradient", spec.data.checksum, task.name, draw)
    return _Batch(
        conditions=[conditions[row % len(conditions)] for row in range(batch)],
        seeds=[stable_seed(*seed_names, "sample", row) for row in range(batch)],
        rng_seed=stable_seed(*seed_names, "model"),
    )


@contextmanager
def _training_mode(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Training mode; afterwards everything that a training pass may change is restored."""
    modes = [(module, module.training) for module in model.modules()]
    # running statistics, queues, and momentum encoders, which are parameters without a gradient
    changing = [*model.buffers(), *(p for p in model.parameters() if not p.requires_grad)]
    saved = [tensor.detach().clone() for tensor in changing]
    model.train()
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []), torch.enable_grad():
            yield
    finally:
        with torch.no_grad():
            for tensor, value in zip(changing, saved, strict=True):
                tensor.copy_(value)
        for module, mode in modes:
            module.training = mode


def _task_gradients(run: RunContext, model: nn.Module, task_batch: _Batch, micro_batch: int) -> Gradients:
    """The gradients of both mean losses over a batch, without parameters that have none."""
    spec, batch = run.spec, len(task_batch.seeds)
    degraded, clean = run.bundle.batch(
        task_batch.conditions, task_batch.seeds, spec.recipe.phase_at(0).patch, run.device
    )
    code = run.conditioning(task_batch.conditions, run.device, training=True, seeds=task_batch.seeds)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    total: Gradients = {}
    torch.manual_seed(task_batch.rng_seed)  # random numbers of the model in training (dropped paths, routing noise)
    for start in range(0, batch, micro_batch):
        part = slice(start, start + micro_batch)
        part_codes = None if code is None else code[part]
        losses = _losses(spec, model, degraded[part], clean[part], part_codes)
        for n_remaining, (name, loss) in zip(reversed(range(len(losses))), losses.items(), strict=True):
            mean = loss * (len(degraded[part]) / batch)
            # autograd.grad, not backward, which would change .grad
            gradients = torch.autograd.grad(
                mean, list(trained.values()), allow_unused=True, retain_graph=n_remaining > 0
            )
            _accumulate(total.setdefault(name, {}), trained, gradients)
        notify_heartbeat()
    return total


def _losses(spec: RunSpec, model: nn.Module, degraded: Tensor, clean: Tensor, code: Tensor | None) -> dict[str, Tensor]:
    """Mean losses of patches, (B, 3, H, W) each, from one forward pass."""
    if not isinstance(spec.config, DFPIRConfig) and spec.config.entry.objective is not None:
        return {PLAIN: training_loss(spec.config, model, degraded, clean, code)}
    error = model(degraded, code).float() - clean
    return {PLAIN: error.abs().mean(), WITHOUT_COLOUR: (error - error.mean((2, 3), keepdim=True)).abs().mean()}


def _accumulate(total: dict[str, Tensor], parameter_names: Iterable[str], gradients: Sequence[Tensor | None]) -> None:
    for name, gradient in zip(parameter_names, gradients, strict=True):
        if gradient is not None:
            total[name] = total[name].add_(gradient) if name in total else gradient.detach().clone()


def _cosine_rows(
    draw: int, groups: dict[str, list[str]], gradients: Sequence[tuple[Task, Gradients]]
) -> list[dict[str, object]]:
    """Rows of each loss, group and pair of tasks, from the inner products of each parameter."""
    rows: list[dict[str, object]] = []
    plain: dict[str, NDArray[np.float64]] = {}
    for loss in gradients[0][1]:
        loss_gradients = [gradient[loss] for _, gradient in gradients]
        products = {name: _inner_products(name, loss_gradients) for name in groups[ALL]}
        sizes = {name: max((g[name].numel() for g in loss_gradients if name in g), default=0) for name in groups[ALL]}
        for group, names in groups.items():
            gram = np.sum([products[name] for name in names], axis=0)
            norms = np.sqrt(gram.diagonal())
            zero_norm = 0 if loss == PLAIN else _ROUNDING * plain[group]
            plain.setdefault(group, norms)
            is_zero = norms <= zero_norm
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
    with_gradient = [row for row, gradient in enumerate(gradients) if name in gradient]
    products = np.zeros((len(gradients), len(gradients)))
    if with_gradient:
        stacked = torch.stack([gradients[row][name].flatten().double() for row in with_gradient])
        products[np.ix_(with_gradient, with_gradient)] = (stacked @ stacked.T).cpu().numpy()
    return products

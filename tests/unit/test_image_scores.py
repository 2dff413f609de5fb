"""Scores beside those of the inputs: what is computed, how often, and that batching changes no number."""

from dataclasses import replace
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ablations.harness import evaluate, image_scores
from ablations.harness.context import RunContext
from ablations.harness.image_scores import as_tensor, score_batch
from datasets.bundle import EvalItem
from datasets.protocols import get_protocol, score
from datasets.tasks import condition_named

RULES, CPU = get_protocol("suite"), torch.device("cpu")


_tests = count()
_this_test = 0  # no test knows the images of another


def an_item(number, side=24, condition="rain"):
    noise = np.random.default_rng((_this_test, number))
    clean, degraded = noise.integers(0, 256, (2, side, 20, 3), dtype=np.uint8)
    name = f"image-{number}"
    return EvalItem(name=name, scene=name, condition=condition_named(condition), degraded=degraded, clean=clean)


@pytest.fixture(autouse=True)
def asked(monkeypatch):
    """What is scored, as (images, metrics), with nothing known before."""
    global _this_test
    _this_test, calls = next(_tests), []

    def told(images, *rest):
        calls.append((len(images), rest[-1]))
        return score(images, *rest)

    monkeypatch.setattr(image_scores, "score", told)
    return calls


def test_scores_are_those_of_each_image_alone_and_an_input_is_scored_once(asked):
    items = [an_item(n) for n in range(3)]
    restored = [as_tensor(item.clean) * 0.9 for item in items]
    found = [score_batch(items, restored, RULES) for _ in range(2)]
    assert found[0] == found[1]
    assert len(asked) == 6 + 3
    for item, image, scores in zip(items, restored, found[0], strict=True):
        clean, task = as_tensor(item.clean), item.condition.task
        own, given = (score(x, clean, RULES, task) for x in (image, as_tensor(item.degraded)))
        assert scores == {name: (float(own[name]), float(given[name])) for name in ("psnr_db", "ssim")}


@pytest.mark.parametrize(
    "changed",
    [
        {"degraded": np.zeros((24, 20, 3), dtype=np.uint8)},
        {"clean": np.zeros((24, 20, 3), dtype=np.uint8)},
        {"condition": condition_named("haze")},
    ],
)
def test_another_content_or_task_is_another_input(changed, asked):
    item = an_item(0)
    for one in (item, replace(item, **changed), replace(item, name="the same under another name")):
        score_batch([one], [as_tensor(item.clean)], RULES)
    assert len(asked) == 2 + 2 + 1


def test_another_protocol_scores_anew_and_psnr_does_not_stand_for_ssim(asked):
    item = an_item(0)
    image = [as_tensor(item.clean)]
    score_batch([item], image, RULES, ("psnr_db",))
    assert {metrics for _, metrics in asked} == {("psnr_db",)}
    score_batch([item], image, RULES)
    score_batch([item], image, get_protocol("allinone"))
    assert len(asked) == 6


def spec():
    return SimpleNamespace(
        protocol=RULES.label,
        precision="fp32",
        run_id="r",
        variant="v",
        seed=0,
        data=SimpleNamespace(name="d"),
        evaluation=SimpleNamespace(tile=None),
    )


@pytest.fixture
def a_run(monkeypatch):
    """`score_items` of a model that returns its input; the sizes of the batches that it met."""
    batches = []
    monkeypatch.setattr(evaluate, "restore", lambda model, images, code, tile: model(images))

    def meets(images):
        batches.append(len(images))
        return images

    def run(items, device=CPU, model=meets, **named):
        told = RunContext(spec=spec(), bundle=None, conditioning=lambda *_, **__: None, device=device)
        return evaluate.score_items(told, model, items, **named)

    return run, batches


def test_images_of_one_size_meet_on_a_gpu_and_rows_keep_their_order(a_run, monkeypatch):
    run, batches = a_run
    items = [an_item(n, side=(24, 30)[n % 2]) for n in range(6)]
    plain = run(items)
    assert batches == [1] * 6
    batches.clear()
    # a device that calls itself a GPU, on which tensors are the CPU's
    monkeypatch.setattr(evaluate, "to_device_async", lambda tensor, device: tensor)
    monkeypatch.setattr(evaluate.torch, "autocast", lambda *_, **__: torch.no_grad())
    assert run(items, SimpleNamespace(type="cuda")) == plain
    assert batches == [3, 3]


def test_a_batch_that_memory_does_not_hold_is_restored_image_by_image(a_run):
    run, batches = a_run
    items = [an_item(n) for n in range(4)]
    plain = run(items)

    def small(images):
        if len(images) > 1:
            raise torch.OutOfMemoryError("out of memory")
        return images

    assert batches == [4]
    assert run(items, model=small) == plain


def test_a_validation_takes_no_ssim(a_run, asked):
    run, _ = a_run
    rows = run([an_item(0)], metrics=("psnr_db",))
    assert [row["metric"] for row in rows] == ["psnr_db"]
    assert {metrics for _, metrics in asked} == {("psnr_db",)}

"""The benchmarks' reference computes what our model computes; the benchmarks run and their lines are of the right kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

import ablations.bench.measurement as measurement
import dfpir
from ablations.bench import feed, train
from ablations.bench.options import Settings
from ablations.bench.reference import ReferenceUNet, copy_weights, released_adam
from ablations.budgets import budget_named
from ablations.harness.seeding import initialise
from ablations.harness.training.sampling import batch_of_step
from tests.support.toy_bench import CPU, SIZES


@pytest.mark.parametrize("name", ["dfpir", "dfpir_g50", "restormer"])
def test_the_reference_is_our_model(name):
    ours = dfpir.create_model(name, **SIZES).double()
    initialise(ours, 0)
    reference = ReferenceUNet(ours.config).double()
    copy_weights(ours, reference)
    image, codes = torch.rand(2, 3, 24, 32, dtype=torch.float64), torch.randn(2, 512, dtype=torch.float64)
    told = codes if ours.config.uses_prompts else None
    first, second = ours(image, told), reference(image, codes)
    torch.testing.assert_close(first, second, rtol=1e-10, atol=1e-12)
    for model, out in ((ours, first), (reference, second)):
        model.zero_grad()
        (out - image).abs().mean().backward()
    theirs = dict(reference.named_parameters())
    compared = 0
    for parameter_name, parameter in ours.named_parameters():
        if parameter.grad is not None:
            compared += 1
            torch.testing.assert_close(parameter.grad, theirs[parameter_name].grad, rtol=1e-8, atol=1e-12)
    assert compared > 50


def test_the_reference_is_dfpir_as_released_alone():
    with pytest.raises(ValueError, match="as released"):
        ReferenceUNet(dfpir.variant_config("dfpir_learned_order", **SIZES))


def test_metrics_bench_says_how_far_both_ways_lie_apart():
    from ablations.bench import metrics

    lines = {summarize.what: summarize for summarize in metrics.run(torch.device("cpu"), 1)}
    gaps = [summarize.value for what, summarize in lines.items() if what.startswith("same answers")]
    assert len(gaps) == 2
    assert max(gaps) < 1e-6
    assert all(summarize.value > 0 for what, summarize in lines.items() if what.startswith("metrics"))


def test_training_bench_learns_what_the_reference_learns(monkeypatch):
    monkeypatch.setattr(train, "FLOAT64_STEPS", 4)
    monkeypatch.setattr(train, "FLOAT32_STEPS", 2)
    first, _ = train._compare_losses(CPU, Settings())
    assert first.value < 1e-6, "before rounding errors have grown the losses are equal"


def test_restore_bench_says_that_tiles_keep_memory_flat(monkeypatch):
    from ablations.bench import restore

    small = {"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
    monkeypatch.setattr(restore, "MODEL_SIZES", {"cpu": small})
    monkeypatch.setattr(restore, "SIZES", ((64, 64), (128, 128)))
    monkeypatch.setattr(restore, "HUGE", ((512, 256), (1024, 256)))
    monkeypatch.setattr(restore, "TILE", 128)
    monkeypatch.setattr(restore, "measure_ceilings", lambda device, repeats: [])
    lines = restore.run(torch.device("cpu"), 1)
    memory = [
        summarize.value for summarize in lines if summarize.series.startswith("smallest") and summarize.unit == "GiB"
    ]
    whole = [summarize.value for summarize in lines if summarize.series == "ours, whole" and summarize.unit == "GiB"]
    assert memory[1] < 1.05 * memory[0], "twice the height, the same memory"
    assert whole[1] > 3 * whole[0]
    assert {summarize.x_unit for summarize in lines} == {"megapixels"}


def test_lines_on_a_curve_make_a_figure(tmp_path):
    from ablations.bench.measurement import ResultsFile, summarize
    from reports.figures.scale import draw

    record = ResultsFile("x", torch.device("cpu"), tmp_path / "x.csv")
    record.add(summarize("a", "s", [1.0]))
    assert draw(record.frame(), tmp_path, "none") is None
    for n in (1, 10, 100):
        record.add(replace(summarize("a", "s", [float(n)]), series="ours", x=float(n), x_unit="runs"))
    picture = draw(record.frame(), tmp_path, "growth")
    assert picture is not None
    assert picture.png.is_file()
    assert "runs" in picture.alt


def test_study_bench_counts_the_runs_that_are_there(monkeypatch):
    from pathlib import Path

    from ablations.bench import study

    asked = []

    def fake(command, **_):
        asked.append(command)
        root = Path(command[command.index("--out") + 1])
        for number in range(3):
            (root / f"run-{number}").mkdir(parents=True)
            (root / f"run-{number}" / "DONE").touch()

    clock = iter(range(0, 36_000, 1800))
    monkeypatch.setattr(study.subprocess, "run", fake)
    monkeypatch.setattr(study.time, "perf_counter", lambda: float(next(clock)))
    one, several = study.run(torch.device("cpu"), 5)
    assert one.value == several.value == 6.0, "three runs in half an hour"
    assert len(asked) == 4, "a study is not made five times"
    assert [("--jobs" in command) for command in asked] == [True, True, False, False]


def test_restore_bench_repeats_no_slow_pass(monkeypatch):
    from ablations.bench import restore

    passes = []
    clock = iter(range(0, 36_000, 100))
    monkeypatch.setattr(restore.time, "perf_counter", lambda: float(next(clock)))

    def slow(image):
        passes.append(image)
        return image

    taken, _ = restore._measure_restoration("slow", slow, (8, 8), 5, torch.device("cpu"), tile=None)
    assert len(passes) == 1
    assert taken.value == 100.0


@pytest.mark.parametrize("budget", feed.MIXTURES)
def test_the_feed_measured_draws_the_budgets_own_mixture_of_three_tasks(budget):
    spec = feed.spec_of(budget, patch=24)
    plan = batch_of_step(spec, 3)
    counts = Counter(condition.task.name for condition in plan.conditions)
    wanted = {part.task: part.share for part in budget_named(budget).recipe.phases[-1].mixture if part.task in counts}
    assert set(counts) == {"noise", "rain", "haze"}
    for task, share in wanted.items():
        assert abs(counts[task] - len(plan) * share / sum(wanted.values())) <= 1
    assert spec.recipe.phase_at(3).patch == 24


def test_steps_of_runs_at_once_are_counted_together(monkeypatch):
    counts = [SimpleNamespace(value=5), SimpleNamespace(value=7)]
    clock = iter([100.0, 104.0])
    monkeypatch.setattr(feed.time, "perf_counter", lambda: next(clock))

    def slept(seconds):
        counts[0].value, counts[1].value = 11, 21

    monkeypatch.setattr(feed.time, "sleep", slept)
    assert feed._steps_per_second(counts, 4.0) == 5.0


def test_the_references_adam_is_pytorchs_default():
    group = released_adam(torch.nn.Linear(2, 2), 1e-4).param_groups[0]
    assert group["foreach"] is None
    assert group["fused"] is None


def test_a_repeat_fills_a_second_and_the_short_one_does_not_count(monkeypatch):
    now, calls = [0.0], []

    def work():
        now[0] += 0.1
        calls.append(now[0])
        return 5

    monkeypatch.setattr(measurement.time, "perf_counter", lambda: now[0])
    found = measurement.measure_rate(work, 3)
    assert found == pytest.approx([50.0] * 3)
    assert len(calls) == 1 + 1 + 3 * 12, "a warm-up, one call to see how long it takes, three repeats of 1.2 s"

"""The benchmarks' reference computes what our model computes; the benchmarks run and their lines are of the right kind."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import dfpir
from ablations.bench.reference import ReferenceUNet, lend_weights
from ablations.harness.seeding import initialise

SIZES = {"dim": 8, "num_blocks": (1, 2, 1, 1), "num_refinement_blocks": 1}


@pytest.mark.parametrize("name", ["dfpir", "dfpir_g50", "restormer"])
def test_the_reference_is_our_model(name):
    ours = dfpir.create_model(name, **SIZES).double()
    initialise(ours, 0)
    reference = ReferenceUNet(ours.config).double()
    lend_weights(ours, reference)
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

    lines = {line.what: line for line in metrics.run(torch.device("cpu"), 1)}
    gaps = [line.value for what, line in lines.items() if what.startswith("same answers")]
    assert len(gaps) == 2
    assert max(gaps) < 1e-6
    assert all(line.value > 0 for what, line in lines.items() if what.startswith("metrics"))


def test_training_bench_learns_what_the_reference_learns(monkeypatch):
    from ablations.bench import train

    monkeypatch.setattr(train, "SAME_STEPS", 12)
    first, _ = train._same_answers(torch.device("cpu"))
    assert first.value < 1e-6, "before rounding errors have grown the losses are equal"


def test_unknown_bench(capsys):
    from ablations.bench.__main__ import main

    assert main(["trian"]) == 2
    assert "Did you mean 'train'" in capsys.readouterr().err


def test_restore_bench_says_that_tiles_keep_memory_flat(monkeypatch):
    from ablations.bench import restore

    small = {"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
    monkeypatch.setattr(restore, "MODEL", {"cpu": small})
    monkeypatch.setattr(restore, "SIZES", ((64, 64), (128, 128)))
    monkeypatch.setattr(restore, "HUGE", ((512, 256), (1024, 256)))
    monkeypatch.setattr(restore, "TILE", 128)
    monkeypatch.setattr(restore, "ceilings", lambda device, repeats: [])
    lines = restore.run(torch.device("cpu"), 1)
    memory = [line.value for line in lines if line.series.startswith("smallest") and line.unit == "GiB"]
    whole = [line.value for line in lines if line.series == "ours, whole" and line.unit == "GiB"]
    assert memory[1] < 1.05 * memory[0], "twice the height, the same memory"
    assert whole[1] > 3 * whole[0]
    assert {line.x_unit for line in lines} == {"megapixels"}


def test_lines_on_a_curve_make_a_figure(tmp_path):
    from ablations.bench.record import line, table
    from reports.figures.scale import draw

    flat = table("x", [line("a", "s", [1.0])], torch.device("cpu"))
    assert draw(flat, tmp_path, "none") is None
    lines = [replace(line("a", "s", [float(n)]), series="ours", x=float(n), x_unit="runs") for n in (1, 10, 100)]
    picture = draw(table("x", lines, torch.device("cpu")), tmp_path, "growth")
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

    taken, _ = restore._measured("slow", slow, (8, 8), 5, torch.device("cpu"), tile=None)
    assert len(passes) == 1
    assert taken.value == 100.0


def test_patches_from_the_host_and_from_a_device_are_the_same_bits(monkeypatch, tmp_path):
    from ablations.bench import data
    from datasets.paired import load_root
    from datasets.tasks import Task

    monkeypatch.setattr(data, "_PAIRS", 3)
    data._write_pairs(tmp_path)
    bundle = load_root(tmp_path, protocol="suite", tasks=[Task.LOWLIGHT])
    conditions, seeds = list(bundle.conditions) * 12, list(range(12))
    host = bundle.batch(conditions, seeds, 40)
    assert bundle.keep_on("cpu")
    for first, second in zip(host, bundle.batch(conditions, seeds, 40), strict=True):
        assert first.shape == (12, 3, 40, 40)
        assert first.is_contiguous()
        assert torch.equal(first, second)

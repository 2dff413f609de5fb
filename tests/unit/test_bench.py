"""The benchmarks' reference computes what our model computes; the benchmarks run and their lines are of the right kind."""

from __future__ import annotations

import math
import weakref
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

import ablations.bench.record as record
import dfpir
from ablations.bench import ceilings, evaluate, feed, options, train, ways
from ablations.bench.__main__ import main
from ablations.bench.options import Settings
from ablations.bench.reference import ReferenceUNet, _Channel, lend_weights, released_adam
from ablations.budgets import budget_named
from ablations.harness.seeding import initialise
from ablations.harness.training.sampling import batch_of_step

SIZES = {"dim": 8, "num_blocks": (1, 2, 1, 1), "num_refinement_blocks": 1}
CPU = torch.device("cpu")
TOY = Settings(tiny=True, pixels=16, batches=(2,), precisions=("fp32",))


@pytest.fixture
def toy(monkeypatch):
    """Benchmarks in a second: a smaller model, no ceilings, no text encoder, repeats as short as they come."""
    monkeypatch.setattr(options, "TINY", SIZES | {"num_blocks": (1, 1, 1, 1)})
    monkeypatch.setattr(record, "LEAST_S", 0.0)
    monkeypatch.setattr(ways.gc, "collect", lambda: 0)  # a third of a second among a test's many objects
    for bench in (train, evaluate):
        monkeypatch.setattr(bench, "ceilings", lambda device, repeats: iter(()))
        monkeypatch.setattr(bench, "keep_freed_memory", lambda: True)
        monkeypatch.setattr(bench, "text_tower", lambda device: lambda sentences: torch.rand(len(sentences), 512))
    monkeypatch.setattr(train, "EXACT_STEPS", 2)
    monkeypatch.setattr(train, "SAME_STEPS", 4)


def rates(lines):
    """Lines of patches or images a second."""
    return [each for each in lines if each.unit.endswith("es/s")]


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
    monkeypatch.setattr(train, "SAME_STEPS", 12)
    first, _ = train._same_answers(CPU)
    assert first.value < 1e-6, "before rounding errors have grown the losses are equal"


def test_unknown_bench(capsys):
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


@pytest.mark.parametrize("budget", feed.MIXTURES)
def test_the_feed_measured_draws_the_budgets_own_mixture_of_three_tasks(budget):
    spec = feed.spec_of(budget, patch=24)
    plan = batch_of_step(spec, 3)
    counts = Counter(condition.task.value for condition in plan.conditions)
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
    assert feed._window(counts, 4.0) == 5.0


def test_channels_reordered_at_once_are_those_reordered_sample_by_sample():
    channel = _Channel(16, 4).double()
    x, codes = torch.rand(3, 16, 8, 8, dtype=torch.float64), torch.randn(3, 512, dtype=torch.float64)
    wide = channel.expand(x)
    order = channel.guide(codes).topk(wide.shape[1], dim=1).indices
    assert not torch.equal(order[0], order[1])
    expected = channel.reduce(torch.stack([sample[row] for sample, row in zip(wide, order, strict=True)]))
    assert torch.equal(channel(x, codes), expected)


def test_the_references_adam_is_pytorchs_default(monkeypatch):
    layer = torch.nn.Linear(2, 2)
    group = released_adam(layer, 1e-4).param_groups[0]
    assert group["foreach"] is None
    assert group["fused"] is None
    asked = []

    def spied(model, lr):
        asked.append(lr)
        return released_adam(model, lr)

    monkeypatch.setattr(train, "released_adam", spied)
    train.released_step(layer)
    assert asked == [1e-4]


def test_a_repeat_fills_a_second_and_the_short_one_does_not_count(monkeypatch):
    now, calls = [0.0], []

    def work():
        now[0] += 0.1
        calls.append(now[0])
        return 5

    monkeypatch.setattr(record.time, "perf_counter", lambda: now[0])
    found = record.rate(work, 3)
    assert found == pytest.approx([50.0] * 3)
    assert len(calls) == 1 + 1 + 3 * 12, "a warm-up, one call to see how long it takes, three repeats of 1.2 s"


def test_flags_of_train_and_eval_are_refused_elsewhere_in_one_line(capsys):
    for bench, *flags in (("data", "--batch", "5"), ("study", "--compile"), ("metrics", "--size", "tiny")):
        with pytest.raises(SystemExit) as ended:
            main([bench, *flags])
        assert ended.value.code == 2
        error = capsys.readouterr().err
        assert f"{flags[0]}: for the benchmarks train and eval alone, not for {bench}" in error
        assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--batch", "0"), "--batch 0: 1 or more"),
        (("--pixels", "20"), "--pixels 20: a multiple of 8"),
        (("--precision", "tf32"), "--precision tf32: TF32 is an NVIDIA GPU's"),
        (("--precision", "fp16"), "--precision"),
        (("--way", "theirs"), "--way"),
        (("--way", "released", "--compile"), "--compile: the released way has no switches"),
    ],
)
def test_flags_that_can_not_be_measured_end_in_one_line(flags, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["train", *flags])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_the_released_way_without_its_text_encoder_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(options, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main(["eval"])
    assert "--way ours" in capsys.readouterr().err


def test_a_fault_leaves_the_lines_made_before_it(toy, monkeypatch, tmp_path, capsys):
    def broken(*arguments):
        raise ZeroDivisionError

    monkeypatch.setattr(train, "multiply_adds", broken)
    monkeypatch.setattr(train, "ceilings", lambda device, repeats: iter([record.line("a ceiling", "GB/s", [1.0])]))
    out = tmp_path / "train.csv"
    with pytest.raises(ZeroDivisionError):
        main(["train", "--size", "tiny", "--pixels", "16", "--repeats", "1", "--out", str(out)])
    kept = pd.read_csv(out)
    assert kept["what"].str.contains("a ceiling|released way").tolist() == [True, True]
    assert kept["bench"].tolist() == ["train", "train"]
    assert "a ceiling" in capsys.readouterr().out


def out_of_memory_above(most):
    """What builds a step that runs out of memory for larger batches."""

    def build(original):
        def built(*arguments, **named):
            step = original(*arguments, **named)

            def guarded(image, *others):
                if len(image) > most:
                    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
                return step(image, *others)

            return guarded

        return built

    return build


def test_where_the_released_way_does_not_fit_the_largest_batch_that_does_is_the_reference(toy, monkeypatch):
    monkeypatch.setattr(train, "_same_answers", lambda device, settings: iter(()))
    monkeypatch.setattr(train, "released_step", out_of_memory_above(2)(train.released_step))
    lines = rates(train.run(CPU, 1, replace(TOY, batches=(8, 4), way="both")))
    released = [each for each in lines if "released" in each.what]
    assert [each.note for each in released] == ["does not fit", "does not fit", "", "does not fit"]
    assert "batch 2" in released[2].what
    assert math.isnan(released[0].value)
    ours = [each for each in lines if "ours" in each.what]
    assert len(ours) == 2
    for each in ours:
        assert each.ratio == pytest.approx(each.value / released[2].value)


def test_a_batch_of_ours_that_does_not_fit_is_a_line_and_the_next_is_measured(toy, monkeypatch, tmp_path):
    monkeypatch.setattr(train, "our_step", out_of_memory_above(2)(train.our_step))
    out = tmp_path / "train.csv"
    flags = ["--size", "tiny", "--pixels", "16", "--batch", "3", "1", "--precision", "fp32", "--way", "ours"]
    assert main(["train", *flags, "--repeats", "1", "--out", str(out)]) == 0
    frame = pd.read_csv(out)
    assert frame["what"].tolist()[0] == "train: ours, float32, batch 3, 16 px, cpu, tiny model"
    assert frame["note"].tolist()[0] == "does not fit"
    assert frame["value"].isna().tolist() == [True, False, False, False]
    assert frame["ratio"].isna()[1], "nothing was measured that it could be compared with"


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError(), RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED")]
)
def test_what_a_failed_step_held_is_free_before_the_next_begins(error):
    held = []

    def lines():
        layer = torch.nn.Linear(2, 2)
        held.append(weakref.ref(layer))
        yield record.line("first", "GiB", [1.0])
        raise type(error)(*error.args)

    found = []
    for each in ways.unless_too_large(lines(), "second", "patches/s", CPU):
        found.append((each.what, each.note, held[0]() is None))
    assert found == [("first", "", False), ("second", "does not fit", True)]


def test_one_way_alone_is_measured_without_ceilings(toy, monkeypatch):
    for bench in (train, evaluate):
        monkeypatch.setattr(bench, "ceilings", lambda device, repeats: iter([record.line("a ceiling", "GB/s", [1.0])]))
        for way in ("released", "ours", "both"):
            first = next(bench.run(CPU, 1, replace(TOY, way=way)))
            assert (first.what == "a ceiling") == (way == "both")


def test_other_errors_are_no_lack_of_memory(toy, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(train, "our_step", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        list(train.run(CPU, 1, replace(TOY, way="ours")))


def test_each_way_multiplies_as_it_does_by_itself_and_pytorchs_settings_are_put_back(toy, monkeypatch):
    seen = []

    def looking(original, who):
        def built(*arguments, **named):
            seen.append((who, torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32))
            return original(*arguments, **named)

        return built

    usual = False, True  # PyTorch's defaults; runs of other tests in this process have their own
    # no monkeypatch: these can be set, but not taken away again
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = usual
    monkeypatch.setattr(train, "_same_answers", lambda device, settings: iter(()))
    monkeypatch.setattr(train, "released_step", looking(train.released_step, "released"))
    monkeypatch.setattr(train, "our_step", looking(train.our_step, "ours"))
    list(train.run(CPU, 1, replace(TOY, precisions=("fp32", "tf32"))))
    assert seen == [("released", *usual), ("ours", False, False), ("ours", True, True)]
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == usual


def test_switches_act_while_ours_is_measured_alone(monkeypatch):
    chosen: list[bool | None] = []
    monkeypatch.setattr(ways, "use_padded_widths", chosen.append)
    asked = ways.chosen()
    switched = replace(asked, checkpointing=True)
    with ways.acting(Settings(padding=True, acceleration=switched), "fp32"):
        assert ways.chosen() == switched
        assert chosen == [True]
    assert ways.chosen() == asked
    assert chosen == [True, None]


def test_labels_name_what_acts_and_a_note_what_does_not():
    config, cuda = TOY.config, torch.device("cuda")
    switches = replace(ways.chosen(), kernels="torch", cuda_graphs=True, compile=True)
    settings = Settings(acceleration=switches, padding=False)
    assert ways.label(settings, "bf16", config, cuda) == "ours, bf16, compiled, CUDA graphs, widths not padded"
    assert ways.idle(settings, config, cuda) == ""
    assert "CUDA graphs" not in ways.label(settings, "bf16", config, CPU)
    assert ways.idle(settings, config, CPU) == "CUDA graphs not used on cpu: they need a CUDA device"
    assert settings.stem() == "torch-compile-cuda-graphs-padding-off"
    assert Settings().stem() == ""


class Replayed:
    """Stands in for `GraphedStep` without a GPU: counts captures and calls, and computes anew."""

    captures = calls = 0

    def __init__(self, compute, parameters):
        Replayed.captures += 1
        self.compute = compute

    def __call__(self, *batch):
        Replayed.calls += 1
        return self.compute(*batch)


def test_graphs_are_used_where_runs_use_them(toy, monkeypatch):
    settings = replace(TOY, way="ours", acceleration=replace(ways.chosen(), cuda_graphs=True))
    for bench in (train, evaluate):
        monkeypatch.setattr(bench, "GraphedStep", Replayed)
        Replayed.calls = 0
        list(bench.run(CPU, 1, settings))
        assert Replayed.calls == 0, "a CPU has none"
        monkeypatch.setattr(bench, "no_graphs_because", lambda *_: None)
        list(bench.run(CPU, 1, settings))
        assert Replayed.calls > 0


def test_evaluation_captures_a_graph_once_a_size(toy, monkeypatch):
    monkeypatch.setattr(evaluate, "GraphedStep", Replayed)
    monkeypatch.setattr(evaluate, "no_graphs_because", lambda *_: None)
    monkeypatch.setitem(evaluate.PHOTOGRAPHS, "cpu", 3)
    settings = replace(TOY, way="ours", acceleration=replace(ways.chosen(), cuda_graphs=True))
    Replayed.captures = Replayed.calls = 0
    list(evaluate.run(CPU, 1, settings))
    assert Replayed.captures == 2, "batches of two photographs and of one"
    assert Replayed.calls == 2 * 2 * len(evaluate.SIGMAS)


def test_answers_are_compared_with_the_switches_that_were_timed(toy, monkeypatch):
    seen = []

    def losses(*_):
        seen.append(ways.chosen())
        return torch.ones(train.SAME_STEPS)

    monkeypatch.setattr(train, "_losses", losses)
    asked = replace(ways.chosen(), compile=True, checkpointing=True)
    list(train._same_answers(CPU, Settings(acceleration=asked)))
    assert [each.checkpointing for each in seen] == [True] * 4
    assert [each.compile for each in seen] == [False, False, True, True]


def test_evaluation_bench_encodes_a_prompt_once_a_test_set_and_scores_float32(toy, monkeypatch):
    told: list[list[str]] = []
    dtypes: set[str] = set()
    similarity = evaluate.structural_similarity

    def tower(device):
        return lambda sentences: told.append(sentences)

    def spied(truth, restored, **named):
        dtypes.update((str(truth.dtype), str(restored.dtype)))
        return similarity(truth, restored, **named)

    monkeypatch.setattr(evaluate, "text_tower", tower)
    monkeypatch.setattr(evaluate, "structural_similarity", spied)
    lines = list(evaluate.run(CPU, 1, replace(TOY, pixels=24)))
    passes = 2  # one before the repeat
    assert len(told) == passes * len(evaluate.SIGMAS), "two photographs of each"
    assert dtypes == {"float32"}
    base, mine = rates(lines)
    assert mine.ratio == pytest.approx(mine.value / base.value)
    (gap,) = (each.value for each in lines if each.what.startswith("same answers"))
    assert gap < 1e-4


def test_evaluation_bench_goes_on_where_the_released_way_does_not_fit(toy, monkeypatch):
    def full(*arguments):
        raise MemoryError

    monkeypatch.setattr(evaluate, "_released_score", full)
    base, mine = rates(evaluate.run(CPU, 1, TOY))
    assert base.note == "does not fit"
    assert math.isnan(mine.ratio)
    assert mine.value > 0


def test_on_a_gpu_memory_is_the_allocators_and_launching_is_timed_beside(toy, monkeypatch):
    waits: list[int] = []
    steps: list[int] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: waits.append(len(steps)))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 2**31)
    gpu = torch.device("cuda")  # a device's name needs no GPU
    lines = list(train._measured(lambda: steps.append(1), 4, TOY, gpu, 2, "ours", queued=True))
    assert [each.unit for each in lines] == ["patches/s", "GMACs/s", "GiB", "ms"]
    assert lines[2].value == 2.0
    assert waits[0] == 10, "ten steps before the first repeat, nothing waited for"
    assert len(steps) == 10 + 2 + 2
    of_reference = list(train._measured(lambda: steps.append(1), 4, TOY, gpu, 2, "released way"))
    assert [each.unit for each in of_reference] == ["patches/s", "GMACs/s", "GiB"]


def test_ceilings_name_what_was_multiplied_and_copied(monkeypatch):
    monkeypatch.setattr(record, "LEAST_S", 0.0)
    monkeypatch.setattr(ceilings, "SIDE", {"cpu": 64})
    monkeypatch.setattr(ceilings, "COPY_BYTES", {"cpu": 2**20})
    first, *_, last = ceilings.ceilings(CPU, 2)
    assert first.what == "ceiling: matrix product of 64, float32"
    assert last.what == "ceiling: copy of 1 MiB, read and write"
    assert first.value > 0
    assert last.value > 0

"""`bench train` and `bench eval`: flags, faults, memory that runs out, switches, and that the reference is treated fairly."""

from __future__ import annotations

import gc
import math
import weakref
from dataclasses import replace

import pandas as pd
import pytest
import torch

import ablations.bench.measurement as measurement
from ablations.bench import ceilings, evaluate, model_setup, options, train
from ablations.bench.__main__ import main
from ablations.bench.options import Settings
from tests.support.toy_bench import CPU, TOY, rates


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("", "A benchmark is needed"),
        ("gpu --secnds 3", "Did you mean --seconds?"),
        ("trian", "Unknown benchmark 'trian'. Did you mean 'train'?"),
        ("data --batch 5", "--batch: for the benchmarks train and eval only, not for data"),
        ("study --compile", "--compile: for the benchmarks train and eval only, not for study"),
        ("metrics --size tiny", "--size: for the benchmarks train and eval only, not for metrics"),
        ("train --batch 0", "argument --batch: '0': a whole number, 1 or more"),
        ("train --repeats 0", "argument --repeats: '0': a whole number, 1 or more"),
        ("train --pixels 20", "argument --pixels: 20: a multiple of 8"),
        ("train --precision tf32", "--precision tf32: TF32 exists on NVIDIA GPUs"),
        ("train --precision fp16", "argument --precision: invalid choice: 'fp16'"),
        ("train --way theirs", "argument --way: invalid choice: 'theirs'"),
        ("train --bach 4", "Did you mean --batch?"),
        ("train --way released --compile", "--compile: the released code has no switches"),
    ],
)
def test_what_can_not_be_measured_ends_in_one_line(flags, words, capsys):
    with pytest.raises(SystemExit) as ended:
        main(flags.split())
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
    monkeypatch.setattr(
        train, "measure_ceilings", lambda device, repeats: iter([measurement.summarize("a ceiling", "GB/s", [1.0])])
    )
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


@pytest.fixture
def rates_alone(monkeypatch):
    """Training's bench without the comparison of losses."""
    monkeypatch.setattr(train, "_compare_losses", lambda device, settings: iter(()))


@pytest.mark.usefixtures("rates_alone")
def test_where_the_released_way_does_not_fit_the_largest_batch_that_does_is_the_reference(toy, monkeypatch):
    monkeypatch.setattr(train, "released_step", out_of_memory_above(2)(train.released_step))
    lines = rates(train.run(CPU, 1, replace(TOY, batch=(8, 4), way="both")))
    released = [each for each in lines if "released" in each.what]
    assert [each.note for each in released] == ["does not fit", "does not fit", "", "does not fit"]
    assert "batch 2" in released[2].what
    assert math.isnan(released[0].value)
    ours = [each for each in lines if "ours" in each.what]
    assert len(ours) == 2
    for each in ours:
        assert each.ratio == pytest.approx(each.value / released[2].value)


def test_a_batch_of_ours_that_does_not_fit_is_a_line_and_the_next_is_measured(toy, monkeypatch, tmp_path):
    monkeypatch.setattr(train, "suite_step", out_of_memory_above(2)(train.suite_step))
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
        yield measurement.summarize("first", "GiB", [1.0])
        raise type(error)(*error.args)

    found = []
    gc.freeze()  # what other tests left need not be gone through
    try:
        for each in model_setup.catch_out_of_memory(lines(), "second", "patches/s", CPU):
            found.append((each.what, each.note, held[0]() is None))
    finally:
        gc.unfreeze()
    assert found == [("first", "", False), ("second", "does not fit", True)]


def test_one_way_alone_is_measured_without_ceilings(toy, monkeypatch):
    for bench in (train, evaluate):
        monkeypatch.setattr(
            bench, "measure_ceilings", lambda device, repeats: iter([measurement.summarize("a ceiling", "GB/s", [1.0])])
        )
        for way in ("released", "ours", "both"):
            first = next(bench.run(CPU, 1, replace(TOY, way=way)))
            assert (first.what == "a ceiling") == (way == "both")


def test_other_errors_are_no_lack_of_memory(toy, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(train, "suite_step", broken)
    with pytest.raises(RuntimeError, match="shapes differ"):
        list(train.run(CPU, 1, replace(TOY, way="ours")))


@pytest.mark.usefixtures("rates_alone")
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
    monkeypatch.setattr(train, "released_step", looking(train.released_step, "released"))
    monkeypatch.setattr(train, "suite_step", looking(train.suite_step, "ours"))
    list(train.run(CPU, 1, replace(TOY, precision=("fp32", "tf32"))))
    assert seen == [("released", *usual), ("ours", False, False), ("ours", True, True)]
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == usual


def test_switches_act_while_ours_is_measured_alone(monkeypatch):
    chosen: list[bool | None] = []
    monkeypatch.setattr(model_setup, "use_padded_widths", chosen.append)
    asked = model_setup.get_acceleration()
    with model_setup.applied_settings(Settings(padding="on", checkpointing=True), "fp32"):
        assert model_setup.get_acceleration() == replace(asked, kernels=None, checkpointing=True)
        assert chosen == [True]
    assert model_setup.get_acceleration() == asked
    assert chosen == [True, None]


def test_labels_name_what_acts_and_a_note_what_does_not():
    cuda = torch.device("cuda")
    settings = Settings(kernels="torch", cuda_graphs=True, compile=True, padding="off")
    assert model_setup.format_label(settings, "bf16", cuda) == "ours, bf16, compiled, CUDA graphs, widths not padded"
    assert model_setup.inactive_switches(settings, cuda) == ""
    assert "CUDA graphs" not in model_setup.format_label(settings, "bf16", CPU)
    assert model_setup.inactive_switches(settings, CPU) == "CUDA graphs not used on cpu: they need a CUDA device"
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


def test_graphs_are_used_where_runs_use_them_and_captured_once_a_size(toy, monkeypatch):
    settings = replace(TOY, way="ours", cuda_graphs=True)
    monkeypatch.setitem(evaluate.N_PHOTOGRAPHS, "cpu", 3)
    for bench, captures in ((train, 1), (evaluate, 2)):  # evaluation: batches of two photographs and of one
        monkeypatch.setattr(bench, "GraphedStep", Replayed)
        Replayed.captures = Replayed.calls = 0
        list(bench.run(CPU, 1, settings))
        assert Replayed.calls == 0, "a CPU has none"
        monkeypatch.setattr(bench, "cuda_graph_blocker", lambda *_: None)
        list(bench.run(CPU, 1, settings))
        assert Replayed.captures == captures
        assert Replayed.calls > 0
    assert Replayed.calls == 2 * 2 * len(evaluate.SIGMAS)


def test_answers_are_compared_with_the_switches_that_were_timed(toy, monkeypatch):
    seen = []

    def losses(*_):
        seen.append(model_setup.get_acceleration())
        return torch.ones(train.FLOAT32_STEPS)

    monkeypatch.setattr(train, "_losses", losses)
    list(train._compare_losses(CPU, Settings(compile=True, checkpointing=True)))
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
    def full(*arguments, **named):
        raise MemoryError

    monkeypatch.setattr(evaluate, "peak_signal_noise_ratio", full)  # which the released way alone calls
    base, mine = rates(evaluate.run(CPU, 1, TOY))
    assert base.note == "does not fit"
    assert math.isnan(mine.ratio)
    assert mine.value > 0


def test_on_a_gpu_memory_is_the_allocators_and_launching_is_timed_beside(toy, monkeypatch):
    waits: list[int] = []
    steps: list[int] = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: waits.append(len(steps)))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 2**31)
    # a device's name needs no GPU
    bench = train.TrainingBench(device=torch.device("cuda"), repeats=2, settings=TOY)
    lines = list(bench.measure_step(lambda: steps.append(1), 4, "ours", queued=True))
    assert [each.unit for each in lines] == ["patches/s", "GMACs/s", "GiB", "ms"]
    assert lines[2].value == 2.0
    assert waits[0] == 10, "ten steps before the first repeat, nothing waited for"
    assert len(steps) == 10 + 2 + 2
    of_reference = list(bench.measure_step(lambda: steps.append(1), 4, "released way"))
    assert [each.unit for each in of_reference] == ["patches/s", "GMACs/s", "GiB"]


def test_ceilings_name_what_was_multiplied_and_copied(monkeypatch):
    monkeypatch.setattr(measurement, "MIN_REPEAT_S", 0.0)
    monkeypatch.setattr(ceilings, "MATRIX_SIDE", {"cpu": 64})
    monkeypatch.setattr(ceilings, "COPY_BYTES", {"cpu": 2**20})
    first, *_, last = ceilings.measure_ceilings(CPU, 2)
    assert first.what == "ceiling: matrix product of 64, float32"
    assert last.what == "ceiling: copy of 1 MiB, read and write"
    assert first.value > 0
    assert last.value > 0

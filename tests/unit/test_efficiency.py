"""Costs: counts against published values, what a row says where nothing was measured, and the page made from them."""

import re

import pytest
import torch
from rich.console import Console

import baselines
import dfpir
from ablations import efficiency
from ablations.harness.cost import measure as cost
from ablations.harness.cost.count import count_macs, unfolded
from ablations.harness.cost.models import benchmark_models, build_benchmark_model, random_code
from baselines.airnet import AirNet
from dfpir.channel import ChannelPerturbation
from dfpir.config import PER_PROMPT
from dfpir.count import multiply_adds
from reports.costs import read_costs
from tests.support.shared import shared

PUBLISHED = [n for n in baselines.list_models() if baselines.describe(n).params_m_published]
COUNTED = [n for n in PUBLISHED if baselines.describe(n).gmacs_published]
FOLDED = {"restormer": 0.044, "dfpir": 0.053, "promptir": 0.041, "adair": 0.044, "vlunet": 0.048, "idr": 0.015}
TINY = {"dim": 8, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1}
CPU = torch.device("cpu")
EFFORT = cost.TimingOptions(batch=2, repeats=3, limit_s=0.0)


def benchmark_model(name, sizes=None):
    return benchmark_models(sizes or {}, [name])[0]


def full_size_count(name, side):
    benchmarked = benchmark_model(name)
    try:
        model = build_benchmark_model(benchmarked)
    except baselines.MissingExtraError as error:
        pytest.skip(str(error))
    image = torch.rand(1, 3, side, side)
    return model, count_macs(model, image, random_code(benchmarked, model, image, training=False))


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_the_published_ones(name):
    row = baselines.describe(name)
    try:
        with torch.device("meta"):
            model = row.make()
    except (RuntimeError, NotImplementedError):  # initialised in a way that needs values
        model = row.make()
    except baselines.MissingExtraError as error:
        pytest.skip(str(error))
    params = sum(p.numel() for p in model.parameters()) / 1e6
    assert params == pytest.approx(row.params_m_published, rel=0.001)


@pytest.mark.parametrize("name", [n for n in COUNTED if n not in ("airnet", "moceir")])
def test_multiply_adds_at_256_px_are_the_published_ones(name):
    published = baselines.describe(name).gmacs_published
    _, found = full_size_count(name, 256)
    # a value printed as a whole number may be off by half of one
    tolerance = max(0.01 * published, 0.5 if float(published).is_integer() else 0.05)
    assert found.macs / 1e9 == pytest.approx(published, abs=tolerance)
    saved = 1 - found.macs_implementation / found.macs
    assert saved == pytest.approx(FOLDED.get(name, 0.0), abs=0.002), "what folding saves here"


def test_airnets_published_count_holds_a_branch_that_its_image_does_not_need():
    model, found = full_size_count("airnet", 64)
    assert isinstance(model, AirNet)

    class Branch(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder = model.E.E.encoder_q

        def forward(self, image, code):
            return self.encoder.code(torch.zeros(1, 64, *image.shape[-2:]))

    # the released code computes the contrastive code at test time too, and throws it away
    thrown_away = count_macs(Branch(), torch.rand(1, 3, 64, 64), None)
    whole = 16 * (found.macs + thrown_away.macs) / 1e9
    assert whole == pytest.approx(baselines.describe("airnet").gmacs_published, rel=0.01)
    assert thrown_away.macs < 0.02 * found.macs


def test_moceirs_count_depends_on_the_route():
    _, found = full_size_count("moceir", 64)
    assert "depends on the image" in found.note
    # the released value is of one route; random weights choose others
    assert 16 * found.macs / 1e9 == pytest.approx(baselines.describe("moceir").gmacs_published, rel=0.05)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["restormer", "dfpir", "promptir", "adair", "vlunet", "idr", "transweather", "fdgan"])
def test_registry_repeats_the_measured_facts(name):
    text = shared("baselines.md").read_text()
    line = next(x for x in text.splitlines() if re.sub(r"[^a-z]", "", x.split("|")[1].lower() if "|" in x else "")
                .startswith(name))  # fmt: skip
    cells = line.split("|")
    row = baselines.describe(name)
    assert f"{row.params_m_published:.3f}" in cells[3]
    assert f"{row.gmacs_published:g}" in cells[4]


@pytest.mark.parametrize("name", dfpir.list_models())
def test_formula_and_counter_agree_on_the_published_definition(name):
    model = dfpir.create_model(name, **TINY).eval()
    image, code = torch.rand(1, 3, 64, 64), torch.randn(1, 512)
    if model.config.order in PER_PROMPT:
        model.bind_prompts(code)
        code = torch.tensor([0])
    found = count_macs(model, image, code)
    assert found.counter == "dfpir.count"
    with unfolded():
        again = count_macs(_Wrapped(model), image, code)
    # the identity order asks its guide nothing, random orders neither: the formula counts the guide all the same
    channels = [getattr(block, "channel", None) for block in model.perturb.values()]
    guides = [channel.guide for channel in channels if isinstance(channel, ChannelPerturbation)]
    guide = sum(torch.tensor([[g.hidden.weight.numel(), g.score.weight.numel()] for g in guides]).flatten().tolist())
    skipped = guide if model.config.order in ("identity", "random", "shared") else 0
    assert again.macs == found.macs - skipped == multiply_adds(model.config, 64, 64) - skipped
    assert again.macs_convolutions == found.macs_convolutions
    assert found.macs_implementation < found.macs


class _Wrapped(torch.nn.Module):
    """Hides from the counter that a formula exists."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, image, code):
        return self.model(image, code)


@pytest.mark.parametrize("name", ["restormer", "dfpir", "promptir", "adair", "vlunet", "idr", "moceir", "amir"])
def test_unfolded_blocks_give_the_same_images(name):
    model = baselines.create_model(name, **baselines.describe(name).demo).eval().double()
    image = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    told = baselines.describe(name).needs in ("code512", "image512")
    code = torch.randn(2, 512, dtype=torch.float64) if told else None
    with torch.no_grad():
        folded = model(image, code)
        with unfolded():
            assert torch.allclose(model(image, code), folded, atol=1e-9)
        assert torch.equal(model(image, code), folded)


def test_models_are_measured_once_each():
    found = {s.name: s for s in benchmark_models(TINY)}
    assert {"restormer", "dfpir", "promptir", "nafnet", "tape"} <= set(found)
    assert "dfpir_g90" in found["dfpir"].aliases
    assert "dfpir_g90" not in found
    assert found["tape"].reason
    with pytest.raises(ValueError, match="Did you mean 'promptir'"):
        benchmark_models(TINY, ["promtir"])


@pytest.mark.parametrize("name", ["dfpir", "nafnet", "idr", "dl", "instructir", "vlunet"])
def test_every_model_gets_a_code_that_it_takes(name):
    setting = {phase: cost.Measurement(phase=phase, size_px=64, precision="fp32") for phase in cost.PHASES}
    for phase in cost.PHASES:
        cost.make_workload(benchmark_model(name, TINY), CPU, setting[phase], 2)()


def test_a_training_step_changes_weights_and_a_forward_pass_does_not(monkeypatch):
    built = []

    def keep(benchmarked):
        built.append(build_benchmark_model(benchmarked))
        return built[-1]

    monkeypatch.setattr(cost, "build_benchmark_model", keep)
    for phase, changes in (("forward", False), ("training step", True)):
        work = cost.make_workload(
            benchmark_model("dfpir", TINY), CPU, cost.Measurement(phase=phase, size_px=64, precision="fp32"), 1
        )
        before = built[-1].output.weight.detach().clone()
        work()
        assert (not torch.equal(before, built[-1].output.weight)) == changes


def test_rows_hold_numbers_or_reasons():
    settings = [
        cost.Measurement(phase="count", size_px=128),
        *(cost.Measurement(phase=phase, size_px=64, precision="fp32") for phase in cost.PHASES),
    ]
    counted, forward, training = cost.measure(benchmark_model("nafnet", TINY), CPU, settings, EFFORT)
    assert counted["macs"] == pytest.approx(4 * forward["macs"], rel=0.01)
    assert "latency_ms" not in counted
    for row in (forward, training):
        assert 0 < row["latency_low_ms"] <= row["latency_ms"] <= row["latency_high_ms"]
        assert row["images_per_s"] > 0
        assert row["latency_repeats"] == 3
        assert row["reference_ms"] > 0
        assert row["memory_mib"] > 4 * row["params"] / 2**20, "at least the weights"
    assert training["memory_mib"] > forward["memory_mib"]
    for name, phase, why in (
        ("identity", 1, "returns its input"), ("classical", 2, "nothing to train"), ("tape", 1, "No code"),
    ):  # fmt: skip
        row = cost.measure(benchmark_model(name, TINY), CPU, settings, EFFORT)[phase]
        assert row["latency_note"].startswith("not measured: ")
        assert why in row["latency_note"]
        assert "latency_ms" not in row


def test_failures_become_reasons(monkeypatch):
    def fails(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB\nand a long story")

    monkeypatch.setattr(cost, "make_workload", fails)
    monkeypatch.setattr(cost, "peak_memory", fails)
    (row,) = cost.measure(benchmark_model("nafnet", TINY), CPU, [cost.Measurement(phase="forward", size_px=64)], EFFORT)
    assert {row[k] for k in ("latency_note", "images_per_s_note", "memory_note")} == {"not measured: out of memory"}


def test_without_bf16_the_rows_say_so(monkeypatch):
    monkeypatch.setattr(cost, "has_bf16", lambda device: False)
    (row,) = cost.measure(
        benchmark_model("nafnet", TINY), CPU, [cost.Measurement(phase="forward", size_px=64, precision="bf16")], EFFORT
    )
    assert "no bf16" in row["latency_note"]


def test_calls_are_warmed_up_and_repeated():
    calls = []
    times = cost.time_calls(lambda: calls.append(1), CPU, cost.TimingOptions(repeats=7))
    assert (len(calls), len(times)) == (9, 7)
    assert len(cost.time_calls(lambda: None, CPU, cost.TimingOptions(repeats=7, limit_s=0.0))) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "50"], "multiple of 16"),
        (["--budget", "quick"], "demo and paper"),
        (["--models", "promtir"], "Did you mean 'promptir'"),
        (["--repeats", "0"], "whole number"),
        (["--precisions", "fp8"], "fp8"),
        (["--psnr", "no/such/folder", "--models", "identity"], "no such folder"),
        (["--device", "gpu"], "Unknown device"),
    ],
)
def test_wrong_options_are_one_line_and_exit_code_2(arguments, message, capsys, tmp_path):
    with pytest.raises(SystemExit) as stopped:
        efficiency.main([*arguments, "--out", str(tmp_path)])
    captured = capsys.readouterr()
    assert stopped.value.code == 2
    assert message in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_command_writes_table_and_page(tmp_path, capsys):
    arguments = ["--models", "nafnet", "identity", "--precisions", "fp32", "--repeats", "1", "--device", "cpu"]
    options = efficiency.parse_arguments([*arguments, "--out", str(tmp_path)])
    assert efficiency.run(options, Console(), command="python -m ablations.efficiency --x") == 0
    table = tmp_path / "efficiency" / "cpu-demo.csv"
    frame = read_costs(table)
    assert list(frame["model"].unique()) == ["identity", "nafnet"]
    assert (frame["device"] != "").all()
    assert sorted(frame["size_px"].unique()) == [64, 128, 256]
    page = (table.with_suffix("") / "report.html").read_text()
    assert "python -m ablations.efficiency --x" in page
    assert "No PSNR: no study was given" in page

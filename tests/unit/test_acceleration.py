"""Switches of speed and memory: the same numbers with each of them, and a reason where one can't serve."""

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import ablations.harness.training.acceleration as accelerate
import ablations.harness.training.train as training
import baselines
from ablations.harness.launch.job import Job
from ablations.harness.memory import LiveBytes
from ablations.harness.run_one import run_one
from ablations.harness.training.acceleration import (
    Acceleration,
    GraphedStep,
    acceleration_record,
    cuda_graph_blocker,
    set_float32_products,
)
from ablations.harness.training.distributed import SINGLE_PROCESS, TorchProcessGroup
from ablations.models import model_config
from ablations.spec import Phase
from datasets.transfer import to_device_async
from dfpir import create_model
from dfpir.recompute import recompute_activations
from tests.support.graphs import EagerCapture, capture_eagerly
from tests.support.tiny_study import tiny_plan

CPU, GPU = torch.device("cpu"), torch.device("cuda")  # a device's name needs no GPU
SPEC = tiny_plan(only=("dfpir_g50",)).specs[0]
TINY = {"dim": 8, "num_blocks": (1, 2, 1, 1), "num_refinement_blocks": 1}


@pytest.fixture(autouse=True)
def switched_off():
    yield
    accelerate.set_acceleration(Acceleration(kernels="torch"))


def tiny(name="dfpir", **config):
    torch.manual_seed(0)
    model = create_model(name, **(TINY | config))
    model.bind_prompts(torch.randn(7, 512))
    return model.train()


def gradients(model, *inputs):
    model.zero_grad(set_to_none=True)
    out = model(*inputs)
    out.square().mean().backward()
    return [out.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


@pytest.mark.parametrize("name", ["dfpir", "restormer", "dfpir_learned_order"])
def test_checkpointing_gives_the_same_output_and_gradients_to_the_bit(name):
    model, image, rows = tiny(name), torch.rand(2, 3, 24, 16), torch.tensor([1, 4])
    plain = gradients(model, image, rows)
    assert recompute_activations(model) == 10 + 4 * model.config.perturbs
    again = gradients(model, image, rows)
    assert len(plain) == len(again)
    assert all(torch.equal(a, b) for a, b in zip(plain, again, strict=True))
    recompute_activations(model, on=False)
    assert not any(getattr(block, "recompute", False) for block in model.modules())


def test_checkpointing_reaches_comparators_of_restormers_family_and_says_where_it_does_nothing():
    image = torch.rand(1, 3, 16, 16)
    model = baselines.create_model("promptir", dim=8, num_blocks=(1, 1, 1, 1), num_refinement_blocks=1)
    plain = gradients(model, image)
    assert recompute_activations(model) > 0
    assert all(torch.equal(a, b) for a, b in zip(plain, gradients(model, image), strict=True))
    assert recompute_activations(torch.nn.Conv2d(3, 3, 1)) == 0


def test_checkpointing_takes_less_memory_where_it_is_on():
    model, image, rows = tiny(num_blocks=(2, 2, 2, 2)), torch.rand(1, 3, 64, 64), torch.tensor([0])
    peaks = []
    for on in (False, True):
        recompute_activations(model, on=on)
        with LiveBytes() as live:
            gradients(model, image, rows)
        peaks.append(live.peak)
    assert peaks[1] < 0.6 * peaks[0]


def test_a_graphed_step_gives_each_batchs_own_loss_and_gradient():
    layer = torch.nn.Linear(3, 2)
    capture = EagerCapture(layer.parameters())

    def compute(x, code, offset):
        assert code is None
        loss = (layer(x) + offset).square().mean()
        loss.backward()
        return loss.detach()

    graphed, losses = GraphedStep(compute, layer.parameters(), capture), []
    batches = [torch.randn(4, 3), torch.randn(4, 3), torch.randn(5, 3), torch.randn(5, 3)]
    for x in batches:
        layer.zero_grad(set_to_none=True)
        losses.append((graphed(x, None, x[:, :2]), [p.grad.clone() for p in layer.parameters()]))
    assert capture.count == 2  # one a shape
    for x, (loss, found) in zip(batches, losses, strict=True):
        layer.zero_grad(set_to_none=True)
        assert torch.equal(compute(x, None, x[:, :2]), loss)  # a later replay has not written over it
        assert all(torch.equal(p.grad, g) for p, g in zip(layer.parameters(), found, strict=True))


def trained_log(folder):
    assert not (folder / "ERROR.json").exists(), (folder / "ERROR.json").read_text()
    return [
        {key: value for key, value in json.loads(line).items() if key not in ("images_per_s", "wall_s")}
        for line in (folder / "train.jsonl").read_text().splitlines()
    ]


def run(root, acceleration, spec=SPEC):
    accelerate.set_acceleration(acceleration)
    assert run_one(spec, root, CPU, lambda progress: None), [p.read_text() for p in root.rglob("ERROR.json")]
    return root / spec.run_id


def test_a_run_with_switches_is_the_same_run_and_says_so(tmp_path):
    plain = run(tmp_path / "plain", Acceleration())
    fast = run(tmp_path / "fast", Acceleration(checkpointing=True, cuda_graphs=True))
    assert plain.name == fast.name
    assert trained_log(plain) == trained_log(fast)
    assert (plain / "weights.safetensors").read_bytes() == (fast / "weights.safetensors").read_bytes()
    assert "acceleration" not in json.loads((plain / "env.json").read_text())
    assert json.loads((fast / "env.json").read_text())["acceleration"] == {
        "checkpointing": "each block that can",
        "cuda_graphs": "not used on cpu: they need a CUDA device.",
    }


def test_training_through_graphed_steps_is_the_same_training(tmp_path, monkeypatch):
    first = SPEC.recipe.phases[0]
    recipe = replace(SPEC.recipe, phases=(first, Phase(steps=2, lr=first.lr, patch=first.patch // 2, batch=2)), ema=0.9)
    spec = replace(SPEC, recipe=recipe)
    plain = run(tmp_path / "plain", Acceleration(), spec)
    captures = capture_eagerly(monkeypatch)
    graphed = run(tmp_path / "graphed", Acceleration(cuda_graphs=True), spec)
    assert [capture.count for capture in captures] == [2]  # once a phase
    assert trained_log(plain) == trained_log(graphed)
    assert (plain / "weights.safetensors").read_bytes() == (graphed / "weights.safetensors").read_bytes()


def test_graphs_say_in_one_line_why_they_are_not_used():
    assert cuda_graph_blocker(SPEC.config, CPU) == "not used on cpu: they need a CUDA device."
    assert cuda_graph_blocker(SPEC.config, GPU) is None
    assert cuda_graph_blocker(model_config("nafnet", {"dim": 8}), GPU).startswith("not used for nafnet:")
    assert cuda_graph_blocker(SPEC.config, GPU, uses_ddp=True).startswith("not used under torchrun:")
    assert (SINGLE_PROCESS.uses_ddp, TorchProcessGroup.uses_ddp) == (
        False,
        True,
    )  # as `reduced` does, one process or more


def test_switches_travel_with_a_job_and_say_what_they_do_where(monkeypatch):
    asked = Acceleration(compile=True, cuda_graphs=True)
    job = pickle.loads(pickle.dumps(Job(spec=SPEC, root=Path("runs"), device="cuda", acceleration=asked)))
    accelerate.set_acceleration(job.acceleration)
    assert acceleration_record(SPEC.config, GPU) == {"compile": "each block", "cuda_graphs": "training step"}
    assert acceleration_record(model_config("nafnet", {"dim": 8}), GPU)["compile"].startswith(
        "not used for comparators"
    )
    accelerate.set_acceleration(Acceleration())
    assert acceleration_record(SPEC.config, GPU) == {}
    monkeypatch.setattr(accelerate, "chosen_kernels", lambda: "triton")
    assert acceleration_record(SPEC.config, CPU)["kernels"] == "torch: Triton's serve GPUs, not cpu."
    assert acceleration_record(SPEC.config, GPU)["kernels"] == "triton"


@pytest.mark.parametrize(("precision", "on"), [("fp32", False), ("tf32", True), ("bf16", False)])
def test_tf32_is_used_in_its_own_precision_alone(precision, on):
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = True
    set_float32_products(precision)
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == (on, on)
    assert not torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
    torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
    assert replace(SPEC, precision=precision).identity()["precision"] == precision  # it changes numbers: part of the id


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the compiler's own
def test_a_compiled_block_agrees_with_the_eager_one():
    # one block of each kind: compiling a whole model takes minutes
    model = tiny(num_blocks=(1, 1, 1, 1))
    block = torch.nn.ModuleList([model.perturb["1"], model.encoder[0]])
    block.forward = lambda x, codes: block[1](block[0](x, codes))
    x, codes = torch.rand(2, 8, 12, 8, requires_grad=True), torch.randn(2, 512)
    block.train()
    eager = gradients(block, x, codes)
    accelerate.set_acceleration(Acceleration(compile=True))
    accelerate.apply_acceleration(block, model.config)
    assert block[0].compiled_by == "inductor"
    compiled = gradients(block, x, codes)
    assert len(compiled) == len(eager) > 20
    for ours, theirs in zip(compiled, eager, strict=True):
        assert (ours - theirs).abs().max() <= 1e-5 * max(1.0, float(theirs.abs().max()))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("acceleration", [Acceleration(), Acceleration(cuda_graphs=True)], ids=["plain", "graphs"])
def test_a_gpus_training_steps_never_wait_for_it(tmp_path, monkeypatch, acceleration):
    spec = replace(SPEC, recipe=replace(SPEC.recipe, log_every=1000, validations=1))
    step = training._train_step

    def watched(spec, state, *arguments, **options):
        if state.step < 2:  # libraries are loaded and graphs captured in the first steps
            return step(spec, state, *arguments, **options)
        torch.cuda.set_sync_debug_mode("error")
        try:
            return step(spec, state, *arguments, **options)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(training, "_train_step", watched)
    accelerate.set_acceleration(acceleration)
    assert run_one(spec, tmp_path, GPU, lambda progress: None)


def test_sending_to_a_gpu_goes_through_page_locked_memory_and_does_not_wait(monkeypatch):
    calls = []

    def pin_memory(self):
        calls.append("pinned")
        return self

    def to(self, *where, **how):
        calls.append((where, how))
        return self

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin_memory)
    monkeypatch.setattr(torch.Tensor, "to", to)
    to_device_async(torch.ones(2), "cuda:1")
    to_device_async(torch.ones(2), CPU)
    assert calls == ["pinned", (("cuda:1",), {"non_blocking": True}), ((CPU,), {})]

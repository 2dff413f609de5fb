"""Blocks by torch.compile, with backends that generate no code: what is traced, how often, and the same training."""

import json

import pytest
import torch
import torch._dynamo as dynamo
from torch._dynamo.utils import counters

import ablations.harness.training.acceleration as accelerate
from ablations.harness.run_one import run_one
from ablations.harness.seeding import initialise
from ablations.recipe import Acceleration
from ablations.spec import Phase
from dfpir import create_model
from dfpir.kernels import switch
from dfpir.recompute import RecomputableBlock, compile_blocks, recompute_activations
from tests.support.graphs import capture_eagerly
from tests.support.tiny_study import tiny_plan

SMALL = {"dim": 8, "num_blocks": (2, 1, 1, 1), "num_refinement_blocks": 1, "heads": (1, 2, 4, 8)}
pytestmark = pytest.mark.filterwarnings("ignore")  # the compiler's own

KINDS = 9  # transformer blocks of widths 8, 16, 32, 64 and of the refined 16 with one head; perturbation blocks


@pytest.fixture(autouse=True)
def compiled_anew():
    dynamo.reset()
    counters.clear()
    yield
    dynamo.reset()
    accelerate.set_acceleration(Acceleration(kernels="torch"))


def model_of(name="dfpir", **config):
    model = create_model(name, **(SMALL | config))
    initialise(model, 0)
    model.bind_prompts(torch.randn(3, 512, generator=torch.Generator().manual_seed(1)))
    return model.train()


def losses(model, steps=3, size=(24, 16), bf16=False):
    random = torch.Generator().manual_seed(2)
    image, rows = torch.rand(2, 3, *size, generator=random), torch.tensor([2, 0])
    adam = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    found = []
    for _ in range(steps):
        adam.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            out = model(image, rows)
        loss = (out.float() - image.roll(1, -1)).abs().mean()
        loss.backward()
        adam.step()
        found.append(float(loss.detach()))
    return found


def graphs():
    return counters["stats"]["unique_graphs"]


def first_level(model, backend):
    """The model with the blocks of its first level alone compiled; how many kinds of them there are.

    Each other level has the same code at another width, which takes as long to trace.
    """
    assert compile_blocks(model, backend) > 8
    blocks = {name: block for name, block in model.named_modules() if isinstance(block, RecomputableBlock)}
    for name, block in blocks.items():
        if not name.startswith(("encoder.0.", "perturb.1")):
            block.compiled_by = None
    return len({type(block) for block in blocks.values() if block.compiled_by})


def test_blocks_of_a_kind_share_what_is_traced_and_the_whole_trains_as_before():
    expected, model = losses(model_of()), model_of()
    compile_blocks(model, "eager")
    assert losses(model) == expected
    assert not counters["graph_break"]
    assert graphs() == KINDS  # no step compiles again


@pytest.mark.parametrize(
    "name",
    [
        "restormer", "dfpir_learned_order", "dfpir_conv_per_prompt", "restormer_told", "dfpir_paper_formula",
        "dfpir_random_mask",
    ],
)  # fmt: skip
def test_every_kind_of_block_is_traced_whole_and_trains_as_before(name):
    config = {"layer_norm": "bias_free"} if name == "restormer" else {}
    expected, model = losses(model_of(name, **config)), model_of(name, **config)
    kinds = first_level(model, "eager")
    assert losses(model) == expected
    assert not counters["graph_break"]
    assert graphs() == kinds == (1 if name == "restormer" else 2)


@pytest.mark.parametrize(("checkpointing", "bf16"), [(False, False), (True, True)])
def test_forward_and_backward_graphs_train_as_before_checkpointed_too(checkpointing, bf16):
    expected, model = losses(model_of(), bf16=bf16), model_of()
    kinds = first_level(model, "aot_eager")
    recompute_activations(model, on=checkpointing)
    assert losses(model, bf16=bf16) == pytest.approx(expected, rel=1e-2 if bf16 else 1e-5)
    assert not counters["graph_break"]
    assert 0 < graphs() <= 2 * kinds


@dynamo.config.patch(recompile_limit=2, fail_on_recompile_limit_hit=True)
def test_more_sizes_than_pytorchs_limit_are_all_compiled():
    model = model_of()
    kinds = first_level(model, "eager")
    for phase, size in enumerate([(16, 16), (24, 24), (32, 32)], start=1):
        losses(model, steps=1, size=size)
        assert graphs() == phase * kinds
    assert dynamo.config.recompile_limit == 64
    assert dynamo.config.accumulated_recompile_limit >= 512


def test_evaluation_stays_eager_and_compiling_can_be_taken_back():
    model = model_of()
    compile_blocks(model, "eager")
    model.eval()
    with torch.no_grad():
        model(torch.rand(1, 3, 16, 16), torch.tensor([0]))
    assert graphs() == 0
    model.train()
    compile_blocks(model, None)
    losses(model, steps=1)
    assert graphs() == 0


@pytest.mark.parametrize(
    "begin",
    [lambda: compile_blocks(model_of(), "eager"), lambda: accelerate.set_acceleration(Acceleration(compile=True))],
)
def test_the_environments_kernels_are_settled_before_a_block_is_traced(monkeypatch, begin):
    monkeypatch.setattr(switch, "_chosen", None)
    begin()
    assert switch._chosen == "torch"


def test_a_run_of_compiled_blocks_within_captured_steps_is_the_same_run(tmp_path, monkeypatch):
    phases = (Phase(steps=4, lr=1e-3, patch=16, batch=2),)
    spec = tiny_plan(only=("dfpir_g50",), phases=phases, validations=1).specs[0]

    def run(root, acceleration):
        accelerate.set_acceleration(acceleration)
        done = run_one(spec, root, torch.device("cpu"), lambda progress: None)
        assert done, [path.read_text() for path in root.rglob("ERROR.json")]
        return root / spec.run_id

    plain = run(tmp_path / "plain", Acceleration())
    monkeypatch.setattr(accelerate, "BACKEND", "eager")
    captures = capture_eagerly(monkeypatch)
    fast = run(tmp_path / "fast", Acceleration(compile=True, cuda_graphs=True, checkpointing=True))
    assert graphs() > 0
    assert len(captures) == 1
    assert (plain / "weights.safetensors").read_bytes() == (fast / "weights.safetensors").read_bytes()
    assert json.loads((fast / "env.json").read_text())["acceleration"]["compile"] == "each block"

"""The measure "routing": shares by hand, and what is written for models that route and for one that doesn't."""

from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from ablations.harness.run_one import find_run
from ablations.measures.compute import compute_measures
from ablations.measures.loaded_run import load_run
from ablations.measures.routing import _recorded_choices, _shares
from baselines.routing import ExpertRouter, routers
from reports.schema import WEIGHTS_FILE, read_measure
from tests.support.tiny_study import TINY, tiny_plan

CPU = torch.device("cpu")
SIZES = replace(TINY.measuring, images=1)


def test_shares_of_images_by_hand():
    chosen = torch.tensor([[[0, 1], [0, 2], [0, 1]], [[2, 3], [2, 3], [3, 2]]])
    weights = torch.tensor([[[0.5, 0.5], [0.75, 0.25], [1.0, 0.0]], [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4]]])
    selected, weight = _shares(4, chosen, weights)
    np.testing.assert_allclose(selected, [[3 / 6, 2 / 6, 1 / 6, 0], [0, 0, 1 / 2, 1 / 2]])
    np.testing.assert_allclose(weight, [[2.25 / 3, 0.5 / 3, 0.25 / 3, 0], [0, 0, 2.2 / 3, 0.8 / 3]], rtol=1e-6)


def test_a_pass_that_fails_leaves_no_trace():
    class Ahead(ExpertRouter):
        def forward(self, x):
            return torch.zeros(len(x), 1, dtype=torch.long), torch.ones(len(x), 1)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.router = Ahead(2)

        def forward(self, x):
            self.router(x)
            if len(x) > 2:
                raise MemoryError
            return x

    model = Model()
    (router,) = routers(model)
    with _recorded_choices(model, [router]) as shares:
        with pytest.raises(MemoryError):
            model(torch.zeros(4, 1))
        model(torch.zeros(2, 1))
    assert [len(selected) for selected, _ in shares[router]] == [2]
    assert not router._forward_hooks
    assert not model._forward_hooks


def measured(study, variant, root):
    (spec,) = tiny_plan(study, (variant,)).specs
    spec = replace(spec, tested=("noise-25", "haze"))
    folder = find_run(root, spec)
    folder.mkdir(parents=True)
    model = load_run(spec, folder, CPU, SIZES).model_at(0)
    safetensors.torch.save_file({k: v.clone() for k, v in model.state_dict().items()}, folder / WEIGHTS_FILE)
    assert compute_measures(spec, folder, ("routing",), CPU, SIZES) == []
    return read_measure(folder, "routing")[0]


@pytest.mark.parametrize(
    ("study", "variant", "layers"),
    [
        ("five_task", "amir", ["encoder-1", "encoder-2", "encoder-3"]),
        ("three_task", "moceir", ["decoder-3, block 1", "decoder-2, block 1", "decoder-1, block 1"]),
    ],
)
def test_every_router_has_a_matrix_of_condition_by_expert(study, variant, layers, tmp_path):
    rows = measured(study, variant, tmp_path)
    assert list(dict.fromkeys(rows["layer"])) == layers
    assert len(rows) == len(layers) * 2 * 4
    for name in ("selected", "weight"):
        assert np.allclose(rows.groupby(["layer", "condition"])[name].sum(), 1)
    assert set(rows["expert"]) == {1, 2, 3, 4}
    assert set(rows["n_images"]) == {1}
    if variant == "amir":  # two of four experts a pixel: none has more than half of the selections
        assert rows["selected"].max() <= 0.5


def test_a_model_that_routes_nothing_has_no_rows(tmp_path):
    assert measured("five_task", "nafnet", tmp_path).empty

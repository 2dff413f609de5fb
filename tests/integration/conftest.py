"""A tiny DFPIR with first weights, as a file of released names."""

import pytest
import torch

import dfpir
from dfpir.weights import released_names
from tests.support.evaluations import TINY


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return dfpir.create_model("dfpir", **TINY).eval()


@pytest.fixture(scope="module")
def state(model):
    """By released names."""
    names = released_names(model)
    return {names[key]: value.detach().contiguous() for key, value in model.named_parameters()}


@pytest.fixture
def weights(state, tmp_path):
    torch.save(state, tmp_path / "dfpir.pth")
    return tmp_path / "dfpir.pth"

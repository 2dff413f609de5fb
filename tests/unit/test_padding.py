"""Padding to a model's multiple happens once, and is undone exactly."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.base import restore


class Recorder:
    def __init__(self, multiple_of, min_size=1):
        self.multiple_of, self.min_size = multiple_of, min_size

    def __call__(self, image, code=None):
        self.seen = image
        return image


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 8, 16]), st.sampled_from([1, 7, 48]))
def test_pad_and_crop_is_the_identity(height, width, multiple, least):
    model, image = Recorder(multiple, least), torch.rand(2, 3, height, width)
    assert torch.equal(restore(model, image), image)
    assert model.seen.shape[-2] % multiple == 0
    assert model.seen.shape[-1] % multiple == 0
    assert min(model.seen.shape[-2:]) >= least
    assert model.seen.shape[-2] - max(height, least) < multiple
    assert torch.equal(model.seen[..., :height, :width], image)


def test_padding_is_a_reflection():
    model, image = Recorder(8), torch.arange(3 * 6 * 8.0).reshape(1, 3, 6, 8)
    restore(model, image)
    assert torch.equal(model.seen[..., 6, :], image[..., 4, :])
    assert torch.equal(model.seen[..., 7, :], image[..., 3, :])

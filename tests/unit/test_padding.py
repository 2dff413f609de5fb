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


class PerImage(torch.nn.Module):
    """Multiplies by each image's code, and keeps what it was given."""

    multiple_of = 8

    def forward(self, image, code=None):
        self.seen = image
        return image * code.view(-1, 1, 1, 1)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90))
def test_tiles_are_put_together_again_each_with_its_images_code(height, width):
    model, image, code = PerImage(), torch.rand(2, 3, height, width), torch.tensor([1.0, 0.5])
    restored = restore(model, image, code, tile=32)
    assert torch.allclose(restored, image * code.view(-1, 1, 1, 1), atol=1e-6)
    assert max(model.seen.shape[-2:]) <= 32


def test_in_tiles_a_network_that_normalises_over_the_image_sees_no_more_than_a_tile():
    class Centred(torch.nn.Module):
        multiple_of = 1

        def forward(self, image, code=None):
            return image - image.mean(dim=(2, 3), keepdim=True)

    image = torch.cat([torch.zeros(1, 3, 32, 64), torch.ones(1, 3, 32, 64)], dim=-1)
    assert restore(Centred(), image).abs().mean() == 0.5
    tiled = restore(Centred(), image, tile=32)
    assert tiled[..., :32].abs().max() < 1e-6, "tiles far from the step know nothing of it"
    assert restore(Centred(), image[..., :32], tile=32).abs().max() == 0, "an image of a tile's size is restored whole"

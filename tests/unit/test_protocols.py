"""Protocols: noise against transcriptions of the released rules, sizes, colours, rounding and errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from datasets.metrics import psnr_db, ssim, to_y
from datasets.noise import noisy_inputs
from datasets.protocols import PROTOCOLS, finish_output, get_protocol, score
from datasets.tasks import Task

SIZES = ((35, 50), (48, 33), (32, 32))


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]


def crop16(image: np.ndarray) -> np.ndarray:
    """The all-in-one family's cut, transcribed from its rule."""
    height, width = image.shape[:2]
    rows, cols = height % 16, width % 16
    return image[rows // 2 : height - rows + rows // 2, cols // 2 : width - cols + cols // 2]


def released_allinone(photos: list[np.ndarray], sigmas: tuple[int, ...]) -> list[np.ndarray]:
    """The released test program's noise: the global generator, seeded once."""
    state = np.random.get_state()  # noqa: NPY002 - the rule under test
    np.random.seed(0)  # noqa: NPY002
    noisy = []
    for sigma in sigmas:
        for photo in photos:
            clean = crop16(photo)
            noise = np.random.randn(*clean.shape)  # noqa: NPY002
            noisy.append(np.clip(clean + noise * sigma, 0, 255).astype(np.uint8))
    np.random.set_state(state)  # noqa: NPY002
    return noisy


def levels(item) -> np.ndarray:
    return (item.degraded.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)


@pytest.mark.parametrize(("name", "sigmas"), [("allinone", (15, 25, 50)), ("allinone-5task", (25,))])
def test_allinone_noise_is_the_released_noise(photos, name, sigmas):
    items = list(noisy_inputs(get_protocol(name), photos))
    want = released_allinone(photos, sigmas)
    assert [item.sigma_255 for item in items] == [sigma for sigma in sigmas for _ in photos]
    for item, noisy in zip(items, want, strict=True):
        assert np.array_equal(levels(item), noisy)
        # What the released loader hands the model: ToTensor of the 8-bit image.
        assert np.array_equal(item.degraded.numpy(), (noisy.astype(np.float32) / np.float32(255)).transpose(2, 0, 1))
        assert np.array_equal(
            (item.clean.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8), crop16(photos[item.index])
        )


def test_one_sigma_of_the_stream_is_what_it_is_in_the_whole(photos):
    whole = [levels(item) for item in noisy_inputs(get_protocol("allinone"), photos) if item.sigma_255 == 25]
    alone = [levels(item) for item in noisy_inputs(get_protocol("allinone"), photos, [25])]
    five = [levels(item) for item in noisy_inputs(get_protocol("allinone-5task"), photos)]
    assert all(np.array_equal(a, b) for a, b in zip(whole, alone, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(alone, five, strict=True))
    with pytest.raises(ValueError, match="draws sigma 15, 25, 50 only, not 30"):
        list(noisy_inputs(get_protocol("allinone"), photos, [30]))


def test_moceir_starts_the_stream_anew_for_each_sigma(photos):
    want = [noisy for sigma in (15, 25, 50) for noisy in released_allinone(photos, (sigma,))]
    got = [levels(item) for item in noisy_inputs(get_protocol("moceir"), photos)]
    assert all(np.array_equal(a, b) for a, b in zip(got, want, strict=True))


def test_restormer_noise_is_float_and_seeded_for_each_image(photos):
    for item in noisy_inputs(get_protocol("restormer"), photos):
        image = photos[item.index].astype(np.float32) / np.float32(255)
        image += np.random.RandomState(0).normal(0, item.sigma_255 / 255.0, image.shape)
        assert item.degraded.permute(1, 2, 0).numpy() == pytest.approx(image, abs=2e-7)
        assert item.clean.shape[-2:] == photos[item.index].shape[:2]


@pytest.mark.parametrize("name", ["suite", "y-channel", "instructir"])
def test_content_noise_knows_neither_order_nor_subset(photos, name):
    protocol = get_protocol(name)
    forward = {(item.index, item.sigma_255): item.degraded for item in noisy_inputs(protocol, photos)}
    backward = {
        (2 - item.index, item.sigma_255): item.degraded for item in noisy_inputs(protocol, photos[::-1], [50, 15])
    }
    assert all(torch.equal(forward[key], value) for key, value in backward.items())
    (alone,) = noisy_inputs(protocol, photos[1:2], [25])
    assert torch.equal(alone.degraded, forward[1, 25])
    assert not torch.equal(forward[1, 25], forward[1, 50])


def test_drawing_leaves_the_global_generator_alone(photos):
    np.random.seed(7)  # noqa: NPY002
    for protocol in PROTOCOLS.values():
        list(noisy_inputs(protocol, photos))
    assert np.random.random() == np.random.RandomState(7).random()  # noqa: NPY002


def test_tensors_and_arrays_get_the_same_noise(photos):
    tensors = [torch.from_numpy(photo).permute(2, 0, 1) for photo in photos]
    floats = [tensor.float() / 255 for tensor in tensors]
    for protocol in PROTOCOLS.values():
        of_arrays = list(noisy_inputs(protocol, photos, protocol.noise.sigmas_255[:1]))
        for other in (tensors, floats):
            again = noisy_inputs(protocol, other, protocol.noise.sigmas_255[:1])
            assert all(torch.equal(a.degraded, b.degraded) for a, b in zip(of_arrays, again, strict=True))


def test_only_8_bit_rgb_gets_noise():
    with pytest.raises(ValueError, match="multiples of 1/255"):
        list(noisy_inputs(get_protocol("suite"), [torch.full((3, 16, 16), 0.1234)]))
    with pytest.raises(ValueError, match="RGB"):
        list(noisy_inputs(get_protocol("suite"), [torch.zeros(1, 16, 16)]))


def test_crop_is_centred_and_too_small_is_refused():
    protocol = get_protocol("allinone")
    rows = torch.arange(35)[:, None].expand(35, 50)
    assert protocol.crop(rows)[:, 0].tolist() == list(range(1, 33))
    assert torch.equal(get_protocol("suite").crop(rows), rows)
    with pytest.raises(ValueError, match="multiple of 16; the image has 15x50"):
        protocol.crop(rows[:15])


def test_score_follows_the_rules():
    generator = torch.Generator().manual_seed(1)
    clean = (torch.rand(2, 3, 32, 32, generator=generator) * 255).round() / 255
    restored = clean + 0.2 * torch.randn(clean.shape, generator=generator)
    clipped = restored.double().clamp(0, 1)
    eight = (clipped * 255).round() / 255
    exact = clean.double()
    want = {
        "allinone": (psnr_db(clipped, exact), ssim(clipped, exact)),
        "instructir": (psnr_db(restored, exact), ssim(restored, exact, "gaussian11")),
        "moceir": (psnr_db(clipped, exact), ssim(clipped, exact, "gaussian-skimage")),
        "restormer": (psnr_db(eight, exact), ssim(eight, exact, "gaussian11")),
        "y-channel": (psnr_db(to_y(eight), to_y(exact)), ssim(to_y(eight), to_y(exact), "gaussian11")),
    }
    for name, (psnrs, ssims) in want.items():
        got = score(restored, clean, get_protocol(name))
        assert got["psnr_db"].tolist() == pytest.approx(psnrs.tolist(), abs=1e-9), name
        assert got["ssim"].tolist() == pytest.approx(ssims.tolist(), abs=1e-9), name


def test_restormer_scores_rain_on_8_bit_luma():
    protocol = get_protocol("restormer")
    assert (protocol.colour(Task.RAIN), protocol.colour(Task.NOISE), protocol.colour(None)) == ("Y", "RGB", "RGB")
    assert get_protocol("y-channel").colour(None) == "Y"
    clean = torch.rand(1, 3, 16, 16)
    restored = torch.rand(1, 3, 16, 16)
    first = (to_y(finish_output(restored, protocol)) * 255).round()
    second = (to_y(clean.double()) * 255).round()
    got = score(restored, clean, protocol, Task.RAIN)["psnr_db"].item()
    assert got == pytest.approx(psnr_db(first, second, data_range=255).item())


def test_order_of_files():
    names = ["img_10.png", "img_2.png", "a.png"]
    assert get_protocol("restormer").sort_names(names) == ["a.png", "img_2.png", "img_10.png"]
    assert get_protocol("allinone").sort_names(names) == ["a.png", "img_10.png", "img_2.png"]


def test_names_labels_and_errors():
    assert get_protocol("allinone-v1") is get_protocol("allinone")
    with pytest.raises(ValueError, match=r"Unknown protocol 'alinone'. Did you mean 'allinone'\? Known: allinone, "):
        get_protocol("alinone")
    assert list(PROTOCOLS) == ["allinone", "allinone-5task", "restormer", "moceir", "instructir", "y-channel", "suite"]
    for protocol in PROTOCOLS.values():
        assert json.loads(json.dumps(protocol.to_json()))["label"] == protocol.label
        assert protocol.label in protocol.describe()


def test_no_protocol_promises_padding_that_nobody_does():
    """Models pad to their own multiple (tests/unit/test_padding.py); published values of FFDNet were not padded."""
    for protocol in PROTOCOLS.values():
        assert "pad" not in protocol.describe()
        assert not any("pad" in key for key in protocol.to_json())


@pytest.mark.parametrize("name", sorted(PROTOCOLS))
def test_scoring_on_a_device_never_waits_for_it(name):
    # a meta tensor holds no values: whoever asks for one, as `bool` or `float` do, gets an error
    images = torch.rand(2, 3, 24, 20, device="meta"), torch.rand(2, 3, 24, 20, device="meta")
    assert score(*images, PROTOCOLS[name], Task.RAIN)["psnr_db"].shape == (2,)

"""Pairing, cropping, packing and seeds hold for any names, sizes and numbers."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.catalog import get_dataset
from datasets.catalog.finder import find_sets
from datasets.catalog.spec import Pairing
from datasets.metrics import psnr_db, ssim
from datasets.noise import noisy_inputs
from datasets.protocols import PROTOCOLS, get_protocol

STEMS = st.text(
    st.characters(codec="utf-8", exclude_characters="/\\\0.", exclude_categories=["C", "Z"]), min_size=1, max_size=12
)


def image_of(seed: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@given(number=st.integers(0, 10**6), zeros=st.integers(0, 4))
def test_every_spelling_of_a_rain_number_is_one_key(number, zeros):
    digits = "0" * zeros + str(number)
    spellings = [
        digits,
        f"rain-{digits}",
        f"norain-{digits}",
        f"norain{digits}",
        f"norain-{digits}x2",
        f"Rain_{digits}",
    ]
    assert {Pairing.NUMBER.key(spelling) for spelling in spellings} == {str(number)}


@given(first=STEMS, second=STEMS)
def test_names_that_are_no_numbers_pair_by_equality(first, second):
    same = first.casefold() == second.casefold()
    assert (Pairing.SAME.key(f"x{first}") == Pairing.SAME.key(f"x{second}")) == same


@settings(max_examples=40, deadline=None)
@given(
    degraded=st.sets(st.integers(1, 100), max_size=12),
    clean=st.sets(st.integers(1, 100), max_size=12),
    spelling=st.sampled_from(["{}", "rain-{}", "rain-{:03d}"]),
)
def test_pairs_are_the_common_numbers_and_the_rest_is_reported(degraded, clean, spelling):
    with tempfile.TemporaryDirectory() as folder:
        for kind, numbers, name in (("input", degraded, spelling), ("target", clean, "norain-{}")):
            base = Path(folder, "Rain100L", kind)
            base.mkdir(parents=True)
            for number in numbers:
                (base / f"{name.format(number)}.png").touch()
        found = find_sets(Path(folder))
    pairs = found[0].pairs if found else ()
    assert {Pairing.NUMBER.key(pair.clean.stem) for pair in pairs} == {str(n) for n in degraded & clean}
    for pair in pairs:
        assert pair.degraded is not None
        assert Pairing.NUMBER.key(pair.degraded.stem) == Pairing.NUMBER.key(pair.clean.stem)
    if found:
        unpaired = [problem for problem in found[0].problems if problem.kind == "unpaired"]
        missing = [problem for problem in found[0].problems if problem.kind == "missing"]
        assert len(unpaired) == len(degraded ^ clean)
        assert len(missing) == 100 - len(pairs)


@given(height=st.integers(16, 200), width=st.integers(16, 200))
def test_a_crop_is_the_centre_and_loses_less_than_the_multiple(height, width):
    grid = torch.arange(height)[:, None] * 1000 + torch.arange(width)
    for protocol in PROTOCOLS.values():
        cut = protocol.crop(grid)
        assert all(side % protocol.crop_multiple == 0 for side in cut.shape)
        top, left = divmod(int(cut[0, 0]), 1000)
        bottom, right = height - top - cut.shape[0], width - left - cut.shape[1]
        assert 0 <= bottom - top <= 1
        assert 0 <= right - left <= 1
        assert torch.equal(protocol.crop(cut), cut)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99), shape=st.tuples(st.integers(1, 20), st.integers(1, 20)), sigma=st.integers(1, 80))
def test_content_noise_depends_on_pixels_and_sigma_alone(seed, shape, sigma):
    protocol = get_protocol("suite")
    image = image_of(seed, *shape)
    (alone,) = noisy_inputs(protocol, [image], [sigma])
    crowd = list(noisy_inputs(protocol, [image_of(seed + 1, 4, 4), image], [sigma + 1, sigma]))
    assert torch.equal(alone.degraded, crowd[-1].degraded)
    assert alone.degraded.min() >= 0
    assert alone.degraded.max() <= 1
    levels = alone.degraded * 255
    assert torch.allclose(levels, levels.round(), atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), shift=st.floats(0.001, 0.5))
def test_metrics_are_symmetric_and_fall_with_the_error(seed, shift):
    generator = torch.Generator().manual_seed(seed)
    clean = torch.rand(1, 3, 12, 12, generator=generator, dtype=torch.float64) * 0.5
    near, far = clean + shift / 2, clean + shift
    assert psnr_db(near, clean) > psnr_db(far, clean)
    assert torch.allclose(psnr_db(far, clean), torch.tensor(-20 * np.log10(shift), dtype=torch.float64))
    for window in ("uniform7", "gaussian11"):
        assert torch.allclose(ssim(far, clean, window), ssim(clean, far, window))
        assert ssim(far, clean, window) <= 1


def test_every_expected_name_is_its_own_key():
    for name in ("bsd400", "wed", "cbsd68", "urban100", "rain100l-test", "lol-eval15"):
        spec = get_dataset(name)
        for names in spec.expected:
            assert len(set(names)) == len(names)
            assert all(spec.pairing.key(each) == each for each in names)

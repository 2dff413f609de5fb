"""Tiles: they cover, they fade, their seams can't be found; and how large one may be."""

import gc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import dfpir
from ablations.harness import memory
from ablations.harness.restoring.tiling import FADE, MARGIN, Tiling, restore_rows
from baselines.base import restore


@settings(deadline=None, max_examples=200)
@given(length=st.integers(1, 3000), tile=st.integers(256, 900), multiple=st.sampled_from([1, 2, 8, 16, 24, 64]))
def test_spans_cover_a_side_and_their_weights_sum_to_one(length, tile, multiple):
    tiling = Tiling(tile=tile, multiple_of=multiple)
    spans = tiling.spans(length)
    total = torch.zeros(length)
    for before, span in zip([None, *spans], spans, strict=False):
        assert span.start % tiling.grid == 0
        assert 0 < span.stop - span.start <= tile
        total[span.output_slice] += span.weights()
        if before is not None:
            assert span.enter == before.leave
            assert before.enter[1] <= before.leave[0], "more than two tiles meet"
            assert span.enter[0] - span.start >= MARGIN
            assert before.stop - before.leave[1] >= MARGIN
            assert span.enter[1] - span.enter[0] == FADE
    assert spans[0].start == 0
    assert spans[-1].stop == length
    assert torch.allclose(total, torch.ones(length), atol=1e-6)


def restored(call, image, tiling):
    """The whole image, band by band."""
    bands = restore_rows(call, lambda rows, columns: image[..., rows, columns], tuple(image.shape[-2:]), tiling)
    return torch.cat([band for _, band in bands], dim=1)[None]


@pytest.mark.parametrize("tile", [63, 0, -5])
def test_a_tile_too_small_is_refused(tile):
    with pytest.raises(ValueError, match=f"--tile {tile}: 64 pixels or more"):
        Tiling(tile=tile)


class Folding(nn.Module):
    """Looks 2 x 5 + 1 pixels far, and folds blocks of 2 x 2: tiles at odd places would show."""

    multiple_of, min_size = 2, 1

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(*(nn.Conv2d(12, 12, 3, padding=1) for _ in range(5)))

    def forward(self, image, code=None):
        return image + 0.3 * F.pixel_shuffle(self.layers(F.pixel_unshuffle(image, 2)).tanh(), 2)


@pytest.mark.parametrize("size", [(200, 333), (333, 200), (100, 700), (97, 131), (600, 601)])
@pytest.mark.parametrize("tile", [128, 200, 1000])
def test_a_model_that_sees_no_further_than_the_margin_gives_the_whole_images_result(size, tile):
    model = Folding().eval()
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        whole = restore(model, image)
        tiled = restored(lambda part: restore(model, part), image, Tiling(tile=tile, multiple_of=2))
    assert tiled.shape == whole.shape
    assert (tiled - whole).abs().max() < 1e-6


def test_bands_come_in_order_and_no_tile_is_larger_than_asked():
    asked, tops = [], []

    def read(rows, columns):
        asked.append((rows.stop - rows.start, columns.stop - columns.start))
        return torch.zeros(1, 3, *asked[-1])

    calls = []
    bands = restore_rows(lambda part: part, read, (1000, 300), Tiling(tile=128), lambda *counts: calls.append(counts))
    heights = []
    for top, band in bands:
        tops.append(top)
        heights.append(band.shape[1])
        assert band.shape[1] <= 128, "rows are handed on as soon as they are done"
    assert tops == [sum(heights[:i]) for i in range(len(heights))]
    assert sum(heights) == 1000
    assert max(map(max, asked)) <= 128
    assert calls[-1] == (len(asked), len(asked))


def texture(height, width):
    """Grain on a slope of brightness, which makes tiles differ in everything global."""
    grain = np.random.default_rng(3).normal(0, 0.05, (3, height, width))
    slope = np.linspace(0, 0.6, width)[None, None] + np.linspace(0, 0.3, height)[None, :, None]
    return torch.from_numpy(np.clip(0.05 + slope + grain, 0, 1)).float()[None]


def prominence(image, columns):
    """The steepest of these columns over all but the steepest hundredth of the others: mean horizontal gradient."""
    profile = image[0].diff(dim=-1).mean(dim=(0, 1)).abs().numpy()
    inside = np.zeros(len(profile), dtype=bool)
    inside[columns] = True
    return profile[inside].max() / np.quantile(profile[~inside], 0.99)


def hard_cuts(call, image, tiling):
    """The same tiles put side by side: what a seam looks like."""
    out = torch.empty_like(image)
    for row in tiling.spans(image.shape[-2]):
        for column in tiling.spans(image.shape[-1]):
            part = call(image[..., row.start : row.stop, column.start : column.stop])
            top, left = (sum(span.enter) // 2 for span in (row, column))  # later tiles cover the rest
            out[..., top : row.stop, left : column.stop] = part[..., top - row.start :, left - column.start :]
    return out


def global_statistics(image, code=None):
    """The extreme of attention over a whole tile: brightness and contrast depend on all of it."""
    mean, spread = image.mean(dim=(2, 3), keepdim=True), image.std(dim=(2, 3), keepdim=True)
    return 0.5 + 0.1 * (image - mean) / spread


def attention_model():
    torch.manual_seed(0)
    model = dfpir.create_model("dfpir_g50", dim=8, num_blocks=(1, 1, 1, 1), num_refinement_blocks=1, heads=(1, 2, 4, 8))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    code = torch.randn(1, 512, generator=torch.Generator().manual_seed(1))
    return lambda image: restore(model.eval(), image, code)


@pytest.mark.parametrize("call", [global_statistics, attention_model()], ids=["statistics", "dfpir"])
def test_seams_of_models_that_see_the_whole_tile_can_not_be_found(call):
    image, tiling = texture(192, 500), Tiling(tile=192)
    spans = tiling.spans(500)
    columns = [c for span in spans[1:] for c in range(span.enter[0] - 1, span.enter[1] + 1)]
    with torch.inference_mode():
        assert prominence(restored(call, image, tiling), columns) < 1.2


def test_the_same_measure_finds_seams_of_hard_cuts():
    image, tiling = texture(192, 500), Tiling(tile=192)
    columns = [c for span in tiling.spans(500)[1:] for c in range(span.enter[0] - 1, span.enter[1] + 1)]
    assert prominence(hard_cuts(global_statistics, image, tiling), columns) > 3


def test_live_bytes_are_those_of_living_tensors():
    with memory.LiveBytes() as live:
        one = torch.zeros(1000)
        two = one.view(10, 100)  # the same storage
        three = one + 1
        assert live.current == 8000
        del one, three
        gc.collect()
        assert live.current == 4000
        del two
    assert live.current == 0
    assert live.peak == 8000


def test_what_a_pixel_takes_is_measured():
    conv = nn.Conv2d(3, 64, 3, padding=1)

    def call(image):
        with torch.inference_mode():
            return conv(image).relu()[:, :3]

    assert memory.bytes_per_pixel(call) == pytest.approx(2 * 64 * 4, rel=0.2)


def test_the_tile_follows_the_free_memory():
    assert memory.largest_tile(1000.0, 0) == 64
    sides = [memory.largest_tile(1000.0, free) for free in (10**8, 10**9, 10**10)]
    assert sides == sorted(sides)
    for side, free in zip(sides, (10**8, 10**9, 10**10), strict=True):
        assert side % 16 == 0
        assert side**2 * 1000 <= free / 2
    assert memory.largest_tile(1000.0, 10**10, 24) % 48 == 0


def test_free_memory_has_fallbacks(monkeypatch, tmp_path):
    device = torch.device("cpu")
    assert memory.free_bytes(device) > 0
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:  2048 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    assert memory.free_bytes(device) == 2048 * 1024
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("400000\n")
    assert memory.free_bytes(device) == 600000
    (tmp_path / "meminfo").unlink()
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(memory.os, "sysconf", lambda name: (_ for _ in ()).throw(ValueError(name)))
    assert memory.free_bytes(device) == 2 << 30

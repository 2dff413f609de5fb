"""Channels-last memory from the first convolution to the last, on CUDA too; GDFN with its hidden channels padded."""

import pytest
import torch
import torch.nn.functional as F

from ablations.harness.seeding import initialise
from baselines import layers, nafnet
from baselines.moceir import FeedForward
from baselines.registry import BASELINES
from dfpir import create_model, resampling
from dfpir.kernels import padded_widths, use_padded_widths
from dfpir.layers import ChannelLayerNorm, GatedFeedForward
from dfpir.resampling import pixel_shuffle, pixel_unshuffle

SMALL = {"dim": 12, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1, "heads": (1, 1, 2, 4)}


@pytest.fixture
def automatic_widths():
    yield
    use_padded_widths(None)


def contiguous(function):
    """As CUDA's composite operation: NCHW memory whatever it is given."""
    return lambda x, factor: function(x, factor).clone(memory_format=torch.contiguous_format)


def permuting(monkeypatch):
    """Resampling as on CUDA."""
    monkeypatch.setattr(resampling, "kernel_keeps_layout", lambda x: False)


def as_on_cuda(monkeypatch):
    monkeypatch.setattr(F, "pixel_shuffle", contiguous(F.pixel_shuffle))
    monkeypatch.setattr(F, "pixel_unshuffle", contiguous(F.pixel_unshuffle))


def passed(model, *inputs):
    model.zero_grad()
    out = model(*inputs)
    out.square().mean().backward()
    return [out.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]


def small(name="dfpir", dtype=torch.float32):
    model = create_model(name, **SMALL)
    initialise(model, 0)
    return model.to(dtype).train(), torch.rand(2, 3, 32, 24, dtype=dtype), torch.randn(2, 512, dtype=dtype)


@pytest.mark.parametrize("shape", [(2, 8, 6, 10), (1, 12, 4, 2), (3, 4, 8, 4)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("ours", "theirs"), [(pixel_unshuffle, F.pixel_unshuffle), (pixel_shuffle, F.pixel_shuffle)])
def test_resampling_moves_the_same_bits_as_pytorch_and_keeps_channels_last(monkeypatch, ours, theirs, shape, dtype):
    permuting(monkeypatch)
    x = torch.randn(shape).to(dtype).contiguous(memory_format=torch.channels_last).requires_grad_()
    found, expected = ours(x), theirs(x, 2)
    assert torch.equal(found, expected)
    assert found.is_contiguous(memory_format=torch.channels_last)
    upstream = torch.randn(found.shape).to(dtype).contiguous(memory_format=torch.channels_last)
    (gradient,), (exact,) = (torch.autograd.grad(out, x, upstream) for out in (found, expected))
    assert torch.equal(gradient, exact)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


def not_channels_last(model, *inputs):
    """Names of the norms and convolutions that get other memory."""
    lost = set()

    def watch(name, module):
        def look(module, given):
            if not given[0].is_contiguous(memory_format=torch.channels_last):
                lost.add(name)

        module.register_forward_pre_hook(look)

    for name, module in model.named_modules():
        if isinstance(module, (ChannelLayerNorm, torch.nn.Conv2d)):
            watch(name, module)
    passed(model, *inputs)
    return lost


@pytest.mark.parametrize("name", ["dfpir", "restormer"])
def test_no_norm_and_no_convolution_leaves_channels_last_where_kernels_do_as_cudas(monkeypatch, name):
    model, *inputs = small(name)
    plain = passed(model, *inputs)
    as_on_cuda(monkeypatch)
    assert {"down.1", "down.2", "encoder.1.0.norm1"} <= not_channels_last(model, *inputs)  # by PyTorch's own shuffles
    permuting(monkeypatch)
    model, *_ = small(name)
    assert not_channels_last(model, *inputs) == set()
    found = passed(model, *inputs)
    assert len(found) == len(plain)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, plain, strict=True))


@pytest.mark.parametrize("name", ["nafnet", "promptir", "idr"])
def test_comparators_change_size_in_channels_last_memory_where_kernels_do_as_cudas(monkeypatch, name):
    entry = BASELINES[name]
    model = entry.make(**entry.demo).eval()
    initialise(model, 0)
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        plain = model(image)
    as_on_cuda(monkeypatch)
    monkeypatch.setattr(resampling, "kernel_keeps_layout", lambda x: False)
    sizes = []

    def watched(function):
        def call(x):
            out = function(x)
            sizes.append(out.is_contiguous(memory_format=torch.channels_last))
            return out

        return call

    for module in (layers, nafnet):
        for function in ("pixel_unshuffle", "pixel_shuffle"):
            if hasattr(module, function):
                monkeypatch.setattr(module, function, watched(getattr(module, function)))
    with torch.no_grad():
        torch.testing.assert_close(model(image), plain, rtol=1e-4, atol=1e-5)
    assert len(sizes) >= 4
    assert all(sizes)


@pytest.mark.usefixtures("automatic_widths")
def test_padded_widths_change_no_result_no_gradient_and_no_parameter():
    model, *inputs = small(dtype=torch.float64)
    feed = [module for module in model.modules() if isinstance(module, GatedFeedForward)]
    assert {module.project_out.in_channels % 8 for module in feed} == {7}  # 31, 63, 127, 255
    names = list(model.state_dict())
    plain = passed(model, *inputs)
    use_padded_widths(True)
    widths = set()
    monitored = F.conv2d

    def conv2d(x, weight, *rest, **options):
        widths.add(weight.shape[0])
        return monitored(x, weight, *rest, **options)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(F, "conv2d", conv2d)
        padded = passed(model, *inputs)
    assert {64, 128, 256, 512} <= widths
    assert list(model.state_dict()) == names
    assert len(padded) == len(plain)
    for ours, theirs in zip(padded, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-13)


@pytest.mark.usefixtures("automatic_widths")
def test_padded_widths_keep_a_comparators_biases():
    torch.manual_seed(0)
    feed = FeedForward(12, 2.66).double()
    x = torch.randn(1, 12, 5, 7, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
    plain = passed(feed, x)
    use_padded_widths(True)
    padded = passed(feed, x)
    assert len(plain) == len(padded) == 7
    for ours, theirs in zip(padded, plain, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-13)


@pytest.mark.usefixtures("automatic_widths")
def test_widths_are_padded_on_cuda_alone_unless_somebody_chose():
    assert (padded_widths("cpu"), padded_widths("cuda")) == (False, True)
    for choice in (True, False):
        use_padded_widths(choice)
        assert (padded_widths("cpu"), padded_widths("cuda")) == (choice, choice)

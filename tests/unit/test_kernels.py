"""Triton kernels against their PyTorch references in float64: outputs and gradients, on awkward shapes.

On a GPU the kernels are compiled; without one Triton's interpreter runs them on the CPU, and a slow test compiles them
for a GPU that need not be there.
"""

import os
import subprocess
import sys
import textwrap

import pytest
import torch

from dfpir import RestorationUNet, variant_config
from dfpir.kernels import channel_norm, chosen_kernels, cosine_map, use_kernels
from dfpir.kernels.channel_norm import reference as norm_reference
from dfpir.kernels.cosine_map import reference as map_reference
from dfpir.kernels.switch import fused

INTERPRETED = not torch.cuda.is_available()
if INTERPRETED:  # before Triton is imported, which nothing does while tests are collected
    os.environ["TRITON_INTERPRET"] = "1"

DEVICE = torch.device("cpu" if INTERPRETED else "cuda")
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 1.6e-2}  # of the largest entry; bfloat16 has 8 bits
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["float32", "bf16"])


@pytest.fixture
def triton_kernels():
    pytest.importorskip("triton")
    use_kernels("triton")
    yield
    use_kernels("torch")


def drawn(seed, *shape, dtype=torch.float32):
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    values = values.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else values
    return values.to(DEVICE, dtype)


def agree(function, oracle, inputs, dtype):
    """Output and all gradients of `function` against those of `oracle` in float64."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    wide = [x.double().requires_grad_() for x in inputs]
    found, expected = function(*leaves), oracle(*wide)
    upstream = drawn(99, *found.shape, dtype=found.dtype)
    found.backward(upstream)
    expected.backward(upstream.double())
    pairs = [(found, expected), *((leaf.grad, other.grad) for leaf, other in zip(leaves, wide, strict=True))]
    for place, (ours, exact) in enumerate(pairs):
        assert ours.shape == exact.shape
        error = (ours.double() - exact).abs().max() / exact.abs().max()
        assert error < TOLERANCE[dtype], (place, float(error))


def biased_norm(x, weight, bias):
    return channel_norm(x, weight, bias, 1e-5)


def biased_reference(x, weight, bias):
    return norm_reference(x, weight, bias, 1e-5)


@DTYPES
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 13, 5, 7), (2, 48, 9, 3), (3, 130, 1, 5)])
@pytest.mark.usefixtures("triton_kernels")
def test_channel_norm(shape, bias, dtype):
    x, weight = drawn(0, *shape, dtype=dtype) + 0.5, 1 + 0.1 * drawn(1, shape[1])
    if bias:
        inputs = [x, weight, drawn(2, shape[1])]
        agree(biased_norm, biased_reference, inputs, dtype)
    else:
        agree(
            lambda x, w: channel_norm(x, w, None, 1e-5),
            lambda x, w: norm_reference(x, w, None, 1e-5),
            [x, weight],
            dtype,
        )


@pytest.mark.usefixtures("triton_kernels")
def test_channel_norm_over_more_pixels_than_one_program_takes(monkeypatch):
    from dfpir.kernels import channel_norm_triton

    monkeypatch.setattr(channel_norm_triton, "PARTS", 2)
    monkeypatch.setattr(channel_norm_triton, "ELEMENTS", 64)
    inputs = [drawn(0, 2, 6, 5, 7), drawn(1, 6), drawn(2, 6)]  # 9 blocks of 8 pixels in 2 parts of 5
    agree(biased_norm, biased_reference, inputs, torch.float32)


@DTYPES
@pytest.mark.parametrize(("shape", "heads"), [((1, 9, 5), 1), ((2, 35, 39), 3), ((1, 70, 144), 1)])
@pytest.mark.usefixtures("triton_kernels")
def test_cosine_map(shape, heads, dtype):
    inputs = [drawn(0, *shape, dtype=dtype), drawn(1, *shape, dtype=dtype), drawn(2, heads, 1, 1).abs() + 0.5]
    agree(cosine_map, map_reference, inputs, dtype)


@pytest.mark.usefixtures("triton_kernels")
def test_cosine_map_reads_slices_of_one_tensor_in_place(monkeypatch):
    from dfpir.kernels import cosine_map_triton

    monkeypatch.setattr(cosine_map_triton, "PARTS", 2)
    temperature = drawn(2, 2, 1, 1)

    def sliced(function):
        return lambda x: function(*x.chunk(3, dim=-1)[:2], temperature.to(x.dtype))

    agree(sliced(cosine_map), sliced(map_reference), [drawn(0, 2, 300, 30)], torch.float32)


@pytest.mark.usefixtures("triton_kernels")
def test_cosine_map_of_a_channel_of_zeros_is_zero_and_passes_no_gradient_through_its_norm():
    q = drawn(0, 1, 10, 4)
    q[..., 1] = 0
    q.requires_grad_()
    out = cosine_map(q, drawn(1, 1, 10, 4), torch.ones(1, 1, 1, device=DEVICE))
    out[0, 0, 0].sum().backward()
    assert (out[0, 0, 1] == 0).all()
    assert torch.isfinite(q.grad).all()
    assert (q.grad[..., 1] == 0).all()


@pytest.mark.parametrize("layer_norm", ["with_bias", "bias_free"])
@pytest.mark.usefixtures("triton_kernels")
def test_a_whole_model_computes_the_same_with_either_kernels(monkeypatch, layer_norm):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)  # its convolutions round to 10 bits otherwise
    config = variant_config("dfpir", dim=6, num_blocks=(1, 1, 1, 1), num_refinement_blocks=0, layer_norm=layer_norm)
    torch.manual_seed(0)
    model = RestorationUNet(config).to(DEVICE)
    image, code = torch.rand(1, 3, 16, 8, device=DEVICE), drawn(3, 1, 512)
    found = {}
    for name in ("triton", "torch"):
        use_kernels(name)
        model.zero_grad()
        out = model(image, code)
        out.square().mean().backward()
        found[name] = [out.detach(), *(p.grad for p in model.parameters() if p.grad is not None)]
    assert len(found["triton"]) == len(found["torch"]) > 50
    for ours, theirs in zip(*found.values(), strict=True):
        assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max() + 1e-7


@pytest.mark.usefixtures("triton_kernels")
def test_under_autocast_a_kernel_writes_what_the_next_convolution_reads():
    x, weight = drawn(0, 1, 4, 3, 3), torch.ones(4, device=DEVICE)
    with torch.autocast(DEVICE.type, torch.bfloat16):
        assert channel_norm(x, weight, None, 1e-5).dtype == torch.bfloat16
    assert channel_norm(x, weight, None, 1e-5).dtype == torch.float32


@pytest.mark.usefixtures("triton_kernels")
def test_float64_and_nothing_at_all_keep_the_pytorch_path():
    x = drawn(0, 1, 4, 3, 3)
    assert fused(x)
    assert not fused(x.double())
    assert not fused(x[:0])


def test_an_unknown_kernel_is_refused_with_the_nearest_known_one():
    with pytest.raises(ValueError, match=r"Unknown kernels 'tritn'. Did you mean 'triton'\?"):
        use_kernels("tritn")
    assert chosen_kernels() == "torch"


def test_triton_is_told_how_to_round_before_it_asks(monkeypatch):
    pytest.importorskip("triton")
    for told, kept in ((None, "1"), ("0", "0")):
        if told is None:
            monkeypatch.delenv("TRITON_DEFAULT_FP_FUSION", raising=False)
        else:
            monkeypatch.setenv("TRITON_DEFAULT_FP_FUSION", told)
        use_kernels("triton")
        use_kernels("torch")
        assert os.environ["TRITON_DEFAULT_FP_FUSION"] == kept


def test_without_triton_the_default_works_and_asking_for_it_is_refused():
    code = """
        import sys
        sys.modules["triton"] = None  # as where it is not installed
        import torch
        from dfpir.kernels import channel_norm, use_kernels
        assert channel_norm(torch.ones(1, 2, 3, 3), torch.ones(2), None, 1e-5).shape == (1, 2, 3, 3)
        try:
            use_kernels("triton")
        except ValueError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("kernels 'triton': Triton is not installed here;")


@pytest.mark.slow
def test_the_kernels_compile_for_a_gpu():
    pytest.importorskip("triton")
    code = """
        import triton
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource
        from dfpir.kernels import channel_norm_triton as norm, cosine_map_triton as cosine

        def compiled(kernel, types, **constants):
            left = iter(types.split())
            names = kernel.arg_names
            signature = {name: "constexpr" if name in constants else next(left) for name in names}
            values = {(names.index(name),): value for name, value in constants.items()}
            source = ASTSource(fn=kernel, signature=signature, constexprs=values)
            return triton.compile(source, target=GPUTarget("cuda", 80, 32)).asm["ptx"]

        x, wide, n = "*bf16 ", "*fp32 ", "i32 "
        for bias in (True, False):
            compiled(norm._forward, x + wide * 2 + x + wide * 2 + n * 2 + "fp32", HAS_BIAS=bias, ROWS=64, C=64)
            compiled(norm._backward, x + wide + x + wide * 2 + x + wide * 2 + n * 3, HAS_BIAS=bias, ROWS=64, C=64)
        tile = dict(P=64, C=64, PRECISION="ieee", WIDEN=False)
        assert "mma" in compiled(cosine._products, x * 2 + wide * 3 + n * 9, **tile)  # tensor cores
        assert "mma" in compiled(cosine._gradient, x * 2 + wide * 2 + x + n * 9, **tile)
        print("all")
    """
    env = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=env)
    assert done.stdout.strip() == "all", done.stderr[-2000:]

"""Fused operators of the model: Triton kernels on a GPU, and the PyTorch code that they must agree with.

`dfpir.layers` and `dfpir.attention` call the four functions here. Each lies in a file of its own beside its PyTorch
reference, which is what runs unless Triton kernels are asked for (`dfpir.kernels.switch`); the kernels, with their
backward passes, lie in the file of the same name that ends in `_triton`. Triton is imported when a kernel is first
called and at no other time: machines without it lack nothing else.
"""

from dfpir.kernels.channel_norm import channel_norm
from dfpir.kernels.cosine_map import cosine_map
from dfpir.kernels.depthwise_gate import depthwise_gate
from dfpir.kernels.kept_softmax import kept_softmax
from dfpir.kernels.switch import KERNELS, chosen_kernels, padded_widths, use_kernels, use_padded_widths

__all__ = [
    "KERNELS",
    "channel_norm",
    "chosen_kernels",
    "cosine_map",
    "depthwise_gate",
    "kept_softmax",
    "padded_widths",
    "use_kernels",
    "use_padded_widths",
]

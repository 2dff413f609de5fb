"""Released checkpoints: the key names of the released Restormer and DFPIR, and strict loading by them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from dfpir.checkpoint_file import WeightsError as WeightsError  # the public name
from dfpir.checkpoint_file import plain_state_dict, read_tensors

Model = TypeVar("Model", bound=nn.Module)

# our name -> released name, tried in this order on the whole key; the same rules serve every configuration
_RULES: tuple[tuple[str, str], ...] = (
    (r"^patch_embed\.weight$", "patch_embed.proj.weight"),
    *((rf"^{side}\.{n}\.(.+)$", rf"{side}_level{n + 1}.\1") for side in ("encoder", "decoder") for n in range(3)),
    *((rf"^down\.{n}\.weight$", f"down{n + 1}_{n + 2}.body.0.weight") for n in range(3)),
    *((rf"^up\.{n}\.weight$", f"up{n + 2}_{n + 1}.body.0.weight") for n in range(3)),
    *((rf"^reduce\.{n}\.weight$", f"reduce_chan_level{n + 2}.weight") for n in range(2)),
    (r"^perturb\.([123])\.(.+)$", r"encoder_shuffle_channel\1.\2"),
    (r"^perturb\.4\.(.+)$", r"latent_shuffle_channel.\1"),
)
_INNER: tuple[tuple[str, str], ...] = (
    (r"(^|\.)norm([12])\.(weight|bias)$", r"\1norm\2.body.\3"),
    (r"\.channel\.guide\.hidden\.", ".linear_layer1."),
    (r"\.channel\.guide\.score\.", ".linear_layer3."),
    (r"\.channel\.expand\.", ".conv1x1."),
    (r"\.channel\.reduce\.", ".conv_out."),
    (r"\.attention\.scale$", ".select_attn.attn4"),
    (r"\.attention\.", ".select_attn."),
    (r"\.norm_query\.", ".norm1.body."),
    (r"\.norm_features\.", ".norm2.body."),
    (r"\.norm_ffn\.", ".norm3.body."),
)


def released_name(name: str) -> str:
    """The released code's name of one of our parameters."""
    for pattern, replacement in _INNER:
        name = re.sub(pattern, replacement, name)
    for pattern, replacement in _RULES:
        name, changed = re.subn(pattern, replacement, name)
        if changed:
            break
    return name


def released_names(model: nn.Module) -> dict[str, str]:
    """Our parameter name -> released name, for each parameter of the model."""
    return {name: released_name(name) for name, _ in model.named_parameters()}


def load_released(model: Model, weights: str | Path | Mapping[str, Tensor]) -> Model:
    """Load a released checkpoint into a model of this package, strictly, and return the model.

    Args:
        model: what `create_model` returned, with the checkpoint's configuration.
        weights: a file, or a state dict by released key names; the prefixes `module.` and `net.` are taken off.

    Raises:
        WeightsError: keys that are missing, unexpected or of another shape, all of them listed; the model is
            unchanged then.
    """
    source, tensors = read_weights(weights)
    parameters = dict(model.named_parameters())
    by_released_name = {released: parameters[name] for name, released in released_names(model).items()}
    check_fits(by_released_name, tensors, source)
    with torch.no_grad():
        for name, parameter in by_released_name.items():
            parameter.copy_(tensors[name])
    return model


def read_weights(weights: str | Path | Mapping[str, Tensor]) -> tuple[object, dict[str, Tensor]]:
    """What names them in errors, and the tensors of a file or of a state dict, without prefixes that all names share.

    Raises:
        WeightsError: a file that can't be read as weights.
    """
    if isinstance(weights, str | Path):
        return weights, read_tensors(weights)
    return "the state dict", plain_state_dict(weights, "the state dict")


def check_fits(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor], source: object) -> None:
    """Raise a WeightsError where tensors have other names or shapes than a model's, or are not floating-point."""
    shapes, stored_shapes = ({k: tuple(t.shape) for k, t in group.items()} for group in (expected, tensors))
    check_keys(shapes, stored_shapes, source)
    check_floating(expected, tensors, source)


def check_keys(expected: Mapping[str, tuple[int, ...]], stored: Mapping[str, tuple[int, ...]], source: object) -> None:
    """Raise a WeightsError that lists every missing and unexpected key and every shape that differs."""
    missing = [key for key in expected if key not in stored]
    unexpected = [key for key in stored if key not in expected]
    shapes = [f"{k}: {stored[k]} instead of {s}" for k, s in expected.items() if k in stored and stored[k] != s]
    if not (missing or unexpected or shapes):
        return
    parts = [
        f"{len(keys)} {label} ({', '.join(keys)})"
        for label, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if keys
    ]
    raise WeightsError(
        f"{source} does not fit the model: {'; '.join(parts)}. Choose the model and configuration that it was "
        "trained with."
    )


def check_floating(expected: Mapping[str, Tensor], stored: Mapping[str, Tensor], source: object) -> None:
    """Raise a WeightsError for integers, booleans and complex numbers where the model has floating-point weights."""
    misfits = [
        f"{key}: {str(stored[key].dtype).removeprefix('torch.')}"
        for key, tensor in expected.items()
        if key in stored and tensor.is_floating_point() and not stored[key].is_floating_point()
    ]
    if misfits:
        raise WeightsError(
            f"{source} holds quantised or damaged weights, {len(misfits)} not floating-point ({', '.join(misfits[:3])}"
            f"{', ...' if len(misfits) > 3 else ''}): give the float32, float16 or bfloat16 ones."
        )


def resize_training_buffers(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Give buffers that only training uses the size that they have in a file (a module names them `training_only`)."""
    for path, module in model.named_modules():
        for leaf in getattr(module, "training_only", ()):
            stored, buffer = tensors.get(f"{path}.{leaf}".lstrip(".")), getattr(module, leaf)
            if stored is not None and stored.dim() == buffer.dim() and stored.shape != buffer.shape:
                module.register_buffer(leaf, torch.empty_like(stored, dtype=buffer.dtype, device=buffer.device))


def load_weights(model: Model, tensors: Mapping[str, Tensor]) -> Model:
    """Load a state dict by this package's own names, bound prompts and channel orders included, strictly.

    Raises:
        WeightsError: keys that are missing, unexpected or of another shape, all of them listed.
    """
    resize_training_buffers(model, tensors)
    for name, tensor in tensors.items():
        owner, _, leaf = name.rpartition(".")
        if leaf in ("prompt_codes", "orders"):
            # a fresh model has no prompts bound: make room for the stored ones, which are never recomputed
            try:
                model.get_submodule(owner).register_buffer(
                    leaf, torch.empty_like(tensor, device=next(model.parameters()).device)
                )
            except AttributeError:
                continue  # listed as unexpected below
    check_fits(model.state_dict(), tensors, "the state dict")
    model.load_state_dict(dict(tensors))
    return model

"""A model by its name and a weights file, loaded strictly and ready to restore."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

import baselines
import dfpir
from ablations.harness.evaluating.model_settings import build_with_settings
from ablations.harness.evaluating.specialists import SPECIALISTS
from ablations.harness.evaluating.strict_load import load_strictly
from ablations.harness.inference_conditioning import CodeFunction, build_code_function
from ablations.harness.training.acceleration import set_float32_products
from baselines.base import Restorer, restore
from baselines.registry import BASELINES
from datasets.tasks import PAPER_TASKS, Condition, Task, known_tasks
from dfpir.checkpoint_file import Use, WeightsError, read_checkpoint
from dfpir.prompts import PromptBank, load_prompts
from dfpir.registry import UnknownNameError, suggestion
from reports.files import sha256_of
from reports.schema import SPEC_FILE

Images = Float[Tensor, "b 3 h w"]


@dataclass(frozen=True, kw_only=True)
class PretrainedModel:
    """A model with its weights, in eval mode."""

    name: str  # a variant, comparator or specialist
    model: nn.Module  # on its device
    device: torch.device  # where it is
    code: CodeFunction  # gives the model's `code` argument for a condition
    conditioning: str  # the same in words, for the reader
    config: Mapping[str, Any]  # settings given for it
    run_id: str  # the run's, or made from the name and the hash
    seed: int = 0  # the run's; 0 for a released file
    tasks: tuple[Task, ...] = PAPER_TASKS  # that the model was trained for
    weights: str = "none"  # name of the file, without its folder
    sha256: str = ""  # of the file; empty for a model that has no weights
    layout: str = "none"  # `released` names, `own` (a run of this suite), or `none`
    # the training data in a run's spec.json; empty for a released file
    trained_on: Mapping[str, Any] = field(default_factory=dict)
    tile: int | None = None  # side in pixels of the tiles that the run was tested in; None: whole images
    weights_note: str = ""  # which of several sets of weights in the file; empty where there is one

    @property
    def multiple_of(self) -> int:
        """Sides that the model takes are multiples of this; `restore` pads."""
        return int(getattr(self.model, "multiple_of", 1))

    def serves(self, condition: Condition) -> bool:
        """Whether the model is meant for this degradation."""
        return condition.task in self.tasks

    def restore(self, images: Images, condition: Condition) -> Images:
        """Images of any size, RGB in [0, 1] on any device, restored in float32 on the model's device, not clipped.

        Raises:
            ValueError: a condition that the model does not serve.
        """
        if not self.serves(condition):
            served = ", ".join(task.name for task in self.tasks)
            raise ValueError(f"{self.name} does not serve {condition.name}; it serves {served}.")
        with torch.inference_mode():
            code = self.code(condition, len(images), self.device)
            images = images.to(self.device, torch.float32)
            return restore(cast(Restorer, self.model), images, code, tile=self.tile).float()


def list_pretrained_names() -> list[str]:
    """Every name that `load_pretrained` takes."""
    return list(dict.fromkeys([*dfpir.list_models(), *baselines.list_models(), *SPECIALISTS]))


def load_pretrained(
    name: str,
    weights: Path | None,
    *,
    config: Mapping[str, Any] | None = None,
    text_encoder: str | None = None,
    codes: Path | None = None,
    device: torch.device | str = "cpu",
    use: Use | None = None,
) -> PretrainedModel:
    """A model by its name with the weights of a file, strictly: every key has to be there, and no other.

    Args:
        name: a variant, a comparator or a specialist (`list_pretrained_names`).
        weights: safetensors or a torch file with released key names, or a run's weights.safetensors beside its
            spec.json. None for what has nothing to train (`identity`, `classical`).
        config: settings that the weights were trained with; a run's own come from its spec.json.
        text_encoder: of the prompts, for models conditioned on text; a run's own comes from its spec.json.
        codes: a safetensors file with a vector for each condition's name, instead of an encoder.
        device: where to put the model.
        use: `plain` or `averaged` weights, where the file holds both; None takes the averaged ones.

    Raises:
        ValueError: an unknown name, setting or encoder; a run of another variant.
        WeightsError: no such file, one that can't be read, that holds code, or that does not fit the model.
    """
    if name not in list_pretrained_names():
        raise UnknownNameError(_unknown_name_message(name))
    set_float32_products("fp32")
    settings = dict(config or {})
    if weights is None:
        return _load_untrained(name, settings, codes, torch.device(device))
    checkpoint = read_checkpoint(weights, use)
    spec = _read_run_spec(weights, name)
    trained_settings = _settings_in_spec(spec)
    model = _build_model(name, {**trained_settings, **settings})
    _require_trained(trained_settings, settings)
    layout = _load(model, checkpoint.tensors, weights, from_run=spec is not None)
    prompts = _prompt_loader(model, spec, text_encoder, codes)
    code, conditioning = build_code_function(name, model, prompts, codes, trained_here=spec is not None)
    digest = sha256_of(weights)
    model.requires_grad_(False)
    run_id = "-".join([name, "released", digest[:8], *([checkpoint.use] if checkpoint.unused_keys else [])])
    return PretrainedModel(
        name=name,
        model=model.eval().to(device),
        device=torch.device(device),
        tasks=_trained_tasks(name, spec),
        code=code,
        conditioning=conditioning,
        config=settings,
        weights=weights.name,
        sha256=digest,
        layout=layout,
        run_id=spec["run_id"] if spec else run_id,
        seed=int(spec["seed"]) if spec else 0,
        trained_on=dict(spec["data"]) if spec else {},
        tile=spec["identity"]["evaluation"].get("tile") if spec else None,
        weights_note=checkpoint.notice,
    )


def _unknown_name_message(name: str) -> str:
    if name in BASELINES:
        return f"{name} can't be built. {getattr(BASELINES[name], 'reason', '')}"
    return f"Unknown model {name!r}.{suggestion(name, list_pretrained_names())}"


def _load(model: nn.Module, tensors: Mapping[str, Tensor], weights: Path, *, from_run: bool) -> str:
    layout = load_strictly(model, tensors, weights, from_run=from_run)
    if layout == "own" and not from_run and getattr(model, "prompt_codes", None) is not None:
        raise WeightsError(f"{weights} is a run's, but no {SPEC_FILE} lies beside it, which names its prompts: add it.")
    return layout


def _build_model(name: str, config: Mapping[str, Any]) -> nn.Module:
    if name in SPECIALISTS:
        if config:
            raise ValueError(f"--config {next(iter(config))}: {name} has no settings; leave --config out.")
        return SPECIALISTS[name][0]()
    return build_with_settings(name, config)


def _trained_tasks(name: str, spec: Mapping[str, Any] | None) -> tuple[Task, ...]:
    if name in SPECIALISTS:
        return (SPECIALISTS[name][1],)
    if spec is None:
        return PAPER_TASKS
    trained_names = {str(condition).partition("-")[0] for condition in spec["identity"]["conditions"]}
    return tuple(task for task in known_tasks() if task.name in trained_names)


def _load_untrained(name: str, config: Mapping[str, Any], codes: Path | None, device: torch.device) -> PretrainedModel:
    if name not in BASELINES or getattr(BASELINES[name], "trained", True):
        raise WeightsError(f"{name} needs --weights FILE: an untrained model restores nothing.")
    model = _build_model(name, config)
    code, conditioning = build_code_function(name, model, None, codes)
    return PretrainedModel(
        name=name,
        model=model.eval().to(device),
        device=device,
        code=code,
        conditioning=conditioning,
        config=config,
        run_id=f"{name}-untrained",
    )


def _settings_in_spec(spec: Mapping[str, Any] | None) -> dict[str, Any]:
    """The configuration that a run's model was built with."""
    stored = dict(spec["model"]["config"]) if spec else {}
    return dict(stored["settings"]) if "baseline" in stored else stored


def _require_trained(trained_settings: Mapping[str, Any], requested: Mapping[str, Any]) -> None:
    """Refuse settings other than a run's own: not all of them change the shape of a weight."""
    for key, value in requested.items():
        if key in trained_settings and _as_json_value(trained_settings[key]) != _as_json_value(value):
            raise WeightsError(
                f"--config {key}: the run was trained with {key}={trained_settings[key]}, not {value}; leave it out, "
                "a run says its own settings."
            )


def _as_json_value(value: Any) -> Any:
    """A tuple as the list that JSON makes of it."""
    return list(value) if isinstance(value, tuple) else value


def _read_run_spec(weights: Path, name: str) -> dict[str, Any] | None:
    """The spec.json beside a run's weights, or None; refuses a run of another model than `name`."""
    path = weights.parent / SPEC_FILE
    if not path.is_file():
        return None
    try:
        spec: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        required = (spec["model"]["config"], spec["identity"]["conditions"], spec["run_id"], spec["data"]["checksum"])
        variant = spec["variant"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{path} is no run's spec ({type(error).__name__}: {error}): give the run again.") from error
    del required
    if variant != name:
        # variants may have weights of equal shapes: gamma, for one, is in no weight
        raise WeightsError(f"{weights} is a run of {variant!r}, not of {name!r}: ask for {variant}.")
    return spec


def _prompt_loader(
    model: nn.Module, spec: Mapping[str, Any] | None, requested_encoder: str | None, codes: Path | None
) -> Callable[[], PromptBank]:
    """A function that loads the prompts if the model needs them; a run's are those of its training."""
    prompt_set: Any = getattr(getattr(model, "config", None), "prompt_set", "detailed")
    if spec is None:
        return partial(load_prompts, prompt_set, cast(Any, requested_encoder or "clip"))
    trained_encoder = str(spec["text_encoder"])
    if requested_encoder is not None and requested_encoder != trained_encoder:
        raise ValueError(
            f"--text-encoder {requested_encoder}: the run was trained with {trained_encoder}; leave the option out."
        )
    if codes is not None:
        raise ValueError(f"--codes {codes}: a run carries its own prompts; leave the option out.")
    return partial(load_prompts, prompt_set, cast(Any, trained_encoder), spec["identity"]["conditions"])

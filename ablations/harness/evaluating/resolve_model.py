"""The model named on the command lines of `evaluate` and `restore`: a name and a weights file, or a run."""

from __future__ import annotations

import json
from pathlib import Path

from ablations.checkpoint_options import CheckpointOptions
from ablations.devices import device_named
from ablations.harness.evaluating.model_settings import parse_settings
from ablations.harness.evaluating.pretrained import PretrainedModel, list_pretrained_names, load_pretrained
from baselines.registry import BASELINES
from dfpir.prompts import CLIP_FILE_VARIABLE, TextEncoderUnavailableError, clip_cache
from dfpir.registry import UnknownNameError, suggestion
from reports.schema import SPEC_FILE, WEIGHTS_FILE


def load_requested_model(model: str | None, file_options: CheckpointOptions) -> PretrainedModel:
    """The model of this name, or of the run that its weights are of.

    Raises:
        ValueError: no such model, file, setting or encoder; a run that has no weights.
    """
    name, weights = resolve_model(model, file_options.weights)
    try:
        return load_pretrained(
            name,
            weights,
            config=parse_settings(file_options.config),
            text_encoder=file_options.text_encoder,
            codes=file_options.codes,
            device=device_named(file_options.device),
            use=file_options.use,
        )
    except TextEncoderUnavailableError as error:
        # a stand-in encoder is useless for weights trained with CLIP's codes: none is offered here
        raise ValueError(
            f"CLIP's text encoder can't be had ({error.reason}). Connect to the network once; or name a local file, "
            f"{CLIP_FILE_VARIABLE}=open_clip_model.safetensors; or copy another machine's {clip_cache()} to the same "
            "place; or give --codes FILE, vectors made elsewhere (docs/released_weights.md)."
        ) from error


def resolve_model(model: str | None, weights: Path | None) -> tuple[str, Path | None]:
    """The model's name and its weights file.

    Args:
        model: a name; None where the weights are a run's; or a run's folder or weights file in place of both.
        weights: a file, or a run's folder.

    Raises:
        ValueError: an unknown name, or no name and no run.
    """
    known = list_pretrained_names()
    if weights is None and model is not None and model not in known and Path(model).exists():
        weights, model = Path(model), None
    if weights is not None and (weights / SPEC_FILE).is_file():
        folder = weights
        weights = folder / WEIGHTS_FILE
        if not weights.is_file():
            raise ValueError(f"{folder} is a run without {WEIGHTS_FILE}: it is not finished, or was published without.")
    if model is None:
        model = _variant_of_run(weights)
    if model not in (*known, *BASELINES):
        hint = suggestion(model, known)
        all_names = "" if "Known:" in hint else f" Known: {', '.join(known)}."
        raise UnknownNameError(f"Unknown model {model!r}.{hint}{all_names}")
    return model, weights


def _variant_of_run(weights: Path | None) -> str:
    names = ", ".join(list_pretrained_names())
    if weights is None:
        raise ValueError(
            f"A model is needed: its name with --weights FILE, or --weights runs/RUN alone. Known: {names}."
        )
    spec = weights.parent / SPEC_FILE
    try:
        return str(json.loads(spec.read_text(encoding="utf-8"))["variant"])
    except FileNotFoundError as error:
        raise ValueError(
            f"{weights} is no run's (no {SPEC_FILE} beside it): name its model. Known: {names}."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{spec} is no run's spec ({type(error).__name__}: {error}): name the model.") from error

"""The model that `evaluate` and `restore` are asked for: by its name and a weights file, or by a run."""

from __future__ import annotations

import json
from pathlib import Path

from ablations.checkpoint_options import CheckpointOptions
from ablations.devices import device_named
from ablations.harness.evaluating.model_settings import settings
from ablations.harness.evaluating.released import Released, known_models, open_released
from baselines.registry import BASELINES
from dfpir.prompts import CLIP_FILE_VARIABLE, TextEncoderUnavailableError, clip_cache
from dfpir.registry import UnknownNameError, suggestion
from reports.schema import SPEC_FILE, WEIGHTS_FILE


def open_asked(model: str | None, asked: CheckpointOptions) -> Released:
    """The model of this name, or of the run that its weights are of.

    Raises:
        ValueError: no such model, file, setting or encoder; a run that has no weights.
    """
    name, weights = asked_model(model, asked.weights)
    try:
        return open_released(
            name,
            weights,
            config=settings(asked.config),
            text_encoder=asked.text_encoder,
            codes=asked.codes,
            device=device_named(asked.device),
            use=asked.use,
        )
    except TextEncoderUnavailableError as error:
        # stand-ins mean nothing for weights that were trained with CLIP's codes: they are not offered here
        raise ValueError(
            f"CLIP's text encoder can't be had ({error.reason}). Connect to the network once; or name a local file, "
            f"{CLIP_FILE_VARIABLE}=open_clip_model.safetensors; or copy another machine's {clip_cache()} to the same "
            "place; or give --codes FILE, vectors made elsewhere (docs/released_weights.md)."
        ) from error


def asked_model(model: str | None, weights: Path | None) -> tuple[str, Path | None]:
    """The model's name and its weights file.

    Args:
        model: a name; None where a run says it; a run's folder or weights file in place of both.
        weights: a file, or a run's folder.

    Raises:
        ValueError: an unknown name, or no name and no run that says it.
    """
    if weights is None and model is not None and model not in known_models() and Path(model).exists():
        weights, model = Path(model), None
    if weights is not None and (weights / SPEC_FILE).is_file():
        folder = weights
        weights = folder / WEIGHTS_FILE
        if not weights.is_file():
            raise ValueError(f"{folder} is a run without {WEIGHTS_FILE}: it is not finished, or was published without.")
    if model is None:
        model = _of_run(weights)
    if model not in (*known_models(), *BASELINES):
        every = "" if "Known:" in suggestion(model, known_models()) else f" Known: {', '.join(known_models())}."
        raise UnknownNameError(f"Unknown model {model!r}.{suggestion(model, known_models())}{every}")
    return model, weights


def _of_run(weights: Path | None) -> str:
    if weights is None:
        raise ValueError(
            "A model is needed: its name with --weights FILE, or --weights runs/RUN alone. Known: "
            f"{', '.join(known_models())}."
        )
    spec = weights.parent / SPEC_FILE
    try:
        return str(json.loads(spec.read_text(encoding="utf-8"))["variant"])
    except FileNotFoundError as error:
        raise ValueError(
            f"{weights} is no run's (no {SPEC_FILE} beside it): name its model. Known: {', '.join(known_models())}."
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{spec} is no run's spec ({type(error).__name__}: {error}): name the model.") from error

"""Whether features separate by degradation because the network learned it, or because it was given the label.

The prompt is the label: where a block reorders channels by it, features of patches with the same prompt lie together,
whatever the patches show and whether or not anything was trained. Two controls tell the cases apart: the first weights,
and a random prompt for each patch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd
from torch import nn

from ablations.harness.probes import ProbePatch, pooled_features, probe_patches, probed_layers
from ablations.harness.run_one import test_items
from ablations.measures.loaded_run import LoadedRun
from datasets.seeding import stable_seed
from reports.feature_separation import reduce_features, separation

TRAINED = "trained"
UNTRAINED = "untrained"
RANDOM_PROMPT = "random_prompt"
BY_CONDITION = "condition"
BY_PROMPT = "told"  # on disk


def feature_separation(run: LoadedRun) -> pd.DataFrame:
    """Silhouette and nearest-neighbour purity of the probe patches' features, with both controls.

    The patches, layers and arithmetic are those of the t-SNE figure. Settings: `trained` and `untrained` (the first
    weights, which follow from the seed) get the prompt of the true condition; `random_prompt` is the trained model with
    the prompt of a random condition (`random_prompts`) for each patch, scored by true condition and by prompt.

    Returns:
        The columns of `reports.schema.MEASURE_COLUMNS["separation"]`; no rows for a model that probes no layer or
        patches too few for neighbours, and none of `random_prompt` where the model ignores its prompt.
    """
    spec, config = run.spec, run.spec.config
    if not probed_layers(config, run.model):
        return pd.DataFrame()
    patches = probe_patches(spec, test_items(spec, run.bundle, spec.protocol))
    true = [patch.condition for patch in patches]
    rows = _rows(run, run.model, patches, TRAINED, true)
    rows += _rows(run, run.model_at(0), patches, UNTRAINED, true)
    if config.uses_prompts:
        rows += _rows(run, run.model, patches, RANDOM_PROMPT, random_prompts(patches, spec.conditions))
    return pd.DataFrame(rows)


def random_prompts(patches: Sequence[ProbePatch], conditions: Sequence[str]) -> list[str]:
    """A condition for each patch: dealt out equally often, in an order drawn from the patches' names alone."""
    seeds = [stable_seed("random prompt", patch.condition, patch.image, patch.number) for patch in patches]
    prompt_conditions = [""] * len(patches)
    for turn, place in enumerate(np.argsort(seeds, kind="stable")):
        prompt_conditions[place] = conditions[turn % len(conditions)]
    return prompt_conditions


def _rows(
    run: LoadedRun,
    model: nn.Module | None,
    patches: Sequence[ProbePatch],
    setting: str,
    prompt_conditions: Sequence[str],
) -> list[dict[str, object]]:
    """A row for each layer, and for each kind of label where prompt and truth differ."""
    if model is None or not patches:
        return []
    features = pooled_features(run, model, patches, prompt_conditions)
    true = np.array([patch.condition for patch in patches])
    labels = {BY_CONDITION: true} | ({BY_PROMPT: np.array(prompt_conditions)} if setting == RANDOM_PROMPT else {})
    rows: list[dict[str, object]] = []
    for layer, values in features.items():
        points, kept = reduce_features(values.numpy(), true)
        for by, names in labels.items():
            scores = separation(points, names[kept])
            if scores is not None:
                numbers = asdict(scores)
                for name in ("silhouette", "purity"):
                    numbers[f"{name}_low"], numbers[f"{name}_high"] = numbers.pop(f"{name}_interval")
                numbers["n_points"] = numbers.pop("n")
                rows.append({"setting": setting, "layer": layer, "by": by, **numbers})
    return rows

"""Whether features lie apart by degradation because the network learned it, or because it was told.

The prompt is the label: where a block reorders channels by it, features of patches that were told alike lie together,
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
BY_TOLD = "told"


def feature_separation(subject: LoadedRun) -> pd.DataFrame:
    """Silhouette and nearest-neighbour purity of the probe patches' features, with both controls.

    The patches, layers and arithmetic are those of the t-SNE figure. Settings: `trained` and `untrained` (the first
    weights, which follow from the seed) are told the true condition; `random_prompt` is the trained model told, for
    each patch, a condition that `random_prompts` deals it, and is measured by true condition and by the one told.

    Returns:
        The columns of `reports.schema.MEASURE_COLUMNS["separation"]`; no rows for a model that probes no layer or
        patches too few for neighbours, and none of `random_prompt` where the model does not heed its prompt.
    """
    spec, config = subject.spec, subject.spec.config
    if not probed_layers(config, subject.model):
        return pd.DataFrame()
    patches = probe_patches(spec, test_items(spec, subject.bundle, spec.protocol))
    true = [patch.condition for patch in patches]
    rows = _rows(subject, subject.model, patches, TRAINED, true)
    rows += _rows(subject, subject.model_at(0), patches, UNTRAINED, true)
    if config.uses_prompts:
        rows += _rows(subject, subject.model, patches, RANDOM_PROMPT, random_prompts(patches, spec.conditions))
    return pd.DataFrame(rows)


def random_prompts(patches: Sequence[ProbePatch], conditions: Sequence[str]) -> list[str]:
    """A condition for each patch: dealt out equally often, in an order drawn from the patches' names alone."""
    drawn = [stable_seed("random prompt", patch.condition, patch.image, patch.number) for patch in patches]
    told = [""] * len(patches)
    for turn, place in enumerate(np.argsort(drawn, kind="stable")):
        told[place] = conditions[turn % len(conditions)]
    return told


def _rows(
    subject: LoadedRun, model: nn.Module | None, patches: Sequence[ProbePatch], setting: str, told: Sequence[str]
) -> list[dict[str, object]]:
    """A row for each layer, and for each kind of label where prompt and truth differ."""
    if model is None or not patches:
        return []
    features = pooled_features(subject, model, patches, told)
    true = np.array([patch.condition for patch in patches])
    labels = {BY_CONDITION: true} | ({BY_TOLD: np.array(told)} if setting == RANDOM_PROMPT else {})
    rows: list[dict[str, object]] = []
    for layer, values in features.items():
        points, kept = reduce_features(values.numpy(), true)
        for by, names in labels.items():
            found = separation(points, names[kept])
            if found is not None:
                numbers = asdict(found)
                for name in ("silhouette", "purity"):
                    numbers[f"{name}_low"], numbers[f"{name}_high"] = numbers.pop(f"{name}_interval")
                numbers["n_points"] = numbers.pop("n")
                rows.append({"setting": setting, "layer": layer, "by": by, **numbers})
    return rows

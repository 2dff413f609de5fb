"""The field's data sets by name.

`spec.DatasetSpec` describes one, `sets` lists them, `finder` looks for them in a folder.
"""

from __future__ import annotations

import difflib
from functools import cache

from datasets.catalog.sets import SPECS
from datasets.catalog.spec import DatasetSpec


@cache
def catalog() -> dict[str, DatasetSpec]:
    """Every spec by name, training sets first."""
    return {spec.name: spec for spec in SPECS}


def get_dataset(name: str) -> DatasetSpec:
    """The spec called `name`.

    Raises:
        ValueError: there is none; the message lists those there are and the nearest.
    """
    specs = catalog()
    if name in specs:
        return specs[name]
    near = difflib.get_close_matches(name.lower(), specs, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"Unknown data set {name!r}.{hint} Known: {', '.join(specs)}.")

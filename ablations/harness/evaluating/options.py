"""What the command lines of `evaluate` and `restore` share: settings from words."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any


def settings(words: Sequence[str]) -> dict[str, Any]:
    """`dim=8 num_blocks=1,1,1,1 layer_norm=with_bias` as a mapping; values are Python literals, else text.

    Raises:
        ValueError: a word without `=`, or a key twice.
    """
    found: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"--config {word!r}: KEY=VALUE is needed, such as dim=48 or num_blocks=4,6,6,8.")
        if key in found:
            raise ValueError(f"--config {word!r}: {key} is given twice.")
        try:
            value = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            value = text
        found[key] = tuple(value) if isinstance(value, list) else value
    return found

"""Lists of names in sentences."""

# ruff: noqa: RUF001 (Chinese signs)
from __future__ import annotations

from reports.language import LANGUAGES
from reports.messages import join_and, join_commas, message, with_labels

ZH = LANGUAGES["zh"]


def test_labels_with_a_comma_are_separated_by_semicolons():
    labels = {"a": "DFPIR, no mask", "b": "+ DGCPM", "c": "Restormer"}
    assert with_labels(join_and(["a", "b"]), labels) == "DFPIR, no mask; + DGCPM"
    assert with_labels(join_and(["b", "c", "a"]), labels) == "+ DGCPM; Restormer; DFPIR, no mask"
    assert with_labels(join_commas(["b", "a"]), labels) == "+ DGCPM; DFPIR, no mask"
    assert with_labels(join_and(["b", "c"]), labels) == "+ DGCPM and Restormer"
    assert with_labels(join_commas(["x, y", "b"]), labels) == "x, y, + DGCPM"  # no label's comma
    harmed = [message("{variant} on {condition}", variant=v, condition="x") for v in "abc"]
    assert with_labels(join_and(harmed), labels) == "DFPIR, no mask on x; + DGCPM on x; Restormer on x"
    assert ZH.translate(with_labels(join_and(["a", "b"]), labels)) == "DFPIR, no mask；+ DGCPM"

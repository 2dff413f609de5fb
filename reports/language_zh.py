"""The page in Chinese: English text -> Chinese text."""

from __future__ import annotations

ZH_LISTS = (" 和 ", "、")

ZH: dict[str, str] = {}

"""Size of a page in words and bytes."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

_IGNORED_TAGS = {"script", "style", "pre", "title"}
_ALTERNATIVES = {"scene", "tab"}
"""Classes of elements of which a reader sees one at a time, at first the first."""
_VOID_TAGS = {"br", "hr", "img", "input", "link", "meta", "wbr", "path", "circle"}


@dataclass(frozen=True, kw_only=True)
class PageSize:
    """Words of all texts, those on display before a reader opens anything, and bytes of the file."""

    words: int
    first_words: int
    bytes: int

    @property
    def megabytes(self) -> float:
        """10^6 bytes."""
        return self.bytes / 1e6


def page_size(path: Path) -> PageSize:
    """Count a page's words outside of commands, scripts and alternative texts.

    Raises:
        ValueError: no page there; one line.
    """
    if not path.is_file():
        raise ValueError(f"{path}: no such file. Name an HTML page, such as runs/studies/NAME/report.html.")
    counter = _WordCounter()
    try:
        counter.feed(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no HTML page.") from None
    return PageSize(words=counter.words, first_words=counter.first_words, bytes=path.stat().st_size)


class _WordCounter(HTMLParser):
    """Counts words; those of closed `details`, their summaries apart, and of later alternatives are folded."""

    def __init__(self) -> None:
        super().__init__()
        self.words = self.first_words = 0
        self._open: list[str] = []
        self._alternatives: list[set[str]] = [set()]  # those that have been met in each open element

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID_TAGS:
            return
        kinds = _ALTERNATIVES & set((dict(attrs).get("class") or "").split())
        is_later = bool(kinds & self._alternatives[-1])
        self._alternatives[-1] |= kinds
        self._alternatives.append(set())
        is_closed = tag == "details" and "open" not in dict(attrs)
        self._open.append("hidden" if is_later else "folded" if is_closed else tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID_TAGS and self._open:
            self._open.pop()
            self._alternatives.pop()

    def handle_data(self, data: str) -> None:
        if _IGNORED_TAGS & set(self._open):
            return
        n = len(data.split())
        self.words += n
        is_summary = "summary" in self._open[-2:] and self._open.count("folded") < 2
        is_shown = "hidden" not in self._open and ("folded" not in self._open or is_summary)
        self.first_words += n if is_shown else 0

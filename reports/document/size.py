"""Size of a page in words and bytes."""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

_IGNORED_TAGS = {"script", "style", "pre", "title"}
_VOID_TAGS = {"br", "hr", "img", "input", "link", "meta", "wbr", "path", "circle"}


@dataclass(frozen=True, kw_only=True)
class PageSize:
    """Words of all texts, those that nothing folds away, and bytes of the file."""

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
    counter.feed(path.read_text(encoding="utf-8"))
    return PageSize(words=counter.words, first_words=counter.first_words, bytes=path.stat().st_size)


class _WordCounter(HTMLParser):
    """Counts words; those below a `details` that is not open, and not of its summary, are folded."""

    def __init__(self) -> None:
        super().__init__()
        self.words = self.first_words = 0
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID_TAGS:
            self._open.append("folded" if tag == "details" and "open" not in dict(attrs) else tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID_TAGS and self._open:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if _IGNORED_TAGS & set(self._open):
            return
        n = len(data.split())
        self.words += n
        is_summary = "summary" in self._open[-2:] and self._open.count("folded") < 2
        self.first_words += n if "folded" not in self._open or is_summary else 0

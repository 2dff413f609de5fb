"""Texts of a page that know how they were made, so that one study is computed once and told in any language.

Each is a string, its English, and can be used as one. `message` and `ngettext` mark what goes into the catalogue
(reports/locale, `make translations`); a value may be such a text itself and is translated with the whole. A plain
string, such as the name of a variant, is never translated. What is put together in other ways, by an f-string or `+`,
is a plain string: it stays English.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, Protocol


class Catalogue(Protocol):
    """A language: its patterns, and how a text is told in it."""

    def pattern(self, text: str, *, plural: str | None = None, n: int = 1, context: str | None = None) -> str:
        """The translation of a msgid; the msgid where it has none."""
        ...

    def fill(self, pattern: str, values: Mapping[str, object]) -> str:
        """A pattern with its values, which are in the language already."""
        ...

    def translate(self, text: str) -> str:
        """A text in the language; a plain string stays as it is."""
        ...


class Translatable(str):
    """English that can be told in another language."""

    @abstractmethod
    def translated(self, catalogue: Catalogue) -> str:
        """The text in the catalogue's language."""


class Message(Translatable):
    """A pattern of the catalogue with its values."""

    def __new__(
        cls, msgid: str, values: Mapping[str, Any], plural: str | None = None, n: int = 1, context: str | None = None
    ) -> Message:
        english = msgid if plural is None or n == 1 else plural
        text = super().__new__(cls, english.format(**values) if values else english)
        text._arguments = (msgid, dict(values), plural, n, context)
        return text

    _arguments: tuple[str, dict[str, Any], str | None, int, str | None]

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self._arguments

    def translated(self, catalogue: Catalogue) -> str:
        """The text in the catalogue's language."""
        msgid, values, plural, n, context = self._arguments
        pattern = catalogue.pattern(msgid, plural=plural, n=n, context=context)
        translated_values = {name: catalogue.translate(v) if isinstance(v, str) else v for name, v in values.items()}
        return catalogue.fill(pattern, translated_values) if values else pattern


class JoinedText(Translatable):
    """Several texts with one between them."""

    def __new__(cls, parts: Sequence[str], separator: str) -> JoinedText:
        joined_text = super().__new__(cls, str(separator).join(parts))
        joined_text._arguments = (tuple(parts), separator)
        return joined_text

    _arguments: tuple[tuple[str, ...], str]

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self._arguments

    def translated(self, catalogue: Catalogue) -> str:
        """The text in the catalogue's language."""
        parts, separator = self._arguments
        return catalogue.translate(separator).join(catalogue.translate(part) for part in parts)


class TransformedText(Translatable):
    """A text whose letters are changed, in any language: `change` gets it told."""

    def __new__(cls, text: str, change: Callable[[str], str]) -> TransformedText:
        transformed = super().__new__(cls, change(str(text)))
        transformed._arguments = (text, change)
        return transformed

    _arguments: tuple[str, Callable[[str], str]]

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self._arguments

    def translated(self, catalogue: Catalogue) -> str:
        """The text in the catalogue's language."""
        text, change = self._arguments
        return change(catalogue.translate(text))


def message(msgid: str, **values: Any) -> Message:
    """A text of the catalogue; `values` stand in its {placeholders}, formatted as those say."""
    return Message(msgid, values)


def ngettext(singular: str, plural: str, n: int, **values: Any) -> Message:
    """A text of the catalogue that depends on a number, which stands at {n}."""
    return Message(singular, {"n": n, **values}, plural, n)


def stored_text(text: str) -> Message:
    """A text that a study's file holds: translated if it is one of those that are shipped."""
    return Message(text, {}, context=STORED)


STORED = "study"
"""The context of what studies' files hold in the catalogue: a user's own text is not taken for a word of the page."""


def with_labels(text: str, labels: Mapping[str, str]) -> str:
    """The text with its label for each name that stands in it as a value of its own; other texts stay as they are."""
    if isinstance(text, Message):
        msgid, values, plural, n, context = text._arguments
        labelled_values = {name: with_labels(v, labels) if isinstance(v, str) else v for name, v in values.items()}
        return Message(msgid, labelled_values, plural, n, context)
    if isinstance(text, JoinedText):
        parts, separator = text._arguments
        return JoinedText([with_labels(part, labels) for part in parts], separator)
    return text if isinstance(text, Translatable) else labels.get(text, text)


def joined(parts: Iterable[str], separator: str) -> str:
    """Texts with a separator between them; the separator may be a message."""
    parts = list(parts)
    return parts[0] if len(parts) == 1 else JoinedText(parts, separator)


def comma(parts: Iterable[str]) -> str:
    """Parts of a list: "a, b, c"."""
    return joined(parts, message(", "))


def series(clauses: Iterable[str]) -> str:
    """Clauses of a sentence: "a; b; c"."""
    return joined(clauses, message("; "))


def sentences(texts: Iterable[str]) -> str:
    """Sentences one behind the other, empty ones left out."""
    non_empty = [text for text in texts if text]
    return reduce(lambda before, after: message("{before} {after}", before=before, after=after), non_empty)


def listed(parts: Sequence[str]) -> str:
    """One or more parts as a sentence lists them: "a", "a and b", "a, b and c"."""
    if len(parts) == 1:
        return parts[0]
    return message("{before} and {last}", before=comma(parts[:-1]), last=parts[-1])

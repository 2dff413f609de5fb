"""Texts of a page that keep their pattern and values, so that a page is computed once and rendered in any language.

Each is a string, its English, and can be used as one. `message` and `ngettext` mark what goes into the catalogue
(reports/locale, `make translations`); a value may be such a text itself and is translated too. A plain
string, such as the name of a variant, is never translated. The result of an f-string or `+` is a plain string: it stays
English.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from typing import Any, Protocol


class Catalogue(Protocol):
    """A language: its patterns, and how texts are translated."""

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
    """English text that can be translated."""

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
    """Several texts with a separator."""

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
    """A text to which `change` is applied after translation, such as a change of case."""

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
    """A text of the catalogue with `values` for its {placeholders}."""
    return Message(msgid, values)


def ngettext(singular: str, plural: str, n: int, **values: Any) -> Message:
    """A text of the catalogue with a plural form; {n} is the number."""
    return Message(singular, {"n": n, **values}, plural, n)


def stored_text(text: str) -> Message:
    """A text from a study's file: translated if the study is one of the built-in ones."""
    return Message(text, {}, context=STORED)


STORED = "study"
"""The catalogue's context for texts from study files, so that a user's text is not mistaken for a page text."""


def with_labels(text: str, labels: Mapping[str, str]) -> str:
    """The text with variant names among its values replaced by labels; other texts stay unchanged.

    In a list, labels with a comma of their own are separated by semicolons.
    """
    if isinstance(text, Message):
        msgid, values, plural, n, context = text._arguments
        labelled_values = {name: with_labels(v, labels) if isinstance(v, str) else v for name, v in values.items()}
        if msgid == _AND:
            return join_and([*_parts_of(labelled_values["before"]), labelled_values["last"]])
        return Message(msgid, labelled_values, plural, n, context)
    if isinstance(text, JoinedText):
        parts, separator = text._arguments
        labelled = [with_labels(part, labels) for part in parts]
        is_ambiguous = separator == _COMMA and any(
            _COMMA in after and after != before for before, after in zip(parts, labelled, strict=True)
        )
        return join_clauses(labelled) if is_ambiguous else JoinedText(labelled, separator)
    return text if isinstance(text, Translatable) else labels.get(text, text)


def _parts_of(text: str) -> list[str]:
    """The parts of a list with commas or semicolons; another text is one part."""
    if isinstance(text, JoinedText) and text._arguments[1] in (_COMMA, _SEMICOLON):
        return list(text._arguments[0])
    return [text]


def join_texts(parts: Iterable[str], separator: str) -> str:
    """Texts with a separator between them; the separator may be a message."""
    parts = list(parts)
    return parts[0] if len(parts) == 1 else JoinedText(parts, separator)


_COMMA, _SEMICOLON = message(", "), message("; ")
_AND = "{before} and {last}"  # of `join_and`


def join_commas(parts: Iterable[str]) -> str:
    """Parts of a list: "a, b, c"."""
    return join_texts(parts, _COMMA)


def join_clauses(clauses: Iterable[str]) -> str:
    """Clauses of a sentence: "a; b; c"."""
    return join_texts(clauses, _SEMICOLON)


def join_sentences(texts: Iterable[str]) -> str:
    """Sentences in sequence, without empty ones."""
    non_empty = [text for text in texts if text]
    return reduce(lambda before, after: message("{before} {after}", before=before, after=after), non_empty)


def join_and(parts: Sequence[str]) -> str:
    """One or more parts as a sentence lists them: "a", "a and b", "a, b and c".

    Where a part has a comma of its own, all are separated by semicolons: "a; b, with c; d".
    """
    if len(parts) == 1:
        return parts[0]
    if any(_COMMA in part for part in parts):
        return join_clauses(parts)
    return message("{before} and {last}", before=join_commas(parts[:-1]), last=parts[-1])

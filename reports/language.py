"""The page in another language: one catalogue, keyed by the English text, for fixed texts and computed sentences alike.

A computed sentence is found by its pattern: the catalogue's key says where its numbers and names stand
("{n} scores were left out"), the English sentence is matched against it, and its values go into the translation. What
makes the sentences needs to know nothing of languages, and a sentence without a translation stays English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from reports.language_zh import ZH, ZH_LISTS, ZH_SERIES

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_BEGINS = r"(?:[A-Z\N{LEFT DOUBLE QUOTATION MARK}]|\d+ [a-z])"  # a sentence
_SENTENCE_END = re.compile(rf"(?<=[.!?]) (?={_BEGINS})")
# Of a list, outside of brackets.
_AND = " and "
_OUTSIDE = r"(?![^(\[]*[)\]])"
_LAST = re.compile(_AND + _OUTSIDE)
_COMMA = re.compile(r", (?!\d+\s% of drops)" + _OUTSIDE)
_SERIES = re.compile("; " + _OUTSIDE)
_FIELDS = " · "  # between the parts of a fact
_NUMBER = "[+\N{MINUS SIGN}-]?" + r"[\d,]*\.?\d+"
_CONDITION = (
    r"[Nn]oise(?: .=\d+)?|noise-\d+|column average|blur|lowlight|[Rr]ain(?:, \d+\s% of drops)?|[Hh]aze|"
    r"[Mm]otion blur|[Ll]ow light"
)
# What may stand in a placeholder of this name, with or without digits behind it; any other name takes any text that
# stays within one sentence.
_ANY = rf"(?:(?![.!?] {_BEGINS}).)+?"
_VALUES = {
    "n": r"[\d,]+",
    "x": _NUMBER,
    "p": rf"{_NUMBER}%",
    "e": rf"{_NUMBER}(?: dB)? \[[^\]]+\]",
    "v": r"[^\s,;]+",
    "names": r"[^()]+",
    "part": r"[^;.]+",
    "c": rf"(?:{_CONDITION})(?: \+ (?:{_CONDITION}))?",
    "conditions": rf"(?:{_CONDITION})(?:(?:, | and )(?:{_CONDITION}))*",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Language:
    """A language of the page.

    Attributes:
        code: for the command line and the file name: "en", "zh".
        tag: the page's BCP 47 tag.
        catalogue: English text -> its translation; {names} in both stand for values.
        lists: ("and", ", ") of the language.
        series: what parts the clauses of a series, and what ends it.
        space: what joins sentences.
    """

    code: str
    tag: str
    catalogue: Mapping[str, str]
    lists: tuple[str, str] = ("and", ", ")
    series: tuple[str, str] = ("; ", ".")
    space: str = " "

    def text(self, text: str) -> str:
        """A fixed text of the page; itself where it has no translation."""
        return self.catalogue.get(text, text)

    def file_name(self, name: str) -> str:
        """The name of a page's file in this language: "report.html" -> "report.zh.html"; English has none added."""
        stem, dot, ending = name.rpartition(".")
        return name if self.code == "en" else f"{stem}.{self.code}{dot}{ending}"

    def sentence(self, text: str) -> str:
        """A computed text of one or more sentences; those without a translation stay as they are."""
        if not self.catalogue or not text.strip():
            return text
        whole = self._found(text)
        if whole is not None:
            return whole
        if _FIELDS in text:
            return _FIELDS.join(self._found(part) or part for part in text.split(_FIELDS))
        parts = _SENTENCE_END.split(text)
        told = [self._series(part) or self._found(part) or part for part in parts]
        # A sentence that stayed English keeps the blank behind its full stop.
        return "".join(part + (" " if part[-1:] in ".!?" else self.space) for part in told[:-1]) + told[-1]

    def _found(self, text: str) -> str | None:
        if text in self.catalogue:
            return self.catalogue[text]
        for pattern, translation in self._patterns:
            match = pattern.fullmatch(text)
            if match:
                values = {name: self._value(value) for name, value in match.groupdict().items()}
                return _PLACEHOLDER.sub(lambda found: values[found.group(1)], translation)  # noqa: B023 (used at once)
        return None

    def _series(self, text: str) -> str | None:
        """Clauses parted by semicolons, with or without a full stop; None where one of them has no translation."""
        body, end = (text[:-1], self.series[1]) if text.endswith(".") else (text, "")
        told = [self._found(part) for part in _SERIES.split(body)]
        return None if None in told or (body == text and len(told) == 1) else self.series[0].join(map(str, told)) + end

    def _value(self, value: str) -> str:
        """A placeholder's content: translated where the catalogue knows it, lists part by part, else as it is."""
        known = self._series(value) or self._found(value)
        if known is not None:
            return known
        last, comma = self.lists
        *before, end = _LAST.split(value)
        if before:
            left, right = self._value(_AND.join(before)), self._value(end)
            # Chinese has no blanks but beside Latin letters and digits
            return f"{left}{' ' * left[-1:].isascii()}{last}{' ' * right[:1].isascii()}{right}"
        parts = _COMMA.split(value)
        told = [self._found(part) or part for part in parts]
        # Names, not the clauses of a text that stays English.
        if all(new != old or not re.search(r"\s", old) for new, old in zip(told, parts, strict=True)):
            return comma.join(told)
        return value

    @cached_property
    def _patterns(self) -> list[tuple[re.Pattern[str], str]]:
        """The keys with placeholders, the most specific first."""
        keys = [key for key in self.catalogue if _PLACEHOLDER.search(key)]
        keys.sort(key=lambda key: (-len(_PLACEHOLDER.sub("", key)), key))
        return [(re.compile(_pattern(key), re.DOTALL), self.catalogue[key]) for key in keys]


ENGLISH = Language(code="en", tag="en", catalogue={})
LANGUAGES: dict[str, Language] = {
    "en": ENGLISH,
    "zh": Language(code="zh", tag="zh-Hans", catalogue=ZH, lists=ZH_LISTS, series=ZH_SERIES, space=""),
}


def language(code: str) -> Language:
    """The language of a code.

    Raises:
        ValueError: no such language; the message is one line.
    """
    if code not in LANGUAGES:
        raise ValueError(f"No page in the language {code!r}. Known: {', '.join(LANGUAGES)}.")
    return LANGUAGES[code]


def _pattern(key: str) -> str:
    pieces = _PLACEHOLDER.split(key)
    seen: set[str] = set()
    parts = []
    for at, piece in enumerate(pieces):
        if at % 2 == 0:
            parts.append(re.escape(piece))
        elif piece in seen:
            parts.append(f"(?P={piece})")
        else:
            seen.add(piece)
            parts.append(f"(?P<{piece}>{_VALUES.get(piece.rstrip('0123456789'), _ANY)})")
    return "".join(parts)

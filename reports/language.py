"""The languages of the page: English, and those with a catalogue in reports/locale."""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter

from reports.messages import Translatable

LOCALE = Path(__file__).parent / "locale"
DOMAIN = "reports"


@dataclass(frozen=True, kw_only=True, eq=False)
class Language:
    """A language of the page.

    Attributes:
        code: for the command line and the file name: "en", "zh".
        tag: the page's BCP 47 tag.
        translations: its catalogue, by msgid (the English text).
    """

    code: str
    tag: str
    translations: gettext.NullTranslations = field(default_factory=gettext.NullTranslations)

    def pattern(self, text: str, *, plural: str | None = None, n: int = 1, context: str | None = None) -> str:
        """The translation of a msgid; the msgid where it has none."""
        if not text:
            return text  # gettext's own header
        if context is not None:
            return self.translations.pgettext(context, text)
        return self.translations.gettext(text) if plural is None else self.translations.ngettext(text, plural, n)

    def translate(self, text: str) -> str:
        """A text in this language (reports/messages.py); a plain string stays unchanged."""
        return text.translated(self) if isinstance(text, Translatable) and self.code != "en" else str(text)

    def fill(self, pattern: str, values: Mapping[str, object]) -> str:
        """A pattern with its values. Chinese has spaces only next to Latin letters and digits."""
        parts: list[str] = []
        for literal, name, format_spec, _ in Formatter().parse(pattern):
            parts.append(literal)
            parts.append(format(values[name], format_spec or "") if name is not None else "")
        text = ""
        for part in filter(None, parts):
            text += " " * _needs_space(text[-1:], part[:1]) + part
        return text

    def file_name(self, name: str) -> str:
        """The name of a page's file in this language: "report.html" -> "report.zh.html"; English has none added."""
        stem, dot, ending = name.rpartition(".")
        return name if self.code == "en" else f"{stem}.{self.code}{dot}{ending}"


ENGLISH = Language(code="en", tag="en")
LANGUAGES: dict[str, Language] = {
    "en": ENGLISH,
    "zh": Language(code="zh", tag="zh-Hans", translations=gettext.translation(DOMAIN, LOCALE, ["zh_CN"])),
}


def languages(code: str) -> tuple[Language, ...]:
    """English and the language of a code ("en": English alone).

    Raises:
        ValueError: no such language; the message is one line.
    """
    if code not in LANGUAGES:
        raise ValueError(f"No page in the language {code!r}. Known: {', '.join(LANGUAGES)}.")
    return tuple(dict.fromkeys((ENGLISH, LANGUAGES[code])))


def _needs_space(left: str, right: str) -> bool:
    """Whether a Chinese character is next to a Latin letter or a digit."""
    return any(
        "\u4e00" <= a <= "\u9fff" and b.isascii() and b.isalnum() for a, b in ((left, right), (right, left)) if a and b
    )

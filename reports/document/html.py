"""Documents as HTML: one file that fetches nothing, in which only the project's scripts may run."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from reports import schema
from reports.document.model import Column, Document, is_fixed
from reports.files import write_text
from reports.language import ENGLISH, Language
from reports.messages import message

STYLES = ("report.css",)
SCRIPTS = ("report.js", "filter.js")
"""Of every page, in this order: tables are sorted and filtered whatever other scripts make of their cells."""


def to_html(document: Document, language: Language = ENGLISH) -> str:
    """The page in a language; every text in it is escaped."""
    environment = page_environment(language)
    scripts = (*SCRIPTS, *document.scripts)
    css, js = (
        Markup("".join(_source(environment, name) for name in names))
        for names in ((*STYLES, *document.styles), scripts)
    )
    return environment.get_template("document.html.j2").render(
        page=document,
        lang=language.tag,
        messages=_script_messages(environment, scripts, language),
        css=css,
        js=js,
        css_hash=_policy_hash(css),
        js_hash=_policy_hash(js),
    )


def write_html(document: Document, path: Path, page_languages: Sequence[Language] = (ENGLISH,)) -> Path:
    """Write the page in each language, each in a file of its own beside `path`; returns the last."""
    last_path = path
    for language in page_languages:
        last_path = write_text(path.with_name(language.file_name(path.name)), to_html(document, language))
    return last_path


def page_environment(language: Language = ENGLISH) -> Environment:
    """Our templates, escaping on.

    In them `_("a fixed text with {name}", name=...)` translates, and escapes whatever goes in; the filter `tr` does it
    for computed sentences (reports/messages.py).
    """
    environment = Environment(
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    translate = language.translate

    def translate_fixed(text: str, **values: object) -> Markup:
        translated = {
            name: v if isinstance(v, Markup) or not isinstance(v, str) else translate(v) for name, v in values.items()
        }
        return escape(language.pattern(text)).format(**translated)

    environment.globals.update(
        _=translate_fixed, translate=translate, message=message, figures_folder=schema.FIGURES_FOLDER
    )
    environment.filters.update(
        data_uri=_data_uri, tr=lambda text: _unbroken(translate(text)), breakable=_breakable, groups=_groups
    )
    environment.tests.update(fixed_row=is_fixed)
    return environment


def _groups(columns: Iterable[Column]) -> list[tuple[str, int]]:
    """Group heads of neighbouring columns, and how many columns each spans."""
    return [(group, len(list(members))) for group, members in groupby(columns, key=lambda column: column.group)]


def _script_messages(environment: Environment, scripts: Sequence[str], language: Language) -> dict[str, str]:
    """Translations of the texts in a page's scripts, by English text; without those that are equal."""
    texts = re.findall(r'say\("([^"]+)"', "".join(_source(environment, name) for name in scripts))
    translations = {text: language.pattern(text) for text in texts}
    return {text: translation for text, translation in translations.items() if translation != text}


def _data_uri(path: Path) -> str:
    """A PNG as a data: URI."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _breakable(name: str) -> Markup:
    """A text that may break behind its underscores too."""
    return Markup("_<wbr>").join(_unbroken(name).split("_"))


def _unbroken(text: str) -> str:
    """The text with settings such as "γ = 0.9" kept on one line."""
    return re.sub(" = (?=[0-9])", "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}", text)


def _policy_hash(text: str) -> str:
    """What the page's content security policy names: only this text may run, no handler that slipped in."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _source(environment: Environment, name: str) -> str:
    """The text of a file of reports/templates."""
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]

"""Pages that stand alone: style and script inside, nothing fetched, no script but our own may run."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from reports.language import ENGLISH, Language
from reports.messages import message, stored


def page(
    template: str,
    *,
    styles: Sequence[str],
    scripts: Sequence[str],
    filters: dict[str, Callable[..., Any]] | None = None,
    language: Language = ENGLISH,
    **context: Any,
) -> str:
    """A template of reports/templates as one HTML text.

    Everything in `context` is escaped. The template gets `css`, `js` and their hashes for its content security policy.

    Args:
        template: its file name.
        styles: style sheets of reports/templates, in order.
        scripts: scripts of reports/templates, in order.
        filters: for the template, beside those that the report has.
        language: of the page.
        context: what the template shows.
    """
    environment = page_environment(language)
    environment.filters.update(filters or {})
    css, js = (Markup("".join(template_source(environment, name) for name in names)) for names in (styles, scripts))
    return environment.get_template(template).render(
        lang=language.tag,
        messages=script_messages(scripts, language),
        css=css,
        js=js,
        css_hash=policy_hash(css),
        js_hash=policy_hash(js),
        **context,
    )


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

    def fixed(text: str, **values: object) -> Markup:
        told = {name: v if isinstance(v, Markup) or not isinstance(v, str) else tr(v) for name, v in values.items()}
        return escape(language.pattern(text)).format(**told)

    tr = language.told
    environment.globals.update(_=fixed, told=tr, message=message)
    environment.filters.update(data_uri=data_uri, tr=tr, stored=stored, breakable=breakable)
    return environment


def script_messages(scripts: Sequence[str], language: Language) -> dict[str, str]:
    """What the scripts of a page say in a language, by what stands in them; without what is the same."""
    environment = page_environment()
    found = re.findall(r'say\("([^"]+)"', "".join(template_source(environment, name) for name in scripts))
    told = {text: language.pattern(text) for text in found}
    return {text: own for text, own in told.items() if own != text}


def data_uri(path: Path) -> str:
    """A PNG as a data: URI."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def breakable(name: str) -> Markup:
    """A name that may break behind its underscores, and only there."""
    return Markup("_<wbr>").join(name.split("_"))


def policy_hash(text: str) -> str:
    """What the page's content security policy names: only this text may run, no handler that slipped in."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def template_source(environment: Environment, name: str) -> str:
    """The text of a file of reports/templates."""
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]

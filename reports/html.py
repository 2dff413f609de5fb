"""Pages that stand alone: style and script inside, nothing fetched, no script but our own may run."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from reports.language import ENGLISH, Language


def page(
    template: str,
    *,
    styles: Sequence[str],
    scripts: Sequence[str],
    filters: dict[str, Callable[..., Any]] | None = None,
    **context: Any,
) -> str:
    """A template of reports/templates as one HTML text.

    Everything in `context` is escaped. The template gets `css`, `js` and their hashes for its content security policy.

    Args:
        template: its file name.
        styles: style sheets of reports/templates, in order.
        scripts: scripts of reports/templates, in order.
        filters: for the template, beside those that the report has.
        context: what the template shows.
    """
    environment = page_environment()
    environment.filters.update(filters or {})
    css, js = (Markup("".join(template_source(environment, name) for name in names)) for names in (styles, scripts))
    return environment.get_template(template).render(
        css=css, js=js, css_hash=policy_hash(css), js_hash=policy_hash(js), **context
    )


def page_environment(language: Language = ENGLISH) -> Environment:
    """Our templates, escaping on.

    In them `_("a fixed text with {name}", name=...)` translates, and escapes whatever goes in; the filter `tr` does it
    for computed sentences.
    """
    environment = Environment(
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def fixed(text: str, **values: object) -> Markup:
        return escape(language.text(text)).format(**values)

    environment.globals.update(_=fixed, sentence=language.sentence)
    environment.filters.update(data_uri=data_uri, tr=language.sentence, breakable=breakable)
    return environment


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

"""Pages beside the report that stand alone: style and script inside, nothing fetched, no script but our own may run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from reports.render import page_environment, policy_hash


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
    css, js = (Markup("".join(_source(environment, name) for name in names)) for names in (styles, scripts))
    return environment.get_template(template).render(
        css=css, js=js, css_hash=policy_hash(css), js_hash=policy_hash(js), **context
    )


def _source(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]

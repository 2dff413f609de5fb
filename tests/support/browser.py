"""A page in a browser that has no network."""

from __future__ import annotations

import time
from contextlib import contextmanager

# Elements that stick out of the window although nothing around them scrolls.
STICKING_OUT = """() => {
  const scrolls = (e) => e.closest(".scroll, .paper, pre, nav, dialog") !== null;
  const width = document.documentElement.clientWidth;
  return [...document.querySelectorAll("main *")]
    .filter((e) => !scrolls(e) && e.getBoundingClientRect().right > width + 1).map((e) => e.outerHTML.slice(0, 120));
}"""


@contextmanager
def opened(chromium, report, *, width=1280, scheme="light", scripts=True):
    """The page in a private window without a network; afterwards nothing may have been said, asked for or blocked."""
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True, java_script_enabled=scripts
    )
    page = context.new_page()
    page.set_default_timeout(10_000)
    said, asked = [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(report.as_uri())
    try:
        yield page
        assert said == []
        assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]
    finally:
        context.close()


def wait_until(page, expression, *, seconds=30):
    """Wait until an expression of JavaScript is true. `page.wait_for_function` polls with eval, which pages forbid."""
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"after {seconds:g} s still false: {expression}"
        page.wait_for_timeout(50)

"""Figures that a study requests by name: our own, and those of other packages (entry points `dfpir.figures`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reports.figures.style import Picture
    from reports.study import Study

Draw = Callable[["Study", Path], "Picture | Sequence[Picture] | None"]
"""(study, folder of figures) -> what `reports.figures.style.save` gives; None where there is nothing to draw."""

_MODULES = ("reports.figures.maps",)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class RegisteredFigure:
    """A registered figure; `draw` is a function of a module, since other processes draw too."""

    name: str
    title: str
    draw: Draw


_FIGURES: dict[str, RegisteredFigure] = {}


def register_figure(name: str, *, title: str) -> Callable[[Draw], Draw]:
    """Decorator: register a function that draws a figure.

    Args:
        name: as studies name it: lower-case letters, digits and `_`.
        title: of its section.

    Raises:
        ValueError: the name is taken, or not a valid one.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"Figure {name!r}: lower-case letters, digits and _ are needed, as in 'gains'.")

    def register(draw: Draw) -> Draw:
        if name in _FIGURES and _FIGURES[name].draw is not draw:
            raise ValueError(f"figure {name!r} is registered already: choose another name.")
        _FIGURES[name] = RegisteredFigure(name=name, title=title, draw=draw)
        return draw

    return register


def figure_named(name: str) -> RegisteredFigure:
    """The figure of this name.

    Raises:
        ValueError: no package here registers it; the message says which there are and which could not be imported.
    """
    errors = _load_modules()
    if name not in _FIGURES:
        names = f" Known: {', '.join(_FIGURES)}." if _FIGURES else ""
        failed = f" Left out: {'; '.join(errors)}." if errors else ""
        raise ValueError(f"Figure {name!r}: no package that is installed here registers it.{names}{failed}")
    return _FIGURES[name]


@lru_cache(maxsize=1)
def _load_modules() -> tuple[str, ...]:
    """Import our modules and those of installed packages, once; the errors of those that could not be imported."""
    for module in _MODULES:
        import_module(module)
    errors = []
    for point in entry_points(group="dfpir.figures"):
        try:
            point.load()
        except Exception as error:  # another package's fault costs its own figures alone
            errors.append(f"{point.value} ({type(error).__name__}: {' '.join(str(error).split())})")
    return tuple(errors)

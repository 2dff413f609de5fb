"""Figures that a study asks for by name: ours, and those of other packages (entry points `dfpir.figures`)."""

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

_OURS = ("reports.figures.maps",)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class FurtherFigure:
    """A registered figure; `draw` is a function of a module, since other processes draw too."""

    name: str
    title: str
    draw: Draw


_FIGURES: dict[str, FurtherFigure] = {}


def register_figure(name: str, *, title: str) -> Callable[[Draw], Draw]:
    """Decorator: register a function that draws a figure.

    Args:
        name: as studies name it: lower-case letters, digits and `_`.
        title: of its section.

    Raises:
        ValueError: the name is taken, or none that it can have.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"Figure {name!r}: lower-case letters, digits and _ are needed, as in 'gains'.")

    def add(draw: Draw) -> Draw:
        if name in _FIGURES and _FIGURES[name].draw is not draw:
            raise ValueError(f"figure {name!r} is registered already: choose another name.")
        _FIGURES[name] = FurtherFigure(name=name, title=title, draw=draw)
        return draw

    return add


def figure_named(name: str) -> FurtherFigure:
    """The figure of this name.

    Raises:
        ValueError: no package here registers it; the message says which there are and which could not be imported.
    """
    faults = _load()
    if name not in _FIGURES:
        known = f" Known: {', '.join(_FIGURES)}." if _FIGURES else ""
        broken = f" Left out: {'; '.join(faults)}." if faults else ""
        raise ValueError(f"Figure {name!r}: no package that is installed here registers it.{known}{broken}")
    return _FIGURES[name]


@lru_cache(maxsize=1)
def _load() -> tuple[str, ...]:
    """Import ours and what installed packages name, once; why some could not be."""
    for module in _OURS:
        import_module(module)
    faults = []
    for point in entry_points(group="dfpir.figures"):
        try:
            point.load()
        except Exception as error:  # another package's fault costs its own figures alone
            faults.append(f"{point.value} ({type(error).__name__}: {' '.join(str(error).split())})")
    return tuple(faults)

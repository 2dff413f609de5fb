"""The interactive parts of a page; one that fails leaves the others standing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from reports.study import Study
from reports.tables import ResultTable
from reports.viewer.cell_provenance import cell_provenance
from reports.viewer.gallery import Gallery, gallery
from reports.viewer.scatter import Scatter, scatter

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Interactive:
    """The gallery, the scatter and the cells' provenance; `problems` says what could not be made and why."""

    gallery: Gallery = field(default_factory=Gallery)
    scatter: Scatter | None = None
    provenance: dict[str, Any] = field(default_factory=lambda: {"metrics": [], "runs": {}, "tables": []})
    problems: dict[str, str] = field(default_factory=dict)


def interactive(study: Study, tables: Sequence[tuple[Study, ResultTable]]) -> Interactive:
    """Make what the page of `study` needs; `tables` are those whose cells lead back to runs, in the page's order."""
    problems: dict[str, str] = {}

    def attempt(name: str, make: Callable[[], T], fallback: T) -> T:
        try:
            return make()
        except Exception as error:  # a run's odd content must not cost the reader the rest of the report
            problems[name] = f"{type(error).__name__}: {error}"
            return fallback

    nothing = Interactive()
    return Interactive(
        gallery=attempt("gallery", lambda: gallery(study), nothing.gallery),
        scatter=attempt("scatter", lambda: scatter(study), None),
        provenance=attempt("provenance", lambda: cell_provenance(tables), nothing.provenance),
        problems=problems,
    )

"""Names of studies and budgets read from the source: a typing error is told in a moment, before torch is imported."""

from __future__ import annotations

import ast
import difflib
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def check_names(study: str | None, budget: str) -> None:
    """Refuse a study or budget that does not exist, where that can be told without importing anything.

    Where torch is imported already, or another package brings studies, the registries themselves are left to tell.

    Raises:
        ValueError: one line with the nearest known name.
    """
    if "torch" in sys.modules:
        return
    budgets = _budgets()
    if budgets and budget not in budgets:
        raise ValueError(f"Unknown budget {budget!r}.{_nearest(budget, budgets)}")
    studies = _studies()
    if study is None or study == "efficiency" or study in studies or not studies:
        return
    if not entry_points(group="dfpir.studies"):
        raise ValueError(f"Unknown study {study!r}.{_nearest(study, studies)}")


def _studies() -> list[str]:
    """Functions below `@register_study()` in ablations/studies."""
    names = []
    for path in sorted((_HERE / "studies").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                names += [_registered(mark, node.name) for mark in node.decorator_list if _called(mark)]
    return [name for name in names if name]


def _called(mark: ast.expr) -> bool:
    return isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "register_study"


def _registered(mark: ast.expr, name: str) -> str:
    given = mark.args[0] if isinstance(mark, ast.Call) and mark.args else None
    return str(given.value) if isinstance(given, ast.Constant) else name


def _budgets() -> list[str]:
    """The names of each `Budget(name=...)` in ablations/budgets.py."""
    tree = ast.parse((_HERE / "budgets.py").read_text(encoding="utf-8"))
    calls = [n for n in ast.walk(tree) if isinstance(n, ast.Call)]
    words = [w for n in calls if isinstance(n.func, ast.Name) and n.func.id == "Budget" for w in n.keywords]
    return [str(w.value.value) for w in words if w.arg == "name" and isinstance(w.value, ast.Constant)]


def _nearest(name: str, known: Iterable[str]) -> str:
    """As `dfpir.registry.suggestion`, whose import is what is to be spared; in any case."""
    names = list(known)
    found = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.6)
    return f" Did you mean {found[0]!r}?" if found else f" Known: {', '.join(names)}."

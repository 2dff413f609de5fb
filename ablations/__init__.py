"""Studies and the one harness that trains and evaluates them.

From Python: `run_study("gamma_sweep", budget="demo")` and `load_results("runs/studies/NAME")`, see `ablations.api`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablations.api import StudyResult, load_results, run_study

__all__ = ["StudyResult", "load_results", "run_study"]


def __getattr__(name: str) -> Any:
    """The Python interface on first use: `import ablations` alone reads nothing else."""
    if name not in __all__:
        raise AttributeError(f"module 'ablations' has no attribute {name!r}")
    from ablations import api

    return getattr(api, name)

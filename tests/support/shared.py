"""The folder of real images and fixtures that lies beside the project on some machines; users don't have it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


def shared(*parts: str) -> Path:
    """A path in the shared folder; skips the test where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"needs {Path('shared', *parts)} beside the project, which only some machines have")
    return path


def load_fixture(name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A parity fixture and the weights it was made with, by released key names."""
    import torch

    path = shared("parity", f"{name}.pt")
    fixture = torch.load(path, weights_only=True)
    weights = _fixtures_module(path.parent).state_dict(fixture["shapes"]) | (fixture["kept_buffers"] or {})
    return fixture, weights


def _fixtures_module(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("parity_fixtures", folder / "fixtures.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

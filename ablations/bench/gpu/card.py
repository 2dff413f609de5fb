"""The context of results: card, driver, versions, commit, date; and missing packages."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

PROJECT = Path(__file__).resolve().parents[3]
"""The checkout; in an installed wheel tests and fixtures are missing, and their steps are skipped."""

_SAME_NAME_PACKAGES = (
    *("triton", "einops", "pandas", "pyarrow", "scipy", "matplotlib", "seaborn"),
    *("jinja2", "rich", "safetensors", "joblib", "threadpoolctl", "torchvision"),
)
DISTRIBUTIONS = {
    "open_clip": ("open_clip_torch", "ftfy", "wcwidth"),
    "pytest": ("pytest", "iniconfig", "pluggy"),
    "jaxtyping": ("jaxtyping", "wadler_lindig"),
    "sklearn": ("scikit-learn",),
    "skimage": ("scikit-image", "imageio", "tifffile", "lazy_loader"),
    **{name: (name,) for name in _SAME_NAME_PACKAGES},
}
"""Module of a step -> distributions to install beside torch and numpy."""


def missing_packages(*modules: str) -> str:
    """Empty where these modules are installed; else which are missing, and how to install them without a network."""
    absent = [name for name in modules if importlib.util.find_spec(name) is None]
    if not absent:
        return ""
    wheels = " ".join(
        dict.fromkeys(distribution for name in absent for distribution in DISTRIBUTIONS.get(name, (name,)))
    )
    return (
        f"{', '.join(absent)} not installed; where there is a network: pip download --no-deps --dest wheels {wheels}; "
        f"here: pip install --no-deps --no-index --find-links wheels {wheels}"
    )


def find_fixtures() -> Path | None:
    """The folder of the parity fixtures: beside the project, or in its folder `shared`."""
    for folder in (PROJECT.parent / "shared" / "parity", PROJECT / "shared" / "parity"):
        if (folder / "fixtures.py").is_file():
            return folder
    return None


def card(device: torch.device, toy: bool) -> Iterator[dict[str, Any]]:
    """One result: the machine."""
    import torch

    from ablations.harness.provenance import environment

    env = environment(device)
    facts: dict[str, Any] = {
        "card": env["device"].partition(": ")[2],
        "driver": _driver_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "triton": _package_version("triton"),
        "python": sys.version.split()[0],
        "cores": os.cpu_count(),
        "commit": env["commit"],
        "dirty": env["dirty"],
        "date": env["started_at"],
        "not_installed": [name for name in DISTRIBUTIONS if importlib.util.find_spec(name) is None],
    }
    if device.type == "cuda":
        facts["memory_gib"] = torch.cuda.get_device_properties(device).total_memory / 2**30
        facts["capability"] = ".".join(str(part) for part in torch.cuda.get_device_capability(device))
        cudnn: Any = torch.backends.cudnn
        facts["cudnn"] = cudnn.version()
        torch.ones(1, device=device).add_(1).cpu()  # a card that is listed may still fail
    yield facts


def _package_version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _driver_version() -> str | None:
    """The NVIDIA driver's version from nvidia-smi."""
    if shutil.which("nvidia-smi") is None:
        return None
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        words = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.split()
    except (OSError, subprocess.SubprocessError):
        return None
    return words[0] if words else None

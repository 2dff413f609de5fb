"""Where and with what a run was made: env.json."""

from __future__ import annotations

import platform
import re
import subprocess
import traceback
from datetime import datetime, timezone
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import torch

from dfpir.plugins import installed_plugins
from reports.schema import EnvFile, ErrorFile

_PACKAGES = ("torch", "torchvision", "open_clip_torch", "numpy", "pandas", "scikit-image", "einops", "safetensors")


def utc_now() -> str:
    """The time in UTC, ISO 8601, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def error_record(error: BaseException, *, step: int | None = None) -> ErrorFile:
    """What an error row holds of an error, after this many steps."""
    trace = "".join(traceback.format_exception(error))
    return ErrorFile(type=type(error).__name__, message=str(error), traceback=trace, at=utc_now(), step=step)


def environment(device: torch.device) -> EnvFile:
    """What env.json holds; unknown things are None, never guessed."""
    commit, dirty = _git_state()
    return EnvFile(
        suite=suite_version(),
        plugins=[plugin.to_json() for plugin in installed_plugins()],
        commit=commit,
        dirty=dirty,
        python=platform.python_version(),
        packages={name: version for name in _PACKAGES if (version := _version(name))},
        device=device_name(device),
        threads=torch.get_num_threads(),
        started_at=utc_now(),
        host_os=f"{platform.system()} {platform.release()} {platform.machine()}",
    )


def device_name(device: torch.device) -> str:
    """`cuda: NVIDIA H100 80GB HBM3` or `cpu: <processor>`."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"cpu: {_processor()}"


@lru_cache(maxsize=1)
def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def suite_version() -> str | None:
    """The version of this code: of its checkout where it runs from one, else of the installed wheel."""
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    if project.is_file():
        match = re.search(
            r'^name = "dfpir-suite"\nversion = "([^"]+)"', project.read_text(encoding="utf-8"), re.MULTILINE
        )
        if match:
            return match[1]
    return _version("dfpir-suite")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


@lru_cache(maxsize=1)
def _git_state() -> tuple[str | None, bool | None]:
    """Commit and dirty flag of the checkout that this code runs from; None outside one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None, None
    try:
        commit = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
        status = subprocess.run(
            ["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit, bool(status.strip())

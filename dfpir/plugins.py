"""Where code from other packages comes from: distribution, version, and a hash of all of its source."""

from __future__ import annotations

import hashlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from importlib.metadata import EntryPoint, entry_points, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_KINDS = (
    *("variants", "baselines", "studies", "metrics", "budgets"),
    *("protocols", "tasks", "measures", "launchers", "figures"),
)
GROUPS = tuple(f"dfpir.{kind}" for kind in _KINDS)
"""Entry point groups that the suite loads."""

_SUITE = frozenset(("dfpir", "baselines", "ablations", "datasets", "reports"))


_MOST_FILES = 10_000
"""Source files of a package whose content is hashed, by path; of those after them, name and size alone."""


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A package outside the suite that defines a model, its loss or a study.

    Attributes:
        package: its name: the top-level package, or the module where it is in none.
        distribution: what was installed; empty for a script.
        version: of the distribution.
        sha256: of all Python files of the package, the helpers that a model imports among them; empty where there is
            no file.
    """

    package: str
    distribution: str
    version: str
    sha256: str

    def to_json(self) -> dict[str, str]:
        """For identities and env.json."""
        return asdict(self)


def plugins_behind(*functions: Callable[..., Any] | None) -> list[Plugin]:
    """The packages outside the suite that these functions and classes, and the classes' bases, are defined in."""
    names = [name for function in functions if function is not None for name in _modules_of(function)]
    return _plugins(name for name in names if not _is_versioned(name))


def installed_plugins() -> list[Plugin]:
    """Every package that another distribution's entry points name, whether or not it can be imported."""
    modules = sorted({point.module for group in GROUPS for point in entry_points(group=group)})
    return _plugins(name for name in modules if name.partition(".")[0] not in _SUITE)


def describe_entry_point(point: EntryPoint) -> str:
    """`mylab 1.2 (mylab.studies)`: an entry point for messages."""
    dist = point.dist
    return f"{dist.name} {dist.version} ({point.value})" if dist is not None else point.value


def _modules_of(function: Callable[..., Any]) -> Iterator[str]:
    while isinstance(function, partial):
        for value in (*function.args, *function.keywords.values()):
            if callable(value):
                yield from _modules_of(value)
        function = function.func
    module = str(getattr(function, "__module__", None) or type(function).__module__)
    yield module
    if inspect.isclass(function) and not _is_versioned(module):  # what the suite's own classes stand on is no plug-in
        yield from (base.__module__ for base in inspect.getmro(function)[1:])


def _is_versioned(name: str) -> bool:
    """Whether the suite's version, or a package in env.json, already says which code a module holds."""
    return name.partition(".")[0] in _SUITE | {"torch", "builtins", "typing", "abc", "functools"}


def _plugins(modules: Iterable[str]) -> list[Plugin]:
    """Each package once, in the order of the modules."""
    return list(dict.fromkeys(_plugin(name) for name in modules))


@lru_cache
def _plugin(module: str) -> Plugin:
    """Read once: what counts is the code that was imported."""
    package, files = _package_of(module)
    distribution, version_text = _distribution(module.partition(".")[0])
    # a process that a script starts imports the script under another name
    name = "__main__" if package == "__mp_main__" else package
    return Plugin(package=name, distribution=distribution, version=version_text, sha256=_source_hash(files))


def _distribution(package: str) -> tuple[str, str]:
    for group in GROUPS:  # an editable installation does not list its packages
        for point in entry_points(group=group):
            if point.module.partition(".")[0] == package and point.dist is not None:
                return point.dist.name, point.dist.version
    names = packages_distributions().get(package, [])
    return (names[0], version(names[0])) if names else ("", "")


def _package_of(module: str) -> tuple[str, dict[str, Path]]:
    """The package that a module's helpers are looked for in, and its Python files by their paths in it.

    Several distributions may share a namespace package: the first package below it that has an `__init__.py` counts,
    or the folder that holds the module where there is none.
    """
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        file, folders = _locate(name)
        if file is not None and folders:
            return name, _python_files(folders)
        if file is not None:
            beside = {file.name: file} if depth == 1 else _python_files([file.parent])
            return ".".join(parts[: max(depth - 1, 1)]), beside
    return module, {}


def _locate(name: str) -> tuple[Path | None, list[Path]]:
    """A module's file, and the folders that a package's modules lie in."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        file, folders = getattr(loaded, "__file__", None), getattr(loaded, "__path__", ())
    else:
        try:
            spec = find_spec(name)
        except Exception:  # a package that can't be imported; its registry names it
            spec = None
        file = spec.origin if spec is not None and spec.has_location else None
        folders = (spec.submodule_search_locations or ()) if spec is not None else ()
    path = Path(file) if file is not None else None
    return path if path is not None and path.is_file() else None, [Path(folder) for folder in folders]


def _python_files(folders: Iterable[Path]) -> dict[str, Path]:
    """Path in the package -> file, of every module below the folders, in the order of the paths."""
    files: dict[str, Path] = {}
    for folder in folders:
        for where, below, names in os.walk(folder):
            below[:] = [name for name in below if not name.startswith(".") and name != "__pycache__"]
            for name in names:
                path = Path(where) / name
                if path.suffix == ".py" and path.is_file():
                    files.setdefault(path.relative_to(folder).as_posix(), path)
    return dict(sorted(files.items()))


def _source_hash(files: Mapping[str, Path]) -> str:
    if not files:
        return ""
    digest = hashlib.sha256()
    for number, (name, path) in enumerate(files.items()):
        size = f"{path.stat().st_size}" if number >= _MOST_FILES else ""
        content = size.encode() or hashlib.sha256(path.read_bytes()).digest()
        digest.update(b"\0".join((os.fsencode(name), content, b"")))
    return digest.hexdigest()

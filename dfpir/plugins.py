"""Where code from other packages comes from: distribution, version, and hashes of its source."""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from importlib.metadata import EntryPoint, entry_points, packages_distributions, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

GROUPS = ("dfpir.variants", "dfpir.baselines", "dfpir.studies")
"""Entry point groups that the suite loads."""

_SUITE = frozenset(("dfpir", "baselines", "ablations", "datasets", "reports"))


@dataclass(frozen=True, kw_only=True)
class Plugin:
    """A module outside the suite that defines a model, its loss or a study.

    Attributes:
        module: its name.
        distribution: what was installed; empty for a script.
        version: of the distribution.
        sha256: of the module's source file; empty where there is no file.
    """

    module: str
    distribution: str
    version: str
    sha256: str

    def to_json(self) -> dict[str, str]:
        """For identities and env.json."""
        return asdict(self)


def plugins_behind(*functions: Callable[..., Any] | None) -> list[Plugin]:
    """The modules outside the suite that these functions and classes, and the classes' bases, are defined in."""
    names = dict.fromkeys(name for function in functions if function is not None for name in _modules_of(function))
    return [_plugin(name) for name in names if not _is_known(name)]


def installed_plugins() -> list[Plugin]:
    """Every module that another distribution's entry points name, whether or not it can be imported."""
    points = {point.module: point for group in GROUPS for point in entry_points(group=group)}
    return [_plugin(name) for name in sorted(points) if name.partition(".")[0] not in _SUITE]


def said_of(point: EntryPoint) -> str:
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
    if inspect.isclass(function) and not _is_known(module):  # what the suite's own classes stand on is no plug-in
        yield from (base.__module__ for base in inspect.getmro(function)[1:])


def _is_known(name: str) -> bool:
    """Whether the suite's version, or a package in env.json, already says which code a module holds."""
    return name.partition(".")[0] in _SUITE | {"torch", "builtins", "typing", "abc", "functools"}


@lru_cache
def _plugin(name: str) -> Plugin:
    """Read once: what counts is the code that was imported."""
    distribution, found = _distribution(name.partition(".")[0])
    return Plugin(module=name, distribution=distribution, version=found, sha256=_source_hash(name))


def _distribution(package: str) -> tuple[str, str]:
    for group in GROUPS:  # an editable installation does not list its packages
        for point in entry_points(group=group):
            if point.module.partition(".")[0] == package and point.dist is not None:
                return point.dist.name, point.dist.version
    names = packages_distributions().get(package, [])
    return (names[0], version(names[0])) if names else ("", "")


def _source_hash(name: str) -> str:
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None and name not in sys.modules:
        try:
            found = find_spec(name)
        except Exception:  # a package that can't be imported; its registry names it
            found = None
        file = found.origin if found is not None else None
    if file is None or not Path(file).is_file():
        return ""
    return hashlib.sha256(Path(file).read_bytes()).hexdigest()

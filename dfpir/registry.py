"""The one registry class: names to functions, in the order of registration, with suggestions for typing errors."""

from __future__ import annotations

import difflib
import fnmatch
import multiprocessing
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from dfpir.plugins import describe_entry_point

T = TypeVar("T")


def suggestion(name: str, choices: Iterable[str]) -> str:
    """` Did you mean 'x'?` or the list of what is known: the end of an error message about an unknown name."""
    names = list(choices)
    likeness = [difflib.SequenceMatcher(None, name, choice).ratio() for choice in names]
    if likeness and max(likeness) >= 0.6:
        return f" Did you mean {names[likeness.index(max(likeness))]!r}?"
    return f" Known: {', '.join(names)}."


_reported: set[str] = set()
"""Plug-ins whose import error was printed: two registries may load one group."""


def _warn_broken(plugin: str, error: Exception) -> None:
    """One line, from the first process alone: those that it starts would repeat it."""
    if multiprocessing.parent_process() is None and plugin not in _reported:
        _reported.add(plugin)
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"warning: plug-in {plugin} is left out: {reason}", file=sys.stderr)


class UnknownNameError(ValueError):
    """A name that no registry entry has."""


class Registry(Generic[T]):
    """Names and what they stand for.

    Args:
        kind: what an entry is, for messages (`variant`, `study`).
        home: the module whose import registers the suite's own entries; imported at the first look-up.
        entry_point_group: other packages' entries, loaded at the first look-up; one that can't be imported is named
            on stderr and left out.
    """

    def __init__(self, kind: str, *, home: str | None = None, entry_point_group: str | None = None) -> None:
        self.kind = kind
        self._home = home
        self._group = entry_point_group
        self._entries: dict[str, T] = {}
        self._labels: dict[str, str] = {}

    def register(self, name: str | None = None, *, label: str = "") -> Callable[[T], T]:
        """Decorator: register a function under its own name, or under `name`.

        Args:
            name: as commands take it.
            label: as tables and figures print it; the name where there is none.

        Raises:
            ValueError: the name is taken by something else.
        """

        def add(entry: T) -> T:
            key = name or str(getattr(entry, "__name__", ""))
            if self._entries.get(key, entry) is not entry:
                raise ValueError(f"{self.kind} {key!r} is registered already: choose another name.")
            self._entries[key] = entry
            self._labels[key] = label or key
            return entry

        return add

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Forget what is registered within the `with` block, as tests and notebooks want it."""
        self._load()
        entries, labels = dict(self._entries), dict(self._labels)
        try:
            yield
        finally:
            self._entries, self._labels = entries, labels

    def _load(self) -> None:
        if self._home is not None:
            home, self._home = self._home, None
            import_module(home)
        if self._group is not None:
            group, self._group = self._group, None
            for point in entry_points(group=group):
                try:
                    point.load()  # importing the module registers what it decorates
                except Exception as error:
                    _warn_broken(describe_entry_point(point), error)

    def __getitem__(self, name: str) -> T:
        self._load()
        if name not in self._entries:
            raise UnknownNameError(f"Unknown {self.kind} {name!r}.{suggestion(name, self._entries)}")
        return self._entries[name]

    def label(self, name: str) -> str:
        """The entry's name for tables and figures; of a name that is not registered that name."""
        self._load()
        return self._labels.get(name, name)

    def __contains__(self, name: object) -> bool:
        self._load()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._load()
        return iter(self._entries)

    def values(self) -> list[T]:
        """All entries, in the order of registration."""
        self._load()
        return list(self._entries.values())

    def names(self, pattern: str = "*") -> list[str]:
        """Registered names that match a shell-style pattern, in the order of registration."""
        return [name for name in self if fnmatch.fnmatch(name, pattern)]

"""Shared by the command lines: output that no console can interrupt, one-line errors, `--version`.

`reports/console.py` is the same file, since neither package imports the other.
"""

from __future__ import annotations

import argparse
import difflib
import errno
import io
import re
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn


def make_output_safe() -> None:
    """Make printing safe: it never ends the command.

    Characters that the console's encoding lacks, and file names that are no text, are printed as backslash escapes.
    After the reader of a pipe has closed it (`| head -1`), output is discarded: the command finishes with its own code.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream is getattr(sys, f"__{name}__"):
            stream.flush()
            if stream.isatty():
                stream.reconfigure(errors="backslashreplace")
            else:
                setattr(sys, name, _wrap_stream(stream))


def format_error(error: Exception, option: str = "") -> str:
    """An error in one line for the user; system errors with the path and the option that fixes them.

    Args:
        error: what was raised.
        option: of the command line for the output path, such as `--out`.
    """
    if not isinstance(error, OSError) or not error.strerror:
        return " ".join(str(error).split())
    place = "" if error.filename is None else str(error.filename)
    if place.endswith(".part"):  # temporary file of `files.writing`
        place = str(Path(place).parent)
    explanation = {
        errno.ENOENT: "no such file or folder",
        errno.EACCES: "no permission",
        errno.EPERM: "no permission",
        errno.EROFS: "that place can only be read",
        errno.ENOSPC: "the disk is full",
        errno.EEXIST: "that is a file; a folder is needed",
        errno.ENOTDIR: "a file stands where a folder is needed",
    }.get(error.errno or 0, error.strerror)
    hint = f": choose another place with {option}" if option else ""
    return f"{place or 'a file'}: {explanation}{hint}."


def readable(name: str) -> str:
    """A file's name as text that can be stored: bytes of it that are no UTF-8 as backslash escapes."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line with the nearest name, exit code 2, and that knows `--version`."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.add_argument("--version", action=_Version, nargs=0, help="print the suite's version and end")

    def error(self, message: str) -> NoReturn:
        near = nearest(message, self._option_string_actions)
        self.exit(2, f"error: {' '.join(message.split())}{near} (see --help)\n")


def nearest(message: str, options: Iterable[str]) -> str:
    """` Did you mean ...?` for argparse's message on an unknown choice or option, where something is like it."""
    choice = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
    option = re.match(r"unrecognized arguments: (--[^ =]+)", message)
    if choice:
        wrong_word, valid_words = choice[1], [word.strip(" '") for word in choice[2].split(",")]
    elif option:
        wrong_word, valid_words = option[1], list(options)
    else:
        return ""
    matches = difflib.get_close_matches(wrong_word.lower(), valid_words, n=1, cutoff=0.6)
    return f". Did you mean {matches[0]}?" if matches else ""


def version() -> str:
    """`dfpir-suite 0.2.0`, or that it is not installed."""
    try:
        return f"dfpir-suite {metadata.version('dfpir-suite')}"
    except metadata.PackageNotFoundError:
        return "dfpir-suite, not installed: run from its folder"


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *unused: Any) -> NoReturn:
        print(version())
        parser.exit()


def _wrap_stream(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    raw = _Pipe(stream.fileno(), "wb", closefd=False)
    line_buffering = stream.line_buffering
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=line_buffering,
        write_through=stream.write_through,
    )


class _Pipe(io.FileIO):
    """A file whose reader may close it."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            if error.errno not in (errno.EPIPE, errno.EINVAL):  # Windows raises EINVAL
                raise
            return memoryview(data).nbytes

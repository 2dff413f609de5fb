"""`python -m ablations.bench NAME`: measure against the released way in the same process, print, write a CSV."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ablations.cli import fail, fail_for, version
from ablations.startup import StartupError, prepare

if TYPE_CHECKING:
    import torch

    from ablations.bench.measurement import Line
    from ablations.bench.options import BenchOptions

    Bench = Callable[[torch.device, int], Iterable[Line]]

_MODULES = {"eval": "evaluate"} | {
    name: name for name in ("data", "load", "metrics", "restore", "statistics", "study", "train")
}
_WITH_SETTINGS = ("eval", "train")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        prepare()
        if arguments[:1] == ["gpu"]:
            from ablations.bench.gpu import command

            return command.main(arguments[1:])
        from ablations.bench.options import BenchOptions
        from ablations.flags import flag_name, iter_options, parse

        known_flags = [flag_name(name) for name, _ in iter_options(BenchOptions())]
        about = str(__doc__)
        options = parse(
            BenchOptions, arguments, prog="python -m ablations.bench", description=about, known_flags=known_flags
        )
        if options.version:
            print(version())
            return 0
        run, path = _chosen(options)
    except StartupError as error:
        fail(str(error))
    except ValueError as error:
        fail_for(error)
    _measure(run, options, path)
    return 0


def _chosen(options: BenchOptions) -> tuple[Bench, Path]:
    """The benchmark and the CSV file that its lines go to."""
    import torch

    from ablations.bench.options import Settings
    from ablations.flags import changed_flags
    from dfpir.registry import suggestion
    from reports.files import require_folder

    name, device, settings = options.bench, torch.device(options.device), options.settings
    if not name:
        raise ValueError(
            f"A benchmark is needed: python -m ablations.bench NAME. One of: {', '.join([*_MODULES, 'gpu'])}."
        )
    if name not in _MODULES:
        raise ValueError(f"Unknown benchmark {name!r}.{suggestion(name, [*_MODULES, 'gpu'])}")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda needs a GPU that PyTorch finds")
    run, stem = import_module(f"ablations.bench.{_MODULES[name]}").run, f"{name}-{device}"
    if name in _WITH_SETTINGS:
        settings.check(device)
        run, stem = partial(run, settings=settings), "-".join(filter(None, (stem, settings.stem())))
    elif flags := changed_flags(settings, Settings()).values():
        raise ValueError(f"{', '.join(flags)}: for the benchmarks train and eval alone, not for {name}.")
    path = options.out or Path("runs") / "bench" / f"{stem}.csv"
    require_folder(path.parent, "--out")
    return run, path


def _measure(run: Bench, options: BenchOptions, path: Path) -> None:
    import torch
    from rich.console import Console

    from ablations.bench.measurement import Record
    from reports.figures import scale

    console, device = Console(highlight=False, markup=False), torch.device(options.device)
    record = Record(options.bench, device, path)
    console.print(f"Each line goes to {path} as it is made.", soft_wrap=True)
    for line in run(device, options.repeats):
        record.add(line)
        console.print(str(line), soft_wrap=True)
    console.print(f"Written: {path}", soft_wrap=True)
    picture = scale.draw(record.frame(), path.parent, path.stem)
    if picture is not None:
        console.print(f"Written: {picture.png} and, for print, .svg and .pdf", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())

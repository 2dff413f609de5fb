"""`python -m ablations.bench NAME`: measure against the released code in the same process, print, write a CSV file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ablations.cli import fail, fail_for
from ablations.startup import StartupError, prepare

if TYPE_CHECKING:
    import torch

    from ablations.bench.measurement import Measurement
    from ablations.bench.options import BenchOptions

    BenchFunction = Callable[[torch.device, int], Iterable[Measurement]]

_MODULES = {"eval": "evaluate"} | {
    name: name for name in ("data", "load", "metrics", "restore", "statistics", "study", "train")
}
_BENCHES_WITH_SETTINGS = ("eval", "train")


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        prepare()
        if arguments[:1] == ["gpu"]:
            from ablations.bench.gpu import command

            return command.main(arguments[1:])
        from ablations.bench.options import BenchOptions
        from ablations.flags import parse

        options = parse(BenchOptions, arguments, prog="python -m ablations.bench", description=str(__doc__))
        run, path = _select_bench(options)
        _run_bench(run, options, path)
    except StartupError as error:
        fail(str(error))
    except (ValueError, OSError) as error:
        fail_for(error)
    except KeyboardInterrupt:
        print("Interrupted. The file holds what was measured so far.", file=sys.stderr)
        return 130
    return 0


def _select_bench(options: BenchOptions) -> tuple[BenchFunction, Path]:
    """The function of the benchmark and the CSV file of its measurements."""
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
    if name in _BENCHES_WITH_SETTINGS:
        settings.check(device)
        run, stem = partial(run, settings=settings), "-".join(filter(None, (stem, settings.stem())))
    elif flags := changed_flags(settings, Settings()).values():
        raise ValueError(f"{', '.join(flags)}: for the benchmarks train and eval only, not for {name}.")
    path = options.out or Path("runs") / "bench" / f"{stem}.csv"
    if path.is_dir():
        raise ValueError(f"--out {path}: that is a folder; name the CSV file to write.")
    require_folder(path.parent, "--out")
    return run, path


def _run_bench(run: BenchFunction, options: BenchOptions, path: Path) -> None:
    import torch
    from rich.console import Console

    from ablations.bench.measurement import ResultsFile
    from reports.figures import scale

    console, device = Console(highlight=False, markup=False), torch.device(options.device)
    results = ResultsFile(options.bench, device, path)
    console.print(f"Each line is also written to {path}.", soft_wrap=True)
    for measurement in run(device, options.repeats):
        results.add(measurement)
        console.print(str(measurement), soft_wrap=True)
    console.print(f"Written: {path}", soft_wrap=True)
    figure = scale.draw(results.frame(), path.parent, path.stem)
    if figure is not None:
        console.print(f"Written: {figure.png} and, for print, .svg and .pdf", soft_wrap=True)


if __name__ == "__main__":
    sys.exit(main())

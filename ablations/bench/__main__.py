"""`python -m ablations.bench NAME`: measure against the released way in the same process, print, write a CSV."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from ablations.cli import Parser, fail, fail_for
from ablations.startup import StartupError, prepare


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    try:
        prepare()
    except StartupError as error:
        fail(str(error))
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["gpu"]:
        from ablations.bench.gpu import command

        return command.main(arguments[1:])
    import torch
    from rich.console import Console

    from ablations.bench import data, evaluate, load, metrics, restore, statistics, study, train
    from ablations.bench.options import add_flags, given, settings_of
    from ablations.bench.record import Line, Record
    from dfpir.registry import suggestion
    from reports.figures import scale
    from reports.files import require_folder

    benches: dict[str, Callable[[torch.device, int], Iterable[Line]]] = {
        "data": data.run,
        "train": train.run,
        "eval": evaluate.run,
        "load": load.run,
        "metrics": metrics.run,
        "restore": restore.run,
        "statistics": statistics.run,
        "study": study.run,
    }
    parser = Parser(prog="python -m ablations.bench", description=__doc__)
    parser.add_argument("bench", metavar="NAME", help=f"one of: {', '.join(benches)}")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--repeats", type=int, default=5, help="measured repeats after the warm-up (default: 5)")
    parser.add_argument("--out", type=Path, help="CSV file to write (default: runs/bench/NAME-DEVICE[-FLAGS].csv)")
    flags = add_flags(parser)
    options = parser.parse_args(argv)
    if options.bench not in benches:
        print(f"error: Unknown benchmark {options.bench!r}.{suggestion(options.bench, benches)}", file=sys.stderr)
        return 2
    if options.repeats < 1 or (options.device == "cuda" and not torch.cuda.is_available()):
        print("error: --repeats is 1 or more, and --device cuda needs a GPU that PyTorch finds", file=sys.stderr)
        return 2
    device, stem = torch.device(options.device), f"{options.bench}-{options.device}"
    run = benches[options.bench]
    try:
        if run in (train.run, evaluate.run):
            settings = settings_of(options, device)
            run = partial(run, settings=settings)
            stem = "-".join(filter(None, (stem, settings.stem())))
        elif words := given(options, flags):
            raise ValueError(f"{', '.join(words)}: for the benchmarks train and eval alone, not for {options.bench}.")
        path = options.out or Path("runs") / "bench" / f"{stem}.csv"
        require_folder(path.parent, "--out")
    except ValueError as error:
        fail_for(error)
    console = Console(highlight=False, markup=False)
    record = Record(options.bench, device, path)
    console.print(f"Each line goes to {path} as it is made.", soft_wrap=True)
    for line in run(device, options.repeats):
        record.add(line)
        console.print(str(line), soft_wrap=True)
    console.print(f"Written: {path}", soft_wrap=True)
    picture = scale.draw(record.frame(), path.parent, path.stem)
    if picture is not None:
        console.print(f"Written: {picture.png} and, for print, .svg and .pdf", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

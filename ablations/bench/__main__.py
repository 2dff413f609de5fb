"""`python -m ablations.bench NAME`: measure against the released way in the same process, print, write a CSV."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ablations.cli import Parser, fail
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
    from ablations.bench.record import Line, table, write
    from dfpir.registry import suggestion
    from reports.figures import scale

    benches: dict[str, Callable[[torch.device, int], list[Line]]] = {
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
    parser.add_argument("--repeats", type=int, default=5, help="measured repeats after one warm-up (default: 5)")
    parser.add_argument("--out", type=Path, help="CSV file to write (default: runs/bench/NAME-DEVICE.csv)")
    options = parser.parse_args(argv)
    if options.bench not in benches:
        print(f"error: Unknown benchmark {options.bench!r}.{suggestion(options.bench, benches)}", file=sys.stderr)
        return 2
    if options.repeats < 1 or (options.device == "cuda" and not torch.cuda.is_available()):
        print("error: --repeats is 1 or more, and --device cuda needs a GPU that PyTorch finds", file=sys.stderr)
        return 2
    device = torch.device(options.device)
    frame = table(options.bench, benches[options.bench](device, options.repeats), device)
    console = Console(highlight=False)
    console.print(frame[["what", "value", "unit", "spread", "ratio"]].to_string(index=False), soft_wrap=True)
    path = write(frame, options.out or Path("runs") / "bench" / f"{options.bench}-{options.device}.csv")
    console.print(f"Written: {path}", soft_wrap=True)
    picture = scale.draw(frame, path.parent, path.stem)
    if picture is not None:
        console.print(f"Written: {picture.png} and, for print, .svg and .pdf", soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

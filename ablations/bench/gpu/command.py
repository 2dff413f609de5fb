"""The command line of `python -m ablations.bench gpu`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from ablations.bench.gpu.card import PROJECT
from ablations.bench.gpu.checks import CHECKS, run_check
from ablations.bench.gpu.plan import Place, make_steps
from ablations.bench.gpu.runner import Record, Row, Step, file_name, results_in, run_steps
from ablations.bench.gpu.summary import is_good, read_results, summary
from ablations.cli import Parser, fail, fail_for

SECONDS = 575.0
_CARD_S = 90.0
_MOST_AT_ONCE, _GIB_EACH = 8, 8  # processes that share the device in the checks


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code (0 all right, 1 something is not, 2 bad input, 130 interrupted)."""
    options = _parse(argv)
    if options.check:
        return run_check(options.check, options.device)
    if options.seconds <= 0:
        fail(f"--seconds {options.seconds:g}: a positive number is needed, such as {SECONDS:g}.")
    if options.photos is not None and not options.photos.is_dir():
        fail(f"--photos {options.photos}: no such folder; left out, the embedded photographs are taken.")
    with tempfile.TemporaryDirectory(prefix="dfpir-gpu-", ignore_cleanup_errors=True) as work:
        if options.list:
            return _list(_chosen(options, Place(device=options.device, out=Path("OUT"), work=Path("WORK"))))
        return _run(options, Path(work))


def _parse(argv: Sequence[str] | None) -> Namespace:
    parser = Parser(prog="python -m ablations.bench gpu", description="What a GPU computes, and how fast: docs/gpu.md.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="for everything (default: %(default)g)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: all at toy size")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="steps whose name holds one of these")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: runs/gpu/CARD; added to where it exists")
    parser.add_argument("--photos", type=Path, metavar="FOLDER", help="photographs for the studies (default: embedded)")
    parser.add_argument("--list", action="store_true", help="list the steps and stop")
    parser.add_argument("--check", choices=tuple(CHECKS), metavar="NAME", help="one check in this process")
    return parser.parse_args(argv)


def _run(options: Namespace, work: Path) -> int:
    _environment()
    machine = _card(options.device)
    out = (options.out or Path("runs") / "gpu" / file_name(str(machine["card"]))).resolve()
    photos = options.photos.resolve() if options.photos else None
    memory = float(machine.get("memory_gib", 0))
    steps = _chosen(options, Place(device=options.device, out=out, work=work, photos=photos, memory_gib=memory))
    try:
        (out / "bench").mkdir(parents=True, exist_ok=True)
        record = Record(out, lambda line: print(line, flush=True))
    except OSError as error:
        fail_for(error)
    record.note(_CARD, "done", [machine])
    max_parallel = (
        1 if options.device == "cpu" else min(_MOST_AT_ONCE, (os.cpu_count() or 2) // 2, int(memory // _GIB_EACH))
    )
    code = 0
    try:
        run_steps(steps, record, seconds=options.seconds, max_parallel=max_parallel)
    except KeyboardInterrupt:
        code = 130
    record.close()
    everything = make_steps(Place(device=options.device, out=out, work=work, photos=photos, memory_gib=memory))
    text = summary(everything, read_results(out / "results.jsonl"))
    (out / "summary.md").write_text(text, encoding="utf-8")
    print(f"\n{text}\nWritten: {out / 'summary.md'}, results.jsonl, and each step's output beside them")
    return code or (0 if is_good(record.rows) else 1)


_CARD = Step(name="card", shows="the machine", command=(), limit_s=_CARD_S)


def _card(device: str) -> Row:
    """What the check `card` says, in a process of its own.

    Raises:
        SystemExit: it finds no such device.
    """
    command = [sys.executable, "-W", "ignore", "-m", "ablations.bench", "gpu", "--check", "card", "--device", device]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_CARD_S, check=False)
    except subprocess.TimeoutExpired:
        fail(f"The device gave no answer in {_CARD_S:g} s: {' '.join(command)}")
    found = results_in(done.stdout)
    if not found:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        fail(f"No {device} that PyTorch can use here ({last}); --device cpu tries everything at toy size.")
    return found[0]


def _environment() -> None:
    """What every step's process has."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ["PYTHONUNBUFFERED"] = "1"  # what a step said before it was ended is wanted
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))


def _chosen(options: Namespace, place: Place) -> list[Step]:
    steps = make_steps(place)
    if options.only is None:
        return steps
    found = [step for step in steps if any(word.lower() in step.name.lower() for word in options.only)]
    if not found:
        fail(f"--only {' '.join(options.only)}: no step is called so; --list shows them.")
    return found


def _list(steps: Sequence[Step]) -> int:
    for step in steps:
        when = "with others" if step.together else "alone"
        note = f" [skipped here: {step.skipped}]" if step.skipped else ""
        print(f"{step.name:40} {step.limit_s:4.0f} s, {when:11}  {step.shows}{note}")
    return 0

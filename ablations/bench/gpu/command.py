"""The command line of `python -m ablations.bench gpu`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from ablations.bench.gpu.card import PROJECT
from ablations.bench.gpu.checks import CHECKS, run_check
from ablations.bench.gpu.runner import Record, Row, Step, file_name, results_in, run_steps
from ablations.bench.gpu.steps import Place, make_steps
from ablations.bench.gpu.summary import is_good, read_results, summary
from ablations.cli import fail, fail_for, version
from ablations.flags import (
    OPTION,
    Switch,
    choice,
    flag_name,
    iter_options,
    parse,
    positive_number,
    single_value,
    value_list,
)

SECONDS = 575.0
_CARD_S = 90.0
_MOST_AT_ONCE, _GIB_EACH = 8, 8  # processes that share the device in the checks


@dataclass(frozen=True, kw_only=True)
class GPUOptions:
    """What is asked of a GPU.

    Attributes:
        seconds: for everything
        device: cuda; cpu tries a few steps at toy size
        only: steps whose name holds one of these
        out: where results go (default: runs/gpu/CARD); added to where it exists
        photos: photographs for the studies (default: embedded)
        list: list the steps and stop
        check: one check, in this process
        version: print the suite's version
    """

    seconds: Annotated[float, single_value("--seconds", "N", positive_number), OPTION] = SECONDS
    device: Annotated[str, single_value("--device", "NAME", choice("cuda", "cpu")), OPTION] = "cuda"
    only: Annotated[tuple[str, ...], value_list("--only", "NAME ..."), OPTION] = ()
    out: Annotated[Path | None, single_value("--out", "FOLDER", Path), OPTION] = None
    photos: Annotated[Path | None, single_value("--photos", "FOLDER", Path), OPTION] = None
    list: Switch = False
    check: Annotated[str | None, single_value("--check", "NAME", choice(*CHECKS)), OPTION] = None
    version: Switch = False


def main(argv: Sequence[str]) -> int:
    """Entry point; returns the exit code (0 all right, 1 something is not, 2 bad input, 130 interrupted)."""
    what = "What a GPU computes, and how fast: docs/gpu.md."
    known_flags = [flag_name(name) for name, _ in iter_options(GPUOptions())]
    try:
        options = parse(
            GPUOptions, argv, prog="python -m ablations.bench gpu", description=what, known_flags=known_flags
        )
    except ValueError as error:
        fail_for(error)
    if options.version:
        print(version())
        return 0
    if options.check:
        return run_check(options.check, options.device)
    if options.photos is not None and not options.photos.is_dir():
        fail(f"--photos {options.photos}: no such folder; left out, the embedded photographs are taken.")
    with tempfile.TemporaryDirectory(prefix="dfpir-gpu-", ignore_cleanup_errors=True) as work:
        place = Place(device=options.device, out=Path("OUT"), work=Path("WORK"))
        if options.list:
            return _list(_chosen(options, place))
        return _run(options, replace(place, work=Path(work)))


def _run(options: GPUOptions, place: Place) -> int:
    _environment()
    machine = _card(options.device)
    out = (options.out or Path("runs") / "gpu" / file_name(str(machine["card"]))).resolve()
    photos = options.photos.resolve() if options.photos else None
    place = replace(place, out=out, photos=photos, memory_gib=float(machine.get("memory_gib", 0)))
    steps = _chosen(options, place)
    try:
        (out / "bench").mkdir(parents=True, exist_ok=True)
        record = Record(out, lambda line: print(line, flush=True))
    except OSError as error:
        fail_for(error)
    record.note(_CARD, "done", [machine])
    at_once = min(_MOST_AT_ONCE, (os.cpu_count() or 2) // 2, int(place.memory_gib // _GIB_EACH))
    code = 0
    try:
        run_steps(steps, record, seconds=options.seconds, max_parallel=1 if place.toy else at_once)
    except KeyboardInterrupt:
        code = 130
    record.close()
    text = summary(make_steps(place), read_results(out / "results.jsonl"))
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


def _chosen(options: GPUOptions, place: Place) -> list[Step]:
    steps = make_steps(place)
    if not options.only:
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

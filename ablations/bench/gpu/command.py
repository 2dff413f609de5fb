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
from ablations.bench.gpu.runner import ResultsLog, Row, Step, file_name, results_in, run_steps
from ablations.bench.gpu.steps import StepFactory, make_steps
from ablations.bench.gpu.summary import all_steps_ok, read_results, summary
from ablations.cli import fail, fail_for
from ablations.flags import (
    OPTION,
    Switch,
    choice,
    parse,
    positive_number,
    single_value,
    value_list,
)

SECONDS = 575.0
_CARD_S = 90.0
_MAX_PARALLEL, _GIB_PER_PROCESS = 8, 8  # processes that share the device in the checks


@dataclass(frozen=True, kw_only=True)
class GPUOptions:
    """Which checks, and where their results go.

    Attributes:
        seconds: time limit of all steps
        device: cuda, or cpu: a few steps at toy size
        only: run only steps whose name contains one of these
        out: folder of the results (default: runs/gpu/CARD); new results are appended
        photos: photographs of the studies (default: embedded)
        list: list the steps and exit
        check: run one check in this process
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
    """Entry point; returns the exit code (0 all correct, 1 a failure, 2 bad input, 130 interrupted)."""
    description = "Check and time a GPU: docs/gpu.md."
    try:
        options = parse(GPUOptions, argv, prog="python -m ablations.bench gpu", description=description)
    except ValueError as error:
        fail_for(error)
    if options.check:
        return run_check(options.check, options.device)
    if options.photos is not None and not options.photos.is_dir():
        fail(f"--photos {options.photos}: no such folder; leave it out for the embedded photographs.")
    with tempfile.TemporaryDirectory(prefix="dfpir-gpu-", ignore_cleanup_errors=True) as work:
        factory = StepFactory(device=options.device, out=Path("OUT"), work=Path("WORK"))
        if options.list:
            return _list(_select_steps(options, factory))
        return _run(options, replace(factory, work=Path(work)))


def _run(options: GPUOptions, factory: StepFactory) -> int:
    _set_environment()
    machine = _check_card(options.device)
    out = (options.out or Path("runs") / "gpu" / file_name(str(machine["card"]))).resolve()
    photos = options.photos.resolve() if options.photos else None
    factory = replace(factory, out=out, photos=photos, memory_gib=float(machine.get("memory_gib", 0)))
    steps = _select_steps(options, factory)
    try:
        (out / "bench").mkdir(parents=True, exist_ok=True)
        log = ResultsLog(out, lambda line: print(line, flush=True))
    except OSError as error:
        fail_for(error)
    log.note(_CARD_STEP, "done", [machine])
    max_parallel = min(_MAX_PARALLEL, (os.cpu_count() or 2) // 2, int(factory.memory_gib // _GIB_PER_PROCESS))
    code = 0
    try:
        run_steps(steps, log, seconds=options.seconds, max_parallel=1 if factory.toy else max_parallel)
    except KeyboardInterrupt:
        code = 130
    log.close()
    text = summary(make_steps(factory), read_results(out / "results.jsonl"))
    (out / "summary.md").write_text(text, encoding="utf-8")
    print(f"\n{text}\nWritten: {out / 'summary.md'}, results.jsonl, and each step's output beside them")
    return code or (0 if all_steps_ok(log.rows) else 1)


_CARD_STEP = Step(name="card", description="the machine", command=(), limit_s=_CARD_S)


def _check_card(device: str) -> Row:
    """The result of the check `card`, run in a process.

    Raises:
        SystemExit: there is no such device.
    """
    command = [sys.executable, "-W", "ignore", "-m", "ablations.bench", "gpu", "--check", "card", "--device", device]
    try:
        process = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_CARD_S, check=False
        )
    except subprocess.TimeoutExpired:
        fail(f"The device gave no answer in {_CARD_S:g} s: {' '.join(command)}")
    results = results_in(process.stdout)
    if not results:
        last_line = (process.stderr.strip().splitlines() or ["no output"])[-1]
        fail(f"No {device} that PyTorch can use here ({last_line}); --device cpu tries everything at toy size.")
    return results[0]


def _set_environment() -> None:
    """Set the environment of all steps."""
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ["PYTHONUNBUFFERED"] = "1"  # the output of a step that is killed is needed
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))


def _select_steps(options: GPUOptions, factory: StepFactory) -> list[Step]:
    steps = make_steps(factory)
    if not options.only:
        return steps
    selected = [step for step in steps if any(word.lower() in step.name.lower() for word in options.only)]
    if not selected:
        fail(f"--only {' '.join(options.only)}: no step matches; --list shows them.")
    return selected


def _list(steps: Sequence[Step]) -> int:
    for step in steps:
        sharing = "with others" if step.shares_device else "alone"
        note = f" [skipped here: {step.skipped}]" if step.skipped else ""
        print(f"{step.name:40} {step.limit_s:4.0f} s, {sharing:11}  {step.description}{note}")
    return 0

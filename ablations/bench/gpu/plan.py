"""What is found out, ordered by worth; on a CPU some of it at toy size, which shows that the commands work."""

from __future__ import annotations

import csv
import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ablations.bench.gpu.card import PROJECT, fixtures_folder, missing
from ablations.bench.gpu.runner import Reader, Row, Step, file_name

NEEDS_GPU = "tried on a GPU alone"
_TOYS = (
    "fixtures", "kernels", "switches", "resume", "memory_format", "torchrun with one process", "train: graphs, batch 5",
    "eval: graphs",
)  # fmt: skip

_DETERMINISTIC = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
_SHARED = {"OMP_NUM_THREADS": "2"}
"""Of steps that run together, each of which would take all cores."""
_COLUMNS = ("what", "unit", "value", "spread", "ratio", "note")
_ROOMY_GIB = 70.0
"""A card on which a batch of 32 may be compiled beside the checks."""

_LEAN = ("--precision", "bf16", "--padding", "on")
_GRAPHS = (*_LEAN, "--cuda-graphs")
_COMPILED = (*_LEAN, "--compile", "--cuda-graphs")
_FIVE, _MANY, _EVAL = ("train", "--batch", "5"), ("train", "--batch", "32"), ("eval", "--batch", "4")
_OURS, _RELEASED = ("--way", "ours"), ("--way", "released")
_REFERENCE: dict[tuple[str, ...], str] = {
    _FIVE: "train: released way, batch 5",
    _MANY: "train: released way, batch 32",
    _EVAL: "eval: both ways",
}
"""Step that a timed one of the same words is compared to."""

_SAID = ("at once on this GPU", "not used")
"""In what a study's command says of its choices."""
_SMOKE = ("gamma_sweep", "--budget", "smoke")
_RUN = ("-m", "ablations.run")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the steps run and what they may use.

    Attributes:
        device: `cuda` or `cpu`.
        out: folder of the results, which the benches' CSV files go to.
        work: folder that is removed afterwards, for runs.
        photos: folder of photographs for the studies; None for the embedded ones.
        memory_gib: of the card.
    """

    device: str
    out: Path
    work: Path
    photos: Path | None = None
    memory_gib: float = 0.0

    @property
    def toy(self) -> bool:
        """Whether all is tried at the smallest size."""
        return self.device == "cpu"

    def check(self, check: str, shows: str, limit_s: float, **step: Any) -> Step:
        """A step by `--check`, in a process of its own; beside others, untimed, unless `together` says otherwise."""
        words = ("-W", "ignore", "-m", "ablations.bench", "gpu", "--check", check, "--device", self.device)
        given: dict[str, Any] = {"name": check, "together": True} | step
        return Step(shows=shows, command=(sys.executable, *words), limit_s=limit_s, **given)

    def bench(self, name: str, shows: str, limit_s: float, *words: str, repeats: int = 3, skipped: str = "") -> Step:
        """A step by `python -m ablations.bench`, read from the CSV that it writes line by line."""
        path = self.out / "bench" / f"{file_name(name)}.csv"
        against = _REFERENCE.get(words[:3], "")
        last = ("--device", self.device, "--repeats", str(1 if self.toy else repeats), "--out", str(path))
        if self.toy:
            words = tuple("fp32" if word == "bf16" else word for word in words)  # not every CPU has bf16
            last = (*(("--size", "tiny", "--pixels", "32") if against else ()), *last)
        return Step(
            name=name,
            shows=shows,
            command=(sys.executable, "-m", "ablations.bench", *words, *last),
            limit_s=limit_s,
            read=rows_of(path),
            against=against,
            skipped=skipped or (missing("triton") if "--compile" in words else ""),
        )

    def study(self, name: str, shows: str, limit_s: float, *words: str, by: Sequence[str] = _RUN, **step: Any) -> Step:
        """A step by `python -m ablations.run`, read from the runs that it left; at `smoke` it is not timed."""
        folder = self.work / file_name(name)
        return Step(
            name=name,
            shows=shows,
            command=(sys.executable, *by, *words, "--device", self.device, "--out", str(folder)),
            limit_s=limit_s,
            together="smoke" in words,
            read=runs_in(folder),
            **step,
        )


def make_steps(place: Place) -> list[Step]:
    """All steps in the order in which they are begun: the ones that share the device, then the timed ones by worth."""
    steps = [*_untimed(place), *_training(place), *_evaluation(place), *_rest(place)]
    steps = [replace(step, env={**_SHARED, **step.env}) if step.together else step for step in steps]
    if place.toy:
        return [replace(step, skipped=step.skipped or ("" if step.name in _TOYS else NEEDS_GPU)) for step in steps]
    return steps


def _untimed(place: Place) -> Iterator[Step]:
    check, triton = place.check, missing("triton")
    absent = "" if fixtures_folder() else "no fixtures of the released code beside the project (../shared/parity)"
    yield check("fixtures", "outputs and gradient norms of the released code, in each precision", 90, skipped=absent)
    yield check("kernels", "Triton's kernels against PyTorch in float64", 120, skipped=triton)
    same = "graphs, checkpointing and kernels give the plain run's losses"
    yield check("switches", same, 150, env=_DETERMINISTIC)
    same = "torch.compile, alone and in a graph, gives the plain run's losses"
    yield check("compiled", same, 200, env=_DETERMINISTIC, skipped=triton)
    yield check("repeat", "are two runs equal as they are made?", 90)
    same = "are two runs equal with deterministic cuDNN?"
    yield check("repeat", same, 90, name="repeat, deterministic", env=_DETERMINISTIC)
    yield check("resume", "a stopped run goes on as one in one go", 90, env=_DETERMINISTIC)
    yield check("out_of_memory", "the batch is halved; a capture that runs out of memory does no harm", 120)
    yield check("memory_format", "do all norms and convolutions get channels-last memory?", 60)
    yield _pytest()
    # what the timed steps compile, compiled beside the checks: they find it in the compiler's cache
    shows = "the first step's seconds; fills the compiler's cache for the timed ones"
    for name, words in (("batch 5", _FIVE), ("batch 32", _MANY), ("eval", _EVAL)):
        close = words == _MANY and not place.toy and place.memory_gib < _ROOMY_GIB
        skipped = "too little memory beside the checks" if close else ""
        step = place.bench(f"compiling, {name}", shows, 200, *words, *_OURS, *_COMPILED, repeats=1, skipped=skipped)
        yield replace(step, together=True, against="")
    one = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1", *_RUN)
    distributed = (*_SMOKE, "--only", "dfpir_g50", "--launcher", "torchrun")
    name, backend = "torchrun with one process", "Gloo" if place.toy else "NCCL"
    yield place.study(name, f"the distributed path, by {backend}", 120, *distributed, by=one)
    shows = "a graph beside DistributedDataParallel, or a reason why not"
    yield place.study(f"{name}, CUDA graphs", shows, 120, *distributed, "--cuda-graphs", by=one)
    yield place.study("jobs auto", "how many runs it puts on the card, and why", 150, *_SMOKE, "--jobs", "auto")


def _training(place: Place) -> Iterator[Step]:
    bench, clip, fastest = place.bench, missing("open_clip"), "the fastest way"
    yield place.check("ceilings", "products, a copy and a launch: what the card gives", 60, together=False)
    yield bench(_REFERENCE[_FIVE], "the reference", 60, *_FIVE, *_RELEASED, skipped=clip)
    plain = ("--precision", "bf16", "--padding", "off")
    yield bench("train: eager, batch 5", "bf16, widths not padded", 60, *_FIVE, *_OURS, *plain)
    yield bench("train: graphs, batch 5", "padded widths, no launches", 60, *_FIVE, *_OURS, *_GRAPHS)
    yield bench("train: compile, graphs, batch 5", fastest, 120, *_FIVE, *_OURS, *_COMPILED)
    shows, triton = "whether the kernels earn their keep", (*_GRAPHS, "--kernels", "triton")
    absent = missing("triton")
    yield bench("train: Triton, graphs, batch 5", shows, 80, *_FIVE, *_OURS, *triton, skipped=absent)
    yield bench(_REFERENCE[_MANY], "or the largest half that fits", 75, *_MANY, *_RELEASED, skipped=clip)
    yield bench("train: compile, graphs, batch 32", fastest, 120, *_MANY, *_OURS, *_COMPILED)
    yield bench("train: graphs, batch 32", "bf16, padded widths", 60, *_MANY, *_OURS, *_GRAPHS)


def _evaluation(place: Place) -> Iterator[Step]:
    bench, both = place.bench, (*_EVAL, "--way", "both", *_LEAN)
    yield bench(_REFERENCE[_EVAL], "481 x 321 px, scores included", 75, *both, skipped=missing("open_clip"))
    yield bench("eval: graphs", "eager kernels, no launches", 60, *_EVAL, *_OURS, *_GRAPHS)
    yield bench("eval: compile, graphs", "the fastest way", 90, *_EVAL, *_OURS, *_COMPILED)
    yield bench("data", "patches a second of the data path, and of four runs at once", 150, "data")
    yield bench("metrics", "PSNR and SSIM on the device, and whether they agree", 45, "metrics")


def _rest(place: Place) -> Iterator[Step]:
    source = ("--data", str(place.photos)) if place.photos else ()
    several = (*source, "--jobs", "4", "--cuda-graphs")
    shows = f"gamma_sweep at demo on {'your' if place.photos else 'the embedded'} photographs, four runs at once"
    yield place.study("study", shows, 200, "gamma_sweep", "--budget", "demo", *several)
    yield place.check("pace", "eager steps as they are", 45, together=False)
    given: dict[str, Any] = {"name": "pace, deterministic", "env": _DETERMINISTIC, "together": False}
    yield place.check("pace", "what deterministic cuDNN costs", 45, **given)
    others = ("--precision", "fp32", "tf32", "--padding", "on")
    yield place.bench("train: fp32 and TF32, batch 5", "the other precisions, eager", 75, *_FIVE, *_OURS, *others)
    yield place.bench("train: eager, padded, batch 5", "what aligned widths give alone", 60, *_FIVE, *_OURS, *_LEAN)
    yield place.check("kernel_times", "each kernel beside PyTorch at the model's shapes", 60, together=False)
    shows = "components at small, four at once: steps and runs a second until time is up"
    yield place.study("sweep", shows, 600, "components", "--budget", "small", *several, open_ended=True)


def _pytest() -> Step:
    files = [PROJECT / "tests" / "unit" / name for name in ("test_kernels.py", "test_acceleration.py")]
    absent = "" if all(file.is_file() for file in files) else "the tests are in a checkout alone"
    # a warning of another Triton must not fail a test here: what it computes is the question
    warnings = ("-o", "filterwarnings=default")
    options = ("-q", "-p", "no:cacheprovider", *warnings, "-m", "not slow", "--rootdir", str(PROJECT))
    return Step(
        name="tests of the suite",
        shows="tests of kernels and switches on the card",
        command=(sys.executable, "-m", "pytest", *options, *map(str, files)),
        limit_s=200,
        together=True,
        read=_last_line,
        skipped=missing("pytest") or absent,
    )


def rows_of(path: Path) -> Reader:
    """The lines of a bench's CSV, also of one that was ended; a value that was not measured is None."""

    def read(output: str) -> list[Row]:
        if not path.is_file():
            return []
        with path.open(encoding="utf-8", newline="") as stream:
            lines = list(csv.DictReader(stream))
        return [{name: _number(line[name]) for name in _COLUMNS if line.get(name)} for line in lines]

    return read


def runs_in(folder: Path) -> Reader:
    """How many runs of a study are done and how many failed, and what the command said of its choices."""

    def read(output: str) -> list[Row]:
        done, failed = (sum(1 for _ in folder.glob(f"*/{name}")) for name in ("DONE", "ERROR.json"))
        steps = sum(_steps_logged(path) for path in folder.glob("*/train.jsonl"))
        said = [line.strip() for line in output.splitlines() if any(words in line for words in _SAID)]
        row: Row = {"runs": done, "failed": failed, "steps": steps, "ok": not failed}
        return [row | ({"said": said[0]} if said else {})] if done or failed or steps else []

    return read


def _steps_logged(path: Path) -> int:
    """The last step of a run's log."""
    found = re.findall(r'"step": (\d+)', path.read_text(encoding="utf-8", errors="replace"))
    return int(found[-1]) if found else 0


def _last_line(output: str) -> list[Row]:
    """What pytest ends with: `40 passed in 12 s`."""
    lines = [line for line in output.splitlines() if " passed" in line or " failed" in line]
    return [{"said": lines[-1].strip("= "), "ok": " failed" not in lines[-1]}] if lines else []


def _number(text: str) -> float | str | None:
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else None

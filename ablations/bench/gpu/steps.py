"""The steps, most important first; on a CPU some run at toy size, to check that the commands work."""

from __future__ import annotations

import csv
import math
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ablations.bench.gpu.card import PROJECT, find_fixtures, missing_packages
from ablations.bench.gpu.runner import Reader, Row, Step, file_name
from reports import layout

NEEDS_GPU = "needs a GPU"
_CPU_STEPS = (
    "fixtures", "kernels", "switches", "resume", "memory_format", "torchrun with one process", "train: graphs, batch 5",
    "eval: graphs",
)  # fmt: skip

_DETERMINISTIC_ENV = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
_SHARED_ENV = {"OMP_NUM_THREADS": "2"}
"""Of steps that run in parallel, each of which would use all cores."""
_COLUMNS = ("what", "unit", "value", "spread", "ratio", "note")
_LARGE_GIB = 70.0
"""Memory of a card that compiles a batch of 32 in parallel with the checks."""

_BF16_PADDED = ("--precision", "bf16", "--padding", "on")
_GRAPHS = (*_BF16_PADDED, "--cuda-graphs")
_COMPILED = (*_BF16_PADDED, "--compile", "--cuda-graphs")
_BATCH_5, _BATCH_32, _EVAL = ("train", "--batch", "5"), ("train", "--batch", "32"), ("eval", "--batch", "4")
_OURS, _RELEASED = ("--way", "ours"), ("--way", "released")
_REFERENCE: dict[tuple[str, ...], str] = {
    _BATCH_5: "train: released way, batch 5",
    _BATCH_32: "train: released way, batch 32",
    _EVAL: "eval: both ways",
}
"""Arguments of a timed step -> the step that it is compared to."""

_CHOICE_MESSAGES = ("at once on this GPU", "not used")
"""Phrases of the messages in which a study's command explains its choices."""
_SMOKE = ("gamma_sweep", "--budget", "smoke")
_RUN = ("-m", "ablations.run")


@dataclass(frozen=True, kw_only=True)
class StepFactory:
    """Makes steps for a device and its folders.

    Attributes:
        device: `cuda` or `cpu`.
        out: folder of the results, with the benches' CSV files.
        work: temporary folder for runs.
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
        """Whether steps run at toy size."""
        return self.device == "cpu"

    def check(self, check: str, description: str, limit_s: float, **step: Any) -> Step:
        """A step by `--check`; by default untimed and in parallel with others."""
        arguments = ("-W", "ignore", "-m", "ablations.bench", "gpu", "--check", check, "--device", self.device)
        options: dict[str, Any] = {"name": check, "shares_device": True} | step
        return Step(description=description, command=(sys.executable, *arguments), limit_s=limit_s, **options)

    def bench(
        self, name: str, description: str, limit_s: float, *arguments: str, repeats: int = 3, skipped: str = ""
    ) -> Step:
        """A step by `python -m ablations.bench`, read from its CSV file."""
        path = self.out / "bench" / f"{file_name(name)}.csv"
        reference = _REFERENCE.get(arguments[:3], "")
        common_arguments = ("--device", self.device, "--repeats", str(1 if self.toy else repeats), "--out", str(path))
        if self.toy:
            arguments = tuple("fp32" if word == "bf16" else word for word in arguments)  # not every CPU has bf16
            common_arguments = (*(("--size", "tiny", "--pixels", "32") if reference else ()), *common_arguments)
        return Step(
            name=name,
            description=description,
            command=(sys.executable, "-m", "ablations.bench", *arguments, *common_arguments),
            limit_s=limit_s,
            read=csv_reader(path),
            reference=reference,
            skipped=skipped or (missing_packages("triton") if "--compile" in arguments else ""),
        )

    def study(
        self, name: str, description: str, limit_s: float, *arguments: str, launcher: Sequence[str] = _RUN, **step: Any
    ) -> Step:
        """A step by `python -m ablations.run`, read from its runs; untimed at `smoke`."""
        folder = self.work / file_name(name)
        return Step(
            name=name,
            description=description,
            command=(sys.executable, *launcher, *arguments, "--device", self.device, "--out", str(folder)),
            limit_s=limit_s,
            shares_device="smoke" in arguments,
            read=study_reader(folder),
            **step,
        )


def make_steps(factory: StepFactory) -> list[Step]:
    """All steps in their order: those that share the device, then the timed ones, most important first."""
    steps = [*_untimed_steps(factory), *_training_steps(factory), *_evaluation_steps(factory), *_further_steps(factory)]
    steps = [replace(step, env={**_SHARED_ENV, **step.env}) if step.shares_device else step for step in steps]
    if factory.toy:
        return [replace(step, skipped=step.skipped or ("" if step.name in _CPU_STEPS else NEEDS_GPU)) for step in steps]
    return steps


def _untimed_steps(factory: StepFactory) -> Iterator[Step]:
    check, triton = factory.check, missing_packages("triton")
    reason = "" if find_fixtures() else "no fixtures of the released code beside the project (../shared/parity)"
    yield check("fixtures", "outputs and gradient norms of the released code, in each precision", 90, skipped=reason)
    yield check("kernels", "Triton's kernels against PyTorch in float64", 120, skipped=triton)
    description = "graphs, checkpointing and kernels give the plain run's losses"
    yield check("switches", description, 150, env=_DETERMINISTIC_ENV)
    description = "torch.compile, alone and in a graph, gives the plain run's losses"
    yield check("compiled", description, 200, env=_DETERMINISTIC_ENV, skipped=triton)
    yield check("repeat", "are two runs equal by default?", 90)
    description = "are two runs equal with deterministic cuDNN?"
    yield check("repeat", description, 90, name="repeat, deterministic", env=_DETERMINISTIC_ENV)
    yield check("resume", "an interrupted run resumes and ends like an uninterrupted one", 90, env=_DETERMINISTIC_ENV)
    yield check("out_of_memory", "the batch is halved; a capture that runs out of memory leaves no damage", 120)
    yield check("memory_format", "do all norms and convolutions get channels-last memory?", 60)
    yield _pytest_step()
    # compile in parallel with the checks what the timed steps compile: it goes to the compiler's cache
    description = "the first step's seconds; fills the compiler's cache for the timed ones"
    for name, words in (("batch 5", _BATCH_5), ("batch 32", _BATCH_32), ("eval", _EVAL)):
        is_too_large = words == _BATCH_32 and not factory.toy and factory.memory_gib < _LARGE_GIB
        skipped = "too little memory beside the checks" if is_too_large else ""
        step = factory.bench(
            f"compiling, {name}", description, 200, *words, *_OURS, *_COMPILED, repeats=1, skipped=skipped
        )
        yield replace(step, shares_device=True, reference="")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "1", *_RUN)
    distributed = (*_SMOKE, "--only", "dfpir_g50", "--launcher", "torchrun")
    name, backend = "torchrun with one process", "Gloo" if factory.toy else "NCCL"
    yield factory.study(name, f"the distributed path, by {backend}", 120, *distributed, launcher=torchrun)
    description = "a graph beside DistributedDataParallel, or a reason why not"
    yield factory.study(f"{name}, CUDA graphs", description, 120, *distributed, "--cuda-graphs", launcher=torchrun)
    yield factory.study("jobs auto", "how many runs it puts on the card, and why", 150, *_SMOKE, "--jobs", "auto")


def _training_steps(factory: StepFactory) -> Iterator[Step]:
    bench, no_open_clip, fastest = factory.bench, missing_packages("open_clip"), "the fastest way"
    yield factory.check("ceilings", "products, a copy and a launch: what the card gives", 60, shares_device=False)
    yield bench(_REFERENCE[_BATCH_5], "the reference", 60, *_BATCH_5, *_RELEASED, skipped=no_open_clip)
    plain = ("--precision", "bf16", "--padding", "off")
    yield bench("train: eager, batch 5", "bf16, widths not padded", 60, *_BATCH_5, *_OURS, *plain)
    yield bench("train: graphs, batch 5", "padded widths, no launches", 60, *_BATCH_5, *_OURS, *_GRAPHS)
    yield bench("train: compile, graphs, batch 5", fastest, 120, *_BATCH_5, *_OURS, *_COMPILED)
    description, triton = "whether the kernels are faster", (*_GRAPHS, "--kernels", "triton")
    reason = missing_packages("triton")
    yield bench("train: Triton, graphs, batch 5", description, 80, *_BATCH_5, *_OURS, *triton, skipped=reason)
    yield bench(
        _REFERENCE[_BATCH_32], "or the largest half that fits", 75, *_BATCH_32, *_RELEASED, skipped=no_open_clip
    )
    yield bench("train: compile, graphs, batch 32", fastest, 120, *_BATCH_32, *_OURS, *_COMPILED)
    yield bench("train: graphs, batch 32", "bf16, padded widths", 60, *_BATCH_32, *_OURS, *_GRAPHS)


def _evaluation_steps(factory: StepFactory) -> Iterator[Step]:
    bench, both = factory.bench, (*_EVAL, "--way", "both", *_BF16_PADDED)
    yield bench(_REFERENCE[_EVAL], "481 x 321 px, scores included", 75, *both, skipped=missing_packages("open_clip"))
    yield bench("eval: graphs", "eager kernels, no launches", 60, *_EVAL, *_OURS, *_GRAPHS)
    yield bench("eval: compile, graphs", "the fastest way", 90, *_EVAL, *_OURS, *_COMPILED)
    yield bench("data", "patches a second of the data path, and of four runs at once", 150, "data")
    yield bench("metrics", "PSNR and SSIM on the device, and whether they agree", 45, "metrics")


def _further_steps(factory: StepFactory) -> Iterator[Step]:
    source = ("--data", str(factory.photos)) if factory.photos else ()
    several = (*source, "--jobs", "4", "--cuda-graphs")
    description = (
        f"gamma_sweep at demo on {'your' if factory.photos else 'the embedded'} photographs, four runs at once"
    )
    yield factory.study("study", description, 200, "gamma_sweep", "--budget", "demo", *several)
    yield factory.check("pace", "eager steps", 45, shares_device=False)
    options: dict[str, Any] = {"name": "pace, deterministic", "env": _DETERMINISTIC_ENV, "shares_device": False}
    yield factory.check("pace", "the cost of deterministic cuDNN", 45, **options)
    precisions = ("--precision", "fp32", "tf32", "--padding", "on")
    yield factory.bench(
        "train: fp32 and TF32, batch 5", "the other precisions, eager", 75, *_BATCH_5, *_OURS, *precisions
    )
    yield factory.bench("train: eager, padded, batch 5", "aligned widths only", 60, *_BATCH_5, *_OURS, *_BF16_PADDED)
    yield factory.check("kernel_times", "each kernel beside PyTorch at the model's shapes", 60, shares_device=False)
    description = "components at small, four at once: steps and runs a second until time is up"
    yield factory.study("sweep", description, 600, "components", "--budget", "small", *several, open_ended=True)


def _pytest_step() -> Step:
    files = [PROJECT / "tests" / "unit" / name for name in ("test_kernels.py", "test_acceleration.py")]
    absent = "" if all(file.is_file() for file in files) else "the tests are only in a checkout"
    # warnings of other versions of Triton must not fail a test
    warnings = ("-o", "filterwarnings=default")
    options = ("-q", "-p", "no:cacheprovider", *warnings, "-m", "not slow", "--rootdir", str(PROJECT))
    return Step(
        name="tests of the suite",
        description="tests of kernels and switches on the card",
        command=(sys.executable, "-m", "pytest", *options, *map(str, files)),
        limit_s=200,
        shares_device=True,
        read=_pytest_summary,
        skipped=missing_packages("pytest") or absent,
    )


def csv_reader(path: Path) -> Reader:
    """Reader of a bench's CSV file, also of an incomplete one; missing values are None."""

    def read(output: str) -> list[Row]:
        if not path.is_file():
            return []
        with path.open(encoding="utf-8", newline="") as stream:
            lines = list(csv.DictReader(stream))
        return [{name: _parse_value(line[name]) for name in _COLUMNS if line.get(name)} for line in lines]

    return read


def study_reader(folder: Path) -> Reader:
    """Reader of a study's runs: how many are done and failed, and the command's message about its choices."""

    def read(output: str) -> list[Row]:
        n_done, n_failed = (sum(1 for _ in folder.glob(f"*/{name}")) for name in (layout.DONE_FILE, layout.ERROR_FILE))
        steps = sum(_steps_logged(path) for path in folder.glob(f"*/{layout.TRAIN_LOG_FILE}"))
        messages = [line.strip() for line in output.splitlines() if any(phrase in line for phrase in _CHOICE_MESSAGES)]
        row: Row = {"runs": n_done, "failed": n_failed, "steps": steps, "ok": not n_failed}
        return [row | ({"said": messages[0]} if messages else {})] if n_done or n_failed or steps else []

    return read


def _steps_logged(path: Path) -> int:
    """The last step of a run's log."""
    steps = re.findall(r'"step": (\d+)', path.read_text(encoding="utf-8", errors="replace"))
    return int(steps[-1]) if steps else 0


def _pytest_summary(output: str) -> list[Row]:
    """The last line of pytest: `40 passed in 12 s`."""
    lines = [line for line in output.splitlines() if " passed" in line or " failed" in line]
    return [{"said": lines[-1].strip("= "), "ok": " failed" not in lines[-1]}] if lines else []


def _parse_value(text: str) -> float | str | None:
    try:
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) else None

"""`python -m ablations.run`, the command as a user gives it, killed in whatever it does: training, measures, the report."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.cached_folder import TWO

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path("studies", "gamma_sweep-smoke-embedded", "table.parquet")


@pytest.mark.parametrize("part", range(2))  # so that two cores share them
def test_a_command_killed_at_random_moments_ends_with_the_same_table(part, smoke_runs, tmp_path, tries, tally):
    kills = tries("tried SIGKILLs of the command", 1 if part == 0 else 0, 10)
    if not kills:
        pytest.skip("with all faults alone: make test-faults")
    whole = (smoke_runs / TABLE).read_bytes()  # by `run_study`, undisturbed
    rng, landed, length, out = random.Random(part), 0, 20.0, tmp_path / "killed"
    for number in range(kills):
        while True:
            fresh, began = not out.exists(), time.monotonic()
            if killed(out, rng.uniform(0.1, 1.0) * length, alone=number % 2 == 0):
                break
            if fresh:  # a machine that is faster than the first guess
                length = time.monotonic() - began
            # it came to its end: what follows would kill nothing but a look at a finished study
            assert finish(out) == whole
            shutil.rmtree(out)
        landed += 1
    assert finish(out) == whole
    tally("SIGKILLs of the command, alone or with its runs", landed)


def command(out):
    """A study of two runs, with measures and a report."""
    return [
        sys.executable,
        "-m",
        "ablations.run",
        "gamma_sweep",
        "--budget",
        "smoke",
        "--only",
        *TWO,
        "--out",
        str(out),
    ]


def killed(out, after_s, *, alone):
    """Whether the kill came before the end; `run_lock`: the launcher, whose workers must notice and end by themselves."""
    process = subprocess.Popen(command(out), cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        process.wait(timeout=after_s)
    except subprocess.TimeoutExpired:
        (os.kill if alone else os.killpg)(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def finish(out):
    """The table of the study that the command ends."""
    done = subprocess.run(command(out), cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "Report: " in done.stdout
    return (out / TABLE).read_bytes()

"""Studies by the smallest budget, several in one process: `python -m tests.support.studies FOLDER NAME...`.

Each is what `python -m ablations.run NAME --budget smoke` does, but that its runs are done one after another in this
process: the start of a process for each would take longer than the runs. Runs in processes of their own:
tests/integration/test_python_api.py, tests/faults/test_command.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ablations import run_command
from ablations.harness.launch.torchrun import TorchrunLauncher
from ablations.harness.training.distributed import SINGLE_PROCESS
from ablations.run import main as run


def main(words: Sequence[str]) -> int:
    """The exit code: 0, or that of the first study that failed, which the others do not wait for."""
    folder, *names = words
    run_command.make_launcher = lambda *_: TorchrunLauncher(SINGLE_PROCESS)
    codes = [run([name, "--budget", "smoke", "--out", folder]) for name in names]
    return next(filter(None, codes), 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Threads of the test processes: one each, and no processes for figures, since pytest-xdist fills the cores.

Without a GPU Triton's kernels run in its interpreter, which must be chosen before anything imports Triton: torch.compile
does so, in whatever test comes first.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("LOKY_MAX_CPU_COUNT", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest
import torch  # after the settings that it reads

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """Folder of a finished run of `cached_folder.SPEC`, one for all processes: read it or copy it."""
    from tests.support.cached_folder import SPEC, cached_folder, tiny_run

    return cached_folder(tmp_path_factory.getbasetemp(), "tiny", tiny_run) / SPEC.run_id


@pytest.fixture(scope="session")
def smoke_runs(tmp_path_factory):
    """Folder of the runs of a finished smoke study of `TWO` variants, one for all processes: read it or copy it."""
    from tests.support.cached_folder import cached_folder, smoke_study

    return cached_folder(tmp_path_factory.getbasetemp(), "smoke", smoke_study)


@pytest.fixture
def blank_figures(monkeypatch):
    """Figures of one pixel, for tests of a report's words and tables."""
    from tests.support import blank

    blank.blank_figures(monkeypatch)

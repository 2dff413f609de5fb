"""A run's last act: DONE, with the hash of every file, and only where none that a run must have was lost."""

from __future__ import annotations

import shutil
from pathlib import Path

from ablations.harness.provenance import now
from ablations.models import is_trained
from ablations.spec import RunSpec
from dfpir import DFPIRConfig
from reports.files import sha256_of, write_json
from reports.schema import (
    CHECKPOINTS_FOLDER,
    DONE_FILE,
    ENV_FILE,
    IMAGES_FILE,
    MEASURES_FOLDER,
    PROBES_FILE,
    SAMPLES_FILE,
    SNAPSHOTS_FOLDER,
    SPEC_FILE,
    SUMMARY_FILE,
    TRAIN_LOG_FILE,
    WEIGHTS_FILE,
    DoneFile,
)

NOT_OF_THE_RUN = (CHECKPOINTS_FOLDER, SNAPSHOTS_FOLDER, MEASURES_FOLDER)
"""Folders that come and go while a run stays as it is."""


class LostFilesError(Exception):
    """Files that the run had written are no longer in its folder."""


def needed(spec: RunSpec) -> list[str]:
    """The files that a finished run of this spec has, relative to its folder."""
    names = [SPEC_FILE, ENV_FILE, IMAGES_FILE, SAMPLES_FILE, WEIGHTS_FILE, SUMMARY_FILE]
    names += [TRAIN_LOG_FILE] if is_trained(spec.config) else []
    return names + ([PROBES_FILE] if isinstance(spec.config, DFPIRConfig) else [])


def write_done_marker(folder: Path, spec: RunSpec) -> None:
    """DONE with the hash of every file, then away with the checkpoints.

    Raises:
        LostFilesError: the run does not have all that it must; its checkpoints go too where the log is lost.
    """
    needs = needed(spec)
    lost = [name for name in needs if not (folder / name).is_file()]
    if lost:
        if TRAIN_LOG_FILE in lost:
            shutil.rmtree(folder / CHECKPOINTS_FOLDER, ignore_errors=True)
        raise LostFilesError(
            f"{', '.join(lost)} vanished from {folder} while the run was under way: it is not done; the same "
            "command makes it good."
        )
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).parts[0] not in NOT_OF_THE_RUN)
    digests = {p.relative_to(folder).as_posix(): sha256_of(p) for p in files if p.name != DONE_FILE}
    write_json(folder / DONE_FILE, DoneFile(finished_at=now(), files=digests, needs=needs))
    shutil.rmtree(folder / CHECKPOINTS_FOLDER, ignore_errors=True)

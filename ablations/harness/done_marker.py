"""The DONE file of a run: the hash of every file, written only where all required files exist."""

from __future__ import annotations

import shutil
from pathlib import Path

from ablations.harness.provenance import utc_now
from ablations.models import is_trained
from ablations.spec import RunSpec
from dfpir import DFPIRConfig
from reports import schema
from reports.files import sha256_of, write_json

TRANSIENT_FOLDERS = (schema.CHECKPOINTS_FOLDER, schema.SNAPSHOTS_FOLDER, schema.MEASURES_FOLDER)
"""Folders that are no part of a finished run."""


class MissingFilesError(Exception):
    """Files that the run has written are missing in its folder."""


def required_files(spec: RunSpec) -> list[str]:
    """The files that a finished run of this spec has, relative to its folder."""
    names = [schema.SPEC_FILE, schema.ENV_FILE, schema.IMAGES_FILE, schema.SAMPLES_FILE]
    names += [schema.WEIGHTS_FILE, schema.SUMMARY_FILE]
    names += [schema.TRAIN_LOG_FILE] if is_trained(spec.config) else []
    return names + ([schema.PROBES_FILE] if isinstance(spec.config, DFPIRConfig) else [])


def write_done_marker(folder: Path, spec: RunSpec) -> None:
    """Write DONE with the hash of every file, then remove the checkpoints.

    Raises:
        MissingFilesError: a required file is missing; the checkpoints are removed, too, where the log is missing.
    """
    required = required_files(spec)
    missing = [name for name in required if not (folder / name).is_file()]
    if missing:
        if schema.TRAIN_LOG_FILE in missing:
            shutil.rmtree(folder / schema.CHECKPOINTS_FOLDER, ignore_errors=True)
        raise MissingFilesError(
            f"{', '.join(missing)} vanished from {folder} while the run was under way: it is not done; the same "
            "command makes it good."
        )
    files = sorted(
        p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).parts[0] not in TRANSIENT_FOLDERS
    )
    digests = {p.relative_to(folder).as_posix(): sha256_of(p) for p in files if p.name != schema.DONE_FILE}
    write_json(folder / schema.DONE_FILE, schema.DoneFile(finished_at=utc_now(), files=digests, needs=required))
    shutil.rmtree(folder / schema.CHECKPOINTS_FOLDER, ignore_errors=True)

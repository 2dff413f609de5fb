"""Record of the images restored into `--out`: an interrupted restoration resumes, and never reuses a stale output."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablations.harness.evaluating.pretrained import PretrainedModel
from ablations.harness.evaluating.result_cache import read_json_lines, source_digest, truncate
from reports.files import sha256_of, write_text

RECORD_FILE = "restored.jsonl"
"""A line an output: its name, the hashes of its input and of itself, and the settings it was restored with."""


@dataclass(frozen=True, kw_only=True)
class RestoreJob:
    """One image to restore: where it is read and written."""

    source: Path
    target: Path


@dataclass(kw_only=True)
class OutputRecord:
    """The outputs that a folder's record names."""

    path: Path  # the record
    settings: Mapping[str, Any]  # every setting that decides an output's pixels now
    lines: dict[str, dict[str, Any]] = field(default_factory=dict)  # output's name -> its last line

    def is_current(self, job: RestoreJob) -> bool:
        """Whether the output exists unchanged, of this input and with these settings."""
        line = self.lines.get(job.target.name)
        if line is None or line.get("terms") != self.settings or not job.target.is_file():
            return False
        try:
            return bool(line["output"] == sha256_of(job.target) and line["input"] == sha256_of(job.source))
        except OSError:
            return False

    def add(self, job: RestoreJob, output_hash: str) -> None:
        """Record an output of this hash; before it is written, since an output without a line is refused later."""
        line = {"name": job.target.name, "input": sha256_of(job.source), "output": output_hash, "terms": self.settings}
        self.lines[job.target.name] = line
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(json.dumps(line) + "\n")


def open_record(out: Path, settings: Mapping[str, Any]) -> OutputRecord:
    """The record of a folder; a line that was cut short is dropped."""
    record = OutputRecord(path=out / RECORD_FILE, settings=json.loads(json.dumps(settings)))
    record.lines = {line["name"]: line for line in read_json_lines(record.path) if isinstance(line.get("name"), str)}
    if record.lines:
        write_text(record.path, "".join(json.dumps(line) + "\n" for line in record.lines.values()))
    return record


def restoration_settings(
    pretrained: PretrainedModel, *, degradation: str, tile: int | None, codes: Path | None, classifier: str
) -> dict[str, Any]:
    """Every setting that decides an output's pixels: the model, its weights, code and conditioning, and the tiles."""
    return {
        "model": pretrained.name,
        "settings": dict(pretrained.config),
        "weights": pretrained.sha256,
        "taken": pretrained.weights_note,
        "told": pretrained.conditioning,
        "codes": sha256_of(codes) if codes is not None else "",
        "degradation": degradation,
        "guesser": classifier,
        "tile": tile,
        **({"test_tile": pretrained.tile} if pretrained.tile else {}),
        "device": pretrained.device.type,
        "code": source_digest(pretrained.model),
    }


def refuse_overwrite(jobs: Sequence[RestoreJob], record: OutputRecord | None = None) -> None:
    """Refuse to overwrite existing files.

    Raises:
        ValueError: an output exists that was restored with other settings, or that the record does not list.
    """
    existing = [job.target for job in jobs if job.target.exists()]
    if not existing:
        return
    remainder = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
    verb = "exist" if remainder else "exists"
    difference = _difference(existing[0].name, record)
    raise ValueError(f"{existing[0]}{remainder} {verb} already{difference}: choose another --out, or say --force.")


def _difference(name: str, record: OutputRecord | None) -> str:
    """How the recorded settings of an output differ from the current ones, for a message."""
    line = record.lines.get(name) if record is not None else None
    if line is None or record is None:
        return ""
    settings = line.get("terms") or {}
    for key, value in record.settings.items():
        if settings.get(key) != value:
            return f", made by another {key} ({truncate(settings.get(key), 40)}, not {truncate(value, 40)})"
    return ", of another picture or changed since"

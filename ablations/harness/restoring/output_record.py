"""What `--out` holds of an earlier restoration: an interrupted one goes on, and no output is taken for another's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ablations.harness.evaluating.released import Released
from ablations.harness.evaluating.result_cache import code_digest, read_lines, shortened
from reports.files import sha256_of, write_text

RECORD_FILE = "restored.jsonl"
"""A line an output: its name, the hashes of its input and of itself, and the terms that it was made by."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One image to restore: where it is read and written."""

    source: Path
    target: Path


@dataclass(kw_only=True)
class OutputRecord:
    """The outputs that a folder's record names."""

    path: Path  # the record
    terms: Mapping[str, Any]  # what decides the pixels of an output now
    found: dict[str, dict[str, Any]] = field(default_factory=dict)  # name of an output -> its line; of several the last

    def holds(self, job: Job) -> bool:
        """Whether the output is there, of this input and by these terms, as it was written."""
        line = self.found.get(job.target.name)
        if line is None or line.get("terms") != self.terms or not job.target.is_file():
            return False
        try:
            return bool(line["output"] == sha256_of(job.target) and line["input"] == sha256_of(job.source))
        except OSError:
            return False

    def add(self, job: Job, output: str) -> None:
        """Name an output of this hash; before it is written, since one that nothing names is nobody's."""
        line = {"name": job.target.name, "input": sha256_of(job.source), "output": output, "terms": self.terms}
        self.found[job.target.name] = line
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8", newline="\n") as stream:
            stream.write(json.dumps(line) + "\n")


def open_record(out: Path, terms: Mapping[str, Any]) -> OutputRecord:
    """The record of a folder; a line that was cut short is dropped."""
    record = OutputRecord(path=out / RECORD_FILE, terms=json.loads(json.dumps(terms)))
    record.found = {line["name"]: line for line in read_lines(record.path) if isinstance(line.get("name"), str)}
    if record.found:
        write_text(record.path, "".join(json.dumps(line) + "\n" for line in record.found.values()))
    return record


def terms_of(
    released: Released, *, degradation: str, tile: int | None, codes: Path | None, guesser: str
) -> dict[str, Any]:
    """What decides an output's pixels: the model, its weights and code, what it is told, and how pictures are cut."""
    return {
        "model": released.name,
        "settings": dict(released.config),
        "weights": released.sha256,
        "taken": released.taken,
        "told": released.told,
        "codes": sha256_of(codes) if codes is not None else "",
        "degradation": degradation,
        "guesser": guesser,
        "tile": tile,
        "device": released.device.type,
        "code": code_digest(released.model),
    }


def require_free(jobs: Sequence[Job], record: OutputRecord | None = None) -> None:
    """Refuse to write over what is there.

    Raises:
        ValueError: an output exists, and was made otherwise or by nobody knows what.
    """
    there = [job.target for job in jobs if job.target.exists()]
    if not there:
        return
    more = f" and {len(there) - 1} more" if len(there) > 1 else ""
    verb = "exist" if more else "exists"
    raise ValueError(
        f"{there[0]}{more} {verb} already{_otherwise(there[0].name, record)}: choose another --out, or say --force."
    )


def _otherwise(name: str, record: OutputRecord | None) -> str:
    """What is other about an output that a record names."""
    line = record.found.get(name) if record is not None else None
    if line is None or record is None:
        return ""
    terms = line.get("terms") or {}
    for key, value in record.terms.items():
        if terms.get(key) != value:
            return f", made by another {key} ({shortened(terms.get(key), 40)}, not {shortened(value, 40)})"
    return ", of another picture or changed since"

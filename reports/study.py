"""Runs and studies as a report sees them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from reports import schema


class Status(str, Enum):
    """What state a run is in."""

    DONE = "done"
    RUNNING = "running"  # begun and not finished: under way, or interrupted
    FAILED = "failed"
    DAMAGED = "damaged"  # says it is done, and its files say otherwise
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run folder as found.

    Attributes:
        path: the folder.
        run_id: the folder's name.
        variant: name of the model variant, "" if unknown.
        seed: the run's seed, None if unknown.
        status: only a run with `Status.DONE` enters tables and figures.
        reason: why the status is not DONE; "" if it is.
        spec: spec.json, {} where it can't be read; likewise `env`, `summary`.
        error: ERROR.json of a failed run.
        images: images.parquet of a run that is done.
    """

    path: Path
    run_id: str
    variant: str
    seed: int | None
    status: Status
    reason: str
    spec: dict[str, Any]
    env: dict[str, Any]
    summary: dict[str, Any]
    error: dict[str, Any] | None = None
    images: pd.DataFrame | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of a study's plan; `alias_of` names the variant that was trained in its stead, or is None."""

    variant: str
    seed: int
    run_id: str
    alias_of: str | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Study:
    """What was asked and what came of it.

    Attributes:
        folder: the study's folder; None for runs that were named one by one.
        axis_name: what the study varies ("gamma"), "" if nothing with a scale.
        axis_values: value of each variant that lies on the axis.
        reference: the variant that others are measured against, or None.
        entries: the plan, in the study's order, aliases included.
        runs: by run_id, for every entry.
        command: what makes the study again.
        measures: names of the measures that the study asks for; None where its file does not say.
    """

    folder: Path | None
    name: str
    title: str
    question: str
    budget: dict[str, Any]
    data: dict[str, Any]
    text_encoder: str
    axis_name: str
    axis_values: dict[str, float]
    reference: str | None
    entries: tuple[Entry, ...]
    runs: dict[str, Run]
    command: str
    measures: tuple[str, ...] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without what is made of the rest: it would travel to each process that draws."""
        return {name: value for name, value in self.__dict__.items() if name != "_images"}

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the variants that were planned to be trained, in the study's order."""
        return tuple(dict.fromkeys(e.variant for e in self.entries if e.alias_of is None))

    @property
    def aliases(self) -> dict[str, tuple[Entry, ...]]:
        """For a trained variant the other names of the same model, one entry a name."""
        found: dict[str, dict[str, Entry]] = {}
        for entry in self.entries:
            if entry.alias_of is not None:
                found.setdefault(entry.alias_of, {}).setdefault(entry.variant, entry)
        return {variant: tuple(entries.values()) for variant, entries in found.items()}

    def runs_of(self, variant: str) -> tuple[Run, ...]:
        """The variant's own runs in the order of the plan, whatever their status."""
        return tuple(self.runs[e.run_id] for e in self.entries if e.variant == variant and e.alias_of is None)

    def done_runs_of(self, variant: str) -> tuple[Run, ...]:
        """The variant's runs that can be trusted."""
        return tuple(run for run in self.runs_of(variant) if run.status is Status.DONE)

    def images(self) -> pd.DataFrame:
        """Rows of all done runs under the study's names, each model once; infinite PSNR capped (schema.METRICS).

        The frame is made once and shared: don't change it in place.
        """
        return self._images

    @cached_property
    def _images(self) -> pd.DataFrame:
        frames = []
        for entry in self.entries:
            images = self.runs[entry.run_id].images
            if entry.alias_of is None and images is not None:
                frames.append(images.assign(variant=entry.variant, seed=entry.seed))
        if not frames:
            return pd.DataFrame({c.name: pd.Series(dtype=c.dtype) for c in schema.IMAGE_COLUMNS})
        rows = pd.concat(frames, ignore_index=True)
        upper = rows["metric"].map({m.name: m.upper for m in schema.METRICS})
        return rows.assign(value=rows["value"].clip(upper=upper), input_value=rows["input_value"].clip(upper=upper))

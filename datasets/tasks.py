"""The degradations of the suite: five tasks, seven conditions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Task(str, Enum):
    """A kind of degradation, in the order in which papers list them."""

    NOISE = "noise"
    RAIN = "rain"
    HAZE = "haze"
    BLUR = "blur"
    LOWLIGHT = "lowlight"


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A task at one strength: what a prompt names and what a table's column holds.

    Attributes:
        task: the kind of degradation.
        sigma_255: standard deviation of Gaussian noise on the 0..255 scale; None for every other task.
    """

    task: Task
    sigma_255: int | None = None

    @property
    def name(self) -> str:
        """`noise-25`, `rain`, ...: the name used in files, tables and prompt sets."""
        return self.task.value if self.sigma_255 is None else f"{self.task.value}-{self.sigma_255}"


def noise(sigma_255: int) -> Condition:
    """The denoising condition with this standard deviation (0..255 scale)."""
    return Condition(task=Task.NOISE, sigma_255=sigma_255)


CONDITIONS: tuple[Condition, ...] = (
    noise(15),
    noise(25),
    noise(50),
    Condition(task=Task.RAIN),
    Condition(task=Task.HAZE),
    Condition(task=Task.BLUR),
    Condition(task=Task.LOWLIGHT),
)


def condition_named(name: str) -> Condition:
    """The condition called `name`; noise takes any whole sigma from 1 to 255 (`noise-35`).

    Raises:
        ValueError: no such condition; the message lists those that exist.
    """
    kind, _, level = name.partition("-")
    if kind == Task.NOISE.value and level.isdecimal() and len(level) < 4 and 0 < int(level) <= 255:
        return noise(int(level))
    for condition in CONDITIONS:
        if condition.name == name:
            return condition
    known = ", ".join(c.name for c in CONDITIONS)
    raise ValueError(f"Unknown condition {name!r}. Known: {known} (noise-N with any whole N from 1 to 255).")

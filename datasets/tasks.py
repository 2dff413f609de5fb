"""The degradations by name: synthesis, prompts and style of each. The suite has five tasks, seven conditions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dfpir.registry import Registry
from dfpir.sentences import PAPER_CONDITIONS, SENTENCES, Sentences

if TYPE_CHECKING:  # torch takes seconds, and names are checked before it is imported
    import numpy as np
    from jaxtyping import Float
    from torch import Tensor

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MARKERS = "osvDPX"
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")

Degradation = Callable[["Float[Tensor, '3 h w']", "np.random.Generator", "int | None"], "Float[Tensor, '3 h w']"]
"""(clean, generator, strength) -> degraded: RGB float32 in [0, 1], on the device of the clean image. All that is random
comes from the generator; the result is brought to 8 bits afterwards."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """A kind of degradation: one declaration from which data, prompts and reports take what they need."""

    name: str  # in conditions, files and on the command line: lower-case letters, digits and `_`
    label: str  # as a reader knows it ("Motion blur")
    colour: str  # of its lines in figures, as "#rrggbb"
    marker: str = "X"  # of its points, one of o, s, v, D, P and X, as matplotlib draws them
    order: int = 100  # place in tables and figures; equal places by name. The suite's five have 0 to 4
    # that are trained on and tested, each a condition `<name>-<strength>`; empty: one condition, `<name>`
    strengths: tuple[int, ...] = ()
    # least and largest whole strength that may be asked for besides, or None
    any_strength: tuple[int, int] | None = None
    strength_label: str = " {}"  # what follows the label for a strength, with `{}` where it stands
    shades: tuple[str, ...] = ()  # a colour for each of the strengths; empty: `colour` for all
    # sentence of the detailed prompts, with `{}` where the strength stands; empty for the paper's tasks, whose
    # sentences the model package has
    detailed: str = ""
    simple: str = ""  # the same of the simple prompts
    # makes it from clean images; None for the suite's own, which `datasets.degrade` makes, and for a task that comes as
    # pairs of files alone
    degrade: Degradation | None = None
    # of training samples, relative to the other tasks' mean, where a budget's mixture does not name the task
    share: float = 1.0
    loss_weight: float = 1.0  # factor of its samples' loss there

    NOISE: ClassVar[Task]
    RAIN: ClassVar[Task]
    HAZE: ClassVar[Task]
    BLUR: ClassVar[Task]
    LOWLIGHT: ClassVar[Task]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"Task {self.name!r}: lower-case letters, digits and _ are needed, as in 'jpeg'.")
        for colour in (self.colour, *self.shades):
            if not _COLOUR.fullmatch(colour):
                raise ValueError(f"Task {self.name}: colour {colour!r} is none; '#rrggbb' is needed, as in '#0072B2'.")
        if self.marker not in set(_MARKERS):
            raise ValueError(f"Task {self.name}: marker {self.marker!r} is none of {', '.join(_MARKERS)}.")
        if self.shades and len(self.shades) != len(self.strengths):
            raise ValueError(f"Task {self.name}: {len(self.strengths)} strengths have {len(self.shades)} shades.")
        if not (self.detailed and self.simple) and self.name not in {c.partition("-")[0] for c in PAPER_CONDITIONS}:
            raise ValueError(f"Task {self.name} needs a sentence for the detailed and one for the simple prompts.")
        if any(strength < 0 for strength in self.strengths):
            raise ValueError(f"Task {self.name}: strengths {self.strengths}: whole numbers from 0 are needed.")

    def __reduce__(self) -> tuple[Callable[[str], Task], tuple[str]]:
        """A copy in another process is that process's own task of this name, so that `is` holds there too."""
        return task_named, (self.name,)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """One for each of its strengths, or one."""
        return tuple(Condition(task=self, strength=strength) for strength in self.strengths or (None,))

    def style_json(self) -> dict[str, Any]:
        """What reports need of it, for study.json (`reports.schema.TaskStyle`)."""
        names = ("name", "label", "colour", "marker", "order", "strength_label")
        return {
            **{name: getattr(self, name) for name in names},
            "strengths": list(self.strengths),
            "shades": list(self.shades),
        }


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A task at one strength: what a prompt names and what a table's column holds."""

    task: Task  # the kind of degradation
    strength: int | None = None  # in the task's own unit; None where it has one strength alone

    @property
    def sigma_255(self) -> int | None:
        """Standard deviation of Gaussian noise on the 0..255 scale; None for every other task."""
        return self.strength if self.task is Task.NOISE else None

    @property
    def name(self) -> str:
        """`noise-25`, `rain`, ...: the name used in files, tables and prompt sets."""
        return self.task.name if self.strength is None else f"{self.task.name}-{self.strength}"


TASKS: Registry[Task] = Registry("task", entry_point_group="dfpir.tasks")


def register_task(task: Task) -> Task:
    """Add a task under its name, and its sentences to the prompts.

    Raises:
        ValueError: another has the name.
    """
    TASKS.register(task.name)(task)
    for condition in task.conditions:
        if condition.name in PAPER_CONDITIONS:
            continue
        detailed, simple = (text.replace("{}", str(condition.strength)) for text in (task.detailed, task.simple))
        SENTENCES.register(condition.name)(Sentences(detailed=detailed, simple=simple))
    return task


Task.NOISE = Task(
    name="noise",
    label="Noise",
    colour="#0072B2",
    marker="o",
    order=0,
    strengths=(15, 25, 50),
    any_strength=(1, 255),
    strength_label=" \N{GREEK SMALL LETTER SIGMA}={}",
    shades=("#8cc4ea", "#0072B2", "#013a5e"),
)
Task.RAIN = Task(
    name="rain", label="Rain", colour="#009E73", marker="v", order=1, strength_label=", {}\N{NO-BREAK SPACE}% of drops"
)
Task.HAZE = Task(name="haze", label="Haze", colour="#E69F00", marker="s", order=2)
Task.BLUR = Task(name="blur", label="Motion blur", colour="#CC79A7", marker="D", order=3)
Task.LOWLIGHT = Task(name="lowlight", label="Low light", colour="#D55E00", marker="P", order=4)

PAPER_TASKS: tuple[Task, ...] = (Task.NOISE, Task.RAIN, Task.HAZE, Task.BLUR, Task.LOWLIGHT)
"""In the order in which papers list them."""

for _task in PAPER_TASKS:
    register_task(_task)

CONDITIONS: tuple[Condition, ...] = tuple(condition for task in PAPER_TASKS for condition in task.conditions)
"""The paper's seven: what data serve where nobody asks for a task of another package."""


def noise(sigma_255: int) -> Condition:
    """The denoising condition with this standard deviation (0..255 scale)."""
    return Condition(task=Task.NOISE, strength=sigma_255)


def known_tasks() -> list[Task]:
    """All that are registered, in the order of tables."""
    return sorted(TASKS.values(), key=lambda task: (task.order, task.name))


def task_named(name: str) -> Task:
    """The task called `name`.

    Raises:
        UnknownNameError: there is none; the message has the nearest.
    """
    return TASKS[name]


def conditions_of(tasks: Iterable[str]) -> tuple[Condition, ...]:
    """The conditions of the tasks of these names, in the order of tables; names that no task has are passed over."""
    names = set(tasks)
    return tuple(condition for task in known_tasks() if task.name in names for condition in task.conditions)


def synthetic_conditions() -> tuple[Condition, ...]:
    """The paper's conditions, and those that other packages make from clean images."""
    plugin_tasks = (task for task in known_tasks() if task.degrade is not None)
    return (*CONDITIONS, *(condition for task in plugin_tasks for condition in task.conditions))


def condition_named(name: str) -> Condition:
    """The condition called `name`; noise takes any whole sigma from 1 to 255 (`noise-35`).

    Raises:
        ValueError: no such condition; the message lists those that exist.
    """
    kind, _, level = name.partition("-")
    if kind in TASKS:
        task = TASKS[kind]
        if task.any_strength and level.isdecimal() and len(level) < 4:
            smallest, largest = task.any_strength
            if smallest <= int(level) <= largest:
                return Condition(task=task, strength=int(level))
        for condition in task.conditions:
            if condition.name == name:
                return condition
    names = ", ".join(c.name for task in known_tasks() for c in task.conditions)
    raise ValueError(f"Unknown condition {name!r}. Known: {names} (noise-N with any whole N from 1 to 255).")

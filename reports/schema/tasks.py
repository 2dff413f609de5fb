"""How tasks are shown: the styles in study.json, and defaults for older folders without them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

MARKERS = "osvDPX"
"""Of points, as matplotlib names them: those that the page's own scatter draws too."""

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_OTHER = "#767676"
_LAST = 100


@dataclass(frozen=True, kw_only=True)
class TaskStyle:
    """Label, colours and marker of one task.

    Attributes:
        name: as in conditions: `jpeg` of `jpeg-10`.
        label: in tables and figures.
        colour: "#rrggbb".
        marker: one of `MARKERS`.
        order: place in tables and figures; equal places by name.
        strength_label: appended to the label for a strength, with `{}` in its place.
        strengths: those that are trained on, ascending.
        shades: a colour for each of them; empty: `colour` for all.
    """

    name: str
    label: str
    colour: str = _OTHER
    marker: str = "X"
    order: int = _LAST
    strength_label: str = " {}"
    strengths: tuple[int, ...] = ()
    shades: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> TaskStyle:
        """The style of a record in study.json.

        Raises:
            KeyError: something is missing.
            ValueError: no colour, no marker, or not as many shades as strengths.
        """
        style = cls(
            name=str(record["name"]),
            label=str(record["label"]),
            colour=str(record["colour"]),
            marker=str(record["marker"]),
            order=int(record["order"]),
            strength_label=str(record["strength_label"]),
            strengths=tuple(map(int, record["strengths"])),
            shades=tuple(map(str, record["shades"])),
        )
        for colour in (style.colour, *style.shades):
            if not _COLOUR.fullmatch(colour):
                raise ValueError(f"Task {style.name}: {colour!r} is no colour; '#rrggbb' is needed.")
        if style.marker not in set(MARKERS):
            raise ValueError(f"Task {style.name}: {style.marker!r} is no marker; one of {MARKERS} is needed.")
        if style.shades and len(style.shades) != len(style.strengths):
            raise ValueError(f"Task {style.name}: {len(style.strengths)} strengths have {len(style.shades)} shades.")
        return style

    def colour_at(self, strength: int | None) -> str:
        """The colour at a strength: that of the first of `strengths` that is not below it, else of the last."""
        if strength is None or not self.shades:
            return self.colour
        return self.shades[sum(strength > limit for limit in self.strengths[:-1])]


TASK_STYLES: dict[str, TaskStyle] = {
    style.name: style
    for style in (
        TaskStyle(
            name="noise",
            label="Noise",
            colour="#0072B2",
            marker="o",
            order=0,
            strength_label=" \N{GREEK SMALL LETTER SIGMA}={}",
            strengths=(15, 25, 50),
            shades=("#8cc4ea", "#0072B2", "#013a5e"),
        ),
        TaskStyle(
            name="rain",
            label="Rain",
            colour="#009E73",
            marker="v",
            order=1,
            strength_label=", {}\N{NO-BREAK SPACE}% of drops",
        ),
        TaskStyle(name="haze", label="Haze", colour="#E69F00", marker="s", order=2),
        TaskStyle(name="blur", label="Motion blur", colour="#CC79A7", marker="D", order=3),
        TaskStyle(name="lowlight", label="Low light", colour="#D55E00", marker="P", order=4),
    )
}
"""Task -> style: the paper's tasks, for folders whose study.json has no styles, and those of the studies read."""

TASK_ORDER: tuple[str, ...] = tuple(TASK_STYLES)
"""The paper's tasks as papers list them."""


def declare_tasks(records: Iterable[Mapping[str, Any]]) -> None:
    """Use the task styles of a study.json from now on.

    Raises:
        KeyError, ValueError: as `TaskStyle.from_json`.
    """
    TASK_STYLES.update({style.name: style for style in map(TaskStyle.from_json, records)})


def task_of(condition: str) -> str:
    """The task of a condition's name: "noise-25" -> "noise"."""
    return re.sub(r"-\d+$", "", condition)


def task_style(task: str) -> TaskStyle:
    """Style of a task; an undeclared one has its name as label, grey, after the others."""
    return TASK_STYLES.get(task) or TaskStyle(name=task, label=task)


def condition_sort_key(condition: str) -> tuple[int, str, int]:
    """Sorts conditions as tables show them: by the tasks' order, then by strength; equal places by name."""
    task = task_of(condition)
    strength = condition[len(task) + 1 :]
    return task_style(task).order, task, int(strength) if strength else -1

"""Names as a reader sees them, and their escaping for Markdown and LaTeX (HTML escapes in Jinja2)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from reports import schema
from reports.messages import TransformedText, join_texts, message, stored_text
from reports.stats import AVERAGE, TASK_AVERAGE

SIGMA = "\N{GREEK SMALL LETTER SIGMA}"
GAMMA = "\N{GREEK SMALL LETTER GAMMA}"

_TASKS = {
    "noise": message("Noise"),
    "rain": message("Rain"),
    "haze": message("Haze"),
    "blur": message("Motion blur"),
    "lowlight": message("Low light"),
}
_DROPS = ", {}\N{NO-BREAK SPACE}% of drops"  # rain: number of drops in percent of the default
_AVERAGES = {AVERAGE: message("Average (columns)"), TASK_AVERAGE: message("Average (tasks)")}
_BOTTLENECK, _DEEPEST = message("bottleneck"), message("deepest features")
_LAYERS: dict[str, str] = {
    "latent": _BOTTLENECK,
    "latent-perturbed": message("bottleneck, after the block"),
    "middle_blks.-1": _BOTTLENECK,
    "stage2_encoder.encoder_level3": _BOTTLENECK,
    "dense_block4": _DEEPEST,
    "R.body.-1": _DEEPEST,
    "network.conv_after_body": _DEEPEST,
    "Tdec": _DEEPEST,
    "norm_14": _DEEPEST,
}  # as the suite's models name the layers whose features are recorded
_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "[": "{[}",  # at the start of a row, LaTeX would read both as an argument of the line break before
    "*": "{*}",
    "\N{MINUS SIGN}": "$-$",
    SIGMA: r"$\sigma$",
    GAMMA: r"$\gamma$",
}


def condition_label(condition: str) -> str:
    """A condition for a column head: "rain" -> "Rain"; a name that is not known stays as it is.

    Rain's strength is its number of drops in percent of the usual ("rain-200"); two degradations at once are joined
    by a plus sign ("rain+noise-25").
    """
    if condition in _AVERAGES:
        return _AVERAGES[condition]
    if "+" in condition:
        first, *further = (condition_label(part) for part in condition.split("+"))
        return join_texts([first, *(in_sentence(label) for label in further)], " + ")
    task = schema.task_of(condition)
    style = schema.task_style(task)
    label, strength = _style_label(style), condition[len(task) + 1 :]
    if not strength:
        return label
    if style.strength_label == _DROPS:
        return message("{rain}, {n}\N{NO-BREAK SPACE}% of drops", rain=label, n=strength)
    strength_text = style.strength_label.replace("{}", strength)
    if strength_text.startswith(" "):
        return message("{task} {strength}", task=label, strength=strength_text[1:])
    return join_texts([label, strength_text], "")


def strength_label(condition: str) -> str:
    """A condition's strength alone: "noise-15" -> "\N{GREEK SMALL LETTER SIGMA}=15"; "" where it has none."""
    task = schema.task_of(condition)
    strength = condition[len(task) + 1 :]
    return schema.task_style(task).strength_label.replace("{}", strength).lstrip(" ,") if strength else ""


def _style_label(style: schema.TaskStyle) -> str:
    """The task's label, which the catalogue has where it is the suite's own."""
    catalogued = _TASKS.get(style.name)
    return catalogued if catalogued is not None and str(catalogued) == style.label else style.label


def task_heading(task: str) -> str:
    """A task as the head of a column: some languages call it by the restoration there ("deraining"), not the cause."""
    return stored_text(schema.task_style(task).label)


def task_label(task: str) -> str:
    """A task inside a sentence: "blur" -> "motion blur"."""
    return in_sentence(_style_label(schema.task_style(task)))


def in_sentence(label: str) -> str:
    """A label inside a sentence: "Low light" -> "low light"; an abbreviation ("JPEG") stays as it is."""
    return TransformedText(label, _lower_first)


def condition_in_sentence(condition: str) -> str:
    """A condition inside a sentence: "rain-200" -> "rain, 200 % of drops"."""
    return in_sentence(condition_label(condition))


def _lower_first(text: str) -> str:
    return text if text[1:2].isupper() else text[:1].lower() + text[1:]


def layer_label(layer: str) -> str:
    """A layer whose features were recorded: "middle_blks.-1" -> "bottleneck"; an unknown name stays as it is."""
    return _LAYERS.get(layer, layer)


def layer_with_name(layer: str) -> str:
    """A layer's label with its name in the code: "bottleneck (middle_blks.-1)"."""
    label = layer_label(layer)
    return label if label == layer else message("{name} ({details})", name=label, details=layer)


def axis_label(name: str) -> str:
    """A study's axis for a figure: gamma as its Greek letter."""
    return message("perturbation factor {gamma}", gamma=GAMMA) if name == "gamma" else name


def markdown(text: str) -> str:
    """Text that Markdown (GitHub's) shows as it is, on one line; underscores inside a word need no escape there."""
    return re.sub(r"([\\|`*<>\[\]])", r"\\\1", " ".join(text.split()))


def latex(text: str) -> str:
    """Text that LaTeX sets as it is, on one line; other control characters vanish."""
    line = "".join(c for c in " ".join(text.split()) if c.isprintable())
    return "".join(_LATEX.get(c, c) for c in line)


def display_fields(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Display settings of a study.json as fields of `Study`; older files have none.

    Labels are one line each and unique: variants that share a label are shown by name.
    """
    raw_labels = plan.get("labels")
    labels_by_variant = (
        {str(k): " ".join(str(v).split()) for k, v in raw_labels.items()} if isinstance(raw_labels, dict) else {}
    )
    shared = Counter(labels_by_variant.values())
    ingredients, macs, conditioned = plan.get("ingredients"), plan.get("macs"), plan.get("conditioned")
    return {
        "ingredients": {
            str(variant): {str(part): str(value) for part, value in parts.items()}
            for variant, parts in (ingredients.items() if isinstance(ingredients, dict) else ())
            if isinstance(parts, dict)
        },
        "labels": {name: label for name, label in labels_by_variant.items() if label and shared[label] == 1},
        "macs": {
            str(variant): count
            for variant, count in (macs.items() if isinstance(macs, dict) else ())
            if isinstance(count, int)
        },
        "featured": tuple(map(str, plan.get("featured") or ())),
        "conditioned": tuple(map(str, conditioned)) if isinstance(conditioned, list) else None,
        "primary": str(plan.get("primary") or ""),
    }

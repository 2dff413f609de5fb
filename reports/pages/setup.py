"""Setup of a study: settings, caveats, runs and failures."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reports import schema
from reports.convergence import checkpoint_note
from reports.document import Block, Cell, Code, Collapsible, Column, Row, Section, Table, Text, text_cell, text_column
from reports.load import name_of
from reports.messages import join_sentences, join_texts, message, ngettext, stored_text
from reports.own_settings import own_learning_rates, tiled_variants, with_common_learning_rate
from reports.run_state import Status
from reports.study import Run, Study

MAX_RUN_LINES = 1000
"""Runs that the page lists; of a larger study, the first of each variant, and all in runs.csv."""

MAX_FAILURES = 100
"""Runs that are not done and whose reason the page shows; of more, those that failed first, and all in runs.csv."""

_MAX_LISTED_MISSING = 3  # runs that were not started and are named one by one
_MAX_SEEDS = 40  # listed one by one

_ENCODER_NOTES = {
    "minilm": message("MiniLM, a sentence encoder, zero-padded to 512 dimensions"),
    "onehot": message("one-hot codes, which carry no text semantics"),
}


def setup_facts(study: Study) -> list[tuple[str, str]]:
    """The study's settings as (name, text) pairs without empty ones."""
    finished = [r for r in study.runs.values() if r.status is Status.DONE]
    specs = [r.spec for r in study.runs.values() if r.spec]
    seeds = sorted({e.seed for e in study.entries})
    is_long = len(seeds) > _MAX_SEEDS
    seeds_text: str = ", ".join(map(str, seeds))
    if is_long:
        seeds_text = message("{n:,}, {first} to {last}", n=len(seeds), first=seeds[0], last=seeds[-1])
    pairs: list[tuple[str, str]] = [
        (message("Study"), study.name),
        (message("Variants"), ", ".join(study.variants)),
        (message("Seeds"), seeds_text),
        (message("Runs"), message("{n} of {all} done", n=len(finished), all=len(study.runs))),
        (message("Data"), _data_text(study.data)),
        (message("Budget"), _budget_text(study.budget)),
        (message("Overrides of the budget"), _overrides_text(study.budget.get("overrides"))),
        (message("Learning rates of their own"), _own_rates_text(study)),
        (message("Tested in tiles"), _tiles_text(study)),
        (message("Protocol"), _join_unique(s.get("protocol") for s in specs)),
        (message("Text encoder"), study.text_encoder or message("none")),
        (message("Prompts"), _join_unique(s.get("prompt_set") for s in specs)),
        (message("Precision"), _join_unique(s.get("precision") for s in specs)),
        (message("Device"), _join_unique(r.env.get("device") for r in finished)),
    ]
    return [(name, text) for name, text in pairs if text]


def caveats(study: Study) -> list[str]:
    """Caveats computed from the runs; empty where there are none."""
    finished = [r for r in study.runs.values() if r.status is Status.DONE]
    lines = [_encoder_remark(encoder) for encoder in _encoder_names(study)]
    max_listed = max_runs_per_variant(study)
    if max_listed is not None:
        lines.append(
            message(
                "The page lists the first {each} runs of each variant; all {n:,} are in {file}, and every mean, "
                "interval and test uses all of them.",
                each=max_listed,
                n=len(study.runs),
                file=schema.RUNS_CSV_FILE,
            )
        )
    unfinished = _unfinished_runs(study)
    if unfinished:
        lines.append(
            ngettext(
                "{n} of {all} runs is not finished: its results are missing below.",
                "{n} of {all} runs are not finished: their results are missing below.",
                len(unfinished),
                all=len(study.runs),
            )
        )
    if len(unfinished) > MAX_FAILURES:
        lines.append(
            message(
                "The first {n} of them are shown with their reasons; all are in {file}.",
                n=MAX_FAILURES,
                file=schema.RUNS_CSV_FILE,
            )
        )
    if any(r.env.get("dirty") for r in finished):
        lines.append(message("Some runs used uncommitted changes: their code is in no commit."))
    commits = sorted({str(r.env.get("commit"))[:8] for r in finished})
    factors = own_learning_rates(study)  # named in the setup
    budgets = sorted(
        {
            _budget_text(with_common_learning_rate(_as_dict(r.spec.get("budget")), factors.get(variant, 1.0)))
            for variant in study.variants
            for r in study.done_runs_of(variant)
        }
    )
    precisions = sorted({str(r.spec.get("precision")) for r in finished})
    if len(commits) > 1:
        lines.append(message("The runs mix commits: {which}.", which=" | ".join(commits)))
    if len(budgets) > 1:
        lines.append(message("The runs mix budgets: {which}.", which=join_texts(budgets, " | ")))
    if len(precisions) > 1:
        lines.append(message("The runs mix precisions: {which}.", which=" | ".join(precisions)))
    return [s for s in lines if s]


def runs_table(study: Study) -> Table:
    """Every trained run in the order of the plan, or the first `max_runs_per_variant` of each variant."""
    rows: dict[str, Row] = {}
    n_left = dict.fromkeys(study.variants, max_runs_per_variant(study) or len(study.entries))
    for entry in study.entries:
        if entry.alias_of is None and entry.run_id not in rows and n_left[entry.variant]:
            n_left[entry.variant] -= 1
            rows[entry.run_id] = Row(cells=_run_cells(study.runs[entry.run_id], entry.variant, entry.seed))
    return Table(
        name="runs",
        title=message("Table of runs"),
        columns=(
            text_column(message("Run")),
            text_column(message("Variant")),
            Column(head=message("Seed")),
            text_column(message("Status")),
            Column(head=message("Step")),
            Column(head=message("Training")),
            Column(head=message("Evaluation")),
            text_column(message("Device")),
            text_column(message("Commit")),
        ),
        rows=tuple(rows.values()),
        caption=join_sentences(
            [message("Every run behind the numbers above. Step: that of the weights tested."), checkpoint_note(study)]
        ),
        has_title=False,
    )


def max_runs_per_variant(study: Study) -> int | None:
    """How many runs of each variant the page lists; None for all."""
    if len(study.runs) <= MAX_RUN_LINES:
        return None
    return max(1, MAX_RUN_LINES // max(len(study.variants), 1))


def lists_all_runs(study: Study) -> bool:
    """Whether the page lists every run, and every one that is not done with its reason."""
    return max_runs_per_variant(study) is None and len(_unfinished_runs(study)) <= MAX_FAILURES


def _unfinished_runs(study: Study) -> list[Run]:
    """Runs that are not done: missing ones behind those that have a reason of their own."""
    unfinished = [run for run in study.runs.values() if run.status is not Status.DONE]
    return sorted(unfinished, key=lambda run: run.status is Status.MISSING)


def interim_warning(study: Study) -> list[str]:
    """A warning where planned runs are unfinished: repeated analyses find differences by chance more often."""
    states = [run.status for run in study.runs.values()]
    if not {Status.MISSING, Status.RUNNING} & set(states) or Status.DONE not in states:
        return []
    return [
        message(
            "Interim analysis: {n} of {all} planned runs are finished; intervals are not corrected for interim "
            "analyses.",
            n=states.count(Status.DONE),
            all=len(states),
        )
    ]


def count_unfinished(study: Study) -> int:
    """How many runs are not done."""
    return len(_unfinished_runs(study))


def listed_unfinished(study: Study) -> list[Run]:
    """Runs that are not done and that the page shows with their reason; `MAX_FAILURES` at most."""
    return _unfinished_runs(study)[:MAX_FAILURES]


def unfinished_section(study: Study) -> Section | None:
    """Each run that is not done with its reason and, if it failed, its traceback; None where all are."""
    blocks: list[Block] = []
    shown = listed_unfinished(study)
    n_missing = sum(run.status is Status.MISSING for run in _unfinished_runs(study))
    if n_missing > _MAX_LISTED_MISSING:
        shown = [run for run in shown if run.status is not Status.MISSING]
        blocks.append(Text(text=message("{n} runs were not started; the table of runs names them.", n=n_missing)))
    for run in shown:
        blocks.append(Text(lead=run.status.label, text=run.run_id, style=f"status {run.status.label}"))
        blocks += [Text(text=run.reason)] if run.reason else []
        traceback = str((run.error or {}).get("traceback", ""))
        blocks += [Collapsible(title=message("Traceback"), blocks=[Code(code=traceback)])] if traceback else []
    if not blocks:
        return None
    short = message("Unfinished ({n})", n=count_unfinished(study))
    return Section(name="failures", title=message("Unfinished runs"), short=short, blocks=blocks)


def _run_cells(run: Run, variant: str, seed: int) -> tuple[Cell, ...]:
    summary, env = run.summary, run.env
    train_s = _as_float(summary.get("train_wall_s"))
    best, steps = summary.get("best_step"), summary.get("steps")
    commit = str(env.get("commit") or "")[:8] or str(env.get("suite") or "")  # an installed wheel has no commit
    return (
        text_cell(run.run_id, style="mono"),
        text_cell(variant),
        Cell(text=str(seed), value=seed),
        text_cell(run.status.label, style=f"status {run.status.label}"),
        text_cell("" if steps is None else message("{n} of {all}", n=best, all=steps)),
        Cell(text=duration(train_s), value=train_s),
        text_cell(duration(_as_float(summary.get("eval_wall_s")))),
        text_cell(str(env.get("device") or ""), style="device"),
        text_cell(commit, style="mono", below=(message("+ uncommitted changes"),) if env.get("dirty") else ()),
    )


def duration(seconds: float | None) -> str:
    """A duration for readers: "42 s", "3 min 5 s", "2 h 14 min"."""
    if seconds is None:
        return ""
    n_seconds = round(seconds)
    if n_seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{n_seconds} s"
    if n_seconds < 3600:
        return f"{n_seconds // 60} min {n_seconds % 60} s"
    return f"{n_seconds // 3600} h {n_seconds % 3600 // 60} min"


def _encoder_names(study: Study) -> list[str]:
    """Every text encoder that finished runs name, or the plan's where none is finished."""
    named = {name_of(r.spec.get("text_encoder")) for r in study.runs.values() if r.status is Status.DONE}
    return sorted((named or {study.text_encoder}) - {""})


def _encoder_remark(encoder: str) -> str:
    if encoder.lower().startswith("clip"):
        return ""
    return message(
        "Prompts were encoded by a substitute for CLIP ViT-B/32, the method's encoder: “{encoder}” ({note}). "
        "Variants that use prompts may perform better or worse with CLIP.",
        encoder=encoder,
        note=_ENCODER_NOTES.get(encoder.lower(), message("which is not CLIP")),
    )


def _data_text(data: dict[str, Any]) -> str:
    described = stored_text(str(data.get("description") or ""))
    checksum = message("checksum {sum}", sum=str(data["checksum"])[:12]) if data.get("checksum") else ""
    return join_texts([t for t in (str(data.get("name") or ""), described, checksum) if t], " · ")


def _budget_text(values: dict[str, Any]) -> str:
    """{"name": "smoke", "steps": 200} -> "smoke · steps 200"; a list of phases is listed phase by phase."""
    parts_of_text = [str(values["name"])] if values.get("name") else []
    parts_of_text += [stored_text(str(values["summary"]))] if values.get("summary") else []
    for key, value in values.items():
        if key in ("name", "summary") or value is None or (isinstance(value, dict) and key != "model"):
            continue
        if isinstance(value, dict):
            value = _part_text(value)
        if isinstance(value, list):
            parts = [_part_text(v) for v in value]
            separator = message(" then ") if any(isinstance(v, dict) for v in value) else ", "
            value = join_texts(parts, separator)
        parts_of_text.append(join_texts([key.replace("_", " "), value if isinstance(value, str) else str(value)], " "))
    return join_texts(parts_of_text, " · ")


def _own_rates_text(study: Study) -> str:
    """Variants that are trained at another learning rate than the study's: "FD-GAN (x 0.1)"."""
    factors = own_learning_rates(study).items()
    return ", ".join(f"{study.label(variant)} (\N{MULTIPLICATION SIGN} {factor:g})" for variant, factor in factors)


def _tiles_text(study: Study) -> str:
    """Variants that restore images in tiles of their training patches' size: "DL (32 px)"."""
    return ", ".join(f"{study.label(variant)} ({side} px)" for variant, (side, _) in tiled_variants(study).items())


def _overrides_text(values: Any) -> str:
    """{"recipe.steps": "500"} -> "recipe.steps 500"; what a command replaced of the named budget and its variants."""
    return " · ".join(f"{name} {value}" for name, value in values.items()) if isinstance(values, dict) else ""


def _part_text(value: Any) -> str:
    if isinstance(value, dict):
        settings = {k.replace("_", " "): _mixture_text(v) if k == "mixture" else v for k, v in value.items()}
        return "(" + ", ".join(f"{k} {v}" for k, v in settings.items() if v != "") + ")"
    return str(value)


def _mixture_text(parts: Any) -> str:
    """Shares and loss weights of a phase's tasks: "noise 4 (loss x 1.5), rain 4 (loss x 2)"."""
    phases = [p for p in parts or () if isinstance(p, dict)]
    return ", ".join(f"{p.get('task')} {p.get('share', 1):g} (loss x {p.get('weight', 1):g})" for p in phases)


def _join_unique(values: Iterable[Any]) -> str:
    return ", ".join(sorted({str(v) for v in values if v}))


def _as_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _as_float(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def reproduce_section(study: Study, *, has_measures: bool) -> Section:
    """The commands that reproduce the runs and the page, and the files next to the page."""
    blocks: list[Block] = []
    if study.command:
        text = message("To run the study (finished runs are not repeated) and build this report:")
        blocks += [Text(text=text), Code(code=study.command)]
    blocks += [
        Text(text=message("To rebuild this report from the run folders:")),
        Code(code=f"python -m reports study {study_path(study)}"),
    ]
    beside = message(
        "Beside this page: table.md, table.tex (needs booktabs), means.csv, contrasts.csv and pairs.csv with every "
        "number unrounded and run ids, and {folder}/ with PNG, SVG and PDF.",
        folder=schema.FIGURES_FOLDER,
    )
    measures = message("In {folder}/: the numbers of each measure.", folder=schema.MEASURES_FOLDER)
    blocks.append(Text(text=join_sentences([beside, measures if has_measures else ""])))
    return Section(name="again", title=message("Reproduce"), blocks=blocks)


def study_path(study: Study) -> str:
    """The study's folder, quoted for a shell and relative to where its command ran; RUNS for runs without a study."""
    if study.folder is None:
        return "RUNS"
    if study.folder.parent.name != schema.STUDIES_FOLDER:
        return shlex.quote(str(study.folder))  # a copy in another place than its command names
    arguments = shlex.split(study.command) if study.command else []
    out_folders = [word.removeprefix("--out=") for word in arguments if word.startswith("--out=")]
    out_folders += [arguments[index + 1] for index, word in enumerate(arguments[:-1]) if word == "--out"]
    root = Path(out_folders[-1] if out_folders else "runs")
    return shlex.quote((root / schema.STUDIES_FOLDER / study.folder.name).as_posix())

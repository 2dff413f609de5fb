"""The summary of a card, from results.jsonl."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ablations.bench.gpu.runner import DONE, NO_TIME, RATES, SKIPPED, Row, Step

_NEVER_RUN = (SKIPPED, NO_TIME)
_HIDDEN_COLUMNS = {"step", "status", "seconds", "exit_code", "ok", "error", "why", "limit"}


def read_results(path: Path) -> list[Row]:
    """The lines of results.jsonl; of each step those of the latest call that ran it.

    Each call starts with a line of the step `card`.
    """
    rows = list(_parse_lines(path))
    n_calls, latest = 0, dict[str, int]()
    calls = []
    for row in rows:
        n_calls += row["step"] == "card"
        calls.append(n_calls)
        if row["status"] not in _NEVER_RUN or row["step"] not in latest:
            latest[row["step"]] = n_calls
    return [row for row, row_call in zip(rows, calls, strict=True) if latest[row["step"]] == row_call]


def _parse_lines(path: Path) -> Iterator[Row]:
    """The lines without an incomplete one."""
    for line in path.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(ValueError):
            yield json.loads(line)


def all_steps_ok(rows: Sequence[Row]) -> bool:
    """Whether no step that ran failed, timed out, had no result or a wrong one."""
    return all(row.get("ok", True) and row["status"] in (DONE, *_NEVER_RUN) for row in rows)


def summary(steps: Sequence[Step], rows: Sequence[Row]) -> str:
    """Markdown: the machine, a line with the verdict of each step, and the speeds relative to the released code."""
    by_step: dict[str, list[Row]] = {}
    for row in rows:
        by_step.setdefault(row["step"], []).append(row)
    verdicts = [_verdict_line(step, by_step[step.name]) for step in steps if step.name in by_step]
    parts = [_machine(by_step.get("card", [])), _table(("step", "verdict", "seconds", "results"), verdicts)]
    speeds = _speeds(steps, by_step)
    if speeds:
        parts.append("## How fast?\n\n" + _table(("step", "value", "unit", "ratio", "measurement"), speeds))
    return "\n\n".join(parts) + "\n"


def _machine(rows: Sequence[Row]) -> str:
    facts = rows[0] if rows else {}
    lines = [f"# {facts.get('card', 'Unknown card')}", ""]
    columns = {name: value for name, value in facts.items() if name not in _HIDDEN_COLUMNS and name != "card"}
    return "\n".join([*lines, *(f"- {name}: {_short(value)}" for name, value in columns.items())])


def _verdict_line(step: Step, rows: Sequence[Row]) -> tuple[str, ...]:
    """Name, verdict, seconds, and the worst results."""
    first = rows[0]
    wrong = [row for row in rows if row.get("ok") is False]
    judged = [row for row in rows if row.get("ok") is not None]
    verdict = first["status"]
    if verdict == DONE:
        verdict = f"**not right** ({len(wrong)} of {len(judged)})" if wrong else "right" if judged else "measured"
    elif verdict not in _NEVER_RUN:
        verdict = f"**{verdict}**"
    return step.name, verdict, str(first.get("seconds", "")), f"{step.description}{_describe_results(wrong or rows)}"


def _describe_results(rows: Sequence[Row]) -> str:
    first = rows[0]
    if first.get("why"):
        return f"; {first['why']}"
    if first.get("error"):
        return f"; {' '.join(str(first['error']).split())[-160:]}"
    facts = [{name: value for name, value in row.items() if name not in _HIDDEN_COLUMNS} for row in rows]
    if "unit" in first or not facts[0]:
        return ""  # in the table of speeds
    texts = [", ".join(f"{name} {_short(value)}" for name, value in fact.items()) for fact in facts[:3]]
    more = f"; and {len(facts) - 3} more" if len(facts) > 3 else ""
    return "; " + "; ".join(texts) + more


def _speeds(steps: Sequence[Step], by_step: dict[str, list[Row]]) -> list[tuple[str, ...]]:
    """The measured speeds; of steps that ran in parallel only durations."""
    lines = []
    for step in steps:
        reference = _rate(by_step.get(step.reference, []))
        for row in by_step.get(step.name, []):
            if "runs" in row and row.get("seconds") and not step.shares_device:
                lines += _study_speeds(step, row)
            if "unit" not in row or (step.shares_device and row["unit"] != "s") or _is_secondary(step, row):
                continue
            value = row.get("value")
            ratio = value / reference if reference and value and row["unit"] in RATES else None
            remarks = "; ".join(str(row[name]) for name in ("what", "note") if row.get(name))
            lines.append((step.name, _short(value), row["unit"], "" if ratio is None else f"{ratio:.2f}", remarks))
    return lines


def _is_secondary(step: Step, row: Row) -> bool:
    """Whether a row repeats others: ceilings are listed once, multiply-adds are proportional to the speed."""
    what = str(row.get("what", ""))
    return "multiply-adds" in what or (what.startswith("ceiling") and step.name != "ceilings")


def _study_speeds(step: Step, row: Row) -> list[tuple[str, ...]]:
    """Runs an hour and training steps a second of a study, start-up and report included."""
    seconds = row["seconds"]
    return [
        (step.name, _short(3600 * row["runs"] / seconds), "runs/h", "", f"{row['runs']} runs done"),
        (step.name, _short(row.get("steps", 0) / seconds), "steps/s", "", f"{row.get('steps', 0)} steps of all runs"),
    ]


def _rate(rows: Sequence[Row]) -> float | None:
    """The first measured rate, which is the released code's where both are measured."""
    for row in rows:
        if row.get("unit") in RATES and row.get("value"):
            return float(row["value"])
    return None


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = [[cell.replace("|", "/").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in [list(head), ["---"] * len(head), *cells])


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if value is None:
        return "-"
    if isinstance(value, dict | list | tuple):
        return json.dumps(value)
    return str(value)

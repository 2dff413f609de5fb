"""What a study says in a terminal: its table at its end, what it does after the last step, and estimates."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from ablations.cli import counted, duration, print_prose
from ablations.harness.cost.estimate import RunEstimate, summarize_study
from ablations.harness.progress import StudyProgress, timed_status
from ablations.harness.terminal_summary import print_skipped_measures, print_table
from ablations.harness.training.train import Progress
from reports.files import write_json
from reports.load import load
from reports.stats import TASK_AVERAGE
from reports.tables import ResultTable, build_table
from tests.support.fake_runs import FakeStudy, write_runs
from tests.support.tiny_study import tiny_plan

NAMES = ("dfpir_identity_order_without_channel_attention", "dfpir_identity_order_without_channel_attention_2")


@pytest.fixture(scope="module")
def table(tmp_path_factory) -> ResultTable:
    fake = FakeStudy(effect_db={"dfpir_g50": 0.0, "dfpir_g100": 2.0}, seeds=(0, 1), not_run=(("dfpir_g50", 1),))
    return build_table(load([write_runs(tmp_path_factory.mktemp("runs"), fake)]))


def shown(table: ResultTable, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_table(table, console)
    return console.file.getvalue().splitlines()  # type: ignore[attr-defined]


def test_the_whole_table_where_there_is_room(table):
    lines = shown(table, 200)
    text = "\n".join(lines)
    for row in table.rows:
        line = next(line for line in lines if line.startswith(row.variant))
        for cell in row.cells:
            assert " / ".join(n.text for n in cell.numbers) in line
    assert "310" in text or "312" in text, "parameters"
    assert "1 of 2" in text
    assert lines[-1].startswith("PSNR (dB) / SSIM. Protocol: aio-rgb.")


@pytest.mark.parametrize("width", [80, 120, 160])
def test_it_fits_the_terminal(table, width):
    lines = shown(table, width)
    assert max(map(len, lines[:-1])) <= width
    best = next(row for row in table.rows if row.variant == "dfpir_g100")
    line = next(line for line in lines if line.startswith("dfpir_g100"))
    conditions = [cell for name, cell in zip(table.columns, best.cells, strict=True) if name != TASK_AVERAGE]
    assert all(cell.numbers[0].text in line for cell in conditions)
    if width == 80:
        assert " / " not in line
        assert "what had no room here is in table.md" in lines[-1]


def test_no_name_is_cut(table):
    rows = [replace(row, variant=name) for row, name in zip(table.rows[1:], NAMES, strict=True)]
    long = replace(table, rows=(table.rows[0], *rows))
    for width in (20, 40, 80):
        starts = [line.split()[0] for line in shown(long, width)]
        assert set(NAMES) <= set(starts)


def test_a_measure_that_fails_everywhere_is_said_once(tmp_path):
    plan = tiny_plan()
    for spec in plan.specs:
        path = tmp_path / spec.run_id / "measures" / "information.error.json"
        write_json(path, {"message": "it needs 4 different test photographs"})
    console = Console(file=io.StringIO(), width=60)
    print_skipped_measures(plan, tmp_path, console)
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert said == "Measure information left out for 2 runs: it needs 4 different test photographs\n"


def test_progress_says_what_it_does_after_the_last_step():
    (spec,) = tiny_plan(only=("dfpir_g50",)).specs
    console = Console(file=io.StringIO(), width=200)
    with StudyProgress([spec], console) as progress:
        progress.started(spec)
        for stage in ("evaluate", "evaluate", "measure"):
            progress.update(spec.digest, Progress(step=10, steps=10, stage=stage))
        progress.finished(spec)
    with timed_status(console, "writing the table and the report"):
        pass
    assert console.file.getvalue().splitlines() == [  # type: ignore[attr-defined]
        "dfpir_g50 seed 0: evaluating, all 10 steps done",
        "dfpir_g50 seed 0: taking its measures, all 10 steps done",
        "dfpir_g50 seed 0: done (1 of 1 run)",
        "Writing the table and the report took 0 s.",
    ]


def test_bars_say_it_too_with_the_time():
    (spec,) = tiny_plan(only=("dfpir_g50",)).specs
    console = Console(file=io.StringIO(), width=120, force_terminal=True)
    with StudyProgress([spec], console) as progress:
        progress.started(spec)
        progress.update(spec.digest, Progress(step=10, steps=10, stage="measure"))
        progress._progress.refresh()
    said = console.file.getvalue()  # type: ignore[attr-defined]
    assert "taking its measures, 0 s" in said


def one(train_s: float) -> RunEstimate:
    return RunEstimate(variant="x", step_s=1.0, train_s=train_s, eval_s=10.0, memory_bytes=2**30, measures_s=20.0)


def test_an_estimate_counts_all_that_a_run_does_and_no_jobs_that_do_not_exist():
    alone, memory = summarize_study([one(100.0)], [1], jobs=1)
    assert alone > 5 + 100 + 10 + 20
    assert summarize_study([one(100.0)], [1], jobs=1000) == (alone, memory) == (alone, 1.0)
    assert summarize_study([one(100.0)], [3], jobs=8)[0] >= 135
    longest, _ = summarize_study([one(10_000.0), one(1.0)], [1, 5], jobs=6)
    assert longest >= 10_000, "the longest run"


def test_times_and_numbers_as_people_write_them():
    assert [duration(s) for s in (6, 240, 3 * 3600, 4 * 86400)] == ["6 s", "4 min", "3 h", "4 d"]
    assert [counted(n, "run") for n in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]


@pytest.mark.parametrize("terminal", [True, False])
def test_sentences_break_at_words_on_a_terminal_and_nowhere_in_a_pipe(terminal):
    console = Console(file=io.StringIO(), width=30, force_terminal=terminal, color_system=None)
    sentence = "Text encoder: minilm, not CLIP (a stand-in for CLIP that needs no download)."
    print_prose(console, sentence)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(lines) == (3 if terminal else 1)
    assert " ".join(line.strip() for line in lines) == sentence

"""The check of a GPU: whatever a step does, its line is left and the next one follows; the whole runs at toy size."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ablations.bench.gpu import command
from ablations.bench.gpu.card import PROJECT, missing_packages
from ablations.bench.gpu.runner import RESULT, ResultsLog, Step, results_in, run_steps, stop
from ablations.bench.gpu.steps import StepFactory, csv_reader, make_steps, study_reader
from ablations.bench.gpu.summary import all_steps_ok, read_results, summary


def step(name, code, limit_s=20.0, **options):
    return Step(name=name, description="nothing", command=(sys.executable, "-c", code), limit_s=limit_s, **options)


def said(**facts):
    return f"print({RESULT + json.dumps(facts)!r}, flush=True)"


def ran(steps, folder, *, seconds=60.0, max_parallel=2, min_start_s=0.0):
    log = ResultsLog(folder, lambda line: None)
    run_steps(steps, log, seconds=seconds, max_parallel=max_parallel, min_start_s=min_start_s)
    log.close()
    return read_results(folder / "results.jsonl")


def status_of(rows):
    return {row["step"]: row["status"] for row in rows}


def waited(condition, seconds=60.0):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][:3]  # a zombie where nobody waits for it


def test_whatever_a_step_does_its_line_is_left_and_the_rest_goes_on(tmp_path):
    steps = [
        step("fails", "raise ValueError('on purpose')"),
        step("dies", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"),
        step("fails halfway", said(ok=True, way="a") + "; raise SystemExit(3)"),
        step("late", said(value=1) + "; import time; time.sleep(60)", limit_s=0.6),
        step("silent", "print('nothing of note')"),
        Step(name="absent", description="", command=("no-such-program",), limit_s=1),
        step("left out", "", skipped="for want of a GPU"),
        step("wrong", said(ok=False)),
        step("fine", said(ok=True, unit="patches/s", value=2.0)),
    ]
    rows = ran(steps, tmp_path)
    assert status_of(rows) == {
        "fails": "failed",
        "dies": "failed",
        "fails halfway": "failed",
        "late": "past its limit",
        "silent": "no result",
        "absent": "failed",
        "left out": "skipped",
        "wrong": "done",
        "fine": "done",
    }
    by_name = {row["step"]: row for row in rows}
    assert "on purpose" in by_name["fails"]["error"]
    assert by_name["fails halfway"]["way"] == "a", "what it found before is kept"
    assert by_name["late"]["value"] == 1
    assert by_name["left out"]["why"] == "for want of a GPU"
    assert "nothing of note" in (tmp_path / "output" / "silent.txt").read_text()
    assert not all_steps_ok(rows)
    assert all_steps_ok([row for row in rows if row["step"] in ("fine", "left out")])
    text = summary(steps, rows)
    assert "| wrong | **not right** (1 of 1) |" in text
    assert "| late | **past its limit** |" in text
    assert "on purpose" in text


def test_no_time_left_is_a_line_each(tmp_path):
    steps = [step("takes all", "import time; time.sleep(60)"), *(step(f"after {n}", said(ok=True)) for n in range(2))]
    rows = ran(steps, tmp_path, seconds=4.0, max_parallel=1, min_start_s=2.5)
    assert status_of(rows) == {
        "takes all": "past its limit",
        "after 0": "no time left",
        "after 1": "no time left",
    }
    assert all_steps_ok(rows[1:]), "what there was no time for is no fault"


def test_what_a_late_step_started_ends_with_it(tmp_path):
    place = tmp_path / "child"
    child = f"import os, pathlib, time; pathlib.Path({str(place)!r}).write_text(str(os.getpid())); time.sleep(99)"
    code = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(99)"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    waited(lambda: place.is_file() and place.read_text())
    stop(process)
    waited(lambda: not is_running(int(place.read_text())))
    assert process.returncode is not None


def test_steps_that_share_the_device_run_at_once_and_timed_ones_alone(tmp_path):
    log = tmp_path / "log"
    write = f"import pathlib, time; log = pathlib.Path({str(log)!r}); write = lambda x: log.open('a').write(x); write('+')\n"
    meet = "while '++' not in log.read_text(): time.sleep(0.02)\n"  # neither ends before the other has begun
    ran(
        [
            *(step(f"alone {n}", f"{write}time.sleep(0.2); write('-')") for n in (1, 2)),
            *(step(f"both {n}", f"{write}{meet}write('-')", shares_device=True) for n in (1, 2)),
        ],
        tmp_path,
    )
    assert log.read_text() == "++--+-+-"


def test_an_open_ended_step_is_stopped_without_fault(tmp_path):
    code = said(steps=7) + "; import time; time.sleep(60)"
    rows = ran([step("sweep", code, limit_s=1.0, open_ended=True)], tmp_path)
    assert rows[0]["status"] == "done"
    assert rows[0]["steps"] == 7


def test_results_are_objects_and_a_line_that_was_cut_off_is_left_out():
    assert results_in(f'words\n{RESULT}{{"a": 1}}\n{RESULT}[1]\n{RESULT}{{"b": ') == [{"a": 1}]


def test_a_later_call_of_some_steps_replaces_theirs_and_no_others(tmp_path):
    calls = [("card", "done"), ("a", "failed"), ("b", "done"), ("card", "done"), ("a", "done"), ("b", "no time left")]
    lines = [json.dumps({"step": name, "status": status, "n": n}) for n, (name, status) in enumerate(calls)]
    path = tmp_path / "results.jsonl"
    path.write_text("\n".join(lines) + '\n{"step": "cut o')
    assert [row["n"] for row in read_results(path)] == [2, 3, 4]


def test_bench_lines_are_read_and_compared_with_the_released_way(tmp_path):
    path = tmp_path / "train.csv"
    assert csv_reader(path)("") == []
    path.write_text(
        "what,unit,value,spread,ratio,note\ntoo large,patches/s,,1.0,,does not fit\nours,patches/s,30.0,1.1,,\n"
    )
    rows = csv_reader(path)("")
    assert rows == [
        {"what": "too large", "unit": "patches/s", "spread": 1.0, "note": "does not fit"},
        {"what": "ours", "unit": "patches/s", "value": 30.0, "spread": 1.1},
    ]
    steps = [step("released", ""), step("ours", "", reference="released")]
    found = [{"step": "released", "status": "done", "unit": "patches/s", "value": 10.0}]
    text = summary(steps, found + [{"step": "ours", "status": "done"} | row for row in rows])
    assert "| ours | 30 | patches/s | 3.00 | ours |" in text
    assert "too large; does not fit" in text


def test_runs_of_a_study_are_counted(tmp_path):
    assert study_reader(tmp_path)("") == []
    for name, end in (("a", "DONE"), ("b", "ERROR.json")):
        (tmp_path / name).mkdir()
        (tmp_path / name / end).touch()
    (tmp_path / "a" / "train.jsonl").write_text('{"step": 2, "loss": 1}\n{"step": 12, "loss": 1}\n')
    output = "first\n3 at once on this GPU: no more are left to do\n"
    assert study_reader(tmp_path)(output) == [
        {"runs": 1, "failed": 1, "steps": 12, "ok": False, "said": "3 at once on this GPU: no more are left to do"}
    ]


def test_steps_have_names_of_their_own_and_commands_that_exist(tmp_path):
    from ablations.bench.gpu.checks import CHECKS
    from ablations.bench.options import BenchOptions
    from ablations.flags import parse
    from ablations.run_options import parse_arguments

    steps = make_steps(StepFactory(device="cuda", out=tmp_path, work=tmp_path, memory_gib=80))
    assert len({each.name for each in steps}) == len(steps)
    names = {each.name for each in steps}
    assert all(not each.reference or each.reference in names for each in steps)
    for each in steps:
        words = list(each.command)
        if "--check" in words:
            assert words[words.index("--check") + 1] in CHECKS
        elif "ablations.run" in words:
            parse_arguments(words[words.index("ablations.run") + 1 :])
        elif "ablations.bench" in words:
            options = parse(BenchOptions, words[words.index("ablations.bench") + 1 :], prog="", description="")
            assert options.out.suffix == ".csv"


def test_what_is_missing_is_named_with_how_to_bring_it():
    assert missing_packages("json", "torch") == ""
    said = missing_packages("json", "no_such_module_of_ours")
    assert said.startswith("no_such_module_of_ours not installed")
    assert "pip download --no-deps --dest wheels no_such_module_of_ours" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--only", "nothing-like-it"], "--list shows them"),
        (["--seconds", "0"], "argument --seconds: '0': a positive number"),
        (["--photos", "no/such/folder"], "no such folder"),
        (["--check", "nothing"], "argument --check: invalid choice"),
    ],
)
def test_bad_input_is_one_line(arguments, words, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["--device", "cpu", "--list", *arguments])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_the_list_says_what_is_skipped_and_why(capsys):
    assert command.main(["--device", "cpu", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("switches") and "skipped" not in line for line in lines)
    assert any(line.startswith("out_of_memory") and "needs a GPU" in line for line in lines)


def test_without_a_gpu_the_command_says_so(tmp_path):
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is one")
    done = subprocess.run(
        [sys.executable, "-m", "ablations.bench", "gpu", "--out", str(tmp_path / "out")],
        capture_output=True, text=True, cwd=PROJECT, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--device cpu" in done.stderr
    assert not (tmp_path / "out").exists()


ONE_OF_EACH_KIND = ("memory_format", "torchrun", "train: graphs, batch 5")  # a check, a study, a bench


@pytest.mark.parametrize("only", [pytest.param((), marks=pytest.mark.slow), ONE_OF_EACH_KIND], ids=["all", "kinds"])
def test_at_toy_size_on_a_cpu(only, tmp_path):
    """What can be tried is right, the rest is skipped aloud."""
    words = ["--device", "cpu", "--out", str(tmp_path), "--seconds", "900", *(("--only", *only) if only else ())]
    done = subprocess.run(
        [sys.executable, "-m", "ablations.bench", "gpu", *words],
        capture_output=True, text=True, cwd=PROJECT, check=False,
    )  # fmt: skip
    rows = read_results(tmp_path / "results.jsonl")
    assert done.returncode == 0, done.stdout
    statuses = status_of(rows)
    tried = {name for name, status in statuses.items() if status == "done"}
    assert tried >= {"card", "memory_format", "torchrun with one process", "train: graphs, batch 5"}
    assert only or tried >= {"switches", "resume", "eval: graphs"}
    assert set(statuses.values()) <= {"done", "skipped"}
    assert all(row["why"] for row in rows if row["status"] == "skipped")
    text = (tmp_path / "summary.md").read_text()
    assert "| memory_format | right |" in text
    assert "| train: graphs, batch 5 |" in text.partition("How fast?")[2]
    assert (tmp_path / "bench" / "train-graphs-batch-5.csv").is_file()

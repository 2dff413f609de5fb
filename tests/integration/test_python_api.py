"""The suite from Python: the same runs and folders as the command line's, as tables of pandas."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ablations
from ablations.override_flags import GROUPS, validate
from ablations.recipe import TaskShare
from ablations.run_options import options_from_keywords, parse_arguments, to_command
from tests.support.cached_folder import TWO

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def result(smoke_runs) -> ablations.StudyResult:
    """What `run_study` made."""
    return ablations.load_results(smoke_runs)


def test_a_study_from_python_gives_its_tables(result):
    assert result.failed == ()
    assert result.report.is_file()
    assert set(result.table["variant"]) == set(TWO)
    assert {"image", "condition", "metric", "value"} <= set(result.table.columns)
    scores = result.table.query("variant == 'dfpir_g50' and condition == 'rain' and metric == 'psnr_db'")["value"]
    shown = result.means.query("variant == 'dfpir_g50' and condition == 'rain' and metric == 'psnr_db'")["mean"]
    assert shown.item() == pytest.approx(scores.mean())
    assert not result.pairs.empty
    assert "| DFPIR, \N{GREEK SMALL LETTER GAMMA} = 0.5 |" in result._repr_markdown_()
    assert result.summary


@pytest.mark.usefixtures("blank_figures")
def test_a_report_alone_is_a_result(smoke_runs, tmp_path):
    run = next(path.parent for path in smoke_runs.glob("*/DONE"))
    shutil.copytree(run, tmp_path / run.name)
    result = ablations.run_study("gamma_sweep", budget="smoke", out=tmp_path, report_only=True, quiet=True)
    assert result.report.is_file()
    assert set(result.table["run_id"]) == {run.name}
    assert len(result.failed) == 4  # not started


def test_results_are_read_again_without_torch(result):
    program = (
        "import sys, ablations; r = ablations.load_results(sys.argv[1]); "
        "print(len(r.means), r.failed, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(result.folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(len(result.means)), "()", "False"]


def test_a_folder_of_runs_is_as_good_where_it_holds_one_study(result):
    assert ablations.load_results(result.folder.parent.parent).folder == result.folder
    with pytest.raises(ValueError, match="holds 0 studies"):
        ablations.load_results(result.folder.parent)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"study": "gama_sweep"}, "Did you mean 'gamma_sweep'"),
        ({"budget": "smok"}, "Did you mean 'smoke'"),
        ({"seed": 1}, "Unknown option 'seed'.*'seeds'"),
        ({"seeds": [-1]}, "argument --seeds: '-1' is no seed"),
        ({"dry_run": True}, "Unknown option 'dry_run'"),
        ({"only": []}, r"only=\[\]: name one or more, or leave it out"),
        ({"seeds": ()}, r"seeds=\(\): name one or more"),
        ({"jobs": 0}, "argument --jobs: '0' runs at once"),
        ({"slurm": {"partition": "gpu"}}, "not a dictionary"),
        ({"study": None}, "study=None: the name of a study is needed"),
        ({"budget": None}, "budget=None: the name of a budget is needed"),
        ({"recipe": 3}, "recipe=3: a dictionary of settings is needed"),
        ({"recipe": {"stesp": 5}}, "Unknown setting 'stesp' of recipe. Did you mean 'steps'"),
        ({"recipe": {"steps": "many"}}, "--recipe.steps many: a whole number is needed"),
        ({"model": {"gamma": 0.93}}, "gamma is what gamma_sweep varies"),
    ],
)
def test_bad_values_are_one_line(options, message, tmp_path):
    asked = {"study": "gamma_sweep", "budget": "smoke", "out": tmp_path, **options}
    with pytest.raises(ValueError, match=message) as error:
        ablations.run_study(**asked)
    assert "\n" not in str(error.value)
    assert error.value.__cause__ is None


def test_results_are_of_a_folder():
    for folder in (None, 3, ["a"]):
        with pytest.raises(ValueError, match="the path of a study's folder is needed"):
            ablations.load_results(folder)


@pytest.mark.parametrize("seeds", [0, [0], range(1), {0}, np.arange(1)], ids=str)
def test_seed_zero_is_a_seed_in_any_kind_of_list(seeds):
    assert to_command(options_from_keywords("gamma_sweep", {"seeds": seeds})).endswith("gamma_sweep --seeds 0")


def test_zero_is_a_value():
    assert "--hang-after 0" in to_command(options_from_keywords("gamma_sweep", {"hang_after": 0}))


def test_the_command_of_the_report_asks_for_the_same():
    asked = options_from_keywords(
        "gamma_sweep", {"budget": "small", "seeds": (0, 2), "out": "my runs", "force": True, "jobs": 2}
    )
    words = to_command(asked)
    assert words == "python -m ablations.run gamma_sweep --seeds 0 2 --budget small --out 'my runs' --jobs 2 --force"
    assert parse_arguments(shlex.split(words)[3:]) == asked


def test_overrides_from_python_are_those_of_the_command_line():
    settings = {
        "recipe": {"steps": [400, 100], "grad_clip": None, "mixture": [TaskShare(task="noise", share=2)]},
        "model": {"dim": 16, "gamma": (0.9, 0.9, 0.9, 1.0), "residual": True},
        "evaluation": {"limit": None},
    }
    asked = options_from_keywords("components", {"jobs": "auto", **settings})
    words = shlex.split(to_command(asked))[3:]
    assert "--recipe.steps 400 100 --recipe.mixture noise:2:1 --recipe.grad-clip None --model.dim 16" in " ".join(words)
    again = parse_arguments(words)
    assert again.execution.jobs == asked.execution.jobs == 0
    for group in GROUPS:
        assert validate(group, getattr(again, group)) == validate(group, settings[group])


def test_a_script_without_a_guard_is_told_how_to_mend_it(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(
        f"import ablations\nablations.run_study('gamma_sweep', budget='smoke', only=['dfpir_g50'], out={str(tmp_path)!r})\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        env={"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert '__name__ == "__main__"' in done.stdout + done.stderr


def test_the_page_on_python_runs_from_top_to_bottom(smoke_runs, tmp_path, monkeypatch):
    shutil.copytree(smoke_runs, tmp_path / "runs")  # its runs, which are not done again
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(blocks) >= 5
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert names["result"].report.is_file()

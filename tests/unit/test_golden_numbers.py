"""Numbers that no change of structure may move: the ids of every study's runs, and a finished study's report.

Both were frozen before the code was rearranged. A change that is meant to move one says so, and writes the frozen files
anew by running this file: `python -m tests.unit.test_golden_numbers`.
"""

import json
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import pytest

import ablations
from ablations.budgets import BUDGETS
from ablations.models import missing_extra
from ablations.plan import make_plan
from ablations.registry import STUDIES
from ablations.spec import DataRef
from datasets.tasks import CONDITIONS
from reports.build import build_report

FROZEN = Path(__file__).parents[1] / "golden" / "numbers"
IDS = FROZEN / "run_ids.json"
STUDY = FROZEN / "study.json"
RUNS = Path(__file__).parents[2] / "reports" / "published" / "components-small-BSDS500" / "runs"
TABLES = ("means.csv", "pairs.csv", "contrasts.csv", "measures/learning.csv", "measures/separation.csv")
ROUNDED = {"check_exact": False, "rtol": 1e-7, "atol": 1e-9}
"""The files keep nine digits, and processors round sums differently."""
DATA = DataRef(name="made_up", kind="embedded", path=None, checksum="c" * 64, description="none")


def run_ids() -> dict[str, list[str]]:
    """Study and budget -> the ids of its runs, of made-up data."""
    names = [condition.name for condition in CONDITIONS]
    found = {}
    for study in STUDIES:
        for budget in BUDGETS.values():
            plan = make_plan(
                study, budget=budget, data=DATA, conditions=names, protocol="suite-v1", text_encoder="minilm"
            )
            found[f"{study} {budget.name}"] = [spec.run_id for spec in plan.specs]
    return found


def report(folder: Path) -> Path:
    """The report of the frozen study from the published runs, in a folder of its own."""
    study = folder / "studies" / "components-small-BSDS500"
    study.mkdir(parents=True)
    shutil.copyfile(STUDY, study / "study.json")
    for row in json.loads(STUDY.read_text(encoding="utf-8"))["rows"]:
        if (RUNS / row["run_id"]).is_dir() and not (folder / row["run_id"]).exists():
            shutil.copytree(RUNS / row["run_id"], folder / row["run_id"])
    build_report([study])
    return study


@pytest.mark.parametrize("plan", sorted(json.loads(IDS.read_text(encoding="utf-8"))) if IDS.is_file() else [])
def test_run_ids_are_what_they_were(plan, ids):
    frozen = json.loads(IDS.read_text(encoding="utf-8"))[plan]
    if missing_extra("swinir"):  # left out of a plan then
        frozen = [run_id for run_id in frozen if not run_id.startswith("swinir-")]
    assert ids[plan] == frozen


@pytest.fixture(scope="module")
def ids():
    return run_ids()


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    return report(tmp_path_factory.mktemp("golden"))


@pytest.mark.parametrize("name", TABLES)
def test_a_finished_studys_numbers_are_what_they_were(built, name):
    frozen = pd.read_csv(FROZEN / name.replace("/", "_"))
    assert len(frozen) > 1
    pd.testing.assert_frame_equal(pd.read_csv(built / name), frozen, **ROUNDED)


@pytest.mark.parametrize("name", ["means", "pairs", "contrasts"])
def test_from_python_a_study_with_two_rain_sets_has_the_reports_numbers(built, name):
    results = ablations.load_results(built)
    assert {"bsds500-val", "rain100l-test"} <= set(results.table["dataset"])
    numbers, written = (t.select_dtypes("number") for t in (getattr(results, name), pd.read_csv(built / f"{name}.csv")))
    written = written[numbers.columns]
    pd.testing.assert_frame_equal(numbers.astype(float), written.astype(float), **ROUNDED)


def freeze() -> None:
    """Write the frozen files from today's code."""
    IDS.write_text(json.dumps(run_ids(), indent=1) + "\n", encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        built = report(Path(folder))
        for name in TABLES:
            shutil.copyfile(built / name, FROZEN / name.replace("/", "_"))


if __name__ == "__main__":
    freeze()

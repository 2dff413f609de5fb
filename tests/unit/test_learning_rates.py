"""Comparators with a learning rate of their own: the study's stays as it is, and the page names them."""

import json

import pytest

from ablations.budgets import BUDGETS
from ablations.harness.study_folder import budget_record
from ablations.plan import make_plan
from reports import schema
from reports.learning_rates import own_learning_rates
from reports.load import load
from reports.pages.setup import caveats, setup_facts
from tests.support.fake_runs import FakeStudy, write_done_marker, write_runs
from tests.unit.test_spec_and_plan import DATA


@pytest.mark.parametrize("budget", sorted(BUDGETS))
def test_the_studys_learning_rate_is_the_budgets(budget):
    plan = make_plan(
        "three_task", budget=BUDGETS[budget], data=DATA, conditions=["noise-25", "rain", "haze"], protocol="suite-v1",
        text_encoder="minilm", only=["fdgan", "nafnet"],
    )  # fmt: skip
    rates = {spec.variant: [phase.lr for phase in spec.recipe.phases] for spec in plan.specs}
    assert rates["fdgan"] == pytest.approx([lr / 10 for lr in rates["nafnet"]])
    assert [phase["lr"] for phase in budget_record(plan)["phases"]] == pytest.approx(rates["nafnet"])


def test_the_page_names_those_with_another(tmp_path):
    folder = write_runs(tmp_path, FakeStudy(effect_db={"a": 0.0, "b": 0.5}, seeds=(0, 1), pictures=False))
    phases = {"a": [{"steps": 4, "lr": 2e-3}], "b": [{"steps": 4, "lr": 2e-4}]}
    for path in tmp_path.glob("*/spec.json"):
        spec = json.loads(path.read_text())
        spec["budget"]["phases"] = phases[spec["variant"]]
        path.write_text(json.dumps(spec))
        write_done_marker(path.parent)
    plan = json.loads((folder / schema.STUDY_FILE).read_text())
    plan["budget"]["phases"] = phases["a"]
    (folder / schema.STUDY_FILE).write_text(json.dumps(plan))
    study = load([folder])
    assert own_learning_rates(study) == "b (\N{MULTIPLICATION SIGN} 0.1)"
    assert dict(setup_facts(study))["Learning rates of their own"] == "b (\N{MULTIPLICATION SIGN} 0.1)"
    assert not any("mix budgets" in caveat for caveat in caveats(study))

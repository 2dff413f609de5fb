"""Comparators with settings of their own: the study's stay as they are, and the page names them."""

import json
from dataclasses import replace

import pytest

from ablations.budgets import BUDGETS
from ablations.harness.study_folder import budget_record
from ablations.plan import make_plan
from reports import schema
from reports.load import load
from reports.own_settings import own_learning_rates
from reports.pages.setup import caveats, setup_facts
from reports.tables import build_table
from tests.support.fake_runs import FakeStudy, write_done_marker, write_runs
from tests.unit.test_spec_and_plan import DATA


@pytest.mark.parametrize("budget", sorted(BUDGETS))
def test_the_studys_learning_rate_is_the_budgets(budget):
    settings = {
        "budget": BUDGETS[budget], "data": DATA, "conditions": ["noise-25", "rain", "haze"], "protocol": "suite-v1",
        "text_encoder": "minilm",
    }  # fmt: skip
    plan = make_plan("three_task", **settings, only=["fdgan", "nafnet"])
    rates = {spec.variant: [phase.lr for phase in spec.recipe.phases] for spec in plan.specs}
    assert rates["fdgan"] == pytest.approx([lr / 10 for lr in rates["nafnet"]])
    assert budget_record(make_plan("three_task", **settings, only=["fdgan"])) == budget_record(plan)
    assert [phase["lr"] for phase in budget_record(plan)["phases"]] == rates["nafnet"]


def trained_at(tmp_path, rates, common):
    """A study whose runs, by variant and seed, were trained at these rates a phase."""
    folder = write_runs(tmp_path, FakeStudy(effect_db={"a": 0.0, "b": 0.5}, seeds=(0, 1), pictures=False))
    for path in tmp_path.glob("*/spec.json"):
        spec = json.loads(path.read_text())
        spec["budget"]["phases"] = [{"steps": 4, "lr": lr} for lr in rates[spec["variant"], spec["seed"]]]
        path.write_text(json.dumps(spec))
        write_done_marker(path.parent)
    plan = json.loads((folder / schema.STUDY_FILE).read_text())
    plan["budget"]["phases"] = [{"steps": 4, "lr": lr} for lr in common]
    (folder / schema.STUDY_FILE).write_text(json.dumps(plan))
    return folder


def mixed(study):
    return any("mix budgets" in caveat for caveat in caveats(study))


def test_the_page_names_those_with_another(tmp_path):
    common, tenth = (2e-3, 1e-3), (2e-4, 1e-4)
    folder = trained_at(
        tmp_path, {("a", 0): common, ("a", 1): common, ("b", 0): tenth, ("b", 1): tenth}, common
    )  # fmt: skip
    study = load([folder])
    assert own_learning_rates(study) == pytest.approx({"b": 0.1})
    assert dict(setup_facts(study))["Learning rates of their own"] == "b (\N{MULTIPLICATION SIGN} 0.1)"
    assert not mixed(study)
    runs = load(sorted(path.parent for path in tmp_path.glob("*/spec.json")))
    assert own_learning_rates(runs) == {}, "runs without a study have no common rate"
    assert mixed(runs)


@pytest.mark.parametrize("other", [(1e-3, 1e-3), (2e-3, 1e-4)], ids=["one run", "one phase"])
def test_rates_that_are_no_multiple_are_mixed_budgets(tmp_path, other):
    common = (2e-3, 1e-3)
    rates = dict.fromkeys([("a", 0), ("a", 1), ("b", 0)], common) | {("b", 1): other}
    study = load([trained_at(tmp_path, rates, common)])
    assert own_learning_rates(study) == {}
    assert mixed(study)


def test_those_that_normalise_over_the_image_are_tested_at_their_patches_size():
    settings = {
        "data": DATA,
        "conditions": ["noise-25", "rain", "haze"],
        "protocol": "suite-v1",
        "text_encoder": "minilm",
    }
    plan = make_plan("three_task", budget=BUDGETS["paper"], only=["dl", "fdgan", "nafnet"], **settings)
    assert {spec.variant: spec.evaluation.tile for spec in plan.specs} == {"dl": 192, "fdgan": 192, "nafnet": None}
    assert "tile" not in plan.specs[-1].identity()["evaluation"], "ids from before there were tiles stay"
    asked = replace(BUDGETS["small"], evaluation=replace(BUDGETS["small"].evaluation, tile=64))
    plan = make_plan("three_task", budget=asked, only=["dl", "nafnet"], **settings)
    assert {spec.evaluation.tile for spec in plan.specs} == {64}
    plain = make_plan("three_task", budget=BUDGETS["small"], only=["dl", "nafnet"], **settings)
    asked = replace(BUDGETS["small"], evaluation=replace(BUDGETS["small"].evaluation, tile=0))
    whole = make_plan("three_task", budget=asked, only=["dl", "nafnet"], **settings)
    assert {spec.evaluation.tile for spec in whole.specs} == {None}
    assert [a.run_id == b.run_id for a, b in zip(plain.specs, whole.specs, strict=True)][:2] == [False, True]


def test_a_tile_is_a_multiple_of_eight():
    with pytest.raises(
        ValueError, match="tile=20 is not allowed: a multiple of 8 up to 65536, 0 for whole images, or None"
    ):
        replace(BUDGETS["small"].evaluation, tile=20)


def test_the_page_names_tiles_where_they_were_not_asked_of_all(tmp_path):
    folder = write_runs(tmp_path, FakeStudy(effect_db={"a": 0.0, "b": 0.5}, seeds=(0, 1), pictures=False))
    for path in tmp_path.glob("*/spec.json"):
        spec = json.loads(path.read_text())
        spec["budget"]["evaluation"] = {"max_side": 64, **({"tile": 32} if spec["variant"] == "b" else {})}
        path.write_text(json.dumps(spec))
        write_done_marker(path.parent)
    study = load([folder])
    assert dict(setup_facts(study))["Tested in tiles"] == "b (32 px)"
    assert build_table(study).notes == ("b: tested in overlapping tiles of 32 pixels.",)
    record = json.loads((folder / schema.STUDY_FILE).read_text())
    record["budget"]["overrides"] = {"evaluation.tile": "32"}
    (folder / schema.STUDY_FILE).write_text(json.dumps(record))
    assert "Tested in tiles" not in dict(setup_facts(load([folder])))

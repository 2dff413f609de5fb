"""Overrides of a budget's and its variants' fields: part of a run's identity where they change anything."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from ablations.budgets import BUDGETS, budget_named
from ablations.harness.study import study_record
from ablations.harness.study_folder import study_folder
from ablations.override_flags import parse_literal, validate
from ablations.overrides import apply_overrides, folder_suffix
from ablations.plan import make_plan, study_for
from ablations.recipe import Evaluation, Phase, Recipe, TaskShare
from ablations.registry import STUDIES
from ablations.run_options import known_flags
from dfpir import DFPIRConfig
from reports.pages.setup import _overrides_text
from tests.unit.test_spec_and_plan import DATA, NAMES


def budget(name="small", study="components", only=None, **asked):
    made = budget_named(name)
    own = study_for(study, made, only)
    return apply_overrides(made, asked, STUDIES[study](), only or own.variants)


def plan(changed, study="components", **more):
    terms: dict[str, Any] = {"data": DATA, "conditions": NAMES, "protocol": "suite-v1", "text_encoder": "minilm"}
    return make_plan(study, budget=changed, **terms, **more)


def ids(changed, **more):
    return [spec.run_id for spec in plan(changed, **more).specs]


def test_every_field_has_a_flag():
    names = {flag.removeprefix("--").replace("-", "_") for flag in known_flags()}
    assert {f"recipe.{f.name}" for f in fields(Recipe) if f.name != "phases"} <= names
    assert {f"recipe.{f.name}" for f in fields(Phase)} <= names
    assert {f"model.{f.name}" for f in fields(DFPIRConfig) if f.name != "num_prompts"} <= names
    assert {f"evaluation.{f.name}" for f in fields(Evaluation)} <= names


@pytest.mark.parametrize("name", list(BUDGETS))
def test_the_values_that_are_there_change_nothing(name):
    plain = budget_named(name)
    own = plain.recipe
    recipe: dict[str, Any] = {f.name: getattr(own, f.name) for f in fields(Recipe) if f.name != "phases"}
    recipe |= {key: tuple(getattr(phase, key) for phase in own.phases) for key in ("lr", "patch", "batch")}
    if not plain.epochs:  # else the run's tasks say how many steps there are
        recipe["steps"] = own.steps
    evaluation = {f.name: getattr(plain.evaluation, f.name) for f in fields(Evaluation)}
    same = budget(name, recipe=recipe, model=dict(plain.model), evaluation=evaluation)
    assert same == plain
    assert same.overrides == {}
    assert ids(same) == ids(plain)
    assert plan(same).folder_name == plan(plain).folder_name


@pytest.mark.parametrize(
    "asked",
    [
        {"recipe": {"steps": 500}},
        {"recipe": {"lr": 1e-3}},
        {"recipe": {"batch": 4}},
        {"recipe": {"mixture": ["noise:1:1", "rain:2:1", "haze"]}},
        {"recipe": {"ema": 0.99}},
        {"recipe": {"betas": [0.9, 0.99]}},
        {"model": {"dim": 16}},
        {"model": {"ffn_norm": False, "levels": 4}},
        {"evaluation": {"limit": 3}},
        {"evaluation": {"max_side": None}},
    ],
)
def test_what_changes_a_number_changes_ids_folder_and_record(asked, tmp_path):
    plain, other = budget_named("small"), budget(**asked)
    assert not set(ids(plain, only=["dfpir"])) & set(ids(other, only=["dfpir"]))
    (group, settings), *_ = asked.items()
    assert list(other.overrides) == [f"{group}.{name}" for name in settings]
    folder = study_folder(plan(other), tmp_path)
    assert folder != study_folder(plan(plain), tmp_path)
    assert folder.name.startswith("components-small-made_up-")
    told = json.loads(json.dumps(study_record(plan(other), tmp_path, "command", folder)))["budget"]["overrides"]
    assert list(told) == list(other.overrides)
    assert all(name in _overrides_text(told) for name in told)
    assert "overrides" not in study_record(plan(plain), tmp_path, "command")["budget"]


def test_phases_share_one_number_and_take_one_each():
    own = budget_named("small").recipe.phases
    assert [p.steps for p in budget(recipe={"steps": 500}).recipe.phases] == [50, 450]
    assert [p.steps for p in budget(recipe={"steps": 2}).recipe.phases] == [1, 1]
    assert [p.steps for p in budget(recipe={"steps": (7, 8)}).recipe.phases] == [7, 8]
    assert [p.lr for p in budget("smoke", recipe={"lr": 0.01}).recipe.phases] == pytest.approx([0.01, 0.001])
    assert [p.batch for p in budget(recipe={"batch": 4}).recipe.phases] == [4, 4]
    shares = budget(recipe={"mixture": ("noise:2", TaskShare(task="haze"))}).recipe.phases
    assert [p.mixture for p in shares] == [(TaskShare(task="noise", share=2.0), TaskShare(task="haze"))] * 2
    assert [replace(p, mixture=()) for p in shares] == [replace(p, mixture=()) for p in own]


def test_steps_replace_epochs_and_a_batch_keeps_them():
    asked = budget("paper", recipe={"steps": 1000})
    assert sum(phase.steps for phase in plan(asked).specs[0].recipe.phases) == 1000
    plain, larger = (plan(b).specs[0].recipe for b in (budget_named("paper"), budget("paper", recipe={"batch": 10})))
    assert larger.phases[0].steps == pytest.approx(plain.phases[0].steps / 2, abs=1)


def test_every_variant_gets_the_models_setting_and_comparators_its_size_alone():
    found = {spec.variant: spec.config for spec in plan(budget(model={"dim": 16})).specs}
    assert {config.dim for config in found.values() if isinstance(config, DFPIRConfig)} == {16}
    study = next(name for name in STUDIES if any("@" in v or "promptir" in v for v in STUDIES[name]().variants))
    plain = {s.variant: s.config for s in plan(budget_named("small"), study=study).specs}
    masked = {s.variant: s.config for s in plan(budget(study=study, model={"residual": True}), study=study).specs}
    for name, config in masked.items():
        assert config.residual if isinstance(config, DFPIRConfig) else config == plain[name]


@pytest.mark.parametrize(
    ("study", "asked", "only", "message"),
    [
        ("gamma_sweep", {"model": {"gamma": 0.93}}, None, "--model.gamma 0.93: gamma is what gamma_sweep varies"),
        (
            "components",
            {"model": {"gamma": 0.9}},
            ("dfpir", "dfpir_g100"),
            "dfpir and dfpir_g100 would be the same model",
        ),
        ("components", {"model": {"gama": 1}}, None, "Unknown setting 'gama' of model. Did you mean 'gamma'?"),
        ("components", {"model": {"num_prompts": 3}}, None, "Unknown setting 'num_prompts' of model"),
        ("components", {"model": {"dim": 7}}, None, "dim=7 is not allowed: dim is even"),
        ("components", {"model": {"dim": True}}, None, "--model.dim True: a whole number is needed"),
        ("components", {"model": {"masking": "papr"}}, None, "--model.masking papr: one of released, paper"),
        ("components", {"model": {"heads": (1, 2)}}, None, "--model.heads 1,2: 4 whole numbers are needed"),
        ("components", {"recipe": {"steps": (1, 2, 3)}}, None, "--recipe.steps 1,2,3: one number is needed, or 2"),
        ("components", {"recipe": {"steps": 1}}, None, "--recipe.steps 1: 2 or more are needed"),
        ("components", {"recipe": {"lr": float("nan")}}, None, "--recipe.lr nan: a number is needed"),
        ("components", {"recipe": {"batch": 0}}, None, "--recipe.batch 0: batch=0 is not allowed"),
        ("components", {"recipe": {"patch": 33}}, None, "patch=33 is not allowed: a multiple of 8"),
        ("components", {"recipe": {"mixture": "nosie:1"}}, None, "no such task. Did you mean 'noise'?"),
        ("components", {"recipe": {"mixture": "noise:x"}}, None, "TASK:SHARE:LOSS_WEIGHT is needed"),
        ("components", {"evaluation": {"limit": 0}}, None, "--evaluation.limit 0: limit=0 is not allowed"),
        ("components", {"evaluation": {"limit": "few"}}, None, "a whole number or none is needed"),
    ],
)
def test_what_cant_be_is_refused_in_one_line(study, asked, only, message):
    with pytest.raises(ValueError, match=r"\S") as error:
        budget(study=study, only=only, **asked)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_variant_whose_twin_is_left_out_may_lose_what_tells_it_apart():
    made = budget(only=("dfpir_g100",), model={"gamma": 0.9})
    assert ids(made, only=["dfpir_g100"])[0].endswith(ids(budget_named("small"), only=["dfpir"])[0][-8:])


def test_a_folders_name_is_short_and_safe():
    assert folder_suffix({"recipe.steps": 500, "model.gamma": (0.9, 1.0)}) == "recipe.steps_500-model.gamma_0.9+1.0"
    assert len(folder_suffix({f"recipe.setting{n}": n for n in range(9)})) < 30


@pytest.mark.parametrize(
    ("word", "value"), [("none", None), ("True", True), ("3", 3), ("1e-3", 1e-3), ("nan", "nan"), ("9" * 99, "9" * 99)]
)
def test_words_are_read_as_values(word, value):
    assert parse_literal(word) == value


def test_a_list_of_one_is_a_tuple_where_the_field_has_one():
    assert validate("model", {"levels": 4, "gamma": (0.5,)}) == {"levels": (4,), "gamma": 0.5}


def test_a_mixture_names_tasks_of_the_study_once():
    mixture = (TaskShare(task="blur"),)
    with pytest.raises(ValueError, match=r"--recipe\.mixture blur: the study trains on noise, rain, haze"):
        plan(budget(recipe={"mixture": mixture}))
    with pytest.raises(ValueError, match="mixture='noise, noise' is not allowed: each task once"):
        Phase(steps=1, lr=1e-3, patch=32, batch=1, mixture=(TaskShare(task="noise"), TaskShare(task="noise")))


def test_the_tested_weights_are_chosen_once():
    best = budget(recipe={"checkpoint": "best"})
    with pytest.raises(ValueError, match=r"--recipe\.checkpoint best and --checkpoint last: give one of the two"):
        plan(best, checkpoint="last")
    assert {spec.recipe.checkpoint for spec in plan(best, checkpoint="best").specs} == {"best"}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Evaluation(max_side=10), "max_side=10 is not allowed: a whole number, 11 or more"),
        (
            lambda: replace(BUDGETS["smoke"].recipe, cpu_threads=1025),
            "cpu_threads=1025 is not allowed: .* from 1 to 1024",
        ),
    ],
)
def test_values_that_would_fail_after_the_training_are_refused_before(make, message):
    with pytest.raises(ValueError, match=message):
        make()

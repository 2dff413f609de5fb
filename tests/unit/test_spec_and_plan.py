"""Identities: what changes a run's numbers changes its id, and nothing else does."""

from dataclasses import replace
from typing import Any

import pytest

from ablations.budgets import BUDGETS, budget_named
from ablations.harness.study import study_record
from ablations.harness.training.sampling import batch_of_step
from ablations.mixture import paper_weights
from ablations.plan import make_plan
from ablations.registry import STUDIES, Contrast
from ablations.spec import DataRef, TaskShare
from datasets.tasks import CONDITIONS, PAPER_TASKS, Task

DATA = DataRef(name="made_up", kind="embedded", path=None, checksum="c" * 64, description="none")
NAMES = [c.name for c in CONDITIONS]


def plan(study="gamma_sweep", **changes):
    settings: dict[str, Any] = {
        "budget": replace(budget_named("demo"), short=False),
        "data": DATA,
        "conditions": NAMES,
        "protocol": "suite-v1",
        "text_encoder": "minilm",
    }
    return make_plan(study, **(settings | changes))


def test_ids_are_stable():
    # pinned: an accidental change would make every user's finished runs count as missing
    spec = plan().specs[0]
    assert spec.run_id.startswith("dfpir_g50-s0-")
    assert spec.run_id == plan().specs[0].run_id
    assert set(spec.identity()) == {
        "version", "model", "seed", "recipe", "evaluation", "data", "conditions", "protocol", "also_protocols", "prompts", "precision",
        "tested",
    }  # fmt: skip


def test_what_changes_numbers_changes_the_id_and_labels_do_not():
    spec = plan().specs[0]
    for change in (
        {"seed": 1},
        {"config": replace(spec.config, gamma=1.0)},
        {"recipe": replace(spec.recipe, ema=0.999)},
        {"evaluation": replace(spec.evaluation, max_side=64)},
        {"data": replace(DATA, checksum="d" * 64)},
        {"protocol": "allinone-v1"},
        {"codes_checksum": "0"},
        {"also_protocols": ("restormer-v1",)},
        {"precision": "bf16"},
        {"conditions": tuple(NAMES[:2])},
        {"tested": tuple(NAMES[:2])},
    ):
        assert replace(spec, **change).digest != spec.digest, change
    for change in (
        {"variant": "another name"},
        {"budget": "another"},
        {"data": replace(DATA, name="x", path="/elsewhere")},
        {"config": replace(spec.config, gamma=0.51)},  # keeps 4 of 8 like 0.5
    ):
        assert replace(spec, **change).digest == spec.digest, change


def test_prompts_count_only_where_they_matter():
    spec = plan("components").rows[0].spec
    assert spec.variant == "restormer"
    assert replace(spec, codes_checksum="0", text_encoder="clip").digest == spec.digest


def test_names_from_outside_become_safe_folder_names():
    spec = replace(plan().specs[0], variant="../../etc/<img src=x>")
    assert "/" not in spec.run_id
    assert ".." not in spec.run_id
    assert "<" not in spec.run_id


def test_equal_models_are_trained_once_and_said_so():
    rows = {row.variant: row for row in plan().rows}
    assert rows["dfpir_g60"].alias_of == "dfpir_g50"
    assert rows["dfpir_g95"].alias_of == "dfpir_g90"
    assert "keep 4 of 8" in rows["dfpir_g60"].note
    assert len(plan().specs) == 5
    paper = plan(budget=budget_named("paper"))
    assert [row.alias_of for row in paper.rows] == [None] * 7


def test_a_study_reuses_another_studys_run():
    gamma = {spec.digest: spec.run_id for spec in plan().specs}
    shared = [spec for spec in plan("components").specs if spec.digest in gamma]
    assert {spec.variant for spec in shared} == {"dfpir", "dfpir_g100"}


def test_only_and_seeds():
    assert [r.variant for r in plan(only=["dfpir_g70"]).rows] == ["dfpir_g70"]
    assert [r.spec.seed for r in plan(only=["dfpir_g70"], seeds=[3, 5]).rows] == [3, 5]
    assert [r.spec.seed for r in plan(only=["dfpir_g70"], seeds=[1, 1, 0, 1]).rows] == [1, 0]
    with pytest.raises(ValueError, match="Did you mean 'dfpir_g70'"):
        plan(only=["dfpir_g7"])
    with pytest.raises(ValueError, match="Did you mean 'gamma_sweep'"):
        plan("gama_sweep")


@pytest.mark.parametrize("name", list(STUDIES))
def test_every_study_is_whole(name):
    study = STUDIES[name]()
    assert study.name == name
    assert study.question.endswith(("?", "."))
    assert study.reference is None or study.reference in study.variants
    assert set(study.axis_values or {}) <= set(study.variants)
    for budget in BUDGETS.values():
        assert make_plan(
            name, budget=budget, data=DATA, conditions=NAMES, protocol="suite-v1", text_encoder="onehot"
        ).specs


def test_variants_of_one_seed_see_the_same_batches():
    first, *others = plan().specs
    for step in (0, 1, first.recipe.steps - 1):
        assert all(batch_of_step(spec, step) == batch_of_step(first, step) for spec in others)
    assert batch_of_step(first, 0) != batch_of_step(replace(first, seed=1), 0)


def with_phase(spec, **changes):
    return replace(spec, recipe=replace(spec.recipe, phases=(replace(spec.recipe.phases[0], steps=1000, **changes),)))


def test_without_a_mixture_each_task_is_drawn_as_often():
    spec = with_phase(plan(tasks=[task.name for task in PAPER_TASKS]).specs[0], batch=5, mixture=())
    tasks = [c.task for step in range(100) for c in batch_of_step(spec, step).conditions]
    assert {task: tasks.count(task) for task in PAPER_TASKS} == dict.fromkeys(PAPER_TASKS, 100)


def test_a_mixture_draws_its_tasks_in_their_shares_with_their_weights():
    mixture = (TaskShare(task="noise", share=2, weight=1.5), TaskShare(task="haze", share=1, weight=0.5))
    spec = with_phase(plan().specs[0], batch=6, mixture=mixture)
    for step in range(20):
        drawn = batch_of_step(spec, step)
        assert [c.task for c in drawn.conditions].count(Task.NOISE) == 4, "each batch comes as near as it can"
        assert [w for c, w in zip(drawn.conditions, drawn.weights, strict=True) if c.task is Task.HAZE] == [0.5] * 2
    levels = {c.name for step in range(50) for c in batch_of_step(spec, step).conditions}
    assert levels == {"noise-15", "noise-25", "noise-50", "haze"}
    odd = with_phase(spec, batch=5, mixture=mixture)
    noisy = [c.task for step in range(600) for c in batch_of_step(odd, step).conditions].count(Task.NOISE)
    assert noisy / 3000 == pytest.approx(2 / 3, abs=0.02)


def test_a_phase_without_any_of_the_runs_tasks_draws_them_all():
    haze = plan(tasks=["haze"]).specs[0]
    assert haze.recipe.phases[0].mixture == ()
    assert {c.name for c in batch_of_step(haze, 0).conditions} == {"haze"}
    assert [part.task for part in haze.recipe.phases[1].mixture] == ["haze"]


def test_validations_are_evenly_spaced_and_the_last_follows_the_last_step():
    for steps, count in ((10, 3), (100, 10), (7, 10)):
        recipe = replace(budget_named("demo").recipe, validations=count)
        recipe = replace(recipe, phases=(replace(recipe.phases[0], steps=steps),))
        after = [step for step in range(1, steps + 1) if recipe.validates_after(step)]
        assert after[-1] == steps
        assert len(after) == min(steps, count)


def test_ablations_train_the_papers_three_tasks_unless_others_are_asked_for():
    assert plan().specs[0].conditions == ("noise-15", "noise-25", "noise-50", "rain", "haze")
    five = plan(tasks=[task.name for task in PAPER_TASKS])
    assert five.specs[0].conditions == tuple(NAMES)
    assert five.folder_name == "gamma_sweep-demo-made_up-noise+rain+haze+blur+lowlight"
    assert plan().folder_name == "gamma_sweep-demo-made_up"
    with pytest.raises(ValueError, match="Did you mean 'blur'"):
        plan(tasks=["blurr"])
    with pytest.raises(ValueError, match="the data have images for noise"):
        plan(tasks=["rain"], conditions=["noise-25"])


def test_a_short_budget_runs_the_studys_short_form():
    demo = budget_named("demo")
    assert [row.variant for row in plan(budget=demo).rows] == ["dfpir_g50", "dfpir_g70", "dfpir_g90", "dfpir_g100"]
    assert [row.variant for row in plan(budget=demo, only=["dfpir_g80"]).rows] == ["dfpir_g80"]


def test_contrasts_sum_to_zero_and_name_the_studys_variants():
    with pytest.raises(ValueError, match="sum to zero"):
        Contrast(name="x", label="x", weights={"dfpir": 1, "restormer": -0.5})
    contrast = Contrast(name="x", label="x", weights={"dfpir_g50": 1, "dfpir_g5": -1})
    with pytest.raises(ValueError, match="'dfpir_g5', not a variant"):
        replace(STUDIES["gamma_sweep"](), contrasts=(contrast,))


def test_paper_sampling_follows_the_papers_mixture():
    spec = plan(tasks=[task.name for task in PAPER_TASKS]).specs[0]
    spec = replace(spec, recipe=replace(spec.recipe, sampling="paper"))
    drawn = [c for step in range(400) for c in batch_of_step(spec, step).conditions]
    weights = paper_weights(frozenset(PAPER_TASKS))
    assert sum(weights.values()) == 226_621  # samples in the released loop's epoch
    assert sum(paper_weights(frozenset({Task.NOISE, Task.RAIN, Task.HAZE})).values()) == 142_431
    for task in PAPER_TASKS:
        expected = sum(w for name, w in weights.items() if name.startswith(task.name)) / 226_621
        assert sum(c.task is task for c in drawn) / len(drawn) == pytest.approx(expected, abs=0.035)


def test_the_papers_recipe():
    recipe = budget_named("paper").recipe
    assert [(p.lr, p.patch, p.batch) for p in recipe.phases] == [(1e-4, 128, 5), (1e-5, 192, 3)]
    for tasks, samples in ((["noise", "rain", "haze"], 142_431), ([task.name for task in PAPER_TASKS], 226_621)):
        first, second = plan(budget=budget_named("paper"), tasks=tasks).specs[0].recipe.phases
        assert first.steps * 5 == pytest.approx(80 * samples, rel=1e-5), tasks
        assert second.steps * 3 == pytest.approx(5 * samples, rel=1e-4), tasks
    assert recipe.betas == (0.9, 0.999)
    assert recipe.grad_clip is None
    assert budget_named("paper").model == {}


def test_a_studys_file_names_the_models_that_are_told_the_degradation(tmp_path):
    settings = {"budget": BUDGETS["small"], "data": DATA, "protocol": "suite-v1", "text_encoder": "minilm"}
    plan = make_plan("three_task", conditions=["noise-25", "rain", "haze"], **settings)
    assert study_record(plan, tmp_path, "")["conditioned"] == ["classical", "dl", "instructir", "dfpir"]

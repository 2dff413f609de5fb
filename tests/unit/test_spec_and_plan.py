"""Identities: what changes a run's numbers changes its id, and nothing else does."""

from dataclasses import replace
from typing import Any

import pytest

from ablations.budgets import BUDGETS, budget_named
from ablations.harness.training.sampling import batch_of_step, paper_weights
from ablations.plan import make_plan
from ablations.registry import STUDIES
from ablations.spec import DataRef
from datasets.tasks import CONDITIONS, Task

DATA = DataRef(name="made_up", kind="embedded", path=None, checksum="c" * 64, description="none")
NAMES = [c.name for c in CONDITIONS]


def plan(study="gamma_sweep", **changes):
    settings: dict[str, Any] = {
        "budget": budget_named("demo"),
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
        {"conditions": tuple(NAMES[:3])},
        {"tested": tuple(NAMES[:3])},
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


def test_balanced_sampling_takes_each_task_as_often():
    spec = plan().specs[0]
    tasks = [c.task for step in range(100) for c in batch_of_step(spec, step)[0]]
    assert {task: tasks.count(task) for task in Task} == dict.fromkeys(Task, 100)


def test_paper_sampling_follows_the_papers_mixture():
    spec = plan().specs[0]
    spec = replace(spec, recipe=replace(spec.recipe, sampling="paper"))
    drawn = [c for step in range(400) for c in batch_of_step(spec, step)[0]]
    weights = paper_weights(frozenset(Task))
    assert sum(weights.values()) == 226_621  # samples in the released loop's epoch
    assert sum(paper_weights(frozenset({Task.NOISE, Task.RAIN, Task.HAZE})).values()) == 142_431
    for task in Task:
        expected = sum(w for name, w in weights.items() if name.startswith(task.value)) / 226_621
        assert sum(c.task is task for c in drawn) / len(drawn) == pytest.approx(expected, abs=0.035)


def test_the_papers_recipe():
    recipe = budget_named("paper").recipe
    assert [(p.lr, p.patch, p.batch) for p in recipe.phases] == [(1e-4, 128, 5), (1e-5, 192, 3)]
    assert recipe.phases[0].steps * 5 == pytest.approx(80 * 226_621, rel=1e-5)
    assert recipe.betas == (0.9, 0.999)
    assert recipe.grad_clip is None
    assert budget_named("paper").model == {}

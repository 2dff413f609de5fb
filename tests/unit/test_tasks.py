"""Tasks as declarations: what one must say, what follows from it, and that reports show the suite's own as it says."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from ablations.models import BaselineConfig
from ablations.overrides import apply_overrides
from ablations.plan import _recipe_for, _require_paper_tasks
from ablations.registry import STUDIES
from ablations.spec import Phase, TaskShare
from datasets import tasks
from datasets.bundle import Sample, serves
from datasets.degrade import degrade
from datasets.sources.embedded import load_embedded
from datasets.sources.folder import load_folder
from datasets.tasks import (
    CONDITIONS,
    PAPER_TASKS,
    TASKS,
    Task,
    condition_named,
    conditions_of,
    known_tasks,
    synthetic_conditions,
)
from dfpir.prompts import load_prompts
from dfpir.sentences import SENTENCES
from reports import labels, schema
from reports.figures import style
from tests.support.pair_folders import pair
from tests.support.tiny_study import TINY


def halved(clean, rng, strength):
    return clean / (strength or 2) + 0 * float(rng.random())


@pytest.fixture
def fog(monkeypatch):
    """A task that another package registers."""
    monkeypatch.setattr(schema.tasks, "TASK_STYLES", dict(schema.TASK_STYLES))
    load_embedded.cache_clear()  # what it has loaded serves the tasks of that time
    with TASKS.scope(), SENTENCES.scope():
        task = tasks.register_task(
            Task(
                name="fog",
                label="Fog",
                colour="#56B4E9",
                order=1,
                strengths=(2, 4),
                shades=("#111111", "#222222"),
                strength_label=", density {}",
                detailed="Fog with a density of {}",
                simple="Fog",
                degrade=halved,
                share=0.5,
                loss_weight=2.0,
            )
        )
        yield task
    load_embedded.cache_clear()


def test_a_task_has_a_condition_and_a_prompt_for_each_strength(fog):
    assert [c.name for c in fog.conditions] == ["fog-2", "fog-4"]
    assert condition_named("fog-4") == fog.conditions[1]
    bank = load_prompts("detailed", "onehot", ["noise-15", "fog-4", "fog-2"])
    assert bank.texts[1:] == ("Fog with a density of 4", "Fog with a density of 2")
    assert bank.row("fog-3") in (1, 2)
    assert torch.unique(bank.codes, dim=0).shape[0] == 3
    assert load_prompts("simple", "onehot", ["fog-2"]).texts == ("Fog",)
    with pytest.raises(ValueError, match="Unknown condition 'fog-3'"):
        condition_named("fog-3")
    assert copy.deepcopy(fog.conditions[0]).task is fog


def test_it_changes_no_code_and_no_condition_of_others(fog):
    assert tuple(c for task in PAPER_TASKS for c in task.conditions) == CONDITIONS
    usual = load_prompts("simple", "onehot")
    assert [int(row.argmax()) for row in usual.codes] == [7, 7, 7, 8, 9, 10, 11]
    assert load_embedded().conditions == CONDITIONS
    assert [task.name for task in known_tasks()] == ["noise", "fog", "rain", "haze", "blur", "lowlight"]
    assert [c.name for c in synthetic_conditions()][7:] == ["fog-2", "fog-4"]


def test_photographs_serve_it_where_it_is_asked_for(fog):
    bundle = load_embedded()
    assert bundle.conditions_with(["noise"]) == CONDITIONS
    assert bundle.conditions_with(["noise", "fog"]) == (*CONDITIONS, *fog.conditions)
    (item,) = bundle.eval_items("test", fog.conditions[:1], max_side=16, limit=1)
    assert np.array_equal(item.degraded, np.rint(item.clean / 255 / 2 * 255).astype(np.uint8))
    degraded, clean = bundle.batch([fog.conditions[1], CONDITIONS[0]], [1, 2], 16)
    assert torch.equal(degraded[0], (clean[0] / 4 * 255).round() / 255)
    assert torch.equal(degrade(clean[0], fog.conditions[1], 3), degraded[0])
    noisy = Sample(name="a", scene="a", clean=item.clean, conditions=Task.NOISE.conditions)
    pair = Sample(name="b", scene="b", clean=item.clean, degraded=item.degraded)
    assert not serves(noisy, fog.conditions[0])
    assert not serves(pair, fog.conditions[0])


def test_pairs_show_a_task_without_strengths(fog, tmp_path):
    dust = tasks.register_task(replace(fog, name="dust", strengths=(), shades=(), degrade=None))
    for number in range(4):
        pair(tmp_path, f"degraded/{number}.png", f"clean/{number}.png", number)
    bundle = load_folder(tmp_path, tasks=[dust])
    assert bundle.conditions == dust.conditions
    assert bundle.conditions_with(["dust", "fog"]) == dust.conditions
    assert len(bundle.eval_items("test", dust.conditions)) == 1
    with pytest.raises(ValueError, match="the prompts of fog name strengths"):
        load_folder(tmp_path, tasks=[fog])


def test_mixtures_of_several_tasks_draw_it(fog):
    phases = (
        Phase(steps=1, lr=1, patch=8, batch=1, mixture=(TaskShare(task="noise", weight=1.5),)),
        Phase(
            steps=1, lr=1, patch=8, batch=1, mixture=(TaskShare(task="noise", share=6), TaskShare(task="rain", share=2))
        ),
        Phase(steps=1, lr=1, patch=8, batch=1),
    )
    budget = replace(TINY, recipe=replace(TINY.recipe, phases=phases))
    first, second, third = _recipe_for(budget, ["noise", "fog"], None).phases
    assert first.mixture == (TaskShare(task="noise", weight=1.5),)
    assert second.mixture == (TaskShare(task="noise", share=6), TaskShare(task="fog", share=2.0, weight=2.0))
    assert third.mixture == ()
    assert _recipe_for(budget, ["noise", "rain"], None).phases[1].mixture == phases[1].mixture


def test_a_mixture_that_is_asked_for_is_taken_as_it_is(fog):
    asked = {"recipe": {"mixture": ["noise:1", "fog:3"]}}
    budget = apply_overrides(TINY, asked, STUDIES["gamma_sweep"](), ["dfpir_g50"])
    for phase in _recipe_for(budget, ["noise", "rain", "fog"], None).phases:
        assert phase.mixture == (TaskShare(task="noise"), TaskShare(task="fog", share=3.0))


@pytest.mark.parametrize("name", ["idr", "dl", "classical"])
def test_comparators_that_know_the_papers_tasks_alone_are_refused(fog, name):
    _require_paper_tasks(BaselineConfig(name=name), ["noise", "rain"])
    with pytest.raises(ValueError, match=f"{name} takes one of the paper's five tasks"):
        _require_paper_tasks(BaselineConfig(name=name), ["noise", "fog"])


def test_reports_show_it_as_it_is_declared(fog):
    assert labels.condition_label("fog-4") == "fog 4"
    schema.declare_tasks([fog.style_json()])
    assert labels.condition_label("fog-4") == "Fog, density 4"
    assert labels.task_label("fog") == "fog"
    assert [style.condition_colour(c) for c in ("fog", "fog-2", "fog-4")] == ["#56B4E9", "#111111", "#222222"]
    names = ["haze", "fog-4", "rain", "noise-50", "fog-2", "gone"]
    assert sorted(names, key=schema.condition_sort_key) == ["noise-50", "fog-2", "fog-4", "rain", "haze", "gone"]


def test_reports_show_the_suites_own_as_they_are_declared():
    declared = [schema.TaskStyle.from_json(task.style_json()) for task in PAPER_TASKS]
    assert {each.name: each for each in declared} == dict(list(schema.TASK_STYLES.items())[:5])
    assert set(tasks._MARKERS) == set(schema.tasks.MARKERS)
    assert conditions_of(["rain", "nothing", "noise"]) == (*Task.NOISE.conditions, *Task.RAIN.conditions)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "my-task"}, "lower-case letters"),
        ({"colour": "blue"}, "'#rrggbb'"),
        ({"marker": "?"}, "marker"),
        ({"shades": ("#000000",)}, "2 strengths have 1 shades"),
        ({"simple": ""}, "needs a sentence"),
        ({"strengths": (-1, 2)}, "whole numbers"),
        ({"name": "noise"}, "registered already"),
    ],
)
def test_a_declaration_that_can_not_be_used_is_refused(fog, change, said):
    with pytest.raises(ValueError, match=said):
        tasks.register_task(replace(fog, **change))


@pytest.mark.parametrize("change", [{"colour": "url(x)"}, {"marker": "$x$"}, {"shades": ["#000000"]}])
def test_a_study_file_with_an_odd_style_is_refused(fog, change):
    with pytest.raises(ValueError, match="Task fog"):
        schema.declare_tasks([fog.style_json() | change])

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from reports.figures import curves
from reports.load import load
from reports.run_state import Status
from reports.study import Run
from tests.support.fake_runs import write_runs
from tests.support.figures import small_study


def test_losses_of_comparators_share_no_axis_with_l1(tmp_path):
    write_runs(tmp_path / "runs", small_study())
    study = load([tmp_path / "runs"])
    l1 = curves.draw(study, tmp_path / "l1")
    assert l1 is not None
    assert "objectives of their own" not in l1.caption
    comparator = {"identity": {"model": {"baseline": "nafnet", "settings": {}}}}
    mixed = replace(
        study, runs={k: replace(r, spec=comparator) if n == 0 else r for n, (k, r) in enumerate(study.runs.items())}
    )
    drawn = curves.draw(mixed, tmp_path / "mixed")
    assert drawn is not None
    assert "objectives of their own" in drawn.caption
    assert drawn.png.read_bytes() != l1.png.read_bytes()


@pytest.fixture
def figure_of(monkeypatch):
    """Draws a study's curves; the figure and its caption."""
    monkeypatch.setattr(curves, "save", lambda figure, *_, **texts: (figure, texts["caption"]))
    return lambda study: curves.draw(study, Path("unused"))


def texts_of(ax):
    return [text.get_text() for text in ax.texts]


def with_best_steps(study, steps):
    """The study; its runs were tested at those steps, one after the other."""
    summaries = {k: {**r.summary, "best_step": s} for (k, r), s in zip(study.runs.items(), steps, strict=False)}
    return replace(study, runs={k: replace(r, summary=summaries[k]) for k, r in study.runs.items()})


def test_the_tested_step_is_marked(tmp_path, figure_of):
    write_runs(tmp_path, small_study())
    study = load([tmp_path])
    figure, caption = figure_of(study)
    assert "step 180 were tested" in caption
    for ax in figure.axes:
        assert texts_of(ax) == ["tested"]
        assert [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"] == [180]
    figure, caption = figure_of(with_best_steps(study, itertools.cycle((40, 100))))
    assert "Dots mark" in caption
    assert figure.legends[0].get_texts()[-1].get_text() == "tested"
    for ax in figure.axes:
        assert texts_of(ax) == []
        dots = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata()) == 1]
        assert [dot.get_xdata()[0] for dot in dots] == [40, 100] * (len(study.runs) // 2)
    unfinished = replace(study, runs={k: replace(r, status=Status.RUNNING) for k, r in study.runs.items()})
    assert "tested" not in figure_of(unfinished)[1]


def phase(steps, tasks, lr=1e-3, patch=32):
    return {"steps": steps, "lr": lr, "patch": patch, "mixture": [{"task": task} for task in tasks]}


def test_phases_of_the_recipe_are_bands(tmp_path, figure_of):
    write_runs(tmp_path, small_study())
    study = load([tmp_path])
    phases = [phase(50, ["noise"]), phase(30, []), phase(120, ["noise", "rain"], lr=1e-4)]
    for run in study.runs.values():
        run.spec["identity"]["recipe"] = {"phases": phases}
    figure, caption = figure_of(study)
    assert "phases of the recipe" in caption
    for ax in figure.axes:
        assert [(band.get_x(), band.get_width()) for band in ax.patches] == [(0, 50), (80, 120)]
        assert texts_of(ax) == ["noise only, lr 0.001", "all tasks, lr 0.0001", "tested"], "the narrow one has no room"
    next(iter(study.runs.values())).spec["identity"]["recipe"] = {"phases": [phase(100, ["noise"]), phase(100, [])]}
    assert not figure_of(study)[0].axes[0].patches, "runs of several recipes"


@pytest.mark.parametrize(
    ("phases", "labels"),
    [
        ([phase(8, [], patch=128, lr=1e-4), phase(1, [], patch=192, lr=1e-5)], ["lr 0.0001, 128 px", "lr 1e-05, 192 px"]),
        ([phase(8, ["noise"]), phase(1, ["noise", "haze"])], ["noise only", "all tasks"]),
        ([phase(8, [])], []),
    ],
)  # fmt: skip
def test_a_phase_is_named_by_what_sets_it_apart(phases, labels):
    run = SimpleNamespace(spec={"identity": {"recipe": {"phases": phases}}})
    assert [span.label for span in curves.phase_spans(cast(list[Run], [run]))] == labels

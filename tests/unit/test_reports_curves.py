from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pandas as pd
import pytest

from reports import schema
from reports.artifacts import load_train_log
from reports.figures import curves
from reports.figures.style import variant_colours
from reports.load import load
from reports.run_state import Status
from reports.study import Run
from tests.support.fake_runs import FakeStudy, write_runs
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


def test_seeds_are_a_mean_line_in_a_band(tmp_path, figure_of):
    write_runs(tmp_path, FakeStudy(effect_db={"dfpir_g90": 0.0, "restormer": -1.0}, seeds=(0, 1, 2), pictures=False))
    study = load([tmp_path])
    figure, caption = figure_of(study)
    assert "Lines: means over seeds; bands: from the lowest to the highest seed." in caption
    for ax in figure.axes:
        assert len([line for line in ax.lines if line.get_linestyle() != ":"]) == 2, "a line a variant, not a run"
        assert len(ax.collections) == 2
    psnr = figure.axes[1]
    by_seed = curves.align_seeds([load_validation(run) for run in study.runs_of("restormer")])
    line = next(line for line in psnr.lines if line.get_color() == variant_colours(study)["restormer"])
    assert np.allclose(line.get_ydata(), by_seed.mean(axis=1))
    band = psnr.collections[1].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((by_seed.min(axis=None), by_seed.max(axis=None)))


def load_validation(run):
    return curves.LoggedRun(variant="", run=run, log=load_train_log(run)).validation


def test_seeds_that_were_logged_at_other_steps_are_aligned():
    aligned = curves.align_seeds([pd.Series({0: 1.0, 10: 3.0}), pd.Series({5: 8.0}), pd.Series(dtype=float)])
    assert aligned.index.tolist() == [0, 5, 10]
    assert aligned[0].tolist() == [1.0, 2.0, 3.0]
    assert aligned[1].dropna().tolist() == [8.0]


def test_of_many_variants_the_featured_ones_are_coloured_alike_in_every_study(tmp_path, figure_of):
    effects = {f"v{k:02}": 0.1 * k for k in range(12)}
    write_runs(tmp_path / "a", FakeStudy(effect_db=effects, seeds=(0, 1), pictures=False))
    write_runs(tmp_path / "b", FakeStudy(effect_db={"v09": 0.0, "v05": 1.0}, seeds=(0,), pictures=False))
    study = replace(load([tmp_path / "a"]), featured=("v05", "v09"))
    small = replace(load([tmp_path / "b"]), featured=("v05", "v09"))
    figure, _ = figure_of(study)
    assert [text.get_text() for text in figure.legends[0].get_texts()][:3] == ["v05", "v09", "others (10)"]
    colours = {v: variant_colours(study)[v] for v in study.featured}
    assert {v: variant_colours(small)[v] for v in study.featured} == colours
    for ax in figure.axes:
        solid = [line.get_color() for line in ax.lines if line.get_linestyle() == "-"]
        assert sorted(set(solid)) == sorted({*colours.values(), "#bdbdbd"})
        assert len(ax.collections) == 2, "grey variants have no bands"


def test_one_outlier_does_not_flatten_the_rest(tmp_path, figure_of):
    effects = {f"v{k}": 0.1 * k for k in range(6)}
    write_runs(tmp_path, FakeStudy(effect_db=effects, seeds=(0, 1), pictures=False))
    study = load([tmp_path])
    _, caption = figure_of(study)
    assert "outside" not in caption
    path = next(iter(study.runs.values())).path / schema.TRAIN_LOG_FILE
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    first = next(line for line in lines if "val_psnr_db" in line)
    first["val_psnr_db"] = 2.0
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    figure, caption = figure_of(study)
    assert "1 point of single runs lies outside the vertical axes." in caption
    assert 15 < figure.axes[1].get_ylim()[0] < 25


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


def test_with_one_seed_nothing_is_said_of_means_and_bands(tmp_path, figure_of):
    write_runs(tmp_path, FakeStudy(effect_db={"dfpir_g90": 0.0, "restormer": -1.0}, seeds=(0,), pictures=False))
    caption = figure_of(load([tmp_path]))[1]
    assert caption.startswith("The loss is a running mean over")

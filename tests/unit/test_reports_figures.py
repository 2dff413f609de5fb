from __future__ import annotations

import shutil
from dataclasses import replace
from typing import Any, cast

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import font_manager
from matplotlib.colors import to_rgb

from reports import extremes, schema
from reports.build import start_figures
from reports.figures import axis, crops, differences, errors, forest, maps, masks, orders, prompts, routing, style, tsne
from reports.load import load
from reports.measures.prompts import summarize
from reports.measures.sections import MeasureResults
from reports.stats import Analysis, collect
from reports.verdict import verdict_of
from tests.support.fake_measures import write_measures
from tests.support.fake_runs import CONDITIONS, FakeStudy, gamma_study, write_runs


def test_order_measures_by_hand():
    order = np.array([[2, 0, 1], [2, 0, 1], [1, 0, 2]])
    assert orders.ranks(order)[0].tolist() == [1, 2, 0]
    assert orders.rank_correlation(order)[0] == pytest.approx([1, 1, -1])
    assert orders.equal_share(order)[0] == pytest.approx([1, 1, 1 / 3])


def test_equal_orders_are_told_once(tmp_path):
    write_runs(tmp_path, gamma_study(failed=(), effect_db={"dfpir_g50": 0, "dfpir_g90": 0, "restormer": 0}, aliases={}))
    groups = orders.order_groups(load([tmp_path]))
    assert [g.runs for g in groups] == [
        (("dfpir_g50", 0), ("dfpir_g90", 0)),
        (("dfpir_g50", 1), ("dfpir_g90", 1)),
    ]


def test_crops_choose_one_image_that_all_have(tmp_path):
    write_runs(tmp_path, FakeStudy(effect_db={f"v{n:02d}": 0.0 for n in range(11)}, seeds=(0,), patches=2))
    table = crops.arrange(load([tmp_path]))
    assert len(table.variants) == crops.MOST_VARIANTS
    assert table.variants[-1] == "v10"  # the last is the method that the study is about
    assert table.left_out == tuple(f"v{n:02d}" for n in range(4, 10))
    assert tuple(table.rows) == CONDITIONS


def test_figures_leave_matplotlib_as_it_was(tmp_path):
    write_runs(tmp_path, gamma_study(pictures=False))
    study = load([tmp_path])
    before = mpl.rcParams.copy()
    drawn, _ = start_figures(
        study, verdict_of(study).contrasts, tmp_path / "figures", MeasureResults(), workers=1
    ).results()
    assert drawn.problems == {}
    assert mpl.rcParams == before
    assert tsne.layer_separations(study) == []


def test_one_seed_is_dashed_in_the_forest(tmp_path):
    """A row of one seed can't be taken for a tested one: its interval is thin and dashed, and the caption says so."""
    effects = {"dfpir_g90": 1.0, "dfpir_g50": 1.0, "dfpir_g100": 0.0}
    write_runs(tmp_path, gamma_study(effect_db=effects, failed=(("dfpir_g50", 1),), aliases={}, pictures=False))
    loaded = load([tmp_path])
    contrasts = verdict_of(loaded).contrasts
    n_seeds = {t.contrast.name: t.estimate.n_seeds for t in contrasts.in_column()}
    assert n_seeds == {"dfpir_g90": 2, "dfpir_g50": 1}
    ax = style.new_figure(3, 3).subplots()
    for y, tested in enumerate(contrasts.in_column()):
        forest._draw_interval(ax, y, tested)
    dashes = [cast(Any, lines).get_linestyle()[0][1] is not None for lines in ax.collections]
    assert dashes == [n == 1 for n in n_seeds.values()]
    assert "Dashed: one seed, not tested" in forest.draw(contrasts, tmp_path / "figures").caption


def test_print_fonts_are_used_that_matplotlib_has_not_listed(tmp_path, monkeypatch):
    listed = [font for font in font_manager.fontManager.ttflist if font.name not in style._PRINT_FONTS]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(listed))
    files = [tmp_path / "LiberationSans-Regular.ttf", tmp_path / "Arial.ttf", tmp_path / "Other.ttf"]
    shutil.copy(font_manager.findfont("DejaVu Sans"), files[0])
    files[1].write_bytes(b"no font")
    monkeypatch.setattr(style, "findSystemFonts", lambda: [str(path) for path in files])
    style._register_print_fonts.__wrapped__()
    assert [font.fname for font in font_manager.fontManager.ttflist[len(listed) :]] == [str(files[0])]


def contrast(a, b):
    """Of two colours, as WCAG counts it: 1 to 21."""
    linear = np.array([[c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb] for rgb in (a, b)])
    low, high = sorted(linear @ [0.2126, 0.7152, 0.0722])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("cmap", ["PuOr", "viridis"])
def test_numbers_in_cells_can_be_read(cmap):
    values = pd.DataFrame(np.linspace(-1, 1, 42).reshape(6, 7))
    values.iloc[2, 3] = np.nan
    figure = style.new_figure(3, 3)
    mesh = style.heatmap(figure.subplots(), values, texts=values.map("{:.2f}".format), cmap=cmap, vmin=-1, vmax=1)
    figure.canvas.draw()
    faces = mesh.get_facecolor()
    assert len(mesh.axes.texts) == 41
    for text in mesh.axes.texts:
        x, y = text.get_position()
        assert contrast(to_rgb(text.get_color()), faces[int(y) * 7 + int(x)][:3]) > 3.9


def test_names_do_no_harm_to_matplotlib():
    assert style.plain("$x_$") == r"\$x_\$"
    assert style.plain("_hidden") == " _hidden"
    long = "Restormer, as many parameters as DFPIR"
    assert style.wrap_label(long).replace("\n", " ") == long  # cut, two names could look alike


def test_what_is_the_same_everywhere_has_no_figure(tmp_path):
    write_runs(tmp_path, gamma_study(effect_db={"dfpir_g90": 0.0}, failed=(), aliases={}, pictures=False))
    study = load([tmp_path])
    same = orders.OrderGroup(runs=(), conditions=("rain",), orders={"latent": np.array([[0, 1], [0, 1]])})
    assert same.is_constant
    assert not replace(same, orders={"latent": np.array([[0, 1], [1, 0]])}).is_constant
    gradients = pd.DataFrame({"rain": [0.5, 0.5], "haze": [0.5, 0.5]})
    assert routing.draw(1, "dfpir_g90", 0, {"encoder-1": gradients}, tmp_path) is None
    rows = [(c, g, 25.0) for c in ("rain", "haze") for g in ("rain", "haze")]
    table = pd.DataFrame(rows, columns=["condition", "prompt", "value"]).assign(
        variant="dfpir_g90", seed=0, dataset="d", image="i", scene="s", metric="psnr_db", input_value=20.0
    )
    idle = summarize(table)
    assert idle is not None
    assert prompts.draw(idle, study, tmp_path) is None


def test_colours_differ(tmp_path):
    write_runs(tmp_path, gamma_study(pictures=False))
    study = load([tmp_path])
    assert len(set(style.variant_colours(study).values())) == len(study.variants)
    assert len({(style.condition_colour(c), style.condition_marker(c)) for c in CONDITIONS}) == 7


def test_error_by_hand():
    clean = np.zeros((2, 2, 3), dtype=np.uint8)
    restored = clean.copy()
    restored[0, 1] = (30, 0, 60)
    assert errors.error_of(restored, clean).tolist() == [[0, 30], [0, 0]]
    assert errors.error_of(clean, restored).tolist() == [[0, 30], [0, 0]]  # no wrap-around of bytes


def test_differences_are_paired_and_sorted(tmp_path):
    study = gamma_study(effect_db={"dfpir_g90": 0.4, "restormer": -0.2, "dfpir_g100": 0.0}, failed=(), aliases={})
    write_runs(tmp_path, replace(study, seed_sd_db=0.0, noise_sd_db=0.0, patches=2))
    loaded = load([tmp_path])
    gaps = extremes.differences(loaded, "dfpir_g90", "dfpir_g100")
    assert len(gaps) == len(CONDITIONS) * 6
    assert gaps["gap"].to_numpy() == pytest.approx(0.4)
    analysis = Analysis(scores=collect(loaded.rows))
    assert extremes.variants_with_figure(loaded, analysis) == ["dfpir_g90", "restormer"]
    featured = replace(loaded, featured=("restormer", "dfpir_g100", "absent"))
    assert extremes.variants_with_figure(featured, analysis) == ["restormer"]


@pytest.mark.parametrize(
    ("gain_db", "said"),
    [
        (0.4, "No crops: both models' crops were kept of no image that differs by 0.05 dB."),
        (0.01, "No crops: no image differs by 0.05 dB."),
    ],
)
def test_differences_say_why_they_have_no_crops(tmp_path, gain_db, said):
    fake = FakeStudy(
        effect_db={"dfpir_g90": gain_db, "dfpir_g100": 0.0}, seed_sd_db=0.0, noise_sd_db=0.0, pictures=False
    )
    study = load([write_runs(tmp_path, fake)])
    (picture,) = differences.draw(study, study.analysis(schema.PSNR), tmp_path / "figures")
    assert picture.caption.endswith(said)


def test_without_a_reference_there_are_no_differences(tmp_path):
    write_runs(tmp_path, FakeStudy(effect_db={"a": 0.0, "b": 0.1}, seeds=(0,), pictures=False))
    study = load([tmp_path])
    assert differences.draw(study, Analysis(scores=collect(study.rows)), tmp_path) == []


def test_overlap_of_masks_by_hand():
    same = np.array([[1, 1, 0, 0]] * 2, dtype=np.float32)  # both conditions always drop the last two of four entries
    assert masks.dropped_overlap(same, [5, 5]) == pytest.approx(np.ones((2, 2)))
    apart = np.array([[1, 1, 0, 0], [0, 0, 1, 1]], dtype=np.float32)
    assert masks.dropped_overlap(apart, [5, 5]) == pytest.approx(np.eye(2))


def test_overlap_of_random_masks_is_that_of_chance():
    rng = np.random.default_rng(0)
    patches = 40
    drawn = rng.random((2, patches, 50, 50)).argsort(-1) >= 10  # a fifth of each row dropped, anew for each patch
    overlap = masks.dropped_overlap(drawn.mean(axis=1), [patches, patches])
    assert overlap == pytest.approx(masks.chance_overlap(0.2), abs=0.003)  # on the diagonal, too: no pair with itself


def test_masks_are_those_of_the_first_run_that_drops_something(tmp_path):
    write_runs(tmp_path, gamma_study(effect_db={"dfpir_g100": 0.0, "dfpir_g90": 0.1}, failed=(), aliases={}, patches=3))
    found = masks.select_masks(load([tmp_path]))
    assert found is not None
    assert (found.variant, found.run.seed) == ("dfpir_g90", 0)  # the reference, gamma 1, drops nothing
    assert found.conditions == CONDITIONS


def test_maps_have_no_edges():
    rng = np.random.default_rng(0)
    maps_ = rng.normal(3, 2, (2, 3, 16, 16))
    maps_[..., 0, :] = 1000  # what padding does
    scaled, spread = maps.centred(maps_)
    assert spread == pytest.approx(2, rel=0.1)
    assert scaled.shape == (2, 3, 12, 12)
    assert scaled.mean() == pytest.approx(0, abs=1e-9)
    assert scaled.std() == pytest.approx(1)
    assert maps.without_edges(np.ones((12, 24, 3)), 1 / 6).shape == (8, 16, 3)
    assert [maps.edge_share(side) for side in (4, 12, 96)] == [1 / 4, 1 / 6, 1 / 8]


def test_small_figures_show_what_the_study_features(tmp_path):
    names = {"other": 0.0, "dfpir": 0.0, **{f"v{n}": 0.0 for n in range(6)}, "restormer": 0.0}
    write_runs(tmp_path, FakeStudy(effect_db=names, seeds=(0,), patches=3))
    study = replace(load([tmp_path]), featured=("v4", "dfpir"))
    assert study.select_variants(names, 3) == ["dfpir", "v4", "restormer"]  # in the study's order
    table = maps.select_maps(study)
    assert table is not None
    assert {"v4", "dfpir"} <= set(table.probes)
    assert len(table.probes) == maps.MAX_VARIANTS
    shown = table.probes["dfpir"].images
    assert [shown[i][0] for i in table.images] == ["noise-25", "rain", "haze", "blur", "lowlight"]


def test_runs_without_the_new_probes_have_no_such_figure(tmp_path):
    write_runs(tmp_path, FakeStudy(effect_db={"a": 0.0}, seeds=(0,), pictures=False))
    assert maps.draw(load([tmp_path]), tmp_path) == []
    assert masks.draw(load([tmp_path]), tmp_path) == []


def test_orders_show_how_stable_they_are_where_it_was_measured(tmp_path):
    study = gamma_study(effect_db={"dfpir_g90": 0.1, "dfpir_g100": 0.0}, failed=(), aliases={}, patches=2, seeds=(0,))
    write_runs(tmp_path, study)
    without = orders.draw(load([tmp_path]), tmp_path / "figures")[0]
    assert "rounded" not in without.caption
    write_measures(tmp_path, study, ("order_moves",))
    loaded = load([tmp_path])
    picture = orders.draw(loaded, tmp_path / "figures")[0]
    moves = orders.order_groups(loaded)[0].moves
    assert moves is not None
    fp16 = moves.loc[moves["number_format"] == "fp16", "moved_share"]
    assert f"fp16: {fp16.min():.1%} to {fp16.max():.1%} of the positions" in picture.caption


def test_a_damaged_measure_costs_the_orders_only_their_row(tmp_path):
    study = gamma_study(effect_db={"dfpir_g90": 0.1}, failed=(), aliases={}, patches=2, seeds=(0,))
    write_runs(tmp_path, study)
    write_measures(tmp_path, study, ("order_moves",))
    next(tmp_path.glob("*/measures/order_moves.parquet")).write_bytes(b"no table")
    assert [g.moves for g in orders.order_groups(load([tmp_path]))] == [None]


def test_maps_side_by_side_by_hand():
    found = maps.side_by_side(np.arange(2 * 2 * 24, dtype=float).reshape(2, 2, 24))
    assert found.shape == (4, 48 + 2 + 48)  # each pixel twice, a gap of a 24th
    assert np.isnan(found[:, 48:50]).all()
    assert found[0, :4].tolist() == [0, 0, 1, 1]
    assert found[2, 50] == 72


def test_the_axis_of_gamma_names_the_entries_kept_where_all_runs_record_them(tmp_path):
    write_runs(tmp_path, gamma_study(failed=(), aliases={}, pictures=False))
    study = load([tmp_path])
    assert "Fractions" not in axis.draw(study, study.analysis("psnr_db"), tmp_path).caption
    model = {"config": {"dim": 8, "heads": [1, 2]}}
    runs = {
        name: replace(run, spec=run.spec | {"identity": {"model": {"kept": {"1": 7, "2": 7}}}, "model": model})
        for name, run in study.runs.items()
    }
    recorded = replace(study, runs=runs)
    assert "Fractions" in axis.draw(recorded, study.analysis("psnr_db"), tmp_path).caption
    assert "7/8" in (tmp_path / "axis_gamma.svg").read_text(encoding="utf-8")

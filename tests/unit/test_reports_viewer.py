from __future__ import annotations

import base64
import io
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reports import schema
from reports.feature_separation import allowed_perplexities
from reports.load import load
from reports.subsets import main_subset
from reports.tables import build_table, means_frame
from reports.viewer.cell_provenance import cell_provenance
from reports.viewer.gallery import gallery
from reports.viewer.interactive import interactive
from reports.viewer.scatter import scatter
from tests.support.fake_runs import CONDITIONS, gamma_study, run_id_of, write_done_marker, write_runs

EFFECTS = {"dfpir_g90": 0.2, "dfpir_g100": 0.0, "restormer": -0.3}


@pytest.fixture
def study(tmp_path):
    return load([write_runs(tmp_path, gamma_study(effect_db=EFFECTS, failed=(("dfpir_g90", 1),), patches=8))])


def pixels(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.removeprefix("data:image/png;base64,")))))


def test_gallery_holds_the_runs_own_pixels(study, tmp_path):
    found = gallery(study)
    assert len(found.scenes) == len(CONDITIONS)
    assert found.remarks == ()
    scene = found.scenes[3]
    assert [image.label for image in scene.images] == ["degraded", *EFFECTS, "clean"]
    for image, name in zip(scene.images[-2:], ("restored", "clean"), strict=True):
        stored = tmp_path / run_id_of("restormer", 0) / "samples" / f"rain-{name}.png"
        assert np.array_equal(pixels(image.zooms[0].uri), np.asarray(Image.open(stored)))
    assert scene.sizes == ((64, 64),)
    alt = f"Rain, image scene0-crop0: restored by dfpir_g100, PSNR {scene.images[2].psnr_text}"
    assert scene.images[2].zooms[0].alt == alt
    assert scene.overview is None  # of runs as older versions made them


def test_the_first_featured_variant_leads_the_gallery(study):
    best, led = gallery(study).scenes[3], gallery(replace(study, featured=("restormer", "dfpir_g90"))).scenes[3]
    assert not any(image.is_lead for image in best.images)
    assert [image.label for image in led.images if image.is_lead] == ["restormer"]
    gains = {image.label: (image.psnr_db or 0) - (led.images[0].psnr_db or 0) for image in led.images[1:-1]}
    assert (best.gain_db, led.gain_db) == pytest.approx((max(gains.values()), gains["restormer"]))


def test_gallery_has_two_crops_and_the_complete_image_where_all_runs_have_them(tmp_path):
    fakes = gamma_study(effect_db=EFFECTS, failed=(), seeds=(0,), patches=2, zooms=True)
    study = load([write_runs(tmp_path, fakes)])
    found = gallery(study)
    assert found.has_overviews
    scene = found.scenes[3]
    assert scene.overview is not None
    assert (scene.overview.width, scene.overview.height) == (192, 128)
    assert scene.overview.boxes == ((0, 0, 64, 64), (64, 100, 64, 64))
    assert scene.overview.uri.startswith("data:image/webp;base64,")
    stored = tmp_path / run_id_of("restormer", 0) / "samples" / "rain-second-restored.png"
    assert np.array_equal(pixels(scene.images[-2].zooms[1].uri), np.asarray(Image.open(stored)))
    assert scene.images[-2].zooms[1].alt.endswith("; second crop")
    # one run of an older version, or whose file is gone: the first crop of all, as before
    stored.unlink()
    assert {len(scene.sizes) for scene in gallery(study).scenes} == {1, 2}
    assert len(gallery(study).scenes[3].sizes) == 1


def test_one_scale_of_errors_holds_for_all_crops(study):
    found = gallery(study)
    errors = [
        np.abs(pixels(image.zooms[0].uri).astype(float) - pixels(scene.images[-1].zooms[0].uri)).mean(axis=2)
        for scene in found.scenes
        for image in scene.images
        if image.kind == "restored"
    ]
    assert found.error_end % 5 == 0
    assert found.error_end - 5 < np.percentile(errors, 99) <= found.error_end


def test_gallery_leaves_out_what_does_not_belong_together_and_what_is_too_much(study, tmp_path):
    samples = tmp_path / run_id_of("dfpir_g100", 0) / "samples"
    Image.new("RGB", (64, 64)).save(samples / "rain-degraded.png")  # another input
    (samples / "haze-restored.png").write_bytes(b"no picture")
    found = gallery(study)
    labels = {scene.title: [image.label for image in scene.images] for scene in found.scenes}
    for condition in ("Rain", "Haze"):
        assert labels[f"{condition} · scene0-crop0"] == ["degraded", "dfpir_g90", "restormer", "clean"]
    assert found.remarks == ("Left out where its crop is not of the same input, or is no PNG: dfpir_g100.",)
    size = sum(scene.n_characters for scene in found.scenes)
    small = gallery(study, max_characters=size // 2)
    assert 0 < len(small.scenes) < len(found.scenes)
    assert (
        small.remarks[0]
        == f"{7 - len(small.scenes)} images left out to keep the page small; the runs' samples hold them."
    )


def test_provenance_averages_to_the_printed_cells(study):
    main = main_subset(study)
    table = build_table(main)
    provenance = cell_provenance([(main, table)])
    rows, columns = provenance["tables"][0]["rows"], provenance["tables"][0]["columns"]
    assert rows[0] is None  # the degraded input has no run
    for row, shown in zip(rows[1:], table.rows[1:], strict=True):
        assert row["variant"] == shown.variant
        for c, cell in enumerate(shown.cells):
            for m, metric in enumerate(schema.METRICS):
                by_seed = [run["means"][c][m] for run in row["runs"]]
                assert f"{np.mean(by_seed):.{metric.digits}f}" == cell.numbers[m].text
    assert [run["run"] for run in rows[1]["runs"]] == [run_id_of("dfpir_g90", 0)]  # its other run failed
    assert columns[3] == {
        "label": "Rain",
        "sets": ["synthetic-test-only"],
        "protocol": ["aio-rgb"],
        "images": 6,
        "scenes": 3,
    }
    written = means_frame(main).set_index(["variant", "condition", "metric"])
    for row in rows[1:]:
        for c, column in enumerate(table.columns):
            for m, metric in enumerate(schema.METRICS):
                known = written.loc[(row["variant"], column, metric.name), ["ci_low", "ci_high", "sd_over_seeds"]]
                assert [np.nan if x is None else x for x in row["spread"][c][m]] == pytest.approx(
                    list(known), abs=1e-6, nan_ok=True
                )
    assert set(provenance["runs"]) == {run["run"] for row in rows[1:] for run in row["runs"]}
    json.dumps(provenance, allow_nan=False)


def test_scatter_takes_what_the_points_allow(study):
    found = scatter(study)
    assert found is not None
    assert (found.n, found.perplexities) == (56, (5, 15))
    assert [p["variant"] for p in found.data["panels"]] == list(EFFECTS)
    assert found.data["same_patches"]
    for panel in found.data["panels"]:
        assert pd.Series(panel["labels"]).value_counts().to_dict() == dict.fromkeys(range(7), 8)
        planes = {p: np.array(points) for p, points in panel["planes"].items()}
        assert set(planes) == {"5", "15"}
        assert all(x.shape == (56, 2) and x.min() >= 0 and x.max() <= 1 for x in planes.values())
        assert not np.allclose(planes["5"], planes["15"])
    assert [c["label"] for c in found.data["conditions"]][3:] == ["Rain", "Haze", "Motion blur", "Low light"]
    assert scatter(study) == found


@pytest.mark.parametrize(("n", "allowed"), [(15, ()), (16, (5,)), (121, (5, 15, 40))])
def test_perplexities_need_points(n, allowed):
    assert allowed_perplexities(n) == allowed


def test_what_fails_costs_only_itself(study, tmp_path, monkeypatch):
    def broken(_):
        raise RuntimeError("odd content")

    monkeypatch.setattr("reports.viewer.interactive.gallery", broken)
    main = main_subset(study)
    found = interactive(main, [(main, build_table(main))])
    assert found.problems == {"gallery": "RuntimeError: odd content"}
    assert found.gallery.scenes == ()
    assert found.scatter is not None


def test_a_study_without_pictures_has_none(tmp_path):
    bare = load(
        [write_runs(tmp_path, gamma_study(effect_db={"a": 0.0}, seeds=(0,), failed=(), aliases={}, pictures=False))]
    )
    write_done_marker(tmp_path / run_id_of("a", 0))
    assert gallery(bare).scenes == ()
    assert scatter(bare) is None

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from reports import schema
from reports.__main__ import main
from reports.compare import compare
from reports.compare_variants import ModelPair, variant_changes
from reports.load import load_study
from reports.pages.comparison import build_comparison
from reports.stats import AVERAGE, collect
from tests.support.fake_runs import FakeStudy, run_id_of, write_done_marker, write_runs
from tests.support.simulated_studies import image_rows

STUDY = FakeStudy(
    effect_db={"better": 0.0, "same": 0.1, "untouched": 0.2}, seeds=(0, 1, 2), scenes=6, crops=1, pictures=False
)


def shifted(root, variant, by_db, *, wobble_db=0.0):
    """Add to every PSNR of a variant's runs, with other luck of each seed (none on average), and seal the runs anew."""
    for seed, luck in zip(STUDY.seeds, (-1, 0, 1), strict=True):
        folder = root / run_id_of(variant, seed)
        rows = schema.read_images(folder / schema.IMAGES_FILE)
        rows["value"] += (rows["metric"] == schema.PSNR) * (by_db + luck * wobble_db)
        schema.write_images(rows, folder / schema.IMAGES_FILE)
        write_done_marker(folder)


@pytest.fixture
def two(tmp_path):
    """The same study twice; in the second, one variant is truly better and one has other luck."""
    folders = [write_runs(tmp_path / name, STUDY) for name in ("old", "new")]
    shifted(tmp_path / "new", "better", 0.5, wobble_db=0.02)
    shifted(tmp_path / "new", "same", 0.0, wobble_db=0.02)
    return folders


def test_what_moved_is_told_from_noise(two):
    found = compare(*map(load_study, two))
    averages = {m.variant: m for m in found.changes[schema.PSNR] if m.condition == AVERAGE}
    assert averages["better"].is_significant
    assert averages["better"].estimate.value == pytest.approx(0.5, abs=0.05)
    assert averages["better"].after - averages["better"].before == pytest.approx(averages["better"].estimate.value)
    assert averages["same"].significance == "no"
    assert averages["untouched"].significance == "same runs"
    assert averages["untouched"].estimate.value == 0
    assert all(m.estimate.value == 0 for m in found.changes[schema.SSIM])


def test_the_page(two, tmp_path):
    page = build_comparison(*two).read_text(encoding="utf-8")
    assert "1 of 2 variants changed significantly in PSNR averaged over the columns" in page
    assert "The same runs on both sides, nothing to test: untouched." in page
    assert "7 of 14 single conditions changed significantly" in page
    assert "default-src 'none'" in page
    assert not re.search(r"https?://|url\(", page)
    table = pd.read_csv(two[1] / "comparison.csv")
    assert len(table) == 3 * 8 * 2
    assert table["more_than_noise"].sum() == 8
    assert (two[1] / "figures" / "moved.pdf").is_file()


def test_names_are_escaped(tmp_path):
    evil = "<img src=x onerror=alert(1)>"
    folders = [
        write_runs(tmp_path / side, replace(STUDY, effect_db={evil: 0.0}, noise_sd_db=noise))
        for side, noise in (("old", 0.1), ("new", 0.2))
    ]
    page = build_comparison(*folders).read_text(encoding="utf-8")
    assert evil not in page
    assert "&lt;img src=x" in page


def test_one_seed_can_not_tell(tmp_path):
    one = replace(STUDY, seeds=(0,))
    folders = [write_runs(tmp_path / name, one) for name in ("old", "new")]
    for path in (tmp_path / "new").glob("better-*"):
        rows = schema.read_images(path / schema.IMAGES_FILE)
        rows["value"] += np.where(rows["metric"] == schema.PSNR, 0.5, 0.0)
        schema.write_images(rows, path / schema.IMAGES_FILE)
        write_done_marker(path)
    page = build_comparison(*folders).read_text(encoding="utf-8")
    assert "one seed: 1 of 1 trained model score" in page
    assert "which may be seed-to-seed variance" in page


def test_variants_that_one_side_lacks_are_named(tmp_path):
    old = write_runs(tmp_path / "old", replace(STUDY, effect_db={"same": 0.0, "gone": 0.0}))
    new = write_runs(
        tmp_path / "new", replace(STUDY, effect_db={"trained": 0.0}, aliases={"same": ("trained", "")}, noise_sd_db=0.1)
    )
    found = compare(load_study(old), load_study(new))
    assert {m.variant for m in found.changes[schema.PSNR]} == {"same"}
    assert found.unshared == (("gone",), ("trained",))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"protocol": "y-255"}, "different protocols: aio-rgb and y-255"),
        ({"dataset": "other-test-only", "checksum": "6f" * 16}, "different data: synthetic-test-only"),
        ({"checksum": "6f" * 16}, "different data: synthetic-test-only (5e5e5e5e) and synthetic-test-only (6f6f6f6f)"),
        (
            {"effect_db": {"new": 0.0}},
            "No variant has finished runs in both: better, same, untouched before, new after",
        ),
        ({"not_run": tuple((v, s) for v in STUDY.effect_db for s in STUDY.seeds)}, "second study has no finished run"),
    ],
)
def test_what_is_refused(tmp_path, capsys, changes, said):
    old = write_runs(tmp_path / "old", STUDY)
    new = write_runs(tmp_path / "new", replace(STUDY, **changes))
    assert main(["--compare", str(old), str(new)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


def test_one_data_set_under_two_folder_names_is_compared_and_both_names_are_shown(tmp_path):
    old = write_runs(tmp_path / "old", STUDY)
    new = write_runs(tmp_path / "new", replace(STUDY, dataset="photos-renamed", noise_sd_db=0.2))
    found = compare(load_study(old), load_study(new))
    assert ("Data folder", "synthetic-test-only", "photos-renamed") in found.settings
    alone = compare(load_study(old), load_study(write_runs(tmp_path / "same", replace(STUDY, noise_sd_db=0.2))))
    assert "Data folder" not in {name for name, _, _ in alone.settings}
    assert found.changes == alone.changes
    assert found.dropped == 0
    assert main(["--compare", str(old), str(new)]) == 0


def test_settings_that_differ_are_shown(two):
    for path in (two[1].parent.parent).glob("*-s*-*"):
        spec = json.loads((path / schema.SPEC_FILE).read_text())
        spec["precision"] = "bf16"
        spec["budget"]["steps"] = 999
        (path / schema.SPEC_FILE).write_text(json.dumps(spec))
        write_done_marker(path)
    terms = {name: (old, new) for name, old, new in compare(*map(load_study, two)).settings}
    assert terms["Precision"] == ("float32", "bf16")
    assert terms["Budget"] == ("steps 200", "steps 999")
    assert "Device" not in terms


def test_same_seeds_are_paired_and_other_seeds_are_not():
    """A change of 0.02 dB in every run: plain where seeds are paired, lost in their spread where they are not."""
    rng = np.random.default_rng(0)
    luck = rng.normal(0, 0.3, (2, 3, 1))
    old = {("0 a", s, "rain", f"{k}1"): 25 + luck[0, s, 0] for s in range(3) for k in "pqrs"}
    same = {("1 a", s, "rain", f"{k}1"): 25.02 + luck[0, s, 0] + 1e-3 * s for s in range(3) for k in "pqrs"}
    other = {("1 a", s + 7, "rain", f"{k}1"): 25.02 + luck[1, s, 0] for s in range(3) for k in "pqrs"}
    pairs = {"a": ModelPair(before="a", after="a", same_runs=False)}
    paired, apart = (variant_changes(collect(image_rows(old | new)), pairs)[0] for new in (same, other))
    assert (paired.seeds_paired, apart.seeds_paired) == (True, False)
    assert paired.estimate.value == pytest.approx(0.021)
    assert paired.is_significant
    assert apart.estimate.se > 50 * paired.estimate.se
    assert not apart.is_significant

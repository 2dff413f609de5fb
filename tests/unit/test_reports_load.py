from __future__ import annotations

import json
import shutil

import pytest

from reports import schema
from reports.artifacts import load_probes, load_samples, load_train_log
from reports.load import check_comparable, find_runs, load, load_study
from reports.run_state import Status
from tests.support.fake_runs import FakeStudy, gamma_study, run_id_of, write_done_marker, write_runs
from tests.support.read_run import read_run

TWO = {"a": 0.0, "b": 0.1}


def test_statuses_and_aliases(tmp_path):
    study = load_study(
        write_runs(tmp_path, gamma_study(pictures=False, unfinished=(("dfpir_g70", 0),), not_run=(("dfpir_g80", 1),)))
    )
    status = {(r.variant or r.run_id[:9], r.seed): r.status for r in study.runs.values()}
    assert status["dfpir_g60", 1] is Status.FAILED
    assert status["dfpir_g70", 0] is Status.RUNNING
    assert study.runs[run_id_of("dfpir_g80", 1)].status is Status.MISSING
    assert "loss is not finite" in study.runs[run_id_of("dfpir_g60", 1)].reason
    assert "dfpir_g95" not in study.variants
    assert study.aliases["dfpir_g90"][0].variant == "dfpir_g95"
    # 14 planned, one failed, one unfinished, one not run; the alias adds no rows.
    assert study.rows["run_id"].nunique() == 11


@pytest.mark.parametrize("name", [schema.IMAGES_FILE, schema.SPEC_FILE, schema.TRAIN_LOG_FILE])
def test_a_changed_file_is_damage(tmp_path, name):
    write_runs(tmp_path, FakeStudy(effect_db=TWO, seeds=(0,), pictures=False))
    folder = tmp_path / run_id_of("a", 0)
    with (folder / name).open("ab") as stream:
        stream.write(b" ")
    run = read_run(folder)
    assert run.status is Status.DAMAGED
    assert name in run.reason
    assert not len(load([folder]).rows)


def test_other_damage(tmp_path):
    write_runs(tmp_path, FakeStudy(effect_db=TWO, seeds=(0, 1), pictures=False))
    gone, foreign, version, broken = (tmp_path / run_id_of(v, s) for v in TWO for s in (0, 1))
    (gone / schema.SUMMARY_FILE).unlink()
    shutil.copy(version / schema.IMAGES_FILE, foreign / schema.IMAGES_FILE)
    write_done_marker(foreign)
    spec = json.loads((version / schema.SPEC_FILE).read_text())
    (version / schema.SPEC_FILE).write_text(json.dumps({**spec, "schema": 99}))
    write_done_marker(version)
    (broken / schema.DONE_FILE).write_text("{")
    reasons = [read_run(f) for f in (gone, foreign, version, broken)]
    assert {r.status for r in reasons} == {Status.DAMAGED}
    assert "summary.json is missing" in reasons[0].reason
    assert "holds rows of" in reasons[1].reason
    assert "schema 99" in reasons[2].reason
    assert "DONE is not JSON" in reasons[3].reason


def test_refuses_to_mix(tmp_path):
    write_runs(tmp_path / "1", FakeStudy(effect_db={"a": 0.0}, pictures=False))
    write_runs(tmp_path / "2", FakeStudy(effect_db={"b": 0.0}, protocol="other", pictures=False))
    write_runs(tmp_path / "3", FakeStudy(effect_db={"c": 0.0}, dataset="elsewhere", pictures=False))
    runs = {n: find_runs([tmp_path / n]) for n in "123"}
    check_comparable(load(runs["1"]))
    with pytest.raises(ValueError, match="mix protocols in one table: aio-rgb, other"):
        check_comparable(load(runs["1"] + runs["2"]))
    with pytest.raises(ValueError, match="mix data sets in the column 'blur'"):
        check_comparable(load(runs["1"] + runs["3"]))


def test_what_paths_may_be(tmp_path):
    folder = write_runs(tmp_path, FakeStudy(effect_db=TWO, pictures=False))
    assert load([tmp_path]).folder == folder.resolve()
    assert load([folder]).name == "gamma_sweep"
    assert load(find_runs([tmp_path])).folder is None
    write_runs(tmp_path, FakeStudy(effect_db=TWO, pictures=False, name="other"))
    with pytest.raises(ValueError, match="found 2"):
        load([tmp_path])
    with pytest.raises(ValueError, match="together with other"):
        load([folder, tmp_path / run_id_of("a", 0)])
    with pytest.raises(ValueError, match="no such folder"):
        load([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="neither a run"):
        load([tmp_path / "empty"])


def test_a_study_can_not_name_a_run_outside(tmp_path):
    folder = write_runs(tmp_path, FakeStudy(effect_db=TWO, pictures=False))
    plan = json.loads((folder / schema.STUDY_FILE).read_text())
    plan["rows"][0]["run_id"] = "../../etc"
    (folder / schema.STUDY_FILE).write_text(json.dumps(plan))
    with pytest.raises(ValueError, match="outside of the runs folder"):
        load_study(folder)


def test_artifacts(tmp_path):
    write_runs(tmp_path, FakeStudy(effect_db={"a": 0.0}, seeds=(0,)))
    run = read_run(tmp_path / run_id_of("a", 0))
    samples = load_samples(run)
    assert len(samples) == 7
    probes = load_probes(run)
    assert probes is not None
    assert probes.orders["level1"].shape == (7, 16)
    assert set(probes.features) == set(probes.untrained_features) == {"latent", "decoder3"}
    log = run.path / schema.TRAIN_LOG_FILE
    log.write_text(log.read_text()[:-9])
    assert load_train_log(run)["loss"].notna().sum() == 200
    records = json.loads((run.path / schema.SAMPLES_FILE).read_text())
    records[0]["clean"] = "../spec.json"
    (run.path / schema.SAMPLES_FILE).write_text(json.dumps(records))
    assert len(load_samples(run)) == 6
    (run.path / schema.PROBES_FILE).write_bytes(b"no tensors")
    assert load_probes(run) is None

"""A report is never replaced: more seeds or variants join its table, other terms get a folder of their own."""

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from ablations.harness.study import print_folder_notes, study_record
from ablations.harness.study_folder import earlier_rows_note, study_folder
from ablations.plan import make_plan
from ablations.registry import STUDIES
from reports.files import write_json
from tests.support.tiny_study import TINY
from tests.unit.test_spec_and_plan import DATA, NAMES

SETTINGS = {"budget": TINY, "data": DATA, "conditions": NAMES, "protocol": "suite-v1", "text_encoder": "minilm"}


def write(root, command="again", **changes):
    """As a command writes it: the folder and its rows as (variant, seed, alias)."""
    plan = make_plan("gamma_sweep", **(SETTINGS | changes))
    folder = study_folder(plan, root)
    write_json(folder / "study.json", study_record(plan, root, command, folder))
    return folder, rows_of(folder)


def rows_of(folder):
    return [(row["variant"], row["seed"], row["alias_of"]) for row in content(folder)["rows"]]


def content(folder):
    return json.loads((folder / "study.json").read_text())


def test_two_more_seeds_join_the_table(tmp_path):
    first, _ = write(tmp_path, "a", only=["dfpir_g50", "dfpir_g100"], seeds=[0, 1])
    folder, rows = write(tmp_path, "b", only=["dfpir_g50", "dfpir_g100"], seeds=[2, 3])
    assert folder == first
    assert rows == [(name, seed, None) for seed in range(4) for name in ("dfpir_g50", "dfpir_g100")]
    assert content(folder)["command"] == "a && b"
    write(tmp_path, "b", only=["dfpir_g50", "dfpir_g100"], seeds=[2, 3])
    assert content(folder)["command"] == "a && b"


def test_only_on_a_finished_study_keeps_its_table(tmp_path):
    folder, rows = write(tmp_path)
    before = content(folder)
    assert len(rows) == 7
    assert write(tmp_path, only=["dfpir_g90"]) == (folder, rows)
    assert write(tmp_path, only=["dfpir_g95"]) == (folder, rows)  # the same model as g90 at this size
    after = content(folder)
    assert [row["note"] for row in after["rows"]] == [row["note"] for row in before["rows"]]
    for name in ("axis", "reference", "contrasts", "measures", "title", "terms"):
        assert after[name] == before[name], name


def test_a_variant_that_joins_stands_in_the_studys_order_and_is_no_second_model(tmp_path):
    write(tmp_path, only=["dfpir_g100"])
    write(tmp_path, only=["dfpir_g60"])
    _, rows = write(tmp_path, only=["dfpir_g50"])
    assert rows == [("dfpir_g50", 0, None), ("dfpir_g60", 0, "dfpir_g50"), ("dfpir_g100", 0, None)]


def test_each_other_term_has_a_folder_of_its_own(tmp_path):
    folder, rows = write(tmp_path)
    changes = (
        {"data": replace(DATA, checksum="d" * 64)},  # another folder of the same name
        {"data": replace(DATA, exclude_leaks=True)},
        {"text_encoder": "onehot"},
        {"precision": "bf16"},
        {"protocol": "allinone-v1"},
        {"also_protocols": ("allinone-v1",)},
        {"tasks": ["noise"]},
        {"checkpoint": "best"},
        {"budget": replace(TINY, recipe=replace(TINY.recipe, ema=0.9))},
    )
    others = [write(tmp_path, **change) for change in changes]
    assert len({folder, *(other for other, _ in others)}) == 1 + len(changes)
    assert all(other.name.rpartition("-")[0] == folder.name for other, _ in others)
    assert rows_of(folder) == rows, "the first is left alone"
    for change, (other, _) in zip(changes, others, strict=True):  # found again, also where the first is gone
        assert write(tmp_path, **change)[0] == other
    (folder / "study.json").unlink()
    assert write(tmp_path, **changes[0])[0] == others[0][0]
    assert write(tmp_path)[0] == folder


def test_the_datas_folder_may_be_renamed(tmp_path):
    folder, _ = write(tmp_path, seeds=[0])
    moved = replace(DATA, path="/elsewhere/made_up")
    assert write(tmp_path, seeds=[1], data=moved)[0] == folder


@pytest.mark.parametrize("key", ["checksum", "text_encoder", "recipe"])
def test_a_study_file_without_terms_is_compared_by_what_it_says(tmp_path, key):
    folder, _ = write(tmp_path, seeds=[0])
    old = content(folder)
    del old["terms"]
    (folder / "study.json").write_text(json.dumps(old))
    assert study_folder(make_plan("gamma_sweep", **SETTINGS), tmp_path) == folder
    if key == "checksum":
        old["data"]["checksum"] = "e" * 64
    elif key == "text_encoder":
        old["text_encoder"] = "onehot"
    else:
        old["budget"]["ema"] = 0.5
    (folder / "study.json").write_text(json.dumps(old))
    assert study_folder(make_plan("gamma_sweep", **SETTINGS), tmp_path) != folder


def test_an_old_study_of_runs_at_another_precision_is_another(tmp_path):
    folder, _ = write(tmp_path, seeds=[0])
    old = content(folder)
    del old["terms"]
    (folder / "study.json").write_text(json.dumps(old))
    spec = make_plan("gamma_sweep", **SETTINGS).specs[0]
    write_json(tmp_path / spec.run_id / "spec.json", {"identity": {**spec.identity(), "precision": "bf16"}})
    assert study_folder(make_plan("gamma_sweep", **SETTINGS), tmp_path) != folder


def test_a_study_file_that_cant_be_read_is_not_replaced(tmp_path):
    folder, _ = write(tmp_path)
    (folder / "study.json").write_text("{")
    assert study_folder(make_plan("gamma_sweep", **SETTINGS), tmp_path) != folder


def test_it_is_said_in_one_line(tmp_path):
    folder, _ = write(tmp_path, only=["dfpir_g50"], seeds=[0])
    console = Console(width=300, record=True, file=io.StringIO())
    print_folder_notes(make_plan("gamma_sweep", **SETTINGS, only=["dfpir_g70"]), tmp_path, console)
    print_folder_notes(make_plan("gamma_sweep", **(SETTINGS | {"text_encoder": "onehot"})), tmp_path, console)
    kept, apart = console.export_text().splitlines()
    assert kept.startswith("The table keeps 1 row of earlier commands (dfpir_g50 seed 0);")
    assert apart.startswith(f"{folder.name} holds this study on other terms")
    rows = [{"variant": f"v{n}", "seed": 0, "run_id": "", "alias_of": None, "note": ""} for n in range(6)]
    assert "6 rows of earlier commands (v0 seed 0, v1 seed 0, v2 seed 0, v3 seed 0 and 2 more)" in earlier_rows_note(
        rows, folder
    )


def test_models_of_one_task_join_as_whole_rows(tmp_path):
    name = next(name for name in STUDIES if any(v.endswith("@each") for v in STUDIES[name]().variants))
    settings = SETTINGS | {"seeds": [0]}
    plan = make_plan(name, **settings)
    folder = study_folder(plan, tmp_path)
    write_json(folder / "study.json", study_record(plan, tmp_path, "a", folder))
    rows = rows_of(folder)
    each = next(v for v in plan.study.variants if v.endswith("@each"))
    again = make_plan(name, **settings, only=[each])
    write_json(folder / "study.json", study_record(again, tmp_path, "b", folder))
    assert sorted(rows_of(folder)) == sorted(rows)

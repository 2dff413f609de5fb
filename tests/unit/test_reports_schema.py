from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from datasets.tasks import CONDITIONS, PAPER_TASKS
from reports import schema
from reports.files import write_json


def rows(**changes: object) -> pd.DataFrame:
    row = {
        "run_id": "a-s0-00000000", "variant": "a", "seed": 0, "dataset": "d", "protocol": "p", "task": "noise",
        "condition": "noise-15", "image": "i", "scene": "s", "in_training_set": "", "metric": "psnr_db", "value": 30.0, "input_value": 20.0,
    }  # fmt: skip
    return pd.DataFrame([{**row, **changes}])


def test_good_rows_pass():
    schema.validate_images(rows())


@pytest.mark.parametrize(
    ("frame", "named"),
    [
        (rows().drop(columns="scene"), "'scene' is missing"),
        (rows(extra=1), "'extra' is unknown"),
        (rows(value=float("nan")), "'value' holds a missing value"),
        (rows(value=float("-inf")), "'value' holds -inf"),
        (rows(seed=0.5), "'seed' must be int64"),
        (rows(image=3), "'image' must be str"),
        (rows(metric="lpips"), "'metric' holds 'lpips'"),
        (pd.concat([rows(), rows()]), "occurs twice"),
    ],
)
def test_wrong_rows_name_the_column(frame, named):
    with pytest.raises(ValueError, match=named):
        schema.validate_images(frame)


def test_written_bytes_depend_on_the_rows_alone(tmp_path):
    frame = pd.concat([rows(condition=c, task=schema.task_of(c)) for c in ("rain", "noise-50", "noise-15")])
    first = schema.write_images(frame, tmp_path / "a.parquet")
    shuffled = frame.sample(frac=1, random_state=1)[frame.columns[::-1]].astype({"value": np.float32})
    second = schema.write_images(shuffled, tmp_path / "b.parquet")
    assert first.read_bytes() == second.read_bytes()
    back = schema.read_images(first)
    assert list(back["condition"]) == ["noise-15", "noise-50", "rain"]  # and not thrice, though the index repeats


def test_study_table_round_trip(tmp_path):
    frame = rows(alias_of="b")
    path = schema.write_images(frame, tmp_path / "table.parquet", columns=schema.TABLE_COLUMNS)
    assert schema.read_images(path, columns=schema.TABLE_COLUMNS)["alias_of"].tolist() == ["b"]
    csv = schema.write_images(frame, tmp_path / "table.csv", columns=schema.TABLE_COLUMNS)
    assert csv.read_text().splitlines()[0].split(",") == [c.name for c in schema.TABLE_COLUMNS]


def test_a_table_written_in_parts_is_the_table_written_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("reports.schema.tables.ROW_GROUP", 3)
    whole = pd.concat([rows(variant=v, seed=s, image=i) for v in "ab" for s in (0, 1) for i in "ij"], ignore_index=True)
    whole = whole.assign(alias_of="")
    parts = (part.sample(frac=1, random_state=0) for _, part in whole.groupby(["variant", "seed"]))
    written = schema.write_table(parts, tmp_path / "parts.parquet", tmp_path / "parts.csv")
    assert written == len(whole)
    assert pq.ParquetFile(tmp_path / "parts.parquet").metadata.num_row_groups > 1
    read = schema.read_images(tmp_path / "parts.parquet", columns=schema.TABLE_COLUMNS)
    pd.testing.assert_frame_equal(read, schema.canonical(whole, columns=schema.TABLE_COLUMNS), check_dtype=False)
    schema.write_images(whole, tmp_path / "whole.csv", columns=schema.TABLE_COLUMNS)
    assert (tmp_path / "parts.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_wrong_part_leaves_the_earlier_table(tmp_path):
    good = rows().assign(alias_of="")
    files = tmp_path / "table.parquet", tmp_path / "table.csv"
    schema.write_table([good], *files)
    before = [path.read_bytes() for path in files]
    with pytest.raises(ValueError, match="metric"):
        schema.write_table([good, good.assign(seed=1, metric="beauty")], *files)
    assert schema.write_table([], *files) == 0
    assert [path.read_bytes() for path in files] == before
    assert sorted(tmp_path.iterdir()) == sorted(files)


def test_a_file_that_is_no_table_is_a_value_error(tmp_path):
    path = tmp_path / "images.parquet"
    path.write_bytes(b"not parquet")
    with pytest.raises(ValueError, match=r"images\.parquet"):
        schema.read_images(path)


def test_order_of_conditions_is_that_of_the_tasks():
    assert tuple(t.name for t in PAPER_TASKS) == schema.TASK_ORDER
    names = [c.name for c in CONDITIONS]
    assert sorted(reversed(names), key=schema.condition_sort_key) == names
    assert [schema.task_of(c.name) for c in CONDITIONS] == [c.task.name for c in CONDITIONS]


def test_json_refuses_nan_and_leaves_no_half_file(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"value": float("nan")})
    assert list(tmp_path.iterdir()) == []

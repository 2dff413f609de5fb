"""What the report says of a model's routing: distances by hand, matrices of one run, a section in both languages."""

import re

import numpy as np
import pandas as pd
import pytest

from reports import schema
from reports.build import build_report
from reports.measures import routing
from tests.support.fake_measures import write_measures
from tests.support.fake_runs import FakeStudy, write_runs

COLUMNS = ["variant", "seed", "layer", "condition", "expert", "selected", "weight", "n_images"]


def table(shares, *, seed=0, layer="encoder-1", variant="amir"):
    """Rows for condition -> weight of each expert."""
    return pd.DataFrame(
        [
            (variant, seed, layer, condition, number, weight, weight, 4)
            for condition, weights in shares.items()
            for number, weight in enumerate(weights, start=1)
        ],
        columns=COLUMNS,
    )


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ({"rain": (0.3, 0.7), "haze": (0.3, 0.7)}, 0.0),
        ({"rain": (0.0, 1.0), "haze": (1.0, 0.0)}, 1.0),
        ({"rain": (0.25, 0.75), "haze": (0.75, 0.25)}, 0.5),
        ({"rain": (1.0, 0.0), "haze": (1.0, 0.0), "blur": (0.0, 1.0)}, 2 / 3),
        # a task's conditions are averaged first
        ({"noise-15": (1.0, 0.0), "noise-25": (0.5, 0.5), "noise-50": (0.0, 1.0), "rain": (0.5, 0.5)}, 0.0),
    ],
)
def test_distance_between_tasks(shares, expected):
    assert routing.mean_distance(table(shares)) == pytest.approx(expected)


def test_an_experts_number_is_never_averaged_over_seeds():
    first, other = {"rain": (0.0, 1.0), "haze": (1.0, 0.0)}, {"rain": (1.0, 0.0), "haze": (0.0, 1.0)}
    (found,) = routing.summarize(pd.concat([table(first), table(other, seed=1)]))
    assert found.seed == 0
    assert found.matrices["encoder-1"].loc["rain"].tolist() == [0.0, 1.0]
    # both seeds keep the tasks apart, by other experts
    assert found.distances.estimate("amir", "encoder-1").value == pytest.approx(1.0)
    assert found.distances.estimate("amir", "encoder-1").n_seeds == 2
    grid = routing.make_table((found,))
    assert [cell.text for cell in grid.rows[0].cells] == ["amir", "encoder-1", "1.00", "2 (100%)", "1 (100%)"]


def test_variants_may_have_other_routers():
    shares = {"rain": (0.2, 0.8), "haze": (0.8, 0.2)}
    found = routing.summarize(pd.concat([table(shares), table(shares, variant="moceir", layer="decoder-3, block 1")]))
    assert [(each.variant, each.layers) for each in found] == [
        ("amir", ("encoder-1",)),
        ("moceir", ("decoder-3, block 1",)),
    ]
    assert len(routing.make_table(found).rows) == len(routing.sentences(found)) == 2


def test_one_task_has_nothing_to_be_apart_from():
    assert routing.summarize(table({"noise-15": (1.0, 0.0), "noise-25": (0.0, 1.0)})) == ()


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_a_section_of_the_page(tmp_path, seeds):
    study = FakeStudy(effect_db={"amir": 0.0, "b": 0.1}, seeds=seeds, pictures=False)
    folder = write_runs(tmp_path, study)
    write_measures(tmp_path, study, ("routing",))
    page = build_report([folder]).read_text(encoding="utf-8")
    assert "Which expert serves which degradation" in page
    assert "Experts by condition: amir" in page
    assert (
        "lie 0.45 [no interval] apart" in page
        if len(seeds) == 1
        else re.search(r"lie 0\.45 \[0\.45, 0\.45\] apart", page)
    )
    assert (folder / schema.FIGURES_FOLDER / "routing_2.pdf").is_file()
    written = pd.read_csv(folder / schema.MEASURES_FOLDER / "routing.csv")
    assert set(written["seed"]) == set(seeds)
    assert np.allclose(written.groupby(["variant", "seed", "layer", "condition"])["weight"].sum(), 1)
    chinese = build_report([folder], lang="zh").read_text(encoding="utf-8")
    assert "哪个专家处理哪种退化" in chinese
    assert "apart on average" not in chinese
    assert "gate weight" not in chinese

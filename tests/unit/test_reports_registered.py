"""What other packages add to a report: sections of measures, figures, and styles of tasks that other processes draw."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from reports import schema
from reports.figure_jobs import FigureJob, FigureJobs
from reports.figures import further, maps
from reports.figures.style import Picture
from reports.labels import condition_label
from reports.load import load_study
from reports.measures import plugin
from reports.measures.sections import show_measures
from reports.run_state import Status
from reports.schema import MeasureSection
from tests.support.fake_runs import write_runs
from tests.support.figures import small_study

SECTION = MeasureSection(name="clipped", title="Values out of range", sentence="Share cut off.", digits=4)


def table(value: float = 0.25) -> pd.DataFrame:
    rows = [(c, f"{s}-{n}", s) for c in ("noise-25", "rain") for s in ("a", "b") for n in (0, 1)]
    return pd.DataFrame(rows, columns=["condition", "image", "scene"]).assign(value=value)


def test_a_table_says_itself_what_its_section_shows(tmp_path):
    schema.write_measure(table(), tmp_path, "clipped", metadata={"settings": "{}"}, section=SECTION)
    frame, metadata = schema.read_measure(tmp_path, "clipped")
    assert MeasureSection.from_metadata(metadata) == SECTION
    pd.testing.assert_frame_equal(frame, table(), check_dtype=False)
    assert schema.plugin_section(tmp_path / "measures/clipped.parquet") == SECTION
    with pytest.raises(ValueError, match="Needed: condition, image, scene, value"):
        schema.write_measure(table().drop(columns="scene"), tmp_path, "clipped", metadata={}, section=SECTION)
    with pytest.raises(ValueError, match="no measure that this version knows"):
        schema.write_measure(table(), tmp_path, "clipped", metadata={})
    (tmp_path / "measures/clipped.parquet").rename(tmp_path / "measures/other.parquet")
    assert schema.plugin_section(tmp_path / "measures/other.parquet") is None
    with pytest.raises(ValueError, match="describes none"):
        schema.read_measure(tmp_path, "other")


def test_the_section_has_a_row_a_variant_and_a_column_a_condition():
    runs = [table(value).assign(variant=v, seed=s) for v, s, value in (("x", 0, 0.1), ("x", 1, 0.3), ("y", 0, 0.5))]
    made = plugin.make_section(pd.concat(runs, ignore_index=True), SECTION, ("y", "x", "z"))
    (grid,) = made.tables
    assert [column.head for column in grid.columns] == [
        "Variant", "Average (columns)", "Noise \N{GREEK SMALL LETTER SIGMA}=25", "Rain",
    ]  # fmt: skip
    assert [[cell.text for cell in row] for row in (r.cells for r in grid.rows)] == [
        ["y", *["0.5000"] * 3],
        ["x", *["0.2000"] * 3],
    ]
    assert made.sentences == ("Share cut off.",)
    assert "2 scenes" in grid.caption
    assert made.summary.query("variant == 'x'")["value"].to_list() == pytest.approx([0.2] * 3)


def test_without_photographs_intervals_are_over_seeds():
    section = MeasureSection(name="rank", title="Rank", sentence="Of a layer.", keys=("layer",), unit="1/layer")
    frame = pd.DataFrame({"layer": ["top"] * 2, "value": [1.0, 3.0], "variant": ["x"] * 2, "seed": [0, 1]})
    made = plugin.make_section(frame, section, ("x",))
    assert [column.head for column in made.tables[0].columns] == ["Variant", "top"]
    assert made.tables[0].rows[0].cells[1].text == "2.000"
    assert made.tables[0].caption == "Rank, in 1/layer. Intervals: 95%, over seeds alone."


@pytest.mark.parametrize("asked", [True, False])
def test_a_page_tells_of_it_where_the_study_asks(tmp_path, asked):
    path = write_runs(tmp_path / "runs", small_study(pictures=False))
    plan = json.loads((path / "study.json").read_text())
    (path / "study.json").write_text(json.dumps(plan | {"measures": ["clipped"] if asked else []}))
    run = next(each.path for each in load_study(path).runs.values() if each.status is Status.DONE)
    package = {"package": "mylab", "distribution": "mylab", "version": "1.0", "sha256": "0123456789"}
    metadata = {"settings": json.dumps({"plugins": [package]})}
    schema.write_measure(table(), run, "clipped", metadata=metadata, section=SECTION)
    study = load_study(path)
    shown = show_measures(study, study.analysis(schema.PSNR), tmp_path / "out")
    assert shown.problems == ()
    section = shown.section("clipped")
    assert (section is not None) is asked
    if section is not None:
        assert section.title == "Values out of range"
        assert "Settings: of the package mylab 1.0 (01234567)." in section.note
        assert (tmp_path / "out/measures/clipped.csv").is_file()


@pytest.mark.parametrize(
    "change", [{"name": "metric-x"}, {"name": "My"}, {"title": ""}, {"keys": ()}, {"keys": ("value",)}]
)
def test_a_declaration_that_can_not_be_used_is_refused(change):
    given = {"name": "clipped", "title": "t", "sentence": "s"} | change
    with pytest.raises(ValueError, match="Measure"):
        MeasureSection(**given)


def named(condition: str) -> Picture:
    raise ValueError(condition_label(condition))


@pytest.mark.parametrize("workers", [1, 2])
def test_other_processes_draw_tasks_as_the_study_declares_them(monkeypatch, workers):
    monkeypatch.setattr(schema.tasks, "TASK_STYLES", dict(schema.TASK_STYLES))
    monkeypatch.setattr(schema, "TASK_STYLES", schema.tasks.TASK_STYLES)
    fog = {"name": "fog", "label": "Fog", "colour": "#56B4E9", "marker": "X", "order": 9, "strength_label": " no. {}"}
    schema.declare_tasks([fog | {"strengths": [1], "shades": []}])
    jobs = {"all": [FigureJob(draw=named, args=(f"fog-{n}",)) for n in range(4)]}
    problems = FigureJobs(jobs, workers=workers).results()["all"].problems
    assert problems == tuple(f"ValueError: Fog no. {n}" for n in range(4))


def test_figures_by_name(monkeypatch):
    monkeypatch.setattr(further, "_FIGURES", dict(further._FIGURES))
    assert further.figure_named("feature_maps").draw is maps.draw
    further.register_figure("bars", title="Bars")(named)
    assert further.figure_named("bars").title == "Bars"
    with pytest.raises(ValueError, match=r"no package that is installed here registers it\. Known: feature_maps, bars"):
        further.figure_named("baars")
    with pytest.raises(ValueError, match="registered already"):
        further.register_figure("bars", title="Bars")(table)
    with pytest.raises(ValueError, match="lower-case letters"):
        further.register_figure("Bars", title="Bars")

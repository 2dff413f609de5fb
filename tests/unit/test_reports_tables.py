from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from reports import schema
from reports.document.markdown import to_markdown
from reports.labels import latex, markdown
from reports.load import load
from reports.pages.result import all_metrics, metric_table
from reports.run_state import Status
from reports.stats import AVERAGE, TASK_AVERAGE, Analysis
from reports.study import Entry, Run, Study
from reports.tables import ResultTable, build_table, means_frame
from tests.support.fake_runs import FakeStudy, write_runs
from tests.support.study_rows import study_rows

GOLDEN = Path(__file__).parents[1] / "golden" / "reports"

# PSNR of two images by variant, seed and condition; the SSIM is a hundredth of it.
PSNR_DB = {
    ("restormer", 0): {"noise-15": (30.0, 31.0), "noise-50": (24.0, 25.0), "rain": (27.0, 27.5)},
    ("restormer", 1): {"noise-15": (30.2, 31.2), "noise-50": (24.2, 25.2), "rain": (27.0, 27.5)},
    ("dfpir_g90", 0): {"noise-15": (30.5, 31.5), "noise-50": (24.5, 25.5), "rain": (26.0, 26.5)},
    ("a_b|50%", 0): {"noise-15": (30.0, 31.2), "noise-50": (24.1, 25.1), "rain": (28.0, 28.5)},
}


def rows_of(run: Run) -> list[dict[str, object]]:
    variant, seed, run_id = run.variant, run.seed or 0, run.run_id
    rows: list[dict[str, object]] = []
    for condition, values in PSNR_DB.get((variant, seed), {}).items():
        for number, value in enumerate(values):
            keys = {
                "run_id": run_id, "variant": variant, "seed": seed, "dataset": "two", "protocol": "aio-rgb",
                "task": schema.task_of(condition), "condition": condition, "image": f"i{number}", "scene": f"i{number}", "in_training_set": "",
            }  # fmt: skip
            rows.append({**keys, "metric": "psnr_db", "value": value, "input_value": 20.0})
            rows.append({**keys, "metric": "ssim", "value": value / 100, "input_value": 0.2})
    return rows


def run(variant: str, seed: int, status: Status = Status.DONE) -> Run:
    run_id = f"{variant}-s{seed}-00000000"
    model = {"params_trained": 26_126_644, "params": 26_126_644, "macs": 35.2e9, "macs_px": 128}
    spec = {"model": model} if variant == "restormer" else {}
    return Run(
        path=Path(run_id), run_id=run_id, variant=variant, seed=seed, status=status, reason="", spec=spec, env={}, summary={}
    )  # fmt: skip


def study() -> Study:
    runs = [
        run("restormer", 0),
        run("restormer", 1),
        run("dfpir_g90", 0),
        run("dfpir_g90", 1, Status.FAILED),
        run("a_b|50%", 0),
        run("dfpir_g50", 0, Status.MISSING),
        run("dfpir_g60", 0, Status.FAILED),
    ]
    entries = [Entry(variant=r.variant, seed=r.seed or 0, run_id=r.run_id) for r in runs]
    entries.append(
        Entry(
            variant="dfpir_g95",
            seed=0,
            run_id=runs[2].run_id,
            alias_of="dfpir_g90",
            note="keeps the same 14 of 16 entries",
        )
    )
    rows = [row for r in runs for row in rows_of(r)]
    return Study(
        folder=None, name="golden", title="Golden", question="", budget={}, data={"name": "two"}, text_encoder="clip",
        axis_name="", axis_values={}, reference=None, entries=tuple(entries), runs={r.run_id: r for r in runs},
        rows=study_rows(pd.DataFrame(rows)), command="",
    )  # fmt: skip


def as_latex(table: ResultTable) -> str:
    return "\n".join(metric_table(table, metric).latex for metric in table.metrics)


@pytest.mark.parametrize(
    ("name", "render"), [("table.md", lambda table: to_markdown(all_metrics(table))), ("table.tex", as_latex)]
)
def test_golden(name, render):
    """Set UPDATE_GOLDEN=1 to write the files anew, and read the difference before committing it."""
    text = render(build_table(study()))
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_seeds_and_what_is_missing():
    table = build_table(study())
    by_name = {row.variant: row for row in table.rows}
    assert table.rows[0].variant == "degraded input"
    assert by_name["dfpir_g90"].seeds_text == "1 of 2"
    assert by_name["dfpir_g90"].aliases == ("dfpir_g95",)
    assert {c.text for c in by_name["dfpir_g50"].cells} == {"not run"}
    assert {c.text for c in by_name["dfpir_g60"].cells} == {"failed"}
    assert "restormer-s1-00000000" in by_name["restormer"].cells[0].hover


def test_seeds_that_were_not_run_count_as_planned(tmp_path):
    fake = FakeStudy(
        effect_db={"a": 0.0, "b": 0.5}, seeds=(0, 1, 2, 3), not_run=(("b", 1), ("b", 2), ("b", 3)), pictures=False
    )
    rows = {row.variant: row for row in build_table(load([write_runs(tmp_path, fake)])).rows}
    assert (rows["a"].seeds_text, rows["b"].seeds_text) == ("4", "1 of 4")


def test_the_page_counts_seeds_below_a_name_and_the_files_in_a_column():
    table = build_table(study())
    on_page = metric_table(table, table.metrics[0])
    assert "Seeds" not in [column.head for column in on_page.columns]
    below = {row.name: row.cells[0].below for row in on_page.rows}
    assert below["dfpir_g90"] == ("= dfpir_g95", "1 of 2 seeds")
    assert below["restormer"] == below["dfpir_g50"] == ()
    assert "Seeds" in [column.head for column in all_metrics(table).columns]
    assert "Seeds" in on_page.latex
    spreads = {row.name: [cell.below for cell in row.cells] for row in on_page.rows}
    # by hand: the seeds' means over columns are 27.4167 and 27.55, over tasks 27.375 and 27.475
    assert spreads["restormer"][-5:] == [(), ("±0.09",), ("±0.07",), (), ()], "below both averages, not the conditions"
    assert not any(spreads["dfpir_g90"][1:]), "one seed has no spread"
    assert r"{\tiny $\pm$.09}" in on_page.latex
    part = metric_table(table.without_model_columns(), table.metrics[0])
    assert [column.head for column in part.columns] == ["Variant", "σ=15", "σ=50", "Rain", "columns", "tasks"]  # noqa: RUF001


def test_both_averages_stand_where_they_differ():
    table = build_table(study())
    heads = [c.head for c in all_metrics(table).columns]
    assert heads[4:6] == ["Average (columns)", "Average (tasks)"]
    grouped = [(c.group, c.head) for c in metric_table(table, table.metrics[0]).columns]
    assert grouped[1:6] == [
        ("Noise", "\N{GREEK SMALL LETTER SIGMA}=15"),
        ("Noise", "\N{GREEK SMALL LETTER SIGMA}=50"),
        ("", "Rain"),
        ("Average", "columns"),
        ("Average", "tasks"),
    ]
    columns, tasks = (table.columns.index(c) for c in (AVERAGE, TASK_AVERAGE))
    row = next(r for r in table.rows if r.variant == "dfpir_g90")
    assert row.cells[columns].numbers[0].text == f"{(31.0 + 25.0 + 26.25) / 3:.2f}"
    assert row.cells[tasks].numbers[0].text == f"{((31.0 + 25.0) / 2 + 26.25) / 2:.2f}"
    it = study()
    alone = replace(it, rows=it.rows[it.rows["condition"] != "noise-50"])
    assert build_table(alone).columns == ("noise-15", "rain", AVERAGE)


def test_nothing_is_marked_with_one_seed():
    assert {n.rank for row in build_table(study()).rows for c in row.cells for n in c.numbers} == {0}


def marks(tmp_path, effect_db: dict[str, float], **changes: object) -> dict[str, set[int]]:
    """Ranks of PSNR that a variant's cells bear, over the columns."""
    fake = FakeStudy(effect_db=effect_db, seeds=(0, 1, 2), scenes=6, crops=1, pictures=False, **changes)
    table = build_table(load([write_runs(tmp_path, fake)]))
    return {row.variant: {c.numbers[0].rank for c in row.cells} for row in table.rows}


def test_only_what_a_test_tells_from_the_next_is_marked(tmp_path):
    clear = marks(tmp_path / "1", {"best": 3.0, "second": 1.5, "third": 0.0})
    assert clear == {"degraded input": {0}, "best": {1}, "second": {2}, "third": {0}}
    close = marks(tmp_path / "2", {"best": 3.0, "second": 3.0, "third": 0.0})
    assert close == {"degraded input": {0}, "best": {2}, "second": {2}, "third": {0}}, "both, told from the third"
    scattered = marks(tmp_path / "3", {"best": 3.0, "second": 3.0, "third": 2.9}, seed_sd_db=0.5)
    assert set.union(*scattered.values()) == {0}
    alone = marks(tmp_path / "4", {"best": 3.0, "second": 3.0})
    assert set.union(*alone.values()) == {0}, "of two alone there is no group"


def test_a_best_that_scatters_is_in_no_group(tmp_path, monkeypatch):
    """The second differs from the third, but the best does from neither."""
    real = Analysis.difference

    def difference(analysis, first, second, column=AVERAGE):
        gap = real(analysis, first, second, column)
        return replace(gap, low=-9.0, high=9.0) if "best" in (first, second) else gap

    monkeypatch.setattr(Analysis, "difference", difference)
    assert set.union(*marks(tmp_path, {"best": 4.0, "second": 3.0, "third": 0.0}).values()) == {0}


def test_nothing_below_the_input_is_marked(tmp_path):
    assert set.union(*marks(tmp_path, {"bad": -20.0, "worse": -30.0}).values()) == {0}


def test_sizes_stand_beside_every_variant():
    it = study()
    model = {"params_trained": 300_000, "params": 1_480_000, "macs": 2.5e9, "macs_px": 128}
    runs = {n: replace(r, spec={"model": model if "g90" in n else {"params": 12}}) for n, r in it.runs.items()}
    table = build_table(replace(it, runs=runs))
    sizes = {row.variant: tuple(size.text for size in row.sizes) for row in table.rows}
    assert sizes["dfpir_g90"] == ("300 k", "1.48 M", "2.50 G")
    assert sizes["restormer"] == ("", "12", "")
    assert sizes["degraded input"] == ("", "", "")
    assert [c.head for c in all_metrics(table).columns][-4:] == ["trained", "all", "MACs, 128 px", "Seeds"]


def test_means_hold_the_way_back():
    it = study()
    frame = means_frame(it)
    row = frame[
        (frame["variant"] == "restormer") & (frame["condition"] == "rain") & (frame["metric"] == "psnr_db")
    ].iloc[0]
    assert row["mean"] == pytest.approx(27.25)
    assert row["run_ids"] == "restormer-s0-00000000;restormer-s1-00000000"
    assert {AVERAGE, TASK_AVERAGE} < set(frame["condition"])
    assert (row["protocol"], row["dataset"], row["n_seeds"], row["n_images"]) == ("aio-rgb", "two", 2, 2)


def test_escapes():
    assert latex(r"50% & a_b{c}\d $x$ #1 ~^") == (
        r"50\% \& a\_b\{c\}\textbackslash{}d \$x\$ \#1 \textasciitilde{}\textasciicircum{}"
    )
    assert latex("two\nlines \\\\ \x07bell") == r"two lines \textbackslash{}\textbackslash{} bell"
    assert markdown("a|b\n<img src=x>*`") == r"a\|b \<img src=x\>\*\`"


def test_models_of_one_task_are_one_seed_together(tmp_path):
    fake = FakeStudy(effect_db={"a": 0.0, "b": 0.5}, seeds=(0, 1), scenes=3, crops=1, pictures=False)
    folder = write_runs(tmp_path, fake)
    plan = json.loads((folder / schema.STUDY_FILE).read_text())
    for row in plan["rows"]:  # as if the four were models of two tasks, one seed each
        row["variant"] = "each"
    (folder / schema.STUDY_FILE).write_text(json.dumps(plan))
    study = load([folder])
    runs = {name: replace(run, seed=0) for name, run in study.runs.items()}
    study = replace(study, runs=runs, entries=tuple(replace(entry, seed=0) for entry in study.entries))
    assert [row.seeds_text for row in build_table(study).rows if not row.is_input] == ["1"]
    name, one = next(iter(runs.items()))
    study = replace(study, runs=runs | {name: replace(one, status=Status.RUNNING)})
    assert [row.seeds_text for row in build_table(study).rows if not row.is_input] == ["0 of 1"]


def test_ingredients_in_which_variants_differ_are_columns_and_sort_and_lead_back_the_same():
    parts = {
        "restormer": {"A": "", "B": "", "C": "x"},
        "dfpir_g50": {"A": "", "B": "", "C": "x"},
        "dfpir_g90": {"A": "\N{CHECK MARK}", "B": "long words", "C": "x"},
    }
    table = build_table(replace(study(), ingredients=parts))
    page = metric_table(table, table.metrics[0])
    assert [c.head for c in page.columns[:3]] == ["Variant", "A", "\N{GREEK SMALL LETTER SIGMA}=15"]
    assert page.first_number == 2
    assert [row.cells[1].text for row in page.rows[:3]] == ["", "", "\N{CHECK MARK}"]
    most = {name: parts[name] for name in ("restormer", "dfpir_g90")}
    few = metric_table(build_table(replace(study(), ingredients=most)), table.metrics[0])
    assert few.first_number == 1, "most variants have no parts"
    parts["a_b|50%"] = {"A": "", "B": "others", "C": "x"}
    both = metric_table(build_table(replace(study(), ingredients=parts)), table.metrics[0])
    assert [c.head for c in both.columns[1:3]] == ["A", "B"], "two ways to have it"
    assert "long words" not in both.latex
    orders = {"restormer": {"order": ""}, "dfpir_g90": {"order": "bias per prompt"}, "dfpir_g50": {"order": "prompt"}}
    short = metric_table(build_table(replace(study(), ingredients=orders)), table.metrics[0])
    assert short.columns[1].head == "Order"
    assert {row.cells[1].text for row in short.rows} == {"", "bias", "prompt"}
    assert r"\checkmark" in both.latex


def test_a_table_of_told_and_blind_methods_says_which_are_told():
    some = replace(study(), conditioned=("dfpir_g90",), labels={"dfpir_g90": "DFPIR"})
    assert "Told the degradation of each test image: DFPIR; the others are blind." in build_table(some).notes
    for told in (None, (), tuple(some.variants)):
        assert not any("blind" in note for note in build_table(replace(some, conditioned=told)).notes)

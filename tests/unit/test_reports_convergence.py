"""Past the plateau: what counts as learned, as over, and how soon; said first where it fails."""

import itertools
import json
import math

import pytest

from reports import schema
from reports.convergence import (
    TaskConvergence,
    checkpoint_note,
    convergence_sentences,
    gain_curves,
    task_convergence,
)
from reports.load import load
from reports.measures import training
from tests.support.fake_runs import FakeStudy, run_id_of, write_runs

CONDITIONS = ("noise-15", "noise-25", "noise-50", "rain", "haze", "blur", "lowlight")
# what the study's fake scores gain is fixed (about 4 dB for rain, 1.2 for blur): curves are written here
SETTLED = {100: 2.0, 180: 4.0, 200: 4.1}
RISING = {100: 1.0, 180: 2.0, 200: 4.0}


def write_curve(root, variant, seed, by_task):
    path = root / run_id_of(variant, seed) / schema.TRAIN_LOG_FILE
    steps = sorted({step for curve in by_task.values() for step in curve})
    rows = [{"step": step, "val_gain_db": {c: by_task[schema.task_of(c)][step] for c in CONDITIONS}} for step in steps]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def study(tmp_path):
    """Three variants; one keeps improving on rain, one is left without gain on all tasks."""
    fake = FakeStudy(effect_db={"dfpir_g90": 0.0, "dfpir_g100": 0.0, "restormer": -30.0}, seeds=(0, 1), pictures=False)
    folder = write_runs(tmp_path, fake)
    tasks = dict.fromkeys(("noise", "rain", "haze", "blur", "lowlight"), SETTLED)
    for seed in (0, 1):
        write_curve(tmp_path, "dfpir_g100", seed, tasks)
        write_curve(tmp_path, "dfpir_g90", seed, tasks | {"rain": RISING})
        write_curve(tmp_path, "restormer", seed, dict.fromkeys(tasks, dict.fromkeys(SETTLED, 0.0)))
    for run in tmp_path.glob("*-s*"):
        done = json.loads((run / schema.DONE_FILE).read_text())
        done["files"].pop(schema.TRAIN_LOG_FILE, None)  # written anew above
        (run / schema.DONE_FILE).write_text(json.dumps(done))
    return load([folder])


def test_learned_and_no_longer_improving_is_past_the_plateau(study):
    found = {(one.variant, one.task): one for one in task_convergence(study)}
    assert found["dfpir_g100", "rain"].status == "past the plateau"
    assert found["dfpir_g100", "rain"].last_tenth_db == pytest.approx(0.1)
    assert found["dfpir_g90", "rain"].status == "still improving"
    assert found["dfpir_g90", "haze"].status == "past the plateau"
    assert found["restormer", "haze"].status == "not learned"  # its curve is flat, its scores are below the input's


def test_steps_to_three_db_lie_between_validations(study):
    found = {(one.variant, one.task): one for one in task_convergence(study)}
    assert found["dfpir_g100", "rain"].steps_to_3_db == pytest.approx(140)  # half way from 2 dB at 100 to 4 at 180
    assert found["dfpir_g90", "rain"].steps_to_3_db == pytest.approx(190)
    assert math.isnan(found["restormer", "rain"].steps_to_3_db)


def test_what_fails_is_said_first(study):
    first, second, *_ = convergence_sentences(task_convergence(study))
    assert first.startswith("Not learned: restormer (noise ")
    assert second.startswith("Still improving at the end of training: dfpir_g90 (rain +2.00 dB).")
    whole = [one for one in task_convergence(study) if one.variant == "dfpir_g100"]
    assert convergence_sentences(whole)[0].startswith(
        "Every variant is trained past the plateau on every task (at least 0.5 dB"
    )


def task(variant, last_tenth_db, gain_db=3.0):
    return TaskConvergence(
        variant=variant, task="haze", gain_db=gain_db, last_tenth_db=last_tenth_db, steps_to_3_db=math.nan
    )


def test_a_fall_is_called_one():
    results = [task("a", -0.54), task("b", -0.1), task("c", 0.1), task("d", -0.54, gain_db=0.0)]
    assert [one.is_falling for one in results] == [True, False, False, False]
    assert results[0].is_past_plateau
    said = convergence_sentences(results[:3])
    assert said == [
        "Every variant is trained past the plateau on every task (at least 0.5 dB over the degraded input on the test "
        "images, and less than 0.2 dB gained on the validation images in the last tenth of training).",
        "Falling at the end of training, on the validation images in its last tenth: a (haze \N{MINUS SIGN}0.54 dB).",
    ]
    *_, last = convergence_sentences(results)
    assert last == said[-1]


def test_heads_say_which_images(study):
    (table,) = training.make_section(study, [task("a", -0.54), task("b", 0.1)]).tables
    assert [(column.group, column.head) for column in table.columns[2:5]] == [
        ("Test images", "Gain over the input, dB"),
        ("Validation images", "Gain in the last tenth, dB"),
        ("Validation images", "Steps to +3 dB"),
    ]
    assert [row.cells[-1].text for row in table.rows] == ["past the plateau, falling", "past the plateau"]


@pytest.mark.parametrize(
    ("checkpoints", "said"),
    [
        (("last",), "Every trained run is tested with the weights after its last step."),
        (("best",), "Every trained run is tested with its weights that scored best on the validation images."),
        (("last", "best"), "Some runs are tested with the weights after their last step, others with those that"),
    ],
)
def test_the_weights_that_are_tested(study, checkpoints, said):
    for run, checkpoint in zip(study.runs.values(), itertools.cycle(checkpoints), strict=False):
        run.spec["budget"]["checkpoint"] = checkpoint
    assert checkpoint_note(study).startswith(said)


def test_the_section_has_a_line_for_each_variant_and_task(study):
    section = training.make_section(study, task_convergence(study))
    assert len(section.tables[0].rows) == 3 * 5
    assert set(section.summary["status"]) == {"past the plateau", "still improving", "not learned"}


def test_runs_without_curves_say_so(tmp_path):
    whole = load([write_runs(tmp_path, FakeStudy(effect_db={"dfpir_g90": 0.0}, pictures=False, gains=False))])
    assert gain_curves(next(iter(whole.runs.values()))) == {}
    assert convergence_sentences(task_convergence(whole)) == [
        "Whether training was past the plateau is unknown: these runs saved no learning curves."
    ]

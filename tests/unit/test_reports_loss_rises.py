"""Training losses that rose far above the level they had reached are named; a harder phase of all runs is not."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from reports import schema
from reports.build import build_report
from reports.loss_rises import LossRise, find_loss_rises, loss_rise_sentences
from tests.support.fake_runs import FakeStudy, run_id_of, write_done_marker, write_runs

TIMES = "\N{MULTIPLICATION SIGN}\N{NO-BREAK SPACE}"
STEPS = np.arange(50, 4001, 50)


def made_up_loss(seed, *, switch=1.0, spikes=()):
    """80 logged losses that fall to 0.05; from step 450 on `switch` times as high; `spikes`: (step, factor)."""
    noise = np.random.default_rng(seed).lognormal(0, 0.1, len(STEPS))
    loss = pd.Series((0.05 + 0.2 * np.exp(-STEPS / 100)) * noise, index=STEPS)
    loss[loss.index > 400] *= switch
    for step, factor in spikes:
        loss[step] *= factor
    return loss


def test_a_rise_is_named_with_its_step_and_ratio():
    losses = {("a", s): made_up_loss(s) for s in range(3)} | {("b", 0): made_up_loss(9, spikes=[(700, 8), (750, 30)])}
    (rise,) = find_loss_rises(losses)
    assert (rise.variant, rise.seed, rise.step) == ("b", 0, 750)
    assert rise.ratio == pytest.approx(30, rel=0.3), "of the level before, not of the first spike"


def test_a_harder_phase_of_every_run_is_no_rise():
    losses = {(v, s): made_up_loss(10 * k + s, switch=5.0) for k, v in enumerate("abc") for s in range(2)}
    assert find_loss_rises(losses) == ()
    losses["d", 0] = made_up_loss(99, switch=5.0, spikes=[(600, 10)])
    (rise,) = find_loss_rises(losses)
    assert (rise.variant, rise.step) == ("d", 600)
    assert 6 < rise.ratio < 15, "beyond the other runs' rise"


def test_a_run_alone_is_compared_with_itself():
    (rise,) = find_loss_rises({("a", 0): made_up_loss(0, spikes=[(2000, 5)])})
    assert (rise.variant, rise.step) == ("a", 2000)


def test_losses_without_a_ratio_and_short_logs_are_not_tested():
    spiked = made_up_loss(0, spikes=[(2000, 50)])
    assert find_loss_rises({("a", 0): spiked - 1}) == ()
    assert find_loss_rises({("a", 0): spiked.iloc[:2]}) == ()
    assert find_loss_rises({}) == ()


def test_runs_stand_by_variant_the_largest_first():
    rises = [
        LossRise(variant="a", seed=1, step=5, ratio=3.21),
        LossRise(variant="b", seed=2, step=5, ratio=22.3),
        LossRise(variant="b", seed=0, step=5, ratio=4.0),
    ]
    (said,) = loss_rise_sentences(rises)
    assert said == (
        "Training loss rose above 3 times the level it had reached, allowing for the other runs' rise at that step: "
        f"b (seed 0 {TIMES}4.0, seed 2 {TIMES}22); a (seed 1 {TIMES}3.2). "
        "All numbers here include these runs."
    )
    assert loss_rise_sentences([]) == []


@pytest.mark.usefixtures("blank_figures")
def test_the_page_says_it_among_findings_and_in_training(tmp_path):
    fake = FakeStudy(effect_db={"dfpir_g90": 0.0, "restormer": -0.1}, seeds=(0, 1), pictures=False)
    folder = write_runs(tmp_path, fake)
    path = tmp_path / run_id_of("restormer", 1)
    lines = [json.loads(line) for line in (path / schema.TRAIN_LOG_FILE).read_text().splitlines()]
    for line in lines:
        if line["step"] == 150 and "loss" in line:
            line["loss"] = 5.0
    (path / schema.TRAIN_LOG_FILE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    write_done_marker(path)
    page = build_report([folder]).read_text(encoding="utf-8")
    assert page.count("Training loss rose above 3 times") == 2
    assert f"restormer (seed 1 {TIMES}" in page
    assert "Training loss rose above 3 times" in (folder / "table.md").read_text()

"""A trained network below a method without training is said and marked, as significantly as the pair's interval has it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from reports.build import build_report
from reports.convergence import TaskConvergence
from reports.input_gain import below_classical_sentences
from reports.load import load
from tests.support.fake_runs import FakeStudy, write_done_marker, write_runs

REFERENCE = "classical, a method without training"
SIGNIFICANT = (
    f"Significantly below {REFERENCE}, in the average over the columns (unadjusted interval of the pair): weak."
)
IN_THE_MEAN = f"Below {REFERENCE}, in the mean of the columns, not significantly: weak."


def write_study(root, *, gain_db, seeds=(0, 1, 2)):
    """Runs of a weak and a strong network, and of a method without training that the weak one is `gain_db` above."""
    fake = FakeStudy(effect_db={"classical": 0.0, "weak": gain_db, "strong": 3.0}, seeds=seeds, pictures=False)
    folder = write_runs(root, fake)
    for path in root.glob("*-s*-*"):
        spec = json.loads((path / "spec.json").read_text())
        spec["model"]["params_trained"] = 0 if spec["variant"] == "classical" else 1000
        (path / "spec.json").write_text(json.dumps(spec))
        write_done_marker(path)
    return folder


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize(
    ("gain_db", "seeds", "said", "tag"),
    [
        (-1.0, (0, 1, 2), SIGNIFICANT, "below classical"),
        (-0.06, (0, 1, 2), IN_THE_MEAN, "below classical in the mean"),
        (-1.0, (0,), IN_THE_MEAN, "below classical in the mean"),  # one seed tests nothing
        (1.0, (0, 1, 2), "", ""),
    ],
)
def test_networks_below_a_method_without_training_are_said_and_marked(tmp_path, gain_db, seeds, said, tag):
    folder = write_study(tmp_path, gain_db=gain_db, seeds=seeds)
    page = build_report([folder]).read_text(encoding="utf-8")
    table = (folder / "table.md").read_text()
    assert "undertrained" not in page
    if said:
        assert page.count(f'<span class="alias">{tag}</span>') == 2, "once for each metric"
        assert said in page
        assert said in table
    else:
        assert "without training" not in page + table
        assert '<span class="alias">below' not in page


@pytest.mark.parametrize(
    ("last_tenth_db", "said"),
    [
        (0.0, "Past the plateau on every task: weak."),
        (1.0, "Not past the plateau on every task: weak."),
        (float("nan"), ""),  # no curve: nothing is known
    ],
)
def test_the_plateau_test_says_how_far_they_were_trained(tmp_path, last_tenth_db, said):
    study = load([write_study(tmp_path, gain_db=-1.0)])
    values = {"task": "rain", "gain_db": 3.0, "steps_to_3_db": 9.0}
    learning = [TaskConvergence(variant="weak", last_tenth_db=last_tenth_db, **values)]
    assert below_classical_sentences(study, learning) == [f"{SIGNIFICANT} {said}".rstrip()]


def test_a_reference_that_is_told_the_degradation_is_said_to_be(tmp_path):
    study = replace(load([write_study(tmp_path, gain_db=-1.0)]), conditioned=("classical",))
    (sentence,) = below_classical_sentences(study)
    assert sentence.startswith("Significantly below classical, a method without training that is told the degradation,")

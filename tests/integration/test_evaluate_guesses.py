"""`python -m ablations.evaluate --degradation auto`: what a guessed degradation costs."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from ablations.harness.evaluate import as_tensor
from ablations.harness.evaluating import predicted_degradation
from ablations.harness.evaluating.degradation_classifier import Prediction
from ablations.harness.evaluating.pretrained import load_pretrained
from datasets.sources.embedded import load_embedded
from tests.support.evaluations import CONFIG, ONEHOT, TINY, call, picture


class Fixed:
    """A guesser that says what it is told to say of each image."""

    data, path, accuracy = "nothing", Path("none"), 1.0

    def __init__(self, name_of):
        self.conditions, self.name_of = load_embedded().conditions, name_of

    def predict(self, image, allowed_conditions=None):
        (condition,) = [c for c in self.conditions if c.name == self.name_of(image)]
        assert allowed_conditions is None or condition in allowed_conditions
        return Prediction(condition=condition, confidence=1.0)


def true_names():
    """Bytes of each degraded test image -> its condition's name."""
    bundle = load_embedded()
    return {
        as_tensor(item.degraded).numpy().tobytes(): item.condition.name
        for item in bundle.eval_items("test", bundle.conditions, limit=2)
    }


AUTO = (*CONFIG, *ONEHOT, "--limit", "2", "--degradation", "auto", "--tasks", "noise-50", "haze", "lowlight")


def test_a_perfect_guesser_costs_nothing(capsys, weights, tmp_path, monkeypatch):
    names = true_names()
    perfect = Fixed(lambda image: names[image.numpy().tobytes()])
    monkeypatch.setattr(predicted_degradation, "load_or_train_classifier", lambda *_: perfect)
    code, out, _ = call(capsys, "dfpir", "--weights", weights, *AUTO, "--json", "--out", tmp_path / "out")
    assert code == 0
    guess = json.loads(out)["guess"]
    assert [line["condition"] for line in guess["costs"]] == ["noise-50", "haze", "lowlight", "average"]
    assert all(line["difference_db"] == line["low_db"] == line["high_db"] == 0 for line in guess["costs"])
    assert (guess["right"], guess["images"]) == (6, 6)
    page = (tmp_path / "out/evaluation.html").read_text()
    assert "Using the predictions costs nothing here: 0.00 dB" in page


def test_a_constant_guesser_costs_what_the_wrong_code_costs(capsys, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(predicted_degradation, "load_or_train_classifier", lambda *_: Fixed(lambda image: "haze"))
    code, out, _ = call(capsys, "dfpir", "--weights", weights, *AUTO, "--out", tmp_path / "out")
    assert code == 0
    assert "2 of 6 images are classified correctly" in out
    matrix = pd.read_csv(tmp_path / "out/guess_confusion.csv", index_col="true")
    assert matrix["haze"].tolist() == [2, 2, 2]
    assert int(matrix.to_numpy().sum()) == 6, "one column holds every image"
    costs = pd.read_csv(tmp_path / "out/guess_costs.csv", index_col="condition")
    assert costs.loc["haze", "difference_db"] == 0
    assert costs.loc["lowlight", "share_right"] == 0
    bundle, released = load_embedded(), load_pretrained("dfpir", weights, config=TINY, text_encoder="onehot")
    named = {c.name: c for c in bundle.conditions}
    losses = []
    for item in bundle.eval_items("test", [named["lowlight"]], limit=2):
        values = []
        for told in ("lowlight", "haze"):
            restored = released.restore(as_tensor(item.degraded), named[told])[0].clamp(0, 1).permute(1, 2, 0)
            clean = item.clean / 255.0
            values.append(peak_signal_noise_ratio(clean, restored.double().numpy(), data_range=1.0))
        losses.append(values[1] - values[0])
    assert abs(np.mean(losses)) > 1e-3, "the wrong code must matter, or the test shows nothing"
    assert costs.loc["lowlight", "difference_db"] == pytest.approx(np.mean(losses), abs=1e-4)
    assert costs.loc["lowlight", "wrong_db"] == pytest.approx(np.mean(losses), abs=1e-4)
    rows = pd.read_csv(tmp_path / "out/guesses.csv")
    assert set(rows["guessed"]) == {"haze"}
    assert len(rows) == 6


def test_a_guess_for_a_blind_model_is_refused(capsys):
    code, _, err = call(capsys, "identity", "--degradation", "auto")
    assert code == 2
    assert "identity is told nothing of the degradation" in err


def test_a_classifier_is_not_judged_on_what_it_learnt_from(capsys, weights, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.fromarray(picture(1)).save(tmp_path / "photos/a.png")
    both = ("--data", tmp_path / "photos", "--guess-data", tmp_path / "photos")
    code, _, err = call(capsys, "dfpir", "--weights", weights, *AUTO, *both)
    assert code == 2
    assert "judged on the images that it learns from" in err


def test_without_a_guess_the_page_has_scores_alone(capsys, tmp_path):
    code, _, _ = call(capsys, "identity", "--limit", 1, "--tasks", "rain", "--out", tmp_path / "out")
    assert code == 0
    page = (tmp_path / "out/evaluation.html").read_text()
    assert "Identity evaluated" in page
    assert "guess" not in page.partition("</style>")[2].partition("<script>")[0]
    assert not (tmp_path / "out/guesses.csv").exists()

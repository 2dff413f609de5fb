"""What the controls of t-SNE are said to prove."""

from __future__ import annotations

import pandas as pd
import pytest

from reports.build import build_report
from reports.language import LANGUAGES
from reports.measures import separation
from tests.support.fake_measures import write_measures
from tests.support.fake_runs import FakeStudy, write_runs

CHANCE = 0.14


def table(trained, untrained, seen=None, told=None, variant="dfpir", seeds=(0,)):
    """Purities of one layer under every setting that was measured."""
    purities = dict(zip(separation.SETTINGS, (trained, untrained, seen, told), strict=True))
    return pd.DataFrame(
        {
            "variant": variant, "seed": seed, "setting": setting, "layer": "latent-perturbed", "by": by,
            "silhouette": 0.5, "purity": purity, "chance": CHANCE, "n_points": 168,
        }
        for seed in seeds
        for (setting, by), purity in purities.items()
        if purity is not None
    )  # fmt: skip


CASES = {
    (0.99, 1.00, 0.13, 0.98): "In dfpir (bottleneck, after the block), purity by degradation is 0.99 after and 1.00 before training, and "
    "with random prompts 0.13 by degradation and 0.98 by prompt: the separation shows the prompt, not something learned.",
    (1.00, 0.70, 0.15, 1.00): "1.00 after and 0.70 before training, and with random prompts 0.15 by degradation and 1.00 by "
    "prompt: the separation shows the prompt, and most of it needs no training.",
    (0.95, 0.20, 0.14, 0.90): "0.90 by prompt: the separation is learned, and shows the prompt.",
    (0.95, 0.20, 0.90, 0.14): "0.14 by prompt: the separation is learned, and shows the degradation.",
    (0.95, 0.20, 0.40, 0.60): "the separation is learned, and shows the prompt more than the degradation.",
    (0.95, 0.20, 0.14, 0.15): "the separation is learned, and shows what only the right prompt brings.",
    (0.60, 0.59, None, None): "purity by degradation is 0.60 after and 0.59 before training: the separation shows the degraded "
    "input, not something learned.",
    (0.60, 0.20, None, None): "0.20 before training: the separation is learned, and shows the degraded input.",
    (0.15, 0.14, 0.14, 0.14): "In dfpir (bottleneck, after the block), features do not separate the degradations (purity 0.15, chance "
    "0.14).",
}  # fmt: skip


@pytest.mark.parametrize(("numbers", "sentence"), CASES.items())
def test_the_sentence_follows_from_the_numbers_and_is_translated(numbers, sentence):
    found = separation.summarize(table(*numbers))
    (said,) = separation.sentences(found)
    assert said.endswith(sentence)
    translated = LANGUAGES["zh"].translate(said)
    assert translated.endswith("。")
    assert "the " not in translated


def test_variants_of_one_kind_share_a_sentence():
    rows = [
        table(0.99, 0.97, 0.13, 0.98, "a"),
        table(0.97, 0.95, 0.15, 0.99, "b"),
        table(0.6, 0.2, variant="blind"),
    ]
    found = separation.summarize(pd.concat(rows))
    first, second = separation.sentences(found)
    assert first.startswith(
        "In a and b (bottleneck, after the block), purity by degradation is 0.97 to 0.99 after and 0.95 to 0.97"
    )
    assert second.startswith("In blind")
    assert separation.sentences(found, variants=["blind"]) == [second]
    grid = separation.make_tables(found)[0]
    assert [cell.text for cell in grid.rows[2].cells] == [
        "blind", "bottleneck, after the block", "0.60", "0.20", "not measured", "not measured", "0.14",
    ]  # fmt: skip


def test_seeds_are_averaged():
    rows = pd.concat([table(1.0, 0.8, 0.1, 1.0, seeds=(0,)), table(0.9, 0.9, 0.2, 0.9, seeds=(1,))])
    found = separation.summarize(rows)
    assert found.purity("dfpir", "latent-perturbed", ("untrained", "condition")) == (
        pytest.approx(0.85),
        pytest.approx(CHANCE),
    )
    assert set(found.values["seeds"]) == {2}


def test_without_a_control_there_is_no_proof():
    only = table(0.99, 1.0)
    assert separation.summarize(only[only["setting"] == "trained"]) is None


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize("measured", [True, False])
def test_the_page_shows_the_controls_beside_t_sne(tmp_path, measured):
    study = FakeStudy(effect_db={"dfpir_g90": 0.0, "restormer": 0.0}, seeds=(0,), patches=8)
    folder = write_runs(tmp_path, study)
    if measured:
        write_measures(tmp_path, study, ("separation",))
    page = build_report([folder]).read_text(encoding="utf-8")
    features = page[page.index('<section id="features"') : page.index('<section id="orders"')]
    assert ("not something learned" in features) == measured
    assert ("Controls of the separation" in features) == measured
    assert ("is no sign of anything learned" in features) == (not measured)
    assert (folder / "measures" / "separation.csv").is_file() == measured
    assert "measure-separation" not in page.replace("caption-measure-separation", "")

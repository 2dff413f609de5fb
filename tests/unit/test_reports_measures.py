from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reports import schema
from reports.figures import interference as interference_figures
from reports.labels import condition_label, latex
from reports.load import load
from reports.measures import (
    information,
    interference,
    interference_report,
    intervals,
    levels,
    mixed,
    precision,
    prompts,
)
from tests.support.fake_runs import FakeStudy, write_runs


def responses(values: dict[tuple[str, int, str, str], tuple[float, ...]], input_db: float = 20.0) -> pd.DataFrame:
    """Rows of (variant, seed, condition, prompt) -> PSNR of each image, one image a scene."""
    return pd.DataFrame(
        {
            "variant": variant, "seed": seed, "run_id": f"{variant}-{seed}", "dataset": "d", "image": f"i{n}", "scene": f"i{n}",
            "condition": condition, "prompt": prompt, "metric": schema.PSNR, "value": value, "input_value": input_db,
        }
        for (variant, seed, condition, prompt), numbers in values.items()
        for n, value in enumerate(numbers)
    )  # fmt: skip


def wrong_prompts(loss_db: float, seeds: tuple[int, ...] = (0, 1)) -> pd.DataFrame:
    """Each condition loses `loss_db` under another task's prompt and a tenth of it under another noise level's."""
    values = {}
    conditions = ("noise-15", "noise-25", "rain", "haze")
    for seed in seeds:
        for c in conditions:
            for g in conditions:
                same = schema.task_of(c) == schema.task_of(g)
                lost = (
                    0.0 if c == g else loss_db / 10 if same else 2 * loss_db if (c, g) == ("haze", "rain") else loss_db
                )
                values["m", seed, c, g] = tuple(30 + n - lost for n in range(12))
    return responses(values)


def test_cost_of_a_wrong_prompt_by_hand():
    found = prompts.summarize(wrong_prompts(1.0))
    assert found is not None
    assert np.diag(found.matrices["m"]) == pytest.approx(0)
    assert found.matrices["m"].at["haze", "rain"] == pytest.approx(-2)
    assert found.largest_loss("m") == ("haze", "rain", pytest.approx(-2))
    # haze: noise (both levels, one task) loses 1 and rain 2; noise (two columns) and rain lose 1
    assert found.other_task.estimate("m", "haze").value == pytest.approx(-1.5)
    assert found.mean("m").value == pytest.approx(-(1 + 1 + 1 + 1.5) / 4)
    assert found.other_level is not None
    assert found.other_level.estimate("m").value == pytest.approx(-0.1)
    said = " ".join(prompts.sentences(found))
    assert "m loses 1.12 dB [1.12, 1.12] with the prompt of another task, averaged over the columns" in said
    assert "the largest loss is 2.00 dB, on haze with the prompt of rain" in said


def test_a_prompt_that_does_nothing_is_said_to():
    found = prompts.summarize(wrong_prompts(0.0))
    assert found is not None
    assert prompts.sentences(found) == ["No prompt changes the PSNR of m by 0.005 dB on any condition."]


def test_networks_without_a_prompt_have_no_row():
    told, blind = wrong_prompts(1.0), wrong_prompts(0.0).assign(variant="blind")
    table = prompts.make_table(prompts.summarize(pd.concat([told, blind], ignore_index=True)))
    assert [row.cells[0].text for row in table.rows] == ["m"]
    assert "Networks without a prompt, which no prompt changes by 0.005 dB, are left out." in table.caption
    alone = prompts.make_table(prompts.summarize(told))
    assert len(alone.rows) == 1
    assert "left out" not in alone.caption


def test_a_loss_within_its_interval_is_no_loss():
    table = wrong_prompts(0.0)
    wrong = table["prompt"] != table["condition"]
    table.loc[wrong, "value"] += np.random.default_rng(0).normal(0, 1.0, wrong.sum())
    found = prompts.summarize(table)
    assert found is not None
    mean = found.mean("m")
    assert mean.low < 0 < mean.high
    assert "averaged over the columns: not significant" in prompts.sentences(found)[0]


def test_one_seed_and_few_scenes_are_told():
    table = wrong_prompts(1.0, seeds=(0,))
    found = prompts.summarize(table[table["image"].isin(["i0", "i1", "i2"])])
    assert found is not None
    last = prompts.sentences(found)[-1]
    assert "With one seed per variant, this holds for these trained models only" in last
    assert "3 scenes say little" in last


def test_images_without_the_right_prompt_are_counted():
    table = wrong_prompts(1.0)
    gone = (
        (table["condition"] == "rain") & (table["prompt"] == "rain") & (table["image"] == "i3") & (table["seed"] == 0)
    )
    found = prompts.summarize(table[~gone])
    assert found is not None
    assert found.n_excluded == 1
    assert "1 images without the right prompt's result" in prompts.make_table(found).caption


def test_precision_by_hand():
    values = {}
    for seed in (0, 1):
        for given, lost in (("fp32", 0.0), ("fp16", 0.01), ("bf16", 0.5)):
            values["m", seed, "rain", given] = tuple(25 + n - lost for n in range(10))
    changed = precision.summarize_changes(responses(values).rename(columns={"prompt": "number_format"}))
    assert {g: b.estimate("m").value for g, b in changed.items()} == pytest.approx({"fp16": -0.01, "bf16": -0.5})
    rows = [
        {"variant": "m", "seed": s, "number_format": "fp16", "block": b, "condition": c, "moved_share": m + s / 100}
        for s in (0, 1)
        for b, m in (("level1", 0.1), ("latent", 0.3))
        for c in ("rain", "haze")
    ]
    moved = precision.summarize_moves(pd.DataFrame(rows))
    assert moved["fp16"].estimate("m", "latent").value == pytest.approx(0.305)
    assert "moves 10.5% to 30.5% of the channel positions (most: latent of m)" in precision.sentences(changed, moved)[0]
    grid = precision.make_table(changed, moved)
    assert [c.head for c in grid.columns][-2:] == ["Moved, level1", "Moved, latent"]


ALONE = {("noise", "noise"): 0.9, ("rain", "rain"): 0.8, ("haze", "haze"): 0.7}


def gradients(cosines: dict[tuple[str, str], float], *, norms: dict[str, float] | None = None) -> pd.DataFrame:
    """Two models at a tenth and at the end of training; at a tenth every cosine is 0.9."""
    norm = norms or {"noise": 1.0, "rain": 2.0, "haze": 8.0}
    return pd.DataFrame(
        {
            "variant": "m", "seed": seed, "run_id": f"m-{seed}", "step": step, "fraction": step / 100,
            "draw": draw, "loss": "plain", "group": group,
            "task_a": a, "task_b": b, "cosine": cosine if step == 100 else 0.9, "norm_a": norm[a], "norm_b": norm[b],
            "n_parameters": 5,
        }
        for seed in (0, 1)
        for step in (10, 100)
        for draw in range(3)
        for group in ("all", "encoder")
        for (a, b), cosine in cosines.items()
    )  # fmt: skip


PAIRS = {("noise", "rain"): 0.5, ("noise", "haze"): -0.25, ("rain", "haze"): -0.5}


def test_interference_by_hand():
    found = interference.summarize(gradients({**PAIRS, **ALONE}))
    assert found is not None
    assert found.tasks == ("noise", "rain", "haze")
    assert found.matrix("m").at["haze", "noise"] == found.matrix("m").at["noise", "haze"] == pytest.approx(-0.25)
    assert found.cosines["m"]["encoder"].value == pytest.approx(-0.25 / 3)
    assert found.shares["m", "encoder"].value == found.shares["m", "all"].value == pytest.approx(2 / 3)
    assert found.magnitude.estimate("m", "all").value == pytest.approx(1 + 0.25 / 3)
    assert found.norm_ratio("m").value == pytest.approx(8)
    assert {at: s.value for at, s in found.progress["m"].items()} == pytest.approx({0.1: 0, 1.0: 2 / 3})
    said = interference_report.sentences({"plain": found})
    assert said[0].startswith("In m 67% [22%, 96%] of the resolved pairs")  # 4 of 6, a pair of each of two models
    assert said[1] == interference_report.PLATEAU_UNKNOWN
    assert said[2].startswith("The lowest mean cosine of a resolved pair is \N{MINUS SIGN}0.50")
    assert said[2].endswith("between rain and haze in m.")


@pytest.mark.parametrize(
    ("alone", "said"),
    [
        ({}, "No task was measured against itself on other images: conflicts can't be separated from sampling "
             "noise."),
        (dict.fromkeys(ALONE, -0.1), "No pair of tasks is resolved with 3 draws of images: no conclusion on conflicts."),
    ],
)  # fmt: skip
def test_nothing_is_said_of_conflicts_that_noise_could_make(alone, said, tmp_path):
    found = interference.summarize(gradients({**PAIRS, **alone}))
    assert found is not None
    assert interference_report.sentences({"plain": found})[0] == said
    assert not any("opposed" in text or "lowest" in text for text in interference_report.sentences({"plain": found}))
    assert found.shares == {}
    assert found.progress == {"m": {}} or alone
    texts = [cell.text for cell in interference_report.make_table({"plain": found}).rows[0].cells]
    assert texts[1] == "not known"
    assert texts[2] == texts[5] == ("not resolved" if alone else "not measured")
    write_runs(tmp_path, FakeStudy(effect_db={"m": 0.0}, seeds=(0,), pictures=False))
    assert interference_figures.draw_pairs(found, load([tmp_path]), tmp_path) is None


def test_a_pair_of_one_unresolved_task_does_not_count():
    found = interference.summarize(gradients({**PAIRS, **ALONE, ("haze", "haze"): -0.1}))
    assert found is not None
    assert list(found.resolved("m")) == [("noise", "rain")]
    assert found.shares["m", "all"].value == 0
    assert found.cosines["m"]["all"].value == pytest.approx(-0.25 / 3)  # a task against itself is no pair
    assert found.alone["m"]["haze"].value == pytest.approx(-0.1)
    assert found.ceilings["m"]["encoder"].value == pytest.approx(1.6 / 3)
    said = interference_report.sentences({"plain": found})
    assert said[0].startswith("No resolved pair of tasks conflicts at the end of training")
    assert "on other images has a mean cosine of 0.53" in " ".join(said)


def test_ratios_of_norms_are_never_below_one():
    rows = gradients({**PAIRS, **ALONE}, norms={"noise": 1.0, "rain": 1.0, "haze": 1.0})
    rows.loc[rows["seed"] == 1, "norm_a"] *= 3
    ratio = interference.summarize(rows).norm_ratio("m")
    assert 1 <= ratio.low <= ratio.value <= ratio.high


def lost(losses: dict[tuple[str, int, int], float]) -> pd.DataFrame:
    """Rows of (variant, seed, level) -> loss of the whole block on all conditions."""
    return pd.DataFrame(
        {
            "variant": v, "seed": s, "level": level, "part": "block", "condition": "all", "n_pixels": 10, "channels": 8,
            "r2": 1 - x, "loss": x, "alpha": 1.0,
        }
        for (v, s, level), x in losses.items()
    )  # fmt: skip


def test_information_by_hand():
    table = lost({("a", 0, 1): 0.2, ("a", 0, 4): 0.4, ("b", 0, 1): 0.5, ("b", 0, 4): 0.7})
    found = information.summarize(table)
    assert found is not None
    analysis = found.losses["block", "all"]
    assert analysis.estimate("a", information.MEAN).value == pytest.approx(0.3)
    assert analysis.estimate("b", "latent").value == pytest.approx(0.7)
    assert np.isnan(analysis.estimate("b", "latent").low)  # one seed has no interval
    said = information.sentences(found, {"a": 1.0, "b": 0.5}, "gamma")
    assert said[0].startswith("In b a linear map can't recover 60%")
    assert "in a 30%" in said[0]
    assert said[1] == "From gamma = 0.5 to 1 the mean loss changes by \N{MINUS SIGN}0.300."
    assert said[2].startswith("With one seed")


def test_intervals_over_seeds_are_students():
    table = lost({("a", s, 1): x for s, x in enumerate((0.2, 0.3, 0.4))})
    found = information.summarize(table)
    assert found is not None
    e = found.losses["block", "all"].estimate("a", "level 1")
    assert e.value == pytest.approx(0.3)
    assert e.high - e.value == pytest.approx(4.303 * 0.1 / np.sqrt(3), rel=0.05)


def level_rows(gains: dict[str, float], variant: str, given: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    return responses(
        {
            (variant, seed, c, g): tuple(20 + gain + n / 100 - (0 if g == given[c][0] else 9) for n in range(12))
            for c, gain in gains.items()
            for g in given[c]
            for seed in (0, 1)
        }
    )


def test_levels_by_hand(tmp_path):
    write_runs(tmp_path, FakeStudy(effect_db={"a": 0.0, "b": 0.0}, seeds=(0, 1), pictures=False))
    study = load([tmp_path])
    given = {
        "noise-25": ("noise-25",),
        "noise-40": ("noise-50", "noise-25"),
        "rain-100": ("rain",),
        "rain-200": ("rain",),
    }
    a = {"noise-25": 5.0, "noise-40": 2.0, "rain-100": 3.0, "rain-200": -1.0}
    b = {c: gain + 0.5 for c, gain in a.items()}
    found = levels.summarize(pd.concat([level_rows(a, "a", given), level_rows(b, "b", given)]), study)
    assert found is not None
    assert found.families == {"noise": ("noise-25", "noise-40"), "rain": ("rain-100", "rain-200")}
    assert found.prompt_of["noise-40"] == "noise-50"  # 10 away, not 15
    assert found.untrained_conditions() == ("noise-40", "rain-200")
    assert found.gains.estimate("a", "noise-40").value == pytest.approx(2.055)
    assert found.gains.difference("b", "a", "rain-200").value == pytest.approx(0.5)
    said = levels.sentences(found, "a")
    assert said[0].startswith("On levels not trained on, these make the image worse than it was: a on rain, 200")
    assert "b on rain" in said[0]
    assert "2 of the 2 differences from the reference, a, leave zero out there (2 better, 0 worse" in said[1]


def test_trained_levels_come_from_the_spec(tmp_path):
    write_runs(tmp_path, FakeStudy(effect_db={"a": 0.0}, seeds=(0,), pictures=False))
    study = load([tmp_path])
    assert levels.trained_conditions(study, "a", frozenset({"rain"})) == {"rain", "rain-100"}
    run = next(iter(study.runs.values()))
    run.spec["identity"]["conditions"] = ["noise-25"]
    assert levels.trained_conditions(study, "a", frozenset({"rain"})) == {"noise-25"}


def test_mixed_by_hand():
    values = {}
    for seed in (0, 1):
        values["a", seed, "rain+noise-25", "rain"] = tuple(19.0 + n / 100 for n in range(12))
        values["a", seed, "rain+noise-25", "noise-25"] = tuple(21.5 + n / 100 for n in range(12))
    found = mixed.summarize(responses(values))
    assert found is not None
    assert found.prompts == {"rain+noise-25": ("rain", "noise-25")}
    assert found.inputs_db == {"rain+noise-25": 20.0}
    assert found.gains["rain"].estimate("a", "rain+noise-25").value == pytest.approx(-0.945)
    assert found.gaps["rain+noise-25"].estimate("a", "rain+noise-25").value == pytest.approx(-2.5)
    said = mixed.sentences(found)
    assert said[0].startswith("Restoring fails, the result being worse than the degraded input, on rain + noise")
    assert "with the prompt of rain for a" in said[0]
    assert said[1].endswith("is better for a.")
    against = [row.cells[-1].text for row in mixed.make_table(found).rows]
    assert against == ["\N{MINUS SIGN}2.50", "+2.50"]


def test_labels_of_new_conditions():
    assert condition_label("rain-200") == "Rain, 200\N{NO-BREAK SPACE}% of drops"
    assert condition_label("rain+noise-25") == "Rain + noise \N{GREEK SMALL LETTER SIGMA}=25"
    assert condition_label("blur+lowlight") == "Motion blur + low light"
    assert r"\%" in latex(condition_label("rain-200"))


def test_numbers_have_true_minus_signs_and_no_negative_zero():
    assert intervals.number(-0.001, 2) == "0.00"
    assert intervals.number(-1.5, 1) == "\N{MINUS SIGN}1.5"

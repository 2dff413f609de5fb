"""The cost of a guess: known answers, and a page that escapes what it shows."""

import json
import math

import pandas as pd
import pytest

from reports.__main__ import main
from reports.document.html import to_html
from reports.evaluation import build_page
from reports.guess_costs import (
    COLUMNS,
    compute_costs,
    confusion_matrix,
    confusion_table,
    costs_table,
    guess_headline,
    summarize_guesses,
)
from reports.pages.evaluation import confusion_table as matrix_table
from reports.pages.evaluation import evaluation_document, scores_table

CONDITIONS = ("noise-15", "noise-25", "rain", "haze")


def rows(guess, loss_db=lambda true, guessed, n: 0.0, scenes=4, images=8):
    """Rows of `images` images for each condition; `guess(true, n)` names, `loss_db` says what a wrong guess costs."""
    found = []
    for true in CONDITIONS:
        for n in range(images):
            guessed = guess(true, n)
            told = 20.0 + n
            changed = told if guessed == true else told - loss_db(true, guessed, n)
            found.append(("set", f"i{n}", f"s{n % scenes}", true, guessed, 0.9, told, changed, 15.0))
    return pd.DataFrame(found, columns=list(COLUMNS)).astype(COLUMNS)


def test_a_perfect_guesser_costs_nothing():
    table = rows(lambda true, n: true, lambda *_: 7.0)
    for line in compute_costs(table):
        assert (line.difference_db, line.low_db, line.high_db) == (0, 0, 0)
        assert line.psnr_db == line.psnr_guess_db
        assert line.right == line.images
        assert math.isnan(line.wrong_db)
    matrix_ = confusion_matrix(table, list(CONDITIONS)).to_numpy()
    assert (matrix_.diagonal() == 8).all()
    assert matrix_.sum() == 32
    assert (
        guess_headline(summarize_guesses(table, list(CONDITIONS)))
        == "32 of 32 images are classified correctly. Using the predictions costs nothing here: 0.00 dB."
    )


def test_a_constant_guesser_fills_one_column():
    table = confusion_matrix(rows(lambda true, n: "rain"), list(CONDITIONS))
    assert list(table.columns) == list(CONDITIONS)
    assert table["rain"].tolist() == [8, 8, 8, 8]
    assert int(table.drop(columns="rain").to_numpy().sum()) == 0


def test_costs_are_paired_means_and_the_average_is_over_columns():
    # half of the noise images and all of haze are mistaken for rain, at a cost that grows with the image
    def guess(true, n):
        return "rain" if (true.startswith("noise") and n % 2) or true == "haze" else true

    found = {
        line.condition: line
        for line in compute_costs(rows(guess, lambda true, guessed, n: 1.0 if true == "haze" else n))
    }
    assert found["noise-15"].difference_db == pytest.approx(-(1 + 3 + 5 + 7) / 8)
    assert found["noise-15"].wrong_db == pytest.approx(-(1 + 3 + 5 + 7) / 4)
    assert found["rain"].difference_db == 0
    assert found["haze"].difference_db == pytest.approx(-1)
    assert found["haze"].low_db == found["haze"].high_db == pytest.approx(-1), "the same loss everywhere has no spread"
    assert found["average"].difference_db == pytest.approx((-2 - 2 + 0 - 1) / 4), "columns count alike"
    assert (found["average"].right, found["average"].images) == (16, 32)
    assert found["noise-15"].low_db < found["noise-15"].difference_db < found["noise-15"].high_db


def test_intervals_know_that_crops_of_one_photograph_are_no_new_photographs():
    def width(scenes):
        loss = {s: 0.5 + (s % 2) for s in range(scenes)}
        table = rows(lambda true, n: "rain", lambda true, guessed, n: loss[n % scenes], scenes=scenes, images=32)
        (line,) = (line for line in compute_costs(table) if line.condition == "haze")
        return line.high_db - line.low_db

    assert width(4) > 2 * width(32)


def test_perfect_images_are_left_out_and_json_stays_json(tmp_path):
    table = rows(lambda true, n: "rain", lambda *_: 1.0)
    table.loc[0, "psnr_db"] = math.inf
    found = summarize_guesses(table, list(CONDITIONS))
    assert found["costs"][0]["difference_db"] == pytest.approx(-1)
    assert found["photographs"] == 4
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert costs_table(found)["share_right"].tolist()[:3] == [0, 0, 1]
    assert confusion_table(found).loc["haze", "rain"] == 8
    table["psnr_db"] = math.inf
    nothing = summarize_guesses(table, list(CONDITIONS))
    assert nothing["costs"][-1]["difference_db"] is None
    assert "is undefined" in guess_headline(nothing)


def test_a_condition_that_no_guess_can_name_is_all_wrong():
    table = rows(lambda true, n: "rain").query("condition != 'rain'")
    found = confusion_matrix(table, ["rain"])
    assert list(found.columns) == ["rain"]
    assert sum(line.right for line in compute_costs(table)) == 0


def test_shades_say_anything_and_everything():
    counts = {"rain": {"rain": 99, "haze": 1, "blur": 0}, "haze": {"rain": 0, "haze": 10, "blur": 0}}
    rain, haze = (row.cells[1:] for row in matrix_table(counts).rows)
    assert [cell.style for cell in rain] == ["tenths-9 right", "tenths-1", "tenths-0"]
    assert [cell.style for cell in haze] == ["tenths-0", "tenths-10 right", "tenths-0"]
    assert [cell.below for cell in rain] == [("99%",), ("1%",), ()]


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (-2.0, -1.0, "the model loses"),
        (1.0, 2.0, "the model gains"),
        (-1.0, 1.0, "no significant change"),
        (None, None, "few"),
    ],
)
def test_the_headline_claims_no_more_than_the_interval(low, high, word):
    line = {"condition": "average", "difference_db": -1.5, "low_db": low, "high_db": high}
    assert word in guess_headline({"right": 1, "images": 2, "costs": [line, line]})


def evaluation(guess):
    evil = "<script>alert(1)</script>"
    mean = {"dataset": evil, "condition": "rain", "part": "all", "images": 1, "psnr_db": None, "ssim": 1.0,
            "input_psnr_db": 20.0, "input_ssim": 0.5}  # fmt: skip
    return {
        "model": evil, "config": {"dim": 8}, "weights": {"file": evil, "sha256": "ab", "layout": "own"}, "run_id": "r",
        "told": evil, "data": evil, "limit": None, "protocol": {"label": "suite-v1", "summary": "s"}, "means": [mean],
        "guess": guess,
    }  # fmt: skip


def test_the_page_escapes_and_fetches_nothing():
    guess = summarize_guesses(rows(lambda true, n: "rain"), list(CONDITIONS))
    guess["classifier"] = {"trained_on": "<img src=x>"}
    page = to_html(evaluation_document(evaluation(guess)))
    assert "<script>alert" not in page
    assert "<img src=x>" not in page
    assert "http" not in page.replace("http-equiv", "")
    assert "default-src 'none'" in page
    assert " style=" not in page, "the content security policy would block it"
    assert page.count("tenths-10") >= 4
    without = to_html(evaluation_document(evaluation(None)))
    assert "Confusion" not in without


def test_scores_are_labelled_and_averaged():
    by_condition = {"noise-25": (30.0, 0.9), "rain": (20.0, 0.7)}
    fixed = {"dataset": "set", "part": "all", "images": 3, "input_psnr_db": 10.0, "input_ssim": 0.5}
    means = [{**fixed, "condition": c, "psnr_db": psnr, "ssim": ssim} for c, (psnr, ssim) in by_condition.items()]
    seen = {**means[1], "part": "in the training set", "psnr_db": 40.0}
    changes = {"model": "classical", "label": "Classical filters", "told": "the condition"}
    content = {**evaluation(None), **changes, "means": [*means, seen]}
    table = scores_table(content)
    assert [column.head for column in table.columns[1:4]] == ["Set", "Subset", "Images"]
    assert [cell.text for cell in table.rows[-1].cells] == [
        "Average",
        "",
        "",
        "6",
        "25.00",
        "10.00",
        "0.8000",
        "0.5000",
    ]
    assert table.rows[-1].is_fixed
    assert len(scores_table({**content, "means": means[:1]}).rows) == 1, "nothing to average"
    twice = [*means, {**means[0], "dataset": "another"}]
    assert len(scores_table({**content, "means": twice}).rows) == 3, "a condition on two sets would count twice"
    page = to_html(evaluation_document(content))
    assert "<h1>Classical filters evaluated</h1>" in page
    assert "<dd>told the true degradation and its strength</dd>" in page


def test_bad_folders_are_one_line(tmp_path, capsys):
    assert main(["evaluation", str(tmp_path)]) == 2
    assert "holds no evaluation.json" in capsys.readouterr().err
    (tmp_path / "evaluation.json").write_text('{"model": 1}')
    assert main(["evaluation", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "is no evaluation" in error
    assert error.count("\n") == 1
    (tmp_path / "evaluation.json").write_text(json.dumps({**evaluation(None), "means": [{"condition": "rain"}]}))
    assert main(["evaluation", str(tmp_path)]) == 2
    assert "is no evaluation" in capsys.readouterr().err
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation(None)))
    assert build_page(tmp_path).name == "evaluation.html"

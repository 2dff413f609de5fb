from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from reports.__main__ import main
from reports.build import build_report
from reports.pages.setup import duration
from tests.support.fake_runs import FakeStudy, gamma_study, run_id_of, write_runs

EVIL = "<img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    """Collects (tag, attributes) and the ids of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def parsed(page: str) -> list[tuple[str, dict[str, str | None]]]:
    parser = Tags()
    parser.feed(page)
    return parser.tags


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The report of a small study that has everything: (folder, page)."""
    root = tmp_path_factory.mktemp("runs")
    effects = {EVIL: 0.1, "dfpir_g90": 0.2, "dfpir_g100": 0.0}
    study = gamma_study(
        effect_db=effects, failed=((EVIL, 1),), patches=8, aliases={"dfpir_g95": ("dfpir_g90", "the <b>same</b>")}
    )
    folder = write_runs(root, study)
    plan = json.loads((folder / "study.json").read_text())
    asked = [{"name": "feature_maps", "title": "Feature maps"}]
    (folder / "study.json").write_text(json.dumps({**plan, "figures": asked}))
    report = build_report([folder])
    return folder, report.read_text(encoding="utf-8")


def test_everything_is_written(whole):
    folder, page = whole
    for name in ("table.md", "table.tex", "means.csv", "pairs.csv", "contrasts.csv", "report.html"):
        assert (folder / name).stat().st_size > 100
    for figure in (
        "axis_gamma",
        "crops",
        "error_maps",
        "differences_1",
        "maps_skip1",
        "tsne",
        "masks",
        "orders_1",
        "training_curves",
    ):
        for kind in ("png", "svg", "pdf"):
            assert (folder / "figures" / f"{figure}.{kind}").stat().st_size > 1000
    assert "could not be drawn" not in page
    assert list(folder.rglob("*.part")) == []
    means = pd.read_csv(folder / "means.csv")
    assert set(means["condition"]) >= {"average", "haze"}


def test_the_page_fetches_nothing(whole):
    page = whole[1]
    for tag, attributes in parsed(page):
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:image/png;base64,", "#")), (tag, name, value[:60])
        assert not [a for a in attributes if a.startswith("on")]
        assert "style" not in attributes
    assert "default-src 'none'" in page
    assert not re.search(r"url\(|@import|fetch\(|XMLHttpRequest|http://|https://", page)


def test_a_label_is_apart_from_the_lines_below_it(whole):
    """For copies and screen readers, which see no line breaks."""
    heads = re.findall(r'<th scope="row"[^>]*>(.*?)</th>', whole[1])
    texts = {re.sub("<[^>]+>", "", head) for head in heads}
    assert "dfpir_g90 = dfpir_g95" in texts


def test_a_phone_is_shown_the_form_for_one_column(whole):
    """Where a figure has one; other figures have a single image."""
    tags = parsed(whole[1])
    sources = [attributes for tag, attributes in tags if tag == "source"]
    assert len(sources) == len([tag for tag, _ in tags if tag == "picture"]) == 2  # planned contrasts and the axis
    for name, attributes in zip(("forest", "axis_gamma"), sources, strict=True):
        assert attributes["media"] == "(max-width: 37.5rem)"
        content = base64.b64decode((attributes["srcset"] or "").removeprefix("data:image/png;base64,"))
        assert content == (whole[0] / "figures" / f"{name}_column.png").read_bytes()


def test_names_from_outside_are_escaped(whole):
    folder, page = whole
    assert EVIL not in page
    assert page.count("<script>") == 1
    assert "the &lt;b&gt;same&lt;/b&gt;" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert EVIL not in (folder / "table.md").read_text()


def test_images_have_alternative_texts_and_links_lead_somewhere(whole):
    tags = parsed(whole[1])
    ids = {a["id"] for _, a in tags if "id" in a}
    assert len([a for t, a in tags if t == "img"]) == 11 + 7 * 5  # figures; seven conditions: input, 3 variants, clean
    assert all(len(a.get("alt") or "") > 30 for t, a in tags if t == "img")
    for name in ("href", "aria-labelledby", "aria-describedby"):
        assert {(a[name] or "").lstrip("#") for _, a in tags if name in a} <= ids


def test_the_page_says_what_a_reader_must_know(whole):
    page = whole[1]
    assert "substitute for CLIP" in page
    assert "uncommitted changes" in page
    assert "1 of 6 runs is not finished" in page
    assert "FloatingPointError" in page
    assert "1 of 2" in page
    assert re.search(r"(of|any of the) 2 planned contrasts", page)
    assert "All 3 pairwise differences (exploratory)" in page
    assert "python -m ablations.run gamma_sweep" in page


@pytest.mark.usefixtures("blank_figures")
def test_sections_without_content_are_named_in_one_line(tmp_path, monkeypatch):
    """Runs without crops, probes or a training log; a figure that fails keeps its section."""
    folder = write_runs(tmp_path, FakeStudy(effect_db={"a": 0.1, "b": 0.0}, seeds=(0,), pictures=False))
    for log in tmp_path.glob("*/train.jsonl"):
        log.unlink()
        (log.parent / "DONE.json").write_text(json.dumps({"finished_at": "2026-01-01", "files": {}}))
    page = build_report([folder], tmp_path / "out").read_text()
    for name in ("crops", "curves", "features", "orders", "mechanism"):
        assert f'id="{name}"' not in page
        assert f'href="#{name}"' not in page
    titles = "Qualitative results; Training; Features by condition; Channel order by prompt."
    assert f"Left out, since the finished runs do not hold what they show: {titles}" in page
    assert not re.search("No (finished )?run has", page)
    monkeypatch.setattr("reports.figures.curves.draw", fail_to_draw)
    page = build_report([folder], tmp_path / "out").read_text()
    assert 'id="curves"' in page
    assert "no such colour" in page


def fail_to_draw(*_):
    """Stand in for a figure with an error."""
    raise ValueError("no such colour")


@pytest.mark.usefixtures("blank_figures")
def test_damaged_unfinished_and_missing_runs_show_as_such(tmp_path):
    effects = {"sound": 0.1, "torn": 0.2, "cut": 0.2, "absent": 0.3}
    folder = write_runs(
        tmp_path,
        FakeStudy(effect_db=effects, seeds=(0,), unfinished=(("cut", 0),), not_run=(("absent", 0),), pictures=False),
    )
    with (tmp_path / run_id_of("torn", 0) / "images.parquet").open("ab") as stream:
        stream.write(b"x")
    page = build_report([folder], tmp_path / "out").read_text()
    assert "images.parquet has changed since the run finished" in page
    for word in ("damaged", "unfinished", "not run"):
        assert f'<td class="number quiet">{word}</td>' in page
    assert "Only one variant has finished runs" in page


@pytest.mark.usefixtures("blank_figures")
def test_a_study_without_one_finished_run_still_has_a_page(tmp_path):
    folder = write_runs(tmp_path, FakeStudy(effect_db={"a": 0.0}, seeds=(0,), not_run=(("a", 0),)))
    page = build_report([folder]).read_text()
    assert "No run is finished" in page
    assert "could not be drawn" not in page


def test_a_figure_that_fails_costs_only_itself(tmp_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("odd content")

    monkeypatch.setattr("reports.figures.axis.draw", broken)
    folder = write_runs(tmp_path, FakeStudy(effect_db={"a": 0.0, "b": 0.1}, seeds=(0,), pictures=False))
    page = build_report([folder]).read_text()
    assert "This figure could not be drawn: RuntimeError: odd content" in page
    assert "training_curves" in page


def test_same_runs_give_the_same_page(tmp_path):
    folder = write_runs(tmp_path, FakeStudy(effect_db={"a": 0.0, "b": 0.1}, seeds=(0,), pictures=False))
    first = build_report([folder]).read_bytes()
    assert build_report([folder]).read_bytes() == first


@pytest.mark.usefixtures("blank_figures")
def test_command_line(tmp_path, capsys):
    write_runs(tmp_path / "1", FakeStudy(effect_db={"a": 0.0}, seeds=(0,), pictures=False))
    write_runs(tmp_path / "2", FakeStudy(effect_db={"b": 0.0}, seeds=(0,), protocol="other", pictures=False))
    one, two = tmp_path / "1" / run_id_of("a", 0), tmp_path / "2" / run_id_of("b", 0)
    assert main([str(one), "--out", str(tmp_path / "out")]) == 0
    assert Path(capsys.readouterr().out.strip()) == tmp_path / "out" / "report.html"
    assert main([str(one), str(two), "--out", str(tmp_path / "no")]) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: Refusing to mix protocols")
    assert err.count("\n") == 1
    assert main([str(tmp_path / "nowhere")]) == 2
    assert not (tmp_path / "no").exists()
    with pytest.raises(SystemExit, match="0"):
        main(["study", "--help"])
    assert "a study folder, run folders" in " ".join(capsys.readouterr().out.split())
    for words, said in ((["study"], "required: RUNS"), (["index", "a", "b"], "unrecognized arguments: b")):
        with pytest.raises(SystemExit, match="2"):
            main(words)
        assert said in capsys.readouterr().err
    assert main(["size", str(tmp_path / "out" / "report.html")]) == 0
    n_words, n_first = map(
        int, re.findall(r"(\d+) words \((\d+) on display", capsys.readouterr().out.replace(",", ""))[0]
    )
    assert n_words > n_first > 100


def test_torch_is_never_imported():
    names = "torch torchvision ablations dfpir datasets baselines"
    code = f"import sys, reports.build, reports.artifacts; print([m for m in {names.split()!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, ""), (0.5, "0.5 s"), (42, "42 s"), (185.2, "3 min 5 s"), (8040, "2 h 14 min")]
)
def test_durations(seconds, text):
    assert duration(seconds) == text


@pytest.mark.usefixtures("blank_figures")
def test_a_page_of_many_runs_says_which_it_lists(tmp_path, monkeypatch):
    fake = FakeStudy(effect_db={"a": 0.0, "b": 0.5}, seeds=(0, 1, 2), pictures=False)
    folder = write_runs(tmp_path / "runs", fake)
    with monkeypatch.context() as patch:
        patch.setattr("reports.pages.setup.MAX_RUN_LINES", 3)
        text = build_report([folder], tmp_path / "out").read_text(encoding="utf-8")
    assert "The page lists the first 1 runs of each variant; all 6 are in runs.csv" in text
    listed = [f'<th scope="row" class="mono">{run_id_of(v, s)}' in text for v in ("a", "b") for s in (0, 1, 2)]
    assert listed == [True, False, False] * 2
    assert len(pd.read_csv(tmp_path / "out" / "runs.csv")) == 6
    assert set(pd.read_csv(tmp_path / "out" / "means.csv")["n_seeds"]) == {3}
    build_report([folder], tmp_path / "out")
    assert not (tmp_path / "out" / "runs.csv").exists()
    (tmp_path / "out" / "runs.csv").write_text("somebody's own\n", encoding="utf-8")
    build_report([folder], tmp_path / "out")
    assert (tmp_path / "out" / "runs.csv").is_file()


@pytest.mark.usefixtures("blank_figures")
def test_of_many_runs_that_are_not_done_those_with_a_reason_are_shown(tmp_path, monkeypatch):
    monkeypatch.setattr("reports.pages.setup.MAX_FAILURES", 1)
    fake = FakeStudy(
        effect_db={"a": 0.0, "b": 0.5}, seeds=(0, 1, 2), pictures=False, not_run=(("a", 1),), failed=(("b", 2),)
    )
    folder = write_runs(tmp_path / "runs", fake)
    text = build_report([folder], tmp_path / "out").read_text(encoding="utf-8")
    assert "2 of 6 runs are not finished" in text
    assert "The first 1 of them are shown with their reasons; all are in runs.csv." in text
    assert "Unfinished (2)" in text
    assert re.findall(r'<p class="status (\w+)"><strong>', text) == ["failed"]
    table = pd.read_csv(tmp_path / "out" / "runs.csv").set_index(["variant", "seed"])
    assert "loss is not finite" in table.loc[("b", 2), "reason"]
    assert table["reason"].notna().sum() == 2


@pytest.mark.usefixtures("blank_figures")
def test_the_command_names_runs_that_are_not_in_the_report(tmp_path, capsys):
    study = gamma_study(effect_db={"a": 0.0, "b": 0.5}, seeds=(0, 1), pictures=False, not_run=(("a", 1),))
    assert main([str(write_runs(tmp_path, study))]) == 0
    said = capsys.readouterr().err.splitlines()
    assert all(line.startswith("warning: not in the report: ") for line in said)
    assert any("report: a-s1-" in line and "not started" in line for line in said)


@pytest.mark.usefixtures("blank_figures")
def test_a_study_that_is_not_through_says_first_that_this_is_an_interim_look(tmp_path):
    effects = {"a": 0.0, "b": 0.5}
    part = FakeStudy(effect_db=effects, seeds=(0, 1), pictures=False, not_run=(("a", 1),))
    whole = FakeStudy(effect_db=effects, seeds=(0, 1), pictures=False, failed=(("a", 1),))  # failed: nothing is to come
    pages = [build_report([write_runs(tmp_path / name, fake)]) for name, fake in (("part", part), ("whole", whole))]
    words = "Interim analysis: 3 of 4 planned runs are finished"
    assert [words in page.read_text(encoding="utf-8") for page in pages] == [True, False]
    assert words in (pages[0].parent / "table.md").read_text(encoding="utf-8")

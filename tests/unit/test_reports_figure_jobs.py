from __future__ import annotations

import hashlib
import io
import os
import re
import zlib
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import pytest
from fontTools import subset
from fontTools.ttLib import TTFont

from reports.figure_jobs import FigureJob, FigureJobs, Figures, start_workers
from reports.figures import curves, masks
from reports.figures.style import Picture, new_figure, save, settings
from reports.load import load
from tests.support.fake_runs import write_runs
from tests.support.figures import small_study


def line(folder: Path, name: str) -> Picture:
    figure = new_figure(2, 1)
    figure.subplots().plot([0, 1])
    return save(figure, folder, name, title=name, alt="", caption="")


def fails(value: str) -> Picture:
    raise ValueError(f"{value} is odd")


def dies_in_another_process(own: int, folder: Path) -> Picture:
    if os.getpid() != own:
        os._exit(1)  # as a process that ran out of memory ends
    return line(folder, "survivor")


def sums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_job_leaves_the_others_standing(tmp_path, workers):
    jobs = {
        "first": [FigureJob(draw=line, args=(tmp_path, "a")), FigureJob(draw=fails, args=("a run",))],
        "second": [FigureJob(draw=line, args=(tmp_path, "b")), FigureJob(draw=line, args=(tmp_path, "c"))],
        "third": [],
    }
    before = mpl.rcParams.copy()
    drawn = FigureJobs(jobs, workers=workers).results()
    assert [p.name for p in drawn["first"].pictures] == ["a"]
    assert drawn["first"].problems == ("ValueError: a run is odd",)
    assert [p.name for p in drawn["second"].pictures] == ["b", "c"]
    assert drawn["third"] == Figures()
    assert all(p.png.is_file() for figures in drawn.values() for p in figures.pictures)
    assert mpl.rcParams == before


def test_a_process_that_dies_costs_no_figure(tmp_path):
    jobs = {
        "one": [FigureJob(draw=dies_in_another_process, args=(os.getpid(), tmp_path))],
        "two": [FigureJob(draw=line, args=(tmp_path, "other"))],
    }
    drawn = FigureJobs(jobs, workers=2).results()
    assert [p.name for figures in drawn.values() for p in figures.pictures] == ["survivor", "other"]


def test_files_are_the_same_wherever_they_are_drawn(tmp_path):
    """Bytes of every format: in processes, here, and whatever was drawn before."""
    write_runs(tmp_path / "runs", small_study(effect_db={"dfpir_g50": 0.0}, seeds=(0,)))
    study = load([tmp_path / "runs"])

    def drawn(folder: Path, names: tuple[str, ...], workers: int) -> dict[str, str]:
        own = {"masks": masks.draw, "curves": curves.draw}
        jobs = {name: [FigureJob(draw=own[name], args=(study, folder))] for name in names}
        assert not any(f.problems for f in FigureJobs(jobs, workers=workers).results().values())
        return sums(folder)

    here = drawn(tmp_path / "here", ("curves", "masks"), 1)
    assert len(here) == 3 * len(("training_curves", "masks", "attention"))
    assert drawn(tmp_path / "there", ("masks", "curves"), 2) == here


def own_process(folder: Path, name: str) -> Picture:
    return replace(line(folder, name), title=str(os.getpid()))


def test_the_caller_draws_beside_the_others_and_long_jobs_go_first(tmp_path):
    start_workers(("reports.figures.curves",), workers=2)
    jobs = {f"{n}": [FigureJob(draw=own_process, args=(tmp_path, f"{n}"), is_slow=n == 7)] for n in range(8)}
    drawn = FigureJobs(jobs, workers=2).results()
    assert list(drawn) == list(jobs)
    by = {name: int(figures.pictures[0].title) for name, figures in drawn.items()}
    assert by["7"] != os.getpid()  # sent at once
    assert by["6"] == os.getpid()  # the last in line


def test_a_pdf_embeds_its_fonts_as_truetype_and_without_shaping_tables(tmp_path):
    usual = list(subset.Options._drop_tables_default)
    with settings():
        line(tmp_path, "a")
    content = (tmp_path / "a.pdf").read_bytes()
    assert b"/FontFile2" in content
    assert b"/Type3" not in content
    streams = [zlib.decompress(s) for s in re.findall(rb"stream\r?\n(x.*?)\r?\nendstream", content, re.DOTALL)]
    fonts = [s for s in streams if s[:4] == b"\x00\x01\x00\x00"]
    assert fonts
    tables = {record.tag for font in fonts for record in TTFont(io.BytesIO(font)).reader.tables.values()}
    assert "glyf" in tables
    assert not tables & {"GSUB", "GPOS", "GDEF"}
    assert subset.Options._drop_tables_default == usual

"""The LaTeX document: its structure always; that it compiles wherever a LaTeX engine is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from reports import tex
from reports.build import build_report, main
from reports.measures.section import Grid, Section, head, words
from reports.rows import Gathered
from reports.study import Study
from tests.support.blank import blank_figures
from tests.support.fake_measures import write_measures
from tests.support.fake_runs import gamma_study, write_runs

ENGINES = ("pdflatex", "lualatex", "xelatex", "tectonic")
ENGINE = next((name for name in ENGINES if shutil.which(name)), None)
EVIL = "[50%]_{x}\\input{/etc/hostname} 中文 #$&~^"


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """report.tex of a study with names that LaTeX would stumble over, a failed run, an alias and measures."""
    root = tmp_path_factory.mktemp("runs")
    study = gamma_study(
        effect_db={"*starred": 0.1, EVIL.replace("/", "-"): 0.05, "dfpir_g90": 0.2, "dfpir_g100": 0.0},
        failed=(("*starred", 1),),
        patches=8,
        scenes=7,
        crops=1,
    )
    folder = write_runs(root, study)
    write_measures(root, study, ("prompts", "precision", "order_moves"))
    with pytest.MonkeyPatch.context() as patch:
        if ENGINE is None:  # else a document of them is made
            blank_figures(patch)
        return build_report([folder], as_tex=True)


def lines_of(document: str) -> list[str]:
    """The document without comments."""
    return [re.sub(r"(?<!\\)%.*", "", line) for line in document.splitlines()]


def test_environments_and_braces_are_closed(report):
    document = "\n".join(lines_of(report.read_text(encoding="utf-8")))
    stack: list[str] = []
    body = document[document.index(r"\begin{document}") :]
    for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", body):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert stack == []
    bare = re.sub(r"\\[{}\\]", "", document)
    depth = 0
    for c in bare:
        depth += (c == "{") - (c == "}")
        assert depth >= 0
    assert depth == 0


def test_rows_have_as_many_cells_as_their_table(report):
    columns = 0
    for line in lines_of(report.read_text(encoding="utf-8")):
        if found := re.match(r"\\begin\{tabular\}\{([lcr]+)\}", line):
            columns = len(found[1])
        elif line.endswith(r"\\") and r"\multicolumn" not in line:
            assert len(re.findall(r"(?<!\\)&", line)) == columns - 1, line
    assert columns > 0


def test_its_figures_are_there_and_its_names_are_escaped(report):
    document = report.read_text(encoding="utf-8")
    files = re.findall(r"\\includegraphics\[[^\]]*\]\{([^}]+)\}", document)
    assert {"figures/axis_gamma.pdf", "figures/crops.pdf", "figures/tsne.pdf"} <= set(files)
    assert all((report.parent / name).is_file() for name in files)
    assert r"\input{" not in document
    assert "{[}50\\%]" in document
    assert "{[}U+4E2D]" in document
    assert all(ord(c) < 0x180 for c in document)
    assert "Planned contrasts" in document
    assert "A figure could not be drawn" not in document


@pytest.mark.usefixtures("blank_figures")
def test_the_command_line_asks_for_it(tmp_path, capsys):
    folder = write_runs(tmp_path, gamma_study(pictures=False))
    assert main([str(folder), "--format", "tex"]) == 0
    assert Path(capsys.readouterr().out.strip()).name == "report.tex"
    assert not (folder / "report.html").exists()


def test_a_long_table_is_cut_to_pages():
    rows = tuple((words(f"v{n}"), words("1 ≤ 2")) for n in range(100))
    grid = Grid(title="Long", caption="", heads=(head("Variant"), head("Value")), rows=rows)
    study = Study(
        folder=None, name="x", title="x", question="", budget={}, data={}, text_encoder="", axis_name="",
        axis_values={}, reference=None, entries=(), runs={}, rows=Gathered().frame(), command="",
    )  # fmt: skip
    document = tex.document(
        study, said=["Said."], facts=[], remarks=[], tables=[], pictures=[],
        measures=[Section(name="m", title="M", sentences=("One.",), grids=(grid,))],
    )  # fmt: skip
    assert document.count(r"\begin{tabular}") == 3
    assert document.count(r"1 $\leq$ 2") == 100


@pytest.mark.skipif(ENGINE is None, reason=f"no LaTeX engine on this machine ({', '.join(ENGINES)})")
def test_it_compiles(report, tmp_path):
    assert ENGINE is not None
    folder = tmp_path / "paper"
    shutil.copytree(report.parent, folder)
    options = [] if ENGINE == "tectonic" else ["-interaction=nonstopmode", "-halt-on-error"]
    done = subprocess.run(
        [ENGINE, *options, report.name], cwd=folder, capture_output=True, text=True, timeout=300, errors="replace"
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert (folder / "report.pdf").stat().st_size > 20_000

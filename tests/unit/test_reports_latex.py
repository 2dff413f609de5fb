"""Tables for a paper: their structure always; that they fit a two-column page wherever LaTeX is installed."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from reports.build import build_report
from reports.document import Cell, Column, Number, Row, Table, text_cell, text_column
from reports.document.latex import to_latex
from reports.load import load
from reports.reported.table import reported_table
from tests.support.blank import blank_figures
from tests.support.fake_runs import gamma_study, write_runs

GOLDEN = Path(__file__).parents[1] / "golden" / "reports"
EVIL = "[50%]_{x}\\input{/etc/hostname} 中文 #$&~^"
PAGE = r"""\documentclass[10pt,twocolumn]{article}
\usepackage[T1]{fontenc}
\usepackage[letterpaper,textwidth=6.875in,textheight=8.875in]{geometry}
\setlength{\columnsep}{0.3125in}
\usepackage{booktabs}
\usepackage{amssymb}
\begin{document}
%s
\end{document}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study with names that LaTeX would stumble over, seven conditions, a failed run and an alias, and its report."""
    study = gamma_study(
        effect_db={"*starred": 0.1, EVIL.replace("/", "-"): 0.05, "dfpir_g90": 0.2, "dfpir_g100": 0.0},
        failed=(("*starred", 1),),
        seeds=(0, 1),
    )
    folder = write_runs(tmp_path_factory.mktemp("runs"), study)
    with pytest.MonkeyPatch.context() as patch:
        blank_figures(patch)
        build_report([folder])
    return folder


@pytest.fixture(scope="module")
def code(folder):
    """Its table.tex."""
    return (folder / "table.tex").read_text(encoding="utf-8")


def lines_of(code: str) -> list[str]:
    """The code without comments."""
    return [re.sub(r"(?<!\\)%.*", "", line) for line in code.splitlines()]


def test_environments_and_braces_are_closed(code):
    bare = "\n".join(lines_of(code))
    stack: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", bare):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert stack == []
    bare = re.sub(r"\\[{}\\]", "", bare)
    assert bare.count("{") == bare.count("}") > 50


def test_rows_have_as_many_cells_as_their_table(code):
    columns = 0
    for line in lines_of(code):
        if found := re.match(r"\\begin\{tabular\}\{@\{\}([lcr]+)@\{\}\}", line):
            columns = len(found[1])
        elif line.endswith(r"\\"):
            spanned = sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line))
            assert len(re.findall(r"(?<!\\)&", line)) + spanned == columns - 1, line
    assert columns > 8


def test_a_table_a_metric_with_caption_label_and_spread(code):
    assert re.findall(r"\\label\{(.*)\}", code) == ["tab:result-psnr_db", "tab:result-ssim"]
    assert r"\caption{PSNR (dB) $\uparrow$. " in code
    assert re.search(r"\\textbf\{[\d.]+\}|[\d.]+\{\\tiny \$\\pm\$[\d.]+\}", code)
    assert r"\multicolumn{3}{c}{Noise}" in code
    assert r"\cmidrule(lr){2-4}" in code


def test_names_are_escaped(code):
    assert r"\input{" not in code
    assert "{[}50\\%]" in code
    assert "{[}U+4E2D]" in code
    assert all(ord(c) < 0x180 for c in code)


def test_cells_and_headings():
    ranked = Cell(numbers=(Number(value=1.0, text="1.0", rank=1), Number(value=0.5, text="0.5", rank=2)))
    table = Table(
        name="t", title="T", columns=(text_column("A"), Column(head="B", group="G"), Column(head="C", group="G")),
        rows=(Row(heading="One"), Row(cells=(text_cell("x"), ranked, Cell(text="1 ≤ 2", value=1.0, below=("[0, 3]",))))),
    )  # fmt: skip
    code = to_latex(table)
    assert r"\multicolumn{3}{@{}l}{\textit{One}} \\" in code
    assert r"x & \textbf{1.0} / \underline{0.5} & 1 $\leq$ 2 {[}0, 3] \\" in code


STYLE_FILES = ("booktabs.sty", "amssymb.sty", "geometry.sty")


def missing_latex() -> str:
    """What this machine lacks of LaTeX; "" for nothing."""
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return "pdflatex (apt: texlive-latex-base)"
    found = subprocess.run(["kpsewhich", *STYLE_FILES], capture_output=True, text=True, check=False).stdout
    return ", ".join(name for name in STYLE_FILES if f"/{name}" not in found)


needs_latex = pytest.mark.skipif(bool(missing_latex()), reason=f"missing here: {missing_latex()}")


def check_width(code: str, folder: Path) -> None:
    """Compile the tables on a page of two columns; a name of forty characters would make any table too wide."""
    lines = [line for line in code.splitlines() if "hostname" not in line and "alert(1)" not in line]
    (folder / "paper.tex").write_text(PAGE % "\n".join(lines), encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=folder, capture_output=True, text=True, timeout=120, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert "Overfull" not in done.stdout
    assert (folder / "paper.pdf").stat().st_size > 10_000


@needs_latex
def test_it_fits_a_two_column_page(code, tmp_path):
    """The seven columns of five tasks with two averages."""
    check_width(code, tmp_path)


@needs_latex
@pytest.mark.parametrize("setting", ["3-task", "5-task"])
def test_reported_numbers_fit_a_two_column_page(setting, folder, tmp_path):
    check_width(reported_table(load([folder]), setting).latex, tmp_path)


@needs_latex
def test_reported_and_measured_numbers_fit_a_two_column_page(tmp_path):
    check_width((GOLDEN / "reported_3_task.tex").read_text(encoding="utf-8"), tmp_path)

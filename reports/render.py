"""The report's page from its parts, in one language: one HTML text that fetches nothing."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from reports import page, schema
from reports.figures.style import Picture
from reports.figures.tsne import Measured
from reports.html import page_environment, policy_hash, template_source
from reports.labels import condition_label
from reports.language import ENGLISH, Language
from reports.measures.sections import Shown
from reports.parts import Part
from reports.reported.table import ReportedTable
from reports.study import Study
from reports.tables import Table
from reports.verdict import Verdict
from reports.viewer.show import Interactive
from reports.wording import metric_note, show, show_p, show_seeds, show_size, signed

STYLES = ("report.css", "interactive.css")
# In this order: the first has what the others use, and tables are filtered and sorted whatever their cells become.
SCRIPTS = ("report.js", "filter.js", "gallery.js", "scatter.js", "origins.js")


FURTHER = "figure-"
"""Before the name of another package's figure: its section's."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The page's figures by section; `problems` says which could not be drawn and why."""

    pictures: dict[str, list[Picture]]
    measured: list[Measured]
    problems: dict[str, str]


def render(
    study: Study,
    table: Table,
    found: Verdict,
    drawn: Drawn,
    parts: list[tuple[Part, Table]],
    reported: ReportedTable | None = None,
    measured: Shown | None = None,
    *,
    interactive: Interactive | None = None,
    language: Language = ENGLISH,
    plateau: Sequence[str] = (),
) -> str:
    """The page; every text from outside is escaped, and no script but our own may run in it."""
    environment = page_environment(language)
    environment.filters.update(zip=zip, task_label=condition_label)
    environment.filters.update(show=show, show_p=show_p, show_size=show_size, signed=signed, show_seeds=show_seeds)
    css, js = (Markup("".join(template_source(environment, name) for name in names)) for names in (STYLES, SCRIPTS))
    return environment.get_template("report.html.j2").render(
        lang=language.tag,
        messages={text: language.text(text) for text in script_texts() if language.text(text) != text},
        study=study,
        table=table,
        parts=parts,
        reported=reported,
        verdict=found,
        plateau=plateau,
        drawn=drawn,
        further=[(FURTHER + name, title) for name, title in study.figures],
        measured=measured or Shown(),
        interactive=interactive or Interactive(),
        measures_folder=schema.MEASURES_FOLDER,
        facts=page.facts(study),
        remarks=page.remarks(study),
        run_lines=page.run_lines(study),
        failures=page.failures(study),
        n_not_done=page.n_not_done(study),
        metric_note=metric_note(study.metrics),
        reported_note=metric_note(),
        rebuild=f"python -m reports.build {rebuilt_from(study)}",
        figures_folder=schema.FIGURES_FOLDER,
        css=css,
        js=js,
        css_hash=policy_hash(css),
        js_hash=policy_hash(js),
    )


def rebuilt_from(study: Study) -> str:
    """The study's folder as a shell takes it, seen from where its command was given; RUNS for runs without a study."""
    if study.folder is None:
        return "RUNS"
    if study.folder.parent.name != schema.STUDIES_FOLDER:
        return shlex.quote(str(study.folder))  # a copy, elsewhere than its command says
    words = shlex.split(study.command) if study.command else []
    named = [word.removeprefix("--out=") for word in words if word.startswith("--out=")]
    named += [words[at + 1] for at, word in enumerate(words[:-1]) if word == "--out"]
    root = Path(named[-1] if named else "runs")
    return shlex.quote((root / schema.STUDIES_FOLDER / study.folder.name).as_posix())


def script_texts() -> tuple[str, ...]:
    """The texts that the page's scripts show, as they stand in them."""
    environment = page_environment()
    found = re.findall(r'say\("([^"]+)"', "".join(template_source(environment, name) for name in SCRIPTS))
    return tuple(dict.fromkeys(found))

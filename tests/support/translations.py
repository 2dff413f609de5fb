"""The catalogue of the Chinese pages: `python -m tests.support.translations` extracts and compiles it (needs Babel).

What is extracted: `message` and `ngettext` in reports/, `_` in its templates, `say` in its scripts, and, under the
context `study`, the titles, questions and other fixed texts that studies' files hold (reports/messages.py, `stored`).
"""

from __future__ import annotations

import sys
import warnings
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from reports.language import DOMAIN, LOCALE
from reports.messages import STORED

REPORTS = LOCALE.parent
LANGUAGE = "zh_CN"
PO = LOCALE / LANGUAGE / "LC_MESSAGES" / f"{DOMAIN}.po"
_KEYWORDS = {"message": None, "ngettext": (1, 2), "_": None, "say": None}
_FILES = [("**.py", "python"), ("templates/**.j2", "jinja2"), ("templates/**.js", "javascript")]
_OPTIONS = {"templates/**.j2": {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}}


def stored_texts() -> list[str]:
    """The fixed texts that our own studies' files hold."""
    from ablations.budgets import BUDGETS
    from ablations.registry import STUDIES
    from datasets.tasks import PAPER_TASKS

    studies = [STUDIES[name]() for name in STUDIES]
    messages = [
        text for study in studies for text in (study.title, study.question, *(c.label for c in study.contrasts))
    ]
    messages += [contrast.note for study in studies for contrast in study.contrasts if contrast.note]
    messages += [task.style_json()["label"] for task in PAPER_TASKS]
    return list(dict.fromkeys([*messages, *(budget.summary for budget in BUDGETS.values())]))


def extracted() -> Catalog:
    """Every text that can be translated, without translations."""
    messages = Catalog()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # f-strings among the values
        for _, _, text, _, _ in extract_from_dir(REPORTS, _FILES, _OPTIONS, keywords=_KEYWORDS, comment_tags=()):
            messages.add(text)
    for text in stored_texts():
        messages.add(text, context=STORED)
    return messages


def read() -> Catalog:
    """The catalogue as it is committed."""
    with PO.open("rb") as file:
        return read_po(file, locale=LANGUAGE, abort_invalid=True)


def compiled(catalogue: Catalog) -> bytes:
    """The catalogue as gettext reads it."""
    file = BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def main() -> int:
    """Bring the catalogue up to date; returns 1 where a text lacks its translation."""
    catalogue = read()
    catalogue.update(extracted(), no_fuzzy_matching=True, update_creation_date=False)
    catalogue.obsolete.clear()
    with PO.open("wb") as file:
        write_po(file, catalogue, width=120, no_location=True, omit_header=False, sort_output=True)
    Path(PO.with_suffix(".mo")).write_bytes(compiled(catalogue))
    lacking = [m.id for m in catalogue if m.id and not (m.string and all(m.string))]
    for text in lacking:
        print(f"not translated: {text!r}", file=sys.stderr)
    return 1 if lacking else 0


if __name__ == "__main__":
    sys.exit(main())

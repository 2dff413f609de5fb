"""The page of one evaluation (`python -m reports evaluation FOLDER`), from its files; never imports torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from reports import schema
from reports.language import languages

EVALUATION_FILE, PAGE_FILE = "evaluation.json", "evaluation.html"


def build_page(folder: Path, out: Path | None = None, *, lang: str = "en") -> Path:
    """Write evaluation.html beside an evaluation.json.

    Args:
        folder: what `python -m ablations.evaluate --out` wrote.
        out: where to write; the folder itself by default.
        lang: language of a second page beside the English one; "en" for none.

    Returns:
        The page, which fetches nothing.

    Raises:
        ValueError: no evaluation there; one line.
    """
    from reports.document.html import write_html  # Jinja is needed for the page only
    from reports.pages.evaluation import evaluation_document

    path, page_languages = folder / EVALUATION_FILE, languages(lang)
    try:
        evaluation: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        schema.declare_tasks(evaluation.get("task_styles") or [])
        return write_html(evaluation_document(evaluation), (out or folder) / PAGE_FILE, page_languages)
    except FileNotFoundError as error:
        raise ValueError(
            f"{folder} holds no {EVALUATION_FILE}: name the --out folder of ablations.evaluate."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is no evaluation ({type(error).__name__}: {error}): evaluate again.") from error

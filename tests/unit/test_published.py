"""README, docs/results.md and the published studies say the same."""

import hashlib
import re

import pandas as pd
import pytest

from reports.formatting import format_signed
from tests.support import published

STUDIES = sorted(path.parent for path in published.PUBLISHED.rglob("SHA256SUMS"))
_SIGNED = r"[+\N{MINUS SIGN}-]?\d+\.\d+"
_INTERVAL = re.compile(rf"({_SIGNED})(?: dB)? \[({_SIGNED}), ({_SIGNED})\]")


def test_the_tables_are_those_of_the_published_files():
    text = published.PAGE.read_text(encoding="utf-8")
    assert published.rewrite(text) == text, "run python -m tests.support.published"
    assert text.count("<!-- from ") == 6
    assert published.rewrite(text.replace("| DFPIR |", "| DFPIR, retouched |")) == text
    with pytest.raises(ValueError, match="no <!-- end -->"):
        published.rewrite(text.replace("<!-- end -->", "", 1))


def test_every_interval_in_the_texts_is_of_a_published_study():
    found = set()
    for path in published.PUBLISHED.rglob("*.csv"):
        table = pd.read_csv(path)
        if {"ci_low", "ci_high"} <= set(table.columns) and path.name in ("contrasts.csv", "pairs.csv"):
            estimates = table[["estimate_db" if "estimate_db" in table else "difference_db", "ci_low", "ci_high"]]
            found |= {tuple(map(format_signed, row)) for row in estimates.dropna().itertuples(index=False)}
    written = {
        tuple(number.replace("-", "\N{MINUS SIGN}") for number in numbers)
        for page in (published.PAGE, published.ROOT / "README.md")
        for numbers in _INTERVAL.findall(page.read_text(encoding="utf-8"))
    }
    assert len(written) > 30
    assert written <= found


@pytest.mark.parametrize("folder", STUDIES, ids=[folder.name for folder in STUDIES])
def test_published_files_are_what_they_were(folder):
    for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name

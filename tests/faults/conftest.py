"""How many faults of each kind the tests try: a short sample, or all with DFPIR_FAULTS=full (`make test-faults`)."""

import os
from collections import Counter

import pytest

from tests.faults.promised import lines


@pytest.fixture
def tries(request):
    """`tries(kind, sample, full)`: how many to try; counted in the summary."""

    def chosen(kind, sample, full):
        count = full if os.environ.get("DFPIR_FAULTS") == "full" else sample
        request.node.user_properties.append((f"fault {kind}", count))
        return count

    return chosen


@pytest.fixture
def tally(request):
    """`tally(kind, count)`: what was found while testing, for the summary."""
    return lambda kind, count: request.node.user_properties.append((f"fault {kind}", count))


def pytest_terminal_summary(terminalreporter):
    """Print the counts of all tests that passed."""
    counts: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        for name, count in report.user_properties:
            if report.when == "call" and name.startswith("fault "):
                counts[name.removeprefix("fault ")] += count
    if counts:
        terminalreporter.write_sep("-", "faults tried, all as they must be")
        for line in lines(counts):
            terminalreporter.write_line(line)

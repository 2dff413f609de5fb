"""No module imports itself by way of others."""

import grimp
import pytest

PACKAGES = ("ablations", "baselines", "datasets", "dfpir", "reports")


def circles(imports):
    """Groups of modules that reach each other (strongly connected, Tarjan), from module -> modules it imports."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: list[list[str]] = []

    def visit(module):
        order[module] = lowest[module] = len(order)
        path.append(module)
        for other in imports[module]:
            if other not in order:
                visit(other)
            if other in path:
                lowest[module] = min(lowest[module], lowest[other])
        if lowest[module] == order[module]:
            group = path[path.index(module) :]
            del path[path.index(module) :]
            if len(group) > 1:
                found.append(sorted(group))

    for module in sorted(imports):
        if module not in order:
            visit(module)
    return found


@pytest.fixture(scope="module")
def imports():
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    return {module: sorted(graph.find_modules_directly_imported_by(module)) for module in graph.modules}


def test_no_import_circle(imports):
    assert len(imports) > 200
    assert circles(imports) == []


def test_a_circle_would_be_found(imports):
    top, bottom = "ablations.harness.launch", "ablations.harness.launch.job"
    assert bottom in imports[top]
    closed = {**imports, bottom: [*imports[bottom], top]}
    (group,) = circles(closed)
    assert {top, bottom} <= set(group)

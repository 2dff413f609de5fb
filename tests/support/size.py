"""How large the suite is, for `make size`: lines, the longest file, long functions, functions of many arguments.

python tests/support/size.py [FOLDER]
"""

import ast
import sys
from pathlib import Path

PRODUCT = ("ablations", "baselines", "datasets", "dfpir", "reports")
MOST_LINES, MOST_ARGUMENTS = 60, 7
Function = ast.FunctionDef | ast.AsyncFunctionDef


def files_of(root, *packages):
    return sorted(path for package in packages for path in (root / package).rglob("*.py"))


def lines_of(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def functions_of(tree, owner="", public=True):
    """(dotted name, whether all of the name is public, node) of each function and method, nested ones too."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function | ast.ClassDef):
            name = f"{owner}.{node.name}".lstrip(".")
            # what is defined inside a function is nobody else's
            open_ = public and (not node.name.startswith("_") or node.name == "__init__")
            if isinstance(node, Function):
                yield name, open_, node
            yield from functions_of(node, name, open_ and isinstance(node, ast.ClassDef))
        else:
            yield from functions_of(node, owner, public)


def arguments_of(node):
    """How many arguments a caller can name or place; `self` and `cls` are none."""
    arguments = node.args
    named = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    return len(named) - (named[:1] in (["self"], ["cls"])) + len(arguments.kwonlyargs)


def report(root):
    """The lines that `make size` prints."""
    product, tests = files_of(root, *PRODUCT), files_of(root, "tests")
    lines = [
        f"{label}: {sum(map(lines_of, files)):,} lines in {len(files)} files"
        for label, files in (("product", product), ("tests", tests))
    ]
    longest = max(product, key=lines_of)
    lines.append(f"longest file: {longest.relative_to(root).as_posix()}, {lines_of(longest)} lines")
    long, wide = [], []
    for path in product:
        for name, public, node in functions_of(ast.parse(path.read_text(encoding="utf-8"))):
            place = f"{path.relative_to(root).as_posix()}:{node.lineno} {name}"
            length = node.end_lineno - node.lineno + 1
            if length > MOST_LINES:
                long.append((length, place))
            if public and arguments_of(node) > MOST_ARGUMENTS:
                wide.append((arguments_of(node), place))
    for title, found in (
        (f"functions of more than {MOST_LINES} lines", long),
        (f"public functions of more than {MOST_ARGUMENTS} arguments", wide),
    ):
        lines.append(f"{title}: {len(found)}")
        lines += [f"  {count:3} {place}" for count, place in sorted(found, key=lambda row: (-row[0], row[1]))]
    return lines


if __name__ == "__main__":
    print("\n".join(report(Path(sys.argv[1] if len(sys.argv) > 1 else "."))))

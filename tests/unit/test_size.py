"""`make size` counts what it says."""

from tests.support.size import PRODUCT, report


def test_lines_long_functions_and_many_arguments_are_counted(tmp_path):
    for package in (*PRODUCT, "tests"):
        (tmp_path / package).mkdir()
    many = ", ".join(f"a{n}" for n in range(8))
    (tmp_path / "dfpir" / "wide.py").write_text(
        f"def wide({many}):\n    pass\n\n\ndef _own({many}):\n    pass\n\n\nclass Box:\n"
        f"    def fits(self, a, b, c, d, *, e, f, g):\n        def inside({many}): ...\n"
    )
    (tmp_path / "reports" / "long.py").write_text(
        "def long():\n" + "    pass\n" * 60 + "\n\ndef short():\n" + "    pass\n" * 59
    )
    (tmp_path / "tests" / "test_a.py").write_text("\n\n\n")
    assert report(tmp_path) == [
        "product: 134 lines in 2 files",
        "tests: 3 lines in 1 files",
        "longest file: reports/long.py, 123 lines",
        "functions of more than 60 lines: 1",
        "   61 reports/long.py:1 long",
        "public functions of more than 7 arguments: 1",
        "    8 dfpir/wide.py:1 wide",
    ]

"""Commands as users start them: odd consoles, readers that leave, folders that hide a package, places that can't be written."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import datasets.console
import reports.console
from ablations import startup
from ablations.startup import StartupError, require_suite_packages

ROOT = Path(startup.__file__).resolve().parent.parent


def start(*words, cwd, **environment):
    """A command in a folder as after an installation whose packages come after the working folder's."""
    command = [sys.executable, "-c", _LATE, *map(str, words)]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, cwd=cwd, env=surroundings, capture_output=True, timeout=300)


# runs a module as `python -m` does; an editable installation's finder comes after the path, hence after the folder's own
_LATE = f"""
import pathlib, runpy, sys
from importlib.machinery import PathFinder
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, [{str(ROOT)!r}]) if path is None else None
sys.meta_path[:] = [f for f in sys.meta_path if "ditable" not in repr(f)] + [Finder]
sys.path[:] = ["", *(p for p in sys.path if p and not (pathlib.Path(p) / "ablations").is_dir())]
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("name", ["reports", "baselines", "dfpir", "datasets"])
def test_a_folder_that_hides_a_package_is_named_before_anything_starts(tmp_path, name):
    (tmp_path / name).mkdir()
    for words in (("ablations.run", "--list"), ("ablations.status", "."), ("ablations.bench", "data")):
        done = start(*words, cwd=tmp_path)
        error = done.stderr.decode()
        assert done.returncode == 2, error
        assert error.count("\n") == 1
        assert f"{tmp_path / name} is imported instead of the suite's package '{name}'" in error
        assert "cd .." in error


def test_a_module_of_the_same_name_is_named_too(tmp_path):
    (tmp_path / "baselines.py").write_text("")
    done = start("ablations.evaluate", "identity", cwd=tmp_path)
    assert done.returncode == 2
    assert "baselines.py is imported instead of" in done.stderr.decode()


def test_hugging_faces_package_in_our_folder_and_a_damaged_installation(tmp_path):
    for name, parts in startup.REQUIRED_FILES.items():
        for part in ("__init__.py", *parts):
            (tmp_path / name / part).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / part).write_text("")
    (tmp_path / "datasets/arrow_dataset.py").write_text("")
    with pytest.raises(StartupError, match="python -m venv"):
        require_suite_packages(tmp_path)
    (tmp_path / "datasets/arrow_dataset.py").unlink()
    (tmp_path / "datasets/__init__.py").unlink()
    with pytest.raises(StartupError, match=r"has no __init__.py.*install it again"):
        require_suite_packages(tmp_path)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "图像"
    folder.mkdir()
    for name in ("яблоко.png", "苹果.png"):
        Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(folder / name)
    return folder


def test_consoles_that_lack_signs_end_nothing(pictures, tmp_path):
    restore = ("ablations.restore", pictures, "--model", "identity", "--degradation", "rain", "--out", tmp_path / "out")
    done = start(*restore, cwd=tmp_path, PYTHONIOENCODING="cp1252")
    assert done.returncode == 0, done.stderr
    assert b"\\u82f9\\u679c.png: rain" in done.stdout
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
    evaluate = ("ablations.evaluate", "identity", "--data", pictures, "--tasks", "rain")
    done = start(*evaluate, cwd=tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert b"\\u56fe\\u50cf" in done.stdout


def test_names_that_are_no_text(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(np.zeros((32, 32, 3), np.uint8)).save(folder / "a.png")
    (folder / "a.png").rename(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))
    evaluate = ("ablations.evaluate", "identity", "--data", folder, "--tasks", "rain", "--out", tmp_path / "out")
    for _ in range(2):  # the second time from the rows that are kept
        done = start(*evaluate, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "out/evaluation.html").is_file()


@pytest.mark.parametrize("words", [("ablations",), ("baselines",), ("datasets", "list"), ("reports", "reported")])
def test_a_reader_that_leaves_ends_no_command(tmp_path, words):
    """The pipe's reading end is closed before anything is written."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", _LATE, *words]
    done = subprocess.run(command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, timeout=300)
    os.close(writing)
    assert done.stderr == b""
    assert done.returncode == 0


def test_restoring_goes_on_when_the_reader_leaves(pictures, tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    words = ("ablations.restore", pictures, "--model", "identity", "--degradation", "rain", "--out", tmp_path / "out")
    command = [sys.executable, "-c", _LATE, *map(str, words)]
    done = subprocess.run(command, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, timeout=300)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(list((tmp_path / "out").glob("*.png"))) == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("reports", "x", "--out", "file"), "--out file: that is a file"),
        (("reports", "publish", "x", "/proc/nope"), "OUT /proc/nope: nothing can be written there"),
        (("reports", "evaluation", "absent"), "absent holds no evaluation.json"),
        (("ablations.status", "absent"), "absent"),
        (("ablations.restore", "file", "--degradation", "rain", "--out", "/proc/nope"), "--out /proc/nope: nothing can"),
    ],
)  # fmt: skip
def test_places_that_can_not_be_read_or_written_are_one_line(tmp_path, words, said):
    (tmp_path / "file").write_text("")
    done = start(*words, cwd=tmp_path)
    error = done.stderr.decode()
    assert done.returncode == 2
    assert error.count("\n") == 1
    assert said in error
    assert "Errno" not in error


@pytest.mark.parametrize("format_error", [datasets.console.format_error, reports.console.format_error])
def test_the_systems_errors_in_words(format_error):
    told = format_error(PermissionError(13, "Permission denied", "out/.study.json.ktac0p6z.part"), "--out")
    assert told == "out: no permission: choose another place with --out."
    assert format_error(OSError(28, "No space left on device", "a/b")) == "a/b: the disk is full."
    assert format_error(ValueError("two\nlines")) == "two lines"


def test_both_consoles_are_the_same_file():
    ours, theirs = (Path(module.__file__).read_text(encoding="utf-8") for module in (datasets.console, reports.console))
    assert ours.replace("`reports/console.py`", "`datasets/console.py`") == theirs


@pytest.mark.parametrize("module", ["ablations", "reports", "dfpir"])
def test_each_package_says_what_there_is(tmp_path, module):
    done = start(module, cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.count(b"python -m ") >= 3

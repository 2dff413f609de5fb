"""A disk or a quota that has no room: each writer says so in one line, and what was there before stays as it was."""

import resource
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from ablations.bench import measurement
from ablations.harness.restoring import image_files
from ablations.harness.run_one import run_one
from ablations.harness.training import checkpoint
from datasets.catalog.finder import find_sets
from datasets.contact_sheet import save_contact_sheet
from datasets.store import PackedSet, pack, plan_pack
from reports import build, publish, schema
from reports.__main__ import main
from reports.figures import style
from reports.files import write_bytes, write_json
from reports.run_state import is_done
from tests.support.fake_runs import FakeStudy, write_runs
from tests.support.tiny_study import run_here, tiny_plan

SPEC = tiny_plan(only=("dfpir_g50",)).specs[0]
CPU = torch.device("cpu")


@contextmanager
def no_room_beyond(size):
    """The system refuses to make any file of this process larger than `size` bytes, as a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def contents(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@dataclass
class Wanted:
    """What a writer writes into `folder`, other bytes for another `version`."""

    folder: Path
    version: int

    @property
    def noise(self):
        return np.random.default_rng(self.version)

    def json(self):
        write_json(self.folder / "spec.json", {"x": self.noise.random(500).tolist()})

    def checkpoint(self):
        tensors = {"x": torch.from_numpy(self.noise.random(2000))}
        checkpoint.save(self.folder, checkpoint.Checkpoint(step=self.version, tensors=tensors, facts={}))

    def rows(self):
        names = {c.name: "rain" if c.name == "condition" else "x" for c in schema.IMAGE_COLUMNS if c.dtype == "str"}
        frame = pd.DataFrame({"image": [f"{self.noise.random()}-{n}" for n in range(500)]}).assign(
            **{k: v for k, v in names.items() if k != "image"}, seed=0, value=self.noise.random(500), input_value=1.0
        )
        return frame.assign(metric=schema.PSNR)[[c.name for c in schema.IMAGE_COLUMNS]]

    def images(self):
        schema.write_images(self.rows(), self.folder / schema.IMAGES_FILE)

    def table(self):
        schema.write_images(self.rows(), self.folder / "table.csv")

    def measure(self):
        name, columns = next(iter(schema.MEASURE_COLUMNS.items()))
        values = {
            "str": [f"{v}" for v in self.noise.random(500)],
            "int64": range(500),
            "float64": self.noise.random(500),
        }
        frame = pd.DataFrame({c.name: values[c.dtype] for c in columns})
        schema.write_measure(frame, self.folder, name, metadata={})

    def bench(self):
        measurement.write_csv(pd.DataFrame({"x": self.noise.random(500)}), self.folder / "bench.csv")

    def figure(self):
        with style.settings():
            figure = style.new_figure(3, 2)
            figure.subplots().imshow(self.noise.random((60, 60)))
            style.save(figure, self.folder, "figure", title="", alt="", caption="")

    def picture(self):
        source = self.folder.parent / "source.png"
        if not source.is_file():
            Image.fromarray(np.zeros((60, 60, 3), dtype=np.uint8)).save(source)
        colours = self.noise.integers(0, 256, (60, 60, 3), dtype=np.uint8)
        target = self.folder / "restored.png"
        write_bytes(target, image_files.encode_image_file(target, image_files.read_image_file(source), colours))

    def contact_sheet(self):
        save_contact_sheet(a_set(self.folder.parent / f"data-{self.version}", self.noise), self.folder / "sheet.png")


WRITERS = (
    "json", "checkpoint", "images", "table", "measure", "bench", "figure", "picture", "contact_sheet",
)  # fmt: skip


def a_set(root, noise):
    for number in range(3):
        path = root / "CBSD68" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            Image.fromarray(noise.integers(0, 256, (60, 60, 3), dtype=np.uint8)).save(path)
    (found,) = find_sets(root, ["cbsd68"])
    return found


@pytest.mark.parametrize("writer", WRITERS)
def test_a_writer_without_room_leaves_what_was_there(writer, tmp_path, tally):
    folder = tmp_path / "results"
    folder.mkdir()
    getattr(Wanted(folder, 1), writer)()
    before = contents(folder)
    assert before
    if writer == "contact_sheet":
        a_set(tmp_path / "data-2", np.random.default_rng(2))
    for limit in (0, 1, 2000):
        with no_room_beyond(limit), pytest.raises(OSError, match="File too large") as caught:
            getattr(Wanted(folder, 2), writer)()
        assert "\n" not in str(caught.value)
        assert contents(folder) == before
    getattr(Wanted(folder, 2), writer)()
    assert contents(folder) != before
    tally("writers without room", 3)


def test_a_store_without_room_is_not_begun_as_whole_and_goes_on_later(tmp_path, tally):
    plan = plan_pack(a_set(tmp_path / "data", np.random.default_rng(0)), tmp_path)
    with no_room_beyond(15_000), pytest.raises(OSError, match="File too large"):
        pack(plan)
    assert not plan.target.exists()
    pack(plan)
    assert not PackedSet(plan.target).verify()
    tally("writers without room", 1)


def test_a_run_without_room_is_an_error_row_and_harms_no_other(tmp_path, tally):
    other = tiny_plan(only=("dfpir_g100",)).specs[0]
    run_here(other, tmp_path)
    before = contents(tmp_path / other.run_id)
    with no_room_beyond(12_000):
        assert not run_one(SPEC, tmp_path, CPU, lambda progress: None)
    assert "File too large" in (tmp_path / SPEC.run_id / "ERROR.json").read_text()
    assert contents(tmp_path / other.run_id) == before
    run_here(SPEC, tmp_path)
    assert is_done(tmp_path / SPEC.run_id)
    tally("writers without room", 1)


def test_a_report_and_a_publication_without_room_leave_the_earlier_ones(tmp_path, capsys, tally):
    effects = {"a": 0.0, "b": 0.5}
    study = write_runs(tmp_path / "runs", FakeStudy(effect_db=effects, seeds=(0, 1), scenes=3, crops=1, pictures=False))
    build.build_report([study], study)
    out = publish.publish(study, tmp_path / "published")
    before = contents(tmp_path)
    capsys.readouterr()
    for command in (lambda: main([str(study)]), lambda: main(["publish", str(study), str(out)])):
        with no_room_beyond(1):
            assert command() == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert "File too large" in said
        assert said.count("\n") == 1
        assert contents(tmp_path) == before
    tally("writers without room", 2)

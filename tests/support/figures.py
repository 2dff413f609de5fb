"""Small pictures of every figure from made-up runs, for comparison with those in tests/golden/figures.

`python -m tests.support.figures` makes the baselines anew: look at each of them before it is committed.
t-SNE is left out: its plane depends on the linear algebra library of the machine.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import matplotlib
from PIL import Image

from reports.compare import compare
from reports.figures import axis, changes, crops, curves, differences, errors, maps, masks, orders, style
from reports.load import load_study
from reports.stats import Analysis, collect
from tests.support.fake_measures import write_measures
from tests.support.fake_runs import FakeStudy, gamma_study, write_runs

BASELINES = Path(__file__).parents[1] / "golden" / "figures"
WIDTH_PX = {"crops": 110, "error_maps": 110}  # pictures of noise are large files
_WIDTH_PX = 330
_FONT: Any = {"font.sans-serif": ["DejaVu Sans"]}  # which matplotlib brings along: the same on every machine
NAMES = (
    "attention", "axis_gamma", "crops", "differences_1", "error_maps", "maps_skip1", "masks", "moved", "orders_1",
    "training_curves",
)  # fmt: skip


def small_study(**changes: Any) -> FakeStudy:
    """Three variants with two seeds and few patches."""
    effects = {"dfpir_g50": -0.2, "dfpir_g90": 0.3, "dfpir_g100": 0.0}
    return gamma_study(**{"effect_db": effects, "failed": (), "patches": 4, **changes})


def draw(study: FakeStudy, folder: Path, names: Collection[str] = NAMES) -> dict[str, Path]:
    """Those figures as small PNGs in `folder`."""
    with tempfile.TemporaryDirectory() as runs, style.settings(), matplotlib.rc_context(_FONT):
        path = write_runs(Path(runs) / "now", study)
        write_measures(Path(runs) / "now", study, ("order_moves",))
        before = write_runs(Path(runs) / "before", small_study(noise_sd_db=0.2, pictures=False))
        loaded = load_study(path)
        analysis = Analysis(scores=collect(loaded.rows))
        complete_folder = Path(runs) / "figures"
        calls: dict[str, tuple[Any, tuple[Any, ...]]] = {
            "axis_gamma": (axis, (loaded, analysis, complete_folder)), "crops": (crops, (loaded, complete_folder)),
            "error_maps": (errors, (loaded, complete_folder)), "differences_1": (differences, (loaded, analysis, complete_folder)),
            "maps_skip1": (maps, (loaded, complete_folder)), "masks": (masks, (loaded, complete_folder)),
            "attention": (masks, (loaded, complete_folder)), "orders_1": (orders, (loaded, complete_folder)),
            "training_curves": (curves, (loaded, complete_folder)),
            "moved": (changes, (compare(load_study(before), loaded).rows["psnr_db"], complete_folder)),
        }  # fmt: skip
        for module, arguments in {calls[name][0]: calls[name][1] for name in names}.items():
            module.draw(*arguments)
        return {name: _shrunk(complete_folder / f"{name}.png", folder / f"{name}.png") for name in names}


def _shrunk(source: Path, target: Path) -> Path:
    """A smaller copy: shapes and colours stay, single letters hardly count."""
    with Image.open(source) as picture:
        width = WIDTH_PX.get(target.stem, _WIDTH_PX)
        size = width, round(picture.height * width / picture.width)
        picture.convert("RGB").resize(size, Image.Resampling.BOX).save(target, optimize=True)
    return target


if __name__ == "__main__":
    BASELINES.mkdir(parents=True, exist_ok=True)
    figures = draw(small_study(), BASELINES)
    print(f"{len(figures)} pictures, {sum(p.stat().st_size for p in figures.values()) / 1000:.0f} kB")

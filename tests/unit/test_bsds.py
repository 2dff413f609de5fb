"""--data bsds: who trains, who tests, and that nothing stands on both sides."""

import numpy as np
import pytest
from PIL import Image

from ablations import data
from datasets.sources.bsds import load_bsds
from datasets.tasks import condition_named
from tests.support.shared import shared


@pytest.mark.shared
def test_noise_is_tested_on_cbsd68_the_rest_on_val_and_rain_on_rain100l_too():
    ref, bundle = data.open_data("bsds", root=shared("data"))
    assert ref.sets == ("cbsd68", "bsds500-val", "rain100l-test")
    assert (len(bundle.train), len(bundle.val)) == (316, 17)
    assert "less 67 that stand in test sets" in bundle.description
    items = bundle.eval_items("test", [condition_named(c) for c in ("noise-25", "rain", "haze")], max_side=16)
    counts: dict[tuple[str, str], int] = {}
    for item in items:
        key = item.condition.name, data.test_set_of(bundle, item.name, "")
        counts[key] = counts.get(key, 0) + 1
    assert counts == {
        ("noise-25", "cbsd68"): 68,
        ("rain", "bsds500-val"): 100,
        ("rain", "rain100l-test"): 100,
        ("haze", "bsds500-val"): 100,
    }
    # CBSD68 stands in BSDS500's val: one photograph, one scene, whatever set it is in
    assert len({item.scene for item in items if not item.name.startswith("rain100l")}) == 100


def photographs(folder, count, seed):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for n in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        coarse.resize((64, 48), Image.Resampling.BICUBIC).save(folder / f"{1000 * seed + n + 100}.png")


def test_what_is_missing_is_named(tmp_path):
    photographs(tmp_path / "BSDS500" / "train", 3, seed=1)
    with pytest.raises(ValueError, match="not found: bsds500-val, cbsd68"):
        load_bsds(tmp_path)
    with pytest.raises(ValueError, match="--data bsds needs --root"):
        data.open_data("bsds")
    with pytest.raises(ValueError, match="--root goes with --data bsds or paper"):
        data.open_data("embedded", root=tmp_path)

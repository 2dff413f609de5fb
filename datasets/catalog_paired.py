"""Specs of the sets whose degraded images come with them: haze, rain, blur, low light."""

from __future__ import annotations

from dataclasses import replace

from datasets.catalog_known import LOL_EVAL15_NAMES, RELEASES
from datasets.dataset_spec import DatasetSpec, Family, Layout, Pairing
from datasets.tasks import Task


def _pair(family: Family, folder: str, degraded: str, clean: str, files: tuple[str, str] = (".*", ".*")) -> Layout:
    """Degraded and clean folders below one folder; `.` is the folder itself."""
    paths = [folder if part == "." else f"{folder}/{part}" for part in (degraded, clean)]
    return Layout(family=family, degraded=(paths[0],), clean=(paths[1],), degraded_files=files[0], clean_files=files[1])


_RESIDE_PAPER = "Li, Ren, Fu et al.: Benchmarking Single-Image Dehazing and Beyond. TIP 2019"
_RESIDE_LICENCE = "not stated on the pages read; see the homepage"
_RAIN_PAPER = "Yang, Tan, Feng et al.: Deep Joint Rain Detection and Removal from a Single Image. CVPR 2017"
_RAIN_PAGE = "https://www.icst.pku.edu.cn/struct/Projects/joint_rain_removal.html"
_GOPRO_PAPER = "Nah, Kim, Lee: Deep Multi-scale CNN for Dynamic Scene Deblurring. CVPR 2017"
_GOPRO_PAGE = "https://seungjunnah.github.io/Datasets/gopro"
_LOL_PAPER = "Wei, Wang, Yang, Liu: Deep Retinex Decomposition for Low-Light Enhancement. BMVC 2018"
_LOL_PAGE = "https://daooshee.github.io/BMVC2018website/"
_UNKNOWN = "not stated on the pages read; see the homepage"
_RAIN_FILES = (r"rain[-_]?\d+(x2)?\..*", r"norain[-_]?\d+(x2)?\..*")

_SOTS = DatasetSpec(
    name="sots-outdoor",
    title="SOTS outdoor (500 hazy images)",
    task=Task.HAZE,
    split="test",
    count=500,
    pairing=Pairing.HAZE,
    layouts=(
        _pair("suite", "SOTS-outdoor", "degraded", "clean"),
        _pair("original", "SOTS/outdoor", "hazy", "gt"),
        _pair("copies", "SOTS/outdoor", "hazy", "clear"),
        _pair("copies", "SOTS-outdoor", "hazy", "gt"),
        _pair("promptir", "test/dehaze", "input", "target"),
        _pair("dfpir", "test/dehaze/outdoor", "input", "target"),
    ),
    licence=_RESIDE_LICENCE,
    citation=_RESIDE_PAPER,
    homepage="https://sites.google.com/view/reside-dehaze-datasets/reside-v0",
    instructions="SOTS, outdoor part: 500 hazy JPEG files and 492 clean images; a clean image may serve two hazy ones.",
)

_RAIN_TEST = DatasetSpec(
    name="rain100l-test",
    title="Rain100L, test",
    task=Task.RAIN,
    split="test",
    count=100,
    pairing=Pairing.NUMBER,
    layouts=(
        _pair("suite", "Rain100L", "degraded", "clean"),
        _pair("promptir", "test/derain/Rain100L", "input", "target"),
        _pair("airnet", "test/derain", "input", "target"),
        _pair("restormer", "test/Rain100L", "input", "target"),
        _pair("copies", "Rain100L", "input", "target"),
        _pair("original", "rain_data_test_Light", "rain/X2", "norain"),
        _pair("copies", "Rain100L", "rainy", ".", (".*", r"norain[-_]?\d+(x2)?\..*")),  # PReNet's release
        _pair("copies", "Rain100L", ".", ".", _RAIN_FILES),
    ),
    licence=_UNKNOWN,
    citation=_RAIN_PAPER,
    homepage=_RAIN_PAGE,
    instructions="rain_data_test_Light, 100 pairs. Releases differ by a pixel (321x481, 320x480); so do scores.",
    expected=(tuple(map(str, range(1, 101))),),
    releases=RELEASES["rain100l-test"],
)

_GOPRO_TEST = DatasetSpec(
    name="gopro-test",
    title="GoPro, test",
    task=Task.BLUR,
    split="test",
    count=1111,
    pairing=Pairing.SAME,
    layouts=(
        _pair("suite", "GoPro", "degraded", "clean"),
        _pair("promptir", "test/deblur/gopro", "input", "target"),
        _pair("dfpir", "test/deblur", "blur", "sharp"),
        _pair("restormer", "test/GoPro", "input", "target"),
        _pair("original", "GOPRO_Large/test/*", "blur", "sharp"),
        _pair("copies", "GoPro/test/*", "blur", "sharp"),
        _pair("copies", "GoPro/test", "input", "target"),
    ),
    licence=_UNKNOWN,
    citation=_GOPRO_PAPER,
    homepage=_GOPRO_PAGE,
    instructions="GOPRO_Large.zip (several GB), folders test/*/blur and test/*/sharp; not blur_gamma.",
)

_LOL_TEST = DatasetSpec(
    name="lol-eval15",
    title="LOL-v1, eval15",
    task=Task.LOWLIGHT,
    split="test",
    count=15,
    pairing=Pairing.SAME,
    layouts=(
        _pair("suite", "LOL-v1/eval15", "degraded", "clean"),
        _pair("promptir", "test/enhance/lol", "input", "target"),
        _pair("dfpir", "test/enhance", "low", "high"),
        _pair("original", "LOLdataset/eval15", "low", "high"),
        _pair("copies", "eval15", "low", "high"),
        _pair("copies", "LOL-v1/eval15", "low", "high"),
    ),
    licence=_UNKNOWN,
    citation=_LOL_PAPER,
    homepage=_LOL_PAGE,
    instructions="LOLdataset.zip, folder eval15: 15 pairs of 400x600.",
    expected=(LOL_EVAL15_NAMES,),
    releases=RELEASES["lol-eval15"],
)

PAIRED: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        name="reside-ots",
        title="RESIDE OTS (the shared training list)",
        task=Task.HAZE,
        split="train",
        count=72135,
        pairing=Pairing.HAZE,
        layouts=(
            _pair("suite", "RESIDE-OTS", "degraded/**", "clean"),
            _pair("promptir", "Train/Dehaze", "synthetic/**", "original"),
            _pair("original", "OTS_ALPHA", "OTS/**", "clear"),
            _pair("copies", "OTS", "hazy/**", "clear"),
            _pair("copies", "OTS", "haze/**", "clear"),
        ),
        licence=_RESIDE_LICENCE,
        citation=_RESIDE_PAPER,
        homepage="https://sites.google.com/view/reside-dehaze-datasets/reside-v0",
        instructions="OTS: hazy images part1 to part4 and 2,061 clean images, 35 hazy ones each. The list of 72,135 "
        "that AirNet and its successors train on is data_dir/hazy/hazy_outside.txt of their repositories: copy it "
        "into the root and only its images count.",
        lists=("hazy_outside.txt", "data_dir/hazy/hazy_outside.txt"),
        repeats=(1, 1),
    ),
    DatasetSpec(
        name="rain100l-train",
        title="Rain100L, train",
        task=Task.RAIN,
        split="train",
        count=200,
        pairing=Pairing.NUMBER,
        layouts=(
            _pair("suite", "Rain100L-train", "degraded", "clean"),
            _pair("promptir", "Train/Derain", "rainy", "gt"),
            _pair("original", "rain_data_train_Light", "rain", "norain", (r"(no)?rain-\d+(x2)?\..*", r".*")),
            _pair("copies", "RainTrainL", ".", ".", _RAIN_FILES),
            _pair("copies", "Rain100L/train", "rain", "norain"),
        ),
        licence=_UNKNOWN,
        citation=_RAIN_PAPER,
        homepage=_RAIN_PAGE,
        instructions="rain_data_train_Light, 200 pairs.",
        repeats=(120, 80),
        expected=(tuple(map(str, range(1, 201))),),
    ),
    DatasetSpec(
        name="gopro-train",
        title="GoPro, train",
        task=Task.BLUR,
        split="train",
        count=2103,
        pairing=Pairing.SAME,
        layouts=(
            _pair("suite", "GoPro-train", "degraded", "clean"),
            _pair("promptir", "Train/Deblur", "blur", "sharp"),
            _pair("original", "GOPRO_Large/train/*", "blur", "sharp"),
            _pair("copies", "GoPro/train/*", "blur", "sharp"),
            _pair("restormer", "train/GoPro", "input", "target"),
            _pair("restormer", "Downloads/GoPro", "input", "target"),
        ),
        licence=_UNKNOWN,
        citation=_GOPRO_PAPER,
        homepage=_GOPRO_PAGE,
        instructions="GOPRO_Large.zip (several GB), folders train/*/blur and train/*/sharp; not blur_gamma.",
        repeats=(0, 30),
    ),
    DatasetSpec(
        name="lol-our485",
        title="LOL-v1, our485",
        task=Task.LOWLIGHT,
        split="train",
        count=485,
        pairing=Pairing.SAME,
        layouts=(
            _pair("suite", "LOL-v1/our485", "degraded", "clean"),
            _pair("promptir", "Train/Enhance", "low", "gt"),
            _pair("dfpir", "Train/Enhance", "low", "high"),
            _pair("original", "LOLdataset/our485", "low", "high"),
            _pair("copies", "our485", "low", "high"),
            _pair("copies", "LOL-v1/our485", "low", "high"),
        ),
        licence=_UNKNOWN,
        citation=_LOL_PAPER,
        homepage=_LOL_PAGE,
        instructions="LOLdataset.zip, folder our485: 485 pairs of 400x600.",
        repeats=(0, 60),
    ),
    _SOTS,
    replace(
        _SOTS,
        name="sots-outdoor-492",
        title="SOTS outdoor (492: one hazy image for each clean one)",
        count=492,
        variant_of="sots-outdoor",
        instructions="The same files. Papers with 492 images do not say which eight hazy ones they leave out; here the "
        "first by name of each clean image counts.",
    ),
    _RAIN_TEST,
    _GOPRO_TEST,
    _LOL_TEST,
)

"""The specs of the field's data sets: add one here and every command knows it.

Facts that could not be verified are left out or said to be unknown; no address or checksum is guessed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from datasets.catalog.contents import BSD400_NAMES, CBSD68_NAMES, LOL_EVAL15_NAMES, RELEASES
from datasets.catalog.spec import Archive, DatasetSpec, Pairing, clean_layout, pair_layout
from datasets.tasks import Task

_BSDS: dict[str, Any] = {
    "licence": "free for non-commercial research and education (the data set's page)",
    "citation": "Arbelaez, Maire, Fowlkes, Malik: Contour Detection and Hierarchical Image Segmentation. TPAMI 2011",
    "homepage": "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html",
}
_RESIDE: dict[str, Any] = {
    "task": Task.HAZE,
    "pairing": Pairing.HAZE,
    "citation": "Li, Ren, Fu et al.: Benchmarking Single-Image Dehazing and Beyond. TIP 2019",
    "homepage": "https://sites.google.com/view/reside-dehaze-datasets/reside-v0",
}
_RAIN: dict[str, Any] = {
    "task": Task.RAIN,
    "pairing": Pairing.NUMBER,
    "citation": "Yang, Tan, Feng et al.: Deep Joint Rain Detection and Removal from a Single Image. CVPR 2017",
    "homepage": "https://www.icst.pku.edu.cn/struct/Projects/joint_rain_removal.html",
}
_GOPRO: dict[str, Any] = {
    "task": Task.BLUR,
    "pairing": Pairing.SAME,
    "citation": "Nah, Kim, Lee: Deep Multi-scale CNN for Dynamic Scene Deblurring. CVPR 2017",
    "homepage": "https://seungjunnah.github.io/Datasets/gopro",
}
_LOL: dict[str, Any] = {
    "task": Task.LOWLIGHT,
    "pairing": Pairing.SAME,
    "citation": "Wei, Wang, Yang, Liu: Deep Retinex Decomposition for Low-Light Enhancement. BMVC 2018",
    "homepage": "https://daooshee.github.io/BMVC2018website/",
}
_RAIN_FILES = (r"rain[-_]?\d+(x2)?\..*", r"norain[-_]?\d+(x2)?\..*")


def _numbers(pattern: str, last: int, first: int = 1) -> tuple[str, ...]:
    return tuple(pattern.format(number) for number in range(first, last + 1))


def _bsds_archive(members: str, target: str) -> Archive:
    return Archive(
        url="https://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/BSR/BSR_bsds500.tgz",
        checksum="md5:0b17383ff0b21fe43d2f28e624203169",
        checksum_source="a public data loader that checks it, in two of its versions (Berkeley's page names none)",
        members=members,
        target=target,
    )


_SOTS = DatasetSpec(
    name="sots-outdoor",
    title="SOTS outdoor (500 hazy images)",
    split="test",
    count=500,
    layouts=(
        pair_layout("suite", "SOTS-outdoor", "degraded", "clean"),
        pair_layout("original", "SOTS/outdoor", "hazy", "gt"),
        pair_layout("copies", "SOTS/outdoor", "hazy", "clear"),
        pair_layout("copies", "SOTS-outdoor", "hazy", "gt"),
        pair_layout("promptir", "test/dehaze", "input", "target"),
        pair_layout("dfpir", "test/dehaze/outdoor", "input", "target"),
    ),
    **_RESIDE,
    instructions="SOTS, outdoor part: 500 hazy JPEG files and 492 clean images; a clean image may serve two hazy ones.",
)

SPECS: tuple[DatasetSpec, ...] = (
    DatasetSpec(
        name="bsd400",
        title="BSD400 (BSDS500 train and test)",
        split="train",
        count=400,
        layouts=(
            clean_layout("suite", "BSD400"),
            clean_layout("copies", "BSDS500/train", "BSDS500/test"),
            clean_layout("original", "BSR/BSDS500/data/images/train", "BSR/BSDS500/data/images/test"),
            clean_layout("original", "BSDS500/data/images/train", "BSDS500/data/images/test"),
            # AirNet, PromptIR, AdaIR and DFPIR put BSD400 and WED into one folder: only the names distinguish them.
            clean_layout("promptir", "Train/Denoise", files=r"[1-9]\d{3,5}\.(jpg|png)"),
            clean_layout("restormer", "Downloads/BSD400"),
        ),
        **_BSDS,
        instructions="BSDS500's train and test folders, 400 JPEG files. Its val folder holds CBSD68: leave it out.",
        archives=(_bsds_archive(r".*/images/(train|test)/\d+\.jpg", "BSD400"),),
        repeats=(9, 9),
        expected=(BSD400_NAMES,),
        releases=RELEASES["bsd400"],
    ),
    DatasetSpec(
        name="wed",
        title="Waterloo Exploration Database",
        split="train",
        count=4744,
        layouts=(
            clean_layout("suite", "WED"),
            clean_layout("original", "exploration_database_and_code/pristine_images"),
            clean_layout("promptir", "Train/Denoise", files=r"\d{5}\.(bmp|png)"),
            clean_layout("restormer", "Downloads/WaterlooED"),
        ),
        citation="Ma, Duanmu, Wu et al.: Waterloo Exploration Database: New Challenges for IQA Models. TIP 2017",
        homepage="https://ece.uwaterloo.ca/~k29ma/exploration/",
        instructions="exploration_database_and_code.rar: take pristine_images, 4,744 BMP files 00001.bmp to 04744.bmp.",
        repeats=(9, 9),
        expected=(_numbers("{:05d}", 4744),),
    ),
    DatasetSpec(
        name="reside-ots",
        title="RESIDE OTS (the shared training list)",
        split="train",
        count=72135,
        layouts=(
            pair_layout("suite", "RESIDE-OTS", "degraded/**", "clean"),
            pair_layout("promptir", "Train/Dehaze", "synthetic/**", "original"),
            pair_layout("original", "OTS_ALPHA", "OTS/**", "clear"),
            pair_layout("copies", "OTS", "hazy/**", "clear"),
            pair_layout("copies", "OTS", "haze/**", "clear"),
        ),
        **_RESIDE,
        instructions="OTS: hazy images part1 to part4 and 2,061 clean images, 35 hazy ones each. The list of 72,135 "
        "that AirNet and its successors train on is data_dir/hazy/hazy_outside.txt of their repositories: copy it "
        "into the root and only its images count.",
        lists=("hazy_outside.txt", "data_dir/hazy/hazy_outside.txt"),
        repeats=(1, 1),
    ),
    DatasetSpec(
        name="rain100l-train",
        title="Rain100L, train",
        split="train",
        count=200,
        layouts=(
            pair_layout("suite", "Rain100L-train", "degraded", "clean"),
            pair_layout("promptir", "Train/Derain", "rainy", "gt"),
            pair_layout("original", "rain_data_train_Light", "rain", "norain", (r"(no)?rain-\d+(x2)?\..*", r".*")),
            pair_layout("copies", "RainTrainL", ".", ".", _RAIN_FILES),
            pair_layout("copies", "Rain100L/train", "rain", "norain"),
        ),
        **_RAIN,
        instructions="rain_data_train_Light, 200 pairs.",
        repeats=(120, 80),
        expected=(tuple(map(str, range(1, 201))),),
    ),
    DatasetSpec(
        name="gopro-train",
        title="GoPro, train",
        split="train",
        count=2103,
        layouts=(
            pair_layout("suite", "GoPro-train", "degraded", "clean"),
            pair_layout("promptir", "Train/Deblur", "blur", "sharp"),
            pair_layout("original", "GOPRO_Large/train/*", "blur", "sharp"),
            pair_layout("copies", "GoPro/train/*", "blur", "sharp"),
            pair_layout("restormer", "train/GoPro", "input", "target"),
            pair_layout("restormer", "Downloads/GoPro", "input", "target"),
        ),
        **_GOPRO,
        instructions="GOPRO_Large.zip (several GB), folders train/*/blur and train/*/sharp; not blur_gamma.",
        repeats=(0, 30),
    ),
    DatasetSpec(
        name="lol-our485",
        title="LOL-v1, our485",
        split="train",
        count=485,
        layouts=(
            pair_layout("suite", "LOL-v1/our485", "degraded", "clean"),
            pair_layout("promptir", "Train/Enhance", "low", "gt"),
            pair_layout("dfpir", "Train/Enhance", "low", "high"),
            pair_layout("original", "LOLdataset/our485", "low", "high"),
            pair_layout("copies", "our485", "low", "high"),
            pair_layout("copies", "LOL-v1/our485", "low", "high"),
        ),
        **_LOL,
        instructions="LOLdataset.zip, folder our485: 485 pairs of 400x600.",
        repeats=(0, 60),
    ),
    DatasetSpec(
        name="bsds500-val",
        title="BSDS500 val (holds CBSD68: not for training)",
        split="none",
        count=100,
        layouts=(
            clean_layout("suite", "BSDS500/val"),
            clean_layout("original", "BSR/BSDS500/data/images/val"),
            clean_layout("original", "BSDS500/data/images/val"),
        ),
        **_BSDS,
        instructions="Nobody needs it: it is here so that `check` can say what training on all of BSDS500 would leak.",
        archives=(_bsds_archive(r".*/images/val/\d+\.jpg", "BSDS500/val"),),
    ),
    DatasetSpec(
        name="cbsd68",
        title="CBSD68",
        split="test",
        count=68,
        layouts=(
            clean_layout("suite", "CBSD68"),
            clean_layout("promptir", "test/denoise/bsd68"),
            clean_layout("dfpir", "test/denoise/cbsd68"),
            clean_layout("restormer", "test/CBSD68"),
            clean_layout("copies", "BSD68", "CBSD68/original_png"),
        ),
        **_BSDS,
        instructions="68 images of BSDS500's val folder; the PNG releases hold the pixels of those JPEG files.",
        archives=(_bsds_archive(rf".*/images/val/({'|'.join(CBSD68_NAMES)})\.jpg", "CBSD68"),),
        expected=(CBSD68_NAMES, _numbers("{:04d}", 67, first=0)),
        releases=RELEASES["cbsd68"],
    ),
    DatasetSpec(
        name="urban100",
        title="Urban100",
        split="test",
        count=100,
        layouts=(
            clean_layout("suite", "Urban100"),
            clean_layout("promptir", "test/denoise/urban100"),
            clean_layout("restormer", "test/Urban100"),
            clean_layout("original", "Urban100/image_SRF_4", files=r".*_HR\.png"),
            clean_layout("copies", "Urban100/HR", "Urban100/GTmod12"),
        ),
        citation="Huang, Singh, Ahuja: Single Image Super-resolution from Transformed Self-Exemplars. CVPR 2015",
        homepage="https://github.com/jbhuang0604/SelfExSR",
        instructions="The 100 full-resolution images img_001 to img_100.",
        expected=(_numbers("img_{:03d}", 100),),
    ),
    DatasetSpec(
        name="kodak24",
        title="Kodak24",
        split="test",
        count=24,
        layouts=(
            clean_layout("suite", "Kodak24"),
            clean_layout("promptir", "test/denoise/kodak24"),
            clean_layout("restormer", "test/Kodak"),
            clean_layout("copies", "Kodak"),
        ),
        citation="Franzen: Kodak Lossless True Color Image Suite",
        homepage="https://r0k.us/graphics/kodak/",
        instructions="kodim01.png to kodim24.png, 768x512 or 512x768; some papers use copies cut to 500x500.",
        expected=(_numbers("kodim{:02d}", 24), _numbers("{:02d}", 24)),
    ),
    DatasetSpec(
        name="mcmaster",
        title="McMaster (CDM)",
        split="test",
        count=18,
        layouts=(
            clean_layout("suite", "McMaster"),
            clean_layout("promptir", "test/denoise/mcmaster"),
            clean_layout("restormer", "test/McMaster"),
        ),
        citation="Zhang, Wu, Buades, Li: Color Demosaicking by Local Directional Interpolation. JEI 2011",
        homepage="https://www4.comp.polyu.edu.hk/~cslzhang/CDM_Dataset.htm",
        instructions="18 images of 500x500, TIFF at the source and PNG in later copies.",
        expected=(_numbers("{}", 18), _numbers("{:02d}", 18)),
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
    DatasetSpec(
        name="rain100l-test",
        title="Rain100L, test",
        split="test",
        count=100,
        layouts=(
            pair_layout("suite", "Rain100L", "degraded", "clean"),
            pair_layout("promptir", "test/derain/Rain100L", "input", "target"),
            pair_layout("airnet", "test/derain", "input", "target"),
            pair_layout("restormer", "test/Rain100L", "input", "target"),
            pair_layout("copies", "Rain100L", "input", "target"),
            pair_layout("original", "rain_data_test_Light", "rain/X2", "norain"),
            pair_layout("copies", "Rain100L", "rainy", ".", (".*", r"norain[-_]?\d+(x2)?\..*")),  # PReNet's release
            pair_layout("copies", "Rain100L", ".", ".", _RAIN_FILES),
        ),
        **_RAIN,
        instructions="rain_data_test_Light, 100 pairs. Releases differ by a pixel (321x481, 320x480); so do scores.",
        expected=(tuple(map(str, range(1, 101))),),
        releases=RELEASES["rain100l-test"],
    ),
    DatasetSpec(
        name="gopro-test",
        title="GoPro, test",
        split="test",
        count=1111,
        layouts=(
            pair_layout("suite", "GoPro", "degraded", "clean"),
            pair_layout("promptir", "test/deblur/gopro", "input", "target"),
            pair_layout("dfpir", "test/deblur", "blur", "sharp"),
            pair_layout("restormer", "test/GoPro", "input", "target"),
            pair_layout("original", "GOPRO_Large/test/*", "blur", "sharp"),
            pair_layout("copies", "GoPro/test/*", "blur", "sharp"),
            pair_layout("copies", "GoPro/test", "input", "target"),
        ),
        **_GOPRO,
        instructions="GOPRO_Large.zip (several GB), folders test/*/blur and test/*/sharp; not blur_gamma.",
    ),
    DatasetSpec(
        name="lol-eval15",
        title="LOL-v1, eval15",
        split="test",
        count=15,
        layouts=(
            pair_layout("suite", "LOL-v1/eval15", "degraded", "clean"),
            pair_layout("promptir", "test/enhance/lol", "input", "target"),
            pair_layout("dfpir", "test/enhance", "low", "high"),
            pair_layout("original", "LOLdataset/eval15", "low", "high"),
            pair_layout("copies", "eval15", "low", "high"),
            pair_layout("copies", "LOL-v1/eval15", "low", "high"),
        ),
        **_LOL,
        instructions="LOLdataset.zip, folder eval15: 15 pairs of 400x600.",
        expected=(LOL_EVAL15_NAMES,),
        releases=RELEASES["lol-eval15"],
    ),
)

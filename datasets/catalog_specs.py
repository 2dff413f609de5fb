"""The specs of the field's data sets: add one here and every command knows it.

Facts that could not be verified are left out or said to be unknown; no address or checksum is guessed.
"""

from __future__ import annotations

from datasets.catalog_known import BSD400_NAMES, CBSD68_NAMES, RELEASES
from datasets.catalog_paired import PAIRED
from datasets.dataset_spec import Archive, DatasetSpec, Layout, Pairing
from datasets.tasks import Task

_BSDS_URL = "https://www.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/BSR/BSR_bsds500.tgz"
_BSDS_PAGE = "https://www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html"
_BSDS_MD5 = "md5:0b17383ff0b21fe43d2f28e624203169"
_BSDS_MD5_SOURCE = "a public data loader that checks it, in two of its versions (Berkeley's page names none)"
_BSDS_LICENCE = "free for non-commercial research and education (the data set's page)"
_BSDS_PAPER = "Arbelaez, Maire, Fowlkes, Malik: Contour Detection and Hierarchical Image Segmentation. TPAMI 2011"


def _clean(family: str, *folders: str, files: str = ".*") -> Layout:
    return Layout(family=family, clean=folders, clean_files=files)  # type: ignore[arg-type]


def _numbers(pattern: str, last: int, first: int = 1) -> tuple[str, ...]:
    return tuple(pattern.format(number) for number in range(first, last + 1))


def _bsds_archive(members: str, target: str) -> Archive:
    return Archive(url=_BSDS_URL, checksum=_BSDS_MD5, checksum_source=_BSDS_MD5_SOURCE, members=members, target=target)


_CLEAN_TRAIN = (
    DatasetSpec(
        name="bsd400",
        title="BSD400 (BSDS500 train and test)",
        task=Task.NOISE,
        split="train",
        count=400,
        pairing=Pairing.NONE,
        layouts=(
            _clean("suite", "BSD400"),
            _clean("copies", "BSDS500/train", "BSDS500/test"),
            _clean("original", "BSR/BSDS500/data/images/train", "BSR/BSDS500/data/images/test"),
            _clean("original", "BSDS500/data/images/train", "BSDS500/data/images/test"),
            # AirNet, PromptIR, AdaIR and DFPIR throw BSD400 and WED into one folder: only the names tell them apart.
            _clean("promptir", "Train/Denoise", files=r"[1-9]\d{3,5}\.(jpg|png)"),
            _clean("restormer", "Downloads/BSD400"),
        ),
        licence=_BSDS_LICENCE,
        citation=_BSDS_PAPER,
        homepage=_BSDS_PAGE,
        instructions="BSDS500's train and test folders, 400 JPEG files. Its val folder holds CBSD68: leave it out.",
        archives=(_bsds_archive(r".*/images/(train|test)/\d+\.jpg", "BSD400"),),
        repeats=(9, 9),
        expected=(BSD400_NAMES,),
        releases=RELEASES["bsd400"],
    ),
    DatasetSpec(
        name="wed",
        title="Waterloo Exploration Database",
        task=Task.NOISE,
        split="train",
        count=4744,
        pairing=Pairing.NONE,
        layouts=(
            _clean("suite", "WED"),
            _clean("original", "exploration_database_and_code/pristine_images"),
            _clean("promptir", "Train/Denoise", files=r"\d{5}\.(bmp|png)"),
            _clean("restormer", "Downloads/WaterlooED"),
        ),
        licence="not stated on the pages read; see the homepage",
        citation="Ma, Duanmu, Wu et al.: Waterloo Exploration Database: New Challenges for IQA Models. TIP 2017",
        homepage="https://ece.uwaterloo.ca/~k29ma/exploration/",
        instructions="exploration_database_and_code.rar: take pristine_images, 4,744 BMP files 00001.bmp to 04744.bmp.",
        repeats=(9, 9),
        expected=(_numbers("{:05d}", 4744),),
    ),
)

_CLEAN_TEST = (
    DatasetSpec(
        name="cbsd68",
        title="CBSD68",
        task=Task.NOISE,
        split="test",
        count=68,
        pairing=Pairing.NONE,
        layouts=(
            _clean("suite", "CBSD68"),
            _clean("promptir", "test/denoise/bsd68"),
            _clean("dfpir", "test/denoise/cbsd68"),
            _clean("restormer", "test/CBSD68"),
            _clean("copies", "BSD68", "CBSD68/original_png"),
        ),
        licence=_BSDS_LICENCE,
        citation=_BSDS_PAPER,
        homepage=_BSDS_PAGE,
        instructions="68 images of BSDS500's val folder; the PNG releases hold the pixels of those JPEG files.",
        archives=(_bsds_archive(rf".*/images/val/({'|'.join(CBSD68_NAMES)})\.jpg", "CBSD68"),),
        expected=(CBSD68_NAMES, _numbers("{:04d}", 67, first=0)),
        releases=RELEASES["cbsd68"],
    ),
    DatasetSpec(
        name="urban100",
        title="Urban100",
        task=Task.NOISE,
        split="test",
        count=100,
        pairing=Pairing.NONE,
        layouts=(
            _clean("suite", "Urban100"),
            _clean("promptir", "test/denoise/urban100"),
            _clean("restormer", "test/Urban100"),
            _clean("original", "Urban100/image_SRF_4", files=r".*_HR\.png"),
            _clean("copies", "Urban100/HR", "Urban100/GTmod12"),
        ),
        licence="not stated on the pages read; see the homepage",
        citation="Huang, Singh, Ahuja: Single Image Super-resolution from Transformed Self-Exemplars. CVPR 2015",
        homepage="https://github.com/jbhuang0604/SelfExSR",
        instructions="The 100 full-resolution images img_001 to img_100.",
        expected=(_numbers("img_{:03d}", 100),),
    ),
    DatasetSpec(
        name="kodak24",
        title="Kodak24",
        task=Task.NOISE,
        split="test",
        count=24,
        pairing=Pairing.NONE,
        layouts=(
            _clean("suite", "Kodak24"),
            _clean("promptir", "test/denoise/kodak24"),
            _clean("restormer", "test/Kodak"),
            _clean("copies", "Kodak"),
        ),
        licence="not stated on the pages read; see the homepage",
        citation="Franzen: Kodak Lossless True Color Image Suite",
        homepage="https://r0k.us/graphics/kodak/",
        instructions="kodim01.png to kodim24.png, 768x512 or 512x768; some papers use copies cut to 500x500.",
        expected=(_numbers("kodim{:02d}", 24), _numbers("{:02d}", 24)),
    ),
    DatasetSpec(
        name="mcmaster",
        title="McMaster (CDM)",
        task=Task.NOISE,
        split="test",
        count=18,
        pairing=Pairing.NONE,
        layouts=(
            _clean("suite", "McMaster"),
            _clean("promptir", "test/denoise/mcmaster"),
            _clean("restormer", "test/McMaster"),
        ),
        licence="not stated on the pages read; see the homepage",
        citation="Zhang, Wu, Buades, Li: Color Demosaicking by Local Directional Interpolation. JEI 2011",
        homepage="https://www4.comp.polyu.edu.hk/~cslzhang/CDM_Dataset.htm",
        instructions="18 images of 500x500, TIFF at the source and PNG in later copies.",
        expected=(_numbers("{}", 18), _numbers("{:02d}", 18)),
    ),
)

_BSDS_VAL = DatasetSpec(
    name="bsds500-val",
    title="BSDS500 val (holds CBSD68: not for training)",
    task=Task.NOISE,
    split="none",
    count=100,
    pairing=Pairing.NONE,
    layouts=(
        _clean("suite", "BSDS500/val"),
        _clean("original", "BSR/BSDS500/data/images/val"),
        _clean("original", "BSDS500/data/images/val"),
    ),
    licence=_BSDS_LICENCE,
    citation=_BSDS_PAPER,
    homepage=_BSDS_PAGE,
    instructions="Nobody needs it: it is here so that `check` can say what training on all of BSDS500 would leak.",
    archives=(_bsds_archive(r".*/images/val/\d+\.jpg", "BSDS500/val"),),
)

SPECS: tuple[DatasetSpec, ...] = (
    *_CLEAN_TRAIN,
    *(spec for spec in PAIRED if spec.split == "train"),
    _BSDS_VAL,
    *_CLEAN_TEST,
    *(spec for spec in PAIRED if spec.split == "test"),
)

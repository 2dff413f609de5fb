"""The tables that papers print: their columns, what each column's images are, and which variant is which method."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from reports.messages import message

AVERAGE_COLUMN = "Average"


@dataclass(frozen=True, kw_only=True)
class PaperColumn:
    """One column of a paper's table and the images behind it.

    Attributes:
        name: as in the CSV files ("CBSD68-s25").
        head: column head.
        dataset: the test set's name in this suite's rows.
        condition: the degradation's name in this suite's rows.
        n_images: images of the complete set; a mean over fewer is not comparable.
    """

    name: str
    head: str
    dataset: str
    condition: str
    n_images: int


def _noise(dataset: str, head: str, n_images: int, *sigmas: int) -> tuple[PaperColumn, ...]:
    return tuple(
        PaperColumn(
            name=f"{head}-s{sigma}",
            head=f"{head} \N{GREEK SMALL LETTER SIGMA}={sigma}",
            dataset=dataset,
            condition=f"noise-{sigma}",
            n_images=n_images,
        )
        for sigma in sigmas
    )


_HAZE = PaperColumn(
    name="SOTS-outdoor", head="SOTS-outdoor", dataset="sots-outdoor", condition="haze", n_images=500
)  # 500 hazy images; papers that use the 492 distinct scenes have another test set
_RAIN = PaperColumn(name="Rain100L", head="Rain100L", dataset="rain100l-test", condition="rain", n_images=100)
_BLUR = PaperColumn(name="GoPro", head="GoPro", dataset="gopro-test", condition="blur", n_images=1111)
_LOWLIGHT = PaperColumn(name="LOL-v1", head="LOL-v1", dataset="lol-eval15", condition="lowlight", n_images=15)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One of the paper's tables.

    Attributes:
        name: "3-task", "5-task" or "single-task".
        title: for headings.
        file: its CSV file in reports/paper/.
        columns: in the paper's order, without the average.
        has_average: whether the paper prints one: the plain mean over `columns`.
        paper_source: the source that is the paper's own table; its rows come first.
        protocol: the evaluation protocol of the family that prints such tables (docs/protocols.md).
    """

    name: str
    title: str
    file: str
    columns: tuple[PaperColumn, ...]
    has_average: bool
    paper_source: str
    protocol: str

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names allowed in the `dataset` column of the CSV file, in the order of the table."""
        return tuple(c.name for c in self.columns) + ((AVERAGE_COLUMN,) if self.has_average else ())


SETTINGS: dict[str, Setting] = {
    s.name: s
    for s in (
        Setting(
            name="3-task",
            title=message("Three tasks in one model"),
            file="three_task.csv",
            columns=(_HAZE, _RAIN, *_noise("cbsd68", "CBSD68", 68, 15, 25, 50)),
            has_average=True,
            paper_source="DFPIR paper, Table 1",
            protocol="allinone",
        ),
        Setting(
            name="5-task",
            title=message("Five tasks in one model"),
            file="five_task.csv",
            columns=(_HAZE, _RAIN, *_noise("cbsd68", "CBSD68", 68, 25), _BLUR, _LOWLIGHT),
            has_average=True,
            paper_source="DFPIR paper, Table 2",
            protocol="allinone-5task",
        ),
        Setting(
            name="single-task",
            title=message("One model for each task"),
            file="single_task.csv",
            columns=(
                _HAZE,
                _RAIN,
                *_noise("cbsd68", "CBSD68", 68, 15, 25, 50),
                *_noise("urban100", "Urban100", 100, 15, 25, 50),
            ),
            has_average=False,
            paper_source="DFPIR paper, single-task tables",
            protocol="allinone",
        ),
    )
}

# Names in papers' tables -> names of this suite's variants. A method that is missing here has no measured rows.
VARIANT_OF_METHOD: dict[str, str] = {
    "DFPIR": "dfpir",
    "Restormer": "restormer",
    "PromptIR": "promptir",
    "AirNet": "airnet",
    "InstructIR": "instructir",
    "DL": "dl",
    "FDGAN": "fdgan",
    "MPRNet": "mprnet",
    "DGUNet": "dgunet",
    "SwinIR": "swinir",
    "NAFNet": "nafnet",
    "TransWeather": "transweather",
    "IDR": "idr",
    "AdaIR": "adair",
    "MoCE-IR": "moceir",
    "VLU-Net": "vlunet",
}

# Methods of the paper's own tables that the suite can't train, and why.
NOT_TRAINED: dict[str, str] = {"TAPE": message("no code by its authors was found")}

# InstructIR's paper names its models by the number of tasks; other papers print the same rows under the bare name.
_CANONICAL_NAMES = {("3-task", "InstructIR-3D"): "InstructIR", ("5-task", "InstructIR-5D"): "InstructIR"}

# Methods whose authors evaluate with their own protocol; other papers copy those numbers.
_OWN_PROTOCOL = {"MoCE-IR": "moceir", "MoCE-IR-S": "moceir", "InstructIR": "instructir"}


def canonical_name(setting: str, method: str) -> str:
    """The one name of a method that sources spell differently."""
    return _CANONICAL_NAMES.get((setting, method), method)


def method_of(names: Iterable[str]) -> str | None:
    """The method that a variant is, by any of its names; None for a variant that no paper's table has."""
    by_variant = {variant: method for method, variant in VARIANT_OF_METHOD.items()}
    return next((by_variant[n] for n in names if n in by_variant), None)


def protocol_for(setting: str, method: str) -> str:
    """Name of the protocol under which a method's printed numbers can be compared with measured ones.

    Args:
        setting: a key of `SETTINGS`.
        method: as papers print it.

    Raises:
        ValueError: unknown setting.
    """
    return _OWN_PROTOCOL.get(canonical_name(setting, method), find_setting(setting).protocol)


def find_setting(name: str) -> Setting:
    """The setting of this name.

    Raises:
        ValueError: there is none; names the nearest.
    """
    if name not in SETTINGS:
        raise ValueError(f"Unknown setting {name!r} of reported numbers.{suggestion(name, SETTINGS)}")
    return SETTINGS[name]


def suggestion(name: str, names: Iterable[str]) -> str:
    """The end of an error message about an unknown name: the nearest known one, or all of them."""
    by_lower = {k.lower(): k for k in names}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else f" Known: {', '.join(by_lower.values())}."

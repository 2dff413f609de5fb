"""A data set's entry in the catalogue: what it is, its layouts on disk, and how its images pair up."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from datasets.tasks import Task

Family = Literal["suite", "original", "promptir", "airnet", "dfpir", "restormer", "copies"]


class Pairing(str, Enum):
    """How a degraded file's name leads to its clean partner's. Equal stems always pair."""

    NONE = "clean images only"
    SAME = "equal names, extensions may differ"
    NUMBER = "equal numbers: rain-7, norain-7, norain-007x2 and 7 are one image"
    HAZE = "the part before the first underscore: 0007_0.8_0.1 belongs to 0007"

    def key(self, stem: str) -> str:
        """What two partners' names have in common."""
        if self is Pairing.NUMBER:
            match = re.fullmatch(r"(?:no)?(?:rain)?[-_]?0*(\d+)(?:x2)?", stem, flags=re.IGNORECASE)
            return match.group(1) if match else stem.casefold()
        if self is Pairing.HAZE:
            return stem.partition("_")[0].casefold()
        return re.sub(r"_SRF_\d+_HR$", "", stem).casefold()  # Urban100's files from super-resolution releases


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One way in which a set lies on disk, as folders below the root the user names.

    A `*` stands for one folder of any name (it becomes part of the image's name: GoPro's sequences), a final `/**` for
    all folders below. Several folders are read as one. Case of folder names does not matter.
    """

    # whose layout it is; `suite` is `degraded/` and `clean/`, `copies` collects spellings met in the wild
    family: Family
    clean: tuple[str, ...]  # folders of the clean images
    degraded: tuple[str, ...] = ()  # folders of the degraded images, empty where there are none
    clean_files: str = ".*"  # a pattern the full file name must match, for folders that hold more than this set
    degraded_files: str = ".*"  # the same for degraded images


def clean_layout(family: Family, *folders: str, files: str = ".*") -> Layout:
    """Clean images in these folders, whose names match the pattern."""
    return Layout(family=family, clean=folders, clean_files=files)


def pair_layout(
    family: Family, folder: str, degraded: str, clean: str, files: tuple[str, str] = (".*", ".*")
) -> Layout:
    """Degraded and clean folders below one folder; `.` is the folder itself."""
    paths = [folder if part == "." else f"{folder}/{part}" for part in (degraded, clean)]
    return Layout(family=family, degraded=(paths[0],), clean=(paths[1],), degraded_files=files[0], clean_files=files[1])


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A file at a stable public address whose checksum is known."""

    url: str  # the address
    checksum: str  # as pooch writes it, `md5:...` or `sha256:...`
    checksum_source: str  # who says so
    members: str  # pattern of the archive's members to unpack
    target: str  # folder below the root where they go, without the archive's own folders


@dataclass(frozen=True, kw_only=True)
class Release:
    """The known content of a complete set, recognised whatever its files are called."""

    digest: str  # `content_digest` of all pixels (`datasets.catalog.finder`)
    says: str  # which release it is


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """Everything the suite knows about a data set."""

    name: str  # what users type
    title: str  # what papers call it
    # `train`, `test`, or `none` for images of no recipe that are compared because people train on them
    split: Literal["train", "test", "none"]
    count: int  # number of inputs: clean images of an unpaired set, degraded images of a paired one
    layouts: tuple[Layout, ...]  # accepted layouts, in the order in which they are tried
    citation: str  # the paper to cite
    homepage: str  # where to read about it and get it
    instructions: str  # what to download and what to mind, for people
    task: Task = Task.NOISE  # the degradation it serves
    pairing: Pairing = Pairing.NONE  # how partners are found
    licence: str = "not stated on the pages read; see the homepage"  # what its page says
    # what `fetch` can get by itself; empty where no stable address with a known checksum exists
    archives: tuple[Archive, ...] = ()
    # how often the released code repeats its list in one epoch, with three and with five tasks; 0 is never
    repeats: tuple[int, int] = (0, 0)
    # alternative lists of names (as `Pairing.key` gives them) of the complete set; empty where unknown
    expected: tuple[tuple[str, ...], ...] = ()
    releases: tuple[Release, ...] = ()  # contents known by digest
    # files below the root that name the images which count, one path a line, as the released code ships them
    lists: tuple[str, ...] = ()
    # the set whose files these are, for another count of the same; looked for by name only
    variant_of: str | None = None

    @property
    def paired(self) -> bool:
        """Whether degraded images come with the set."""
        return self.pairing is not Pairing.NONE

    @property
    def home(self) -> Layout:
        """The suite's own layout, where `fetch` puts files and tells people to."""
        return self.layouts[0]

    def to_json(self) -> dict[str, Any]:
        """The facts of `python -m datasets list --json`."""
        return {
            "name": self.name,
            "title": self.title,
            "task": self.task.name,
            "split": self.split,
            "count": self.count,
            "pairing": self.pairing.value,
            "licence": self.licence,
            "citation": self.citation,
            "homepage": self.homepage,
            "fetchable": bool(self.archives),
            "repeats": {"3 tasks": self.repeats[0], "5 tasks": self.repeats[1]},
            "layouts": [
                {"family": layout.family, "clean": list(layout.clean), "degraded": list(layout.degraded)}
                for layout in self.layouts
            ],
        }

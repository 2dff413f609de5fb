"""What the catalogue says of a data set: what it is, how it is laid out on disk, and how its images pair up."""

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

    Attributes:
        family: whose layout it is; `suite` is `degraded/` and `clean/`, `copies` collects spellings met in the wild.
        clean: folders of the clean images.
        degraded: folders of the degraded images, empty where there are none.
        clean_files: a pattern the whole file name must match, for folders that hold more than this set.
        degraded_files: the same for degraded images.
    """

    family: Family
    clean: tuple[str, ...]
    degraded: tuple[str, ...] = ()
    clean_files: str = ".*"
    degraded_files: str = ".*"


@dataclass(frozen=True, kw_only=True)
class Archive:
    """A file at a stable public address whose checksum is known.

    Attributes:
        url: the address.
        checksum: as pooch writes it, `md5:...` or `sha256:...`.
        checksum_source: who says so.
        members: pattern of the archive's members to unpack.
        target: folder below the root where they go, without the archive's own folders.
    """

    url: str
    checksum: str
    checksum_source: str
    members: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Release:
    """A known content of a whole set, recognised whatever its files are called.

    Attributes:
        digest: `content_digest` of all pixels (`datasets.finder`).
        says: which release it is.
    """

    digest: str
    says: str


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """Everything the suite knows about a data set.

    Attributes:
        name: what users type.
        title: what papers call it.
        task: the degradation it serves.
        split: `train`, `test`, or `none` for images of no recipe that are compared because people train on them.
        count: number of inputs: clean images of an unpaired set, degraded images of a paired one.
        pairing: how partners are found.
        layouts: accepted layouts, in the order in which they are tried.
        licence: what its page says; says so where nothing is known.
        citation: the paper to cite.
        homepage: where to read about it and get it.
        instructions: what to download and what to mind, for people.
        archives: what `fetch` can get by itself; empty where no stable address with a known checksum exists.
        repeats: how often the released code repeats its list in one epoch, with three and with five tasks; 0 is never.
        expected: alternative lists of names (as `Pairing.key` gives them) of the whole set; empty where not known.
        releases: contents known by digest.
        lists: files below the root that name the images which count, one path a line, as the released code ships them.
        variant_of: the set whose files these are, for another count of the same; looked for by name only.
    """

    name: str
    title: str
    task: Task
    split: Literal["train", "test", "none"]
    count: int
    pairing: Pairing
    layouts: tuple[Layout, ...]
    licence: str
    citation: str
    homepage: str
    instructions: str
    archives: tuple[Archive, ...] = ()
    repeats: tuple[int, int] = (0, 0)
    expected: tuple[tuple[str, ...], ...] = ()
    releases: tuple[Release, ...] = ()
    lists: tuple[str, ...] = ()
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

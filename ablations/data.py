"""Load the images that `--data` names, and those of a run's spec again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ablations.spec import DataRef, RunSpec
from datasets.bundle import DataBundle
from datasets.protocols import get_protocol
from datasets.sources.bsds import load_bsds
from datasets.sources.embedded import load_embedded
from datasets.sources.folder import load_folder
from datasets.sources.folder_split import Percentages
from datasets.sources.paper import RootBundle, load_root
from datasets.tasks import Task, known_tasks

_DECODING_BYTES = 16  # per pixel: its copy in Pillow, and three of its depth


@dataclass(frozen=True, kw_only=True)
class FolderOptions:
    """How a folder of the user is read."""

    tasks: Sequence[str] = ()  # that the pairs show, as named by --tasks
    split: Percentages | None = None  # percentages to train on, validate and test
    skip_bad: bool = False  # skip files that can't be used
    keep_bytes: int | None = None  # of decoded images that stay in memory; all by default


def open_data(
    choice: str,
    *,
    root: Path | None = None,
    protocol: str = "suite",
    exclude_leaks: bool = False,
    folder: FolderOptions | None = None,
) -> tuple[DataRef, DataBundle]:
    """The data that `--data` names: `embedded`, a folder of images, or `bsds` or `paper`: sets under a root.

    Args:
        choice: as on the command line.
        root: folder of the data sets, for `bsds` and `paper`.
        protocol: name of the evaluation protocol; synthetic degradations are made by `suite` only.
        exclude_leaks: train without images that are also in test sets, for `paper`.
        folder: how a folder is read.

    Raises:
        ValueError: unknown data, or a folder or protocol that can't be used.
    """
    folder = folder or FolderOptions()
    is_builtin = choice in ("paper", "bsds", "embedded")
    for flag, value in (("--split", folder.split), ("--skip-bad", folder.skip_bad)):
        if is_builtin and value:
            raise ValueError(f"{flag} goes with --data FOLDER; the images of --data {choice} are fixed.")
    if choice in ("paper", "bsds"):
        if root is None:
            contents = "the data sets lie" if choice == "paper" else "BSDS500 and CBSD68 lie"
            raise ValueError(f"--data {choice} needs --root FOLDER: where {contents} (python -m datasets list).")
        if choice == "paper":
            bundle = load_root(root, protocol=protocol, exclude_leaks=exclude_leaks)
            return _with_reference("paper", root, bundle, exclude_leaks)
    elif root is not None:
        raise ValueError("--root goes with --data bsds or paper.")
    if exclude_leaks:
        raise ValueError("--exclude-leaks goes with --data paper; --data bsds never trains on test images.")
    if get_protocol(protocol).name != "suite":
        raise ValueError(f"--protocol {protocol} goes with --data paper; synthetic degradations follow 'suite'.")
    if choice == "bsds" and root is not None:
        return _with_reference("bsds", root, load_bsds(root))
    if choice == "embedded":
        return _with_reference("embedded", None, load_embedded())
    if not Path(choice).is_dir():
        raise ValueError(f"--data {choice!r}: 'embedded', 'bsds', 'paper' or the path of a folder of images is needed.")
    images = load_folder(
        choice,
        tasks=_tasks_named(folder.tasks),
        split=folder.split,
        skip_bad=folder.skip_bad,
        keep_bytes=folder.keep_bytes,
    )
    data_ref, _ = _with_reference("folder", Path(choice), images)
    pair_tasks = tuple(folder.tasks) if images.train[0].degraded is not None else ()
    return replace(data_ref, split=folder.split, skip_bad=folder.skip_bad, tasks=pair_tasks), images


def load_data(spec: RunSpec) -> DataBundle:
    """The images of a run's spec.

    Raises:
        ValueError: the images changed since the run was planned.
    """
    ref = spec.data
    if ref.kind == "embedded":
        bundle: DataBundle = load_embedded()
    elif ref.kind == "folder":
        bundle = load_folder(str(ref.path), tasks=_tasks_named(ref.tasks), split=ref.split, skip_bad=ref.skip_bad)
    elif ref.kind == "bsds":
        bundle = load_bsds(Path(str(ref.path)))
    else:
        name = get_protocol(spec.protocol).name
        bundle = load_root(Path(str(ref.path)), protocol=name, exclude_leaks=ref.exclude_leaks)
    if bundle.checksum != ref.checksum:
        raise ValueError(
            f"The images of {ref.name} changed since this run was planned ({ref.checksum[:12]} then, "
            f"{bundle.checksum[:12]} now): start the study again."
        )
    return bundle


def under_protocol(bundle: DataBundle, label: str) -> DataBundle:
    """The same images, degraded and cropped as another protocol does."""
    if not isinstance(bundle, RootBundle) or bundle.protocol == get_protocol(label).name:
        return bundle
    return replace(bundle, protocol=get_protocol(label).name)


def test_set_of(bundle: DataBundle, image: str, default: str) -> str:
    """The data set that a test image belongs to."""
    return bundle.dataset_of(image) or default


def image_bytes(bundle: DataBundle) -> int:
    """Memory of a run's images: all of them decoded, and the extra memory of decoding the largest."""
    if isinstance(bundle, RootBundle):
        return 0  # packed images are mapped: the system takes their pages back when it needs them
    samples = (*bundle.train, *bundle.val, *bundle.test)
    largest = max(sample.clean.shape[0] * sample.clean.shape[1] for sample in samples)
    return int(sum(sample.nbytes for sample in samples) + _DECODING_BYTES * largest)


def _tasks_named(names: Sequence[str]) -> list[Task]:
    """The tasks with these names; unknown ones are refused when the study is planned."""
    return [task for task in known_tasks() if task.name in names]


def _with_reference(
    kind: str, path: Path | None, bundle: DataBundle, exclude_leaks: bool = False
) -> tuple[DataRef, DataBundle]:
    name = kind if kind == "paper" else re.sub(r"[^A-Za-z0-9_.]+", "_", bundle.name).strip("._") or "data"
    ref = DataRef(
        name=name,
        kind=kind,
        path=None if path is None else str(path.resolve()),
        checksum=bundle.checksum,
        description=bundle.description,
        exclude_leaks=exclude_leaks,
        sets=tuple(dict.fromkeys(test_set_of(bundle, sample.name, name) for sample in bundle.test)),
    )
    return ref, bundle

"""From the command line's `--data` to images, and from a run's DataRef to the same images again."""

from __future__ import annotations

import re
from pathlib import Path

from ablations.spec import DataRef
from datasets.corpus import DataBundle
from datasets.embedded import load_embedded
from datasets.folder import load_folder


def open_data(choice: str) -> tuple[DataRef, DataBundle]:
    """The data that `--data` names: `embedded`, or a folder of images.

    Raises:
        ValueError: neither, or a folder that can't be used.
    """
    if choice == "embedded":
        return _described("embedded", None, load_embedded())
    if not Path(choice).is_dir():
        raise ValueError(f"--data {choice!r}: 'embedded' or the path of a folder of images is needed.")
    path = str(Path(choice).resolve())
    return _described("folder", path, load_folder(path))


def load_data(ref: DataRef) -> DataBundle:
    """The images of a run's spec.

    Raises:
        ValueError: they changed since the run was planned.
    """
    bundle = load_embedded() if ref.kind == "embedded" else load_folder(str(ref.path))
    if bundle.checksum != ref.checksum:
        raise ValueError(
            f"The images of {ref.name} changed since this run was planned ({ref.checksum[:12]} then, "
            f"{bundle.checksum[:12]} now): start the study again."
        )
    return bundle


def _described(kind: str, path: str | None, bundle: DataBundle) -> tuple[DataRef, DataBundle]:
    name = re.sub(r"[^A-Za-z0-9_.]+", "_", bundle.name).strip("._") or "data"
    ref = DataRef(name=name, kind=kind, path=path, checksum=bundle.checksum, description=bundle.description)
    return ref, bundle

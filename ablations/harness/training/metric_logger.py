"""What a run logs besides train.jsonl: TensorBoard's event files, beside the run folders in `tensorboard/<run_id>`.

Files of events are no part of a run: they change none of its numbers, and DONE does not list them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from dfpir.registry import UnknownNameError, suggestion

LOGS = ("jsonl", "tensorboard")

TENSORBOARD_FOLDER = "tensorboard"

RowLogger = Callable[[Mapping[str, Any]], None]
"""Takes a row of train.jsonl as it is made."""

_SCALAR_KEYS = ("loss", "lr", "images_per_s", "val_psnr_db")


def check_logger(name: str) -> None:
    """Refuse a log that can't be written.

    Raises:
        ValueError: an unknown one, or its library is missing.
    """
    if name not in LOGS:
        raise UnknownNameError(f"Unknown log {name!r}.{suggestion(name, LOGS)}")
    if name == "tensorboard":
        _writer_class()


@contextmanager
def open_row_logger(name: str, folder: Path) -> Iterator[RowLogger]:
    """Where the rows of the run in `folder` go besides train.jsonl: nowhere, or to TensorBoard.

    A run that goes on replaces what an interrupted attempt logged of the same steps and later ones.
    """
    if name != "tensorboard":
        yield lambda row: None
        return
    writer: Any = None

    def log(row: Mapping[str, Any]) -> None:
        nonlocal writer
        if writer is None:
            target = folder.parent / TENSORBOARD_FOLDER / folder.name
            writer = _writer_class()(str(target), purge_step=row["step"])
        for key in _SCALAR_KEYS:
            if key in row:
                writer.add_scalar(key, row[key], row["step"])
        writer.flush()

    try:
        yield log
    finally:
        if writer is not None:
            writer.close()


def _writer_class() -> Any:
    try:
        return import_module("torch.utils.tensorboard").SummaryWriter
    except ImportError as error:
        raise ValueError(
            "--log tensorboard needs tensorboard, which is not installed: pip install 'dfpir-suite[tensorboard]'."
        ) from error

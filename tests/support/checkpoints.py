"""The newest checkpoint of a folder, as resuming reads it."""

from pathlib import Path

from ablations.harness.training.checkpoint import Checkpoint, best_weights_bytes, latest_checkpoint_bytes, parse


def load_latest(folder: Path) -> Checkpoint | None:
    """The newest whole checkpoint, or None; a damaged one is named in the log and passed over."""
    content = latest_checkpoint_bytes(folder)
    return None if content is None else parse(content, best_weights_bytes(folder, content))

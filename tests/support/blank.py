"""Figures of one pixel."""

import pytest
from matplotlib.figure import Figure
from PIL import Image


def blank_figures(patch: pytest.MonkeyPatch) -> None:
    """Have figures saved as one pixel: laying them out and saving them takes most of a report's time."""
    patch.setattr(Figure, "get_layout_engine", lambda figure: None)
    patch.setattr(Figure, "savefig", lambda figure, file, **_: Image.new("RGB", (1, 1)).save(file, "png"))

"""The words by which pairs of degraded and clean images are told, in names of folders and of files."""

from __future__ import annotations

from typing import Literal

from datasets.tasks import Task

Part = Literal["", "train", "val", "test"]

DEGRADED: dict[str, Task | None] = {
    **dict.fromkeys(("degraded", "input", "inputs", "lq", "source"), None),
    **dict.fromkeys(("noisy", "noise"), Task.NOISE),
    **dict.fromkeys(("rain", "rainy"), Task.RAIN),
    **dict.fromkeys(("haze", "hazy", "fog", "foggy"), Task.HAZE),
    **dict.fromkeys(("blur", "blurry", "blurred"), Task.BLUR),
    **dict.fromkeys(("low", "lowlight", "dark"), Task.LOWLIGHT),
}
CLEAN = ("clean", "target", "targets", "gt", "groundtruth", "hq", "reference", "ref", "clear")
CLEAN_FOR: dict[Task | None, tuple[str, ...]] = {
    Task.RAIN: ("norain", *CLEAN),
    Task.BLUR: ("sharp", *CLEAN),
    Task.LOWLIGHT: ("high", "normal", *CLEAN),
}
TASK_FOLDERS: dict[str, Task] = {
    **{name: task for name, task in DEGRADED.items() if task is not None},
    **{"denoise": Task.NOISE, "denoising": Task.NOISE, "derain": Task.RAIN, "deraining": Task.RAIN},
    **{"dehaze": Task.HAZE, "dehazing": Task.HAZE, "deblur": Task.BLUR, "deblurring": Task.BLUR},
    **{"enhance": Task.LOWLIGHT, "enhancement": Task.LOWLIGHT},
}
PARTS: dict[str, Part] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}  # fmt: skip
ROLE_WORDS = sorted({*DEGRADED, *CLEAN, "norain", "sharp", "high", "normal"}, key=len, reverse=True)

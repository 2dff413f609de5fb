"""The images of a set one after the other, degraded or read, and what becomes of those that can't be used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from datasets.bundle import Pixels
from datasets.noise import noisy_pixels
from datasets.protocol_items import cropped
from datasets.protocols import Protocol as Rules
from datasets.readers import ImageRefused
from datasets.tasks import Condition

Refuse = Callable[[str, str, str], None]
"""Called with an image that can't be evaluated: its file, the condition, and why."""


def end(source: str, condition: str, reason: str) -> None:
    """Refuse an image by ending the evaluation.

    Raises:
        ValueError: always.
    """
    del condition
    raise ValueError(f"{source}: {reason}")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One image of a set on disk, decoded when called for."""

    name: str
    clean: Callable[[], Pixels]
    degraded: Callable[[], Pixels] | None
    source: str = ""


_Item = tuple[Entry, Condition, Any, Pixels]


def noisy(
    rules: Rules, entries: Sequence[Entry], wanted: Sequence[Condition], limit: int | None, refuse: Refuse
) -> Iterator[_Item]:
    """Each image at each level; a stream of noise runs through the images that are not wanted, too."""
    by_sigma = {condition.sigma_255: condition for condition in wanted}
    sigmas = [sigma for sigma in by_sigma if sigma is not None]
    if not rules.noise.depends_on_order:
        for sigma in sigmas:
            for entry in entries[:limit]:
                try:
                    (each,) = noisy_pixels(rules, _CleanImages(rules, [entry]), [sigma])
                except _Unusable as error:
                    refuse(entry.source or entry.name, by_sigma[sigma].name, error.reason)
                    continue
                yield entry, by_sigma[sigma], each.degraded, each.clean
        return
    most = len(entries) if limit is None else min(limit, len(entries))
    left = most * len(sigmas)
    try:
        for each in noisy_pixels(rules, _CleanImages(rules, entries), sigmas):
            if each.index >= most:
                continue
            yield entries[each.index], by_sigma[each.sigma_255], each.degraded, each.clean
            left -= 1
            if not left:
                return
    except _Unusable as error:
        raise ValueError(
            f"{error} One stream of noise runs through all of the set's images, so none can be passed over: mend the "
            "file or take it away, or choose --protocol suite."
        ) from error


def paired(
    rules: Rules, entries: Sequence[Entry], wanted: Sequence[Condition], limit: int | None, refuse: Refuse
) -> Iterator[_Item]:
    """Each pair under its condition.

    Raises:
        ValueError: several levels are asked of files that have one.
    """
    if len(wanted) > 1:
        raise ValueError(f"Noisy files are of one level: name it, as in --tasks {wanted[0].name}.")
    for condition in wanted:
        for entry in entries[:limit]:
            try:
                degraded, clean = _pair(rules, entry)
            except (ValueError, OSError) as error:
                named = str(error.path) if isinstance(error, ImageRefused) else entry.source or entry.name
                refuse(named, condition.name, reason_of(error))
                continue
            yield entry, condition, degraded, clean


class _CleanImages(Sequence[Any]):
    """Images decoded when asked for; one that can't be used is named."""

    def __init__(self, rules: Rules, entries: Sequence[Entry]) -> None:
        self.rules, self.entries = rules, entries

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: Any) -> Any:
        entry = self.entries[index]
        try:
            pixels = np.array(entry.clean())
            self.rules.crop(torch.from_numpy(pixels).permute(2, 0, 1))
        except (ValueError, OSError) as error:
            raise _Unusable(entry, error) from error
        return pixels


class _Unusable(ValueError):
    """An image that no noise can be put on."""

    def __init__(self, entry: Entry, error: Exception) -> None:
        self.entry, self.reason = entry, reason_of(error)
        super().__init__(f"{entry.source or entry.name}: {self.reason}")


def reason_of(error: Exception) -> str:
    """Why an image can't be used, without its name."""
    return error.reason if isinstance(error, ImageRefused) else " ".join(str(error).split())


def _pair(rules: Rules, entry: Entry) -> tuple[Pixels, Pixels]:
    """Degraded and clean pixels, cut to the protocol's size."""
    if entry.degraded is None:
        raise ValueError("a clean image without a degraded one: add it, or take both away")
    degraded, clean = entry.degraded(), entry.clean()
    if degraded.shape != clean.shape:
        sizes = [f"{pixels.shape[1]}x{pixels.shape[0]}" for pixels in (degraded, clean)]
        raise ValueError(f"the degraded image is {sizes[0]}, the clean one {sizes[1]}: cut both to one size")
    return cropped(rules, degraded), cropped(rules, clean)

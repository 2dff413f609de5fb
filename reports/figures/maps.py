"""Feature maps of the same crops through several variants (the paper's Figure 6)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reports import schema
from reports.artifacts import Probes, Sample, first_of, load_probes, load_samples
from reports.figures.crops import read_pixels, show_pixels
from reports.figures.further import register_figure
from reports.figures.style import PAGE_IN, Picture, new_figure, plain, save, wrap_label
from reports.labels import condition_label
from reports.messages import join_clauses, join_commas, message
from reports.study import Run, Study

MAX_VARIANTS = 5
_MAX_SD = 3.0  # of the scale, in standard deviations
_PLACES: dict[str, str] = {"skip1": message("first skip"), "latent": message("latent")}


@dataclass(frozen=True, kw_only=True)
class MapTable:
    """The variants' probes, all of the same crops, and the crops themselves.

    Attributes:
        probes: variant -> what its first finished run with feature maps recorded.
        seeds: variant -> the seed of that run.
        images: numbers of the crops that are shown, in the order of tasks.
        samples: (condition, image) -> the crop, where it was kept.
    """

    probes: dict[str, Probes]
    seeds: dict[str, int | None]
    images: tuple[int, ...]
    samples: dict[tuple[str, str], Sample]


def select_maps(study: Study) -> MapTable | None:
    """The paper's four variants where two of them have maps, else the first ones and the reference; None without."""
    runs = first_of(study, _with_maps)
    probes = {v: p for v, (_, p) in runs.items()}
    if not probes:
        return None
    names = study.select_variants(probes, MAX_VARIANTS)
    first_images = probes[names[0]].images
    names = [n for n in names if probes[n].images == first_images]
    image_order = sorted(range(len(first_images)), key=lambda i: schema.condition_sort_key(first_images[i][0]))
    samples = next((samples_of_run for run, _ in runs.values() if (samples_of_run := load_samples(run))), ())
    return MapTable(
        probes={n: probes[n] for n in names},
        seeds={n: runs[n][0].seed for n in names},
        images=tuple(image_order),
        samples={(s.condition, s.image): s for s in reversed(samples)},
    )


def _with_maps(run: Run) -> Probes | None:
    probes = load_probes(run)
    return probes if probes is not None and probes.maps and probes.images else None


@register_figure("feature_maps", title="Feature maps")
def draw(study: Study, folder: Path) -> list[Picture]:
    """A figure for each place in the network; none where no finished run has feature maps."""
    table = select_maps(study)
    if table is None:
        return []
    places = [p for p in next(iter(table.probes.values())).maps if all(p in x.maps for x in table.probes.values())]
    return [_draw_place(study, table, place, folder) for place in sorted(places, key=lambda p: (p != "skip1", p))]


def centred(maps: np.ndarray) -> tuple[np.ndarray, float]:
    """Maps (I, K, h, w) without their edges and each one's mean, divided by their common SD; and that SD."""
    inner = without_edges(maps, edge_share(maps.shape[2]), axis=2)
    deviations = inner - inner.mean(axis=(2, 3), keepdims=True)
    spread = float(np.sqrt(np.mean(deviations**2)))
    return np.asarray(deviations / (spread or 1.0)), spread


def edge_share(side: int) -> float:
    """Share of a map's side that padding reaches at each edge: an eighth, two pixels where those are more."""
    return min(max(1 / 8, 2 / side), 1 / 4)


def without_edges(picture: np.ndarray, share: float, axis: int = 0) -> np.ndarray:
    """Less `share` of the height, which is the given axis, and of the width behind it at each edge."""
    sides = [(round(side * share), side - round(side * share)) for side in picture.shape[axis : axis + 2]]
    return picture[(*[slice(None)] * axis, *(slice(*ends) for ends in sides))]


def _draw_place(study: Study, table: MapTable, place: str, folder: Path) -> Picture:
    scaled = {v: centred(p.maps[place][list(table.images)]) for v, p in table.probes.items()}
    maps = {v: m for v, (m, _) in scaled.items()}
    n_images, n_channels = next(iter(maps.values())).shape[:2]
    edge = edge_share(next(iter(table.probes.values())).maps[place].shape[2])
    titles = [next(iter(table.probes.values())).images[i] for i in table.images]
    crops = [table.samples.get(title) for title in titles]
    figure = new_figure(PAGE_IN, (5.2 / n_images / n_channels + 0.08) * (len(maps) + 1) + 0.3)
    grid = figure.subplots(len(maps) + 1, n_images, squeeze=False)
    for ax in grid.flat:
        ax.set_xticks([])
        ax.set_yticks([])
        ax.set_frame_on(False)
        ax.grid(visible=False)
    image: Any = None
    for c, (title, sample) in enumerate(zip(titles, crops, strict=True)):
        grid[0, c].set_title(plain(condition_label(title[0])), loc="left")
        if sample is not None:
            _draw_inputs(grid[0, c], sample, n_channels, edge)
        for r, variant_maps in enumerate(maps.values(), start=1):
            image = grid[r, c].imshow(
                side_by_side(variant_maps[c]), cmap="RdBu_r", vmin=-_MAX_SD, vmax=_MAX_SD, interpolation="nearest"
            )
    row_labels = [f"{wrap_label(study.label(v), 14)}\nSD {spread:.2g}" for v, (_, spread) in scaled.items()]
    for ax, name in zip(grid[:, 0], ("degraded,\nclean", *row_labels), strict=True):
        ax.set_ylabel(name, fontsize=7, rotation=0, ha="right", va="center", labelpad=6)
    bar = figure.colorbar(image, ax=grid, location="right", shrink=0.6, aspect=25, extend="both", pad=0.01)
    bar.set_label("deviation from the\nmap's mean (SD)", fontsize=7)
    return save(figure, folder, f"maps_{place}", **_texts(table, place, titles))


def side_by_side(maps: np.ndarray) -> np.ndarray:
    """(K, h, w) as one picture with gaps of NaN, which no colour fills: quicker to lay out than K pictures.

    Small maps are repeated pixel by pixel, so that a gap can be narrower than a pixel of theirs.
    """
    repeats = max(1, 48 // maps.shape[2])
    maps = maps.repeat(repeats, axis=1).repeat(repeats, axis=2)
    gap = np.full((maps.shape[1], max(1, maps.shape[2] // 24)), np.nan)
    parts = [part for single in maps for part in (single, gap)]
    return np.concatenate(parts[:-1], axis=1)


def _draw_inputs(ax: Any, sample: Sample, n_channels: int, share: float) -> None:
    """The degraded and the clean crop above the first two maps, cut as those are."""
    crops = [without_edges(read_pixels(path), share) for path in (sample.degraded, sample.clean)][:n_channels]
    if len({crop.shape for crop in crops}) > 1:
        return
    height, width = crops[0].shape[:2]
    white = np.full((height, max(1, width // 24), 3), 255, dtype=np.uint8)
    blank = np.full((height, width, 3), 255, dtype=np.uint8)
    parts = [part for crop in [*crops, *[blank] * (n_channels - len(crops))] for part in (crop, white)]
    show_pixels(ax, np.concatenate(parts[:-1], axis=1))


def _texts(table: MapTable, place: str, titles: list[tuple[str, str]]) -> dict[str, str]:
    place_label = _PLACES.get(place, place)
    channels = join_clauses(
        message("{label}: {value}", label=v, value=", ".join(map(str, p.map_channels[place])))
        for v, p in table.probes.items()
        if place in p.map_channels
    )
    seeds = sorted({str(s) for s in table.seeds.values()})
    crops = join_commas(message("{label}: {value}", label=condition_label(c), value=image) for c, image in titles)
    return {
        "title": message("Feature maps at the {where}", where=place_label),
        "alt": message(
            "Feature maps of {variants} at the {where} for the same crops: {shown}.",
            variants=join_commas(table.probes),
            where=place_label,
            shown=crops,
        ),
        "caption": message(
            "The same crop through each variant: the features that pass on, after the perturbation block where the "
            "variant has one ({where}). Of each variant the channels with the largest variance over the pixels, "
            "averaged over these crops, largest first ({channels}); channels of different variants have nothing to do "
            "with each other. Each map without its mean, in standard deviations (SD) of its row, all on one scale. Not "
            "shown and not counted: the edges, which padding reaches, an eighth of the side or two pixels of the map. "
            "Seed {seeds}. Crops: {shown}.",
            where=place_label,
            channels=channels,
            seeds=join_commas(seeds),
            shown=crops,
        ),
    }

"""The separation of features by condition in numbers, beside the t-SNE figure."""

from __future__ import annotations

from collections.abc import Sequence

from reports.document import Cell, Column, Row, Table, text_cell, text_column
from reports.figures.tsne import LayerSeparation, panel_label
from reports.labels import layer_label
from reports.messages import message
from reports.study import Study


def separation_table(study: Study, measured: Sequence[LayerSeparation]) -> Table:
    """Separation of features in numbers, of every variant and layer."""
    rows = []
    for layer_features in measured:
        scores = layer_features.separation
        cells = [
            text_cell(panel_label(study, layer_features)),
            text_cell(layer_label(layer_features.layer), hover=layer_features.layer),
            Cell(text=str(layer_features.seed), value=layer_features.seed),
            _interval_cell(scores.silhouette, scores.silhouette_interval, 3),
            _interval_cell(scores.purity, scores.purity_interval, 2),
            Cell(text=f"{scores.chance:.2f}", value=scores.chance),
            Cell(text=str(scores.n), value=scores.n),
        ]
        rows.append(Row(cells=tuple(cells)))
    return Table(
        name="separation-all",
        title=message("Separation of every variant and layer"),
        columns=(
            text_column(message("Variant")),
            text_column(message("Layer")),
            Column(head=message("Seed")),
            Column(head=message("Silhouette")),
            Column(head=message("kNN purity")),
            Column(head=message("Chance")),
            Column(head=message("Patches")),
        ),
        rows=tuple(rows),
        caption=message(
            "Measured in PCA space; 95% intervals over patches, without variance over training seeds. Chance is the "
            "purity of features that are independent of the condition."
        ),
        is_collapsed=True,
    )


def _interval_cell(value: float, interval: tuple[float, float], digits: int) -> Cell:
    return Cell(text=f"{value:.{digits}f} [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]", value=value)

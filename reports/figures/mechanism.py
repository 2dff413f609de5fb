"""PSNR, gradient interference and information loss against what the study varies, one above the other."""

from __future__ import annotations

from pathlib import Path

from reports.figures.measured_axis import panel
from reports.figures.style import Picture, new_figure, save
from reports.labels import axis_label
from reports.measures import intervals
from reports.measures.mechanism import Mechanism
from reports.messages import message, series
from reports.study import Study

_COLOURS = ("#0072B2", "#D55E00", "#009E73")


def draw(found: Mechanism, study: Study, folder: Path) -> Picture:
    """Draw the figure.

    The paper sketches two of the curves on twin axes. Stacked panels that share x read better: where two curves on
    twin axes cross is an accident of their scales, and each quantity here has its own unit.
    """
    figure = new_figure(6.6, 2.05 * len(found.quantities) + 0.7)
    axes = figure.subplots(len(found.quantities), 1, sharex=True, squeeze=False)[:, 0]
    for ax, quantity, colour in zip(axes, found.quantities, _COLOURS, strict=True):
        panel(ax, study, quantity, found.variants, colour=colour)
    axes[-1].set_xlabel(axis_label(study.axis_name))
    figure.align_ylabels(axes)
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2)
    values = series(
        message(
            "{label}: {value}",
            label=q.told,
            value=", ".join(
                f"{study.axis_values[v]:g}: {intervals.number(e.value, q.digits)}"
                for v in found.variants
                if (e := q.estimate(v)) is not None
            ),
        )
        for q in found.quantities
    )
    return save(
        figure,
        folder,
        "mechanism",
        title=message("PSNR, interference and information loss against {axis}", axis=axis_label(study.axis_name)),
        alt=message("Three panels that share the axis {axis}. {values}.", axis=study.axis_name, values=values),
        caption=message(
            "PSNR averaged over the columns; interference: 1 \N{MINUS SIGN} mean cosine of the tasks' gradients at the "
            "end of training (0: all pull the same way, 1: unrelated, more: opposed); information loss: 1 "
            "\N{MINUS SIGN} R² of the whole block, mean over levels. Bars are intervals of the difference from the "
            "reference, drawn around the means; information loss has none with one seed. Each panel has its own scale."
        ),
    )

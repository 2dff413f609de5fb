"""Columns of the tables on disk: name, type, unit and meaning of each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table on disk: its name, pandas dtype ("str", "int64" or "float64"), unit and meaning.

    `default` fills the column in tables of a version that did not have it; None where such tables can't be read.
    """

    name: str
    dtype: str
    unit: str = ""
    meaning: str
    default: str | None = None


IMAGE_COLUMNS: tuple[Column, ...] = (
    Column(name="run_id", dtype="str", meaning="the run that made the row"),
    Column(name="variant", dtype="str", meaning="name of the model variant"),
    Column(name="seed", dtype="int64", meaning="seed of the run"),
    Column(name="dataset", dtype="str", meaning="name of the evaluated set"),
    Column(name="protocol", dtype="str", meaning="name of the evaluation protocol"),
    Column(name="task", dtype="str", meaning="kind of degradation: noise, rain, haze, blur, lowlight"),
    Column(name="condition", dtype="str", meaning="task at one strength: noise-25, rain, ..."),
    Column(name="image", dtype="str", meaning="name of the image, unique in its data set"),
    Column(name="scene", dtype="str", meaning="the photograph; crops of one photograph share it"),
    Column(
        name="in_training_set",
        dtype="str",
        meaning="yes or no: whether the scene is among the training images; empty where it was not checked",
    ),
    Column(name="metric", dtype="str", meaning="psnr_db, ssim, or a further metric of the study"),
    Column(name="value", dtype="float64", unit="dB (psnr_db) or 1 (ssim)", meaning="score of the restored image"),
    Column(name="input_value", dtype="float64", unit="as value", meaning="score of the degraded input itself"),
)

# A study's table repeats a run's rows under each name the study gives the model; an empty alias_of marks the one
# that was trained, so `alias_of == ""` counts nothing twice.
TABLE_COLUMNS: tuple[Column, ...] = (
    *IMAGE_COLUMNS,
    Column(name="alias_of", dtype="str", meaning="the variant this one is the same model as; empty if trained itself"),
)

_PROMPT = Column(name="prompt", dtype="str", meaning="condition whose prompt the model was given")
_NUMBER_FORMAT = Column(name="number_format", dtype="str", meaning="of the prompt's code: fp32, fp16, bf16")


def _response_columns(varied: Column) -> tuple[Column, ...]:
    """Columns of a measure that restores test images again; `varied` is the prompt or the number format."""
    return (
        *(c for c in IMAGE_COLUMNS if c.name in ("dataset", "image", "scene")),
        Column(name="condition", dtype="str", meaning="degradation of the image: noise-35, rain-200, rain+noise-25"),
        varied,
        *(c for c in IMAGE_COLUMNS if c.name in ("metric", "value", "input_value")),
    )


MEASURE_COLUMNS: dict[str, tuple[Column, ...]] = {
    # test images of each condition, restored under the prompt of every condition
    "prompts": _response_columns(_PROMPT),
    # noise levels and rain strengths (percent of the usual number of drops), those trained on beside others
    "levels": _response_columns(_PROMPT),
    # two degradations at once, restored under the prompt of either
    "mixed": _response_columns(_PROMPT),
    # prompt codes rounded to fp32 (as they are), fp16 and bf16, orders made from them anew
    "precision": _response_columns(_NUMBER_FORMAT),
    "order_moves": (
        _NUMBER_FORMAT,
        Column(name="block", dtype="str", meaning="level of the perturbation block"),
        Column(name="condition", dtype="str", meaning="whose prompt's order it is"),
        Column(
            name="moved_share",
            dtype="float64",
            unit="share",
            meaning="positions that hold another channel than in fp32",
        ),
        Column(name="tau", dtype="float64", unit="1", meaning="Kendall's tau between the two orders"),
    ),
    "interference": (
        Column(name="step", dtype="int64", meaning="optimiser steps done before the gradients were taken"),
        Column(name="fraction", dtype="float64", unit="share", meaning="the same, of all steps"),
        Column(name="draw", dtype="int64", meaning="number of the draw of images"),
        Column(
            name="loss",
            dtype="str",
            meaning="plain: training loss; without_colour: L1 of the error without its mean over pixels",
            default="plain",
        ),
        Column(name="group", dtype="str", meaning="group of layers; all: every shared parameter"),
        Column(name="task_a", dtype="str", meaning="first task of the pair"),
        Column(name="task_b", dtype="str", meaning="second task of the pair"),
        Column(name="cosine", dtype="float64", unit="1", meaning="cosine of the two gradients; negative: conflict"),
        Column(name="norm_a", dtype="float64", unit="loss per parameter unit", meaning="norm of task_a's gradient"),
        Column(name="norm_b", dtype="float64", unit="loss per parameter unit", meaning="norm of task_b's gradient"),
        Column(name="n_parameters", dtype="int64", meaning="parameters in the group"),
    ),
    # features of the probe patches: are they separated by condition, and also with untrained weights or random prompts?
    "separation": (
        Column(name="setting", dtype="str", meaning="trained, untrained (first weights), random_prompt (trained)"),
        Column(name="layer", dtype="str", meaning="layer of the features, as in probes.safetensors"),
        Column(name="by", dtype="str", meaning="label of the patches: condition (true), told (of the prompt)"),
        Column(name="silhouette", dtype="float64", unit="1", meaning="mean silhouette width, -1 to 1"),
        Column(name="silhouette_low", dtype="float64", unit="1", meaning="lower end of its 95 % interval over patches"),
        Column(name="silhouette_high", dtype="float64", unit="1", meaning="upper end of it"),
        Column(name="purity", dtype="float64", unit="share", meaning="nearest neighbours with the same label"),
        Column(name="purity_low", dtype="float64", unit="share", meaning="lower end of its 95 % interval over patches"),
        Column(name="purity_high", dtype="float64", unit="share", meaning="upper end of it"),
        Column(
            name="chance",
            dtype="float64",
            unit="share",
            meaning="expected purity of uninformative features",
        ),
        Column(name="near", dtype="int64", meaning="neighbours compared"),
        Column(name="n_points", dtype="int64", meaning="patches"),
    ),
    "information": (
        Column(name="level", dtype="int64", meaning="level of the block: 1 to 3 skips, 4 latent"),
        Column(name="part", dtype="str", meaning="block: its output; channel: DGCPM's output alone"),
        Column(name="condition", dtype="str", meaning="condition of the images, or all"),
        Column(name="n_pixels", dtype="int64", meaning="pixels that the score is made on"),
        Column(name="channels", dtype="int64", meaning="channels of the block"),
        Column(name="r2", dtype="float64", unit="1", meaning="linear recoverability of the input from the output"),
        Column(name="loss", dtype="float64", unit="1", meaning="information loss: 1 - r2"),
        Column(name="alpha", dtype="float64", unit="1", meaning="ridge penalty chosen by cross-validation"),
    ),
    # which of a router's experts serve which degradation: a matrix condition x expert for each router
    "routing": (
        Column(name="layer", dtype="str", meaning="where the router stands: encoder-1, ..."),
        Column(name="condition", dtype="str", meaning="condition of the images"),
        Column(name="expert", dtype="int64", meaning="its number, from 1; numbers do not correspond across runs"),
        Column(name="selected", dtype="float64", unit="share", meaning="selections that fell to it, mean over images"),
        Column(name="weight", dtype="float64", unit="share", meaning="gate weight that it got, mean over images"),
        Column(name="n_images", dtype="int64", meaning="images"),
    ),
}
"""Measure -> the columns of its table. A measure is taken of a finished run and never changes the run's own numbers."""

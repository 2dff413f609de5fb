"""The paper's tables with trained comparators: Table 1 (three tasks), Table 2 (five tasks) and one task at a time."""

from __future__ import annotations

from ablations.registry import THREE_TASKS, Study, register_study

_MEASURES = ("routing", "separation", "prompts")


@register_study()
def three_task() -> Study:
    """Noise, rain and haze in one model: trained comparators and classical filters, each against DFPIR."""
    return Study(
        name="three_task",
        title="Three tasks in one model",
        question=(
            "Trained alike on noise, rain and haze, how does DFPIR compare with other networks, and does any of them "
            "earn its cost over methods that need no training?"
        ),
        variants=(
            "classical",
            "dl",
            "fdgan",
            "mprnet",
            "airnet",
            "nafnet",
            "promptir",
            "instructir",
            "adair",
            "moceir",
            "restormer",
            "dfpir_identity_order",
            "dfpir",
        ),
        reference="dfpir",
        featured=("dfpir", "restormer", "instructir", "promptir", "airnet"),
        tasks=THREE_TASKS,
        reported="3-task",
        measures=_MEASURES,
    )


@register_study()
def five_task() -> Study:
    """Noise, rain, haze, blur and low light in one model, tested on sigma 25 as the paper's Table 2 is.

    Of the table's methods TAPE is missing, whose authors published no code; AMIR, which routes by degradation, joins.
    """
    return Study(
        name="five_task",
        title="Five tasks in one model",
        question="Trained alike on all five tasks, how does DFPIR compare with other networks and with no training?",
        variants=(
            "classical",
            "dgunet",
            "swinir",
            "nafnet",
            "dl",
            "transweather",
            "airnet",
            "idr",
            "amir",
            "promptir",
            "instructir",
            "restormer",
            "dfpir_identity_order",
            "dfpir",
        ),
        reference="dfpir",
        featured=("dfpir", "restormer", "instructir", "promptir"),
        tested_on=("noise-25", "rain", "haze", "blur", "lowlight"),
        reported="5-task",
        measures=_MEASURES,
    )


@register_study()
def single_task() -> Study:
    """A model for each task alone, blur and low light left out: Restormer and DFPIR, as in the paper's tables."""
    return Study(
        name="single_task",
        title="One model a task",
        question="Where nothing interferes, does DFPIR still differ from Restormer?",
        variants=("restormer@each", "dfpir@each"),
        reference="restormer@each",
        tasks=THREE_TASKS,
        reported="single-task",
    )

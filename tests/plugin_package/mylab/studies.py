from ablations.registry import Study, register_study


@register_study()
def my_study() -> Study:
    """Does a mask of 93 % help, and a network without perturbation?"""
    return Study(
        name="my_study",
        title="A mask of 93 %",
        question="Does a mask of 93 % help?",
        variants=("dfpir_g93", "dfpir_g100", "tinynet"),
        reference="dfpir_g100",
        tasks=("noise", "jpeg"),
        metrics=("mae",),
        measures=("clipped",),
        figures=("bars",),
    )

from ablations.budgets import register_budget
from ablations.spec import Budget, Evaluation, Phase, Recipe

register_budget(
    Budget(
        name="minute",
        summary="a few steps: does it work?",
        model={"dim": 4, "num_blocks": (1, 1, 1, 1), "num_refinement_blocks": 1, "heads": (1, 2, 4, 8)},
        recipe=Recipe(phases=(Phase(steps=4, lr=1e-3, patch=16, batch=2),), validations=1, log_every=2),
        evaluation=Evaluation(max_side=24, limit=2, val_max_side=16, val_limit=1, probe_patches=2, probe_patch=16),
    )
)

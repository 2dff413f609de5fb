import pandas as pd

from ablations.measures.registry import register_measure


@register_measure(
    "clipped",
    title="Values out of range",
    sentence="Share of the output's values that lie outside of 0 to 1 and are cut off.",
    digits=4,
)
def clipped(run):
    rows = []
    for item, restored in run.restored():
        share = ((restored < 0) | (restored > 1)).double().mean().item()
        rows.append({"condition": item.condition.name, "image": item.name, "scene": item.scene, "value": share})
    return pd.DataFrame(rows)

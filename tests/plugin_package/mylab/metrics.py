from ablations.metrics import register_metric


@register_metric("mae", label="MAE", unit="", digits=4, higher_is_better=False)
def mae(restored, clean):
    return (restored - clean).abs().mean()

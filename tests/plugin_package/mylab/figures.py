from reports.figures.further import register_figure
from reports.figures.style import condition_colour, new_figure, save
from reports.labels import condition_label


@register_figure("bars", title="PSNR by condition")
def bars(study, folder):
    rows = study.rows[study.rows["metric"] == "psnr_db"]
    means = rows.groupby("condition", observed=True)["value"].mean()
    figure = new_figure(5, 3)
    axes = figure.subplots()
    axes.bar([condition_label(c) for c in means.index], means, color=[condition_colour(c) for c in means.index])
    axes.set_ylabel("PSNR (dB)")
    caption = "Mean PSNR over all variants and images."
    return save(figure, folder, "bars", title="PSNR by condition", alt=caption, caption=caption)

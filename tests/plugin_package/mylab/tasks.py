import io

import numpy as np
import torch
from PIL import Image

from datasets.tasks import Task, register_task


def jpeg(clean, rng, strength):
    levels = (clean * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "JPEG", quality=strength)
    decoded = torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1)
    return (decoded / 255).to(clean)


register_task(
    Task(
        name="jpeg",
        label="JPEG",
        colour="#56B4E9",
        strengths=(10, 30),
        strength_label=", quality {}",
        detailed="JPEG compression with a quality of {}",
        simple="JPEG compression",
        degrade=jpeg,
    )
)

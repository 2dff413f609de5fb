"""Every method of the suite: importing this module imports each file of the package, which registers its method."""

from __future__ import annotations

import pkgutil
from functools import partial
from importlib import import_module

import baselines
import dfpir
from baselines.registry import Baseline, Unavailable, one_block_config, register, two_block_config

register(
    Baseline(
        name="restormer",
        label="Restormer",
        make=partial(dfpir.create_model, "restormer"),
        paper="Restormer: Efficient Transformer for High-Resolution Image Restoration, CVPR 2022",
        licence="academic, non-commercial",
        multiple_of=8,
        notes="The backbone of DFPIR without its perturbation blocks.",
        params_m_published=26.127,
        gmacs_published=154.9,
        demo=one_block_config(8),
        small=one_block_config(12),
        quick=two_block_config(24),
    )
)
register(
    Baseline(
        name="dfpir",
        label="DFPIR",
        make=partial(dfpir.create_model, "dfpir"),
        paper="Degradation-Aware Feature Perturbation for All-in-One Image Restoration, CVPR 2025",
        licence="none stated",
        multiple_of=8,
        needs="code512",
        notes="Conditioned on a CLIP text code; the text encoder is not counted.",
        params_m_published=31.105,
        gmacs_published=165.5,
        demo=one_block_config(8),
        small=one_block_config(12),
        quick=two_block_config(24),
    )
)
register(
    Unavailable(
        "tape",
        "No code by its authors was found, so only reported numbers can be shown.",
        "TAPE: Task-Agnostic Prior Embedding for Image Restoration, ECCV 2022",
    )
)
register(
    Unavailable(
        "perceive_ir",
        "The code that its authors published is not recognisably the paper's model, so running it would not tell how "
        "the method does.",
        "Perceive-IR: Learning to Perceive Degradation Better for All-in-One Image Restoration, TIP 2025",
    )
)

for _module in pkgutil.iter_modules(baselines.__path__):
    import_module(f"baselines.{_module.name}")

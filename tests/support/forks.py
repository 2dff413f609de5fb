"""Processes that are forked from one that has imported PyTorch and made a run: a tenth of a fresh one's cost."""

from __future__ import annotations

from multiprocessing import get_context
from multiprocessing.context import ForkServerContext


def warm_context() -> ForkServerContext:
    """Where processes come from `tests.support.warm`."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.support.warm"])
    return context

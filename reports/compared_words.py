"""What a comparison of two reports comes to, in sentences made from its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reports.moved import Moved
from reports.power import POWER, minimum_detectable_difference, quadratic_mean
from reports.stats import AVERAGE, LEVEL
from reports.wording import count, named, show, show_size


@dataclass(frozen=True, kw_only=True)
class Said:
    """Headline and sentences; `ranks` colours the box as a verdict's does."""

    headline: str
    sentences: tuple[str, ...]
    ranks: str


def say(rows: Sequence[Moved], alone: tuple[tuple[str, ...], tuple[str, ...]], dropped: int) -> Said:
    """The sentences for PSNR.

    Args:
        rows: every variant and column.
        alone: variants that only the first study has, and only the second.
        dropped: scores left out because the other study lacks the image.
    """
    averages = [m for m in rows if m.condition == AVERAGE]
    tested = [m for m in averages if not m.same_runs]
    real = [m for m in tested if m.is_real]
    sentences = [f"{m.variant}: {show(m.estimate)} over {count(m.estimate.n_seeds, 'seed')}." for m in real]
    sentences += [*_not_moved(tested), *_single_conditions(rows), *_found(tested)]
    same = [m.variant for m in averages if m.same_runs]
    if same and tested:
        sentences.append(f"The same runs on both sides, nothing to test: {named(same)}.")
    unpaired = [m.variant for m in tested if not m.seeds_paired]
    if unpaired:
        sentences.append(f"No seed in common, so compared as independent trainings: {named(unpaired)}.")
    for names, which in zip(alone, ("first", "second"), strict=True):
        if names:
            sentences.append(f"In the {which} report alone: {named(names)}.")
    if dropped:
        sentences.append(f"{count(dropped, 'score')} left out because some run of the two reports lacks the image.")
    return Said(headline=_headline(tested, real), sentences=tuple(sentences), ranks=_ranks(tested, real))


def _headline(tested: Sequence[Moved], real: Sequence[Moved]) -> str:
    if not tested:
        return "Both reports show the same runs: nothing can have moved."
    if all(m.estimate.n_seeds == 1 for m in tested):
        differ = sum(m.models_differ for m in tested)
        return (
            f"Each variant was trained with one seed: {differ} of {count(len(tested), 'trained model')} score "
            "differently, but that can't be told from seed-to-seed variance."
        )
    adjusted = f", simultaneous over {len(tested)} variants" if len(tested) > 1 else ""
    how = f"by more than noise ({LEVEL:.0%}{adjusted})"
    if not real:
        return f"No variant's PSNR averaged over the columns could be shown to have moved {how}."
    verb = "variant's PSNR" if len(tested) == 1 else "variants' PSNR"
    return f"{len(real)} of {len(tested)} {verb} averaged over the columns moved {how}."


def _not_moved(tested: Sequence[Moved]) -> list[str]:
    still = [m for m in tested if not m.is_real and m.estimate.n_seeds > 1]
    if not still:
        return []
    largest = max(still, key=lambda m: abs(m.estimate.value))
    return [
        f"No move could be shown: {named([m.variant for m in still])}; the largest of these changes is "
        f"{show(largest.estimate)} ({largest.variant})."
    ]


def _single_conditions(rows: Sequence[Moved]) -> list[str]:
    cells = [m for m in rows if m.condition != AVERAGE and not m.same_runs]
    if not cells:
        return []
    real = [m for m in cells if m.is_real]
    said = f"Of {len(cells)} single conditions {len(real)} moved by more than noise, simultaneously over all of them"
    if real:
        most = max(real, key=lambda m: abs(m.estimate.value))
        said += f"; the most: {most.variant} on {most.condition}, {show(most.estimate)}"
    return [f"{said}."]


def _found(tested: Sequence[Moved]) -> list[str]:
    """What the comparison could have found."""
    sizes = [minimum_detectable_difference(m.estimate) for m in tested if m.estimate.n_seeds > 1 and m.estimate.se > 0]
    if not sizes:
        return []
    return [
        f"A move of {show_size(quadratic_mean(sizes))} dB would be found in {POWER:.0%} of such comparisons "
        f"(unadjusted two-sided test at {1 - LEVEL:.0%}; quadratic mean over the variants)."
    ]


def _ranks(tested: Sequence[Moved], real: Sequence[Moved]) -> str:
    return "nothing" if not tested else "none" if not real else "all" if len(real) == len(tested) else "some"

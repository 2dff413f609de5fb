"""The page of two folders of one study: what changed, and whether it is more than noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reports import schema
from reports.compare import Comparison, compare, comparison_frame, load_side
from reports.compare_variants import Change
from reports.document import (
    Block,
    Cell,
    Code,
    Column,
    Document,
    Facts,
    Figure,
    Picture,
    Row,
    Section,
    Summary,
    Table,
    Text,
    text_column,
    words,
)
from reports.document.html import write_html
from reports.figures import changes as figure
from reports.figures import style
from reports.files import write_csv
from reports.formatting import count, named, show, show_p, show_size, signed
from reports.labels import condition_label
from reports.language import languages
from reports.messages import message, ngettext, stored
from reports.power import POWER, minimum_detectable_difference, quadratic_mean
from reports.stats import AVERAGE, LEVEL


def build_comparison(before: Path, after: Path, out_dir: Path | None = None, *, lang: str = "en") -> Path:
    """Write comparison.html and comparison.csv.

    Args:
        before: a study folder.
        after: another folder of the same study, or of one that shares variants with it.
        out_dir: where to write; `after` by default.
        lang: language of a second page beside the English one; "en" for none.

    Returns:
        The page.

    Raises:
        ValueError: other protocols, data or conditions, or nothing that both have; one line.
    """
    page_languages = languages(lang)
    studies = (load_side(before), load_side(after))
    found = compare(*studies)
    out = out_dir if out_dir is not None else Path(after)
    write_csv(out / schema.COMPARISON_CSV_FILE, comparison_frame(found), "%.6f")
    with style.settings():
        picture = figure.draw(found.rows[schema.PSNR], out / schema.FIGURES_FOLDER)
    names = (_folder_name(before), _folder_name(after))
    page = comparison_document(found, picture, names=names, title=studies[1].title)
    return write_html(page, out / schema.COMPARISON_FILE, page_languages)


def _folder_name(folder: Path) -> str:
    """The folder as a reader tells it from the other: its own name and that of the runs folder it lies in."""
    path = Path(folder).resolve()
    return f"{path.parent.parent.name}/{path.parent.name}/{path.name}"


def comparison_document(found: Comparison, picture: Picture | None, *, names: tuple[str, str], title: str) -> Document:
    """The page; `names` of the two folders, `title` of the study."""
    said = describe(found.rows[schema.PSNR], found.alone, found.dropped)
    summary = Summary(sentences=[said.headline], items=said.sentences, verdict=said.verdict)
    figures: list[Block] = [Figure(picture=picture)] if picture else []
    beside = message(
        "Beside this page: {file} with every number unrounded, SSIM included.", file=schema.COMPARISON_CSV_FILE
    )
    return Document(
        title=message("What moved: {title}", title=stored(title)),
        question=[message("Before: {name}", name=names[0]), message("After: {name}", name=names[1])],
        sections=[
            Section(name="short", title=message("In short"), blocks=[summary]),
            _terms(found),
            Section(
                name="averages",
                title=message("PSNR averaged over the columns"),
                short=message("Averages"),
                blocks=[*figures, averages_table(found)],
            ),
            Section(
                name="conditions",
                title=message("Single conditions"),
                short=message("Conditions"),
                blocks=[conditions_table(found)],
            ),
            Section(
                name="again",
                title=message("Make it again"),
                blocks=[Code(code=f"python -m reports compare {names[0]} {names[1]}"), Text(text=beside)],
            ),
        ],
    )


def _terms(found: Comparison) -> Section:
    same = message("Protocol and data are the same; otherwise there would be no comparison.")
    blocks: list[Block] = [Text(text=same)]
    if found.terms:
        columns = (message("Setting"), message("Before"), message("After"))
        blocks.append(
            Table(
                name="settings",
                title=message("Settings that differ"),
                columns=tuple(map(text_column, columns)),
                rows=tuple(Row(cells=tuple(map(words, line))) for line in found.terms),
                has_title=False,
                is_sortable=False,
                style="wrapped",
            )
        )
    else:
        blocks.append(Text(text=message("Nothing else that the runs record differs either.")))
    verdicts = (message("Verdict before"), message("Verdict after"))
    blocks.append(Facts(facts=list(zip(verdicts, found.headlines, strict=True))))
    title, short = message("What differs between the two"), message("What differs")
    return Section(name="terms", title=title, short=short, blocks=blocks)


def averages_table(found: Comparison) -> Table:
    """Each variant's average over the columns before and after."""
    rows = []
    for change in found.rows[schema.PSNR]:
        if change.condition != AVERAGE:
            continue
        e = change.estimate
        unpaired = () if change.seeds_paired else (message("not paired"),)
        p = "\N{EN DASH}" if change.same_runs else show_p(change.p_adjusted)
        cells = [
            words(change.variant),
            Cell(text=f"{change.before:.2f}", value=change.before),
            Cell(text=f"{change.after:.2f}", value=change.after),
            Cell(text=show(e), value=e.value, style="strong" if change.is_real else ""),
            Cell(text=p, value=change.p_adjusted),
            words(change.text),
            Cell(text=str(e.n_seeds), value=e.n_seeds, below=unpaired),
            Cell(text=str(change.n_images), value=change.n_images),
        ]
        rows.append(Row(cells=tuple(cells)))
    return Table(
        name="averages-table",
        title=message("Changes of the averages"),
        columns=(
            text_column(message("Variant")),
            Column(head=message("Before, dB")),
            Column(head=message("After, dB")),
            Column(head=message("Change")),
            Column(head=message("p, adjusted")),
            text_column(message("More than noise")),
            Column(head=message("Seeds")),
            Column(head=message("Images")),
        ),
        rows=tuple(rows),
        caption=message(
            "Plain means over the columns, of the images and seeds that both reports have. Change: after less before, "
            "paired by image and seed, with its 95% interval, simultaneous over the variants, for other training runs "
            "and other photographs. p: adjusted over the variants (Bonferroni)."
        ),
        has_title=False,
    )


def conditions_table(found: Comparison) -> Table:
    """Each variant's change of each condition."""
    by_variant: dict[str, dict[str, Change]] = {}
    for change in found.rows[schema.PSNR]:
        by_variant.setdefault(change.variant, {})[change.condition] = change
    rows = [
        Row(cells=(words(variant), *(_condition_cell(changes[c]) for c in found.conditions)))
        for variant, changes in by_variant.items()
    ]
    return Table(
        name="conditions-table",
        title=message("Changes of each condition"),
        columns=(text_column(message("Variant")), *(Column(head=condition_label(c)) for c in found.conditions)),
        rows=tuple(rows),
        caption=message(
            "Change of PSNR in dB, after less before, with its 95% interval, simultaneous over all cells of this "
            "table. Bold with a star: more than noise, the interval leaves zero out."
        ),
        has_title=False,
    )


def _condition_cell(change: Change) -> Cell:
    e = change.estimate
    hover = message(
        "{before} → {after} dB; {seeds} seed(s), {images} image(s); adjusted p {p}",
        before=f"{change.before:.2f}",
        after=f"{change.after:.2f}",
        seeds=e.n_seeds,
        images=change.n_images,
        p=show_p(change.p_adjusted),
    )
    if change.same_runs:
        return Cell(text=message("same"), value=e.value, hover=hover)
    text = signed(e.value) + ("*" if change.is_real else "")
    interval = f"[{signed(e.low)}, {signed(e.high)}]"
    return Cell(text=text, value=e.value, below=(interval,), hover=hover, style="strong" if change.is_real else "")


@dataclass(frozen=True, kw_only=True)
class ComparisonText:
    """Headline and sentences; `verdict` colours the box as a study's does."""

    headline: str
    sentences: tuple[str, ...]
    verdict: Literal["all", "some", "none", "nothing"]


def describe(rows: Sequence[Change], alone: tuple[tuple[str, ...], tuple[str, ...]], dropped: int) -> ComparisonText:
    """The sentences for PSNR.

    Args:
        rows: every variant and column.
        alone: variants that only the first study has, and only the second.
        dropped: scores left out because the other study lacks the image.
    """
    averages = [change for change in rows if change.condition == AVERAGE]
    tested = [change for change in averages if not change.same_runs]
    real = [change for change in tested if change.is_real]
    said: list[str] = [
        message(
            "{variant}: {change} over {seeds}.",
            variant=change.variant,
            change=show(change.estimate),
            seeds=count(change.estimate.n_seeds, "seed"),
        )
        for change in real
    ]
    said += [*_not_shown(tested), *_single_conditions(rows), *_found(tested)]
    same = [change.variant for change in averages if change.same_runs]
    if same and tested:
        said.append(message("The same runs on both sides, nothing to test: {names}.", names=named(same)))
    unpaired = [change.variant for change in tested if not change.seeds_paired]
    if unpaired:
        said.append(message("No seed in common, so compared as independent trainings: {names}.", names=named(unpaired)))
    if alone[0]:
        said.append(message("In the first report alone: {names}.", names=named(alone[0])))
    if alone[1]:
        said.append(message("In the second report alone: {names}.", names=named(alone[1])))
    if dropped:
        scores = count(dropped, "score")
        said.append(message("{scores} left out because some run of the two reports lacks the image.", scores=scores))
    verdict: Literal["all", "some", "none", "nothing"] = "some" if real else "none"
    verdict = "nothing" if not tested else "all" if len(real) == len(tested) else verdict
    return ComparisonText(headline=_headline(tested, real), sentences=tuple(said), verdict=verdict)


def _headline(tested: Sequence[Change], real: Sequence[Change]) -> str:
    if not tested:
        return message("Both reports show the same runs: nothing can have moved.")
    if all(change.estimate.n_seeds == 1 for change in tested):
        return message(
            "Each variant was trained with one seed: {n} of {models} score differently, but that can't be told from "
            "seed-to-seed variance.",
            n=sum(change.models_differ for change in tested),
            models=count(len(tested), "trained model"),
        )
    n = len(tested)
    adjusted = (
        message("{level}, simultaneous over {n} variants", level=f"{LEVEL:.0%}", n=n) if n > 1 else f"{LEVEL:.0%}"
    )
    if not real:
        return message(
            "No variant's PSNR averaged over the columns could be shown to have moved by more than noise ({adjusted}).",
            adjusted=adjusted,
        )
    return ngettext(
        "{real} of {n} variant's PSNR averaged over the columns moved by more than noise ({adjusted}).",
        "{real} of {n} variants' PSNR averaged over the columns moved by more than noise ({adjusted}).",
        n,
        real=len(real),
        adjusted=adjusted,
    )


def _not_shown(tested: Sequence[Change]) -> list[str]:
    still = [change for change in tested if not change.is_real and change.estimate.n_seeds > 1]
    if not still:
        return []
    largest = max(still, key=lambda change: abs(change.estimate.value))
    return [
        message(
            "No move could be shown: {names}; the largest of these changes is {change} ({variant}).",
            names=named([change.variant for change in still]),
            change=show(largest.estimate),
            variant=largest.variant,
        )
    ]


def _single_conditions(rows: Sequence[Change]) -> list[str]:
    cells = [change for change in rows if change.condition != AVERAGE and not change.same_runs]
    if not cells:
        return []
    real = [change for change in cells if change.is_real]
    if not real:
        return [message("None of {n} single conditions moved by more than noise, tested together.", n=len(cells))]
    most = max(real, key=lambda change: abs(change.estimate.value))
    return [
        message(
            "Of {n} single conditions {real} moved by more than noise, tested together; the most: {variant} on "
            "{condition}, {change}.",
            n=len(cells),
            real=len(real),
            variant=most.variant,
            condition=condition_label(most.condition),
            change=show(most.estimate),
        )
    ]


def _found(tested: Sequence[Change]) -> list[str]:
    """What the comparison could have found."""
    sizes = [
        minimum_detectable_difference(change.estimate)
        for change in tested
        if change.estimate.n_seeds > 1 and change.estimate.se > 0
    ]
    if not sizes:
        return []
    return [
        message(
            "A move of {size} dB would be found in {power} of such comparisons (unadjusted two-sided test at {level}; "
            "quadratic mean over the variants).",
            size=show_size(quadratic_mean(sizes)),
            power=f"{POWER:.0%}",
            level=f"{1 - LEVEL:.0%}",
        )
    ]

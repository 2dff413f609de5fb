"""The page that compares two folders of a study: what changed, and whether significantly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from reports import schema
from reports.compare import Comparison, compare, comparison_frame, load_for_comparison
from reports.compare_variants import VariantChange
from reports.document import (
    Block,
    Cell,
    Code,
    Column,
    DescriptionList,
    Document,
    Figure,
    Picture,
    Row,
    Section,
    Summary,
    Table,
    Text,
    text_cell,
    text_column,
)
from reports.document.html import write_html
from reports.figures import changes as figure
from reports.figures import style
from reports.files import write_csv
from reports.formatting import format_estimate, format_p, format_quantity, format_signed, format_size, list_names
from reports.labels import condition_label
from reports.language import languages
from reports.messages import message, ngettext, stored_text
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
    studies = (load_for_comparison(before), load_for_comparison(after))
    comparison = compare(*studies)
    out = out_dir if out_dir is not None else Path(after)
    write_csv(out / schema.COMPARISON_CSV_FILE, comparison_frame(comparison), "%.6f")
    with style.settings():
        picture = figure.draw(comparison.changes[schema.PSNR], out / schema.FIGURES_FOLDER)
    names = (_short_folder_name(before), _short_folder_name(after))
    page = comparison_document(comparison, picture, names=names, title=studies[1].title)
    return write_html(page, out / schema.COMPARISON_FILE, page_languages)


def _short_folder_name(folder: Path) -> str:
    """The folder's name with that of its runs folder, to distinguish the two."""
    path = Path(folder).resolve()
    return f"{path.parent.parent.name}/{path.parent.name}/{path.name}"


def comparison_document(
    comparison: Comparison, picture: Picture | None, *, names: tuple[str, str], title: str
) -> Document:
    """The page; `names` of the two folders, `title` of the study."""
    text = summarize_changes(comparison.changes[schema.PSNR], comparison.unshared, comparison.dropped)
    summary = Summary(sentences=[text.headline], items=text.sentences, verdict=text.verdict)
    figures: list[Block] = [Figure(picture=picture)] if picture else []
    files_note = message(
        "Beside this page: {file} with every number unrounded, SSIM included.", file=schema.COMPARISON_CSV_FILE
    )
    return Document(
        title=message("Changes: {title}", title=stored_text(title)),
        question=[message("Before: {name}", name=names[0]), message("After: {name}", name=names[1])],
        sections=[
            Section(name="short", title=message("Summary"), blocks=[summary]),
            _settings_section(comparison),
            Section(
                name="averages",
                title=message("PSNR averaged over the columns"),
                short=message("Averages"),
                blocks=[*figures, averages_table(comparison)],
            ),
            Section(
                name="conditions",
                title=message("Single conditions"),
                short=message("Conditions"),
                blocks=[conditions_table(comparison)],
            ),
            Section(
                name="again",
                title=message("Reproduce"),
                blocks=[Code(code=f"python -m reports compare {names[0]} {names[1]}"), Text(text=files_note)],
            ),
        ],
    )


def _settings_section(comparison: Comparison) -> Section:
    terms_note = message("Protocol and data are identical, as a comparison requires.")
    blocks: list[Block] = [Text(text=terms_note)]
    if comparison.settings:
        columns = (message("Setting"), message("Before"), message("After"))
        blocks.append(
            Table(
                name="settings",
                title=message("Settings that differ"),
                columns=tuple(map(text_column, columns)),
                rows=tuple(Row(cells=tuple(map(text_cell, line))) for line in comparison.settings),
                has_title=False,
                is_sortable=False,
                style="wrapped",
            )
        )
    else:
        blocks.append(Text(text=message("All other recorded settings are identical too.")))
    verdicts = (message("Verdict before"), message("Verdict after"))
    blocks.append(DescriptionList(facts=list(zip(verdicts, comparison.headlines, strict=True))))
    title, short = message("Differences in settings"), message("Settings")
    return Section(name="terms", title=title, short=short, blocks=blocks)


def averages_table(comparison: Comparison) -> Table:
    """Each variant's average over the columns before and after."""
    rows = []
    for change in comparison.changes[schema.PSNR]:
        if change.condition != AVERAGE:
            continue
        e = change.estimate
        unpaired = () if change.seeds_paired else (message("not paired"),)
        p = "\N{EN DASH}" if change.same_runs else format_p(change.p_adjusted)
        cells = [
            text_cell(change.variant),
            Cell(text=f"{change.before:.2f}", value=change.before),
            Cell(text=f"{change.after:.2f}", value=change.after),
            Cell(text=format_estimate(e), value=e.value, style="strong" if change.is_significant else ""),
            Cell(text=p, value=change.p_adjusted),
            text_cell(change.significance),
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
            text_column(message("Significant")),
            Column(head=message("Seeds")),
            Column(head=message("Images")),
        ),
        rows=tuple(rows),
        caption=message(
            "Plain means over the columns, of the images and seeds that both reports have. Change: after minus "
            "before, paired by image and seed, with its 95% interval, simultaneous over the variants, for new "
            "training runs and new photographs. p: adjusted over the variants (Bonferroni)."
        ),
        has_title=False,
    )


def conditions_table(comparison: Comparison) -> Table:
    """Each variant's change of each condition."""
    by_variant: dict[str, dict[str, VariantChange]] = {}
    for change in comparison.changes[schema.PSNR]:
        by_variant.setdefault(change.variant, {})[change.condition] = change
    rows = [
        Row(cells=(text_cell(variant), *(_condition_cell(changes[c]) for c in comparison.conditions)))
        for variant, changes in by_variant.items()
    ]
    return Table(
        name="conditions-table",
        title=message("Changes of each condition"),
        columns=(text_column(message("Variant")), *(Column(head=condition_label(c)) for c in comparison.conditions)),
        rows=tuple(rows),
        caption=message(
            "Change of PSNR in dB, after minus before, with its 95% interval, simultaneous over all cells of this "
            "table. Bold with a star: significant, the interval excludes zero."
        ),
        has_title=False,
    )


def _condition_cell(change: VariantChange) -> Cell:
    e, style = change.estimate, "strong" if change.is_significant else ""
    hover = message(
        "{before} → {after} dB; {seeds} seed(s), {images} image(s); adjusted p {p}",
        before=f"{change.before:.2f}",
        after=f"{change.after:.2f}",
        seeds=e.n_seeds,
        images=change.n_images,
        p=format_p(change.p_adjusted),
    )
    if change.same_runs:
        return Cell(text=message("same"), value=e.value, hover=hover)
    text, low, high = map(format_signed, (e.value, e.low, e.high))
    text += "*" if style else ""
    return Cell(text=text, value=e.value, below=(f"[{low}, {high}]",), hover=hover, style=style)


@dataclass(frozen=True, kw_only=True)
class ComparisonSummary:
    """Headline and sentences; `verdict` sets the colour of the box, as for a study."""

    headline: str
    sentences: tuple[str, ...]
    verdict: Literal["all", "some", "none", "nothing"]


def summarize_changes(
    rows: Sequence[VariantChange], unshared: tuple[tuple[str, ...], tuple[str, ...]], dropped: int
) -> ComparisonSummary:
    """The sentences for PSNR.

    Args:
        rows: every variant and column.
        unshared: variants that only the first study has, and only the second.
        dropped: scores left out because the other study lacks the image.
    """
    averages = [change for change in rows if change.condition == AVERAGE]
    tested = [change for change in averages if not change.same_runs]
    real = [change for change in tested if change.is_significant]
    lines: list[str] = [
        message(
            "{variant}: {change} over {seeds}.",
            variant=change.variant,
            change=format_estimate(change.estimate),
            seeds=format_quantity(change.estimate.n_seeds, "seed"),
        )
        for change in real
    ]
    lines += [*_no_change_sentences(tested), *_condition_sentences(rows), *_power_sentences(tested)]
    if tested and (unchanged := [change.variant for change in averages if change.same_runs]):
        lines.append(message("The same runs on both sides, nothing to test: {names}.", names=list_names(unchanged)))
    unpaired = [change.variant for change in tested if not change.seeds_paired]
    if unpaired:
        lines.append(
            message("No seed in common, so compared as independent training runs: {names}.", names=list_names(unpaired))
        )
    if unshared[0]:
        lines.append(message("Only in the first report: {names}.", names=list_names(unshared[0])))
    if unshared[1]:
        lines.append(message("Only in the second report: {names}.", names=list_names(unshared[1])))
    if dropped:
        scores = format_quantity(dropped, "score")
        lines.append(message("{scores} left out because some run of the two reports lacks the image.", scores=scores))
    verdict: Literal["all", "some", "none", "nothing"] = "some" if real else "none"
    verdict = "nothing" if not tested else "all" if len(real) == len(tested) else verdict
    return ComparisonSummary(headline=_headline(tested, real), sentences=tuple(lines), verdict=verdict)


def _headline(tested: Sequence[VariantChange], real: Sequence[VariantChange]) -> str:
    if not tested:
        return message("Both reports show the same runs: nothing can have changed.")
    if all(change.estimate.n_seeds == 1 for change in tested):
        return message(
            "Each variant was trained with one seed: {n} of {models} score differently, which may be seed-to-seed "
            "variance.",
            n=sum(change.models_differ for change in tested),
            models=format_quantity(len(tested), "trained model"),
        )
    n = len(tested)
    adjusted = (
        message("{level}, simultaneous over {n} variants", level=f"{LEVEL:.0%}", n=n) if n > 1 else f"{LEVEL:.0%}"
    )
    if not real:
        return message(
            "No variant changed significantly in PSNR averaged over the columns ({adjusted}).",
            adjusted=adjusted,
        )
    return ngettext(
        "{real} of {n} variant changed significantly in PSNR averaged over the columns ({adjusted}).",
        "{real} of {n} variants changed significantly in PSNR averaged over the columns ({adjusted}).",
        n,
        real=len(real),
        adjusted=adjusted,
    )


def _no_change_sentences(tested: Sequence[VariantChange]) -> list[str]:
    unresolved = [change for change in tested if not change.is_significant and change.estimate.n_seeds > 1]
    if not unresolved:
        return []
    largest = max(unresolved, key=lambda change: abs(change.estimate.value))
    return [
        message(
            "No significant change: {names}; the largest is {change} ({variant}).",
            names=list_names([change.variant for change in unresolved]),
            change=format_estimate(largest.estimate),
            variant=largest.variant,
        )
    ]


def _condition_sentences(rows: Sequence[VariantChange]) -> list[str]:
    cells = [change for change in rows if change.condition != AVERAGE and not change.same_runs]
    if not cells:
        return []
    real = [change for change in cells if change.is_significant]
    if not real:
        return [message("None of {n} single conditions changed significantly, tested together.", n=len(cells))]
    largest = max(real, key=lambda change: abs(change.estimate.value))
    return [
        message(
            "{real} of {n} single conditions changed significantly, tested together; largest: {variant} on "
            "{condition}, {change}.",
            n=len(cells),
            real=len(real),
            variant=largest.variant,
            condition=condition_label(largest.condition),
            change=format_estimate(largest.estimate),
        )
    ]


def _power_sentences(tested: Sequence[VariantChange]) -> list[str]:
    """The minimum detectable change."""
    sizes = [
        minimum_detectable_difference(change.estimate)
        for change in tested
        if change.estimate.n_seeds > 1 and change.estimate.se > 0
    ]
    if not sizes:
        return []
    return [
        message(
            "Minimum detectable change: {size} dB at {power} power (unadjusted two-sided test at {level}; quadratic "
            "mean over the variants).",
            size=format_size(quadratic_mean(sizes)),
            power=f"{POWER:.0%}",
            level=f"{1 - LEVEL:.0%}",
        )
    ]

"""Elements of a page. Plain data without markup; every text is escaped by the renderer that shows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

from reports.document.interval import Interval


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure on disk.

    Attributes:
        name: file name without ending.
        title: what it shows, a few words.
        alt: text alternative.
        caption: how it was made and how to read it.
        png: the PNG file; SVG and PDF are in the same folder.
        width_in: width in inches, which decides whether a narrow screen scrolls it.
        column_png: NAME_column.png, a form for a journal's column, which a phone shows; None where there is none.
    """

    name: str
    title: str
    alt: str
    caption: str
    png: Path
    width_in: float
    column_png: Path | None = None

    @property
    def width_class(self) -> str:
        """How much of the page's width it takes: "wide", "medium" or "small" (a single panel is not enlarged)."""
        return "wide" if self.width_in > 6 else "medium" if self.width_in > 4 else "small"


@dataclass(frozen=True, kw_only=True)
class Number:
    """One printed number.

    Attributes:
        value: unrounded, NaN if there is none.
        text: as printed, "" if there is none.
        rank: 1 for bold (the best of the column), 2 for underlined (the second, or both of the best two); else 0.
        spread: standard deviation over seeds as printed, "" where there is none.
    """

    value: float
    text: str
    rank: int = 0
    spread: str = ""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell of a table: words, a number, or the numbers of several metrics.

    Attributes:
        text: as printed; of a cell with `numbers` the text shown instead of them ("not run"), else "".
        value: what it is sorted by; None for words.
        numbers: of several metrics, printed with a slash between them.
        below: smaller lines below the text: an interval, other names of a model.
        hover: tooltip.
        href: link target.
        interval: drawn above the text.
        style: class of the style sheet: "strong", "quiet", "mono".
        marks: numbers of the table's remarks that concern it.
    """

    text: str = ""
    value: float | None = None
    numbers: tuple[Number, ...] = ()
    below: tuple[str, ...] = ()
    hover: str = ""
    href: str = ""
    interval: Interval | None = None
    style: str = ""
    marks: tuple[int, ...] = ()

    @property
    def sort(self) -> float | None:
        """What the cell is sorted by; None for words."""
        return self.numbers[0].value if self.numbers and not self.text else self.value

    @property
    def full(self) -> str:
        """The text with the lines below it, in one line."""
        return " ".join((self.text, *self.below))


def text_cell(text: str, **changes: Any) -> Cell:
    """A cell that is no number."""
    return Cell(text=text, **changes)


@dataclass(frozen=True, kw_only=True)
class Column:
    """The head of a column.

    Attributes:
        head: its text.
        is_number: whether its cells are right-aligned numbers.
        group: a head above those of neighbouring columns of one group.
    """

    head: str
    is_number: bool = True
    group: str = ""


def text_column(head: str) -> Column:
    """The head of a column of words."""
    return Column(head=head, is_number=False)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A line of a table: a cell a column, of which the first heads the line; or a heading above other lines.

    Attributes:
        cells: empty for a heading.
        heading: of the lines below it.
        is_fixed: whether it stays where it is when lines are sorted.
        name: of what it shows, for programs; no renderer prints it.
        style: class of the style sheet.
    """

    cells: tuple[Cell, ...] = ()
    heading: str = ""
    is_fixed: bool = False
    name: str = ""
    style: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        name: anchor and label; of letters, digits and hyphens, alone of its kind on the page.
        title: what it shows, a few words.
        caption: units, and the basis of the intervals.
        columns: their heads.
        rows: in order.
        notes: lines below it.
        has_title: whether the title is visible; otherwise only screen readers announce it.
        is_collapsed: whether the page hides it behind its title.
        is_sortable: whether a click on a head sorts it.
        style: class of the style sheet.
        provenance_index: index into the page's provenance, which links its numbers to runs.
        first_number: index of the first column with provenance.
        latex: its code for a paper, which the page offers to copy.
    """

    name: str = ""
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    notes: tuple[str, ...] = ()
    has_title: bool = True
    is_collapsed: bool = False
    is_sortable: bool = True
    style: str = ""
    provenance_index: int | None = None
    first_number: int = 1
    latex: str = ""
    kind: ClassVar[str] = "table"

    @property
    def bodies(self) -> list[list[Row]]:
        """The rows in stretches: headings and fixed rows, then those that may be sorted, and so on."""
        stretches: list[list[Row]] = []
        for row in self.rows:
            if not stretches or is_fixed(stretches[-1][-1]) != is_fixed(row) or row.heading:
                stretches.append([])
            stretches[-1].append(row)
        return stretches


def rows_of(lines: Iterable[Iterable[Cell]]) -> tuple[Row, ...]:
    """The lines of a table that has nothing but cells."""
    return tuple(Row(cells=tuple(line)) for line in lines)


def is_fixed(row: Row) -> bool:
    """Whether sorting leaves the row alone."""
    return row.is_fixed or bool(row.heading)


@dataclass(frozen=True, kw_only=True)
class Text:
    """A paragraph; `lead` precedes it in bold. Styles: "note", "caption", "remark", "quiet", "scripted note"."""

    text: str = ""
    lead: str = ""
    style: str = ""
    kind: ClassVar[str] = "text"


@dataclass(frozen=True, kw_only=True)
class Items:
    """A list; numbered where its items are referred to."""

    items: Sequence[str]
    is_numbered: bool = False
    kind: ClassVar[str] = "items"


@dataclass(frozen=True, kw_only=True)
class Chips:
    """Short facts in a line: (text, whether it is a warning)."""

    title: str
    chips: Sequence[tuple[str, bool]]
    kind: ClassVar[str] = "chips"


@dataclass(frozen=True, kw_only=True)
class DescriptionList:
    """Names and what belongs to them: (name, text)."""

    facts: Sequence[tuple[str, str]]
    kind: ClassVar[str] = "facts"


@dataclass(frozen=True, kw_only=True)
class Code:
    """A command, or the output of one."""

    code: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure on disk."""

    picture: Picture
    kind: ClassVar[str] = "figure"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The box with a page's findings: sentences, of which the first `strong` are emphasised.

    `verdict`: "all", "some" or "none" of what was tested differs, "nothing" was tested, "" for no test.
    """

    sentences: Sequence[str]
    strong: int = 0
    items: Sequence[str] = ()
    verdict: str = ""
    kind: ClassVar[str] = "summary"


@dataclass(frozen=True, kw_only=True)
class Collapsible:
    """Blocks that the reader can collapse behind `title`; `is_open`: at first."""

    title: str
    blocks: Sequence[Block]
    is_open: bool = False
    kind: ClassVar[str] = "collapsible"


@dataclass(frozen=True, kw_only=True)
class Tabs:
    """Blocks of which one is shown at a time: (title, blocks). Without scripts all are shown. `name`: anchor."""

    name: str
    title: str
    tabs: Sequence[tuple[str, Sequence[Block]]]
    kind: ClassVar[str] = "tabs"


@dataclass(frozen=True, kw_only=True)
class Template:
    """A part that only HTML has: a template of reports/templates and what it shows."""

    template: str
    values: Mapping[str, Any] = field(default_factory=dict)
    kind: ClassVar[str] = "template"


@dataclass(frozen=True, kw_only=True)
class Section:
    """Blocks under a heading.

    Attributes:
        name: anchor.
        title: heading.
        blocks: in order; sections in sections are allowed.
        collapsed_title: if not "", the blocks are behind this line.
        short: heading in the page's contents, if another.
    """

    name: str
    title: str
    blocks: Sequence[Block]
    collapsed_title: str = ""
    short: str = ""
    kind: ClassVar[str] = "section"


Block: TypeAlias = (
    Text | Items | Chips | DescriptionList | Code | Figure | Table | Tabs | Summary | Collapsible | Template | Section
)


@dataclass(frozen=True, kw_only=True)
class Document:
    """A page.

    Attributes:
        title: heading.
        question: text below the heading.
        sections: in order; they are the page's contents.
        end: blocks after the last section that are not read in order.
        scripts, styles: files of reports/templates beside those that every page has.
        has_contents: whether the page has a list of its sections.
    """

    title: str
    sections: Sequence[Section]
    question: Sequence[str] = ()
    end: Sequence[Block] = ()
    scripts: Sequence[str] = ()
    styles: Sequence[str] = ()
    has_contents: bool = True

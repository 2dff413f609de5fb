"""Pages as plain data: sections of texts, tables and figures, shown by one renderer a format: HTML, Markdown, LaTeX.

Nothing here depends on studies. Texts are messages (reports/messages.py) where a page is translated.
"""

from reports.document.interval import Interval
from reports.document.model import (
    Block,
    Cell,
    Chips,
    Code,
    Collapsible,
    Column,
    DescriptionList,
    Document,
    Figure,
    Items,
    Number,
    Picture,
    Row,
    Section,
    Summary,
    Table,
    Tabs,
    Template,
    Text,
    rows_of,
    text_cell,
    text_column,
)

__all__ = [
    "Block",
    "Cell",
    "Chips",
    "Code",
    "Collapsible",
    "Column",
    "DescriptionList",
    "Document",
    "Figure",
    "Interval",
    "Items",
    "Number",
    "Picture",
    "Row",
    "Section",
    "Summary",
    "Table",
    "Tabs",
    "Template",
    "Text",
    "rows_of",
    "text_cell",
    "text_column",
]

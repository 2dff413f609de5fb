"""Measures of finished runs (schema.MEASURE_COLUMNS), summarized for the study's report.

`load` reads the tables. Each measure has a module with `summarize` (tables to numbers with intervals), `sentences`,
`make_table` or `make_tables`, and `to_frame` (the unrounded numbers for a CSV file). `sections` makes the page's
sections of them. Nothing here opens a model or an image.
"""

from reports.measures.load import Measures, load_measures

__all__ = ["Measures", "load_measures"]

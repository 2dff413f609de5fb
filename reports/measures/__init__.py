"""Measures taken of finished runs (schema.MEASURE_COLUMNS), summed up for the study's report.

`load` reads the tables, one module a measure works out numbers with intervals and sentences, `sections` draws and
gathers what the page shows. Nothing here opens a model or an image.
"""

from reports.measures.load import Measures, load_measures

__all__ = ["Measures", "load_measures"]

"""Rows of a table in memory as a study keeps them."""

import pandas as pd

from reports import schema
from reports.rows import Gathered, encoded

TEXTS = [column.name for column in schema.IMAGE_COLUMNS if column.dtype == "str"]


def study_rows(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `schema.IMAGE_COLUMNS`, as if each variant and seed were a run's images.parquet."""
    gathered = Gathered()
    for (variant, seed), run_rows in rows.groupby(["variant", "seed"], sort=False):
        gathered.add(encoded(run_rows.astype(dict.fromkeys(TEXTS, object))), variant=str(variant), seed=int(str(seed)))
    return gathered.frame()

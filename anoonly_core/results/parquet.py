"""Tables of results as Parquet files."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd

__all__ = ["to_parquet"]


def to_parquet(table: pd.DataFrame) -> bytes:
    """Encode a table as the bytes of a Parquet file; a named index becomes a column.

    A column with values of several types becomes text, such as contamination in a sweep: Parquet has one type a
    column.
    """
    flat = table.reset_index() if table.index.name is not None else table
    mixed = {name: str for name in flat if flat[name].dtype == np.object_ and flat[name].map(type).nunique() > 1}
    buffer = io.BytesIO()
    flat.astype(mixed).to_parquet(buffer, index=False)
    return buffer.getvalue()

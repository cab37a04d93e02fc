"""Uploads of tables for tests."""

from __future__ import annotations

import io

import pandas as pd

from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import TableSchema
from anoonly_core.data.tables.upload_metadata import Upload

__all__ = ["upload"]


def upload(table: pd.DataFrame, schema: TableSchema) -> Upload:
    """Upload a table as a .csv file and apply a schema."""
    added = uploads.add("t.csv", io.BytesIO(table.to_csv(index=False).encode()), "me", "here")
    return uploads.apply_schema(added, schema)[0]

"""Uploaded tables for the tests of pages, without a browser."""

from __future__ import annotations

import io
from typing import Any

from streamlit.testing.v1 import AppTest

from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import make_schema
from anoonly_core.data.tables.upload_metadata import Upload
from app.server.table_owners import server_table_owners
from tests.app.conftest import opened
from tests.tables import cancer

__all__ = ["TABLE", "add_labeled_table", "add_table", "errors", "upload"]

TABLE = cancer().iloc[:, -6:]


def add_table(content: bytes | None = None, shown: str = "cells.csv", owner: str = "me", server: str = "") -> Upload:
    """Store a file as an upload of a browser, by default TABLE as CSV; no schema is set."""
    body = TABLE.to_csv(index=False).encode() if content is None else content
    return uploads.add(shown, io.BytesIO(body), owner, server or server_table_owners().server)


def add_labeled_table(**changes: Any) -> Upload:
    """Store TABLE as an upload whose malignant rows are the anomalies; `changes` are arguments of `add_table`."""
    return uploads.apply_schema(add_table(**changes), make_schema({"label": "target", "anomaly": ("malignant",)}))[0]


def upload(content: bytes, name: str = "cells.csv") -> AppTest:
    """Return the page Your table after a file was uploaded there."""
    page = opened("your-table")
    page.file_uploader[0].upload(name, content, "text/csv")
    page.run()
    assert [caught.value for caught in page.exception] == []
    return page


def errors(page: AppTest) -> list[str]:
    """Return the errors of a page, without the backslashes of Markdown."""
    return [error.value.replace("\\", "") for error in page.error]

"""The example table to practise on: scikit-learn's breast cancer table, added as if the visitor had uploaded it."""

from __future__ import annotations

from io import BytesIO

from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import NO_LABEL, TableSchema
from anoonly_core.data.tables.upload_metadata import Upload

from . import table_owners

__all__ = ["EXAMPLE_NOTE", "add_example", "example_csv"]

LABEL = "diagnosis"
EXAMPLE_NOTE = "569 tumors, 30 measurements each, from scikit-learn; the malignant ones are the anomalies."


def example_csv(labeled: bool) -> bytes:
    """Return scikit-learn's breast cancer table as the bytes of a CSV file.

    With `labeled`, a column `diagnosis` follows the features, malignant or benign.
    """
    from sklearn.datasets import load_breast_cancer  # only now, since scikit-learn takes long to load

    bunch = load_breast_cancer(as_frame=True)
    table = bunch.data.copy()
    if labeled:
        table[LABEL] = bunch.target.map(dict(enumerate(bunch.target_names)))
    return bytes(table.to_csv(index=False).encode())


def add_example(labeled: bool) -> Upload:
    """Store the example table as an upload of the current visitor, and return the upload.

    Parameters
    ----------
    labeled : bool
        True for a table with the column `diagnosis`, whose schema the visitor has yet to set. False for one without
        labels, whose schema is set at once, so that its rows can be labeled.

    Raises
    ------
    BadDataFile, CacheUnavailable
        If the visitor has as many tables as allowed, or the table cannot be written.
    """
    name = "example.csv" if labeled else "example_unlabeled.csv"
    server = table_owners.server_table_owners().server
    table = uploads.add(name, BytesIO(example_csv(labeled)), table_owners.owner(), server)
    return table if labeled else uploads.apply_schema(table, TableSchema(label=NO_LABEL))[0]

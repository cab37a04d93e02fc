"""The examples to practise on: a table and an archive of images from scikit-learn, added as uploads of the visitor."""

from __future__ import annotations

import zipfile
from io import BytesIO

from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.schema import NO_LABEL, TableSchema
from anoonly_core.data.tables.upload_metadata import Upload

from . import table_owners

__all__ = ["EXAMPLE_NOTE", "IMAGES_NOTE", "add_example", "add_example_images", "example_csv", "example_zip"]

LABEL = "diagnosis"
IMAGES_NOTE = "Or 1797 scanned digits as PNG files in a .zip, a folder for each digit."
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


def example_zip() -> bytes:
    """Return scikit-learn's 1797 scanned digits as the bytes of a .zip archive of PNG files, one folder a digit."""
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits  # only now, since scikit-learn takes long to load

    archive = BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        for number, (row, digit) in enumerate(zip(*load_digits(return_X_y=True), strict=True)):
            picture = BytesIO()
            Image.fromarray((row.reshape(8, 8) * 255 / 16).astype(np.uint8)).save(picture, "PNG")
            files.writestr(f"digits/{digit}/{number:04}.png", picture.getvalue())
    return archive.getvalue()


def add_example_images() -> Upload:
    """Store the archive of digits as an upload of the current visitor, and return it; raise as `add_example` does."""
    server = table_owners.server_table_owners().server
    return uploads.add("digits.zip", BytesIO(example_zip()), table_owners.owner(), server)


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

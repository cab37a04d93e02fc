"""Attacks by small files that unfold, uploaded by one visitor, each group of one kind."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial

from tests.browser.server import Server
from tests.core.data.tables.unfolding import unfolding_files
from tests.soak.visitor import Visitor

__all__ = ["HARMS"]

MB = 1 << 20
PATIENCE_S = 120.0  # the page stops reading a table after 60 s
KEPT_S = 5.0
OUTCOMES = ("Compare", "Label by hand")  # buttons of a table that was read
GROUPS: Mapping[str, tuple[str, ...]] = {
    "parquet-dictionaries": (
        *("dictionary.parquet", "dictionary_of_bytes.parquet", "dictionary_largest_cells.parquet"),
        *("dictionary_one_cell.parquet", "dictionary_many_rows.parquet", "dictionaries.parquet"),
    ),
    "nested-columns": ("list.parquet", "list_of_lists.parquet", "struct.parquet", "fixed_list.parquet", "map.parquet"),
    "huge-cell": ("cell.csv.gz", "word.csv.gz", "dictionary_one_cell.parquet"),
    "endless-line": ("line.csv.gz", "numbers_in_a_line.csv.gz", "carriage_returns.csv.gz"),
    "endless-quote": ("quote.csv.gz", "quote_in_names.csv.gz"),
    "blank-columns": ("blank_columns.csv.gz", "wide_blank.csv.gz", "nulls.parquet", "blank_first.csv.gz"),
    "gzip-members": ("members.csv.gz", "zeros.csv.gz"),
    "lying-npz-headers": (
        *("absent_rows.npz", "absent_columns.npz", "within_cells.npz", "negative.npz", "huge.npz", "wide_type.npz"),
        *("wide_labels.npz", "records.npz", "subarrays.npz", "long_header.npz", "nested_header.npz"),
    ),
    "wide-row": ("wide_row.csv.gz", "ragged.csv.gz"),
}


@cache
def _contents() -> dict[str, bytes]:
    """Return the files of the generator by name, and some larger ones."""
    names = b",".join(b"c%d" % number for number in range(9_999))
    larger = {
        "blank_columns": names + b"\n" + (b"," * 9_998 + b"\n") * 400,
        "wide_row": b"a,b\n" + b"1," * (4 * MB) + b"\n" + b"1,2\n" * 1_000,
    }
    return dict(unfolding_files()) | {f"{name}.csv.gz": gzip.compress(text, 1) for name, text in larger.items()}


def _upload_all(names: Iterable[str], server: Server) -> str:
    """Upload these files, each once the one before was read or refused; return how many were read."""
    read = refused = 0
    slowest = 0.0
    with Visitor(server.port, PATIENCE_S) as visitor:
        visitor.open("your-table")
        for number, name in enumerate(names):
            begun = time.monotonic()
            was_read = _upload(visitor, number, name, _contents()[name])
            slowest = max(slowest, time.monotonic() - begun)
            read, refused = read + was_read, refused + (not was_read)
            visitor.move("Remove table")
            visitor.wait(lambda: visitor.idle and not visitor.has_now("Remove table"), "the removal")
        assert not visitor.broken, visitor.broken[0]
    return f"{read} read, {refused} refused, the slowest after {slowest:.1f} s"


def _upload(visitor: Visitor, number: int, name: str, content: bytes) -> bool:
    """Upload a file; return True once it is read, False once it is refused in a sentence."""
    visitor.upload(f"own_upload_{number}", name, content)

    def is_decided() -> bool:
        return visitor.has_now("Remove table") and (bool(visitor.alerts) or any(map(visitor.has_now, OUTCOMES)))

    visitor.wait(is_decided, f"the end of reading {name}")
    visitor.wait_until_idle()
    assert "Traceback" not in visitor.text, visitor.text
    assert "worker" not in " ".join(visitor.alerts), visitor.alerts
    return any(map(visitor.has_now, OUTCOMES))


def long_labels(server: Server) -> str:
    """Keep a table whose label column has 1000 values of 30 000 letters, which every page of everybody lists then."""
    rows = b"".join(b"%d,%s%d\n" % (row, b"x" * 30_000, row) for row in range(1_000))
    with Visitor(server.port, PATIENCE_S) as visitor:
        visitor.open("your-table")
        read = _upload(visitor, 0, "labels.csv.gz", gzip.compress(b"a,label\n" + rows, 1))
        if visitor.has_now("Keep on this machine …"):
            visitor.move("Keep on this machine …")
            visitor.wait(lambda: visitor.has_now("Keep"), "the dialog")
            visitor.move("Keep")
            visitor.wait_until_idle()
        time.sleep(KEPT_S)  # the others open Compare meanwhile
        size = len(visitor.raw)
        visitor.move("Remove table")
        visitor.wait_until_idle()
    return f"{'read and kept' if read else 'refused'}, a page of {size / 1000:.0f} kB"


HARMS: dict[str, Callable[[Server], str]] = {
    **{name: partial(_upload_all, names) for name, names in GROUPS.items()},
    "long-labels": long_labels,
}

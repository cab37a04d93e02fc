"""Kinds of files that people have: what is suggested for each, and equal rows on the page and the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anoonly_core.data.catalogue import resolve
from anoonly_core.data.tables import uploads
from anoonly_core.data.tables.profile import profile_table, suggest_schema
from anoonly_core.data.tables.uri import format_uri
from tests.core.data.tables.test_formats import WRITERS

ROWS = 120
RANDOM = np.random.default_rng(0)
Y = (np.arange(ROWS) % 12 == 0).astype(int)
AMOUNT = np.round(RANDOM.gamma(2, 800, ROWS) + Y, 2)
CLEAN = pd.DataFrame({"amount": AMOUNT, "hour": RANDOM.integers(0, 24, ROWS), "label": Y})
BETRUG = pd.DataFrame(
    {
        "Datum": pd.date_range("2024-01-01", periods=ROWS, freq="D").strftime("%d.%m.%Y"),
        "Betrag": [f"{cell:,.2f}".translate(str.maketrans(",.", ".,")) for cell in AMOUNT],
        "Ort": RANDOM.choice(["Wien", "Köln", "Zürich"], ROWS),
        "Betrug": np.array(["nein", "ja"])[Y],
    }
)
PAYSIM = CLEAN.rename(columns={"label": "isFraud"}).assign(
    type=RANDOM.choice(["CASH_IN", "DEBIT", "PAYMENT"], ROWS, p=[0.5, 0.04, 0.46]),
    nameOrig=[f"C{number}" for number in range(ROWS)],
    isFlaggedFraud=np.roll(Y, 1),
)


@dataclass(frozen=True)
class Kind:
    """A file, and what should come of it: the label, its anomalies, the number of features, and words of the notes."""

    content: bytes
    label: str
    features: int
    says: str = ""
    name: str = "t.csv"


def csv(
    frame: pd.DataFrame, separator: str = ",", encoding: str = "utf-8", above: str = "", header: bool = True
) -> bytes:
    return (above + frame.to_csv(index=False, sep=separator, header=header)).encode(encoding)


def changed(name: str, write: Callable[[float], str], separator: str = ",") -> bytes:
    return csv(CLEAN.assign(**{name: CLEAN[name].map(write)}), separator)


FORMATS = (
    *("t.tsv", "t.csv.bz2", "t.tsv.xz", "t.csv.zst", "t.zip"),
    *("t.json", "t.jsonl", "t.xlsx", "t.ods", "t.parquet", "t.feather"),
)
KINDS = {
    "clean": Kind(csv(CLEAN), "label", 2),
    "German": Kind(csv(BETRUG, ";"), "Betrug", 4, "numbers are rewritten in Betrag (120 cells"),
    "legacy encoding": Kind(csv(BETRUG, ";", "latin-1"), "Betrug", 4, "read as Windows-1252 (Western Europe)"),
    "UTF-16": Kind(csv(BETRUG, ";", "utf-16-le"), "Betrug", 4),
    "two labels and a category": Kind(csv(PAYSIM), "isFraud", 5),
    "currency": Kind(changed("amount", "${:,.2f}".format), "label", 2, "numbers are rewritten in amount (120 cells"),
    "thousands": Kind(changed("amount", "{:,.0f}".format), "label", 2, "numbers are rewritten in amount ("),
    "two meanings": Kind(
        csv(CLEAN.assign(amount=[f"{round(cell):,}".replace(",", ".") for cell in AMOUNT]), ";"), "label", 2, "may mean"
    ),
    "missing words": Kind(
        csv(CLEAN.assign(amount=CLEAN.amount.astype(str).mask(CLEAN.hour == 3, "-").mask(CLEAN.hour == 4, "unknown"))),
        "label",
        2,
        "-, unknown count as missing in the columns of numbers amount (",
    ),
    "preamble": Kind(csv(CLEAN, above="# exported\n# unit: bar\n"), "label", 2, "begins in line 3"),
    "named separator": Kind(csv(CLEAN, ";", above="sep=;\n"), "label", 2, "names the separator"),
    "no names": Kind(CLEAN.to_csv(index=False, header=False).encode(), "", 3, "holds numbers instead of names"),
    "spaces": Kind(csv(CLEAN, " "), "label", 2),
    "dates": Kind(csv(CLEAN.assign(when=pd.date_range("2024-01-01", periods=ROWS).strftime("%b %d %Y"))), "label", 2),
    "many words": Kind(csv(CLEAN.assign(shop=[f"M{row % 70}" for row in range(ROWS)])), "label", 2),
    "row numbers": Kind(CLEAN.to_csv().encode(), "label", 2),
    "customers": Kind(csv(CLEAN.assign(customer_id=RANDOM.permutation(ROWS) // 2)), "label", 2),
    "leak": Kind(
        csv(CLEAN.assign(closed=np.where(Y == 1, AMOUNT.astype(str), ""))), "label", 3, "missing exactly in normal"
    ),
    "threshold": Kind(
        csv(CLEAN.assign(level=AMOUNT + 1e6 * Y)), "label", 3, "level alone tells anomalies from normal rows"
    ),
    "twins": Kind(
        csv(CLEAN.set_axis(["amount", "amount", "label"], axis=1)), "label", 2, "several columns called 'amount'"
    ),
    "marked anomalies": Kind(csv(CLEAN.assign(label=np.where(Y == 1, "1", ""))), "label", 2),
    **{name: Kind(WRITERS[name](CLEAN), "label", 2, name=name) for name in FORMATS},
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_of_file_is_read_alike_on_the_page_and_the_command_line(
    kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANOONLY_CACHE", str(tmp_path / "cache"))
    path = tmp_path / kind.name
    path.write_bytes(kind.content)
    with path.open("rb") as file:
        upload = uploads.add(kind.name, file, "me", "here")
    schema = suggest_schema(profile_table(uploads.read_source(upload)))
    upload, parsed = uploads.apply_schema(upload, schema)
    assert schema.label == kind.label and parsed.X.shape == (ROWS, kind.features)
    if kind.label:
        assert (parsed.y == 1).tolist() == (Y == 1).tolist()
    assert kind.says in " ".join(upload.notes)
    if upload.can_be_tested:
        address = format_uri(str(path), schema)
        assert resolve(upload.name).load().fingerprint == resolve(address).load().fingerprint
        assert [*map(str, resolve(address).notes)] == [note.replace(kind.name, str(path)) for note in upload.notes]

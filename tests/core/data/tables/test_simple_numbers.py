"""Simple written numbers: read as the parser of single cells reads them, whatever the mix of cells."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from anoonly_core.data.tables import number_styles
from anoonly_core.data.tables.number_styles import Decimal, parse_written, settle_sure_numbers

CELLS = st.one_of(
    st.from_regex(r"-?[0-9]{1,5}([.,][0-9]{1,4})?", fullmatch=True),
    st.from_regex(r"-?[0-9]{1,3}([.,][0-9]{3}){1,2}([.,][0-9]{1,3})?", fullmatch=True),
    st.sampled_from(["", "NA", "-", "+1", "1e3", "1.", ".5", " 7 ", "x", "0.000", "0,000", "-0,0", "1.234,50 €"]),
)


def settled(cells: list[str]) -> tuple[pd.DataFrame, dict[str, object]]:
    table = pd.DataFrame({"a": cells}, dtype="str")
    settle_sure_numbers(table, "t")
    return table, table.attrs


@given(st.lists(CELLS, min_size=1, max_size=8))
@example(["12,5", "3", "NA"])
@example(["1.234,50", "-2"])
@example(["1,234.50", "0.000"])
@example(["0.000", "12,5"])
@example(["12.5", "NA"])
def test_a_column_is_read_as_cell_by_cell(cells: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(number_styles, "_read_simple", lambda cells, decimal: None)
        patch.setattr(number_styles, "_simple_style", lambda words, is_plain: None)
        expected, expected_attrs = settled(cells)
    table, attrs = settled(cells)
    pd.testing.assert_frame_equal(table, expected, check_exact=True)
    if table["a"].dtype == np.float64:
        assert table["a"].to_numpy().tobytes() == expected["a"].to_numpy().tobytes()
    assert attrs == expected_attrs


@pytest.mark.parametrize(("decimal", "cell"), [("comma", "{},5"), ("point", "1,{:03}.5"), ("comma", "1.{:03},25")])
def test_simple_numbers_are_read_without_a_look_at_each(
    decimal: Decimal, cell: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = pd.Series([cell.format(number) for number in range(1000)], dtype="str")
    monkeypatch.setattr(number_styles, "_to_number", lambda cell, decimal: pytest.fail(cell))
    numbers = parse_written(cells, decimal)
    assert numbers.dtype == np.float64 and numbers.is_monotonic_increasing and numbers.iloc[-1] % 1 in (0.5, 0.25)

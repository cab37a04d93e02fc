"""Row selection of a table whose rows change: it follows the key of a row, not its index."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

__all__ = ["keep_selection"]


def keep_selection(table: str, keys: Sequence[str], at_first: Sequence[str] = ()) -> None:
    """Keep the selected rows of a table selected when rows change or move; call this before `st.dataframe`.

    Changes the selection in the session state, from row indices of the previous run to those of this run.

    Parameters
    ----------
    table : str
        Widget key of the table.
    keys : sequence of str
        The key of each row of the table, in the order in which they are about to be drawn.
    at_first : sequence of str
        Keys of the rows that are selected when the page draws the table for the first time.
    """
    wanted = set(at_first)
    noted = f"{table}_keys"
    if table in st.session_state:
        before: Sequence[str] = st.session_state.get(noted, keys)
        if list(before) == list(keys):
            return
        wanted = {before[row] for row in st.session_state[table]["selection"]["rows"] if row < len(before)}
    if table in st.session_state or wanted:
        st.session_state[table] = {"selection": {"rows": [n for n, key in enumerate(keys) if key in wanted]}}
    st.session_state[noted] = list(keys)

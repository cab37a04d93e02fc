"""Row selection of a table whose rows change: it follows the key of a row, not its index."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

__all__ = ["keep_selection"]


def keep_selection(table: str, keys: Sequence[str], at_first: Sequence[str] = ()) -> None:
    """Before st.dataframe draws the table with this widget key: let what was selected stay so, wherever it stands now.

    keys: what the rows are, in their order. at_first: which of them are selected when the table is new to the page.
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

"""Bringing a data set to this machine, as a page offers it."""

from __future__ import annotations

import time

import streamlit as st

from anoonly_core.data.catalogue import find
from app import notices
from app.jobs import Jobs, dataset_key

__all__ = ["is_at_hand"]

POLL_S = 0.05


def is_at_hand(name: str, jobs: Jobs, session: str) -> bool:
    """Whether the data set can be read; if not, offer to download it and show how far that has come."""
    entry = find(name)
    if entry is None or entry.at_hand():
        return True  # of a table that is gone the run says so
    key = dataset_key(name)
    if jobs.view([key]) is None:
        if failure := jobs.failure(key):
            notices.error(failure)
        st.info(f"{name} is not on this machine yet. It can be downloaded from ADBench and is verified.")
        if not st.button(f"Download {name}", type="primary"):
            return False
        jobs.want_dataset(session, name)
    bar = st.progress(0.0, f"Downloading {name}")
    while (view := jobs.view([key])) is not None:
        share = min(view.done / view.total, 1.0) if view.total else 0.0
        bar.progress(share, f"Downloading {name}: {view.done / 1e6:.1f} MB")
        time.sleep(POLL_S)
    st.rerun()

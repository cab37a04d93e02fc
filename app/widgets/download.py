"""Download of data sets from a page, with progress, Cancel and failures."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from anoonly_core.data.catalogue import DATASETS, find

from ..server.jobs import JobKind, Jobs, JobView, dataset_key
from ..text.labels import MEGABYTE
from . import notices
from .progress import progress_row, wait_for_poll

__all__ = ["download_size", "draw_failures", "ensure_downloaded", "follow_downloads"]


def ensure_downloaded(name: str, jobs: Jobs, session: str) -> bool:
    """Return True if a data set is on this machine; if not, offer its download on the page and return False.

    A running download is followed: the call blocks until the download ends, and then reruns the page.

    Parameters
    ----------
    name : str
        Name of the data set. True is returned for an unknown name, which the run reports.
    jobs : Jobs
        The job queue of the server.
    session : str
        Id of the session.
    """
    entry = find(name)
    if entry is None or entry.is_local():
        return True  # of a table that is gone the run says so
    if name not in jobs.downloads():
        draw_failures([name], jobs)
        st.info(f"{name} is not on this machine yet. It can be downloaded from ADBench and is verified.")
        if not st.button(f"Download {name}", type="primary"):
            return False
        jobs.request_downloads(session, [name])
    follow_downloads([name], jobs, session)
    return False  # never: the page begins anew


def follow_downloads(names: Sequence[str], jobs: Jobs, session: str) -> None:
    """Draw the progress of the downloads of these data sets, block until one of them ends, then rerun the page.

    The Cancel button removes this session from the downloads, which continue while another session waits for them.
    """
    bar, cancel = progress_row(st.empty())
    jobs.adopt_downloads(session)
    if set(names) & set(jobs.downloads(session)):
        cancel.button("Cancel", key="cancel_download", on_click=jobs.release, args=(session, [JobKind.DOWNLOADS]))
    keys = [dataset_key(name) for name in names]
    before = here = _here(names)
    while here == before and (view := jobs.view(keys)) is not None:
        bar.show(*_progress(names, here, view))
        wait_for_poll(jobs)
        here = _here(names)
    st.rerun()


def download_size(name: str) -> int | None:
    """Return the size in bytes of the file to download for a data set; None if its size is not known."""
    file = DATASETS[name].file
    return file.bytes if file is not None else None


def draw_failures(names: Sequence[str], jobs: Jobs) -> None:
    """Show why downloads of these data sets failed, each sentence once; draw nothing if none failed."""
    for sentence in dict.fromkeys(jobs.results.failure(dataset_key(name)) for name in names):
        if sentence is not None:
            notices.error(sentence)


def _here(names: Sequence[str]) -> int:
    return sum(DATASETS[name].is_local() for name in names)


def _progress(names: Sequence[str], here: int, view: JobView) -> tuple[float, str]:
    """Return the progress of a download as a share from 0 to 1, and a text.

    Parameters
    ----------
    names : sequence of str
        The data sets of the download.
    here : int
        Number of these data sets that are on this machine.
    view : JobView
        Progress of the jobs in bytes, or their number of jobs ahead in the queue.
    """
    if view.ahead:
        return 0.0, f"Waiting: {view.ahead} job{'s' if view.ahead > 1 else ''} of others come first"
    megabytes = f"{view.done / MEGABYTE:.1f}"
    if all(download_size(name) for name in names) and view.total:
        share = view.done / view.total
        megabytes += f" of {view.total / MEGABYTE:.1f}"
    else:  # the sizes that are known say little of the whole
        share = view.done / view.total if len(names) == 1 and view.total else here / len(names)
    what = names[0] if len(names) == 1 else f"{len(names)} data sets, {here} of them here"
    return min(share, 1.0), f"Downloading {what}: {megabytes} MB"

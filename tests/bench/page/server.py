"""Serve the app as `python -m app` does, with notes of each step from a browser's message to a chart.

The product has no hooks for this: the functions at the ends of each stage are wrapped here.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from anoonly_core.execution import tasks
from app.__main__ import main
from tests.bench.page.trace import note

__all__ = ["COMMAND"]

COMMAND = ("-m", "tests.bench.page.server")  # arguments of Python


def wrap(
    owner: Any, name: str, before: str = "", after: str = "", keys: Callable[..., tuple[str, ...]] | None = None
) -> None:
    """Replace an attribute of a module or class by a function that notes its begin and its end.

    Parameters
    ----------
    owner, name
        Module or class, and the name of the function in it.
    before, after : str
        Names of the events; "" for none.
    keys : callable, optional
        Takes the arguments of the function and returns the keys of the events.
    """
    function = getattr(owner, name)

    def call(*arguments: Any, **named: Any) -> Any:
        concerned = keys(*arguments, **named) if keys else ()
        if before:
            note(before, *concerned)
        try:
            return function(*arguments, **named)
        finally:
            if after:
                note(after, *concerned)

    setattr(owner, name, call)


def wrap_stages() -> None:
    """Wrap the functions of Streamlit and of the app that begin or end a stage."""
    import streamlit as st
    from streamlit.runtime.app_session import AppSession
    from streamlit.runtime.scriptrunner.script_runner import ScriptRunner

    from app.server.jobs import Jobs
    from app.views.compare import page as compare
    from tests.bench.page.worker import train_runs_with_notes

    tasks.train_runs = train_runs_with_notes
    tasks.warm_umap = os.getpid  # type: ignore[assignment]  # a minute of a core that no stage needs
    wrap(AppSession, "handle_backmsg", before="arrived")
    wrap(ScriptRunner, "_run_script", before="running", after="ran")
    wrap(Jobs, "_submit", after="submitted", keys=lambda jobs, session, kind, keys, *rest, **named: keys)
    wrap(Jobs, "_finish", after="finished", keys=lambda jobs, job: job.keys)
    wrap(compare, "draw_comparison", before="drawing")
    wrap(st, "plotly_chart", "serializing", "serialized", keys=lambda figure, key, **named: (key,))


if __name__ == "__main__":  # the worker processes import this file too
    wrap_stages()
    main(sys.argv[1:])

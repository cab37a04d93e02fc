"""Stages of one answer of the page, from the events of browser, server and worker."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.bench.page.trace import Event

__all__ = ["STAGES", "stages"]

# Each stage ends with an event: of the browser, of the server, or of the worker that computed the result.
STAGES = {
    "sent": "browser: key to message",
    "arrived": "WebSocket to the server",
    "running": "script starts",
    "submitted": "header and controls, run submitted",
    "taken": "queue and pipe to the worker",
    "split": "data loaded and split",
    "trained": "training",
    "evaluated": "scores and metrics",
    "stored": "result stored",
    "finished": "pipe to the server",
    "drawing": "page goes on (stored: header and controls)",
    "serializing": "headline, tiles, figure built",
    "serialized": "figure checked and serialized",
    "received": "WebSocket to the browser",
    "changed": "parsed and drawn",
    "painted": "painted",
}


def stages(notes: Mapping[str, Sequence[Any]], events: Sequence[Event], chart: str) -> dict[str, float]:
    """Return the seconds of each stage of the first new figure that the browser painted, in the order of STAGES.

    An event that did not happen is left out, and its stage is part of the next one.

    Parameters
    ----------
    notes : mapping
        Notes of `watch.js` since the action.
    events : sequence of Event
        Events of the server and its workers, in the order of their times.
    chart : str
        Widget key of the figure.
    """
    begun, changed = notes["acted"][0], notes["changed"][0]
    received = max(
        (message["at"] for message in notes["received"] if chart in message["keys"] and message["at"] <= changed),
        default=None,
    )
    until = changed if received is None else received
    times: dict[str, float | None] = {
        "sent": next((at for at in notes["sent"] if at >= begun), None),
        "received": received,
        "changed": changed,
        "painted": next((at for at in notes["painted"] if at >= changed), None),
    }
    within = [event for event in events if begun <= event.at <= until]
    for name in ("arrived", "running"):
        times[name] = next((event.at for event in within if event.name == name), None)
    for name in ("serializing", "serialized"):
        times[name] = max((event.at for event in within if event.name == name and chart in event.keys), default=None)
    times["drawing"] = max((event.at for event in within if event.name == "drawing"), default=None)
    times |= _of_the_job(within, times["drawing"] or times["serializing"] or until)
    return _differences(begun, times)


def _of_the_job(events: Sequence[Event], until: float) -> dict[str, float | None]:
    """Return the times of the last job that finished before `until`; empty without one."""
    finished = [event for event in events if event.name == "finished" and event.at <= until]
    if not finished:
        return {}
    keys = set(finished[-1].keys)
    own = [event for event in events if keys & set(event.keys)]
    times = {event.name: event.at for event in own if event.name in ("submitted", "stored", "finished")}
    stored = next((event for event in own if event.name == "stored"), None)
    if stored is None:
        return dict(times)
    worker = [event for event in events if event.at <= stored.at and event.process == stored.process]
    for name in ("taken", "split", "evaluated"):
        times[name] = max((event.at for event in worker if event.name == name), default=stored.at)
    times["trained"] = times["split"] + stored.seconds
    return dict(times)


def _differences(begun: float, times: Mapping[str, float | None]) -> dict[str, float]:
    """Return the seconds from each event to the next one, by the name of the later one."""
    taken, before = {}, begun
    for name in STAGES:
        at = times.get(name)
        if at is not None:
            taken[name], before = at - before, max(at, before)
    return taken

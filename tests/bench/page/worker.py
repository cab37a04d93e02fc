"""The training task of the page with notes of its parts: load and split, train, evaluate, store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from anoonly_core.config import RunConfig
from anoonly_core.execution.job import StoredOutcome
from anoonly_core.execution.tasks import train_runs
from tests.bench.page.trace import note

__all__ = ["train_runs_with_notes"]


def train_runs_with_notes(configs: Sequence[RunConfig]) -> StoredOutcome:
    """Call `tasks.train_runs` in a worker process, and note when its parts end."""
    _note_parts()
    note("taken")
    outcome = train_runs(configs)
    seconds = sum(result.seconds["train"] for result in outcome.outcome)
    note("stored", *(result.key for result in outcome.outcome), seconds=seconds)
    return outcome


@cache
def _note_parts() -> None:
    """Wrap, once per process, the functions that end a part."""
    from anoonly_core.runs import run

    def noted(function: Callable[..., Any], name: str) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            value = function(*arguments)
            note(name)
            return value

        return call

    run.group_runs = noted(run.group_runs, "split")
    run.train_stack = noted(run.train_stack, "evaluated")

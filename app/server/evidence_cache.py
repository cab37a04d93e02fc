"""Cache of the reproduction evidence in the server: shipped results, overridden by local ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from anoonly_core.config import RunConfig
from anoonly_core.reproduction.cells import Cell
from anoonly_core.reproduction.discrepancies import DISCREPANCIES, Finding
from anoonly_core.reproduction.evidence import Evidence, local_evidence
from anoonly_core.reproduction.experiments import EXPERIMENTS
from anoonly_core.results.store import Store

__all__ = ["CellRuns", "cell_runs", "preload_evidence", "read_findings", "server_evidence"]


@dataclass(frozen=True)
class CellRuns:
    """The runs behind one cell of a table of the paper, as a batch for the sweep queue.

    Attributes
    ----------
    configs : dict of str to RunConfig
        The runs by run key.
    """

    configs: dict[str, RunConfig]

    @property
    def stages(self) -> tuple[dict[str, RunConfig], ...]:
        """The runs in parts that train one after the other: a single part."""
        return (self.configs,)

    def canonical(self) -> str:
        """Return a text that identifies the batch: its run keys in sorted order."""
        return " ".join(sorted(self.configs))


def cell_runs(name: str, cell: Cell, evidence: Evidence) -> CellRuns:
    """Return the runs behind one cell of a table, to be trained again on this machine.

    Parameters
    ----------
    name : str
        The experiment that the table belongs to, such as "table1".
    cell : Cell
        The cell.
    evidence : Evidence
        The results, which know the planned runs of each experiment.
    """
    wanted = set(cell.keys)
    return CellRuns({run.key: run.config for run in evidence.planned(name) if run.key in wanted})


@dataclass(frozen=True)
class _Known:
    """The evidence of a store, with what it was read from.

    `stamp` is the state of the store's file, `held` the run keys in the store.
    """

    stamp: object
    held: frozenset[str]
    evidence: Evidence


_lock = threading.Lock()
_known: dict[Store, _Known] = {}


def server_evidence(store: Store) -> Evidence:
    """Return the results of the paper's experiments: those that ship, and in their place those that this store has.

    All sessions share one object. It is built anew when runs of these experiments enter or leave the store.
    """
    with _lock:
        stamp, known = _stamp(store), _known.get(store)
        if known is None or known.stamp != stamp:
            evidence = local_evidence(store)
            held = _stored_keys(evidence, store)
            if known is not None and (known.evidence.files, known.held) == (evidence.files, held):
                evidence = known.evidence  # other runs came or went
            _known[store] = known = _Known(stamp, held, evidence)
        return known.evidence


def _stored_keys(evidence: Evidence, store: Store) -> frozenset[str]:
    """Return the keys of the runs planned for any experiment that are in the store."""
    planned = (run for name in EXPERIMENTS for run in evidence.planned(name))
    return frozenset(store.keys().intersection(key for run in planned for key in (run.key, run.gpu_key)))


def preload_evidence(store: Store) -> None:
    """Compute the first table of Reproduce and the measured discrepancies, so that no page waits for them later.

    Blocks until all is computed, with pauses that leave the processor to the pages.
    """
    evidence = server_evidence(store)
    _run_with_pause(lambda: evidence.frame("table1"))
    for name in DISCREPANCIES:
        _run_with_pause(partial(_finding, evidence, name))


def _run_with_pause(work: Callable[[], object]) -> None:
    """Call a function without arguments, then sleep for three times as long as it took."""
    begun = time.perf_counter()
    work()
    time.sleep(3 * (time.perf_counter() - begun))


def read_findings(evidence: Evidence) -> dict[str, Finding | None]:
    """Return the measured finding on each discrepancy of the paper, by its name; None where runs are missing.

    Findings are computed once and then cached in `evidence`.
    """
    return {name: _finding(evidence, name) for name in DISCREPANCIES}


def _finding(evidence: Evidence, name: str) -> Finding | None:
    return evidence.cached(("point", name), lambda: DISCREPANCIES[name].measure(evidence))


def _stamp(store: Store) -> object:
    try:
        about = store.path.stat()
        return about.st_mtime_ns, about.st_size
    except OSError:
        return None

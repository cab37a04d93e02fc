"""One-time preparation of the server process, however the server was started."""

from __future__ import annotations

import gc
import logging
import sys
import threading
import time
from functools import cache

from anoonly_core.errors import StoreBusy

from . import allowed_hosts
from .evidence_cache import preload_evidence
from .jobs import server_jobs
from .media_files import delay_file_deletion
from .message_limit import limit_message_size

__all__ = ["prepare"]

SWITCH_INTERVAL_S = 0.0005
RETRY_S = 5.0  # where another process holds the run store locked

log = logging.getLogger(__name__)


@cache
def prepare() -> None:
    """Prepare the server process once: patch Streamlit and uvicorn, and start a background thread; does not block.

    The thread loads scikit-learn, starts the worker processes and computes the evidence that Reproduce shows. Later
    calls do nothing.
    """
    # With many pages drawn at once, the thread that answers browsers waits its turn for each message it sends.
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    delay_file_deletion()
    limit_message_size()
    allowed_hosts.disable_external_ip_lookup()
    _freeze()
    threading.Thread(target=_warm_up, daemon=True, name="warm-up").start()


def _freeze() -> None:
    """Collect garbage, then exempt all objects that are left from later collections, which would halt every page."""
    gc.collect()
    gc.freeze()


def _warm_up() -> None:
    """Load and compute what pages need later; the body of a background thread."""
    import sklearn.datasets
    import sklearn.manifold  # noqa: F401 - here, so that the server answers sooner

    while True:
        try:
            preload_evidence(server_jobs().store)
            break
        except StoreBusy as error:
            log.warning("%s", error)
            time.sleep(RETRY_S)
    _freeze()

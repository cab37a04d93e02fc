"""Serve the app as `python -m app` does, without the UMAP that two processes of a server run first.

No browser test shows a UMAP. Compiling and running it takes 12 s of a core in each process, as long as all else that a
server does in a test.
"""

from __future__ import annotations

import os
import sys

from anoonly_core.execution import tasks
from app.__main__ import main

if __name__ == "__main__":  # the worker processes import this file too
    tasks.warm_umap = os.getpid  # type: ignore[assignment]
    main(sys.argv[1:])

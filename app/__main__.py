"""python -m app: start the server with everything loaded and the workers warm, so that the first page is quick."""

import gc
import sys
import threading
from pathlib import Path

SWITCH_S = 0.0005


def main() -> None:
    """Load the page's libraries, start the workers, then serve; further arguments go to `streamlit run`."""
    from streamlit.web import cli

    from app.server import allowed_hosts
    from app.server.evidence_cache import preload_evidence
    from app.server.jobs import server_jobs
    from app.server.media_files import delay_file_deletion
    from app.views.sweep import page as sweep  # noqa: F401 - what the first page would otherwise wait for

    # With many pages drawn at once, what answers browsers waits its turn among them for each message it sends.
    sys.setswitchinterval(SWITCH_S)

    def settle() -> None:
        """Spare each later collection of garbage the walk through all that stays: it halts every page meanwhile."""
        gc.collect()
        gc.freeze()

    def read() -> None:
        preload_evidence(server_jobs().store)
        settle()

    settle()

    threading.Thread(target=read, daemon=True, name="evidence").start()
    delay_file_deletion()
    allowed_hosts.disable_external_ip_lookup()
    arguments = allowed_hosts.server_arguments(sys.argv[1:])
    if added := arguments[len(sys.argv) - 1 :]:
        names = ", ".join(argument.partition("=")[2] for argument in added)
        print(f"Open to a network, under these names alone: {names}. Others: --server.allowedHosts NAME, for each.")
    sys.argv = ["streamlit", "run", str(Path(__file__).with_name("main.py")), *arguments]
    cli.main(prog_name="streamlit")


if __name__ == "__main__":  # the worker processes import this file too
    main()

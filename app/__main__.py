"""Serve the page: `python -m app` or `anoonly app`; arguments go to `streamlit run`."""

import sys
from collections.abc import Sequence
from pathlib import Path


def main(given: Sequence[str]) -> None:
    """Start the web server with `streamlit run app/main.py` in this process; block until the server stops.

    Unless `given` or the environment sets host names, a server that listens on a network accepts requests only
    under the names and addresses of this machine, and prints them.

    Parameters
    ----------
    given : sequence of str
        Command-line arguments that are passed on to `streamlit run`.
    """
    from streamlit.web import cli

    from .server import allowed_hosts

    arguments = allowed_hosts.server_arguments(given)
    if added := arguments[len(given) :]:
        names = ", ".join(argument.partition("=")[2] for argument in added)
        print(f"Open to a network, under these names alone: {names}. Others: --server.allowedHosts NAME, for each.")
    sys.argv = ["streamlit", "run", str(Path(__file__).with_name("main.py")), *arguments]
    cli.main(prog_name="streamlit")


if __name__ == "__main__":  # the worker processes import this file too
    main(sys.argv[1:])

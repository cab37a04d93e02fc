"""Serve the page: `python -m app` or `anoonly app`; arguments go to `streamlit run`."""

import sys
from collections.abc import Sequence
from pathlib import Path


def main(given: Sequence[str]) -> None:
    """Start the server; if it is opened to a network, it answers to this machine's names there.

    Parameters
    ----------
    given
        Arguments of `streamlit run`.
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

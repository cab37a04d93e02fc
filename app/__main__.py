"""python -m app: serve the page; arguments go to `streamlit run`."""

import sys
from pathlib import Path


def main() -> None:
    """Start the server; if it is opened to a network, it answers to this machine's names there."""
    from streamlit.web import cli

    from .server import allowed_hosts

    arguments = allowed_hosts.server_arguments(sys.argv[1:])
    if added := arguments[len(sys.argv) - 1 :]:
        names = ", ".join(argument.partition("=")[2] for argument in added)
        print(f"Open to a network, under these names alone: {names}. Others: --server.allowedHosts NAME, for each.")
    sys.argv = ["streamlit", "run", str(Path(__file__).with_name("main.py")), *arguments]
    cli.main(prog_name="streamlit")


if __name__ == "__main__":  # the worker processes import this file too
    main()

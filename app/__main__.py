"""python -m app: start the server with its libraries loaded and its workers warm, so that the first page is quick."""

import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    """Load the page's libraries, start the workers, then serve; further arguments go to `streamlit run`."""
    from streamlit.web import cli

    from app.navigation import PAGES
    from app.server import allowed_hosts
    from app.server.startup import prepare

    for name in PAGES:  # loaded now, or the first page would wait for it
        import_module(f"app.views.{name}.page")
    prepare()
    arguments = allowed_hosts.server_arguments(sys.argv[1:])
    if added := arguments[len(sys.argv) - 1 :]:
        names = ", ".join(argument.partition("=")[2] for argument in added)
        print(f"Open to a network, under these names alone: {names}. Others: --server.allowedHosts NAME, for each.")
    sys.argv = ["streamlit", "run", str(Path(__file__).with_name("main.py")), *arguments]
    cli.main(prog_name="streamlit")


if __name__ == "__main__":  # the worker processes import this file too
    main()

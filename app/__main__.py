"""python -m app: start the server with everything loaded and the workers warm, so that the first page is quick."""

import sys
from pathlib import Path


def main() -> None:
    """Load the page's libraries, start the workers, then serve; further arguments go to `streamlit run`."""
    from streamlit.web import cli

    from app.jobs import server_jobs
    from app.views import compare, datasets, lessons, microscope, own_table, runs, sweep  # noqa: F401 - what the first page would otherwise wait for

    server_jobs()
    sys.argv = ["streamlit", "run", str(Path(__file__).with_name("main.py")), *sys.argv[1:]]
    cli.main(prog_name="streamlit")


if __name__ == "__main__":  # the worker processes import this file too
    main()

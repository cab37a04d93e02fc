"""Run the command line: `python -m anoonly_core`."""

import sys

from anoonly_core.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

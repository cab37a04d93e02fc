"""What the product holds under: `make soak` prints what it met, and fails where it should not be so."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.soak.faults import FAULTS
from tests.soak.faults.table import check_faults
from tests.soak.inputs import check_inputs
from tests.soak.promises import check_load

# Each returns the lines of a Markdown table, and whether all that was promised was kept.
PARTS: dict[str, Callable[[argparse.Namespace], tuple[list[str], bool]]] = {
    "load": check_load,
    "faults": check_faults,
    "inputs": check_inputs,
}


def parser() -> argparse.ArgumentParser:
    """What can be asked for."""
    asking = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    asking.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all if none is named")
    asking.add_argument("--sessions", type=int, default=20, help="load: how many people at once")
    asking.add_argument("--browsers", type=int, default=2, help="load: how many of them in a real browser")
    asking.add_argument("--seconds", type=float, default=300.0, help="load: for how long")
    asking.add_argument("--only", action="append", default=[], choices=FAULTS, help="faults: these alone")
    asking.add_argument("--share", type=float, default=1.0, help="inputs: of the cases that are usual")
    return asking


def main() -> int:
    """Run the parts that are asked for and print their tables; 1 where a promise was broken."""
    asked = parser().parse_args()
    if unknown := [part for part in asked.parts if part not in PARTS]:
        parser().error(f"PART must be some of {', '.join(PARTS)}, not {unknown[0]!r}")
    all_kept = True
    for part in asked.parts or PARTS:
        rows, kept = PARTS[part](asked)
        print(f"## {part}\n\n" + "\n".join(rows) + "\n", flush=True)
        all_kept = all_kept and kept
    return 0 if all_kept else 1


if __name__ == "__main__":
    sys.exit(main())

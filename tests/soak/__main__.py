"""Command `make soak`: load, fault, fuzz and harm tests; exits with 1 if a promise is broken."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from tests.soak.faults import FAULTS
from tests.soak.faults.table import check_faults
from tests.soak.harm import HARMS
from tests.soak.harm.table import check_harm
from tests.soak.inputs import check_inputs
from tests.soak.promises import check_load

# Each returns the lines of a Markdown table, and True if all promises were kept.
PARTS: dict[str, Callable[[argparse.Namespace], tuple[list[str], bool]]] = {
    "load": check_load,
    "faults": check_faults,
    "inputs": check_inputs,
    "harm": check_harm,
}


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)}; all if none is named")
    parser.add_argument("--sessions", type=int, default=20, help="load: number of sessions")
    parser.add_argument("--browsers", type=int, default=2, help="load: sessions in a real browser")
    parser.add_argument("--seconds", type=float, default=300.0, help="load: duration")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=[*FAULTS, *HARMS],
        metavar="NAME",
        help=f"faults or harm: only this one; may be repeated: {', '.join([*FAULTS, *HARMS])}",
    )
    parser.add_argument("--share", type=float, default=1.0, help="inputs: share of the usual number of cases")
    return parser


def main() -> int:
    """Run the chosen parts and print their tables; return 1 if a promise is broken."""
    options = make_parser().parse_args()
    if unknown := [part for part in options.parts if part not in PARTS]:
        make_parser().error(f"PART must be some of {', '.join(PARTS)}, not {unknown[0]!r}")
    all_kept = True
    for part in options.parts or PARTS:
        rows, kept = PARTS[part](options)
        print(f"## {part}\n\n" + "\n".join(rows) + "\n", flush=True)
        all_kept = all_kept and kept
    return 0 if all_kept else 1


if __name__ == "__main__":
    sys.exit(main())

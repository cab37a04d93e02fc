"""Print benchmark tables: the chosen ones, or all but `page`; --whole times every single run of `sweeps`."""

from __future__ import annotations

import argparse
import warnings

import torch

TABLES = ("products", "norms", "others", "sweeps", "scale", "figures")


def main() -> None:
    """Print the chosen tables."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("tables", nargs="*", choices=(*TABLES, "page"), help="by default all but page")
    parser.add_argument("--whole", action="store_true")
    asked = parser.parse_args()
    wanted = asked.tables or TABLES
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)  # as in the page's workers
    # Imported on demand, since the other libraries are large.
    if "products" in wanted:
        from tests.bench.made import made, training
        from tests.bench.products import over_the_products

        training(made(1250, 64), 1)()  # once, so that imports are not measured
        over_the_products(made(3500, 512))
    if "norms" in wanted:
        from tests.bench.made import made, training
        from tests.bench.norms import every_norm

        training(made(1250, 64), 1)()
        every_norm(made(1250, 64))
    if "others" in wanted:
        from tests.bench.made import made, training
        from tests.bench.others import beside_others

        training(made(1250, 64), 1)()
        for table in (made(1250, 64), made(3500, 512)):
            beside_others(table)
    if "sweeps" in wanted:
        from tests.bench.sweeps import sweeps_against_single_runs

        sweeps_against_single_runs(asked.whole)
    if "scale" in wanted:
        from tests.bench.scale import with_more_rows

        with_more_rows()
    if "page" in wanted:
        from tests.bench.page.tables import page_speed

        page_speed()
    if "figures" in wanted:
        from tests.bench.figures import gathered_against_changed

        gathered_against_changed()


if __name__ == "__main__":
    main()

"""`python -m app.bundled_results`: train the runs of the default page for assets/first_light, which ships them."""

from __future__ import annotations

from .controls.choice import baseline_of, default_choice
from .server.result_cache import SHIPPED


def main() -> None:
    """Delete the shipped results, train the runs again on the CPU and write them."""
    from anoonly_core.results.result import to_bytes
    from anoonly_core.runs.run import run_many

    choice = default_choice()
    configs = [*choice.seeded(baseline_of(choice.b)), *choice.seeded(choice.b)]
    SHIPPED.mkdir(parents=True, exist_ok=True)
    for old in SHIPPED.glob("*.npz"):
        old.unlink()
    for result in run_many(configs, "cpu"):
        (SHIPPED / f"{result.key}.npz").write_bytes(to_bytes(result))


if __name__ == "__main__":
    main()

"""Parts of the line below a headline: the data set, the pool and the seeds of the runs."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from anoonly_core.snippets import source_file

from .labels import format_axis_value

__all__ = ["dataset_text", "pool_text", "seeds_text"]


def dataset_text(name: str) -> str:
    """Return the name of a data set as a page shows it; for an uploaded table or a file, the name of the file."""
    source = source_file(name)
    return name if source is None else Path(source).name


def pool_text(contamination: float | str) -> str:
    """Describe the contamination of a pool, as in `RunConfig`, such as "clean pool" or "5 % of the pool anomalous"."""
    if contamination == "natural":
        return "anomalies in the pool as found"
    if contamination == 0:
        return "clean pool"
    return f"{format_axis_value('contamination', contamination)} of the pool anomalous"


def seeds_text(seeds: Collection[int]) -> str:
    """Return consecutive seeds as text, such as "seed 0" or "seeds 0 to 4"."""
    first, last = min(seeds), max(seeds)
    return f"seed {first}" if first == last else f"seeds {first} to {last}"

"""Discrepancies between the paper, its code and the measurements, each with its measured effect.

Sentences are generated from the runs and change with them.
"""

from collections.abc import Mapping
from types import MappingProxyType

from anoonly_core.reproduction.discrepancies.claims import IN_THE_TEXT
from anoonly_core.reproduction.discrepancies.code import IN_THE_CODE
from anoonly_core.reproduction.discrepancies.discrepancy import Discrepancy, Finding

__all__ = ["DISCREPANCIES", "Discrepancy", "Finding"]

DISCREPANCIES: Mapping[str, Discrepancy] = MappingProxyType(
    {discrepancy.name: discrepancy for discrepancy in (*IN_THE_CODE, *IN_THE_TEXT)}
)

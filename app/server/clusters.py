"""Dask clusters that the operator of this server allows; a visitor chooses among them and never names another.

A scheduler can run code in each process that connects to it. No header shows reliably who a visitor is, because a
proxy or a TCP forward may hide that, so that every visitor gets the same list.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from anoonly_core.errors import InvalidConfig

__all__ = ["VARIABLE", "allowed_clusters", "check_cluster"]

VARIABLE = "ANOONLY_CLUSTERS"


def allowed_clusters(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the addresses of the Dask schedulers that a visitor may choose, each once.

    They are those of the environment variable ANOONLY_CLUSTERS, separated by commas; none if it is unset.
    """
    addresses = (address.strip() for address in environment.get(VARIABLE, "").split(","))
    return list(dict.fromkeys(address for address in addresses if address))


def check_cluster(address: str) -> None:
    """Raise InvalidConfig unless a scheduler address is exactly one of those in ANOONLY_CLUSTERS."""
    if address not in allowed_clusters():
        raise InvalidConfig(
            f"This server does not use the cluster {address[:60]!r}: its operator lists the clusters in {VARIABLE}."
        )

"""What may be the address of a Dask scheduler, seen to before a client is made of it."""

from __future__ import annotations

import re

from anoonly_core.errors import EngineUnavailable

__all__ = ["check_address"]

ADDRESS = re.compile(r"((tcp|tls|ws|wss|ucx|ucxx)://)?(?P<host>[\w.-]+|\[[\da-f:.]+\]):(?P<port>\d{1,5})", re.I | re.A)
MOST_PORT = 65535
MOST_LABEL = 63  # letters between two dots of a host's name


def check_address(address: str) -> None:
    """Raise EngineUnavailable for what can be no address: Dask's client would raise halfway, and hang when it goes."""
    found = ADDRESS.fullmatch(address)
    is_host = found is not None and all(0 < len(label) <= MOST_LABEL for label in found["host"].rstrip(".").split("."))
    if found is None or not is_host or int(found["port"]) > MOST_PORT:
        raise EngineUnavailable(f"{address[:60]!r} is no scheduler's address, such as tcp://10.0.0.5:8786.")

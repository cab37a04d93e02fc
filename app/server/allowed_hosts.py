"""Host names that the server accepts, so that other web sites cannot reach it through a visitor's browser."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress

from streamlit import net_util

__all__ = ["LOCAL", "disable_external_ip_lookup", "host_names", "server_arguments"]

LOCAL = ("localhost", "127.0.0.1", "::1")
EVERYWHERE = ("", "0.0.0.0", "::")
# A route to any of these is enough to learn by which address this machine is known; nothing is sent.
ELSEWHERE = ("192.0.2.1", "10.255.255.254", "172.31.255.254", "192.168.255.254")


def server_arguments(given: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the arguments of `streamlit run`, with the allowed host names added if the server listens on a network.

    Parameters
    ----------
    given : sequence of str
        Arguments of `streamlit run`. Host names in them are left as they are, and then none are added.
    environment : mapping of str to str
        Environment variables; Streamlit's own for address and host names count as arguments.

    Returns
    -------
    list of str
        `given`, followed by a `--server.allowedHosts` for each name, if any are added.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--server.address", dest="address", default=environment.get("STREAMLIT_SERVER_ADDRESS"))
    parser.add_argument(
        "--server.allowedHosts", dest="hosts", default=environment.get("STREAMLIT_SERVER_ALLOWED_HOSTS")
    )
    said, _ = parser.parse_known_args(list(given))
    if said.address is None or said.address in LOCAL or said.hosts is not None:
        return list(given)
    names = host_names() if said.address in EVERYWHERE else [said.address]
    return [*given, *(f"--server.allowedHosts={name}" for name in dict.fromkeys([*LOCAL, *names]))]


def host_names() -> list[str]:
    """Return the host names and IP addresses under which this machine may be known on its networks; nothing is sent."""
    name = socket.gethostname().lower()
    names = [name, f"{name.partition('.')[0]}.local", socket.getfqdn().lower()]
    with suppress(OSError):
        names += [str(found[4][0]).partition("%")[0] for found in socket.getaddrinfo(name, None)]
    for address in ELSEWHERE:
        with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            names.append(probe.getsockname()[0])
    return list(dict.fromkeys(names))


def disable_external_ip_lookup() -> None:
    """Patch Streamlit so that it never asks an internet service for this machine's public address."""
    net_util.get_external_ip = lambda: None

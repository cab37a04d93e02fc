"""Which names the server answers to, so that a web site elsewhere cannot reach the page through a visitor's browser."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress

import streamlit as st
from streamlit import net_util

__all__ = ["LOCAL", "disable_external_ip_lookup", "host_names", "is_local_only", "server_arguments"]

LOCAL = ("localhost", "127.0.0.1", "::1")
EVERYWHERE = ("", "0.0.0.0", "::")
# A route to any of these is enough to learn by which address this machine is known; nothing is sent.
ELSEWHERE = ("192.0.2.1", "10.255.255.254", "172.31.255.254", "192.168.255.254")
FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-Ip")


def server_arguments(given: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[str]:
    """The arguments for `streamlit run`: those given, and where they open the page to a network the names it has there.

    Whoever names the allowed hosts is taken at their word.
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
    """What this machine is called on the networks that it is in: its names, its addresses."""
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
    """Keep Streamlit from asking a host on the internet for this machine's address when a foreign page knocks."""
    net_util.get_external_ip = lambda: None


def is_local_only() -> bool:
    """Whether the page can be reached from this machine alone, not even through a proxy."""
    hosts, origins = st.get_option("server.allowedHosts"), st.get_option("server.corsAllowedOrigins")
    local = st.get_option("server.address") in LOCAL and bool(hosts) and set(hosts) <= set(LOCAL) and not origins
    return local and not any(name in st.context.headers for name in FORWARDED)

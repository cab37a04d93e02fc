"""Links to Compare from when it had the bare address."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.application import MIDDLEWARE
from app.server.old_links import OldLinks

(OLD_LINKS,) = (middleware for middleware in MIDDLEWARE if middleware.cls is OldLinks)


def answer(address: str, method: str = "GET") -> tuple[int, dict[str, str]]:
    """Return the status and the headers of the answer to a request; 200 if the application behind was asked."""
    sent: list[Message] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    parts = urlsplit(address)
    scope = {"type": "http", "method": method, "path": parts.path, "query_string": parts.query.encode(), "headers": []}
    asyncio.run(OldLinks(application, *OLD_LINKS.args, **OLD_LINKS.kwargs)(scope, receive, send))
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


@pytest.mark.parametrize(
    "query",
    [
        "dataset=digits_3",
        "lambda_n=0.01&norm=layer&seeds=2",
        "a=baseline%3DDeepSAD%2Clambda_n%3D1.0&epochs=1",
        "view=watch+it+learn",
        "color=red&tab=Training",
        "fix=dataset&hide=pin",
        "dataset=",
        "seeds=2&dataset=%C3%BC&dataset=%0D%0AX-Injected:%201",
    ],
)
def test_an_old_link_opens_compare_with_all_its_parameters(query: str) -> None:
    status, headers = answer(f"/?{query}")
    assert status == 307 and headers["location"] == f"compare?{query}"
    assert "x-injected" not in headers


@pytest.mark.parametrize("address", ["/", "/?", "/?weight=1", "/?color=red", "/compare?seeds=2", "/sweep/?seeds=2"])
def test_other_addresses_are_served(address: str) -> None:
    assert answer(address) == (200, {})


def test_only_reading_is_redirected() -> None:
    assert answer("/?dataset=digits_3", "POST")[0] == 200
    assert answer("/?dataset=digits_3", "HEAD")[0] == 307


def test_an_address_below_a_base_path_counts_as_bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamlit.config.get_option", lambda name: "/lab/")
    assert answer("/lab/?seeds=2")[1]["location"] == "compare?seeds=2"
    assert answer("/lab/")[0] == 200

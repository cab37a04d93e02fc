"""The limit on a WebSocket's messages: a burst passes, a flood waits, and nothing is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from app.server.message_limit import MessageLimit, TokenBucket


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_at_once_and_the_rest_at_the_rate() -> None:
    bucket = TokenBucket(rate=10, burst=5, clock=Clock())
    assert [bucket.take() for _ in range(8)] == pytest.approx([0, 0, 0, 0, 0, 0.1, 0.2, 0.3])


def test_a_pause_fills_the_bucket_up_to_its_burst() -> None:
    clock = Clock()
    bucket = TokenBucket(rate=10, burst=3, clock=clock)
    for _ in range(3):
        bucket.take()
    clock.now += 0.2
    assert [bucket.take() for _ in range(3)] == pytest.approx([0, 0, 0.1])
    clock.now += 1000
    assert [bucket.take() for _ in range(4)] == pytest.approx([0, 0, 0, 0.1])


def serve(
    kind: str, messages: list[dict[str, Any]], rate: float, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[Any], list[float]]:
    """Send the messages through the middleware; return what the application received, and the waits."""
    received: list[Any] = []
    waits: list[float] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        received.extend([await receive() for _ in messages])

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async def receive() -> dict[str, Any]:
        return queue.pop(0)

    async def send(message: Any) -> None:
        pass

    monkeypatch.setattr("app.server.message_limit.asyncio.sleep", sleep)
    queue = list(messages)
    asyncio.run(MessageLimit(application, rate=rate, burst=2)({"type": kind}, receive, send))
    return received, waits


def test_a_flood_waits_and_arrives_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    flood = [{"type": "websocket.receive", "bytes": bytes([number])} for number in range(10)]
    received, waits = serve("websocket", [{"type": "websocket.connect"}, *flood], 1.0, monkeypatch)
    assert received == [{"type": "websocket.connect"}, *flood]
    assert len(waits) == 8 and waits == sorted(waits) and waits[-1] > 7


def test_requests_are_not_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    _, waits = serve("http", [{"type": "http.request"}] * 50, 0.01, monkeypatch)
    assert not waits

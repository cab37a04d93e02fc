"""The limit on a WebSocket's messages: a burst passes, a flood waits, and nothing is lost."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from app.server.message_limit import MessageLimit, TokenBucket, limit_message_size


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


SIZE = 10_000


@pytest.fixture(scope="module")
def limited() -> Iterator[str]:
    """The address of a server that answers each message with its length, and takes 10 kB of the 64 MB it is set to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WebSocketsSansIOProtocol, "__init__", WebSocketsSansIOProtocol.__init__)
        limit_message_size(SIZE)
        config = uvicorn.Config(
            _lengths, port=0, ws="websockets-sansio", ws_max_size=64 << 20, log_level="critical", lifespan="off"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            assert thread.is_alive()
        yield f"ws://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        server.should_exit = True
        thread.join()


async def _lengths(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(len(message["bytes"]))})


@pytest.mark.parametrize("size", [0, 1, 1000, SIZE - 1, SIZE])
def test_a_message_up_to_the_limit_arrives(limited: str, size: int) -> None:
    with connect(limited) as socket:
        for _ in range(3):
            socket.send(bytes(size))
            assert socket.recv(10) == str(size)


@pytest.mark.parametrize(
    "parts",
    [[SIZE + 1], [2 * SIZE], [50 << 20], [SIZE, 1], [1] * (SIZE + 1), [SIZE // 2] * 3],
    ids=["one more", "twice", "50 MB", "a fragment more", "small fragments", "three fragments"],
)
def test_a_message_over_the_limit_closes_its_connection_only(limited: str, parts: Sequence[int]) -> None:
    with connect(limited) as other:
        with connect(limited) as socket, pytest.raises(ConnectionClosed) as caught:
            socket.send([bytes(size) for size in parts] if len(parts) > 1 else bytes(parts[0]))
            socket.recv(10)
        assert caught.value.rcvd is not None and caught.value.rcvd.code == 1009
        other.send(bytes(SIZE))
        assert other.recv(10) == str(SIZE)

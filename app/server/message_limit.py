"""Limits on the messages of one WebSocket, so that one connection cannot keep the server from the others."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["BURST", "MAX_MESSAGE", "MESSAGES_PER_S", "MessageLimit", "TokenBucket", "limit_message_size"]

# A slider that is dragged sends some ten messages a second, a page that follows its runs two or three.
MESSAGES_PER_S = 20.0
BURST = 100.0
MAX_MESSAGE = 2 << 20  # bytes from a browser: far more than the controls of any page hold
PROTOCOLS = {  # of uvicorn, by module
    "uvicorn.protocols.websockets.websockets_sansio_impl": "WebSocketsSansIOProtocol",
    "uvicorn.protocols.websockets.websockets_impl": "WebSocketProtocol",
    "uvicorn.protocols.websockets.wsproto_impl": "WSProtocol",
}


def limit_message_size(size: int = MAX_MESSAGE) -> None:
    """Patch uvicorn so that a WebSocket is closed when the browser begins to send a message of more than `size` bytes.

    Messages of the server are not limited. Holds for connections that are opened after this call.
    """
    for module, name in PROTOCOLS.items():
        if module in sys.modules:  # the one that the server uses is loaded before the application
            _limit(getattr(sys.modules[module], name), size)


def _limit(protocol: Any, size: int) -> None:
    begin = protocol.__init__

    @wraps(begin)
    def begin_limited(self: Any, config: Any, *arguments: Any, **named: Any) -> None:
        config.ws_max_size = min(config.ws_max_size, size)
        begin(self, config, *arguments, **named)

    protocol.__init__ = begin_limited


class TokenBucket:
    """A token bucket: it holds `burst` tokens at most and gains `rate` tokens a second.

    Parameters
    ----------
    rate : float
        Tokens gained per second.
    burst : float
        Tokens held at the start and at most.
    clock : callable
        Returns the time in seconds.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._tokens, self._counted = burst, clock()

    def take(self) -> float:
        """Take one token, in advance if there is none; does not block.

        Returns
        -------
        float
            Seconds that the caller has to wait until the bucket has gained the token; 0 if there was one.
        """
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._counted) * self._rate) - 1
        self._counted = now
        return max(0.0, -self._tokens / self._rate)


class MessageLimit:
    """ASGI middleware: read messages of each WebSocket no faster than a token bucket allows.

    No message is lost. Those above the limit wait in the socket, and the sender with them.

    Parameters
    ----------
    app : ASGI application
        The application behind this middleware.
    rate : float
        Messages per second.
    burst : float
        Messages that may come at once after a pause.
    """

    def __init__(self, app: ASGIApp, rate: float = MESSAGES_PER_S, burst: float = BURST) -> None:
        self._app, self._rate, self._burst = app, rate, burst

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request or WebSocket; messages of a WebSocket are delayed as the limit demands.

        The arguments are those of an ASGI application.
        """
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        bucket = TokenBucket(self._rate, self._burst)

        async def receive_slowly() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive" and (wait_s := bucket.take()) > 0:
                await asyncio.sleep(wait_s)
            return message

        await self._app(scope, receive_slowly, send)

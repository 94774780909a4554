"""HTTP faults: what happens to a request or its reply on the way."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from tests.exchange_server.errors import ApiError
from tests.exchange_server.faults import Fault
from tests.exchange_server.incoming import Reply

MID_REPLY_PAUSE = 0.02


def response(reply: Reply, headers: dict[str, str]) -> web.Response:
    """Return a JSON response."""
    status, data = reply
    body = orjson.dumps(data)
    return web.Response(status=status, body=body, headers=headers, content_type="application/json")


async def troubled(
    request: web.Request, fault: Fault, process: Callable[[], Reply], headers: dict[str, str]
) -> web.StreamResponse:
    """Answer a request under a fault; ``process`` executes it and may be called or not."""
    options = fault.options
    match fault.kind:
        case "http":
            if options.get("executed"):
                process()
            return _http(options)
        case "error":
            error = ApiError(int(options["code"]), options.get("message"))
            if options.get("executed"):
                process()
            return response((error.status, {"code": error.code, "msg": error.message}), headers)
        case "maintenance":
            return response((503, {"code": 1, "msg": "System is under maintenance."}), headers)
        case "body":
            return _broken_body(str(options["shape"]), process())
        case "reset":
            return await _reset(request, str(options.get("when", "before")), process)
        case kind:
            raise ValueError(f"{kind!r} is not an HTTP fault")


def _http(options: dict[str, Any]) -> web.Response:
    """Return a bare HTTP error as a proxy or the rate limiter sends it."""
    status = int(options["status"])
    headers = {}
    if "retry_after" in options:
        headers["Retry-After"] = str(options["retry_after"])
    if status in (418, 429):
        text = "Way too many requests; IP banned." if status == 418 else "Too many requests."
        body = orjson.dumps({"code": -1003, "msg": text})
        return web.Response(
            status=status, body=body, headers=headers, content_type="application/json"
        )
    text = options.get("text", f"<html><body><h1>{status}</h1></body></html>")
    return web.Response(status=status, text=text, headers=headers, content_type="text/html")


def _broken_body(shape: str, reply: Reply) -> web.Response:
    body = orjson.dumps(reply[1])
    match shape:
        case "truncated":
            return web.Response(body=body[: len(body) // 2], content_type="application/json")
        case "text":
            return web.Response(text="<html>busy</html>", content_type="text/html")
        case "empty":
            return web.Response(body=b"", content_type="application/json")
        case _:
            raise ValueError(f"unknown body fault {shape!r}")


async def _reset(
    request: web.Request, when: str, process: Callable[[], Reply]
) -> web.StreamResponse:
    """Cut the connection before processing, after it, or half-way through the reply."""
    transport = request.transport
    if when not in ("before", "after", "mid"):
        raise ValueError(f"a reset happens before, after or mid, not {when!r}")
    reply = (0, None) if when == "before" else process()
    if transport is None:
        raise ConnectionResetError("the client is gone already")
    if when == "mid":
        body = orjson.dumps(reply[1])
        head = (
            f"HTTP/1.1 {reply[0]} OK\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        transport.write(head.encode() + body[: len(body) // 2])
        await asyncio.sleep(MID_REPLY_PAUSE)
        transport.close()
    else:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response()

"""A loopback Gemini: enough of the REST dialect for both unmodified client libraries.

Replies are scripted, one per request, in order; every request is kept for inspection.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Reply = Callable[["Exchange"], None]
MODELS = ("gemini-2.5-flash", "gemini-2.5-pro")


@dataclass
class Request:
    path: str
    key: str
    body: dict[str, Any]

    @property
    def last_text(self) -> str:
        return str(self.body["contents"][-1]["parts"][-1]["text"])

    @property
    def system(self) -> str:
        return str(self.body["systemInstruction"]["parts"][0]["text"])


@dataclass
class GeminiServer:
    """Use as a context manager; ``plan`` what the next requests get."""

    requests: list[Request] = field(default_factory=list)
    _plan: deque[Reply] = field(default_factory=deque)

    def __enter__(self) -> Self:
        self.released = threading.Event()
        outer = self

        class Handler(Exchange):
            server_of_test = outer

        self._http = QuietServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        return self

    def __exit__(self, *exc: object) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def plan(self, *replies: Reply) -> None:
        self._plan.extend(replies)

    def next_reply(self) -> Reply:
        return self._plan.popleft() if self._plan else status(500, "nothing is planned")


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that hang up: that is what some tests are about."""


class Exchange(BaseHTTPRequestHandler):
    """One request and what is written back."""

    protocol_version = "HTTP/1.1"
    server_of_test: GeminiServer

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if urlsplit(self.path).path.endswith("/models"):
            models = [
                {
                    "name": f"models/{name}",
                    "displayName": name,
                    "version": "1",
                    "supportedGenerationMethods": ["generateContent"],
                }
                for name in MODELS
            ]
            self.whole(200, {"models": models})
        else:
            self.whole(404, {"error": {"code": 404, "message": "no such path"}})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        key = self.headers.get("x-goog-api-key", "")
        self.server_of_test.requests.append(Request(self.path, key, body))
        self.sse = "sse" in parse_qs(urlsplit(self.path).query).get("alt", [])
        try:
            self.server_of_test.next_reply()(self)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has had enough

    def whole(self, code: int, value: Any) -> None:
        html = isinstance(value, bytes)
        data = value if html else json.dumps(value).encode()
        self.send_response(code)
        self.send_header(
            "Content-Type", f"{'text/html' if html else 'application/json'}; charset=UTF-8"
        )
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def begin(self) -> None:
        self.first = True
        self.send_response(200)
        kind = "text/event-stream" if self.sse else "application/json; charset=UTF-8"
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def raw(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def event(self, value: dict[str, Any] | str) -> None:
        """Send one response object, in the framing the client asked for."""
        text = value if isinstance(value, str) else json.dumps(value)
        if self.sse:
            self.raw(f"data: {text}\r\n\r\n")
        else:
            self.raw(("[" if self.first else ",\r\n") + text)
        self.first = False

    def finish_stream(self) -> None:
        if not self.sse:
            self.raw("[]" if self.first else "]")
        self.wfile.write(b"0\r\n\r\n")
        self.wfile.flush()

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()


# Replies


def piece(text: str, end: str = "") -> dict[str, Any]:
    candidate: dict[str, Any] = {
        "content": {"role": "model", "parts": [{"text": text}]},
        "index": 0,
    }
    if end:
        candidate["finishReason"] = end
    return {"candidates": [candidate]}


def usage(prompt: int = 12, answer: int = 5) -> dict[str, Any]:
    return {
        "usageMetadata": {
            "promptTokenCount": prompt,
            "candidatesTokenCount": answer,
            "totalTokenCount": prompt + answer,
        }
    }


def text(*pieces: str, end: str = "STOP") -> Reply:
    return objects(
        *(
            piece(item, end if number == len(pieces) - 1 else "")
            | (usage() if number == len(pieces) - 1 else {})
            for number, item in enumerate(pieces)
        )
    )


def objects(*values: dict[str, Any] | str) -> Reply:
    def reply(exchange: Exchange) -> None:
        exchange.begin()
        for value in values:
            exchange.event(value)
        exchange.finish_stream()

    return reply


def status(code: int, message: str, name: str = "", details: Iterable[Any] = ()) -> Reply:
    error = {"code": code, "message": message, "status": name, "details": list(details)}
    return lambda exchange: exchange.whole(code, {"error": error})


def page(code: int, html: bytes = b"<html>bad gateway</html>") -> Reply:
    return lambda exchange: exchange.whole(code, html)


def bad_key() -> Reply:
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
    }
    message = "API key not valid. Please pass a valid API key."
    return status(400, message, "INVALID_ARGUMENT", [info])


def quota(delay: str = "17s") -> Reply:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}
    return status(429, "You exceeded your current quota.", "RESOURCE_EXHAUSTED", [info])


def blocked_prompt() -> Reply:
    return objects({"promptFeedback": {"blockReason": "SAFETY"}} | usage(9, 0))


def blocked_answer() -> Reply:
    return objects(piece("Well"), {"candidates": [{"finishReason": "SAFETY", "index": 0}]})


def empty() -> Reply:
    return objects({"candidates": [{"finishReason": "STOP", "index": 0}]} | usage(9, 0))


def malformed() -> Reply:
    return objects(piece("One "), '{"candidates": [{"content": {"parts": [{"text": nonsense}]}}]}')


def dropped(*pieces: str) -> Reply:
    def reply(exchange: Exchange) -> None:
        exchange.begin()
        for item in pieces:
            exchange.event(piece(item))
        exchange.hang_up()

    return reply


def stalled(*pieces: str) -> Reply:
    """Send some pieces and then nothing until the test is over."""

    def reply(exchange: Exchange) -> None:
        if pieces:
            exchange.begin()
        for item in pieces:
            exchange.event(piece(item))
        exchange.server_of_test.released.wait(20)
        exchange.hang_up()

    return reply

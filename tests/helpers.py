"""
Asks apps as a client does, and shows exactly what they answered: raw header lines, in order.

Python's cookie jars apply the deletions of a response before its sets, which hides lost sessions.
`Browser` applies the lines in the order in which they came, as browsers do.
"""

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import unquote

import anyio
from starlette.types import ASGIApp, Message, Scope
from werkzeug.test import Client

Backend = Literal["asyncio", "trio"]


@dataclass(frozen=True)
class Answer:
    """
    A response as it came.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""
    body: bytes = b""

    def lines(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    @property
    def set_cookie(self) -> list[str]:
        """
        The ``Set-Cookie`` lines.
        """
        return self.lines("set-cookie")

    @property
    def vary(self) -> list[str]:
        """
        The ``Vary`` lines.
        """
        return self.lines("vary")

    @property
    def session_headers(self) -> dict[str, list[str]]:
        """
        All that a session may change in a response.
        """
        return {"set-cookie": self.set_cookie, "vary": self.vary}

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cookie(self) -> str:
        """
        What the only ``Set-Cookie`` line sets, as ``name=value``.
        """
        [line] = self.set_cookie
        return line.partition(";")[0]


Ask = Callable[..., Answer]


def http_scope(
    path: str, *, method: str = "GET", cookies: Sequence[str] = (), headers: Iterable[tuple[str, str]] = ()
) -> Scope:
    """
    Return the ASGI scope of a request; each of *cookies* is one ``Cookie`` line.
    """
    path, _, query = path.partition("?")
    lines = [("host", "localhost"), *headers, *(("cookie", line) for line in cookies)]
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in lines],
        "client": ("127.0.0.1", 50000),
        "server": ("localhost", 80),
        "state": {},
    }


def websocket_scope(path: str, *, cookies: Sequence[str] = (), headers: Iterable[tuple[str, str]] = ()) -> Scope:
    """
    Return the ASGI scope of a WebSocket handshake; the server can send a denial response.
    """
    scope = http_scope(path, cookies=cookies, headers=headers)
    del scope["method"]
    scope.update({"type": "websocket", "subprotocols": [], "extensions": {"websocket.http.response": {}}})
    return scope


def run_asgi(app: ASGIApp, scope: Scope, received: Iterable[Message], *, backend: Backend = "asyncio") -> list[Message]:
    """
    Call an ASGI app, let it receive the given messages, and return those that it sent.
    """
    waiting = list(received)
    sent: list[Message] = []
    is_answered: anyio.Event

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        if scope["type"] == "http":
            await is_answered.wait()
        return {"type": "http.disconnect" if scope["type"] == "http" else "websocket.disconnect", "code": 1000}

    async def send(message: Message) -> None:
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body"):
            is_answered.set()

    async def main() -> None:
        nonlocal is_answered
        is_answered = anyio.Event()
        await app(scope, receive, send)

    anyio.run(main, backend=backend)
    return sent


def ask_asgi(
    app: ASGIApp,
    path: str,
    *,
    method: str = "GET",
    cookies: Sequence[str] = (),
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    backend: Backend = "asyncio",
) -> Answer:
    """
    Send a request to an ASGI app.
    """
    scope = http_scope(path, method=method, cookies=cookies, headers=headers)
    sent = run_asgi(app, scope, [{"type": "http.request", "body": body, "more_body": False}], backend=backend)
    assert sent[0]["type"] == "http.response.start"
    return Answer(
        sent[0]["status"],
        _decoded(sent[0]["headers"]),
        b"".join(message.get("body", b"") for message in sent[1:]),
    )


def shake_hands(
    app: ASGIApp,
    path: str,
    *,
    cookies: Sequence[str] = (),
    received: Iterable[Message] = (),
    backend: Backend = "asyncio",
) -> tuple[str, Answer]:
    """
    Open a WebSocket; return the type of the first message sent and its headers.

    The answer's body holds what was sent as text after that.
    """
    messages = [{"type": "websocket.connect"}, *received]
    sent = run_asgi(app, websocket_scope(path, cookies=cookies), messages, backend=backend)
    texts = "".join(message.get("text") or "" for message in sent[1:])
    return sent[0]["type"], Answer(sent[0].get("status", 101), _decoded(sent[0].get("headers", ())), texts.encode())


def ask_wsgi(
    app: Any,
    path: str,
    *,
    method: str = "GET",
    cookies: Sequence[str] = (),
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
) -> Answer:
    """
    Send the same request to a WSGI app. Several ``Cookie`` lines are joined, as WSGI servers do.
    """
    lines = list(headers)
    if cookies:
        lines.append(("Cookie", "; ".join(cookies)))
    response = Client(app, use_cookies=False).open(path, method=method, headers=lines, data=body)
    return Answer(
        response.status_code,
        tuple((name.lower(), value) for name, value in response.headers.items()),
        response.get_data(),
    )


def _decoded(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[str, str], ...]:
    return tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers)


class Browser:
    """
    A browser of one host: keeps cookies by name, domain and path, line by line in order.

    Args:
        ask: `ask_asgi` or `ask_wsgi` with the app bound, or anything alike.
    """

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.cookies: dict[tuple[str, str, str], str] = {}

    def visit(self, path: str, *, method: str = "GET", body: bytes = b"", **options: Any) -> Answer:
        """
        Send a request with the cookies that match its path, and keep those of the answer.
        """
        # Longer paths first, else in the order of setting: RFC 6265, section 5.4.
        cookies = sorted(self.cookies.items(), key=lambda cookie: -len(cookie[0][2]))
        pairs = [f"{name}={value}" for (name, _, at), value in cookies if _matches(path, at)]
        answer = self.ask(path, method=method, cookies=["; ".join(pairs)] if pairs else [], body=body, **options)
        for line in answer.set_cookie:
            self._keep(line, path)
        return answer

    def value(self, name: str = "session") -> str | None:
        """
        The value kept under a name, if there is one.
        """
        values = [value for (key, _, _), value in self.cookies.items() if key == name]
        assert len(values) <= 1, f"two cookies {name}"
        return values[0] if values else None

    def _keep(self, line: str, path: str) -> None:
        pair, *rest = line.split(";")
        name, _, value = pair.partition("=")
        attributes = {key.strip().lower(): item.strip() for key, _, item in (part.partition("=") for part in rest)}
        at = attributes.get("path") or path[: path.rfind("/")] or "/"
        key = (name.strip(), attributes.get("domain", "").lstrip("."), at)
        if _is_deletion(attributes):
            self.cookies.pop(key, None)
        else:
            self.cookies[key] = value.strip()


def _is_deletion(attributes: dict[str, str]) -> bool:
    if "max-age" in attributes:
        return int(attributes["max-age"]) <= 0
    return "expires" in attributes and parsedate_to_datetime(attributes["expires"]).timestamp() <= time.time()


def _matches(path: str, cookie_path: str) -> bool:
    path = path.partition("?")[0]
    return path == cookie_path or path.startswith(cookie_path if cookie_path.endswith("/") else cookie_path + "/")

"""
A session goes from one app to the other and back, by their own means: the proof of what was compared.

No page is asked for, and what is written are cookies, which nobody keeps.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

from starlette.requests import HTTPConnection
from starlette.types import Message, Receive, Scope, Send

from starlette_flask.config import SessionConfig
from starlette_flask.doctor.findings import STRANGER, Finding, where
from starlette_flask.doctor.pair import Pair
from starlette_flask.middleware.sessions import SessionMiddleware

_PLAIN = {"_user_id": "1", "list": ["é", 1, 1.5, None, True], "table": {"a": {"b": []}}, "empty": ""}
# What Flask's tags keep, and other serializers may not know.
_TYPED = {
    "id": UUID(int=1),
    "pair": (1, "2"),
    "bytes": b"\xff",
    "at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
}
_WRITTEN = {"written": "here"}


class LostSession(Exception):  # noqa: N818  # no error of the doctor's
    """
    A session doesn't come through; the text says where it was lost.
    """


def round_trip(pair: Pair) -> Iterator[Finding]:
    """
    Sessions that don't come through, whatever the settings say.
    """
    if pair.theirs is None or pair.theirs.store is not None:  # whose server may not be there
        return
    for config in pair.configs:
        if config.session_cookie != pair.theirs.session_cookie:
            continue
        try:
            _travel(pair.flask_app, config)
        except LostSession as exc:
            why = str(exc)
        except (Exception, SystemExit) as exc:  # the app's code may raise anything
            why = f"{type(exc).__name__} in {where(exc)}"
        else:
            continue
        yield pair.finding(
            "round_trip",
            f"a session doesn't come through, {why}: {STRANGER}",
            "use flask.sessions.SecureCookieSessionInterface, or a subclass of it that sets attributes only",
        )


def _travel(flask_app: Any, config: SessionConfig) -> None:
    try:
        line = _written_by_flask(flask_app, config, "", _PLAIN | _TYPED)
    except Exception:  # plain JSON can't, in whatever way it says so
        line = _written_by_flask(flask_app, config, "", _PLAIN)
    sent = _read_by_flask(flask_app, line)
    came, line = _through_asgi(config, line)
    _compare(came, sent, "from Flask to the ASGI app")
    _compare(_read_by_flask(flask_app, line), sent | _WRITTEN, "from the ASGI app to Flask")
    # And one that begins on the other side.
    _, line = _through_asgi(config, "")
    _compare(_read_by_flask(flask_app, line), _WRITTEN, "from the ASGI app to Flask")
    line = _written_by_flask(flask_app, config, line, {"more": 1})
    _compare(_through_asgi(config, line)[0], _WRITTEN | {"more": 1}, "from Flask to the ASGI app")


def _written_by_flask(flask_app: Any, config: SessionConfig, line: str, data: dict[str, Any]) -> str:
    interface = flask_app.session_interface
    with _request(flask_app, line) as request:
        session = _call(interface.open_session, flask_app, request)
        if session is None:
            raise LostSession("Flask doesn't open one")
        session.update(data)
        response = flask_app.response_class()
        _call(interface.save_session, flask_app, session, response)
    return _line_of(config, response.headers.getlist("Set-Cookie"), "Flask")


def _read_by_flask(flask_app: Any, line: str) -> dict[str, Any]:
    with _request(flask_app, line) as request:
        return dict(_call(flask_app.session_interface.open_session, flask_app, request) or {})


@contextmanager
def _request(flask_app: Any, line: str) -> Iterator[Any]:
    context = flask_app.test_request_context("/", headers={"Cookie": line.partition(";")[0]} if line else {})
    if hasattr(flask_app, "wsgi_app"):
        with context:
            yield context.request
    else:  # Quart, whose interface does without a context
        yield context.request


def _through_asgi(config: SessionConfig, line: str) -> tuple[dict[str, Any], str]:
    """
    Return what a view inside the middleware reads, and the cookie with what it has added.
    """
    read: dict[str, Any] = {}
    lines: list[str] = []

    async def view(scope: Scope, receive: Receive, send: Send) -> None:
        session = HTTPConnection(scope).session
        read.update(session)
        session.update(_WRITTEN)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: Message) -> None:
        lines.extend(value.decode("latin-1") for name, value in message["headers"] if name == b"set-cookie")

    cookie = line.partition(";")[0].encode("latin-1")
    scope = {"type": "http", "method": "GET", "path": config.path, "headers": [(b"cookie", cookie)]}
    _call(SessionMiddleware(view, config=config), scope, None, send)
    return read, _line_of(config, lines, "the ASGI app")


def _call(function: Callable[..., Any], *args: Any) -> Any:
    """
    Call a function, a coroutine's too, of which none here waits for anything: there may be an event loop already.
    """
    result = function(*args)
    if not inspect.iscoroutine(result):
        return result
    try:
        result.send(None)
    except StopIteration as stop:
        return stop.value
    result.close()
    raise LostSession("it waits for something else than a cookie")


def _line_of(config: SessionConfig, lines: list[str], who: str) -> str:
    found = [line for line in lines if line.startswith(f"{config.session_cookie}=")]
    if not found:
        raise LostSession(f"{who} doesn't save it")
    return found[-1]


def _compare(came: dict[str, Any], sent: dict[str, Any], way: str) -> None:
    if _typed(came) != _typed(sent):
        raise LostSession(f"it is another one on the way {way}")


def _typed(value: Any) -> Any:
    # By ==, 1 and True and 1.0 are the same.
    if isinstance(value, dict):
        return {key: _typed(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value), [_typed(item) for item in value]
    return type(value), value

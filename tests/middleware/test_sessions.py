import json
import re
import sys
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest
import time_machine
from flask.sessions import SecureCookieSession
from starlette.applications import Starlette
from starlette.datastructures import Secret
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import starlette_flask
from starlette_flask import ConfigError, SessionConfig, SessionMiddleware
from starlette_flask.middleware import sessions
from starlette_flask.session import REQUEST_TOUCHES_SESSION
from tests.helpers import Backend, ask_asgi, http_scope, run_asgi
from tests.interop.apps import needs


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    pass


async def write(request: Request) -> Response:
    request.session["user"] = "ada"
    return Response()


async def read(request: Request) -> Response:
    return Response(request.session.get("user", "nobody"))


def make_app(**options: Any) -> Starlette:
    app = Starlette(routes=[Route("/write", write), Route("/read", read)])
    app.add_middleware(SessionMiddleware, **options)
    return app


def test_published_paths() -> None:
    """
    The class is found where it always was, and at the root.
    """
    assert starlette_flask.SessionMiddleware is sessions.SessionMiddleware


def test_positional() -> None:
    """
    Arguments by position are those of Starlette and of the published 0.1.0.
    """
    signer_kwargs = {"key_derivation": "none"}
    by_position = SessionMiddleware(
        nothing, "secret", "sid", 60, "/app", "strict", True, "example.com", b"salt", signer_kwargs
    )
    assert by_position.app is nothing
    assert by_position.config == SessionConfig(
        secret_key="secret",
        session_cookie="sid",
        max_age=60,
        path="/app",
        same_site="strict",
        https_only=True,
        domain="example.com",
        salt="salt",
        signer_kwargs=signer_kwargs,
    )


def test_keywords() -> None:
    """
    Every keyword of the configuration is one of the middleware.
    """
    options: dict[str, Any] = {
        "secret_key": "secret",
        "secret_key_fallbacks": ["old"],
        "https_only": True,
        "partitioned": True,
        "http_only": False,
        "refresh_each_request": False,
        "permanent_session_lifetime": timedelta(hours=1),
        "serializer": None,
        "max_age": None,
        "same_site": None,
    }
    assert SessionMiddleware(nothing, **options).config == SessionConfig(**options)


@pytest.mark.parametrize("secret_key", ["secret", b"secret", Secret("secret")])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_keys(secret_key: str | bytes | Secret, backend: Backend) -> None:
    """
    A key may be text, bytes or Starlette's Secret, and is the same key.
    """
    cookie = ask_asgi(make_app(secret_key="secret"), "/write", backend=backend).cookie
    answer = ask_asgi(make_app(secret_key=secret_key), "/read", cookies=[cookie], backend=backend)
    assert answer.body == b"ada"


def test_published_defaults() -> None:
    """
    With a key alone the cookie is Flask's but for SameSite, which Starlette sets to lax.
    """
    with time_machine.travel(1_700_000_000, tick=False):
        answer = ask_asgi(make_app(secret_key="secret"), "/write")
    assert answer.session_headers == {
        "set-cookie": [
            "session=eyJ1c2VyIjoiYWRhIn0.ZVPxAA.-Jclp8u_4DxtD4pu4J6PdbsqfHk; HttpOnly; Path=/; SameSite=Lax"
        ],
        "vary": ["Cookie"],
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({}, "no secret key; set secret_key", id="nothing"),
        pytest.param({"secret_key": ""}, "the secret key is empty", id="empty secret"),
        pytest.param(
            {"config": SessionConfig(secret_key="s"), "secret_key": "s"},
            "config says it all; drop it or secret_key",
            id="both",
        ),
        pytest.param(
            {"config": SessionConfig(secret_key="s"), "path": "/"}, "config says it all; drop it or path", id="default"
        ),
        pytest.param({"config": {"secret_key": "s"}}, "config must be a SessionConfig, not dict", id="no config"),
        pytest.param({"secret_key": "s", "allow_path_regex": "("}, "is not a regular expression", id="bad regex"),
        pytest.param({"secret_key": "s", "allow_path_regex": 1}, "must be str or a compiled pattern", id="no regex"),
        pytest.param({"secret_key": "s", "allow_path_regex": b"/"}, "pattern of str, not b'/'", id="regex of bytes"),
        pytest.param(
            {"secret_key": "s", "allow_path_regex": re.compile(b"/")}, "pattern of str", id="compiled regex of bytes"
        ),
    ],
)
def test_bad_configuration(options: dict[str, Any], message: str) -> None:
    """
    What can't work is refused at construction, and the message says the fix.
    """
    with pytest.raises(ConfigError, match=message):
        SessionMiddleware(nothing, **options)


@pytest.mark.parametrize(
    ("path", "has_session"), [("/api", True), ("/api/x", True), ("/apis", False), ("/x/api", False), ("/", False)]
)
@pytest.mark.parametrize("pattern", ["/api(/.*)?", re.compile("/api(/.*)?")])
def test_allow_path_regex(pattern: Any, path: str, has_session: bool) -> None:
    """
    Only a path that matches whole has a session.
    """
    seen: list[Scope] = []

    async def remember(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    middleware = SessionMiddleware(remember, "secret", allow_path_regex=pattern)
    run_asgi(middleware, http_scope(path), [])
    assert ("session" in seen[0]) is has_session


def test_sent_messages_are_not_changed() -> None:
    """
    An app may send the same message to everybody: nobody's cookie gets into it.
    """
    start: Message = {"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"]["user"] = "ada"
        await send(start)

    sent = run_asgi(SessionMiddleware(app, "secret"), http_scope("/"), [])
    assert len(sent[0]["headers"]) == 3
    assert start == {"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]}


def test_headers_may_come_once_only() -> None:
    """
    Headers are an iterable: they are read once and all of them are sent.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": (pair for pair in [(b"x", b"y")])})

    sent = run_asgi(SessionMiddleware(app, "secret"), http_scope("/"), [])
    assert list(sent[0]["headers"]) == [(b"x", b"y")]


def test_headers_in_capitals() -> None:
    """
    An app that spells its headers with capitals is understood all the same.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"]["user"] = "ada"
        headers = [(b"Set-Cookie", b"session=; Path=/; Max-Age=0"), (b"Vary", b"Cookie")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    sent = run_asgi(SessionMiddleware(app, "secret"), http_scope("/"), [])
    assert [name for name, _ in sent[0]["headers"]] == [b"Vary", b"set-cookie"]


def test_path_regex_sees_the_whole_path() -> None:
    """
    The path that must match has the prefix of mounts in it.
    """
    inner = Starlette(routes=[Route("/read", read)])
    inner.add_middleware(SessionMiddleware, secret_key="secret", allow_path_regex="/sub/.*")
    app = Starlette(routes=[Mount("/sub", inner)])
    assert ask_asgi(app, "/sub/read").body == b"nobody"


@needs("starlette", "1.0", "an assigned dict can't be told from another middleware's session")
def test_content_assigned_between_equal_middlewares() -> None:
    """
    What is assigned between two equal middlewares is the content for both.
    """

    def assigning(app: ASGIApp) -> ASGIApp:
        async def assign(scope: Scope, receive: Receive, send: Send) -> None:
            scope["session"] = {"user": "eve"}
            await app(scope, receive, send)

        return assign

    app = SessionMiddleware(assigning(make_app(secret_key="secret")), "secret")
    cookie = ask_asgi(app, "/write").cookie
    answer = ask_asgi(app, "/read", cookies=[cookie])
    assert answer.body == b"eve"
    assert app.config.signing_serializer.loads(answer.cookie.partition("=")[2]) == {"user": "eve"}


@needs("starlette", "1.0", "an assigned dict can't be told from another middleware's session")
def test_session_of_flask_as_content() -> None:
    """
    Any mapping will do as content, one that has attributes of a session included.
    """

    async def assign(request: Request) -> Response:
        request.scope["session"] = SecureCookieSession({"user": "eve"})
        return Response()

    app = Starlette(routes=[Route("/", assign)])
    app.add_middleware(SessionMiddleware, secret_key="secret")
    assert ask_asgi(app, "/").set_cookie


def test_error_of_the_view_comes_first() -> None:
    """
    A value that can't be written doesn't hide what went wrong in the view.
    """

    class Failing:
        def dumps(self, value: Any) -> str:
            if "broken" in str(value):
                raise AttributeError("serializer")
            return json.dumps(value)

        def loads(self, text: str) -> Any:
            return json.loads(text)

    async def view(scope: Scope, receive: Receive, send: Send) -> None:
        cart = scope["session"]["cart"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        cart.append("broken")
        raise KeyError("view")

    middleware = SessionMiddleware(view, "secret", serializer=Failing())
    value = middleware.config.signing_serializer.dumps({"cart": []})
    with pytest.raises(KeyError, match="view"):
        run_asgi(middleware, http_scope("/", cookies=[f"session={value}"]), [])


def test_headers_may_be_missing() -> None:
    """
    ASGI lets an app leave the headers out.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"]["user"] = "ada"
        await send({"type": "http.response.start", "status": 200})

    sent = run_asgi(SessionMiddleware(app, "secret"), http_scope("/"), [])
    assert [name for name, _ in sent[0]["headers"]] == [b"set-cookie", b"vary"]


def test_waits_for_the_first_touch() -> None:
    """
    The session waits where Starlette says that it is touched (since 1.0), and is loaded at once elsewhere.
    """
    touches = []

    class Probe(dict[str, Any]):
        def mark_accessed(self) -> None:
            touches.append(1)

    HTTPConnection({"type": "http", "session": Probe()}).session  # noqa: B018  # a property that acts
    assert bool(touches) is REQUEST_TOUCHES_SESSION


@pytest.mark.parametrize("touches", [True, False])
def test_both_ways_of_starlette(touches: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With either the view sees the session, and an untouched one costs no header.
    """
    monkeypatch.setattr(sessions, "REQUEST_TOUCHES_SESSION", touches)
    app = make_app(secret_key="secret")
    cookie = ask_asgi(app, "/write").cookie
    assert ask_asgi(app, "/read", cookies=[cookie]).body == b"ada"
    assert ask_asgi(app, "/nowhere", cookies=[cookie]).session_headers == {"set-cookie": [], "vary": []}


def test_request_path_calls_no_itsdangerous() -> None:
    """
    Reading and writing a session runs no code of itsdangerous; it is needed at construction only.
    """
    app = SessionMiddleware(Starlette(routes=[Route("/write", write)]), "secret")
    cookie = ask_asgi(app, "/write").cookie
    called: set[str] = set()

    def note(frame: FrameType, event: str, argument: object) -> None:
        module = frame.f_globals.get("__name__", "")
        if module.partition(".")[0] in ("itsdangerous", "starlette_flask"):
            called.add(module.partition(".")[0])

    sys.setprofile(note)
    try:
        answer = ask_asgi(app, "/write", cookies=[cookie])
    finally:
        sys.setprofile(None)
    assert answer.set_cookie
    assert called == {"starlette_flask"}


class Untouchable(bytes):
    """
    A header's value that nobody may look at.
    """

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)


def test_parses_no_header_it_does_not_need() -> None:
    """
    Of the request's headers only the cookies are looked at, and those only when somebody asks.
    """
    seen: list[str | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/read":
            seen.append(scope["session"].get("user"))
        await send({"type": "http.response.start", "status": 200, "headers": []})

    middleware = SessionMiddleware(app, "secret", refresh_each_request=False)
    value = middleware.config.signing_serializer.dumps({"user": "ada"})
    scope = http_scope("/read", cookies=[f"session={value}"])
    scope["headers"].append((b"accept", Untouchable(b"*/*")))
    run_asgi(middleware, scope, [])
    assert seen == ["ada"]
    scope = http_scope("/untouched")
    scope["headers"] = Untouchable()
    run_asgi(middleware, scope, [])


def test_assigned_before_starlette_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where nobody can tell whose dict it is, it isn't taken for the session.
    """
    monkeypatch.setattr("starlette_flask.session.REQUEST_TOUCHES_SESSION", False)

    async def assign(scope: Scope, receive: Receive, send: Send) -> None:
        scope["session"] = {"_user_id": "7"}
        await Response("")(scope, receive, send)

    app = SessionMiddleware(assign, secret_key="secret")
    assert ask_asgi(app, "/").set_cookie == []

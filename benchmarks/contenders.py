"""
Who is compared: every contender with its defaults, and the cookies that it makes itself.
"""

import copy
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from hashlib import sha1
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any
from unittest.mock import patch

from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSession
from itsdangerous import BadSignature, URLSafeTimedSerializer
from starlette.datastructures import MutableHeaders
from starlette.middleware.sessions import SessionMiddleware as StarletteSessionMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starsessions import CookieStore
from starsessions import SessionMiddleware as StarsessionsMiddleware

from benchmarks.frameworks import FlaskContender, QuartContender
from benchmarks.handlers import Act, ASGIContender, Contender
from benchmarks.payloads import SECRET_KEY, SESSION_COOKIE
from benchmarks.scenarios import Cookie
from starlette_flask import SessionMiddleware

# Where scripts/bench puts the first release, which has the same package name.
OLD_RELEASE = Path(__file__).parents[1] / ".venv" / "bench-0.1.0"

MAX_AGE = 31 * 24 * 60 * 60  # in seconds, as Flask's
TOO_OLD = timedelta(days=40)


class ObviousMiddleware:
    """
    Flask's cookie in Starlette as one would write it: Starlette's middleware around itsdangerous and Flask's parts.
    """

    def __init__(self, app: ASGIApp, secret_key: str) -> None:
        self.app = app
        self.serializer = URLSafeTimedSerializer(
            secret_key,
            salt="cookie-session",
            serializer=TaggedJSONSerializer(),
            signer_kwargs={"key_derivation": "hmac", "digest_method": sha1},
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return

        cookie = HTTPConnection(scope).cookies.get(SESSION_COOKIE)
        data = {}
        if cookie is not None:
            try:
                data = self.serializer.loads(cookie, max_age=MAX_AGE)
            except BadSignature:
                data = {}
        session = scope["session"] = SecureCookieSession(data)

        async def send_wrapper(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if session.accessed:
                    headers.add_vary_header("Cookie")
                if session.modified and session:
                    value = self.serializer.dumps(dict(session))
                    headers.append("set-cookie", f"{SESSION_COOKIE}={value}; HttpOnly; Path=/; SameSite=Lax")
                elif session.modified and cookie is not None:
                    headers.append(
                        "set-cookie",
                        f"{SESSION_COOKIE}=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/",
                    )
            await send(message)

        await self.app(scope, receive, send_wrapper)


def _ours(**options: Any) -> Contender:
    name = ", ".join(["starlette-flask", *(f"{key}={value}" for key, value in options.items())])
    return ASGIContender(name, partial(SessionMiddleware, secret_key=SECRET_KEY, **options))


def _old_release() -> Iterator[Contender]:
    # Its middleware alone: the package's __init__ only warns that it is archived.
    path = OLD_RELEASE / "starlette_flask" / "middleware" / "sessions.py"
    spec = spec_from_file_location("starlette_flask_0_1_0", path)
    if path.exists() and spec is not None and spec.loader is not None:
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        yield ASGIContender("starlette-flask 0.1.0", partial(module.SessionMiddleware, secret_key=SECRET_KEY))


OURS = _ours()
OURS_WITHOUT_REFRESH = _ours(refresh_each_request=False)
OURS_WITHOUT_NESTED = _ours(track_nested=False)
STARLETTE = ASGIContender("Starlette", partial(StarletteSessionMiddleware, secret_key=SECRET_KEY))
OBVIOUS = ASGIContender("itsdangerous, the obvious way", partial(ObviousMiddleware, secret_key=SECRET_KEY))
STARSESSIONS = ASGIContender(
    "starsessions",
    partial(
        StarsessionsMiddleware, store=CookieStore(SECRET_KEY), lifetime=timedelta(days=14), cookie_https_only=False
    ),
    loads=True,
)

CONTENDERS: tuple[Contender, ...] = (
    OURS,
    STARLETTE,
    OBVIOUS,
    *_old_release(),
    STARSESSIONS,
    FlaskContender("Flask"),
    QuartContender("Quart"),
)
VARIANTS: dict[str, tuple[Contender, ...]] = {"untouched": (OURS_WITHOUT_REFRESH,), "read": (OURS_WITHOUT_NESTED,)}
"""
What is measured too in some scenarios, by name.
"""


def ask(contender: Contender, act: Act | None, cookie: str | None) -> str | None:
    """
    Send one request and return the cookie as the browser has it afterwards.
    """
    answer = contender.context.run(contender.handler(act, cookie))
    for line in contender.cookies_set_by(answer):
        name, _, value = line.partition(";")[0].partition("=")
        if name == SESSION_COOKIE:
            return value
    return cookie


def make_cookie(contender: Contender, payload: dict[str, Any], state: Cookie = "valid") -> str | None:
    """
    Return a cookie as the contender itself makes it for *payload*, in the state that a scenario asks for.
    """
    if state == "none":
        return None
    signed_at = time.time() - (TOO_OLD.total_seconds() if state == "expired" else 0)
    with patch("time.time", lambda: signed_at):
        cookie = ask(contender, lambda session: session.update(copy.deepcopy(payload)), None)
    if cookie is None:
        raise RuntimeError(f"{contender.name} did not set its cookie")
    return forge(cookie) if state == "tampered" else cookie


def forge(cookie: str) -> str:
    """
    Return *cookie* with another signature of the same length.
    """
    return cookie[:-4] + ("AAAA" if cookie[-4:] != "AAAA" else "BBBB")

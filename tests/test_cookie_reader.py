"""
Why a user was logged out, and who is told.
"""

import logging
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import itsdangerous
import pytest
import time_machine
from starlette.applications import Starlette
from starlette.datastructures import Secret
from starlette.middleware.sessions import SessionMiddleware as StarletteSessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from starlette_flask import ConfigError, SessionConfig, SessionMiddleware
from starlette_flask.cookie_reader import CookieReader
from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.formats.serializer import encode_payload
from tests.helpers import Browser, ask_asgi

NOW = 1_700_000_000
DAY = 24 * 60 * 60
CONFIG = SessionConfig(secret_key="secret")
SERIALIZER = CONFIG.signing_serializer


@pytest.fixture(autouse=True)
def at_now() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


def signed_at(time: float, payload: bytes = b"{}") -> bytes:
    with time_machine.travel(time, tick=False):
        return SERIALIZER._signer.sign(encode_payload(payload))


async def show(request: Request) -> Response:
    return JSONResponse(dict(request.session))


async def write(request: Request) -> Response:
    request.session["more"] = True
    return JSONResponse(dict(request.session))


def app_with(middleware: Any, **options: Any) -> Starlette:
    app = Starlette(routes=[Route("/show", show), Route("/write", write)])
    app.add_middleware(middleware, **options)
    return app


class TestOnRejected:
    @pytest.mark.parametrize(
        ("value", "reason_class"),
        [
            pytest.param(lambda: b"nonsense", "signature", id="nonsense"),
            pytest.param(lambda: signed_at(NOW)[:-2] + b"AA", "signature", id="tampered"),
            pytest.param(lambda: b"e30." + SERIALIZER._signer._macs[0].signature(b"e30"), "timestamp", id="time"),
            pytest.param(lambda: signed_at(NOW - 32 * DAY), "expired", id="expired"),
            pytest.param(lambda: signed_at(NOW + DAY), "future", id="future"),
            pytest.param(lambda: signed_at(NOW, b"[]"), "payload", id="no object"),
            pytest.param(lambda: SERIALIZER._signer.sign(b".e30"), "payload", id="not compressed"),
        ],
    )
    def test_is_told_the_class_of_reasons(self, value: Callable[[], bytes], reason_class: str) -> None:
        """
        Each cookie that is rejected is reported once, with the class of the reason and the connection.
        """
        told: list[tuple[str, str]] = []
        app = app_with(
            SessionMiddleware,
            config=CONFIG,
            on_rejected=lambda reason, connection: told.append((reason, connection.url.path)),
        )
        answer = ask_asgi(app, "/show", cookies=[f"session={value().decode()}"])
        assert answer.json == {}
        assert told == [(reason_class, "/show")]

    @pytest.mark.parametrize("cookie", ["", "session=", "other=1", "good"])
    def test_is_not_called(self, cookie: str) -> None:
        """
        No cookie, an empty one and a good one aren't rejected.
        """
        told: list[str] = []
        app = app_with(SessionMiddleware, config=CONFIG, on_rejected=lambda reason, connection: told.append(reason))
        line = cookie.replace("good", f"session={SERIALIZER.dumps({})}")
        assert ask_asgi(app, "/show", cookies=[line]).json == {}
        assert told == []

    def test_failure(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        If the function itself fails, the request goes on and the log says so.
        """

        def fail(reason: str, connection: HTTPConnection) -> None:
            raise LookupError("metrics")

        app = app_with(SessionMiddleware, config=CONFIG, on_rejected=fail)
        assert ask_asgi(app, "/show", cookies=["session=nonsense"]).json == {}
        assert "on_rejected failed" in caplog.text

    def test_must_be_a_function(self) -> None:
        """
        What can't be called is refused at start.
        """
        with pytest.raises(ConfigTypeError, match="on_rejected"):
            CookieReader(CONFIG, on_rejected="print")  # type: ignore[arg-type]  # on purpose


class TestLog:
    def test_counts(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Of each class of reasons the first is said at INFO, and the 10th and the 100th with their number.
        """
        caplog.set_level(logging.DEBUG, "starlette_flask.sessions")
        app = app_with(SessionMiddleware, config=CONFIG)
        for _ in range(100):
            ask_asgi(app, "/show", cookies=["session=nonsense"])
        ask_asgi(app, "/show", cookies=[f"session={signed_at(NOW - 32 * DAY).decode()}"])
        levels = [record.levelname for record in caplog.records]
        assert levels == ["INFO", *["DEBUG"] * 8, "INFO", *["DEBUG"] * 89, "INFO", "INFO"]
        said = [record.getMessage() for record in caplog.records if record.levelname == "INFO"]
        start = "The cookie 'session' was rejected: "
        assert said[0] == start + "no key matches the signature."
        assert said[2] == start + "no key matches the signature. That makes 100 for such a reason."
        assert said[3].startswith(start + "expired")


class TestStarletteCookies:
    """
    An app that had sessions of Starlette's loses none.
    """

    @pytest.mark.parametrize(
        ("accepted", "secret"),
        [
            pytest.param(True, "secret", id="the same secret"),
            pytest.param(["theirs"], "theirs", id="a secret of theirs"),
            pytest.param(["other", Secret("theirs")], "theirs", id="several"),
            pytest.param([b"theirs"], "theirs", id="bytes"),
        ],
    )
    def test_is_read_and_rewritten(self, accepted: Any, secret: str) -> None:
        """
        It is read as it is, and the first write makes it one of Flask's.
        """
        browser = Browser(lambda path, **options: ask_asgi(theirs, path, **options))
        theirs = app_with(StarletteSessionMiddleware, secret_key=secret)
        assert browser.visit("/write").json == {"more": True}
        before = browser.value()

        ours = app_with(SessionMiddleware, config=CONFIG, accept_starlette_cookies=accepted)
        browser.ask = lambda path, **options: ask_asgi(ours, path, **options)
        assert browser.visit("/show").json == {"more": True}
        assert browser.value() == before
        browser.visit("/write")
        value = browser.value()
        assert value is not None
        assert SERIALIZER.loads(value) == {"more": True}

    @pytest.mark.parametrize(
        ("accepted", "payload", "age"),
        [
            pytest.param(False, b"{}", 0, id="not accepted"),
            pytest.param(["other"], b"{}", 0, id="another secret"),
            pytest.param(True, b"{}", 14 * DAY + 1, id="too old"),
            pytest.param(True, b"[]", 0, id="no object"),
            pytest.param(True, b"{", 0, id="no JSON"),
            pytest.param(True, b"[" * 100_000, 0, id="too deep"),
        ],
    )
    def test_is_rejected(self, accepted: Any, payload: bytes, age: int) -> None:
        """
        What isn't good is rejected like any other cookie.
        """
        told: list[str] = []
        with time_machine.travel(NOW - age, tick=False):
            value = itsdangerous.TimestampSigner("secret").sign(b64encode(payload)).decode()
        app = app_with(
            SessionMiddleware,
            config=CONFIG,
            accept_starlette_cookies=accepted,
            on_rejected=lambda reason, connection: told.append(reason),
        )
        assert ask_asgi(app, "/show", cookies=[f"session={value}"]).json == {}
        assert told == ["signature"]

    @pytest.mark.parametrize(
        ("accepted", "error"),
        [
            ([], ConfigError),
            ([""], ConfigError),
            ("secret", ConfigTypeError),
            ([1], ConfigTypeError),
            (1, ConfigTypeError),
        ],
    )
    def test_bad_secrets(self, accepted: Any, error: type[Exception]) -> None:
        """
        No secret, or something else, is refused at start.
        """
        with pytest.raises(error):
            CookieReader(CONFIG, accept_starlette_cookies=accepted)

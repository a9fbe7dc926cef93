"""
What is the same for users, and what isn't, however it is written.
"""

import hashlib
from datetime import timedelta
from typing import Any

import flask
import pytest
import time_machine
from flask.json.provider import DefaultJSONProvider
from flask.json.tag import TaggedJSONSerializer
from flask.sessions import SecureCookieSessionInterface
from starlette.datastructures import Secret
from starlette.middleware import Middleware

from starlette_flask import SessionMiddleware
from tests.doctor.pairs import KEY, OTHER_KEY, checks, make_flask, make_shared, one_finding


class NumbersAsText(DefaultJSONProvider):
    """
    JSON of the app's own.
    """

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return super().loads(s, parse_float=str, **kwargs)


class Plain:
    """
    A serializer of the app's own.
    """

    def dumps(self, value: Any) -> str:
        return str(flask.json.dumps(value))

    def loads(self, text: str) -> Any:
        return flask.json.loads(text)


def with_provider(provider: type[DefaultJSONProvider]) -> flask.Flask:
    app = make_flask()
    app.json_provider_class = provider
    app.json = app.json_provider_class(app)
    return app


def with_serializer(serializer: Any) -> flask.Flask:
    app = make_flask()
    app.session_interface = type("Interface", (SecureCookieSessionInterface,), {"serializer": serializer})()
    return app


SAME: dict[str, Any] = {"secret_key": KEY, "same_site": None}


@pytest.mark.parametrize(
    ("settings", "keywords"),
    [
        pytest.param({"SECRET_KEY": b"\xfc"}, {"secret_key": b"\xfc"}, id="bytes"),
        pytest.param({}, {"secret_key": Secret(KEY)}, id="Secret"),
        pytest.param({}, {"salt": b"cookie-session"}, id="salt of bytes"),
        pytest.param({}, {"signer_kwargs": {"digest_method": lambda data=b"": hashlib.sha1(data)}}, id="digest"),  # noqa: S324
        pytest.param({}, {"serializer": TaggedJSONSerializer()}, id="Flask's own serializer"),
        pytest.param({"SESSION_COOKIE_DOMAIN": ".example.com"}, {"domain": "example.com"}, id="domain"),
        pytest.param({"SESSION_COOKIE_SAMESITE": "LAX"}, {"same_site": "lax"}, id="SameSite"),
        pytest.param(
            {"PERMANENT_SESSION_LIFETIME": 3600}, {"permanent_session_lifetime": timedelta(hours=1)}, id="lifetime"
        ),
        pytest.param({}, {"secret_key_fallbacks": [KEY]}, id="the key among the fallbacks"),
    ],
)
def test_the_same(settings: dict[str, Any], keywords: dict[str, Any]) -> None:
    """
    What means the same for users is no finding.
    """
    app = make_flask(**settings)
    assert checks(app, make_shared(app, **{**SAME, **keywords})) == []


def test_the_same_code_on_both_sides() -> None:
    """
    JSON and serializers of the app's own are the same if they are of one class, as those of two apps of a factory.
    """
    assert checks(with_provider(NumbersAsText), make_shared(with_provider(NumbersAsText))) == []
    assert checks(with_serializer(Plain()), make_shared(with_serializer(Plain()))) == []


@pytest.mark.parametrize(
    ("app", "shown"),
    [
        pytest.param(with_provider(NumbersAsText), "tagged JSON by NumbersAsText", id="JSON"),
        pytest.param(with_serializer(Plain()), f"{__name__}.Plain", id="serializer"),
    ],
)
def test_code_on_one_side(app: flask.Flask, shown: str) -> None:
    """
    On one side only, it is named.
    """
    finding = one_finding(app, make_shared(app, **SAME))
    assert finding.check == "serializer"
    assert finding.what.startswith(f"serializer is {shown} in Flask and tagged JSON in the ASGI app: ")


def test_a_digest_without_a_name() -> None:
    """
    A digest that has no name is another one.
    """

    class Digest:
        def __call__(self, data: bytes = b"") -> Any:
            return hashlib.sha256(data)

    app = make_flask()
    finding = one_finding(app, make_shared(app, **SAME, signer_kwargs={"digest_method": Digest()}))
    assert "hmac/another digest in the ASGI app" in finding.what


def test_a_key_that_neither_accepts_of_the_other() -> None:
    """
    Fallbacks don't help if they are not the other's key.
    """
    app = make_flask()
    ours = make_shared(app, secret_key=OTHER_KEY, secret_key_fallbacks=["an old value"], same_site=None)
    assert checks(app, ours) == ["secret_key", "secret_key_fallbacks"]


@pytest.mark.parametrize("seconds", [0, -1])
def test_accepted_for_no_time(seconds: int) -> None:
    """
    A lifetime of nothing logs everybody out at once.
    """
    app = make_flask(PERMANENT_SESSION_LIFETIME=seconds)
    finding = one_finding(app, make_shared(app))
    assert finding.check == "cookie"
    assert finding.what == f"sessions are accepted for {seconds} seconds: users are logged out at once"


def test_accepted_for_a_second() -> None:
    """
    A second is short, and not nothing.
    """
    app = make_flask(PERMANENT_SESSION_LIFETIME=1)
    with time_machine.travel(1_700_000_000, tick=False):
        assert checks(app, make_shared(app)) == []


def test_another_name_in_another_app() -> None:
    """
    A mounted app with users of its own may have a session of its own, of another name; with the same name, it can't.
    """
    app = make_flask()
    for name, found in (("admin", []), ("session", ["secret_key", "same_site", "twice"])):
        ours = make_shared(app)
        ours.mount("/admin", make_shared(app, secret_key=OTHER_KEY, session_cookie=name))
        assert checks(app, ours) == found


def test_all_have_another_name() -> None:
    """
    If nobody has Flask's name, that is the finding.
    """
    app = make_flask()
    ours = make_shared(app, Middleware(SessionMiddleware, **SAME, session_cookie="a"), **SAME, session_cookie="b")
    assert checks(app, ours) == ["session_cookie", "twice"]

"""
Forms that cross over: rendered by one app, posted to the other, with real Flask-WTF as the peer.

The Flask app is beside ours, with the same cookies, or mounted in it, where Flask-WTF itself guards it.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from typing import Any, Literal
from urllib.parse import urlencode

import flask
import flask_wtf  # type: ignore[import-untyped]  # ships no types
import flask_wtf.csrf  # type: ignore[import-untyped]  # ships no types
import pytest
import time_machine
import wtforms  # type: ignore[import-untyped]  # ships no types
from a2wsgi import WSGIMiddleware as A2WSGIMiddleware
from fastapi import FastAPI, Request
from itsdangerous import URLSafeTimedSerializer
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.csrf import (
    EXPIRED,
    INVALID,
    MISMATCH,
    MISSING,
    REFERRER_MISMATCH,
    REFERRER_MISSING,
    SESSION_MISSING,
    CSRFConfig,
    CSRFError,
    csrf_meta_tag,
    generate_csrf,
)
from starlette_flask.middleware.csrf import CSRFMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.helpers import Answer, Browser, ask_asgi, ask_wsgi
from tests.hostile import HOSTILE_COOKIES, encoded, flipped, signed, stamp
from tests.interop.apps import Pair, make_flask_app, needs, needs_flask

NOW = 1_700_000_000
TEXT = "0123456789abcdef0123456789abcdef01234567"

THEIR_SENTENCES = {
    "The CSRF token is missing.": MISSING,
    "The CSRF session token is missing.": SESSION_MISSING,
    "The CSRF token has expired.": EXPIRED,
    "The CSRF token is invalid.": INVALID,
    "The CSRF tokens do not match.": MISMATCH,
    "The referrer header is missing.": REFERRER_MISSING,
    "The referrer does not match the host.": REFERRER_MISMATCH,
}
"""What Flask-WTF says, and what we say in its place."""

SideName = Literal["ours", "theirs"]
SIDES: tuple[SideName, ...] = ("ours", "theirs")
Carrier = Callable[[str, str], dict[str, Any]]


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Tokens of the same second are the same bytes.
    """
    with time_machine.travel(NOW, tick=False):
        yield


class Form(flask_wtf.FlaskForm):  # type: ignore[misc]  # ships no types
    name = wtforms.StringField()


def make_their_app(settings: Mapping[str, Any]) -> tuple[flask.Flask, Any]:
    """
    Return a Flask app with Flask-WTF, and its guard.
    """
    app = make_flask_app(**settings)
    csrf = flask_wtf.CSRFProtect(app)

    @app.route("/token", methods=["GET"])
    def token() -> str:
        return str(flask_wtf.csrf.generate_csrf())

    @app.route("/post", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def post() -> Any:
        return flask.jsonify(flask.request.form.to_dict())

    @app.route("/form", methods=["GET", "POST"])
    def form() -> str:
        form = Form(prefix=flask.request.args.get("prefix", ""))
        if form.validate_on_submit():
            return f"Hello {form.name.data}!"
        return str(form.hidden_tag())

    @app.post("/exempt")
    @csrf.exempt  # type: ignore[untyped-decorator]  # ships no types
    def exempt() -> str:
        return "done"

    @app.get("/forget")
    def forget() -> str:
        flask.session.clear()
        return ""

    @app.errorhandler(flask_wtf.csrf.CSRFError)
    def refused(error: Any) -> tuple[str, int]:
        return error.description, 400

    return app, csrf


def make_our_app(theirs: flask.Flask, **options: Any) -> FastAPI:
    """
    Return an app with the same pages, and the Flask app's settings.
    """
    app = FastAPI()

    @app.get("/token")
    async def token(request: Request) -> Response:
        return PlainTextResponse(generate_csrf(request))

    @app.api_route("/post", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def post(request: Request) -> Response:
        async with request.form() as form:
            return JSONResponse({key: value for key, value in form.items() if isinstance(value, str)})

    @app.get("/forget")
    async def forget(request: Request) -> Response:
        request.session.clear()
        return Response()

    @app.exception_handler(CSRFError)
    async def refused(request: Request, exc: CSRFError) -> Response:
        return PlainTextResponse(exc.detail, exc.status_code)

    app.add_middleware(CSRFMiddleware, config=CSRFConfig.from_flask(theirs), **options)
    app.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(theirs))
    return app


ADAPTERS: dict[str, Callable[[Any], ASGIApp]] = {
    "shared": WSGIMiddleware,
    "merged": partial(WSGIMiddleware, share_session=False),
    "a2wsgi": A2WSGIMiddleware,  # type: ignore[dict-item]  # it has ASGI types of its own
    "guarded by both": WSGIMiddleware,
}


class Site:
    """
    Both apps, and people with browsers.

    Args:
        kind: ``separate``, or how the Flask app is mounted in ours.
        settings: Of both.
    """

    def __init__(self, kind: str = "separate", **settings: Any) -> None:
        self.kind = kind
        self.their_app, self.guard = make_their_app(settings)
        self.our_app = make_our_app(
            self.their_app, exempt_mounts=() if kind in ("separate", "guarded by both") else ("/legacy",)
        )
        if kind != "separate":
            self.our_app.mount("/legacy", ADAPTERS[kind](self.their_app))

    def person(self, scheme: str = "http") -> "Person":
        return Person(self, scheme)

    def ask(self, side: SideName, path: str, *, scheme: str = "http", **options: Any) -> Answer:
        """
        Ask one of the apps.
        """
        if side == "theirs" and self.kind == "separate":
            return ask_wsgi(_over(scheme, self.their_app), path, **options)
        prefix = "/legacy" if side == "theirs" else ""
        return ask_asgi(_asgi_over(scheme, self.our_app), prefix + path, **options)


def _over(scheme: str, app: Any) -> Any:
    return lambda environ, start_response: app({**environ, "wsgi.url_scheme": scheme}, start_response)


def _asgi_over(scheme: str, app: ASGIApp) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "scheme": scheme}, receive, send)

    return call


class Person:
    """
    Somebody with a browser.
    """

    def __init__(self, site: Site, scheme: str) -> None:
        self.site = site
        self._scheme = scheme
        self._browser = Browser(ask_asgi)

    def visit(self, side: SideName, path: str, **options: Any) -> Answer:
        self._browser.ask = partial(self.site.ask, side, scheme=self._scheme)
        if body := options.get("body"):
            options["headers"] = [*options.get("headers", ()), ("content-length", str(len(body)))]
        return self._browser.visit(path, **options)

    def token(self, side: SideName) -> str:
        """
        Load a form.
        """
        return self.visit(side, "/token").body.decode()

    def post(self, side: SideName, *, path: str = "/post", method: str = "POST", **options: Any) -> str:
        """
        Post a form; return ``accepted``, or why it's refused, in our words.
        """
        return outcome(self.visit(side, path, method=method, **options))

    def post_each_way(self, side: SideName, token: str) -> dict[str, str]:
        """
        Post the token in each of the ways, and return the outcomes.
        """
        return {name: self.post(side, **carry("csrf_token", token)) for name, carry in CARRIERS.items()}

    def lose_session(self) -> None:
        self._browser.cookies.clear()


def outcome(answer: Answer) -> str:
    """
    Return ``accepted``, or why a request was refused, in our words.
    """
    if answer.status == 200:
        return "accepted"
    assert answer.status == 400, answer
    text = answer.body.decode()
    return THEIR_SENTENCES.get(text, text)


def each(result: str) -> dict[str, str]:
    """
    Return what `Person.post_each_way` does if all end alike.
    """
    return dict.fromkeys(CARRIERS, result)


def urlencoded(name: str, token: str) -> dict[str, Any]:
    body = urlencode([("a", "tea"), (name, token), ("b", "jam")]).encode()
    return {"headers": [("content-type", "application/x-www-form-urlencoded")], "body": body}


def multipart(name: str, token: str) -> dict[str, Any]:
    parts = [('name="a"; filename="\u0447.txt"', "x" * 1000), ('name="b"', "jam"), (f'name="{name}"', token)]
    body = "".join(f"--b\r\nContent-Disposition: form-data; {start}\r\n\r\n{value}\r\n" for start, value in parts)
    return {"headers": [("content-type", "multipart/form-data; boundary=b")], "body": f"{body}--b--\r\n".encode()}


def header(name: str, token: str) -> dict[str, Any]:
    text = token.encode(errors="surrogateescape").decode("latin-1")  # as servers give it
    return {"headers": [("x-csrftoken", text), ("content-type", "application/json")], "body": b"{}"}


def other_header(name: str, token: str) -> dict[str, Any]:
    options = header(name, token)
    return {**options, "headers": [("x-csrf-token", value) for _, value in options["headers"][:1]]}


CARRIERS: dict[str, Carrier] = {
    "urlencoded": urlencoded,
    "prefixed": lambda name, token: urlencoded(f"form1-{name}", token),
    "multipart": multipart,
    "header": header,
    "other header": other_header,
}
"""How a token comes."""

each_way = pytest.mark.parametrize(
    ("here", "there"),
    [
        pytest.param("ours", "theirs", id="to theirs"),
        pytest.param("theirs", "ours", id="to ours"),
        pytest.param("ours", "ours", id="in ours"),
        pytest.param("theirs", "theirs", id="in theirs"),
    ],
)

make_site = cache(Site)  # it takes longer than most stories, and keeps nothing of them


@pytest.fixture(params=["separate", "shared", "merged", "a2wsgi", "guarded by both"])
def site(request: pytest.FixtureRequest) -> Site:
    """
    Two apps with the same settings.
    """
    return make_site(request.param)


@pytest.fixture
def separate() -> Site:
    """
    Two apps on two servers.
    """
    return make_site("separate")


class TestCrossing:
    @each_way
    def test_accepted(self, site: Site, here: SideName, there: SideName) -> None:
        """
        A form that either side renders is accepted by the other, as often as it is posted.
        """
        person = site.person()
        token = person.token(here)
        for _ in range(2):
            assert person.post_each_way(there, token) == each("accepted")

    @each_way
    def test_two_tabs(self, site: Site, here: SideName, there: SideName) -> None:
        """
        Forms of both sides are open in two tabs: the later one doesn't make the first one's token void.
        """
        person = site.person()
        first, second = person.token(here), person.token(there)
        for side in (here, there):
            assert person.post_each_way(side, first) == each("accepted")
            assert person.post_each_way(side, second) == each("accepted")

    @each_way
    def test_form_arrives(self, site: Site, here: SideName, there: SideName) -> None:
        """
        The view gets the whole form.
        """
        person = site.person()
        token = person.token(here)
        for carry in (urlencoded, multipart):
            fields = person.visit(there, "/post", method="POST", **carry("csrf_token", token)).json
            assert {"b": fields["b"], "csrf_token": fields["csrf_token"]} == {"b": "jam", "csrf_token": token}

    @each_way
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_methods(self, site: Site, here: SideName, there: SideName, method: str) -> None:
        """
        Each unsafe method needs a token, on both sides.
        """
        person = site.person()
        token = person.token(here)
        assert person.post(there, method=method, **header("", token)) == "accepted"
        assert person.post(there, method=method) == MISSING

    @each_way
    @pytest.mark.parametrize(("age", "expected"), [(3600, "accepted"), (3601, EXPIRED)], ids=["an hour", "longer"])
    def test_age(self, site: Site, here: SideName, there: SideName, age: int, expected: str) -> None:
        """
        After an hour a token has run out, on both sides.
        """
        person = site.person()
        token = person.token(here)
        with time_machine.travel(NOW + age, tick=False):
            assert person.post_each_way(there, token) == each(expected)

    @each_way
    def test_tampered(self, site: Site, here: SideName, there: SideName) -> None:
        """
        An altered token isn't genuine, wherever it is altered, on both sides.
        """
        person = site.person()
        token = person.token(here)
        for position in (0, len(token) // 2, token.rindex(".") - 1, -5):
            assert person.post_each_way(there, flipped(token, position)) == each(INVALID)

    @each_way
    def test_another_session(self, site: Site, here: SideName, there: SideName) -> None:
        """
        A token of somebody else's session doesn't match, on both sides.
        """
        person, eve = site.person(), site.person()
        person.token(there)
        assert person.post_each_way(there, eve.token(here)) == each(MISMATCH)

    @each_way
    def test_no_session(self, site: Site, here: SideName, there: SideName) -> None:
        """
        A token without the session that it was made for is refused for that reason, on both sides.
        """
        person = site.person()
        token = person.token(here)
        person.lose_session()
        assert person.post_each_way(there, token) == each(SESSION_MISSING)

    @each_way
    def test_cleared_session(self, site: Site, here: SideName, there: SideName) -> None:
        """
        When either side clears the session, as at a logout, the forms of before are void, on both sides.
        """
        person = site.person()
        token = person.token(there)
        person.visit(here, "/forget")
        assert person.post_each_way(there, token) == each(SESSION_MISSING)
        person.token(here)
        assert person.post_each_way(there, token) == each(MISMATCH)

    @each_way
    def test_no_token(self, site: Site, here: SideName, there: SideName) -> None:
        """
        A request without a token, or with an empty one, misses it, on both sides.
        """
        person = site.person()
        person.token(here)
        assert person.post(there) == MISSING
        assert person.post_each_way(there, "") == each(MISSING)

    @each_way
    @pytest.mark.parametrize("token", ["\u00e9", "\u4e2d\u6587", "a.b.\u00e9", "%", "."], ids=ascii)
    def test_letters(self, site: Site, here: SideName, there: SideName, token: str) -> None:
        """
        A token with letters that none has isn't genuine, on both sides.
        """
        person = site.person()
        good = person.token(here)
        assert person.post_each_way(there, token) == each(INVALID)
        assert person.post_each_way(there, token + good) == each(INVALID)

    @each_way
    def test_referrer(self, site: Site, here: SideName, there: SideName) -> None:
        """
        Over HTTPS the page must be one of this host, on both sides.
        """
        person = site.person("https")
        token = ("x-csrftoken", person.token(here))
        for referrer, expected in (
            (None, REFERRER_MISSING),
            ("", REFERRER_MISSING),
            ("https://localhost/form", "accepted"),
            ("https://localhost", "accepted"),
            ("http://localhost/form", REFERRER_MISMATCH),
            ("https://localhost:8443/", REFERRER_MISMATCH),
            ("https://evil.example/", REFERRER_MISMATCH),
            ("https://localhost.evil.example/", REFERRER_MISMATCH),
            ("https://localhost@evil.example/", REFERRER_MISMATCH),
            ("/form", REFERRER_MISMATCH),
            ("null", REFERRER_MISMATCH),
        ):
            headers = [token] if referrer is None else [token, ("referer", referrer)]
            assert person.post(there, headers=headers) == expected, referrer
        assert person.post(there) == MISSING  # the token comes first


class TestForms:
    """
    Flask-WTF's forms, which check tokens by themselves too.
    """

    def test_rendered_by_flask(self, site: Site) -> None:
        """
        The hidden field of a form that Flask-WTF renders holds a token for us.
        """
        person = site.person()
        hidden = person.visit("theirs", "/form").body.decode()
        token = hidden.partition('value="')[2].partition('"')[0]
        assert hidden == f'<input id="csrf_token" name="csrf_token" type="hidden" value="{token}">'
        assert person.post("ours", **urlencoded("csrf_token", token)) == "accepted"

    def test_rendered_by_us(self, site: Site) -> None:
        """
        A form of ours passes the validation of Flask-WTF's form.
        """
        person = site.person()
        body = urlencode({"csrf_token": person.token("ours"), "name": "Ada"}).encode()
        headers = [("content-type", "application/x-www-form-urlencoded")]
        assert person.visit("theirs", "/form", method="POST", headers=headers, body=body).body == b"Hello Ada!"

    def test_prefixed(self, site: Site) -> None:
        """
        So do forms with a prefix, in both directions.
        """
        person = site.person()
        hidden = person.visit("theirs", "/form?prefix=a-").body.decode()
        token = hidden.partition('value="')[2].partition('"')[0]
        assert 'name="a-csrf_token"' in hidden
        assert person.post("ours", **urlencoded("a-csrf_token", token)) == "accepted"

        body = urlencode({"a-csrf_token": person.token("ours"), "a-name": "Ada"}).encode()
        headers = [("content-type", "application/x-www-form-urlencoded")]
        path = "/form?prefix=a-"
        assert person.visit("theirs", path, method="POST", headers=headers, body=body).body == b"Hello Ada!"

    def test_without_a_guard(self) -> None:
        """
        A Flask app without ``CSRFProtect``, where only forms check, accepts a token of ours and refuses others.
        """
        site = Site(WTF_CSRF_CHECK_DEFAULT=False)
        ours = make_our_app(site.their_app)
        browser = Browser(partial(ask_asgi, ours))
        token = browser.visit("/token").body.decode()
        browser.ask = partial(ask_wsgi, site.their_app)
        headers = [("content-type", "application/x-www-form-urlencoded")]
        for value, is_accepted in ((token, True), (flipped(token, 5), False), ("", False)):
            body = urlencode({"csrf_token": value, "name": "Ada"}).encode()
            answer = browser.visit("/form", method="POST", headers=headers, body=body)
            assert (answer.body == b"Hello Ada!") == is_accepted


class TestMounted:
    @pytest.mark.parametrize("kind", ["shared", "merged", "a2wsgi"])
    def test_their_exemptions(self, kind: str) -> None:
        """
        In an exempt mount Flask-WTF alone decides, with its own exemptions.
        """
        site = make_site(kind)
        assert site.person().post("theirs", path="/exempt") == "accepted"
        assert site.person().post("theirs") == MISSING

    def test_our_guard(self) -> None:
        """
        In a mount that isn't exempt we decide first, and what Flask-WTF exempts needs a token too.
        """
        site = make_site("guarded by both")
        person = site.person()
        assert person.post("theirs", path="/exempt") == MISSING
        assert person.post("theirs", path="/exempt", **urlencoded("csrf_token", person.token("ours"))) == "accepted"

    @pytest.mark.parametrize("kind", ["shared", "merged", "a2wsgi", "guarded by both"])
    def test_upload(self, kind: str) -> None:
        """
        A large form arrives in the mounted app, its token at the end.
        """
        person = make_site(kind).person()
        start = '--b\r\nContent-Disposition: form-data; name="f"; filename="\u0447"\r\n\r\n'.encode()
        end = f'\r\n--b\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n{person.token("ours")}\r\n--b--'
        options: dict[str, Any] = {
            "headers": [("content-type", "multipart/form-data; boundary=b")],
            "body": start + bytes(3 * 1024 * 1024) + end.encode(),
        }
        assert person.post("theirs", **options) == "accepted"


SETTINGS = [
    pytest.param({}, id="defaults"),
    pytest.param({"WTF_CSRF_SECRET_KEY": "another"}, id="a key of its own"),
    pytest.param({"WTF_CSRF_SECRET_KEY": b"\xff\0"}, id="a key of bytes"),
    pytest.param({"SECRET_KEY": "\u4e2d"}, id="a key of letters"),
    pytest.param({"SECRET_KEY": b"bytes"}, id="the app's key of bytes"),
    pytest.param({"WTF_CSRF_FIELD_NAME": "token"}, id="field name"),
    pytest.param({"WTF_CSRF_HEADERS": ["X-Token", "X-Other"]}, id="headers"),
    pytest.param({"WTF_CSRF_HEADERS": []}, id="no headers"),
    pytest.param({"WTF_CSRF_METHODS": ["PUT"]}, id="methods"),
    pytest.param({"WTF_CSRF_METHODS": []}, id="no methods"),
    pytest.param({"WTF_CSRF_TIME_LIMIT": 60}, id="time limit"),
    pytest.param({"WTF_CSRF_TIME_LIMIT": None}, id="no time limit"),
    pytest.param({"WTF_CSRF_SSL_STRICT": False}, id="no referrer check"),
    pytest.param({"WTF_CSRF_ENABLED": False}, id="disabled"),
    pytest.param({"WTF_CSRF_ENABLED": 0}, id="disabled by a number"),
    pytest.param({"WTF_CSRF_CHECK_DEFAULT": False}, id="no check by default"),
]

REQUESTS = {
    "nothing": lambda token: {},
    "form": lambda token: urlencoded("csrf_token", token),
    "form, another field": lambda token: urlencoded("token", token),
    "header": lambda token: {"headers": [("x-csrftoken", token)]},
    "another header": lambda token: {"headers": [("x-other", token)]},
    "PUT": lambda token: {"method": "PUT"},
    "PUT with a form": lambda token: {"method": "PUT", **urlencoded("csrf_token", token)},
    "garbage": lambda token: urlencoded("csrf_token", "garbage"),
}


class TestSettings:
    @pytest.mark.parametrize("settings", SETTINGS)
    def test_the_same_on_both_sides(self, settings: dict[str, Any]) -> None:
        """
        ``CSRFConfig.from_flask`` follows every setting: whatever is asked, both sides say the same.
        """
        site = Site(**settings)
        for here in SIDES:
            for scheme in ("http", "https"):
                person = site.person(scheme)
                token = person.token(here)
                for age in (0, 61, 3601):
                    with time_machine.travel(NOW + age, tick=False):
                        for name, make in REQUESTS.items():
                            options = make(token)  # type: ignore[no-untyped-call]  # a lambda
                            options["headers"] = [*options.get("headers", ()), ("referer", "https://evil.example/")]
                            theirs, ours = person.post("theirs", **options), person.post("ours", **options)
                            assert ours == theirs, (here, scheme, age, name)

    def test_mapping(self) -> None:
        """
        The settings are the same from the config alone, after Flask-WTF has completed it and before.
        """
        settings = {"SECRET_KEY": "a", "WTF_CSRF_TIME_LIMIT": 60, "WTF_CSRF_METHODS": ["POST"]}
        app = make_flask_app(**settings)
        before = CSRFConfig.from_mapping(app.config)
        flask_wtf.CSRFProtect(app)
        assert before == CSRFConfig.from_mapping(app.config) == CSRFConfig.from_flask(app)
        assert before == CSRFConfig.from_mapping(settings)

    def test_defaults(self) -> None:
        """
        Our defaults are those that Flask-WTF completes a config with.
        """
        app = make_flask_app()
        flask_wtf.CSRFProtect(app)
        app.config["SECRET_KEY"] = "secret"
        assert CSRFConfig.from_flask(app) == CSRFConfig(secret_key="secret")


class TestKeyRotation:
    @needs_flask("3.1.1", "reads sessions signed with older keys")
    def test_story(self) -> None:
        """
        The key is replaced. Sessions go on; open forms are accepted by us, and not by Flask-WTF, which knows one key.
        """
        person = Site(SECRET_KEY="old").person()
        token = person.token("theirs")
        person.site = Site(SECRET_KEY="new", SECRET_KEY_FALLBACKS=["old"])
        assert person.post("ours", **urlencoded("csrf_token", token)) == "accepted"
        assert person.post("theirs", **urlencoded("csrf_token", token)) == INVALID
        # A form that is loaded now has a token of the new key, and the same session behind it.
        for side in SIDES:
            fresh = person.token(side)
            assert person.post("ours", **urlencoded("csrf_token", fresh)) == "accepted"
            assert person.post("theirs", **urlencoded("csrf_token", fresh)) == "accepted"
        assert person.post("ours", **urlencoded("csrf_token", token)) == "accepted"
        # The old key is dropped.
        person.site = Site(SECRET_KEY="new")
        person.token("ours")
        assert person.post("ours", **urlencoded("csrf_token", token)) == INVALID
        assert person.post("ours", **urlencoded("csrf_token", fresh)) == MISMATCH

    def test_no_fallbacks(self) -> None:
        """
        Without the old key there is neither a session nor a token of before.
        """
        person = Site(SECRET_KEY="old").person()
        token = person.token("ours")
        person.site = Site(SECRET_KEY="new")
        for side in SIDES:
            assert person.post(side, **urlencoded("csrf_token", token)) == SESSION_MISSING
        person.token("ours")
        for side in SIDES:
            assert person.post(side, **urlencoded("csrf_token", token)) == INVALID

    def test_key_of_its_own(self) -> None:
        """
        With a key of Flask-WTF's own, its older keys can be given to us by a keyword.
        """
        old, new = Site(WTF_CSRF_SECRET_KEY="old"), Site(WTF_CSRF_SECRET_KEY="new")
        person = old.person()
        token = person.token("theirs")
        person.site = new
        assert person.post("ours", **urlencoded("csrf_token", token)) == INVALID
        config = CSRFConfig.from_flask(new.their_app, secret_key_fallbacks=["old"])
        assert config.load_token(token)


with time_machine.travel(NOW, tick=False):
    COOKIE = "session=" + SessionConfig(secret_key="secret").signing_serializer.dumps({"csrf_token": TEXT})


def hostile_tokens() -> dict[str, str]:
    """
    Return what a client may send in place of a token.
    """
    tokens = {str(cookie): cookie.lines[0].partition("=")[2] for cookie in HOSTILE_COOKIES if cookie.lines}
    sign = partial(signed, key="secret", salt="wtf-csrf-token", key_derivation="django-concat")
    for name, value, at in (
        ("good", b'"%s"' % TEXT.encode(), stamp(NOW)),
        ("another text", b'"text"', stamp(NOW)),
        ("letters", '"\u00e9"'.encode(), stamp(NOW)),
        ("not JSON", b"text", stamp(NOW)),
        ("a number", b"1", stamp(NOW)),
        ("null", b"null", stamp(NOW)),
        ("a list", b'["%s"]' % TEXT.encode(), stamp(NOW)),
        ("expired", b'"text"', stamp(NOW - 3601)),
        ("future", b'"text"', stamp(NOW + 1)),
        ("no timestamp", b'"text"', b""),
        ("8 bytes of timestamp", b'"text"', stamp(2**64 - 1)),
        ("9 bytes of timestamp", b'"text"', stamp(2**64)),
    ):
        tokens[f"signed: {name}"] = sign(encoded(value) + b"." + at)
    tokens["signed: no base64"] = sign(b"A." + stamp(NOW))
    for salt in ("cookie-session", "itsdangerous", "wtf-csrf"):
        tokens[f"salt: {salt}"] = URLSafeTimedSerializer("secret", salt=salt).dumps(TEXT)
    return tokens


@pytest.fixture(scope="module")
def pair() -> Pair:
    """
    Both apps, to run the same in each.
    """
    app = make_flask_app()
    flask_wtf.CSRFProtect(app)
    pair = Pair(app)
    pair.ours = FastAPI()

    @pair.ours.get("/")
    async def view(request: Request) -> Response:
        return await pair._our_view(request)

    pair.ours.add_middleware(CSRFMiddleware, config=CSRFConfig.from_flask(app))
    pair.ours.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(app))
    return pair


class TestHostile:
    def test_every_token(self, separate: Site) -> None:
        """
        Whatever is sent for a token: what Flask-WTF refuses, we refuse for the same reason; where it breaks, we refuse.
        """
        broken = set()
        for name, token in hostile_tokens().items():
            ours = separate.ask("ours", "/post", method="POST", cookies=[COOKIE], headers=[("x-csrftoken", token)])
            try:
                theirs = outcome(
                    separate.ask("theirs", "/post", method="POST", cookies=[COOKIE], headers=[("x-csrftoken", token)])
                )
            except (OverflowError, TypeError):
                broken.add(name)
                assert ours.status == 400
            else:
                assert outcome(ours) == theirs, name
        assert broken >= {"signed: a number", "signed: null", "signed: a list", "signed: letters"}

    @pytest.mark.parametrize("end", ["=", "==", "\u00e9", "!!!!"], ids=ascii)
    def test_another_spelling(self, separate: Site, end: str) -> None:
        """
        A signature must be spelled as it was made, where itsdangerous, and so Flask-WTF, reads over what isn't base64.
        """
        token = CSRFConfig(secret_key="secret").dump_token(TEXT)
        asked = partial(separate.ask, path="/post", method="POST", cookies=[COOKIE])
        assert outcome(asked("theirs", headers=[("x-csrftoken", token + end)])) == "accepted"
        assert outcome(asked("ours", headers=[("x-csrftoken", token + end)])) == INVALID

    @pytest.mark.parametrize("value", [None, 1, ["a"], {"a": 1}, "\u00e9"], ids=ascii)
    def test_session_with_no_text(self, separate: Site, value: Any) -> None:
        """
        A session value that no token can match is a 500 in Flask-WTF 1.3, and refused by us; our next form mends it.
        """
        person = separate.person()
        good = person.token("ours")
        serializer = SessionConfig(secret_key="secret").signing_serializer
        person._browser.cookies["session", "", "/"] = serializer.dumps({"csrf_token": value})
        with pytest.raises(TypeError):
            person.post("theirs", **header("", good))
        assert person.post("ours", **header("", good)) == MISMATCH
        token = person.token("ours")
        assert person.post("ours", **header("", token)) == "accepted"
        if value != "\u00e9":
            assert person.post("theirs", **header("", token)) == "accepted"


class TestByteForByte:
    @pytest.mark.parametrize(
        "data", [{"csrf_token": TEXT}, {"csrf_token": "x" * 100, "user": "ada"}], ids=["short", "long"]
    )
    def test_token(self, pair: Pair, data: dict[str, Any]) -> None:
        """
        Both make the same token of the same session in the same second, and leave the session as it is.
        """

        def view(request: Any) -> str:
            if isinstance(request, Request):
                return generate_csrf(request)
            return str(flask_wtf.csrf.generate_csrf())

        answer = pair.ask(view, pair.cookie(data))
        assert answer.session_headers == {"set-cookie": [], "vary": ["Cookie"]}

    @needs("flask-wtf", "1.3", "has csrf_meta_tag")
    def test_meta_tag(self, pair: Pair) -> None:
        """
        Both make the same tag.
        """

        def view(request: Any) -> str:
            return str(csrf_meta_tag(request) if isinstance(request, Request) else flask_wtf.csrf.csrf_meta_tag())

        pair.ask(view, pair.cookie({"csrf_token": TEXT}))

    def test_new_session(self, pair: Pair) -> None:
        """
        What a new session gets looks the same: 40 hexadecimal digits, new ones for everybody.
        """

        def view(request: Any) -> Any:
            if isinstance(request, Request):
                generate_csrf(request)
            else:
                flask_wtf.csrf.generate_csrf()
            return request.session["csrf_token"]

        seen = {ask(view).body.decode() for ask in (pair.ask_ours, pair.ask_theirs) for _ in range(2)}
        assert len(seen) == 4
        assert all(len(bytes.fromhex(text.strip("'"))) == 20 for text in seen)

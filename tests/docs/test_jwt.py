"""
The page of JSON Web Tokens: its examples do what it says, and what it says of Flask-JWT-Extended is true of the real
one.
"""

import inspect
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from threading import current_thread, main_thread
from types import ModuleType
from typing import Any

import flask
import flask_jwt_extended
import pytest
import time_machine
from fastapi import Depends, FastAPI, WebSocket
from flask_jwt_extended.config import config as flask_jwt_config
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from starlette_flask import ConfigError, jwt
from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.jwt import JWTConfig, JWTError, JWTManager
from tests.docs.blocks import ROOT, blocks_of
from tests.docs.modules import run_blocks
from tests.docs.tables import codes_in, rows_under
from tests.helpers import Answer, Browser, ask_asgi, ask_wsgi, run_asgi, websocket_scope
from tests.interop.jwts import (
    DEFAULTS,
    KEY,
    NOW,
    Site,
    build_site,
    claims,
    in_cookie,
    in_header,
    in_json,
    in_query,
    sign,
    with_callbacks,
)

PAGE = "docs/jwt.md"
TEXT = (ROOT / PAGE).read_text()

NAMES = list(rows_under(TEXT, "What is where"))
SETTINGS = list(rows_under(TEXT, "Setting by setting"))
KEYS = [key for row in SETTINGS for key in codes_in(row[0])]
ERRORS = list(rows_under(TEXT, "Who is refused"))
CALLBACKS = [
    (name, row[3] == "yes")
    for row in rows_under(TEXT, "Callbacks")
    for name in codes_in(row[0]) or sorted({row[3].strip("`").partition("(")[0] for row in ERRORS})
]
"""Each callback, and whether it may be ``async def``."""


@pytest.fixture(autouse=True)
def frozen() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def page(tmp_path: Path) -> Iterator[ModuleType]:
    """
    The page's last module, after all its blocks have run.
    """
    with ExitStack() as stack:
        yield stack.enter_context(run_blocks(blocks_of(PAGE), tmp_path))["main"]


def post(app: Any, path: str, content: Any = None, **options: Any) -> Answer:
    headers = [("content-type", "application/json"), *options.pop("headers", ())]
    return ask_asgi(app, path, method="POST", body=json.dumps(content).encode(), headers=headers, **options)


def tokens_of(app: Any, path: str) -> dict[str, Any]:
    tokens: dict[str, Any] = post(app, path, {"name": "ada"}).json
    return tokens


class TestExamples:
    @pytest.mark.parametrize("login", ["/login", "/legacy/login"])
    def test_before_and_after(self, page: ModuleType, login: str) -> None:
        """
        A token of either app opens both views.
        """
        token = tokens_of(page.app, login)["access_token"]
        for path in ("/me", "/legacy/me"):
            assert ask_asgi(page.app, path, **in_header(token)).json == {"user": "ada"}
            assert ask_asgi(page.app, path).status == 401
            assert list(ask_asgi(page.app, path).json) == ["msg"]

    def test_in_a_process_of_its_own(self, page: ModuleType) -> None:
        """
        The Flask app needn't be mounted.
        """
        token = tokens_of(page.app, "/login")["access_token"]
        assert ask_wsgi(page.flask_app, "/me", **in_header(token)).json == {"user": "ada"}

    def test_openapi(self, page: ModuleType) -> None:
        """
        The route has a lock.
        """
        assert page.app.openapi()["paths"]["/me"]["get"]["security"] == [{"JWT": []}]

    def test_without_init_app(self) -> None:
        """
        An error is FastAPI's then, with the same status.
        """
        answer = ask_asgi(asking(JWTManager(secret_key=KEY), init=False), "/", **in_header("x"))
        assert (answer.status, answer.body) == (422, b"The token is malformed")

    def test_parentheses(self) -> None:
        """
        Without them FastAPI refuses the route.
        """
        with pytest.raises(ConfigTypeError, match=r"Depends\(manager\.jwt_required\(\)\)"):
            FastAPI().add_api_route("/", lambda: None, dependencies=[Depends(JWTManager(secret_key=KEY).jwt_required)])

    def test_claims(self, page: ModuleType) -> None:
        """
        A dependency with a name is called once a request, and its value is the claims.
        """
        token = tokens_of(page.app, "/login")["access_token"]
        assert ask_asgi(page.app, "/claims", **in_header(token)).json["sub"] == "ada"

    def test_refresh(self, page: ModuleType) -> None:
        """
        A refresh token gives an access token, which isn't fresh; that of the login is.
        """
        tokens = tokens_of(page.app, "/login")
        assert post(page.app, "/refresh", **in_header(tokens["access_token"])).status == 422
        refreshed = post(page.app, "/refresh", **in_header(tokens["refresh_token"])).json["access_token"]
        assert post(page.app, "/password", **in_header(tokens["access_token"])).json == "changed"
        assert post(page.app, "/password", **in_header(refreshed)).status == 401
        assert ask_asgi(page.app, "/me", **in_header(refreshed)).json == {"user": "ada"}

    @pytest.mark.parametrize("token", ["access_token", "refresh_token"])
    def test_block_list(self, page: ModuleType, token: str) -> None:
        """
        A token that was revoked is refused; the other one isn't.
        """
        tokens = tokens_of(page.app, "/login")
        assert post(page.app, "/logout", **in_header(tokens[token])).json == "bye"
        statuses = {name: post(page.app, "/logout", **in_header(each)).status for name, each in tokens.items()}
        assert statuses == {name: 401 if name == token else 200 for name in tokens}

    def test_user(self, page: ModuleType) -> None:
        """
        The user is who was looked up; there is no other.
        """
        token = tokens_of(page.app, "/login")["access_token"]
        assert ask_asgi(page.app, "/name", **in_header(token)).json == "Ada Lovelace"
        stranger = page.manager.create_access_token("nobody")
        assert ask_asgi(page.app, "/name", **in_header(stranger)).status == 401

    def test_expired(self, page: ModuleType) -> None:
        """
        The callback answers who has an expired token, also where the Flask app made it.
        """
        token = tokens_of(page.app, "/legacy/login")["access_token"]
        with time_machine.travel(NOW + 15 * 60, tick=False):
            answer = ask_asgi(page.app, "/me", **in_header(token))
        assert (answer.status, answer.json) == (401, {"msg": "Log in again, ada."})

    def test_plain_starlette(self, page: ModuleType) -> None:
        """
        The user is Starlette's ``request.user``; without a good token there is none.
        """
        token = tokens_of(page.app, "/login")["access_token"]
        assert ask_asgi(page.plain, "/name", **in_header(token)).json == "Ada Lovelace"
        assert [ask_asgi(page.plain, "/name", **each).status for each in ({}, in_header("x"))] == [401, 401]


class TestWebSockets:
    @staticmethod
    def sent(page: ModuleType, **options: Any) -> list[Any]:
        return run_asgi(page.app, websocket_scope("/live", **options), [{"type": "websocket.connect"}])

    def test_open(self, page: ModuleType) -> None:
        """
        Who has a token in the header is greeted.
        """
        token = tokens_of(page.app, "/login")["access_token"]
        accept, text, _ = self.sent(page, **in_header(token))
        assert accept["type"] == "websocket.accept"
        assert text["text"] == "Hello ada"

    def test_refused(self, page: ModuleType) -> None:
        """
        Who has none gets the response that a GET request would get.
        """
        start, body = self.sent(page)
        expected = ask_asgi(page.app, "/me")
        assert (start["status"], body["body"]) == (expected.status, expected.body)


class TestCookies:
    @pytest.fixture
    def browser(self, page: ModuleType) -> Browser:
        browser = Browser(lambda path, **options: ask_asgi(page.shop, path, **options))
        json_type = [("content-type", "application/json")]
        browser.visit("/login", method="POST", body=b'{"name": "ada"}', headers=json_type)
        return browser

    @staticmethod
    def order(browser: Browser, name: str = "csrf_access_token") -> Answer:
        return browser.visit("/order", method="POST", headers=[("x-csrf-token", browser.value(name) or "")])

    def test_csrf(self, browser: Browser) -> None:
        """
        A POST needs the token's CSRF value, which is in a cookie for scripts.
        """
        assert browser.visit("/order", method="POST").status == 401
        assert self.order(browser).json == "ordered"

    def test_over_https_only(self, page: ModuleType) -> None:
        """
        The cookies are for HTTPS; scripts can't read that of the token.
        """
        token, value = post(page.shop, "/login", {"name": "ada"}).set_cookie
        assert token.endswith("; Secure; HttpOnly; Path=/")
        assert value.endswith("; Secure; Path=/")

    def test_logout(self, browser: Browser) -> None:
        """
        The cookies are gone; a copy of them is as good as before.
        """
        kept = dict(browser.cookies)
        browser.visit("/logout", method="POST")
        assert browser.cookies == {}
        browser.cookies = kept
        assert self.order(browser).json == "ordered"

    def test_refresh_soon(self, browser: Browser) -> None:
        """
        A token that runs out soon is replaced, and so is its CSRF value; one that doesn't isn't.
        """
        first = browser.value("access_token_cookie")
        assert self.order(browser).set_cookie == []
        with time_machine.travel(NOW + 31 * 60, tick=False):
            assert self.order(browser).json == "ordered"
            assert browser.value("access_token_cookie") != first
        with time_machine.travel(NOW + 80 * 60, tick=False):  # the first one has run out
            assert self.order(browser).json == "ordered"

    def test_refresh_soon_asks_for_nothing(self, browser: Browser) -> None:
        """
        Nobody without a good token gets one, and who logs out stays so.
        """
        with time_machine.travel(NOW + 31 * 60, tick=False):
            assert browser.visit("/order", method="POST").set_cookie == []
            assert browser.visit("/logout", method="POST").status == 200
            assert browser.cookies == {}
        with time_machine.travel(NOW + 61 * 60, tick=False):
            assert self.order(browser).set_cookie == []

    def test_refresh_soon_where_the_logout_requires_a_token(self, page: ModuleType) -> None:
        """
        A logout that requires a token isn't undone.
        """

        async def leave(response: Response) -> None:
            page.cookies.unset_jwt_cookies(response)

        guard = [Depends(page.cookies.jwt_required())]
        page.shop.add_api_route("/leave", leave, methods=["POST"], dependencies=guard)
        token = page.cookies.create_access_token("ada", expires_delta=timedelta(minutes=1))
        answer = post(page.shop, "/leave", **in_cookie(token, page.cookies.get_csrf_token(token)))
        assert answer.status == 200
        assert [line.partition(";")[0] for line in answer.set_cookie] == [
            "access_token_cookie=",
            "csrf_access_token=",
            "refresh_token_cookie=",
            "csrf_refresh_token=",
        ]

    def test_small_letters_protect_nothing(self) -> None:
        """
        Methods are compared as they are written, as there.
        """
        site = build_site("heir", JWT_TOKEN_LOCATION="cookies", JWT_CSRF_METHODS=["get"])
        assert site.ask(**in_cookie(sign())).status == 200

    @pytest.mark.parametrize(
        ("origin", "protect", "kind"),
        [
            pytest.param(None, True, "websocket.accept", id="no browser"),
            pytest.param("http://localhost", True, "websocket.accept", id="of this host"),
            pytest.param(
                "http://localhost.example", True, "websocket.http.response.start", id="a page of another host"
            ),
            pytest.param("http://localhost.example", False, "websocket.accept", id="unprotected"),
        ],
    )
    def test_a_handshake(self, origin: str | None, protect: bool, kind: str) -> None:
        """
        A WebSocket needs no CSRF value, but a page of the same host.
        """
        manager = JWTManager(secret_key=KEY, token_location="cookies", cookie_csrf_protect=protect)
        app = FastAPI()
        manager.init_app(app)

        async def live(websocket: WebSocket) -> None:
            await websocket.accept()

        app.add_api_websocket_route("/live", live, dependencies=[Depends(manager.jwt_required())])
        options = in_cookie(sign())
        if origin is not None:
            options["headers"] = [("origin", origin)]
        message, *_ = run_asgi(app, websocket_scope("/live", **options), [{"type": "websocket.connect"}])
        assert message["type"] == kind


class TestNames:
    """
    The table of what is where.
    """

    def test_each_is_listed(self) -> None:
        """
        The table has every function of Flask-JWT-Extended.
        """
        listed = set(re.findall(r"\w+", " ".join(row[0] for row in NAMES)))
        assert set(theirs_in(flask_jwt_extended)) - {"JWTManager"} <= listed

    def test_what_is_the_same(self) -> None:
        """
        What is the same has the same arguments; where it asks the request, that comes first.
        """
        for row in NAMES:
            for name in re.findall(r"\w+(?=\()", row[0]) if row[1].startswith("the same") else ():
                theirs = list(inspect.signature(getattr(flask_jwt_extended, name)).parameters)
                ours = list(inspect.signature(getattr(JWTManager, name)).parameters)[1:]
                assert ours == (["request", *theirs] if "request" in row[1] else theirs), name

    def test_arguments_of_the_guard(self) -> None:
        """
        ``jwt_required`` has all of theirs.
        """
        theirs, ours = (
            list(inspect.signature(each).parameters)
            for each in (flask_jwt_extended.jwt_required, JWTManager.jwt_required)
        )
        assert ours[1:] == theirs

    @pytest.mark.parametrize(("request_options", "status"), [({}, 401), (in_header(sign()), 200)], ids=["none", "good"])
    def test_verify_in_a_view(self, request_options: dict[str, Any], status: int) -> None:
        """
        A view of plain Starlette may ask by itself; `init_app` answers the errors.
        """
        assert ask_asgi(asking(JWTManager(secret_key=KEY)), "/", **request_options).status == status

    def test_optional(self) -> None:
        """
        Without a token there are no claims, no identity, and no user; a bad token is refused.
        """
        app = asking(JWTManager(secret_key=KEY), optional=True)
        assert ask_asgi(app, "/").json == [{}, None, None]
        assert ask_asgi(app, "/", **in_header("x")).status == 422


def theirs_in(module: Any) -> list[str]:
    """
    Return what a package offers.
    """
    return [name for name, each in vars(module).items() if not (name.startswith("_") or inspect.ismodule(each))]


def asking(manager: JWTManager, *, init: bool = True, **options: Any) -> Starlette:
    """
    Return an app of plain Starlette whose view requires a token by itself.
    """

    async def view(request: Request) -> Response:
        found = await manager.jwt_required(**options)(connection=request)
        user = None if found else manager.current_user(request)
        return JSONResponse([found, manager.get_jwt_identity(request), user])

    app = Starlette(routes=[Route("/", view, methods=["GET", "POST"])])
    if init:
        manager.init_app(app)
    return app


OTHERS: dict[str, Any] = {
    "JWT_SECRET_KEY": "b" * 64,
    "JWT_ALGORITHM": "HS512",
    "JWT_DECODE_ALGORITHMS": ["HS384"],
    "JWT_TOKEN_LOCATION": ["json", "cookies"],
    "JWT_ACCESS_COOKIE_PATH": "/other",
    "JWT_REFRESH_COOKIE_PATH": "/other",
    "JWT_COOKIE_SAMESITE": "Strict",
    "JWT_ACCESS_CSRF_COOKIE_PATH": "/other",
    "JWT_REFRESH_CSRF_COOKIE_PATH": "/other",
    "JWT_CSRF_METHODS": ["POST"],
    "JWT_DECODE_LEEWAY": 5,
}
"""Another value than the default one, where not any text will do."""


class TestSettings:
    def test_each_is_listed(self) -> None:
        """
        The page has every key that Flask-JWT-Extended reads, and no other.
        """
        read = re.findall(r'"(JWT_\w+)"', inspect.getsource(flask_jwt_extended.jwt_manager))
        assert sorted(KEYS) == sorted(set(read))

    def test_each_is_a_keyword(self) -> None:
        """
        Each is a keyword of ours, and there is no other.
        """
        assert sorted(KEYS) == sorted(f"JWT_{name.upper()}" for name in inspect.signature(JWTConfig).parameters)

    @pytest.mark.parametrize("key", KEYS)
    def test_is_honoured(self, key: str) -> None:
        """
        Each makes a difference.
        """
        default = getattr(JWTConfig(secret_key=KEY), key.removeprefix("JWT_").lower())
        other = OTHERS.get(key, not default if isinstance(default, bool) else 5 if "EXPIRES" in key else "other")
        mapping = {"SECRET_KEY": KEY}
        assert JWTConfig.from_mapping(mapping) != JWTConfig.from_mapping(mapping | {key: other})

    def test_defaults(self) -> None:
        """
        The defaults are those of Flask-JWT-Extended, and of the table.
        """
        app = flask.Flask(__name__)
        app.secret_key = KEY
        flask_jwt_extended.JWTManager(app)
        ours = JWTConfig(secret_key=KEY)
        for row in SETTINGS:
            keys, defaults = codes_in(row[0]), codes_in(row[1])
            for key, default in zip(keys, defaults * (len(keys) // max(len(defaults), 1)), strict=False):
                if default == "SECRET_KEY":
                    continue
                theirs = app.config[key]
                shown = [theirs] if isinstance(theirs, str) and default.startswith("[") else theirs
                assert repr(list(shown) if isinstance(shown, tuple) else shown).replace("'", '"') == default, key
        with app.app_context():
            assert flask_jwt_config.access_expires == ours.access_token_expires == timedelta(minutes=15)
            assert flask_jwt_config.refresh_expires == ours.refresh_token_expires == timedelta(days=30)
            assert list(flask_jwt_config.csrf_request_methods) == list(ours.csrf_methods)
            assert list(ours.csrf_methods) == next(row[1] for row in SETTINGS if "CSRF_METHODS" in row[0]).split(", ")

    @pytest.mark.parametrize(
        "settings",
        [
            {"JWT_ALGORITHM": "none"},
            {"JWT_ALGORITHM": "HS999"},
            {"JWT_ALGORITHM": "RS256", "JWT_PUBLIC_KEY": "no key"},
            {"JWT_SECRET_KEY": ""},
            {"JWT_COOKIE_SAMESITE": "Sometimes"},
            {"JWT_TOKEN_LOCATION": "cookies", "JWT_COOKIE_SAMESITE": "None"},
            {"JWT_TOKEN_LOCATION": None},
            {"JWT_TOKEN_LOCATION": "body"},
            {"JWT_ACCESS_TOKEN_EXPIRES": None},
            {"JWT_COOKIE_SECURE": "False"},
        ],
        ids=str,
    )
    def test_refused(self, settings: dict[str, Any]) -> None:
        """
        What can't work is refused at once.
        """
        with pytest.raises((ConfigError, ConfigTypeError)):
            JWTManager.from_mapping(settings if "JWT_SECRET_KEY" in settings else {"SECRET_KEY": KEY, **settings})

    def test_a_short_key(self) -> None:
        """
        PyJWT warns of a key shorter than the digest.
        """
        manager = JWTManager(secret_key="x" * 31)
        with pytest.warns(Warning, match="32 bytes"):
            manager.create_access_token("ada")


class TestCallbacks:
    def test_each_is_listed(self) -> None:
        """
        The two tables have every callback.
        """
        listed = {name for name, _ in CALLBACKS}
        assert listed == {name for name in dir(flask_jwt_extended.JWTManager) if name.endswith("_loader")}
        assert listed == {name for name in dir(JWTManager) if name.endswith("_loader")}

    @pytest.mark.parametrize(("name", "may_be_async"), CALLBACKS)
    def test_where_async_is_allowed(self, name: str, may_be_async: bool) -> None:
        """
        A coroutine function is taken, or refused at once.
        """

        async def callback(*args: Any) -> Any: ...

        register = getattr(JWTManager(secret_key=KEY), name)
        if may_be_async:
            assert register(callback) is callback
        else:
            with pytest.raises(TypeError):
                register(callback)

    def test_where_they_run(self) -> None:
        """
        Plain functions run in a worker thread, but for those that make tokens, in an ``async def`` view.
        """
        manager = JWTManager(secret_key=KEY)
        seen = {}

        def noting(name: str, result: Any) -> Callable[..., Any]:
            def callback(*args: Any) -> Any:
                seen[name] = current_thread() is main_thread()
                return result

            return callback

        for name, result in {
            "decode_key_loader": KEY,
            "token_in_blocklist_loader": False,
            "user_lookup_loader": "Ada",
            "additional_claims_loader": {},
        }.items():
            getattr(manager, name)(noting(name, result))

        async def view(request: Request) -> Response:
            await manager.jwt_required()(connection=request)
            return PlainTextResponse(manager.create_access_token("ada"))

        assert ask_asgi(Starlette(routes=[Route("/", view)]), "/", **in_header(sign())).status == 200
        assert [name for name, is_in_the_loop in seen.items() if is_in_the_loop] == ["additional_claims_loader"]
        assert len(seen) == 4

    def test_those_of_ours_come_first(self) -> None:
        """
        What is registered here takes the place of what was taken over.
        """
        app = flask.Flask(__name__)
        app.secret_key = KEY
        flask_jwt_extended.JWTManager(app).unauthorized_loader(lambda reason: ("theirs", 403))
        manager = JWTManager.from_flask(app)
        assert ask_asgi(asking(manager), "/").body == b"theirs"
        manager.unauthorized_loader(lambda reason: "ours")
        assert ask_asgi(asking(manager), "/").json == "ours"


REFUSALS: list[tuple[str, dict[str, Any], str, dict[str, Any]]] = [
    ("no token", {}, "/plain", {}),
    ("a token in a cookie", {"JWT_TOKEN_LOCATION": "cookies"}, "/plain", in_cookie(sign(), method="POST")),
    ("it has expired", {}, "/plain", in_header(sign(claims(exp=NOW)))),
    ("it isn't fresh", {}, "/fresh", in_header(sign())),
    ("it is on the block list", {}, "/plain", in_header(sign(claims(jti="revoked")))),
    ("its user isn't found", {}, "/plain", in_header(sign(claims(sub="nobody")))),
    ("`token_verification_loader` doesn't", {}, "/plain", in_header(sign(claims(verified=False)))),
    ("a refresh token instead", {}, "/plain", in_header(sign(claims(type="refresh")))),
    ("a header of another form", {}, "/plain", in_header("a b")),
    (
        "a query parameter without its prefix",
        {"JWT_TOKEN_LOCATION": "query_string", "JWT_QUERY_STRING_VALUE_PREFIX": "Bearer "},
        "/plain",
        in_query(sign()),
    ),
    ("anything else", {}, "/plain", in_header("x")),
]
"""How the rows of the table begin; and what is asked, of which app."""


class TestRefusals:
    def test_each_is_listed(self) -> None:
        """
        The table has every error, in the order in which the tests ask.
        """
        shown = [codes_in(row[2])[0] for row in ERRORS]
        assert sorted([*shown, "JWTError"]) == sorted(
            name for name in jwt.__all__ if name.endswith(("Error", "Required"))
        )
        assert len(REFUSALS) == len(ERRORS)
        assert all(row[0].startswith(begin) for row, (begin, *_) in zip(ERRORS, REFUSALS, strict=True))

    @pytest.mark.parametrize(
        ("row", "config", "path", "request_options"),
        [pytest.param(row, *rest, id=begin) for row, (begin, *rest) in zip(ERRORS, REFUSALS, strict=True)],
    )
    def test_row(self, row: list[str], config: dict[str, Any], path: str, request_options: dict[str, Any]) -> None:
        """
        The status is Flask-JWT-Extended's, and so is the callback that answers, with its arguments.
        """
        [name], [call] = codes_in(row[2]), codes_in(row[3])
        assert getattr(jwt, name).status == int(row[1])
        assert build_site("heir", with_callbacks, **config).ask(path, **request_options).status == int(row[1])
        loader, arguments = re.fullmatch(r"(\w+)\((.*)\)", call).groups()  # type: ignore[union-attr]
        seen = []

        def setup(manager: Any, respond: Any) -> None:
            def callback(*args: Any) -> Any:
                seen.append(args)
                return respond({"by": loader}, 418)

            with_callbacks(manager)
            getattr(manager, loader)(callback)

        answer = build_site("heir", setup, **config).ask(path, **request_options)
        assert (answer.status, answer.json) == (418, {"by": loader})
        assert [len(args) for args in seen] == [len(arguments.split(", "))] * 2

    def test_order(self) -> None:
        """
        What comes first in the list decides.
        """

        def setup(manager: Any, respond: Any) -> None:
            with_callbacks(manager)
            for loader in {codes_in(row[3])[0].partition("(")[0] for row in ERRORS}:
                getattr(manager, loader)(lambda *args, loader=loader: respond({"by": loader}, 418))

        site = build_site("heir", setup)
        wrong: dict[str, Any] = {}
        answered = []
        changes: list[dict[str, Any]] = [{"sub": "nobody"}, {"verified": False}, {"jti": "revoked"}]
        for change in (*changes, {"fresh": False}, {"type": "refresh"}, {"exp": NOW}, {"nbf": NOW + 1}):
            wrong |= change
            answer = site.ask("/fresh" if "fresh" in wrong else "/plain", **in_header(sign(claims(**wrong))))
            answered.append(answer.json["by"])
        assert answered == [
            "user_lookup_error_loader",
            "token_verification_failed_loader",
            "revoked_token_loader",
            "needs_fresh_token_loader",
            "invalid_token_loader",
            "expired_token_loader",
            "invalid_token_loader",
        ]

    def test_first_location(self) -> None:
        """
        The first location that has a token decides.
        """
        site = build_site("heir", JWT_TOKEN_LOCATION=["query_string", "headers"])
        assert site.ask(**{**in_header(sign()), **in_query("x")}).status == 422
        assert site.ask(**in_header(sign())).status == 200

    def test_raised_by_a_view(self) -> None:
        """
        What a view raises is answered in the same way.
        """
        site = build_site("heir")
        answers = [side.run(lambda api: api.decode_token("x")) for side in site.sides]
        assert [(answer.status, list(answer.json)) for answer in answers] == [(422, ["msg"])] * 2

    def test_is_an_http_exception(self) -> None:
        """
        A handler for `HTTPException` answers them where there is none of ours.
        """
        assert issubclass(JWTError, HTTPException)
        for name in jwt.__all__:
            if name.endswith(("Error", "Required")):
                assert issubclass(getattr(jwt, name), JWTError)


class TestDifferences:
    """
    What differs from Flask-JWT-Extended, each beside the real one.
    """

    def answers(self, site: Site, path: str = "/plain", **options: Any) -> tuple[int, int]:
        """
        Return the status of theirs and of ours.
        """
        return site.theirs.ask(path, **options).status, site.ours.ask(path, **options).status

    def test_unthought_of(self) -> None:
        """
        What is a 500 there is a 422 here, or a 401 for CSRF values.
        """
        site = build_site("heir", JWT_TOKEN_LOCATION=["headers", "cookies", "json"])
        assert self.answers(site, "/fresh", **in_header(sign(claims(fresh="yes")))) == (500, 422)
        assert self.answers(site, headers=[("authorization", ", ,")]) == (500, 422)
        assert self.answers(site, **in_json([1])) == (500, 422)
        assert self.answers(site, **in_cookie(sign(), "é", method="POST")) == (500, 401)

    @pytest.mark.parametrize("find", [{}.__getitem__, {}.get], ids=["raises", "None"])
    def test_no_key(self, find: Callable[[str], Any]) -> None:
        """
        A token for which there is no key is a 500 there.
        """

        def setup(manager: Any, respond: Any) -> None:
            manager.decode_key_loader(lambda header, claims: find("unknown"))

        assert self.answers(build_site("heir", setup), **in_header(sign())) == (500, 422)

    def test_settings(self) -> None:
        """
        What can't work is refused at start here, and at the first request there.
        """
        app = flask.Flask(__name__)
        app.config.update(DEFAULTS, JWT_TOKEN_LOCATION="nowhere")
        flask_jwt_extended.JWTManager(app)
        app.add_url_rule("/", view_func=flask_jwt_extended.jwt_required()(lambda: "x"))
        assert ask_wsgi(app, "/").status == 500
        with pytest.raises(ConfigError):
            JWTManager.from_flask(app)

    def test_later_changes(self) -> None:
        """
        What is changed later counts there, and not here.
        """
        app = flask.Flask(__name__)
        app.config.update(DEFAULTS)
        theirs = flask_jwt_extended.JWTManager(app)
        app.add_url_rule("/", "view", flask_jwt_extended.jwt_required()(lambda: "x"))
        ours = asking(JWTManager.from_flask(app))
        app.config["JWT_ERROR_MESSAGE_KEY"] = "error"
        assert (list(ask_wsgi(app, "/").json), list(ask_asgi(ours, "/").json)) == (["error"], ["msg"])
        theirs.unauthorized_loader(lambda reason: ("go away", 403))
        assert (ask_wsgi(app, "/").status, ask_asgi(ours, "/").status) == (403, 401)

    def test_sentences(self) -> None:
        """
        Theirs may name the user, ours doesn't.
        """
        site = build_site("heir", with_callbacks)
        options = in_header(sign(claims(sub="nobody")))
        assert "nobody" in site.theirs.ask(**options).json["msg"]
        assert "nobody" not in site.ours.ask(**options).json["msg"]

    def test_a_shared_dict(self) -> None:
        """
        A callback's dict is updated there, and copied here.
        """
        shared: dict[str, Any] = {}
        site = build_site("heir", lambda manager, respond: manager.additional_claims_loader(lambda identity: shared))
        site.ours.call(lambda api: api.create_access_token("ada", additional_claims={"role": "admin"}))
        assert shared == {}
        site.theirs.call(lambda api: api.create_access_token("ada", additional_claims={"role": "admin"}))
        assert shared == {"role": "admin"}

    def test_a_set_of_locations(self) -> None:
        """
        Without a token it is a 500 there.
        """
        site = build_site("heir", JWT_TOKEN_LOCATION={"json", "cookies", "headers"})
        assert self.answers(site) == (500, 401)
        assert site.manager.config.token_location == ("headers", "cookies", "json")

    def test_outside_of_a_request(self) -> None:
        """
        Tokens can be made anywhere here.
        """
        assert JWTManager(secret_key=KEY).create_access_token("ada")
        with pytest.raises(RuntimeError):
            flask_jwt_extended.create_access_token("ada")

    def test_two_managers(self) -> None:
        """
        Each takes its own tokens only.
        """
        apps = [asking(JWTManager(secret_key=key)) for key in (KEY, KEY[::-1])]
        assert [ask_asgi(app, "/", **in_header(sign())).status for app in apps] == [200, 422]

    @pytest.mark.parametrize("kind", [..., None, "other"])
    def test_in_common(self, kind: Any) -> None:
        """
        Without a type, or of an unknown one, it is an access token.
        """
        assert build_site("heir").ask(**in_header(sign(claims(type=kind)))).status == 200

    def test_in_common_too(self) -> None:
        """
        Who asks for the options needs no token; and what is fresh is fresh to the second.
        """
        assert build_site("heir").ask(method="OPTIONS").status == 200
        site = build_site("heir", JWT_DECODE_LEEWAY=60)
        assert site.ask(**in_header(sign(claims(exp=NOW - 30)))).status == 200
        assert site.ask("/fresh", **in_header(sign(claims(fresh=NOW - 30)))).status == 401


def test_reference() -> None:
    """
    The reference has every public name.
    """
    text = (ROOT / "docs/reference/jwt.md").read_text()
    assert re.findall(r"^::: starlette_flask\.jwt\.(\w+)$", text, re.MULTILINE) != []
    assert set(jwt.__all__) == set(re.findall(r"^::: starlette_flask\.jwt\.(\w+)$", text, re.MULTILINE))

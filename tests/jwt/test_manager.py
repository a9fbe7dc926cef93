"""
`JWTManager`: how it is made, tokens, the request's token, cookies, and answers.
"""

import copy
import logging
import threading
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Annotated, Any

import anyio
import flask
import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, File, Form, Request, Response, UploadFile, WebSocket
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Message

from starlette_flask import ConfigError
from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.jwt import (
    CSRFError,
    ExpiredTokenError,
    InvalidTokenError,
    JWTConfig,
    JWTError,
    JWTManager,
)
from tests.helpers import Backend, ask_asgi, http_scope, run_asgi, websocket_scope
from tests.interop.jwts import (
    KEY,
    NOW,
    G,
    claims,
    claims_of,
    in_cookie,
    in_header,
    in_json,
    key_pair,
    sign,
    travel_to,
)
from tests.jwt import guarded_app


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    `G` is a token of this second.
    """
    with travel_to(0):
        yield


class TestMaking:
    def test_config_or_keywords(self) -> None:
        """
        The settings are a config, or keywords, or Flask's keys; not two of them.
        """
        config = JWTConfig(secret_key=KEY, header_type="JWT")
        assert JWTManager(config).config is config
        assert JWTManager(secret_key=KEY, header_type="JWT").config == config
        assert JWTManager.from_mapping({"SECRET_KEY": KEY}, header_type="JWT").config == config
        with pytest.raises(ConfigError, match="drop it or header_type, json_key"):
            JWTManager(config, header_type="JWT", json_key="x")
        with pytest.raises(ConfigTypeError, match="unknown setting 'header'"):
            JWTManager(secret_key=KEY, header="X")

    @pytest.mark.parametrize("other", [flask.Flask(__name__), "secret", {"SECRET_KEY": KEY}], ids=type)
    def test_something_else(self, other: Any) -> None:
        """
        What isn't a config is refused at once, a Flask app too, to which `from_flask` is for.
        """
        with pytest.raises(ConfigTypeError, match=r"must be a JWTConfig.*from_flask"):
            JWTManager(other)

    @pytest.mark.parametrize("other", [object(), flask.Flask(__name__)], ids=type)
    def test_from_flask_without_the_peer(self, other: Any) -> None:
        """
        An app without Flask-JWT-Extended has nothing to be taken over.
        """
        with pytest.raises(ConfigError, match=r"no JWTManager; call flask_jwt_extended\.JWTManager\(app\) before"):
            JWTManager.from_flask(other)

    def test_nothing_secret_is_shown(self) -> None:
        """
        The key isn't in the text of a manager, nor of what is in it.
        """
        manager = JWTManager(secret_key=KEY)
        assert KEY not in f"{manager!r} {vars(manager)}"

    def test_copy(self) -> None:
        """
        A copy has the same settings, and makes the same tokens.
        """
        manager = copy.deepcopy(JWTManager(secret_key=KEY, identity_claim="who"))
        assert claims_of(manager.create_access_token("ada"))["who"] == "ada"

    def test_is_used_by_many_threads(self) -> None:
        """
        A manager may make and read tokens in many threads at once.
        """
        manager = JWTManager(secret_key=KEY)
        seen: list[str] = []

        def work(number: int) -> None:
            for _ in range(20):
                seen.append(manager.decode_token(manager.create_access_token(str(number)))["sub"])

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(seen) == sorted(str(number) for number in range(8) for _ in range(20))


class TestTokens:
    def test_kinds(self) -> None:
        """
        There are two kinds of tokens, of which the one for access may be fresh, and isn't unless that is said.
        """
        manager = JWTManager(secret_key=KEY)
        tokens = [
            manager.create_access_token("ada"),
            manager.create_access_token("ada", fresh=True),
            manager.create_refresh_token("ada"),
        ]
        kinds = [(made["type"], made["fresh"]) for made in map(claims_of, tokens)]
        assert kinds == [("access", False), ("access", True), ("refresh", False)]

    def test_lifetimes(self) -> None:
        """
        Each kind of token is good for as long as is configured, or as given; False is for ever.
        """
        manager = JWTManager(secret_key=KEY, access_token_expires=60, refresh_token_expires=False)
        assert claims_of(manager.create_access_token("ada"))["exp"] == NOW + 60
        assert claims_of(manager.create_access_token("ada", expires_delta=timedelta(seconds=5)))["exp"] == NOW + 5
        assert claims_of(manager.create_refresh_token("ada", expires_delta=timedelta(seconds=5)))["exp"] == NOW + 5
        assert "exp" not in claims_of(manager.create_access_token("ada", expires_delta=False))
        assert "exp" not in claims_of(manager.create_refresh_token("ada"))

    def test_keys_by_halves(self) -> None:
        """
        Who only reads tokens needs no private key, and who only makes them no public one; the error says which lacks.
        """
        private, public = key_pair("Ed25519")
        writer = JWTManager(algorithm="EdDSA", private_key=private)
        reader = JWTManager(algorithm="EdDSA", public_key=public)
        token = writer.create_access_token("ada")
        assert reader.decode_token(token)["sub"] == "ada"
        with pytest.raises(ConfigError, match=r"EdDSA signs with a private key; set private_key \(JWT_PRIVATE_KEY\)"):
            reader.create_access_token("ada")
        with pytest.raises(ConfigError, match=r"EdDSA verifies with a public key; set public_key \(JWT_PUBLIC_KEY\)"):
            writer.decode_token(token)

    def test_reading(self) -> None:
        """
        A token is read without a request: its claims, its identifier, its CSRF value, its header.
        """
        manager = JWTManager(secret_key=KEY)
        assert manager.decode_token(G) == claims()
        assert (manager.get_jti(G), manager.get_csrf_token(G)) == ("j", "c")
        assert manager.get_jti(sign(claims(jti=...))) is None
        assert manager.get_unverified_jwt_headers(sign(key="", header={"alg": "none"})) == {"alg": "none"}
        with pytest.raises(KeyError):
            manager.get_csrf_token(sign(claims(csrf=...)))

    def test_csrf_value(self) -> None:
        """
        A CSRF value that is given must be the token's, though it can't be one at all.
        """
        manager = JWTManager(secret_key=KEY)
        assert manager.decode_token(G, "c") == manager.decode_token(G, csrf_value=None) == claims()
        for other in ("x", "é", "\ud800"):
            with pytest.raises(CSRFError):
                manager.decode_token(G, other)

    def test_expired(self) -> None:
        """
        An expired token is read if that is wanted.
        """
        manager = JWTManager(secret_key=KEY)
        with pytest.raises(ExpiredTokenError) as caught:
            manager.decode_token(sign(claims(exp=5)))
        assert caught.value.manager is manager
        assert manager.decode_token(sign(claims(exp=5)), allow_expired=True)["exp"] == 5


class TestGuard:
    def test_without_answers(self) -> None:
        """
        Without `init_app` nobody gets in either: the app answers as it answers any HTTPException.
        """
        app = guarded_app(JWTManager(secret_key=KEY), answers=False)
        assert ask_asgi(app, "/", **in_header(G)).json == "ada"
        for request, status, reason in (
            ({}, 401, "Missing Authorization header"),
            (in_header("x"), 422, "The token is malformed"),
            (in_header(sign(claims(exp=5))), 401, "The token has expired"),
        ):
            answer = ask_asgi(app, "/", **request)
            assert (answer.status, answer.json) == (status, {"detail": reason})

    def test_options(self) -> None:
        """
        OPTIONS requests pass, in whatever case; no token is read for them.
        """
        manager = JWTManager(secret_key=KEY)
        guard = manager.jwt_required()

        async def ask(method: str) -> Any:
            return await guard(connection=HTTPConnection(http_scope("/", method=method)))

        assert anyio.run(ask, "OPTIONS") == anyio.run(ask, "options") == {}
        with pytest.raises(RuntimeError, match=r"doesn't depend on manager\.jwt_required"):
            ask_asgi(guarded_app(manager), "/", method="OPTIONS", **in_header(G))

    def test_its_value(self) -> None:
        """
        The guard's value is the claims, in FastAPI and wherever it is called.
        """
        manager = JWTManager(secret_key=KEY)
        guard = manager.jwt_required()
        app = FastAPI()

        @app.get("/")
        def page(seen: Annotated[dict[str, Any], Depends(guard)], request: Request) -> Any:
            return [seen, manager.get_jwt(request), manager.get_jwt_header(request)]

        assert ask_asgi(app, "/", **in_header(G)).json == [claims(), claims(), {"alg": "HS256", "typ": "JWT"}]
        assert anyio.run(guard, Request(http_scope("/", **in_header(G)))) == claims()

    def test_nothing_to_read(self) -> None:
        """
        What a route doesn't require can't be read; what is optional, and absent, is empty.
        """
        manager, other = JWTManager(secret_key=KEY), JWTManager(secret_key=KEY)
        connection = HTTPConnection(http_scope("/"))
        readers = [manager.get_jwt, manager.get_jwt_header, manager.get_jwt_identity, manager.current_user]
        for read in readers:
            with pytest.raises(RuntimeError, match="this route doesn't depend on"):
                read(connection)
        anyio.run(other.jwt_required(optional=True), connection)
        with pytest.raises(RuntimeError):
            manager.get_jwt(connection)
        anyio.run(manager.jwt_required(optional=True), connection)
        assert [read(connection) for read in readers] == [{}, {}, None, None]

    def test_no_user(self) -> None:
        """
        Without a *user_lookup_loader* there is no user to be asked for.
        """
        manager = JWTManager(secret_key=KEY)
        connection = HTTPConnection(http_scope("/", **in_header(G)))
        anyio.run(manager.jwt_required(), connection)
        with pytest.raises(RuntimeError, match=r"decorate a function with manager\.user_lookup_loader"):
            manager.current_user(connection)

    @pytest.mark.parametrize("locations", ["body", ["headers", "header"], 5], ids=repr)
    def test_unknown_locations(self, locations: Any) -> None:
        """
        An unknown location is refused when the route is made.
        """
        with pytest.raises(ConfigError, match="locations"):
            JWTManager(secret_key=KEY).jwt_required(locations=locations)

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_large_token(self, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A token as large as only bodies are is read in a thread, as PyJWT takes its time over it.
        """
        manager = JWTManager(secret_key=KEY, token_location="json")
        seen: list[bool] = []
        original = manager._decode

        def decode(*args: Any) -> Any:
            seen.append(threading.current_thread() is threading.main_thread())
            return original(*args)

        monkeypatch.setattr(manager, "_decode", decode)
        app = guarded_app(manager)
        for length, on_loop in ((10, True), (100_000, False)):
            seen.clear()
            request = in_json({"access_token": sign(claims(x="x" * length))})
            assert ask_asgi(app, "/", **request, backend=backend).json == "ada"
            assert seen == [on_loop]
        assert ask_asgi(app, "/", **in_json({"access_token": "x" * 100_000})).status == 422

    @pytest.mark.parametrize("method", ["POST", "post", "Patch", "DELETE"])
    def test_csrf_of_an_endpoint(self, method: str) -> None:
        """
        A class of Starlette's, which takes methods in any case, is protected from CSRF in each.
        """
        manager = JWTManager(secret_key=KEY, token_location="cookies")

        class Endpoint(HTTPEndpoint):
            async def post(self, request: Request) -> JSONResponse:
                return JSONResponse(await manager.jwt_required()(connection=request))

            patch = delete = post

        app = Starlette(routes=[Route("/", Endpoint)])
        manager.init_app(app)
        answer = ask_asgi(app, "/", **in_cookie(G, method=method))
        assert answer.status in (401, 405)  # a newer Starlette doesn't take lower case

    @pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
    def test_client_that_leaves(self, content_type: str) -> None:
        """
        Of a client that leaves before its body is complete nothing is left but a refusal, which nobody gets; and
        nobody waits for what it won't send.
        """
        app = guarded_app(JWTManager(secret_key=KEY, token_location=["json", "cookies"], csrf_check_form=True))
        cookies = ["access_token_cookie=x"]
        scope = http_scope("/", method="POST", cookies=cookies, headers=[("content-type", content_type)])
        received: list[Message] = [
            {"type": "http.request", "body": b"{", "more_body": True},
            {"type": "http.disconnect"},
        ]
        sent: list[Message] = []

        async def receive() -> Message:
            return received.pop(0)  # fails where a server might keep its app waiting

        async def send(message: Message) -> None:
            sent.append(message)

        anyio.run(app, scope, receive, send)
        assert sent[0]["status"] == 401

    def test_upload(self) -> None:
        """
        The view gets the files of a form in which a CSRF value was looked for, however it reads them.
        """
        manager = JWTManager(secret_key=KEY, token_location="cookies", csrf_check_form=True)
        app = FastAPI()
        manager.init_app(app)
        guard = Depends(manager.jwt_required())

        @app.post("/parameter", dependencies=[guard])
        async def parameter(file: Annotated[UploadFile, File()], name: Annotated[str, Form()]) -> str:
            return name + (await file.read()).decode()

        @app.post("/bytes", dependencies=[guard])
        def plain(file: Annotated[bytes, File()], name: Annotated[str, Form()]) -> str:
            return name + file.decode()

        @app.post("/form", dependencies=[guard])
        async def form(request: Request) -> str:
            async with request.form() as found:
                file = found["file"]
                assert not isinstance(file, str)
                return str(found["name"]) + (await file.read()).decode()

        parts = [
            'name="file"; filename="f"\r\n\r\nhello',
            'name="csrf_token"\r\n\r\n{}',
            'name="name"\r\n\r\nada: ',
        ]
        text = "".join(f"--b\r\nContent-Disposition: form-data; {part}\r\n" for part in parts) + "--b--\r\n"
        headers = [("content-type", "multipart/form-data; boundary=b")]
        for path in ("/parameter", "/bytes", "/form"):
            request: dict[str, Any] = {**in_cookie(G, method="POST"), "headers": headers}
            assert ask_asgi(app, path, body=text.format("c").encode(), **request).json == "ada: hello"
            assert ask_asgi(app, path, body=text.format("x").encode(), **request).status == 401

    def test_mounted_apps(self) -> None:
        """
        Apps within an app have managers of their own, which don't take each other's tokens, and answer for themselves.
        """
        outer = guarded_app(JWTManager(secret_key=KEY))
        inner = guarded_app(JWTManager(secret_key=KEY[::-1], error_message_key="why"))
        outer.mount("/in", inner)
        theirs = sign(key=KEY[::-1])
        assert (ask_asgi(outer, "/", **in_header(G)).json, ask_asgi(outer, "/in/", **in_header(theirs)).json) == (
            "ada",
            "ada",
        )
        assert list(ask_asgi(outer, "/", **in_header(theirs)).json) == ["msg"]
        assert list(ask_asgi(outer, "/in/", **in_header(G)).json) == ["why"]

    def test_background_tasks(self) -> None:
        """
        What runs after the response still knows the token.
        """
        manager = JWTManager(secret_key=KEY)
        app = FastAPI()
        seen = []

        @app.get("/", dependencies=[Depends(manager.jwt_required())])
        def page(request: Request, tasks: BackgroundTasks) -> None:
            tasks.add_task(lambda: seen.append(manager.get_jwt_identity(request)))

        ask_asgi(app, "/", **in_header(G))
        assert seen == ["ada"]


def cookies_of(response: Response) -> list[str]:
    return [value.decode() for name, value in response.raw_headers if name == b"set-cookie"]


class TestCookies:
    def test_lines(self) -> None:
        """
        A token has two cookies, of which scripts can read the one with the CSRF value.
        """
        manager = JWTManager(secret_key=KEY)
        response = Response()
        manager.set_access_cookies(response, G)
        manager.set_refresh_cookies(response, G, max_age=60, domain="example.com")
        expires = "Expires=Tue, 14 Nov 2023 22:14:20 GMT; Max-Age=60"
        assert cookies_of(response) == [
            f"access_token_cookie={G}; HttpOnly; Path=/",
            "csrf_access_token=c; Path=/",
            f"refresh_token_cookie={G}; Domain=example.com; {expires}; HttpOnly; Path=/",
            f"csrf_refresh_token=c; Domain=example.com; {expires}; Path=/",
        ]

    @pytest.mark.parametrize("max_age", [None, 0, timedelta(0)], ids=repr)
    def test_configured_age(self, max_age: Any) -> None:
        """
        They stay for as long as is configured, unless something else is given; nothing is nothing else.
        """
        manager = JWTManager(secret_key=KEY, session_cookie=False, csrf_in_cookies=False)
        response = Response()
        manager.set_access_cookies(response, "anything", max_age=max_age)
        assert cookies_of(response) == [
            "access_token_cookie=anything; Expires=Wed, 13 Nov 2024 23:20:00 GMT; Max-Age=31540000; HttpOnly; Path=/"
        ]

    def test_age_as_timedelta(self) -> None:
        """
        An age may be a timedelta, of which whole seconds count.
        """
        response = Response()
        JWTManager(secret_key=KEY, cookie_csrf_protect=False).set_access_cookies(
            response, "t", max_age=timedelta(minutes=1, milliseconds=900)
        )
        assert cookies_of(response)[0].endswith("22:14:20 GMT; Max-Age=60; HttpOnly; Path=/")

    def test_unset(self) -> None:
        """
        Taken from the browser is what was given to it: the token, and its CSRF value if that had a cookie.
        """
        attributes = "Domain=example.com; Expires=Thu, 01 Jan 1970 00:00:00 GMT"
        everything: dict[str, Any] = {}
        for settings, names in (
            (everything, ["access_token_cookie", "csrf_access_token", "refresh_token_cookie", "csrf_refresh_token"]),
            ({"csrf_in_cookies": False}, ["access_token_cookie", "refresh_token_cookie"]),
            ({"cookie_csrf_protect": False}, ["access_token_cookie", "refresh_token_cookie"]),
        ):
            response = Response()
            JWTManager(secret_key=KEY, **settings).unset_jwt_cookies(response, domain="example.com")
            assert cookies_of(response) == [
                f"{name}=; {attributes}; {'' if 'csrf' in name else 'HttpOnly; '}Path=/" for name in names
            ]

    def test_injected_response(self) -> None:
        """
        FastAPI's injected response takes them along.
        """
        manager = JWTManager(secret_key=KEY)
        app = FastAPI()

        @app.get("/")
        def page(response: Response) -> str:
            manager.set_access_cookies(response, G)
            manager.unset_refresh_cookies(response)
            return "in"

        answer = ask_asgi(app, "/")
        assert (answer.json, len(answer.set_cookie)) == ("in", 4)

    @pytest.mark.parametrize("token", ["x", sign(key=KEY[::-1]), sign(claims(exp=5))], ids=["x", "forged", "expired"])
    def test_bad_token(self, token: str) -> None:
        """
        A token whose CSRF value can't be known is refused.
        """
        with pytest.raises(JWTError):
            JWTManager(secret_key=KEY).set_access_cookies(Response(), token)

    def test_no_header_is_made_of_a_token(self) -> None:
        """
        What isn't a token stays within its cookie's value.
        """
        response = Response()
        manager = JWTManager(secret_key=KEY, csrf_in_cookies=False)
        manager.set_access_cookies(response, "a; Domain=evil\r\nX: y")
        assert cookies_of(response) == ['access_token_cookie="a\\073 Domain=evil\\015\\012X: y"; HttpOnly; Path=/']

    def test_oversized(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        A cookie that browsers may drop is set, and the log says so; without its value.
        """
        response = Response()
        token = sign(claims(x="x" * 5000))
        JWTManager(secret_key=KEY).set_access_cookies(response, token)
        assert len(cookies_of(response)) == 2
        [record] = caplog.records
        assert record.levelno == logging.WARNING
        assert "access_token_cookie" in record.getMessage()
        assert token[:50] not in record.getMessage()


class TestAnswers:
    def test_key_of_the_message(self) -> None:
        """
        The answer is JSON with the reason under the configured key.
        """
        answer = ask_asgi(guarded_app(JWTManager(secret_key=KEY, error_message_key="why")), "/")
        assert (answer.status, answer.json) == (401, {"why": "Missing Authorization header"})
        assert answer.lines("content-type") == ["application/json"]

    def test_handlers_of_the_app(self) -> None:
        """
        The app's handler of HTTPException answers no token; its handler of the very status does, as Starlette has it.
        """

        async def mine(request: Request, error: Exception) -> JSONResponse:
            return JSONResponse("mine", 418)

        for key, status in ((HTTPException, 401), (Exception, 401), (401, 418)):
            app = guarded_app(JWTManager(secret_key=KEY))
            app.add_exception_handler(key, mine)
            assert ask_asgi(app, "/").status == status

    def test_whose_answer(self) -> None:
        """
        Each manager answers for itself; an error that a view raises is answered by the one that came last.
        """
        managers = [JWTManager(secret_key=KEY, error_message_key=key) for key in ("first", "last")]
        app = FastAPI()
        for number, manager in enumerate(managers):
            manager.init_app(app)
            app.add_api_route(f"/{number}", lambda: None, dependencies=[Depends(manager.jwt_required())])

        @app.get("/raised")
        def page() -> None:
            raise InvalidTokenError("own")

        assert list(ask_asgi(app, "/0").json) == ["first"]
        assert list(ask_asgi(app, "/1").json) == ["last"]
        answer = ask_asgi(app, "/raised")
        assert (answer.status, answer.json) == (422, {"last": "own"})

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_backends(self, backend: Backend) -> None:
        """
        It is all the same to asyncio and trio.
        """
        app = guarded_app(JWTManager(secret_key=KEY))
        assert ask_asgi(app, "/", backend=backend, **in_header(G)).json == "ada"
        assert ask_asgi(app, "/", backend=backend).status == 401


class TestWebSockets:
    def shake_hands(self, app: Any, *, can_deny: bool = True, texts: tuple[str, ...] = (), **request: Any) -> list[Any]:
        scope = websocket_scope("/", **request)
        if not can_deny:
            del scope["extensions"]
        received = [{"type": "websocket.connect"}, *({"type": "websocket.receive", "text": text} for text in texts)]
        sent = run_asgi(app, scope, received)
        return [(message["type"], message.get("status", message.get("code"))) for message in sent]

    DENIED = "websocket.http.response.start"

    @pytest.mark.parametrize("can_deny", [True, False])
    def test_refused(self, can_deny: bool) -> None:
        """
        A handshake without a good token is answered, or closed where the server can't answer.
        """
        manager = JWTManager(secret_key=KEY)

        async def page(websocket: WebSocket) -> None:
            await manager.jwt_required()(connection=websocket)
            await websocket.accept()

        app = Starlette(routes=[WebSocketRoute("/", page)])
        manager.init_app(app)
        ask = partial(self.shake_hands, app, can_deny=can_deny)
        assert ask(**in_header(G)) == [("websocket.accept", None)]
        assert ask()[0] == ((self.DENIED, 401) if can_deny else ("websocket.close", 1008))
        assert ask(**in_header("x"))[0] == ((self.DENIED, 422) if can_deny else ("websocket.close", 1008))

    @pytest.mark.parametrize("can_deny", [True, False])
    def test_bad_token_in_a_message(self, can_deny: bool) -> None:
        """
        A bad token that comes later closes the WebSocket, once.
        """
        manager = JWTManager(secret_key=KEY)
        app = FastAPI()
        manager.init_app(app)

        @app.websocket("/")
        async def page(websocket: WebSocket) -> None:
            await websocket.accept()
            try:
                manager.decode_token(await websocket.receive_text())
            finally:
                if await websocket.receive_text() == "close":
                    await websocket.close(4000)

        ask = partial(self.shake_hands, app, can_deny=can_deny)
        accepted = ("websocket.accept", None)
        assert ask(texts=(G, "")) == [accepted]
        assert ask(texts=("x", "")) == [accepted, ("websocket.close", 1008)]
        if can_deny:
            assert ask(texts=("x", "close")) == [accepted, ("websocket.close", 4000)]

    @pytest.mark.parametrize(
        ("origin", "is_good"),
        [
            (None, True),
            ("http://localhost", True),
            ("https://localhost", True),
            ("http://localhost:8000", False),
            ("https://evil.example", False),
            ("https://localhost.evil.example", False),
            ("null", False),
            ("", False),
            ("x", False),
            ("http://[", False),
        ],
    )
    def test_page_of_another_site(self, origin: str | None, is_good: bool) -> None:
        """
        A page of another site can't open a WebSocket with the user's cookie; without CSRF protection it can.
        """

        def app_with(**settings: Any) -> FastAPI:
            manager = JWTManager(secret_key=KEY, token_location=["headers", "cookies"], **settings)
            app = FastAPI()
            manager.init_app(app)

            @app.websocket("/", dependencies=[Depends(manager.jwt_required(optional=True))])
            async def page(websocket: WebSocket) -> None:
                await websocket.accept()

            return app

        headers = [] if origin is None else [("origin", origin)]
        accepted = [("websocket.accept", None)]
        app = app_with()
        sent = self.shake_hands(app, cookies=[f"access_token_cookie={G}"], headers=headers)
        assert (sent == accepted) is is_good
        assert is_good or sent[0] == (self.DENIED, 401)
        # Not with a cookie: no browser sends that by itself.
        assert self.shake_hands(app, headers=[*headers, *in_header(G)["headers"]]) == accepted
        assert self.shake_hands(app, headers=headers) == accepted
        unprotected = app_with(cookie_csrf_protect=False)
        assert self.shake_hands(unprotected, cookies=[f"access_token_cookie={G}"], headers=headers) == accepted

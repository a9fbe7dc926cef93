"""
Callbacks: how they are registered, where they run, and what is done with what they return.
"""

import threading
from collections.abc import Iterator
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Request
from starlette.responses import JSONResponse, PlainTextResponse

from starlette_flask import ConfigError
from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.jwt import JWTError, JWTManager, NoAuthorizationError, errors
from starlette_flask.jwt.callbacks import Callbacks
from tests.helpers import Backend, ask_asgi
from tests.interop.jwts import KEY, G, claims, claims_of, in_header, sign, travel_to
from tests.jwt import guarded_app

LOADERS = sorted(name for name in vars(Callbacks) if name.endswith("_loader"))

MAKING = (
    "additional_claims_loader",
    "additional_headers_loader",
    "decode_key_loader",
    "encode_key_loader",
    "user_identity_loader",
)


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    `G` is a token of this second.
    """
    with travel_to(0):
        yield


class Awaited:
    """
    An object that can be called, and has to be waited for.
    """

    async def __call__(self, *args: Any) -> Any:
        return "Ada"


async def coroutine(*args: Any) -> Any:
    return "Ada"


COROUTINES = [
    pytest.param(coroutine, id="async def"),
    pytest.param(partial(coroutine, 1), id="partial of one"),
    pytest.param(Awaited(), id="object"),
]


class TestRegistering:
    @pytest.mark.parametrize("loader", LOADERS)
    def test_decorator(self, loader: str) -> None:
        """
        What registers a callback returns it, so that it decorates; the last one counts.
        """
        manager = JWTManager(secret_key=KEY)

        def callback(*args: Any) -> None: ...

        assert getattr(manager, loader)(lambda *args: None) is not callback
        assert getattr(manager, loader)(callback) is callback
        assert manager._callbacks == {loader: callback}

    @pytest.mark.parametrize("loader", MAKING)
    @pytest.mark.parametrize("callback", COROUTINES)
    def test_nothing_waits(self, loader: str, callback: Any) -> None:
        """
        What makes tokens, or finds keys, can't be waited for: a coroutine is refused at once.
        """
        with pytest.raises(ConfigTypeError, match=f"what {loader} registers must be a plain function"):
            getattr(JWTManager(secret_key=KEY), loader)(callback)

    def test_every_error_has_one(self) -> None:
        """
        Each error is answered by a callback that can be registered.
        """
        kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, JWTError)]
        answering = {kind.loader for kind in kinds}
        deciding = {"token_in_blocklist_loader", "token_verification_loader", "user_lookup_loader"}
        assert set(LOADERS) == answering | deciding | set(MAKING)

    def test_looks_up_users(self) -> None:
        """
        A manager knows whether it looks up users.
        """
        manager = JWTManager(secret_key=KEY)
        assert not manager.looks_up_users
        manager.user_lookup_loader(lambda header, claims: None)
        assert manager.looks_up_users


class TestCalling:
    @pytest.mark.parametrize("callback", [*COROUTINES, pytest.param(lambda *args: "Ada", id="function")])
    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_forms(self, callback: Any, backend: Backend) -> None:
        """
        A callback of a request may be a function, or anything that has to be waited for.
        """
        manager = JWTManager(secret_key=KEY)
        manager.user_lookup_loader(callback)
        app = FastAPI()

        @app.get("/", dependencies=[Depends(manager.jwt_required())])
        async def page(request: Request) -> Any:
            return manager.current_user(request)

        assert ask_asgi(app, "/", backend=backend, **in_header(G)).json == "Ada"

    def test_function_that_returns_a_coroutine(self) -> None:
        """
        What a function returns may have to be waited for.
        """
        manager = JWTManager(secret_key=KEY)
        manager.token_in_blocklist_loader(lambda header, claims: coroutine())
        assert ask_asgi(guarded_app(manager), "/", **in_header(G)).status == 401

    def test_where_they_run(self) -> None:
        """
        Plain functions run in a thread, with the variables of the request's context; what they set stays there.
        """
        variable: ContextVar[str] = ContextVar("variable", default="")
        manager = JWTManager(secret_key=KEY)
        seen = []

        def see(*args: Any) -> str:
            seen.append((variable.get(), threading.current_thread() is threading.main_thread()))
            variable.set("set by a callback")
            return KEY

        manager.decode_key_loader(see)
        manager.token_verification_loader(see)
        manager.user_lookup_loader(see)
        app = FastAPI()

        async def set_variable() -> None:
            variable.set("set before")

        @app.get("/", dependencies=[Depends(set_variable), Depends(manager.jwt_required())])
        async def page() -> str:
            return variable.get()

        assert ask_asgi(app, "/", **in_header(G)).json == "set before"
        assert seen == [("set before", False)] * 3

    @pytest.mark.parametrize("is_async", [True, False])
    @pytest.mark.parametrize(
        ("loader", "result", "status"),
        [
            ("token_in_blocklist_loader", True, 401),
            ("token_in_blocklist_loader", None, 200),
            ("token_verification_loader", None, 400),
            ("token_verification_loader", True, 200),
            ("user_lookup_loader", None, 401),
            ("user_lookup_loader", 0, 200),
        ],
    )
    def test_results(self, is_async: bool, loader: str, result: Any, status: int) -> None:
        """
        Revoked is what is said to be; verified only what is said to be; no user is None.
        """

        async def answer(header: Any, claims: Any) -> Any:
            return result

        manager = JWTManager(secret_key=KEY)
        getattr(manager, loader)(answer if is_async else lambda header, claims: result)
        for options in ({}, {"optional": True}):
            assert ask_asgi(guarded_app(manager, **options), "/", **in_header(G)).status == status

    @pytest.mark.parametrize("loader", ["token_in_blocklist_loader", "token_verification_loader", "user_lookup_loader"])
    @pytest.mark.parametrize("is_async", [True, False])
    def test_failures(self, loader: str, is_async: bool) -> None:
        """
        A callback that fails lets nobody in; the error is the app's.
        """

        def fail(header: Any, claims: Any) -> Any:
            raise ZeroDivisionError

        async def fail_later(header: Any, claims: Any) -> Any:
            fail(header, claims)

        manager = JWTManager(secret_key=KEY)
        getattr(manager, loader)(fail_later if is_async else fail)
        with pytest.raises(ZeroDivisionError):
            ask_asgi(guarded_app(manager, optional=True), "/", **in_header(G))

    def test_refusal(self) -> None:
        """
        A callback may refuse by raising an error of ours; where a token is optional, one that says there is none is
        no refusal, unless it comes with the user.
        """
        for loader, status in (("token_verification_loader", 200), ("user_lookup_loader", 401)):
            manager = JWTManager(secret_key=KEY)

            def refuse(header: Any, claims: Any) -> Any:
                raise NoAuthorizationError("own")

            getattr(manager, loader)(refuse)
            answer = ask_asgi(guarded_app(manager), "/", **in_header(G))
            assert (answer.status, answer.json) == (401, {"msg": "own"})
            assert ask_asgi(guarded_app(manager, optional=True), "/", **in_header(G)).status == status


class TestMaking:
    def test_what_is_returned(self) -> None:
        """
        Claims and headers are added, the identity is replaced; what is given as an argument counts more.
        """
        manager = JWTManager(secret_key=KEY)
        manager.user_identity_loader(lambda user: user["name"])
        manager.additional_claims_loader(lambda user: {"role": user["role"], "from": "callback"})
        manager.additional_headers_loader(lambda user: {"kid": user["name"]})
        user = {"name": "ada", "role": "admin"}
        token = manager.create_refresh_token(user, additional_claims={"from": "argument"})
        made = claims_of(token)
        assert (made["sub"], made["role"], made["from"]) == ("ada", "admin", "argument")
        assert manager.get_unverified_jwt_headers(token)["kid"] == "ada"

    def test_nothing_is_returned(self) -> None:
        """
        Nothing is no claims and no headers; of identities it is one.
        """
        manager = JWTManager(secret_key=KEY)
        for loader in MAKING[:2] + MAKING[-1:]:
            getattr(manager, loader)(lambda user: None)
        assert claims_of(manager.create_access_token("ada"))["sub"] is None

    def test_keys(self) -> None:
        """
        Keys may be found for each token; what is found comes before the configured key.
        """
        manager = JWTManager(secret_key=KEY)
        manager.encode_key_loader(lambda identity: KEY[::-1])
        manager.decode_key_loader(lambda header, claims: KEY[::-1])
        assert manager.decode_token(manager.create_access_token("ada"))["sub"] == "ada"
        with pytest.raises(JWTError, match="signature"):
            manager.decode_token(G)

    @pytest.mark.parametrize("nothing", [None, "", b""], ids=repr)
    def test_no_key_to_sign(self, nothing: Any) -> None:
        """
        Without a key no token is made.
        """
        manager = JWTManager(secret_key=KEY)
        manager.encode_key_loader(lambda identity: nothing)
        with pytest.raises(ConfigError):
            manager.create_access_token("ada")

    @pytest.mark.parametrize("nothing", [None, "", b""], ids=repr)
    @pytest.mark.parametrize("key", ["", KEY], ids=["signed with nothing", "signed with the key"])
    def test_no_key_to_verify(self, nothing: Any, key: str, caplog: pytest.LogCaptureFixture) -> None:
        """
        Without a key no token is good, one signed with nothing least of all, and nothing is odd about that.
        """
        manager = JWTManager(secret_key=KEY)
        manager.decode_key_loader(lambda header, claims: nothing)
        answer = ask_asgi(guarded_app(manager), "/", **in_header(sign(key=key)))
        assert (answer.status, answer.json) == (422, {"msg": "There is no key for the token"})
        assert caplog.records == []

    def test_unknown_key(self) -> None:
        """
        A token that names a key which isn't there is a bad one; any other error of the callback is the app's.
        """
        keys = {"one": KEY}
        manager = JWTManager(secret_key=KEY)
        manager.decode_key_loader(lambda header, claims: keys[header["kid"]])
        app = guarded_app(manager)
        for header, status in (({"kid": "one"}, 200), ({"kid": "../one"}, 422), ({}, 422), ({"kid": ["one"]}, 422)):
            token = sign(header={"alg": "HS256", **header})
            assert ask_asgi(app, "/", **in_header(token)).status == status

        @manager.decode_key_loader
        def fail(header: Any, claims: Any) -> Any:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            ask_asgi(app, "/", **in_header(G))


RETURNED = [
    pytest.param(PlainTextResponse("own", 418), 418, b"own", id="response"),
    pytest.param({"a": 1}, 401, b'{"a":1}', id="dict"),
    pytest.param("own", 401, b'"own"', id="text"),
    pytest.param(None, 401, b"null", id="nothing"),
    pytest.param(({"a": 1}, 418), 418, b'{"a":1}', id="dict and status"),
    pytest.param((JSONResponse({"a": 1}), 418), 418, b'{"a":1}', id="response and status"),
    pytest.param(("a", "b"), 401, b'["a","b"]', id="two texts"),
]


class TestAnswers:
    @pytest.mark.parametrize("is_async", [True, False])
    @pytest.mark.parametrize(("returned", "status", "body"), RETURNED)
    def test_returned(self, is_async: bool, returned: Any, status: int, body: bytes) -> None:
        """
        An error's callback returns a response, or what is sent as JSON, with a status of its own perhaps.
        """

        async def later(reason: str) -> Any:
            return returned

        manager = JWTManager(secret_key=KEY)
        manager.unauthorized_loader(later if is_async else lambda reason: returned)
        answer = ask_asgi(guarded_app(manager), "/")
        assert (answer.status, answer.body) == (status, body)

    def test_arguments(self) -> None:
        """
        It is given the reason, or the header and claims of a token that is genuine.
        """
        manager = JWTManager(secret_key=KEY)
        seen: list[Any] = []
        for loader in sorted({kind.loader for kind in JWTError.__subclasses__()}):
            getattr(manager, loader)(lambda *args: seen.append(args))
        app = guarded_app(manager, fresh=True)
        header = {"alg": "HS256", "typ": "JWT"}
        for request, expected in (
            ({}, ("Missing Authorization header",)),
            (in_header("x"), ("The token is malformed",)),
            (in_header(sign(claims(exp=5))), (header, claims(exp=5))),
            (in_header(G), (header, claims())),
        ):
            ask_asgi(app, "/", **request)
            assert seen.pop() == expected
        assert seen == []

    def test_failure(self) -> None:
        """
        A callback that fails answers nobody; the error is the app's.
        """
        manager = JWTManager(secret_key=KEY)
        manager.unauthorized_loader(lambda reason: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ask_asgi(guarded_app(manager), "/")

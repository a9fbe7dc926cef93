"""
Errors, and the callbacks: what they are given, in which order, and what becomes of what they return.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import cache, partial
from typing import Any

import flask
import flask_jwt_extended
import pytest
from flask_jwt_extended import exceptions

from starlette_flask import jwt
from tests.interop.jwts import (
    EVERYWHERE,
    KEY,
    NOW,
    G,
    MakeSite,
    Site,
    View,
    build_site,
    claims,
    each_site,
    in_cookie,
    in_header,
    in_json,
    in_query,
    sign,
    travel_to,
    with_callbacks,
)


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Tokens of the same second are the same text.
    """
    with travel_to(0):
        yield


def raise_(error: Exception) -> Any:
    raise error


FAILURES: dict[str, tuple[dict[str, Any], str, dict[str, Any], int]] = {
    # The settings, the page, the request, and how Flask-JWT-Extended answers.
    "no header": ({}, "/plain", {}, 401),
    "header of another type": ({}, "/plain", {"headers": [("authorization", "Basic eDp5")]}, 401),
    "bad header": ({}, "/plain", in_header(f"{G} x"), 422),
    "no cookie": ({"JWT_TOKEN_LOCATION": "cookies"}, "/plain", {}, 401),
    "no query": ({"JWT_TOKEN_LOCATION": "query_string"}, "/plain", {}, 401),
    "no JSON": ({"JWT_TOKEN_LOCATION": "json"}, "/plain", {}, 401),
    "no key in JSON": ({"JWT_TOKEN_LOCATION": "json"}, "/plain", in_json({}), 401),
    "nowhere": ({"JWT_TOKEN_LOCATION": EVERYWHERE}, "/plain", {}, 401),
    "other prefix": (
        {"JWT_TOKEN_LOCATION": "query_string", "JWT_QUERY_STRING_VALUE_PREFIX": "Bearer "},
        "/plain",
        in_query(G),
        422,
    ),
    "CSRF missing": ({"JWT_TOKEN_LOCATION": "cookies"}, "/plain", in_cookie(G, method="POST"), 401),
    "CSRF wrong": ({"JWT_TOKEN_LOCATION": "cookies"}, "/plain", in_cookie(G, "x", method="POST"), 401),
    "CSRF claim missing": (
        {"JWT_TOKEN_LOCATION": "cookies"},
        "/plain",
        in_cookie(sign(claims(csrf=...)), "c", method="POST"),
        422,
    ),
    "malformed": ({}, "/plain", in_header(f"{G}.x"), 422),
    "signature": ({}, "/plain", in_header(sign(key=KEY[::-1])), 422),
    "algorithm": ({}, "/plain", in_header(sign(header={"alg": "none"})), 422),
    "expired": ({}, "/plain", in_header(sign(claims(exp=5))), 401),
    "not yet valid": ({}, "/plain", in_header(sign(claims(nbf=NOW + 5))), 422),
    "issued in the future": ({}, "/plain", in_header(sign(claims(iat=NOW + 5))), 422),
    "audience": ({"JWT_DECODE_AUDIENCE": "shop"}, "/plain", in_header(sign(claims(aud="blog"))), 422),
    "no audience": ({"JWT_DECODE_AUDIENCE": "shop"}, "/plain", in_header(G), 422),
    "issuer": ({"JWT_DECODE_ISSUER": "us"}, "/plain", in_header(sign(claims(iss="them"))), 422),
    "no issuer": ({"JWT_DECODE_ISSUER": "us"}, "/plain", in_header(G), 422),
    "subject": ({}, "/plain", in_header(sign(claims(sub=5))), 422),
    "no subject": ({}, "/plain", in_header(sign(claims(sub=...))), 422),
    "identifier": ({}, "/plain", in_header(sign(claims(jti=5))), 422),
    "refresh token": ({}, "/plain", in_header(sign(claims(type="refresh"))), 422),
    "access token": ({}, "/refresh", in_header(G), 422),
    "not fresh": ({}, "/fresh", in_header(G), 401),
    "revoked": ({}, "/plain", in_header(sign(claims(jti="revoked"))), 401),
    "not verified": ({}, "/plain", in_header(sign(claims(verified=False))), 400),
    "nobody": ({}, "/plain", in_header(sign(claims(sub="nobody"))), 401),
}


@each_site()
def test_messages(make_site: MakeSite) -> None:
    """
    Each way to fail has a message of its own, under the configured key, and nothing of the token in it.
    """

    @cache
    def make(config: tuple[tuple[str, Any], ...]) -> Site:
        return make_site(with_callbacks, JWT_ERROR_MESSAGE_KEY="error", **dict(config))

    messages = {}
    for name, (config, page, request, status) in FAILURES.items():
        site = make(tuple(config.items()))
        answer = site.ask(page, **request)
        assert (answer.status, list(answer.json)) == (status, ["error"]), name
        messages[name] = site.ours.ask(page, **request).json["error"]
    assert len(set(messages.values())) == len(messages), messages
    for secret in (G, G.split(".")[1], KEY):
        assert not [message for message in messages.values() if secret in message]


LOADERS = {
    # What registers the callback, what calls it, and with what.
    "unauthorized_loader": ("no header", "CSRF missing", "CSRF wrong", "no cookie", "nowhere"),
    "invalid_token_loader": (
        *("malformed", "signature", "algorithm", "not yet valid", "audience", "subject", "no subject"),
        *("refresh token", "access token", "bad header", "other prefix", "CSRF claim missing"),
    ),
    "expired_token_loader": ("expired",),
    "needs_fresh_token_loader": ("not fresh",),
    "revoked_token_loader": ("revoked",),
    "token_verification_failed_loader": ("not verified",),
    "user_lookup_error_loader": ("nobody",),
}


@each_site()
@pytest.mark.parametrize("loader", LOADERS)
def test_error_callback(make_site: MakeSite, loader: str) -> None:
    """
    Each error has a callback, which makes the response; it is given the reason, or the token's header and claims.
    """
    is_told_why = loader in ("unauthorized_loader", "invalid_token_loader")
    seen: list[Any] = []

    def setup(manager: Any, respond: Any) -> None:
        with_callbacks(manager)

        def answer(*args: Any) -> Any:
            seen.append(args)
            return respond({"loader": loader, "seen": None if is_told_why else args}, 418)

        getattr(manager, loader)(answer)

    @cache
    def make(config: tuple[tuple[str, Any], ...]) -> Site:
        return make_site(setup, **dict(config))

    for name, (config, page, request, status) in FAILURES.items():
        site = make(tuple(config.items()))
        seen.clear()
        ours, theirs = site.ours.ask(page, **request), site.theirs.ask(page, **request)
        assert ours.status == theirs.status == (418 if name in LOADERS[loader] or seen else status)
        assert ours.lines("content-type") == theirs.lines("content-type")
        if ours.status == 418:
            assert ours.json == theirs.json
            for args in seen:
                assert [type(arg) for arg in args] == ([str] if is_told_why else [dict, dict])
        assert bool(seen) == (ours.status == 418)
    assert all(name in FAILURES for name in LOADERS[loader])


def test_arguments_of_error_callbacks() -> None:
    """
    The claims that a callback sees are completed, as those that a view sees, also of an expired token.
    """
    seen = []

    def setup(manager: Any, respond: Any) -> None:
        @manager.expired_token_loader  # type: ignore[untyped-decorator]  # of either side
        def expired(header: Any, claims: Any) -> Any:
            seen.append((header, claims))
            return respond({}, 401)

    site = build_site("heir", setup)
    site.ask(**in_header(sign({"sub": "ada", "exp": 5}, {"alg": "HS256", "x": 1})))
    completed = {"sub": "ada", "exp": 5, "type": "access", "fresh": False, "jti": None}
    assert seen == [({"alg": "HS256", "x": 1}, completed)] * 2


RETURNED = [
    pytest.param(lambda: flask.jsonify(a=1), id="response"),
    pytest.param(lambda: (flask.jsonify(a=1), 418), id="response and status"),
    pytest.param(lambda: ({"a": 1}, 403), id="dict and status"),
    pytest.param(lambda: {"a": 1}, id="dict"),
    pytest.param(lambda: [1], id="list"),
    pytest.param(lambda: "text", id="text"),
    pytest.param(lambda: ("text", 403, {"X-A": "b", "WWW-Authenticate": "Bearer"}), id="text, status and headers"),
    pytest.param(lambda: ("text", {"X-A": "b"}), id="text and headers"),
    pytest.param(lambda: b"bytes", id="bytes"),
    pytest.param(lambda: flask.redirect("/login"), id="redirect"),
]


@pytest.mark.parametrize("returned", RETURNED)
def test_returned_by_a_callback_of_the_flask_app(returned: Callable[[], Any]) -> None:
    """
    A callback that is taken over may return whatever a Flask view may.
    """
    site = build_site("twin", lambda manager, respond: manager.unauthorized_loader(lambda reason: returned()))
    ours, theirs = site.ours.ask(), site.theirs.ask()
    assert (ours.status, ours.body) == (theirs.status, theirs.body)
    assert sorted(ours.headers) == sorted(theirs.headers)


@pytest.mark.parametrize("loader", ["token_in_blocklist_loader", "token_verification_loader", "user_lookup_loader"])
@pytest.mark.parametrize(
    ("error", "status"),
    [
        pytest.param(lambda: flask.abort(404), 404, id="abort"),
        pytest.param(lambda: flask.abort(flask.redirect("/login")), 302, id="abort with a response"),
        pytest.param(lambda: raise_(exceptions.RevokedTokenError({}, {})), 401, id="one of theirs"),
    ],
)
def test_error_of_a_callback_of_the_flask_app(loader: str, error: Callable[[], Any], status: int) -> None:
    """
    A callback that is taken over may answer by raising, as ``get_or_404`` does.
    """
    site = build_site("twin", lambda manager, respond: getattr(manager, loader)(lambda header, claims: error()))
    assert site.theirs.ask(**in_header(G)).status == status
    ours = site.ours.ask(**in_header(G))
    assert (ours.status, ours.lines("location")) == (status, site.theirs.ask(**in_header(G)).lines("location"))


@pytest.mark.parametrize(
    ("ours", "theirs", "status"),
    [
        (partial(jwt.NoAuthorizationError, "why"), partial(exceptions.NoAuthorizationError, "why"), 401),
        (partial(jwt.CSRFError, "why"), partial(exceptions.CSRFError, "why"), 401),
        (partial(jwt.InvalidHeaderError, "why"), partial(exceptions.InvalidHeaderError, "why"), 422),
        (partial(jwt.RevokedTokenError, "why"), partial(exceptions.RevokedTokenError, {}, {}), 401),
    ],
    ids=["none", "CSRF", "header", "revoked"],
)
def test_errors_of_the_app_itself(ours: Callable[[], Any], theirs: Callable[[], Any], status: int) -> None:
    """
    A view or a callback may raise an error itself; one that says there is no token is passed over where that is
    optional, but not when the user is looked up.
    """
    site = build_site("heir")
    assert site.theirs.run(lambda api: raise_(theirs())).status == status
    assert site.ours.run(lambda api: raise_(ours())).status == status
    for loader in ("token_in_blocklist_loader", "token_verification_loader", "user_lookup_loader"):

        def setup(manager: Any, respond: Any, loader: str = loader) -> None:
            error = theirs if isinstance(manager, flask_jwt_extended.JWTManager) else ours
            getattr(manager, loader)(lambda header, claims: raise_(error()))

        site = build_site("heir", setup)
        is_passed_over = isinstance(ours(), jwt.NoAuthorizationError) and loader != "user_lookup_loader"
        assert site.ask(**in_header(G)).status == status
        assert site.ask("/optional", **in_header(G)).status == (200 if is_passed_over else status)


def test_callbacks_of_the_flask_app() -> None:
    """
    A callback that is taken over runs in the app's context, and not in the event loop.
    """
    seen: list[tuple[str, bool]] = []

    def where(*args: Any) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            seen.append((flask.current_app.name, False))
        else:
            seen.append((flask.current_app.name, True))
        return None

    def setup(manager: Any, respond: Any) -> None:
        manager.token_in_blocklist_loader(where)
        manager.token_verification_loader(lambda header, claims: where() is None)
        manager.user_lookup_loader(lambda header, claims: where() or "Ada")
        manager.expired_token_loader(lambda header, claims: (where() or "expired", 401))

    site = build_site("twin", setup)
    assert site.ask(**in_header(G)).json["user"] == "Ada"
    assert site.ours.ask(**in_header(sign(claims(exp=5)))).body == b"expired"
    assert set(seen) == {(site.theirs.app.name, False)}
    assert len(seen) == 7


@each_site()
def test_order_of_callbacks(make_site: MakeSite) -> None:
    """
    Block list, verification, user; each only if what comes before was passed.
    """
    seen: list[Any] = []

    def setup(manager: Any, respond: Any) -> None:
        def register(name: str, result: Callable[[Any], Any]) -> None:
            def callback(header: Any, claims: Any) -> Any:
                seen.append((name, header, claims))
                return result(claims)

            getattr(manager, f"{name}_loader")(callback)

        register("token_in_blocklist", lambda claims: claims.get("no") == "token_in_blocklist")
        register("token_verification", lambda claims: claims.get("no") != "token_verification")
        register("user_lookup", lambda claims: None if claims.get("no") == "user_lookup" else "Ada")

    site = make_site(setup)
    names = ["token_in_blocklist", "token_verification", "user_lookup"]
    for page, changes, called, status in (
        ("/plain", {}, names, 200),
        ("/plain", {"no": names[0]}, names[:1], 401),
        ("/plain", {"no": names[1]}, names[:2], 400),
        ("/plain", {"no": names[2]}, names, 401),
        ("/skip", {"no": names[0]}, names[1:], 200),
        ("/fresh", {}, [], 401),
        ("/refresh", {}, [], 422),
        ("/plain", {"exp": 5}, [], 401),
        ("/plain", {"sub": ...}, [], 422),
    ):
        payload = claims(**changes)
        for side in site.sides:
            seen.clear()
            assert side.ask(page, **in_header(sign(payload))).status == status
            assert seen == [(name, {"alg": "HS256", "typ": "JWT"}, payload) for name in called]
    seen.clear()
    site.ask("/optional")
    assert seen == []


@each_site()
@pytest.mark.parametrize(
    ("loader", "result", "status"),
    [
        ("token_in_blocklist_loader", None, 200),
        ("token_in_blocklist_loader", 0, 200),
        ("token_in_blocklist_loader", "yes", 401),
        ("token_in_blocklist_loader", [0], 401),
        ("token_verification_loader", None, 400),
        ("token_verification_loader", "", 400),
        ("token_verification_loader", 1, 200),
        ("token_verification_loader", "yes", 200),
    ],
)
def test_result_of_a_callback(make_site: MakeSite, loader: str, result: Any, status: int) -> None:
    """
    What is true revokes, or verifies; a verification that returns nothing refuses.
    """
    site = make_site(lambda manager, respond: getattr(manager, loader)(lambda header, claims: result))
    assert site.ask(**in_header(G)).status == status


@each_site(both_flask=False)
@pytest.mark.parametrize("loader", ["token_in_blocklist_loader", "token_verification_loader", "user_lookup_loader"])
def test_callback_that_fails(make_site: MakeSite, loader: str) -> None:
    """
    What goes wrong in a callback isn't the token's fault: it is a 500 here, too, with the error in the log.
    """

    def fail(header: Any, claims: Any) -> Any:
        return claims["missing"]

    site = make_site(lambda manager, respond: getattr(manager, loader)(fail))
    for page in ("/plain", "/optional"):
        assert site.theirs.ask(page, **in_header(G)).status == 500
        with pytest.raises(KeyError):
            site.ours.ask(page, **in_header(G))


@each_site()
@pytest.mark.parametrize(
    ("view", "status"),
    [
        pytest.param(lambda api: api.decode_token("x"), 422, id="malformed"),
        pytest.param(lambda api: api.decode_token(sign(key=KEY[::-1])), 422, id="signature"),
        pytest.param(lambda api: api.decode_token(sign(claims(exp=5))), 401, id="expired"),
        pytest.param(lambda api: api.decode_token(G, "x"), 401, id="CSRF"),
        pytest.param(lambda api: api.decode_token(sign(claims(sub=...))), 422, id="no subject"),
        pytest.param(lambda api: api.get_jti("x"), 422, id="get_jti"),
        pytest.param(lambda api: api.get_csrf_token(sign(claims(exp=5))), 401, id="get_csrf_token"),
        pytest.param(lambda api: api.get_unverified_jwt_headers("x"), 422, id="get_unverified_jwt_headers"),
    ],
)
def test_errors_of_a_view(make_site: MakeSite, view: View, status: int) -> None:
    """
    An error that a view doesn't catch is answered as that of its guard.
    """
    ours, theirs = (side.run(view) for side in make_site().sides)
    assert ours.status == theirs.status == status
    assert list(ours.json) == list(theirs.json) == ["msg"]

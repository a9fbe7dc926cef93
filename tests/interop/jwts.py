"""
A Flask app with Flask-JWT-Extended and a FastAPI app with ours, which have the same settings; and tokens made by hand.

A request is asked of both, and ours must be judged as theirs. What a view does with a manager is a function of the
functions of either side, such as ``lambda api: api.create_access_token("ada")``.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, Literal
from urllib.parse import quote, urlencode

import flask
import flask_jwt_extended
import pytest
import time_machine
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from fastapi import Depends, FastAPI, Request, WebSocket
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.types import Message

from starlette_flask.jwt import JWTManager
from tests.helpers import Answer, Ask, ask_asgi, ask_wsgi, run_asgi, websocket_scope
from tests.interop.apps import make_flask_app

NOW = 1_700_000_000
"""When the stories begin: Tue, 14 Nov 2023 22:13:20 GMT."""

KEY = "0123456789abcdef" * 4
"""Long enough for HS512, as PyJWT warns of shorter ones."""

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]

PAGES: dict[str, dict[str, Any]] = {
    "/plain": {},
    "/optional": {"optional": True},
    "/fresh": {"fresh": True},
    "/refresh": {"refresh": True},
    "/any": {"verify_type": False},
    "/skip": {"skip_revocation_check": True},
    "/optional-fresh": {"optional": True, "fresh": True},
    "/optional-refresh": {"optional": True, "refresh": True},
    "/fresh-refresh": {"fresh": True, "refresh": True},
    "/fresh-any": {"fresh": True, "verify_type": False},
    "/headers": {"locations": "headers"},
    "/cookies": {"locations": ["cookies"]},
    "/query-json": {"locations": ("query_string", "json")},
    "/nowhere": {"locations": []},
}
"""The pages of both apps, and what they require."""

# What a view does with the functions of either side.
View = Callable[[Any], Any]

# Registers callbacks with either side's manager; the second argument makes a response of that side.
Setup = Callable[[Any, Callable[[Any, int], Any]], object]


# Tokens.


def claims(**changes: Any) -> dict[str, Any]:
    """
    Return the claims of a good access token of this second; ``...`` leaves one out.
    """
    good = {"fresh": False, "iat": NOW, "jti": "j", "type": "access", "sub": "ada", "nbf": NOW, "csrf": "c"}
    return {name: value for name, value in {**good, "exp": NOW + 900, **changes}.items() if value is not ...}


def sign(payload: Any = None, header: Any = None, *, key: str = KEY, signature: str | None = None) -> str:
    """
    Make a token by hand, which no library would make.

    Args:
        payload: The claims, or JSON as text or bytes.
        header: The header, the same.
        key: Signs it with HS256, whatever the header says.
        signature: What stands there instead.
    """
    parts = ({"alg": "HS256", "typ": "JWT"} if header is None else header, claims() if payload is None else payload)
    text = ".".join(_encoded(part) for part in parts)
    if signature is None:
        signature = _encoded(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())
    return f"{text}.{signature}"


def parts_of(token: str) -> tuple[str, str]:
    """
    Return a token's header and payload as they are written.
    """
    header, payload, _ = token.split(".")
    return _decoded(header), _decoded(payload)


def claims_of(token: str) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(parts_of(token)[1])
    return payload


def _encoded(part: Any) -> str:
    data = part if isinstance(part, bytes) else (part if isinstance(part, str) else json.dumps(part)).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decoded(part: str) -> str:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode()


@cache
def key_pair(family: str) -> tuple[str, str]:
    """
    Return a private and a public key, as PEM.

    Args:
        family: ``RSA``, a curve such as ``SECP256R1``, ``Ed25519`` or ``Ed448``.
    """
    key: Any
    if family == "RSA":
        key = rsa.generate_private_key(65537, 2048)
    elif family == "Ed25519":
        key = ed25519.Ed25519PrivateKey.generate()
    elif family == "Ed448":
        key = ed448.Ed448PrivateKey.generate()
    else:
        key = ec.generate_private_key(getattr(ec, family)())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


# How a token travels: options of a request.


def in_header(token: str, word: str = "Bearer") -> dict[str, Any]:
    return {"headers": [("authorization", f"{word} {token}")]}


def in_cookie(token: str, csrf: str | None = None, *, refresh: bool = False, **options: Any) -> dict[str, Any]:
    headers = [] if csrf is None else [("x-csrf-token", csrf)]
    return {"cookies": [f"{'refresh' if refresh else 'access'}_token_cookie={token}"], "headers": headers, **options}


def in_query(token: str) -> dict[str, Any]:
    return {"query": "jwt=" + quote(token)}


def in_json(content: Any, content_type: str | None = "application/json", method: str = "POST") -> dict[str, Any]:
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {"method": method, "body": body, "headers": _body_headers(body, content_type)}


def in_form(*fields: tuple[str, str]) -> dict[str, Any]:
    body = urlencode(fields).encode()
    return {"method": "POST", "body": body, "headers": _body_headers(body, "application/x-www-form-urlencoded")}


def _body_headers(body: bytes, content_type: str | None) -> list[tuple[str, str]]:
    return [("content-length", str(len(body))), *([("content-type", content_type)] if content_type else [])]


def together(*requests: dict[str, Any]) -> dict[str, Any]:
    """
    Return a request that is all of these at once.
    """
    merged: dict[str, Any] = {}
    for request in requests:
        for name, value in request.items():
            merged[name] = [*merged.get(name, ()), *value] if name in ("headers", "cookies") else value
    return merged


# The two apps.

FUNCTIONS = (
    "create_access_token",
    "create_refresh_token",
    "decode_token",
    "get_csrf_token",
    "get_jti",
    "get_unverified_jwt_headers",
    "set_access_cookies",
    "set_refresh_cookies",
    "unset_access_cookies",
    "unset_jwt_cookies",
    "unset_refresh_cookies",
)
"""What both sides have and needs no request."""


@dataclass
class Now:
    """
    What the page ``/do`` of both apps does at the moment.
    """

    view: View = str


def show(api: Any) -> str:
    """
    Return what a page shows of its token.
    """

    def seen(name: str) -> Any:
        try:
            return getattr(api, name)()
        except RuntimeError:
            return "RuntimeError"

    names = {"jwt": "get_jwt", "header": "get_jwt_header", "identity": "get_jwt_identity", "user": "get_current_user"}
    return json.dumps({key: seen(name) for key, name in names.items()}, sort_keys=True)


def their_api(**more: Any) -> SimpleNamespace:
    return SimpleNamespace(**vars(flask_jwt_extended), **more)


def our_api(manager: JWTManager, connection: HTTPConnection | None = None, **more: Any) -> SimpleNamespace:
    """
    Return our functions, named and called as theirs.
    """
    api = SimpleNamespace(**{name: getattr(manager, name) for name in FUNCTIONS}, **more)
    for name in ("get_jwt", "get_jwt_header", "get_jwt_identity", "current_user"):
        setattr(api, name, partial(getattr(manager, name), connection))
    api.get_current_user = api.current_user
    return api


def their_app(config: Mapping[str, Any], setup: Setup | None = None, *, now: Now, after: View | None) -> flask.Flask:
    """
    Return a Flask app with Flask-JWT-Extended.

    Args:
        config: Flask's config keys.
        setup: Registers callbacks.
        now: What ``/do`` does.
        after: Called with each response, as the recipe for the implicit refresh is.
    """
    app = make_flask_app(**{"PROPAGATE_EXCEPTIONS": False, **config})
    manager = flask_jwt_extended.JWTManager(app)
    if setup is not None:
        setup(manager, lambda content, status: (flask.jsonify(content), status))

    def page() -> Any:
        return flask.Response(show(their_api()), mimetype="application/json")

    for path, options in PAGES.items():
        view = flask_jwt_extended.jwt_required(**options)(page)
        app.add_url_rule(path, path[1:], view, methods=METHODS, provide_automatic_options=False)

    @app.post("/echo")
    @flask_jwt_extended.jwt_required()  # type: ignore[untyped-decorator]  # returns Any
    def echo() -> Any:
        content = flask.request.form.to_dict() or flask.request.json
        return flask.Response(json.dumps(content), mimetype="application/json")

    @app.route("/do", methods=["GET", "POST"])
    def do() -> Any:
        response = flask.Response(mimetype="application/json")
        response.set_data(json.dumps(now.view(their_api(response=response))))
        return response

    @app.after_request
    def call_after(response: flask.Response) -> flask.Response:
        if after is not None:
            after(their_api(response=response))
        return response

    return app


def our_app(manager: JWTManager, *, now: Now, after: View | None) -> FastAPI:
    """
    Return a FastAPI app with the same pages, and the same as WebSockets under ``/live``.
    """
    app = FastAPI()
    manager.init_app(app)

    async def page(request: Request) -> Response:
        return Response(show(our_api(manager, request)), media_type="application/json")

    async def live(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(show(our_api(manager, websocket)))

    for path, options in PAGES.items():
        guard = [Depends(manager.jwt_required(**options))]
        app.add_api_route(path, page, methods=METHODS, dependencies=guard, include_in_schema=False)
        app.add_api_websocket_route("/live" + path, live, dependencies=guard)

    @app.post("/echo", dependencies=[Depends(manager.jwt_required())])
    async def echo(request: Request) -> Response:
        content = dict(await request.form()) or await request.json()
        return Response(json.dumps(content), media_type="application/json")

    @app.api_route("/do", methods=["GET", "POST"])
    async def do(request: Request) -> Response:
        response = Response(media_type="application/json")
        response.body = json.dumps(now.view(our_api(manager, request, response=response))).encode()
        response.headers["content-length"] = str(len(response.body))
        return response

    if after is not None:

        @app.middleware("http")
        async def call_after(request: Request, call_next: Any) -> Any:
            response = await call_next(request)
            after(our_api(manager, request, response=response))
            return response

    return app


# A site.

Kind = Literal["flask", "twin", "heir", "keywords", "async"]

KINDS: tuple[Kind, ...] = ("twin", "heir", "keywords", "async")
"""
Where our manager has its settings from: everything of the Flask app; its config; keywords. ``async``: its config, and
callbacks of ours are ``async def``.
"""

DEFAULTS = {"JWT_SECRET_KEY": KEY}


@dataclass
class Side:
    """
    One of two apps.
    """

    app: Any
    ask_app: Ask
    call: Callable[[View], Any]
    """Calls a view without a request."""
    now: Now = field(default_factory=Now)

    def ask(self, path: str = "/plain", *, query: str = "", **request: Any) -> Answer:
        return self.ask_app(path + (query and "?" + query), **request)

    def run(self, view: View, **request: Any) -> Answer:
        """
        Call a view in a request.
        """
        self.now.view = view
        return self.ask("/do", **request)


class Site:
    """
    Two apps with the same settings.

    Args:
        kind: Where ours has its settings from; ``flask``: it is a Flask app, which shows what the story is told of.
        config: Flask's config keys.
        setup: Registers callbacks; with the Flask app's manager only, where ours takes them over.
        after: As for `their_app`.
    """

    def __init__(self, kind: Kind, config: Mapping[str, Any], setup: Setup | None, after: View | None) -> None:
        self.kind = kind
        config = {**DEFAULTS, **config}
        self.theirs = _their_side(config, setup, after)
        if kind == "flask":
            self.ours = _their_side(config, setup, after)
        else:
            self.manager = _our_manager(kind, config, setup, self.theirs.app)
            self.ours = _our_side(self.manager, after)

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.ours, self.theirs

    def ask(self, path: str = "/plain", *, broken: int = 422, **request: Any) -> Answer:
        """
        Ask both, check that ours is judged as theirs, and return their answer.

        Args:
            path: Which page.
            broken: What is here what is a 500 there.
            request: As for `tests.helpers.ask_asgi`; and *query*.
        """
        ours, theirs = self.ours.ask(path, **request), self.theirs.ask(path, **request)
        expected = theirs.status if self.kind == "flask" or theirs.status != 500 else broken
        assert ours.status == expected, f"\nours:   {ours}\ntheirs: {theirs}"
        assert ours.set_cookie == theirs.set_cookie
        if theirs.status == 200:
            assert ours.body == theirs.body
        elif theirs.status != 500:
            assert_same_shape(ours, theirs)
        elif self.kind != "flask":
            assert all(type(text) is str for text in ours.json.values()), ours
        return theirs


def assert_same_shape(ours: Answer, theirs: Answer) -> None:
    """
    Check that two errors have the same keys; the text may be another.
    """
    assert ours.lines("content-type") == theirs.lines("content-type") == ["application/json"]
    assert list(ours.json) == list(theirs.json)
    assert [type(value) for value in ours.json.values()] == [type(value) for value in theirs.json.values()]
    assert all(ours.json.values())


def _their_side(config: Mapping[str, Any], setup: Setup | None, after: View | None) -> Side:
    now = Now()
    app = their_app(config, setup, now=now, after=after)

    def call(view: View) -> Any:
        with app.app_context():
            return view(their_api())

    return Side(app, partial(ask_wsgi, app), call, now)


def _our_side(manager: JWTManager, after: View | None) -> Side:
    now = Now()
    app = our_app(manager, now=now, after=after)
    return Side(app, partial(ask_asgi, app), lambda view: view(our_api(manager)), now)


def _our_manager(kind: Kind, config: Mapping[str, Any], setup: Setup | None, flask_app: flask.Flask) -> JWTManager:
    if kind == "twin":
        return JWTManager.from_flask(flask_app)
    manager = JWTManager(**keywords(config)) if kind == "keywords" else JWTManager.from_mapping(flask_app.config)
    if setup is not None:
        setup(_AsyncCallbacks(manager) if kind == "async" else manager, JSONResponse)
    return manager


def keywords(config: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return config keys as keywords of our manager.
    """
    return {name.removeprefix("JWT_").lower(): value for name, value in config.items()}


class _AsyncCallbacks:
    """
    Registers callbacks as ``async def``, but those that make tokens, for which nothing waits.
    """

    def __init__(self, manager: JWTManager) -> None:
        self._manager = manager

    def __getattr__(self, name: str) -> Callable[[Callable[..., Any]], Any]:
        register = getattr(self._manager, name)
        if name in ("user_identity_loader", "additional_claims_loader", "additional_headers_loader"):
            return register  # type: ignore[no-any-return]  # a decorator, whichever it is
        if name in ("encode_key_loader", "decode_key_loader"):
            return register  # type: ignore[no-any-return]

        def decorator(callback: Callable[..., Any]) -> Any:
            async def call(*args: Any) -> Any:
                return callback(*args)

            return register(call)

        return decorator


MakeSite = Callable[..., Site]


def build_site(kind: Kind, setup: Setup | None = None, *, after: View | None = None, **config: Any) -> Site:
    """
    Return a site; one without callbacks is kept for later tests.
    """
    # Flask-JWT-Extended appends to the list of algorithms that it is given.
    config = {name: list(value) if isinstance(value, list) else value for name, value in config.items()}
    if setup is not None or after is not None:
        return Site(kind, config, setup, after)
    key = kind, repr(sorted(config.items()))
    if key not in _SITES:
        _SITES[key] = Site(kind, config, None, None)
    return _SITES[key]


_SITES: dict[tuple[Kind, str], Site] = {}


def each_site(kinds: Collection[Kind] = KINDS, *, both_flask: bool = True) -> pytest.MarkDecorator:
    """
    Return a mark that tells a story with each kind of site.

    Args:
        kinds: Which.
        both_flask: Tell it with Flask at both ends too: it is true of Flask-JWT-Extended itself.
    """
    all_kinds: Iterable[Kind] = ("flask", *kinds) if both_flask else kinds
    params = [pytest.param(partial(build_site, kind), id=kind) for kind in all_kinds]
    return pytest.mark.parametrize("make_site", params)


# WebSockets.


def shake_hands(site: Site, path: str = "/plain", *, query: str = "", can_deny: bool = True, **request: Any) -> Any:
    """
    Open a WebSocket of our app; return the messages it sends.

    Args:
        path: The page with the same requirements.
        query: The query string.
        can_deny: The server can send a response instead of opening.
        request: As for `tests.helpers.websocket_scope`.
    """
    scope = websocket_scope("/live" + path + (query and "?" + query), **request)
    if not can_deny:
        del scope["extensions"]
    sent: list[Message] = run_asgi(site.ours.app, scope, [{"type": "websocket.connect"}])
    return sent


# Stories.

G = sign()
"""A good access token."""

EVERYWHERE = ("headers", "cookies", "query_string", "json")

PINNED = {"jti": "j", "csrf": "c"}
"""What is random otherwise."""

NAMES = {
    "JWT_ACCESS_COOKIE_NAME": "a",
    "JWT_REFRESH_COOKIE_NAME": "r",
    "JWT_ACCESS_CSRF_HEADER_NAME": "X-A",
    "JWT_REFRESH_CSRF_HEADER_NAME": "X-R",
    "JWT_ACCESS_CSRF_FIELD_NAME": "fa",
    "JWT_REFRESH_CSRF_FIELD_NAME": "fr",
    "JWT_ACCESS_CSRF_COOKIE_NAME": "ca",
    "JWT_REFRESH_CSRF_COOKIE_NAME": "cr",
}
"""Other names than the default ones."""

FLAG_TOKENS = {
    "none": None,
    "access": claims(),
    "fresh": claims(fresh=True),
    "fresh for a while": claims(fresh=NOW + 1.5),
    "fresh until now": claims(fresh=NOW),
    "fresh until a moment ago": claims(fresh=NOW - 0.5),
    "refresh": claims(type="refresh"),
    "fresh refresh": claims(type="refresh", fresh=True),
    "no type": claims(type=...),
    "null type": claims(type=None),
    "unknown type": claims(type="other"),
    "expired": claims(exp=NOW),
    "expired refresh": claims(type="refresh", exp=NOW),
    "not yet valid": claims(nbf=NOW + 1),
    "issued in the future": claims(iat=NOW + 1),
    "no claims but the identity": {"sub": "ada"},
    "no identity": claims(sub=...),
    "revoked": claims(jti="revoked"),
    "revoked refresh": claims(type="refresh", jti="revoked"),
    "not verified": claims(verified=False),
    "nobody": claims(sub="nobody"),
    "revoked, not verified, nobody": claims(jti="revoked", verified=False, sub="nobody"),
    "not verified, nobody": claims(verified=False, sub="nobody"),
}

"""Each kind of token."""


def with_callbacks(manager: Any, respond: Any = None) -> None:
    """
    Register a block list, a verification and a user lookup.
    """
    manager.token_in_blocklist_loader(lambda header, claims: claims["jti"] == "revoked")
    manager.token_verification_loader(lambda header, claims: claims.get("verified", True))
    manager.user_lookup_loader(lambda header, claims: {"ada": "Ada", "": "Nameless"}.get(claims["sub"]))


def travel_to(seconds: float) -> time_machine.travel:
    """
    Freeze the clock so many seconds after `NOW`.
    """
    return time_machine.travel(NOW + seconds, tick=False)


def access(identity: Any = "ada", **options: Any) -> View:
    """
    Return a view that makes an access token with nothing random in it.
    """
    options["additional_claims"] = {**PINNED, **options.get("additional_claims", {})}
    return lambda api: api.create_access_token(identity, **options)


def refresh(identity: Any = "ada", **options: Any) -> View:
    """
    Return a view that makes a refresh token with nothing random in it.
    """
    options["additional_claims"] = {**PINNED, **options.get("additional_claims", {})}
    return lambda api: api.create_refresh_token(identity, **options)


def both_make(site: Site, view: View) -> str:
    """
    Check that both sides make the same token, and return it.
    """
    ours, theirs = (side.call(view) for side in site.sides)
    assert type(ours) is str
    assert parts_of(ours) == parts_of(theirs)
    assert ours == theirs
    return ours


def refused(name: str, *args: Any, **options: Any) -> View:
    """
    Return a view that says whether a function of either side raises, whichever of its errors.
    """

    def view(api: Any) -> bool:
        try:
            getattr(api, name)(*args, **options)
        except Exception:
            return True
        return False

    return view

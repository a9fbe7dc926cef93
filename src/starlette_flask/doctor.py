"""
Looks at a Flask app and an ASGI app that are to share their users, and tells what would go wrong between them.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.middleware.sessions import SessionMiddleware as StarletteSessionMiddleware
from starlette.routing import Mount

from starlette_flask.checks import Unset
from starlette_flask.config import SessionConfig
from starlette_flask.csrf import CSRFConfig
from starlette_flask.exceptions import ConfigError
from starlette_flask.login.manager import LoginManager
from starlette_flask.middleware.csrf import CSRFMiddleware
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.middleware.sessions import SessionMiddleware

_STRANGER = "who logs in to one app is a stranger in the other"
_TWICE = "users get two sessions, and logging out ends one of them"

# What a user notices if the two cookies differ in this.
_NOTICED = {
    "session_cookie": _STRANGER,
    "secret_key": _STRANGER,
    "secret_key_fallbacks": "users whose cookie an older key has signed are logged out in one app",
    "salt": _STRANGER,
    "signer_kwargs": _STRANGER,
    "serializer": "what is in a session changes its type, or is lost, from one app to the other",
    "domain": _TWICE,
    "path": _TWICE,
    "partitioned": _TWICE,
    "lifetime": "users are logged out earlier in one app than in the other",
    "max_age": "the browser keeps the cookie of one app longer than that of the other",
    "refresh_each_request": "a permanent session runs out for those who use one app only",
    "same_site": "links from other sites find users logged in after visits to one app only",
    "https_only": "one app lets browsers send the cookie over plain HTTP",
    "http_only": "one app shows the cookie to JavaScript",
}
_FROM_FLASK = "SessionMiddleware(config=SessionConfig.from_flask(flask_app))"


@dataclass(frozen=True)
class Finding:
    """
    Something that is wrong between the two.

    Args:
        check: What was looked at, in a word.
        what: What is wrong, and what a user notices.
        fix: What to do.
    """

    check: str
    what: str
    fix: str


def examine(flask_app: Any, asgi_app: Any) -> list[Finding]:
    """
    Return what is wrong between a Flask app and the ASGI app that is to share its users; nothing if they are sound.

    Both must be set up. Neither is asked for a page; sessions are passed from one to the other.
    """
    return list(_examine(flask_app, list(_layers(asgi_app)), list(_routes(asgi_app))))


def _examine(flask_app: Any, layers: list[Any], routes: list[tuple[str, Any]]) -> Iterator[Finding]:
    yield from _a2wsgi(flask_app, routes)
    yield from _order(layers)
    yield from _starlette_sessions(flask_app, layers)
    ours = [layer for layer in layers if isinstance(layer, SessionMiddleware)]
    if not ours:
        yield Finding("middleware", f"the ASGI app has no SessionMiddleware: {_STRANGER}", f"add {_FROM_FLASK}")
        return
    try:
        theirs = SessionConfig.read_flask(flask_app)
    except ConfigError as exc:
        yield Finding("flask", f"the Flask app's session can't be shared: {exc}", "as said")
        return
    if refusal := theirs.cookie.browser_refusal():
        yield Finding("cookie", f"users can't stay logged in: {refusal}", "change the Flask app's config")
    if any(layer.config != ours[0].config for layer in ours):
        yield Finding(
            "twice", "two SessionMiddleware differ: one undoes what the other has saved", "remove one of them"
        )
    differences = list(_differences(ours[0].config, theirs))
    yield from differences
    yield from _cookie_path(theirs, routes)
    if not differences:
        yield from _round_trip(flask_app, ours[0].config, theirs)
    yield from _login(flask_app, layers)
    yield from _csrf(flask_app, layers)


def _layers(app: Any) -> Iterator[Any]:
    """
    Yield the middleware around an ASGI app, from the outside.
    """
    while app is not None:
        yield app
        for middleware in getattr(app, "user_middleware", ()):
            known = (SessionMiddleware, StarletteSessionMiddleware, LoginMiddleware, CSRFMiddleware)
            if isinstance(middleware.cls, type) and issubclass(middleware.cls, known):
                yield middleware.cls(app, *middleware.args, **middleware.kwargs)
        app = None if hasattr(app, "routes") else getattr(app, "app", None)


def _routes(app: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """
    Yield the paths of an app's routes and what answers there, mounted apps too.
    """
    while app is not None and not hasattr(app, "routes"):
        app = getattr(app, "app", None)
    for route in getattr(app, "routes", ()):
        path = prefix + getattr(route, "path", "")
        yield path, getattr(route, "app", None)
        if isinstance(route, Mount):
            yield from _routes(route.app, path)


def _a2wsgi(flask_app: Any, routes: Iterable[tuple[str, Any]]) -> Iterator[Finding]:
    for path, app in routes:
        if type(app).__module__.partition(".")[0] == "a2wsgi" and getattr(app, "app", None) is flask_app:
            yield Finding(
                "a2wsgi",
                f"Flask is mounted at {path or '/'} with a2wsgi: on uvicorn, a stranger on the same connection can"
                " become the user who uploaded a file before",
                "mount it with starlette_flask.middleware.wsgi.WSGIMiddleware, or run uvicorn --reset-contextvars",
            )


def _order(layers: list[Any]) -> Iterator[Finding]:
    sessions = [index for index, layer in enumerate(layers) if isinstance(layer, SessionMiddleware)]
    for index, layer in enumerate(layers):
        if isinstance(layer, (LoginMiddleware, CSRFMiddleware)) and sessions and index < sessions[0]:
            name = type(layer).__name__
            yield Finding(
                "order",
                f"{name} is outside SessionMiddleware, and finds no session",
                f"call add_middleware({name}, ...) before add_middleware(SessionMiddleware, ...)",
            )


def _starlette_sessions(flask_app: Any, layers: list[Any]) -> Iterator[Finding]:
    name = flask_app.config.get("SESSION_COOKIE_NAME", "session")
    for layer in layers:
        if isinstance(layer, StarletteSessionMiddleware) and layer.session_cookie == name:
            yield Finding(
                "starlette",
                f"Starlette's own SessionMiddleware writes the cookie {name!r} in a format that Flask can't read:"
                " each app logs out the users of the other",
                "import SessionMiddleware from starlette_flask, with accept_starlette_cookies=True to keep its users",
            )


def _differences(ours: SessionConfig, theirs: SessionConfig) -> Iterator[Finding]:
    mine, others = _comparable(ours), _comparable(theirs)
    for keyword, value in mine.items():
        other = others[keyword]
        if value != other:
            yield Finding(
                keyword,
                f"{keyword} is {_shown(keyword, other)} in Flask and {_shown(keyword, value)} in the ASGI app:"
                f" {_NOTICED[keyword]}",
                _FROM_FLASK,
            )


def _comparable(config: SessionConfig) -> dict[str, Any]:
    return {
        **config.identity(),
        "lifetime": config.accepted_age,
        "max_age": None if isinstance(config.max_age, Unset) else config.max_age,
        "refresh_each_request": config.refresh_each_request,
        "same_site": config.same_site,
        "https_only": config.https_only,
        "http_only": config.http_only,
    }


def _shown(keyword: str, value: Any) -> str:
    if keyword in ("secret_key", "salt"):
        return fingerprint(value)
    if keyword == "secret_key_fallbacks":
        return f"[{', '.join(map(fingerprint, value))}]"
    if keyword == "signer_kwargs":
        return f"{value['key_derivation']}/{getattr(value['digest_method'], '__name__', 'another digest')}"
    if keyword == "serializer":
        return f"{type(value).__module__}.{type(value).__name__}"
    return repr(value)


def fingerprint(secret: bytes) -> str:
    """
    Return what tells one secret from another, and nothing else of it.
    """
    return f"#{hashlib.sha256(secret).hexdigest()[:8]}"


def _cookie_path(theirs: SessionConfig, routes: Iterable[tuple[str, Any]]) -> Iterator[Finding]:
    inside = theirs.path.rstrip("/") + "/"
    documents = ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc")
    outside = [path for path, _ in routes if path not in documents and not f"{path}/".startswith(inside)]
    if outside:
        yield Finding(
            "cookie_path",
            f"the cookie's path is {theirs.path!r}, so that browsers don't send it to {outside[0] or '/'}:"
            " users are strangers there",
            'set SESSION_COOKIE_PATH = "/" in the Flask app',
        )


def _round_trip(flask_app: Any, ours: SessionConfig, theirs: SessionConfig) -> Iterator[Finding]:
    data = {"id": UUID(int=1), "list": ["é", 1, None], "pair": (1.5, True)}
    interface = flask_app.session_interface
    try:
        value = ours.signing_serializer.dumps(data)
        headers = {"Cookie": f"{ours.session_cookie}={value}"}
        with flask_app.test_request_context(headers=headers) as context:
            read = dict(interface.open_session(flask_app, context.request))
            response = flask_app.response_class()
            session = interface.open_session(flask_app, context.request)
            session["written"] = True
            interface.save_session(flask_app, session, response)
        lines = response.headers.getlist("Set-Cookie")
        values = [theirs.cookie.value_set_by(line.encode(), "/") for line in lines]
        written = ours.signing_serializer.loads(values[-1] or b"", ours.accepted_age)
    except Exception as exc:  # whatever it is, the sessions don't go round
        yield Finding("round_trip", f"a session doesn't come through ({type(exc).__name__}: {exc})", _FROM_FLASK)
        return
    for way, came, sent in (("to Flask", read, data), ("from Flask", written, {**data, "written": True})):
        if came != sent:
            yield Finding("round_trip", f"a session is another one when it comes {way}: {_STRANGER}", _FROM_FLASK)


def _login(flask_app: Any, layers: list[Any]) -> Iterator[Finding]:
    managers = [layer.manager for layer in layers if isinstance(layer, LoginMiddleware)]
    if not managers or getattr(flask_app, "login_manager", None) is None:
        return
    try:
        theirs = LoginManager.from_flask(flask_app)
    except ConfigError as exc:
        yield Finding("login", f"Flask-Login can't be followed: {exc}", "as said")
        return
    fix = "LoginMiddleware(manager=LoginManager.from_flask(flask_app))"
    for name in ("session_protection", "id_attribute", "use_session_for_next", "remember_cookie_refresh_each_request"):
        ours, other = getattr(managers[0], name), getattr(theirs, name)
        if ours != other:
            yield Finding("login", f"{name} is {other!r} in Flask and {ours!r} in the ASGI app", fix)
    if managers[0].remember_cookie != theirs.remember_cookie:
        what = "the remember cookies differ: users are remembered, or logged out, in one app only"
        yield Finding("remember_cookie", what, fix)


def _csrf(flask_app: Any, layers: list[Any]) -> Iterator[Finding]:
    configs = [layer.config for layer in layers if isinstance(layer, CSRFMiddleware)]
    if configs and "csrf" in flask_app.extensions and configs[0] != CSRFConfig.from_flask(flask_app):
        yield Finding(
            "csrf",
            "the settings of CSRF tokens differ: a form that one app renders is refused by the other",
            "CSRFMiddleware(config=CSRFConfig.from_flask(flask_app))",
        )

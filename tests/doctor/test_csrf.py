"""
Flask-WTF's tokens.
"""

from typing import Any

import flask
import flask_wtf  # type: ignore[import-untyped]  # ships no types
import pytest
from fastapi import Depends
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from starlette_flask.csrf import CSRFConfig, csrf_exempt, csrf_protect
from starlette_flask.middleware.csrf import CSRFMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.doctor.pairs import KEY, OTHER_KEY, checks, make_flask, make_shared, one_finding, show


def make_guarded(**settings: Any) -> Any:
    app = make_flask(**settings)
    flask_wtf.CSRFProtect(app)
    return app


def guard(**options: Any) -> Middleware:
    return Middleware(CSRFMiddleware, **{"secret_key": KEY, **options})


class StarletteCSRFMiddleware:
    """
    A guard of another project.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


@csrf_exempt
def hook() -> None: ...


@pytest.mark.parametrize(
    ("settings", "endpoint", "inside", "found"),
    [
        pytest.param({}, show, [], ["csrf_middleware"], id="not guarded"),
        pytest.param({}, show, [guard()], [], id="guarded"),
        pytest.param({}, show, [Middleware(StarletteCSRFMiddleware)], [], id="guarded by another"),
        pytest.param({}, hook, [], [], id="exempt"),
        pytest.param({"WTF_CSRF_ENABLED": False}, show, [], [], id="nor is Flask"),
        pytest.param({"WTF_CSRF_CHECK_DEFAULT": False}, show, [], [], id="nor is Flask by default"),
        pytest.param({"WTF_CSRF_METHODS": ["DELETE"]}, show, [], [], id="not this method"),
        pytest.param({"WTF_CSRF_TIME_LIMIT": 1.5}, show, [], [], id="can't be followed, needn't be"),
    ],
)
def test_unguarded(settings: dict[str, Any], endpoint: Any, inside: list[Any], found: list[str]) -> None:
    """
    What changes something is to be guarded, if Flask's views are.
    """
    app = make_guarded(**settings)
    ours = make_shared(app, *inside)
    ours.add_api_route("/note", endpoint, methods=["POST"])
    assert checks(app, ours) == found


def test_a_view_that_guards_itself() -> None:
    """
    csrf_protect needs the middleware.
    """
    app = make_flask()
    ours = make_shared(app)
    ours.add_api_route("/note", show, methods=["POST"], dependencies=[Depends(csrf_protect)])
    finding = one_finding(app, ours)
    assert finding.check == "csrf_middleware"
    assert finding.what == "/note depends on csrf_protect, without CSRFMiddleware around it: it ends in an error"


@pytest.mark.parametrize(
    ("settings", "options", "what"),
    [
        pytest.param({}, {"field_name": "token"}, "field_name of CSRF tokens is 'csrf_token' in Flask and 'token'"),
        pytest.param(
            {}, {"headers": ["X-Token"]}, "headers of CSRF tokens is ['x-csrf-token', 'x-csrftoken'] in Flask"
        ),
        pytest.param(
            {}, {"methods": ["POST"]}, "methods of CSRF tokens is ['DELETE', 'PATCH', 'POST', 'PUT'] in Flask"
        ),
        pytest.param({}, {"ssl_strict": False}, "ssl_strict of CSRF tokens is True in Flask and False"),
        pytest.param({}, {"enabled": False}, "enabled of CSRF tokens is True in Flask and False"),
        pytest.param({"WTF_CSRF_TIME_LIMIT": 60}, {}, "time_limit of CSRF tokens is 60 in Flask and 3600"),
    ],
)
def test_different(settings: dict[str, Any], options: dict[str, Any], what: str) -> None:
    """
    What differs is named.
    """
    app = make_guarded(**settings)
    finding = one_finding(app, make_shared(app, guard(**options)))
    assert finding.check == "csrf"
    assert finding.what.startswith(what)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"secret_key": KEY.encode()}, id="key of bytes"),
        pytest.param({"secret_key_fallbacks": [OTHER_KEY]}, id="older keys, which Flask-WTF doesn't know"),
        pytest.param({"headers": ["x-csrf-token", "x-csrftoken"]}, id="headers in another case"),
        pytest.param({"meta_name": "token"}, id="the name of a tag"),
    ],
)
def test_the_same(options: dict[str, Any]) -> None:
    """
    What means the same, or is each side's own, is no finding.
    """
    app = make_guarded()
    assert checks(app, make_shared(app, guard(**options))) == []


def test_can_t_be_followed() -> None:
    """
    Settings that Flask-WTF takes, and ours doesn't, are a finding.
    """
    app = make_guarded(WTF_CSRF_TIME_LIMIT=1.5)
    finding = one_finding(app, make_shared(app, guard()))
    assert finding.check == "csrf"
    assert finding.what == "Flask-WTF's tokens can't be shared: time_limit must be whole seconds or None, not float"


def make_with_hook(*, guards: bool = True) -> flask.Flask:
    """
    Return a Flask app with a blueprint that needs no token.
    """
    app = make_flask()
    hooks = flask.Blueprint("hooks", __name__)
    hooks.add_url_rule("/hook", "hook", lambda: "hooked", methods=["POST"])
    app.register_blueprint(hooks)
    if guards:
        flask_wtf.CSRFProtect(app).exempt(hooks)
    return app


@pytest.mark.parametrize("guards", [True, False])
@pytest.mark.parametrize(
    ("options", "path", "found"),
    [
        pytest.param({}, "/legacy", ["csrf_mount"], id="all"),
        pytest.param({"exempt_mounts": ["/legacy"]}, "/legacy", [], id="exempt"),
        pytest.param({"exempt_mounts": ["/"]}, "/", [], id="exempt at /"),
        pytest.param({"exempt_paths": [r"/legacy/.*"]}, "/legacy", [], id="exempt by path"),
        pytest.param({"check_default": False}, "/legacy", None, id="nothing is checked"),
        pytest.param({"exempt_mounts": ["/old"]}, "/legacy", ["csrf_mount", "csrf_mount"], id="another mount"),
    ],
)
def test_a_guard_around_flask(guards: bool, options: dict[str, Any], path: str, found: list[str] | None) -> None:
    """
    A guard around the Flask app must let through what needs no token there.
    """
    app = make_with_hook(guards=guards)
    ours = make_shared(app, guard(**options))
    ours.mount(path, WSGIMiddleware(app))
    assert checks(app, ours) == ((["csrf"] if guards else []) if found is None else found)


def test_a_guard_that_can_t_be_made() -> None:
    """
    With middleware that can't be made, that is all that is said.
    """
    app = make_with_hook()
    ours = make_shared(app, guard(secret_key=""))
    ours.mount("/legacy", WSGIMiddleware(app))
    assert checks(app, ours) == ["middleware"]


def test_a_guard_around_a_mount_in_a_mount() -> None:
    """
    The path of a mount is that in the app which the guard is around.
    """
    app = make_with_hook()
    inner = make_shared(app, Middleware(CSRFMiddleware, config=CSRFConfig.from_flask(app)))
    inner.mount("/legacy", WSGIMiddleware(app))
    ours = make_shared(app)
    ours.mount("/v1", inner)
    finding = one_finding(app, ours)
    assert finding.what.startswith("CSRFMiddleware is around the Flask app at /v1/legacy, and refuses POST /hook")
    assert 'exempt_mounts=("/legacy",)' in finding.fix

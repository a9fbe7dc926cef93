"""
Users of Flask-Login.
"""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import flask_login  # type: ignore[import-untyped]  # ships no types
import pytest
from fastapi import Depends
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.doctor import Finding, examine
from starlette_flask.login import LoginBackend, LoginManager, login_required
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.doctor.pairs import KEY, checks, make_api, make_flask, make_shared, one_finding, show


def make_login_flask(**settings: Any) -> Any:
    app = make_flask(**settings)
    flask_login.LoginManager(app).user_loader(lambda user_id: None)
    return app


def make_login_api(app: Any, manager: LoginManager | None = None, *more: Middleware, **keywords: Any) -> Any:
    """
    Return an ASGI app with this manager, or that of the Flask app with keywords.
    """
    manager = manager or LoginManager.from_flask(app, **keywords)
    return make_shared(app, *more, Middleware(LoginMiddleware, manager=manager))


def test_own_identifier() -> None:
    """
    What Flask-Login knows sessions by in code of the app's own can't be followed; without our middleware, needn't.
    """
    app = make_login_flask()
    ours = make_login_api(app)
    app.login_manager._session_identifier_generator = lambda: "id"
    finding = one_finding(app, ours)
    assert finding.check == "login"
    assert finding.what.startswith("users of Flask-Login can't be shared: the Flask app's login manager has a session")
    assert finding.fix == "set its session_protection to None"
    assert checks(app, make_shared(app)) == []


def find_user(request: Request) -> Any:
    return request.session.get("_user_id")


async def find_user_within(request: Request) -> Any:
    def find() -> Any:
        return request.session["_user_id"]

    return find()


def with_dependency(user: Annotated[Any, Depends(find_user)]) -> None: ...


@wraps(find_user)
def wrapped(request: Request) -> Any:
    return find_user(request)


@pytest.mark.parametrize("view", [find_user, find_user_within, with_dependency, wrapped])
def test_by_hand(view: Any) -> None:
    """
    A view that takes the user out of the session by hand is found, however it does; with the middleware, it may.
    """
    app = make_login_flask()
    for make, found in ((make_shared, ["login_middleware"]), (make_login_api, [])):
        ours = make(app)
        ours.add_api_route("/who", view, response_model=None)
        assert checks(app, ours) == found
    ours = make_shared(make_flask())
    ours.add_api_route("/who", view, response_model=None)
    assert checks(make_flask(), ours) == []


def test_somebody_else_s_login_manager() -> None:
    """
    What another extension calls login_manager is left alone.
    """
    app = make_flask()
    app.login_manager = object()  # type: ignore[attr-defined]  # not Flask-Login's
    assert checks(app, make_shared(app)) == []


@pytest.mark.parametrize("has_session", [True, False])
def test_a_backend_without_its_middleware(has_session: bool) -> None:
    """
    LoginBackend needs LoginMiddleware, where there is a session.
    """
    app = make_flask()
    backend = LoginBackend(LoginManager(secret_key=KEY))
    ours = make_api()
    ours.add_middleware(AuthenticationMiddleware, backend=backend)
    regex = ".*" if has_session else "/docs"
    ours.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(app), allow_path_regex=regex)
    assert checks(app, ours)[-1:] == (["login_middleware"] if has_session else ["allow_path_regex"])


def test_a_view_without_a_session() -> None:
    """
    A view that asks for the user must have a session, too.
    """
    app = make_login_flask()
    ours = make_api()
    ours.add_api_route("/account", show, dependencies=[Depends(login_required)])
    ours.add_middleware(LoginMiddleware, manager=LoginManager.from_flask(app))
    ours.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(app), allow_path_regex="/api/.*")
    finding = one_finding(app, ours)
    assert finding.check == "login_middleware"
    assert finding.what.startswith("/account needs login_required, without LoginMiddleware inside a SessionMiddleware")


def views(
    *, mounted: str | None = None, wrap: Callable[[Any], Any] = lambda app: app, **keywords: Any
) -> list[Finding]:
    app = make_login_flask()
    ours = make_login_api(app, **keywords)
    ours.add_api_route("/users/{user_id}/login", show, name="log_in")
    if mounted is not None:
        ours.mount(mounted, WSGIMiddleware(wrap(app)))
    return examine(app, ours)


@pytest.mark.parametrize(
    ("options", "is_there"),
    [
        pytest.param({"login_view": "https://accounts.example.com/"}, True, id="URL"),
        pytest.param({"login_view": "log_in"}, True, id="the name of a route"),
        pytest.param({"login_view": "users:log_in"}, True, id="the name of a route in a mount"),
        pytest.param({"login_view": "page", "mounted": "/legacy"}, True, id="an endpoint"),
        pytest.param({"login_view": "page"}, False, id="an endpoint of an app that isn't mounted"),
        pytest.param({"refresh_view": "page"}, False, id="so for the refresh view"),
        pytest.param({"login_view": "page", "mounted": "/legacy", "wrap": ProxyFix}, False, id="an endpoint, wrapped"),
        pytest.param({"login_view": "nobody", "mounted": "/legacy"}, False, id="nobody's endpoint"),
        pytest.param({"login_view": "/page"}, True, id="a path, perhaps of another server"),
        pytest.param({"login_view": "/page", "mounted": "/legacy"}, False, id="a path without the mount's prefix"),
        pytest.param({"login_view": "/legacy/page?x=1", "mounted": "/legacy"}, True, id="a path with it"),
        pytest.param({"login_view": "/legacy/nobody", "mounted": "/legacy"}, False, id="nobody's path"),
        pytest.param({"login_view": "/page", "mounted": "/"}, True, id="a path of Flask's, mounted at /"),
        pytest.param({"login_view": "/x/page", "mounted": "/{tenant}"}, True, id="a path of a mount with a parameter"),
        pytest.param({"login_view": "/users/1/login", "mounted": "/legacy"}, True, id="a path with a parameter"),
        pytest.param({"login_view": "/shop/legacy/page", "mounted": "/legacy"}, True, id="behind a proxy's prefix"),
        pytest.param({"login_view": "/docs", "mounted": "/legacy"}, True, id="a path of ours"),
        pytest.param({"login_view": None}, True, id="none"),
    ],
)
def test_login_views(options: dict[str, Any], is_there: bool) -> None:
    """
    Where users are sent to log in there must be something.
    """
    assert [finding.check for finding in views(**options)] == ([] if is_there else ["login_view"])


def test_a_login_view_that_is_not_used() -> None:
    """
    With a handler of its own the manager sends nobody there.
    """
    app = make_login_flask()
    manager = LoginManager.from_flask(app, login_view="nobody")
    manager.unauthorized_handler(lambda connection: None)
    assert checks(app, make_login_api(app, manager)) == []


def test_a_login_view_in_an_app_of_its_own() -> None:
    """
    What another app answers only that app knows.
    """

    async def accounts(scope: Any, receive: Any, send: Any) -> None: ...

    app = make_login_flask()
    ours = make_login_api(app, login_view="/accounts/login")
    ours.mount("/legacy", WSGIMiddleware(app))
    ours.mount("/accounts", accounts)
    assert checks(app, ours) == []


def test_a_manager_that_can_t_be_made() -> None:
    """
    With middleware that can't be made, nothing is said of its manager.
    """
    app = make_login_flask()
    ours = make_shared(app, Middleware(LoginMiddleware, manager=app.login_manager))
    assert checks(app, ours) == ["middleware"]


def behind(app: ASGIApp) -> ASGIApp:
    return app


@pytest.mark.parametrize("protection", [None, "basic", "strong"])
@pytest.mark.parametrize(
    ("flask_side", "our_side", "is_same"),
    [(True, True, True), (False, False, True), (True, False, False), (False, True, False)],
)
def test_proxies(protection: str | None, flask_side: bool, our_side: bool, is_same: bool) -> None:
    """
    Two servers, of which one is told of a proxy, may know users by different addresses; if sessions are protected,
    that matters.
    """
    app = make_login_flask(SESSION_PROTECTION=protection)
    if flask_side:
        app.wsgi_app = ProxyFix(app.wsgi_app)
    ours = make_login_api(app, None, *([Middleware(ProxyHeadersMiddleware)] if our_side else []))
    expected = [] if is_same or protection is None else ["proxy"]
    assert checks(app, ours) == expected
    ours.mount("/legacy", WSGIMiddleware(app))
    assert checks(app, ours) == []


def test_proxies_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    uvicorn is told of a proxy by the environment.
    """
    app = make_login_flask()
    app.wsgi_app = ProxyFix(app.wsgi_app)
    assert checks(app, make_login_api(app)) == ["proxy"]
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    assert checks(app, make_login_api(app)) == []

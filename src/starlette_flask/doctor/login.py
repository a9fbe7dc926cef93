"""
Do both know the same user?
"""

from collections.abc import Iterator
from typing import Any

from starlette.routing import compile_path

from starlette_flask.doctor.findings import Finding, reason_of
from starlette_flask.doctor.middleware import is_backend
from starlette_flask.doctor.pair import Pair
from starlette_flask.doctor.paths import is_sent
from starlette_flask.doctor.places import Kind, Place
from starlette_flask.exceptions import ConfigError
from starlette_flask.login.manager import LoginManager

_FROM_FLASK = "app.add_middleware(LoginMiddleware, manager=LoginManager.from_flask(flask_app))"
_INSIDE = f"{_FROM_FLASK}, and after it app.add_middleware(SessionMiddleware, ...)"

# What calls for a user in a view.
_ASKING = tuple(
    f"starlette_flask.login.dependencies.{name}" for name in ("current_user", "login_required", "fresh_login_required")
)

# What a user notices if the managers differ in this.
_NOTICED = {
    "session_protection": "a session that one app takes for stolen is good in the other",
    "id_attribute": "one app can't find the user that the other has logged in",
    "use_session_for_next": "who logs in on the other side isn't led back to the page that was asked for",
    "remember_cookie_refresh_each_request": "those who use one app only are forgotten earlier",
    "login_disabled": "one app lets everybody in",
}


def protection_of(pair: Pair) -> Any:
    """
    Return how the Flask app's login manager protects sessions; None if it doesn't, or if there is none.
    """
    theirs = _theirs(pair)
    return None if theirs is None else pair.flask_app.config.get("SESSION_PROTECTION", theirs.session_protection)


def no_middleware(pair: Pair) -> Iterator[Finding]:
    """
    Views that ask for the user without `LoginMiddleware`; and all that have a session, where Flask would lose its own.
    """
    for place in pair.places:
        is_inside = place.has_session and place.of(Kind.LOGIN)
        found = None if is_inside else _without_middleware(pair, place)
        if found is not None:
            yield Finding("login_middleware", *found)
            return


def managers(pair: Pair) -> Iterator[Finding]:
    """
    Managers that can't load users, or know them otherwise than the Flask app's.
    """
    ours = [layer.part.manager for layer in pair.layers(Kind.LOGIN) if layer.part is not None]
    theirs = None
    if _theirs(pair) is not None:
        try:
            theirs = LoginManager.from_flask(pair.flask_app)
        except ConfigError as exc:
            if ours:
                why, fix = reason_of(exc)
                yield pair.finding("login", f"users of Flask-Login can't be shared: {why}", fix)
    for manager in ours:
        if manager.user_callback is None and manager.request_callback is None:
            yield Finding(
                "login",
                "the login manager of the ASGI app can't load users: whatever asks for one ends in an error",
                "decorate a function with manager.user_loader, or call LoginManager.from_flask(flask_app) when the"
                " Flask app has set its own",
            )
        if theirs is not None:
            yield from _differences(pair, manager, theirs)
    if ours and theirs is not None:
        yield from _remember_path(pair, theirs)


def login_views(pair: Pair) -> Iterator[Finding]:
    """
    Login pages that aren't there.
    """
    for layer in pair.layers(Kind.LOGIN):
        manager = getattr(layer.part, "manager", None)
        views = [("login_view", "unauthorized_callback"), ("refresh_view", "needs_refresh_callback")]
        for name, handler in views if manager is not None else ():
            view = getattr(manager, name)
            if not view or getattr(manager, handler) is not None or _is_there(pair, view):
                continue
            is_path = view.startswith("/")
            known = next((rule.rule for rule in pair.flask_app.url_map.iter_rules() if rule.endpoint == view), "/login")
            yield pair.finding(
                "login_view",
                f"{name} is {view!r}, where nobody answers: who has to log in gets an error"
                if is_path
                else f"{name} is {view!r}, neither the name of a route nor an endpoint of a Flask app that is mounted"
                " by starlette_flask: who has to log in gets an error",
                "give the path as browsers ask for it, the mount's prefix included"
                if is_path
                else f"give its path, LoginManager.from_flask(flask_app, {name}={known!r}), or mount the Flask app",
            )


def _without_middleware(pair: Pair, place: Place) -> tuple[str, str] | None:
    asking = (place.depends_on(_ASKING) or "").rpartition(".")[2]
    if place.needs_session and any(map(is_backend, place.of(Kind.AUTHENTICATION))):
        asking = "LoginBackend"
    if asking:
        missing = "without LoginMiddleware inside a SessionMiddleware for this path"
        return f"{place.shown} needs {asking}, {missing}: it ends in an error", _INSIDE
    if _theirs(pair) is None or not place.needs_session:
        return None
    if place.mentions("_user_id"):
        what = (
            f"{place.shown} takes the user out of the session (_user_id), without LoginMiddleware: who was remembered"
        )
        return f"{what} is a stranger there", f"{_INSIDE}; and depend on starlette_flask.login.current_user"
    if protection_of(pair) == "strong":
        what = f"Flask-Login protects sessions (strong), and there is no LoginMiddleware around {place.shown}: when it"
        return f"{what} writes into the session of somebody who was remembered, Flask forgets them", _INSIDE
    return None


def _theirs(pair: Pair) -> Any:
    manager = getattr(pair.flask_app, "login_manager", None)
    return manager if hasattr(manager, "session_protection") else None  # or somebody else's


def _differences(pair: Pair, ours: LoginManager, theirs: LoginManager) -> Iterator[Finding]:
    for name, noticed in _NOTICED.items():
        mine, other = getattr(ours, name), getattr(theirs, name)
        if mine != other:
            what = f"{name} is {other!r} in Flask and {mine!r} in the ASGI app: {noticed}"
            yield pair.finding("login", what, _FROM_FLASK)
    if ours.remember_cookie != theirs.remember_cookie:
        what = (
            "the remember cookies differ, in key, name or attributes: users are remembered, or logged out, by one app"
        )
        yield Finding("remember_cookie", what, _FROM_FLASK)


def _remember_path(pair: Pair, theirs: LoginManager) -> Iterator[Finding]:
    path = theirs.remember_cookie._cookie.path
    places = [place for place in pair.places if place.needs_session and place.of(Kind.LOGIN)]
    outside = next((place.url_path for place in places if not is_sent(path, place.url_path)), None)
    if outside is not None:
        yield pair.finding(
            "remember_cookie",
            f"the remember cookie's path is {path}, and browsers don't send it to {outside}: who was remembered is a"
            " stranger there",
            'set REMEMBER_COOKIE_PATH = "/" in the Flask app',
        )


def _is_there(pair: Pair, view: str) -> bool:
    if view.startswith(("http://", "https://")):
        return True
    if view.startswith("/"):
        # Elsewhere the page may be on another server, or behind a proxy that takes away what stands before.
        path, parts = view.partition("?")[0], view.partition("?")[0].split("/")
        tails = [path, *("/" + "/".join(parts[index:]) for index in range(2, len(parts)))]
        return not pair.is_mounted or any(_answers(place, tail) for place in pair.places for tail in tails)
    if any(getattr(place.route, "name", None) == view.rpartition(":")[2] for place in pair.places):
        return True
    mounted = [getattr(layer.part, "flask_app", None) for layer in pair.layers(Kind.WSGI)]
    return any(view in app.view_functions for app in mounted if app is not None)


def _answers(place: Place, path: str) -> bool:
    if place.route is not None:
        return compile_path(place.shown)[0].match(path) is not None
    # Of another app than Flask only that itself knows where it answers.
    return (
        is_sent(place.shown, path) if not place.flask_apps else any(_has_page(*each, path) for each in place.flask_apps)
    )


def _has_page(at: str, app: Any, path: str) -> bool:
    inside = compile_path(f"{at}{{_inside:path}}")[0].match(path)
    if inside is None:
        return False
    try:
        app.url_map.bind("localhost").match(f"/{inside['_inside'].lstrip('/')}")
    except Exception as exc:  # Werkzeug's, which isn't imported; a redirect, or another method, is a page
        return type(exc).__name__ != "NotFound"
    return True

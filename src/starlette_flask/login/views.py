"""
What a view does with the user: log in and out, and ask how fresh the login is.
"""

from collections.abc import MutableMapping
from datetime import timedelta
from typing import Any

from starlette.authentication import AuthCredentials
from starlette.requests import HTTPConnection

from starlette_flask.login.manager import Visit, session_identifier, visit_of
from starlette_flask.login.redirects import is_own_url


def login_user(
    request: HTTPConnection,
    user: Any,
    remember: bool = False,
    duration: timedelta | None = None,
    force: bool = False,
    fresh: bool = True,
) -> bool:
    """
    Log *user* in, unless it isn't active. Mirrors ``flask_login.login_user``.

    Args:
        request: The request.
        user: As a user loader returns it.
        remember: Send a cookie that logs the user in again when the session has ended.
        duration: How long that one lasts; default: the manager's.
        force: Log in a user who isn't active, too.
        fresh: The user has just proved who they are.

    Returns:
        Whether the user is logged in now.

    Raises:
        TypeError: *duration* is not a timedelta.
        ValueError: The user has no id.
    """
    visit = visit_of(request)
    if not force and not user.is_active:
        return False
    if duration is not None and not isinstance(duration, timedelta):
        raise TypeError(f"duration must be a timedelta, not {type(duration).__name__}")
    session = visit.session
    visit.decide()
    session["_user_id"] = visit.manager.id_of(user)
    session["_fresh"] = fresh
    session["_id"] = session_identifier(request)
    _forget_others(session)
    if remember:
        session["_remember"] = "set"
        if duration is not None:
            session["_remember_seconds"] = duration.total_seconds()
    visit.manager.regenerate(session)
    _set_user(request, visit, user)
    return True


def logout_user(request: HTTPConnection) -> bool:
    """
    Log the user out, and clear the remember cookie. Mirrors ``flask_login.logout_user``.

    What Flask-Principal and Flask-Security keep of the login goes, too.

    Returns:
        True.
    """
    visit = visit_of(request)
    session = visit.session
    if not visit.is_loaded:
        visit.manager.protect(request)  # which may leave more to clear
    visit.decide()
    for key in ("_user_id", "_fresh", "_id"):
        session.pop(key, None)
    _forget_others(session)
    if visit.manager.remembered(request) is not None:
        session["_remember"] = "clear"
        session.pop("_remember_seconds", None)
    _set_user(request, visit, visit.manager.new_anonymous_user())
    return True


def confirm_login(request: HTTPConnection) -> None:
    """
    Make the login fresh: the user has proved again who they are. Mirrors ``flask_login.confirm_login``.
    """
    visit = visit_of(request)
    session = visit.session
    visit.decide()
    session["_fresh"] = True
    session["_id"] = session_identifier(request)


def login_fresh(request: HTTPConnection) -> bool:
    """
    Tell whether the login is fresh, not restored from the remember cookie. Mirrors ``flask_login.login_fresh``.
    """
    return visit_of(request).session.get("_fresh") is True


def login_remembered(request: HTTPConnection) -> bool:
    """
    Tell whether the request has a valid remember cookie. Mirrors ``flask_login.login_remembered``.
    """
    manager = visit_of(request).manager
    cookie = manager.remembered(request)
    return cookie is not None and manager.remember_cookie.user_id(cookie) is not None


def next_url(request: HTTPConnection, default: str = "/") -> str:
    """
    Return where to go after the login: what `login_view` was given as ``next``, if it is on this very host.

    Args:
        request: The login form's.
        default: Where to go otherwise.
    """
    visit = visit_of(request)
    kept = visit.session if visit.manager.use_session_for_next else request.query_params
    url = kept.get("next")
    return url if isinstance(url, str) and is_own_url(request, url) else default


def credentials(connection: HTTPConnection, user: Any) -> AuthCredentials:
    """
    Return what Starlette's ``@requires`` asks for.
    """
    if not user.is_authenticated:
        return AuthCredentials()
    return AuthCredentials(["authenticated", "fresh"] if login_fresh(connection) else ["authenticated"])


def _set_user(connection: HTTPConnection, visit: Visit, user: Any) -> None:
    visit.set_user(user)
    if "user" in connection.scope:  # AuthenticationMiddleware's
        connection.scope["user"] = user
        connection.scope["auth"] = credentials(connection, user)


def _forget_others(session: MutableMapping[str, Any]) -> None:
    # Flask-Principal's identity, and Flask-Security's time of the last login: of another user, perhaps.
    for key in ("identity.id", "identity.auth_type", "fs_paa", "fs_gexp"):
        session.pop(key, None)

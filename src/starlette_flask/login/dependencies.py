"""
The user of a view, as FastAPI's dependencies and as Starlette's ``request.user``.
"""

from typing import Any

from starlette.authentication import AuthCredentials, AuthenticationBackend
from starlette.requests import HTTPConnection

from starlette_flask.login.manager import LoginManager, visit_of
from starlette_flask.login.views import credentials, login_fresh

try:
    from fastapi import Security
    from fastapi.openapi.models import APIKey, APIKeyIn
    from fastapi.security.base import SecurityBase
except ImportError:  # plain Starlette
    Security = None  # type: ignore[assignment]

RESPONSES: dict[int | str, dict[str, Any]] = {401: {"description": "Nobody is logged in, or not freshly enough."}}
"""For FastAPI's ``responses=`` of a route that requires a login."""

if Security is not None:

    class _SessionCookie(SecurityBase):
        """
        Shows in OpenAPI that a route wants the session's cookie. The name shown is the default one.
        """

        def __init__(self) -> None:
            self.model = APIKey.model_validate({"in": APIKeyIn.cookie, "name": "session"})
            self.scheme_name = "session"

        async def __call__(self) -> None: ...

    _SCHEME: Any = Security(_SessionCookie())
else:
    _SCHEME = None


async def current_user(connection: HTTPConnection, _scheme: None = _SCHEME) -> Any:
    """
    Return the user, an anonymous one if nobody is logged in. A dependency: ``Annotated[User, Depends(current_user)]``.
    """
    return await visit_of(connection).manager.load_user(connection)


async def login_required(connection: HTTPConnection, _scheme: None = _SCHEME) -> Any:
    """
    Return the user, or turn away who isn't logged in. A dependency.

    ``OPTIONS`` requests pass, as in Flask-Login, and all do if *login_disabled*.

    Raises:
        HTTPException: As `LoginManager.unauthorized`.
        WebSocketException: The same.
    """
    manager = visit_of(connection).manager
    user = await manager.load_user(connection)
    if not user.is_authenticated and not _is_exempt(connection, manager):
        await manager.unauthorized(connection)
    return user


async def fresh_login_required(connection: HTTPConnection, _scheme: None = _SCHEME) -> Any:
    """
    Return the user, or turn away who isn't logged in, or was only remembered. A dependency.

    Raises:
        HTTPException: As `LoginManager.unauthorized` and `LoginManager.needs_refresh`.
        WebSocketException: The same.
    """
    manager = visit_of(connection).manager
    user = await login_required(connection)
    if not login_fresh(connection) and not _is_exempt(connection, manager):
        await manager.needs_refresh(connection)
    return user


class LoginBackend(AuthenticationBackend):
    """
    For Starlette's `AuthenticationMiddleware`: ``request.user``, and ``@requires("authenticated")`` or ``"fresh"``.

    It loads the user of every request, as that middleware does.

    Args:
        manager: The one of the `LoginMiddleware`, which must be outside.
    """

    def __init__(self, manager: LoginManager) -> None:
        self.manager = manager

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, Any] | None:
        if "session" not in conn.scope:  # allow_path_regex leaves this path out
            return None
        user = await self.manager.load_user(conn)
        return credentials(conn, user), user


def _is_exempt(connection: HTTPConnection, manager: LoginManager) -> bool:
    return manager.login_disabled or connection.scope.get("method") == "OPTIONS"

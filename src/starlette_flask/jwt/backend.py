"""
The token's user as Starlette's ``request.user``.
"""

from contextlib import suppress
from typing import Any

from starlette.authentication import AuthCredentials, AuthenticationBackend, SimpleUser
from starlette.requests import HTTPConnection

from starlette_flask.jwt.errors import JWTError
from starlette_flask.jwt.manager import JWTManager
from starlette_flask.jwt.tokens import is_fresh


class JWTBackend(AuthenticationBackend):
    """
    For Starlette's `AuthenticationMiddleware`: ``request.user``, and ``@requires("authenticated")`` or ``"fresh"``.

    Without a token, and with a bad one, a request is anonymous. A token in the body isn't looked for, nor a CSRF value
    in a form: the body is the view's.

    Args:
        manager: Verifies the tokens.
    """

    def __init__(self, manager: JWTManager) -> None:
        self.manager = manager
        self._verify: Any = manager.jwt_required(optional=True)

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, Any] | None:
        connection = HTTPConnection(conn.scope)
        try:
            claims = await self._verify(connection=connection)
        except JWTError:
            claims = {}
        if not claims:
            self.manager.forget(connection)
            return None
        user = None
        if self.manager.looks_up_users:
            user = self.manager.current_user(connection)
        if user is None:
            user = SimpleUser(str(self.manager.get_jwt_identity(connection)))
        scopes = ["authenticated"]
        with suppress(JWTError):
            if is_fresh(claims["fresh"]):
                scopes.append("fresh")
        return AuthCredentials(scopes), user

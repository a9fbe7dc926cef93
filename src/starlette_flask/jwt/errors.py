"""
Why a request's token isn't accepted. Named as in Flask-JWT-Extended, and answered with the same status.

* JWTError
  x NoAuthorizationError: 401, there is none
  x CSRFError: 401
  x ExpiredTokenError: 401
  x FreshTokenRequired: 401
  x RevokedTokenError: 401
  x UserLookupError: 401
  x UserClaimsVerificationError: 400
  x InvalidTokenError: 422
    + InvalidHeaderError
    + InvalidQueryParamError
    + WrongTokenError
"""

from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response


class JWTError(HTTPException):
    """
    A request's token isn't accepted, or it has none.

    `JWTManager.init_app` answers it as Flask-JWT-Extended does. Without that it is answered as any `HTTPException`,
    with the same status.

    Args:
        message: Why; it quotes nothing of the token.
        header: The token's header, where it is known to be genuine.
        claims: The token's claims, the same.
    """

    status = 401
    loader = "unauthorized_loader"
    """The callback that answers it."""
    manager: Any = None
    """Whose rules these are."""
    response: Response | None = None
    """The answer, where a callback of a Flask app has given one by raising."""

    def __init__(
        self, message: str, header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None
    ) -> None:
        super().__init__(self.status, message)
        self.header = {} if header is None else header
        self.claims = {} if claims is None else claims


class NoAuthorizationError(JWTError):
    """
    The request has no token where one is looked for.
    """


class CSRFError(JWTError):
    """
    The request has a token in a cookie, and doesn't prove that it comes from a page of ours.
    """


class ExpiredTokenError(JWTError):
    """
    The token's time is over.
    """

    loader = "expired_token_loader"


class FreshTokenRequired(JWTError):  # noqa: N818  # its name there
    """
    The token isn't fresh, and must be.
    """

    loader = "needs_fresh_token_loader"


class RevokedTokenError(JWTError):
    """
    The token is on the block list.
    """

    loader = "revoked_token_loader"


class UserLookupError(JWTError):
    """
    The token's user isn't found.
    """

    loader = "user_lookup_error_loader"


class UserClaimsVerificationError(JWTError):
    """
    The app's own verification refuses the token.
    """

    status = 400
    loader = "token_verification_failed_loader"


class InvalidTokenError(JWTError):
    """
    The token isn't a good one.
    """

    status = 422
    loader = "invalid_token_loader"


class InvalidHeaderError(InvalidTokenError):
    """
    The header isn't of the form that it must have.
    """


class InvalidQueryParamError(InvalidTokenError):
    """
    The query parameter isn't of the form that it must have.
    """


class WrongTokenError(InvalidTokenError):
    """
    It is a refresh token where an access token is required, or the other way round.
    """

"""
Flask-JWT-Extended's tokens (4.7), accepted and issued: everything is a method of `JWTManager`.

PyJWT signs and verifies; the extra ``starlette-flask[jwt]`` installs it. Flask-JWT-Extended isn't needed.
"""

from starlette_flask.jwt.backend import JWTBackend
from starlette_flask.jwt.config import JWTConfig
from starlette_flask.jwt.errors import (
    CSRFError,
    ExpiredTokenError,
    FreshTokenRequired,
    InvalidHeaderError,
    InvalidQueryParamError,
    InvalidTokenError,
    JWTError,
    NoAuthorizationError,
    RevokedTokenError,
    UserClaimsVerificationError,
    UserLookupError,
    WrongTokenError,
)
from starlette_flask.jwt.manager import JWTManager

__all__ = [
    "CSRFError",
    "ExpiredTokenError",
    "FreshTokenRequired",
    "InvalidHeaderError",
    "InvalidQueryParamError",
    "InvalidTokenError",
    "JWTBackend",
    "JWTConfig",
    "JWTError",
    "JWTManager",
    "NoAuthorizationError",
    "RevokedTokenError",
    "UserClaimsVerificationError",
    "UserLookupError",
    "WrongTokenError",
]

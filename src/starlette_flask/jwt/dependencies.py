"""
A verification as a FastAPI dependency that shows in OpenAPI, and as Starlette's authentication.
"""

import inspect
import re
from collections.abc import Callable, Iterable
from typing import Any

from starlette.requests import HTTPConnection

from starlette_flask.jwt.config import JWTConfig

try:
    from fastapi import Security
    from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBearer
    from fastapi.security.base import SecurityBase
except ImportError:  # plain Starlette
    Security = None  # type: ignore[assignment]

if Security is not None:

    class _Scheme(SecurityBase):
        """
        Shows in OpenAPI where a token may be; who looks there is the dependency.
        """

        def __init__(self, name: str, model: Any) -> None:
            self.scheme_name = name
            self.model = model

        async def __call__(self) -> None: ...


def dependency(
    verify: Callable[[HTTPConnection], Any], config: JWTConfig, locations: Iterable[str], is_refresh: bool
) -> Callable[..., Any]:
    """
    Return *verify* as a function that FastAPI can depend on.

    Args:
        verify: Takes the connection.
        config: The settings.
        locations: Where it looks for the token.
        is_refresh: It looks for a refresh token.
    """
    if Security is None:
        return verify

    async def jwt_required(connection: HTTPConnection, **schemes: None) -> Any:
        return await verify(connection)

    parameters = [inspect.Parameter("connection", inspect.Parameter.KEYWORD_ONLY, annotation=HTTPConnection)]
    for location in locations:
        if location != "json":  # of which OpenAPI knows no scheme
            default = Security(_scheme(config, location, is_refresh))
            parameters.append(inspect.Parameter(location, inspect.Parameter.KEYWORD_ONLY, default=default))
    jwt_required.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # any function may have one
    return jwt_required


def _scheme(config: JWTConfig, location: str, is_refresh: bool) -> Any:
    if location == "headers" and config.header_type == "Bearer" and config.header_name.lower() == "authorization":
        return _Scheme("JWT", HTTPBearer(bearerFormat="JWT"))
    where, name = {
        "headers": (APIKeyIn.header, config.header_name),
        "cookies": (APIKeyIn.cookie, config.token_cookie(is_refresh).name),
        "query_string": (APIKeyIn.query, config.query_string_name),
    }[location]
    # A key of OpenAPI's components may hold no other characters.
    return _Scheme(
        f"JWT-{where.value}-{re.sub(r'[^A-Za-z0-9._-]', '_', name)}", APIKey.model_validate({"in": where, "name": name})
    )

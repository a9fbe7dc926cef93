"""
Where a request's token is: by the rules of ``flask_jwt_extended.view_decorators`` (4.7).
"""

import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.types import Message

from starlette_flask.csrf import CSRFError as OriginError
from starlette_flask.csrf import validate_origin
from starlette_flask.jwt.config import JWTConfig
from starlette_flask.jwt.errors import (
    CSRFError,
    InvalidHeaderError,
    InvalidQueryParamError,
    InvalidTokenError,
    NoAuthorizationError,
)

_JSON_TYPE = re.compile(r"application/(?:json|[^;\s]*\+json)", re.IGNORECASE)


async def find_token(
    config: JWTConfig, connection: HTTPConnection, locations: Iterable[str], is_refresh: bool
) -> tuple[Any, bytes | None]:
    """
    Return a request's token, not yet verified, and the CSRF value that comes with one in a cookie.

    The first location that has a token decides, good or bad.

    Raises:
        NoAuthorizationError: None has.
        CSRFError: There is a token in a cookie, and no such value.
        InvalidTokenError: There is something else than a token.
    """
    reasons = []
    for location in locations:
        try:
            if location == "headers":
                return _in_headers(config, connection), None
            if location == "cookies":
                return await _in_cookies(config, connection, is_refresh)
            if location == "query_string":
                return _in_query_string(config, connection), None
            return await _in_json(config, connection, is_refresh), None
        except NoAuthorizationError as exc:
            reasons.append(exc.detail)
        except ClientDisconnect as exc:
            raise NoAuthorizationError("The client has left") from exc
    raise NoAuthorizationError(reasons[0] if len(reasons) == 1 else f"There is no token ({'; '.join(reasons)})")


def _in_headers(config: JWTConfig, connection: HTTPConnection) -> str:
    # Several lines are one, as for a WSGI server.
    value = ",".join(connection.headers.getlist(config.header_name)).strip().strip(",")
    if not value:
        raise NoAuthorizationError(f"Missing {config.header_name} header")
    if not config.header_type:
        words = value.split()
        if len(words) != 1:
            raise InvalidHeaderError(f"Bad {config.header_name} header; it must hold the token alone")
        return words[0]
    fields = [words for words in (field.split() for field in re.split(r",\s*", value)) if words]
    if not fields:
        raise InvalidHeaderError(f"The {config.header_name} header holds commas only")
    fields = [words for words in fields if words[0] == config.header_type]
    expected = f"it must be {config.header_type!r}, a space, and the token"
    if len(fields) != 1:
        raise NoAuthorizationError(f"Missing type in the {config.header_name} header: {expected}")
    if len(fields[0]) != 2:
        raise InvalidHeaderError(f"Bad {config.header_name} header: {expected}")
    return fields[0][1]


async def _in_cookies(config: JWTConfig, connection: HTTPConnection, is_refresh: bool) -> tuple[str, bytes | None]:
    cookie = config.token_cookie(is_refresh)
    value = cookie.find(connection.scope["headers"])
    if not value:
        raise NoAuthorizationError(f"Missing cookie {cookie.name}")
    csrf_value = None
    if config.cookie_csrf_protect and connection.scope["type"] == "websocket":
        try:
            validate_origin(connection, ())  # a page of any site can open one, and brings the cookie
        except OriginError as exc:
            raise CSRFError("The WebSocket is opened by a page of another site") from exc
    method = connection.scope.get("method", "GET").upper()  # a handshake is a GET
    if config.cookie_csrf_protect and method in config.csrf_methods:
        csrf_value = await _csrf_value(config, connection, is_refresh)
        if not csrf_value:
            raise CSRFError("Missing CSRF value")
    return value.decode(errors="replace"), csrf_value


async def _csrf_value(config: JWTConfig, connection: HTTPConnection, is_refresh: bool) -> bytes | None:
    name = config.csrf_header(is_refresh).lower().encode()
    value = b",".join(value for key, value in connection.scope["headers"] if key == name)
    if value or not config.csrf_check_form or not isinstance(connection, Request):
        return value
    texts = [text for text in await _form_values(connection, config.csrf_field(is_refresh)) if isinstance(text, str)]
    return texts[0].encode(errors="replace") if texts else None


async def _form_values(request: Request, name: str) -> list[Any]:
    try:
        body = await request.body()
    except RuntimeError:  # FastAPI has read the form already, for the view
        return (await request.form()).getlist(name)

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:  # with a request of our own, so that the view has its own files, and these are closed
        async with Request(request.scope, receive).form() as form:
            return form.getlist(name)
    except (HTTPException, MultiPartException, ValueError):  # of parsers, and for text that isn't in its own charset
        return []


def _in_query_string(config: JWTConfig, connection: HTTPConnection) -> str:
    pairs = parse_qsl(connection.scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
    value = next((value for name, value in pairs if name == config.query_string_name), "")
    if not value:
        raise NoAuthorizationError(f"Missing query parameter {config.query_string_name}")
    if not value.startswith(config.query_string_value_prefix):
        raise InvalidQueryParamError(
            f"The query parameter {config.query_string_name} must start with {config.query_string_value_prefix!r}"
        )
    return value[len(config.query_string_value_prefix) :]


async def _in_json(config: JWTConfig, connection: HTTPConnection, is_refresh: bool) -> Any:
    kind = connection.headers.get("content-type", "").partition(";")[0].strip()
    if not isinstance(connection, Request) or not _JSON_TYPE.fullmatch(kind):
        raise NoAuthorizationError("The body must be JSON, with its Content-Type")
    key = config.refresh_json_key if is_refresh else config.json_key
    missing = NoAuthorizationError(f"Missing key {key!r} in the JSON body")
    try:
        content = json.loads(await connection.body())
    except ValueError as exc:
        raise missing from exc
    except RecursionError as exc:
        raise InvalidTokenError("The JSON body is nested too deep") from exc
    if not content:
        raise missing
    if not isinstance(content, dict):
        raise InvalidTokenError("The JSON body must be an object")
    if not content.get(key):
        raise missing
    return content[key]

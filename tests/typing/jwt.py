"""
Pins the public types of tokens. Checked by mypy, never run.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request, Response
from flask import Flask
from starlette.applications import Starlette
from starlette.authentication import AuthenticationBackend
from starlette.datastructures import Secret
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.websockets import WebSocket

from starlette_flask.jwt import (
    CSRFError,
    ExpiredTokenError,
    FreshTokenRequired,
    InvalidHeaderError,
    InvalidQueryParamError,
    InvalidTokenError,
    JWTBackend,
    JWTConfig,
    JWTError,
    JWTManager,
    NoAuthorizationError,
    RevokedTokenError,
    UserClaimsVerificationError,
    UserLookupError,
    WrongTokenError,
)

config: JWTConfig = JWTConfig(secret_key=Secret("secret"), token_location=["headers", "cookies"])
config = JWTConfig(secret_key=b"secret", token_location="cookies", cookie_samesite="Lax", header_type=None)
config = JWTConfig(algorithm="RS256", decode_algorithms=("PS256",), private_key="PEM", public_key=b"PEM")
config = JWTConfig(secret_key="secret", access_token_expires=60, refresh_token_expires=timedelta(days=1))
config = JWTConfig(secret_key="secret", access_token_expires=False, decode_leeway=timedelta(seconds=5))
config = JWTConfig(secret_key="secret", decode_audience=["shop"], decode_issuer="us", encode_audience="shop")
config = JWTConfig.from_mapping({"JWT_SECRET_KEY": "secret"}, header_name="X-Token")
JWTConfig(secret_key="secret", cookie_samesite="lax")  # type: ignore[arg-type]
JWTConfig("secret")  # type: ignore[call-arg]
accepted: tuple[tuple[str, ...], int | None, bool] = (config.algorithms, config.cookie_max_age, config.is_asymmetric)

manager: JWTManager = JWTManager.from_flask(Flask(__name__), header_type="JWT")
manager = JWTManager.from_mapping({"SECRET_KEY": "secret"}, header_type="JWT")
manager = JWTManager(config)
manager = JWTManager(secret_key="secret")
JWTManager(Flask(__name__))  # type: ignore[arg-type]

access_token: str = manager.create_access_token("ada")
access_token = manager.create_access_token({"any": "thing"}, fresh=timedelta(minutes=5), expires_delta=False)
access_token = manager.create_access_token("ada", True, timedelta(1), {"role": "admin"}, {"kid": "k"})
refresh_token: str = manager.create_refresh_token("ada", timedelta(1), {"role": "admin"}, {"kid": "k"})
read: tuple[dict[str, Any], str, str | None, dict[str, Any]] = (
    manager.decode_token(access_token, csrf_value="c", allow_expired=True),
    manager.get_csrf_token(access_token),
    manager.get_jti(access_token),
    manager.get_unverified_jwt_headers(access_token),
)

guard: Callable[..., Any] = manager.jwt_required()
guard = manager.jwt_required(True, True, True, "headers", False, True)
guard = manager.jwt_required(optional=True, locations=["headers", "query_string"])
manager.jwt_required(location="headers")  # type: ignore[call-arg]
manager.jwt_required(locations=5)  # type: ignore[arg-type]


class User:
    name = "ada"


# What decorates returns the function that it is given, so that its type stays.
@manager.user_identity_loader
def identity_of(user: User) -> str:
    return user.name


@manager.user_lookup_loader
async def find_user(header: dict[str, Any], claims: dict[str, Any]) -> User | None:
    return User() if claims["sub"] == identity_of(User()) else None


@manager.token_in_blocklist_loader
def is_revoked(header: dict[str, Any], claims: dict[str, Any]) -> bool:
    return False


@manager.unauthorized_loader
def turn_away(reason: str) -> JSONResponse:
    return JSONResponse({"why": reason}, 401)


@manager.expired_token_loader
async def expired(header: dict[str, Any], claims: dict[str, Any]) -> dict[str, str]:
    return {"why": "expired"}


manager.additional_claims_loader(lambda user: {"role": "admin"})
manager.additional_headers_loader(lambda user: {"kid": "k"})
manager.encode_key_loader(lambda user: "secret")
manager.decode_key_loader(lambda header, claims: "secret")
manager.token_verification_loader(lambda header, claims: True)
manager.invalid_token_loader(turn_away)
manager.needs_fresh_token_loader(expired)
manager.revoked_token_loader(expired)
manager.token_verification_failed_loader(expired)
manager.user_lookup_error_loader(expired)
manager.token_in_blocklist_loader(5)  # type: ignore[type-var]
name: str = identity_of(User())
revoked: bool = is_revoked({}, {})

app = FastAPI(dependencies=[Depends(guard)])
manager.init_app(app)
manager.init_app(Starlette(middleware=[Middleware(AuthenticationMiddleware, backend=JWTBackend(manager))]))
backend: AuthenticationBackend = JWTBackend(manager)
JWTBackend(config)  # type: ignore[arg-type]


@app.get("/")
async def page(request: Request, response: Response, claims: Annotated[dict[str, Any], Depends(guard)]) -> Any:
    claims = manager.get_jwt(request)
    header: dict[str, Any] = manager.get_jwt_header(request)
    manager.set_access_cookies(response, access_token, max_age=timedelta(1), domain="example.com")
    manager.set_refresh_cookies(response, refresh_token, max_age=60)
    manager.unset_access_cookies(response)
    manager.unset_refresh_cookies(response, domain="example.com")
    manager.unset_jwt_cookies(response)
    return [claims, header, manager.get_jwt_identity(request), manager.current_user(request)]


async def any_connection(connection: HTTPConnection, websocket: WebSocket, error: JWTError) -> Response:
    await guard(connection=websocket)
    manager.get_jwt(websocket)
    manager.get_jwt("token")  # type: ignore[arg-type]
    return await manager.error_response(connection, error)


refused: list[HTTPException] = [
    CSRFError("why"),
    ExpiredTokenError("why", {"alg": "HS256"}, {"sub": "ada"}),
    FreshTokenRequired("why"),
    InvalidHeaderError("why"),
    InvalidQueryParamError("why"),
    NoAuthorizationError("why"),
    RevokedTokenError("why"),
    UserClaimsVerificationError("why"),
    UserLookupError("why"),
]
invalid: InvalidTokenError = WrongTokenError("why")
known: tuple[str, dict[str, Any], dict[str, Any]] = (invalid.detail, invalid.header, invalid.claims)

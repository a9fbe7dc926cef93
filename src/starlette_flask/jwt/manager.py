"""
`JWTManager`: Flask-JWT-Extended's tokens in Starlette and FastAPI.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket, WebSocketState

from starlette_flask.exceptions import ConfigError, ConfigTypeError
from starlette_flask.formats.cookies import MAX_COOKIE_BYTES, Cookie, quoted
from starlette_flask.jwt import errors
from starlette_flask.jwt.callbacks import Callbacks
from starlette_flask.jwt.config import JWTConfig
from starlette_flask.jwt.config import locations as checked_locations
from starlette_flask.jwt.dependencies import dependency
from starlette_flask.jwt.errors import JWTError
from starlette_flask.jwt.flask_callbacks import InFlask, callbacks_of, encoder_of
from starlette_flask.jwt.locations import find_token
from starlette_flask.jwt.tokens import Claims, decode_token, encode_token, is_fresh, unverified_header
from starlette_flask.log import log_oversized
from starlette_flask.middleware.refusal import refuse

SCOPE_KEY = "starlette_flask.jwt"


# PyJWT takes 0.14 s for a MiB.
_LARGE_BYTES = 64 * 1024


@dataclass
class Verified:
    """
    What is known of a request's token.
    """

    header: Claims = field(default_factory=dict)
    claims: Claims = field(default_factory=dict)
    user: Any = None


class _NotADependency:
    """
    Makes FastAPI refuse ``Depends(manager.jwt_required)``: without its parentheses a route would be open to all.
    """

    @staticmethod
    def __get_pydantic_core_schema__(*args: Any) -> Any:
        raise ConfigTypeError("write Depends(manager.jwt_required()): without the parentheses nothing is required")


class JWTManager(Callbacks):
    """
    Makes tokens that Flask-JWT-Extended accepts, and accepts those that it makes (4.7).

    Its methods have the names and meanings of ``flask_jwt_extended``'s functions; those that read the request's token
    take the request, or any `HTTPConnection`, first. A route that requires one depends on `jwt_required`:

        manager = JWTManager.from_flask(flask_app)
        manager.init_app(app)

        @app.get("/me", dependencies=[Depends(manager.jwt_required())])
        def me(request: Request):
            return manager.get_jwt_identity(request)

    The callbacks are registered as there, by decorators. They may be coroutines, but for those that make tokens or
    find keys.

    Args:
        config: The settings, from `JWTConfig.from_mapping` perhaps.
        keywords: Instead of it, those of `JWTConfig`.

    Raises:
        ConfigError: A setting can't work, or both are given.
        ConfigTypeError: A setting has the wrong type.
        ImportError: PyJWT is missing; the extra ``starlette-flask[jwt]`` installs it.
    """

    def __init__(self, config: JWTConfig | None = None, **keywords: Any) -> None:
        if not isinstance(config, (JWTConfig, type(None))):
            raise ConfigTypeError(
                f"config must be a JWTConfig, not {type(config).__name__}; for a Flask app: JWTManager.from_flask(app)"
            )
        if config is not None and keywords:
            raise ConfigError(f"config says it all; drop it or {', '.join(keywords)}")
        if unknown := keywords.keys() - inspect.signature(JWTConfig).parameters.keys():
            raise ConfigTypeError(f"unknown setting {min(unknown)!r}; the settings are those of JWTConfig")
        self.config = JWTConfig(**keywords) if config is None else config
        super().__init__()
        self._encoder: dict[str, Any] = {}

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], **keywords: Any) -> "JWTManager":
        """
        Return a manager with the settings that Flask's config keys describe: ``JWT_*``, and ``SECRET_KEY``.

        Args:
            mapping: Flask's config, or one like it. Other keys are ignored.
            keywords: Those of `JWTConfig`; they replace the app's.

        Raises:
            ConfigError: A setting can't work.
        """
        return cls(JWTConfig.from_mapping(mapping, **keywords))

    @classmethod
    def from_flask(cls, app: Any, **keywords: Any) -> "JWTManager":
        """
        Return a manager with the settings of a Flask app, and with the callbacks of its ``JWTManager``.

        Those run in a worker thread, in the context of a request to the app; where there is no request, in that of
        the app. What answers an error may return whatever a Flask view may.

        Args:
            app: The Flask app, set up.
            keywords: Those of `JWTConfig`; they replace the app's.

        Raises:
            ConfigError: A setting can't work, or the app doesn't use Flask-JWT-Extended.
        """
        theirs = getattr(app, "extensions", {}).get("flask-jwt-extended")
        if theirs is None:
            raise ConfigError("the Flask app has no JWTManager; call flask_jwt_extended.JWTManager(app) before")
        manager = cls.from_mapping(app.config, **keywords)
        manager._callbacks.update(callbacks_of(app, theirs))
        manager._encoder["json_encoder"] = encoder_of(app)
        return manager

    # Tokens.

    def create_access_token(
        self,
        identity: Any,
        fresh: bool | float | timedelta = False,
        expires_delta: timedelta | bool | None = None,
        additional_claims: Mapping[str, Any] | None = None,
        additional_headers: Mapping[str, Any] | None = None,
    ) -> str:
        """
        Return a new access token. Mirrors ``flask_jwt_extended.create_access_token``.

        Args:
            identity: Whose it is: text, or what *user_identity_loader* makes text of.
            fresh: The user has just proved who they are; a timedelta: it counts as fresh for so long.
            expires_delta: How long it is good; None: as configured; False: for ever.
            additional_claims: More claims; they replace others of the same name.
            additional_headers: More headers; they replace others of the same name.
        """
        return self._create("access", identity, fresh, expires_delta, additional_claims, additional_headers)

    def create_refresh_token(
        self,
        identity: Any,
        expires_delta: timedelta | bool | None = None,
        additional_claims: Mapping[str, Any] | None = None,
        additional_headers: Mapping[str, Any] | None = None,
    ) -> str:
        """
        Return a new refresh token. Mirrors ``flask_jwt_extended.create_refresh_token``.

        Args:
            identity: As for `create_access_token`, and so are the others.
            expires_delta: The same.
            additional_claims: The same.
            additional_headers: The same.
        """
        return self._create("refresh", identity, False, expires_delta, additional_claims, additional_headers)

    def _create(
        self,
        kind: str,
        identity: Any,
        fresh: bool | float | timedelta,
        expires_delta: Any,
        additional_claims: Mapping[str, Any] | None,
        additional_headers: Mapping[str, Any] | None,
    ) -> str:
        config = self.config
        headers = {**(self._ask("additional_headers_loader", identity) or {}), **(additional_headers or {})}
        claims = {**(self._ask("additional_claims_loader", identity) or {}), **(additional_claims or {})}
        if expires_delta is None:
            expires_delta = config.refresh_token_expires if kind == "refresh" else config.access_token_expires
        made = self._ask("user_identity_loader", identity) if "user_identity_loader" in self._callbacks else identity
        if "encode_key_loader" in self._callbacks:
            key = self._ask("encode_key_loader", identity)
        else:
            key = config.private_key if config.is_asymmetric else config.secret_key
        if not key:
            raise ConfigError(f"{config.algorithm} signs with a private key; set private_key (JWT_PRIVATE_KEY)")
        return encode_token(
            config,
            kind,
            made,
            key,
            fresh=fresh,
            expires=expires_delta or None,
            claims=claims,
            headers=headers,
            **self._encoder,
        )

    def decode_token(
        self, encoded_token: str, csrf_value: str | None = None, allow_expired: bool = False
    ) -> dict[str, Any]:
        """
        Verify a token, and return its claims. Mirrors ``flask_jwt_extended.decode_token``.

        Neither its type, nor its freshness, nor whether it is revoked is looked at.

        Args:
            encoded_token: The token.
            csrf_value: The value that its ``csrf`` claim must have.
            allow_expired: Accept a token whose time is over.

        Raises:
            JWTError: It isn't a good one.
        """
        value = None if csrf_value is None else csrf_value.encode(errors="replace")
        return self._decode(encoded_token, value, allow_expired)[1]

    def _decode(self, encoded: Any, csrf_value: bytes | None, allow_expired: bool = False) -> tuple[Claims, Claims]:
        with self._answering():
            return decode_token(self.config, encoded, self._key_for, csrf_value, allow_expired)

    def _key_for(self, header: Claims, claims: Claims) -> Any:
        if "decode_key_loader" in self._callbacks:
            try:
                found = self._ask("decode_key_loader", header, claims)
            except LookupError as exc:  # KEYS[header["kid"]], of a token that anybody may have written
                raise errors.InvalidTokenError("There is no key for the token") from exc
            if found is None or found in ("", b""):  # an empty key is one that everybody has
                raise errors.InvalidTokenError("There is no key for the token")
            return found
        config = self.config
        key = config.public_key if config.is_asymmetric else config.secret_key
        if not key:
            raise ConfigError(f"{config.algorithm} verifies with a public key; set public_key (JWT_PUBLIC_KEY)")
        return key

    def get_csrf_token(self, encoded_token: str) -> str:
        """
        Return the value of a token's ``csrf`` claim, for a form.

        Raises:
            JWTError: The token isn't a good one.
            KeyError: It has no such claim.
        """
        token: str = self.decode_token(encoded_token)["csrf"]
        return token

    def get_jti(self, encoded_token: str) -> str | None:
        """
        Return a token's identifier, for a block list.

        Raises:
            JWTError: The token isn't a good one.
        """
        jti: str | None = self.decode_token(encoded_token)["jti"]
        return jti

    def get_unverified_jwt_headers(self, encoded_token: str) -> dict[str, Any]:
        """
        Return a token's header, which anybody may have written.

        Raises:
            JWTError: There is none.
        """
        with self._answering():
            return unverified_header(encoded_token)

    # The request's token.

    def jwt_required(
        self,
        optional: bool = False,
        fresh: bool = False,
        refresh: bool = False,
        locations: Annotated[str | Iterable[str] | None, _NotADependency()] = None,
        verify_type: bool = True,
        skip_revocation_check: bool = False,
    ) -> Callable[..., Any]:
        """
        Return a dependency that requires a token: ``Depends(manager.jwt_required())``. Its value is the claims.

        Mirrors ``flask_jwt_extended.jwt_required``; ``OPTIONS`` requests pass, as there.

        Args:
            optional: Let a request without a token pass. A bad token is refused all the same.
            fresh: Require a fresh one.
            refresh: Require a refresh token, not an access token.
            locations: Where to look for it; default: as configured.
            verify_type: Refuse a refresh token where an access token is required, and the other way round.
            skip_revocation_check: Don't ask *token_in_blocklist_loader*.

        Raises:
            ConfigError: No such location.
        """
        where = checked_locations(locations, "locations") if locations else tuple(self.config.token_location)

        async def verify(connection: HTTPConnection) -> dict[str, Any]:
            if connection.scope.get("method", "GET").upper() == "OPTIONS":
                return {}
            with self._answering():
                try:
                    header, claims = await self._verify(
                        connection,
                        where,
                        fresh=fresh,
                        refresh=refresh,
                        verify_type=verify_type,
                        skip_revocation_check=skip_revocation_check,
                    )
                except errors.NoAuthorizationError:
                    if not optional:
                        raise
                    verified = Verified()
                else:
                    verified = Verified(header, claims, await self._look_up(connection, header, claims))
            connection.scope.setdefault(SCOPE_KEY, {})[self] = verified
            return verified.claims

        return dependency(verify, self.config, where, refresh)

    async def _verify(
        self,
        connection: HTTPConnection,
        where: Iterable[str],
        *,
        fresh: bool,
        refresh: bool,
        verify_type: bool,
        skip_revocation_check: bool,
    ) -> tuple[Claims, Claims]:
        encoded, csrf_value = await find_token(self.config, connection, where, refresh)
        # A callback may ask a server for the key, and a token of a body may be as large as that.
        if "decode_key_loader" in self._callbacks or (isinstance(encoded, str) and len(encoded) > _LARGE_BYTES):
            header, claims = await run_in_threadpool(self._decode, encoded, csrf_value)
        else:
            header, claims = self._decode(encoded, csrf_value)
        if verify_type and (claims["type"] == "refresh") != refresh:
            text = "A refresh token is required" if refresh else "A refresh token isn't accepted here"
            raise errors.WrongTokenError(text, header, claims)
        if fresh and not is_fresh(claims["fresh"]):
            raise errors.FreshTokenRequired("The token isn't fresh; log in again", header, claims)
        if not skip_revocation_check and await self._wait_for(
            "token_in_blocklist_loader", connection, header, claims, default=False
        ):
            raise errors.RevokedTokenError("The token is revoked", header, claims)
        if not await self._wait_for("token_verification_loader", connection, header, claims, default=True):
            raise errors.UserClaimsVerificationError("The token's claims aren't accepted", header, claims)
        return header, claims

    async def _look_up(self, connection: HTTPConnection, header: Claims, claims: Claims) -> Any:
        user = await self._wait_for("user_lookup_loader", connection, header, claims, default=None)
        if user is None and self.looks_up_users:
            raise errors.UserLookupError("The token's user isn't known", header, claims)
        return user

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except JWTError as exc:
            exc.manager = self
            raise

    def get_jwt(self, request: HTTPConnection) -> dict[str, Any]:
        """
        Return the claims of the request's token; none if it is optional, and absent.

        Raises:
            RuntimeError: The route doesn't depend on `jwt_required`.
        """
        return self._verified_of(request).claims

    def get_jwt_header(self, request: HTTPConnection) -> dict[str, Any]:
        """
        Return the header of the request's token; none if it is optional, and absent.

        Raises:
            RuntimeError: The route doesn't depend on `jwt_required`.
        """
        return self._verified_of(request).header

    def get_jwt_identity(self, request: HTTPConnection) -> Any:
        """
        Return the identity of the request's token; None if it is optional, and absent.

        Raises:
            RuntimeError: The route doesn't depend on `jwt_required`.
        """
        return self._verified_of(request).claims.get(self.config.identity_claim)

    def current_user(self, request: HTTPConnection) -> Any:
        """
        Return the user of the request's token, whom *user_lookup_loader* has found; None if it is optional, and absent.

        Raises:
            RuntimeError: The route doesn't depend on `jwt_required`, or there is no *user_lookup_loader*.
        """
        verified = self._verified_of(request)
        if verified.claims and not self.looks_up_users:
            raise RuntimeError("nobody looks up users; decorate a function with manager.user_lookup_loader")
        return verified.user

    def forget(self, request: HTTPConnection) -> None:
        """
        Treat the request as one without a token.
        """
        request.scope.setdefault(SCOPE_KEY, {})[self] = Verified()

    def _verified_of(self, request: HTTPConnection) -> Verified:
        verified: Verified | None = request.scope.get(SCOPE_KEY, {}).get(self)
        if verified is None:
            raise RuntimeError("this route doesn't depend on manager.jwt_required(), which reads the token")
        return verified

    # Cookies.

    def set_access_cookies(
        self,
        response: Response,
        encoded_access_token: str,
        max_age: int | timedelta | None = None,
        domain: str | None = None,
    ) -> None:
        """
        Give the browser an access token in a cookie, and in another one its CSRF value, if that is configured.

        Args:
            response: The response; its headers are changed.
            encoded_access_token: The token.
            max_age: How long the browser keeps them, in seconds or as a timedelta; default: as configured.
            domain: Share them with this domain's subdomains; default: as configured.

        Raises:
            JWTError: The token isn't a good one.
        """
        self._set_cookies(response, encoded_access_token, max_age, domain, is_refresh=False)

    def set_refresh_cookies(
        self,
        response: Response,
        encoded_refresh_token: str,
        max_age: int | timedelta | None = None,
        domain: str | None = None,
    ) -> None:
        """
        Give the browser a refresh token in a cookie, as `set_access_cookies` an access token.
        """
        self._set_cookies(response, encoded_refresh_token, max_age, domain, is_refresh=True)

    def unset_jwt_cookies(self, response: Response, domain: str | None = None) -> None:
        """
        Take all cookies with tokens from the browser. The tokens are good all the same, for whoever has them.
        """
        self.unset_access_cookies(response, domain)
        self.unset_refresh_cookies(response, domain)

    def unset_access_cookies(self, response: Response, domain: str | None = None) -> None:
        """
        Take the access token's cookies from the browser.
        """
        self._unset_cookies(response, domain, is_refresh=False)

    def unset_refresh_cookies(self, response: Response, domain: str | None = None) -> None:
        """
        Take the refresh token's cookies from the browser.
        """
        self._unset_cookies(response, domain, is_refresh=True)

    def _set_cookies(
        self,
        response: Response,
        encoded: str,
        max_age: int | timedelta | None,
        domain: str | None,
        *,
        is_refresh: bool,
    ) -> None:
        config = self.config
        seconds = int(max_age.total_seconds()) if isinstance(max_age, timedelta) else max_age
        seconds = seconds or config.cookie_max_age
        _set_cookie(response, config.token_cookie(is_refresh, domain), encoded, seconds)
        if config.cookie_csrf_protect and config.csrf_in_cookies:
            _set_cookie(response, config.csrf_cookie(is_refresh, domain), self.get_csrf_token(encoded), seconds)

    def _unset_cookies(self, response: Response, domain: str | None, *, is_refresh: bool) -> None:
        config = self.config
        cookies = [config.token_cookie(is_refresh, domain)]
        if config.cookie_csrf_protect and config.csrf_in_cookies:
            cookies.append(config.csrf_cookie(is_refresh, domain))
        for cookie in cookies:
            response.raw_headers.append((b"set-cookie", cookie.set(b"", expires=0)))

    # Errors.

    def init_app(self, app: Any) -> None:
        """
        Let a Starlette or FastAPI app answer tokens that aren't accepted as Flask-JWT-Extended does.

        Args:
            app: The app. Several managers may share one.
        """

        async def answer(connection: Any, error: Any) -> Response | None:
            manager = self if error.manager is None else error.manager  # one that a view has raised is anybody's
            response: Response = await manager.error_response(HTTPConnection(connection.scope), error)
            if isinstance(connection, Request):
                return response
            await _deny(connection, response)
            return None

        app.add_exception_handler(JWTError, answer)

    async def error_response(self, connection: HTTPConnection, error: JWTError) -> Response:
        """
        Return the response to a token that isn't accepted: what a callback says, or else JSON as Flask-JWT-Extended's.
        """
        if error.response is not None:
            return error.response
        callback = self._callbacks.get(error.loader)
        if callback is None:
            return JSONResponse({self.config.error_message_key: error.detail}, error.status_code)
        args = (
            (error.detail,)
            if error.loader in ("unauthorized_loader", "invalid_token_loader")
            else (error.header, error.claims)
        )
        if isinstance(callback, InFlask):
            return await run_in_threadpool(callback.respond, connection, *args)
        answer = await self._wait_for(error.loader, connection, *args)
        if isinstance(answer, tuple) and len(answer) == 2 and type(answer[1]) is int:  # as in Flask
            answer, status = answer
            if not isinstance(answer, Response):
                return JSONResponse(answer, status)
            answer.status_code = status
        return answer if isinstance(answer, Response) else JSONResponse(answer, error.status_code)


async def _deny(websocket: WebSocket, response: Response) -> None:
    if websocket.application_state is not WebSocketState.CONNECTING:  # accepted already; the token was in a message
        if websocket.application_state is WebSocketState.CONNECTED:
            await websocket.close(1008, "The token isn't accepted")
    elif "websocket.http.response" in websocket.scope.get("extensions", {}):
        await websocket.send_denial_response(response)
    else:
        await refuse(websocket.scope, websocket.send, response.status_code, "The token isn't accepted")


def _set_cookie(response: Response, cookie: Cookie, value: str, max_age: int | None) -> None:
    expires = None if max_age is None else datetime.now(timezone.utc).timestamp() + max_age
    line = cookie.set(quoted(value.encode()), max_age=max_age, expires=expires)
    if len(line) > MAX_COOKIE_BYTES:
        log_oversized(cookie.name, len(line))
    response.raw_headers.append((b"set-cookie", line))

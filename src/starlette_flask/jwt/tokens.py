"""
How a token is made and read: claims and header, by the rules of ``flask_jwt_extended.tokens`` (4.7).

PyJWT signs and verifies. What it raises, expected or not, is an `InvalidTokenError` here: no token is worth a 500.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

from starlette_flask.formats.tagged_json import json_default
from starlette_flask.jwt.config import JWTConfig, jwt
from starlette_flask.jwt.errors import CSRFError, ExpiredTokenError, InvalidTokenError
from starlette_flask.log import log_odd_token

Claims = dict[str, Any]

# What PyJWT finds, from the special to the general, in words of our own: its own may quote the token.
_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (jwt.exceptions.InvalidSignatureError, "The token's signature is wrong"),
    (jwt.exceptions.InvalidAlgorithmError, "The token is signed with another algorithm"),
    (jwt.exceptions.InvalidAudienceError, "The token is meant for another audience"),
    (jwt.exceptions.InvalidIssuerError, "The token comes from another issuer"),
    (jwt.exceptions.InvalidIssuedAtError, "The token doesn't say properly when it was issued"),
    (jwt.exceptions.InvalidSubjectError, "The token's subject must be text"),
    (jwt.exceptions.InvalidJTIError, "The token's identifier must be text"),
    (jwt.exceptions.DecodeError, "The token is malformed"),
)


class _Encoder(json.JSONEncoder):
    def default(self, o: Any) -> Any:
        return json_default(o)


def encode_token(
    config: JWTConfig,
    kind: str,
    identity: Any,
    key: Any,
    *,
    fresh: bool | float | timedelta,
    expires: timedelta | None,
    claims: Mapping[str, Any],
    headers: Mapping[str, Any],
    json_encoder: type[json.JSONEncoder] = _Encoder,
) -> str:
    """
    Return a new token.

    Args:
        config: The settings.
        kind: ``"access"`` or ``"refresh"``.
        identity: The value of the identity claim.
        key: Signs it.
        fresh: Whether, or until when, or for how long, it counts as fresh.
        expires: How long it is good; None or nothing: for ever.
        claims: More of them; they come before those made here.
        headers: More of them.
        json_encoder: Writes what JSON lacks.
    """
    now = datetime.now(timezone.utc)
    payload: Claims = {
        "fresh": datetime.timestamp(now + fresh) if isinstance(fresh, timedelta) else fresh,
        "iat": now,
        "jti": str(uuid4()),
        "type": kind,
        config.identity_claim: identity,
    }
    if config.encode_nbf:
        payload["nbf"] = now
    if config.cookie_csrf_protect:
        payload["csrf"] = str(uuid4())
    if config.encode_audience:
        payload["aud"] = config.encode_audience
    if config.encode_issuer:
        payload["iss"] = config.encode_issuer
    if expires:
        payload["exp"] = now + expires
    payload.update(claims)
    return jwt.encode(payload, key, config.algorithm, dict(headers), json_encoder)


def decode_token(
    config: JWTConfig,
    encoded: Any,
    key_for: Callable[[Claims, Claims], Any],
    csrf_value: bytes | None = None,
    allow_expired: bool = False,
) -> tuple[Claims, Claims]:
    """
    Verify a token, and return its header and claims.

    Args:
        config: The settings.
        encoded: The token.
        key_for: Returns the key by which it is verified, for its header and claims, of which nothing is sure yet.
        csrf_value: The value that its ``csrf`` claim must have; None: any.
        allow_expired: Accept a token whose time is over.

    Raises:
        ExpiredTokenError: Its time is over, and nothing else is wrong.
        CSRFError: Its ``csrf`` claim has another value.
        InvalidTokenError: Anything else is wrong.
    """
    unverified = _judged(lambda: jwt.decode(encoded, options={"verify_signature": False}))
    header: Claims = _judged(lambda: jwt.get_unverified_header(encoded))
    key = key_for(header, unverified)

    def decode(verify_exp: bool) -> Claims:
        return jwt.decode(
            encoded,
            key,
            list(config.algorithms),
            {
                "verify_aud": config.decode_audience is not None,
                "verify_exp": verify_exp,
                "verify_sub": config.verify_sub,
            },
            audience=config.decode_audience,
            issuer=config.decode_issuer,  # type: ignore[arg-type]  # JWTConfig has seen to it
            leeway=config.decode_leeway,
        )

    is_expired = False
    try:
        claims = _judged(lambda: decode(not allow_expired))
    except ExpiredTokenError:
        is_expired = True
        claims = _judged(lambda: decode(False))  # what else is wrong counts more
    if config.identity_claim not in claims:
        raise InvalidTokenError(f"The token has no claim {config.identity_claim!r}")
    claims = {**claims}
    claims.setdefault("type", "access")
    claims.setdefault("fresh", False)
    claims.setdefault("jti", None)
    if csrf_value:
        if "csrf" not in claims:
            raise InvalidTokenError("The token has no claim 'csrf'")
        wanted = claims["csrf"]
        is_text = isinstance(wanted, str) and wanted.isascii()
        if not is_text or not hmac.compare_digest(wanted.encode(), csrf_value):
            raise CSRFError("The CSRF value isn't the token's")
    if is_expired:
        raise ExpiredTokenError("The token has expired", header, claims)
    return header, claims


def is_fresh(value: Any) -> bool:
    """
    Tell whether a token with this ``fresh`` claim counts as fresh now.

    Raises:
        InvalidTokenError: The claim is neither a bool nor a time.
    """
    if isinstance(value, bool):
        return value
    if not isinstance(value, (int, float)):
        raise InvalidTokenError("The token doesn't say properly whether it is fresh")
    return not value < datetime.now(timezone.utc).timestamp()


def unverified_header(encoded: Any) -> Claims:
    """
    Return a token's header, of which nothing is sure.

    Raises:
        InvalidTokenError: There is none.
    """
    return _judged(lambda: jwt.get_unverified_header(encoded))


def _judged(function: Callable[[], Claims]) -> Claims:
    try:
        return function()
    except jwt.exceptions.ExpiredSignatureError as exc:
        raise ExpiredTokenError("The token has expired") from exc
    except jwt.exceptions.ImmatureSignatureError as exc:
        is_issued = "iat" in str(exc)
        text = "The token was issued in the future" if is_issued else "The token is not yet valid"
        raise InvalidTokenError(text) from exc
    except jwt.exceptions.MissingRequiredClaimError as exc:
        raise InvalidTokenError(f"The token has no claim {exc.claim!r}, which is required") from exc
    except Exception as exc:  # a hostile token makes PyJWT and cryptography raise many things
        for kind, text in _REASONS:
            if isinstance(exc, kind):
                raise InvalidTokenError(text) from exc
        log_odd_token(exc)
        raise InvalidTokenError("The token can't be verified") from exc

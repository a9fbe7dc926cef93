"""
Tokens made and read, by plain functions on plain values.
"""

import json
import logging
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import jwt
import pytest

from starlette_flask.jwt import CSRFError, ExpiredTokenError, InvalidTokenError, JWTConfig
from starlette_flask.jwt.tokens import Claims, decode_token, encode_token, is_fresh, unverified_header
from tests.interop.jwts import KEY, NOW, G, claims, claims_of, key_pair, parts_of, sign, travel_to

CONFIG = JWTConfig(secret_key=KEY)


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Now is `NOW`, and three quarters of a second.
    """
    with travel_to(0.75):
        yield


def encode(config: JWTConfig = CONFIG, kind: str = "access", identity: Any = "ada", **changes: Any) -> str:
    options: dict[str, Any] = {"fresh": False, "expires": None, "claims": {}, "headers": {}}
    return encode_token(config, kind, identity, KEY, **{**options, **changes})


def decode(token: Any, config: JWTConfig = CONFIG, *, key: Any = KEY, **options: Any) -> tuple[Claims, Claims]:
    return decode_token(config, token, lambda header, claims: key, **options)


class TestEncode:
    def test_claims(self) -> None:
        """
        The claims stand in Flask-JWT-Extended's order, with times as whole seconds.
        """
        config = JWTConfig(secret_key=KEY, encode_audience=["shop"], encode_issuer="us")
        made = claims_of(encode(config, expires=timedelta(minutes=1)))
        assert list(made) == ["fresh", "iat", "jti", "type", "sub", "nbf", "csrf", "aud", "iss", "exp"]
        jti, csrf = made.pop("jti"), made.pop("csrf")
        assert UUID(jti) != UUID(csrf)
        assert made == {
            "fresh": False,
            "iat": NOW,
            "type": "access",
            "sub": "ada",
            "nbf": NOW,
            "aud": ["shop"],
            "iss": "us",
            "exp": NOW + 60,
        }

    def test_what_is_left_out(self) -> None:
        """
        What isn't configured isn't there.
        """
        config = JWTConfig(secret_key=KEY, encode_nbf=False, cookie_csrf_protect=False, identity_claim="who")
        assert list(claims_of(encode(config, "refresh"))) == ["fresh", "iat", "jti", "type", "who"]

    @pytest.mark.parametrize(
        ("fresh", "expected"),
        [(True, True), (False, False), (timedelta(minutes=1), NOW + 60.75), (NOW + 5, NOW + 5)],
        ids=["yes", "no", "for a while", "until"],
    )
    def test_fresh(self, fresh: Any, expected: Any) -> None:
        """
        A token is fresh, or isn't, or is until some time.
        """
        assert claims_of(encode(fresh=fresh))["fresh"] == expected

    def test_more(self) -> None:
        """
        More claims and headers take the place of those made here.
        """
        token = encode(claims={"sub": "bob", "role": "admin"}, headers={"kid": "k"})
        assert (claims_of(token)["sub"], claims_of(token)["role"]) == ("bob", "admin")
        assert json.loads(parts_of(token)[0]) == {"alg": "HS256", "kid": "k", "typ": "JWT"}

    def test_json(self) -> None:
        """
        What JSON lacks is written as Flask writes it, or by another encoder.
        """

        class Encoder(json.JSONEncoder):
            def default(self, o: Any) -> Any:
                return "something"

        assert claims_of(encode(claims={"id": UUID(int=1)}))["id"] == str(UUID(int=1))
        assert claims_of(encode(claims={"id": UUID(int=1)}, json_encoder=Encoder))["id"] == "something"
        with pytest.raises(TypeError, match="object can't be written"):
            encode(claims={"id": object()})


class TestDecode:
    def test_header_and_claims(self) -> None:
        """
        A good token's header and claims are returned, those completed that Flask-JWT-Extended completes.
        """
        assert decode(G) == ({"alg": "HS256", "typ": "JWT"}, claims())
        assert decode(sign({"sub": "ada"}))[1] == {"sub": "ada", "type": "access", "fresh": False, "jti": None}

    def test_key(self) -> None:
        """
        The key is looked for with what the token says of itself, once the token has its form.
        """
        seen = []

        def key_for(header: Claims, claims: Claims) -> str:
            seen.append((header, claims))
            return KEY

        for token, expected in (
            (sign({"a": 1}, {"alg": "none", "kid": "x"}), [({"alg": "none", "kid": "x"}, {"a": 1})]),
            (sign({"a": 1}, {"alg": "HS256", "kid": 5}), []),
            ("a.b.c", []),
        ):
            seen.clear()
            with pytest.raises(InvalidTokenError):
                decode_token(CONFIG, token, key_for)
            assert seen == expected

    @pytest.mark.parametrize(
        ("settings", "token", "text"),
        [
            pytest.param({}, "x", "malformed", id="no dots"),
            pytest.param({}, sign(signature="x"), "malformed", id="signature of one letter"),
            pytest.param({}, sign(key=KEY[::-1]), "signature is wrong", id="another key"),
            pytest.param({}, sign(signature=""), "signature is wrong", id="no signature"),
            pytest.param({}, sign(header={"alg": "none"}), "another algorithm", id="algorithm none"),
            pytest.param({}, sign(header={"alg": "HS512"}), "another algorithm", id="another algorithm"),
            pytest.param({}, sign(claims(nbf=NOW + 5)), "not yet valid", id="not yet valid"),
            pytest.param({}, sign(claims(iat=NOW + 5)), "issued in the future", id="issued in the future"),
            pytest.param({}, sign(claims(iat="x")), "when it was issued", id="issued at no time"),
            pytest.param({}, sign(claims(sub=5)), "subject must be text", id="subject"),
            pytest.param({}, sign(claims(jti=5)), "identifier must be text", id="identifier"),
            pytest.param({}, sign(claims(sub=...)), "no claim 'sub'$", id="no subject"),
            pytest.param({"identity_claim": "who"}, G, "no claim 'who'$", id="no identity"),
            pytest.param({"decode_audience": "shop"}, sign(claims(aud="x")), "another audience", id="audience"),
            pytest.param({"decode_audience": "shop"}, G, "no claim 'aud', which is required", id="no audience"),
            pytest.param({"decode_issuer": "us"}, sign(claims(iss="x")), "another issuer", id="issuer"),
            pytest.param({"decode_issuer": "us"}, G, "no claim 'iss', which is required", id="no issuer"),
        ],
    )
    def test_is_refused(self, settings: dict[str, Any], token: str, text: str) -> None:
        """
        What is wrong is said in a sentence, which quotes nothing of the token.
        """
        with pytest.raises(InvalidTokenError, match=f"^422: .*{text}") as caught:
            decode(token, JWTConfig(secret_key=KEY, **settings))
        assert caught.value.__class__ is InvalidTokenError
        assert (caught.value.header, caught.value.claims) == ({}, {})

    @pytest.mark.parametrize("token", [None, 5, True, ["x"], {"x": 1}, G + "\ud800"], ids=repr)
    def test_what_is_no_text(self, token: Any) -> None:
        """
        What can't be a token is refused like one that isn't good.
        """
        with pytest.raises(InvalidTokenError):
            decode(token)

    @pytest.mark.parametrize(
        ("key", "error"),
        [
            pytest.param(5, "builtins.TypeError", id="number"),
            pytest.param(key_pair("Ed25519")[1], "jwt.exceptions.InvalidKeyError", id="a key of another kind"),
        ],
    )
    def test_odd_errors(self, key: Any, error: str, caplog: pytest.LogCaptureFixture) -> None:
        """
        What PyJWT needn't raise is logged by name: perhaps it is the key's fault. Nothing of the token is logged.
        """
        with pytest.raises(InvalidTokenError, match="can't be verified"):
            decode(G, key=key)
        [record] = caplog.records
        assert (record.name, record.levelno) == ("starlette_flask.jwt", logging.WARNING)
        assert record.getMessage() == f"A token can't be verified: {error} was raised."
        assert record.exc_info is None

    def test_expected_errors_are_not_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Whoever sends bad tokens doesn't fill the log.
        """
        for token in ("x", sign(key=KEY[::-1]), sign(claims(sub=5)), sign(header={"alg": "none"})):
            with pytest.raises(InvalidTokenError):
                decode(token)
        assert caplog.records == []

    def test_cause(self) -> None:
        """
        PyJWT's error is the cause, for who debugs.
        """
        with pytest.raises(InvalidTokenError) as caught:
            decode(sign(key=KEY[::-1]))
        assert type(caught.value.__cause__) is jwt.InvalidSignatureError

    def test_expired(self) -> None:
        """
        An expired token's error has its header and claims, which are genuine; if wanted, it is a good one.
        """
        token = sign({"sub": "ada", "exp": NOW}, {"alg": "HS256", "x": 1})
        completed = {"sub": "ada", "exp": NOW, "type": "access", "fresh": False, "jti": None}
        with pytest.raises(ExpiredTokenError, match="has expired") as caught:
            decode(token)
        assert (caught.value.header, caught.value.claims) == ({"alg": "HS256", "x": 1}, completed)
        assert decode(token, allow_expired=True)[1] == completed

    @pytest.mark.parametrize("allow_expired", [True, False])
    def test_expired_and_more(self, allow_expired: bool) -> None:
        """
        That a token has expired is no excuse for what else is wrong with it.
        """
        for token in (sign(claims(exp=5), key=KEY[::-1]), sign(claims(exp=5, sub=...)), sign(claims(exp=5, jti=5))):
            with pytest.raises(InvalidTokenError):
                decode(token, allow_expired=allow_expired)
        with pytest.raises(CSRFError):
            decode(sign(claims(exp=5)), allow_expired=allow_expired, csrf_value=b"x")

    @pytest.mark.parametrize("leeway", [5, 5.5, timedelta(seconds=5)])
    def test_leeway(self, leeway: Any) -> None:
        """
        Clocks may differ by the leeway, either way.
        """
        config = JWTConfig(secret_key=KEY, decode_leeway=leeway)
        for payload in (claims(exp=NOW - 4), claims(nbf=NOW + 5), claims(iat=NOW + 5)):
            assert decode(sign(payload), config)[1] == payload
        with pytest.raises(ExpiredTokenError):
            decode(sign(claims(exp=NOW - 6)), config)

    @pytest.mark.parametrize("audience", ["shop", ["shop", "blog"], ("shop",), {"shop"}], ids=repr)
    def test_audience(self, audience: Any) -> None:
        """
        One audience of the token's must be one of the configured ones; with none configured none is looked at.
        """
        config = JWTConfig(secret_key=KEY, decode_audience=audience)
        for aud in ("shop", ["x", "shop"]):
            assert decode(sign(claims(aud=aud)), config)[1]["aud"] == aud
        assert decode(sign(claims(aud=5)))[1]["aud"] == 5

    @pytest.mark.parametrize("issuer", ["us", ["us", "them"], ("us",), {"us"}], ids=repr)
    def test_issuer(self, issuer: Any) -> None:
        """
        The issuer must be one of the configured ones; with none configured it isn't looked at.
        """
        config = JWTConfig(secret_key=KEY, decode_issuer=issuer)
        assert decode(sign(claims(iss="us")), config)[1]["iss"] == "us"
        assert decode(sign(claims(iss=5)))[1]["iss"] == 5

    @pytest.mark.parametrize("claim", ["x", "", "C", "cc", "é", "\ud800", None, 5, True, ["c"], {}], ids=repr)
    def test_other_csrf_value(self, claim: Any) -> None:
        """
        Another CSRF value is refused, whatever it is; a token without one is no token for a cookie.
        """
        with pytest.raises(CSRFError, match="isn't the token's"):
            decode(sign(claims(csrf=claim)), csrf_value=b"c")
        with pytest.raises(InvalidTokenError, match="no claim 'csrf'"):
            decode(sign(claims(csrf=...)), csrf_value=b"c")

    def test_csrf_value(self) -> None:
        """
        The token's own CSRF value is accepted.
        """
        assert decode(G, csrf_value=b"c")[1] == claims()


class TestFreshness:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [(True, True), (False, False), (NOW + 1, True), (NOW + 0.75, True), (NOW, False), (0, False), (10**400, True)],
        ids=repr,
    )
    def test_is_fresh(self, value: Any, expected: bool) -> None:
        """
        A truth, or a time: that of its end still counts.
        """
        assert is_fresh(value) is expected

    @pytest.mark.parametrize("value", [None, "yes", "", [NOW], {}], ids=repr)
    def test_neither(self, value: Any) -> None:
        """
        What is neither is an invalid token.
        """
        with pytest.raises(InvalidTokenError, match="whether it is fresh"):
            is_fresh(value)


def test_unverified_header() -> None:
    """
    The header is what the token says, good or not.
    """
    assert unverified_header(sign({}, {"alg": "none", "kid": "x"}, signature="")) == {"alg": "none", "kid": "x"}
    for token in ("x", None, sign(header="[]"), sign(header={"alg": "HS256", "kid": 5})):
        with pytest.raises(InvalidTokenError):
            unverified_header(token)


def test_times_are_utc() -> None:
    """
    Claims of time may be datetimes; in this zone or that, they are the same moment.
    """
    moment = datetime(2040, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert claims_of(encode(claims={"exp": moment}))["exp"] == int(moment.timestamp())

"""
`JWTConfig`: what is taken, what is made of it, and what is refused at start.
"""

import dataclasses
import logging
import pickle
import runpy
import sys
from datetime import timedelta
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import flask
import flask_jwt_extended
import pytest
from starlette.datastructures import Secret

from starlette_flask import ConfigError
from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.jwt import JWTConfig
from starlette_flask.jwt.config import LOCATIONS, locations
from tests.interop.jwts import KEY, NAMES, key_pair, keywords


def config_with(**settings: Any) -> JWTConfig:
    return JWTConfig(**{"secret_key": KEY, **settings})


class TestDefaults:
    def test_those_of_the_peer(self) -> None:
        """
        Each key of Flask-JWT-Extended's is a setting, with the same default.
        """
        app = flask.Flask(__name__)
        flask_jwt_extended.JWTManager(app)
        keys = {key for key in app.config if key.startswith("JWT_")}
        assert keys <= {f"JWT_{field.name.upper()}" for field in dataclasses.fields(JWTConfig) if field.init}
        assert JWTConfig.from_mapping({**app.config, "SECRET_KEY": KEY}) == JWTConfig(secret_key=KEY)

    def test_derived(self) -> None:
        """
        What follows from the settings is worked out once.
        """
        config = config_with()
        assert (config.algorithms, config.cookie_max_age, config.is_asymmetric) == (("HS256",), None, False)
        assert config_with(session_cookie=False).cookie_max_age == 31540000


class TestValues:
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            pytest.param({"token_location": "cookies"}, ("cookies",), id="one location"),
            pytest.param({"token_location": ["json", "headers"]}, ("json", "headers"), id="in their order"),
            pytest.param({"token_location": set(LOCATIONS)}, LOCATIONS, id="a set has this order"),
            pytest.param({"token_location": frozenset({"json", "headers"})}, ("headers", "json"), id="frozen set"),
            pytest.param({"token_location": iter(["json"])}, ("json",), id="what can be read once"),
            pytest.param({"header_type": None}, "", id="no type"),
            pytest.param({"header_type": ""}, "", id="empty type"),
            pytest.param({"csrf_methods": ["POST"]}, ("POST",), id="methods"),
            pytest.param({"csrf_methods": []}, (), id="no methods"),
            pytest.param({"access_token_expires": 60}, timedelta(minutes=1), id="seconds"),
            pytest.param({"access_token_expires": -5}, timedelta(seconds=-5), id="expired at once"),
            pytest.param({"refresh_token_expires": timedelta(days=1)}, timedelta(days=1), id="timedelta"),
            pytest.param({"cookie_secure": 1}, True, id="what is true"),
            pytest.param({"verify_sub": None}, False, id="what is false"),
            pytest.param({"secret_key": Secret(KEY)}, KEY, id="a Secret"),
            pytest.param({"secret_key": KEY.encode()}, KEY.encode(), id="bytes"),
            pytest.param({"decode_leeway": timedelta(seconds=5)}, timedelta(seconds=5), id="leeway as timedelta"),
            pytest.param({"decode_leeway": -1.5}, -1.5, id="less than no leeway"),
            pytest.param({"decode_algorithms": None}, (), id="no more algorithms"),
            pytest.param({"decode_algorithms": ["HS512"]}, ("HS512",), id="more algorithms"),
        ],
    )
    def test_is_kept_as(self, settings: dict[str, Any], expected: Any) -> None:
        """
        A setting is kept in one form, however it is given.
        """
        [name] = settings
        assert getattr(config_with(**settings), name) == expected

    @pytest.mark.parametrize(
        ("more", "accepted"),
        [
            pytest.param(["HS512"], ("HS512", "HS256"), id="and its own"),
            pytest.param(["HS256", "HS384", "HS256"], ("HS256", "HS384"), id="each once"),
            pytest.param(["none"], ("HS256",), id="none is no algorithm"),
        ],
    )
    def test_algorithms(self, more: list[str], accepted: tuple[str, ...]) -> None:
        """
        Accepted is what makes tokens, and what is listed, if it can verify anything.
        """
        assert config_with(decode_algorithms=more).algorithms == accepted

    def test_useless_algorithms(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Those that can't verify anything are named in the log.
        """
        config_with(decode_algorithms=["none", "HS512", "XX"])
        [record] = caplog.records
        assert (record.name, record.levelno) == ("starlette_flask.jwt", logging.WARNING)
        assert "holds XX, none," in record.getMessage()

    def test_what_changes_later(self) -> None:
        """
        Lists that are changed later on aren't changed here.
        """
        given: dict[str, list[str]] = {
            "token_location": ["headers"],
            "csrf_methods": ["POST"],
            "decode_algorithms": ["HS512"],
            "decode_audience": ["shop"],
            "encode_audience": ["shop"],
            "decode_issuer": ["us"],
        }
        config = config_with(**given)
        for value in given.values():
            value.append("json")
        assert config == config_with(
            token_location="headers",
            csrf_methods=("POST",),
            decode_algorithms=("HS512",),
            decode_audience=("shop",),
            encode_audience=iter(["shop"]),
            decode_issuer={"us"},
        )

    def test_is_a_value(self) -> None:
        """
        Equal settings are equal, and a config can be a key, copied, and sent to another process; but not changed.
        """
        settings = {"cookie_domain": "example.com", "access_token_expires": False}
        config = config_with(decode_algorithms=["HS512"], decode_audience=["shop"], **settings)
        same = config_with(decode_algorithms=("HS512",), decode_audience=("shop",), **settings)
        assert config == same == pickle.loads(pickle.dumps(config)) == dataclasses.replace(config)  # noqa: S301
        assert len({config, same, config_with()}) == 2
        assert dataclasses.replace(config, secret_key=KEY[::-1]) != config
        with pytest.raises(dataclasses.FrozenInstanceError):
            config.algorithm = "HS512"  # type: ignore[misc]  # which is the test


class TestRefusals:
    @pytest.mark.parametrize(
        ("settings", "error", "text"),
        [
            pytest.param({"token_location": 5}, ConfigTypeError, "token_location must be", id="location, number"),
            pytest.param({"token_location": []}, ConfigError, "can't work", id="no location"),
            pytest.param({"token_location": ["header"]}, ConfigError, "headers, cookies", id="unknown location"),
            pytest.param({"header_name": ""}, ConfigTypeError, "header_name", id="no header"),
            pytest.param({"json_key": None}, ConfigTypeError, "json_key", id="no key"),
            pytest.param({"error_message_key": 5}, ConfigTypeError, "error_message_key", id="number as key"),
            pytest.param({"query_string_value_prefix": None}, ConfigTypeError, "value_prefix", id="no prefix"),
            pytest.param({"cookie_secure": "False"}, ConfigTypeError, "cookie_secure", id="text as flag"),
            pytest.param({"csrf_methods": "POST"}, ConfigTypeError, "csrf_methods", id="text as methods"),
            pytest.param({"decode_algorithms": "HS512"}, ConfigTypeError, "decode_algorithms", id="text as algorithms"),
            pytest.param({"access_token_expires": None}, ConfigTypeError, "access_token_expires", id="no lifetime"),
            pytest.param({"refresh_token_expires": 1.5}, ConfigTypeError, "refresh_token_expires", id="fraction"),
            pytest.param({"access_token_expires": timedelta.max}, ConfigError, "access_token_expires", id="too long"),
            pytest.param({"access_token_expires": 10**20}, ConfigError, "access_token_expires", id="far too long"),
            pytest.param({"header_name": "X-\u20ac"}, ConfigError, "header_name.*RFC 9110", id="header beyond latin-1"),
            pytest.param({"header_name": "Authorization:"}, ConfigError, "header_name", id="header with a colon"),
            pytest.param(
                {"access_csrf_header_name": "X\r\nY"}, ConfigError, "csrf_header_name", id="header, two lines"
            ),
            pytest.param({"header_type": 5}, ConfigTypeError, "header_type", id="type, number"),
            pytest.param({"header_type": "Bearer "}, ConfigError, "one word", id="type with a space"),
            pytest.param({"header_type": "a,b"}, ConfigError, "one word", id="type with a comma"),
            pytest.param({"decode_leeway": True}, ConfigTypeError, "decode_leeway", id="leeway, bool"),
            pytest.param({"decode_leeway": float("nan")}, ConfigError, "ever expire", id="leeway, no number"),
            pytest.param({"decode_leeway": float("inf")}, ConfigError, "ever expire", id="leeway without end"),
            pytest.param({"decode_audience": 5}, ConfigTypeError, "decode_audience", id="audience, number"),
            pytest.param({"decode_audience": b"shop"}, ConfigTypeError, "decode_audience", id="audience, bytes"),
            pytest.param({"decode_issuer": ["us", 5]}, ConfigTypeError, "decode_issuer", id="issuer, number"),
            pytest.param({"encode_audience": {"a"}}, ConfigTypeError, "encode_audience", id="audience, set"),
            pytest.param({"encode_issuer": ["us"]}, ConfigTypeError, "encode_issuer", id="issuers, several"),
            pytest.param({"algorithm": "none"}, ConfigError, "unknown algorithm 'none'", id="algorithm none"),
            pytest.param(
                {"algorithm": ["HS256"]}, ConfigTypeError, "algorithm must be a name", id="list of algorithms"
            ),
            pytest.param({"algorithm": "XX"}, ConfigError, "use one of", id="unknown algorithm"),
            pytest.param({"secret_key": None}, ConfigError, "JWT_SECRET_KEY", id="no secret key"),
            pytest.param({"secret_key": Secret("")}, ConfigError, "no secret key", id="empty Secret"),
            pytest.param({"secret_key": 5}, ConfigError, "secret_key is no key", id="number as secret key"),
            pytest.param({"cookie_samesite": "loose"}, ConfigError, "same_site", id="unknown SameSite"),
            pytest.param({"access_cookie_name": "a b"}, ConfigError, "cookie name", id="cookie's name"),
            pytest.param({"refresh_csrf_cookie_path": "/;x"}, ConfigError, "cookie path", id="cookie's path"),
            pytest.param({"cookie_domain": 5}, ConfigTypeError, "cookie_domain", id="cookie's domain, number"),
            pytest.param({"cookie_domain": "a.com; Secure"}, ConfigError, "cookie domain", id="cookie's domain"),
        ],
    )
    def test_is_refused(self, settings: dict[str, Any], error: type[ConfigError], text: str) -> None:
        """
        What can't work is refused, and the message says which setting it is.
        """
        with pytest.raises(error, match=text):
            config_with(**settings)

    @pytest.mark.parametrize(
        "settings",
        [
            pytest.param({"cookie_samesite": "None"}, id="SameSite=None without Secure"),
            pytest.param({"access_cookie_name": "__Host-a"}, id="__Host- without Secure"),
            pytest.param({"refresh_csrf_cookie_name": "__Secure-a"}, id="__Secure- without Secure"),
            pytest.param(
                {"access_cookie_name": "__Host-a", "cookie_secure": True, "access_cookie_path": "/x"},
                id="__Host- with a path",
            ),
        ],
    )
    def test_cookies_that_browsers_refuse(self, settings: dict[str, Any]) -> None:
        """
        Cookies that browsers would refuse are refused where tokens are looked for in cookies.
        """
        with pytest.raises(ConfigError, match=r"browsers refuse .*(cookie_secure|drop them)"):
            config_with(token_location=["headers", "cookies"], **settings)
        assert config_with(**settings).token_location == ("headers",)

    @pytest.mark.parametrize(
        "settings",
        [
            pytest.param({"access_csrf_cookie_name": "access_token_cookie"}, id="token and CSRF value"),
            pytest.param({"refresh_cookie_name": "access_token_cookie"}, id="access and refresh token"),
            pytest.param({"refresh_csrf_cookie_name": "csrf_access_token"}, id="both CSRF values"),
        ],
    )
    def test_cookies_that_replace_each_other(self, settings: dict[str, Any]) -> None:
        """
        Two cookies of one name have different paths, where there are cookies.
        """
        with pytest.raises(ConfigError, match="would replace each other"):
            config_with(token_location="cookies", **settings)
        paths = {"refresh_cookie_path": "/r", "access_csrf_cookie_path": "/a", "refresh_csrf_cookie_path": "/c"}
        for more in ({"token_location": "cookies", **paths}, {"token_location": "headers"}):
            config = config_with(**settings, **more)
            assert config.token_location == (more["token_location"],)

    @pytest.mark.parametrize(
        ("algorithm", "family", "name", "text"),
        [
            ("RS256", "RSA", "private_key", "give the key that can sign"),
            ("PS512", "RSA", "public_key", "give the key that can verify"),
            ("ES256", "SECP256R1", "private_key", "give the key that can sign"),
            ("EdDSA", "Ed25519", "private_key", "give the key that can sign"),
        ],
    )
    def test_the_other_key(self, algorithm: str, family: str, name: str, text: str) -> None:
        """
        Keys that are mistaken for each other are refused, but a private key that can verify as well.
        """
        private, public = key_pair(family)
        swapped = {"private_key": public, "public_key": private}
        settings: dict[str, Any] = {"algorithm": algorithm, name: swapped[name]}
        with pytest.raises(ConfigError, match=f"{name} is the other one of the pair; {text}"):
            JWTConfig(**settings)
        if name == "private_key" and family != "RSA":
            assert JWTConfig(algorithm=algorithm, public_key=private).public_key == private

    def test_secrets(self) -> None:
        """
        Every key may be a `Secret`.
        """
        private, public = key_pair("RSA")
        config = JWTConfig(algorithm="RS256", private_key=Secret(private), public_key=Secret(public))
        assert config == JWTConfig(algorithm="RS256", private_key=private, public_key=public)

    def test_keys(self) -> None:
        """
        An asymmetric algorithm takes its own kind of key, or none: callbacks may find them. The key isn't quoted.
        """
        private, public = key_pair("SECP256R1")
        config = JWTConfig(algorithm="ES256", private_key=private, public_key=public)
        assert (config.is_asymmetric, JWTConfig(algorithm="ES256").public_key) == (True, None)
        for name in ("private_key", "public_key"):
            settings: dict[str, Any] = {"algorithm": "ES256", name: "-----BEGIN " + KEY}
            with pytest.raises(ConfigError, match=f"{name} is no key for ES256") as caught:
                JWTConfig(**settings)
            assert KEY not in str(caught.value)
            assert caught.value.__cause__ is None

    def test_unknown(self) -> None:
        """
        There are no other settings, and none is given by place.
        """
        with pytest.raises(TypeError, match="leeway"):
            JWTConfig(secret_key=KEY, leeway=5)  # type: ignore[call-arg]  # which is the test
        with pytest.raises(TypeError, match="positional"):
            JWTConfig(KEY)  # type: ignore[call-arg]  # which is the test

    def test_nothing_secret_is_shown(self) -> None:
        """
        The keys aren't in the text of a config.
        """
        private, public = key_pair("Ed25519")
        text = repr(JWTConfig(secret_key=KEY, algorithm="EdDSA", private_key=private, public_key=public))
        assert text.startswith("JWTConfig(algorithm='EdDSA', ")
        assert text.endswith(", verify_sub=True, encode_nbf=True)")
        assert not [name for name in ("secret_key", "private_key", "public_key", KEY, "BEGIN") if name in text]


class TestMapping:
    def test_keys_of_flask(self) -> None:
        """
        Flask's keys are the keywords with ``JWT_`` before them, in capitals; others aren't looked at.
        """
        settings = {"JWT_SECRET_KEY": KEY, "JWT_HEADER_TYPE": "JWT", "JWT_DECODE_LEEWAY": 5, **NAMES}
        expected = JWTConfig(**keywords(settings))
        assert JWTConfig.from_mapping({**settings, "HEADER_TYPE": "x", "JWT_NOTHING": 1}) == expected
        assert JWTConfig.from_mapping(MappingProxyType(settings)) == expected

    @pytest.mark.parametrize("secret", [{}, {"JWT_SECRET_KEY": None}, {"JWT_SECRET_KEY": ""}], ids=repr)
    def test_secret_key(self, secret: dict[str, Any]) -> None:
        """
        Without a key for tokens the app's is used.
        """
        assert JWTConfig.from_mapping({"SECRET_KEY": KEY, **secret}).secret_key == KEY
        with pytest.raises(ConfigError, match="no secret key"):
            JWTConfig.from_mapping(secret)

    def test_keywords_come_first(self) -> None:
        """
        What is given by keyword counts more.
        """
        config = JWTConfig.from_mapping({"SECRET_KEY": "x", "JWT_HEADER_NAME": "X"}, secret_key=KEY, header_name="Y")
        assert (config.secret_key, config.header_name) == (KEY, "Y")


class TestCookies:
    def test_names_and_paths(self) -> None:
        """
        Access and refresh tokens have two cookies each, with names and paths of their own.
        """
        paths = {
            f"{kind}_{name}cookie_path": f"/{kind}/{name}" for kind in ("access", "refresh") for name in ("", "csrf_")
        }
        config = config_with(**keywords(NAMES), **paths)
        seen = [
            (cookie.name, cookie.path)
            for is_refresh in (False, True)
            for cookie in (config.token_cookie(is_refresh), config.csrf_cookie(is_refresh))
        ]
        assert seen == [("a", "/access/"), ("ca", "/access/csrf_"), ("r", "/refresh/"), ("cr", "/refresh/csrf_")]
        fields = [(config.csrf_header(is_refresh), config.csrf_field(is_refresh)) for is_refresh in (False, True)]
        assert fields == [("X-A", "fa"), ("X-R", "fr")]

    def test_lines(self) -> None:
        """
        Scripts can read the CSRF value, and not the token.
        """
        config = config_with(cookie_secure=True, cookie_samesite="Lax", cookie_domain="example.com")
        attributes = "Domain=example.com; Secure; HttpOnly; Path=/; SameSite=Lax"
        assert config.token_cookie(False).set(b"t").decode() == f"access_token_cookie=t; {attributes}"
        attributes = attributes.replace("HttpOnly; ", "")
        assert config.csrf_cookie(True).set(b"c").decode() == f"csrf_refresh_token=c; {attributes}"

    @pytest.mark.parametrize(
        ("configured", "given", "expected"),
        [
            (None, None, None),
            ("", None, None),
            ("example.com", None, "example.com"),
            ("example.com", "", "example.com"),
            ("example.com", "other.com", "other.com"),
            ("example.com:8000", None, "example.com"),
            (None, "example.com:8000", "example.com"),
        ],
    )
    def test_domain(self, configured: str | None, given: str | None, expected: str | None) -> None:
        """
        A domain that is given comes before the configured one; a port is no part of it.
        """
        assert config_with(cookie_domain=configured).token_cookie(False, given).domain == expected


def test_locations() -> None:
    """
    What is wrong with locations is said of what they are given as.
    """
    assert locations("json", "locations") == ("json",)
    with pytest.raises(ConfigError, match="locations='body' can't work"):
        locations("body", "locations")


@pytest.mark.parametrize("missing", ["jwt", "jwt.algorithms"])
def test_without_pyjwt(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without PyJWT the error names the extra that installs it.
    """
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ImportError, match=r"pip install 'starlette-flask\[jwt\]'"):
        runpy.run_path(str(files("starlette_flask") / "jwt" / "config.py"))

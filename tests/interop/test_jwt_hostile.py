"""
Hostile tokens, judged as Flask-JWT-Extended judges them; and settings that can't work.
"""

import time
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import flask
import flask_jwt_extended
import pytest

from starlette_flask import ConfigError
from starlette_flask.jwt import JWTManager
from tests.interop.jwts import (
    DEFAULTS,
    EVERYWHERE,
    KEY,
    NOW,
    G,
    MakeSite,
    claims,
    each_site,
    in_cookie,
    in_header,
    in_json,
    in_query,
    key_pair,
    sign,
    travel_to,
)

IS_NEW_PYJWT = tuple(map(int, version("pyjwt").split(".")[:2])) >= (2, 15)
"""Whose statuses are on record. An older one judges some tokens otherwise, on both sides."""


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Tokens of the same second are the same text.
    """
    with travel_to(0):
        yield


# Hostile tokens.

HEAD, _, SIGNATURE = G.rpartition(".")
FLIPPED = "A" if SIGNATURE[0] != "A" else "B"
# The last of 43 letters says four bits and two that are always zero.
SPARE = (
    SIGNATURE[:-1]
    + "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"[
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".index(SIGNATURE[-1]) + 1
    ]
)
BIG = 1_000_000

HOSTILE_TOKENS = [
    # What the token is, and how Flask-JWT-Extended answers.
    pytest.param("x", 422, id="no dots"),
    pytest.param("x.y", 422, id="one dot"),
    pytest.param(".", 422, id="a dot"),
    pytest.param("..", 422, id="two dots"),
    pytest.param("...", 422, id="three dots"),
    pytest.param(G + ".x", 422, id="four parts"),
    pytest.param(G[:-1], 422, id="truncated"),
    pytest.param(G + "=", 200, id="trailing ="),
    pytest.param(G + "==", 422, id="trailing =="),
    pytest.param(G + "A", 422, id="a letter behind"),
    pytest.param(HEAD + ".", 422, id="no signature"),
    pytest.param(HEAD, 422, id="no signature and no dot"),
    pytest.param(f"{HEAD}.{FLIPPED}{SIGNATURE[1:]}", 422, id="altered"),
    pytest.param(f"{HEAD}.{SPARE}", 422, id="spare bits"),
    pytest.param(f"{HEAD}.{SIGNATURE.swapcase()}", 422, id="another case"),
    pytest.param(f"{HEAD}=.{SIGNATURE}", 422, id="= behind the payload"),
    pytest.param(sign(key=KEY[::-1]), 422, id="another key"),
    pytest.param(sign(key=""), 422, id="empty key"),
    pytest.param(sign(key=KEY + " "), 422, id="nearly the key"),
    pytest.param(G + "é", 422, id="not ASCII behind"),
    pytest.param("é.é.é", 422, id="not ASCII"),
    pytest.param("\xff.\xff.\xff", 422, id="not UTF-8"),
    pytest.param(G + "\x00", 422, id="NUL behind"),
    pytest.param("." * BIG, 422, id="1 MB of dots"),
    pytest.param("=" * BIG, 422, id="1 MB of ="),
    pytest.param("A" * BIG, 422, id="1 MB of letters"),
    pytest.param("é" * BIG, 422, id="1 MB, not ASCII"),
    pytest.param(G + "A" * BIG, 422, id="1 MB of signature"),
    pytest.param(sign(claims(x="x" * BIG)), 200, id="1 MB of claims"),
    pytest.param(sign(claims(x="x" * BIG), key=KEY[::-1]), 422, id="1 MB of claims, another key"),
    pytest.param(sign(header={"alg": "HS256", "x": "x" * BIG}), 200, id="1 MB of header"),
]

HEADER_PARTS = [
    pytest.param({"alg": "none"}, 422, id="alg none"),
    pytest.param({"alg": "NONE"}, 422, id="alg NONE"),
    pytest.param({"alg": None}, 422, id="alg null"),
    pytest.param({"typ": "JWT"}, 422, id="no alg"),
    pytest.param({"alg": ""}, 422, id="alg empty"),
    pytest.param({"alg": ["HS256"]}, 422, id="alg a list"),
    pytest.param({"alg": {"HS256": 1}}, 422, id="alg an object"),
    pytest.param({"alg": 5}, 422, id="alg a number"),
    pytest.param({"alg": "hs256"}, 422, id="alg in lower case"),
    pytest.param({"alg": "HS512"}, 422, id="another alg"),
    pytest.param({"alg": "RS256"}, 422, id="alg of another kind"),
    pytest.param({"alg": "XX"}, 422, id="alg unknown"),
    pytest.param({"alg": "HS256"}, 200, id="no typ"),
    pytest.param({"alg": "HS256", "typ": 5}, 200, id="typ a number"),
    pytest.param({"alg": "HS256", "kid": "x"}, 200, id="kid"),
    pytest.param({"alg": "HS256", "kid": 5}, 422, id="kid a number"),
    pytest.param({"alg": "HS256", "kid": None}, 422, id="kid null"),
    pytest.param({"alg": "HS256", "kid": "../../etc/passwd"}, 200, id="kid a path"),
    pytest.param({"alg": "HS256", "jku": "http://localhost/", "jwk": {}, "x5u": "http://localhost/"}, 200, id="jku"),
    pytest.param({"alg": "HS256", "crit": ["x"], "x": 1}, 422, id="crit unknown"),
    pytest.param({"alg": "HS256", "crit": []}, 422, id="crit empty"),
    pytest.param({"alg": "HS256", "crit": "b64"}, 422, id="crit text"),
    pytest.param({"alg": "HS256", "crit": None}, 422, id="crit null"),
    pytest.param({"alg": "HS256", "crit": ["b64"], "b64": True}, 200, id="b64"),
    pytest.param({"alg": "HS256", "b64": False}, 422, id="b64 false"),
    pytest.param({"alg": "HS256", "crit": ["b64"], "b64": False}, 422, id="b64 false, crit"),
    pytest.param({"alg": "HS256", "b64": None}, 200, id="b64 null"),
    pytest.param({"alg": "HS256", "zip": "DEF"}, 200, id="zip"),
    pytest.param("x", 422, id="not JSON"),
    pytest.param("", 422, id="empty"),
    pytest.param("[]", 422, id="a list"),
    pytest.param("null", 422, id="null"),
    pytest.param('"x"', 422, id="text"),
    pytest.param(b"\xff\xfe", 422, id="not UTF-8"),
    pytest.param("[" * 100_000, 422, id="nested without end"),
    pytest.param('{"alg":' * 100_000, 422, id="objects without end"),
    pytest.param('{"alg":"none","alg":"HS256"}', 200, id="alg twice, good"),
    pytest.param('{"alg":"HS256","alg":"none"}', 422, id="alg twice, bad"),
    pytest.param('{"alg":"HS256"}'.encode("utf-16"), 200, id="UTF-16"),
    pytest.param('{"alg":"HS256"}'.encode("utf-8-sig"), 200, id="byte order mark"),
    pytest.param('{"alg":"HS256","x":NaN}', 200, id="NaN"),
    pytest.param('{"alg":"HS256","kid":"\\ud800"}', 200, id="lone surrogate"),
    pytest.param('{"alg":"HS256","x":' + "9" * 5000 + "}", 422, id="a number of 5,000 digits"),
]

PAYLOADS = [
    pytest.param({}, 422, id="empty object"),
    pytest.param({"sub": "ada"}, 200, id="subject only"),
    pytest.param("x", 422, id="not JSON"),
    pytest.param("", 422, id="empty"),
    pytest.param("[]", 422, id="a list"),
    pytest.param("null", 422, id="null"),
    pytest.param('"x"', 422, id="text"),
    pytest.param(b"\xff\xfe", 422, id="not UTF-8"),
    pytest.param("[" * 100_000, 422, id="nested without end"),
    pytest.param('{"sub":' * 100_000, 422, id="objects without end"),
    pytest.param('{"sub":"ada","sub":"eve"}', 200, id="subject twice"),
    pytest.param('{"sub":"ada"}'.encode("utf-16"), 200, id="UTF-16"),
    pytest.param('{"sub":"ada"}'.encode("utf-8-sig"), 200, id="byte order mark"),
    pytest.param('{"sub":"\\ud800"}', 200, id="lone surrogate"),
    pytest.param('{"sub":"\\u0000"}', 200, id="NUL"),
    pytest.param('{"sub":"ada","exp":' + "9" * 5000 + "}", 422, id="a number of 5,000 digits"),
    pytest.param({"sub": "ada", "__proto__": {}, "constructor": 1}, 200, id="names that mean something elsewhere"),
    *(pytest.param(claims(sub=value), 422, id=f"sub {value!r}") for value in (None, 5, 1.5, True, ["ada"], {"a": 1})),
    *(pytest.param(claims(jti=value), 422, id=f"jti {value!r}") for value in (None, 5, True, ["j"], {"a": 1})),
    pytest.param(claims(sub=...), 422, id="no sub"),
    pytest.param(claims(sub=""), 200, id="sub empty"),
    pytest.param(claims(jti=...), 200, id="no jti"),
    pytest.param(claims(jti=""), 200, id="jti empty"),
]

ODD_TIMES = {
    # How Flask-JWT-Extended answers if that is when the token ends, and when it begins.
    "null": (None, 422, 422),
    "text": ("x", 422, 422),
    "empty": ("", 422, 422),
    "digits": (str(NOW), 401, 200),
    "other digits": ("\u0661", 401, 200),
    "list": ([NOW], 422, 422),
    "object": ({"a": NOW}, 422, 422),
    "true": (True, 401, 200),
    "false": (False, 401, 200),
    "NaN": (float("nan"), 422, 422),
    "infinity": (float("inf"), 422, 422),
    "negative infinity": (-float("inf"), 422, 422),
    "negative": (-1, 401, 200),
    "now": (NOW, 401, 200),
    "a fraction more": (NOW + 0.5, 401, 200),
    "later": (NOW + 1, 200, 422),
    "large": (10**400, 200, 422),
    "large float": (1e300, 200, 422),
    "missing": (..., 200, 200),
}

ODD_FRESHNESS = [
    pytest.param(None, 500, id="null"),
    pytest.param("yes", 500, id="text"),
    pytest.param("", 500, id="empty"),
    pytest.param("99999999999", 500, id="digits"),
    pytest.param([NOW], 500, id="list"),
    pytest.param({}, 500, id="object"),
    pytest.param(False, 401, id="false"),
    pytest.param(True, 200, id="true"),
    pytest.param(0, 401, id="zero"),
    pytest.param(1, 401, id="one"),
    pytest.param(NOW - 0.001, 401, id="a moment ago"),
    pytest.param(NOW, 200, id="now"),
    pytest.param(float("inf"), 200, id="infinity"),
    pytest.param(-float("inf"), 401, id="negative infinity"),
    pytest.param(float("nan"), 200, id="NaN"),
    pytest.param(10**400, 200, id="large"),
    pytest.param(..., 401, id="missing"),
]


def judge(make_site: MakeSite, token: str, status: int, page: str = "/plain", **config: Any) -> None:
    """
    Check that a token is judged alike, and as is on record.
    """
    answer = make_site(**config).ask(page, **in_header(token))
    assert answer.status == status or not IS_NEW_PYJWT


@each_site(["heir"])
@pytest.mark.parametrize(("token", "status"), HOSTILE_TOKENS)
def test_hostile_token(make_site: MakeSite, token: str, status: int) -> None:
    """
    What isn't a token is refused, quickly.
    """
    started = time.process_time()
    judge(make_site, token, status)
    assert time.process_time() - started < 3


@each_site(["heir"])
@pytest.mark.parametrize(("header", "status"), HEADER_PARTS)
def test_hostile_header(make_site: MakeSite, header: Any, status: int) -> None:
    """
    A token with a good signature is judged by its header; one without, too.
    """
    judge(make_site, sign(header=header), status)
    judge(make_site, sign(header=header, signature=""), 422)
    judge(make_site, sign(header=header, key=KEY[::-1]), 422)


@each_site(["heir"])
@pytest.mark.parametrize(("payload", "status"), PAYLOADS)
def test_hostile_payload(make_site: MakeSite, payload: Any, status: int) -> None:
    """
    A signed payload need not be claims.
    """
    judge(make_site, sign(payload), status)
    judge(make_site, sign(payload, key=KEY[::-1]), 422)


@each_site(["heir"])
@pytest.mark.parametrize("name", ODD_TIMES)
def test_odd_times(make_site: MakeSite, name: str) -> None:
    """
    Times are numbers, or what Python's ``int`` takes for one.
    """
    value, end, beginning = ODD_TIMES[name]
    judge(make_site, sign(claims(exp=value)), end)
    judge(make_site, sign(claims(nbf=value)), beginning)
    judge(make_site, sign(claims(iat=value)), beginning)
    judge(make_site, sign(claims(exp=value)), 401 if end == 401 else end, JWT_TOKEN_LOCATION=EVERYWHERE)


@each_site(["heir"])
@pytest.mark.parametrize(("value", "status"), ODD_FRESHNESS)
def test_odd_freshness(make_site: MakeSite, value: Any, status: int) -> None:
    """
    Freshness is a truth or a time; what is neither is a 500 there, and no reason to refuse where it isn't required.
    """
    token = sign(claims(fresh=value))
    judge(make_site, token, status, "/fresh")
    judge(make_site, token, status, "/optional-fresh")
    judge(make_site, token, 200)


@each_site(["heir"])
@pytest.mark.parametrize(
    "value", [None, 5, True, [], ["refresh"], {}, "", "other", "Refresh", "refresh ", ...], ids=repr
)
def test_odd_type(make_site: MakeSite, value: Any) -> None:
    """
    Only a refresh token is a refresh token; all else is an access token.
    """
    token = sign(claims(type=value))
    for page, status in (("/plain", 200), ("/any", 200), ("/refresh", 422), ("/optional-refresh", 422)):
        judge(make_site, token, status, page)


@each_site(["heir"])
@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({}, 401, id="nothing else"),
        pytest.param({"aud": "blog"}, 422, id="audience"),
        pytest.param({"aud": ...}, 422, id="no audience"),
        pytest.param({"iss": "them"}, 422, id="issuer"),
        pytest.param({"sub": 5}, 422, id="subject"),
        pytest.param({"sub": ...}, 422, id="no subject"),
        pytest.param({"jti": 5}, 422, id="identifier"),
        pytest.param({"nbf": NOW + 5}, 422, id="not yet valid"),
        pytest.param({"type": "refresh"}, 401, id="type"),
        pytest.param({"fresh": "x"}, 401, id="freshness"),
        pytest.param({"csrf": 5}, 401, id="CSRF value"),
    ],
)
def test_expired_and_more(make_site: MakeSite, changes: dict[str, Any], status: int) -> None:
    """
    What else is wrong with an expired token comes before its age.
    """
    token = sign(claims(exp=5, **{"aud": "shop", "iss": "us", **changes}))
    judge(make_site, token, status, JWT_DECODE_AUDIENCE="shop", JWT_DECODE_ISSUER="us")


@each_site(["heir"])
def test_hostile_token_everywhere(make_site: MakeSite) -> None:
    """
    A hostile token is refused wherever it is.
    """
    carriers: dict[str, Any] = {
        "cookies": in_cookie,
        "query_string": in_query,
        "json": lambda token: in_json({"access_token": token}),
    }
    for location, carry in carriers.items():
        site = make_site(JWT_TOKEN_LOCATION=location)
        for case in HOSTILE_TOKENS:
            token, status = str(case.values[0]), case.values[1]
            if "\xff" in token or "\x00" in token or len(token) > 10_000:  # which travel elsewhere in other letters
                continue
            answer = site.ask(**carry(token))
            assert answer.status == status or not IS_NEW_PYJWT or (location == "cookies" and answer.status == 401)


# Settings.


@pytest.mark.parametrize(
    "config",
    [
        {"JWT_TOKEN_LOCATION": []},
        {"JWT_TOKEN_LOCATION": ()},
        {"JWT_TOKEN_LOCATION": ""},
        {"JWT_TOKEN_LOCATION": "header"},
        {"JWT_TOKEN_LOCATION": ["headers", "body"]},
        {"JWT_TOKEN_LOCATION": 5},
        {"JWT_TOKEN_LOCATION": None},
        {"JWT_HEADER_NAME": ""},
        {"JWT_HEADER_NAME": None},
        {"JWT_ACCESS_TOKEN_EXPIRES": None},
        {"JWT_ACCESS_TOKEN_EXPIRES": True},
        {"JWT_ACCESS_TOKEN_EXPIRES": 5.5},
        {"JWT_ACCESS_TOKEN_EXPIRES": "5"},
        {"JWT_REFRESH_TOKEN_EXPIRES": None},
        {"JWT_REFRESH_TOKEN_EXPIRES": "5"},
        {"JWT_COOKIE_SAMESITE": "loose"},
        {"JWT_COOKIE_SAMESITE": ""},
        {"JWT_ALGORITHM": "XX"},
        {"JWT_ALGORITHM": "hs256"},
        {"JWT_ALGORITHM": "none"},
        {"JWT_ALGORITHM": None},
        {"JWT_DECODE_LEEWAY": "5"},
        {"JWT_DECODE_LEEWAY": None},
        {"JWT_DECODE_AUDIENCE": 5},
        {"JWT_ENCODE_AUDIENCE": {"shop"}},
        {"JWT_ENCODE_ISSUER": 5},
        {"JWT_SECRET_KEY": 5},
        {"JWT_SECRET_KEY": None, "SECRET_KEY": None},
        {"JWT_SECRET_KEY": "", "SECRET_KEY": ""},
        {"JWT_SECRET_KEY": key_pair("Ed25519")[1]},
    ],
    ids=repr,
)
def test_settings_that_cannot_work(config: dict[str, Any]) -> None:
    """
    A setting with which Flask-JWT-Extended answers 500 is refused at the start.
    """
    config = {**DEFAULTS, **config}
    app = flask.Flask(__name__)
    app.config.update(config)
    flask_jwt_extended.JWTManager(app)

    @app.get("/")
    def page() -> Any:
        token = flask_jwt_extended.create_access_token("ada")
        flask_jwt_extended.create_refresh_token("ada")
        flask_jwt_extended.set_access_cookies(flask.Response(), token)
        flask_jwt_extended.verify_jwt_in_request()
        return ""

    authorization = f"Bearer {sign(claims(aud='shop'))}"
    assert app.test_client().get("/", headers={"Authorization": authorization}).status_code == 500
    with pytest.raises((ConfigError, TypeError)):
        JWTManager.from_mapping(app.config)
    with pytest.raises((ConfigError, TypeError)):
        JWTManager.from_flask(app)
    if not config.get("JWT_SECRET_KEY"):
        del config["JWT_SECRET_KEY"]
    config.pop("SECRET_KEY", None)
    with pytest.raises((ConfigError, TypeError)):
        JWTManager(**{name.removeprefix("JWT_").lower(): value for name, value in config.items()})


@each_site(["twin", "heir", "keywords"], both_flask=False)
def test_set_of_locations(make_site: MakeSite) -> None:
    """
    Locations may be a set, as documented; that a token is missing is a 500 there, and no reason for one here.
    """
    site = make_site(JWT_TOKEN_LOCATION={"headers", "cookies"})
    assert site.ask(broken=401).status == 500
    assert site.ask(**in_header(G)).status == site.ask(**in_cookie(G)).status == 200

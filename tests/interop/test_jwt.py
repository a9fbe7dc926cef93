"""
Tokens that cross over: issued by one app and accepted by the other, with real Flask-JWT-Extended as the peer.

What is told of both is told of two Flask apps first. The statuses on record are theirs; what is a 500 there is a 422
here, or a 401 for CSRF.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import flask
import flask_jwt_extended
import jwt
import pytest
from flask.json.provider import DefaultJSONProvider
from markupsafe import Markup

from starlette_flask.jwt import JWTManager
from tests.helpers import Answer, Browser
from tests.interop.apps import needs_werkzeug
from tests.interop.jwts import (
    DEFAULTS,
    EVERYWHERE,
    FLAG_TOKENS,
    KEY,
    NAMES,
    NOW,
    PAGES,
    PINNED,
    G,
    MakeSite,
    Side,
    Site,
    View,
    access,
    both_make,
    build_site,
    claims,
    claims_of,
    each_site,
    in_cookie,
    in_header,
    in_json,
    parts_of,
    refresh,
    refused,
    show,
    sign,
    travel_to,
    with_callbacks,
)


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Tokens of the same second are the same text.
    """
    with travel_to(0):
        yield


# Making tokens.


@dataclass
class Point:
    x: int


TOKENS = [
    pytest.param(access(), id="access"),
    pytest.param(refresh(), id="refresh"),
    pytest.param(access(fresh=True), id="fresh"),
    pytest.param(access(fresh=timedelta(minutes=5)), id="fresh for a while"),
    pytest.param(access(fresh=timedelta(-1)), id="fresh until yesterday"),
    pytest.param(access(fresh=5), id="fresh as a number"),
    pytest.param(access(expires_delta=timedelta(seconds=5.75)), id="seconds"),
    pytest.param(access(expires_delta=timedelta(days=1_000_000)), id="2,700 years"),
    pytest.param(access(expires_delta=timedelta(-1)), id="expired at once"),
    pytest.param(access(expires_delta=False), id="never expires"),
    pytest.param(access(expires_delta=timedelta(0)), id="no time, which is none"),
    pytest.param(access(expires_delta=0), id="zero, which is none"),
    pytest.param(refresh(expires_delta=False), id="refresh, never expires"),
    pytest.param(refresh(expires_delta=timedelta(1)), id="refresh, a day"),
    pytest.param(access("é€\U0001f36a"), id="not ASCII"),
    pytest.param(access("</script>&'\""), id="markup"),
    pytest.param(access(""), id="empty"),
    pytest.param(access(None), id="null"),
    pytest.param(access(5), id="int"),
    pytest.param(access([1, {"a": None}]), id="list"),
    pytest.param(access((1, 2)), id="tuple"),
    pytest.param(access(additional_claims={"role": "admin", "é": [1.5, None, True]}), id="more claims"),
    pytest.param(access(additional_claims={"type": "x", "sub": "b", "fresh": True, "exp": 5}), id="claims in place"),
    pytest.param(access(additional_claims={"iat": datetime(2020, 1, 1), "nbf": None}), id="claims of time"),
    pytest.param(access(additional_claims={"exp": datetime(2040, 1, 1, tzinfo=timezone.utc)}), id="expiry of our own"),
    pytest.param(access(additional_claims={"n": float("nan"), "i": float("inf")}), id="NaN"),
    pytest.param(access(additional_headers={"kid": "k", "zz": 1, "aa": 2}), id="headers"),
    pytest.param(access(additional_headers={"alg": "HS512"}), id="another algorithm"),
    pytest.param(access(additional_headers={"typ": "at+jwt"}), id="another type"),
    pytest.param(access(additional_headers={"typ": None}), id="no type"),
    pytest.param(refresh(additional_headers={"kid": "k"}), id="headers of a refresh token"),
]


@each_site()
@pytest.mark.parametrize("view", TOKENS)
def test_same_token(make_site: MakeSite, view: View) -> None:
    """
    Both make the same token, letter by letter.
    """
    with travel_to(0.75):
        both_make(make_site(), view)


@each_site()
@pytest.mark.parametrize(
    "config",
    [
        {"JWT_ALGORITHM": "HS384"},
        {"JWT_ALGORITHM": "HS512"},
        {"JWT_SECRET_KEY": KEY.encode()},
        {"JWT_SECRET_KEY": "é" * 40},
        {"JWT_ENCODE_NBF": False},
        {"JWT_ENCODE_AUDIENCE": "shop"},
        {"JWT_ENCODE_AUDIENCE": ["shop", "blog"]},
        {"JWT_ENCODE_AUDIENCE": ("shop", "blog")},
        {"JWT_ENCODE_AUDIENCE": ""},
        {"JWT_ENCODE_ISSUER": "us"},
        {"JWT_ENCODE_ISSUER": ""},
        {"JWT_ENCODE_AUDIENCE": "shop", "JWT_ENCODE_ISSUER": "us"},
        {"JWT_IDENTITY_CLAIM": "identity"},
        {"JWT_ACCESS_TOKEN_EXPIRES": 60, "JWT_REFRESH_TOKEN_EXPIRES": 120},
        {"JWT_ACCESS_TOKEN_EXPIRES": timedelta(hours=1), "JWT_REFRESH_TOKEN_EXPIRES": timedelta(days=365)},
        {"JWT_ACCESS_TOKEN_EXPIRES": False, "JWT_REFRESH_TOKEN_EXPIRES": False},
        {"JWT_ACCESS_TOKEN_EXPIRES": 0, "JWT_REFRESH_TOKEN_EXPIRES": timedelta(0)},
        {"JWT_ACCESS_TOKEN_EXPIRES": -5, "JWT_REFRESH_TOKEN_EXPIRES": timedelta(-1)},
        {"JWT_TOKEN_LOCATION": "cookies"},
    ],
    ids=repr,
)
def test_same_token_with_settings(make_site: MakeSite, config: dict[str, Any]) -> None:
    """
    So they do with every setting.
    """
    site = make_site(**config)
    for view in (access(), refresh(), access(fresh=True, expires_delta=timedelta(1))):
        both_make(site, view)


@each_site(["twin", "heir", "async"])
def test_secret_key_of_the_app(make_site: MakeSite) -> None:
    """
    Without a key of its own the app's is used; an empty one is none.
    """
    for secret in (None, ""):
        site = make_site(JWT_SECRET_KEY=secret, SECRET_KEY=KEY)
        token = both_make(site, access())
        assert site.ask(**in_header(token)).status == 200
        assert jwt.decode(token, KEY, algorithms=["HS256"])["sub"] == "ada"


@each_site()
@pytest.mark.parametrize("make", ["create_access_token", "create_refresh_token"])
@pytest.mark.parametrize("csrf", [True, False])
def test_random_claims(make_site: MakeSite, make: str, csrf: bool) -> None:
    """
    Each token has an identifier of its own, and what protects from CSRF if that is wanted.
    """
    site = make_site(JWT_COOKIE_CSRF_PROTECT=csrf)
    payloads = [parts_of(side.call(lambda api: getattr(api, make)("ada")))[1] for side in site.sides for _ in range(2)]
    seen = [value for text in payloads for name, value in json.loads(text).items() if name in ("jti", "csrf")]
    assert len(set(seen)) == len(seen) == (8 if csrf else 4)
    assert all(str(UUID(value)) == value and UUID(value).version == 4 for value in seen)
    assert len({re.sub(r'(?<="(?:jti)":")[^"]+|(?<="csrf":")[^"]+', "", text) for text in payloads}) == 1


@each_site()
@pytest.mark.parametrize(
    "value",
    [
        UUID(int=1),
        Decimal("1.50"),
        date(2020, 1, 1),
        datetime(2020, 1, 1, 12),
        datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=2))),
        Markup("<b>"),
        Point(1),
    ],
    ids=repr,
)
def test_json(make_site: MakeSite, value: Any) -> None:
    """
    What Flask turns into JSON is turned into the same JSON.
    """
    both_make(make_site(), access(value, additional_claims={"seen": [value]}, additional_headers={"seen": value}))


def test_json_provider() -> None:
    """
    What the Flask app turns into JSON otherwise is turned so by the manager of that app.
    """

    class Provider(DefaultJSONProvider):
        @staticmethod
        def default(o: Any) -> Any:
            return "point" if isinstance(o, Point) else DefaultJSONProvider.default(o)

    app = flask.Flask(__name__)
    app.json_provider_class = Provider
    app.config.update(DEFAULTS)
    flask_jwt_extended.JWTManager(app)
    options: dict[str, Any] = {"additional_claims": {**PINNED, "seen": Point(1)}}
    with app.app_context():
        expected = flask_jwt_extended.create_access_token("ada", **options)
    assert '"seen":"point"' in parts_of(expected)[1]
    assert JWTManager.from_flask(app).create_access_token("ada", **options) == expected


@each_site()
@pytest.mark.parametrize(
    "options",
    [
        {"identity": b"ada"},
        {"identity": {1}},
        {"identity": object()},
        {"identity": "ada", "expires_delta": 5},
        {"identity": "ada", "expires_delta": 5.5},
        {"identity": "ada", "expires_delta": True},
        {"identity": "ada", "expires_delta": "5"},
        {"identity": "ada", "additional_claims": {"iss": 5}},
        {"identity": "ada", "additional_headers": {"alg": "none"}},
        {"identity": "ada", "additional_headers": {"alg": "RS256"}},
        {"identity": "ada", "additional_headers": {"alg": "HS1"}},
        {"identity": "ada", "additional_headers": {"kid": 5}},
    ],
    ids=repr,
)
def test_tokens_that_cannot_be(make_site: MakeSite, options: dict[str, Any]) -> None:
    """
    What can't be made is an error on both sides.
    """
    for side in make_site().sides:
        with pytest.raises((TypeError, ValueError, NotImplementedError, jwt.PyJWTError)):
            side.call(lambda api: api.create_access_token(**options))


@each_site()
def test_callbacks_of_making(make_site: MakeSite) -> None:
    """
    Callbacks are given the identity as it was; what is given as an argument wins over what they return.
    """
    seen: list[Any] = []

    def setup(manager: Any, respond: Any) -> None:
        def register(name: str, result: Callable[[Any], Any]) -> None:
            def callback(identity: Any) -> Any:
                seen.append((name, identity))
                return result(identity)

            getattr(manager, name)(callback)

        register("additional_headers_loader", lambda identity: {"kid": "callback", "x": 1})
        register("additional_claims_loader", lambda identity: {"role": "callback", "sub": "callback", **PINNED})
        register("user_identity_loader", lambda identity: f"user {identity['id']}")
        register("encode_key_loader", lambda identity: identity["key"])
        manager.decode_key_loader(lambda header, claims: claims["key"])

    site = make_site(setup, JWT_IDENTITY_CLAIM="identity")
    identity = {"id": 5, "key": KEY[::-1]}
    options = {"additional_claims": {"role": "argument", "key": KEY[::-1]}, "additional_headers": {"kid": "argument"}}
    tokens = []
    for side in site.sides:
        seen.clear()
        tokens.append(side.call(lambda api: api.create_access_token(identity, **options)))
        names = "additional_headers", "additional_claims", "user_identity", "encode_key"
        assert seen == [(f"{name}_loader", identity) for name in names]
    assert tokens[0] == tokens[1]
    assert json.loads(parts_of(tokens[0])[0]) == {"alg": "HS256", "kid": "argument", "typ": "JWT", "x": 1}
    made = claims_of(tokens[0])
    assert (made["identity"], made["role"], made["sub"]) == ("user 5", "argument", "callback")
    assert site.ask(**in_header(tokens[0])).json["identity"] == "user 5"


@each_site()
def test_callbacks_that_return_nothing(make_site: MakeSite) -> None:
    """
    No more claims, no more headers.
    """

    def setup(manager: Any, respond: Any) -> None:
        manager.additional_headers_loader(lambda identity: None)
        manager.additional_claims_loader(lambda identity: PINNED)
        manager.user_identity_loader(lambda identity: None)

    both_make(make_site(setup), lambda api: api.create_access_token("ada"))


def test_nothing_to_wait_for() -> None:
    """
    What makes tokens or finds keys isn't ``async def``, as nothing waits for it: that is refused at once.
    """

    async def callback(*args: Any) -> Any: ...

    manager = JWTManager(secret_key=KEY)
    for name in ("user_identity", "additional_claims", "additional_headers", "encode_key", "decode_key"):
        with pytest.raises(TypeError):
            getattr(manager, f"{name}_loader")(callback)


@each_site(["heir", "keywords", "async"], both_flask=False)
def test_claims_do_not_leak(make_site: MakeSite) -> None:
    """
    A callback may return the same dict each time: one token's claims and headers aren't the next one's.

    They are with Flask-JWT-Extended, which writes into that dict.
    """
    shared = [dict(PINNED), {"x": 1}]
    theirs = [dict(PINNED), {"x": 1}]

    def setup(manager: Any, respond: Any) -> None:
        dicts = theirs if isinstance(manager, flask_jwt_extended.JWTManager) else shared
        manager.additional_claims_loader(lambda identity: dicts[0])
        manager.additional_headers_loader(lambda identity: dicts[1])

    site = make_site(setup)
    options = {"additional_claims": {"role": "admin"}, "additional_headers": {"kid": "k"}}
    first, second = (
        [side.call(lambda api: api.create_access_token("ada", **options)) for side in site.sides],
        [side.call(lambda api: api.create_access_token("bob")) for side in site.sides],
    )
    assert first[0] == first[1]
    assert "role" in claims_of(second[1])
    assert "role" not in claims_of(second[0])
    assert "kid" not in parts_of(second[0])[0]
    assert shared == [PINNED, {"x": 1}]


# What a page requires.


@each_site(["heir"], both_flask=False)
@pytest.mark.parametrize("setup", [None, with_callbacks], ids=["bare", "callbacks"])
@pytest.mark.parametrize("page", PAGES)
def test_page(make_site: MakeSite, page: str, setup: Any) -> None:
    """
    Each page accepts the same tokens on both sides, and shows the same of them; with callbacks and without.
    """
    site = make_site(setup)
    for payload in FLAG_TOKENS.values():
        site.ask(page, **({} if payload is None else in_header(sign(payload))))


@each_site()
def test_what_a_page_requires(make_site: MakeSite) -> None:
    """
    What is what, in a table.
    """
    site = make_site(with_callbacks)
    pages = ["/plain", "/optional", "/fresh", "/refresh", "/any", "/skip"]
    for name, statuses in {
        "none": (401, 200, 401, 401, 401, 401),
        "access": (200, 200, 401, 422, 200, 200),
        "fresh": (200, 200, 200, 422, 200, 200),
        "fresh for a while": (200, 200, 200, 422, 200, 200),
        "fresh until now": (200, 200, 200, 422, 200, 200),
        "fresh until a moment ago": (200, 200, 401, 422, 200, 200),
        "refresh": (422, 422, 422, 200, 200, 422),
        "no type": (200, 200, 401, 422, 200, 200),
        "null type": (200, 200, 401, 422, 200, 200),
        "unknown type": (200, 200, 401, 422, 200, 200),
        "expired": (401, 401, 401, 401, 401, 401),
        "not yet valid": (422, 422, 422, 422, 422, 422),
        "revoked": (401, 401, 401, 422, 401, 200),
        "not verified": (400, 400, 401, 422, 400, 400),
        "nobody": (401, 401, 401, 422, 401, 401),
    }.items():
        payload = FLAG_TOKENS[name]
        request = {} if payload is None else in_header(sign(payload))
        assert tuple(site.ask(page, **request).status for page in pages) == statuses, name


@each_site()
def test_optional_and_absent(make_site: MakeSite) -> None:
    """
    Without a token an optional page has no claims, no identity, and no user, whether users are looked up or not.
    """
    expected: dict[str, Any] = {"jwt": {}, "header": {}, "identity": None, "user": None}
    for setup in (None, with_callbacks):
        site = make_site(setup, JWT_TOKEN_LOCATION=EVERYWHERE)
        for request in ({}, {"headers": [("authorization", "Basic eDp5")]}, {"query": "jwt="}, in_json({})):
            assert site.ask("/optional", **request).json == expected


@each_site()
def test_user(make_site: MakeSite) -> None:
    """
    The user is what the callback returns: None is an error, another false value isn't.
    """
    found: Any
    site = make_site(lambda manager, respond: manager.user_lookup_loader(lambda header, claims: found))
    for found in ("Ada", "", 0, False, []):
        assert site.ask(**in_header(G)).json["user"] == found
    assert make_site().ask(**in_header(G)).json["user"] == "RuntimeError"


@each_site()
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
def test_method(make_site: MakeSite, method: str) -> None:
    """
    A page is protected whatever the method.
    """
    site = make_site()
    for page, status in (("/plain", 401), ("/optional", 200)):
        answer = site.theirs.ask(page, method=method)
        assert (answer.status, site.ours.ask(page, method=method).status) == (status, status)
        for side in site.sides:
            assert side.ask(page, method=method, **in_header(G)).status == 200


@each_site()
def test_options_pass(make_site: MakeSite) -> None:
    """
    OPTIONS requests aren't looked at, as browsers send them before they send a token; a view finds no token in them.
    """
    site = make_site(JWT_TOKEN_LOCATION=EVERYWHERE)
    requests: list[dict[str, Any]] = [{}, in_header(G), in_header("x"), in_cookie(sign(claims(exp=5)))]
    for page in ("/plain", "/optional", "/fresh", "/refresh"):
        for request in requests:
            answer = site.ask(page, method="OPTIONS", **request)
            assert set(answer.json.values()) == {"RuntimeError"}


@each_site()
def test_nothing_was_required(make_site: MakeSite) -> None:
    """
    Where no token is required none is found, though there is one.
    """
    answers = [side.run(show, **in_header(G)).json for side in make_site().sides]
    assert set(json.loads(answers[0]).values()) == {"RuntimeError"}
    assert answers[0] == answers[1]


@each_site()
def test_leeway(make_site: MakeSite) -> None:
    """
    A token is accepted that long after its end, and before its beginning; freshness has no leeway.
    """
    for leeway in (5, 5.5, timedelta(seconds=5)):
        site = make_site(JWT_DECODE_LEEWAY=leeway)
        seconds = leeway.total_seconds() if isinstance(leeway, timedelta) else leeway
        for changes, status in (
            ({"exp": NOW}, 200),
            ({"exp": NOW - 4}, 200),
            ({"exp": NOW - seconds}, 401),
            ({"exp": NOW - 6}, 401),
            ({"nbf": NOW + 5}, 200),
            ({"nbf": NOW + 6}, 422),
            ({"iat": NOW + 5}, 200),
            ({"iat": NOW + 6}, 422),
        ):
            assert site.ask(**in_header(sign(claims(**changes)))).status == status or leeway == 5.5
        assert site.ask("/fresh", **in_header(sign(claims(fresh=NOW - 1)))).status == 401
    site = make_site()
    with travel_to(899.999):
        assert site.ask(**in_header(G)).status == 200
    with travel_to(900):
        assert site.ask(**in_header(G)).status == 401
    with travel_to(-0.001):
        assert site.ask(**in_header(G)).status == 422


AUDIENCES = [
    # The setting, the token's, and how Flask-JWT-Extended answers.
    (None, "shop", 200),
    (None, ["shop"], 200),
    (None, 5, 200),
    (None, {"a": 1}, 200),
    (None, ..., 200),
    ("shop", "shop", 200),
    ("shop", ["blog", "shop"], 200),
    (["shop", "us"], "us", 200),
    (("shop", "us"), ["a", "us"], 200),
    ({"shop"}, "shop", 200),
    ("shop", "Shop", 422),
    ("shop", "shopping", 422),
    ("shop", ["blog"], 422),
    ("shop", [], 422),
    ("shop", "", 422),
    ("shop", None, 422),
    ("shop", ..., 422),
    ("shop", 5, 422),
    ("shop", [5], 422),
    ("shop", ["shop", 5], 422),
    ("shop", {"shop": 1}, 422),
    (["shop", "us"], ["a", "b"], 422),
    ([], "shop", 422),
    ("", "shop", 422),
    ("", "", 422),
]


@each_site(["heir"])
@pytest.mark.parametrize(("audience", "claim", "status"), AUDIENCES)
def test_audience(make_site: MakeSite, audience: Any, claim: Any, status: int) -> None:
    """
    A token is for this audience if one is set; if none is, its audience isn't looked at.
    """
    site = make_site(JWT_DECODE_AUDIENCE=audience)
    assert site.ask(**in_header(sign(claims(aud=claim)))).status == status


ISSUERS = [
    (None, "us", 200),
    (None, 5, 200),
    (None, ..., 200),
    ("us", "us", 200),
    (["us", "them"], "them", 200),
    ({"us"}, "us", 200),
    ("", "", 200),
    ("us", "Us", 422),
    ("us", "u", 422),
    ("us", "", 422),
    ("us", ..., 422),
    ("us", None, 422),
    ("us", 5, 422),
    ("us", ["us"], 422),
    (["us"], "them", 422),
    ([], "us", 422),
    ("", "us", 422),
    ("", ..., 422),
]


@each_site(["heir"])
@pytest.mark.parametrize(("issuer", "claim", "status"), ISSUERS)
def test_issuer(make_site: MakeSite, issuer: Any, claim: Any, status: int) -> None:
    """
    A token is of this issuer if one is set.
    """
    site = make_site(JWT_DECODE_ISSUER=issuer)
    assert site.ask(**in_header(sign(claims(iss=claim)))).status == status


@each_site()
def test_issued_for_themselves(make_site: MakeSite) -> None:
    """
    With the same audience and issuer on both ways, tokens cross over.
    """
    names = {"AUDIENCE": "shop", "ISSUER": "us"}
    config = {f"JWT_{way}_{name}": value for way in ("ENCODE", "DECODE") for name, value in names.items()}
    site = make_site(**config)
    for make in (access(), refresh()):
        token = both_make(site, make)
        assert site.ask("/any", **in_header(token)).json["jwt"]["aud"] == "shop"
    assert site.ask(**in_header(G)).status == 422


@each_site()
@pytest.mark.parametrize("subject", [None, 5, 1.5, True, ["ada"], {"id": 1}, "", "ada"], ids=repr)
def test_subject(make_site: MakeSite, subject: Any) -> None:
    """
    The subject is text, unless that isn't to be verified; another claim may be the identity, of any type.
    """
    token = sign(claims(sub=subject))
    assert make_site().ask(**in_header(token)).status == (200 if isinstance(subject, str) else 422)
    assert make_site(JWT_VERIFY_SUB=False).ask(**in_header(token)).json["identity"] == subject
    site = make_site(JWT_IDENTITY_CLAIM="id")
    assert site.ask(**in_header(sign(claims(id=subject)))).json["identity"] == subject
    assert site.ask(**in_header(sign(claims(id=subject, sub=...)))).json["identity"] == subject
    assert site.ask(**in_header(sign(claims(id="ada", sub=subject)))).status == (
        200 if isinstance(subject, str) else 422
    )
    assert site.ask(**in_header(sign(claims(sub=subject)))).status == 422


# The other functions.


@each_site()
def test_decode_token(make_site: MakeSite) -> None:
    """
    The claims are completed; expired tokens are accepted if that is asked for, CSRF is compared if it is given.
    """
    site = make_site()

    def decode(*args: Any, **options: Any) -> Any:
        refusals = [side.call(refused("decode_token", *args, **options)) for side in site.sides]
        assert refusals[0] == refusals[1]
        if refusals[0]:
            return "refused"
        results = [side.call(lambda api: api.decode_token(*args, **options)) for side in site.sides]
        assert results[0] == results[1]
        return results[0]

    assert decode(G) == claims()
    assert decode(G.encode()) == claims()
    assert decode(sign({"sub": "ada"})) == {"sub": "ada", "type": "access", "fresh": False, "jti": None}
    assert decode(G, "c") == decode(G, csrf_value="c") == decode(G, "") == decode(G, None) == claims()
    assert decode(G, "x") == "refused"
    assert decode(sign(claims(csrf=...)), "c") == "refused"
    old = claims(exp=5, nbf=..., iat=...)
    assert decode(sign(old)) == "refused"
    assert decode(sign(old), allow_expired=True) == decode(sign(old), None, True) == old
    assert decode(sign(claims(exp="x")), allow_expired=True) == claims(exp="x")
    assert decode(sign(claims(nbf=NOW + 5)), allow_expired=True) == "refused"
    assert decode(sign(key=KEY[::-1]), allow_expired=True) == "refused"
    # It isn't asked what kind of token this is.
    assert decode(sign(claims(type="refresh")))["type"] == "refresh"
    for nothing in ("", "x", "é", "\ud800", None, 5, ["x"], b"\xff"):
        assert decode(nothing) == "refused"


@each_site()
def test_parts_of_a_token(make_site: MakeSite) -> None:
    """
    Its identifier and its CSRF value are those of a valid token, its header that of any.
    """
    site = make_site()
    unsigned = sign("no JSON", {"alg": "none", "x": 1}, signature="")
    for side in site.sides:
        assert side.call(lambda api: (api.get_jti(G), api.get_csrf_token(G))) == ("j", "c")
        assert side.call(lambda api: api.get_jti(sign({"sub": "ada"}))) is None
        for token in (sign(key=KEY[::-1]), sign(claims(exp=5)), "x"):
            for name in ("get_jti", "get_csrf_token"):
                assert side.call(refused(name, token))
        assert side.call(lambda api: api.get_unverified_jwt_headers(unsigned)) == {"alg": "none", "x": 1}
        with pytest.raises(KeyError):
            side.call(lambda api: api.get_csrf_token(sign(claims(csrf=...))))


# Cookies.

as_today = needs_werkzeug("2.3.3", "cookies are written as today")

ATTRIBUTES: dict[str, Any] = {
    "JWT_COOKIE_SECURE": True,
    "JWT_COOKIE_DOMAIN": "shop.example.com",
    "JWT_COOKIE_SAMESITE": "lax",
    "JWT_ACCESS_COOKIE_PATH": "/a",
    "JWT_REFRESH_COOKIE_PATH": "/r",
    "JWT_ACCESS_CSRF_COOKIE_PATH": "/ca",
    "JWT_REFRESH_CSRF_COOKIE_PATH": "/cr",
}


def set_both(**options: Any) -> View:
    """
    Return a view that sets the cookies of both tokens.
    """

    def view(api: Any) -> None:
        api.set_access_cookies(api.response, access()(api), **options)
        api.set_refresh_cookies(api.response, refresh()(api), **options)

    return view


COOKIE_VIEWS: dict[str, View] = {
    "both": set_both(),
    "max_age": set_both(max_age=60),
    "max_age as timedelta": set_both(max_age=timedelta(minutes=1)),
    "max_age 0, which is none": set_both(max_age=0),
    "max_age negative": set_both(max_age=-1),
    "domain": set_both(domain="other.example.com"),
    "domain empty, which is none": set_both(domain=""),
    "max_age and domain": set_both(max_age=60, domain="other.example.com"),
    "refresh token as access": lambda api: api.set_access_cookies(api.response, refresh()(api)),
    "unset": lambda api: api.unset_jwt_cookies(api.response),
    "unset access": lambda api: api.unset_access_cookies(api.response),
    "unset refresh": lambda api: api.unset_refresh_cookies(api.response),
    "unset, domain": lambda api: api.unset_jwt_cookies(api.response, domain="other.example.com"),
    "unset access, domain": lambda api: api.unset_access_cookies(api.response, "other.example.com"),
    "set and unset": lambda api: (set_both()(api), api.unset_jwt_cookies(api.response))[1],
    "set twice": lambda api: (set_both()(api), set_both()(api))[1],
}


@each_site()
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"JWT_SESSION_COOKIE": False},
        {"JWT_COOKIE_CSRF_PROTECT": False},
        {"JWT_CSRF_IN_COOKIES": False},
        {"JWT_COOKIE_SAMESITE": "Strict"},
        {"JWT_COOKIE_SAMESITE": "None", "JWT_COOKIE_SECURE": True},
        pytest.param({"JWT_COOKIE_DOMAIN": "exämple.com"}, marks=as_today),
        pytest.param({"JWT_COOKIE_DOMAIN": ".example.com"}, marks=as_today),
        {"JWT_TOKEN_LOCATION": "cookies", **NAMES},
        {**ATTRIBUTES, **NAMES, "JWT_SESSION_COOKIE": False},
    ],
    ids=[
        "defaults",
        "persistent",
        "no csrf",
        "csrf not in cookies",
        "strict",
        "none",
        "idna",
        "dot",
        "names",
        "everything",
    ],
)
def test_same_cookies(make_site: MakeSite, config: Any) -> None:
    """
    Both set and delete the same cookies, in the same lines, in the same order.
    """
    site = make_site(**config)
    for name, view in COOKIE_VIEWS.items():
        ours, theirs = (side.run(view) for side in site.sides)
        assert ours.status == theirs.status == 200
        assert ours.set_cookie == theirs.set_cookie, name
        assert ours.vary == theirs.vary == []


def test_cookie_lines() -> None:
    """
    The lines are these.
    """
    site = build_site("heir", **ATTRIBUTES)
    token = both_make(site, access())
    lines = site.ours.run(set_both(max_age=60)).set_cookie
    end = "Expires=Tue, 14 Nov 2023 22:14:20 GMT; Max-Age=60"
    assert lines[:2] == [
        f"access_token_cookie={token}; Domain=shop.example.com; {end}; Secure; HttpOnly; Path=/a; SameSite=Lax",
        f"csrf_access_token=c; Domain=shop.example.com; {end}; Secure; Path=/ca; SameSite=Lax",
    ]
    lines = site.ours.run(lambda api: api.unset_jwt_cookies(api.response)).set_cookie
    end = "Domain=shop.example.com; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure"
    assert lines == [
        f"access_token_cookie=; {end}; HttpOnly; Path=/a; SameSite=Lax",
        f"csrf_access_token=; {end}; Path=/ca; SameSite=Lax",
        f"refresh_token_cookie=; {end}; HttpOnly; Path=/r; SameSite=Lax",
        f"csrf_refresh_token=; {end}; Path=/cr; SameSite=Lax",
    ]


@as_today
@each_site()
@pytest.mark.parametrize("value", ["a b", 'a"b;c', "é", ""], ids=repr)
def test_odd_csrf_cookie(make_site: MakeSite, value: str) -> None:
    """
    A value that can't stand in a cookie is quoted the same way.
    """
    view = lambda api: api.set_access_cookies(  # noqa: E731
        api.response, api.create_access_token("ada", additional_claims={"jti": "j", "csrf": value})
    )
    ours, theirs = (side.run(view) for side in make_site().sides)
    assert ours.set_cookie == theirs.set_cookie
    assert len(ours.set_cookie) == 2


@each_site()
def test_cookies_of_bad_tokens(make_site: MakeSite) -> None:
    """
    A token whose CSRF value can't be had isn't set; without that cookie, it isn't looked at.
    """
    site, blind = make_site(), make_site(JWT_CSRF_IN_COOKIES=False)
    for token, status in (("x", 422), (sign(claims(exp=5)), 401), (sign(key=KEY[::-1]), 422)):
        for name in ("set_access_cookies", "set_refresh_cookies"):
            view = lambda api, token=token, name=name: getattr(api, name)(api.response, token)  # noqa: E731
            for side in site.sides:
                answer = side.run(view)
                assert (answer.status, answer.set_cookie) == (status, [])
            ours, theirs = (side.run(view) for side in blind.sides)
            assert ours.set_cookie == theirs.set_cookie
            assert len(ours.set_cookie) == 1


# Stories.


@dataclass
class Person:
    """
    Somebody with a browser, whose page sends the CSRF value along as scripts do.
    """

    site: Site
    browser: Browser

    def visit(self, side: Side, path: str, method: str = "GET", *, csrf: str | None = "access") -> Answer:
        self.browser.ask = side.ask
        value = csrf and self.browser.value(f"csrf_{csrf}_token")
        headers = [("x-csrf-token", value)] if value else []
        return self.browser.visit(path, method=method, headers=headers)

    def run(self, side: Side, view: View) -> None:
        side.now.view = view
        assert self.visit(side, "/do").status == 200


@each_site()
@pytest.mark.parametrize("first", [0, 1], ids=["ours first", "theirs first"])
def test_story_of_a_browser(make_site: MakeSite, first: int) -> None:
    """
    Somebody logs in at one app, is known at the other, refreshes the token there, and logs out here.
    """
    site = make_site(JWT_TOKEN_LOCATION="cookies")
    here, there = site.sides[first], site.sides[1 - first]
    person = Person(site, Browser(here.ask))

    def log_in(api: Any) -> None:
        api.set_access_cookies(api.response, api.create_access_token("ada", fresh=True))
        api.set_refresh_cookies(api.response, api.create_refresh_token("ada"))

    person.run(here, log_in)
    assert len(person.browser.cookies) == 4
    for side in (there, here):
        assert person.visit(side, "/plain").json["identity"] == "ada"
        assert person.visit(side, "/fresh", "POST").json["identity"] == "ada"
        assert person.visit(side, "/plain", "POST", csrf=None).status == 401
        assert person.visit(side, "/plain", "POST", csrf="refresh").status == 401
    with travel_to(901):
        for side in (there, here):
            assert person.visit(side, "/plain").status == 401
        assert person.visit(there, "/refresh", "POST", csrf="refresh").json["identity"] == "ada"
        person.run(there, lambda api: api.set_access_cookies(api.response, api.create_access_token("ada")))
        for side in (there, here):
            assert person.visit(side, "/plain", "POST").json["identity"] == "ada"
            assert person.visit(side, "/fresh").status == 401
        person.run(here, lambda api: api.unset_access_cookies(api.response))
        assert {name for name, _, _ in person.browser.cookies} == {"refresh_token_cookie", "csrf_refresh_token"}
        person.run(here, lambda api: api.unset_jwt_cookies(api.response))
    assert person.browser.cookies == {}
    for side in (there, here):
        assert person.visit(side, "/plain").status == 401


def refresh_soon(api: Any) -> None:
    """
    The recipe of Flask-JWT-Extended's documentation: replace a token that expires soon, after each request.
    """
    try:
        expires = api.get_jwt()["exp"]
    except (RuntimeError, KeyError):
        return  # nobody asked for a token, or there was none
    if datetime.now(timezone.utc).timestamp() + 1800 > expires:
        token = api.create_access_token(api.get_jwt_identity(), additional_claims=PINNED)
        api.set_access_cookies(api.response, token)


@each_site()
def test_implicit_refresh(make_site: MakeSite) -> None:
    """
    A token that expires soon is replaced in the answer, on whichever side it is used.
    """
    site = make_site(after=refresh_soon, JWT_TOKEN_LOCATION="cookies", JWT_ACCESS_TOKEN_EXPIRES=3600)
    token = both_make(site, access())
    for seconds in (0, 1800):
        with travel_to(seconds):
            assert site.ask(**in_cookie(token)).set_cookie == []
    with travel_to(1801):
        lines = site.ask(**in_cookie(token)).set_cookie
        new = both_make(site, access())
        assert lines == [f"access_token_cookie={new}; HttpOnly; Path=/", "csrf_access_token=c; Path=/"]
        for page, request in (("/optional", {}), ("/plain", {}), ("/plain", in_cookie("x")), ("/do", {})):
            assert [side.ask(page, **request).set_cookie for side in site.sides] == [[], []]
        never = in_cookie(sign(claims(exp=...)))
        assert site.ask(**never).set_cookie == []
    with travel_to(3600):
        assert site.ask(**in_cookie(token)).status == 401
        assert site.ask(**in_cookie(new)).status == 200


@each_site()
def test_story_of_a_block_list(make_site: MakeSite) -> None:
    """
    A token that was revoked at one app is refused by both.
    """
    revoked: set[str] = set()

    def setup(manager: Any, respond: Any) -> None:
        manager.token_in_blocklist_loader(lambda header, claims: claims["jti"] in revoked)

    site = make_site(setup)
    tokens = [side.call(lambda api: api.create_access_token("ada")) for side in site.sides]
    for token in tokens:
        assert site.ask(**in_header(token)).status == 200
    for token in tokens:
        revoked.add(claims_of(token)["jti"])
        assert site.ask(**in_header(token)).status == 401
        assert site.ask("/skip", **in_header(token)).status == 200

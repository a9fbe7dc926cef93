"""
Where a token is found in a request, and what must come along with a cookie.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.interop.apps import needs_werkzeug
from tests.interop.jwts import (
    EVERYWHERE,
    KEY,
    NAMES,
    NOW,
    G,
    MakeSite,
    access,
    claims,
    each_site,
    in_cookie,
    in_form,
    in_header,
    in_json,
    in_query,
    refresh,
    shake_hands,
    sign,
    together,
    travel_to,
)

CSRF = ("x-csrf-token", "c")


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Tokens of the same second are the same text.
    """
    with travel_to(0):
        yield


# Where a token is found.


@each_site()
@pytest.mark.parametrize("kind", ["access", "refresh"])
def test_locations(make_site: MakeSite, kind: str) -> None:
    """
    A token of either is found by either, wherever it is.
    """
    site = make_site(JWT_TOKEN_LOCATION=EVERYWHERE)
    page = {"access": "/plain", "refresh": "/refresh"}[kind]
    for side in site.sides:
        token = side.call({"access": access(), "refresh": refresh()}[kind])
        for request in (
            in_header(token),
            in_cookie(token, refresh=kind == "refresh"),
            in_cookie(token, "c", refresh=kind == "refresh", method="POST"),
            in_query(token),
            in_json({f"{kind}_token": token}),
            in_json({f"{kind}_token": token}, method="GET"),
        ):
            assert site.ask(page, **request).json["identity"] == "ada"
        assert site.ask(page).status == 401
        # At the other page it is missing, or of the wrong type.
        other = {"access": "/refresh", "refresh": "/plain"}[kind]
        statuses = [site.ask(other, **request).status for request in (in_header(token), in_query(token))]
        assert statuses == [422, 422]
        assert site.ask(other, **in_cookie(token, refresh=kind == "refresh")).status == 401
        assert site.ask(other, **in_json({f"{kind}_token": token})).status == 401


@each_site()
@pytest.mark.parametrize(
    "locations",
    ["headers", "cookies", "query_string", "json", ["cookies"], ("query_string", "headers"), frozenset({"cookies"})],
    ids=repr,
)
def test_configured_locations(make_site: MakeSite, locations: Any) -> None:
    """
    A token is found only where the settings say.
    """
    site = make_site(JWT_TOKEN_LOCATION=locations)
    token = sign()
    requests = {
        "headers": in_header(token),
        "cookies": in_cookie(token),
        "query_string": in_query(token),
        "json": in_json({"access_token": token}),
    }
    for location, request in requests.items():
        is_found = location == locations or (not isinstance(locations, str) and location in locations)
        assert site.ask(**request).status == (200 if is_found else 401)
    for page in ("/plain", "/refresh", "/fresh", "/any"):
        assert site.ask(page).status == 401
    assert site.ask("/optional").json["jwt"] == {}


@each_site()
def test_locations_of_a_view(make_site: MakeSite) -> None:
    """
    A view may look elsewhere than the settings say.
    """
    site = make_site(JWT_TOKEN_LOCATION=["query_string", "cookies"])
    token = sign()
    requests = [in_header(token), in_cookie(token), in_query(token), in_json({"access_token": token})]
    for page, statuses in {
        "/plain": [401, 200, 200, 401],
        "/headers": [200, 401, 401, 401],
        "/cookies": [401, 200, 401, 401],
        "/query-json": [401, 401, 200, 200],
        "/nowhere": [401, 200, 200, 401],  # an empty list is none
    }.items():
        assert [site.ask(page, **request).status for request in requests] == statuses


@each_site()
def test_order_of_locations(make_site: MakeSite) -> None:
    """
    The first location that has a token decides, though the next one may have a better one.
    """
    good, bad = sign(), "x"
    basic = {"headers": [("authorization", "Basic eDp5")]}
    half = {"headers": [("authorization", "Bearer")]}
    for first, second in (("headers", "cookies"), ("cookies", "headers")):
        site = make_site(JWT_TOKEN_LOCATION=[first, second])
        carriers: dict[str, Any] = {"headers": in_header, "cookies": in_cookie}
        assert site.ask(**together(carriers[first](good), carriers[second](bad))).status == 200
        assert site.ask(**together(carriers[first](bad), carriers[second](good))).status == 422
        assert site.ask(**together(carriers[first](sign(claims(exp=5))), carriers[second](good))).status == 401
        assert site.ask(**together(basic, in_cookie(good))).status == 200
        assert site.ask(**together(half, in_cookie(good))).status == (422 if first == "headers" else 200)
        crossed = together(in_header(good), in_cookie(good), {"method": "POST"})
        assert site.ask(**crossed).status == (200 if first == "headers" else 401)
    site = make_site(JWT_TOKEN_LOCATION=["json", "headers"])
    for body, status in (({"access_token": "x"}, 422), ({}, 200), ([], 200), (b"{", 200), ([1], 500), ("x", 500)):
        assert site.ask(**together(in_json(body), in_header(good))).status == status
    site = make_site(JWT_TOKEN_LOCATION=["query_string", "headers"], JWT_QUERY_STRING_VALUE_PREFIX="Bearer ")
    assert site.ask(**together({"query": "jwt=x"}, in_header(good))).status == 422
    assert site.ask(**together({"query": "jwt="}, in_header(good))).status == 200


HEADERS = [
    # What the header is, and how Flask-JWT-Extended answers.
    pytest.param("", 401, id="empty"),
    pytest.param(" ", 401, id="space"),
    pytest.param(",", 401, id="comma"),
    pytest.param(", ,", 500, id="commas and a space"),
    pytest.param(",\t,", 500, id="commas and a tab"),
    pytest.param("Bearer", 422, id="no token"),
    pytest.param("Bearer ", 422, id="no token, space"),
    pytest.param("Bearer,", 422, id="no token, comma"),
    pytest.param(f"Bearer {G}", 200, id="as it should be"),
    pytest.param(f"bearer {G}", 401, id="another case"),
    pytest.param(f"BEARER {G}", 401, id="upper case"),
    pytest.param(f"Bearer  {G}", 200, id="two spaces"),
    pytest.param(f"Bearer\t{G}", 200, id="tab"),
    pytest.param(f"  Bearer {G}  ", 200, id="spaces around"),
    pytest.param(f"Bearer {G} x", 422, id="three words"),
    pytest.param(f"Bearer {G}; x", 422, id="three words, semicolon"),
    pytest.param(G, 401, id="token alone"),
    pytest.param(f"JWT {G}", 401, id="another type"),
    pytest.param("Basic eDp5", 401, id="Basic"),
    pytest.param(f"Basic eDp5, Bearer {G}", 200, id="after Basic"),
    pytest.param(f"Basic eDp5,Bearer {G}", 200, id="after Basic, no space"),
    pytest.param(f"Basic eDp5,, Bearer {G}", 200, id="after Basic and nothing"),
    pytest.param(f"Basic eDp5, , Bearer {G}", 200, id="after Basic and a space"),
    pytest.param(f"Bearer {G}, Basic eDp5", 200, id="before Basic"),
    pytest.param(f'Digest a="b", c=d, Bearer {G}', 200, id="after Digest"),
    pytest.param(f"Bearer {G},", 200, id="comma behind"),
    pytest.param(f",Bearer {G}", 200, id="comma in front"),
    pytest.param(f", Bearer {G}", 200, id="comma and space in front"),
    pytest.param(f"Bearer {G}, Bearer {G}", 401, id="twice"),
    pytest.param(f"Bearer x, Bearer {G}", 401, id="two tokens"),
    pytest.param(f'Bearer "{G}"', 422, id="quoted"),
    pytest.param(f"Bearer={G}", 401, id="equals sign"),
    pytest.param(f"Bearer:{G}", 401, id="colon"),
    pytest.param(f"Bearer\xa0{G}", 200, id="no-break space"),
    pytest.param(f"Bearer\x85{G}", 200, id="next line"),
    pytest.param(f"Bearer {G}\xa0", 200, id="no-break space behind"),
    pytest.param("\xa0,\xa0", 401, id="no-break spaces and a comma"),
    pytest.param(f"é {G}", 401, id="type not ASCII"),
    pytest.param(f"Bearer é{G}", 422, id="token not ASCII"),
    pytest.param(f"Bearer \xc3\xa9{G}", 422, id="token not ASCII, as UTF-8"),
    pytest.param("Bearer \xff.\xff.\xff", 422, id="not UTF-8"),
]


@each_site(["heir"])
@pytest.mark.parametrize(("value", "status"), HEADERS)
def test_header(make_site: MakeSite, value: str, status: int) -> None:
    """
    The header is read as Flask-JWT-Extended reads it.
    """
    for page in ("/plain", "/optional"):
        answer = make_site().ask(page, headers=[("authorization", value)])
        assert answer.status == (200 if (page, status) == ("/optional", 401) else status)


@each_site(["heir"])
@pytest.mark.parametrize(
    ("values", "status"),
    [
        pytest.param([f"Bearer {G}", f"Bearer {G}"], 401, id="twice"),
        pytest.param(["Basic eDp5", f"Bearer {G}"], 200, id="Basic first"),
        pytest.param([f"Bearer {G}", "Basic eDp5"], 200, id="Basic second"),
        pytest.param(["", f"Bearer {G}"], 200, id="empty first"),
        pytest.param(["Bearer", G], 422, id="in two"),
    ],
)
def test_several_header_lines(make_site: MakeSite, values: list[str], status: int) -> None:
    """
    Several lines are one, with commas, as WSGI servers join them.
    """
    assert make_site().ask(headers=[("authorization", value) for value in values]).status == status


@each_site(["heir"])
@pytest.mark.parametrize(
    ("value", "status"),
    [
        pytest.param("", 401, id="empty"),
        pytest.param(G, 200, id="token"),
        pytest.param(f" {G} ", 200, id="spaces around"),
        pytest.param(f"{G},", 200, id="comma behind"),
        pytest.param(f"Bearer {G}", 422, id="two words"),
        pytest.param(f"{G}, {G}", 422, id="twice"),
        pytest.param(f"{G},{G}", 422, id="twice, no space"),
        pytest.param(", ,", 422, id="commas and a space"),
        pytest.param(",", 401, id="comma"),
    ],
)
@pytest.mark.parametrize("header_type", ["", None])
def test_header_without_type(make_site: MakeSite, header_type: str | None, value: str, status: int) -> None:
    """
    Without a type the header is the token.
    """
    assert make_site(JWT_HEADER_TYPE=header_type).ask(headers=[("authorization", value)]).status == status


@each_site()
def test_header_by_another_name(make_site: MakeSite) -> None:
    """
    The header's name and type are settings.
    """
    site = make_site(JWT_HEADER_NAME="X-Token", JWT_HEADER_TYPE="JWT")
    for name, value, status in (
        ("x-token", f"JWT {G}", 200),
        ("x-token", f"Bearer {G}", 401),
        ("x-token", "JWT", 422),
        ("authorization", f"JWT {G}", 401),
        ("authorization", f"Bearer {G}", 401),
    ):
        assert site.ask(headers=[(name, value)]).status == status


@each_site(["heir"], both_flask=False)
@pytest.mark.parametrize(("value", "status"), HEADERS)
def test_websocket_header(make_site: MakeSite, value: str, status: int) -> None:
    """
    The header is read as that of a request, and doesn't break a handshake either.
    """
    [message, *_] = shake_hands(make_site(), headers=[("authorization", value)])
    assert message.get("status", 200) == (422 if status == 500 else status)


is_no_cookie = needs_werkzeug("2.3", "what can't be read as a cookie isn't one")

COOKIES = [
    # What the cookie header is, and how Flask-JWT-Extended answers.
    pytest.param([f"access_token_cookie={G}"], 200, id="as it should be"),
    pytest.param(["access_token_cookie="], 401, id="empty"),
    pytest.param(["access_token_cookie"], 401, id="name only"),
    pytest.param([f"ACCESS_TOKEN_COOKIE={G}"], 401, id="another case"),
    pytest.param([f"refresh_token_cookie={G}"], 401, id="the other cookie"),
    pytest.param([f"access_token_cookie={G}; access_token_cookie=x"], 200, id="first of two"),
    pytest.param([f"access_token_cookie=x; access_token_cookie={G}"], 422, id="second of two"),
    pytest.param([f"access_token_cookie=; access_token_cookie={G}"], 401, id="empty first"),
    pytest.param([f"access_token_cookie={G}", "access_token_cookie=x"], 200, id="first of two lines"),
    pytest.param(["a=1", f"access_token_cookie={G}", "b=2"], 200, id="among lines"),
    pytest.param([f"a=1;access_token_cookie={G};b"], 200, id="among others"),
    pytest.param([f'access_token_cookie="{G}"'], 200, id="quoted"),
    pytest.param([f"access_token_cookie = {G} "], 200, id="spaces around"),
    pytest.param(["access_token_cookie=é"], 422, id="not ASCII"),
    pytest.param(["access_token_cookie=\xff.\xff.\xff"], 422, id="not UTF-8"),
    pytest.param(['access_token_cookie="\\303\\251"'], 422, id="quoted, not ASCII"),
    pytest.param([f"access_token_cookie=Bearer {G}"], 401, id="with a type", marks=is_no_cookie),
    pytest.param([f'access_token_cookie="{G}'], 401, id="one quote", marks=is_no_cookie),
]


@each_site(["heir"])
@pytest.mark.parametrize(("cookies", "status"), COOKIES)
def test_cookie(make_site: MakeSite, cookies: list[str], status: int) -> None:
    """
    The cookie is the one that Flask sees.
    """
    assert make_site(JWT_TOKEN_LOCATION="cookies").ask(cookies=cookies).status == status


QUERIES = [
    pytest.param(f"jwt={G}", 200, id="as it should be"),
    pytest.param(f"a=1&jwt={G}&b=2", 200, id="among others"),
    pytest.param("jwt=", 401, id="empty"),
    pytest.param("jwt", 401, id="name only"),
    pytest.param(f"JWT={G}", 401, id="another case"),
    pytest.param(f"jwt={G}&jwt=x", 200, id="first of two"),
    pytest.param(f"jwt=x&jwt={G}", 422, id="second of two"),
    pytest.param(f"jwt=&jwt={G}", 401, id="empty first"),
    pytest.param(f"jwt=%20{G}", 422, id="space in front"),
    pytest.param(f"jwt=+{G}", 422, id="plus in front"),
    pytest.param(f"jwt=Bearer%20{G}", 422, id="with a type"),
    pytest.param("jwt=%C3%A9", 422, id="not ASCII"),
    pytest.param("jwt=%FF.%FF.%FF", 422, id="not UTF-8"),
    pytest.param("jwt=%00", 422, id="NUL"),
    pytest.param(f"%6Awt={G.replace('.', '%2E')}", 200, id="escaped"),
    pytest.param(f"jwt={G};a=1", 422, id="semicolon"),
]


@each_site(["heir"])
@pytest.mark.parametrize(("query", "status"), QUERIES)
def test_query(make_site: MakeSite, query: str, status: int) -> None:
    """
    The query string is the one that Flask sees.
    """
    site = make_site(JWT_TOKEN_LOCATION="query_string")
    for page in ("/plain", "/optional"):
        assert site.ask(page, query=query).status == (200 if (page, status) == ("/optional", 401) else status)


@each_site()
def test_query_prefix(make_site: MakeSite) -> None:
    """
    The value's name and prefix are settings; another prefix is an invalid token.
    """
    site = make_site(
        JWT_TOKEN_LOCATION="query_string", JWT_QUERY_STRING_NAME="token", JWT_QUERY_STRING_VALUE_PREFIX="Bearer "
    )
    for query, status in (
        (f"token=Bearer+{G}", 200),
        (f"token=Bearer%20{G}", 200),
        (f"token=bearer%20{G}", 422),
        (f"token={G}", 422),
        ("token=Bearer", 422),
        ("token=Bearer%20", 422),
        ("token=", 401),
        (f"jwt=Bearer%20{G}", 401),
    ):
        assert site.ask(query=query).status == status
        assert site.ask("/optional", query=query).status == (200 if status == 401 else status)


@each_site(["heir"])
@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/json;", 200),
        ("APPLICATION/JSON", 200),
        (" application/json", 200),
        ("application/vnd.api+json", 200),
        ("application/+json", 200),
        ("Application/Problem+JSON; x=y", 200),
        ("text/json", 401),
        ("text/plain", 401),
        ("text/vnd+json", 401),
        ("application/jsonx", 401),
        ("application/json-seq", 401),
        ("application/x-www-form-urlencoded", 401),
        ("multipart/form-data; boundary=b", 401),
        ("json", 401),
        ("", 401),
        (None, 401),
    ],
)
def test_json_content_type(make_site: MakeSite, content_type: str | None, status: int) -> None:
    """
    A body is JSON if it says so.
    """
    site = make_site(JWT_TOKEN_LOCATION="json")
    assert site.ask(**in_json({"access_token": G}, content_type)).status == status


BODIES = [
    pytest.param({"access_token": G}, 200, id="as it should be"),
    pytest.param({"a": [1], "access_token": G}, 200, id="among others"),
    pytest.param(b"", 401, id="empty"),
    pytest.param({}, 401, id="empty object"),
    pytest.param([], 401, id="empty list"),
    pytest.param("", 401, id="empty text"),
    pytest.param(0, 401, id="zero"),
    pytest.param(False, 401, id="false"),
    pytest.param(None, 401, id="null"),
    pytest.param([1], 500, id="list"),
    pytest.param([["access_token", G]], 500, id="list of pairs"),
    pytest.param("access_token", 500, id="text"),
    pytest.param(5, 500, id="number"),
    pytest.param(True, 500, id="true"),
    pytest.param(b"NaN", 500, id="NaN"),
    pytest.param(b"{", 401, id="not JSON"),
    pytest.param(b"\xff", 401, id="not UTF-8"),
    pytest.param(b'{"a":' + b"9" * 5000 + b"}", 401, id="a number of 5,000 digits"),
    pytest.param(b"[" * 100_000, 500, id="nested without end"),
    pytest.param(b'{"a":' * 100_000, 500, id="objects without end"),
    pytest.param({"refresh_token": G}, 401, id="the other token"),
    pytest.param({"Access_Token": G}, 401, id="another case"),
    pytest.param({"access_token": ""}, 401, id="empty token"),
    pytest.param({"access_token": None}, 401, id="token null"),
    pytest.param({"access_token": 0}, 401, id="token zero"),
    pytest.param({"access_token": []}, 401, id="token an empty list"),
    pytest.param({"access_token": 5}, 422, id="token a number"),
    pytest.param({"access_token": True}, 422, id="token true"),
    pytest.param({"access_token": [G]}, 422, id="token a list"),
    pytest.param({"access_token": {G: 1}}, 422, id="token an object"),
    pytest.param({"access_token": " "}, 422, id="token a space"),
    pytest.param({"access_token": f" {G}"}, 422, id="space in front"),
    pytest.param({"access_token": f"Bearer {G}"}, 422, id="with a type"),
    pytest.param({"access_token": "é"}, 422, id="not ASCII"),
    pytest.param({"access_token": "\ud800"}, 500, id="lone surrogate"),
    pytest.param({"access_token": f"{G}\ud800"}, 500, id="lone surrogate behind"),
    pytest.param(f'{{"access_token": "x", "access_token": "{G}"}}'.encode(), 200, id="twice"),
    pytest.param(f'{{"access_token": "{G}"}}'.encode("utf-16"), 200, id="UTF-16"),
    pytest.param(f'{{"access_token": "{G}"}}'.encode("utf-8-sig"), 200, id="byte order mark"),
]


@each_site(["heir"])
@pytest.mark.parametrize(("body", "status"), BODIES)
def test_json_body(make_site: MakeSite, body: Any, status: int) -> None:
    """
    The body is read as Flask reads it; what isn't an object has no token in it, or is invalid where that is a 500.
    """
    site = make_site(JWT_TOKEN_LOCATION="json")
    assert site.ask(**in_json(body)).status == status
    assert site.ask("/optional", **in_json(body)).status == (200 if status == 401 else status)


@each_site()
def test_json_keys(make_site: MakeSite) -> None:
    """
    The keys are settings.
    """
    site = make_site(JWT_TOKEN_LOCATION="json", JWT_JSON_KEY="a", JWT_REFRESH_JSON_KEY="r")
    assert site.ask(**in_json({"a": G})).status == 200
    assert site.ask("/refresh", **in_json({"r": sign(claims(type="refresh"))})).status == 200
    assert site.ask("/any", **in_json({"r": sign(claims(type="refresh"))})).status == 401
    assert site.ask(**in_json({"access_token": G})).status == 401


@each_site()
def test_body_is_left_for_the_view(make_site: MakeSite) -> None:
    """
    What was read to find a token, or its CSRF value, is there for the view, too.
    """
    site = make_site(JWT_TOKEN_LOCATION=["json", "cookies"], JWT_CSRF_CHECK_FORM=True)
    answer = site.ask("/echo", **in_json({"access_token": G, "a": [1]}))
    assert answer.json == {"access_token": G, "a": [1]}
    form = in_form(("csrf_token", "c"), ("a", "é"))
    answer = site.ask("/echo", **together(form, {"cookies": in_cookie(G)["cookies"]}))
    assert answer.json == {"csrf_token": "c", "a": "é"}


# CSRF.


@each_site()
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_csrf(make_site: MakeSite, method: str) -> None:
    """
    A cookie alone isn't enough where something is changed: the token's CSRF value must come along.
    """
    site = make_site(JWT_TOKEN_LOCATION=["cookies", "headers"])
    for page in ("/plain", "/optional"):
        assert site.ask(page, **in_cookie(G, method=method)).status == 401
        assert site.ask(page, **in_cookie(G, "c", method=method)).status == 200
        for wrong in ("x", "", "C", "cc", "c,c", '"c"', G):
            assert site.ask(page, **in_cookie(G, wrong, method=method)).status == 401
        assert site.ask(page, **in_header(G), method=method).status == 200
    for safe in ("GET", "HEAD"):
        assert site.theirs.ask(**in_cookie(G, "x", method=safe)).status == 200
        assert site.ours.ask(**in_cookie(G, "x", method=safe)).status == 200


@each_site(["heir"])
@pytest.mark.parametrize(
    ("claim", "header", "status"),
    [
        pytest.param("c", "é", 500, id="header not ASCII"),
        pytest.param("c", "\xff", 500, id="header not UTF-8"),
        pytest.param("é", "c", 500, id="claim not ASCII"),
        pytest.param("é", "é", 500, id="both not ASCII"),
        pytest.param("é", "\xc3\xa9", 500, id="both not ASCII, as UTF-8"),
        pytest.param("\ud800", "c", 500, id="claim a surrogate"),
        pytest.param("\ud800", "?", 500, id="claim a surrogate, header what stands for one"),
        pytest.param(None, "c", 500, id="claim null"),
        pytest.param(5, "5", 500, id="claim a number"),
        pytest.param(True, "True", 500, id="claim true"),
        pytest.param(["c"], "c", 500, id="claim a list"),
        pytest.param({"c": 1}, "c", 500, id="claim an object"),
        pytest.param("", "c", 401, id="claim empty"),
        pytest.param("", "", 401, id="both empty"),
        pytest.param("c " * 1000, "c " * 999 + "c", 401, id="long"),
    ],
)
def test_odd_csrf_values(make_site: MakeSite, claim: Any, header: str, status: int) -> None:
    """
    Values that can't be compared are different ones: a 401 for CSRF, though a 500 there.
    """
    site = make_site(JWT_TOKEN_LOCATION="cookies", JWT_CSRF_CHECK_FORM=True)
    for changes in ({}, {"exp": 5}, {"type": "refresh"}, {"fresh": None}):
        token = sign(claims(csrf=claim, **changes))
        assert site.ask(**in_cookie(token, header, method="POST"), broken=401).status == status
    token = sign(claims(csrf=claim))
    assert site.ask(**in_cookie(token, header)).status == 200
    if header != "\xff":
        form = together(in_form(("csrf_token", header)), {"cookies": in_cookie(token)["cookies"]})
        assert site.ask(**form, broken=401).status in (401, 500)


@each_site()
def test_csrf_and_other_failures(make_site: MakeSite) -> None:
    """
    That the value is missing is seen before the token is; that it differs, after; expiry comes last.
    """
    site = make_site(JWT_TOKEN_LOCATION="cookies")
    post: dict[str, Any] = {"method": "POST"}
    messages = []
    for token, statuses in {
        "x": (401, 422, 422),
        sign(key=KEY[::-1]): (401, 422, 422),
        sign(claims(exp=5)): (401, 401, 401),
        sign(claims(nbf=NOW + 5)): (401, 422, 422),
        sign(claims(csrf=...)): (401, 422, 422),
        sign(claims(csrf=..., exp=5)): (401, 422, 422),
        sign(claims(sub=..., exp=5)): (401, 422, 422),
        sign(claims(type="refresh")): (401, 401, 422),
        G: (401, 401, 200),
    }.items():
        asked = [site.ask(**in_cookie(token, csrf, **post)) for csrf in (None, "x", "c")]
        assert tuple(answer.status for answer in asked) == statuses
        messages.append([side.ask(**in_cookie(token, "x", **post)).json["msg"] for side in site.sides])
    # The messages of a wrong value: with an expired token the same as with a good one.
    assert messages[2] == messages[-1]


@each_site()
def test_csrf_form(make_site: MakeSite) -> None:
    """
    The value may be a form field, if that is set; the header comes first.
    """
    cookies = in_cookie(G)["cookies"]
    on = make_site(JWT_TOKEN_LOCATION="cookies", JWT_CSRF_CHECK_FORM=True)
    off = make_site(JWT_TOKEN_LOCATION="cookies")
    multipart = "multipart/form-data; boundary=b"
    part = 'Content-Disposition: form-data; name="csrf_token"'
    for request, status in (
        (in_form(("csrf_token", "c")), 200),
        (in_form(("a", "1"), ("csrf_token", "c")), 200),
        (in_form(("csrf_token", "x")), 401),
        (in_form(("csrf_token", "")), 401),
        (in_form(("CSRF_TOKEN", "c")), 401),
        (in_form(), 401),
        (in_form(("csrf_token", "c"), ("csrf_token", "x")), 200),
        (in_form(("csrf_token", "x"), ("csrf_token", "c")), 401),
        (in_form(("csrf_token", ""), ("csrf_token", "c")), 401),
        (together(in_form(("csrf_token", "c")), {"headers": [("x-csrf-token", "x")]}), 401),
        (together(in_form(("csrf_token", "x")), {"headers": [CSRF]}), 200),
        (together(in_form(("csrf_token", "c")), {"headers": [("x-csrf-token", "")]}), 200),
        (together(in_form(("csrf_token", "c")), {"method": "DELETE"}), 200),
        (together(in_form(), {"query": "csrf_token=c"}), 401),
        (in_json({"csrf_token": "c"}), 401),
        (in_json(b"csrf_token=c", "text/plain"), 401),
        (in_json(b"csrf_token=c", None), 401),
        (in_json(f"--b\r\n{part}\r\n\r\nc\r\n--b--\r\n".encode(), multipart), 200),
        (in_json(f'--b\r\n{part}; filename="f"\r\n\r\nc\r\n--b--\r\n'.encode(), multipart), 401),
    ):
        form = together(request, {"cookies": cookies})
        assert on.ask(**form).status == status
        assert off.ask(**form).status == (200 if CSRF in form["headers"] else 401)


@each_site()
@pytest.mark.parametrize("methods", [["GET"], ["POST"], ("GET", "POST"), {"DELETE"}, ["post"], []], ids=repr)
def test_csrf_methods(make_site: MakeSite, methods: Any) -> None:
    """
    The methods are those that are set, written as they are.
    """
    site = make_site(JWT_TOKEN_LOCATION="cookies", JWT_CSRF_METHODS=methods)
    for method in ("GET", "POST", "PUT", "DELETE"):
        assert site.ask(**in_cookie(G, method=method)).status == (401 if method in methods else 200)


@each_site()
def test_no_csrf(make_site: MakeSite) -> None:
    """
    Without protection nothing is compared.
    """
    site = make_site(JWT_TOKEN_LOCATION="cookies", JWT_COOKIE_CSRF_PROTECT=False)
    for csrf in (None, "c", "x", "é"):
        assert site.ask(**in_cookie(G, csrf, method="POST")).status == 200
    assert site.ask(**in_cookie(sign(claims(csrf=...)), method="POST")).status == 200


@each_site()
def test_names(make_site: MakeSite) -> None:
    """
    Access and refresh tokens have cookies, headers and fields of their own, whose names are settings.
    """
    site = make_site(JWT_TOKEN_LOCATION="cookies", JWT_CSRF_CHECK_FORM=True, **NAMES)
    tokens = {"a": G, "r": sign(claims(type="refresh"))}
    for page, cookie, header, field, status in (
        ("/plain", "a", "X-A", None, 200),
        ("/plain", "a", None, "fa", 200),
        ("/plain", "a", "X-R", None, 401),
        ("/plain", "a", None, "fr", 401),
        ("/plain", "a", None, "csrf_token", 401),
        ("/plain", "a", "X-CSRF-TOKEN", None, 401),
        ("/plain", "r", "X-R", None, 401),
        ("/refresh", "r", "X-R", None, 200),
        ("/refresh", "r", None, "fr", 200),
        ("/refresh", "r", "X-A", None, 401),
        ("/refresh", "a", "X-A", None, 401),
        ("/any", "a", "X-A", None, 200),
        ("/any", "r", "X-R", None, 401),  # only the access cookie is looked at
    ):
        request = in_form((field, "c")) if field else {"method": "POST"}
        headers = [(header.lower(), "c")] if header else []
        request = together(request, {"headers": headers, "cookies": [f"{cookie}={tokens[cookie]}"]})
        assert site.ask(page, **request).status == status
    for page, cookie in (("/plain", "r"), ("/refresh", "a")):
        swapped: dict[str, Any] = {"cookies": [f"{'a' if page == '/plain' else 'r'}={tokens[cookie]}"]}
        assert site.ask(page, **swapped).status == 422

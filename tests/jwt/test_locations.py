"""
Where a token is found in a request, and which reason is given if it isn't there.
"""

from collections.abc import Iterable
from functools import partial
from typing import Any

import anyio
import pytest
from starlette.requests import HTTPConnection, Request
from starlette.types import Message
from starlette.websockets import WebSocket

from starlette_flask.jwt import (
    CSRFError,
    InvalidHeaderError,
    InvalidQueryParamError,
    InvalidTokenError,
    JWTConfig,
    JWTError,
    NoAuthorizationError,
)
from starlette_flask.jwt.locations import find_token
from tests.helpers import http_scope, websocket_scope
from tests.interop.jwts import EVERYWHERE, KEY, NAMES, in_form, in_json, keywords, together


def request_with(*, query: str = "", body: bytes = b"", **options: Any) -> Request:
    """
    Return a request whose body comes in two pieces.
    """
    pieces = [body[:5], body[5:]]

    async def receive() -> Message:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    return Request(http_scope("/?" + query, **options), receive)


def find(
    connection: HTTPConnection, *locations: str, refresh: bool = False, **settings: Any
) -> tuple[Any, bytes | None]:
    config = JWTConfig(secret_key=KEY, **settings)
    return anyio.run(find_token, config, connection, locations or config.token_location, refresh)


def refused(error: type[JWTError], text: str, *args: Any, **options: Any) -> None:
    with pytest.raises(error, match=text) as caught:
        find(*args, **options)
    assert type(caught.value) is error


class TestHeader:
    @pytest.mark.parametrize(
        ("lines", "expected"),
        [
            pytest.param(["Bearer t"], "t", id="alone"),
            pytest.param(["Bearer \t t  "], "t", id="white space"),
            pytest.param(["Basic x, Bearer t"], "t", id="behind another"),
            pytest.param([", Bearer t,"], "t", id="commas around"),
            pytest.param(["Basic x,, Bearer t"], "t", id="nothing between"),
            pytest.param(["Basic x", "Bearer t"], "t", id="on a line of its own"),
        ],
    )
    def test_with_a_type(self, lines: list[str], expected: str) -> None:
        """
        The token is the word after the type, once over all lines of the header.
        """
        request = request_with(headers=[("authorization", line) for line in lines])
        assert find(request) == (expected, None)

    @pytest.mark.parametrize(
        ("lines", "error", "text"),
        [
            pytest.param([], NoAuthorizationError, "Missing Authorization header$", id="none"),
            pytest.param([" , "], NoAuthorizationError, "Missing type|Missing Authorization", id="a comma"),
            pytest.param([", ,"], InvalidHeaderError, "commas only", id="commas"),
            pytest.param(["Basic t"], NoAuthorizationError, "Missing type .*'Bearer', a space", id="another type"),
            pytest.param(["bearer t"], NoAuthorizationError, "Missing type", id="another case"),
            pytest.param(["Bearert"], NoAuthorizationError, "Missing type", id="no space"),
            pytest.param(["Bearer t", "Bearer t"], NoAuthorizationError, "Missing type", id="two of them"),
            pytest.param(["Bearer"], InvalidHeaderError, "Bad Authorization header", id="type only"),
            pytest.param(["Bearer t u"], InvalidHeaderError, "Bad Authorization header", id="three words"),
        ],
    )
    def test_without_a_token(self, lines: list[str], error: type[JWTError], text: str) -> None:
        """
        Without the type there is no token; with it there is exactly one, or the header is bad.
        """
        refused(error, text, request_with(headers=[("authorization", line) for line in lines]))

    @pytest.mark.parametrize(("value", "is_good"), [("t", True), (" t ", True), ("t,", True), ("Bearer t", False)])
    def test_without_a_type(self, value: str, is_good: bool) -> None:
        """
        Without a type the header is the token, and nothing else.
        """
        request = request_with(headers=[("x-token", value)])
        settings: dict[str, Any] = {"header_name": "X-Token", "header_type": ""}
        if is_good:
            assert find(request, **settings) == ("t", None)
        else:
            refused(InvalidHeaderError, "Bad X-Token header; it must hold the token alone", request, **settings)


class TestCookies:
    find = staticmethod(partial(find, token_location="cookies"))
    refused = staticmethod(partial(refused, token_location="cookies"))

    def test_names(self) -> None:
        """
        A refresh token has a cookie of its own.
        """
        request = request_with(cookies=["a=1; r=2"])
        assert self.find(request, **keywords(NAMES)) == ("1", None)
        assert self.find(request, refresh=True, **keywords(NAMES)) == ("2", None)

    @pytest.mark.parametrize("cookies", [[], ["access_token_cookie="], ["refresh_token_cookie=t"]])
    def test_without_a_token(self, cookies: list[str]) -> None:
        """
        An empty cookie, or another one, is none.
        """
        self.refused(NoAuthorizationError, "Missing cookie access_token_cookie", request_with(cookies=cookies))

    def test_not_text(self) -> None:
        """
        A cookie that isn't UTF-8 is a bad token.
        """
        request = request_with(cookies=["access_token_cookie=\xff"])
        assert self.find(request) == ("\ufffd", None)

    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
    def test_csrf_header(self, method: str) -> None:
        """
        Where something is changed, the CSRF value comes along in a header; several lines are one.
        """
        cookies = ["access_token_cookie=t"]
        request = partial(request_with, method=method, cookies=cookies)
        self.refused(CSRFError, "Missing CSRF value", request())
        self.refused(CSRFError, "Missing CSRF value", request(headers=[("x-csrf-token", "")]))
        assert self.find(request(headers=[("x-csrf-token", "c")])) == ("t", b"c")
        assert self.find(request(headers=[("x-csrf-token", "c")] * 2)) == ("t", b"c,c")
        assert self.find(request(), cookie_csrf_protect=False) == ("t", None)
        assert self.find(request(), csrf_methods=["GET"]) == ("t", None)
        refresh = partial(self.find, refresh=True, refresh_csrf_header_name="X-R", refresh_cookie_name="r")
        assert refresh(request_with(method=method, cookies=["r=t"], headers=[("x-r", "c")])) == ("t", b"c")

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_safe_methods(self, method: str) -> None:
        """
        Where nothing is changed, no CSRF value is wanted.
        """
        request = request_with(method=method, cookies=["access_token_cookie=t"], headers=[("x-csrf-token", "c")])
        assert self.find(request) == ("t", None)

    def test_methods_in_lower_case(self) -> None:
        """
        A method is the same in lower case, as for Werkzeug.
        """
        self.refused(CSRFError, "Missing CSRF", request_with(method="post", cookies=["access_token_cookie=t"]))

    def test_csrf_field(self) -> None:
        """
        The value may be in a form, if that is set; the header comes first, and the first field.
        """
        cookies = {"cookies": ["access_token_cookie=t"]}
        form = together(in_form(("csrf_token", "f"), ("csrf_token", "g")), cookies)
        self.refused(CSRFError, "Missing CSRF value", request_with(**form))
        look = partial(self.find, csrf_check_form=True)
        assert look(request_with(**form)) == ("t", b"f")
        assert look(request_with(**together(form, {"headers": [("x-csrf-token", "h")]}))) == ("t", b"h")
        assert look(request_with(**form), access_csrf_field_name="csrf_token") == ("t", b"f")
        for request in (
            together(in_form(("other", "f")), cookies),
            together(in_json({"csrf_token": "f"}), cookies),
            together({"method": "POST"}, cookies),
        ):
            self.refused(CSRFError, "Missing CSRF value", request_with(**request), csrf_check_form=True)

    MULTIPART = 'Content-Disposition: form-data; name="csrf_token"'

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            pytest.param("multipart/form-data", f"--b\r\n{MULTIPART}\r\n\r\nc\r\n--b--\r\n", id="no boundary"),
            pytest.param("multipart/form-data; boundary=", f"--b\r\n{MULTIPART}\r\n\r\nc\r\n", id="empty boundary"),
            pytest.param("multipart/form-data; boundary=b", "nonsense", id="nonsense"),
            pytest.param("multipart/form-data; boundary=b", "--b\r\n\0: x\r\n\r\nc\r\n--b--\r\n", id="a bad header"),
            pytest.param("multipart/form-data; boundary=b", "--b\r\nX: y\r\n\r\nc\r\n--b--\r\n", id="no name"),
            pytest.param(
                "multipart/form-data; boundary=b; charset=undefined",
                f"--b\r\n{MULTIPART}\r\n\r\nc\r\n--b--\r\n",
                id="a charset of which nothing can be read",
            ),
            pytest.param(
                'multipart/form-data; boundary=b; charset="a\0"',
                f"--b\r\n{MULTIPART}\r\n\r\nc\r\n--b--\r\n",
                id="a charset that is no name",
            ),
            pytest.param(
                "multipart/form-data; boundary=b",
                f"--b\r\n{MULTIPART}\r\n\r\nc\r\n" * 1100 + "--b--\r\n",
                id="too many",
            ),
            pytest.param(
                "multipart/form-data; boundary=b",
                f'--b\r\n{MULTIPART}; filename="f"\r\n\r\nc\r\n--b--\r\n',
                id="a file",
            ),
        ],
    )
    def test_hostile_form(self, content_type: str, body: str) -> None:
        """
        A form that can't be read has no value in it.
        """
        headers = [("content-type", content_type)]
        request = request_with(
            method="POST", cookies=["access_token_cookie=t"], headers=headers, body=body.encode("latin-1")
        )
        self.refused(CSRFError, "Missing CSRF value", request, csrf_check_form=True)

    def test_body_for_the_view(self) -> None:
        """
        The view reads the same form again, also one that something else has read before.
        """
        config = JWTConfig(secret_key=KEY, token_location="cookies", csrf_check_form=True)
        options = together(in_form(("csrf_token", "c"), ("a", "1")), {"cookies": ["access_token_cookie=t"]})

        async def read(*, before: bool) -> Any:
            request = request_with(**options)
            if before:
                await request.form()
            assert await find_token(config, request, ["cookies"], False) == ("t", b"c")
            return (await request.form())["a"]

        assert anyio.run(partial(read, before=False)) == anyio.run(partial(read, before=True)) == "1"

    def test_websocket(self) -> None:
        """
        A handshake is a GET request, and has no form.
        """

        async def nothing(*args: Any) -> Any: ...

        websocket = WebSocket(websocket_scope("/", cookies=["access_token_cookie=t"]), nothing, nothing)
        assert self.find(websocket) == ("t", None)
        self.refused(CSRFError, "Missing CSRF value", websocket, csrf_methods=["GET"], csrf_check_form=True)


class TestQueryString:
    find = staticmethod(partial(find, token_location="query_string"))
    refused = staticmethod(partial(refused, token_location="query_string"))

    def test_value(self) -> None:
        """
        The token is the first value of its name, after the prefix.
        """
        assert self.find(request_with(query="a=1&jwt=t%2Eu&jwt=x")) == ("t.u", None)
        settings = {"query_string_name": "é", "query_string_value_prefix": "Bearer "}
        assert self.find(request_with(query="%C3%A9=Bearer+t"), **settings) == ("t", None)
        self.refused(
            InvalidQueryParamError, "é must start with 'Bearer '", request_with(query="%C3%A9=bearer+t"), **settings
        )

    @pytest.mark.parametrize("query", ["", "jwt", "jwt=", "jwt=&jwt=t", "JWT=t", "x=jwt=t"])
    def test_without_a_token(self, query: str) -> None:
        """
        An empty value, or another name, is none.
        """
        self.refused(NoAuthorizationError, "Missing query parameter jwt", request_with(query=query))


class TestJSON:
    find = staticmethod(partial(find, token_location="json"))
    refused = staticmethod(partial(refused, token_location="json"))

    @pytest.mark.parametrize("kind", ["application/json", "Application/JSON ; x=y", "application/vnd.api+json"])
    def test_value(self, kind: str) -> None:
        """
        The token is the value of a key in an object; refresh tokens have another.
        """
        request = in_json({"access_token": "t", "refresh_token": "u"}, kind)
        assert self.find(request_with(**request)) == ("t", None)
        assert self.find(request_with(**request), refresh=True) == ("u", None)
        assert self.find(request_with(**request), json_key="refresh_token") == ("u", None)

    @pytest.mark.parametrize("kind", [None, "", "text/json", "application/jsonx", "application/x; y=+json"])
    def test_without_json(self, kind: str | None) -> None:
        """
        A body is JSON if it says so.
        """
        self.refused(
            NoAuthorizationError, "with its Content-Type", request_with(**in_json({"access_token": "t"}, kind))
        )

    @pytest.mark.parametrize(
        ("body", "error", "text"),
        [
            pytest.param(b"", NoAuthorizationError, "Missing key 'access_token'", id="nothing"),
            pytest.param(b"{", NoAuthorizationError, "Missing key", id="not JSON"),
            pytest.param(b"\xff", NoAuthorizationError, "Missing key", id="not UTF-8"),
            pytest.param(b"[]", NoAuthorizationError, "Missing key", id="an empty list"),
            pytest.param(b"{}", NoAuthorizationError, "Missing key", id="an empty object"),
            pytest.param(b'{"access_token": ""}', NoAuthorizationError, "Missing key", id="an empty token"),
            pytest.param(b"[1]", InvalidTokenError, "must be an object", id="a list"),
            pytest.param(b'"access_token"', InvalidTokenError, "must be an object", id="text"),
            pytest.param(b"NaN", InvalidTokenError, "must be an object", id="no number"),
            pytest.param(b"[" * 100_000, InvalidTokenError, "nested too deep", id="nested without end"),
        ],
    )
    def test_without_a_token(self, body: bytes, error: type[JWTError], text: str) -> None:
        """
        What has no token in it is said to lack it; what isn't even an object is invalid.
        """
        self.refused(error, text, request_with(**in_json(body)))

    @pytest.mark.parametrize("value", [5, True, ["t"], {"t": 1}], ids=repr)
    def test_value_that_is_no_text(self, value: Any) -> None:
        """
        Whether the value is a token isn't decided here.
        """
        assert self.find(request_with(**in_json({"access_token": value}))) == (value, None)

    def test_without_a_body(self) -> None:
        """
        What has no body, as a handshake, has no token in it.
        """
        scope = http_scope("/", headers=[("content-type", "application/json")])
        self.refused(NoAuthorizationError, "The body must be JSON", HTTPConnection(scope))


class TestSeveral:
    @pytest.mark.parametrize("order", [EVERYWHERE, EVERYWHERE[::-1], ("query_string", "headers")])
    def test_order(self, order: Iterable[str]) -> None:
        """
        The first location that has a token decides.
        """
        everything = together(
            {"headers": [("authorization", "Bearer headers")], "cookies": ["access_token_cookie=cookies"]},
            {"query": "jwt=query_string"},
            in_json({"access_token": "json"}, method="GET"),
        )
        waiting = list(order)
        while waiting:
            assert find(request_with(**everything), *waiting) == (waiting.pop(0), None)

    def test_bad_one_first(self) -> None:
        """
        What is wrong in an earlier location isn't made good by a later one.
        """
        good: dict[str, Any] = {"query": "jwt=t"}
        bad_header = request_with(headers=[("authorization", "Bearer a b")], **good)
        refused(InvalidHeaderError, "Bad", bad_header, "headers", "query_string")
        no_csrf = request_with(method="POST", cookies=["access_token_cookie=t"], **good)
        refused(CSRFError, "Missing", no_csrf, "cookies", "query_string")
        assert find(no_csrf, "query_string", "cookies") == ("t", None)

    def test_nowhere(self) -> None:
        """
        All reasons are given.
        """
        refused(
            NoAuthorizationError,
            r"There is no token \(Missing query parameter jwt; Missing cookie access_token_cookie\)$",
            request_with(),
            "query_string",
            "cookies",
        )

from typing import Any

import pytest

from starlette_flask.exceptions import ConfigError
from starlette_flask.formats.cookies import Cookie, Header, add_vary

SESSION = Cookie("session")


@pytest.mark.parametrize(
    ("lines", "value"),
    [
        pytest.param([], None, id="no header"),
        pytest.param(["session=a"], b"a", id="alone"),
        pytest.param(["x=1; session=a; y=2"], b"a", id="among others"),
        pytest.param(["x=1;session=a"], b"a", id="without a space"),
        pytest.param(["x=1;  session=a"], b"a", id="two spaces"),
        pytest.param(["x=1; session = a ; y=2"], b"a", id="spaces around"),
        pytest.param(["x=1; session=a b; session=c"], b"c", id="space within is no cookie"),
        pytest.param(["session=a; session=b"], b"a", id="first counts"),
        pytest.param(["session=a", "session=b"], b"a", id="first line counts"),
        pytest.param(["x=1", "session=b"], b"b", id="second line"),
        pytest.param(["xsession=a; session2=b; my-session=c"], None, id="other names"),
        pytest.param(["xsession=a; session=b"], b"b", id="after another name"),
        pytest.param(["x=session=1; session=b"], b"b", id="after a value that looks like it"),
        pytest.param(["session"], b"", id="no equals sign"),
        pytest.param(["session; session=b"], b"", id="no equals sign first"),
        pytest.param(["session="], b"", id="empty"),
        pytest.param(["session=; x=1"], b"", id="empty, others follow"),
        pytest.param(["=session; ;;"], None, id="nothing but noise"),
        pytest.param(['session="a"'], b"a", id="quoted"),
        pytest.param([r'session="a\"b\075\x"'], b'a"b=x', id="escapes"),
        pytest.param(['x="1; session=evil"; session=a'], b"a", id="in another's quotes"),
        pytest.param(['x="1; session=a'], b"a", id="quote without an end"),
        pytest.param(['session="a'], None, id="own quote without an end"),
        pytest.param(["session=\xff"], b"\xff", id="not ASCII"),
    ],
)
def test_find(lines: list[str], value: bytes | None) -> None:
    """
    The first cookie of the name over all lines is found, as Werkzeug reads them.
    """
    headers = [(b"host", b"localhost"), *((b"cookie", line.encode("latin-1")) for line in lines)]
    assert SESSION.find(headers) == value


@pytest.mark.parametrize(
    ("cookie", "flags"),
    [
        pytest.param(SESSION, "; HttpOnly; Path=/", id="as Flask by default"),
        pytest.param(Cookie("s", http_only=False), "; Path=/", id="not http_only"),
        pytest.param(Cookie("s", same_site="lax"), "; HttpOnly; Path=/; SameSite=Lax", id="lax"),
        pytest.param(
            Cookie("s", "/app", "example.com", True, True, "none", True),
            "; Domain=example.com{}; Secure; HttpOnly; Path=/app; SameSite=None; Partitioned",
            id="everything",
        ),
    ],
)
def test_set_and_delete(cookie: Cookie, flags: str) -> None:
    """
    The lines are Werkzeug's, attribute by attribute; a deletion has the same ones.
    """
    template = flags if "{}" in flags else "{}" + flags
    expires = "; Expires=Sun, 09 Sep 2001 01:46:40 GMT"
    deleted = "; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0"
    assert cookie.set(b"a").decode() == f"{cookie.name}=a" + template.format("")
    assert cookie.set(b"a", max_age=60).decode() == f"{cookie.name}=a" + template.format("; Max-Age=60")
    assert cookie.set(b"a", expires=10**9).decode() == f"{cookie.name}=a" + template.format(expires)
    assert cookie.delete().decode() == f"{cookie.name}=" + template.format(deleted)


@pytest.mark.parametrize(
    ("given", "sent"), [(".example.com", "example.com"), ("b\u00fccher.example", "xn--bcher-kva.example")]
)
def test_domain(given: str, sent: str) -> None:
    """
    A leading dot says nothing any more, and a name travels in ASCII.
    """
    assert Cookie("s", domain=given).domain == sent


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"name": ""}, "cookie name '' can't be used", id="no name"),
        pytest.param({"name": "my session"}, "use letters, digits", id="space in the name"),
        pytest.param({"name": "s;x"}, "use letters, digits", id="semicolon in the name"),
        pytest.param({"name": "s\r\nX: y"}, "use letters, digits", id="line break in the name"),
        pytest.param({"name": "s\n"}, "use letters, digits", id="line break after the name"),
        pytest.param({"name": "s\u00e9"}, "use letters, digits", id="name not ASCII"),
        pytest.param({"name": b"s"}, "cookie name must be str, not bytes", id="name of bytes"),
        pytest.param({"path": ""}, "start it with /", id="no path"),
        pytest.param({"path": "app"}, "start it with /", id="path without a slash"),
        pytest.param({"path": "/a;b"}, "percent-encode", id="semicolon in the path"),
        pytest.param({"path": "/a\n"}, "percent-encode", id="line break in the path"),
        pytest.param({"path": None}, "cookie path must be str, not NoneType", id="path None"),
        pytest.param({"domain": ""}, "give a name such as", id="empty domain"),
        pytest.param({"domain": "a b"}, "give a name such as", id="space in the domain"),
        pytest.param({"domain": "example.com;x"}, "give a name such as", id="semicolon in the domain"),
        pytest.param({"domain": "example.com:80"}, "without a port", id="port"),
        pytest.param({"domain": "a..b"}, "is not a domain name", id="empty label"),
        pytest.param({"domain": 1}, "cookie domain must be str or None", id="domain of another type"),
        pytest.param({"same_site": "loose"}, "unknown same_site 'loose'; use 'lax'", id="same_site"),
        pytest.param({"same_site": True}, "same_site must be str or None", id="same_site of another type"),
    ],
)
def test_what_no_header_can_carry(options: dict[str, Any], message: str) -> None:
    """
    No option can break out of its place in the header.
    """
    with pytest.raises(ConfigError, match=message):
        Cookie(**{"name": "session", **options})


@pytest.mark.parametrize(
    ("cookie", "refusal"),
    [
        pytest.param(SESSION, None, id="plain"),
        pytest.param(Cookie("s", same_site="None"), "refuse SameSite=None without Secure", id="SameSite=None"),
        pytest.param(Cookie("s", same_site="none", secure=True), None, id="SameSite=None, secure"),
        pytest.param(Cookie("s", partitioned=True), "refuse Partitioned without Secure", id="Partitioned"),
        pytest.param(Cookie("s", partitioned=True, secure=True), None, id="Partitioned, secure"),
        pytest.param(Cookie("__Secure-s"), "refuse __Secure-s without Secure", id="__Secure-"),
        pytest.param(Cookie("__secure-s", secure=True, path="/a"), None, id="__Secure-, secure"),
        pytest.param(Cookie("__Host-s"), "refuse __Host-s without Secure", id="__Host-"),
        pytest.param(Cookie("__Host-s", secure=True), None, id="__Host-, secure"),
        pytest.param(Cookie("__HOST-s", secure=True, path="/a"), "a path other than /", id="__Host- with a path"),
        pytest.param(Cookie("__Host-s", secure=True, domain="a.b"), "with a domain", id="__Host- with a domain"),
    ],
)
def test_what_browsers_refuse(cookie: Cookie, refusal: str | None) -> None:
    """
    Browsers refuse some cookies that a header can carry.
    """
    answer = cookie.browser_refusal()
    assert answer is None if refusal is None else answer is not None and refusal in answer


@pytest.mark.parametrize(
    ("cookie", "line", "path", "value"),
    [
        pytest.param(SESSION, "session=a; Path=/", "/x/y", b"a", id="same"),
        pytest.param(SESSION, "session= a ;HttpOnly; PATH = / ;secure", "/x/y", b"a", id="spelled otherwise"),
        pytest.param(SESSION, 'session="a"; Path=/', "/", b"a", id="quoted"),
        pytest.param(SESSION, "session=; Path=/; Max-Age=0", "/", b"", id="deletion"),
        pytest.param(SESSION, "session=a; Path=/; Max-Age=0", "/", b"", id="deletion with a value"),
        pytest.param(SESSION, "session=a; Path=/; Max-Age=-1; Expires=x", "/", b"", id="negative age"),
        pytest.param(SESSION, "session=a; Path=/; expires=Thu, 01-Jan-1970 00:00:00 GMT", "/", b"", id="expired"),
        pytest.param(
            SESSION, "session=a; Path=/; Max-Age=9; Expires=Thu, 01-Jan-1970 00:00:00 GMT", "/", b"a", id="age counts"
        ),
        pytest.param(SESSION, "session=a; Path=/; Max-Age=x; Expires=y", "/", b"a", id="nonsense attributes"),
        pytest.param(SESSION, "session=a; Path=/; Max-Age=--1", "/", b"a", id="no number"),
        pytest.param(SESSION, "session2=a; Path=/", "/", None, id="other name"),
        pytest.param(SESSION, "session=a; Path=/app", "/", None, id="other path"),
        pytest.param(SESSION, "session=a", "/x", b"a", id="default path /"),
        pytest.param(SESSION, "session=a", "/x/y", None, id="default path /x"),
        pytest.param(SESSION, "session=a; Path=x", "", b"a", id="bad path, no request path"),
        pytest.param(Cookie("session", path="/x"), "session=a", "/x/y", b"a", id="default path is ours"),
        pytest.param(SESSION, "session=a; Path=/; Domain=a.b", "/", None, id="other domain"),
        pytest.param(Cookie("session", domain="A.b"), "session=a; Path=/; Domain=.a.B", "/", b"a", id="same domain"),
        pytest.param(Cookie("session", domain="a.b"), "session=a; Path=/", "/", None, id="host only"),
        pytest.param(SESSION, "session=a; Path=/; Secure; Partitioned", "/", None, id="other partition"),
    ],
)
def test_value_set_by(cookie: Cookie, line: str, path: str, value: bytes | None) -> None:
    """
    A Set-Cookie line is about this cookie only if name, path, domain and partition are the same.
    """
    assert cookie.value_set_by(line.encode(), path) == value


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param([], [(b"vary", b"Cookie")], id="none"),
        pytest.param([(b"x", b"y"), (b"vary", b"Accept")], [(b"x", b"y"), (b"vary", b"Accept, Cookie")], id="one"),
        pytest.param([(b"vary", b"Accept,cookie")], [(b"vary", b"Accept,cookie")], id="there already"),
        pytest.param(
            [(b"vary", b"A"), (b"vary", b"B")], [(b"vary", b"A, Cookie"), (b"vary", b"B")], id="two lines, both stay"
        ),
        pytest.param([(b"vary", b"A"), (b"vary", b"COOKIE")], [(b"vary", b"A"), (b"vary", b"COOKIE")], id="second"),
        pytest.param([(b"Vary", b"A")], [(b"Vary", b"A, Cookie")], id="capitals"),
        pytest.param([(b"vary", b"")], [(b"vary", b"Cookie")], id="empty"),
    ],
)
def test_add_vary(headers: list[Header], expected: list[Header]) -> None:
    """
    Cookie is merged into what is there, and nothing gets lost.
    """
    add_vary(headers)
    assert headers == expected

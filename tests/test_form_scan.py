import importlib
import sys
import tracemalloc
from collections.abc import Iterator
from urllib.parse import quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from starlette_flask.form_scan import FormScan

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data; boundary=b"
LONGEST = 8 * 1024
"""Of a name or a value that is looked at, in bytes."""

Fields = list[tuple[str, str]]


def scan(content_type: str, body: bytes, size: int = 0) -> FormScan:
    """
    Read a whole form, in pieces of *size* bytes or in one.
    """
    form = FormScan(content_type, "csrf_token")
    for start in range(0, len(body), size or len(body) or 1):
        form.feed(body[start : start + size] if size else body)
    form.finish()
    return form


def fields_in(content_type: str, body: bytes, size: int = 0) -> Fields:
    return scan(content_type, body, size).fields


def part(disposition: str, value: str = "token", *headers: str) -> bytes:
    """
    Return a part of a multipart form, as UTF-8.
    """
    lines = ["--b", *headers, f"Content-Disposition: {disposition}", "", value, ""]
    return "\r\n".join(lines).encode()


END = b"--b--\r\n"
TOKEN = part('form-data; name="csrf_token"')
FILE = part('form-data; name="file"; filename="a.txt"', "\r\n--a\r\n--\r\n-b\r\n--", "Content-Type: text/plain")

FORMS = [
    pytest.param(URLENCODED, b"csrf_token=token", [("csrf_token", "token")], id="the only field"),
    pytest.param(URLENCODED, b"csrf_token=token&a=1&b=2", [("csrf_token", "token")], id="first"),
    pytest.param(URLENCODED, b"a=1&csrf_token=token&b=2", [("csrf_token", "token")], id="in the middle"),
    pytest.param(URLENCODED, b"a=1&b=2&csrf_token=token", [("csrf_token", "token")], id="last"),
    pytest.param(URLENCODED, b"&&csrf_token=token&&", [("csrf_token", "token")], id="superfluous ampersands"),
    pytest.param(URLENCODED, b"form1-csrf_token=token", [("form1-csrf_token", "token")], id="prefix"),
    pytest.param(
        URLENCODED,
        b"a-csrf_token=1&csrf_token=2&b-csrf_token=3&csrf_token=4",
        [("a-csrf_token", "1"), ("csrf_token", "2"), ("b-csrf_token", "3"), ("csrf_token", "4")],
        id="several",
    ),
    pytest.param(URLENCODED, b"csrf_token=a=b", [("csrf_token", "a=b")], id="equals sign in the value"),
    pytest.param(URLENCODED, b"c%73rf%5Ftoken=%74oken+%2B%26", [("csrf_token", "token +&")], id="percent-encoded"),
    pytest.param(URLENCODED, b"%C3%BC-csrf_token=%E4%B8%AD", [("\u00fc-csrf_token", "\u4e2d")], id="UTF-8"),
    pytest.param(URLENCODED, "\u00fc-csrf_token=\u4e2d".encode(), [("\u00fc-csrf_token", "\u4e2d")], id="raw UTF-8"),
    pytest.param(URLENCODED, b"csrf_token=%zz%", [("csrf_token", "%zz%")], id="broken percent-encoding"),
    pytest.param(URLENCODED, b"csrf_token=\xff%ff", [("csrf_token", "\ufffd\ufffd")], id="no UTF-8"),
    pytest.param(URLENCODED, b"csrf_token=", [], id="empty value"),
    pytest.param(URLENCODED, b"csrf_token", [], id="no value"),
    pytest.param(URLENCODED, b"csrf_token&a=1", [], id="no value, not last"),
    pytest.param(URLENCODED, b"=csrf_token", [], id="no name"),
    pytest.param(URLENCODED, b"csrf_token_=token&CSRF_TOKEN=token", [], id="other names"),
    pytest.param(URLENCODED, b"a=1&b=2", [], id="other fields"),
    pytest.param(URLENCODED, b"", [], id="empty"),
    pytest.param(
        URLENCODED + "; charset=utf-8", b"csrf_token=token", [("csrf_token", "token")], id="urlencoded, with a charset"
    ),
    pytest.param(URLENCODED.upper(), b"csrf_token=token", [("csrf_token", "token")], id="urlencoded, upper case"),
    pytest.param(MULTIPART, TOKEN + END, [("csrf_token", "token")], id="multipart: the only field"),
    pytest.param(MULTIPART, TOKEN + FILE + END, [("csrf_token", "token")], id="multipart: before a file"),
    pytest.param(MULTIPART, FILE + TOKEN + END, [("csrf_token", "token")], id="multipart: after a file"),
    pytest.param(
        MULTIPART,
        part('form-data; name="a-csrf_token"', "1") + part('form-data; name="a"') + TOKEN + END,
        [("a-csrf_token", "1"), ("csrf_token", "token")],
        id="multipart: several",
    ),
    pytest.param(MULTIPART, part("form-data; name=csrf_token") + END, [("csrf_token", "token")], id="no quotes"),
    pytest.param(
        MULTIPART, part('FORM-DATA;NAME="csrf_token"') + END, [("csrf_token", "token")], id="multipart: upper case"
    ),
    pytest.param(
        MULTIPART,
        TOKEN.replace(b"Content-Disposition", b"cONTENT-dISPOSITION") + END,
        [("csrf_token", "token")],
        id="multipart: another case of the header",
    ),
    pytest.param(
        MULTIPART,
        part('form-data; name="csrf_token"', "token", "Content-Type: text/plain; charset=utf-8") + END,
        [("csrf_token", "token")],
        id="multipart: a header before",
    ),
    pytest.param(
        MULTIPART,
        part('form-data; name="csrf_token"\r\nContent-Type: text/plain; name="a"; filename="b"') + END,
        [("csrf_token", "token")],
        id="multipart: a header after",
    ),
    pytest.param(
        MULTIPART,
        part('form-data; name="\u00fc\u4e2d-csrf_token"', "\u00e9\u4e2d") + END,
        [("\u00fc\u4e2d-csrf_token", "\u00e9\u4e2d")],
        id="multipart: UTF-8",
    ),
    pytest.param(
        MULTIPART,
        part('form-data; name="file"; filename="\u043e\u0442\u0447\u0451\u0442.pdf"') + TOKEN + END,
        [("csrf_token", "token")],
        id="multipart: after a file with a name in UTF-8",
    ),
    pytest.param(
        MULTIPART,
        part('form-data; name="csrf_token"', "\r\ntoken\r\n--b-\r\n-") + END,
        [("csrf_token", "\r\ntoken\r\n--b-\r\n-")],
        id="multipart: value with lines",
    ),
    pytest.param(MULTIPART, part('form-data; name="csrf_token"', "") + END, [], id="multipart: empty value"),
    pytest.param(
        MULTIPART, part('form-data; name="csrf_token"; filename="a"') + END, [], id="multipart: a file of that name"
    ),
    pytest.param(
        MULTIPART, part('form-data; name="csrf_token"; filename=""') + END, [], id="multipart: a file without a name"
    ),
    pytest.param(MULTIPART, part('form-data; filename="csrf_token"') + END, [], id="multipart: a file without a field"),
    pytest.param(MULTIPART, part("form-data") + END, [], id="multipart: no name"),
    pytest.param(MULTIPART, b"--b\r\nA: csrf_token\r\n\r\ntoken\r\n" + END, [], id="multipart: no disposition"),
    pytest.param(
        MULTIPART, TOKEN + b"--b\r\nA: b\r\n\r\nother\r\n" + END, [("csrf_token", "token")], id="multipart: one without"
    ),
    pytest.param(MULTIPART, part('form-data; name="a"', "csrf_token=token") + END, [], id="multipart: in a value"),
    pytest.param(MULTIPART, FILE + END, [], id="multipart: a file alone"),
    pytest.param(MULTIPART, TOKEN, [], id="multipart: not ended"),
    pytest.param(MULTIPART, b"", [], id="multipart: empty"),
    pytest.param(MULTIPART, END, [], id="multipart: no parts"),
    pytest.param(
        'multipart/form-data; charset=utf-8; boundary="b"', TOKEN + END, [("csrf_token", "token")], id="quoted boundary"
    ),
    pytest.param(MULTIPART + "b", TOKEN + END, [], id="another boundary"),
    pytest.param("text/plain", b"csrf_token=token", [], id="text"),
    pytest.param("application/json", b'{"csrf_token": "token"}', [], id="JSON"),
    pytest.param("", b"csrf_token=token", [], id="no content type"),
    pytest.param("multipart/form-data", TOKEN + END, [], id="no boundary"),
    pytest.param("multipart/form-data; boundary=", TOKEN + END, [], id="empty boundary"),
    pytest.param("multipart/mixed; boundary=b", TOKEN + END, [], id="another multipart"),
    pytest.param("x-www-form-urlencoded", b"csrf_token=token", [], id="half a content type"),
]


@pytest.mark.parametrize(("content_type", "body", "fields"), FORMS)
def test_fields(content_type: str, body: bytes, fields: Fields) -> None:
    """
    The fields with that name, or one that ends so, are found in their order, wherever the pieces end.
    """
    found = {size: fields_in(content_type, body, size) for size in range(len(body) + 1)}
    assert found == dict.fromkeys(found, fields)


def test_is_form() -> None:
    """
    Of what is no form nothing needs to be read.
    """
    assert [FormScan(kind, "csrf_token").is_form for kind in (URLENCODED, MULTIPART)] == [True, True]
    for kind in ("", "text/plain", "application/json", "multipart/form-data", "multipart/mixed; boundary=b"):
        assert not FormScan(kind, "csrf_token").is_form


def test_found_at_once() -> None:
    """
    A field is known as soon as it has ended, and not before.
    """
    form = FormScan(URLENCODED, "csrf_token")
    form.feed(b"csrf_token=tok")
    form.feed(b"en")
    assert form.fields == []
    form.feed(b"&")
    assert form.fields == [("csrf_token", "token")]

    form = FormScan(MULTIPART, "csrf_token")
    form.feed(TOKEN)
    assert form.fields == []
    form.feed(b"--b\r\n")
    assert form.fields == [("csrf_token", "token")]


@pytest.mark.parametrize("content_type", [URLENCODED, MULTIPART])
def test_most(content_type: str) -> None:
    """
    The first 20 are found; nobody has so many forms on a page.
    """
    fields = [("csrf_token", str(number)) for number in range(25)]
    body = b"&".join(b"csrf_token=%d" % number for number in range(25))
    assert fields_in(content_type, multipart_of(fields) if content_type == MULTIPART else body) == fields[:20]


@pytest.mark.parametrize("kind", ["name", "value"])
@pytest.mark.parametrize(("size", "is_found"), [(LONGEST, True), (LONGEST + 1, False)])
@pytest.mark.parametrize("chunk", [0, 1000])
@pytest.mark.parametrize("content_type", [URLENCODED, MULTIPART])
def test_longest(content_type: str, kind: str, size: int, is_found: bool, chunk: int) -> None:
    """
    A name or a value of more than 8 KiB is no token's, and the fields after it are found.
    """
    name, value = "csrf_token", "x" * size
    if kind == "name":
        if content_type == MULTIPART:
            # Of a header the other parts count, too, and parsers have limits of their own.
            size = LONGEST if not is_found else 4000
        name, value = "csrf_token".rjust(size, "x"), "token"
    if content_type == URLENCODED:
        body = f"{name}={value}&csrf_token=last".encode()
    else:
        body = part(f'form-data; name="{name}"', value) + part('form-data; name="csrf_token"', "last") + END
    found = fields_in(content_type, body, chunk)
    if is_found:
        assert found == [(name, value), ("csrf_token", "last")]
    else:
        assert found in ([("csrf_token", "last")], [])
        assert found or (content_type, kind) == (MULTIPART, "name")


def multipart_of(fields: Fields) -> bytes:
    return b"".join(part(f'form-data; name="{name}"', value) for name, value in fields) + END


NAMES = st.sampled_from(["a", "csrf_token", "form-csrf_token", "\u00fc-csrf_token", "csrf_token2", "+%26=&-csrf_token"])
VALUES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=150, deadline=None)
@given(fields=st.lists(st.tuples(NAMES, VALUES), max_size=5), is_multipart=st.booleans(), size=st.integers(1, 40))
def test_as_werkzeug(fields: Fields, is_multipart: bool, size: int) -> None:
    """
    What is found in a form is what Werkzeug finds in it, wherever the pieces end.
    """
    if is_multipart:
        fields = [(name, value) for name, value in fields if "--b" not in value]
        content_type, body = MULTIPART, multipart_of(fields)
    else:
        content_type = URLENCODED
        body = "&".join(f"{quote_plus(name)}={quote_plus(value)}" for name, value in fields).encode()
    environ = EnvironBuilder(method="POST", content_type=content_type, data=body).get_environ()
    theirs = Request(environ).form
    found: dict[str, list[str]] = {}
    for name, value in fields_in(content_type, body, size):
        found.setdefault(name, []).append(value)
    expected = {name: [value for value in values if value] for name, values in theirs.lists()}
    assert found == {name: values for name, values in expected.items() if name.endswith("csrf_token") and values}


MISTAKES = [
    pytest.param(b"no boundary at all", id="no boundary"),
    pytest.param(b"--c\r\n" + TOKEN + END, id="another boundary first"),
    pytest.param(b"--b\n\ncontent", id="bare newlines"),
    pytest.param(b"--b\r\nno header\r\n\r\n" + TOKEN + END, id="no colon"),
    pytest.param(b"--b\r\n: a\r\n\r\n" + TOKEN + END, id="no header name"),
    pytest.param(b"--b\r\nA\0: a\r\n\r\n" + TOKEN + END, id="NUL in a header name"),
    pytest.param(b"--b\r\nA: a\rb\r\n\r\n" + TOKEN + END, id="carriage return in a header"),
    pytest.param(b"--b\r\nA: a\r\n\rb" + TOKEN + END, id="carriage return after the headers"),
    pytest.param(b"--b\r\n\xff: a\r\n\r\n" + TOKEN + END, id="latin-1 header name"),
    pytest.param(b"--bb\r\n" + TOKEN + END, id="longer boundary"),
    pytest.param(b"--b-\r\n" + TOKEN + END, id="half an end"),
]


@pytest.mark.parametrize("body", MISTAKES)
@pytest.mark.parametrize("size", [0, 1, 7])
def test_mistakes(body: bytes, size: int) -> None:
    """
    What comes after a mistake is ignored; what was found before it stays.
    """
    scan(MULTIPART, body, size)  # what it finds is the parser's to say
    after_token = TOKEN + part('form-data; name="a"') + b"--b\r\nno header\r\n\r\n"
    form = scan(MULTIPART, after_token + TOKEN + END, size)
    assert form.fields == [("csrf_token", "token")]
    assert not form.is_form


def hostile_headers() -> Iterator[str]:
    """
    Return what may stand where ``form-data; name="a"`` should.
    """
    yield from (
        "",
        ";",
        ";;;;",
        "=",
        '"',
        'form-data; name="',
        'form-data; name="a',
        'form-data; name=""',
        "form-data; name",
        "form-data; name=",
        'form-data; name="a"; name="csrf_token"',
        'form-data; name="csrf_token"; ; ;=; =a; b=',
        'form-data; name="a\\"; csrf_token\\\\"; filename=\'',
        'form-data; name="\u20ac"; filename="\u043e\u0442\u0447\u0451\u0442.pdf"',
        'form-data; name="csrf_token\udc80\udcff"',
        "form-data; name*=utf-8''csrf_token",
        "form-data; name*=utf-8''%E2%82%AC%ff; filename*=x'y'z",
        "form-data; name*=no-such-charset''a%ff",
        "form-data; name*=utf-16''%00; name*=idna''%ff; name*=punycode''%e4",
        "form-data; name*0=csrf; name*1=_token",
        "form-data; name*1=a; name*0*=utf-8''b; name*",
        "form-data; name*=utf-8''%E2%82%AC; name*0=a; name*1=b",
        "form-data; name=a; name*x=b; *=c; **=d; name*0*=e; name*-1=f",
        "form-data; name*" + "9" * 5000 + "=a",
        'form-data; filename="C:\\\\a\\b"; name="\\\\\\\\a\\b"',
        "form-data\0; name=\0",
        "=?utf-8?q?csrf=5Ftoken?=; name==?utf-8?b?gA==?=",
        "form-data; name=" + '"' * 3000,
        "form-data; name=" + "\\" * 3000,
        "form-data" + ";" * 3000,
        "form-data" + '; a="b' * 600,
    )


HOSTILE = [pytest.param(text, id=f"{number}: {text[:40]!a}") for number, text in enumerate(hostile_headers())]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_disposition(text: str) -> None:
    """
    Whatever a part's header holds, nothing is raised.
    """
    for header in (text.encode(errors="surrogateescape"), text.encode("latin-1", errors="replace")):
        body = b"--b\r\nContent-Disposition: " + header + b"\r\n\r\ntoken\r\n" + TOKEN + END
        for size in (0, 1, 100):
            fields = fields_in(MULTIPART, body, size)
            if b"\0" not in header and len(header) < 2000:
                assert fields[-1] == ("csrf_token", "token")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=b; a", "multipart/form-data; boundary", URLENCODED])
def test_hostile_content_type(kind: str, text: str) -> None:
    """
    Whatever the request's header holds, nothing is raised.
    """
    header = text.encode(errors="surrogateescape").decode("latin-1")  # as servers give it
    for content_type in (header, f"{kind}; {header}", f"{kind}{header}", f"{header};{kind}"):
        scan(content_type, TOKEN + END)
        scan(content_type, b"csrf_token=token")


@pytest.mark.parametrize("length", [70, 256, 257, 300, 8000, 100_000])
@pytest.mark.parametrize("character", ["x", "\r", "\n", "-", "\xff", "\0"], ids=ascii)
def test_boundary(length: int, character: str) -> None:
    """
    A boundary longer than RFC 2046 allows, 70 characters, or one of odd characters, breaks nothing.
    """
    boundary = character * length
    for content_type in (f"multipart/form-data; boundary={boundary}", f'multipart/form-data; boundary="{boundary}"'):
        body = TOKEN.replace(b"--b", b"--" + boundary.encode("latin-1"))
        for size in (0, 1000):
            scan(content_type, body + b"--" + boundary.encode("latin-1") + b"--", size)
    if (character, length) == ("x", 70):
        assert fields_in(f"multipart/form-data; boundary={boundary}", body + b"--" + boundary.encode() + b"--")


FLOODS = [
    pytest.param(URLENCODED, b"a=", b"x", id="a value"),
    pytest.param(URLENCODED, b"csrf_token=", b"x", id="a token"),
    pytest.param(URLENCODED, b"", b"x", id="a name"),
    pytest.param(URLENCODED, b"", b"&", id="ampersands"),
    pytest.param(URLENCODED, b"", b"a=b&", id="fields"),
    pytest.param(URLENCODED, b"", b"csrf_token=&", id="empty tokens"),
    pytest.param(URLENCODED, b"", b"csrf_token=x&", id="tokens"),
    pytest.param(MULTIPART, FILE[: FILE.index(b"\r\n\r\n") + 4], bytes(64), id="a file"),
    pytest.param(MULTIPART, FILE[: FILE.index(b"\r\n\r\n") + 4], b"\r\n--", id="a file of near boundaries"),
    pytest.param(MULTIPART, TOKEN[: TOKEN.index(b"\r\n\r\n") + 4], b"x", id="multipart: a token"),
    pytest.param(MULTIPART, b"--b\r\nA: ", b"x", id="a header"),
    pytest.param(MULTIPART, b"--b\r\n", b"A", id="a header's name"),
    pytest.param(MULTIPART, b"--b\r\n", b"A: b\r\n", id="headers"),
    pytest.param(MULTIPART, b"--b\r\nContent-Disposition: form-data; name=", b"x", id="a field's name"),
    pytest.param(MULTIPART, b"--b\r\nContent-Disposition: form-data", b";", id="semicolons"),
    pytest.param(MULTIPART, b"", b"\r\n", id="newlines before"),
    pytest.param(MULTIPART, b"", part("form-data; name=a", "b"), id="multipart: fields"),
    pytest.param(MULTIPART, b"", TOKEN, id="multipart: tokens"),
    pytest.param(MULTIPART, END, b"x", id="an epilogue"),
]


@pytest.mark.parametrize(("content_type", "start", "pattern"), FLOODS)
def test_bounded_memory(content_type: str, start: bytes, pattern: bytes) -> None:
    """
    However long a form is, and whatever it is full of, no more than 32 KiB of it are kept.
    """
    piece = pattern * (16 * 1024 // len(pattern))
    form = FormScan(content_type, "csrf_token")
    form.feed(start)
    tracemalloc.start()
    try:
        for _ in range(8):
            form.feed(piece)
        form.finish()
        assert tracemalloc.get_traced_memory()[0] <= 32 * 1024
    finally:
        tracemalloc.stop()


def test_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Without python-multipart, the error says what to install.
    """
    monkeypatch.delitem(sys.modules, "starlette_flask.form_scan")
    monkeypatch.setitem(sys.modules, "python_multipart.multipart", None)
    with pytest.raises(ImportError, match=r"pip install starlette-flask\[csrf\]"):
        importlib.import_module("starlette_flask.form_scan")

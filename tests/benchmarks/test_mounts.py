"""
Every adapter that is compared gives the mounted Flask app the right request, and the client its answer.
"""

import asyncio
from collections.abc import Iterator

import pytest

from benchmarks.adapters import CALLERS, MOUNTED, PLAIN, Caller
from benchmarks.contenders import OURS, make_cookie
from benchmarks.loops import running_loop
from benchmarks.mounts import check
from benchmarks.payloads import PAYLOADS, environ_of
from benchmarks.visits import DIGEST, FILM_BYTES, SMALL, UPLOAD, VISITS, Visit, film, whose_session

COOKIE = make_cookie(OURS, PAYLOADS["s"])


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    with running_loop() as loop:
        yield loop


@pytest.mark.parametrize("visit", [*VISITS, DIGEST], ids=lambda visit: visit.name)
@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_answers(caller: Caller, visit: Visit, loop: asyncio.AbstractEventLoop) -> None:
    """
    Two clients at once get what the app answers; an upload arrives as it was sent.
    """
    check(caller, visit, COOKIE, loop, clients=2)


@pytest.mark.parametrize("caller", CALLERS, ids=lambda caller: caller.name)
def test_session(caller: Caller, loop: asyncio.AbstractEventLoop) -> None:
    """
    The app's session is Flask's own, and where it is shared, ours.
    """
    check(caller, whose_session(caller.session_from), COOKIE, loop)


@pytest.mark.parametrize("caller", [PLAIN, MOUNTED], ids=lambda caller: caller.name)
def test_check_fails(caller: Caller, loop: asyncio.AbstractEventLoop) -> None:
    """
    Whoever answers something else isn't measured.
    """
    with pytest.raises(RuntimeError, match=f"^{caller.name}, whose session: answers 200 with 5 bytes, b'flask'$"):
        check(caller, whose_session("starlette_flask"), COOKIE, loop)
    with pytest.raises(RuntimeError, match="answers 404"):
        check(caller, Visit("missing", "/missing", b""), COOKIE, loop)


def test_scope() -> None:
    """
    An upload says how large it is and arrives in pieces; any other request has no body.
    """
    assert (SMALL.scope(None)["method"], environ_of(SMALL.scope(None))["CONTENT_LENGTH"]) == ("GET", "")
    assert SMALL.messages() == [{"type": "http.request", "body": b"", "more_body": False}]
    messages = DIGEST.messages()
    assert (DIGEST.scope(None)["method"], environ_of(DIGEST.scope(None))["CONTENT_LENGTH"]) == ("POST", "10485760")
    assert b"".join(message["body"] for message in messages) == UPLOAD
    assert [message["more_body"] for message in messages] == [True] * 159 + [False]


def test_film() -> None:
    """
    The large response is as large as it says.
    """
    assert sum(map(len, film())) == FILM_BYTES

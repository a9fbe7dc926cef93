import logging
import zlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
import time_machine
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from starlette.applications import Starlette
from starlette.middleware.sessions import SessionMiddleware as StarletteSessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from starlette_flask import Session, SessionConfig, SessionMiddleware
from starlette_flask.flash import MAX_FLASHES, flash, get_flashed_messages
from tests.helpers import Answer, Backend, Browser, ask_asgi, http_scope, shake_hands

NOW = 1_700_000_000
BROWSER_LIMIT = 4093
"""The longest Set-Cookie line that Werkzeug takes for safe, in bytes."""

CONFIG = SessionConfig(secret_key="secret")
DROPPED = (
    "{} flash message(s) were dropped: too many, or too long for the session's cookie, were waiting."
    " Show them on the pages that users come to (get_flashed_messages)."
)

Step = Callable[[Request], Any]


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Two cookies of the same data are the same bytes.
    """
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    """
    What runs the app.
    """
    name: Backend = request.param
    return name


class Person:
    """
    Somebody who visits a page that takes the given steps.

    Args:
        config: The session cookie's.
    """

    def __init__(self, config: SessionConfig = CONFIG, backend: Backend = "asyncio") -> None:
        self._steps: tuple[Step, ...] = ()
        self._results: list[Any] = []
        app = Starlette(routes=[Route("/", self._page)])
        app.add_middleware(SessionMiddleware, config=config)
        self._browser = Browser(lambda path, **options: ask_asgi(app, path, backend=backend, **options))
        self.answer = Answer(0, ())
        """To the last visit."""

    def visit(self, *steps: Step) -> list[Any]:
        """
        Take these steps in one request and return what they return.
        """
        self._steps, self._results = steps, []
        self.answer = self._browser.visit("/")
        return self._results

    async def _page(self, request: Request) -> Response:
        for step in self._steps:
            self._results.append(step(request))
        return Response()


def say(message: Any, *category: Any) -> Step:
    return lambda request: flash(request, message, *category)


def take(**options: Any) -> Step:
    return lambda request: get_flashed_messages(request, **options)


def write(**data: Any) -> Step:
    return lambda request: request.session.update(data)


def see(request: Request) -> dict[str, Any]:
    return dict(request.session)


def records(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    return [(record.name, record.levelname, record.getMessage()) for record in caplog.records]


def dropped(count: int) -> list[tuple[str, str, str]]:
    """
    Return the only record that says that so many messages are lost.
    """
    return [("starlette_flask.sessions", "WARNING", DROPPED.format(count))]


def payload(line: str) -> bytes:
    """
    Return the JSON of a ``Set-Cookie`` line.
    """
    value = line.partition(";")[0].partition("=")[2]
    return CONFIG.signing_serializer.verify(value) if value else b""


def fits(data: dict[str, Any]) -> bool:
    """
    Tell whether *data* makes a line that browsers keep.
    """
    return len(CONFIG.cookie.set(CONFIG.signing_serializer.dump_value(data))) <= BROWSER_LIMIT


def noise(size: int, seed: int = 0) -> str:
    """
    Return text that hardly gets shorter by compression.
    """
    return "".join(Random(seed).choices("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-", k=size))  # noqa: S311


class TestAsFlask:
    def test_is_kept_as_in_flask(self) -> None:
        """
        A message is a tuple of category and message in the session's ``_flashes``.
        """
        person = Person()
        seen = person.visit(say("Saved."), say("No!", "error"), see)[-1]
        assert seen == {"_flashes": [("message", "Saved."), ("error", "No!")]}
        assert person.visit(see) == [seen]

    def test_nothing_is_returned(self) -> None:
        """
        ``flash`` returns None, as Flask's, so that a template may call it.
        """
        assert Person().visit(say("Saved.")) == [None]

    def test_is_taken_once(self, backend: Backend) -> None:
        """
        The next request takes the message, and the one after that finds none.
        """
        person = Person(backend=backend)
        person.visit(say("Saved."))
        assert person.visit(take(), see) == [["Saved."], {}]
        assert person.answer.set_cookie == [
            "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/; SameSite=Lax"
        ]
        assert person.visit(take()) == [[]]

    def test_taken_in_the_same_request(self) -> None:
        """
        A page may show what it said itself, and then nothing is kept.
        """
        person = Person()
        assert person.visit(say("Saved."), take())[-1] == ["Saved."]
        assert person.answer.set_cookie == []

    def test_calls_of_one_request_share_them(self) -> None:
        """
        Repeated calls return the same messages, whatever each asks for.
        """
        person = Person()
        person.visit(say("a"), say("b", "error"))
        assert person.visit(take(), take(with_categories=True), take(category_filter=["error"]), take()) == [
            ["a", "b"],
            [("message", "a"), ("error", "b")],
            ["b"],
            ["a", "b"],
        ]

    def test_what_is_said_after_they_were_taken_waits(self) -> None:
        """
        A message flashed after the first call is for the next request.
        """
        person = Person()
        person.visit(say("a"))
        assert person.visit(take(), say("b"), take(), see) == [["a"], None, ["a"], {"_flashes": [("message", "b")]}]
        assert person.visit(take()) == [["b"]]

    @pytest.mark.parametrize(
        ("options", "result"),
        [
            pytest.param({}, ["a", "b", "c", "d"], id="nothing"),
            pytest.param({"with_categories": False}, ["a", "b", "c", "d"], id="without categories"),
            pytest.param(
                {"with_categories": True},
                [("message", "a"), ("error", "b"), ("info", "c"), ("error", "d")],
                id="with categories",
            ),
            pytest.param({"category_filter": ["error"]}, ["b", "d"], id="one category"),
            pytest.param({"category_filter": ("info", "error")}, ["b", "c", "d"], id="two: in their own order"),
            pytest.param({"category_filter": {"info"}}, ["c"], id="a set"),
            pytest.param({"category_filter": ["warning"]}, [], id="none of it"),
            pytest.param({"category_filter": []}, ["a", "b", "c", "d"], id="an empty filter is none"),
            pytest.param(
                {"with_categories": True, "category_filter": ["error"]}, [("error", "b"), ("error", "d")], id="both"
            ),
        ],
    )
    def test_options(self, options: dict[str, Any], result: list[Any]) -> None:
        """
        The options are Flask's, and what a filter leaves out is gone with the rest.
        """
        person = Person()
        person.visit(say("a"), say("b", "error"), say("c", "info"), say("d", "error"))
        assert person.visit(take(**options), see) == [result, {}]

    def test_positional(self) -> None:
        """
        The options come in Flask's order.
        """
        person = Person()
        person.visit(say("a"), say("b", "error"))
        assert person.visit(lambda request: get_flashed_messages(request, True, ["error"])) == [[("error", "b")]]

    def test_a_caller_may_change_what_it_got(self) -> None:
        """
        The list belongs to the caller; the other calls see what there was.
        """
        person = Person()
        person.visit(say("a"))
        assert person.visit(lambda request: get_flashed_messages(request).clear(), take()) == [None, ["a"]]

    def test_nothing_waits(self) -> None:
        """
        A page that finds no message writes no cookie.
        """
        person = Person()
        person.visit(write(user="ada"))
        assert person.visit(take(), see) == [[], {"user": "ada"}]
        assert person.answer.session_headers == {"set-cookie": [], "vary": ["Cookie"]}

    def test_other_data_stays(self) -> None:
        """
        Only the messages are taken out of the session.
        """
        person = Person()
        person.visit(write(user="ada"), say("Saved."))
        assert person.visit(take(), see) == [["Saved."], {"user": "ada"}]
        assert person.visit(see) == [{"user": "ada"}]

    def test_websocket(self) -> None:
        """
        A WebSocket has messages too, and writes them with its handshake.
        """
        taken: list[Any] = []

        async def live(websocket: WebSocket) -> None:
            taken.extend(get_flashed_messages(websocket))
            flash(websocket, "Connected.")
            await websocket.accept()

        app = Starlette(routes=[WebSocketRoute("/", live)])
        app.add_middleware(SessionMiddleware, config=CONFIG)
        cookie = shake_hands(app, "/")[1].cookie
        shake_hands(app, "/", cookies=[cookie])
        assert taken == ["Connected."]


class Lazy:
    """
    A text that is looked up when it is needed, as translations are.
    """

    def __str__(self) -> str:
        return "<later>"


class LazyMarkup(Lazy):
    """
    The same, as flask_babel has it.
    """

    def __html__(self) -> str:
        return str(self)


class Text(str):
    __slots__ = ()


class TestMessages:
    @pytest.mark.parametrize(
        ("message", "kept"),
        [
            pytest.param("text", "text", id="text"),
            pytest.param("", "", id="empty"),
            pytest.param("\u00e9\u4e2d\U0001f600\0\ud800", "\u00e9\u4e2d\U0001f600\0\ud800", id="any text"),
            pytest.param(Text("text"), "text", id="subclass of str"),
            pytest.param(Markup("<b>"), Markup("<b>"), id="Markup"),
            pytest.param(LazyMarkup(), Markup("<later>"), id="lazy string that is Markup, too"),
            pytest.param(Lazy(), "<later>", id="lazy string"),
            pytest.param(ValueError("no room"), "no room", id="exception"),
            pytest.param(42, "42", id="number"),
            pytest.param(None, "None", id="None"),
            pytest.param(b"bytes", "b'bytes'", id="bytes"),
            pytest.param(["a", 1], "['a', 1]", id="list"),
            pytest.param({" t": [1]}, "{' t': [1]}", id="what looks like a tag"),
            pytest.param(object, "<class 'object'>", id="class"),
        ],
    )
    def test_kinds(self, message: Any, kept: str) -> None:
        """
        Text and Markup come back as they were, lazy strings too; anything else as its ``str``.
        """
        person = Person()
        person.visit(say(message))
        [[taken]] = person.visit(take())
        assert (type(taken), taken) == (type(kept), kept)

    def test_lazy_string_is_asked_when_it_is_said(self) -> None:
        """
        A lazy string without ``__html__`` becomes text in the language of this request.
        """
        person = Person()
        assert person.visit(say(Lazy()), see)[-1] == {"_flashes": [("message", "<later>")]}

    @pytest.mark.parametrize("category", ["", "\u00e9", None, 1, True, ["error"]], ids=repr)
    def test_categories(self, category: Any) -> None:
        """
        Any category that JSON can hold comes back.
        """
        person = Person()
        person.visit(say("Saved.", category))
        assert person.visit(take(with_categories=True)) == [[(category, "Saved.")]]


class TestCount:
    def test_as_many_as_may_wait(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        50 messages wait, and none is lost.
        """
        person = Person()
        person.visit(*[say(str(number)) for number in range(MAX_FLASHES)])
        assert person.visit(take()) == [[str(number) for number in range(50)]]
        assert records(caplog) == []

    def test_one_too_many(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Of 51 messages the oldest is dropped, and the log says so.
        """
        person = Person()
        person.visit(*[say(str(number)) for number in range(50)])
        person.visit(say("50"))
        assert records(caplog) == dropped(1)
        assert person.visit(take()) == [[str(number) for number in range(1, 51)]]

    def test_many_too_many(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        What another app has piled up beyond the limit goes at once, in one record.
        """
        person = Person()
        person.visit(write(_flashes=[("message", str(number)) for number in range(60)]), say("60"))
        assert records(caplog) == dropped(11)
        assert person.visit(take()) == [[str(number) for number in range(11, 61)]]

    def test_taking_is_not_limited(self) -> None:
        """
        What waits is shown, however much it is.
        """
        person = Person()
        person.visit(write(_flashes=[("message", str(number)) for number in range(60)]))
        assert person.visit(take()) == [[str(number) for number in range(60)]]


COOKIES = [
    pytest.param({}, False, id="browser session"),
    pytest.param({}, True, id="permanent"),
    pytest.param({"max_age": 3600}, False, id="max age"),
    pytest.param({"domain": "example.com", "https_only": True, "partitioned": True}, False, id="attributes"),
]


class TestSize:
    @pytest.mark.parametrize(("options", "permanent"), COOKIES)
    def test_boundary(self, options: dict[str, Any], permanent: bool, caplog: pytest.LogCaptureFixture) -> None:
        """
        A message is kept if the whole line is 4,093 bytes long, attributes included, and dropped if it is one longer.
        """
        data = {"_permanent": True} if permanent else {}
        message = noise(2500)
        person = Person(SessionConfig(secret_key="secret", **options))
        person.visit(write(**data), say(message))
        [line] = person.answer.set_cookie
        caplog.clear()

        path = "/" + "p" * (BROWSER_LIMIT - len(line))
        for name, size, is_kept in (("p", BROWSER_LIMIT, True), ("pp", BROWSER_LIMIT + 1, False)):
            config = SessionConfig(secret_key="secret", path=path + name[1:], **options)
            person = Person(config)
            person.visit(write(**data), say(message), see)
            if is_kept:
                assert [len(line) for line in person.answer.set_cookie] == [size]
                assert records(caplog) == []
            else:
                assert all(b"_flashes" not in payload(line) for line in person.answer.set_cookie)
                assert records(caplog) == dropped(1)

    def test_line_is_within_the_limit_for_every_length(self) -> None:
        """
        Whatever the message's length, the line is never too long, and a message that fits is there.
        """
        is_there = []
        for size in range(3700, 4100, 7):
            person = Person()
            person.visit(write(user="ada"), say(noise(size)))
            [line] = person.answer.set_cookie
            assert len(line) <= BROWSER_LIMIT
            assert b'"user":"ada"' in payload(line)
            is_there.append(b"_flashes" in payload(line))
        assert is_there == sorted(is_there, reverse=True)
        assert set(is_there) == {True, False}

    @pytest.mark.parametrize(("size", "count"), [(600, 1), (1500, 2), (2300, 3), (3200, 4)])
    def test_the_oldest_go_first(self, size: int, count: int, caplog: pytest.LogCaptureFixture) -> None:
        """
        A new message takes the room of the oldest ones, of no more than it needs.
        """
        person = Person()
        messages = [noise(900, seed) for seed in range(4)]
        person.visit(*[say(message) for message in messages])
        assert records(caplog) == []
        newest = noise(size, 4)
        person.visit(say(newest))
        assert records(caplog) == dropped(count)
        [line] = person.answer.set_cookie
        assert len(line) <= BROWSER_LIMIT
        assert not fits({"_flashes": [("message", message) for message in [*messages[count - 1 :], newest]]})
        assert person.visit(take()) == [[*messages[count:], newest]]

    def test_too_long_by_itself(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        A message that no cookie can hold is dropped, those that wait with it, and nothing else.
        """
        person = Person()
        person.visit(write(user="ada"), say("waiting"))
        assert person.visit(say(noise(10_000)), see)[-1] == {"user": "ada"}
        assert records(caplog) == dropped(2)
        assert person.visit(see) == [{"user": "ada"}]

    def test_of_nothing_nothing_remains(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        A message that is dropped from an empty session leaves no cookie.
        """
        person = Person()
        person.visit(say(noise(10_000)))
        assert person.answer.set_cookie == []
        assert records(caplog) == dropped(1)

    def test_session_is_full(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Where other data fills the cookie to the last byte, it stays whole and no message is kept.
        """
        data = next(data for size in range(5000, 0, -1) if fits(data := {"cart": noise(size), "user": "ada"}))
        person = Person()
        person.visit(write(**data))
        assert person.visit(say("Saved."), see)[-1] == data
        assert records(caplog) == dropped(1)
        assert person.visit(see) == [data]

    def test_session_is_overfull(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Where other data is too long already, messages aren't kept, and the data isn't touched.
        """
        person = Person()
        person.visit(write(cart=noise(5000)), say("Saved."))
        [line] = person.answer.set_cookie
        assert records(caplog) == [
            *dropped(1),
            (
                "starlette_flask.sessions",
                "WARNING",
                f"The cookie 'session' takes {len(line)} bytes; over 4093 browsers may drop it and keep the old one."
                " Store less.",
            ),
        ]
        assert person.visit(take(), see) == [[], {"cart": noise(5000)}]

    def test_compressible(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        What counts is the cookie, and a long message that compresses well is kept.
        """
        person = Person()
        message = "All is well. " * 5000
        person.visit(say(message))
        assert records(caplog) == []
        assert person.visit(take()) == [[message]]

    def test_compressible_beyond_what_is_read(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        A message that would make the session larger than any that is read, 1 MiB, is dropped, and not the session.
        """
        person = Person()
        person.visit(write(user="ada"))
        person.visit(say("x" * 1024 * 1024))
        assert person.visit(see) == [{"user": "ada"}]
        assert records(caplog) == dropped(1)

    @settings(max_examples=60, deadline=None)
    @given(
        data=st.dictionaries(st.sampled_from("abc"), st.integers(0, 4200).map(noise), max_size=2),
        visits=st.lists(
            st.lists(st.one_of(st.integers(0, 4200).map(noise), st.integers(0, 9000).map("x".__mul__)), max_size=4),
            max_size=4,
        ),
    )
    def test_never_too_long(self, data: dict[str, str], visits: list[list[str]]) -> None:
        """
        Whatever is flashed on top of what: the newest messages wait, as many as fit, and other data is as it was.
        """
        with time_machine.travel(NOW, tick=False):
            person = Person()
            person.visit(write(**data))
            is_fine = all(len(line) <= BROWSER_LIMIT for line in person.answer.set_cookie)
            said: list[str] = []
            for messages in visits:
                person.visit(*[say(message) for message in messages])
                said += messages
                if is_fine:
                    assert all(len(line) <= BROWSER_LIMIT for line in person.answer.set_cookie)
            taken, rest = person.visit(take(), see)
            assert rest == data
            assert taken == said[len(said) - len(taken) :]
            if not is_fine:
                assert taken == []


class TestHostileContents:
    @pytest.mark.parametrize(
        ("contents", "shown"),
        [
            pytest.param(None, [], id="null"),
            pytest.param(0, [], id="number"),
            pytest.param("text", [], id="text"),
            pytest.param({"message": "a"}, [], id="object"),
            pytest.param(("message", "a"), [], id="tuple"),
            pytest.param(b"ab", [], id="bytes"),
            pytest.param([], [], id="nothing"),
            pytest.param([1, None, "ab", b"ab", {"a": 1, "b": 2}, {}], [], id="no pairs"),
            pytest.param([[], ["a"], ["a", "b", "c"], ()], [], id="no pairs, of other lengths"),
            pytest.param([["message", "a"]], [("message", "a")], id="list, as plain JSON has it"),
            pytest.param([(1, 2)], [(1, 2)], id="numbers"),
            pytest.param([(None, None)], [(None, None)], id="nulls"),
            pytest.param([(["error"], "a")], [(["error"], "a")], id="unhashable category"),
            pytest.param([("error", {"a": 1})], [("error", {"a": 1})], id="object for a message"),
            pytest.param([1, ("error", "a"), 2], [("error", "a")], id="one among others"),
        ],
    )
    @pytest.mark.parametrize("category_filter", [(), ["error"], {"error"}, frozenset({"error"})], ids=repr)
    def test_taking(self, contents: Any, shown: list[Any], category_filter: Any) -> None:
        """
        What isn't a pair is no message; nothing that a session holds breaks the page that shows them.
        """
        person = Person()
        person.visit(write(_flashes=contents, user="ada"))
        expected = [pair for pair in shown if not category_filter or pair[0] == "error"]
        taken = take(with_categories=True, category_filter=category_filter)
        assert person.visit(taken, see) == [expected, {"user": "ada"}]

    @pytest.mark.parametrize(
        "contents", [None, 0, "text", {"message": "a"}, ("message", "a"), [1, None, "ab"], [[]]], ids=repr
    )
    def test_saying(self, contents: Any, caplog: pytest.LogCaptureFixture) -> None:
        """
        A new message takes the place of what is none.
        """
        person = Person()
        person.visit(write(_flashes=contents), say("Saved."))
        assert person.visit(take(with_categories=True)) == [[("message", "Saved.")]]
        assert records(caplog) == []


class TestOtherSessions:
    def test_starlette(self) -> None:
        """
        With Starlette's own middleware messages travel as lists, and come back as tuples.
        """

        async def page(request: Request) -> Response:
            taken = get_flashed_messages(request, with_categories=True)
            flash(request, "a" * 10, "info")
            return Response(repr(taken))

        app = Starlette(routes=[Route("/", page)])
        app.add_middleware(StarletteSessionMiddleware, secret_key="secret")
        browser = Browser(lambda path, **options: ask_asgi(app, path, **options))
        browser.visit("/")
        assert browser.visit("/").body == b"[('info', 'aaaaaaaaaa')]"

    def test_plain_dict(self, caplog: pytest.LogCaptureFixture) -> None:
        """
        Where the session is no cookie of ours, only the number is limited.
        """
        connection = HTTPConnection({**http_scope("/"), "session": {}})
        for number in range(51):
            flash(connection, noise(500, number))
        assert get_flashed_messages(connection) == [noise(500, number) for number in range(1, 51)]
        assert connection.session == {}
        assert records(caplog) == dropped(1)

    def test_session_of_no_request(self) -> None:
        """
        A session that was made by hand, as for a test, has no cookie to fit into.
        """
        connection = HTTPConnection({**http_scope("/"), "session": Session()})
        flash(connection, noise(10_000))
        assert get_flashed_messages(connection) == [noise(10_000)]

    def test_no_session(self) -> None:
        """
        Without a session middleware Starlette says what is missing.
        """
        connection = HTTPConnection(http_scope("/"))
        with pytest.raises(AssertionError, match="SessionMiddleware must be installed"):
            flash(connection, "Saved.")
        with pytest.raises(AssertionError, match="SessionMiddleware must be installed"):
            get_flashed_messages(connection)


def test_nothing_the_user_wrote_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """
    The record of a dropped message doesn't quote it.
    """
    caplog.set_level(logging.DEBUG)
    Person().visit(say("password: " + noise(10_000)))
    assert "password" not in caplog.text


def test_noise() -> None:
    """
    What these tests take for incompressible is.
    """
    assert len(zlib.compress(noise(3000).encode())) > 2250

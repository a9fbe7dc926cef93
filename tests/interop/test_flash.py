"""
Messages that cross over: said in one app, shown once, in the other.

The same steps are taken in a real Flask app, by ``flask.flash``, and in ours, with one cookie for both.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import product
from types import SimpleNamespace
from typing import Any

import flask
import pytest
import time_machine
from a2wsgi import WSGIMiddleware as A2WSGIMiddleware
from fastapi import FastAPI, Request
from markupsafe import Markup
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.flash import flash, get_flashed_messages
from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.helpers import Answer, Browser, ask_asgi, ask_wsgi
from tests.interop.apps import Pair, make_flask_app

NOW = 1_700_000_000

# Something to do in a request, with what that side has for it: ``flash``, ``take`` and ``session``.
Step = Callable[[Any], Any]


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Two cookies of the same data are the same bytes.
    """
    with time_machine.travel(NOW, tick=False):
        yield


def say(message: Any, *category: Any) -> Step:
    return lambda side: side.flash(message, *category)


def take(**options: Any) -> Step:
    return lambda side: side.take(**options)


def see(side: Any) -> dict[str, Any]:
    side.session.get("_flashes")  # by key, which every version of Flask counts as access
    return dict(side.session)


def write(**data: Any) -> Step:
    return lambda side: side.session.update(data)


def their_side() -> SimpleNamespace:
    """
    Return what a Flask view has.
    """
    return SimpleNamespace(flash=flask.flash, take=flask.get_flashed_messages, session=flask.session)


def our_side(request: Request) -> SimpleNamespace:
    """
    Return what a view of ours has.
    """
    functions = {"flash": partial(flash, request), "take": partial(get_flashed_messages, request)}
    return SimpleNamespace(session=request.session, **functions)


ADAPTERS: dict[str, Callable[[Any], ASGIApp]] = {
    "shared": WSGIMiddleware,
    "merged": partial(WSGIMiddleware, share_session=False),
    "a2wsgi": A2WSGIMiddleware,  # type: ignore[dict-item]  # it has ASGI types of its own
}


class Site:
    """
    A Flask app and one of ours with one session cookie, and a browser.

    Args:
        kind: ``separate``, or how the Flask app is mounted in ours.
    """

    def __init__(self, kind: str) -> None:
        self._steps: tuple[Step, ...] = ()
        self._results: list[Any] = []
        self.before: Step | None = None
        """What our middleware does before the app is asked."""
        theirs = make_flask_app()
        theirs.add_url_rule("/", view_func=self._their_page)
        ours = FastAPI()
        ours.get("/")(self._our_page)
        self._ask_theirs: Callable[..., Answer] = partial(ask_wsgi, theirs)
        if kind != "separate":
            ours.mount("/legacy", ADAPTERS[kind](theirs))
            self._ask_theirs = lambda path, **options: ask_asgi(ours, f"/legacy{path}", **options)
        ours.add_middleware(_Before, site=self)
        ours.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(theirs))
        self._ask_ours = partial(ask_asgi, ours)
        self._browser = Browser(self._ask_ours)

    def for_new_visitor(self) -> "Site":
        """
        Forget everybody, and return the site.
        """
        self.before = None
        self._browser.cookies.clear()
        return self

    def theirs(self, *steps: Step) -> list[Any]:
        """
        Take steps in one request to the Flask app.
        """
        return self._visit(self._ask_theirs, steps)

    def ours(self, *steps: Step) -> list[Any]:
        """
        Take steps in one request to our app.
        """
        return self._visit(self._ask_ours, steps)

    def _visit(self, ask: Callable[..., Answer], steps: tuple[Step, ...]) -> list[Any]:
        self._steps, self._results = steps, []
        self._browser.ask = ask
        assert self._browser.visit("/").status == 200
        return self._results

    def _their_page(self) -> str:
        self._results += [step(their_side()) for step in self._steps]
        return ""

    async def _our_page(self, request: Request) -> Response:
        self._results += [step(our_side(request)) for step in self._steps]
        return Response()


class _Before:
    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app = app
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._site.before is not None:
            self._site.before(our_side(Request(scope)))
        await self._app(scope, receive, send)


make_site = cache(Site)  # making one takes longer than telling most stories


@pytest.fixture(params=["separate", "shared", "merged", "a2wsgi"])
def site(request: pytest.FixtureRequest) -> Site:
    """
    Two apps and a new visitor.
    """
    return make_site(request.param).for_new_visitor()


@pytest.fixture(params=["shared", "merged", "a2wsgi"])
def mounted(request: pytest.FixtureRequest) -> Site:
    """
    The Flask app is mounted in ours.
    """
    return make_site(request.param).for_new_visitor()


@pytest.fixture
def shared() -> Site:
    """
    The same, and both apps have one session object.
    """
    return make_site("shared").for_new_visitor()


class TestCrossing:
    def test_from_flask(self, site: Site) -> None:
        """
        What Flask says, we show, once.
        """
        site.theirs(say("Saved.", "info"))
        assert site.ours(take(with_categories=True)) == [[("info", "Saved.")]]
        assert site.ours(take()) == [[]]
        assert site.theirs(take()) == [[]]

    def test_to_flask(self, site: Site) -> None:
        """
        What we say, Flask shows, once.
        """
        site.ours(say("Saved.", "info"))
        assert site.theirs(take(with_categories=True)) == [[("info", "Saved.")]]
        assert site.theirs(take()) == [[]]
        assert site.ours(take()) == [[]]

    @pytest.mark.parametrize(
        "steps", list(product(["say here", "say there", "take here", "take there"], repeat=3)), ids=", ".join
    )
    def test_whatever_the_order(self, site: Site, steps: tuple[str, ...]) -> None:
        """
        Each message is shown once, in the order in which they were said, by whichever app is asked next.
        """
        waiting: list[str] = []
        for number, step in enumerate((*steps, "take here", "take there")):
            visit = site.ours if step.endswith(" here") else site.theirs
            if step.startswith("say"):
                visit(say(f"{step} {number}"))
                waiting.append(f"{step} {number}")
            else:
                assert visit(take()) == [waiting]
                waiting = []

    @pytest.mark.parametrize(
        ("message", "shown"),
        [
            pytest.param("text", "text", id="text"),
            pytest.param("", "", id="empty"),
            pytest.param("\u00e9\u4e2d\U0001f600\0\ud800", "\u00e9\u4e2d\U0001f600\0\ud800", id="any text"),
            pytest.param(Markup("<b>&amp;"), Markup("<b>&amp;"), id="Markup"),
            pytest.param(SimpleNamespace(__html__=lambda: "<i>"), Markup("<i>"), id="anything with __html__"),
        ],
    )
    @pytest.mark.parametrize("category", ["message", "error", "", "\u00e9\u4e2d", "a b"])
    def test_messages(self, site: Site, message: Any, shown: str, category: str) -> None:
        """
        Text, Markup and categories arrive as they were, in both directions.
        """
        for here, there in ((site.ours, site.theirs), (site.theirs, site.ours)):
            here(say(message, category))
            [[pair]] = there(take(with_categories=True))
            assert pair == (category, shown)
            assert [type(each) for each in (pair, *pair)] == [tuple, str, type(shown)]

    def test_lazy_strings(self, site: Site) -> None:
        """
        A lazy string arrives in the language of the request that said it, as Markup where it is that, too.
        """
        for here, there in ((site.ours, site.theirs), (site.theirs, site.ours)):
            here(say(Translation("Saved.")))
            assert there(take()) == [[Markup("Gespeichert.")]]

    def test_what_flask_can_not_say(self, site: Site) -> None:
        """
        A lazy string or an exception without ``__html__``, which JSON can't hold, arrives as text.
        """
        site.ours(say(ValueError("no room")))
        assert site.theirs(take()) == [["no room"]]

    def test_filter_of_categories(self, site: Site) -> None:
        """
        What a filter leaves out is gone for the other app, too.
        """
        for here, there in ((site.ours, site.theirs), (site.theirs, site.ours)):
            here(say("a"), say("b", "error"))
            assert there(take(category_filter=["error"])) == [["b"]]
            assert here(take()) == [[]]

    def test_rest_of_the_session(self, site: Site) -> None:
        """
        What else is in the session stays there.
        """
        site.theirs(write(user="ada", cart=["tea"]), say("Saved."))
        assert site.ours(take(), see) == [["Saved."], {"user": "ada", "cart": ["tea"]}]
        assert site.theirs(see) == [{"user": "ada", "cart": ["tea"]}]

    def test_backlog(self, site: Site, caplog: pytest.LogCaptureFixture) -> None:
        """
        A backlog of Flask's is shortened by our next message, and Flask shows the rest.
        """
        site.theirs(*[say(str(number)) for number in range(60)])
        site.ours(say("60"))
        assert site.theirs(take()) == [[str(number) for number in range(11, 61)]]
        assert [record.getMessage()[:32] for record in caplog.records] == ["11 flash message(s) were dropped"]


class Translation:
    """
    A lazy string as flask_babel has it.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __str__(self) -> str:
        return {"Saved.": "Gespeichert."}[self._text]

    def __html__(self) -> str:
        return str(self)


class TestSameRequest:
    """
    Something of ours around a mounted Flask app, as a middleware, has to do with messages, too.
    """

    def test_we_say_something(self, shared: Site) -> None:
        """
        With a shared session, Flask shows what our middleware has just said, after what was waiting.
        """
        shared.theirs(say("waiting"))
        shared.before = say("new", "info")
        assert shared.theirs(take()) == [["waiting", "new"]]
        shared.before = None
        assert shared.theirs(take()) == [[]]

    def test_both_say_something(self, shared: Site) -> None:
        """
        With a shared session no message is lost.
        """
        shared.before = say("ours")
        shared.theirs(say("theirs"))
        shared.before = None
        assert shared.ours(take()) == [["ours", "theirs"]]

    def test_we_take_them(self, shared: Site) -> None:
        """
        With a shared session, what our middleware has shown, Flask doesn't show again.
        """
        shared.theirs(say("a"))
        shared.before = take()
        assert shared.theirs(take()) == [[]]
        shared.before = None
        assert shared.ours(take()) == [[]]

    def test_we_say_and_nothing_waits(self, mounted: Site) -> None:
        """
        However it is mounted, a message of our middleware is shown once: in this request or the next.
        """
        mounted.before = say("new")
        [shown] = mounted.theirs(take())
        mounted.before = None
        assert [*shown, *mounted.theirs(take())[0], *mounted.ours(take())[0]] == ["new"]

    @pytest.mark.parametrize("kind", ["merged", "a2wsgi"])
    def test_of_two_sessions_ours_wins(self, kind: str) -> None:
        """
        Where Flask has a session of its own, the messages are one key of it, and what we do to a key counts.
        """
        site = make_site(kind).for_new_visitor()
        site.before = say("ours")
        site.theirs(say("theirs"))
        site.before = None
        assert site.ours(take()) == [["ours"]]

        site.theirs(say("waiting"))
        site.before = say("ours")
        assert site.theirs(take()) == [["waiting"]]
        site.before = None
        assert site.ours(take()) == [["waiting", "ours"]]


@pytest.fixture(scope="module")
def pair() -> Pair:
    """
    Both apps.
    """
    return Pair(make_flask_app())


class TestByteForByte:
    """
    What both write for the same steps in the same second is the same.
    """

    @pytest.mark.parametrize(
        "steps",
        [
            pytest.param([say("a")], id="one"),
            pytest.param([say("a"), say("b", "error")], id="two"),
            pytest.param([say("a", category) for category in ("x", "", "\u00e9")], id="categories"),
            pytest.param([say(Markup("<b>"))], id="Markup"),
            pytest.param([say(Translation("Saved."))], id="lazy"),
            pytest.param([say("a" * 500)], id="compressed"),
            pytest.param([say("a"), take()], id="said and taken"),
            pytest.param([take()], id="nothing to take"),
            pytest.param([take(), say("a"), take()], id="said after nothing was taken"),
            pytest.param([say("a"), take(), say("b"), take(), say("c")], id="said after they were taken"),
            pytest.param([say("a"), take(category_filter=["x"]), take()], id="filtered, then all"),
            pytest.param([say("a", "x"), take(with_categories=True)], id="with categories"),
            pytest.param([say("a", "x"), say("b", "y"), take(category_filter=["y", "x"])], id="filter by list"),
            pytest.param([say("a", "x"), say("b", "y"), take(category_filter=("y",))], id="filter by tuple"),
            pytest.param([say("a", "x"), say("b", "xy"), take(category_filter="xyz")], id="filter by text"),
            pytest.param([say("a", "x"), take(category_filter={"x": 1})], id="filter by dict"),
            pytest.param([write(b=1), say("x"), write(a=1)], id="beside other data"),
        ],
    )
    def test_steps(self, pair: Pair, steps: list[Step]) -> None:
        """
        The same messages, the same cookie, the same ``Vary``; with messages that wait, and without.
        """

        def view(request: Any) -> list[Any]:
            request.session.get("user")  # by key, which every version of Flask counts as access
            side = our_side(request) if isinstance(request, Request) else their_side()
            return [step(side) for step in steps]

        pair.ask(view, pair.cookie({"user": "ada"}))
        pair.ask(view, pair.cookie({"_flashes": [("message", "old"), ("x", "older")], "user": "ada"}))

    def test_list_of_lists(self, pair: Pair) -> None:
        """
        Messages that are lists, as Flask's from before 0.10 are or plain JSON, are shown alike.
        """

        def view(request: Any) -> list[Any]:
            side = our_side(request) if isinstance(request, Request) else their_side()
            return [list(message) for message in side.take(with_categories=True)]

        pair.ask(view, pair.cookie({"_flashes": [["message", "a"], ["error", "b"]]}))

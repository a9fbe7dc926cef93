"""
The rules of a session that a server keeps: its id, its record, its cookie, and what requests do to each other.

What every place of sessions does is in ``tests/stores``; here they are in the memory of this process.
"""

import asyncio
import copy
import itertools
import json
import logging
import pickle
import re
import threading
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import time_machine
from itsdangerous import Signer, TimestampSigner
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from starlette_flask import ConfigError, SessionConfig, SessionMiddleware
from starlette_flask.flash import flash, get_flashed_messages
from starlette_flask.login import LoginManager, UserMixin, current_user, login_user
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.server_sessions import StoredSession
from starlette_flask.session import Session
from starlette_flask.stores import MemoryStore, SessionStore
from tests.helpers import Answer, ask_asgi
from tests.interop.apps import needs
from tests.stores.client import View, app_with, ask, leave, see, write

NOW = 1_700_000_000
MONTH = 31 * 24 * 3600
EXPIRES = "Fri, 15 Dec 2023 22:13:20 GMT"
"""A month later."""

SID = re.compile(r"session=([\w-]{43})", re.ASCII)
DELETED = "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/; SameSite=Lax"
TOO_LATE = (
    "The session was changed after the response had started, and the change is lost;"
    " change it before anything is sent: not in a background task, a stream, or an accepted WebSocket."
)
ENDED = "The session was changed, but another request has ended it meanwhile, and the change is lost."


def line(value: str, expires: str | None = EXPIRES) -> str:
    """
    Return the ``Set-Cookie`` line of a permanent session, or with None of one that isn't.
    """
    return f"session={value}{f'; Expires={expires}' if expires else ''}; HttpOnly; Path=/; SameSite=Lax"


class Store(MemoryStore):
    """
    Notes what it is asked, and does before it whatever a test wants: fail, wait, look.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.asked: list[tuple[str, str]] = []
        self.before: Callable[[str, str], Any] = lambda what, sid: None

    async def read(self, key: str, refresh: int | None) -> bytes | None:
        await self._note("read", key)
        return await super().read(key, refresh)

    async def write(self, key: str, record: bytes, lifetime: int, seen: bytes | None) -> bool:
        await self._note("write", key)
        if await super().read(key, None) != seen:
            return False
        self._records[key] = record, time.time() + lifetime
        return True

    async def delete(self, key: str) -> None:
        await self._note("delete", key)
        await super().delete(key)

    async def _note(self, what: str, key: str) -> None:
        sid = key.removeprefix(self.key_prefix)
        self.asked.append((what, sid))
        result = self.before(what, sid)
        if isinstance(result, Awaitable):
            await result

    def put(self, sid: str, data: dict[str, Any] | bytes, seconds: int = 60) -> str:
        """
        Put a session there from outside, and return its cookie.
        """
        record = data if isinstance(data, bytes) else self.encode(data)
        self._records[self.key_prefix + sid] = record, time.time() + seconds
        return f"session={sid}"

    @property
    def kept(self) -> dict[str, Any]:
        """
        The sessions that are there, by id.
        """
        return {key.removeprefix(self.key_prefix): self.decode(record) for key, (record, _) in self._records.items()}


def sid_of(answer: Answer) -> str:
    """
    Return the id that a response's only cookie holds.
    """
    match = SID.match(answer.cookie)
    assert match is not None, answer.cookie
    return match[1]


def tell(story: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(story)


def visit(store: SessionStore, view: View, *cookies: str, **options: Any) -> Answer:
    """
    Send one request.
    """

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # Not by request.session, which some versions of Starlette take for reading.
        shown = view(scope["session"])
        if isinstance(shown, Awaitable):
            shown = await shown
        await Response(repr(shown))(scope, receive, send)

    answer: Answer = asyncio.run(ask(SessionMiddleware(app, store=store, **options), *cookies))
    return answer


def meanwhile(store: SessionStore, cookie: str, slow: View, *others: View) -> list[Answer]:
    """
    Let a request read the session, other requests do what they do one by one, and the first go on.
    """

    async def story() -> list[Answer]:
        has_read, may_go_on = asyncio.Event(), asyncio.Event()

        async def view(session: Any) -> object:
            has_read.set()
            await may_go_on.wait()
            return slow(session)

        first = asyncio.create_task(ask(app_with(store, view), cookie))
        await has_read.wait()
        answers = [await ask(app_with(store, other), cookie) for other in others]
        may_go_on.set()
        return [await first, *answers]

    answers: list[Answer] = tell(story())
    return answers


def in_turn(*views: View) -> View:
    return lambda session: [view(session) for view in views]


def clear(session: Any) -> None:
    session.clear()


def note_sid(session: Any) -> None:
    session["sid"] = session.sid


def regenerate(session: Any) -> str:
    session.regenerate()
    return str(session.sid)


@pytest.fixture(autouse=True)
def frozen_clock() -> Any:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """
    Returns what the log has got since.
    """
    caplog.set_level(logging.DEBUG, "starlette_flask")

    def said() -> list[str]:
        messages = [record.getMessage() for record in caplog.records if record.name.startswith("starlette_flask")]
        caplog.clear()
        return messages

    return said


class TestIds:
    def test_new(self, store: Store) -> None:
        """
        A session without a cookie has an id of its own at once, under which it is kept when it is written.
        """
        answers = [visit(store, note_sid) for _ in range(2)]
        assert store.kept == {sid_of(answer): {"_permanent": True, "sid": sid_of(answer)} for answer in answers}
        assert len(store.kept) == 2
        assert [answer.set_cookie for answer in answers] == [[line(sid)] for sid in store.kept]

    def test_known(self, store: Store) -> None:
        """
        A session keeps its id.
        """
        cookie = store.put("known", {"_permanent": True})
        assert visit(store, lambda session: (session.sid, session.update(a=1)), cookie).body == b"('known', None)"
        assert store.kept == {"known": {"_permanent": True, "a": 1}}

    @pytest.mark.parametrize("view", [leave, see, write(a=1), clear, regenerate])
    @pytest.mark.parametrize("value", ["made-up", "a" * 43, "session:other", "known.sig", ""])
    def test_unknown(self, store: Store, view: View, value: str) -> None:
        """
        An id that the store doesn't know is never adopted, whatever the view does.
        """
        store.put("other", {"user": "ada"})
        answer = visit(store, view, f"session={value}")
        assert value not in store.kept
        assert [each for each in answer.set_cookie if value and value in each] == []

    @pytest.mark.parametrize(
        "value",
        [
            pytest.param("a" * 201, id="long"),
            pytest.param("a" * 100_000, id="very long"),
            pytest.param("a.b", id="signed, perhaps"),
            pytest.param("session:known", id="with the prefix"),
            pytest.param('"kn\\157wn "', id="blank"),
            pytest.param('"known\\000"', id="null"),
            pytest.param('"known\\012"', id="line feed"),
            pytest.param("known\n", id="line feed as it is"),
            pytest.param("käse", id="not ASCII"),
            pytest.param("\u0661", id="a digit that isn't ASCII"),
            pytest.param("*", id="pattern"),
            pytest.param("../known", id="path"),
            pytest.param("'or'1'='1", id="SQL"),
        ],
    )
    def test_impossible(self, store: Store, value: str, said: Callable[[], list[str]]) -> None:
        """
        What can't be an id of ours isn't asked for, and is an empty session.
        """
        store.put("known", {"user": "ada"})
        scope_line = f"session={value}".encode().decode("latin-1")
        assert visit(store, see, scope_line).body == b"{'_permanent': True}"
        assert store.asked == []
        [message] = said()
        assert message == "The cookie 'session' was rejected: it holds no id of a session."

    def test_quoted(self, store: Store) -> None:
        """
        An id in quotes is the id.
        """
        store.put("known", {"user": "ada"})
        assert visit(store, see, 'session="kn\\157wn"').body == b"{'user': 'ada'}"

    def test_first_counts(self, store: Store) -> None:
        """
        Of two cookies the first counts, as in Werkzeug; the other isn't asked for.
        """
        store.put("known", {"user": "ada"})
        store.put("other", {"user": "eve"})
        assert visit(store, see, "session=known; session=other").body == b"{'user': 'ada'}"
        assert visit(store, see, "session=made-up", "session=other").body == b"{'_permanent': True}"
        assert store.asked == [("read", "known"), ("read", "made-up")]

    def test_of_another_prefix(self, store: Store) -> None:
        """
        Apps that keep their sessions in one place under other prefixes don't know each other's.
        """
        other = Store(key_prefix="other:")
        other._records = store._records
        cookie = visit(store, write(user="ada")).cookie
        assert visit(other, see, cookie).body == b"{'_permanent': True}"
        assert visit(store, see, cookie).body == b"{'_permanent': True, 'user': 'ada'}"

    def test_expired(self, store: Store) -> None:
        """
        A session whose time is over gets another id.
        """
        cookie = store.put("known", {"user": "ada"}, seconds=-1)
        answer = visit(store, write(a=1), cookie)
        assert answer.cookie != cookie
        assert store.kept == {sid_of(answer): {"_permanent": True, "a": 1}}

    def test_length(self) -> None:
        """
        New ids have as many random bytes as *sid_length* says.
        """
        answer = visit(Store(sid_length=16), write(a=1))
        assert re.match(r"session=[\w-]{22};", answer.set_cookie[0], re.ASCII)

    def test_rejections_are_counted(self, store: Store) -> None:
        """
        *on_rejected* is told ``"unknown"``, or ``"payload"`` of a record that can't be read.
        """
        store.put("odd", b"\xc1")
        told: list[tuple[str, str]] = []
        options: dict[str, Any] = {"on_rejected": lambda reason, connection: told.append((reason, connection.url.path))}
        for cookie in ("session=made-up", "session=a.b", "session=odd", "session=", "other=1"):
            visit(store, see, cookie, **options)
        assert told == [("unknown", "/"), ("unknown", "/"), ("payload", "/")]

    def test_the_log_holds_no_id(self, store: Store, said: Callable[[], list[str]]) -> None:
        """
        Nothing of a rejected cookie is in the log.
        """
        store.put("odd-one", b"\xc1")
        for value in ("made-up", "un.likely", "odd-one"):
            visit(store, see, f"session={value}")
        assert said() == [
            "The cookie 'session' was rejected: the store knows no session of this id.",
            "The cookie 'session' was rejected: it holds no id of a session.",
            "The cookie 'session' was rejected: the record is neither msgpack nor JSON.",
        ]


class TestSignedIds:
    """
    ``SESSION_USE_SIGNER``.
    """

    @staticmethod
    def signed(sid: str, key: str = "secret", salt: str = "flask-session") -> str:
        return "session=" + Signer(key, salt=salt, key_derivation="hmac").sign(sid).decode()

    @pytest.fixture
    def store(self) -> Store:
        store = Store(use_signer=True)
        store.put("known", {"user": "ada"})
        return store

    def test_new(self, store: Store) -> None:
        """
        The cookie holds the id and its signature, the record is under the id.
        """
        answer = visit(store, note_sid, secret_key="secret")
        [sid] = store.kept.keys() - {"known"}
        assert answer.cookie == self.signed(sid)
        assert store.kept[sid] == {"_permanent": True, "sid": sid}

    @pytest.mark.parametrize(
        "cookie",
        [
            pytest.param("session=known", id="unsigned"),
            pytest.param("session=known.", id="nothing after the dot"),
            pytest.param("session=.known", id="nothing before the dot"),
            pytest.param("session=.", id="a dot"),
            pytest.param(signed("known", "other"), id="another key"),
            pytest.param(signed("known", salt="itsdangerous.Signer"), id="another salt"),
            pytest.param(signed("known") + "\xe9", id="a letter more"),
            pytest.param(signed("known") + "=", id="padding"),
            pytest.param(signed("other").replace("other", "known"), id="another id"),
            pytest.param(signed("a*b"), id="our signature of what can't be an id"),
            pytest.param(signed(""), id="our signature of nothing"),
            pytest.param(signed(signed("known").partition("=")[2]), id="signed twice"),
        ],
    )
    def test_refused(self, store: Store, cookie: str) -> None:
        """
        An id without a signature of ours, in the one spelling that we write, is none: the store isn't asked.
        """
        told: list[str] = []
        options: dict[str, Any] = {"on_rejected": lambda reason, connection: told.append(reason)}
        answer = visit(store, see, cookie, secret_key="secret", **options)
        assert (answer.body, told, store.asked) == (b"{'_permanent': True}", ["signature"], [])

    def test_rotation(self, store: Store) -> None:
        """
        An older key still counts, and the next cookie is signed with the new one.
        """
        options: dict[str, Any] = {"secret_key": "new", "secret_key_fallbacks": ["older", "secret"]}
        answer = visit(store, write(a=1), self.signed("known"), **options)
        assert answer.cookie == self.signed("known", "new")
        assert visit(store, see, answer.cookie, secret_key="new").body == b"{'user': 'ada', 'a': 1}"
        assert visit(store, see, answer.cookie, secret_key="secret").body == b"{'_permanent': True}"

    def test_a_secret_key_does_not_sign(self) -> None:
        """
        Ids are signed if *use_signer* says so, and not because there is a secret key.
        """
        answer = visit(Store(), write(a=1), secret_key="secret")
        assert SID.fullmatch(answer.cookie)


class TestCookie:
    """
    When a cookie is sent, and which.
    """

    @pytest.mark.parametrize(
        ("data", "view", "expected"),
        [
            pytest.param(None, leave, {}, id="nobody, untouched"),
            pytest.param(None, see, {"vary": ["Cookie"]}, id="nobody, read"),
            pytest.param(None, clear, {"vary": ["Cookie"]}, id="nobody, cleared"),
            pytest.param({"a": 1}, leave, {}, id="untouched"),
            pytest.param({"a": 1}, see, {"vary": ["Cookie"]}, id="read"),
            pytest.param({"a": 1}, clear, {"set-cookie": [DELETED], "vary": ["Cookie"]}, id="cleared"),
            pytest.param(
                {"a": 1},
                lambda session: session.pop("a"),
                {"set-cookie": [DELETED], "vary": ["Cookie"]},
                id="last key removed",
            ),
            pytest.param(
                {"a": 1},
                write(a=2),
                {"set-cookie": [line("known", None)], "vary": ["Cookie"]},
                id="written",
            ),
            pytest.param(
                {"a": 1, "_permanent": True},
                leave,
                {"set-cookie": [line("known")], "vary": ["Cookie"]},
                id="permanent, untouched",
            ),
            pytest.param(
                {"a": 1, "_permanent": True},
                lambda session: setattr(session, "permanent", False),
                {"set-cookie": [line("known", None)], "vary": ["Cookie"]},
                id="not permanent any more",
            ),
            pytest.param({"_permanent": True}, see, {"vary": ["Cookie"]}, id="permanent and empty"),
            pytest.param(b"\xc1", see, {"vary": ["Cookie"]}, id="not to be read"),
            pytest.param(b"\xc1", clear, {"set-cookie": [DELETED], "vary": ["Cookie"]}, id="not to be read, cleared"),
            pytest.param(
                b"\xc1", write(a=1), {"set-cookie": [line("known")], "vary": ["Cookie"]}, id="not to be read, written"
            ),
        ],
    )
    def test_headers(self, store: Store, data: Any, view: View, expected: dict[str, list[str]]) -> None:
        """
        The cookie is sent where the session was changed, or is permanent and refreshed, and deleted where it is empty.
        """
        cookies = [] if data is None else [store.put("known", data)]
        answer = visit(store, view, *cookies)
        assert answer.session_headers == {"set-cookie": [], "vary": [], **expected}

    @pytest.mark.parametrize("view", [leave, see])
    def test_no_refresh(self, store: Store, view: View) -> None:
        """
        Without ``refresh_each_request`` who only reads gets no cookie, and the record lives no longer.
        """
        cookie = store.put("known", {"a": 1, "_permanent": True})
        assert visit(store, view, cookie, refresh_each_request=False).set_cookie == []
        assert store._records["session:known"][1] == NOW + 60
        assert visit(store, view, cookie).set_cookie == [line("known")]
        assert store._records["session:known"][1] == NOW + MONTH

    @pytest.mark.parametrize(
        ("options", "expected", "lifetime"),
        [
            pytest.param({"permanent_session_lifetime": 60}, "; Expires=Tue, 14 Nov 2023 22:14:20 GMT", 60, id="Flask"),
            pytest.param({"max_age": 60}, "; Max-Age=60", 60, id="Starlette"),
            pytest.param({"max_age": None}, "", MONTH, id="until the browser is closed"),
            pytest.param({"permanent_session_lifetime": 0}, "; Expires=Tue, 14 Nov 2023 22:13:20 GMT", 1, id="none"),
            pytest.param({"max_age": -5}, "; Max-Age=-5", 1, id="less than none"),
        ],
    )
    def test_lifetime(self, store: Store, options: dict[str, Any], expected: str, lifetime: int) -> None:
        """
        The record lives for as long as a cookie is accepted, and for a second at least.
        """
        answer = visit(store, write(a=1), **options)
        sid = sid_of(answer)
        assert answer.set_cookie == [f"session={sid}{expected}; HttpOnly; Path=/; SameSite=Lax"]
        assert store._records[f"session:{sid}"][1] == NOW + lifetime

    def test_not_permanent(self) -> None:
        """
        ``permanent=False`` makes new sessions that end with the browser.
        """
        store = Store(permanent=False)
        answer = visit(store, write(a=1))
        assert answer.set_cookie == [line(sid_of(answer), None)]
        assert store.kept == {sid_of(answer): {"a": 1}}

    def test_unchanged(self, store: Store) -> None:
        """
        What is written and what it was before may be the same: then it's a change all the same, as in Flask-Session.
        """
        cookie = store.put("known", {"a": [1]})
        assert visit(store, lambda session: session["a"], cookie).set_cookie == []
        assert visit(store, write(a=[1]), cookie).set_cookie == [line("known", None)]
        assert [what for what, _ in store.asked] == ["read", "read", "write"]

    def test_nested(self, store: Store) -> None:
        """
        A change inside a value counts, unless that is turned off.
        """
        cookie = store.put("known", {"a": [1]})
        visit(store, lambda session: session["a"].append(2), cookie, track_nested=False)
        assert store.kept == {"known": {"a": [1]}}
        visit(store, lambda session: session["a"].append(2), cookie)
        assert store.kept == {"known": {"a": [1, 2]}}

    def test_not_saved(self, store: Store) -> None:
        """
        ``modified = False`` keeps changes from being saved; the cookie, if it's due, is the one that was there.
        """
        cookie = store.put("known", {"a": 1, "_permanent": True})
        for view in (write(a=2), regenerate, clear):
            answer = visit(store, in_turn(view, lambda session: setattr(session, "modified", False)), cookie)
            assert answer.set_cookie in ([line("known")], [])  # who has cleared it sees nothing to refresh
            assert store.kept == {"known": {"a": 1, "_permanent": True}}

    def test_what_has_no_form(self, store: Store) -> None:
        """
        A session that can't be written is an error of the app's.
        """
        with pytest.raises(TypeError):
            visit(store, write(a=object()))
        assert store.kept == {}

    def test_two_middlewares(self, store: Store) -> None:
        """
        One with an equal config further in uses the session that is there: it is read and written once.
        """
        inner = app_with(store, write(a=1))
        cookie = store.put("known", {"b": 2})
        answer = tell(ask(SessionMiddleware(inner, store=store), cookie))
        assert answer.set_cookie == [line("known", None)]
        assert store.asked == [("read", "known"), ("write", "known")]

    def test_another_store_further_in(self, store: Store) -> None:
        """
        One with another store and name keeps a session of its own.
        """
        inner = Store()
        app = SessionMiddleware(app_with(inner, write(a=1), session_cookie="inner"), store=store)
        answer = tell(ask(app, store.put("known", {"b": 2, "_permanent": True})))
        assert [each.partition("=")[0] for each in answer.set_cookie] == ["inner", "session"]
        assert list(inner.kept.values()) == [{"_permanent": True, "a": 1}]
        assert store.kept == {"known": {"b": 2, "_permanent": True}}

    def test_paths_without_sessions(self, store: Store) -> None:
        """
        Where *allow_path_regex* doesn't match, the store isn't asked, whatever the cookie says.
        """

        async def endpoint(request: Request) -> Response:
            return Response(str("session" in request.scope))

        app = Starlette(routes=[Route("/{path:path}", endpoint)])
        app.add_middleware(SessionMiddleware, store=store, allow_path_regex="/app/.*")
        cookie = store.put("known", {"a": 1})
        assert tell(ask(app, cookie, path="/static/x")).body == b"False"
        assert store.asked == []
        assert tell(ask(app, cookie, path="/app/x")).body == b"True"

    @needs("starlette", "1.0", "an assigned dict can't be told from another middleware's session")
    @pytest.mark.parametrize(
        ("assigned", "expected"),
        [
            pytest.param({"a": 1}, {"known": {"_permanent": False, "a": 1}}, id="content"),
            pytest.param({}, {}, id="empty"),
        ],
    )
    def test_assigned(self, store: Store, assigned: dict[str, Any], expected: dict[str, Any]) -> None:
        """
        A dict that a view puts in the place of the session is its content, under its id.
        """

        async def endpoint(request: Request) -> Response:
            request.scope["session"] = assigned
            return Response()

        app = Starlette(routes=[Route("/", endpoint)])
        app.add_middleware(SessionMiddleware, store=store)
        tell(ask(app, store.put("known", {"b": 1})))
        assert store.kept == expected

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_event_loops(self, store: Store, backend: Any) -> None:
        """
        Where no server is asked, trio will do as well.
        """
        cookie = ask_asgi(app_with(store, write(a=1)), "/", backend=backend).cookie
        assert ask_asgi(app_with(store, write(b=2)), "/", cookies=[cookie], backend=backend).cookie == cookie
        assert list(store.kept.values()) == [{"_permanent": True, "a": 1, "b": 2}]


class TestSession:
    """
    What a view has, beside what it has of any session.
    """

    @staticmethod
    def session(**data: Any) -> StoredSession:
        """
        Return a session as it is in a request.
        """
        found: list[StoredSession] = []
        store = Store()
        visit(store, found.append, store.put("known", data))
        return found[0]

    def test_permanent_is_nothing(self) -> None:
        """
        A session that holds nothing but ``_permanent`` is false.
        """
        assert not self.session()
        assert not self.session(_permanent=True)
        assert self.session(_permanent=True, a=0)
        assert self.session(a=0)

    @pytest.mark.parametrize("permanent", [True, False])
    def test_clear(self, permanent: bool) -> None:
        """
        Clearing keeps whether it is permanent.
        """
        session = self.session(a=1, _permanent=permanent)
        session.clear()
        assert (session, session.modified, session.permanent) == ({"_permanent": permanent}, True, permanent)

    def test_new(self, store: Store) -> None:
        """
        A session is new if no record came with the request.
        """
        assert visit(store, lambda session: session.new).body == b"True"
        assert visit(store, lambda session: session.new, "session=made-up").body == b"True"
        assert visit(store, lambda session: session.new, store.put("known", {})).body == b"False"
        assert visit(store, lambda session: session.new, store.put("odd", b"\xc1")).body == b"True"

    @pytest.mark.parametrize(
        "copied",
        [copy.copy, copy.deepcopy, lambda session: pickle.loads(pickle.dumps(session))],  # noqa: S301  # ours
    )
    def test_copies(self, copied: Callable[[Any], Any]) -> None:
        """
        A copy holds the data, and belongs to no request.
        """
        session = copied(self.session(a=[1]))
        assert type(session) is Session
        assert session == {"a": [1]}
        assert not hasattr(session, "sid")
        assert json.dumps(session) == '{"a": [1]}'

    def test_repr_holds_no_id(self, store: Store) -> None:
        """
        What is printed of a session, its config or its store, tells nobody the id or the key.
        """
        store = Store(use_signer=True)
        config = SessionConfig(secret_key="s3cr3t", store=store)
        shown = visit(store, lambda session: session.sid in f"{session!r}{session}{vars(store)!r}", secret_key="s")
        assert shown.body == b"False"
        assert "s3cr3t" not in repr(config)
        assert "s3cr3t" not in repr(vars(store))

    def test_flashes(self, store: Store) -> None:
        """
        Messages aren't limited by what a cookie can hold.
        """

        async def endpoint(request: Request) -> Response:
            if request.url.query:
                flash(request, "x" * 5000)
            return Response(str([len(message) for message in get_flashed_messages(request)]))

        app = Starlette(routes=[Route("/", endpoint)])
        app.add_middleware(SessionMiddleware, store=store)
        assert tell(ask(app, path="/?flash")).body == b"[5000]"


class TestRegenerate:
    def test_known(self, store: Store) -> None:
        """
        The session has a new id at once; when the response starts its record is under that, and the old one is gone.
        """
        cookie = store.put("known", {"user": "ada", "_permanent": True})
        kept: list[dict[str, Any]] = []
        app = app_with(store, regenerate)

        async def noting(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_noting(message: Message) -> None:
                kept.append(store.kept)
                await send(message)

            await app(scope, receive, send_noting)

        answer = tell(ask(noting, cookie))
        sid = sid_of(answer)
        assert (answer.body.decode(), answer.set_cookie) == (repr(sid), [line(sid)])
        assert kept[0] == {sid: {"user": "ada", "_permanent": True}}
        assert "known" not in store.kept

    def test_lives_its_full_time(self, store: Store) -> None:
        """
        The new record lives as long as any that is written.
        """
        sid = sid_of(visit(store, regenerate, store.put("known", {"user": "ada"})))
        assert store._records[f"session:{sid}"][1] == NOW + MONTH

    @pytest.mark.parametrize("change", [clear, lambda session: session.pop("user")])
    @pytest.mark.parametrize("is_first", [True, False])
    def test_and_empty(self, store: Store, change: View, is_first: bool) -> None:
        """
        A session that is emptied in the same request is gone under either id.
        """
        views = [regenerate, change] if is_first else [change, regenerate]
        answer = visit(store, in_turn(*views), store.put("known", {"user": "ada"}))
        assert (answer.set_cookie, store.kept) == ([DELETED], {})

    def test_twice(self, store: Store) -> None:
        """
        The last id counts.
        """
        answer = visit(store, in_turn(regenerate, regenerate), store.put("known", {"user": "ada"}))
        assert store.kept == {sid_of(answer): {"user": "ada"}}

    def test_new_session(self, store: Store) -> None:
        """
        A session that nobody has the id of may get another.
        """
        answer = visit(store, in_turn(write(a=1), regenerate))
        assert store.kept == {sid_of(answer): {"_permanent": True, "a": 1}}
        assert [what for what, _ in store.asked] == ["write"]

    def test_unreadable(self, store: Store) -> None:
        """
        A record that can't be read is deleted like any other.
        """
        answer = visit(store, in_turn(write(a=1), regenerate), store.put("known", b"\xc1"))
        assert store.kept == {sid_of(answer): {"_permanent": True, "a": 1}}

    def test_written_meanwhile(self, store: Store) -> None:
        """
        What other requests have written meanwhile goes along.
        """
        answer, _ = meanwhile(store, store.put("known", {"user": "ada", "a": 1}), regenerate, write(b=2))
        assert store.kept == {sid_of(answer): {"user": "ada", "a": 1, "b": 2}}

    def test_written_while_it_moves(self, store: Store) -> None:
        """
        Also what is written after the record was read once more doesn't end up under the old id.
        """
        cookie = store.put("known", {"user": "ada"})
        store.before = lambda what, sid: (
            what == "write" and sid != "known" and store.put("known", {"user": "ada", "b": 2})
        )
        answer = visit(store, regenerate, cookie)
        assert list(store.kept) == [sid_of(answer)]

    def test_a_new_id_is_taken(self, store: Store) -> None:
        """
        Where there is a record under the new id, nothing is moved there; the store says that it can't.
        """
        store = Store(timeout=0.05)
        cookie = store.put("known", {"user": "ada"})

        def view(session: Any) -> None:
            session.regenerate()
            store.put(session.sid, {"user": "eve"})

        with time_machine.travel(NOW, tick=True):
            assert visit(store, view, cookie).status == 503
        assert {"user": "ada"} in store.kept.values()
        assert {"user": "eve"} in store.kept.values()

    @pytest.mark.parametrize("failing", ["read", "write", "delete"])
    def test_the_store_fails(self, store: Store, failing: str) -> None:
        """
        Where the move fails half-way, the browser is told 503, and its own id still works.
        """
        cookie = store.put("known", {"user": "ada"})

        def view(session: Any) -> None:
            session.regenerate()
            store.before = lambda what, sid: what == failing and 1 / 0

        answer = visit(store, view, cookie)
        assert (answer.status, answer.set_cookie) == (503, [])
        store.before = lambda what, sid: None
        assert visit(store, see, cookie).body == b"{'user': 'ada'}"


class TestMeanwhile:
    """
    Requests of one user at the same time.
    """

    def test_logged_out(self, store: Store, said: Callable[[], list[str]]) -> None:
        """
        Who was logged out meanwhile isn't logged in again by a request that changes something in the user's own value.
        """
        cookie = store.put("known", {"user": {"id": 7}, "cart": [1]})
        answer, _ = meanwhile(store, cookie, lambda session: session["user"].update(seen=1), clear)
        assert (answer.status, answer.set_cookie, store.kept) == (200, [], {})
        assert ENDED in said()

    def test_got_another_id(self, store: Store) -> None:
        """
        Nothing is kept under an id that was given up, and the browser isn't given it back.
        """
        cookie = store.put("known", {"user": {"id": 7}})
        stale, moved = meanwhile(store, cookie, lambda session: session["user"].update(seen=1), regenerate)
        assert stale.set_cookie == []
        assert store.kept == {sid_of(moved): {"user": {"id": 7}}}

    def test_emptied_by_both(self, store: Store) -> None:
        """
        Who clears what was cleared deletes the cookie, too.
        """
        for answer in meanwhile(store, store.put("known", {"a": 1}), clear, clear):
            assert answer.set_cookie == [DELETED]
        assert store.kept == {}

    def test_emptied_key_by_key(self, store: Store) -> None:
        """
        Where each removes its own, nothing is left, and the one who comes last says so.
        """
        cookie = store.put("known", {"a": 1, "b": 2, "_permanent": True})
        last, first = meanwhile(
            store, cookie, lambda session: (session.pop("a"), session.update(c=1)), in_turn(lambda s: s.pop("b"))
        )
        assert first.set_cookie == [line("known")]
        assert (last.set_cookie, store.kept) == ([line("known")], {"known": {"c": 1, "_permanent": True}})

    def test_nothing_left(self, store: Store) -> None:
        """
        A merge that leaves nothing but ``_permanent`` deletes the record.
        """
        cookie = store.put("known", {"a": 1, "_permanent": True, "keep": 1})

        def slow(session: Any) -> None:
            session.pop("a")

        answer, _ = meanwhile(store, cookie, slow, lambda session: session.pop("keep"))
        assert (answer.set_cookie, store.kept) == ([DELETED], {})

    def test_unreadable_meanwhile(self, store: Store) -> None:
        """
        What was made unreadable meanwhile is taken for empty.
        """
        cookie = store.put("known", {"a": 1})
        answer, _ = meanwhile(store, cookie, write(b=2), lambda session: store.put("known", b"\xc1") and None)
        assert store.kept == {"known": {"_permanent": True, "b": 2}}
        assert answer.set_cookie == [line("known")]

    def test_logs_in_meanwhile(self, store: Store) -> None:
        """
        Who logs in while another request logs out, or in, is logged in.
        """
        login = in_turn(write(_user_id="7"), regenerate)
        for other in (clear, login):
            cookie = store.put("known", {"cart": [1]})
            answer, _ = meanwhile(store, cookie, login, other)
            assert store.kept[sid_of(answer)]["_user_id"] == "7"
            assert "known" not in store.kept

    def test_a_reader_brings_nothing_back(self, store: Store) -> None:
        """
        Who only reads writes nothing, though the cookie is refreshed.
        """
        cookie = store.put("known", {"a": 1, "_permanent": True})
        answer, _ = meanwhile(store, cookie, see, clear)
        assert (answer.status, store.kept) == (200, {})

    def test_turns(self, store: Store) -> None:
        """
        Requests of one process take turns, so that none has to try twice.
        """

        async def story() -> None:
            cookie = store.put("known", {})
            at_once = asyncio.Barrier(10) if hasattr(asyncio, "Barrier") else None

            async def view(session: Any) -> None:
                if at_once is not None:
                    await at_once.wait()
                session[f"key-{len(store.asked)}-{id(session)}"] = 1

            await asyncio.gather(*(ask(app_with(store, view), cookie) for _ in range(10)))

        tell(story())
        assert len(store.kept["known"]) == 10

    def test_always_changed(self) -> None:
        """
        A record that is changed each time that it is to be written is given up after *timeout*: the answer is 503.
        """
        store = Store(timeout=0.05)
        cookie = store.put("known", {"a": 0})
        numbers = itertools.count(1)
        store.before = lambda what, sid: what == "write" and store.put("known", {"a": next(numbers)})
        with time_machine.travel(NOW, tick=True):
            assert visit(store, write(b=1), cookie).status == 503
        assert "b" not in store.kept["known"]

    def test_waiting_is_bounded(self) -> None:
        """
        Requests that wait for each other's turn don't add up to more than the time that each of them has.
        """
        store = Store(timeout=0.1)
        cookie = store.put("known", {"a": 0})

        async def story() -> float:
            store.before = lambda what, sid: asyncio.sleep(60) if what == "write" else None
            before = time.perf_counter()
            answers = await asyncio.gather(*(ask(app_with(store, write(b=n)), cookie) for n in range(20)))
            assert {answer.status for answer in answers} == {503}
            return time.perf_counter() - before

        with time_machine.travel(NOW, tick=True):
            assert tell(story()) < 1

    def test_nobody_waits_for_long(self) -> None:
        """
        Taking turns is a courtesy: who has waited long enough goes on without.
        """
        store = Store(timeout=0.02)
        cookie = store.put("known", {"a": 0})

        async def story() -> Answer:
            app: Any = SessionMiddleware(app_with(store, write(b=1)), store=store)
            async with app._keeper._turn("known"):
                return await asyncio.create_task(ask(app, cookie))

        with time_machine.travel(NOW, tick=True):
            assert tell(story()).status == 200
        assert store.kept == {"known": {"a": 0, "b": 1}}

    def test_in_two_event_loops(self, store: Store) -> None:
        """
        Two threads with an event loop each don't wait for each other.
        """
        cookie = store.put("known", {"a": 0})
        app = app_with(store, lambda session: session.update({threading.current_thread().name: 1}))
        is_writing, may_write = threading.Event(), threading.Event()

        async def hold() -> None:
            is_writing.set()
            await asyncio.to_thread(may_write.wait, 10)

        store.before = lambda what, sid: hold() if what == "write" and not is_writing.is_set() else None
        first = threading.Thread(target=lambda: asyncio.run(ask(app, cookie)), name="first", daemon=True)
        first.start()
        assert is_writing.wait(10)
        second = threading.Thread(target=lambda: asyncio.run(ask(app, cookie)), name="second", daemon=True)
        second.start()
        second.join(10)
        assert not second.is_alive()
        may_write.set()
        first.join(10)
        assert not first.is_alive()
        assert store.kept == {"known": {"a": 0, "first": 1, "second": 1}}


class TestLate:
    """
    Changes after the response has started.
    """

    @staticmethod
    def app(store: SessionStore, early: View, late: View) -> ASGIApp:
        async def endpoint(request: Request) -> StreamingResponse:
            early(request.session)

            async def stream() -> Any:
                yield b"one"
                late(request.session)
                yield b"two"

            return StreamingResponse(stream())

        app = Starlette(routes=[Route("/", endpoint)])
        app.add_middleware(SessionMiddleware, store=store)
        return app

    def test_known(self, store: Store, said: Callable[[], list[str]]) -> None:
        """
        They are saved, if the browser has the id.
        """
        cookie = store.put("known", {"a": 1})
        answer = tell(ask(self.app(store, write(b=2), write(c=3)), cookie))
        assert answer.body == b"onetwo"
        assert store.kept == {"known": {"a": 1, "b": 2, "c": 3}}
        tell(ask(self.app(store, leave, lambda session: session.setdefault("d", []).append(1)), cookie))
        assert store.kept == {"known": {"a": 1, "b": 2, "c": 3, "d": [1]}}
        assert said() == []

    def test_just_made(self, store: Store) -> None:
        """
        Also if it has got it in this response.
        """
        for early in (write(a=1), in_turn(write(a=1), regenerate)):
            sid = sid_of(tell(ask(self.app(store, early, write(b=2)))))
            assert store.kept[sid] == {"_permanent": True, "a": 1, "b": 2}

    def test_nothing(self, store: Store) -> None:
        """
        Where nothing was changed, nothing is written.
        """
        cookie = store.put("known", {"a": [1]})
        tell(ask(self.app(store, leave, see), cookie))
        assert store.asked == [("read", "known")]

    @pytest.mark.parametrize(
        ("early", "late"),
        [
            pytest.param(leave, write(a=1), id="new session"),
            pytest.param(write(a=1), in_turn(write(_user_id="7"), regenerate), id="another id"),
            pytest.param(in_turn(write(a=1), clear), write(_user_id="7"), id="ended before"),
        ],
    )
    def test_lost(self, store: Store, early: View, late: View, said: Callable[[], list[str]]) -> None:
        """
        Where the browser can't be told the id they are lost, and nothing is kept under an id that was given up.
        """
        for cookies in ([], [store.put("known", {"b": 1})]):
            if cookies and early is leave:
                continue
            said()
            tell(ask(self.app(store, early, late), *cookies))
            assert TOO_LATE in said()
            assert not [data for data in store.kept.values() if "_user_id" in data]

    def test_ended_meanwhile(self, store: Store, said: Callable[[], list[str]]) -> None:
        """
        A stream that outlives the session doesn't bring it back.
        """
        cookie = store.put("known", {"user": {"id": 7}})

        def late(session: Any) -> None:
            store._records.clear()
            session["user"]["seen"] = 1

        tell(ask(self.app(store, leave, late), cookie))
        assert store.kept == {}
        assert said() == [ENDED]

    def test_cleared(self, store: Store) -> None:
        """
        Who is logged out while the response streams is logged out.
        """
        tell(ask(self.app(store, leave, clear), store.put("known", {"user": {"id": 7}})))
        assert store.kept == {}

    def test_merged(self, store: Store) -> None:
        """
        What others have changed meanwhile stays.
        """
        cookie = store.put("known", {"a": 1})

        def late(session: Any) -> None:
            store.put("known", {"a": 2, "b": 2})
            session["c"] = 3

        tell(ask(self.app(store, write(d=4), late), cookie))
        assert store.kept == {"known": {"a": 2, "b": 2, "c": 3}}


class User(UserMixin):
    def __init__(self, id: str) -> None:  # noqa: A002  # Flask-Login's name
        self.id = id


class TestLogin:
    """
    An id that somebody may have known before the login is good for nothing after it.
    """

    @staticmethod
    def app(store: SessionStore | None, **options: Any) -> ASGIApp:
        manager = LoginManager(secret_key="secret", **options)
        manager.user_loader(User)

        async def endpoint(request: Request) -> Response:
            if request.url.query == "in":
                login_user(request, User("7"), remember=True)
            user = await current_user(request)
            return Response(str(user.get_id()))

        app = Starlette(routes=[Route("/", endpoint)])
        app.add_middleware(LoginMiddleware, manager=manager)
        app.add_middleware(SessionMiddleware, **({"secret_key": "secret"} if store is None else {"store": store}))
        return app

    def test_login_user(self, store: Store) -> None:
        """
        `login_user` gives the session another id, and what was in it goes along.
        """
        planted = store.put("planted", {"cart": [1]})
        answer = tell(ask(self.app(store), planted, path="/?in"))
        [cookie] = [each.partition(";")[0] for each in answer.set_cookie if each.startswith("session=")]
        assert cookie != planted
        [(sid, data)] = store.kept.items()
        assert cookie == f"session={sid}"
        assert (data["_user_id"], data["cart"]) == ("7", [1])

    def test_clicked_twice(self, store: Store) -> None:
        """
        Of two logins at the same moment the second, whose cookie the browser keeps, has lost nothing, either.
        """
        cookie = store.put("known", {"cart": [1]})
        app = self.app(store)

        async def story() -> list[Answer]:
            both_have_read = asyncio.Event()
            readers: set[object] = set()

            def before(what: str, sid: str) -> Any:
                request = asyncio.current_task()
                if request in readers:
                    return both_have_read.wait()
                readers.add(request)
                if len(readers) == 2:
                    both_have_read.set()
                return None

            store.before = before
            return list(await asyncio.gather(*(ask(app, cookie, path="/?in") for _ in range(2))))

        tell(story())
        assert "known" not in store.kept
        assert [(data["_user_id"], data["cart"]) for data in store.kept.values()] == [("7", [1])] * 2

    def test_not_wanted(self, store: Store) -> None:
        """
        ``regenerate_session=False`` leaves the id.
        """
        app = self.app(store, regenerate_session=False)
        tell(ask(app, store.put("planted", {"cart": [1]}), path="/?in"))
        assert store.kept["planted"]["_user_id"] == "7"
        with pytest.raises(ConfigError, match="regenerate_session must be True or False"):
            self.app(store, regenerate_session="False")

    def test_in_a_cookie(self) -> None:
        """
        A session in the cookie has no id that could be changed.
        """
        assert tell(ask(self.app(None), path="/?in")).body == b"7"

    @pytest.mark.parametrize("wanted", [True, False])
    def test_remembered(self, store: Store, wanted: bool) -> None:
        """
        The login by the remember cookie is a login.
        """
        app = self.app(store, regenerate_session=wanted)
        remember = next(
            each.partition(";")[0]
            for each in tell(ask(app, path="/?in")).set_cookie
            if each.startswith("remember_token=")
        )
        planted = store.put("planted", {"cart": [1]})
        answer = tell(ask(app, f"{planted}; {remember}"))
        assert answer.body == b"7"
        cookie = answer.cookie
        assert (cookie != planted) is wanted
        assert tell(ask(app, cookie)).body == b"7"
        assert tell(ask(app, planted)).body == (b"None" if wanted else b"7")


class TestStarletteCookies:
    """
    *accept_starlette_cookies* with a store.
    """

    @staticmethod
    def cookie(data: Any, key: str = "secret") -> str:
        return "session=" + TimestampSigner(key).sign(b64encode(json.dumps(data).encode())).decode()

    @pytest.mark.parametrize("use_signer", [False, True])
    def test_read(self, use_signer: bool) -> None:
        """
        A cookie of Starlette's own middleware is read, and the first write makes it a session of the store.
        """
        store = Store(use_signer=use_signer)
        options: dict[str, Any] = {"secret_key": "secret", "accept_starlette_cookies": True}
        cookie = self.cookie({"user": "ada"})
        assert visit(store, lambda session: (dict(session), session.new), cookie, **options).body == (
            b"({'_permanent': True, 'user': 'ada'}, False)"
        )
        assert store.asked == []
        answer = visit(store, write(a=1), cookie, **options)
        assert list(store.kept.values()) == [{"_permanent": True, "user": "ada", "a": 1}]
        assert visit(store, see, answer.cookie, **options).body == b"{'_permanent': True, 'user': 'ada', 'a': 1}"

    def test_refused(self, store: Store) -> None:
        """
        One of another key is no more than an id that nobody knows.
        """
        options: dict[str, Any] = {"secret_key": "secret", "accept_starlette_cookies": True}
        assert visit(store, see, self.cookie({"user": "ada"}, "other"), **options).body == b"{'_permanent': True}"

    @pytest.mark.parametrize("value", [2**70, "\ud800"], ids=["number", "lone surrogate"])
    def test_what_has_no_form(self, store: Store, value: Any) -> None:
        """
        What JSON holds and a record can't is read all the same; writing it is the app's error.
        """
        options: dict[str, Any] = {"secret_key": "secret", "accept_starlette_cookies": True}
        cookie = self.cookie({"value": value})
        assert visit(store, lambda session: session["value"] == value, cookie, **options).body == b"True"
        with pytest.raises((OverflowError, UnicodeEncodeError)):
            visit(store, write(a=1), cookie, **options)
        assert (
            visit(store, lambda session: session.pop("value") and session.update(a=1), cookie, **options).status == 200
        )

    def test_keys(self, store: Store) -> None:
        """
        True means the secret key, so there must be one; a list of others needs none.
        """
        with pytest.raises(ConfigError, match="accept_starlette_cookies=True needs secret_key"):
            SessionMiddleware(Starlette(), store=store, accept_starlette_cookies=True)
        options: dict[str, Any] = {"accept_starlette_cookies": ["secret"]}
        assert visit(store, lambda session: session["user"], self.cookie({"user": "ada"}), **options).body == b"'ada'"


class TestAnAppInside:
    """
    An app inside that answers with the cookie, and keeps its sessions in the same place by itself.
    """

    @staticmethod
    def ask(store: Store, inner: Callable[[], str | None], outer: View, *cookies: str) -> Answer:
        """
        Let *outer* change the session, then *inner* do what it does in the store and answer with a cookie's value.
        """

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            outer(scope["session"])
            value = inner()
            lines = [] if value is None else [(b"set-cookie", f"session={value}; Path=/".encode())]
            await send({"type": "http.response.start", "status": 200, "headers": lines})
            await send({"type": "http.response.body"})

        answer: Answer = tell(ask(SessionMiddleware(app, store=store), *cookies))
        return answer

    def test_left_alone(self, store: Store) -> None:
        """
        Where nothing was changed outside, its answer goes out as it is, without a refresh of ours.
        """
        cookie = store.put("known", {"a": 1, "_permanent": True})
        for value in ("known", "other", ""):
            assert self.ask(store, lambda value=value: value, leave, cookie).set_cookie == [f"session={value}; Path=/"]  # type: ignore[misc]
        assert self.ask(store, lambda: "known", see, cookie).session_headers == {
            "set-cookie": ["session=known; Path=/"],
            "vary": ["Cookie"],
        }

    def test_merged(self, store: Store) -> None:
        """
        Where both have changed the session, both changes are in the record, and one cookie goes out.
        """

        def inner() -> str:
            store.put("known", {"a": 1, "inner": 1})
            return "known"

        answer = self.ask(store, inner, write(outer=1), store.put("known", {"a": 1}))
        assert answer.set_cookie == [line("known", None)]
        assert store.kept == {"known": {"a": 1, "inner": 1, "outer": 1}}

    def test_another_id(self, store: Store) -> None:
        """
        A new id of the inner app's is the session's.
        """

        def inner() -> str:
            store._records.clear()
            store.put("moved", {"a": 1, "inner": 1})
            return "moved"

        answer = self.ask(store, inner, write(outer=1), store.put("known", {"a": 1}))
        assert answer.set_cookie == [line("moved", None)]
        assert store.kept == {"moved": {"a": 1, "inner": 1, "outer": 1}}

    def test_another_id_outside(self, store: Store) -> None:
        """
        One of ours comes before the inner app's, and nothing stays under any other.
        """
        for value in ("known", "moved"):

            def inner(value: str = value) -> str:
                store.put(value, {"a": 1, "inner": 1})
                return value

            answer = self.ask(store, inner, in_turn(write(outer=1), regenerate), store.put("known", {"a": 1}))
            assert store.kept == {sid_of(answer): {"a": 1, "inner": 1, "outer": 1}}
            store._records.clear()

    @pytest.mark.parametrize("outer", [write(outer=1), in_turn(write(outer=1), regenerate)])
    def test_ended(self, store: Store, outer: View) -> None:
        """
        Where the inner app has ended the session, only what was changed outside is kept, under a new id.
        """

        def inner() -> str:
            store._records.clear()
            return ""

        answer = self.ask(store, inner, outer, store.put("known", {"user": {"id": 7}}))
        assert store.kept == {sid_of(answer): {"_permanent": True, "outer": 1}}
        assert sid_of(answer) != "known"

    def test_nothing_left(self, store: Store) -> None:
        """
        Where neither leaves anything, the cookie is deleted, with our attributes.
        """

        def inner() -> str:
            store._records.clear()
            return ""

        answer = self.ask(store, inner, lambda session: session.pop("a"), store.put("known", {"a": 1}))
        assert (answer.set_cookie, store.kept) == ([DELETED], {})

    def test_new_session(self, store: Store) -> None:
        """
        A session that both begin is one.
        """

        def inner() -> str:
            store.put("begun", {"inner": 1})
            return "begun"

        answer = self.ask(store, inner, write(outer=1))
        assert answer.set_cookie == [line("begun", None)]
        assert store.kept == {"begun": {"inner": 1, "outer": 1}}

    def test_deleted_new_session(self, store: Store) -> None:
        """
        An inner app that deletes the cookie of a visitor without a session doesn't keep us from beginning one.
        """
        answer = self.ask(store, lambda: "", write(outer=1))
        assert store.kept == {sid_of(answer): {"_permanent": True, "outer": 1}}

    def test_not_ours(self, store: Store, said: Callable[[], list[str]]) -> None:
        """
        A cookie of our name that can't be one of ours is replaced if we have something to save, and the log says so.
        """
        cookie = store.put("known", {"a": 1})
        answer = self.ask(store, lambda: "a.b.c", write(outer=1), cookie)
        assert answer.set_cookie == [line("known", None)]
        assert store.kept == {"known": {"a": 1, "outer": 1}}
        [message] = said()
        assert message.startswith("The app also sets a cookie 'session', and none of our keys can read it")

    def test_late_after_another_id(self, store: Store) -> None:
        """
        What is changed late belongs to the session that the inner app has answered with.
        """

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            store._records.clear()
            store.put("moved", {"a": 1})
            start = {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"set-cookie", b"session=moved; Path=/")],
            }
            await send(start)
            scope["session"]["late"] = 1
            await send({"type": "http.response.body"})

        tell(ask(SessionMiddleware(app, store=store), store.put("known", {"a": 1})))
        assert store.kept == {"moved": {"a": 1, "late": 1}}

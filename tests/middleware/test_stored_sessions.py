"""
Requests whose session a store keeps: asked before the app, told before the response starts, and neither if it fails.
"""

import asyncio
import gc
import logging
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from starlette_flask import SessionMiddleware
from starlette_flask.stores import MemoryStore, StoreError
from tests.helpers import Backend, ask_asgi, http_scope, run_asgi, shake_hands, websocket_scope
from tests.interop.apps import needs
from tests.stores.client import app_with, ask, write

REFUSAL = b"The sessions can't be reached. Try again in a moment."
TOO_LATE = (
    "The session was changed after the response had started, and the change is lost;"
    " change it before anything is sent: not in a background task, a stream, or an accepted WebSocket."
)
CLOSED = (
    "The session was changed, but the WebSocket was closed before it was accepted, and the change is lost;"
    " refuse with WebSocket.send_denial_response() instead."
)


class Failing(MemoryStore):
    """
    Fails, or waits, as it is told.
    """

    failure: BaseException | None = None
    pausing: asyncio.Event | None = None
    at: str = "read write delete"

    async def read(self, key: str, refresh: int | None) -> bytes | None:
        await self._fail("read")
        return await super().read(key, refresh)

    async def write(self, key: str, record: bytes, lifetime: int, seen: bytes | None) -> bool:
        await self._fail("write")
        return await super().write(key, record, lifetime, seen)

    async def delete(self, key: str) -> None:
        await self._fail("delete")
        await super().delete(key)

    async def _fail(self, what: str) -> None:
        if what in self.at.split():
            if self.pausing is not None:
                self.pausing.set()
                await asyncio.sleep(60)
            if self.failure is not None:
                raise self.failure


@pytest.fixture
def store() -> Failing:
    return Failing()


@pytest.fixture
def cookie(store: Failing) -> str:
    """
    A session that is there before anything fails.
    """
    cookie: str = asyncio.run(ask(app_with(store, write(user="ada")))).cookie
    return cookie


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, str]]]:
    """
    Returns what the log has got since, at INFO or above.
    """
    caplog.set_level(logging.INFO, "starlette_flask")

    def said() -> list[tuple[str, str]]:
        records = [record for record in caplog.records if record.name == "starlette_flask.sessions"]
        messages = [(record.levelname, record.getMessage()) for record in records]
        caplog.clear()
        return messages

    return said


def kept(store: MemoryStore) -> list[dict[str, Any]]:
    return [store.decode(record) for record, _ in store._records.values()]


def serve(store: MemoryStore, endpoint: Any, path: str = "/") -> SessionMiddleware:
    """
    Return an app with one view, right inside the middleware.
    """
    kind: Any = WebSocketRoute if path == "/ws" else Route
    return SessionMiddleware(Starlette(routes=[kind(path, endpoint)]), store=store)


async def change(request: Request) -> Response:
    request.session["user"] = "joe"
    return Response("it was saved")


async def look(request: Request) -> Response:
    return Response(repr(dict(request.session)))


def down(store: Failing, at: str = "read write delete", failure: BaseException | None = None) -> None:
    store.at, store.failure = at, failure or ConnectionError("refused")


class TestReading:
    """
    The session can't be known.
    """

    @pytest.mark.parametrize("backend", ["asyncio", "trio"])
    def test_refused(
        self, store: Failing, cookie: str, backend: Backend, said: Callable[[], list[tuple[str, str]]]
    ) -> None:
        """
        The answer is 503 in plain text, the app isn't called, and the log names the kind of error.
        """
        calls: list[Scope] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            calls.append(scope)

        down(store)
        answer = ask_asgi(SessionMiddleware(app, store=store), "/", cookies=[cookie], backend=backend)
        assert (answer.status, answer.body) == (503, REFUSAL)
        assert answer.headers == (("content-type", "text/plain; charset=utf-8"),)
        assert calls == []
        assert said() == [
            (
                "ERROR",
                "The session store failed at reading (builtins.ConnectionError): the request is answered with 503."
                " At DEBUG there is a traceback.",
            )
        ]

    def test_not_needed(self, store: Failing) -> None:
        """
        Who has no session and is given none is served.
        """
        down(store)
        answer = asyncio.run(ask(serve(store, look)))
        assert (answer.status, answer.body) == (200, b"{'_permanent': True}")

    @pytest.mark.parametrize(
        ("extensions", "expected"),
        [
            pytest.param(
                {"websocket.http.response": {}},
                [
                    {
                        "type": "websocket.http.response.start",
                        "status": 503,
                        "headers": [(b"content-type", b"text/plain; charset=utf-8")],
                    },
                    {"type": "websocket.http.response.body", "body": REFUSAL},
                ],
                id="denial response",
            ),
            pytest.param(
                {},
                [{"type": "websocket.close", "code": 1013, "reason": REFUSAL.decode()}],
                id="servers that answer 403",
            ),
        ],
    )
    @pytest.mark.parametrize("at", ["read", "write"])
    def test_websocket(
        self, store: Failing, cookie: str, extensions: dict[str, Any], expected: list[Message], at: str
    ) -> None:
        """
        A handshake is refused, whether its session can't be read or can't be written.
        """

        async def accept(websocket: WebSocket) -> None:
            websocket.session["a"] = 1
            await websocket.accept()
            await websocket.send_text("never")

        down(store, at)
        scope = {**websocket_scope("/ws", cookies=[cookie]), "extensions": extensions}
        assert run_asgi(serve(store, accept, "/ws"), scope, [{"type": "websocket.connect"}]) == expected

    @pytest.mark.parametrize(
        "failure",
        [
            pytest.param(TimeoutError(), id="timeout"),
            pytest.param(KeyError("session:id"), id="bug in a store"),
            pytest.param(StopAsyncIteration(), id="odd"),
            pytest.param(AssertionError(), id="assertion"),
            pytest.param(StoreError("own"), id="of our kind"),
            pytest.param(HTTPException(404), id="an answer"),
        ],
    )
    def test_whatever_is_raised(
        self, store: Failing, cookie: str, failure: Exception, said: Callable[[], list[tuple[str, str]]]
    ) -> None:
        """
        Whatever a store raises is 503, and what it says isn't in the log.
        """
        down(store, failure=failure)
        assert asyncio.run(ask(serve(store, look), cookie)).status == 503
        [(level, message)] = said()
        assert level == "ERROR"
        assert type(failure).__name__ in message
        assert "session:id" not in message

    def test_too_slow(self, cookie: str, store: Failing) -> None:
        """
        A store that takes longer than *timeout* has failed.
        """

        async def story() -> int:
            store.timeout, store.pausing = 0.05, asyncio.Event()
            return (await ask(serve(store, look), cookie)).status

        assert asyncio.run(story()) == 503

    def test_the_process_ends(self, store: Failing, cookie: str) -> None:
        """
        What isn't an error goes on its way.
        """
        down(store, failure=KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(ask(serve(store, look), cookie))

    def test_traceback(self, store: Failing, cookie: str, caplog: pytest.LogCaptureFixture) -> None:
        """
        At DEBUG there is a traceback; otherwise there is none.
        """
        down(store)
        for level in (logging.INFO, logging.DEBUG):
            caplog.set_level(level, "starlette_flask")
            asyncio.run(ask(serve(store, look), cookie))
        without, with_traceback = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert without.exc_info is None
        assert with_traceback.exc_info is not None
        assert "At DEBUG" not in with_traceback.getMessage()


async def swallow(scope: Scope, receive: Receive, send: Send) -> None:
    """
    Save, and go on as if nothing had happened when that fails.
    """
    scope["session"]["a"] = 1
    for _ in range(2):
        try:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"it was saved"})
        except StoreError:
            continue


class PassOn(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        return response


class AnswerItself(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Response:
        try:
            response: Response = await call_next(request)
        except Exception:
            return Response("it was saved", 500)
        return response


class TestWriting:
    """
    The session can't be saved.
    """

    @pytest.mark.parametrize(
        "wrap",
        [
            pytest.param(lambda app: app, id="a view"),
            pytest.param(PassOn, id="in a BaseHTTPMiddleware"),
            pytest.param(AnswerItself, id="in one that answers by itself"),
            pytest.param(lambda app: swallow, id="in one that doesn't listen"),
        ],
    )
    @pytest.mark.parametrize("is_known", [True, False], ids=["known session", "new session"])
    def test_refused(
        self,
        store: Failing,
        cookie: str,
        wrap: Callable[[ASGIApp], ASGIApp],
        is_known: bool,
        said: Callable[[], list[tuple[str, str]]],
    ) -> None:
        """
        The answer is 503 before anything of the app's is sent, whatever is between it and the middleware.
        """
        app = SessionMiddleware(wrap(Starlette(routes=[Route("/", change)])), store=store)
        down(store, "write")
        answer = asyncio.run(ask(app, *([cookie] if is_known else [])))
        assert (answer.status, answer.body, answer.set_cookie) == (503, REFUSAL, [])
        [(_, message)] = said()
        assert message.startswith("The session store failed at writing (builtins.ConnectionError): ")
        assert kept(store) == [{"_permanent": True, "user": "ada"}]

    def test_outside_of_us(self, store: Failing) -> None:
        """
        What is around the middleware sees a response like any other.
        """
        down(store)
        answer = asyncio.run(ask(PassOn(serve(store, change))))
        assert (answer.status, answer.body) == (503, REFUSAL)

    def test_a_stream(self, store: Failing) -> None:
        """
        A stream is told that its client has gone, before its first byte.
        """
        taken: list[int] = []

        async def stream(request: Request) -> StreamingResponse:
            request.session["a"] = 1

            async def numbers() -> Any:
                for number in range(3):
                    taken.append(number)
                    yield str(number)

            return StreamingResponse(numbers())

        down(store)
        answer = asyncio.run(ask(serve(store, stream)))
        assert (answer.status, answer.body, taken) == (503, REFUSAL, [])

    def test_background_task(self, store: Failing) -> None:
        """
        What was to be done after the response isn't done.
        """
        done: list[int] = []

        async def endpoint(request: Request) -> Response:
            request.session["a"] = 1
            return Response(background=BackgroundTask(done.append, 1))

        down(store)
        assert asyncio.run(ask(serve(store, endpoint))).status == 503
        assert done == []

    def test_handlers_of_the_app(self, store: Failing) -> None:
        """
        The app's own handlers of errors don't answer in our place.
        """

        async def handler(request: Request, error: Exception) -> Response:
            return JSONResponse({"it": "was saved"})

        app = Starlette(routes=[Route("/", change)], exception_handlers={Exception: handler, 500: handler})
        app.add_middleware(SessionMiddleware, store=store)
        down(store)
        assert asyncio.run(ask(app)).body == REFUSAL

    def test_an_error_of_the_app(self, store: Failing, cookie: str) -> None:
        """
        A view that raises has changed nothing; the error is the server's to report.
        """

        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            scope["session"]["user"] = "joe"
            raise LookupError("of the app")

        with pytest.raises(LookupError, match="of the app"):
            asyncio.run(ask(SessionMiddleware(endpoint, store=store), cookie))
        assert kept(store) == [{"_permanent": True, "user": "ada"}]

    def test_an_answer_to_an_error(self, store: Failing, cookie: str) -> None:
        """
        An error that is answered in the app saves the session, as in Flask.
        """

        async def endpoint(request: Request) -> Response:
            request.session["user"] = "joe"
            raise HTTPException(404)

        assert asyncio.run(ask(serve(store, endpoint), cookie)).status == 404
        assert kept(store) == [{"_permanent": True, "user": "joe"}]

    def test_what_cannot_be_written(self, store: Failing, cookie: str) -> None:
        """
        A session that has no form as a record is an error of the app's, not of the store's.
        """

        async def endpoint(request: Request) -> Response:
            request.session["user"] = object()
            return Response()

        with pytest.raises(TypeError):
            asyncio.run(ask(serve(store, endpoint), cookie))
        assert kept(store) == [{"_permanent": True, "user": "ada"}]

    def test_headers_of_the_app_are_its_own(self, store: Failing) -> None:
        """
        The messages that an app sends are left as they are: it may send them to everybody.
        """
        start: Message = {"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["session"]["a"] = 1
            await send(start)
            await send({"type": "http.response.body"})

        answer = asyncio.run(ask(SessionMiddleware(app, store=store)))
        assert [name for name, _ in answer.headers] == ["x", "set-cookie", "vary"]
        assert start["headers"] == [(b"x", b"y")]

    def test_a_start_without_headers(self, store: Failing) -> None:
        """
        An app may leave the headers out.
        """

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["session"]["a"] = 1
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body"})

        answer = asyncio.run(ask(SessionMiddleware(app, store=store)))
        assert [name for name, _ in answer.headers] == ["set-cookie", "vary"]


class TestLate:
    """
    The store fails when the response has been sent.
    """

    def test_lost(self, store: Failing, cookie: str, said: Callable[[], list[tuple[str, str]]]) -> None:
        """
        The client has its answer, and the log says that a change is lost.
        """

        async def endpoint(request: Request) -> Response:
            def later() -> None:
                down(store)
                request.session["late"] = 1

            return Response("it was sent", background=BackgroundTask(later))

        answer = asyncio.run(ask(serve(store, endpoint), cookie))
        assert (answer.status, answer.body) == (200, b"it was sent")
        assert said() == [
            (
                "ERROR",
                "A change made after the response had started is lost: the session store failed"
                " (builtins.ConnectionError).",
            )
        ]

    def test_an_error_of_a_stream(self, store: Failing, cookie: str) -> None:
        """
        What was changed before a stream fails is saved, and the error is the server's.
        """

        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"one", "more_body": True})
            scope["session"]["late"] = 1
            raise LookupError("of the app")

        with pytest.raises(LookupError):
            asyncio.run(ask(SessionMiddleware(endpoint, store=store), cookie))
        assert kept(store) == [{"_permanent": True, "user": "ada", "late": 1}]

    def test_a_client_that_goes(self, store: Failing, cookie: str) -> None:
        """
        What a stream has changed is saved, though its client has gone and it was cancelled.
        """

        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            scope["session"]["late"] = 1
            started.set()
            await anyio.sleep(60)

        async def story() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(ask, SessionMiddleware(endpoint, store=store), cookie)
                await started.wait()
                group.cancel_scope.cancel()

        started = anyio.Event()
        asyncio.run(story())
        assert kept(store) == [{"_permanent": True, "user": "ada", "late": 1}]


class TestCancelled:
    """
    The server gives up a request while the store is asked.
    """

    @pytest.mark.parametrize("at", ["read", "write", "delete"])
    def test_nothing_is_left_behind(self, store: Failing, cookie: str, at: str) -> None:
        """
        The next request of the same session isn't held up.
        """

        async def regenerate(request: Request) -> Response:
            request.session.regenerate()  # type: ignore[attr-defined]  # a stored session has it
            return Response()

        async def story() -> None:
            store.pausing, store.at = asyncio.Event(), at
            app = serve(store, regenerate)
            task = asyncio.create_task(ask(app, cookie))
            await store.pausing.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            store.pausing = None
            assert (await ask(serve(store, look), cookie)).body == b"{'_permanent': True, 'user': 'ada'}"
            assert (await asyncio.wait_for(ask(app, cookie), 1)).status == 200

        asyncio.run(story())

    def test_while_waiting_for_a_turn(self, store: Failing, cookie: str) -> None:
        """
        Nor is it if the one that was given up had only been waiting.
        """

        async def story() -> None:
            app = serve(store, change)
            store.pausing, store.at = asyncio.Event(), "write"
            first = asyncio.create_task(ask(app, cookie))
            await store.pausing.wait()
            second = asyncio.create_task(ask(app, cookie))
            await asyncio.sleep(0.01)
            second.cancel()
            first.cancel()
            await asyncio.wait([first, second])
            assert first.cancelled()
            assert second.cancelled()
            store.pausing = None
            assert (await asyncio.wait_for(ask(app, cookie), 1)).status == 200

        asyncio.run(story())
        assert kept(store) == [{"_permanent": True, "user": "joe"}]

    def test_locks_go(self, store: Failing, cookie: str) -> None:
        """
        Whoever had a turn leaves nothing in memory.
        """
        app = serve(store, change)
        asyncio.run(ask(app, cookie))
        gc.collect()
        keeper: Any = app._keeper
        assert len(keeper._turns) == 0


class TestWebSocket:
    """
    The life of a WebSocket's session.
    """

    def test_accepted(self, store: Failing, cookie: str) -> None:
        """
        What is changed before it is accepted rides on that; what comes later is saved when it ends.
        """

        async def endpoint(websocket: WebSocket) -> None:
            websocket.session["before"] = 1
            await websocket.accept()
            assert kept(store) == [{"_permanent": True, "user": "ada", "before": 1}]
            websocket.session["after"] = 1
            await websocket.close()

        kind, answer = shake_hands(serve(store, endpoint, "/ws"), "/ws", cookies=[cookie])
        assert (kind, answer.cookie) == ("websocket.accept", cookie)
        assert kept(store) == [{"_permanent": True, "user": "ada", "before": 1, "after": 1}]

    def test_denied(self, store: Failing, cookie: str) -> None:
        """
        A denial response saves it, too.
        """

        async def endpoint(websocket: WebSocket) -> None:
            websocket.session["denied"] = 1
            await websocket.send_denial_response(Response("no", 403))

        kind, answer = shake_hands(serve(store, endpoint, "/ws"), "/ws", cookies=[cookie])
        assert (kind, answer.status, answer.cookie) == ("websocket.http.response.start", 403, cookie)
        assert kept(store) == [{"_permanent": True, "user": "ada", "denied": 1}]

    def test_closed(self, store: Failing, cookie: str, said: Callable[[], list[tuple[str, str]]]) -> None:
        """
        One that is closed before it is accepted can't send a cookie, but a session that the browser has is saved.
        """

        async def endpoint(websocket: WebSocket) -> None:
            websocket.session["closed"] = 1
            await websocket.close()

        assert shake_hands(serve(store, endpoint, "/ws"), "/ws", cookies=[cookie])[1].set_cookie == []
        assert kept(store) == [{"_permanent": True, "user": "ada", "closed": 1}]
        assert said() == []

    def test_closed_with_a_new_session(self, store: Failing, said: Callable[[], list[tuple[str, str]]]) -> None:
        """
        A new session is lost then, and the log says so.
        """

        async def endpoint(websocket: WebSocket) -> None:
            websocket.session["closed"] = 1
            await websocket.close()

        shake_hands(serve(store, endpoint, "/ws"), "/ws")
        assert kept(store) == []
        assert said() == [("WARNING", CLOSED)]

    def test_new_after_it_was_accepted(self, store: Failing, said: Callable[[], list[tuple[str, str]]]) -> None:
        """
        And so is one that begins when it has been accepted.
        """

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            websocket.session["late"] = 1
            await websocket.close()

        shake_hands(serve(store, endpoint, "/ws"), "/ws")
        assert kept(store) == []
        assert said() == [("WARNING", TOO_LATE)]

    def test_lost(self, store: Failing, cookie: str, said: Callable[[], list[tuple[str, str]]]) -> None:
        """
        A store that fails at the end of a connection has nobody to tell but the log.
        """

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            websocket.session["late"] = 1
            down(store)
            await websocket.close()

        shake_hands(serve(store, endpoint, "/ws"), "/ws", cookies=[cookie])
        [(level, message)] = said()
        assert level == "ERROR"
        assert message.startswith("A change made after the response had started is lost")


class TestAssigned:
    @needs("starlette", "1.0", "an assigned dict can't be told from another middleware's session")
    def test_no_mapping(self, store: Failing) -> None:
        """
        What isn't a mapping can't be a session's content.
        """

        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            scope["session"] = 7
            await Response()(scope, receive, send)

        with pytest.raises(TypeError, match=r'scope\["session"\] was set to int'):
            asyncio.run(ask(SessionMiddleware(endpoint, store=store)))

    def test_removed(self, store: Failing, cookie: str) -> None:
        """
        An app may take the session out of the scope; it is saved all the same.
        """

        async def endpoint(scope: Scope, receive: Receive, send: Send) -> None:
            scope.pop("session")["user"] = "joe"
            await Response()(scope, receive, send)

        asyncio.run(ask(SessionMiddleware(endpoint, store=store), cookie))
        assert kept(store) == [{"_permanent": True, "user": "joe"}]


def test_lifespan(store: Failing) -> None:
    """
    What isn't a request has no session.
    """
    calls: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        calls.append(scope)

    scope = {**http_scope("/"), "type": "lifespan"}
    run_asgi(SessionMiddleware(app, store=store), scope, [])
    assert calls == [scope]
    assert "session" not in scope

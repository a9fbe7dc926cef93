"""
What the servers serve: one Flask app, mounted twice in one FastAPI app, and windows into the process.

``/ours`` is our `WSGIMiddleware`, ``/a2wsgi`` the one of a2wsgi. What a view waits for is opened at
``/inside/open/<gate>``, and ``/inside`` shows what happened and what was left behind.
"""

import gc
import hashlib
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextvars import ContextVar, copy_context
from functools import cache
from types import CoroutineType
from typing import Any

import a2wsgi
import flask
import flask_login  # type: ignore[import-untyped]  # ships no types
from fastapi import FastAPI, Request
from flask.ctx import AppContext, RequestContext
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from starlette_flask import Session, SessionConfig, SessionMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware

MEGABYTE = 1024 * 1024
BLOCK = 64 * 1024
PATIENCE = 20.0
"""Seconds after which a view stops to wait for a gate, so that a test that fails leaves nothing behind."""

FROM_OUTSIDE: ContextVar[str] = ContextVar("from_outside")
FROM_FLASK: ContextVar[str] = ContextVar("from_flask")

gates: defaultdict[str, threading.Event] = defaultdict(threading.Event)
happened: list[dict[str, Any]] = []
counted: Counter[str] = Counter()
counting = threading.Lock()
in_progress: list[str] = []


def note(what: str) -> None:
    """
    Remember what happened in which thread, and whether Flask had a context there.
    """
    happened.append(
        {"what": what, "thread": threading.current_thread().name, "in_context": flask.has_request_context()}
    )


def wait_for(gate: str) -> None:
    if not gates[gate].wait(PATIENCE):
        raise TimeoutError(gate)


def wait_for_gate() -> None:
    """
    Wait until the gate is open that the query names, if it names one.
    """
    if gate := flask.request.args.get("gate"):
        wait_for(gate)


class User(flask_login.UserMixin):  # type: ignore[misc]  # ships no types
    def __init__(self, user_id: str) -> None:
        self.id = user_id


flask_app = flask.Flask(__name__)
flask_app.config.update(SECRET_KEY="secret", PROPAGATE_EXCEPTIONS=True)
manager = flask_login.LoginManager(flask_app)
manager.user_loader(User)


@flask_app.teardown_request
def note_teardown(error: BaseException | None) -> None:
    note("teardown")


# Who is it


@flask_app.post("/login")
def login() -> dict[str, Any]:
    """
    A login with a photo.
    """
    note("view")
    wait_for_gate()
    FROM_FLASK.set("set by a view")
    photo = flask.request.files["photo"].read()
    flask_login.login_user(User(flask.request.form["user"]))
    return {"user": flask_login.current_user.get_id(), "photo": len(photo)}


@flask_app.get("/who")
def who() -> dict[str, Any]:
    return {"user": flask_login.current_user.get_id(), "outside": FROM_OUTSIDE.get(None), "set": FROM_FLASK.get(None)}


@flask_app.get("/crowd")
def crowd() -> dict[str, Any]:
    """
    As `who`, in a crowd: takes a moment, and counts how many are here at the same time.
    """
    with counting:
        counted["here"] += 1
        counted["most"] = max(counted["most"], counted["here"])
    user = flask_login.current_user.get_id()
    time.sleep(0.002)
    with counting:
        counted["here"] -= 1
    return {"user": user, "still": flask_login.current_user.get_id(), "thread": threading.current_thread().name}


@flask_app.get("/cookies")
def cookies() -> dict[str, Any]:
    return {"header": flask.request.headers.get("Cookie"), "cookies": dict(flask.request.cookies)}


# What comes in


@flask_app.route("/upload", methods=["POST", "PUT"])
def upload() -> dict[str, Any]:
    """
    Read the body block by block.
    """
    note("view")
    wait_for_gate()
    digest, size = hashlib.sha256(), 0
    try:
        while block := flask.request.stream.read(BLOCK):
            digest.update(block)
            size += len(block)
            counted["read"] += len(block)
    except Exception as exc:
        note(type(exc).__name__)
        raise
    return {"size": size, "sha256": digest.hexdigest()}


@flask_app.post("/refuse")
def refuse() -> tuple[str, int]:
    """
    Answer without a look at the body.
    """
    return "not you", 403


@flask_app.post("/ignore/after/<int:blocks>")
def ignore(blocks: int) -> str:
    """
    Read so many blocks, with time for more to arrive, and no more for as long as the test likes.
    """
    note("view")
    for _ in range(blocks):
        counted["read"] += len(flask.request.stream.read(BLOCK))
        time.sleep(0.001)
    wait_for("ignore")
    return "whatever"


# What goes out


@flask_app.get("/empty/<int:status>")
def empty(status: int) -> tuple[str, int]:
    return "", status


@flask_app.get("/page")
def page() -> flask.Response:
    note("view")
    response = flask.Response("a page")
    response.call_on_close(lambda: note("closed"))
    return response


@flask_app.route("/stream", methods=["GET", "POST"])
def stream() -> flask.Response:
    """
    Blocks without end, each counted when it was asked for. The context stays for as long as it lasts.
    """

    def blocks() -> Iterator[bytes]:
        note("first block")
        try:
            while True:
                counted["produced"] += BLOCK
                yield bytes(BLOCK)
        finally:
            note("stream closed")

    response = flask.Response(flask.stream_with_context(blocks()))
    response.call_on_close(lambda: note("closed"))
    return response


@flask_app.get("/large/<int:megabytes>/<shape>")
def large(megabytes: int, shape: str) -> flask.Response:
    """
    So much, in blocks or in one piece that all answers share.
    """
    size = megabytes * MEGABYTE
    if shape == "blocks":
        return flask.Response((bytes(BLOCK) for _ in range(size // BLOCK)), headers={"Content-Length": str(size)})
    return flask.Response(_one_piece(size))


@cache
def _one_piece(size: int) -> bytes:
    return b"x" * size


@flask_app.get("/events")
def events() -> flask.Response:
    """
    Server-sent events. Each is produced only when its gate is open.
    """

    def produce() -> Iterator[str]:
        try:
            for number in range(3):
                wait_for(f"event-{number}")
                yield f"data: {number}\n\n"
        finally:
            note("stream closed")

    return flask.Response(produce(), mimetype="text/event-stream")


# What goes wrong


class Mishap(Exception):  # noqa: N818  # what it says is what the log is searched for
    """
    Of a view.
    """


@flask_app.get("/fail")
def fail() -> str:
    raise Mishap("before the first byte")


@flask_app.get("/fail/late")
def fail_late() -> flask.Response:
    def blocks() -> Iterator[bytes]:
        yield b"so far, "
        yield b"so good"
        raise Mishap("after the first byte")

    length = flask.request.args.get("length")
    return flask.Response(blocks(), headers={"Content-Length": length} if length else None)


@flask_app.get("/hang")
def hang() -> str:
    note("view")
    threading.Event().wait()
    return "never"


# The other side


def make_app(workers: int = 10) -> ASGIApp:
    """
    Return the app with the Flask app in so many threads.
    """
    api = FastAPI()

    @api.get("/api/who")
    async def api_who(request: Request) -> dict[str, Any]:
        return {"user": request.session.get("_user_id")}

    @api.get("/api/context")
    async def api_context() -> list[str]:
        """
        Show which context variables there are, of Flask or set by its views.
        """
        names = {variable.name for variable in copy_context()}
        return sorted(name for name in names if name.startswith(("flask.", FROM_FLASK.name)))

    api.mount("/ours", WSGIMiddleware(flask_app, workers))
    api.mount("/a2wsgi", a2wsgi.WSGIMiddleware(flask_app, workers))  # type: ignore[arg-type]  # its own ASGI types
    api.add_middleware(Outside)
    api.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(flask_app))

    outer = Starlette()
    outer.mount("/inside", inside)
    outer.mount("/", Counted(api))
    return outer


class Counted:
    """
    Middleware that counts the requests in progress.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        in_progress.append(scope["path"])
        try:
            await self.app(scope, receive, send)
        finally:
            in_progress.remove(scope["path"])


class Outside:
    """
    Middleware that sets a context variable.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        FROM_OUTSIDE.set("set outside")
        await self.app(scope, receive, send)


# The windows

inside = FastAPI()


@inside.get("/happened")
async def show_what_happened() -> dict[str, Any]:
    return {"happened": happened, "counted": counted}


@inside.post("/forget")
async def forget() -> None:
    happened.clear()
    counted.clear()
    gates.clear()


@inside.post("/open/{gate}")
async def open_gate(gate: str) -> None:
    gates[gate].set()


@inside.get("/in-progress")
async def show_requests_in_progress() -> list[str]:
    return in_progress


@inside.get("/left")
async def show_what_is_left() -> dict[str, int]:
    """
    Show how much there still is of all requests.
    """
    gc.collect()
    things = gc.get_objects()
    kinds = [type(thing) for thing in things]  # isinstance() would ask proxies, too, for theirs
    files = [thing.cr_code.co_filename for thing in things if type(thing) is CoroutineType]
    return {
        "requests": len(in_progress),
        "our coroutines": sum("starlette_flask" in file for file in files),
        "Flask's contexts": sum(issubclass(kind, AppContext | RequestContext) for kind in kinds),
        "sessions": sum(issubclass(kind, Session) for kind in kinds),
    }


@inside.get("/process")
async def show_process() -> int:
    return os.getpid()


@inside.get("/threads")
async def show_threads() -> list[str]:
    return sorted(thread.name for thread in threading.enumerate())


app = make_app()
wide = make_app(workers=50)

gc.collect()
gc.freeze()  # what is there already is of no request, and needn't be looked through after each

"""
The Flask half of docs/deployment.md, with more views, each of which `behind_fastapi` has too.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import flask_login  # type: ignore[import-untyped]  # ships no types
from flask_wtf.csrf import generate_csrf  # type: ignore[import-untyped]  # ships no types
from legacy import User, app  # type: ignore[import-not-found]  # of the page

PATIENCE = 20.0
"""Seconds after which a stream no longer waits."""

views = flask.Blueprint("views", __name__, url_prefix="/flask")


@views.get("/login/<user_id>")
def login(user_id: str) -> str:
    flask_login.login_user(User(user_id), remember="remember" in flask.request.args)
    return "welcome"


@views.get("/logout")
def logout() -> str:
    flask_login.logout_user()
    return "bye"


@views.get("/who")
def who() -> dict[str, Any]:
    return {"user": flask_login.current_user.get_id(), "fresh": bool(flask_login.login_fresh())}


@views.get("/flash/<text>")
def flash(text: str) -> str:
    flask.flash(text, "info")
    return "ok"


@views.get("/messages")
def messages() -> Any:
    return flask.jsonify(flask.get_flashed_messages(with_categories=True))


@views.get("/token")
def token() -> Any:
    return flask.jsonify(generate_csrf())


@views.post("/save")
def save() -> Any:
    return flask.jsonify(len(flask.request.get_data()))


@views.get("/fill/<text>")
def fill(text: str) -> str:
    flask.session["filling"] = text
    return "ok"


@views.get("/filling")
def filling() -> Any:
    return flask.jsonify(flask.session["filling"])


@views.get("/request")
def show_request() -> dict[str, Any]:
    """
    Show what the app is told of the request.
    """
    return {
        "address": flask.request.remote_addr,
        "port": flask.request.environ["REMOTE_PORT"],  # of nginx, which no header replaces
        "url": flask.request.url,
        "forwarded for": flask.request.headers.get("X-Forwarded-For"),
        "cookie": flask.request.headers.get("Cookie"),
    }


@views.get("/folder/")
def folder() -> str:
    return "without the slash, it is a redirect"


@views.get("/events")
def events() -> flask.Response:
    """
    Server-sent events, the second of which waits for the file that is named in the query.
    """

    def produce() -> Iterator[str]:
        yield "data: first\n\n"
        end = time.monotonic() + PATIENCE
        while not Path(flask.request.args["gate"]).exists() and time.monotonic() < end:
            time.sleep(0.01)
        yield "data: second\n\n"

    stream = flask.stream_with_context(produce())
    return flask.Response(stream, mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})


@views.get("/process")
def process() -> Any:
    return flask.jsonify(os.getpid())


app.register_blueprint(views)

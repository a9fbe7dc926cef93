"""
The same story told to a Flask app and to a Starlette app: they answer with the same session headers.
"""

import pytest
import time_machine
from flask import Flask, session
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from starlette_flask import SessionConfig, SessionMiddleware
from tests.helpers import Backend, ask_asgi, ask_wsgi


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_write(backend: Backend) -> None:
    """
    A session written by either app is the same cookie.
    """
    flask_app = Flask(__name__)
    flask_app.secret_key = "secret"

    @flask_app.get("/write")
    def write() -> str:
        session["user"] = "ada"
        return ""

    async def write_too(request: Request) -> Response:
        request.session["user"] = "ada"
        return Response()

    starlette_app = Starlette(routes=[Route("/write", write_too)])
    starlette_app.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(flask_app))
    with time_machine.travel(1_000_000_000, tick=False):
        theirs = ask_wsgi(flask_app, "/write")
        ours = ask_asgi(starlette_app, "/write", backend=backend)
    assert ours.session_headers == theirs.session_headers
    assert len(ours.set_cookie) == 1

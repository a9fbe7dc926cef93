"""
What Flask and Quart themselves do with a session in a request: ``open_session``, ``save_session``, nothing else.

The request and the response around these are the framework's own, made anew each time, for the bare
ones too. The app context, in which their JSON finds its settings, is entered once and not measured.
"""

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import flask
import quart
from werkzeug.datastructures import Headers

from benchmarks.handlers import BODY, Act, Contender, drive
from benchmarks.payloads import SECRET_KEY, environ_of, scope_with


class FlaskContender:
    """
    Flask, from the WSGI environ to the response.
    """

    def __init__(self, name: str, *, has_session: bool = True) -> None:
        self.name = name
        self.context = copy_context()
        self._has_session = has_session
        self._app = flask.Flask("benchmarks")
        self._app.secret_key = SECRET_KEY
        self.context.run(self._app.app_context().push)

    @property
    def bare(self) -> Contender:
        return BARE_FLASK

    def handler(self, act: Act | None, cookie: str | None) -> Callable[[], Any]:
        app, has_session = self._app, self._has_session
        interface = app.session_interface
        environ = environ_of(scope_with(cookie))

        def handle() -> flask.Response:
            request = app.request_class(dict(environ))
            session = interface.open_session(app, request) if has_session else None
            if session is not None and act is not None:
                act(session)
            response = app.response_class(BODY)
            if session is not None:
                interface.save_session(app, session, response)
            return response

        return handle

    def cookies_set_by(self, answer: flask.Response) -> list[str]:
        return answer.headers.getlist("Set-Cookie")


BARE_FLASK = FlaskContender("bare Flask", has_session=False)


class QuartContender:
    """
    Quart, from the ASGI scope to the response.
    """

    def __init__(self, name: str, *, has_session: bool = True) -> None:
        self.name = name
        self.context = copy_context()
        self._has_session = has_session
        self._app = quart.Quart("benchmarks")
        self._app.secret_key = SECRET_KEY
        self.context.run(drive, self._app.app_context().push())

    @property
    def bare(self) -> Contender:
        return BARE_QUART

    def handler(self, act: Act | None, cookie: str | None) -> Callable[[], Any]:
        app, has_session = self._app, self._has_session
        interface = app.session_interface
        scope: Any = scope_with(cookie)

        async def push_promise(path: str, headers: Headers) -> None:
            raise NotImplementedError

        async def answer() -> quart.Response:
            # As quart.asgi.ASGIHTTPConnection makes it.
            headers = Headers()
            for name, value in scope["headers"]:
                headers.add(name.decode("latin1").title(), value.decode("latin1"))
            request = app.request_class(
                "GET", "http", scope["path"], b"", headers, "", "1.1", scope, send_push_promise=push_promise
            )
            session = await interface.open_session(app, request) if has_session else None
            if session is not None and act is not None:
                act(session)
            response = app.response_class(BODY)
            if session is not None:
                await interface.save_session(app, session, response)
            return response

        return lambda: drive(answer())

    def cookies_set_by(self, answer: quart.Response) -> list[str]:
        return answer.headers.getlist("Set-Cookie")


BARE_QUART = QuartContender("bare Quart", has_session=False)

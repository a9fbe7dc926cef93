"""
The other peer: a real Flask app, and beside it a Starlette app that is configured from it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import flask
import pytest
import time_machine
from flask.sessions import SecureCookieSessionInterface
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from starlette_flask import SessionConfig, SessionMiddleware
from tests.helpers import Answer, Backend, ask_asgi, ask_wsgi

NOW = 1_000_000_000
"""When the stories begin: Sun, 09 Sep 2001 01:46:40 GMT."""

# A view of either app: it is given something with a `session`, and what it returns is shown.
View = Callable[[Any], object]


def needs(package: str, release: str, reason: str) -> pytest.MarkDecorator:
    """
    Return a mark that skips a test where the other peer is older than what the test is about.
    """
    numbers = [tuple(map(int, re.findall(r"\d+", text)[:3])) for text in (version(package), release)]
    return pytest.mark.skipif(numbers[0] < numbers[1], reason=f"{package} {release}: {reason}")


def needs_flask(release: str, reason: str) -> pytest.MarkDecorator:
    return needs("flask", release, reason)


def needs_werkzeug(release: str, reason: str) -> pytest.MarkDecorator:
    return needs("werkzeug", release, reason)


def make_flask_app(**settings: Any) -> flask.Flask:
    """
    Return a Flask app with a secret key and these config keys; its errors reach the test.
    """
    app = flask.Flask(__name__)
    app.config.update({"SECRET_KEY": "secret", "TESTING": True, **settings})
    return app


def make_interface(**attributes: Any) -> SecureCookieSessionInterface:
    """
    Return a session interface of its own class, with these attributes instead of Flask's.
    """
    interface: SecureCookieSessionInterface = type("Interface", (SecureCookieSessionInterface,), attributes)()
    return interface


class Pair:
    """
    Two apps with one session cookie, which run the same view at the same time.

    Args:
        theirs: The Flask app. Set it up before: ours is configured from it here.
    """

    def __init__(self, theirs: Any) -> None:
        self.theirs = theirs
        self._view: View = see
        self._vary: str | None = None
        theirs.add_url_rule("/", view_func=self._their_view)
        self.ours = Starlette(routes=[Route("/", self._our_view)])
        self.ours.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(theirs))

    def ask(
        self, view: View, *cookies: str, at: float = 0, vary: str | None = None, backend: Backend = "asyncio"
    ) -> Answer:
        """
        Ask both apps, check that they say the same in the same headers, and return the answer.

        Args:
            view: What both run.
            cookies: The request's ``Cookie`` lines.
            at: When, in seconds after `NOW`.
            vary: A ``Vary`` line that the response has already.
            backend: What runs our app.
        """
        ours = self.ask_ours(view, *cookies, at=at, vary=vary, backend=backend)
        theirs = self.ask_theirs(view, *cookies, at=at, vary=vary)
        is_same = ours.session_headers == theirs.session_headers and ours.body == theirs.body
        assert is_same, f"\nours:   {ours}\ntheirs: {theirs}"
        return ours

    def ask_ours(
        self, view: View, *cookies: str, at: float = 0, vary: str | None = None, backend: Backend = "asyncio"
    ) -> Answer:
        self._view, self._vary = view, vary
        with time_machine.travel(NOW + at, tick=False):
            return ask_asgi(self.ours, "/", cookies=cookies, backend=backend)

    def ask_theirs(self, view: View, *cookies: str, at: float = 0, vary: str | None = None) -> Answer:
        self._view, self._vary = view, vary
        with time_machine.travel(NOW + at, tick=False):
            return self._send_theirs(cookies)

    def cookie(self, data: Mapping[Any, Any], *, at: float = 0) -> str:
        """
        Return the cookie in which both keep *data*.
        """
        return self.ask(write(data), at=at).cookie

    def loaded(self, *cookies: str, at: float = 0) -> str:
        """
        Return the session that both read, with its types: the repr of a dict.
        """
        return self.ask(see, *cookies, at=at).body.decode()

    def _send_theirs(self, cookies: Sequence[str]) -> Answer:
        return ask_wsgi(self.theirs, "/", cookies=cookies)

    def _their_view(self) -> flask.Response:
        response = flask.Response(repr(self._view(_FlaskRequest())))
        if self._vary is not None:
            response.headers["Vary"] = self._vary
        return response

    async def _our_view(self, request: Request) -> Response:
        headers = {} if self._vary is None else {"Vary": self._vary}
        return Response(repr(self._view(request)), headers=headers)


class _FlaskRequest(SimpleNamespace):
    @property
    def session(self) -> Any:
        return flask.session._get_current_object()  # type: ignore[attr-defined]  # a proxy, whatever its annotation


def see(request: Any) -> dict[str, Any]:
    """
    A view that shows the whole session.
    """
    request.session.get("user")  # by key, which every version of Flask counts as access
    return dict(request.session)


def write(data: Mapping[Any, Any]) -> View:
    """
    Return a view that puts *data* into the session.
    """

    def view(request: Any) -> None:
        for key, value in data.items():
            request.session[key] = value

    return view


def outcome(answer: Answer) -> str:
    """
    Say in a word what a response does with the session: ``sets``, ``deletes``, ``reads`` or ``nothing``.
    """
    if not answer.set_cookie:
        return "reads" if answer.vary else "nothing"
    [line] = answer.set_cookie
    assert answer.vary == ["Cookie"]
    return "deletes" if line.startswith("session=;") else "sets"

"""
The whole of it: asked from Python, and leaving everything as it is.
"""

import copy
import logging
from typing import Any

import flask
import flask_login  # type: ignore[import-untyped]  # ships no types
import pytest
from fastapi import FastAPI
from flask.sessions import SecureCookieSessionInterface
from starlette.middleware import Middleware

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.doctor import Finding, examine
from starlette_flask.login import LoginManager
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.doctor.pairs import KEY, OTHER_KEY, checks, make_api, make_flask, make_shared, show
from tests.helpers import ask_asgi, ask_wsgi


def test_sound_and_not() -> None:
    """
    Of a sound pair there is nothing, and else a list of findings, for whoever asks in a test.
    """
    app = make_flask()
    assert examine(app, make_shared(app)) == []
    [finding] = examine(app, make_shared(app, secret_key=OTHER_KEY, same_site=None))
    assert isinstance(finding, Finding)
    assert finding.check == "secret_key"


class AttributesRaise:
    """
    Not to be looked at.
    """

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(KEY)

    async def __call__(self, *args: Any) -> None: ...


class RoutesRaise(FastAPI):
    """
    Not to be looked at either.
    """

    @property
    def routes(self) -> Any:
        raise SystemExit(KEY)


@pytest.mark.parametrize("make", [AttributesRaise, RoutesRaise])
def test_what_can_t_be_looked_at(make: Any) -> None:
    """
    Objects that raise when they are looked at are a finding, which doesn't quote what they say.
    """
    [finding] = examine(make_flask(), make())
    assert finding.check == "unknown"
    assert finding.what.startswith("the two apps: can't be looked at, ")
    assert KEY not in str(finding)


def test_a_check_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A check that fails is a finding, and the others go on.
    """
    app = make_flask()
    api = make_shared(app, secret_key=OTHER_KEY, same_site=None)
    monkeypatch.delattr(app.url_map, "_rules_by_endpoint")
    api.mount("/legacy", WSGIMiddleware(app))
    findings = examine(app, api)
    assert [finding.check for finding in findings] == ["secret_key", "unknown"]
    assert findings[1].what.startswith("paths, cookie_path: can't be looked at, AttributeError in ")


def test_said_once() -> None:
    """
    What is wrong in many places is said once.
    """
    app = make_flask()
    api = make_api()
    api.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(app))
    api.add_middleware(LoginMiddleware, manager=LoginManager(secret_key=KEY))
    for number in range(5):
        api.add_api_route(f"/{number}", show)
    assert checks(app, api) == ["order", "login"]


class Fresh(SecureCookieSessionInterface):
    """
    An interface of the app's own.
    """


def snapshot(theirs: flask.Flask, ours: FastAPI) -> dict[str, Any]:
    """
    Return all of two apps that anybody may have set.
    """
    registers = ("before_request_funcs", "after_request_funcs", "teardown_request_funcs", "error_handler_spec")
    managers = [each.kwargs["manager"] for each in ours.user_middleware if "manager" in each.kwargs]
    return {
        "interface": (id(theirs.session_interface), dict(vars(theirs.session_interface))),
        "config": dict(theirs.config),
        "extensions": dict(theirs.extensions),
        "rules": [str(rule) for rule in theirs.url_map.iter_rules()],
        "views": dict(theirs.view_functions),
        "json": (id(theirs.json), dict(vars(theirs.json))),
        "login manager": dict(vars(theirs.login_manager)),  # type: ignore[attr-defined]  # Flask-Login's
        **{name: copy.copy(getattr(theirs, name)) for name in registers},
        "middleware": [(each.cls, each.args, dict(each.kwargs)) for each in ours.user_middleware],
        "middleware stack": ours.middleware_stack,
        "routes": list(ours.routes),
        "handlers": dict(ours.exception_handlers),
        "managers": [dict(vars(manager)) for manager in managers],
    }


def test_leaves_everything_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """
    Nothing is changed, no page and no user is asked for, nothing is logged, and what may be set up only before the
    first request still may.
    """
    asked: list[Any] = []
    theirs = make_flask()
    theirs.session_interface = Fresh()
    flask_login.LoginManager(theirs).user_loader(asked.append)
    theirs.before_request(lambda: asked.append(flask.request.path))
    ours = make_shared(theirs, Middleware(LoginMiddleware, manager=LoginManager.from_flask(theirs)))
    ours.mount("/legacy", WSGIMiddleware(theirs))
    before = snapshot(theirs, ours)
    with caplog.at_level(logging.DEBUG):
        assert examine(theirs, ours) == []
    assert snapshot(theirs, ours) == before
    assert before["middleware stack"] is None
    assert (asked, caplog.messages) == ([], [])
    theirs.add_url_rule("/late", "late", lambda: "late")
    assert ask_wsgi(theirs, "/late").body == b"late"


def test_leaves_the_session_shared() -> None:
    """
    A mounted app that shares the session still does.
    """
    theirs = make_flask()
    theirs.add_url_rule("/in", "in", lambda: flask.session.setdefault("user", "ada"))
    ours = make_shared(theirs)
    ours.mount("/legacy", WSGIMiddleware(theirs))
    assert ask_asgi(ours, "/legacy/in").cookie
    interface = theirs.session_interface
    assert examine(theirs, ours) == []
    assert theirs.session_interface is interface
    assert ask_asgi(ours, "/legacy/in").cookie

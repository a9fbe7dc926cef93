"""
Sessions that are kept on a server: both must look in the same place. No server is asked.
"""

from collections.abc import Callable
from typing import Any

import cachelib
import flask_session  # type: ignore[import-untyped]  # ships no types
import pytest
from flask.sessions import SessionInterface

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.stores.cachelib import CacheLibStore
from starlette_flask.stores.flask_interface import FlaskInterfaceStore
from starlette_flask.stores.memory import MemoryStore
from tests.doctor.pairs import STRANGER, checks, make_api, make_flask, make_shared, one_finding

ASK = "app.add_middleware(SessionMiddleware, store=FlaskInterfaceStore(flask_app)), which asks the Flask app"
FROM_FLASK = "app.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(flask_app))"


class InMemory(SessionInterface):
    """
    Keeps sessions itself.
    """


def make_own() -> Any:
    app = make_flask()
    app.session_interface = InMemory()
    return app


def make_cached(**settings: Any) -> Any:
    """
    Return a Flask app with Flask-Session.
    """
    app = make_flask(SESSION_TYPE="cachelib", SESSION_CACHELIB=cachelib.SimpleCache(), **settings)
    flask_session.Session(app)
    return app


def with_store(store: Any, **keywords: Any) -> Any:
    app = make_api()
    app.add_middleware(SessionMiddleware, store=store, same_site=None, **keywords)
    return app


@pytest.mark.parametrize(
    ("make", "ours"),
    [
        pytest.param(make_cached, make_shared, id="from_flask"),
        pytest.param(make_cached, lambda app: with_store(FlaskInterfaceStore(app)), id="through the app"),
        pytest.param(make_cached, lambda app: with_store(CacheLibStore(cachelib.SimpleCache())), id="made apart"),
        pytest.param(make_own, lambda app: with_store(FlaskInterfaceStore(app)), id="an interface of its own"),
    ],
)
def test_the_same(make: Callable[[], Any], ours: Callable[[Any], Any]) -> None:
    """
    Where both look in the same place, or may do so, nothing is said.
    """
    app = make()
    assert checks(app, ours(app)) == []


@pytest.mark.parametrize(
    ("make", "ours", "what", "fix"),
    [
        pytest.param(
            make_own,
            lambda app: make_shared(make_flask()),
            f"the Flask app keeps its sessions on a server, by {__name__}.InMemory, and the ASGI app in signed cookies",
            ASK,
            id="an interface of its own",
        ),
        pytest.param(
            make_own,
            lambda app: with_store(MemoryStore()),
            "the Flask app keeps its sessions by an interface of its own, and the ASGI app by MemoryStore",
            ASK,
            id="an interface of its own, a store of ours",
        ),
        pytest.param(
            make_flask,
            lambda app: with_store(MemoryStore()),
            "the ASGI app keeps its sessions on a server, by MemoryStore, and the Flask app in signed cookies",
            f"drop store, {FROM_FLASK}; or let Flask-Session keep those of Flask in the same place",
            id="a store of ours only",
        ),
        pytest.param(
            make_cached,
            lambda app: with_store(MemoryStore()),
            "the Flask app keeps its sessions by CacheLibStore, and the ASGI app by MemoryStore",
            FROM_FLASK,
            id="another kind",
        ),
        pytest.param(
            lambda: make_cached(SESSION_KEY_PREFIX="shop:"),
            lambda app: with_store(CacheLibStore(cachelib.SimpleCache())),
            "key_prefix of the stores is 'shop:' in Flask and 'session:' in the ASGI app",
            FROM_FLASK,
            id="another prefix",
        ),
    ],
)
def test_elsewhere(make: Callable[[], Any], ours: Callable[[Any], Any], what: str, fix: str) -> None:
    """
    Where one doesn't find what the other keeps, it is said.
    """
    app = make()
    finding = one_finding(app, ours(app))
    assert (finding.check, finding.what, finding.fix) == ("store", f"{what}: {STRANGER}", fix)


def test_a_store_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A store whose extra is missing is a finding that names it.
    """
    app = make_cached()
    ours = make_shared(make_flask())

    def need(module: str, extra: str) -> Any:
        raise ImportError(f"{module} is missing: pip install 'starlette-flask[{extra}]'")

    monkeypatch.setattr("starlette_flask.stores.base.need", need)
    finding = one_finding(app, ours)
    assert finding.check == "flask"
    assert finding.what == f"the Flask app's session can't be shared, {STRANGER}: msgspec is missing"
    assert finding.fix == "pip install 'starlette-flask[cachelib]'"


def test_the_cookie_of_an_interface() -> None:
    """
    Through the Flask app, the cookie is as it says, whatever our keywords are.
    """
    app = make_cached(SESSION_COOKIE_SAMESITE="Strict")
    assert checks(app, with_store(FlaskInterfaceStore(app))) == []
    assert checks(app, with_store(SessionConfig.from_flask(app).store)) == ["same_site"]

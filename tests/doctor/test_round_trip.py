"""
Session interfaces with code of their own, which settings don't tell: the session is sent to see.
"""

from collections.abc import Callable
from typing import Any

import pytest
from flask.sessions import SecureCookieSessionInterface
from quart import Quart
from quart.sessions import SecureCookieSessionInterface as QuartInterface

from tests.doctor.pairs import make_flask, make_shared, one_finding


class OpensNothing(SecureCookieSessionInterface):
    def open_session(self, app: Any, request: Any) -> Any: ...


class SavesNothing(SecureCookieSessionInterface):
    def save_session(self, app: Any, session: Any, response: Any) -> None: ...


class SavesAnId(SecureCookieSessionInterface):
    def save_session(self, app: Any, session: Any, response: Any) -> None:
        response.set_cookie("session", "an-id")


class Forgets(SecureCookieSessionInterface):
    def open_session(self, app: Any, request: Any) -> Any:
        session = super().open_session(app, request)
        if session is not None:
            session.pop("written", None)
        return session


class NumbersAreText(SecureCookieSessionInterface):
    """
    Changes a value's type on the way in.
    """

    def open_session(self, app: Any, request: Any) -> Any:
        session = super().open_session(app, request)
        return self.session_class(
            {key: "here" if key == "written" else value for key, value in (session or {}).items()}
        )

    def save_session(self, app: Any, session: Any, response: Any) -> None:
        if "more" in session:
            session["more"] = True
        super().save_session(app, session, response)


class Exits(SecureCookieSessionInterface):
    def save_session(self, app: Any, session: Any, response: Any) -> None:
        raise SystemExit(app.secret_key)


@pytest.mark.parametrize(
    ("interface", "why"),
    [
        pytest.param(OpensNothing(), "Flask doesn't open one", id="opens nothing"),
        pytest.param(SavesNothing(), "Flask doesn't save it", id="saves nothing"),
        pytest.param(SavesAnId(), "it is another one on the way from Flask to the ASGI app", id="saves an id"),
        pytest.param(Forgets(), "it is another one on the way from the ASGI app to Flask", id="forgets"),
        pytest.param(NumbersAreText(), "it is another one on the way from Flask to the ASGI app", id="changes types"),
        pytest.param(Exits(), "SystemExit in tests/doctor/test_round_trip.py, line 56", id="exits"),
    ],
)
def test_lost(interface: Any, why: str, pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where it is lost is said.
    """
    monkeypatch.chdir(pytestconfig.rootpath)
    app = make_flask()
    app.session_interface = interface
    finding = one_finding(app, make_shared(app))
    assert finding.check == "round_trip"
    assert finding.what == f"a session doesn't come through, {why}: who logs in to one app is a stranger in the other"


class Waits(QuartInterface):
    async def open_session(self, app: Any, request: Any) -> Any:
        class Future:
            def __await__(self) -> Any:
                yield

        await Future()


def make_quart(interface: Callable[[], Any]) -> Any:
    app = Quart("legacy")
    app.secret_key = "a long random value"
    app.session_interface = interface()
    return app


def test_what_waits() -> None:
    """
    An interface that waits for something keeps sessions elsewhere than in a cookie.
    """
    app = make_quart(Waits)
    finding = one_finding(app, make_shared(app))
    assert finding.what.startswith("a session doesn't come through, it waits for something else than a cookie: ")

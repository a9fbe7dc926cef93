"""
How Flask is mounted, and what else is.
"""

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.wsgi import WsgiToAsgi
from flask.sessions import SessionInterface
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as StarletteSessionMiddleware

from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.doctor.pairs import OTHER_KEY, checks, make_flask, make_shared, one_finding

as_asgi: Callable[[Any], Any] = WsgiToAsgi


def test_asgiref() -> None:
    """
    asgiref's adapter joins cookies as Starlette's does.
    """
    app = make_flask()
    ours = make_shared(app)
    ours.mount("/legacy", as_asgi(app))
    finding = one_finding(app, ours)
    assert finding.check == "adapter"
    assert finding.what.startswith("Flask is mounted at /legacy with asgiref.wsgi.WsgiToAsgi: it joins the cookies")


def test_adapters_of_others() -> None:
    """
    With what another WSGI app is mounted is nobody's business.
    """
    app = make_flask()
    ours = make_shared(app)
    ours.mount("/wiki", as_asgi(lambda environ, start_response: []))
    assert checks(app, ours) == []


class InMemory(SessionInterface):
    """
    Keeps sessions itself.
    """


def with_interface(**settings: Any) -> Any:
    app = make_flask("other", **settings)
    app.session_interface = InMemory()
    return app


@pytest.mark.parametrize(
    ("make", "found"),
    [
        pytest.param(lambda: make_flask("other", SECRET_KEY=OTHER_KEY), ["other_flask_app"], id="another key"),
        pytest.param(lambda: make_flask("other", SECRET_KEY=OTHER_KEY, SESSION_COOKIE_NAME="o"), [], id="another name"),
        pytest.param(
            lambda: make_flask("other", SECRET_KEY=OTHER_KEY, SESSION_COOKIE_PATH="/o"), [], id="another path"
        ),
        pytest.param(lambda: make_flask("other"), [], id="the same key"),
        pytest.param(lambda: make_flask("other", SECRET_KEY=None), [], id="no sessions"),
        pytest.param(with_interface, ["other_flask_app"], id="on a server"),
        pytest.param(lambda: with_interface(SESSION_COOKIE_NAME="o"), [], id="on a server, another name"),
    ],
)
def test_another_flask_app(make: Callable[[], Any], found: list[str]) -> None:
    """
    Another Flask app with a cookie of the same name must be able to read it.
    """
    app = make_flask()
    ours = make_shared(app)
    ours.mount("/legacy", WSGIMiddleware(app))
    ours.mount("/other", WSGIMiddleware(make()))
    assert checks(app, ours) == found


def test_nobody_has_the_session() -> None:
    """
    Where every view is in an app with Starlette's own middleware, another name doesn't help.
    """
    app = make_flask()
    ours = make_shared(app)
    ours.router.routes.clear()
    own = Middleware(StarletteSessionMiddleware, secret_key=OTHER_KEY, session_cookie="v2")
    ours.mount("/v2", Starlette(routes=make_shared(app).routes, middleware=[own]))
    assert checks(app, ours) == ["foreign"]


def test_starlette_s_own_that_can_t_be_made() -> None:
    """
    Starlette's own middleware without a key is a finding, as ours is.
    """
    app = make_flask()
    ours = Starlette(middleware=[Middleware(StarletteSessionMiddleware)])  # type: ignore[call-arg]  # so it is wrong
    assert checks(app, ours) == ["middleware", "middleware"]

"""
Whether the session comes as far as the views.
"""

from typing import Any

import flask
import pytest
from fastapi import APIRouter
from starlette.staticfiles import StaticFiles

from starlette_flask import SessionConfig
from starlette_flask.doctor.paths import is_sent
from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.doctor.pairs import checks, make_flask, make_shared, one_finding, show


@pytest.mark.parametrize(
    ("cookie_path", "path", "expected"),
    [
        pytest.param("/", "/", True, id="root"),
        pytest.param("/", "/a", True, id="below the root"),
        pytest.param("/a", "/a", True, id="the same"),
        pytest.param("/a", "/a/b", True, id="below"),
        pytest.param("/a", "/ab", False, id="half a name"),
        pytest.param("/a/", "/a", False, id="without the slash"),
        pytest.param("/a/", "/a/b", True, id="below the slash"),
        pytest.param("/a", "/", False, id="above"),
    ],
)
def test_is_sent(cookie_path: str, path: str, expected: bool) -> None:
    """
    A cookie is sent to its path and below, by whole names.
    """
    assert is_sent(cookie_path, path) is expected


def make_at(path: str, **settings: Any) -> tuple[flask.Flask, Any]:
    """
    Return a Flask app with a page at /shop/cart and files at /static, mounted in ours, whose views have no session.
    """
    app = flask.Flask("legacy")
    app.config.update(SECRET_KEY="a long random value", **settings)
    app.add_url_rule("/shop/cart", "cart", lambda: "cart")
    ours = make_shared(app, config=SessionConfig.from_flask(app), allow_path_regex="/shop/api/.*")
    ours.add_api_route("/shop/api/me", show)
    ours.mount(path, WSGIMiddleware(app))
    return app, ours


@pytest.mark.parametrize(
    ("path", "cookie_path", "found"),
    [
        pytest.param("/", "/shop", [], id="as it was alone"),
        pytest.param("/legacy", "/shop", ["cookie_path"], id="moved by the mount"),
        pytest.param("/legacy", "/", [], id="everywhere"),
        pytest.param("/", "/static", ["cookie_path"], id="to files only"),
    ],
)
def test_pages_of_flask(path: str, cookie_path: str, found: list[str]) -> None:
    """
    The mount's prefix may take Flask's own pages out of the cookie's path; its files don't count.
    """
    settings = {"SESSION_COOKIE_PATH": cookie_path}
    app, ours = make_at(path, **settings)
    if cookie_path == "/static":
        ours.router.routes[:] = [route for route in ours.routes if getattr(route, "path", "") != "/shop/api/me"]
    assert [check for check in checks(app, ours) if check != "allow_path_regex"] == found


@pytest.mark.parametrize(
    ("regex", "what"),
    [
        pytest.param("/shop", "matches no path of the ASGI app whole: ", id="nothing"),
        pytest.param("/api/me|/shop", "matches /shop/{item_id} in its beginning only, and not whole: ", id="half"),
        pytest.param(r"/api/me|/shop/\d", "", id="one of the examples"),
        pytest.param("/api/me|/shop/1/?", "", id="the beginning of none"),
        pytest.param(".*", "", id="all"),
    ],
)
def test_allowed_paths(regex: str, what: str) -> None:
    """
    A regular expression is to match whole paths, and not where they begin.
    """
    app = make_flask()
    ours = make_shared(app, config=SessionConfig.from_flask(app), allow_path_regex=regex)
    ours.add_api_route("/shop/{item_id}", show)
    if not what:
        assert checks(app, ours) == []
    else:
        finding = one_finding(app, ours)
        assert finding.check == "allow_path_regex"
        assert finding.what.startswith(f"allow_path_regex {what}")


def test_half_of_the_examples() -> None:
    """
    It needn't match the beginning of each path that a route takes.
    """
    app = make_flask()
    ours = make_shared(app, config=SessionConfig.from_flask(app), allow_path_regex=r"/api/me|/shop/1")
    ours.add_api_route("/shop/{item_id}/edit", show)
    finding = one_finding(app, ours)
    assert finding.what.startswith("allow_path_regex matches /shop/{item_id}/edit in its beginning only")


def test_many_hidden_routes() -> None:
    """
    Of many routes that come too late one is named, and the others are counted.
    """
    app = make_flask()
    ours = make_shared(app)
    ours.mount("/static", StaticFiles(directory="."))
    ours.mount("/legacy", WSGIMiddleware(app))
    router = APIRouter(prefix="/legacy")
    for path in ("/a", "/b", "/c"):
        router.add_api_route(path, show)
    ours.include_router(router)
    ours.add_api_route("/legacy/b", show, methods=["POST"])
    ours.add_api_route("/late", show)
    finding = one_finding(app, ours)
    assert finding.check == "hidden_route"
    assert finding.what == (
        "/legacy/a and 2 more are never reached: Flask is mounted at /legacy before, and answers instead"
    )

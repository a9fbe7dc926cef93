"""
Pairs of apps for the doctor, in one process.
"""

from typing import Any

import flask
from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.doctor import Finding, examine

KEY = "a long random value"
OTHER_KEY = "another long random value"
STRANGER = "who logs in to one app is a stranger in the other"


def make_flask(name: str = "legacy", **settings: Any) -> flask.Flask:
    """
    Return a Flask app with a page and these config keys.
    """
    app = flask.Flask(name)
    app.config.update({"SECRET_KEY": KEY, **settings})
    app.add_url_rule("/page", "page", lambda: "page")
    return app


def make_api() -> FastAPI:
    """
    Return a FastAPI app with a view, and without middleware.
    """
    app = FastAPI()
    app.add_api_route("/api/me", show)
    return app


def make_shared(flask_app: Any, *inside: Middleware, **keywords: Any) -> FastAPI:
    """
    Return a FastAPI app with a view and this middleware, and around it that of the session.

    Args:
        flask_app: What it is configured from.
        inside: The innermost first.
        keywords: Of `SessionMiddleware`, instead of what the Flask app has.
    """
    app = make_api()
    for each in inside:
        app.add_middleware(each.cls, *each.args, **each.kwargs)
    app.add_middleware(SessionMiddleware, **(keywords or {"config": SessionConfig.from_flask(flask_app)}))
    return app


def show(request: Request) -> dict[str, Any]:
    return dict(request.session)


def checks(flask_app: Any, asgi_app: Any) -> list[str]:
    """
    Return which checks have found something.
    """
    return [finding.check for finding in examine(flask_app, asgi_app)]


def one_finding(flask_app: Any, asgi_app: Any) -> Finding:
    """
    Return the only finding.
    """
    [finding] = examine(flask_app, asgi_app)
    return finding

"""
The demo's switch: for each address, whether it has moved to FastAPI.

In your app there is no switch. A route has moved when FastAPI has it: FastAPI is asked first, and Flask for the rest.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import unified_diff
from functools import cache
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import Match, Mount
from starlette.types import Scope

from starlette_flask.demo.fastapi_half import app as fastapi_app
from starlette_flask.demo.flask_half import app as flask_app

PAGES = {
    "/products": "The shop's shelf",
    "/cart": "The cart, and the forms that fill it",
    "/checkout": "The order form, for a fresh login only",
    "/account": "The user's page, for a login only",
    "/login": "The login form, with “remember me”",
    "/logout": "The button that logs out",
}
"""What can be moved."""

moved = {"/cart"}
"""What has moved, in this process. When the demo starts, the team has moved one route."""


def path_of(scope: Scope) -> str:
    """
    Return the path that is asked for, without the prefix that a proxy has put before it.
    """
    return str(scope["path"].removeprefix(scope.get("root_path", "")))


def half_of(path: str) -> str:
    """
    Return which half serves a path: "Flask" or "FastAPI".
    """
    return "FastAPI" if path in moved or path not in PAGES else "Flask"


def move(path: str, half: str) -> None:
    """
    Let *half* serve *path* from the next request on.
    """
    (moved.add if half == "FastAPI" else moved.discard)(path)


class NotMoved(Mount):
    """
    The Flask app, for what has not moved: stands before FastAPI's routes.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if half_of(path_of(scope)) == "Flask" else (Match.NONE, {})


@dataclass(frozen=True)
class Line:
    """
    A line of the code's diff.
    """

    text: str
    kind: str
    """"+" in FastAPI only, "-" in Flask only, " " in both."""


@cache
def diff_of(path: str) -> list[Line]:
    """
    Return how the views of a path change when it moves, from their sources.
    """
    rules = [rule for rule in flask_app.url_map.iter_rules() if rule.rule == path]
    routes = [route for route in fastapi_app.routes if isinstance(route, APIRoute) and route.path == path]
    before = _source_of(flask_app.view_functions[rule.endpoint] for rule in rules)
    after = _source_of(route.endpoint for route in routes)
    lines = list(unified_diff(before, after, n=99, lineterm=""))
    return [Line(line[1:], line[0]) for line in lines[3:]]


def _source_of(views: Iterable[Callable[..., Any]]) -> list[str]:
    in_order = sorted(views, key=lambda view: inspect.unwrap(view).__code__.co_firstlineno)
    return "\n\n".join(inspect.getsource(view) for view in in_order).splitlines()

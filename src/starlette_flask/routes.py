"""
What routes an app has, whichever way they were added.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from starlette.types import Scope


def routes_of(scope: Scope) -> Iterator[Any]:
    """
    Yield the routes of the outermost app, in a middleware as well as in a view.
    """
    # As Starlette's url_for: before the router has run there is only the app.
    return each_route(getattr(scope.get("router") or scope.get("app"), "routes", ()))


def each_route(routes: Iterable[Any]) -> Iterator[Any]:
    """
    Yield each of *routes*, and in place of a router that FastAPI has included those of it, with their prefix.

    FastAPI copied the routes of an included router before 0.137, and keeps the router as one route since.
    """
    for route in routes:
        included = getattr(route, "effective_route_contexts", None)
        if included is None:
            yield route
        else:
            for context in included():
                yield context.starlette_route or context

"""
What an ASGI app consists of.

All of it is read off the objects. No page is asked for, and no middleware is made but that which does nothing when it
is made: ours, and Starlette's for sessions and users.
"""

import functools
import inspect
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from starlette.routing import Host, Mount

from starlette_flask.doctor.findings import reason_of
from starlette_flask.doctor.places import ADAPTERS, DEEPEST, Kind, Layer, Place, held_by, kind_of
from starlette_flask.mounted import is_flask
from starlette_flask.routes import each_route

_MADE = (Kind.SESSIONS, Kind.LOGIN, Kind.CSRF, Kind.STARLETTE, Kind.STARSESSIONS, Kind.AUTHENTICATION)
_DOCS = ("openapi_url", "docs_url", "redoc_url", "swagger_ui_oauth2_redirect_url")


def places_in(app: Any) -> list[Place]:
    """
    Return all places of an ASGI app, those of mounted apps too.
    """
    start = Place(root_path=os.environ.get("UVICORN_ROOT_PATH", "").rstrip("/"))
    places = list(_places(app, start, frozenset(), False))
    if any(place.of(Kind.SESSIONS) for place in places):
        return places
    # It may be in middleware that has to be made to be seen; elsewhere that is left to the server.
    return list(_places(app, start, frozenset(), True))


def _places(app: Any, way: Place, seen: frozenset[int], makes: bool) -> Iterator[Place]:
    if id(app) in seen or len(seen) > DEEPEST:
        return
    seen |= {id(app)}
    if not _has_routes(app):
        way = _through(way, _layer(app, way.path))
        inside = [] if kind_of(app) in ADAPTERS or is_flask(app) else list(_inside(app))
        for each in inside:
            yield from _places(each, way, seen, makes)
        if not inside:
            yield way
        return
    way = replace(_through(way, *_middleware_of(app, way.path, makes)), root_path=_root_path(app) or way.root_path)
    if not app.routes:
        yield way
    docs = {getattr(app, name, None) for name in _DOCS} - {None}
    flask_mounts: list[Any] = []
    for route in each_route(app.routes):
        path = getattr(route, "path", None) or ""
        own = path or ("/" if isinstance(route, Mount) else "")
        hidden_by = next((mount.path or "/" for mount in flask_mounts if own and mount.path_regex.match(own)), None)
        at = replace(way, path=way.path + path, hidden_by=way.hidden_by or hidden_by)
        if not isinstance(route, (Mount, Host)):
            inner = [_layer(each, at.path) for each in _chain(getattr(route, "app", None))]
            yield replace(_through(at, *inner), route=route, is_docs=path in docs)
            continue
        found = list(_places(route.app, at, seen, makes))
        yield from found
        # One that matches in a way of its own may leave requests to others.
        is_plain = isinstance(route, Mount) and type(route).matches is Mount.matches
        if is_plain and any(place.flask_apps for place in found):
            flask_mounts.append(route)


def _through(way: Place, *layers: Layer) -> Place:
    return replace(way, layers=(*way.layers, *layers))


def _layer(part: Any, path: str) -> Layer:
    return Layer(kind_of(part), path, part, type(part).__name__)


def _has_routes(app: Any) -> bool:
    return isinstance(getattr(app, "routes", None), (list, tuple)) and not isinstance(app, type)


def _root_path(app: Any) -> str:
    root_path = getattr(app, "root_path", "")
    return root_path.rstrip("/") if isinstance(root_path, str) else ""


def _middleware_of(app: Any, path: str, makes: bool) -> list[Layer]:
    """
    Return the middleware of an app with routes: as it is, or as it will be at the first request.
    """
    router = getattr(app, "router", app)
    stack = getattr(app, "middleware_stack", None)
    if stack is None and makes and _is_opaque(app):
        with suppress(Exception):  # which Starlette will raise at the first request
            stack = app.build_middleware_stack()
    made = list(_chain(stack, router))
    if made and made[-1] is router:
        layers = [_layer(each, path) for each in made]
    else:
        layers = [_will_be(entry, app, path) for entry in getattr(app, "user_middleware", ())]
    inner = () if router is app else _chain(getattr(router, "middleware_stack", None), router)
    return [*layers, *(_layer(each, path) for each in inner)]


def _chain(app: Any, router: Any = None) -> Iterator[Any]:
    """
    Yield what is around a router, from the outside, and the router itself if it is reached; or what is around a view.
    """
    for _ in range(DEEPEST):
        if router is not None and (app is router or getattr(app, "__self__", None) is router):
            yield router
            return
        if app is None or (router is None and inspect.isroutine(app)):
            return
        yield app
        if kind_of(app) in ADAPTERS:  # further in there is WSGI
            return
        inner = getattr(app, "app", None)
        app = inner if inner is not None or router is None else next(_inside(app), None)


def _is_opaque(app: Any) -> bool:
    build = getattr(type(app), "build_middleware_stack", None)
    makers = [entry.cls for entry in getattr(app, "user_middleware", ())]
    return build is not None and not all(
        str(getattr(each, "__module__", None)).startswith(("starlette.", "fastapi.")) for each in (build, *makers)
    )


def _will_be(entry: Any, app: Any, path: str) -> Layer:
    made = entry.cls.func if isinstance(entry.cls, functools.partial) else entry.cls
    kind, name = kind_of(made) if isinstance(made, type) else Kind.OTHER, getattr(made, "__name__", "")
    if kind not in _MADE:
        return Layer(kind, path, None, name)
    try:
        return Layer(kind, path, entry.cls(app, *entry.args, **entry.kwargs), name)
    except Exception as exc:  # as Starlette will find at the first request
        return Layer(kind, path, None, name, reason_of(exc, made))


def _inside(app: Any) -> Iterator[Any]:
    """
    Yield the apps to which an app without routes hands requests on.
    """
    inner = getattr(app, "app", None)
    if callable(inner):
        yield inner
        return
    for value in held_by(app):
        yield from filter(_is_app, _each_in(value))


def _each_in(value: Any, depth: int = 3) -> Iterator[Any]:
    if isinstance(value, (dict, list, tuple)) and depth > 0:
        for each in value.values() if isinstance(value, dict) else value:
            yield from _each_in(each, depth - 1)
    else:
        yield value


def _is_app(thing: Any) -> bool:
    looks_like_one = kind_of(thing) is not Kind.OTHER or callable(getattr(thing, "app", None))
    return _has_routes(thing) or (looks_like_one and callable(thing) and not isinstance(thing, type))

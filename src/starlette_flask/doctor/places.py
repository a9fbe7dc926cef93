"""
Where an ASGI app answers: a path, and what a request goes through on its way there.
"""

import functools
import inspect
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any
from uuid import UUID

from starlette_flask.mounted import is_flask


class Kind(Enum):
    """
    What is known of a class by its name, so that none has to be imported.
    """

    SESSIONS = "starlette_flask.middleware.sessions.SessionMiddleware"
    LOGIN = "starlette_flask.middleware.login.LoginMiddleware"
    CSRF = "starlette_flask.middleware.csrf.CSRFMiddleware"
    WSGI = "starlette_flask.middleware.wsgi.WSGIMiddleware"
    STARLETTE = "starlette.middleware.sessions.SessionMiddleware"
    STARSESSIONS = "starsessions.middleware.SessionMiddleware"
    AUTHENTICATION = "starlette.middleware.authentication.AuthenticationMiddleware"
    STATIC = "starlette.staticfiles.StaticFiles"
    UVICORN_PROXY = "uvicorn.middleware.proxy_headers.ProxyHeadersMiddleware"
    HYPERCORN_PROXY = "hypercorn.middleware.proxy_fix.ProxyFixMiddleware"
    A2WSGI = "a2wsgi.wsgi.WSGIMiddleware"
    STARLETTE_WSGI = "starlette.middleware.wsgi.WSGIMiddleware"
    ASGIREF = "asgiref.wsgi.WsgiToAsgi"
    OTHER = ""


ADAPTERS = (Kind.WSGI, Kind.A2WSGI, Kind.STARLETTE_WSGI, Kind.ASGIREF)
"""What a WSGI app is mounted with."""

DEEPEST = 100
"""Of what is in one another, for objects that have no end."""

_PARAMETER = re.compile(r"{\w+(?::(\w+))?}")
_EXAMPLES = {"int": "1", "float": "1.0", "uuid": str(UUID(int=0))}


@dataclass(frozen=True, eq=False)
class Layer:
    """
    Middleware, or an app, on the way of a request.

    Args:
        kind: What it is.
        path: Where the app is mounted that it belongs to.
        part: The object; None if it isn't made yet.
        name: Of its class.
        trouble: Why it can't be made, and what to do.
    """

    kind: Kind
    path: str
    part: Any
    name: str = ""
    trouble: tuple[str, str] | None = None


@dataclass(frozen=True, eq=False)
class Place:
    """
    A path at which something answers.

    Args:
        path: With the parameters as the route has them.
        layers: What a request goes through, from the outside; of a mounted app the last one is the app.
        route: The route, unless it is a mount.
        root_path: As the app knows it, of ``FastAPI(root_path=...)``.
        is_docs: It is FastAPI's description of itself.
        hidden_by: Where Flask is mounted before it, and takes its requests.
    """

    path: str = ""
    layers: tuple[Layer, ...] = ()
    route: Any = None
    root_path: str = ""
    is_docs: bool = False
    hidden_by: str | None = None

    def of(self, *kinds: Kind) -> list[Layer]:
        """
        Return the layers of these kinds, from the outside.
        """
        return [layer for layer in self.layers if layer.kind in kinds]

    def parts(self, kind: Kind) -> list[Any]:
        """
        Return the objects of a kind, from the outside.
        """
        return [layer.part for layer in self.of(kind) if layer.part is not None]

    @property
    def shown(self) -> str:
        return self.path or "/"

    @property
    def url_path(self) -> str:
        """
        The path as browsers ask for it.
        """
        return self.shown if f"{self.path}/".startswith(f"{self.root_path}/") else self.root_path + self.path

    @property
    def methods(self) -> frozenset[str]:
        return frozenset(getattr(self.route, "methods", None) or ())

    @property
    def has_session(self) -> bool:
        """
        Tell whether the middleware gives it a session.
        """
        allowed = [part._allowed_path for part in self.parts(Kind.SESSIONS)]
        return any(each is None or any(map(each.fullmatch, self.examples())) for each in allowed)

    @property
    def needs_session(self) -> bool:
        """
        Tell whether somebody may want to know a user there.
        """
        return self.has_session and not (self.is_docs or self.of(Kind.STATIC) or self.flask_apps)

    @property
    def flask_apps(self) -> list[tuple[str, Any]]:
        """
        The Flask apps that answer, and where.
        """
        wsgi_apps = [layer.part for layer in self.of(*ADAPTERS)]
        return [found for app in wsgi_apps[-1:] for found in _flask_apps_in(app, self.path, DEEPEST)]

    def examples(self) -> list[str]:
        """
        Return paths that a browser may ask for here, as they are in the scope.
        """
        paths = [_PARAMETER.sub(functools.partial(_example, given), self.shown) for given in ("1", "a")]
        if self.route is None:
            paths.append(f"{self.path}/a")  # of a mounted app what is below counts as well
        return [prefix + path for path in paths for prefix in ("", self.root_path)]

    def depends_on(self, names: Iterable[str]) -> str | None:
        """
        Return which of these functions, by their full names, FastAPI calls for the route.
        """
        called = (f"{getattr(call, '__module__', '')}.{getattr(call, '__qualname__', '')}" for call in self._calls())
        return next((name for name in called if name in names), None)

    def mentions(self, text: str) -> bool:
        """
        Tell whether *text* is a constant in the view's code, or in that of a dependency.
        """
        codes = [getattr(inspect.unwrap(call), "__code__", None) for call in self._calls()]
        while codes:
            code = codes.pop()
            constants = getattr(code, "co_consts", ())
            if text in [each for each in constants if isinstance(each, str)]:
                return True
            codes += [each for each in constants if inspect.iscode(each)]  # of a function in it
        return False

    def _calls(self) -> Iterator[Any]:
        yield getattr(self.route, "endpoint", None)
        waiting = [getattr(self.route, "dependant", None)]
        while waiting:
            dependant = waiting.pop()
            yield getattr(dependant, "call", None)
            waiting += getattr(dependant, "dependencies", ())


def kind_of(thing: object) -> Kind:
    """
    Return what an object is, or a class.
    """
    for base in (thing if isinstance(thing, type) else type(thing)).__mro__:
        with suppress(ValueError):
            return Kind(f"{base.__module__}.{base.__qualname__}")
    return Kind.OTHER


def _example(given: str, parameter: re.Match[str]) -> str:
    return _EXAMPLES.get(parameter[1], given)


def held_by(app: Any) -> list[Any]:
    """
    Return what an object or a function refers to.
    """
    if isinstance(app, functools.partial):
        return [app.func, *app.args, *app.keywords.values(), *held_by(app.func)]
    owner = getattr(app, "__self__", None)  # of a method
    held = [owner, *getattr(owner, "__dict__", {}).values(), *getattr(app, "__dict__", {}).values()]
    function = getattr(app, "__func__", app)
    if inspect.isfunction(function):
        with suppress(ValueError):  # a variable that isn't set yet
            found = inspect.getclosurevars(function)
            held += [*found.nonlocals.values(), *found.globals.values()]
    return held


def _flask_apps_in(wsgi_app: Any, path: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth == 0 or wsgi_app is None:
        return
    if is_flask(wsgi_app) and not isinstance(wsgi_app, type):
        yield path, wsgi_app
        return
    mounts = getattr(wsgi_app, "mounts", None)  # of werkzeug's DispatcherMiddleware
    for prefix, each in mounts.items() if isinstance(mounts, dict) else ():
        yield from _flask_apps_in(each, path + prefix, depth - 1)
    names = ("app", "wsgi_application", "wsgi_app", "__self__")
    inside = next((each for name in names if (each := getattr(wsgi_app, name, None)) is not None), None)
    if inside is not None:
        yield from _flask_apps_in(inside, path, depth - 1)
    else:
        yield from ((path, each) for each in held_by(wsgi_app) if is_flask(each) and not isinstance(each, type))

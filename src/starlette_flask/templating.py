"""
What a Flask template expects to find, for one that has moved to Starlette.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode

from starlette.datastructures import URL, QueryParams
from starlette.requests import Request
from starlette.routing import NoMatchFound
from starlette.types import Scope

from starlette_flask.csrf import csrf_meta_tag, generate_csrf
from starlette_flask.flash import get_flashed_messages
from starlette_flask.login.manager import SCOPE_KEY as LOGIN_KEY
from starlette_flask.login.redirects import host_of
from starlette_flask.mounted import flask_url_for
from starlette_flask.routes import each_route, routes_of
from starlette_flask.wsgi import split_path


def flask_context(flask_app: Any = None) -> Callable[[Request], dict[str, Any]]:
    """
    Return a context processor: ``Jinja2Templates(directory, context_processors=[flask_context()])``.

    It gives a template ``get_flashed_messages``, ``csrf_token``, ``csrf_meta_tag``, ``session``, ``current_user``,
    ``request`` as a `FlaskRequest`, `url_for`, and ``config``, if there is a Flask app.

    ``current_user`` must have been loaded when the template is rendered: by `starlette_flask.login.current_user`
    as a dependency, of the route or of the whole app, or by Starlette's ``AuthenticationMiddleware``.

    Args:
        flask_app: The Flask app whose ``config`` the template reads.
    """

    def context(request: Request) -> dict[str, Any]:
        given = {
            "get_flashed_messages": partial(get_flashed_messages, request),
            "csrf_token": partial(generate_csrf, request),
            "csrf_meta_tag": partial(csrf_meta_tag, request),
            "request": FlaskRequest(request.scope, request.receive),
            "url_for": partial(url_for, request),
        }
        if "session" in request.scope:
            given["session"] = request.scope["session"]  # not request.session: nobody has read it yet
        if LOGIN_KEY in request.scope:
            visit = request.scope[LOGIN_KEY]
            given["current_user"] = visit.user if visit.is_loaded else _NotLoaded()
        if flask_app is not None:
            given["config"] = flask_app.config
        return given

    return context


class FlaskRequest(Request):
    """
    A request with those attributes of Flask's that templates use, beside Starlette's own.

    Of the same name and another meaning are ``url``, which prints the same, and ``base_url``.
    """

    @property
    def path(self) -> str:
        return "/" + split_path(self.scope)[1].decode(errors="replace").lstrip("/")

    @property
    def full_path(self) -> str:
        return f"{self.path}?{self.scope['query_string'].decode('latin-1')}"

    @property
    def script_root(self) -> str:
        return split_path(self.scope)[0].decode(errors="replace")

    @property
    def args(self) -> "Args":
        return Args(self.scope["query_string"])

    @property
    def endpoint(self) -> str | None:
        """
        The route's name.
        """
        view = self.scope.get("endpoint")
        # Starlette keeps the route in the scope of late; before, it is the one with this view.
        route = self.scope.get("route") or _route_of(view, self.path, routes_of(self.scope))
        return getattr(route, "name", getattr(view, "__name__", None))

    @property
    def blueprint(self) -> str | None:
        return (self.endpoint or "").rpartition(".")[0] or None

    @property
    def view_args(self) -> dict[str, Any]:
        return self.path_params

    @property
    def host(self) -> str:
        return host_of(self)

    @property
    def url(self) -> URL:
        return super().url.replace(netloc=self.host)

    @property
    def is_secure(self) -> bool:
        return bool(self.scope["scheme"] == "https")

    @property
    def referrer(self) -> str | None:
        return self.headers.get("referer")

    @property
    def remote_addr(self) -> str | None:
        return self.client.host if self.client else None


def _route_of(view: object, path: str, routes: Iterable[Any]) -> Any:
    for route in routes:
        if view is not None and getattr(route, "endpoint", None) is view and route.path_regex.match(path):
            return route
        inner = _route_of(view, path, each_route(getattr(route, "routes", None) or ()))
        if inner is not None:
            return inner
    return None


class Args(QueryParams):
    """
    The query as Werkzeug's ``MultiDict`` has it: of several values of a key the first counts.
    """

    def __init__(self, query: str | bytes) -> None:
        super().__init__(query)
        self._dict = dict(reversed(self._list))
        self._dict = {key: self._dict[key] for key, _ in self._list}

    def get(self, key: Any, default: Any = None, type: Callable[[str], Any] | None = None) -> Any:  # noqa: A002
        value = super().get(key)
        try:
            return default if value is None else value if type is None else type(value)
        except (TypeError, ValueError):
            return default


class _NotLoaded:
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Jinja asks for __html__ and the like
            raise AttributeError(name)
        raise RuntimeError(
            "the template asks for current_user, and nobody has loaded it; add Depends(current_user), of"
            " starlette_flask.login, to the route, or to the app: FastAPI(dependencies=[Depends(current_user)])"
        )


def url_for(request: Request, endpoint: str, /, **values: Any) -> str:
    """
    Return the URL of a route by its name, or else of a mounted Flask app's endpoint, as ``flask.url_for`` does.

    Args:
        request: The request.
        endpoint: A route's name, or as in Flask.
        values: As in Flask: for the path, ``_anchor``, ``_external``, ``_method``, ``_scheme``; the rest is the query.

    Raises:
        LookupError: There is neither, or it needs other values.
    """
    if endpoint.startswith("."):
        blueprint = FlaskRequest(request.scope).blueprint
        endpoint = f"{blueprint}{endpoint}" if blueprint else endpoint[1:]
    found = _route_path(request, endpoint, values)
    if found is None:
        return flask_url_for(request, endpoint, **values)
    path, names = found
    rest = {key: value for key, value in values.items() if key not in names and not key.startswith("_")}
    query = [(key, item) for key, value in rest.items() for item in _each(value)]
    url = path + ("?" + urlencode(query, safe="!$'()*,/:;?@") if query else "")
    if values.get("_anchor") is not None:
        url += "#" + quote(str(values["_anchor"]), safe="%!#$&'()*+,/:;=?@")
    scheme = values.get("_scheme")
    if values.get("_external") or (values.get("_external") is None and scheme is not None):
        url = f"{scheme or request.url.scheme}://{host_of(request)}{url}"
    return url


def _each(value: Any) -> list[Any]:
    values = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    return [item for item in values if item is not None]


def _route_path(request: Request, name: str, values: dict[str, Any]) -> tuple[str, set[str]] | None:
    """
    Return the path of the route *name* that takes what is in *values*, and the names of those that it takes.
    """
    scope = request.scope
    for route in routes_of(scope):
        if getattr(route, "name", None) == name:
            takes = set(getattr(route, "param_convertors", ()))
            given = {key: values[key] for key in takes & values.keys()}
            if takes == {"path"} and "filename" in values:  # static files, in Flask's words
                takes, given = {"filename"}, {"path": values["filename"]}
            with suppress(NoMatchFound):
                return _quoted(scope, route.url_path_for(name, **given)), takes
    # A route further in, "mount:name", must be given its parameters and nothing else.
    given = {key: value for key, value in values.items() if not key.startswith("_")}
    app = scope.get("router") or scope.get("app")
    if app is not None:
        with suppress(NoMatchFound):
            return _quoted(scope, app.url_path_for(name, **given)), set(given)
    return None


def _quoted(scope: Scope, path: str) -> str:
    root_path = scope.get("app_root_path", scope.get("root_path", ""))
    return quote(f"{root_path}{path}", safe="!$&'()*+,/:;=@")

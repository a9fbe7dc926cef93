"""
A mounted Flask app: it is given the session of the request, and asked for its URLs. Flask isn't imported.
"""

import copy
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.types import Scope

from starlette_flask.config import SessionConfig
from starlette_flask.exceptions import ConfigError
from starlette_flask.exchange import context_for_app
from starlette_flask.flask_settings import IS_SHARING, FlaskApp, code_of_its_own, name_of_interface, own_interface
from starlette_flask.log import log_not_shared
from starlette_flask.routes import each_route, routes_of
from starlette_flask.session import SCOPE_KEY, Session, config_of
from starlette_flask.wsgi import Environ, build_environ

T = TypeVar("T")

# Where the environ holds the session that the Flask app is to use.
_SESSION = "starlette_flask.session"


class SharedSession:
    """
    Gives a Flask app the session of the request it is mounted in, so that both sides have one object.

    The app keeps its session interface: a copy takes its place that knows one more case, a request
    with a session in its environ. Requests that come any other way are treated as ever.

    Args:
        app: The Flask app.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self._interface: Any = None
        self._answers: dict[SessionConfig, bool] = {}

    def put_into(self, environ: Environ, session: Session) -> None:
        """
        Let the request of *environ* use *session*, if the app would read and write the same cookie.
        """
        if self.app.session_interface is not self._interface:
            # At the first request, when the app is set up, and whenever it is given another one.
            self._interface = self.app.session_interface
            self._answers = {}
        config = config_of(session)
        if config not in self._answers:
            self._answers[config] = self._is_same_cookie(config)
        if self._answers[config]:
            if not hasattr(self._interface, IS_SHARING):
                self._interface = self.app.session_interface = _sharing(self._interface)
            environ[_SESSION] = self.app, session

    def _is_same_cookie(self, config: SessionConfig) -> bool:
        interface = own_interface(self.app)
        if config.store is not None:
            is_same = config.store.is_of(self.app, interface)
            if not is_same:
                log_not_shared(
                    f"SessionMiddleware's store wasn't made from its {name_of_interface(self.app)}",
                    "Give that config=SessionConfig.from_flask(app), or mount the app with share_session=False",
                )
            return is_same
        if not hasattr(interface, "get_signing_serializer"):
            log_not_shared(
                f"{name_of_interface(self.app)} keeps it, and SessionMiddleware keeps its own in the cookie",
                "Give that config=SessionConfig.from_flask(app), or mount the app with share_session=False",
            )
            return False
        try:
            difference = config.difference_from(SessionConfig.read_flask(self.app))
        except ConfigError as exc:
            log_not_shared(str(exc), "Mount the app with share_session=False")
            return False
        if difference:
            log_not_shared(
                f"it means another cookie than SessionMiddleware, by {', '.join(difference)}",
                "Give that config=SessionConfig.from_flask(app), or mount the app with share_session=False",
            )
        elif difference := code_of_its_own(self.app):
            log_not_shared(
                f"its session_interface has its own {', '.join(difference)}, which would be passed over",
                "Mount the app with share_session=False",
            )
        return not difference


def is_flask(app: object) -> bool:
    """
    Tell whether *app* is a Flask app, which is also a WSGI app.
    """
    return hasattr(app, "session_interface") and hasattr(app, "wsgi_app")


def call_in_request(shared: SharedSession, connection: HTTPConnection, function: Callable[[Any], T]) -> T:
    """
    Call *function* with a Flask request like this one, in its context, as the Flask app's own code is called.

    The request has no body. Where the code aborts, with ``flask.abort``, the answer is the same here.

    Raises:
        HTTPException: The code has aborted.
    """
    environ = build_environ(_as_http(connection.scope, connection.scope.get("root_path", "")), io.BytesIO())
    for key in ("CONTENT_LENGTH", "CONTENT_TYPE"):
        environ.pop(key, None)
    session = connection.scope.get(SCOPE_KEY)
    if session is not None:
        shared.put_into(environ, session)

    def call() -> T:
        with _aborting(), shared.app.request_context(environ) as context:
            return function(context.request)

    return context_for_app().run(call)


@contextmanager
def _aborting() -> Iterator[None]:
    try:
        yield
    except Exception as exc:
        # Werkzeug's HTTPException, which isn't imported.
        code = getattr(exc, "code", None)
        if hasattr(exc, "get_response") and isinstance(code, int):
            raise HTTPException(code, str(getattr(exc, "description", ""))) from exc
        raise


def http_connection(environ: Mapping[str, Any]) -> HTTPConnection:
    """
    Return the Starlette side of a request that a mounted WSGI app answers.

    In a Flask view: ``http_connection(request.environ).state.tenant``, ``.user``, ``.url_for("route")``.

    Args:
        environ: The request's.

    Raises:
        RuntimeError: The request didn't come through an ASGI app.
    """
    scope = environ.get("asgi.scope")
    if scope is None:
        raise RuntimeError("this request didn't come through an ASGI app; in a test, ask the app it is mounted in")
    return HTTPConnection(scope)


def flask_url_for(request: HTTPConnection, endpoint: str, **values: Any) -> str:
    """
    Return the URL of a mounted Flask app's endpoint, as ``flask.url_for`` does in the app, mount's prefix included.

    Args:
        request: Any request to the app that Flask is mounted in, at whatever depth.
        endpoint: As in Flask, blueprint's name included.
        values: As in Flask: for the rule, ``_anchor``, ``_external``, ``_method``, ``_scheme``; the rest is the query.

    Raises:
        LookupError: No Flask app is mounted by `Mount`, or its prefix holds a parameter that this request hasn't.
        werkzeug.routing.BuildError: The app has no such endpoint, or it needs other values.
    """
    return build_flask_url(request, endpoint, values)


def build_flask_url(request: HTTPConnection, endpoint: str, values: dict[str, Any], first: Any = None) -> str:
    """
    Do what `flask_url_for` does, and ask the Flask app *first* before others.
    """
    scope = request.scope
    root_path = scope.get("app_root_path", scope.get("root_path", ""))
    failure = LookupError(
        f"no route is called {endpoint!r}, and no Flask app is mounted here that may have such an endpoint; mount the"
        " Flask object itself with starlette_flask's WSGIMiddleware (what is around it goes into flask_app.wsgi_app)"
    )
    mounted = sorted(_mounted_flask_apps(routes_of(scope)), key=lambda prefix_and_app: prefix_and_app[1] is not first)
    for prefix, app in mounted:
        try:
            script_name = root_path + prefix.format_map(scope.get("path_params", {}))
        except KeyError as exc:
            failure = LookupError(f"Flask is mounted at {prefix!r}, and this request has no parameter {exc}")
            continue
        try:
            return _url_for(app, build_environ(_as_http(scope, script_name)), endpoint, values)
        except LookupError as exc:
            failure = exc
    raise failure


def _mounted_flask_apps(routes: Iterable[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for route in routes:
        path = prefix + getattr(route, "path_format", "").removesuffix("/{path}")
        app = getattr(route, "app", None)
        while app is not None:
            if getattr(app, "flask_app", None) is not None:
                yield path, app.flask_app
                break
            if hasattr(app, "routes"):
                yield from _mounted_flask_apps(each_route(app.routes), path)
                break
            app = getattr(app, "app", None)  # a middleware's


def _as_http(scope: Scope, root_path: str) -> Scope:
    scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    return {**scope, "scheme": scheme, "method": scope.get("method", "GET"), "root_path": root_path}


def _url_for(app: Any, environ: Environ, endpoint: str, values: dict[str, Any]) -> str:
    if values.get("_external") is None:
        # In a request URLs are relative by default, as they aren't outside.
        values = {**values, "_external": values.get("_scheme") is not None}

    def build() -> str:
        context = app.app_context()
        # Of a request's context only this is needed. All of it would open the app's session.
        with _aborting():  # if the host isn't trusted, or can't be one
            context.url_adapter = app.create_url_adapter(app.request_class(environ))
        with context:
            url: str = app.url_for(endpoint, **values)
            return url

    return context_for_app().run(build)


def _sharing(interface: Any) -> Any:
    sharing, kind = copy.copy(interface), type(interface)

    def open_session(app: FlaskApp, request: Any) -> Any:
        owner, session = request.environ.get(_SESSION, (None, None))
        # An app may hand the request on to another one.
        return session if owner is app else kind.open_session(sharing, app, request)

    def save_session(app: FlaskApp, session: Any, response: Any) -> None:
        if not isinstance(session, Session):  # or the middleware saves it, when the response starts
            kind.save_session(sharing, app, session, response)

    def regenerate(session: Any) -> None:
        if isinstance(session, Session):
            session.regenerate()  # type: ignore[attr-defined]  # a stored one has it, and no other is passed here
        else:
            kind.regenerate(sharing, session)

    if hasattr(kind, "regenerate"):  # Flask-Session's
        sharing.regenerate = regenerate
    # On the object, not in a class of our own: whoever asks for the interface's class is told the truth.
    sharing.open_session, sharing.save_session = open_session, save_session
    setattr(sharing, IS_SHARING, interface)
    return sharing

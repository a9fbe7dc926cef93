"""
A mounted Flask app: it is given the session of the request, and asked for its URLs. Flask isn't imported.
"""

import copy
from collections.abc import Mapping
from typing import Any

from starlette_flask.config import SessionConfig
from starlette_flask.exceptions import ConfigError
from starlette_flask.flask_settings import FlaskApp
from starlette_flask.log import log_not_shared
from starlette_flask.session import Session, config_of
from starlette_flask.wsgi import Environ

# Where the environ holds the session that the Flask app is to use.
_SESSION = "starlette_flask.session"
_IS_SHARING = "_starlette_flask_is_sharing"


class SharedSession:
    """
    Gives a Flask app the session of the request it is mounted in, so that both sides have one object.

    The app keeps its session interface: a copy takes its place that knows one more case, a request
    with a session in its environ. Requests that come any other way are treated as ever.

    Args:
        app: The Flask app.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._answers: dict[SessionConfig, bool] = {}

    def put_into(self, environ: Environ, session: Session) -> None:
        """
        Let the request of *environ* use *session*, if the app would read and write the same cookie.
        """
        config = config_of(session)
        if config not in self._answers:
            # At the first request, when the app is set up; its interface may be replaced after that still.
            self._answers[config] = self._is_same_cookie(config)
        if self._answers[config]:
            if not hasattr(self._app.session_interface, _IS_SHARING):
                self._app.session_interface = _sharing(self._app.session_interface)
            environ[_SESSION] = session

    def _is_same_cookie(self, config: SessionConfig) -> bool:
        try:
            difference = config.difference_from(SessionConfig.from_flask(self._app))
        except ConfigError as exc:
            log_not_shared(str(exc))
            return False
        if difference:
            log_not_shared(f"its {', '.join(difference)} differ from those of SessionMiddleware")
        return not difference


def is_flask(app: object) -> bool:
    """
    Tell whether *app* is a Flask app, which is also a WSGI app.
    """
    return hasattr(app, "session_interface") and hasattr(app, "wsgi_app")


def url_for(app: Any, environ: Environ, endpoint: str, values: Mapping[str, Any]) -> str:
    """
    Return what ``flask.url_for`` returns in a request with this environ.

    Raises:
        werkzeug.routing.BuildError: The app has no such endpoint, or it needs other values.
    """
    context = app.app_context()
    # Of a request's context only this is needed. All of it would open the app's session.
    context.url_adapter = app.create_url_adapter(app.request_class(environ))
    with context:
        # In a request URLs are relative by default, as they aren't outside.
        url: str = app.url_for(endpoint, **{"_external": values.get("_scheme") is not None, **values})
        return url


def _sharing(interface: Any) -> Any:
    sharing = copy.copy(interface)

    def open_session(app: FlaskApp, request: Any) -> Any:
        session = request.environ.get(_SESSION)
        return interface.open_session(app, request) if session is None else session

    def save_session(app: FlaskApp, session: Any, response: Any) -> None:
        if not isinstance(session, Session):  # or the middleware saves it, when the response starts
            interface.save_session(app, session, response)

    # On the object, not in a class of our own: whoever asks for the interface's class is told the truth.
    sharing.open_session, sharing.save_session = open_session, save_session
    setattr(sharing, _IS_SHARING, True)
    return sharing

"""
What a Flask app has registered with Flask-JWT-Extended, for this side. Flask isn't imported.
"""

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection
from starlette.responses import Response

from starlette_flask.exceptions import ConfigError, ConfigTypeError
from starlette_flask.exchange import context_for_app
from starlette_flask.jwt.errors import JWTError
from starlette_flask.mounted import SharedSession, call_in_request

# Flask-JWT-Extended's names of the callbacks, by those of the decorators (flask_jwt_extended.jwt_manager, 4.7).
_ATTRIBUTES = {
    "additional_claims_loader": "_user_claims_callback",
    "additional_headers_loader": "_jwt_additional_header_callback",
    "decode_key_loader": "_decode_key_callback",
    "encode_key_loader": "_encode_key_callback",
    "expired_token_loader": "_expired_token_callback",
    "invalid_token_loader": "_invalid_token_callback",
    "needs_fresh_token_loader": "_needs_fresh_token_callback",
    "revoked_token_loader": "_revoked_token_callback",
    "token_in_blocklist_loader": "_token_in_blocklist_callback",
    "token_verification_failed_loader": "_token_verification_failed_callback",
    "token_verification_loader": "_token_verification_callback",
    "unauthorized_loader": "_unauthorized_callback",
    "user_identity_loader": "_user_identity_callback",
    "user_lookup_error_loader": "_user_lookup_error_callback",
    "user_lookup_loader": "_user_lookup_callback",
}


@dataclass(frozen=True)
class InFlask:
    """
    A callback of the Flask app's own, called in its context.
    """

    shared_session: SharedSession
    callback: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        def call() -> Any:
            with self.shared_session.app.app_context():
                return self.callback(*args)

        return context_for_app().run(call)

    def call(self, connection: HTTPConnection, *args: Any) -> Any:
        """
        Call it in a request like *connection*.
        """

        def in_request(request: Any) -> Any:
            try:
                return self.callback(*args)
            except Exception as exc:  # the app's code may raise anything; what the app doesn't answer is raised again
                error = JWTError("The Flask app has refused the token")
                error.response = self._response(self.shared_session.app.handle_user_exception(exc), request)
                raise error from exc

        return call_in_request(self.shared_session, connection, in_request)

    def respond(self, connection: HTTPConnection, *args: Any) -> Response:
        """
        Call it in a request like *connection*, and return the response that Flask would make of what it returns.
        """

        def in_request(request: Any) -> Response:
            return self._response(self.callback(*args), request)

        return call_in_request(self.shared_session, connection, in_request)

    def _response(self, returned: Any, request: Any) -> Response:
        made = self.shared_session.app.make_response(returned)
        response = Response(made.get_data(), made.status_code)
        response.raw_headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in made.get_wsgi_headers(request.environ)
        ]
        return response


def callbacks_of(app: Any, theirs: Any) -> dict[str, InFlask]:
    """
    Return the callbacks that a Flask app has registered itself, by the names of the decorators.

    Raises:
        ConfigError: It isn't known where this version keeps them.
        ConfigTypeError: One is a coroutine.
    """
    shared_session = SharedSession(app)
    if missing := [attribute for attribute in _ATTRIBUTES.values() if not hasattr(theirs, attribute)]:
        raise ConfigError(
            f"the app's Flask-JWT-Extended isn't one of 4.7, it has no {missing[0]}: its callbacks can't be taken over;"
            " use JWTManager.from_mapping(app.config), and register them"
        )
    found = {name: getattr(theirs, attribute) for name, attribute in _ATTRIBUTES.items()}
    if broken := [name for name, callback in found.items() if inspect.iscoroutinefunction(callback)]:
        raise ConfigTypeError(f"the app's {broken[0]} is a coroutine, which Flask-JWT-Extended doesn't wait for")
    return {
        name: InFlask(shared_session, callback)
        for name, callback in found.items()
        if callback is not None and getattr(callback, "__module__", None) != "flask_jwt_extended.default_callbacks"
    }


def encoder_of(app: Any) -> type[json.JSONEncoder]:
    """
    Return what writes in tokens what JSON lacks: as Flask-JWT-Extended, by the class of the app's JSON provider.
    """
    provider = getattr(app, "json_provider_class", None)

    class Encoder(json.JSONEncoder):
        def default(self, o: Any) -> Any:
            return provider.default(o)  # type: ignore[union-attr]  # every Flask app since 2.2 has one

    return Encoder

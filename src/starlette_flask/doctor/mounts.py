"""
How Flask is mounted, and what else is.
"""

import os
from collections.abc import Iterator

from starlette_flask.config import SessionConfig
from starlette_flask.doctor.findings import Finding
from starlette_flask.doctor.pair import Pair
from starlette_flask.doctor.places import Kind
from starlette_flask.exceptions import ConfigError
from starlette_flask.flask_settings import name_of_interface
from starlette_flask.mounted import is_flask

_CRUMBS = (
    "it joins the cookies of a request over HTTP/2 with commas, which Flask can't read: behind a server that speaks it,"
    " users are strangers in Flask"
)
_NOTICED = {
    Kind.A2WSGI: "on uvicorn, a stranger on the same connection can become the user who uploaded a file before",
    Kind.STARLETTE_WSGI: _CRUMBS,
    Kind.ASGIREF: _CRUMBS,
}
_MOUNT = "mount it with starlette_flask.middleware.wsgi.WSGIMiddleware(flask_app)"


def adapters(pair: Pair) -> Iterator[Finding]:
    """
    Flask mounted with what confuses users.
    """
    for place in pair.places:
        for layer in place.of(*_NOTICED):
            # What uvicorn is told by the environment can be known here. It speaks no HTTP/2.
            if not _resets_contextvars() and place.flask_apps:
                yield Finding(
                    "adapter",
                    f"Flask is mounted at {layer.path or '/'} with {layer.kind.value}: {_NOTICED[layer.kind]}",
                    f"{_MOUNT}; or run uvicorn --reset-contextvars, by UVICORN_RESET_CONTEXTVARS=1 in the environment,"
                    " here as well",
                )
        if place.layers and is_flask(place.layers[-1].part):
            yield Finding(
                "adapter", f"Flask is mounted at {place.shown} without an adapter: its pages end in an error", _MOUNT
            )


def other_flask_apps(pair: Pair) -> Iterator[Finding]:
    """
    Another Flask app that has a cookie of the same name, and can't read that of this one.
    """
    if pair.theirs is None:
        return
    for path, app in dict.fromkeys(found for place in pair.places for found in place.flask_apps):
        if app is pair.flask_app:
            continue
        try:
            config = SessionConfig.read_flask(app)
        except ConfigError:
            name = app.config.get("SESSION_COOKIE_NAME", "session")
            reason = f"kept by {name_of_interface(app)}"
            if name != pair.theirs.session_cookie or app.secret_key is None:
                continue
        else:
            is_same = (config.session_cookie, config.path, config.domain) == (
                pair.theirs.session_cookie,
                pair.theirs.path,
                pair.theirs.domain,
            )
            difference = {"secret_key", "salt", "signer_kwargs"} & {*config.difference_from(pair.theirs)}
            if not (is_same and difference):
                continue
            reason = f"with another {', '.join(sorted(difference))}"
        yield pair.finding(
            "other_flask_app",
            f"the Flask app at {path or '/'} has a cookie {pair.theirs.session_cookie!r}, too, {reason}:"
            " each logs out the users of the other",
            "give it the same SECRET_KEY and session_interface, or another SESSION_COOKIE_NAME",
        )


def _resets_contextvars() -> bool:
    return os.environ.get("UVICORN_RESET_CONTEXTVARS", "").lower() in ("1", "true", "t", "yes", "y", "on")

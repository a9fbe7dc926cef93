"""
To the login page with its ``next``, as Flask-Login makes it; and back, as browsers read it.
"""

import re
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit, urlunsplit

from starlette.requests import HTTPConnection
from starlette.routing import NoMatchFound
from starlette.types import Scope

from starlette_flask.exceptions import ConfigError
from starlette_flask.mounted import build_flask_url
from starlette_flask.routes import routes_of
from starlette_flask.wsgi import split_path

# What stays percent-encoded where Werkzeug makes a URL readable (werkzeug.urls.uri_to_iri, 3.1).
_KEPT_IN_PATH = re.compile("((?:%(?:[01][0-9A-F]|20|23|25|2F|3F|7F))+)", re.IGNORECASE)
_KEPT_IN_QUERY = re.compile("((?:%(?:[01][0-9A-F]|20|23|25|26|2B|3D|7F))+)", re.IGNORECASE)
# Browsers drop some of these from a URL and take others for something else (WHATWG URL, section 4.4).
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f\\]")


def expand_login_view(connection: HTTPConnection, view: str, flask_app: Any = None) -> str:
    """
    Return the URL of a login view: a URL, a path, the name of a route, or an endpoint of a mounted Flask app.

    Args:
        connection: The one to redirect.
        view: As a login manager has it.
        flask_app: The Flask app whose endpoints come first.

    Raises:
        ConfigError: It is none of these.
    """
    if view.startswith(("https://", "http://", "/")):
        return view
    routes = list(routes_of(connection.scope))
    paths = {getattr(route, "path", None) for route in routes if getattr(route, "name", None) == view}
    # A route that only takes the form may have the name, while the page is still Flask's.
    if not paths or any(getattr(route, "path", None) in paths and _takes_get(route) for route in routes):
        with suppress(NoMatchFound):
            return connection.url_for(view).path
    try:
        return build_flask_url(connection, view, {}, flask_app)
    except LookupError as exc:
        raise ConfigError(
            f"the login view {view!r} is neither a route nor an endpoint of a mounted Flask app; give its path"
        ) from exc


def make_next_param(connection: HTTPConnection, login_url: str) -> str:
    """
    Return the URL that was asked for as the login page is given it: without the host, if that is its own.

    Mirrors ``flask_login.utils.make_next_param`` (0.6.3) of Werkzeug's ``request.url`` (3.1), but for what browsers
    take for another host: a backslash stays encoded, and the path begins with one slash.
    """
    login, url = urlsplit(login_url), _path_and_query(connection.scope)
    scheme, host = connection.scope["scheme"], host_of(connection)
    if login.scheme not in ("", scheme) or login.netloc not in ("", host):
        return f"{scheme}://{host}{url}"
    return url


def make_login_url(login_url: str, next_param: str | None, force_host: str | None) -> str:
    """
    Return the login page's URL with where to go next in its query.

    Mirrors ``flask_login.utils.login_url`` (0.6.3).

    Args:
        login_url: The page's.
        next_param: What `make_next_param` returned; None: nothing is added.
        force_host: As ``FORCE_HOST_FOR_REDIRECTS``.
    """
    if next_param is None:
        return login_url
    parts = urlsplit(login_url)
    query = {**parse_qs(parts.query, keep_blank_values=True), "next": next_param}
    return urlunsplit(parts._replace(netloc=force_host or parts.netloc, query=urlencode(query, doseq=True)))


def is_own_url(connection: HTTPConnection, url: str) -> bool:
    """
    Tell whether a browser that is sent to *url* stays on the host that *connection* asked for.
    """
    if _NOT_IN_URL.search(url):
        return False
    if url.startswith("/"):
        return not url.startswith("//")
    return url.startswith(f"{connection.scope['scheme']}://{host_of(connection)}/")


def _takes_get(route: Any) -> bool:
    return "GET" in (getattr(route, "methods", None) or ("GET",))


def _path_and_query(scope: Scope) -> str:
    # As werkzeug.sansio.utils.get_current_url: quoted, and then made readable.
    root, path = (quote(part, safe="!$&'()*+,/:;=@%").lstrip("/") for part in split_path(scope))
    query = quote(scope["query_string"], safe="!$&'()*+,/:;=?@%")
    root = root.rstrip("/")
    readable_path = _readable(f"/{root}/{path}" if root else f"/{path}", _KEPT_IN_PATH).replace("\\", "%5C")
    return readable_path + ("?" + _readable(query, _KEPT_IN_QUERY) if query else "")


def host_of(connection: HTTPConnection) -> str:
    """
    Return the host that was asked for, without the scheme's own port.
    """
    host = connection.headers.get("host", "")
    return host.removesuffix({"http": ":80", "https": ":443"}.get(connection.scope["scheme"], ":"))


def _readable(part: str, kept: re.Pattern[str]) -> str:
    pieces = kept.split(part)
    return "".join(piece if index % 2 else _unquoted(piece) for index, piece in enumerate(pieces))


def _unquoted(piece: str) -> str:
    try:
        return unquote(piece, errors="strict")
    except UnicodeDecodeError:  # bytes that are no text stay as they are
        return piece

"""
For the tests of your app: look into the session and change it, without a request that does.

The clients are Starlette's ``TestClient`` and those of httpx.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial
from types import SimpleNamespace, TracebackType
from typing import Any, TypeVar
from urllib.parse import urljoin
from urllib.request import Request

import anyio
from itsdangerous import BadData
from starlette.requests import HTTPConnection
from starlette.types import Scope

from starlette_flask.config import SessionConfig
from starlette_flask.cookie_reader import CookieReader
from starlette_flask.exceptions import ConfigError
from starlette_flask.formats.cookies import Header
from starlette_flask.login import login_user
from starlette_flask.login.manager import SCOPE_KEY as LOGIN_KEY
from starlette_flask.login.manager import LoginManager, Visit
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.middleware.sessions import SessionMiddleware
from starlette_flask.session import Session, dump_cookie

M = TypeVar("M", SessionMiddleware, LoginMiddleware)


class session_transaction(AbstractContextManager[Session], AbstractAsyncContextManager[Session]):  # noqa: N801
    """
    Open a client's session, to read and change it: ``with session_transaction(client) as session``.

    When the block ends, the client's cookie is what the session is then; after an exception it is what it was. With an
    async client: ``async with``. As ``flask.testing.FlaskClient.session_transaction``, and written like it.

    Args:
        client: The client, which is left with one cookie of the name at most.
        config: What the cookie is; default: as the `SessionMiddleware` of the client's app has it.

    Raises:
        LookupError: No *config* is given, and the client's app has no such middleware, or isn't at hand.
    """

    _session: Session

    def __init__(self, client: Any, config: SessionConfig | None = None) -> None:
        self._client = client
        self._config = config or _middleware_of(client, SessionMiddleware, "config").config
        store = self._config.store
        self._keeper = None if store is None else store.keeper(self._config, CookieReader(self._config), True)

    def __enter__(self) -> Session:
        if self._keeper is None:
            return self._open()
        self._session = _run(self._client, partial(self._keeper.open, self._scope()))
        return self._session

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None and self._keeper is None:
            self._save()
        elif error is None and self._keeper is not None:
            self._receive_all(_run(self._client, partial(self._keeper.save, self._session, [], self._config.path)))

    async def __aenter__(self) -> Session:
        if self._keeper is None:
            return self._open()
        self._session = await self._keeper.open(self._scope())
        return self._session

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None and self._keeper is None:
            self._save()
        elif error is None and self._keeper is not None:
            self._receive_all(await self._keeper.save(self._session, [], self._config.path))

    def _cookies(self) -> list[Any]:
        return [cookie for cookie in self._client.cookies.jar if cookie.name == self._config.session_cookie]

    def _forget(self) -> None:
        for cookie in self._cookies():
            self._client.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)

    # In the cookie.

    def _open(self) -> Session:
        values = [cookie.value for cookie in self._cookies()]
        try:
            data = self._config.signing_serializer.loads(values[0] or "", self._config.accepted_age) if values else {}
        except BadData:  # an empty session, as for the app
            data = {}
        self._session = Session(data)
        return self._session

    def _save(self) -> None:
        self._forget()
        if self._session:
            value = self._config.signing_serializer.dump_value(self._session)
            line = dump_cookie(self._config, value, self._session.permanent)
            _receive(self._client, line, self._config.path)

    # In a store.

    def _scope(self) -> Scope:
        pairs = [f"{cookie.name}={cookie.value}".encode() for cookie in self._cookies()]
        headers = [(b"cookie", b"; ".join(pairs))]
        return {"type": "http", "method": "GET", "scheme": "http", "path": "/", "query_string": b"", "headers": headers}

    def _receive_all(self, headers: list[Header]) -> None:
        lines = [line for name, line in headers if name == b"set-cookie"]
        if lines:
            self._forget()
        for line in lines:
            if self._config.cookie.value_set_by(line, "/"):
                _receive(self._client, line, self._config.path)


def login_client(
    client: Any,
    user: Any,
    *,
    remember: bool = False,
    fresh: bool = True,
    config: SessionConfig | None = None,
    manager: LoginManager | None = None,
) -> None:
    """
    Log a user in, so that the client's next request is theirs.

    Args:
        client: The client.
        user: As a user loader returns it. One who isn't active is logged in, too.
        remember: Give the client the remember cookie as well.
        fresh: As `login_user` has it.
        config: As `session_transaction` has it.
        manager: Default: that of the `LoginMiddleware` of the client's app.

    Raises:
        LookupError: *config* or *manager* isn't given, and the client's app has no such middleware.
    """
    manager = manager or _middleware_of(client, LoginMiddleware, "manager").manager
    with session_transaction(client, config) as session:
        scope: Scope = {
            "type": "http",
            "path": "/",
            "headers": [(b"user-agent", client.headers.get("user-agent", "").encode())],
            "client": getattr(client._transport, "client", ("testclient", 50000)),  # as in Starlette before 0.42
            "session": session,
        }
        scope[LOGIN_KEY] = Visit(manager, scope, session)
        connection = HTTPConnection(scope)
        login_user(connection, user, remember=remember, fresh=fresh, force=True)
        for _, line in manager.finish(connection, []):
            _receive(client, line, "/")


def make_session_cookie(data: Mapping[str, Any], config: SessionConfig) -> str:
    """
    Return the value of the session's cookie with this content.

    Raises:
        ConfigError: The session is kept in a store, and the cookie holds an id only.
    """
    _no_store(config)
    return config.signing_serializer.dumps(data)


def read_session_cookie(response: Any, config: SessionConfig) -> dict[str, Any]:
    """
    Return the session that a response sets; empty if it deletes it.

    Args:
        response: Of one of the clients, or of Werkzeug's.
        config: What the cookie is.

    Raises:
        LookupError: The response says nothing of the session.
        itsdangerous.BadData: The cookie isn't a good one.
        ConfigError: The session is kept in a store, and the cookie holds an id only.
    """
    _no_store(config)
    headers = response.headers
    lines = (headers.get_list if hasattr(headers, "get_list") else headers.getlist)("set-cookie")
    values = [config.cookie.value_set_by(line.encode(), "/") for line in lines]
    found = [value for value in values if value is not None]
    if not found:
        raise LookupError(f"the response sets no cookie {config.session_cookie!r} of this path and domain")
    return config.signing_serializer.loads(found[-1], config.accepted_age) if found[-1] else {}


class BrowserCookies:
    """
    The cookies that a browser keeps of one host, by name, domain and path.

    The lines of a response are applied one by one, as they come. Python's own cookie jars apply the deletions of a
    response before the rest, and hide that the one deletes what the other has just set.
    """

    def __init__(self) -> None:
        self._values: dict[tuple[str, str, str], str] = {}

    def receive(self, lines: Iterable[str], path: str = "/") -> None:
        """
        Apply the ``Set-Cookie`` lines of a response to a request for *path*.
        """
        for line in lines:
            pair, *rest = line.split(";")
            name, _, value = pair.partition("=")
            given = {key.strip().lower(): item.strip() for key, _, item in (part.partition("=") for part in rest)}
            at = given.get("path") or path[: path.rfind("/")] or "/"
            key = (name.strip(), given.get("domain", "").lstrip("."), at)
            if _is_deletion(given):
                self._values.pop(key, None)
            else:
                self._values[key] = value.strip()

    def header(self, path: str = "/") -> str:
        """
        Return the ``Cookie`` line of a request for *path*; empty if there is nothing to send.
        """
        # Longer paths first, else in the order of setting: RFC 6265, section 5.4.
        cookies = sorted(self._values.items(), key=lambda cookie: -len(cookie[0][2]))
        return "; ".join(f"{name}={value}" for (name, _, at), value in cookies if _matches(path, at))

    def get(self, name: str) -> str | None:
        """
        Return the value of the cookie *name*, or None.

        Raises:
            LookupError: There are several, of different paths or domains.
        """
        values = [value for (key, _, _), value in self._values.items() if key == name]
        if len(values) > 1:
            raise LookupError(f"there are {len(values)} cookies {name!r}")
        return values[0] if values else None

    def delete(self, name: str) -> None:
        """
        Forget the cookies *name*, as when the browser is closed or its user clears them.
        """
        self._values = {key: value for key, value in self._values.items() if key[0] != name}


def _is_deletion(attributes: Mapping[str, str]) -> bool:
    if "max-age" in attributes:
        return int(attributes["max-age"]) <= 0
    return "expires" in attributes and parsedate_to_datetime(attributes["expires"]).timestamp() <= time.time()


def _matches(path: str, cookie_path: str) -> bool:
    path = path.partition("?")[0]
    return path == cookie_path or path.startswith(cookie_path if cookie_path.endswith("/") else cookie_path + "/")


def _no_store(config: SessionConfig) -> None:
    if config.store is not None:
        raise ConfigError("the session is kept in a store, and its cookie holds an id only; use session_transaction")


def _run(client: Any, function: Callable[[], Any]) -> Any:
    # In a block ``with TestClient(app)`` the app has an event loop, which its clients of servers belong to.
    portal = getattr(client, "portal", None)
    return anyio.run(function) if portal is None else portal.call(function)


def _receive(client: Any, line: bytes, path: str) -> None:
    # As if the app had sent it, so that the jar takes the next one that it does send for the same cookie.
    message = Message()
    message["Set-Cookie"] = line.decode()
    request = Request(urljoin(str(client.base_url), path))  # noqa: S310  # it isn't sent
    client.cookies.jar.extract_cookies(SimpleNamespace(info=lambda: message), request)


def _middleware_of(client: Any, kind: type[M], keyword: str) -> M:
    app = getattr(client, "app", getattr(getattr(client, "_transport", None), "app", None))
    while app is not None:
        if isinstance(app, kind):
            return app
        for middleware in getattr(app, "user_middleware", ()):
            if isinstance(middleware.cls, type) and issubclass(middleware.cls, kind):
                return middleware.cls(app, *middleware.args, **middleware.kwargs)
        app = getattr(app, "app", None)
    raise LookupError(f"the client's app has no {kind.__name__} that can be found; pass {keyword}=")

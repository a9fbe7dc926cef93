"""
How users are loaded, remembered and turned away.
"""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha512
from typing import Any, NoReturn, TypeVar

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Secret
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import Scope

from starlette_flask.checks import flag
from starlette_flask.exceptions import ConfigError
from starlette_flask.flash import flash
from starlette_flask.formats.cookies import Header
from starlette_flask.login.redirects import expand_login_view, make_login_url, make_next_param
from starlette_flask.login.remember_cookie import RememberCookie
from starlette_flask.login.users import AnonymousUserMixin
from starlette_flask.mounted import SharedSession, call_in_request
from starlette_flask.session import Session, give_way, is_assigned

SCOPE_KEY = "starlette_flask.login"
"""Where the middleware keeps a connection's `Visit`."""

# What Flask-Login keeps in the session (flask_login.config.SESSION_KEYS).
_SESSION_KEYS = ("_user_id", "_remember", "_remember_seconds", "_id", "_fresh", "next")

# What from_flask takes over from flask_login.LoginManager, which has no config keys for it.
_TAKEN_OVER = (
    "login_view",
    "refresh_view",
    "login_message",
    "login_message_category",
    "needs_refresh_message",
    "needs_refresh_message_category",
    "anonymous_user",
    "id_attribute",
)

UserLoader = Callable[[Any], Any]
RequestLoader = Callable[[HTTPConnection], Any]
Handler = Callable[[HTTPConnection], Response | Awaitable[Response]]
L = TypeVar("L", bound=Callable[..., Any])


class LoginManager:
    """
    How users are loaded, remembered and turned away, as ``flask_login.LoginManager``.

    The attributes without ``remember_cookie_`` may be set later, too. Loaders and handlers may be ``async def`` or
    ``def``, which runs in a worker thread.

    Args:
        secret_key: Signs the remember cookie; the Flask app's ``SECRET_KEY``. ``str`` is taken as latin-1.
        session_protection: What happens to a session that comes from another address or browser: ``"basic"``, it is
            no longer fresh; ``"strong"``, its user is logged out; None, nothing.
        login_view: Where a browser is sent to log in: a path or URL, the name of a route, or an endpoint of the mounted
            Flask app. Without one it gets 401, as any other client.
        refresh_view: The same for logging in again, when the login must be fresh.
        login_message: Flashed on the way to *login_view*; None or empty: nothing.
        login_message_category: Its category.
        needs_refresh_message: Flashed on the way to *refresh_view*.
        needs_refresh_message_category: Its category.
        localize_callback: Translates the two messages.
        anonymous_user: Makes the user when nobody is logged in.
        id_attribute: The attribute, or method, of a user that the session keeps: ``"fs_uniquifier"`` for
            Flask-Security.
        login_disabled: `login_required` lets everybody in, as ``LOGIN_DISABLED``, for tests.
        use_session_for_next: Keep where to go next in the session and not in the URL, as ``USE_SESSION_FOR_NEXT``.
        force_host_for_redirects: As ``FORCE_HOST_FOR_REDIRECTS``.
        remember_cookie_name: As ``REMEMBER_COOKIE_NAME``.
        remember_cookie_duration: As ``REMEMBER_COOKIE_DURATION``; seconds or a timedelta.
        remember_cookie_domain: As ``REMEMBER_COOKIE_DOMAIN``.
        remember_cookie_path: As ``REMEMBER_COOKIE_PATH``.
        remember_cookie_secure: As ``REMEMBER_COOKIE_SECURE``.
        remember_cookie_httponly: As ``REMEMBER_COOKIE_HTTPONLY``.
        remember_cookie_samesite: As ``REMEMBER_COOKIE_SAMESITE``.
        remember_cookie_refresh_each_request: As ``REMEMBER_COOKIE_REFRESH_EACH_REQUEST``.
        regenerate_session: Give the session a new id when somebody logs in, where a server keeps it: whoever knew the
            one before then knows nothing. Flask-Login doesn't.

    Raises:
        ConfigError: A value can't work.
        ConfigTypeError: A value has the wrong type.
    """

    def __init__(
        self,
        *,
        secret_key: str | bytes | Secret,
        session_protection: str | None = "basic",
        login_view: str | None = None,
        refresh_view: str | None = None,
        login_message: Any = "Please log in to access this page.",
        login_message_category: str = "message",
        needs_refresh_message: Any = "Please reauthenticate to access this page.",
        needs_refresh_message_category: str = "message",
        localize_callback: Callable[[Any], Any] | None = None,
        anonymous_user: Callable[[], Any] = AnonymousUserMixin,
        id_attribute: str = "get_id",
        login_disabled: bool = False,
        use_session_for_next: bool = False,
        force_host_for_redirects: str | None = None,
        remember_cookie_name: str = "remember_token",
        remember_cookie_duration: int | timedelta = timedelta(days=365),
        remember_cookie_domain: str | None = None,
        remember_cookie_path: str = "/",
        remember_cookie_secure: bool = False,
        remember_cookie_httponly: bool = True,
        remember_cookie_samesite: str | None = None,
        remember_cookie_refresh_each_request: bool = False,
        regenerate_session: bool = True,
    ) -> None:
        if session_protection not in (None, "basic", "strong"):
            raise ConfigError(f"unknown session_protection {session_protection!r}; use 'basic', 'strong' or None")
        self.session_protection = session_protection
        self.login_view = login_view
        self.refresh_view = refresh_view
        self.login_message = login_message
        self.login_message_category = login_message_category
        self.needs_refresh_message = needs_refresh_message
        self.needs_refresh_message_category = needs_refresh_message_category
        self.localize_callback = localize_callback
        self.anonymous_user = anonymous_user
        self.id_attribute = id_attribute
        self.login_disabled = flag(login_disabled, "login_disabled")
        self.use_session_for_next = flag(use_session_for_next, "use_session_for_next")
        self.force_host_for_redirects = force_host_for_redirects
        self.regenerate_session = flag(regenerate_session, "regenerate_session")
        self.flask_app: Any = None
        """The one of `from_flask`, whose endpoints come before those of others."""
        self.user_callback: UserLoader | None = None
        self.request_callback: RequestLoader | None = None
        self.unauthorized_callback: Handler | None = None
        self.needs_refresh_callback: Handler | None = None
        self.remember_cookie_refresh_each_request = flag(
            remember_cookie_refresh_each_request, "remember_cookie_refresh_each_request"
        )
        self.remember_cookie = RememberCookie(
            secret_key,
            name=remember_cookie_name,
            duration=remember_cookie_duration,
            domain=remember_cookie_domain,
            path=remember_cookie_path,
            secure=remember_cookie_secure,
            httponly=remember_cookie_httponly,
            samesite=remember_cookie_samesite,
        )

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], **keywords: Any) -> "LoginManager":
        """
        Return a manager with the settings that Flask-Login reads from a Flask app's config.

        Args:
            mapping: ``SECRET_KEY``, ``SESSION_PROTECTION``, ``REMEMBER_COOKIE_*``, ``LOGIN_DISABLED``,
                ``USE_SESSION_FOR_NEXT``, ``FORCE_HOST_FOR_REDIRECTS``. Other keys are ignored.
            keywords: As those of the class; they come first.

        Raises:
            ConfigError: No secret key, or a value that can't work.
        """
        names = [name for name in inspect.signature(cls.__init__).parameters if name.startswith("remember_cookie_")]
        names += ["session_protection", "login_disabled", "use_session_for_next", "force_host_for_redirects"]
        found = {name: mapping[name.upper()] for name in names if name.upper() in mapping}
        if found.get("session_protection") not in (None, "basic", "strong"):
            found["session_protection"] = None  # as Flask-Login has it
        return cls(**{"secret_key": mapping.get("SECRET_KEY"), **found, **keywords})

    @classmethod
    def from_flask(cls, app: Any, **keywords: Any) -> "LoginManager":
        """
        Return a manager with what the Flask app's own ``app.login_manager`` has, loaders included.

        The loaders run in a worker thread, in the context of a request to the app, as in Flask. Afterwards the
        context is left, and what an ORM would load later, it can't. The app's handlers for the unauthorized aren't
        taken over: they answer in Flask. Its *login_view* is an endpoint of it, and is found if the app is mounted.

        Args:
            app: The Flask app, set up.
            keywords: As those of the class; they come first.

        Raises:
            ConfigError: It has no login manager, or one that identifies sessions in a way of its own.
        """
        theirs = getattr(app, "login_manager", None)
        if theirs is None:
            raise ConfigError("the Flask app has no login manager; call flask_login.LoginManager(app) before")
        # Of the two places that say how sessions are protected, the config comes first, even with None.
        config = {"SESSION_PROTECTION": theirs.session_protection, **app.config}
        generator = getattr(theirs, "_session_identifier_generator", None)
        is_own = getattr(generator, "__module__", None) != "flask_login.utils"
        if is_own and config["SESSION_PROTECTION"] in ("basic", "strong"):
            raise ConfigError(
                "the Flask app's login manager has a session identifier of its own, which can't be followed;"
                " set its session_protection to None"
            )
        taken = {name: getattr(theirs, name) for name in _TAKEN_OVER}
        manager = cls.from_mapping(config, **{**taken, **keywords})
        manager.flask_app, shared_session = app, SharedSession(app)
        for name in ("user_callback", "request_callback", "localize_callback"):
            if name not in keywords and getattr(theirs, name) is not None:
                setattr(manager, name, _InFlask(shared_session, getattr(theirs, name)))
        return manager

    def user_loader(self, callback: L) -> L:
        """
        Register what returns the user of an id (``str``, or ``int`` if a Flask app keeps such), or None. A decorator.
        """
        self.user_callback = callback
        return callback

    def request_loader(self, callback: L) -> L:
        """
        Register what returns the user of an `HTTPConnection` without a login, by a token for example. A decorator.
        """
        self.request_callback = callback
        return callback

    def unauthorized_handler(self, callback: L) -> L:
        """
        Register what returns the response where a login is required and nobody is logged in. A decorator.
        """
        self.unauthorized_callback = callback
        return callback

    def needs_refresh_handler(self, callback: L) -> L:
        """
        Register what returns the response where a fresh login is required, and it isn't. A decorator.
        """
        self.needs_refresh_callback = callback
        return callback

    async def load_user(self, connection: HTTPConnection) -> Any:
        """
        Return the connection's user, loaded at the first call.

        Mirrors ``flask_login.LoginManager._load_user``.
        """
        visit = visit_of(connection)
        if not visit.is_loaded:
            user = await self._loaded_user(connection)
            visit.set_user(self.new_anonymous_user() if user is None else user)
        return visit.user

    async def _loaded_user(self, connection: HTTPConnection) -> Any:
        if self.user_callback is None and self.request_callback is None:
            raise ConfigError(
                "the login manager can't load users; decorate a function with manager.user_loader,"
                " or call from_flask when the Flask app has set its own"
            )
        session = visit_of(connection).session
        # Where a mounted app logs somebody in or out in this request, that counts and not what is found here.
        give_way(session, _SESSION_KEYS)
        if self.protect(connection):
            return None
        user = None
        user_id = session.get("_user_id")
        if self.user_callback is not None and is_id(user_id):
            user = await self._call(self.user_callback, connection, user_id)
        if user is not None:
            return user
        remembered = self.remembered(connection)
        if remembered is None:
            return self.request_callback and await self._call(self.request_callback, connection, connection)
        user_id = self.remember_cookie.user_id(remembered)
        if user_id is not None and self.user_callback is not None:
            user = await self._call(self.user_callback, connection, user_id)
            if user is not None:
                session["_user_id"], session["_fresh"] = user_id, False
                self.regenerate(session)
                self._identify(connection)
        return user

    def regenerate(self, session: Any) -> None:
        """
        Give *session* a new id, if a server keeps it, and this is configured: somebody logs in.
        """
        if self.regenerate_session and hasattr(session, "regenerate"):
            session.regenerate(is_login=True)

    def new_anonymous_user(self) -> Any:
        """
        Return the user for when nobody is logged in; never None.
        """
        user = self.anonymous_user()
        return AnonymousUserMixin() if user is None else user

    def id_of(self, user: Any) -> Any:
        """
        Return what the session keeps of *user*.

        Raises:
            ValueError: It isn't text or a number, by which the user could be found again.
        """
        user_id = getattr(user, self.id_attribute)
        if callable(user_id):
            user_id = user_id()
        if not is_id(user_id):
            raise ValueError(f"the user's {self.id_attribute} must be str or int, not {type(user_id).__name__}")
        return user_id

    # Session protection.

    def protect(self, connection: HTTPConnection) -> bool:
        """
        Treat a session that doesn't say it comes from this address and browser; tell whether its user is lost.

        Mirrors ``flask_login.LoginManager._session_protection_failed``.
        """
        session = visit_of(connection).session
        if self.session_protection is None or not session or session.get("_id") == session_identifier(connection):
            return False
        if self.session_protection == "basic" or session.get("_permanent"):
            if session.get("_fresh") is not False:
                session["_fresh"] = False
            return False
        for key in _SESSION_KEYS:
            session.pop(key, None)
        session["_remember"] = "clear"
        return True

    # The remember cookie.

    def remembered(self, connection: HTTPConnection) -> bytes | None:
        """
        Return the value of the remember cookie, unless there is none, or it is about to be cleared.
        """
        value = self.remember_cookie.find(connection.scope["headers"])
        return None if visit_of(connection).session.get("_remember") == "clear" else value

    def finish(self, connection: HTTPConnection, headers: list[Header]) -> list[Header]:
        """
        Complete the session before it is saved, and return the response's headers with the remember cookie.

        Mirrors ``flask_login.LoginManager._update_remember_cookie``. Where the cookie is only refreshed, the session
        isn't written, and a mounted Flask app that answers with the cookie comes first.
        """
        visit = visit_of(connection)
        # Who hasn't touched the session has changed nothing in it, and it needn't be decoded for this.
        if not (visit.was_accessed or self.remember_cookie_refresh_each_request):
            return headers
        session = visit.session
        if session and getattr(session, "modified", True):
            self._identify(connection)
        answers = [header for header in headers if self.remember_cookie.is_set_by(header, connection.scope["path"])]
        operation = session.pop("_remember") if "_remember" in session else None
        if answers and not visit.is_decided:
            return headers
        if operation is None and self.remember_cookie_refresh_each_request:
            operation = "set"
        user_id = session.get("_user_id")
        if operation == "clear":
            line = self.remember_cookie.delete()
        elif operation == "set" and is_id(user_id):
            line = self.remember_cookie.set(str(user_id), session.get("_remember_seconds"))
        else:
            return headers
        return [*(header for header in headers if header not in answers), (b"set-cookie", line)]

    def _identify(self, connection: HTTPConnection) -> None:
        # From a session without it, a Flask app with strong protection takes the user away, the remembered one, too.
        session = visit_of(connection).session
        is_wanted = self.session_protection is not None and "_id" not in session
        if is_wanted and self.remembered(connection) is not None:
            session["_id"] = session_identifier(connection)

    # Turning away.

    async def unauthorized(self, connection: HTTPConnection) -> NoReturn:
        """
        Turn away somebody who isn't logged in. Mirrors ``flask_login.LoginManager.unauthorized``.

        Raises:
            HTTPException: 302 to *login_view* for a browser, else 401.
            WebSocketException: Of a WebSocket.
        """
        await self._refuse(
            connection, self.unauthorized_callback, self.login_view, self.login_message, self.login_message_category
        )

    async def needs_refresh(self, connection: HTTPConnection) -> NoReturn:
        """
        Turn away somebody whose login isn't fresh. Mirrors ``flask_login.LoginManager.needs_refresh``.

        Raises:
            HTTPException: 302 to *refresh_view* for a browser, else 401.
            WebSocketException: Of a WebSocket.
        """
        await self._refuse(
            connection,
            self.needs_refresh_callback,
            self.refresh_view,
            self.needs_refresh_message,
            self.needs_refresh_message_category,
        )

    async def _refuse(
        self, connection: HTTPConnection, handler: Handler | None, view: str | None, message: Any, category: str
    ) -> NoReturn:
        if connection.scope["type"] == "websocket":
            raise WebSocketException(1008, "Not logged in")
        if handler is not None:
            visit_of(connection).answer = await self._call(handler, connection, connection)
            raise HTTPException(401)  # whose response the middleware replaces
        if not view or "text/html" not in connection.headers.get("accept", ""):
            raise HTTPException(401, "Not logged in" if view == self.login_view else "Not freshly logged in")
        if message:
            if self.localize_callback is not None:
                message = await self._call(self.localize_callback, connection, message)
            flash(connection, message, category)
        url = expand_login_view(connection, view, self.flask_app)
        next_param: str | None = make_next_param(connection, url)
        if self.use_session_for_next:
            session = visit_of(connection).session
            session["_id"] = session_identifier(connection)
            session["next"] = next_param
            next_param = None
        raise HTTPException(302, headers={"location": make_login_url(url, next_param, self.force_host_for_redirects)})

    async def _call(self, callback: Callable[..., Any], connection: HTTPConnection, *args: Any) -> Any:
        if inspect.iscoroutinefunction(callback):
            return await callback(*args)
        if isinstance(callback, _InFlask):
            return await run_in_threadpool(callback.call, connection, *args)
        result = await run_in_threadpool(callback, *args)
        return await result if inspect.isawaitable(result) else result


@dataclass
class Visit:
    """
    What the middleware keeps of a connection.
    """

    manager: LoginManager
    scope: Scope
    _session: Any
    user: Any = None
    is_loaded: bool = False
    is_decided: bool = False
    """A view has logged somebody in or out."""
    answer: Response | None = None
    """A handler's, for somebody who is turned away."""

    @property
    def session(self) -> Any:
        """
        The session that the middleware is in: not that of an app further in, with users of its own.
        """
        # What a view has assigned counts, as it does for the session's middleware.
        if isinstance(self._session, Session) and is_assigned(self.scope, self._session):
            return self.scope["session"]
        if hasattr(self._session, "mark_accessed"):
            self._session.mark_accessed()
        return self._session

    @property
    def was_accessed(self) -> bool:
        """
        Somebody has looked at the session.
        """
        return bool(getattr(self._session, "accessed", True))

    def set_user(self, user: Any) -> None:
        """
        Note who the user is.
        """
        self.user, self.is_loaded = user, True

    def decide(self) -> None:
        """
        Note that a view logs somebody in or out.
        """
        self.is_decided = True
        give_way(self._session, ())


def visit_of(connection: HTTPConnection) -> Visit:
    """
    Return what the middleware keeps of a connection.

    Raises:
        RuntimeError: There is no such middleware.
    """
    visit: Visit | None = connection.scope.get(SCOPE_KEY)
    if visit is None:
        raise RuntimeError(
            "no LoginMiddleware with a session around this route: call app.add_middleware(LoginMiddleware, ...) first,"
            " and app.add_middleware(SessionMiddleware, ...) after it, so that it is outside; mind its allow_path_regex"
        )
    return visit


@dataclass(frozen=True)
class _InFlask:
    """
    A callback of the Flask app's own.
    """

    shared_session: SharedSession
    callback: Callable[..., Any]

    def call(self, connection: HTTPConnection, *args: Any) -> Any:
        def in_request(request: Any) -> Any:
            return self.callback(*(request if arg is connection else arg for arg in args))

        return call_in_request(self.shared_session, connection, in_request)


def session_identifier(connection: HTTPConnection) -> str:
    """
    Return what Flask-Login knows an address and browser by. Mirrors ``flask_login.utils._create_identifier``.
    """
    headers, client = connection.headers, connection.scope.get("client")
    address = headers.get("x-forwarded-for", client[0] if client else None)
    browser = headers.get("user-agent")
    # As it is there: the repr of bytes.
    first = None if address is None else address.encode().split(b",")[0].strip()
    second = None if browser is None else browser.encode()
    return sha512(f"{first!r}|{second!r}".encode()).hexdigest()


def is_id(value: object) -> bool:
    """
    Tell whether *value*, of a session perhaps, can be the id of a user.
    """
    return isinstance(value, (str, int)) and not isinstance(value, bool)

"""
A Flask app with Flask-Login and a FastAPI app with ours, which know the same users; and a person with a browser.

What a person does is a list of steps, taken in one request of either app, such as ``login:ada:remember``, ``look``.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial
from types import SimpleNamespace
from typing import Annotated, Any, Literal
from urllib.parse import quote

import a2wsgi
import flask
import flask_login  # type: ignore[import-untyped]  # ships no types
import pytest
import time_machine
from fastapi import Depends, FastAPI, Request, WebSocket
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.flash import get_flashed_messages
from starlette_flask.login import (
    LoginBackend,
    LoginManager,
    UserMixin,
    confirm_login,
    current_user,
    fresh_login_required,
    login_fresh,
    login_remembered,
    login_required,
    login_user,
    logout_user,
    next_url,
)
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware
from tests.helpers import Answer, Ask, Browser, ask_asgi, ask_wsgi, run_asgi, websocket_scope
from tests.interop.apps import make_flask_app

NOW = 1_700_000_000
"""When the stories begin: Tue, 14 Nov 2023 22:13:20 GMT."""

HOME = "203.0.113.7"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
BROWSING = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
"""What Firefox says it wants."""

LOGIN_OPTIONS: dict[str, dict[str, Any]] = {
    "remember": {"remember": True},
    "hour": {"duration": timedelta(hours=1)},
    "instant": {"duration": timedelta(microseconds=1_200_000)},
    "force": {"force": True},
    "stale": {"fresh": False},
}


class TheirUser(flask_login.UserMixin):  # type: ignore[misc]  # ships no types
    """
    A user as the Flask app has it.
    """

    def __init__(self, user_id: Any, is_active: bool) -> None:
        self.id = user_id
        self._is_active = is_active

    @property
    def is_active(self) -> bool:
        return self._is_active


class OurUser(UserMixin):
    """
    The same user as the FastAPI app has it.
    """

    def __init__(self, user_id: Any, is_active: bool) -> None:
        self.id = user_id
        self._is_active = is_active

    @property
    def is_active(self) -> bool:
        return self._is_active


@dataclass
class Users:
    """
    The table of users, in which everybody is who isn't deleted.
    """

    inactive: set[Any] = field(default_factory=set)
    deleted: set[Any] = field(default_factory=set)
    loaded: list[Any] = field(default_factory=list)
    """What a loader was asked for, in order."""

    def forget_all(self) -> None:
        """
        Make everybody exist and be active, and nobody loaded yet.
        """
        for each in (self.inactive, self.deleted, self.loaded):
            each.clear()

    def find(self, kind: Callable[[Any, bool], Any], user_id: Any) -> Any:
        self.loaded.append(user_id)
        return None if user_id in self.deleted else kind(user_id, user_id not in self.inactive)


def take(step: str, api: SimpleNamespace, user: Any) -> Any:
    """
    Take a step with the functions of either side, and return what is to be shown of it.
    """
    name, *words = step.split(":")
    if name == "look":
        return {
            "user": user.get_id(),
            "is_authenticated": bool(user.is_authenticated),
            "fresh": bool(api.login_fresh()),
            "remembered": api.login_remembered(),
        }
    if name == "login":
        options = {key: value for word in words[1:] for key, value in LOGIN_OPTIONS[word].items()}
        return api.login_user(api.find(words[0]), **options)
    if name == "write":
        api.session[words[0]] = 1
    if name == "permanent":
        api.session.permanent = True
    if name == "session":
        api.session.get("user")  # by key, which every version of Flask counts as access
        return {key: api.session[key] for key in sorted(api.session)}
    return {"logout": api.logout_user, "confirm": api.confirm_login}.get(name, str)()


def their_app(users: Users, **settings: Any) -> flask.Flask:
    """
    Return a Flask app with Flask-Login.

    Args:
        users: Whom it knows.
        settings: Config keys, and in lower case attributes of the login manager.
    """
    app = make_flask_app(**{"PROPAGATE_EXCEPTIONS": False, **_config_keys(settings)})
    manager = flask_login.LoginManager(app)
    manager.user_loader(partial(users.find, TheirUser))
    for name in settings.keys() - _config_keys(settings).keys():
        setattr(manager, name, settings[name])

    @app.get("/do/<path:steps>")
    def do(steps: str) -> Any:
        api = SimpleNamespace(session=flask.session, find=partial(users.find, TheirUser), **vars(flask_login))
        return flask.jsonify([take(step, api, flask_login.current_user) for step in steps.split(",")])

    @app.get("/plain")
    def plain() -> str:
        return "plain"

    @app.route("/members", methods=["GET", "OPTIONS"], provide_automatic_options=False)
    @app.get("/members/<path:page>")
    @flask_login.login_required  # type: ignore[untyped-decorator]  # ships no types
    def members(page: str = "") -> Any:
        return flask.jsonify(flask_login.current_user.get_id())

    @app.get("/secret")
    @flask_login.fresh_login_required  # type: ignore[untyped-decorator]  # ships no types
    def secret() -> Any:
        return flask.jsonify(flask_login.current_user.get_id())

    @app.get("/login")
    @app.get("/their/form", endpoint="their_form")
    def login() -> Any:
        where_to = flask.session.get("next", flask.request.args.get("next"))
        return flask.jsonify(messages=flask.get_flashed_messages(with_categories=True), next=where_to)

    return app


def our_app(manager: LoginManager, config: SessionConfig, users: Users, *, is_looking_ahead: bool = False) -> FastAPI:
    """
    Return a FastAPI app with the same pages.

    Args:
        manager: Its loader may be another than that of *users*, which are those whom it logs in.
        config: The session cookie.
        users: Whom it knows.
        is_looking_ahead: Load the user of each request before any page is called, those of mounted apps too.
    """
    app = FastAPI()

    @app.get("/do/{steps:path}")
    async def do(steps: str, request: Request) -> list[Any]:
        api = SimpleNamespace(session=request.session, find=partial(users.find, OurUser))
        for function in (login_user, logout_user, confirm_login, login_fresh, login_remembered):
            setattr(api, function.__name__, partial(function, request))
        user: Any = None
        results = []
        for step in steps.split(","):
            if step == "look":
                user = await current_user(request)
            results.append(take(step, api, user))
        return results

    @app.get("/plain")
    async def plain() -> str:
        return "plain"

    @app.api_route("/members", methods=["GET", "OPTIONS"])
    async def members(user: Annotated[Any, Depends(login_required)]) -> Any:
        return user.get_id()

    @app.get("/members/{page:path}")
    async def members_page(user: Annotated[Any, Depends(login_required)]) -> Any:
        return user.get_id()

    @app.get("/secret")
    async def secret(user: Annotated[Any, Depends(fresh_login_required)]) -> Any:
        return user.get_id()

    @app.get("/login")
    async def login(request: Request) -> Any:
        return {"messages": get_flashed_messages(request, with_categories=True), "next": next_url(request, default="")}

    @app.websocket("/live")
    async def live(websocket: WebSocket, user: Annotated[Any, Depends(login_required)]) -> None:
        await websocket.accept()
        await websocket.send_text(user.get_id())

    if is_looking_ahead:
        app.add_middleware(AuthenticationMiddleware, backend=LoginBackend(manager))
    app.add_middleware(LoginMiddleware, manager=manager)
    app.add_middleware(SessionMiddleware, config=config)
    return app


def our_twin(app: flask.Flask, users: Users) -> FastAPI:
    """
    Return a FastAPI app that takes everything from a Flask app.
    """
    return our_app(LoginManager.from_flask(app), SessionConfig.from_flask(app), users)


def our_heir(app: flask.Flask, users: Users) -> FastAPI:
    """
    Return a FastAPI app that has the Flask app's config, and a loader of its own: the Flask app may be gone.
    """
    manager = LoginManager.from_mapping(app.config)

    @manager.user_loader
    async def load(user_id: Any) -> Any:
        return users.find(OurUser, user_id)

    return our_app(manager, SessionConfig.from_mapping(app.config), users)


def our_parent(app: flask.Flask, users: Users, adapter: Callable[[Any], ASGIApp], **options: bool) -> FastAPI:
    """
    Return a FastAPI app in which the Flask app is mounted at ``/legacy``.
    """
    parent = our_app(LoginManager.from_flask(app), SessionConfig.from_flask(app), users, **options)
    parent.mount("/legacy", adapter(app))
    return parent


def ask_theirs(app: flask.Flask, path: str, *, address: str | None = HOME, **options: Any) -> Answer:
    """
    Ask a Flask app from this address.
    """

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        return app(environ if address is None else {**environ, "REMOTE_ADDR": address}, start_response)

    return ask_wsgi(call, path, **options)


def ask_ours(app: ASGIApp, path: str, *, address: str | None = HOME, **options: Any) -> Answer:
    """
    Ask an ASGI app from this address.
    """
    return ask_asgi(_seen_from(app, address), path, **options)


def _seen_from(app: ASGIApp, address: str | None) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "client": address and (address, 50000)}, receive, send)

    return call


def _config_keys(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if key.isupper()}


@dataclass(frozen=True)
class Side:
    """
    One of two apps, as browsers reach it.
    """

    ask: Ask
    is_ours: bool
    prefix: str = ""


Kind = Literal["flask", "twin", "heir", "mounted", "a2wsgi", "mounted, looking ahead", "a2wsgi, looking ahead"]

KINDS: tuple[Kind, ...] = ("twin", "heir", "mounted", "a2wsgi", "mounted, looking ahead", "a2wsgi, looking ahead")
"""How our app stands to the Flask app."""


@cache
def _make_apps(kind: Kind, settings: tuple[tuple[str, Any], ...]) -> tuple[Users, flask.Flask, Any]:
    users = Users()
    app = their_app(users, **dict(settings))
    if kind == "flask":
        return users, app, None
    if kind in ("twin", "heir"):
        return users, app, (our_twin if kind == "twin" else our_heir)(app, users)
    adapter: Any = a2wsgi.WSGIMiddleware if kind.startswith("a2wsgi") else WSGIMiddleware
    return users, app, our_parent(app, users, adapter, is_looking_ahead=kind.endswith("looking ahead"))


class Site:
    """
    Two apps with the same users and cookies: *here*, where a story begins, and *there*.

    Args:
        kind: How our app stands to the Flask app; ``flask``: it is one, which shows what the story is told of.
        is_ours_here: The story begins on our side.
        settings: As for `their_app`.
    """

    def __init__(self, kind: Kind, is_ours_here: bool, settings: Mapping[str, Any]) -> None:
        # Making them takes longer than telling most stories. They keep nothing but their users.
        self.users, self.their_app, self.our_app = _make_apps(kind, tuple(sorted(settings.items())))
        self.users.forget_all()
        is_mounted = kind not in ("flask", "twin", "heir")
        theirs = Side(partial(ask_theirs, self.their_app), is_ours=False)
        if is_mounted:
            theirs = Side(partial(ask_ours, self.our_app), is_ours=False, prefix="/legacy")
        ours = theirs if kind == "flask" else Side(partial(ask_ours, self.our_app), is_ours=True)
        self.here, self.there = (ours, theirs) if is_ours_here else (theirs, ours)

    @property
    def ours(self) -> Side:
        return self.here if self.here.is_ours else self.there

    @property
    def theirs(self) -> Side:
        return self.there if self.here.is_ours else self.here

    def person(self) -> "Person":
        return Person(self)


class Person:
    """
    Somebody with a browser at home.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.browser = Browser(site.here.ask)
        self.address: str | None = HOME
        self.agent: str | None = FIREFOX

    def visit(self, side: Side, path: str, *headers: tuple[str, str], **options: Any) -> Answer:
        """
        Ask for a page; no cookie is set twice.
        """
        self.browser.ask = partial(side.ask, address=self.address)
        agent = [] if self.agent is None else [("user-agent", self.agent)]
        answer = self.browser.visit(side.prefix + path, headers=[*agent, *headers], **options)
        names = [line.partition("=")[0] for line in answer.set_cookie]
        assert len(names) == len(set(names)), answer.set_cookie
        return answer

    def take(self, side: Side, *steps: str) -> Any:
        """
        Take steps in one request, and return what the last one shows.
        """
        answer = self.visit(side, "/do/" + quote(",".join(steps), safe=",:"))
        assert answer.status == 200, answer
        return answer.json[-1]

    def here(self, *steps: str) -> Any:
        return self.take(self.site.here, *steps)

    def there(self, *steps: str) -> Any:
        return self.take(self.site.there, *steps)

    def lose_session(self) -> None:
        """
        Close the browser: only cookies with a date stay.
        """
        del self.browser.cookies["session", "", "/"]

    def assert_known(self, user: str, *, fresh: bool = True, remembered: bool = False) -> None:
        """
        Check that both sides see this user, whichever is asked first.
        """
        self._assert_seen({"user": user, "is_authenticated": True, "fresh": fresh, "remembered": remembered})

    def assert_unknown(self, *cookies_left: str) -> None:
        """
        Check that both sides see nobody, and that only these cookies are left.
        """
        self._assert_seen({"user": None, "is_authenticated": False, "fresh": False, "remembered": False})
        names = {name for name, _, _ in self.browser.cookies}
        assert names == set(cookies_left), names

    def _assert_seen(self, expected: dict[str, Any]) -> None:
        for side in (self.site.there, self.site.here, self.site.there):
            seen = self.take(side, "look")
            assert seen == expected, f"{'we' if side.is_ours else 'they'} see {seen}, not {expected}"

    def shake_hands(self, app: ASGIApp) -> list[Message]:
        """
        Open the WebSocket at ``/live`` of our app, and return what it sends.
        """
        cookies = [f"{name}={value}" for (name, _, _), value in self.browser.cookies.items()]
        headers = [] if self.agent is None else [("user-agent", self.agent)]
        scope = websocket_scope("/live", cookies=["; ".join(cookies)] if cookies else [], headers=headers)
        return run_asgi(_seen_from(app, self.address), scope, [{"type": "websocket.connect"}])


MakeSite = Callable[..., Site]


def travel_to(seconds: float) -> time_machine.travel:
    """
    Freeze the clock so many seconds after `NOW`.
    """
    return time_machine.travel(NOW + seconds, tick=False)


def each_site(kinds: Collection[Kind] = KINDS, *, both_flask: bool = True) -> pytest.MarkDecorator:
    """
    Return a mark that tells a story with each kind of site, from both ends.

    Args:
        kinds: Which.
        both_flask: Tell it with Flask at both ends too: it is true of Flask-Login itself.
    """

    def params() -> Iterator[Any]:
        if both_flask:
            yield pytest.param(partial(build_site, "flask", False), id="flask alone")
        for kind in kinds:
            yield pytest.param(partial(build_site, kind, False), id=f"{kind}: from flask")
            yield pytest.param(partial(build_site, kind, True), id=f"{kind}: to flask")

    return pytest.mark.parametrize("make_site", list(params()))


def build_site(kind: Kind, is_ours_here: bool, **settings: Any) -> Site:
    """
    Return the site on which a story is told.
    """
    return Site(kind, is_ours_here, settings)

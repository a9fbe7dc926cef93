"""
What the browser is told: for the same action both sides send the same headers, byte for byte.

Two differences are intended. Where protection is on, our side writes `_id` into a session without one whose browser
has a remember cookie. And it doesn't delete a session cookie that the request didn't carry.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import flask
import pytest
from fastapi import FastAPI

from starlette_flask import SessionConfig
from starlette_flask.login import LoginManager
from tests.helpers import Answer
from tests.interop.apps import needs_werkzeug
from tests.interop.logins import (
    BROWSING,
    FIREFOX,
    Users,
    ask_ours,
    ask_theirs,
    our_app,
    our_heir,
    our_twin,
    their_app,
    travel_to,
)

AGENT = ("user-agent", FIREFOX)
DELETED = "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/"


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Cookies of the same second are the same bytes.
    """
    with travel_to(0):
        yield


class Twins:
    """
    A Flask app, and ours with everything taken from it.
    """

    def __init__(self, **settings: Any) -> None:
        self.users = Users(inactive={"ina"}, deleted={"gone"})
        self.theirs: flask.Flask = their_app(self.users, **settings)
        self.ours: FastAPI = our_twin(self.theirs, self.users)
        self.serializer = SessionConfig.from_flask(self.theirs).signing_serializer
        *_, line = ask_theirs(self.theirs, "/do/login:ada", headers=[AGENT]).set_cookie
        self.identifier = self.serializer.loads(value_of(line))["_id"]

    def ask(self, path: str, *cookies: str, headers: Any = (), at: float = 0) -> tuple[Answer, Answer]:
        """
        Ask both, at home and with Firefox; return our answer and theirs.
        """
        asked: dict[str, Any] = {"cookies": ["; ".join(cookies)] if cookies else [], "headers": [AGENT, *headers]}
        with travel_to(at):
            return ask_ours(self.ours, path, **asked), ask_theirs(self.theirs, path, **asked)

    def session(self, **content: Any) -> str:
        return f"session={self.serializer.dumps(content)}"

    def remembered(self, user: str) -> str:
        [line, _] = ask_theirs(self.theirs, f"/do/login:{user}:remember").set_cookie
        return line.partition(";")[0]

    def expected(self, theirs: Answer, ours: Answer, carried: str) -> tuple[int, Any, dict[str, list[str]]]:
        """
        Return what our answer must be, as status, content and headers: theirs, but for the two differences.
        """
        lines = theirs.set_cookie
        if "session=" not in carried and DELETED in lines:
            lines.remove(DELETED)
        if "remember_token=" in carried and lines and lines[-1].startswith("session=") and lines[-1] != DELETED:
            content = self.serializer.loads(value_of(lines[-1]))
            with_id = self.serializer.dumps({"_id": self.identifier, **content})
            if ours.set_cookie[-1:] != lines[-1:]:
                lines[-1] = lines[-1].replace(value_of(lines[-1]), with_id)
        return theirs.status, theirs.json, {"set-cookie": lines, "vary": theirs.vary}

    def assert_same_redirect(self, ours: Answer, theirs: Answer) -> None:
        """
        Check that both redirect the browser to the same place, with the same cookies.
        """
        assert (ours.status, theirs.status) == (302, 302)
        assert ours.lines("location") == theirs.lines("location")
        assert ours.session_headers == theirs.session_headers


def value_of(line: str) -> str:
    return line.partition("=")[2].partition(";")[0]


@cache
def twins_with(**settings: Any) -> Twins:
    """
    Return the twins of these settings; nothing changes them.
    """
    return Twins(**settings)


def at_home(twins: Twins, user: Any = "ada", **more: Any) -> str:
    return twins.session(_user_id=user, _fresh=True, _id=twins.identifier, **more)


def elsewhere(twins: Twins, user: Any = "ada", **more: Any) -> str:
    return twins.session(_user_id=user, _fresh=True, _id="of another address", **more)


CARRIED: dict[str, Callable[[Twins], list[str]]] = {
    "nothing": lambda twins: [],
    "a user": lambda twins: [at_home(twins)],
    "a remembered user": lambda twins: [at_home(twins), twins.remembered("ada")],
    "a user remembered for an hour": lambda twins: [at_home(twins, _remember_seconds=3600.0), twins.remembered("ada")],
    "a remember cookie": lambda twins: [twins.remembered("ada")],
    "a user from elsewhere": lambda twins: [elsewhere(twins)],
    "a remembered user from elsewhere": lambda twins: [elsewhere(twins, next="/x"), twins.remembered("ada")],
    "a user from elsewhere, permanent": lambda twins: [elsewhere(twins, _permanent=True)],
    "a user without an identifier": lambda twins: [twins.session(_user_id="ada", _fresh=True)],
    "a stale user": lambda twins: [twins.session(_user_id="ada", _fresh=False, _id=twins.identifier)],
    "a cart": lambda twins: [twins.session(cart=1)],
    "a cart and a remember cookie": lambda twins: [twins.session(cart=1), twins.remembered("ada")],
    "an invalid remember cookie": lambda twins: ["remember_token=ada|0"],
    "a user and an invalid remember cookie": lambda twins: [at_home(twins), "remember_token=ada|0"],
    "a user and somebody else's remember cookie": lambda twins: [at_home(twins), twins.remembered("bob")],
    "a deactivated user": lambda twins: [at_home(twins, "ina")],
    "a deleted user": lambda twins: [at_home(twins, "gone")],
    "a deleted user and a remember cookie": lambda twins: [at_home(twins, "gone"), twins.remembered("ada")],
    "a pending set": lambda twins: [at_home(twins, _remember="set")],
    "a pending clear": lambda twins: [at_home(twins, _remember="clear"), twins.remembered("ada")],
    "a pending something": lambda twins: [at_home(twins, _remember="else")],
}

STEPS = [
    "look",
    "session",
    "login:bob",
    "login:bob:remember",
    "login:bob:remember:hour",
    "login:bob:remember:instant",
    "login:bob:hour",
    "login:bob:stale",
    "session,login:ina:remember",
    "login:ina:force:remember",
    "login:ä x:remember",
    "logout",
    "logout,login:bob",
    "logout,login:bob:remember",
    "login:bob:remember,logout",
    "look,logout",
    "look,login:bob",
    "login:bob,look",
    "look,confirm",
    "confirm",
    "permanent,login:bob:remember",
    "write:cart,logout",
    "look,write:cart",
]


@pytest.mark.parametrize("protection", [None, "basic", "strong"])
@pytest.mark.parametrize("carried", CARRIED)
def test_same_headers(protection: str | None, carried: str) -> None:
    """
    Whatever the request carries, and whatever is done, both answer with the same status, headers and state.
    """
    twins = twins_with(SESSION_PROTECTION=protection)
    cookies = CARRIED[carried](twins)
    differences = []
    for steps in STEPS:
        ours, theirs = twins.ask(f"/do/{quote(steps, safe=',:')}", *cookies)
        expected = twins.expected(theirs, ours, "; ".join(cookies))
        if (ours.status, ours.body and ours.json, ours.session_headers) != expected:
            differences.append((steps, (ours.status, ours.body and ours.json, ours.session_headers), expected))
    assert differences == []


@pytest.mark.parametrize("protection", [None, "basic", "strong"])
@pytest.mark.parametrize("carried", CARRIED)
def test_nothing_done(protection: str | None, carried: str) -> None:
    """
    A page of ours that looks at neither user nor session says nothing of cookies.
    """
    twins = twins_with(SESSION_PROTECTION=protection)
    ours, theirs = twins.ask("/plain", *CARRIED[carried](twins))
    if "permanent" in carried:  # and so due for a refresh
        assert ours.session_headers == theirs.session_headers
    else:
        assert ours.session_headers == {"set-cookie": [], "vary": []}


SETTINGS: list[Any] = [
    pytest.param({}, id="defaults"),
    pytest.param({"REMEMBER_COOKIE_NAME": "memory"}, id="name"),
    pytest.param({"REMEMBER_COOKIE_PATH": "/legacy"}, id="path"),
    pytest.param({"REMEMBER_COOKIE_PATH": "/a%20b"}, id="quoted path"),
    pytest.param({"REMEMBER_COOKIE_DOMAIN": "example.com"}, id="domain"),
    pytest.param(
        {"REMEMBER_COOKIE_DOMAIN": ".example.com"},
        marks=needs_werkzeug("2.3", "a leading dot is dropped"),
        id="domain with a dot",
    ),
    pytest.param({"REMEMBER_COOKIE_DOMAIN": "bücher.example"}, id="international domain"),
    pytest.param({"REMEMBER_COOKIE_SECURE": True}, id="secure"),
    pytest.param({"REMEMBER_COOKIE_HTTPONLY": False}, id="for scripts"),
    pytest.param({"REMEMBER_COOKIE_SAMESITE": "Lax"}, id="lax"),
    pytest.param({"REMEMBER_COOKIE_SAMESITE": "strict"}, id="strict"),
    pytest.param({"REMEMBER_COOKIE_SAMESITE": "None", "REMEMBER_COOKIE_SECURE": True}, id="none"),
    pytest.param(
        {
            "REMEMBER_COOKIE_NAME": "memory",
            "REMEMBER_COOKIE_DOMAIN": "example.com",
            "REMEMBER_COOKIE_SECURE": True,
            "REMEMBER_COOKIE_SAMESITE": "Lax",
            "REMEMBER_COOKIE_PATH": "/x",
        },
        id="all",
    ),
    pytest.param({"REMEMBER_COOKIE_DURATION": timedelta(days=14)}, id="two weeks"),
    pytest.param({"REMEMBER_COOKIE_DURATION": timedelta(seconds=1, microseconds=400_000)}, id="fraction"),
    pytest.param({"REMEMBER_COOKIE_DURATION": 3600}, id="seconds"),
    pytest.param({"SESSION_COOKIE_NAME": "sid", "SESSION_COOKIE_SAMESITE": "Lax"}, id="session cookie"),
    pytest.param({"SESSION_COOKIE_DOMAIN": "example.com", "SESSION_COOKIE_PATH": "/x"}, id="session cookie's place"),
    pytest.param({"SECRET_KEY": b"\xff\x00"}, id="bytes key"),
    pytest.param({"SECRET_KEY": "schlüssel"}, id="latin-1 key"),
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("is_heir", [False, True], ids=["from the app", "from its config"])
def test_settings(settings: dict[str, Any], is_heir: bool) -> None:
    """
    Set, refreshed and deleted, the remember cookie has the attributes that Flask-Login gives it, at any second.
    """
    users = Users()
    theirs = their_app(users, **settings)
    ours = (our_heir if is_heir else our_twin)(theirs, users)
    for at in (0, 0.7):
        with travel_to(at):
            for steps in (
                "login:ada:remember",
                "login:ä,permanent,login:ö:remember:instant",
                "login:ada:remember:hour",
            ):
                expected = ask_theirs(theirs, f"/do/{steps}")
                assert ask_ours(ours, f"/do/{steps}").session_headers == expected.session_headers
                assert len(expected.set_cookie) == 2
            carried = ["; ".join(line.partition(";")[0] for line in expected.set_cookie)]
            expected = ask_theirs(theirs, "/do/logout", cookies=carried)
            assert ask_ours(ours, "/do/logout", cookies=carried).session_headers == expected.session_headers
            assert len(expected.set_cookie) == 2


def test_prefixed_name() -> None:
    """
    A cookie whose name demands Secure is deleted with it, unlike by Flask-Login, whose deletion browsers refuse.
    """
    twins = twins_with(REMEMBER_COOKIE_NAME="__Host-memory", REMEMBER_COOKIE_SECURE=True)
    ours, theirs = twins.ask("/do/login:ada:remember")
    assert ours.session_headers == theirs.session_headers
    carried = [line.partition(";")[0] for line in theirs.set_cookie]
    ours, theirs = twins.ask("/do/logout", *carried)
    assert ours.set_cookie == [theirs.set_cookie[0].replace("Max-Age=0;", "Max-Age=0; Secure;"), DELETED]


def test_refresh_each_request() -> None:
    """
    A refresh sends the same remember line, for whoever is logged in; an anonymous visitor is told nothing.
    """
    twins = twins_with(REMEMBER_COOKIE_REFRESH_EACH_REQUEST=True)
    for cookies in ([at_home(twins)], [at_home(twins), twins.remembered("ada")]):
        for path in ("/plain", "/do/look", "/do/session", "/members"):
            ours, theirs = twins.ask(path, *cookies, at=5)
            assert ours.set_cookie == theirs.set_cookie[:1]
            assert ours.set_cookie[0].startswith("remember_token=ada|")
            assert ours.vary == ["Cookie"]
        for steps in ("login:bob", "login:bob:remember:hour", "logout"):
            ours, theirs = twins.ask(f"/do/{steps}", *cookies, at=5)
            assert ours.session_headers == theirs.session_headers
    for path in ("/plain", "/do/look", "/members", "/missing"):
        ours, _ = twins.ask(path)
        assert ours.set_cookie == []


class TestTurnedAway:
    """
    Who isn't logged in, or not freshly enough.
    """

    VIEWS: list[Any] = [  # noqa: RUF012  # a constant
        pytest.param({"login_view": "/login"}, id="path"),
        pytest.param({"login_view": "login"}, id="name"),
        pytest.param({"login_view": "/login?a=&b=1&next=z&b=2&c=%C3%A9"}, id="query"),
        pytest.param({"login_view": "/login#form"}, id="fragment"),
        pytest.param({"login_view": "https://sso.example.com/login"}, id="another host"),
        pytest.param({"login_view": "http://localhost/login"}, id="this host"),
        pytest.param({"login_view": "https://localhost/login"}, id="another scheme"),
        pytest.param({"login_view": "/login", "FORCE_HOST_FOR_REDIRECTS": "example.com"}, id="forced host"),
        pytest.param({"login_view": "/login", "USE_SESSION_FOR_NEXT": True}, id="next in the session"),
        pytest.param({"login_view": "/login", "login_message": None}, id="no message"),
        pytest.param({"login_view": "/login", "login_message": ""}, id="empty message"),
        pytest.param(
            {
                "login_view": "/login",
                "login_message": "Bitte anmelden; <b>größer</b>",
                "login_message_category": "info",
            },
            id="message",
        ),
        pytest.param({"login_view": "/login", "localize_callback": str.upper}, id="translated message"),
    ]

    @pytest.mark.parametrize("settings", VIEWS)
    @pytest.mark.parametrize("carried", ["nothing", "a cart", "a deactivated user"])
    def test_same_redirect(self, settings: dict[str, Any], carried: str) -> None:
        """
        A browser is redirected to the same page, with the same message flashed.
        """
        twins = twins_with(**settings)
        cookies = CARRIED[carried](twins)
        ours, theirs = twins.ask("/members?q=1&r=a%20b", *cookies, headers=[BROWSING])
        twins.assert_same_redirect(ours, theirs)

    @pytest.mark.parametrize("settings", VIEWS)
    def test_same_redirect_for_a_fresh_login(self, settings: dict[str, Any]) -> None:
        """
        So it is for a user who must log in again.
        """
        names = {"login_view": "refresh_view", "login_message": "needs_refresh_message"}
        names["login_message_category"] = "needs_refresh_message_category"
        twins = twins_with(**{names.get(key, key): value for key, value in settings.items()})
        stale = twins.session(_user_id="ada", _fresh=False, _id=twins.identifier)
        ours, theirs = twins.ask("/secret?q=1", stale, headers=[BROWSING])
        twins.assert_same_redirect(ours, theirs)

    @pytest.mark.parametrize(
        "path",
        [
            "/members",
            "/members?",
            "/members?q=1&r=2",
            "/members/a/b/",
            "/members/%C3%A9?%C3%A9=%C3%A9",
            "/members/a%20b?q=a%20b+c",
            "/members/a;b,c:d!$'()*~-._",
            "/members/a%3Fb",
            "/members/a%23b",
            "/members?q=%26%3D%23",
            "/members?q=%00%7F",
            "/members?q=%FF",
            "/members?q=%F0%9F%98%80",
            pytest.param("/members?next=/b", marks=needs_werkzeug("2.3", "next is unquoted")),
            pytest.param("/members?next=%2F%2Fexample.com", marks=needs_werkzeug("2.3", "next is unquoted")),
            pytest.param("/members?q=%2F%5C%3A%40%3F%2B", marks=needs_werkzeug("2.3", "next is unquoted")),
            pytest.param("/members?q=%22%3C%3E%5E%60%7B%7C%7D%5B%5D", marks=needs_werkzeug("2.3", "next is unquoted")),
            pytest.param("/members?a??b", marks=needs_werkzeug("2.3", "next is unquoted")),
        ],
    )
    def test_same_next(self, path: str) -> None:
        """
        The page asked for is the same `next`, character by character.
        """
        twins = twins_with(login_view="/login")
        ours, theirs = twins.ask(path, headers=[BROWSING])
        assert (ours.status, theirs.status) == (302, 302)
        assert ours.lines("location") == theirs.lines("location")

    @pytest.mark.parametrize("prefix", ["", "/api", "/api/v1"])
    def test_below_a_prefix(self, prefix: str) -> None:
        """
        Below a prefix `next` begins with it, on either side.
        """
        twins = twins_with(login_view="/login")

        async def below(scope: Any, receive: Any, send: Any) -> None:
            await twins.ours({**scope, "root_path": prefix}, receive, send)

        def wsgi_below(environ: Any, start_response: Any) -> Any:
            environ = {**environ, "SCRIPT_NAME": prefix, "PATH_INFO": environ["PATH_INFO"].removeprefix(prefix)}
            return twins.theirs(environ, start_response)

        path = f"{prefix}/members?q=1"
        ours = ask_ours(below, path, headers=[BROWSING])
        theirs = ask_theirs(wsgi_below, path, headers=[BROWSING])  # type: ignore[arg-type]  # any WSGI app
        assert (ours.status, theirs.status) == (302, 302)
        assert ours.lines("location") == theirs.lines("location")

    @pytest.mark.parametrize(
        ("path", "root"),
        [
            ("//evil.example/members/x", ""),
            ("/members/%5C%5Cevil.example", ""),
            ("/members/..%2F..%2F%2Fevil.example", ""),
            ("/%5Cevil.example/..%2Fmembers/x", ""),
            ("/members/%09%00x", ""),
            ("/members/x", "//evil.example"),
            ("/members/x", "/\\evil.example"),
            ("/members/x", "\\\\evil.example"),
            ("/members/x", "\t/evil.example"),
            ("/members/x", "http://evil.example"),
        ],
    )
    def test_next_stays_here(self, path: str, root: str) -> None:
        """
        Whatever is asked for, and wherever the app is said to be, `next` is a page of this host to a browser.
        """
        twins = twins_with(login_view="/login")

        async def at_root(scope: Any, receive: Any, send: Any) -> None:
            scope = {**scope, "root_path": root, "path": root + "/members/x" if root else "/members" + scope["path"]}
            await twins.ours(scope, receive, send)

        answer = ask_ours(at_root, path, headers=[BROWSING])
        assert answer.status == 302
        [location] = answer.lines("location")
        [where_to] = parse_qs(urlsplit(location).query)["next"]
        assert host_in_a_browser(where_to) == "localhost"

    @pytest.mark.parametrize("host", ["evil.example", "[", "a]b", "xn--a", "a/b", "evil.example\\@localhost", "é", ""])
    def test_any_host_header(self, host: str) -> None:
        """
        The Host header doesn't get into the redirect, and doesn't break it.
        """
        twins = twins_with(login_view="/login")

        async def with_host(scope: Any, receive: Any, send: Any) -> None:
            headers = [(name, value) for name, value in scope["headers"] if name != b"host"]
            await twins.ours({**scope, "headers": [*headers, (b"host", host.encode())]}, receive, send)

        answer = ask_ours(with_host, "/members?q=1", headers=[BROWSING])
        assert (answer.status, answer.lines("location")) == (302, ["/login?next=%2Fmembers%3Fq%3D1"])

    @pytest.mark.parametrize(
        "accept",
        [None, "*/*", "application/json", "application/json, text/plain, */*", "image/avif,image/webp,*/*;q=0.8"],
    )
    @pytest.mark.parametrize("path", ["/members", "/secret"])
    def test_api_client(self, accept: str | None, path: str) -> None:
        """
        A client that doesn't ask for HTML gets 401 with a body, no redirect, and no message is kept for it.
        """
        twins = twins_with(login_view="/login", refresh_view="/login")
        ours, _ = twins.ask(path, headers=[("accept", accept)] if accept else [])
        assert (ours.status, ours.lines("location"), ours.set_cookie) == (401, [], [])
        assert ours.json

    def test_nowhere_to_log_in(self) -> None:
        """
        Without a page to log in at, a browser gets 401 as well, and no message is kept.
        """
        twins = twins_with()
        stale = twins.session(_user_id="ada", _fresh=False, _id=twins.identifier)
        for path, cookies in (("/members", []), ("/secret", []), ("/secret", [stale])):
            ours, theirs = twins.ask(path, *cookies, headers=[BROWSING])
            assert (ours.status, theirs.status) == (401, 401)
            assert ours.session_headers == theirs.session_headers == {"set-cookie": [], "vary": ["Cookie"]}

    def test_views_of_two_kinds(self) -> None:
        """
        Who must log in and who must do so again are sent to different pages; nobody to one that isn't theirs.
        """
        twins = twins_with(refresh_view="/login?again")
        stale = twins.session(_user_id="ada", _fresh=False, _id=twins.identifier)
        assert [answer.status for answer in twins.ask("/secret", headers=[BROWSING])] == [401, 401]
        assert [answer.status for answer in twins.ask("/members", stale, headers=[BROWSING])] == [200, 200]
        ours, theirs = twins.ask("/secret", stale, headers=[BROWSING])
        assert ours.lines("location") == theirs.lines("location") == ["/login?again=&next=%2Fsecret"]


def host_in_a_browser(url: str) -> str:
    """
    Return the host where a browser goes for *url* on a page of localhost (WHATWG URL, section 4.4).
    """
    url = url.strip("".join(map(chr, range(0x21)))).replace("\\", "/")
    for ignored in "\t\r\n":
        url = url.replace(ignored, "")
    if ":" in url.partition("/")[0] or url.startswith("//"):
        return urlsplit(url).netloc or f"none in {url}"
    return "localhost"


class TestNextURL:
    """
    `next_url`, where a login form sends the user.
    """

    @pytest.fixture
    def answer(self) -> Any:
        """
        Asks for the login page with a `next`, and returns where it would send the user; empty is the default.
        """
        manager = LoginManager(secret_key="secret")
        app = our_app(manager, SessionConfig(secret_key="secret"), Users())
        return lambda query: ask_ours(app, f"/login?{query}").json["next"]

    @pytest.mark.parametrize(
        "query",
        [
            "",
            "next=",
            "next=//evil.example",
            "next=%2F%2Fevil.example%2Fa",
            "next=///evil.example",
            "next=/%5Cevil.example",
            "next=%5C%5Cevil.example",
            "next=%5C/evil.example",
            "next=/%09/evil.example",
            "next=%09//evil.example",
            "next=%20//evil.example",
            "next=/%0A/evil.example",
            "next=%00//evil.example",
            "next=http://evil.example/",
            "next=HTTP://evil.example/",
            "next=http:evil.example",
            "next=http:/evil.example",
            "next=http:///evil.example",
            "next=https:%5C%5Cevil.example",
            "next=http://localhost@evil.example/",
            "next=http://localhost.evil.example/",
            "next=http://localhost%5C@evil.example/",
            "next=http://localhost:8000/",
            "next=javascript:alert(1)",
            "next=%01javascript:alert(1)",
            "next=java%0Ascript:alert(1)",
            "next=data:text/html,x",
            "next=mailto:x@evil.example",
            "next=%E2%81%84%E2%81%84evil.example",
            "next=/a&next=//evil.example",
        ],
    )
    def test_elsewhere(self, answer: Any, query: str) -> None:
        """
        A page elsewhere, read as browsers read it, isn't gone to.
        """
        where_to = answer(query)
        assert where_to == "" or host_in_a_browser(where_to) == "localhost"
        assert "evil" not in where_to

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ("next=/", "/"),
            ("next=/a/b?c=1%26d=%2F%2Fx%23e", "/a/b?c=1&d=//x#e"),
            ("next=%2Fmembers%3Fq%3D1", "/members?q=1"),
            ("next=/%C3%A9", "/é"),
            ("next=/a//b", "/a//b"),
            ("next=/a:b@c", "/a:b@c"),
            ("next=/%255Ca", "/%5Ca"),
            ("next=http://localhost/a", "http://localhost/a"),
        ],
    )
    def test_here(self, answer: Any, query: str, expected: str) -> None:
        """
        A page of this host is.
        """
        assert answer(query) == expected


@pytest.mark.parametrize("is_ours_first", [True, False])
@pytest.mark.parametrize("settings", [{}, {"USE_SESSION_FOR_NEXT": True}])
def test_the_way_in(settings: dict[str, Any], is_ours_first: bool) -> None:
    """
    Turned away on one side, a browser finds message and page at the other's login form.
    """
    twins = twins_with(login_view="/login", **settings)
    turn = 0 if is_ours_first else 1
    answer = twins.ask("/members?q=1", headers=[BROWSING])[turn]
    [location] = answer.lines("location")
    form = twins.ask(location, answer.cookie)[1 - turn]
    assert form.json == {"messages": [["message", "Please log in to access this page."]], "next": "/members?q=1"}

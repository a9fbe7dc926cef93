"""
Hostile cookies and hostile sessions: nobody is logged in by them, and nothing breaks.

Where Flask-Login answers 500, that is on record, too.
"""

import hmac
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from hashlib import sha512
from typing import Any

import pytest
import time_machine
from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

from starlette_flask import ConfigError, SessionConfig, SessionMiddleware
from starlette_flask.login import LoginManager, login_user
from starlette_flask.middleware.login import LoginMiddleware
from tests.helpers import Answer
from tests.interop.apps import needs_werkzeug
from tests.interop.logins import (
    BROWSING,
    FIREFOX,
    NOW,
    OurUser,
    Users,
    ask_ours,
    ask_theirs,
    each_site,
    our_heir,
    our_twin,
    their_app,
    travel_to,
)

AGENT = ("user-agent", FIREFOX)
FORGOTTEN = "remember_token=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"
YEAR = 365 * 24 * 3600


def signed(payload: str, key: bytes = b"secret") -> str:
    return f"{payload}|{hmac.new(key, payload.encode(), sha512).hexdigest()}"


GOOD = signed("ada")


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Cookies of the same second are the same bytes.
    """
    with travel_to(0):
        yield


@pytest.fixture(scope="module")
def theirs() -> Any:
    """
    The Flask app.
    """
    return their_app(Users(deleted={"gone"}), login_view="/login")


@pytest.fixture(scope="module")
def everybody() -> Users:
    """
    Whom our app knows.
    """
    return Users(deleted={"gone"})


@pytest.fixture(scope="module", params=[our_twin, our_heir], ids=["twin", "heir"])
def ours(request: pytest.FixtureRequest, everybody: Users) -> Any:
    """
    Our app.
    """
    return request.param(their_app(everybody, login_view="/login"), everybody)


@pytest.fixture
def users(everybody: Users) -> Users:
    """
    Whom our app knows, none of whom it has loaded yet.
    """
    everybody.loaded.clear()
    return everybody


is_no_cookie = needs_werkzeug("2.3", "what can't be read as a cookie isn't one")

REMEMBER_COOKIES = [
    # What the cookie is, and how Flask-Login answers.
    pytest.param("", 200, id="empty"),
    pytest.param("ada", 200, id="no separator"),
    pytest.param("|", 200, id="separator only"),
    pytest.param("ada|", 200, id="no digest"),
    pytest.param("|" + GOOD.partition("|")[2], 200, id="no payload"),
    pytest.param("bob|" + GOOD.partition("|")[2], 200, id="another user"),
    pytest.param("ada |" + GOOD.partition("|")[2], 200, id="longer payload", marks=is_no_cookie),
    pytest.param("Ada|" + GOOD.partition("|")[2], 200, id="another case"),
    pytest.param(GOOD[:-1], 200, id="truncated"),
    pytest.param(GOOD + "0", 200, id="longer"),
    pytest.param(GOOD[:-1] + ("0" if GOOD[-1] != "0" else "1"), 200, id="tampered"),
    pytest.param(GOOD.upper(), 200, id="upper case"),
    pytest.param(f"x|{GOOD}", 200, id="two separators"),
    pytest.param(signed("ada", b"another"), 200, id="another key"),
    pytest.param(signed("ada", b""), 200, id="empty key"),
    pytest.param("ada|" + sha512(b"ada").hexdigest(), 200, id="no key"),
    pytest.param("ada|é", 500, id="not ASCII"),
    pytest.param("ada|\xc3\xa9", 500, id="not ASCII, as UTF-8"),
    pytest.param(GOOD + "é", 500, id="valid, and then not ASCII"),
    pytest.param("é|" + GOOD.partition("|")[2], 200, id="payload not ASCII"),
    pytest.param('"ada|\\303\\251"', 500, id="quoted, not ASCII"),
    pytest.param("ada|\xff", 500, id="not UTF-8"),
    pytest.param('"ada|\\377\\376"', 500, id="quoted, not UTF-8"),
    pytest.param('"ada|\\000"', 200, id="NUL"),
    pytest.param('"ada', 200, id="one quote", marks=is_no_cookie),
    pytest.param('"', 200, id="nothing but a quote", marks=is_no_cookie),
    pytest.param("|" * 60_000, 200, id="60 kB of separators"),
    pytest.param("x" * 60_000 + "|" + "0" * 128, 200, id="60 kB of payload"),
    pytest.param("ada|" + "0" * 60_000, 200, id="60 kB of digest"),
]


@pytest.mark.parametrize(("value", "their_status"), REMEMBER_COOKIES)
def test_remember_cookie(theirs: Any, ours: Any, users: Users, value: str, their_status: int) -> None:
    """
    Nobody is remembered by a cookie that Flask-Login didn't sign, nobody is looked up, and nothing is sent.
    """
    cookies = [f"remember_token={value}"]
    assert ask_theirs(theirs, "/do/look", cookies=cookies).status == their_status
    answer = ask_ours(ours, "/do/look", cookies=cookies)
    assert (answer.status, users.loaded) == (200, [])
    assert answer.json == [{"user": None, "is_authenticated": False, "fresh": False, "remembered": False}]
    assert answer.session_headers == {"set-cookie": [], "vary": ["Cookie"]}
    answer = ask_ours(ours, "/members", cookies=cookies)
    assert (answer.status, answer.set_cookie) == (401, [])


@pytest.mark.parametrize(("value", "their_status"), REMEMBER_COOKIES)
def test_logout_with_a_hostile_remember_cookie(theirs: Any, ours: Any, value: str, their_status: int) -> None:
    """
    Logging out deletes it, if it is a cookie at all; it is where Flask-Login doesn't get that far, too.
    """
    cookies = [f"remember_token={value}"]
    answer = ask_ours(ours, "/do/logout", cookies=cookies)
    expected = ask_theirs(theirs, "/do/logout", cookies=cookies)
    assert expected.status == their_status
    # Theirs deletes a session that isn't there as well.
    assert answer.set_cookie == (expected.set_cookie[:1] if their_status == 200 else [FORGOTTEN])
    assert expected.set_cookie[:1] in ([], [FORGOTTEN])


@pytest.mark.parametrize(
    "cookie",
    [
        pytest.param(f'remember_token="{GOOD}"', id="quoted"),
        pytest.param(f"remember_token={GOOD} ", id="space behind"),
        pytest.param(f"remember_token = {GOOD}", id="spaces around"),
        pytest.param(f"a=1;remember_token={GOOD};b", id="among others"),
        pytest.param(f"remember_token={GOOD}; remember_token=bob|0", id="first of two"),
        pytest.param(f'remember_token="{GOOD.replace("a", chr(92) + "141", 1)}"', id="escaped"),
    ],
)
def test_written_otherwise(theirs: Any, ours: Any, cookie: str) -> None:
    """
    A valid cookie is valid however a client writes it, for both or for none.
    """
    expected = ask_theirs(theirs, "/do/look", cookies=[cookie])
    assert expected.json[0]["user"] == "ada"
    assert ask_ours(ours, "/do/look", cookies=[cookie]).json == expected.json


def test_two_cookies(theirs: Any, ours: Any) -> None:
    """
    Of two remember cookies the first counts, also if it is the invalid one.
    """
    for cookies in ([f"remember_token=bob|0; remember_token={GOOD}"], ["remember_token=", f"remember_token={GOOD}"]):
        assert ask_theirs(theirs, "/do/look", cookies=cookies).json[0]["user"] is None
        assert ask_ours(ours, "/do/look", cookies=cookies).json[0]["user"] is None


def test_remembered_and_gone(ours: Any, users: Users) -> None:
    """
    A valid cookie of a deleted user leaves no trace in the session.
    """
    answer = ask_ours(ours, "/do/look", cookies=[f"remember_token={signed('gone')}"])
    assert (answer.json[0]["user"], users.loaded) == (None, ["gone"])
    assert answer.session_headers == {"set-cookie": [], "vary": ["Cookie"]}


def test_time(ours: Any) -> None:
    """
    A cookie of 16 kB, which servers let through, costs next to nothing.
    """
    for value in ("|" * 16_000, "x|" * 8_000, '"' + "\\303" * 4_000 + '"', '"' + "\\" * 16_000, "x" * 16_000 + "|0"):
        started = time.process_time()
        assert ask_ours(ours, "/do/look", cookies=[f"remember_token={value}"]).status == 200
        assert time.process_time() - started < 0.5


# Sessions that somebody signed who has the key, or another app that has the same.


def ask_with(ours: Any, theirs: Any, path: str, content: dict[str, Any], *headers: Any) -> tuple[Answer, Answer]:
    """
    Ask both with a session of this content, at home; return our answer and theirs.
    """
    serializer = SessionConfig.from_flask(theirs).signing_serializer
    line = ask_theirs(theirs, "/do/login:ada", headers=[AGENT]).set_cookie[-1]
    identifier = serializer.loads(line.partition("=")[2].partition(";")[0])["_id"]
    asked: dict[str, Any] = {
        "cookies": [f"session={serializer.dumps({'_id': identifier, **content})}"],
        "headers": [AGENT, *headers],
    }
    return ask_ours(ours, path, **asked), ask_theirs(theirs, path, **asked)


@pytest.mark.parametrize(
    ("user_id", "their_status"),
    [
        pytest.param(["ada"], 500, id="list"),
        pytest.param({"id": "ada"}, 500, id="object"),
        pytest.param(1.5, 200, id="float"),
        pytest.param(b"ada", 200, id="bytes"),
        pytest.param(("ada",), 200, id="tuple"),
        pytest.param(None, 200, id="null"),
    ],
)
def test_user_id(ours: Any, theirs: Any, users: Users, user_id: Any, their_status: int) -> None:
    """
    Nobody is looked up by an id that is neither text nor a number; nobody is logged in, or remembered.
    """
    content = {"_user_id": user_id, "_fresh": True}
    for path, status in (("/do/look", 200), ("/members", 401), ("/secret", 401)):
        asked = ask_with(ours, theirs, path, content)
        assert asked[0].status == status
        assert asked[1].status == their_status or their_status == 200
    assert users.loaded == []
    answer, _ = ask_with(ours, theirs, "/do/session", {**content, "_remember": "set"})
    assert [line for line in answer.set_cookie if line.startswith("remember_token")] == []


@pytest.mark.parametrize("fresh", ["yes", 1, [0], {"a": 1}, "False"])
def test_fresh(ours: Any, theirs: Any, fresh: Any) -> None:
    """
    Only True is fresh; for Flask-Login much else is.
    """
    our_answer, their_answer = ask_with(ours, theirs, "/secret", {"_user_id": "ada", "_fresh": fresh})
    assert (our_answer.status, their_answer.status) == (401, 200)
    assert ask_with(ours, theirs, "/members", {"_user_id": "ada", "_fresh": fresh})[0].json == "ada"
    assert ask_with(ours, theirs, "/do/look", {"_user_id": "ada", "_fresh": fresh})[0].json[0]["fresh"] is False


@pytest.mark.parametrize("identifier", [None, 1, [1], {"a": 1}, b"x", "x", "", True])
@pytest.mark.parametrize("protection", ["basic", "strong"])
def test_identifier(users: Users, identifier: Any, protection: str) -> None:
    """
    An identifier of another type is another identifier.
    """
    theirs = their_app(users, SESSION_PROTECTION=protection)
    content = {"_user_id": "ada", "_fresh": True, "_id": identifier}
    ours, expected = ask_with(our_twin(theirs, users), theirs, "/do/look", content)
    assert (ours.status, ours.json, ours.session_headers) == (200, expected.json, expected.session_headers)
    assert ours.json[0]["fresh"] is False


@pytest.mark.parametrize(
    ("seconds", "their_status", "our_seconds"),
    [
        pytest.param(60, 200, 60, id="int"),
        pytest.param(60.5, 200, 60, id="float"),
        pytest.param(-5, 200, -5, id="negative"),
        pytest.param("60", 500, YEAR, id="text"),
        pytest.param(None, 500, YEAR, id="null"),
        pytest.param([60], 500, YEAR, id="list"),
        pytest.param({"seconds": 60}, 500, YEAR, id="object"),
        pytest.param(float("nan"), 500, YEAR, id="NaN"),
        pytest.param(float("inf"), 500, YEAR, id="infinity"),
        pytest.param(1e300, 500, YEAR, id="1e300"),
        pytest.param(4e11, 500, YEAR, id="beyond the year 9999"),
        pytest.param(-7e10, 500, YEAR, id="before the year 1"),
        pytest.param(10**30, 500, YEAR, id="10**30"),
    ],
)
def test_remember_seconds(ours: Any, theirs: Any, seconds: Any, their_status: int, our_seconds: int) -> None:
    """
    What can't be a duration isn't one: the cookie lives as long as the settings say.
    """
    content = {"_user_id": "ada", "_fresh": True, "_remember": "set", "_remember_seconds": seconds}
    our_answer, their_answer = ask_with(ours, theirs, "/do/look", content)
    assert (our_answer.status, their_answer.status) == (200, their_status)
    line = our_answer.set_cookie[0]
    assert line.startswith(f"remember_token={GOOD}; Expires=")
    if their_status == 200:
        assert our_answer.set_cookie == their_answer.set_cookie
    end = parsedate_to_datetime(line.split("; Expires=")[1].split(";")[0])
    assert end.timestamp() == NOW + our_seconds


@pytest.mark.parametrize("remember", [None, True, 1, ["set"], {"set": 1}, "SET", "", b"clear"])
def test_remember(ours: Any, theirs: Any, remember: Any) -> None:
    """
    Any other order than to set or to clear is dropped.
    """
    content = {"_user_id": "ada", "_fresh": True, "_remember": remember}
    our_answer, their_answer = ask_with(ours, theirs, "/do/look", content)
    assert our_answer.session_headers == their_answer.session_headers
    [line] = our_answer.set_cookie
    assert line.startswith("session=")


@pytest.mark.parametrize("flashes", [None, 1, "text", {"a": 1}, True, b"bytes"])
def test_flashes(users: Users, theirs: Any, flashes: Any) -> None:
    """
    A browser is turned away whatever the session holds as messages, and finds ours.
    """
    ours = our_twin(theirs, users)
    content = {"_flashes": flashes}
    our_answer, their_answer = ask_with(ours, theirs, "/members", content, BROWSING)
    assert (our_answer.status, their_answer.status) == (302, 500)
    login = ask_ours(ours, "/login", cookies=[our_answer.cookie])
    assert login.json["messages"] == [["message", "Please log in to access this page."]]


@pytest.mark.parametrize("where_to", [None, 1, ["/a"], {"/a": 1}, b"/a", True, "//evil.example", "/\\evil.example"])
def test_next(users: Users, where_to: Any) -> None:
    """
    What isn't a page of this host isn't gone to, out of the session either.
    """
    theirs = their_app(users, USE_SESSION_FOR_NEXT=True, login_view="/login")
    ours, _ = ask_with(our_twin(theirs, users), theirs, "/login", {"next": where_to})
    assert (ours.status, ours.json["next"]) == (200, "")


@pytest.mark.parametrize("permanent", [None, 0, "", [], {}, 1, "yes", [0]])
@pytest.mark.parametrize("protection", ["basic", "strong"])
def test_permanent(users: Users, permanent: Any, protection: str) -> None:
    """
    What counts as permanent for Flask does so for protection.
    """
    theirs = their_app(users, SESSION_PROTECTION=protection)
    content = {"_user_id": "ada", "_fresh": True, "_id": "of another address", "_permanent": permanent}
    ours, expected = ask_with(our_twin(theirs, users), theirs, "/do/look", content)
    assert (ours.status, ours.json, ours.session_headers) == (200, expected.json, expected.session_headers)


@each_site(["mounted", "a2wsgi", "mounted, looking ahead", "a2wsgi, looking ahead"], both_flask=False)
def test_our_pages_beside_a_broken_one(make_site: Any) -> None:
    """
    A cookie that breaks Flask's pages leaves ours alone, and logging out here mends those.
    """
    site = make_site()
    person = site.person()
    person.browser.cookies["remember_token", "", "/"] = "ada|\xff"
    assert person.visit(site.theirs, "/members").status == 500
    assert person.visit(site.ours, "/members").status == 401
    person.take(site.ours, "logout")
    assert person.visit(site.theirs, "/members").status == 401


class TestLoginsThatCannotWork:
    """
    What a view may do wrong.
    """

    @pytest.fixture
    def manager(self) -> Any:
        """
        A manager of its own.
        """

        manager = LoginManager(secret_key="secret")
        manager.user_loader(lambda user_id: OurUser(user_id, is_active=True))
        return manager

    @pytest.mark.parametrize("key", ["", None, "€", 5])
    def test_secret_key(self, key: Any) -> None:
        """
        A key with which Flask-Login would answer 500 is refused at the start.
        """

        with pytest.raises((ConfigError, TypeError)):
            LoginManager(secret_key=key)
        with pytest.raises((ConfigError, TypeError)):
            LoginManager.from_mapping({"SECRET_KEY": key})

    @pytest.mark.parametrize(
        "settings",
        [
            {"remember_cookie_name": ""},
            {"remember_cookie_name": None},
            {"remember_cookie_name": "a b"},
            {"remember_cookie_name": "a=b"},
            {"remember_cookie_name": "__Host-x"},
            {"remember_cookie_domain": 5},
            {"remember_cookie_domain": "a\n"},
            {"remember_cookie_path": 5},
            {"remember_cookie_path": "x;y"},
            {"remember_cookie_samesite": "x"},
            {"remember_cookie_samesite": True},
            {"remember_cookie_samesite": "None"},
            {"remember_cookie_duration": "1"},
            {"remember_cookie_duration": 1.5},
            {"remember_cookie_duration": None},
            {"remember_cookie_duration": 10**30},
            {"session_protection": "Strong"},
            {"session_protection": ["basic"]},
        ],
        ids=repr,
    )
    def test_settings(self, settings: dict[str, Any]) -> None:
        """
        So is a setting with which it would, or whose cookie no browser would keep, or nobody could read.
        """

        with pytest.raises((ConfigError, TypeError)):
            LoginManager(secret_key="secret", **settings)

    @pytest.mark.parametrize(
        ("user_id", "options"),
        [(None, {}), (["a"], {}), (b"a", {}), ("ada", {"duration": 3600}), ("ada", {"duration": "1"})],
        ids=repr,
    )
    def test_nothing_is_written(self, manager: Any, user_id: Any, options: dict[str, Any]) -> None:
        """
        A login that can't be kept is an error before anything is written; Flask-Login's writes first.
        """

        class Odd(OurUser):
            def get_id(self) -> Any:
                return self.id

        app = FastAPI()

        @app.get("/")
        async def view(request: Request) -> PlainTextResponse:
            with pytest.raises((TypeError, ValueError)):
                login_user(request, Odd(user_id, is_active=True), remember=True, **options)
            return PlainTextResponse()

        app.add_middleware(LoginMiddleware, manager=manager)
        app.add_middleware(SessionMiddleware, secret_key="secret")
        assert ask_ours(app, "/").set_cookie == []


def test_clock() -> None:
    """
    The remember cookie has no age of its own: one of long ago is as good, as for Flask-Login.
    """
    users = Users()
    theirs = their_app(users)
    ours = our_twin(theirs, users)
    with time_machine.travel(NOW + 20 * YEAR, tick=False):
        for answer in (ask_ours(ours, "/do/look", cookies=[f"remember_token={GOOD}"]),
                       ask_theirs(theirs, "/do/look", cookies=[f"remember_token={GOOD}"])):  # fmt: skip
            assert answer.json[0]["user"] == "ada"

"""
Who is it? Stories of users, told with real Flask-Login at the other end: beside our app, and mounted in it.

Each story is told in both directions, and once with Flask alone, which shows that it is Flask-Login's own.
"""

from collections.abc import Iterator
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

import flask
import flask_login  # type: ignore[import-untyped]  # ships no types
import pytest
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.login import LoginBackend, LoginManager, login_user, logout_user
from starlette_flask.middleware.login import LoginMiddleware
from tests.interop.logins import (
    BROWSING,
    HOME,
    NOW,
    MakeSite,
    OurUser,
    Person,
    TheirUser,
    Users,
    ask_ours,
    ask_theirs,
    each_site,
    our_app,
    our_twin,
    their_app,
    travel_to,
)

OFFICE = "198.51.100.20"


@pytest.fixture(autouse=True)
def frozen_clock() -> Iterator[None]:
    """
    Cookies of the same second are the same bytes.
    """
    with travel_to(0):
        yield


class TestLoggingIn:
    """
    Log in here, be known there.
    """

    @each_site()
    def test_known_everywhere(self, make_site: MakeSite) -> None:
        """
        Nobody is known before; who logs in is known on both sides, and fresh; the browser is told nothing more.
        """
        person = make_site().person()
        person.assert_unknown()
        assert person.here("login:ada") is True
        person.assert_known("ada")
        assert person.browser.value("remember_token") is None
        cookies = dict(person.browser.cookies)
        person.assert_known("ada")
        assert person.browser.cookies == cookies

    @each_site()
    def test_known_in_the_same_request(self, make_site: MakeSite) -> None:
        """
        Who logged in is the current user at once, and nobody is after logging out.
        """
        person = make_site().person()
        assert person.here("look", "login:ada", "look")["user"] == "ada"
        assert person.there("look", "logout", "look")["user"] is None
        assert person.there("login:bob", "logout", "login:cyd", "look")["user"] == "cyd"
        person.assert_known("cyd")

    @each_site()
    def test_another_user(self, make_site: MakeSite) -> None:
        """
        Who logs in over somebody else takes their place, and what the session holds besides stays.
        """
        person = make_site().person()
        person.here("write:cart", "login:ada")
        person.there("login:bob")
        person.assert_known("bob")
        assert person.here("session")["cart"] == 1

    @each_site()
    def test_two_people(self, make_site: MakeSite) -> None:
        """
        Two browsers are two people.
        """
        site = make_site()
        one, other = site.person(), site.person()
        one.here("login:ada:remember")
        other.there("login:bob")
        one.assert_known("ada", remembered=True)
        other.assert_known("bob")
        other.there("logout")
        one.assert_known("ada", remembered=True)
        other.assert_unknown()

    @each_site()
    def test_members_only(self, make_site: MakeSite) -> None:
        """
        A page for members, and one for the freshly logged in, open for who logged in on the other side.
        """
        site = make_site()
        person = site.person()
        for path in ("/members", "/secret"):
            assert person.visit(site.here, path).status == 401
            assert person.visit(site.there, path).status == 401
        person.here("login:ada")
        for path in ("/members", "/secret"):
            assert person.visit(site.there, path).json == "ada"
            assert person.visit(site.here, path).json == "ada"

    @each_site()
    def test_preflight(self, make_site: MakeSite) -> None:
        """
        A page for members answers OPTIONS to everybody (flask_login.config.EXEMPT_METHODS).
        """
        site = make_site()
        person = site.person()
        assert person.visit(site.there, "/members", method="OPTIONS").status == 200
        assert person.visit(site.here, "/members", method="OPTIONS").status == 200

    @each_site(["twin", "heir", "mounted"])
    @pytest.mark.parametrize("user", ["1", "ä x", "a|b", 'q"uote', "d41d8cd98f00b204e9800998ecf8427e", "back\\slash"])
    def test_names(self, make_site: MakeSite, user: str) -> None:
        """
        Whatever characters an id is made of, it is known and remembered as it is.
        """
        person = make_site().person()
        person.here(f"login:{user}:remember")
        person.assert_known(user, remembered=True)
        person.lose_session()
        person.assert_known(user, fresh=False, remembered=True)

    @each_site(["twin", "heir", "mounted"])
    @pytest.mark.parametrize("key", ["secret", "schlüssel", b"by\xfftes", "long " * 40])
    def test_secret_keys(self, make_site: MakeSite, key: str | bytes) -> None:
        """
        Any secret key that Flask-Login can use is used in the same way.
        """
        person = make_site(SECRET_KEY=key).person()
        person.here("login:ada:remember")
        person.assert_known("ada", remembered=True)
        person.lose_session()
        person.assert_known("ada", fresh=False, remembered=True)

    @each_site()
    def test_not_fresh_by_wish(self, make_site: MakeSite) -> None:
        """
        A login may be stale from the start.
        """
        site = make_site()
        person = site.person()
        person.here("login:ada:stale")
        person.assert_known("ada", fresh=False)
        assert [person.visit(side, "/secret").status for side in (site.there, site.here)] == [401, 401]
        person.there("confirm")
        person.assert_known("ada")
        assert [person.visit(side, "/secret").status for side in (site.there, site.here)] == [200, 200]

    @each_site()
    def test_permanent_session(self, make_site: MakeSite) -> None:
        """
        A permanent session is one on both sides, and is refreshed by both.
        """
        person = make_site().person()
        person.here("permanent", "login:ada")
        for days in range(0, 300, 30):
            with travel_to(days * 24 * 3600):
                person.assert_known("ada")
        with travel_to(302 * 24 * 3600):
            assert person.there("look")["user"] is None


class TestLoggingOut:
    """
    Log out on either side, be nobody on both.
    """

    @each_site()
    @pytest.mark.parametrize("remember", ["", ":remember"])
    def test_logout(self, make_site: MakeSite, remember: str) -> None:
        """
        After logging out no cookie is left, and no page brings the user back.
        """
        person = make_site().person()
        for log_out in (person.here, person.there):
            person.here(f"login:ada{remember}")
            person.assert_known("ada", remembered=bool(remember))
            assert log_out("logout") is True
            person.assert_unknown()

    @each_site()
    def test_other_data_stays(self, make_site: MakeSite) -> None:
        """
        Logging out takes only the login out of the session.
        """
        person = make_site(SESSION_PROTECTION=None).person()
        person.here("write:cart", "login:ada:remember:hour")
        person.there("logout")
        person.assert_unknown("session")
        assert person.here("session") == {"cart": 1}

    @each_site()
    def test_from_the_remember_cookie_alone(self, make_site: MakeSite) -> None:
        """
        Who is known only by the remember cookie is logged out for good.
        """
        person = make_site().person()
        person.here("login:ada:remember")
        person.lose_session()
        person.there("logout")
        person.assert_unknown()

    @each_site()
    def test_remember_cookie_of_its_own_place(self, make_site: MakeSite) -> None:
        """
        A remember cookie with another name, path and domain than the session's is deleted there.
        """
        person = make_site(
            REMEMBER_COOKIE_NAME="memory", REMEMBER_COOKIE_PATH="/", REMEMBER_COOKIE_DOMAIN="example.com"
        ).person()
        person.here("login:ada:remember")
        assert set(person.browser.cookies) == {("session", "", "/"), ("memory", "example.com", "/")}
        person.there("logout")
        person.assert_unknown()

    @each_site()
    def test_with_an_invalid_remember_cookie(self, make_site: MakeSite) -> None:
        """
        Logging out deletes a remember cookie that is no good, too.
        """
        person = make_site().person()
        person.here("login:ada")
        person.browser.cookies["remember_token", "", "/"] = "ada|nonsense"
        person.there("logout")
        person.assert_unknown()

    @each_site()
    def test_nobody_logs_out(self, make_site: MakeSite) -> None:
        """
        Logging out without having logged in changes nothing.
        """
        person = make_site(SESSION_PROTECTION=None).person()
        assert person.here("logout") is True
        person.there("write:cart")
        assert person.here("logout") is True
        person.assert_unknown("session")
        assert person.there("session") == {"cart": 1}


class TestRemembering:
    """
    A browser that comes back without its session.
    """

    @each_site()
    def test_lost_session(self, make_site: MakeSite) -> None:
        """
        The remembered user is known again on both sides, but not fresh, until the next login or confirmation.
        """
        site = make_site()
        for again in ("confirm", "login:ada", "login:ada:remember"):
            person = site.person()
            person.here("login:ada:remember")
            person.lose_session()
            person.assert_known("ada", fresh=False, remembered=True)
            assert person.visit(site.here, "/members").json == "ada"
            assert person.visit(site.here, "/secret").status == 401
            assert person.visit(site.there, "/secret").status == 401
            person.there(again)
            person.assert_known("ada", fresh=True, remembered=True)
            assert person.visit(site.here, "/secret").json == "ada"

    @each_site(both_flask=False)
    @pytest.mark.parametrize("protection", [None, "basic", "strong"])
    def test_the_restored_session(self, make_site: MakeSite, protection: str | None) -> None:
        """
        A session that our side restored holds what Flask-Login writes, and `_id` where protection is on.
        """
        site = make_site(SESSION_PROTECTION=protection)
        person = site.person()
        person.here("login:ada:remember")
        identifier = person.here("session")["_id"]
        person.lose_session()
        person.take(site.ours, "look")
        expected = {"_user_id": "ada", "_fresh": False, **({"_id": identifier} if protection else {})}
        assert person.take(site.theirs, "session") == expected

    @each_site()
    @pytest.mark.parametrize(("options", "seconds"), [("", 100), (":hour", 3600)])
    def test_duration(self, make_site: MakeSite, options: str, seconds: int) -> None:
        """
        The browser keeps the remember cookie as long as the settings say, or the login.
        """
        person = make_site(REMEMBER_COOKIE_DURATION=100).person()
        person.here(f"login:ada:remember{options}")
        person.lose_session()
        with travel_to(seconds - 1):
            person.assert_known("ada", fresh=False, remembered=True)
        expires = format_datetime(datetime.fromtimestamp(NOW + seconds, timezone.utc), usegmt=True)
        line, _ = person.visit(person.site.there, f"/do/login:ada:remember{options}").set_cookie
        assert f"; Expires={expires};" in line

    @each_site()
    def test_duration_stays_in_the_session(self, make_site: MakeSite) -> None:
        """
        A duration given at a login counts for later ones that name none, until the session ends.
        """
        person = make_site().person()
        person.here("login:ada:remember:hour")
        assert person.there("session")["_remember_seconds"] == 3600.0
        line, _ = person.visit(person.site.there, "/do/login:ada:remember").set_cookie
        assert "Expires=Tue, 14 Nov 2023 23:13:20 GMT" in line
        person.there("logout")
        line, _ = person.visit(person.site.there, "/do/login:ada:remember").set_cookie
        assert "Expires=Wed, 13 Nov 2024 22:13:20 GMT" in line

    @each_site()
    def test_another_login_after_a_lost_session(self, make_site: MakeSite) -> None:
        """
        A login counts more than whom the remember cookie brings back in the same request.
        """
        person = make_site().person()
        person.here("login:ada:remember")
        person.lose_session()
        person.there("login:bob")
        person.assert_known("bob", remembered=True)

    @each_site()
    def test_another_login_without_remembering(self, make_site: MakeSite) -> None:
        """
        A login that isn't to be remembered leaves the remember cookie of the last one alone.
        """
        person = make_site().person()
        person.here("login:ada:remember")
        person.there("login:bob")
        person.assert_known("bob", remembered=True)
        person.lose_session()
        person.assert_known("ada", fresh=False, remembered=True)

    @each_site()
    def test_not_remembered(self, make_site: MakeSite) -> None:
        """
        Who didn't ask for it isn't remembered.
        """
        person = make_site().person()
        person.here("login:ada")
        person.lose_session()
        person.assert_unknown()

    @each_site()
    def test_login_after_logout_in_one_request(self, make_site: MakeSite) -> None:
        """
        In one request the last word counts: a login to be remembered after a logout is, another one isn't.
        """
        person = make_site().person()
        person.here("login:ada:remember")
        person.there("logout", "login:bob:remember")
        person.assert_known("bob", remembered=True)
        person.here("logout", "login:cyd")
        person.assert_known("cyd", remembered=False)
        person.there("login:dan:remember", "logout")
        person.assert_unknown()

    @each_site()
    def test_refresh_each_request(self, make_site: MakeSite) -> None:
        """
        With REMEMBER_COOKIE_REFRESH_EACH_REQUEST every page puts the end off, for everybody who is logged in.
        """
        person = make_site(REMEMBER_COOKIE_REFRESH_EACH_REQUEST=True, REMEMBER_COOKIE_DURATION=100).person()
        person.here("login:ada")
        for seconds in (90, 180, 270):
            with travel_to(seconds):
                person.visit(person.site.there, "/plain")
                person.lose_session()
                assert person.there("look") == {
                    "user": "ada", "is_authenticated": True, "fresh": False, "remembered": True,
                }  # fmt: skip
        with travel_to(300):
            person.here("logout")
            person.assert_unknown()

    @each_site(["twin", "heir", "mounted"])
    def test_refresh_of_a_page_that_does_nothing(self, make_site: MakeSite) -> None:
        """
        The remember line of a refresh is the same from both.
        """
        site = make_site(REMEMBER_COOKIE_REFRESH_EACH_REQUEST=True)
        person = site.person()
        person.here("login:ada:remember:hour")
        with travel_to(60):
            lines = [person.visit(side, "/plain").set_cookie[0] for side in (site.here, site.there)]
        assert lines[0] == lines[1]
        assert lines[0].startswith("remember_token=ada|")
        assert "Expires=Tue, 14 Nov 2023 23:14:20 GMT" in lines[0]


class TestProtection:
    """
    The session comes from another address, or from another browser.
    """

    CHANGES = pytest.mark.parametrize(
        "changed",
        [
            pytest.param({"agent": "curl/8.0"}, id="agent"),
            pytest.param({"agent": None}, id="no agent"),
            pytest.param({"agent": 'it\'s "quoted" \\ é'}, id="odd agent"),
            pytest.param({"address": OFFICE}, id="address"),
            pytest.param({"address": None}, id="no address"),
            pytest.param({"address": "2001:db8::1"}, id="IPv6"),
        ],
    )

    @staticmethod
    def change(person: Person, changed: dict[str, Any]) -> None:
        for name, value in changed.items():
            setattr(person, name, value)

    @each_site(["twin", "mounted", "a2wsgi, looking ahead"])
    @CHANGES
    def test_unchanged(self, make_site: MakeSite, changed: dict[str, Any]) -> None:
        """
        Whatever address and agent a browser has, to both sides they are the same as long as they are the same.
        """
        person = make_site(SESSION_PROTECTION="strong").person()
        self.change(person, changed)
        person.here("login:ada")
        person.assert_known("ada")

    @each_site(["twin", "mounted", "a2wsgi, looking ahead"])
    @CHANGES
    def test_basic(self, make_site: MakeSite, changed: dict[str, Any]) -> None:
        """
        Basic: the user is known but not fresh, also when everything is as before again, until the next login.
        """
        site = make_site()
        person = site.person()
        person.here("login:ada")
        unchanged = {name: getattr(person, name) for name in changed}
        self.change(person, changed)
        person.assert_known("ada", fresh=False)
        assert person.visit(site.here, "/members").json == "ada"
        assert person.visit(site.there, "/secret").status == 401
        self.change(person, unchanged)
        person.assert_known("ada", fresh=False)
        person.there("login:ada")
        person.assert_known("ada")

    @each_site(["twin", "mounted", "a2wsgi, looking ahead"])
    @CHANGES
    def test_strong(self, make_site: MakeSite, changed: dict[str, Any]) -> None:
        """
        Strong: the login is over on both sides, its remember cookie too; the rest of the session stays.
        """
        person = make_site(SESSION_PROTECTION="strong").person()
        person.here("login:ada:remember:hour", "write:cart")
        unchanged = {name: getattr(person, name) for name in changed}
        self.change(person, changed)
        assert person.there("look")["user"] is None
        assert person.browser.value("remember_token") is None
        content = person.there("session")
        assert {key: value for key, value in content.items() if key == "cart" or "user" in key} == {"cart": 1}
        self.change(person, unchanged)
        person.assert_unknown("session")

    @each_site()
    @pytest.mark.parametrize("protection", [None, "basic", "strong"])
    def test_login_from_elsewhere(self, make_site: MakeSite, protection: str | None) -> None:
        """
        A login counts more than what protection does in the same request.
        """
        site = make_site(SESSION_PROTECTION=protection)
        for step, user in (("login:bob", "bob"), ("login:ada", "ada"), ("confirm", "ada")):
            person = site.person()
            person.here("login:ada", "write:cart")
            person.address = OFFICE
            if step == "confirm" and protection == "strong":
                continue
            person.there("look", step)
            person.assert_known(user)
            assert person.here("session")["cart"] == 1

    @each_site()
    @pytest.mark.parametrize("protection", [None, "basic", "strong"])
    def test_logout_from_elsewhere(self, make_site: MakeSite, protection: str | None) -> None:
        """
        Logging out works from everywhere.
        """
        person = make_site(SESSION_PROTECTION=protection).person()
        person.here("login:ada:remember")
        person.address = OFFICE
        person.there("logout")
        person.assert_unknown()

    @each_site(["twin", "mounted", "a2wsgi, looking ahead"])
    @CHANGES
    def test_strong_while_permanent(self, make_site: MakeSite, changed: dict[str, Any]) -> None:
        """
        Strong acts as basic while the session is permanent.
        """
        person = make_site(SESSION_PROTECTION="strong").person()
        person.here("permanent", "login:ada:remember")
        self.change(person, changed)
        person.assert_known("ada", fresh=False, remembered=True)

    @each_site(["twin", "mounted", "a2wsgi, looking ahead"])
    @CHANGES
    def test_none(self, make_site: MakeSite, changed: dict[str, Any]) -> None:
        """
        None: nobody minds.
        """
        person = make_site(SESSION_PROTECTION=None).person()
        person.here("login:ada")
        self.change(person, changed)
        person.assert_known("ada")

    @each_site(["twin", "heir", "mounted"])
    @pytest.mark.parametrize(
        "forwarded",
        [
            "198.51.100.20",
            " 198.51.100.20 , 10.0.0.1",
            "198.51.100.20,10.0.0.1",
            ",10.0.0.1",
            "unknown",
            "[2001:db8::1]:4711",
            "é",
            "\xa0x",
        ],
    )
    def test_behind_a_proxy(self, make_site: MakeSite, forwarded: str) -> None:
        """
        The first address of X-Forwarded-For counts, whatever it is, and not the proxy's.
        """
        site = make_site(SESSION_PROTECTION="strong")
        person = site.person()
        person.visit(site.here, "/do/login:ada", ("x-forwarded-for", forwarded))
        person.address = OFFICE
        first = forwarded.partition(",")[0]
        for header in (forwarded, f"{first}, 192.0.2.1"):
            answer = person.visit(site.there, "/do/look", ("x-forwarded-for", header))
            assert (answer.json[0]["user"], answer.json[0]["fresh"]) == ("ada", True)
        person.address = HOME
        assert person.there("look")["user"] is None

    @each_site(both_flask=False)
    def test_strong_and_remembered(self, make_site: MakeSite) -> None:
        """
        Whom our side restores stays known to strong Flask, which throws those out whom it restored itself.
        """
        site = make_site(SESSION_PROTECTION="strong")
        person = site.person()
        person.here("login:ada:remember")
        person.lose_session()
        assert person.take(site.ours, "look")["user"] == "ada"
        for side in (site.theirs, site.ours, site.theirs):
            assert person.take(side, "look") == {
                "user": "ada", "is_authenticated": True, "fresh": False, "remembered": True,
            }  # fmt: skip

    @each_site(both_flask=False)
    def test_strong_and_a_write_of_ours(self, make_site: MakeSite) -> None:
        """
        What our side writes for nobody in particular doesn't make strong Flask forget whom it remembers.
        """
        site = make_site(SESSION_PROTECTION="strong")
        person = site.person()
        person.here("login:ada:remember")
        identifier = person.here("session")["_id"]
        person.lose_session()
        person.take(site.ours, "write:cart")
        assert person.take(site.ours, "session")["_id"] == identifier
        assert person.take(site.theirs, "look")["user"] == "ada"
        assert person.take(site.ours, "look")["user"] == "ada"
        assert person.take(site.theirs, "session")["cart"] == 1

    @each_site(["twin", "heir"], both_flask=False)
    def test_no_identifier_without_need(self, make_site: MakeSite) -> None:
        """
        Where protection is off, or nothing is written, our side writes no `_id`; nor over another one.
        """
        site = make_site(SESSION_PROTECTION=None)
        person = site.person()
        person.take(site.ours, "write:cart")
        assert person.take(site.ours, "session") == {"cart": 1}
        site = make_site(SESSION_PROTECTION="strong")
        person = site.person()
        assert person.visit(site.ours, "/plain").session_headers == {"set-cookie": [], "vary": []}
        assert person.visit(site.ours, "/do/look").session_headers == {"set-cookie": [], "vary": ["Cookie"]}
        person.here("login:ada")
        identifier = person.here("session")["_id"]
        person.address = OFFICE
        person.take(site.ours, "write:cart")
        assert person.take(site.ours, "session")["_id"] == identifier


class TestUsersWhoGo:
    """
    Deactivated and deleted users.
    """

    @each_site()
    def test_deactivated(self, make_site: MakeSite) -> None:
        """
        A deactivated user is still known by name, but not authenticated, and comes back when activated.
        """
        site = make_site()
        person = site.person()
        person.here("login:ada")
        site.users.inactive.add("ada")
        for side in (site.there, site.here):
            assert person.take(side, "look") == {
                "user": "ada", "is_authenticated": False, "fresh": True, "remembered": False,
            }  # fmt: skip
            assert person.visit(side, "/members").status == 401
            assert person.visit(side, "/secret").status == 401
        site.users.inactive.clear()
        person.assert_known("ada")

    @each_site()
    def test_deactivated_before_the_login(self, make_site: MakeSite) -> None:
        """
        A deactivated user can't log in, if not by force; whoever is logged in stays so.
        """
        site = make_site()
        site.users.inactive.add("ina")
        person = site.person()
        assert person.here("login:ina:remember") is False
        person.assert_unknown()
        person.there("login:ada")
        assert person.here("login:ina:remember") is False
        person.assert_known("ada")
        assert person.here("login:ina:force") is True
        assert [side("look")["user"] for side in (person.there, person.here)] == ["ina", "ina"]
        assert person.visit(site.there, "/members").status == 401

    @each_site()
    @pytest.mark.parametrize("protection", [None, "basic", "strong"])
    def test_deleted(self, make_site: MakeSite, protection: str | None) -> None:
        """
        A deleted user is nobody; one who is added again under the same id is known.
        """
        site = make_site(SESSION_PROTECTION=protection)
        person = site.person()
        person.here("login:ada")
        site.users.deleted.add("ada")
        for side in (site.there, site.here):
            seen = person.take(side, "look")
            assert (seen["user"], seen["is_authenticated"]) == (None, False)
            assert person.visit(side, "/members").status == 401
        site.users.deleted.clear()
        person.assert_known("ada")

    @each_site()
    def test_deleted_and_remembered(self, make_site: MakeSite) -> None:
        """
        The remember cookie doesn't bring a deleted user back, and logging out ends it.
        """
        site = make_site()
        person = site.person()
        person.here("login:ada:remember")
        site.users.deleted.add("ada")
        assert [side("look")["user"] for side in (person.there, person.here)] == [None, None]
        person.lose_session()
        assert [side("look")["user"] for side in (person.there, person.here)] == [None, None]
        person.there("logout")
        site.users.deleted.clear()
        person.assert_unknown()

    @each_site()
    def test_another_one_is_remembered(self, make_site: MakeSite) -> None:
        """
        Where the session's user is gone, the remember cookie's is known, if that is another one.
        """
        site = make_site()
        person = site.person()
        person.here("login:ada:remember")
        person.there("login:bob")
        site.users.deleted.add("bob")
        person.assert_known("ada", fresh=False, remembered=True)


class TestLoading:
    """
    Whom our side asks, and how often.
    """

    @each_site(both_flask=False)
    def test_once_a_request(self, make_site: MakeSite) -> None:
        """
        However often a request asks, its user is loaded once.
        """
        site = make_site()
        person = site.person()
        person.here("login:ada:remember")
        site.users.loaded.clear()
        person.take(site.ours, "look", "look", "look")
        assert site.users.loaded == ["ada"]
        person.lose_session()
        site.users.loaded.clear()
        person.take(site.ours, "look", "look")
        assert site.users.loaded == ["ada"]

    @each_site(["twin", "heir", "mounted"], both_flask=False)
    def test_not_unless_somebody_asks(self, make_site: MakeSite) -> None:
        """
        A page that doesn't ask for the user costs no look into the users' table, and says nothing of cookies.
        """
        site = make_site()
        person = site.person()
        person.here("login:ada:remember")
        site.users.loaded.clear()
        assert person.visit(site.ours, "/plain").session_headers == {"set-cookie": [], "vary": []}
        person.take(site.ours, "session")
        assert site.users.loaded == []

    @each_site(["twin"], both_flask=False)
    def test_numbers(self, make_site: MakeSite) -> None:
        """
        A number in the session reaches the loader as a number, and as text from the remember cookie.
        """
        site = make_site(SESSION_PROTECTION=None)
        person = site.person()
        value = SessionConfig.from_flask(site.their_app).signing_serializer.dumps({"_user_id": 5})
        person.browser.cookies["session", "", "/"] = value
        for side in (site.here, site.there):
            person.take(side, "look")
        assert site.users.loaded == [5, 5]

    def test_the_flask_app_s_own(self) -> None:
        """
        The app's loader runs in the app's context, as its models need it; who is nobody is its own nobody.
        """

        class Guest(flask_login.AnonymousUserMixin):  # type: ignore[misc]  # ships no types
            def get_id(self) -> str:
                return "guest"

        users = Users()
        theirs = their_app(users, anonymous_user=Guest)

        @theirs.login_manager.user_loader  # type: ignore[attr-defined, untyped-decorator]  # Flask-Login's
        def load(user_id: str) -> TheirUser:
            return TheirUser(f"{user_id} of {flask.current_app.name}", is_active=True)

        ours = our_twin(theirs, users)
        cookie = ask_theirs(theirs, "/do/login:ada").cookie
        assert ask_ours(ours, "/do/look").json[0]["user"] == "guest"
        assert ask_ours(ours, "/do/look", cookies=[cookie]).json[0]["user"] == f"ada of {theirs.name}"
        assert ask_ours(ours, "/members", cookies=[cookie]).json == f"ada of {theirs.name}"


class TestWebSockets:
    """
    A user at a WebSocket's handshake.
    """

    @each_site(["twin", "heir", "mounted", "a2wsgi, looking ahead"], both_flask=False)
    def test_members_only(self, make_site: MakeSite) -> None:
        """
        Who logged in to Flask is let in, by the remember cookie too; nobody else is.
        """
        site = make_site()
        person = site.person()
        assert is_refused(person.shake_hands(site.our_app))
        person.here("login:ada:remember")
        accepted, text = person.shake_hands(site.our_app)[:2]
        assert (accepted["type"], text["text"]) == ("websocket.accept", "ada")
        person.lose_session()
        accepted, text = person.shake_hands(site.our_app)[:2]
        assert text["text"] == "ada"
        [restored] = [value for name, value in accepted["headers"] if name == b"set-cookie"]
        assert restored.startswith(b"session=")
        person.there("logout")
        assert is_refused(person.shake_hands(site.our_app))

    @each_site(["twin"], both_flask=False)
    def test_protection(self, make_site: MakeSite) -> None:
        """
        Strong protection counts for WebSockets too.
        """
        site = make_site(SESSION_PROTECTION="strong")
        person = site.person()
        person.here("login:ada")
        assert not is_refused(person.shake_hands(site.our_app))
        person.address = OFFICE
        assert is_refused(person.shake_hands(site.our_app))


def is_refused(sent: list[Any]) -> bool:
    """
    Tell whether a handshake was refused, and nothing was accepted before.
    """
    return sent[0]["type"] in ("websocket.close", "websocket.http.response.start")


class TestRequestLoader:
    """
    Users who come with a token instead of a cookie.
    """

    @pytest.fixture(params=["the app's own", "ours"])
    def apps(self, request: pytest.FixtureRequest) -> tuple[Any, Any, Users]:
        """
        Both apps, and the users whom they know. A token is the name of its user.
        """
        users = Users()
        theirs = their_app(users)

        @theirs.login_manager.request_loader  # type: ignore[attr-defined, untyped-decorator]  # Flask-Login's
        def load_theirs(request: flask.Request) -> Any:
            name = request.headers.get("x-token")
            return name and users.find(TheirUser, f"{name} by token to {flask.request.path}")

        if request.param == "the app's own":
            return theirs, our_twin(theirs, users), users
        manager = LoginManager.from_flask(theirs)

        @manager.request_loader
        async def load_ours(connection: HTTPConnection) -> Any:
            name = connection.headers.get("x-token")
            return name and users.find(OurUser, f"{name} by token to {connection.url.path}")

        return theirs, our_app(manager, SessionConfig.from_flask(theirs), users), users

    @pytest.mark.parametrize(
        ("carried", "name", "user"),
        [
            pytest.param(None, "bob", "ada by token to /do/look,look", id="nobody else"),
            pytest.param("session", "bob", "bob", id="somebody logged in"),
            pytest.param("session", "gone", "ada by token to /do/look,look", id="somebody gone"),
            pytest.param("remembered", "bob", "bob", id="somebody remembered"),
            pytest.param("remembered", "gone", None, id="somebody gone, remembered"),
            pytest.param("invalid", "bob", None, id="an invalid remember cookie"),
        ],
    )
    def test_who_comes_first(
        self, apps: tuple[Any, Any, Users], carried: str | None, name: str, user: str | None
    ) -> None:
        """
        The session comes first, then the remember cookie, valid or not, and the token only without one.
        """
        theirs, ours, users = apps
        lines = ask_theirs(theirs, f"/do/login:{name}:remember").set_cookie
        remembered, session = (line.partition(";")[0] for line in lines)
        cookie = {"session": session, "remembered": remembered, "invalid": f"{remembered}0"}.get(carried or "")
        cookies = [cookie] if cookie else []
        users.deleted.add("gone")
        for ask, app in ((ask_theirs, theirs), (ask_ours, ours)):
            users.loaded.clear()
            answer = ask(app, "/do/look,look", cookies=cookies, headers=[("x-token", "ada")])
            assert answer.json[1]["user"] == user
            assert any("token" in name for name in users.loaded) == ("token" in (user or ""))
            assert ask(app, "/members", headers=[("x-token", "ada")]).status == 200

    def test_nothing_is_kept(self, apps: tuple[Any, Any, Users]) -> None:
        """
        A token logs in for its own request: no cookie is set, and the login isn't fresh.
        """
        theirs, ours, _ = apps
        for ask, app in ((ask_theirs, theirs), (ask_ours, ours)):
            answer = ask(app, "/do/look", headers=[("x-token", "ada")])
            assert (answer.set_cookie, answer.json[0]["fresh"]) == ([], False)
            assert ask(app, "/secret", headers=[("x-token", "ada")]).status == 401


class TestTurnedAway:
    """
    Two apps with one login form.
    """

    @each_site(["mounted"], both_flask=False)
    def test_the_flask_app_s_form(self, make_site: MakeSite) -> None:
        """
        The login view may be an endpoint of the mounted app: it finds page and message of either side.
        """
        site = make_site(login_view="their_form")
        for side, page in ((site.here, "/members?q=1"), (site.there, "/members/2?q=1")):
            person = site.person()
            answer = person.visit(side, page, BROWSING)
            where_to = f"{side.prefix}{page}"
            assert answer.status == 302
            assert answer.lines("location") == [f"/legacy/their/form?{urlencode({'next': where_to})}"]
            form = person.visit(site.ours, answer.lines("location")[0])
            assert form.json == {"messages": [["message", "Please log in to access this page."]], "next": where_to}
            person.take(site.theirs, "login:ada")
            assert person.visit(site.ours, where_to).json == "ada"

    @each_site(["mounted", "a2wsgi"], both_flask=False)
    def test_our_form(self, make_site: MakeSite) -> None:
        """
        So it may be a path of the app around it.
        """
        site = make_site(login_view="/login")
        for side, page in ((site.here, "/members?q=1"), (site.there, "/members/2?q=1")):
            person = site.person()
            answer = person.visit(side, page, BROWSING)
            where_to = f"{side.prefix}{page}"
            assert answer.lines("location") == [f"/login?{urlencode({'next': where_to})}"]
            form = person.visit(site.ours, answer.lines("location")[0])
            assert form.json == {"messages": [["message", "Please log in to access this page."]], "next": where_to}

    def test_handlers(self) -> None:
        """
        The Flask app's handlers answer in Flask, and ours here.
        """
        theirs = their_app(Users())
        theirs.login_manager.unauthorized_handler(lambda: ("theirs", 418))  # type: ignore[attr-defined]
        theirs.login_manager.needs_refresh_handler(lambda: ("theirs", 418))  # type: ignore[attr-defined]
        manager = LoginManager.from_flask(theirs)
        ours = our_app(manager, SessionConfig.from_flask(theirs), Users())
        stale = [ask_theirs(theirs, "/do/login:ada:stale").cookie]
        for path, cookies in (("/members", []), ("/secret", stale)):
            assert ask_theirs(theirs, path, cookies=cookies).status == 418
            assert ask_ours(ours, path, cookies=cookies).status == 401

        @manager.unauthorized_handler
        def turn_away(connection: HTTPConnection) -> Response:
            connection.session["wanted"] = connection.url.path
            return PlainTextResponse("ours", 402)

        @manager.needs_refresh_handler
        async def ask_again(connection: HTTPConnection) -> Response:
            return PlainTextResponse("again", 403)

        answer = ask_ours(ours, "/members")
        assert (answer.status, answer.body) == (402, b"ours")
        assert ask_theirs(theirs, "/do/session", cookies=[answer.cookie]).json == [{"wanted": "/members"}]
        answer = ask_ours(ours, "/secret", cookies=stale)
        assert (answer.status, answer.body) == (403, b"again")


class TestStarlette:
    """
    Plain Starlette: ``request.user``, ``request.auth`` and ``@requires``, for users of Flask-Login.
    """

    @pytest.fixture
    def apps(self) -> tuple[flask.Flask, Starlette]:
        """
        A Flask app, and one of Starlette alone.
        """
        theirs = their_app(Users())
        manager = LoginManager.from_flask(theirs)

        async def who(request: Request) -> JSONResponse:
            if "logout" in request.query_params:
                logout_user(request)
            if "login" in request.query_params:
                login_user(request, OurUser(request.query_params["login"], is_active=True))
            return JSONResponse([request.user.get_id(), request.user.is_authenticated, request.auth.scopes])

        @requires("authenticated")
        async def members(request: Request) -> JSONResponse:
            return JSONResponse(request.user.get_id())

        @requires("fresh")
        async def secret(request: Request) -> JSONResponse:
            return JSONResponse(request.user.get_id())

        return theirs, Starlette(
            routes=[Route("/who", who), Route("/members", members), Route("/secret", secret)],
            middleware=[
                Middleware(SessionMiddleware, config=SessionConfig.from_flask(theirs)),
                Middleware(LoginMiddleware, manager=manager),
                Middleware(AuthenticationMiddleware, backend=LoginBackend(manager)),
            ],
        )

    def test_user_and_scopes(self, apps: tuple[flask.Flask, Starlette]) -> None:
        """
        The user is Flask-Login's, and the scopes say how fresh the login is, also after a change in the view.
        """
        theirs, ours = apps
        assert ask_ours(ours, "/who").json == [None, False, []]
        login = ask_theirs(theirs, "/do/login:ada:remember")
        remembered, session = (line.partition(";")[0] for line in login.set_cookie)
        assert ask_ours(ours, "/who", cookies=[session]).json == ["ada", True, ["authenticated", "fresh"]]
        assert ask_ours(ours, "/who", cookies=[remembered]).json == ["ada", True, ["authenticated"]]
        assert ask_ours(ours, "/who?logout", cookies=[session]).json == [None, False, []]
        answer = ask_ours(ours, "/who?login=bob", cookies=[remembered])
        assert answer.json == ["bob", True, ["authenticated", "fresh"]]
        assert ask_theirs(theirs, "/do/look", cookies=[answer.cookie]).json[0]["user"] == "bob"

    def test_requires(self, apps: tuple[flask.Flask, Starlette]) -> None:
        """
        ``requires`` turns away as it always does.
        """
        theirs, ours = apps
        login = ask_theirs(theirs, "/do/login:ada:remember")
        remembered, session = (line.partition(";")[0] for line in login.set_cookie)
        for path, cookies, status in (
            ("/members", [], 403),
            ("/secret", [], 403),
            ("/members", [remembered], 200),
            ("/secret", [remembered], 403),
            ("/members", [session], 200),
            ("/secret", [session], 200),
        ):
            assert ask_ours(ours, path, cookies=cookies).status == status

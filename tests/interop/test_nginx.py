"""
docs/deployment.md, done: two real servers behind a real nginx, over HTTPS, with the very files of the page.
"""

import json
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import flask
import httpx
import pytest
from itsdangerous import BadSignature

from starlette_flask import SessionConfig, SessionSerializer
from tests.docs.blocks import blocks_of
from tests.helpers import Answer, Browser
from tests.interop.apps import needs_flask
from tests.interop.deployed import (
    BALANCER,
    BLOCKS,
    HOME,
    HOST,
    SECONDS,
    Machine,
    Process,
    Site,
    deployed,
    eventually,
    exec_start,
    free_port,
    program,
    send,
)

ELSEWHERE = "127.0.0.2"
"""Another address from which to connect."""

LOGGED_IN = {"user": "ada", "fresh": True}
NOT_FRESH = {"user": "ada", "fresh": False}
NOBODY = {"user": None, "fresh": False}
FROM_PAGE = {"Referer": f"https://{HOST}/form"}

from_each = pytest.mark.parametrize(("here", "there"), [("flask", "fastapi"), ("fastapi", "flask")])
on_each = pytest.mark.parametrize("side", ["flask", "fastapi"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with deployed(tmp_path_factory.mktemp("machine")) as site:
        yield site


@pytest.fixture(scope="module")
def strong_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """
    One where a session that comes from somewhere else is logged out.
    """
    with deployed(tmp_path_factory.mktemp("machine"), SESSION_PROTECTION="strong") as site:
        yield site


# Users


@from_each
def test_a_visit(site: Site, here: str, there: str) -> None:
    """
    Who logs in on one side is known to both, freshly, and who logs out to neither.
    """
    person = site.person()
    person.visit(f"/{here}/login/ada")
    for side in (there, here, there):
        assert person.visit(f"/{side}/who").json == LOGGED_IN
    person.visit(f"/{there}/logout")
    assert person.cookies == {}
    for side in (here, there):
        assert person.visit(f"/{side}/who").json == NOBODY


@from_each
def test_remembered(site: Site, here: str, there: str) -> None:
    """
    Who is remembered by one side is known to the other when the browser was closed, and to the first one then.
    """
    person = site.person()
    person.visit(f"/{here}/login/ada?remember")
    del person.cookies["session", "", "/"]
    for side in (there, here, there):
        assert person.visit(f"/{side}/who").json == NOT_FRESH


@on_each
def test_cookies(site: Site, side: str) -> None:
    """
    Both sides send the same cookies: for this host alone, over HTTPS alone, with every path.
    """
    lines = site.ask(f"/{side}/login/ada?remember").set_cookie
    shown = [re.sub("(=|Expires=)[^;]+", r"\1...", line, count=1) for line in lines]
    shown = [re.sub("Expires=[^;]+", "Expires=...", line) for line in shown]
    assert sorted(shown) == [
        "remember_token=...; Expires=...; Secure; HttpOnly; Path=/; SameSite=Lax",
        "session=...; Secure; HttpOnly; Path=/; SameSite=Lax",
    ]


@from_each
def test_flash(site: Site, here: str, there: str) -> None:
    """
    What one side has to say the other one shows, once.
    """
    person = site.person()
    person.visit(f"/{here}/flash/saved")
    assert person.visit(f"/{there}/messages").json == [["info", "saved"]]
    assert person.visit(f"/{here}/messages").json == []


class TestForms:
    @from_each
    def test_token(self, site: Site, here: str, there: str) -> None:
        """
        A form of one side is accepted by the other.
        """
        person = site.person()
        token = person.visit(f"/{here}/token").json
        answer = person.visit(f"/{there}/save", method="POST", headers={**FROM_PAGE, "X-CSRFToken": token})
        assert (answer.status, answer.json) == (200, 0)

    @pytest.mark.parametrize(
        "headers",
        [
            pytest.param({}, id="none"),
            pytest.param({"Referer": "https://elsewhere.example/"}, id="another host"),
            pytest.param({"Referer": f"http://{HOST}/"}, id="another scheme"),
            pytest.param({"Referer": f"https://{HOST}:8443/"}, id="another port"),
            pytest.param({"X-Forwarded-Proto": "http"}, id="a client that says it isn't HTTPS"),
        ],
    )
    @on_each
    def test_referrer(self, site: Site, side: str, headers: dict[str, str]) -> None:
        """
        Both sides know that they are asked over HTTPS, where a token without a good Referer isn't enough.
        """
        person = site.person()
        token = person.visit(f"/{side}/token").json
        answer = person.visit(f"/{side}/save", method="POST", headers={**headers, "X-CSRFToken": token})
        assert answer.status == 400
        assert b"refer" in answer.body.lower()

    @on_each
    def test_no_token(self, site: Site, side: str) -> None:
        """
        Nor is a good Referer enough.
        """
        assert site.ask(f"/{side}/save", method="POST", headers=FROM_PAGE).status == 400


# Addresses


class TestAddress:
    @pytest.mark.parametrize(
        "claim",
        [
            pytest.param({}, id="nothing"),
            pytest.param({"X-Forwarded-For": "203.0.113.7"}, id="X-Forwarded-For"),
            pytest.param({"X-Forwarded-For": "203.0.113.7, 127.0.0.1"}, id="a chain"),
            pytest.param({"x_forwarded_for": "203.0.113.7"}, id="underscores"),
            pytest.param({"X-Real-IP": "203.0.113.7", "Forwarded": "for=203.0.113.7"}, id="X-Real-IP, Forwarded"),
            pytest.param({"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.example"}, id="scheme and host"),
            pytest.param({"X-Forwarded-Prefix": "/evil", "X-Forwarded-Port": "1"}, id="prefix and port"),
        ],
    )
    @pytest.mark.parametrize("address", [HOME, ELSEWHERE])
    def test_is_the_same_for_both(self, site: Site, address: str, claim: dict[str, str]) -> None:
        """
        Both sides see the address that nginx sees, the scheme and the host, whatever the client says they are.
        """
        for side in ("flask", "fastapi"):
            seen = site.ask(f"/{side}/request?q=1", headers=claim, address=address).json
            assert (seen["address"], seen["forwarded for"]) == (address, address)
            assert seen["url"] == f"https://{HOST}/{side}/request?q=1"

    @pytest.mark.parametrize(("address", "expected"), [(BALANCER, "203.0.113.7"), (ELSEWHERE, ELSEWHERE)])
    def test_behind_a_balancer(self, site: Site, address: str, expected: str) -> None:
        """
        A balancer is believed who the client is, nobody else; and not what the client has told the balancer.
        """
        for side in ("flask", "fastapi"):
            headers = {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}
            seen = site.ask(f"/{side}/request", headers=headers, address=address).json
            assert (seen["address"], seen["forwarded for"]) == (expected, expected)

    @from_each
    def test_claims(self, site: Site, here: str, there: str) -> None:
        """
        Whatever proxies a browser claims to be behind, its login stays fresh. A thief at another address who claims to
        be at the victim's has a login that isn't.
        """
        _claim(site, here, there, seen_of_thief=NOT_FRESH)

    @from_each
    def test_claims_under_strong_protection(self, strong_site: Site, here: str, there: str) -> None:
        """
        Under strong protection the one is still logged in, and the other is nobody.
        """
        _claim(strong_site, here, there, seen_of_thief=NOBODY)

    @on_each
    def test_redirects(self, site: Site, side: str) -> None:
        """
        Where an app redirects to a whole URL, it is the one that the browser knows.
        """
        answer = site.ask(f"/{side}/folder")
        assert answer.status in (307, 308)
        assert answer.lines("location") == [f"https://{HOST}/{side}/folder/"]


def _claim(site: Site, here: str, there: str, *, seen_of_thief: dict[str, Any]) -> None:
    person = site.person()
    person.visit(f"/{here}/login/ada", headers={"X-Forwarded-For": "203.0.113.7"})
    for side, claim in ((there, "198.51.100.1"), (here, ELSEWHERE), (there, HOME)):
        assert person.visit(f"/{side}/who", headers={"X-Forwarded-For": claim}).json == LOGGED_IN
    for side in (there, here):
        thief = site.person()
        thief.cookies = dict(person.cookies)
        seen = thief.visit(f"/{side}/who", headers={"X-Forwarded-For": HOME}, address=ELSEWHERE)
        assert seen.json == seen_of_thief


# nginx


def test_to_https(site: Site) -> None:
    """
    HTTP is redirected.
    """
    connection = HTTPConnection(HOME, site.machine.ports["80"], timeout=SECONDS)
    answer = send(connection, "/account?q=1", "POST", [], b"", {"Host": HOST})
    connection.close()
    assert (answer.status, answer.lines("location")) == (308, [f"https://{HOST}/account?q=1"])


def test_another_name(site: Site) -> None:
    """
    Who asks for another host gets no answer, wherever the name is said.
    """
    plain = HTTPConnection(HOME, site.machine.ports["80"], timeout=SECONDS)
    for connection in (plain, site.connect()):
        with pytest.raises(ConnectionError):
            send(connection, "/flask/request", "GET", [], b"", {"Host": "evil.example"})
        connection.close()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        site.connect(name="evil.example")


@on_each
def test_two_names(site: Site, side: str) -> None:
    """
    Of a request that says two names the app learns the one for which nginx has taken it.
    """
    connection = site.connect()
    answer = send(connection, f"https://{HOST}/{side}/request", "GET", [], b"", {"Host": "evil.example"})
    connection.close()
    assert answer.json["url"] == f"https://{HOST}/{side}/request"


def test_kept_connections(site: Site) -> None:
    """
    nginx needs no new connection to an app for each request.
    """
    ports = [site.ask("/flask/request").json["port"] for _ in range(10)]
    assert len(set(ports)) < 5


@from_each
def test_large_cookie(site: Site, here: str, there: str) -> None:
    """
    A session that is as large as browsers take it passes, beside a remember cookie, and comes back.
    """
    person = site.person()
    person.visit(f"/{here}/login/ada?remember")
    text = _incompressible(3_720)
    line = person.visit(f"/{here}/fill/{text}").set_cookie[0]
    assert 4_000 < len(line) < 4_093, len(line)
    assert person.visit(f"/{there}/filling").json == text
    # Both at once: the session with everything in it, and the remember cookie.
    answer = person.visit(f"/{there}/login/ada?remember")
    assert answer.status == 200
    assert sum(map(len, answer.set_cookie)) > 4_096


def _incompressible(length: int) -> str:
    """
    Return a text that zlib doesn't make shorter than base64 makes it longer.
    """
    text = SessionSerializer("secret").dumps({str(n): n for n in range(10)})
    while len(text) < length:
        text += SessionSerializer(text[-40:]).dumps({"n": len(text)})[-27:]
    return re.sub(r"\W", "x", text[-length:])


@on_each
def test_upload(site: Site, side: str) -> None:
    """
    An upload of more than nginx allows if nothing is said reaches the app; one of more than the page says doesn't.
    """
    person = site.person()
    headers = {**FROM_PAGE, "X-CSRFToken": person.visit(f"/{side}/token").json}
    assert person.visit(f"/{side}/save", method="POST", body=bytes(2_000_000), headers=headers).json == 2_000_000
    too_much = {**headers, "Content-Length": str(21 * 1024 * 1024), "Expect": "100-continue"}
    assert person.visit(f"/{side}/save", method="POST", headers=too_much).status == 413


@on_each
def test_stream(site: Site, side: str, tmp_path: Path) -> None:
    """
    An event arrives before there is a second one.
    """
    gate = tmp_path / "gate"
    connection = site.connect()
    connection.request("GET", f"/{side}/events?gate={gate}")
    response = connection.getresponse()
    assert response.read1(100) == b"data: first\n\n"
    gate.touch()
    assert response.read() == b"data: second\n\n"
    assert response.getheader("X-Accel-Buffering") is None
    connection.close()


def test_rate_limit(site: Site) -> None:
    """
    Who tries one password after another is stopped for a while, alone; loading the form counts nothing.
    """
    statuses: list[int] = []
    while 429 not in statuses and len(statuses) < 100:
        statuses.append(site.ask("/login", method="POST", address="127.0.0.3").status)
    assert statuses[-1] == 429
    assert len(statuses) > 11
    assert set(statuses[:-1]) == {400}  # without a token, but they reach the app
    assert site.ask("/login", address="127.0.0.3").status == 200
    assert site.ask("/login", method="POST").status == 400


def test_http2(site: Site) -> None:
    """
    The cookies that HTTP/2 splits over several lines are one again for both apps.
    """
    with httpx.Client(http2=True, verify=site.make_tls_context()) as client:
        for side in ("flask", "fastapi"):
            url = f"https://{HOME}:{site.machine.ports['443']}/{side}/request"
            headers = [("Host", HOST), ("Cookie", "a=1"), ("Cookie", "b=2")]
            answer = client.get(url, headers=headers, extensions={"sni_hostname": HOST})
            assert answer.http_version == "HTTP/2"
            assert answer.json()["cookie"] == "a=1; b=2"
            assert answer.json()["url"] == f"https://{HOST}/{side}/request"


class TestWebSocket:
    @on_each
    def test_user(self, site: Site, side: str) -> None:
        """
        Who is logged in on either side is known at the handshake; nobody else gets in.
        """
        person = site.person()
        person.visit(f"/{side}/login/ada")
        cookies = [f"session={person.value()}"]
        assert _shake_hands(site, "/live", cookies, origin=f"https://{HOST}") == (101, "hello, ada")
        assert _shake_hands(site, "/live", [], origin=f"https://{HOST}") == (403, "")

    def test_origin(self, site: Site) -> None:
        """
        A page of another host can't open one in a user's name.
        """
        person = site.person()
        person.visit("/fastapi/login/ada")
        cookies = [f"session={person.value()}"]
        assert _shake_hands(site, "/live", cookies, origin="https://evil.example") == (403, "")

    def test_address(self, site: Site) -> None:
        """
        The app sees the client's address and that TLS is used.
        """
        status, message = _shake_hands(site, "/fastapi/socket", [], origin=f"https://{HOST}")
        assert (status, json.loads(message)) == (101, {"address": HOME, "url": f"wss://{HOST}/fastapi/socket"})


def _shake_hands(site: Site, path: str, cookies: list[str], *, origin: str) -> tuple[int, str]:
    """
    Open a WebSocket; return the status, and the first message.
    """
    connection = site.connect()
    try:
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Origin": origin}
        headers = {**upgrade, "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "User-Agent": "a browser"}
        if cookies:
            headers["Cookie"] = "; ".join(cookies)
        connection.putrequest("GET", path)
        for name, value in {**headers, "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "http"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        with connection.sock.makefile("rb") as stream:
            status = int(stream.readline().split()[1])
            while stream.readline().strip():
                pass
            if status != 101:
                return status, ""
            first, length = stream.read(2)  # one text frame of less than 126 bytes, not masked: RFC 6455, section 5.2
            assert (first, length < 126) == (0x81, True)
            return status, stream.read(length).decode()
    finally:
        connection.close()


# While users are there


class Polling:
    """
    A user who asks both sides, again and again, until told to stop.
    """

    def __init__(self, site: Site, person: Browser, *paths: str) -> None:
        self._site, self._paths = site, paths
        self._cookies = [f"{name}={value}" for (name, _, _), value in person.cookies.items()]
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._ask_all)
        self.answers: list[Answer] = []
        self.errors: list[Exception] = []

    def _ask_all(self) -> None:
        while not self._is_over.wait(0.01):
            for path in self._paths:
                try:
                    self.answers.append(self._site.ask(path, cookies=self._cookies))
                except Exception as exc:
                    self.errors.append(exc)

    def last(self) -> Any:
        return self.answers[-1].json if self.answers else None

    def assert_always(self, *allowed: Any) -> None:
        """
        Check that each of the answers was one of these, and that each of these was seen.
        """
        assert self.errors == []
        wrong = [answer for answer in self.answers if answer.status != 200 or answer.json not in allowed]
        assert wrong == []
        assert all(any(answer.json == each for answer in self.answers) for each in allowed)

    def __enter__(self) -> "Polling":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over.set()
        self._thread.join(SECONDS)


def test_move_a_route(site: Site) -> None:
    """
    A route moves, and moves back, while somebody is logged in: no request fails, and each answer is the user's.
    """
    person = site.person()
    token = re.findall(rb'name="csrf_token" value="([^"]+)"', person.visit("/login").body)[0]
    body = b"name=ada&csrf_token=" + token
    form = {"Content-Type": "application/x-www-form-urlencoded", "Referer": f"https://{HOST}/login"}
    answer = person.visit("/login", method="POST", body=body, headers=form)
    assert (answer.status, answer.lines("location")) == (302, ["/account"])
    from_flask, from_fastapi = ({"user": "ada", "from": name} for name in ("Flask", "FastAPI"))
    with Polling(site, person, "/account") as polling:
        eventually(polling.last, lambda answer: answer == from_flask)
        site.move(BLOCKS["one more in /etc/nginx/shop/moved.conf"])
        eventually(polling.last, lambda answer: answer == from_fastapi)
        site.move("")
        eventually(polling.last, lambda answer: answer == from_flask)
    polling.assert_always(from_flask, from_fastapi)


@needs_flask("3.1.1", "fallbacks, of which the newest signs")
def test_rotate_the_key(site: Site) -> None:
    """
    The key is rotated in both halves, half after half and worker after worker: nobody is logged out, no request fails.
    """
    old, new = "a long random value", "another long random value"
    person = site.person()
    person.visit("/flask/login/ada")
    try:
        with Polling(site, person, "/flask/who", "/fastapi/who") as polling:
            for key, fallbacks in ((old, [new]), (new, [old])):
                site.machine.change_settings(SECRET_KEY=key, SECRET_KEY_FALLBACKS=fallbacks)
                for process, side in ((site.flask, "flask"), (site.fastapi, "fastapi")):
                    _reload(site, process, f"/{side}/process")
                    person.visit(f"/{side}/fill/{len(fallbacks)}")  # signed by what signs now
                    for other in ("flask", "fastapi"):
                        assert person.visit(f"/{other}/who").json == LOGGED_IN
        polling.assert_always(LOGGED_IN)
        value = person.value()
        assert value is not None
        assert SessionSerializer(new).loads(value)["_user_id"] == "ada"
    finally:
        site.machine.change_settings()


def _reload(site: Site, process: Process, path: str) -> None:
    """
    Do it as ``systemctl reload`` does, and wait until the last of the old workers is gone.
    """
    before = process.workers()
    served = site.ask(path).json
    assert served in before
    process.reload()
    # uvicorn's parent has one more child, which stays.
    eventually(process.workers, lambda now: served not in now and len(now) == len(before) and len(now & before) <= 1)
    assert process.poll() is None


STEPS = [("old", []), ("old", ["new"]), ("new", ["old"]), ("new", [])]
"""What the page says of rotation, and how it was before."""


def _steps_apart(*, most: int) -> list[Any]:
    pairs = [(i, j) for i in range(4) for j in range(4) if abs(i - j) <= most]
    return [pytest.param(i, j, id=f"{i} and {j}") for i, j in pairs]


@needs_flask("3.1.1", "fallbacks, of which the newest signs")
@pytest.mark.parametrize(("written_at", "read_at"), _steps_apart(most=1))
def test_no_step_logs_out(written_at: int, read_at: int) -> None:
    """
    While one half is a step ahead of the other, or behind, each accepts what the other signs.
    """
    assert _is_known(written_at, read_at) == (True, True)


@needs_flask("3.1.1", "fallbacks, of which the newest signs")
def test_a_step_too_many() -> None:
    """
    With the first step left out, the half that is behind knows nobody who comes from the other.
    """
    assert _is_known(2, 0) == (False, False)


def _is_known(written_at: int, read_at: int) -> tuple[bool, bool]:
    """
    Say whether Flask at one step of `STEPS` accepts our cookie of another, and we Flask's.
    """
    settings = [{"SECRET_KEY": key, "SECRET_KEY_FALLBACKS": fallbacks} for key, fallbacks in STEPS]
    writer, reader = (flask.Flask(__name__) for _ in range(2))
    writer.config.from_mapping(settings[written_at])
    reader.config.from_mapping(settings[read_at])

    def accepts(app: flask.Flask, cookie: str) -> bool:
        with app.test_request_context(headers={"Cookie": f"session={cookie}"}):
            return "user" in flask.session

    ours = SessionConfig.from_mapping(settings[written_at]).signing_serializer.dumps({"user": "ada"})
    interface: Any = writer.session_interface
    theirs = interface.get_signing_serializer(writer).dumps({"user": "ada"})
    try:
        ours_again = SessionConfig.from_mapping(settings[read_at]).signing_serializer.loads(theirs)
        is_known_to_us = ours_again == {"user": "ada"}
    except BadSignature:
        is_known_to_us = False
    return accepts(reader, ours), is_known_to_us


# One process

COMMANDS = BLOCKS["one of these, in /srv/shop"].strip().splitlines()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """
    The ports of the servers, all of which run at the same time.
    """
    machine = Machine(tmp_path_factory.mktemp("machine"))
    ports = {command.split()[0]: free_port() for command in COMMANDS}
    with ExitStack() as stack:
        processes = {}
        for command in COMMANDS:
            name, app = command.split()[0], "tests.interop.served.behind_whole:" + command.rpartition(":")[2]
            processes[name] = stack.enter_context(machine.running(command, app, port=ports[name]))
        for name, process in processes.items():
            process.wait_until_it_listens(ports[name])
        yield ports


@pytest.mark.parametrize("server", [command.split()[0] for command in COMMANDS])
def test_one_process(servers: dict[str, int], server: str) -> None:
    """
    With the Flask app mounted, both halves are told the same, by every server of the page.
    """
    headers = {"Host": HOST, "X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https"}  # as nginx sends them

    def ask(path: str, *, method: str, cookies: list[str], body: bytes) -> Answer:
        connection = HTTPConnection(HOME, servers[server], timeout=SECONDS)
        try:
            return send(connection, path, method, cookies, body, headers)
        finally:
            connection.close()

    halves = ("/legacy/flask", "/fastapi")
    for half in halves:
        seen = ask(f"{half}/request", method="GET", cookies=[], body=b"").json
        assert (seen["address"], seen["url"]) == ("203.0.113.7", f"https://{HOST}{half}/request")
    for here, there in (halves, halves[::-1]):
        person = Browser(ask)
        person.visit(f"{here}/login/ada")
        for half in (there, here):
            assert person.visit(f"{half}/who").json == LOGGED_IN


# systemd


@pytest.mark.parametrize("unit", ["shop-flask", "shop-fastapi"])
def test_units(unit: str, tmp_path: Path) -> None:
    """
    systemd understands the units; their servers keep idle connections for longer than nginx does.
    """
    analyze = program("systemd-analyze", "systemd")
    text = BLOCKS[f"/etc/systemd/system/{unit}.service"]
    command = exec_start(unit)
    [keep_alive] = re.findall(r"-keep-alive (\d+)", command)
    assert int(keep_alive) > 60  # keepalive_timeout of ngx_http_upstream_module
    path = tmp_path / f"{unit}.service"
    path.write_text(text.replace(command.split()[0], "/bin/true"))  # which is there
    said = subprocess.run([analyze, "verify", str(path)], capture_output=True, text=True)  # noqa: S603
    assert (said.returncode, said.stderr) == (0, "")


# The page


def test_nothing_is_left_out() -> None:
    """
    Every block of the page is a file that is written here, or is done by a test above.
    """
    blocks = blocks_of("docs/deployment.md")
    done = {"as root", "into the last server", "one more in /etc/nginx/shop/moved.conf", "one of these, in /srv/shop"}
    assert {block.title for block in blocks if not block.title.startswith("/")} == done
    assert len(BLOCKS) == len(blocks)

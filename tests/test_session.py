import copy
import json
import logging
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import time_machine
from starlette.types import Scope

from starlette_flask import Session, SessionConfig
from starlette_flask.cookie_reader import CookieReader
from starlette_flask.formats.cookies import Header
from starlette_flask.session import merge, open_session, save_session, take_assigned, warn_of_late_changes
from tests.interop.apps import needs

CONFIG = SessionConfig(secret_key="secret", same_site=None)
DATA = {"cart": {"items": [1]}, "pair": [1, 2], "user": "ada"}


def received(value: bytes | None, config: SessionConfig = CONFIG, **options: Any) -> Session:
    """
    Return the session of a request with this value of its cookie.
    """
    headers: list[Header] = [] if value is None else [(b"cookie", config.session_cookie.encode() + b"=" + value)]
    return open_session(CookieReader(config), {"type": "http", "headers": headers}, **options)


def opened(data: dict[str, Any] | None, config: SessionConfig = CONFIG, **options: Any) -> Session:
    value = None if data is None else config.signing_serializer.dumps(data).encode()
    return received(value, config, **options)


def saved(session: Session, config: SessionConfig = CONFIG) -> dict[str, Any] | None:
    """
    What the response makes of the session: its new content, empty if deleted, None if nothing is set.
    """
    headers = save_session(config, session, [], "/")
    lines = [value.decode() for name, value in headers if name == b"set-cookie"]
    if not lines:
        return None
    [line] = lines
    value = line.partition(";")[0].partition("=")[2]
    return config.signing_serializer.loads(value) if value else {}


READS: dict[str, Callable[[Session], Any]] = {
    "getitem": lambda session: session["user"],
    "get": lambda session: session.get("user"),
    "get default": lambda session: session.get("nobody", 1),
    "get mutable default": lambda session: session.get("nobody", []),
    "in": lambda session: "user" in session,
    "iter": lambda session: list(session),
    "reversed": lambda session: list(reversed(session)),
    "len": lambda session: len(session),
    "bool": lambda session: bool(session),
    "eq": lambda session: session == DATA,
    "eq from the left": lambda session: DATA == session,  # noqa: SIM300  # that is the case
    "ne": lambda session: session != DATA,
    "repr": lambda session: repr(session),
    "keys": lambda session: list(session.keys()),
    "values": lambda session: list(session.values()),
    "items": lambda session: list(session.items()),
    "copy": lambda session: session.copy(),
    "or": lambda session: session | {"x": 1},
    "or from the left": lambda session: {"x": 1} | session,
    "dict": lambda session: dict(session),
    "unpacked": lambda session: {**session},
    "update": lambda session: dict[str, Any]().update(session),
    "copy.copy": lambda session: copy.copy(session),
    "deepcopy": lambda session: copy.deepcopy(session),
    "pickle": lambda session: pickle.loads(pickle.dumps(session)),  # noqa: S301  # our own
    "format": lambda session: f"{session}",
    "permanent": lambda session: session.permanent,
    "new": lambda session: session.new,
}


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("read", READS.values(), ids=READS.keys())
def test_reading(read: Callable[[Session], Any], lazy: bool) -> None:
    """
    Every way to read sees the whole session, marks it as accessed, and saves nothing.
    """
    session = opened(DATA, lazy=lazy)
    plain = Session(DATA)
    assert not session.accessed
    result = read(session)
    assert result == read(plain) or (read is READS["new"] and result is False)
    assert session.accessed
    assert not session.modified
    assert type(session) is Session
    assert save_session(CONFIG, session, [], "/") == [(b"vary", b"Cookie")]


def do(statement: str) -> Callable[[Session], None]:
    def write(session: Session) -> None:
        exec(statement, {"session": session})  # noqa: S102  # a table of statements

    return write


WRITES: dict[str, dict[str, Any]] = {
    "session['x'] = 1": {**DATA, "x": 1},
    "session['user'] = 'ada'": DATA,
    "del session['user']": {"cart": {"items": [1]}, "pair": [1, 2]},
    "session.clear()": {},
    "session.pop('user')": {"cart": {"items": [1]}, "pair": [1, 2]},
    "session.pop('user', None)": {"cart": {"items": [1]}, "pair": [1, 2]},
    "session.popitem()": {"cart": {"items": [1]}, "pair": [1, 2]},
    "session.setdefault('x', 1)": {**DATA, "x": 1},
    "session.setdefault('x')": {**DATA, "x": None},
    "session.setdefault('x', []).append(1)": {**DATA, "x": [1]},
    "session.update(x=1)": {**DATA, "x": 1},
    "session.update({'x': 1})": {**DATA, "x": 1},
    "session.update([('x', 1)])": {**DATA, "x": 1},
    "session.update()": DATA,
    "session |= {'x': 1}": {**DATA, "x": 1},
    "session |= [('x', 1)]": {**DATA, "x": 1},
    "session.permanent = True": {**DATA, "_permanent": True},
    "session.modified = True": DATA,
    "session.mark_modified()": DATA,
    "session['cart']['items'].append(2)": {**DATA, "cart": {"items": [1, 2]}},
    "session.get('cart')['items'].append(2)": {**DATA, "cart": {"items": [1, 2]}},
    "session.setdefault('cart', {})['x'] = 1": {**DATA, "cart": {"items": [1], "x": 1}},
    "for value in session.values(): isinstance(value, list) and value.pop()": {**DATA, "pair": [1]},
    "for key, value in session.items(): key == 'pair' and value.pop()": {**DATA, "pair": [1]},
    "session.copy()['pair'].append(3)": {**DATA, "pair": [1, 2, 3]},
    "dict(session)['pair'].append(3)": {**DATA, "pair": [1, 2, 3]},
    "(session | {})['pair'].append(3)": {**DATA, "pair": [1, 2, 3]},
    "({} | session)['pair'].append(3)": {**DATA, "pair": [1, 2, 3]},
    "session['pair'][0] = True": {**DATA, "pair": [True, 2]},
    "session['pair'][0] = 1.0": {**DATA, "pair": [1.0, 2]},
}


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("statement", WRITES)
def test_writing(statement: str, lazy: bool) -> None:
    """
    Every way to write counts, also inside values, and what was there before stays.
    """
    session = opened(copy.deepcopy(DATA), lazy=lazy)
    do(statement)(session)
    assert session.modified
    assert session.accessed
    assert repr(sorted((saved(session) or {}).items())) == repr(sorted(WRITES[statement].items()))
    assert not session.modified  # it is saved


@pytest.mark.parametrize(
    "statement",
    [
        "session.pop('nobody', None)",
        "session.setdefault('user', 1)",
        "session['cart']['items'].append(2); session['cart']['items'].pop()",
        "session['pair'] is session.get('pair')",
        "session.modified = False",
        "session['x'] = 1; session.modified = False",
        "session['cart']['items'].append(2); session.modified = False",
        "session['x'] = [object()]; session.modified = False",
        "copy = __import__('copy').deepcopy(session); copy['x'] = 1; copy['pair'].append(3)",
    ],
)
def test_no_change(statement: str) -> None:
    """
    What changes nothing, or was taken back, is not saved.
    """
    session = opened(copy.deepcopy(DATA))
    do(statement)(session)
    assert not session.modified
    assert saved(session) is None


def test_change_after_taking_back() -> None:
    """
    After modified = False only what comes later counts, and all of the session is saved with it.
    """
    session = opened(copy.deepcopy(DATA))
    session["x"] = 1
    pair = session["pair"]
    session.modified = False
    pair.append(3)
    assert session.modified
    assert saved(session) == {**DATA, "x": 1, "pair": [1, 2, 3]}


@pytest.mark.parametrize(
    ("statement", "error"),
    [("session['nobody']", KeyError), ("del session['nobody']", KeyError), ("session.pop('nobody')", KeyError)],
)
def test_errors_change_nothing(statement: str, error: type[Exception]) -> None:
    """
    An operation that fails is no change.
    """
    session = opened(DATA)
    with pytest.raises(error):
        do(statement)(session)
    assert not session.modified


def test_popitem_of_nothing() -> None:
    """
    Nor is one that finds nothing.
    """
    session = opened({})
    with pytest.raises(KeyError):
        session.popitem()
    assert not session.modified


def test_nested_changes_untracked() -> None:
    """
    With track_nested=False only the session itself counts, as in Flask.
    """
    session = opened(copy.deepcopy(DATA), track_nested=False)
    session["cart"]["items"].append(2)
    assert not session.modified
    assert saved(session) is None


def test_flat_reads_compare_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A request that reads flat keys pays nothing for the cart beside them.
    """
    session = opened(DATA)
    monkeypatch.setattr(type(CONFIG.signing_serializer), "dump_payload", None)
    assert session["user"] == "ada"
    assert session.get("user") == "ada"
    assert saved(session) is None


def test_untouched_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With refresh_each_request=False nobody looks at a cookie that nobody asks for.
    """
    config = SessionConfig(secret_key="secret", refresh_each_request=False)
    session = opened({"_permanent": True}, config)
    monkeypatch.setattr(type(config.cookie), "find", None)
    assert save_session(config, session, [], "/") == []


def test_untouched_is_loaded_only_if_permanent(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    With a refresh that could be due, the payload is searched, not loaded.
    """
    session = opened(DATA)
    monkeypatch.setattr(type(CONFIG.signing_serializer), "load_payload", None)
    assert save_session(CONFIG, session, [], "/") == []


@pytest.mark.parametrize("lazy", [True, False])
def test_refresh(lazy: bool) -> None:
    """
    A permanent session is sent again with every response, touched or not.
    """
    data = {**DATA, "_permanent": True}
    assert saved(opened(data, lazy=lazy)) == data
    touched = opened(data, lazy=lazy)
    assert touched.permanent
    assert saved(touched) == data
    assert saved(opened({**DATA, "_permanent": False}, lazy=lazy)) is None


def test_refresh_needs_content() -> None:
    """
    A cookie that says permanent and can't be loaded is no session to refresh.
    """
    serializer = CONFIG.signing_serializer
    signed = serializer._signer.sign(b"." + b"eJyrVoovSC3KTcxLzCtRsiopKk2tBQBTTgdf")
    session = received(signed)
    assert save_session(CONFIG, session, [], "/") == []


def test_new() -> None:
    """
    A session is new when no valid one came along.
    """
    assert opened(None).new
    assert not opened(DATA).new
    assert not opened({}).new
    assert received(b"nonsense").new
    assert Session().new


def test_detached() -> None:
    """
    A copy holds the data but has no request: it is a dict that remembers changes.
    """
    session = Session(copy.deepcopy(DATA))
    session["cart"]["items"] = []
    assert not session.modified
    session["x"] = 1
    assert session.modified
    assert not session.permanent
    copied = copy.copy(opened(DATA))
    assert type(copied) is Session
    assert not copied.modified
    assert b"secret" not in pickle.dumps(opened(DATA))


def test_json_dumps() -> None:
    """
    A touched session is JSON like any dict.
    """
    session = opened(DATA)
    session.mark_accessed()
    assert json.loads(json.dumps(session)) == DATA


@pytest.mark.parametrize("value", [object(), {1, 2}])
def test_what_cannot_be_saved(value: Any) -> None:
    """
    A value without a form in JSON is an error when it is saved, wherever it is.
    """
    session = opened(copy.deepcopy(DATA))
    session["x"] = value
    with pytest.raises(TypeError, match="can't be written: JSON has no such type"):
        saved(session)
    nested = opened(copy.deepcopy(DATA))
    nested["pair"].append(value)
    assert nested.modified
    with pytest.raises(TypeError, match="can't be written: JSON has no such type"):
        saved(nested)


def test_circular() -> None:
    """
    So is a value that holds itself.
    """
    session = opened(copy.deepcopy(DATA))
    session["pair"].append(session["pair"])
    assert session.modified
    with pytest.raises((ValueError, RecursionError)):
        saved(session)


def test_key_deleted_after_handing_out() -> None:
    """
    A value that was handed out and then removed is gone.
    """
    session = opened(copy.deepcopy(DATA))
    pair = session["pair"]
    session.pop("pair")
    pair.append(3)
    assert saved(session) == {"user": "ada", "cart": {"items": [1]}}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(None, None, id="no cookie"),
        pytest.param(DATA, "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; HttpOnly; Path=/", id="cookie"),
    ],
)
def test_clear(data: dict[str, Any] | None, expected: str | None) -> None:
    """
    An emptied session is deleted, if there is a cookie to delete.
    """
    session = opened(data)
    session.clear()
    headers = save_session(CONFIG, session, [], "/")
    assert [value.decode() for name, value in headers if name == b"set-cookie"] == ([expected] if expected else [])
    assert (b"vary", b"Cookie") in headers


def test_clear_of_unreadable_cookie() -> None:
    """
    A cookie that can't be read was carried all the same; clearing deletes it.
    """
    session = received(b"nonsense")
    session.clear()
    assert saved(session) == {}
    empty = received(b"")
    empty.clear()
    assert saved(empty) == {}


@pytest.mark.parametrize(
    ("options", "data", "attributes"),
    [
        pytest.param({}, {"a": 1}, "", id="browser session"),
        pytest.param({}, {"_permanent": True}, "; Expires=Fri, 15 Dec 2023 22:13:20 GMT", id="permanent"),
        pytest.param(
            {"permanent_session_lifetime": 60},
            {"_permanent": True},
            "; Expires=Tue, 14 Nov 2023 22:14:20 GMT",
            id="permanent, own lifetime",
        ),
        pytest.param({"max_age": 60}, {"a": 1}, "; Max-Age=60", id="max_age"),
        pytest.param({"max_age": 60}, {"_permanent": True}, "; Max-Age=60", id="max_age rules permanent"),
        pytest.param({"max_age": None}, {"_permanent": True}, "", id="None rules permanent"),
    ],
)
def test_lifetime(options: dict[str, Any], data: dict[str, Any], attributes: str) -> None:
    """
    Flask's Expires for permanent sessions, or Starlette's Max-Age for all.
    """
    config = SessionConfig(secret_key="secret", same_site=None, **options)
    with time_machine.travel(1_700_000_000, tick=False):
        session = opened(None, config)
        session.update(data)
        headers = save_session(config, session, [], "/")
    [line] = [value.decode() for name, value in headers if name == b"set-cookie"]
    assert line.partition(";")[2] == attributes.removeprefix(";") + ("; " if attributes else " ") + "HttpOnly; Path=/"


@pytest.mark.parametrize(("size", "warned"), [(4093, False), (4094, True)])
def test_size(size: int, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    """
    A line of more than 4,093 bytes is sent and reported.
    """

    def longest_line(config: SessionConfig) -> int:
        session = opened(None, config)
        session["a"] = 1
        return max(len(value) for _, value in save_session(config, session, [], "/"))

    short = longest_line(SessionConfig(secret_key="secret"))
    padded = SessionConfig(secret_key="secret", path="/" + "x" * (size - short))
    assert longest_line(padded) == size
    assert [record.getMessage() for record in caplog.records] == (
        ["The cookie 'session' takes 4094 bytes; over 4093 browsers may drop it and keep the old one. Store less."]
        if warned
        else []
    )


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        pytest.param({}, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}, id="both add"),
        pytest.param({"x": 0}, {"x": 1}, {"x": 2}, {"x": 1}, id="both change: ours"),
        pytest.param({"x": 0}, {}, {"x": 2}, {}, id="we delete, they change: ours"),
        pytest.param({"x": 0}, {"x": 1}, {}, {"x": 1}, id="we change, they delete: ours"),
        pytest.param({"x": 0, "y": 0}, {"x": 0}, {"y": 0}, {}, id="both delete"),
        pytest.param({"x": 0}, {"x": 0, "a": 1}, {}, {"a": 1}, id="they clear, we add"),
        pytest.param({"x": 1}, {"x": True}, {"x": 1}, {"x": True}, id="equal but written otherwise"),
        pytest.param({"x": [1]}, {"x": [1]}, {"x": [2]}, {"x": [2]}, id="untouched by us: theirs"),
    ],
)
def test_merge(base: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any], merged: dict[str, Any]) -> None:
    """
    By top-level key: what we changed is ours, everything else is theirs.
    """
    result = merge(base, ours, theirs, CONFIG.signing_serializer.dump_payload)
    assert repr(sorted(result.items())) == repr(sorted(merged.items()))


@needs("starlette", "1.0", "an assigned dict can't be told from another middleware's session")
def test_assigned_content() -> None:
    """
    A mapping takes the place of the content; anything else is an error that says what to do.
    """
    session = opened(DATA)
    scope: Scope = {"session": {"x": 1}}
    take_assigned(scope, session)
    assert scope["session"] is session
    assert saved(session) == {"x": 1}
    with pytest.raises(TypeError, match="was set to NoneType; assign a dict, or call"):
        take_assigned({"session": None}, session)


def test_first_touch_from_several_threads() -> None:
    """
    Whoever comes first, nobody sees the session half loaded.
    """
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for _ in range(200):
                session = opened(DATA)
                assert list(pool.map(lambda key, session=session: session.get(key), ["user"] * 8)) == ["ada"] * 8
    finally:
        sys.setswitchinterval(interval)


def test_second_thread_loads_nothing_again() -> None:
    """
    Who waits for another thread's first touch doesn't undo what that thread has written since.
    """
    session = opened(DATA)

    class AnotherCameFirst:
        has_come = False

        def __enter__(self) -> None:
            if not self.has_come:
                self.has_come = True
                session["user"] = "eve"

        def __exit__(self, *exc_info: object) -> None:
            pass

    session.__dict__["_first_touch"] = AnotherCameFirst()
    assert session["user"] == "eve"


def test_failed_save_is_not_late(caplog: pytest.LogCaptureFixture) -> None:
    """
    A session that couldn't be saved is an error of its own, and nothing is said of lateness.
    """
    session = opened(copy.deepcopy(DATA))
    session["pair"].append({1})
    with pytest.raises(TypeError):
        saved(session)
    warn_of_late_changes(session)
    session["pair"].pop()
    session["x"] = 1
    assert saved(session) == {**DATA, "x": 1}
    assert caplog.records == []


def test_late_change(caplog: pytest.LogCaptureFixture) -> None:
    """
    A change after the session was saved is reported once.
    """
    session = opened(DATA)
    assert saved(session) is None
    session["x"] = 1
    session["x"] = 2
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith("The session was changed after the response had started, and the change is")

"""
Cookies that released versions of Flask and Quart have written: ours reads each, and writes what Flask 3.1.3 wrote.

Recorded with the versions named, installed one by one (Flask 2.0.3, 2.1.3 and 2.2.5 with
the Werkzeug of their time: 2.0.3, 2.1.2, 2.2.3), from the ``Set-Cookie`` line of a request in which
the view put the data into the session key by key, with the secret key ``golden`` and the clock
stopped at `RECORDED_AT`. They are not to be made again by the code that they test.
"""

import zlib
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

import pytest
import time_machine
from itsdangerous import SignatureExpired
from markupsafe import Markup

from starlette_flask import SessionSerializer

RECORDED_AT = 1_000_000_000

DATA: dict[str, dict[str, Any]] = {
    "tuple": {"t": (1,)},
    "bytes": {"b": b"\xff"},
    "markup": {"m": Markup("<b>")},
    "uuid": {"u": UUID("5f0c2a97-83de-4b16-9a4d-e07b3c9182f6")},
    "datetime": {"d": datetime(2001, 9, 9, 1, 46, 40, tzinfo=timezone.utc)},
    "escaped": {"e": {" t": [1]}},
    "all": {
        "user": "ada",
        "tuple": (1, ("two", 3.5)),
        "bytes": b"\x00\xffbytes",
        "uuid": UUID("12345678-1234-5678-1234-567812345678"),
        "datetime": datetime(2001, 9, 9, 1, 46, 40, tzinfo=timezone.utc),
        "markup": Markup("<b>ü</b>"),
        "escaped": {" t": [1]},
        "nested": [{"a": [(b"b",)]}],
        "plain": [None, True, 1, 1.5, "€"],
        "_permanent": True,
    },
}

FLASK = "Flask 2.0.3, 2.1.3, 2.2.5, 2.3.3, 3.0.3, 3.1.3"

# Who wrote it; a key of DATA; the cookie's value. A leading dot means compressed.
RECORDED = [
    (f"{FLASK}; Quart 0.18.4, 0.23.1", "tuple", "eyJ0Ijp7IiB0IjpbMV19fQ.O5rKAA.ei1Yw7irJ6jqBAudXCsxaTPizb0"),
    (f"{FLASK}; Quart 0.18.4, 0.23.1", "bytes", "eyJiIjp7IiBiIjoiL3c9PSJ9fQ.O5rKAA.d0xU27e9ygKqYsoNTi8ThI9BSz4"),
    (f"{FLASK}; Quart 0.18.4, 0.23.1", "markup", "eyJtIjp7IiBtIjoiPGI-In19.O5rKAA.diSxxGRHwDf3lV54-6CghRH8CjY"),
    (
        f"{FLASK}; Quart 0.18.4, 0.23.1",
        "uuid",
        "eyJ1Ijp7IiB1IjoiNWYwYzJhOTc4M2RlNGIxNjlhNGRlMDdiM2M5MTgyZjYifX0.O5rKAA.YNreEW04z-x4ejeOiJvKZJ7Gc9Y",
    ),
    (
        f"{FLASK}; Quart 0.23.1",
        "datetime",
        "eyJkIjp7IiBkIjoiU3VuLCAwOSBTZXAgMjAwMSAwMTo0Njo0MCBHTVQifX0.O5rKAA.9VUwXCIChOWlGD_Iv8GU81ac8zw",
    ),
    (
        "Quart 0.18.4",  # an ISO date; Quart used Flask's tags from 0.19 on
        "datetime",
        "eyJkIjp7IiBkIjoiMjAwMS0wOS0wOVQwMTo0Njo0MC4wMDAwMDArMDA6MDAifX0.O5rKAA.Uf3Z6P-dgvIYLQPpAkyiLpwVwS4",
    ),
    (
        f"{FLASK}; Quart 0.18.4, 0.23.1",
        "escaped",
        "eyJlIjp7IiBkaSI6eyIgdF9fIjpbMV19fX0.O5rKAA.gJMT2Kc1uzoYEVrpXE8TkZZfmYI",
    ),
    (
        FLASK,
        "all",
        ".eJx1T8FqwzAM_RWjs-nsNOlW0xZ22mkw1h022hKcRB1mjmcSmTJC_n22s-sQ-MnSe4-nCWqPQ68dOgJFQ0AOzQ_hCGoC1oCCx5etwfdX2972e5"
        "g5dJqQTI-Z0EXCMTjOxJYd0bNCCMmEVOVGlYI9Pb8lBY6t9tgtApOB6hrUSV7muO718BV8HvfRbtcczkGIa7u7aw5J7nCkpD5NoPPLaIGU7uMzpbqk"
        "4uCtNi7uXLCW51skl6uKwzkUQrcQKRS8XaInE8n_GqDbN_D1qkpOHMKIQzTXnYb4CWbJHuJIFuuy2tw__Icwz79k8mHv.O5rKAA.hG2NGHQd5ciU"
        "YWhDL2MCZWHkz54",
    ),
    (
        "Quart 0.18.4",
        "all",
        ".eJx1j9FqwyAUhl9lnNu57JgmXSttYW8wxi422hBMcjZkJpPEQxkh7z41vZ2ICt__qf8MPNEICnSnQYBnZwnUDHce1FmK2wH89QfEJiurpVoENL-epp"
        "Rqgvn8sjf0_mrb6_EIgTKbLkEOUOabotw-7f7bo9BpT97067tBhRxRPuA-zDeUqtiqAjNM4x5RIUap1-M3u6T0QTk0pwsjfraHx-YUOU2tdrR-pDNr"
        "pbqOpaol4IEmH-l5Bp3W1PPW6OMrNoldKwHOajMENrC1wo9MQgqZlQIunKNuIURqR2OvBxrCHTGx_AFcS2Fn.O5rKAA.3rnVuQ6rZgWYpPR1EnXg"
        "dA7Mp8g",
    ),
    (
        "Quart 0.23.1",  # its keys aren't sorted
        "all",
        ".eJx1j0FqwzAQRa8iZi1SybHTRiSBrLoqlKaLlsQY2Z4WEVsVtoZQjO9eSc62G43g_T_Sm4BGHECBbjVw8OQ6BDUB86DOkt8v4G8_wNeropzLmUP963"
        "FMqTo0j69bgx9vXXPb7yFQItMmSAHKbJ0Xm8en_2YstNqjN_3ybqjCiSxnYstO6FgmhGRCqnyjcsGeX95jo9fDlVzK9yG_qw8XEuKr2T3Uh8hxbLTD"
        "5RetWXyqKhqVc8AWRx_peQKdziR51_n8jhpRtOTgOm1sYJa6jvuBkEsuVwWHC2VCNxAilcOh1xZt2BET8x85RmHv.O5rKAA.PkemBwdFpgbkY9vZ"
        "CvM0kGthKBk",
    ),
]


@pytest.mark.parametrize(
    ("name", "cookie"),
    [pytest.param(name, cookie, id=f"{name}: {written_by}") for written_by, name, cookie in RECORDED],
)
def test_read(name: str, cookie: str) -> None:
    """
    A session that any of these versions wrote is read with all its types, and its time.
    """
    serializer = SessionSerializer("golden")
    with time_machine.travel(RECORDED_AT, tick=False):
        loaded = serializer.loads(cookie, max_age=0)
    assert loaded == DATA[name]
    assert {key: repr(value) for key, value in loaded.items()} == {
        key: repr(value) for key, value in DATA[name].items()
    }
    with time_machine.travel(RECORDED_AT + 1, tick=False), pytest.raises(SignatureExpired):
        serializer.loads(cookie, max_age=0)


@pytest.mark.parametrize(
    ("name", "cookie"),
    [pytest.param(name, cookie, id=name) for written_by, name, cookie in RECORDED if "3.1.3" in written_by],
)
def test_write(name: str, cookie: str) -> None:
    """
    The same data at the same second is written to the same bytes as Flask 3.1.3 wrote.
    """
    if cookie.startswith(".") and "ng" in zlib.ZLIB_RUNTIME_VERSION:
        pytest.skip("zlib-ng, with which this Python is built, compresses to other bytes")
    with time_machine.travel(RECORDED_AT, tick=False):
        assert SessionSerializer("golden").dumps(DATA[name]) == cookie

"""
The benchmarks compare like with like: every contender does what a scenario asks for.
"""

import asyncio
from typing import Any

import pytest

from benchmarks.contenders import CONTENDERS, OBVIOUS, OURS, VARIANTS, make_cookie
from benchmarks.handlers import Contender, drive
from benchmarks.payloads import PAYLOADS, json_size, payload_of, scope_with
from benchmarks.scenarios import SCENARIOS, Scenario, change_nested
from benchmarks.sessions import check


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
@pytest.mark.parametrize("contender", CONTENDERS, ids=lambda contender: contender.name)
def test_does_as_asked(contender: Contender, scenario: Scenario) -> None:
    """
    The view gets what it must, and the next request finds what it must; ours without any exception.
    """
    for payload in map(PAYLOADS.__getitem__, scenario.payloads):
        cookie = make_cookie(contender, payload, scenario.cookie)
        remark = check(contender, scenario, payload, cookie)
        assert remark in ({""} if contender is OURS else {"", scenario.if_unchanged})


def test_variants_have_scenarios() -> None:
    """
    Ours with other options is measured in scenarios that exist.
    """
    assert VARIANTS.keys() <= {scenario.name for scenario in SCENARIOS}


def test_check_fails() -> None:
    """
    Whoever does something else isn't measured.
    """
    strict = Scenario("strict", "valid", change_nested)
    with pytest.raises(RuntimeError, match="the obvious way, strict: the view got"):
        check(OBVIOUS, strict, PAYLOADS["m"], make_cookie(OBVIOUS, PAYLOADS["m"]))


def test_waiting_is_refused() -> None:
    """
    Without an event loop, who waits for something can't be measured.
    """
    with pytest.raises(RuntimeError, match="waits"):
        drive(asyncio.sleep(0))


def test_payloads() -> None:
    """
    The payloads are as large as they say.
    """
    sizes = {name: json_size(payload) for name, payload in PAYLOADS.items()}
    assert sizes == {
        "s": pytest.approx(150, abs=20),
        "m": pytest.approx(1024, rel=0.1),
        "l": pytest.approx(3500, rel=0.1),
    }
    assert [json_size(payload_of(size)) for size in (100, 250, 1000, 4000)] == [100, 250, 1000, 4000]


@pytest.mark.parametrize(("cookie", "expected"), [(None, 2), ("value", 3)], ids=["without", "with"])
def test_scope(cookie: str | None, expected: int) -> None:
    """
    A browser sends twelve headers, and three cookies with ours.
    """
    headers: dict[bytes, Any] = dict(scope_with(cookie)["headers"])
    assert len(headers) == 12
    assert len(headers[b"cookie"].split(b"; ")) == expected

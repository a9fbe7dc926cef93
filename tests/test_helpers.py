"""
The helpers themselves: a browser that got this wrong would hide the lost sessions that the other tests look for.
"""

import pytest

from tests.helpers import Answer, Browser

SET = "session=1; Path=/"
DELETE = "session=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/"


class Site:
    """
    Answers each visit with the given lines, and notes the cookies that came.
    """

    def __init__(self, *lines: str) -> None:
        self.lines = lines
        self.seen: list[list[str]] = []

    def __call__(self, path: str, *, cookies: list[str], **request: object) -> Answer:
        self.seen.append(cookies)
        return Answer(200, tuple(("set-cookie", line) for line in self.lines))


def cookies_sent_to(path: str, *lines: str, visited: str = "/") -> list[str]:
    """
    Return the ``Cookie`` lines of a second visit, to *path*, after a first one to *visited* was answered with *lines*.
    """
    site = Site(*lines)
    browser = Browser(site)
    browser.visit(visited)
    browser.visit(path)
    first, second = site.seen
    assert first == []
    return second


@pytest.mark.parametrize(
    ("lines", "kept"),
    [
        pytest.param([SET], "1", id="set"),
        pytest.param([SET, "session=2; Path=/"], "2", id="the last set counts"),
        pytest.param([DELETE, SET], "1", id="deleted, then set"),
        pytest.param([SET, DELETE], None, id="set, then deleted"),
        pytest.param([DELETE], None, id="deleted, never set"),
        pytest.param(["session=; Path=/"], "", id="an empty value is no deletion"),
        pytest.param([SET, "session=; Max-Age=0; Path=/"], None, id="deleted by Max-Age"),
        pytest.param([SET, "session=; Max-Age=-1; Path=/"], None, id="deleted by a negative Max-Age"),
        pytest.param([SET, "session=; Path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT"], None, id="deleted by Expires"),
        pytest.param(["session=1; Path=/; Expires=Fri, 01 Jan 2100 00:00:00 GMT"], "1", id="kept by Expires"),
        pytest.param(
            ["session=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60"], "1", id="Max-Age before Expires"
        ),
    ],
)
def test_browser_applies_lines_in_order(lines: list[str], kept: str | None) -> None:
    """
    The browser applies sets and deletions line by line, in the order in which they came.
    """
    browser = Browser(Site(*lines))
    browser.visit("/")
    assert browser.value() == kept
    assert browser.value("another") is None


@pytest.mark.parametrize(
    ("cookie_path", "path", "is_sent"),
    [
        ("/", "/", True),
        ("/", "/legacy/page", True),
        ("/legacy", "/legacy", True),
        ("/legacy", "/legacy?page=1", True),
        ("/legacy", "/legacy/page", True),
        ("/legacy/", "/legacy/page", True),
        ("/legacy/", "/legacy", False),
        ("/legacy", "/legacyish", False),
        ("/legacy", "/api?next=/legacy", False),
        ("/legacy", "/", False),
    ],
)
def test_browser_sends_a_cookie_to_its_path(cookie_path: str, path: str, is_sent: bool) -> None:
    """
    The browser sends a cookie to its path and to what lies below (RFC 6265, section 5.1.4).
    """
    sent = cookies_sent_to(path, f"session=1; Path={cookie_path}")
    assert sent == (["session=1"] if is_sent else [])


@pytest.mark.parametrize(
    ("visited", "path", "is_sent"),
    [
        ("/legacy/page", "/legacy/other", True),
        ("/legacy/page", "/", False),
        ("/legacy", "/", True),
        ("/", "/legacy", True),
    ],
)
def test_browser_knows_the_default_path(visited: str, path: str, is_sent: bool) -> None:
    """
    A cookie without a path is one of the folder that was visited.
    """
    assert cookies_sent_to(path, "session=1", visited=visited) == (["session=1"] if is_sent else [])


def test_browser_joins_cookies_in_one_line() -> None:
    """
    All cookies of a request travel in one ``Cookie`` line.
    """
    assert cookies_sent_to("/", "session=1; Path=/", "theme=dark; Path=/") == ["session=1; theme=dark"]


@pytest.mark.parametrize("attributes", ["; Path=/legacy", "; Path=/; Domain=example.com"])
def test_browser_tells_cookies_of_one_name_apart(attributes: str) -> None:
    """
    Another path or domain is another cookie: neither set nor deleted with the first, and `value` won't choose.
    """
    browser = Browser(Site(SET, f"session=2{attributes}"))
    browser.visit("/")
    with pytest.raises(AssertionError, match="two cookies session"):
        browser.value()
    browser.ask = Site(f"session=; Max-Age=0{attributes}")
    browser.visit("/")
    assert browser.value() == "1"


def test_browser_drops_the_leading_dot_of_a_domain() -> None:
    """
    A domain with a leading dot is the same domain without it.
    """
    browser = Browser(Site("session=1; Domain=.example.com; Path=/", "session=2; Domain=example.com; Path=/"))
    browser.visit("/")
    assert browser.value() == "2"


def test_the_only_cookie_of_an_answer() -> None:
    """
    `Answer.cookie` is what the only ``Set-Cookie`` line sets; with two lines it is an error.
    """
    assert Answer(200, (("set-cookie", SET), ("vary", "Cookie"))).cookie == "session=1"
    with pytest.raises(ValueError, match="too many values"):
        _ = Answer(200, (("set-cookie", SET), ("set-cookie", SET))).cookie

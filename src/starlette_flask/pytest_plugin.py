"""
Fixtures of `starlette_flask.testing`, for pytest: each is the function, or a new object, of the same name.
"""

from typing import Any

import pytest

# Nothing else is imported before a test asks for it: pytest loads this in every project where it is installed.


@pytest.fixture
def session_transaction() -> Any:
    """
    `starlette_flask.testing.session_transaction`.
    """
    from starlette_flask.testing import session_transaction

    return session_transaction


@pytest.fixture
def login_client() -> Any:
    """
    `starlette_flask.testing.login_client`.
    """
    from starlette_flask.testing import login_client

    return login_client


@pytest.fixture
def browser_cookies() -> Any:
    """
    A new `starlette_flask.testing.BrowserCookies`.
    """
    from starlette_flask.testing import BrowserCookies

    return BrowserCookies()

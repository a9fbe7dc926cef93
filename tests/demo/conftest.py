"""
The demo as it is when it starts, for each test.
"""

from collections.abc import Iterator
from copy import copy

import pytest

from starlette_flask.demo import moving, shop
from starlette_flask.demo.main import app
from tests.demo.visitor import Visitor
from tests.helpers import Browser, ask_asgi


@pytest.fixture(autouse=True)
def just_started() -> Iterator[None]:
    """
    Put back what is kept in memory: what has moved, what is on sale, what was ordered.
    """
    products = {sku: copy(product) for sku, product in shop.PRODUCTS.items()}
    moved = set(moving.moved)
    yield
    shop.PRODUCTS.update(products)
    shop.ORDERS.clear()
    moving.moved.clear()
    moving.moved.update(moved)


@pytest.fixture
def visitor() -> Visitor:
    """
    Somebody with an empty cookie jar.
    """
    return Visitor(Browser(lambda path, **options: ask_asgi(app, path, **options)))

"""
Flask-Admin, which stays in Flask, behind the login that either half has done.
"""

import re

import pytest

from starlette_flask.demo.shop import PRODUCTS
from tests.demo.visitor import HALVES, Visitor
from tests.helpers import Answer

each_half = pytest.mark.parametrize("half", HALVES)
PAGES = ["/admin/", "/admin/products/", "/admin/products/edit/?id=pot", "/admin/orders/"]


def token_in(answer: Answer) -> str:
    found = re.search(r'name="csrf_token" value="(.+?)"', answer.body.decode())
    assert found
    return found[1]


@each_half
@pytest.mark.parametrize("path", PAGES)
def test_guarded(visitor: Visitor, path: str, half: str) -> None:
    """
    A stranger is sent to the login form, of whichever half; who doesn't run the shop is refused; who does is let in.
    """
    visitor.move("/login", half)
    page = visitor.open(path)
    assert page.path.startswith("/login?next=%2Fadmin%2F")
    assert page.messages == ["Please log in to access this page."]
    page = visitor.press(page, "Log in", name="ada", password="lovelace")
    assert (page.answer.status, page.half, page.path) == (403, "Flask", path)
    assert "Only those who run the shop may see this." in page.main
    visitor.press(page, "Log out")
    visitor.log_in("grace")
    answer = visitor.ask(path)
    assert answer.status == 200
    assert b"Served by <strong>Flask</strong>" in answer.body
    assert b"The session, live" in answer.body
    assert not re.search(rb"""(?:src|href)=["'](?:https?:)?//""", answer.body)


@each_half
def test_new_price(visitor: Visitor, half: str) -> None:
    """
    What is changed in Flask-Admin both halves sell; its form needs the token that either half made.
    """
    visitor.log_in("grace")
    visitor.move("/products", half)
    token = visitor.open("/products").token
    path = "/admin/products/edit/?id=sencha"
    fields = {"name": "Sencha", "note": "New.", "price": "1.25"}
    assert visitor.send(path, **fields).status == 400
    assert visitor.send(path, **fields, csrf_token=token).lines("location") == ["/admin/products/"]
    answer = visitor.ask("/admin/products/")
    assert b"Record was successfully saved." in answer.body
    assert "Sencha New. € 1.25" in visitor.open("/products").main


@pytest.mark.parametrize("price", ["", "free", "-1", "1000.01", "NaN"])
def test_bad_price(visitor: Visitor, price: str) -> None:
    """
    Nothing is sold for less than nothing.
    """
    visitor.log_in("grace")
    path = "/admin/products/edit/?id=pot"
    token = token_in(visitor.ask(path))
    assert visitor.send(path, name="Teapot", note="", price=price, csrf_token=token).status == 200
    assert str(PRODUCTS["pot"].price) == "38.00"


def test_unknown_product(visitor: Visitor) -> None:
    """
    Of what isn't there, the list says so.
    """
    visitor.log_in("grace")
    answer = visitor.ask("/admin/products/edit/?id=gold")
    assert (answer.status, answer.lines("location")) == (302, ["/admin/products/"])
    assert b"Record does not exist." in visitor.ask("/admin/products/").body


@each_half
def test_orders(visitor: Visitor, half: str) -> None:
    """
    Orders that either half has taken are listed.
    """
    visitor.log_in("grace")
    visitor.press(visitor.open("/products"), "Add to cart: Oolong")
    visitor.move("/checkout", half)
    visitor.press(visitor.open("/checkout"), "Order, Grace Hopper", note="<b>Thanks</b>")
    body = visitor.ask("/admin/orders/").body.decode()
    cells = re.findall(r'<td class="col-(\w+)">\s*(.*?)\s*</td>', body, re.DOTALL)
    assert dict(cells)["items"] == "1 Oolong"
    assert dict(cells)["note"] == "&lt;b&gt;Thanks&lt;/b&gt;"

"""
The shop: what either half does, the other one knows. Each story is told to both.
"""

from datetime import datetime, timezone
from urllib.parse import urlencode
from uuid import UUID

import pytest
from starlette.testclient import TestClient

from starlette_flask.demo import moving
from starlette_flask.demo.main import app
from starlette_flask.demo.shop import ORDERS, PRODUCTS, USERS
from starlette_flask.testing import login_client, session_transaction
from tests.demo.visitor import HALVES, HTML, Page, Visitor
from tests.helpers import Answer, Browser

REFUSALS = {
    "Flask": ("The CSRF token is missing.", "The CSRF tokens do not match."),
    "FastAPI": ("The request has no CSRF token.", "The CSRF token is another session's; load the form again."),
}

each_half = pytest.mark.parametrize("half", HALVES)


@pytest.fixture
def client() -> TestClient:
    return TestClient(app, follow_redirects=False)


def use(half: str) -> None:
    """
    Let *half* serve the whole shop.
    """
    for path in moving.PAGES:
        moving.move(path, half)


def page_of(client: TestClient, path: str) -> Page:
    response = client.get(path, headers=dict([HTML]))
    return Page(path, Answer(response.status_code, (), response.content))


def press(client: TestClient, page: Page, name: str, /, **fields: str) -> str:
    """
    Fill in a form of a page and send it; return where that leads.
    """
    button = page.buttons[name]
    response = client.post(button.action, data={**button.fields, **fields})
    assert response.status_code == 303
    return str(response.headers["location"])


@pytest.mark.parametrize("last", HALVES)
@each_half
def test_story(visitor: Visitor, half: str, last: str) -> None:
    """
    Log in on either half, be known to both, log out on either, be unknown to both.
    """
    visitor.move("/login", half)
    page = visitor.log_in()
    assert (page.path, page.messages) == ("/account", [f"{half} has logged you in, Ada Lovelace."])
    visitor.assert_known("Ada Lovelace")
    visitor.move("/logout", last)
    page = visitor.press(visitor.open("/products"), "Log out")
    assert (page.path, page.messages) == ("/products", [f"{last} has logged you out."])
    visitor.assert_unknown()


def test_cart(visitor: Visitor) -> None:
    """
    Both halves fill and empty one cart, whether somebody is logged in or not.
    """
    for half in ("FastAPI", "Flask", "FastAPI"):
        visitor.move("/cart", half)
        page = visitor.press(visitor.open("/products"), "Add to cart: Sencha")
        assert (page.half, page.path, page.messages) == (half, "/cart", [f"{half} put Sencha into your cart."])
    visitor.log_in()
    visitor.move("/cart", "Flask")
    page = visitor.press(visitor.open("/products"), "Add to cart: Teapot")
    assert "Teapot − 1 + € 38.00 Sencha − 3 + € 28.20" in page.main  # noqa: RUF001  # the sign of the button
    assert "Cart (4)" in page.links
    page = visitor.press(page, "One more: Teapot")
    page = visitor.press(page, "One less: Sencha")
    assert page.messages == ["Flask took Sencha out of your cart."]
    assert page.entries["cart"][:2] == ("dict", "{'pot': 2, 'sencha': 2}")
    visitor.move("/cart", "FastAPI")
    for name in ("Sencha", "Sencha", "Teapot", "Teapot"):
        page = visitor.press(visitor.open("/cart"), f"One less: {name}")
        assert page.messages == [f"FastAPI took {name} out of your cart."]
    assert "It is empty." in page.main
    assert page.entries["cart"][:2] == ("dict", "{}")


@each_half
def test_cart_has_an_end(client: TestClient, half: str) -> None:
    """
    Of one product there are 99 in a cart at most.
    """
    use(half)
    with session_transaction(client) as session:
        session["cart"] = {"sencha": 99}
    assert press(client, page_of(client, "/cart"), "One more: Sencha") == "/cart"
    with session_transaction(client) as session:
        assert session["cart"] == {"sencha": 99}


@each_half
def test_unknown_product(visitor: Visitor, half: str) -> None:
    """
    Only what is on sale gets into a cart; the page that says so is the shop's.
    """
    use(half)
    token = visitor.open("/products").token
    page = Page("/cart", visitor.send("/cart", sku="gold", csrf_token=token))
    assert (page.answer.status, page.half) == (404, half)
    assert page.main.startswith("Not Found")
    assert "Nothing was changed." in page.main
    assert "cart" not in page.entries


def test_unknown_page(visitor: Visitor) -> None:
    """
    What neither half has is Flask's to refuse.
    """
    page = visitor.open("/nowhere")
    assert (page.answer.status, page.half) == (404, "Flask")
    assert "Nothing was changed." not in page.main


@each_half
def test_same_pages(client: TestClient, half: str) -> None:
    """
    Both halves render the same templates, with the same content.
    """
    use(half)
    login_client(client, USERS["grace"])
    with session_transaction(client) as session:
        session["cart"] = {"assam": 2}
        session["logged_in_at"] = datetime(2026, 11, 22, 22, 30, tzinfo=timezone.utc)
        session["last_order"] = (UUID(int=1), datetime(2026, 11, 21, 8, 15, tzinfo=timezone.utc))
        session["_flashes"] = [("message", "Hello.")]
    account = page_of(client, "/account")
    assert account.main.startswith(
        "Hello. Your account You are Grace Hopper. You logged in with your password at 22:30:00 UTC, so you may check"
        " out. Your last order is 00000000, of 21 November 2026, 08:15 UTC. Your session ends when the browser"
    )
    products = page_of(client, "/products")
    assert list(products.buttons)[2:] == [f"Add to cart: {product.name}" for product in PRODUCTS.values()]
    cart = page_of(client, "/cart")
    assert cart.main.startswith("Your cart Assam − 2 + € 13.60 Check out Go on shopping")  # noqa: RUF001
    checkout = page_of(client, "/checkout")
    assert checkout.main.startswith("Check out 2 × Assam € 13.60 A note for the parcel (optional) Order, Grace Hopper")  # noqa: RUF001
    login = page_of(client, "/login")
    assert "ada lovelace buy tea grace hopper buy tea, and open Flask-Admin" in login.main
    for page in (account, products, cart, checkout, login):
        to = "/cart" if page is products else page.path
        assert page.main.endswith(f"This form comes from {half} and goes to {to}, which is {half}.")
        assert page.half == half
        assert page.links["Cart (2)"] == "/cart"


@each_half
def test_users_only(visitor: Visitor, half: str) -> None:
    """
    A page for users sends a stranger to the login form with a message, and the login sends back to it.
    """
    use(half)
    page = visitor.open("/checkout")
    assert (page.path, page.messages) == ("/login?next=%2Fcheckout", ["Please log in to access this page."])
    page = visitor.press(page, "Log in", name="ada", password="lovelace")
    assert (page.half, page.path) == (half, "/checkout")
    assert "Your cart is empty." in page.main


@each_half
def test_remembered(visitor: Visitor, half: str) -> None:
    """
    Who is remembered is known again to both when the session is gone, but must log in anew to check out.
    """
    use(half)
    page = visitor.log_in(remember="y")
    page = visitor.press(page, "Close the browser")
    assert "You were remembered, by a cookie." in page.main
    visitor.assert_known("Ada Lovelace")
    use(half)
    page = visitor.open("/checkout")
    assert (page.path, page.messages) == ("/login?next=%2Fcheckout", ["Please reauthenticate to access this page."])
    page = visitor.press(page, "Log in", name="ada", password="lovelace")
    assert (page.half, page.path) == (half, "/checkout")


@pytest.mark.parametrize("last", HALVES)
@each_half
def test_no_longer_remembered(visitor: Visitor, half: str, last: str) -> None:
    """
    Who was remembered by one half is forgotten by both when either logs out.
    """
    visitor.move("/login", half)
    page = visitor.press(visitor.log_in(remember="y"), "Close the browser")
    visitor.move("/logout", last)
    visitor.press(page, "Log out")
    assert visitor.browser.value("remember_token") is None
    visitor.assert_unknown()


@each_half
def test_not_remembered(visitor: Visitor, half: str) -> None:
    """
    Who didn't ask for it isn't remembered.
    """
    use(half)
    page = visitor.press(visitor.log_in(), "Close the browser")
    assert (page.half, page.path) == (half, "/login?next=%2Faccount")


@pytest.mark.parametrize(
    ("fields", "reasons"),
    [
        pytest.param({}, ["Please enter your name.", "Please enter your password."], id="nothing"),
        pytest.param({"name": "ada"}, ["Please enter your password."], id="no password"),
        pytest.param(
            {"name": "ada", "password": "byron"}, ["There is nobody with this name and password."], id="wrong password"
        ),
        pytest.param(
            {"name": "é", "password": "lovelace"}, ["There is nobody with this name and password."], id="nobody"
        ),
    ],
)
@each_half
def test_wrong_login(visitor: Visitor, half: str, fields: dict[str, str], reasons: list[str]) -> None:
    """
    Who can't be logged in is told why, and the form still leads to where it would have.
    """
    use(half)
    page = visitor.press(visitor.open("/account"), "Log in", **{"name": "", "password": "", **fields})
    assert (page.half, page.answer.status) == (half, 400)
    assert [item.text for item in page.root.all("p", "error")] == reasons
    page = visitor.press(page, "Log in", name="ada", password="lovelace")
    assert page.path == "/account"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://evil.example/", id="url"),
        pytest.param("//evil.example/", id="slashes"),
        pytest.param("/\\evil.example/", id="backslash"),
        pytest.param("/\t/evil.example/", id="tab"),
        pytest.param("javascript:alert(1)", id="script"),
        pytest.param("http://[", id="broken"),
        pytest.param("", id="empty"),
    ],
)
@each_half
def test_next_is_ours(visitor: Visitor, half: str, url: str) -> None:
    """
    Nobody is sent to another site after the login.
    """
    use(half)
    token = visitor.open("/login").token
    answer = visitor.send(f"/login?{urlencode({'next': url})}", name="ada", password="lovelace", csrf_token=token)
    assert (answer.status, answer.lines("location")) == (303, ["/account"])


@each_half
def test_order(client: TestClient, half: str) -> None:
    """
    An order empties the cart, and what the session keeps of it has the types that it had.
    """
    use(half)
    login_client(client, USERS["ada"])
    with session_transaction(client) as session:
        session["cart"] = {"pot": 1, "oolong": 2, "discontinued": 1}
    location = press(client, page_of(client, "/checkout"), "Order, Ada Lovelace", note="A gift.")
    assert location == "/account"
    [order] = ORDERS.values()
    assert (order.user, order.items, str(order.total), order.note) == ("ada", "2 Oolong, 1 Teapot", "63.00", "A gift.")
    with session_transaction(client) as session:
        assert "cart" not in session
        assert session["last_order"] == (order.id, order.at.replace(microsecond=0))
    page = page_of(client, "/account")
    assert page.messages == [f"{half} has taken your order. Thank you!"]
    assert f"Your last order is {order.id.hex[:8]}" in page.main


@each_half
def test_refused_order(client: TestClient, half: str) -> None:
    """
    Whose note is too long gets it back, with the reason; who has nothing in the cart orders nothing.
    """
    use(half)
    login_client(client, USERS["ada"])
    with session_transaction(client) as session:
        session["cart"] = {"pot": 1}
    fields = {**page_of(client, "/checkout").buttons["Order, Ada Lovelace"].fields, "note": "x" * 201}
    response = client.post("/checkout", data=fields)
    assert response.status_code == 400
    assert "At most 200 characters." in response.text
    assert "x" * 201 in response.text
    with session_transaction(client) as session:
        assert session["cart"] == {"pot": 1}
        del session["cart"]
    response = client.post("/checkout", data={**fields, "note": ""})
    assert response.status_code == 400
    assert "Your cart is empty." in response.text
    assert not ORDERS


@each_half
def test_permanent(client: TestClient, half: str) -> None:
    """
    The user's page makes the session permanent, and takes that back.
    """
    use(half)
    login_client(client, USERS["ada"])
    press(client, page_of(client, "/account"), "Make it permanent")
    page = page_of(client, "/account")
    assert page.messages == [f"{half} made your session permanent."]
    assert "Permanent yes" in page.text
    with session_transaction(client) as session:
        assert session.permanent
    press(client, page, "Let it end with the browser")
    page = page_of(client, "/account")
    assert page.messages == [f"{half} made your session one that ends with the browser."]
    assert "Permanent no" in page.text
    with session_transaction(client) as session:
        assert not session.permanent


@pytest.mark.parametrize("path", list(moving.PAGES)[1:])
@each_half
def test_forms_of_other_sites(visitor: Visitor, half: str, path: str) -> None:
    """
    A form without a token, or with one of another session, changes nothing, and the page that says so is the shop's.
    """
    use(half)
    visitor.press(visitor.log_in(), "Make it permanent")
    visitor.press(visitor.open("/products"), "Add to cart: Sencha")
    before = visitor.open("/account").entries
    another = Visitor(Browser(visitor.browser.ask)).open("/products").token
    for token, reason in zip(("", another), REFUSALS[half], strict=True):
        answer = visitor.send(path, name="grace", password="hopper", sku="pot", csrf_token=token)
        page = Page(path, answer)
        assert (answer.status, page.half) == (400, half)
        assert page.main.startswith(
            f"Bad Request {reason} Nothing was changed. Go back, reload the page, and send its form again."
        )
    after = visitor.open("/account").entries
    assert after == before
    assert not ORDERS


@pytest.mark.parametrize("goes_to", HALVES)
@each_half
def test_form_that_was_open(visitor: Visitor, half: str, goes_to: str) -> None:
    """
    A form that was loaded before its route has moved is taken by the other half.
    """
    visitor.move("/login", half)
    page = visitor.open("/login")
    moving.move("/login", goes_to)
    page = visitor.press(page, "Log in", name="grace", password="hopper")
    assert page.messages == [f"{goes_to} has logged you in, Grace Hopper."]


@each_half
def test_order_of_a_stranger(visitor: Visitor, half: str) -> None:
    """
    Nobody orders without a login, whatever they send.
    """
    use(half)
    token = visitor.open("/products").token
    answer = visitor.send("/checkout", csrf_token=token)
    assert (answer.status, answer.lines("location")) == (302, ["/login?next=%2Fcheckout"])
    assert not ORDERS

"""
The stories of the demo, in a real browser.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import NewContext, Switch
from tests.browser.tab import Tab
from tests.demo.served import running_demo

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

HALVES = ["Flask", "FastAPI"]
DAY = 24 * 60 * 60

each_half = pytest.mark.parametrize("half", HALVES)


def cookies_of(context: BrowserContext) -> dict[str, dict[str, object]]:
    """
    What the browser keeps, by name.
    """
    found = {cookie["name"]: dict(cookie) for cookie in context.cookies()}
    assert len(found) == len(context.cookies())
    return found


def assert_known(tab: Tab, move: Switch, name: str) -> None:
    for half in HALVES:
        move("/account", half)
        tab.open("/account")
        assert (tab.half, tab.path) == (half, "/account")
        assert f"You are {name}." in tab.main


def assert_unknown(tab: Tab, move: Switch) -> None:
    for half in HALVES:
        move("/account", half)
        tab.open("/account")
        assert tab.path == "/login?next=%2Faccount"
        assert tab.messages == ["Please log in to access this page."]


@pytest.mark.parametrize(("half", "last"), [("Flask", "FastAPI"), ("FastAPI", "Flask")])
def test_log_in_and_out(tab: Tab, move: Switch, half: str, last: str) -> None:
    """
    Who logs in on one half is known to the other; who logs out there is unknown to both.
    """
    move("/login", half)
    move("/logout", last)
    assert tab.open("/login").half == half
    tab.picture(f"login-{half.lower()}")
    tab.log_in()
    assert tab.messages == [f"{half} has logged you in, Ada Lovelace."]
    tab.panel_says("_user_id", "'ada'", half)
    tab.panel_says("logged_in_at", "datetime.datetime(", half)
    assert_known(tab, move, "Ada Lovelace")
    tab.press("Log out")
    assert tab.messages == [f"{last} has logged you out."]
    assert_unknown(tab, move)


@each_half
def test_remembered(tab: Tab, context: BrowserContext, new_context: NewContext, move: Switch, half: str) -> None:
    """
    Who is remembered is known again when the session's cookie is gone, to both halves, but isn't fresh.
    """
    move("/login", half)
    tab.log_in(remember=True)
    for other in HALVES:
        move("/account", other)
        context.clear_cookies(name="session")
        tab.open("/account")
        assert tab.half == other
        assert "You are Ada Lovelace. You were remembered, by a cookie." in tab.main
        tab.panel_says("_fresh", "False", other)
    tab.picture("remembered")
    tab.press("check out")
    assert (tab.path, tab.messages) == ("/login?next=%2Fcheckout", ["Please reauthenticate to access this page."])

    # What is left when the browser is closed and opened again: the cookies that have an end.
    lasting = [cookie for cookie in context.cookies() if cookie["expires"] != -1]
    assert [cookie["name"] for cookie in lasting] == ["remember_token"]
    opened_again = new_context(storage_state={"cookies": lasting})
    assert_known(Tab(opened_again, tab.origin), move, "Ada Lovelace")


@pytest.mark.parametrize(("half", "to"), [("Flask", "FastAPI"), ("FastAPI", "Flask")])
def test_form_across_halves(tab: Tab, move: Switch, half: str, to: str) -> None:
    """
    A form that one half has rendered is taken by the other, its route having moved in between.
    """
    move("/login", half)
    tab.open("/login").fill_in("grace", "hopper")
    assert tab.half == half
    move("/login", to)
    tab.press_in_main("Log in")
    assert (tab.path, tab.messages) == ("/account", [f"{to} has logged you in, Grace Hopper."])


@each_half
def test_bad_token(tab: Tab, context: BrowserContext, move: Switch, half: str) -> None:
    """
    A form with a forged token is refused, and so is one whose session is gone. Nothing is lost, and one can go back.
    """
    move("/cart", half)
    tab.open("/products").press("Add to cart: Sencha")
    tab.open("/products")
    tab.page.evaluate("document.querySelectorAll('main [name=csrf_token]').forEach(field => field.value += 'x')")
    tab.press("Add to cart: Teapot")
    assert tab.half == half
    assert tab.main.startswith("Bad Request ")
    assert "Nothing was changed. Go back, reload the page, and send its form again." in tab.main
    tab.panel_says("cart", "{'sencha': 1}", half)
    tab.picture("refused")

    tab.open("/products")
    context.clear_cookies()
    tab.press("Add to cart: Teapot")
    assert tab.main.startswith("Bad Request ")
    tab.page.go_back()
    tab.page.reload()
    tab.press("Add to cart: Teapot")
    assert tab.messages == [f"{half} put Teapot into your cart."]


def test_cart_in_two_tabs(tab: Tab, context: BrowserContext, move: Switch) -> None:
    """
    A cart that is filled in two tabs holds what both put in, and each tab's panel shows it at once.
    """
    another = Tab(context, tab.origin).open("/products")
    tab.open("/products")
    another.press("Add to cart: Sencha")
    tab.panel_says("cart", "{'sencha': 1}", "FastAPI")
    move("/cart", "Flask")
    tab.press("Add to cart: Teapot")
    assert tab.messages == ["Flask put Teapot into your cart."]
    another.panel_says("cart", "{'pot': 1, 'sencha': 1}", "Flask")
    another.open("/cart")
    assert another.main.startswith("Your cart Teapot − 1 + € 38.00 Sencha − 1 + € 9.40")  # noqa: RUF001  # a button
    another.press("One less: Teapot")
    tab.panel_says("cart", "{'sencha': 1}", "Flask")


@each_half
def test_cookies(tab: Tab, context: BrowserContext, move: Switch, half: str) -> None:
    """
    What the browser makes of the cookies: hidden from scripts, for this site, until it is closed or as long as said.
    """
    for path in ("/login", "/account", "/logout"):
        move(path, half)
    tab.log_in(remember=True)
    cookies = cookies_of(context)
    assert set(cookies) == {"session", "remember_token"}
    for cookie in cookies.values():
        assert {key: cookie[key] for key in ("domain", "path", "httpOnly", "secure", "sameSite")} == {
            "domain": "127.0.0.1",
            "path": "/",
            "httpOnly": True,
            "secure": False,
            "sameSite": "Lax",
        }
    assert cookies["session"]["expires"] == -1
    assert cookies["remember_token"]["expires"] == pytest.approx(time.time() + 365 * DAY, abs=60)
    assert tab.page.evaluate("document.cookie") == ""
    tab.press("Make it permanent")
    assert cookies_of(context)["session"]["expires"] == pytest.approx(time.time() + 31 * DAY, abs=60)
    tab.press("Let it end with the browser")
    assert cookies_of(context)["session"]["expires"] == -1
    tab.press("Log out")
    assert set(cookies_of(context)) == {"session"}


def test_secure_cookies(new_context: NewContext) -> None:
    """
    With Flask's setting for it the browser keeps both cookies for encrypted connections, whichever half has set them.
    """
    with running_demo(FLASK_SESSION_COOKIE_SECURE="true", FLASK_REMEMBER_COOKIE_SECURE="true") as port:
        move = Switch(port)
        for half in HALVES:
            context = new_context()
            tab = Tab(context, f"http://127.0.0.1:{port}")
            move("/login", half)
            tab.log_in(remember=True)
            assert {name: cookie["secure"] for name, cookie in cookies_of(context).items()} == {
                "session": True,
                "remember_token": True,
            }
            assert_known(tab, move, "Ada Lovelace")


def test_move_a_route(tab: Tab, move: Switch) -> None:
    """
    A route moves while somebody uses it, and back: same address, same user, cart and message; the page shows the code.
    """
    tab.open("/")
    tab.picture("start")
    tab.log_in()
    tab.open("/products").press("Add to cart: Oolong")
    tab.picture("cart")
    tab.open("/products")
    tab.picture("products-flask")
    for half, button in [("FastAPI", "Move this route to FastAPI"), ("Flask", "Move this route back to Flask")]:
        tab.press(button)
        assert (tab.half, tab.path) == (half, "/products")
        assert tab.messages == [f"/products is served by {half} now. Same address, same session."]
        assert tab.page.get_by_role("link", name="Cart (1)").is_visible()
        assert tab.page.get_by_text("ada", exact=True).is_visible()
        code = tab.page.locator("details.code")
        assert code.get_by_text("def products() -> ResponseReturnValue:").is_visible()
        assert code.get_by_text("async def products(request: Request) -> Response:").is_visible()
        assert code.get_by_text("this is what served you").inner_text().startswith(half)
        if half == "FastAPI":
            tab.picture("products-fastapi")
            tab.picture("code", of="details.code")
        tab.page.reload()
        assert tab.messages == []
    assert_known(tab, move, "Ada Lovelace")


def test_order(tab: Tab) -> None:
    """
    An order that is begun in one half is placed in the other; its number and time keep their types.
    """
    tab.log_in("grace")
    tab.open("/products").press("Add to cart: Assam").press("Check out")
    assert tab.half == "Flask"
    tab.page.get_by_label("A note for the parcel (optional)").fill("A gift.")
    tab.press("Move this route to FastAPI")
    tab.page.get_by_label("A note for the parcel (optional)").fill("A gift.")
    tab.press("Order, Grace Hopper")
    assert tab.messages == ["FastAPI has taken your order. Thank you!"]
    tab.panel_says("last_order", "(UUID('", "FastAPI")
    tab.picture("order")
    tab.open("/admin/orders/")
    assert tab.half == "Flask"
    assert tab.page.get_by_role("cell", name="1 Assam").is_visible()


def test_flask_admin(tab: Tab, move: Switch) -> None:
    """
    Who has logged in on FastAPI's half may open Flask-Admin; what is changed there both halves sell.
    """
    move("/login", "FastAPI")
    tab.open("/admin/products/")
    assert (tab.half, tab.path.partition("?")[0]) == ("FastAPI", "/login")
    tab.log_in("grace")
    assert (tab.half, tab.path) == ("Flask", "/admin/products/")
    tab.picture("admin")
    tab.page.get_by_title("Edit Record").first.click()
    tab.page.get_by_label("Price").fill("8.75")
    tab.press("Save")
    assert tab.page.get_by_text("Record was successfully saved.").is_visible()
    for half in HALVES:
        move("/products", half)
        tab.open("/products")
        assert "€ 8.75" in tab.main


def test_without_scripts(new_context: NewContext, origin: str) -> None:
    """
    All of it works without scripts; the panel then shows the session as the page leaves it.
    """
    tab = Tab(new_context(java_script_enabled=False), origin)
    tab.log_in()
    tab.panel_says("_user_id", "'ada'", "Flask")
    tab.open("/products").press("Add to cart: Sencha")
    tab.panel_says("cart", "{'sencha': 1}", "FastAPI")
    tab.open("/").press("Move /account to FastAPI")
    assert tab.messages == ["/account is served by FastAPI now. Same address, same session."]
    assert tab.press("Account").half == "FastAPI"
    assert "You are Ada Lovelace." in tab.main
    tab.press("Log out")
    assert tab.messages == ["Flask has logged you out."]

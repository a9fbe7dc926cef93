"""
What everybody can use: by keyboard, on a phone, in the dark, with a screen reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import NewContext
from tests.browser.tab import PASSWORDS, Tab

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
SHOP = ["/", "/products", "/cart", "/checkout", "/account", "/login", "/nowhere"]
ADMIN = ["/admin/", "/admin/products/", "/admin/products/edit/?id=pot", "/admin/orders/"]

# For each text: is it told from what is behind it (WCAG 2.2, 1.4.3)? Colours are made plain by painting them.
CONTRAST = """() => {
  const pixel = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
  const paint = colours => {
    pixel.clearRect(0, 0, 1, 1);
    for (const colour of colours) { pixel.fillStyle = colour; pixel.fillRect(0, 0, 1, 1); }
    return [...pixel.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = rgb => {
    const [r, g, b] = rgb.map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faint = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest("script, .unseen")) continue;
    const behind = [];
    for (let at = element; at; at = at.parentElement) behind.unshift(getComputedStyle(at).backgroundColor);
    const style = getComputedStyle(element);
    const [dark, light] = [paint(["white", ...behind]), paint(["white", ...behind, style.color])]
      .map(luminance).sort((a, b) => a - b);
    const size = parseFloat(style.fontSize);
    const isLarge = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < (isLarge ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)}: ${texts.currentNode.data.trim()}`);
  }
  return faint;
}"""

# What a screen reader would not find its way by.
UNNAMED = """() => {
  const troubles = [];
  for (const field of document.querySelectorAll("input:not([type=hidden]), textarea, select"))
    if (!field.labels.length) troubles.push(`no label: ${field.name}`);
  for (const one of document.querySelectorAll("button, a, summary"))
    if (!one.innerText.trim() && !one.ariaLabel && !one.title) troubles.push(`no name: ${one.outerHTML}`);
  for (const tag of ["main", "h1"])
    if (document.querySelectorAll(tag).length != 1) troubles.push(`not one ${tag}`);
  if (!document.documentElement.lang) troubles.push("no language");
  const ids = [...document.querySelectorAll("[id]")].map(element => element.id);
  if (new Set(ids).size != ids.length) troubles.push("an id twice");
  return troubles;
}"""


@pytest.fixture
def phone(new_context: NewContext, origin: str) -> Tab:
    return Tab(new_context(**PHONE), origin)


def fill(tab: Tab) -> Tab:
    """
    Log in and put something into the cart, so that each page has something to show.
    """
    tab.log_in("grace")
    return tab.open("/products").press("Add to cart: Teapot")


def test_phone(phone: Tab) -> None:
    """
    No page is wider than a phone, whatever it shows.
    """
    phone.open("/")
    phone.picture("phone-start")
    for path in ["/login", "/products", "/account"]:
        assert _overflow(phone.open(path)) == 0, path
    fill(phone)
    for path in SHOP + ADMIN:
        assert _overflow(phone.open(path)) == 0, path
        if path in ("/products", "/cart"):
            phone.picture(f"phone{path.replace('/', '-')}")
    phone.open("/products")
    phone.page.evaluate("document.querySelector('main [name=csrf_token]').value = ''")
    phone.press("Add to cart: Sencha")
    assert phone.main.startswith("Bad Request")
    assert _overflow(phone) == 0


def _overflow(tab: Tab) -> int:
    return int(tab.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(new_context: NewContext, origin: str, scheme: str) -> None:
    """
    Each text can be read, by light and in the dark, on pages of either half.
    """
    tab = Tab(new_context(color_scheme=scheme), origin)
    fill(tab)
    for path in SHOP:
        tab.open(path)
        assert tab.page.evaluate(CONTRAST) == [], path
    tab.open("/products").press("Move this route to FastAPI")
    assert tab.page.evaluate(CONTRAST) == []
    if scheme == "dark":
        tab.picture("dark")
    tab.press("Log out").open("/login").press_in_main_unchecked("Log in")
    assert "Please enter your name." in tab.main
    assert tab.page.evaluate(CONTRAST) == []


def test_names(tab: Tab) -> None:
    """
    Each field has a label, each button a name, each page a heading and a language.
    """
    fill(tab)
    for path in SHOP:
        assert tab.open(path).page.evaluate(UNNAMED) == [], path


def test_errors_are_tied_to_fields(tab: Tab) -> None:
    """
    What is wrong with a field is said with the field.
    """
    tab.open("/login").press_in_main_unchecked("Log in")
    for label, reason in [("Name", "Please enter your name."), ("Password", "Please enter your password.")]:
        field = tab.page.get_by_label(label)
        assert field.get_attribute("aria-invalid") == "true"
        described_by = field.get_attribute("aria-describedby")
        assert tab.page.locator(f"#{described_by}").inner_text() == reason


class Keyboard:
    """
    Somebody who has no mouse.
    """

    def __init__(self, tab: Tab) -> None:
        self.tab = tab
        self.page = tab.page

    def go_to(self, name: str) -> None:
        """
        Press Tab until what is focused has this name. Wherever the focus is on the way, it can be seen.
        """
        seen: list[str] = []
        while True:
            self.page.keyboard.press("Tab")
            focused, is_visible, is_at_end = self.page.evaluate(
                """() => {
                  const at = document.activeElement, style = getComputedStyle(at), box = at.getBoundingClientRect();
                  const label = at.labels && at.labels.length ? at.labels[0].innerText : "";
                  const isOutlined = style.outlineStyle != "none" && parseFloat(style.outlineWidth) >= 2;
                  const isVisible = isOutlined && box.width > 0 && box.bottom > 0;
                  return [at.ariaLabel || label || at.innerText, isVisible, at === document.body];
                }"""
            )
            if is_at_end:
                break
            seen.append(focused)
            assert is_visible, f"the focus on {focused!r} can't be seen"
            if focused == name:
                return
        raise AssertionError(f"{name!r} can't be reached: {seen}")

    def press(self, name: str) -> None:
        self.go_to(name)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")


def test_keyboard(tab: Tab) -> None:
    """
    Log in, fill the cart, move a route and log out, without a mouse.
    """
    keyboard = Keyboard(tab)
    tab.open("/products")
    keyboard.go_to("Skip to the content")
    assert tab.page.get_by_text("Skip to the content").is_visible()
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.id") == "content"

    tab.open("/")
    keyboard.press("Log in")
    keyboard.go_to("Name")
    tab.page.keyboard.type("ada")
    keyboard.go_to("Password")
    tab.page.keyboard.type(PASSWORDS["ada"])
    keyboard.go_to("Remember me")
    tab.page.keyboard.press("Space")
    keyboard.press("Log in")
    assert tab.messages == ["Flask has logged you in, Ada Lovelace."]
    keyboard.press("Products")
    keyboard.press("Move this route to FastAPI")
    assert (tab.half, tab.path) == ("FastAPI", "/products")
    keyboard.press("Add to cart: Oolong")
    keyboard.press("One more: Oolong")
    assert "Oolong − 2 +" in tab.main  # noqa: RUF001  # a button
    keyboard.press("Check out")
    keyboard.go_to("A note for the parcel (optional)")
    tab.page.keyboard.type("Thank you.")
    keyboard.press("Order, Ada Lovelace")
    assert tab.messages == ["Flask has taken your order. Thank you!"]
    keyboard.press("Log out")
    assert tab.messages == ["Flask has logged you out."]


def test_messages_are_said(tab: Tab, context: BrowserContext) -> None:
    """
    A message is put into the page's status when the page is there, which screen readers say.
    """
    context.add_init_script(
        """document.addEventListener("readystatechange", () => {
          const status = document.querySelector("[role=status]");
          if (document.readyState == "interactive" && status)
            new MutationObserver(() => { window.said = status.innerText.trim(); }).observe(status, {childList: true});
        });"""
    )
    tab.open("/products").press("Add to cart: Sencha")
    tab.page.wait_for_function("window.said == 'FastAPI put Sencha into your cart.'")

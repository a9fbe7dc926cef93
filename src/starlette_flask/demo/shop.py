"""
What the shop sells, and to whom. Neither Flask nor FastAPI: both halves have it in common.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from decimal import Decimal
from hmac import compare_digest
from uuid import UUID, uuid4

from wtforms import (  # type: ignore[import-untyped]  # ships no types
    BooleanField,
    Form,
    PasswordField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length  # type: ignore[import-untyped]  # ships no types

from starlette_flask.login import UserMixin

# mypy: disallow-subclassing-any=False


@dataclass
class Product:
    """
    Something on sale.
    """

    sku: str
    name: str
    note: str
    price: Decimal


@dataclass(eq=False)
class User(UserMixin):
    """
    Somebody who can log in. A real shop keeps a hash of the password, and doesn't print it on the login page.
    """

    id: str
    name: str
    password: str
    is_admin: bool = False


@dataclass(frozen=True)
class Order:
    """
    What somebody has bought.
    """

    user: str
    items: str
    total: Decimal
    note: str
    id: UUID = field(default_factory=uuid4)
    at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))


PRODUCTS = {
    product.sku: product
    for product in (
        Product("sencha", "Sencha", "Green tea from Shizuoka, grassy and fresh. 100 g", Decimal("9.40")),
        Product("assam", "Assam", "Black tea, malty, for milk or without. 100 g", Decimal("6.80")),
        Product("oolong", "Oolong", "Half green, half black, as this shop is. 100 g", Decimal("12.50")),
        Product("pot", "Teapot", "Stoneware, for four cups.", Decimal("38.00")),
    )
}
USERS = {
    user.id: user
    for user in (
        User("ada", "Ada Lovelace", "lovelace"),
        User("grace", "Grace Hopper", "hopper", is_admin=True),
    )
}
ORDERS: dict[str, Order] = {}


class LoginForm(Form):  # Flask has it as a FlaskForm
    """
    The fields of the login form.
    """

    name = StringField("Name", [InputRequired("Please enter your name.")])
    password = PasswordField("Password", [InputRequired("Please enter your password.")])
    remember = BooleanField("Remember me")


class OrderForm(Form):
    """
    The fields of an order.
    """

    note = TextAreaField("A note for the parcel (optional)", [Length(max=200, message="At most 200 characters.")])


def find_user(name: str, password: str) -> User | None:
    """
    Return the user of this name, if that is the password.
    """
    user = USERS.get(name)
    return user if user and compare_digest(user.password.encode(), password.encode()) else None


def change_cart(cart: dict[str, int], sku: str, number: int) -> str:
    """
    Put so many of a product into a cart, or take them out, and return the end of a sentence that says so.
    """
    in_cart = cart.pop(sku, 0) + number
    if in_cart > 0:
        cart[sku] = min(in_cart, 99)
    return f"put {PRODUCTS[sku].name} into your cart." if number > 0 else f"took {PRODUCTS[sku].name} out of your cart."


def items_of(cart: Mapping[str, int]) -> list[tuple[Product, int]]:
    """
    Return what is in a cart.
    """
    return [(PRODUCTS[sku], number) for sku, number in cart.items() if sku in PRODUCTS]


def place_order(user: User, cart: Mapping[str, int], note: str) -> Order:
    """
    Note down who has bought what.
    """
    items = items_of(cart)
    total = sum((product.price * number for product, number in items), Decimal())
    order = Order(user.id, ", ".join(f"{number} {product.name}" for product, number in items), total, note)
    ORDERS[str(order.id)] = order
    return order

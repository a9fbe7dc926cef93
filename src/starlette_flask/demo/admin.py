"""
Flask-Admin, for those who run the shop. It stays in Flask.
"""

# mypy: disallow-subclassing-any=False

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from flask import Flask, abort, current_app
from flask.typing import ResponseReturnValue
from flask_admin import Admin, AdminIndexView  # type: ignore[import-untyped]  # ships no types
from flask_admin.form import BaseForm  # type: ignore[import-untyped]  # ships no types
from flask_admin.model import BaseModelView  # type: ignore[import-untyped]  # ships no types
from flask_admin.theme import Bootstrap4Theme  # type: ignore[import-untyped]  # ships no types
from flask_login import current_user  # type: ignore[import-untyped]  # ships no types
from wtforms import DecimalField, StringField  # type: ignore[import-untyped]  # ships no types
from wtforms.validators import InputRequired, NumberRange  # type: ignore[import-untyped]  # ships no types

from starlette_flask.demo.shop import ORDERS, PRODUCTS, Order, Product


class AdminsOnly:
    """
    Guards Flask-Admin's views with Flask-Login.
    """

    def is_accessible(self) -> bool:
        return bool(current_user.is_authenticated and current_user.is_admin)

    def inaccessible_callback(self, name: str, **kwargs: Any) -> ResponseReturnValue:
        if current_user.is_authenticated:
            abort(403, "Only those who run the shop may see this. Log in as grace.")
        response: ResponseReturnValue = current_app.login_manager.unauthorized()  # type: ignore[attr-defined]
        return response


class Home(AdminsOnly, AdminIndexView):
    """
    The first page.
    """


class MemoryView(AdminsOnly, BaseModelView):
    """
    Shows what is kept in memory. A real shop has a database, and for it one of Flask-Admin's own views.
    """

    can_create = can_edit = can_delete = False
    rows: Mapping[str, Any]

    def get_list(self, *args: Any, **kwargs: Any) -> tuple[int, list[Any]]:
        return len(self.rows), list(self.rows.values())

    def get_one(self, id: str) -> Any:  # noqa: A002  # Flask-Admin's name
        return self.rows.get(id)

    def get_pk_value(self, model: Any) -> str:
        return next(key for key, row in self.rows.items() if row is model)

    def scaffold_list_columns(self) -> list[str]:
        return [field.name for field in fields(self.model)]

    def scaffold_sortable_columns(self) -> dict[str, str]:
        return {}

    def scaffold_form(self) -> Any:
        return self.form_base_class


class ProductView(MemoryView):
    """
    What is on sale, and for how much.
    """

    can_edit = True
    rows = PRODUCTS

    def scaffold_form(self) -> Any:
        class ProductForm(BaseForm):
            name = StringField(validators=[InputRequired()])
            note = StringField()
            price = DecimalField(validators=[InputRequired(), NumberRange(0, 1000)])

        return ProductForm

    def update_model(self, form: BaseForm, model: Product) -> bool:
        form.populate_obj(model)
        return True


class OrderView(MemoryView):
    """
    Who has bought what.
    """

    rows = ORDERS
    column_display_actions = False


def add_admin(app: Flask) -> None:
    """
    Add the pages of Flask-Admin at ``/admin/``.
    """
    admin = Admin(app, "Tea shop", index_view=Home(), theme=Bootstrap4Theme(base_template="demo/admin.html"))
    admin.add_view(ProductView(Product, "Products", endpoint="admin_products", url="products"))
    admin.add_view(OrderView(Order, "Orders", endpoint="admin_orders", url="orders"))

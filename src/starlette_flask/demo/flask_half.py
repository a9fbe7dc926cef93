"""
The shop in Flask, as the team has had it for years: Flask-Login, Flask-WTF, flash messages, Flask-Admin.

Nothing in it knows of FastAPI.
"""

# mypy: disallow-subclassing-any=False, disallow-untyped-decorators=False

import os
import re
import secrets
from datetime import datetime, timezone

from flask import Flask, abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import (  # type: ignore[import-untyped]  # ships no types
    LoginManager,
    current_user,
    fresh_login_required,
    login_required,
    login_user,
    logout_user,
)
from flask_wtf import CSRFProtect, FlaskForm  # type: ignore[import-untyped]  # ships no types
from werkzeug.exceptions import HTTPException

from starlette_flask.demo import shop
from starlette_flask.demo.admin import add_admin
from starlette_flask.demo.shop import PRODUCTS, User, change_cart, find_user, items_of, place_order

app = Flask(__name__)
app.config.update(
    SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_hex(),
    SESSION_COOKIE_SAMESITE="Lax",
    REMEMBER_COOKIE_SAMESITE="Lax",
)
app.config.from_prefixed_env()  # such as FLASK_SESSION_COOKIE_SECURE=true
CSRFProtect(app)
add_admin(app)
login_manager = LoginManager(app)
login_manager.login_view = login_manager.refresh_view = "login"


class LoginForm(FlaskForm, shop.LoginForm):
    """
    The login form, with Flask-WTF's token.
    """


class OrderForm(FlaskForm, shop.OrderForm):
    """
    The order form, with Flask-WTF's token.
    """


@login_manager.user_loader
def load_user(user_id: str) -> User | None:
    return shop.USERS.get(user_id)


@app.get("/products")
def products() -> ResponseReturnValue:
    return render_template("products.html", products=PRODUCTS.values())


@app.get("/cart")
def cart() -> ResponseReturnValue:
    return render_template("cart.html", items=items_of(session.get("cart", {})))


@app.post("/cart")
def add_to_cart() -> ResponseReturnValue:
    sku, number = request.form.get("sku", ""), request.form.get("number")
    if sku not in PRODUCTS:
        abort(404)
    what = change_cart(session.setdefault("cart", {}), sku, -1 if number == "-1" else 1)
    session.modified = True  # Flask doesn't notice changes inside values
    flash(f"Flask {what}")
    return redirect(url_for("cart"), 303)


@app.get("/checkout")
@fresh_login_required
def checkout() -> ResponseReturnValue:
    return render_template("checkout.html", form=OrderForm(), items=items_of(session.get("cart", {})))


@app.post("/checkout")
@fresh_login_required
def order() -> ResponseReturnValue:
    form, items = OrderForm(), items_of(session.get("cart", {}))
    if not (form.validate() and items):
        return render_template("checkout.html", form=form, items=items), 400
    placed = place_order(current_user, session.pop("cart"), form.note.data)
    session["last_order"] = (placed.id, placed.at)
    flash("Flask has taken your order. Thank you!")
    return redirect(url_for("account"), 303)


@app.get("/account")
@login_required
def account() -> ResponseReturnValue:
    return render_template("account.html")


@app.post("/account")
@login_required
def stay() -> ResponseReturnValue:
    session.permanent = "stay" in request.form
    flash("Flask made your session " + ("permanent." if session.permanent else "one that ends with the browser."))
    return redirect(url_for("account"), 303)


@app.get("/login")
def login() -> ResponseReturnValue:
    return render_template("login.html", form=LoginForm())


@app.post("/login")
def log_in() -> ResponseReturnValue:
    form = LoginForm()
    user = find_user(form.name.data, form.password.data) if form.validate() else None
    if user is None:
        return render_template("login.html", form=form, is_wrong=True), 400
    login_user(user, remember=form.remember.data)
    session["logged_in_at"] = datetime.now(timezone.utc)
    flash(f"Flask has logged you in, {user.name}.")
    # A path that begins like this stays on this host, however a browser reads it.
    next_url = request.args.get("next", "")
    return redirect(next_url if re.match(r"/\w", next_url) else url_for("account"), 303)


@app.post("/logout")
def logout() -> ResponseReturnValue:
    logout_user()
    session.pop("logged_in_at", None)
    flash("Flask has logged you out.")
    return redirect(url_for("products"), 303)


@app.errorhandler(HTTPException)
def say_why(error: HTTPException) -> ResponseReturnValue:
    return render_template("error.html", error=error.name, reason=error.description), error.code or 500

"""
The Flask app as the team has it: Flask-Login, Flask-WTF's CSRF tokens, flash messages, and a cart in the session.
"""

import os
import re
import secrets
from collections.abc import Mapping

from flask import Flask, abort, flash, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import (  # type: ignore[import-untyped]  # ships no types
    LoginManager,
    UserMixin,
    login_required,
    login_user,
    logout_user,
)
from flask_wtf import CSRFProtect  # type: ignore[import-untyped]  # ships no types
from flask_wtf.csrf import CSRFError  # type: ignore[import-untyped]  # ships no types

PRODUCTS = {"tea": "Green tea", "pot": "Teapot", "cup": "Tea cup"}

app = Flask(__name__)
app.config.update(
    SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_hex(),
    SESSION_COOKIE_SAMESITE="Lax",
    REMEMBER_COOKIE_SAMESITE="Lax",
)
app.jinja_env.globals.update(half="Flask", products=PRODUCTS)
CSRFProtect(app)
login_manager = LoginManager(app)
login_manager.login_view = login_manager.refresh_view = "login"


class User(UserMixin):  # type: ignore[misc]  # ships no types
    """
    Anybody with a name: this shop knows no passwords.
    """

    def __init__(self, name: str) -> None:
        self.id = name

    @classmethod
    def from_form(cls, form: Mapping[str, str]) -> "User | None":
        """
        Return who has filled in the login form, or None if the name is missing.
        """
        name = " ".join(form.get("user", "").split())[:40]
        return cls(name) if name else None


@login_manager.user_loader  # type: ignore[untyped-decorator]  # ships no types
def load_user(user_id: str) -> User:
    return User(user_id)


@app.get("/")
def shop() -> str:
    return render_template("shop.html")


@app.get("/login")
def login_form() -> str:
    return render_template("login.html")


@app.post("/login")
def login() -> ResponseReturnValue:
    user = User.from_form(request.form)
    if user is None:
        return render_template("login.html", error="Please enter a name."), 400
    login_user(user, remember="remember" in request.form)
    flash("Flask has logged you in.")
    # A path that begins like this stays on this host, however a browser reads it.
    next_url = request.args.get("next", "")
    return redirect(next_url if re.match(r"/\w", next_url) else url_for("shop"), 303)


@app.post("/logout")
def logout() -> ResponseReturnValue:
    logout_user()
    flash("Flask has logged you out.")
    return redirect(url_for("shop"), 303)


@app.get("/account")
@login_required  # type: ignore[untyped-decorator]  # ships no types
def account() -> str:
    return render_template("account.html")


@app.post("/cart/<sku>")
def add(sku: str) -> ResponseReturnValue:
    if sku not in PRODUCTS:
        abort(404)
    cart = session.setdefault("cart", {})
    cart[sku] = cart.get(sku, 0) + 1
    session.modified = True  # Flask doesn't notice changes inside values
    flash(f"Flask has added to your cart: {PRODUCTS[sku]}.")
    return redirect(url_for("shop"), 303)


@app.post("/cart/<sku>/remove")
def remove(sku: str) -> ResponseReturnValue:
    if sku in session.get("cart", {}):
        del session["cart"][sku]
        session.modified = True
        flash("Flask has removed it from your cart.")
    return redirect(url_for("shop"), 303)


@app.errorhandler(CSRFError)
def refuse(error: CSRFError) -> ResponseReturnValue:
    return render_template("refused.html", reason=error.description), 400

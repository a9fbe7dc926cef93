"""
The Flask app as the team has it: a login form, and a cart kept in Flask's session.
"""

import os
import secrets

from flask import Flask, abort, g, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

PRODUCTS = {"tea": "Green tea", "pot": "Teapot", "cup": "Tea cup"}

app = Flask(__name__)
app.config.update(
    SECRET_KEY=os.environ.get("SECRET_KEY") or secrets.token_hex(),
    # Browsers keep a Lax cookie out of every POST that another site makes, and here only a POST
    # changes anything: that is the protection against CSRF.
    SESSION_COOKIE_SAMESITE="Lax",
)


def current_user() -> str | None:
    """
    Look up the user once per request, as Flask-Login does.
    """
    if "user" not in g:
        g.user = session.get("user")
    user: str | None = g.user
    return user


@app.context_processor
def inject_user() -> dict[str, str | None]:
    return {"user": current_user()}


@app.get("/")
def shop() -> str:
    return render_template("shop.html", half="Flask", products=PRODUCTS, data=dict(session))


@app.get("/login")
def login_form() -> str:
    return render_template("login.html", half="Flask")


@app.post("/login")
def login() -> ResponseReturnValue:
    name = " ".join(request.form.get("user", "").split())[:40]
    if not name:
        return render_template("login.html", half="Flask", error="Please enter a name."), 400
    session["user"] = name
    return redirect(url_for("shop"), 303)


@app.post("/logout")
def logout() -> ResponseReturnValue:
    session.clear()
    return redirect(url_for("shop"), 303)


@app.post("/cart/add")
def add() -> ResponseReturnValue:
    sku = request.form["sku"]
    if sku not in PRODUCTS:
        abort(404)
    items = session.setdefault("cart", {"items": []})["items"]
    for item in items:
        if item["sku"] == sku:
            item["qty"] += 1
            break
    else:
        items.append({"sku": sku, "qty": 1})
    session.modified = True  # Flask doesn't notice changes inside values
    return redirect(url_for("shop"), 303)


@app.post("/cart/remove")
def remove() -> ResponseReturnValue:
    if "cart" in session:
        session["cart"]["items"] = [item for item in session["cart"]["items"] if item["sku"] != request.form["sku"]]
        session.modified = True
    return redirect(url_for("shop"), 303)

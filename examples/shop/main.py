"""
The FastAPI app: what has moved already, and the Flask app mounted for the rest.

Session, login, CSRF tokens, flash messages and templates are those of the Flask app.
"""

from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, HTTPException, Request, Response
from fastapi.exception_handlers import http_exception_handler
from fastapi.responses import PlainTextResponse, RedirectResponse
from fastapi.templating import Jinja2Templates

from examples.shop.flask_app import PRODUCTS, User
from examples.shop.flask_app import app as flask_app
from starlette_flask import SessionConfig, SessionMiddleware
from starlette_flask.csrf import CSRFConfig, CSRFError, generate_csrf
from starlette_flask.flash import flash
from starlette_flask.login import (
    RESPONSES,
    LoginManager,
    current_user,
    fresh_login_required,
    login_fresh,
    login_required,
    login_user,
    logout_user,
    next_url,
)
from starlette_flask.middleware.csrf import CSRFMiddleware
from starlette_flask.middleware.login import LoginMiddleware
from starlette_flask.middleware.wsgi import WSGIMiddleware, flask_url_for
from starlette_flask.templating import flask_context

# Every page shows the user, so every route loads it.
app = FastAPI(title="Tea shop", dependencies=[Depends(current_user)])
app.add_middleware(CSRFMiddleware, config=CSRFConfig.from_flask(flask_app), exempt_mounts=("/legacy",))
app.add_middleware(LoginMiddleware, manager=LoginManager.from_flask(flask_app))
app.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(flask_app))  # last, so that it is outside

templates = Jinja2Templates(Path(__file__).parent / "templates", context_processors=[flask_context(flask_app)])
templates.env.globals.update(half="FastAPI", products=PRODUCTS)


@app.get("/")
async def shop(request: Request) -> Response:
    return templates.TemplateResponse(request, "shop.html")


@app.get("/login")
async def login_form(request: Request) -> Response:
    return templates.TemplateResponse(request, "login.html")


@app.post("/login")
async def login(
    request: Request, user: Annotated[str, Form()] = "", remember: Annotated[bool, Form()] = False
) -> Response:
    somebody = User.from_form({"user": user})
    if somebody is None:
        return templates.TemplateResponse(request, "login.html", {"error": "Please enter a name."}, 400)
    login_user(request, somebody, remember=remember)
    flash(request, "FastAPI has logged you in.")
    return RedirectResponse(next_url(request), 303)


@app.post("/logout")
async def logout(request: Request) -> Response:
    logout_user(request)
    flash(request, "FastAPI has logged you out.")
    return RedirectResponse("/", 303)


@app.post("/forget")
async def forget(request: Request) -> Response:
    request.session.clear()  # what a browser does when it is closed; the remember cookie stays
    return RedirectResponse("/", 303)


@app.get("/account", responses=RESPONSES, dependencies=[Depends(login_required)])
async def account(request: Request) -> Response:
    return templates.TemplateResponse(request, "account.html")


@app.get("/checkout", responses=RESPONSES, dependencies=[Depends(fresh_login_required)])
async def checkout(request: Request) -> Response:
    return templates.TemplateResponse(request, "checkout.html")


@app.post("/checkout", responses=RESPONSES)
async def order(request: Request, user: Annotated[User, Depends(fresh_login_required)]) -> Response:
    request.session.pop("cart", None)
    flash(request, f"FastAPI has taken your order, {user.id}. Flask tells you so.")
    return RedirectResponse(flask_url_for(request, "shop"), 303)


@app.post("/cart/{sku}")
async def add(request: Request, sku: str) -> Response:
    put_into_cart(request, sku)
    flash(request, f"FastAPI has added to your cart: {PRODUCTS[sku]}.")
    return RedirectResponse("/", 303)


@app.post("/cart/{sku}/remove")
async def remove(request: Request, sku: str) -> Response:
    if sku in request.session.get("cart", {}):
        del request.session["cart"][sku]
        flash(request, "FastAPI has removed it from your cart.")
    return RedirectResponse("/", 303)


def put_into_cart(request: Request, sku: str) -> None:
    if sku not in PRODUCTS:
        raise HTTPException(404)
    cart = request.session.setdefault("cart", {})
    cart[sku] = cart.get(sku, 0) + 1  # changes inside values are saved, too


@app.get("/api/me")
async def me(request: Request, user: Annotated[User, Depends(current_user)]) -> dict[str, Any]:
    return {"user": user.get_id(), "fresh": login_fresh(request), "cart": request.session.get("cart", {})}


@app.get("/api/token", response_class=PlainTextResponse)
async def token(request: Request) -> str:
    return generate_csrf(request)


@app.post("/api/cart/{sku}")
async def add_by_api(request: Request, sku: str) -> dict[str, int]:
    put_into_cart(request, sku)
    cart: dict[str, int] = request.session["cart"]
    return cart


@app.exception_handler(CSRFError)
async def refuse(request: Request, error: CSRFError) -> Response:
    if "text/html" not in request.headers.get("accept", ""):
        return await http_exception_handler(request, error)
    await current_user(request)
    return templates.TemplateResponse(request, "refused.html", {"reason": error.detail}, 400)


app.mount("/legacy", WSGIMiddleware(flask_app))

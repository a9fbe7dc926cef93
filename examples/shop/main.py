"""
The FastAPI app: what has moved already, and the Flask app mounted for the rest. Both have one session.
"""

from pathlib import Path
from typing import Any

from a2wsgi import WSGIMiddleware
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates

from examples.shop.flask_app import PRODUCTS
from examples.shop.flask_app import app as flask_app
from starlette_flask import SessionConfig, SessionMiddleware

app = FastAPI(title="Tea shop")
app.add_middleware(SessionMiddleware, config=SessionConfig.from_flask(flask_app))
templates = Jinja2Templates(Path(__file__).parent / "templates")


@app.get("/")
async def shop(request: Request) -> Response:
    session = request.session
    context = {"half": "FastAPI", "products": PRODUCTS, "user": session.get("user"), "data": dict(session)}
    return templates.TemplateResponse(request, "shop.html", context)


@app.get("/api/me")
async def me(request: Request) -> dict[str, Any]:
    return {"user": request.session.get("user"), "cart": request.session.get("cart", {"items": []})}


@app.post("/api/cart/{sku}")
async def add(request: Request, sku: str) -> dict[str, Any]:
    if sku not in PRODUCTS:
        raise HTTPException(404)
    items = request.session.setdefault("cart", {"items": []})["items"]
    for item in items:
        if item["sku"] == sku:
            item["qty"] += 1  # changes inside values are saved too
            break
    else:
        items.append({"sku": sku, "qty": 1})
    return await me(request)


@app.post("/cart/{sku}")
async def add_and_show(request: Request, sku: str) -> Response:
    await add(request, sku)
    return RedirectResponse("/", 303)


@app.post("/logout")
async def logout(request: Request) -> Response:
    request.session.clear()
    return RedirectResponse("/", 303)


app.mount("/legacy", WSGIMiddleware(flask_app))  # type: ignore[arg-type]  # a2wsgi has types of its own

"""
The switch: an address is served by one half, and then by the other.
"""

import inspect

import pytest
from starlette.testclient import TestClient

from starlette_flask.demo import fastapi_half, flask_half, moving
from starlette_flask.demo.main import app
from tests.demo.visitor import Page, Visitor


@pytest.mark.parametrize("path", [path for path in moving.PAGES if path != "/logout"])
def test_there_and_back(visitor: Visitor, path: str) -> None:
    """
    The button at the top of a page moves its address, and leads to the same page of the other half.
    """
    visitor.log_in()
    seen = []
    for _ in range(3):
        page = visitor.open(path)
        seen.append(page.half)
        other = "FastAPI" if page.half == "Flask" else "Flask"
        [name] = [name for name in page.buttons if name.startswith("Move this route ")]
        assert name == f"Move this route {'to' if other == 'FastAPI' else 'back to'} {other}"
        page = visitor.press(page, name)
        assert (page.half, page.path, page.messages) == (
            other,
            path,
            [f"{path} is served by {other} now. Same address, same session."],
        )
        assert page.entries["_user_id"][1] == "'ada'"
    assert seen[0] == seen[2] != seen[1]


def test_query_stays(visitor: Visitor) -> None:
    """
    Where the login was to lead to isn't lost by moving it.
    """
    page = visitor.open("/checkout")
    page = visitor.press(page, "Move this route to FastAPI")
    assert (page.half, page.path) == ("FastAPI", "/login?next=%2Fcheckout")


def test_first_page(visitor: Visitor) -> None:
    """
    The first page names both halves, shows what has moved, and moves it.
    """
    page = visitor.open("/")
    assert page.half == "FastAPI"
    assert "This shop is moving from Flask to FastAPI, one route at a time." in page.main
    assert _served(page) == {
        "/products": "Flask",
        "/cart": "FastAPI",
        "/checkout": "Flask",
        "/account": "Flask",
        "/login": "Flask",
        "/logout": "Flask",
        "/admin/": "Flask",
    }
    for path in moving.PAGES:
        other = "Flask" if path == "/cart" else "FastAPI"
        page = visitor.press(page, f"Move {path} to {other}")
        assert page.path == "/"
        assert _served(page)[path] == other
    assert [item.text for item in page.root.all("li", "done")] == []
    visitor.log_in()
    visitor.press(visitor.open("/products"), "Add to cart: Assam")
    done = [item.text for item in visitor.open("/").root.all("li", "done")]
    assert [text.split()[0] for text in done] == ["Log", "Fill"]


def _served(page: Page) -> dict[str, str]:
    rows = [row for body in page.root.all("tbody") for row in body.all("tr")]
    return {row.all("th")[0].text.split()[0]: row.all("td")[0].text for row in rows}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"path": "/admin/", "half": "FastAPI"}, id="stays"),
        pytest.param({"path": "//evil.example/", "half": "FastAPI", "query": ""}, id="another host"),
        pytest.param({}, id="nothing"),
    ],
)
def test_not_movable(visitor: Visitor, fields: dict[str, str]) -> None:
    """
    What isn't a page of the shop can't be moved.
    """
    before = set(moving.moved)
    answer = visitor.send("/demo/move", csrf_token=visitor.open("/").token, **fields)
    assert (answer.status, answer.lines("location"), answer.set_cookie) == (303, ["/"], [])
    assert moving.moved == before


def test_without_a_token(visitor: Visitor) -> None:
    """
    No other site moves anything.
    """
    visitor.open("/")
    answer = visitor.send("/demo/move", path="/products", half="FastAPI")
    assert answer.status == 400
    assert "/products" not in moving.moved


def test_below_a_prefix() -> None:
    """
    Behind a proxy that serves the shop below a prefix, the switch works as well.
    """
    client = TestClient(app, root_path="/tea")
    for half in ("Flask", "FastAPI"):
        moving.move("/products", half)
        text = client.get("/tea/products").text
        assert f"Served by <strong>{half}</strong>" in text
        assert "Move this route" in text


@pytest.mark.parametrize("path", moving.PAGES)
def test_code(path: str) -> None:
    """
    The code that a page shows is that of both halves' views, as it runs.
    """
    lines = moving.diff_of(path)
    for module, kinds in ((flask_half, " -"), (fastapi_half, " +")):
        code = "\n".join(line.text for line in lines if line.kind in kinds)
        assert code.count(f'("{path}"') == (1 if path in ("/products", "/logout") else 2)
        for view in code.split("\n\n\n"):
            assert view in inspect.getsource(module)


def test_code_is_shown(visitor: Visitor) -> None:
    """
    A page that can move shows the code of its move, and what serves it.
    """
    [code] = visitor.open("/products").root.all("details", "code")
    assert "Flask only, and this is what served you FastAPI only @app.get" in code.text
    removed, added = ([item.text for item in code.all("span", kind)[1:]] for kind in ("removed", "added"))
    assert removed == [
        "- def products() -> ResponseReturnValue:",
        '- return render_template("products.html", products=PRODUCTS.values())',
    ]
    assert added == [
        "+ async def products(request: Request) -> Response:",
        '+ return templates.TemplateResponse(request, "products.html", {"products": PRODUCTS.values()})',
    ]

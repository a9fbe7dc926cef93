import inspect
import re
import runpy
import subprocess
import sys
from importlib.metadata import requires
from importlib.resources import files

import pytest

import starlette_flask


def test_public_names() -> None:
    """
    The package exports what it lists, in order.
    """
    assert starlette_flask.__all__ == sorted(starlette_flask.__all__)
    for name in starlette_flask.__all__:
        assert hasattr(starlette_flask, name)


def test_distribution() -> None:
    """
    What is installed has three dependencies and says that it is typed.
    """
    always = [line for line in requires("starlette-flask") or [] if "extra ==" not in line]
    assert sorted(re.split(r"[^\w-]", line)[0] for line in always) == ["itsdangerous", "markupsafe", "starlette"]
    assert (files("starlette_flask") / "py.typed").is_file()


def test_flask_is_not_needed() -> None:
    """
    The day Flask is deleted, nothing changes: no module but the demo's imports Flask, an extension of it, or Werkzeug.
    """
    gone = dict.fromkeys(["flask", "flask_login", "flask_principal", "flask_wtf", "quart", "werkzeug", "wtforms"])
    code = f"""
import pkgutil, sys
from importlib import import_module
sys.modules.update({gone!r})
import starlette_flask
for module in pkgutil.walk_packages(starlette_flask.__path__, "starlette_flask."):
    if not module.name.endswith("__main__") and not module.name.startswith("starlette_flask.demo"):
        import_module(module.name)
"""
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603


@pytest.mark.parametrize(
    ("module", "missing", "extra"),
    [("form_scan", "python_multipart.multipart", "csrf"), ("cli", "click", "cli")],
)
def test_missing_extras(module: str, missing: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What needs an extra names it if it isn't installed.
    """
    monkeypatch.setitem(sys.modules, missing, None)
    path = files("starlette_flask") / f"{module}.py"
    with pytest.raises(ImportError, match=rf"pip install starlette-flask\[{extra}\]"):
        runpy.run_path(str(path))


def test_fastapi_is_not_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    In plain Starlette the dependencies are functions like others.
    """
    monkeypatch.setitem(sys.modules, "fastapi", None)
    names = runpy.run_path(str(files("starlette_flask") / "login" / "dependencies.py"))
    assert inspect.signature(names["current_user"]).parameters["_scheme"].default is None


def test_formats_need_no_framework() -> None:
    """
    The wire formats import neither Starlette nor Flask.
    """
    code = f"""
import sys, types
package = types.ModuleType("starlette_flask")  # its own __init__ imports everything
package.__path__ = {starlette_flask.__path__!r}
sys.modules.update({{"starlette_flask": package, "starlette": None, "flask": None, "werkzeug": None}})
from starlette_flask.formats import cookies, serializer, signing, tagged_json
"""
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603

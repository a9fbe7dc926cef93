import re
import subprocess
import sys
from importlib.metadata import requires
from importlib.resources import files

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
    required = [re.split(r"[^\w-]", line)[0] for line in requires("starlette-flask") or []]
    assert sorted(required) == ["itsdangerous", "markupsafe", "starlette"]
    assert (files("starlette_flask") / "py.typed").is_file()


def test_flask_is_not_needed() -> None:
    """
    The day Flask is deleted, nothing changes: the package imports neither Flask nor Werkzeug.
    """
    code = "import sys, starlette_flask; print(sorted({'flask', 'werkzeug', 'quart'} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603
    assert result.stdout.strip() == "[]"


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

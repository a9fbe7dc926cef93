"""
How apps are imported: as servers do it; and what can't be had is one line, without a traceback and without a secret.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from starlette_flask.cli import main
from starlette_flask.doctor.importing import only_ours_on_stdout

SECRET = "a long random value"

SHOP = f"""
import functools
from flask import Flask
from starlette.applications import Starlette
from starlette_flask import SessionConfig, SessionMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

flask_app = Flask(__name__)
flask_app.secret_key = "{SECRET}"
app = SessionMiddleware(Starlette(), config=SessionConfig.from_flask(flask_app))
fixed = ProxyFix(flask_app)


class Apps:
    app = app
    flask_app = flask_app

    def __call__(self):
        pass


async def slow_app(scope, receive, send):
    await app(scope, receive, send)


async def make_slowly():
    return app


def make_app(kind, key="{SECRET}"):
    return app


def make_flask_app():
    return flask_app


def make_nothing():
    raise RuntimeError("{SECRET}")


def make_wrongly():
    return len("{SECRET}", 1)
"""

MODULES = {
    "shop.py": SHOP,
    "package/__init__.py": "from shop import *",
    "package/apps.py": "from . import app, flask_app",
    "exits.py": f"import sys\nsys.exit('{SECRET}')",
    "fails.py": f"raise RuntimeError('{SECRET}')",
    "syntax.py": "def app(:",
    "key.py": "import os\nos.environ['NO_SUCH_KEY']",
    "needs.py": "import no_such_library",
    "badly.py": "from starlette_flask import SessionMiddleware\napp = SessionMiddleware(None, secret_key='')",
    "loud.py": f"""
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from starlette_flask import SessionConfig


class Loud(SecureCookieSessionInterface):
    def get_cookie_name(self, app):
        raise ValueError("{SECRET}")


app = Flask(__name__)
app.session_interface = Loud()
SessionConfig.from_flask(app)
""",
    "lazy.py": f"def __getattr__(name):\n    raise RuntimeError('{SECRET}')",
    "runs.py": "from shop import *\nflask_app.run()",
    "prints.py": "print('printed')\nfrom shop import *",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """
    The folder in which the command is called.
    """
    for name, text in MODULES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        module = name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


@pytest.mark.parametrize(
    ("flask_app", "app"),
    [
        pytest.param("shop:flask_app", "shop:app", id="attributes"),
        pytest.param("package.apps:flask_app", "package:app", id="modules of a package"),
        pytest.param("shop:Apps.flask_app", "shop:Apps.app", id="attributes of an attribute"),
        pytest.param("shop:make_flask_app()", "shop:make_app('test')", id="factories"),
        pytest.param("shop:flask_app", "shop:slow_app", id="a coroutine function"),
        pytest.param("runs:flask_app", "runs:app", id="a module that runs its app"),
        pytest.param("prints:flask_app", "prints:app", id="a module that prints"),
    ],
)
def test_imported(flask_app: str, app: str) -> None:
    """
    What is there is found, from the current folder, and what it prints is not what was asked for.
    """
    result = CliRunner().invoke(main, ["doctor", flask_app, app, "--json"])
    assert (result.stdout, result.exit_code) == ("[]\n", 0)


USAGE = "give module:attribute, such as shop.main:app"
CALLS = "give module:attribute, such as shop:app or shop:make_app('test')"


@pytest.mark.parametrize(
    ("flask_app", "message"),
    [
        pytest.param("shop", f"'shop' names no app; {USAGE}", id="no attribute"),
        pytest.param(":app", f"':app' names no app; {USAGE}", id="no module"),
        pytest.param(".shop:app", f"'.shop:app' names no app; {USAGE}", id="relative"),
        pytest.param("./shop.py:app", "./shop.py is a file; give the module, shop:app", id="file"),
        pytest.param("package/apps:app", "package/apps is a file; give the module, package.apps:app", id="path"),
        pytest.param("shop:1 + 1", f"'shop:1 + 1' names no app; {CALLS}", id="no name"),
        pytest.param("shop:make_app(", f"'shop:make_app(' names no app; {CALLS}", id="half a call"),
        pytest.param("shop:make_app(kind=1)", f"'shop:make_app(kind=1)' names no app; {CALLS}", id="keyword"),
        pytest.param("shop:make_app(kind)", f"'shop:make_app(kind)' names no app; {CALLS}", id="variable"),
        pytest.param("no_shop:app", "there is no module no_shop, neither here nor installed", id="no such module"),
        pytest.param(
            "package.no:app", "there is no module package.no, neither here nor installed", id="not in the package"
        ),
        pytest.param("shop:flask_ap", "shop:flask_ap isn't there: shop has no flask_ap; is it flask_app?", id="typo"),
        pytest.param("shop:zzz", "shop:zzz isn't there: shop has no zzz", id="no such attribute"),
        pytest.param("exits:app", "exits can't be imported: SystemExit, in exits.py, line 2", id="exit"),
        pytest.param("fails:app", "fails can't be imported: RuntimeError, in fails.py, line 1", id="failure"),
        pytest.param("lazy:app", "lazy:app can't be had: RuntimeError, in lazy.py, line 2", id="failure at last"),
        pytest.param(
            "key:app", "key can't be imported: KeyError: 'NO_SUCH_KEY', in key.py, line 2", id="a missing variable"
        ),
        pytest.param(
            "needs:app",
            "needs can't be imported: ModuleNotFoundError: No module named 'no_such_library', in needs.py, line 1",
            id="a missing library",
        ),
        pytest.param(
            "badly:app",
            "badly can't be imported: ConfigError: the secret key is empty; set it to the Flask app's SECRET_KEY, or"
            " make one with: python -c 'import secrets; print(secrets.token_hex())', in badly.py, line 2",
            id="configuration",
        ),
        pytest.param(
            "loud:app",
            "loud can't be imported: ConfigError: loud.Loud, or a teardown function of the app, works within a request"
            " only (ValueError in loud.py, line 9); give the settings as keywords or with SessionConfig.from_mapping,"
            " in loud.py, line 14",
            id="configuration that quotes another error",
        ),
        pytest.param(
            "shop:make_flask_app",
            "shop:make_flask_app is no Flask app but a function; for what it returns give shop:make_flask_app()",
            id="factory",
        ),
        pytest.param(
            "shop:make_app()", "shop:make_app() can't be called so; make_app takes (kind, key)", id="no argument"
        ),
        pytest.param(
            "shop:flask_app.name('x')",
            "shop:flask_app.name('x') can't be called so; flask_app.name takes something else",
        ),
        pytest.param(
            "shop:make_nothing()", "shop:make_nothing() can't be called: RuntimeError, in shop.py, line 39", id="raises"
        ),
        pytest.param(
            "shop:make_wrongly()",
            "shop:make_wrongly() can't be called: TypeError, in shop.py, line 43",
            id="wrong inside",
        ),
        pytest.param("shop:Apps", "shop:Apps is a class, and not an app", id="class"),
        pytest.param("shop:app", "shop:app is no Flask app but SessionMiddleware", id="an ASGI app that is wrapped"),
        pytest.param(
            "shop:app.app", "shop:app.app is no Flask app but Starlette; the Flask app comes first", id="an ASGI app"
        ),
        pytest.param(
            "shop:fixed", "shop:fixed is ProxyFix around a Flask app; give that itself, shop:fixed.app", id="wrapped"
        ),
    ],
)
def test_no_flask_app(flask_app: str, message: str) -> None:
    """
    What can't be had is a line on standard error, and the status is 2.
    """
    result = CliRunner().invoke(main, ["doctor", flask_app, "shop:app", "--json"])
    assert (result.stdout, result.stderr, result.exit_code) == ("", f"Error: {message}\n", 2)


def test_a_secret_of_the_environment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What the environment calls a secret isn't said, whatever it was given for.
    """
    monkeypatch.setenv("FLASK_SECRET_KEY", SECRET)
    (folder / "mixed.py").write_text(
        "import os\nfrom starlette_flask import SessionConfig\n"
        "SessionConfig(secret_key='x', same_site=os.environ['FLASK_SECRET_KEY'])"
    )
    result = CliRunner().invoke(main, ["doctor", "mixed:app", "shop:app"])
    assert result.stderr == (
        "Error: mixed can't be imported: ConfigError: unknown same_site '***'; use 'lax', 'strict', 'none' or None,"
        " in mixed.py, line 3\n"
    )


def test_syntax_error() -> None:
    """
    Of a syntax error the line is said once.
    """
    result = CliRunner().invoke(main, ["doctor", "syntax:app", "shop:app"])
    assert result.stderr.startswith("Error: syntax can't be imported: SyntaxError: ")
    assert result.stderr.endswith("(syntax.py, line 1)\n")
    assert result.exit_code == 2


@pytest.mark.parametrize(
    ("app", "message"),
    [
        pytest.param(
            "shop:flask_app",
            "shop:flask_app is a Flask app, and no ASGI app; the Flask app comes first, and then the other",
            id="a Flask app",
        ),
        pytest.param("shop:Apps", "shop:Apps is a class, and not an app", id="class"),
        pytest.param("shop:Apps()", "shop:Apps() is no ASGI app but Apps", id="something else that can be called"),
        pytest.param("shop:flask_app.name", "shop:flask_app.name is no ASGI app but str", id="text"),
        pytest.param(
            "shop:make_slowly()",
            "shop:make_slowly() is no ASGI app but a coroutine; give a function that isn't async",
            id="coroutine",
        ),
        pytest.param(
            "shop:make_app",
            "shop:make_app is no ASGI app but a function; for what it returns give shop:make_app()",
            id="factory",
        ),
    ],
)
def test_no_asgi_app(app: str, message: str) -> None:
    """
    So it is for the other app.
    """
    result = CliRunner().invoke(main, ["doctor", "shop:flask_app", app])
    assert (result.stdout, result.stderr, result.exit_code) == ("", f"Error: {message}\n", 2)


def test_what_tells_nothing_of_itself(folder: Path) -> None:
    """
    What doesn't say with what it can be called is taken for an app.
    """
    (folder / "odd.py").write_text("from shop import flask_app\napp = min")
    result = CliRunner().invoke(main, ["doctor", "odd:flask_app", "odd:app"])
    assert result.exit_code == 1


def test_flask_s_variable_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    What tells Flask not to run is there only while the modules are imported.
    """
    monkeypatch.setenv("FLASK_RUN_FROM_CLI", "false")
    CliRunner().invoke(main, ["doctor", "shop:flask_app", "shop:app"])
    assert os.environ["FLASK_RUN_FROM_CLI"] == "false"


NOISE = """
import atexit, logging, os, subprocess, sys

print("printed")
os.write(1, b"written\\n")
subprocess.run(["echo", "by another program"])
sys.__stdout__.write("beside\\n")
logging.basicConfig(stream=sys.stdout, level="INFO")
atexit.register(print, "at the end")
logging.info("logged")
from shop import *
"""


def test_only_json_on_standard_output(folder: Path) -> None:
    """
    As a program, with modules that print by whatever means, and when it ends: standard output is JSON only.
    """
    (folder / "noise.py").write_text(NOISE)
    command = [sys.executable, "-m", "starlette_flask", "doctor", "noise:flask_app", "noise:app", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603  # ourselves
    assert (done.stdout, done.returncode) == ("[]\n", 0)
    words = ("printed", "written", "by another program", "beside", "logged", "at the end")
    assert [word for word in words if word not in done.stderr] == []


def test_what_is_ours_and_what_is_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Where there are files, also what is written to the file itself goes to standard error.
    """
    with (folder / "out").open("w") as out, (folder / "err").open("w") as err:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        with only_ours_on_stdout() as ours:
            os.write(out.fileno(), b"theirs\n")
            ours.write("ours\n")
        assert sys.stdout is err
    assert [(folder / name).read_text() for name in ("out", "err")] == ["ours\n", "theirs\n"]

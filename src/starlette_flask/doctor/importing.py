"""
Imports apps as servers do, and says in a line why one can't be had.
"""

import ast
import inspect
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from importlib import import_module
from inspect import isfunction, signature
from types import ModuleType
from typing import Any, TextIO

from starlette_flask.doctor.findings import Keys, secrets_in, text_of, where
from starlette_flask.exceptions import ConfigError, ConfigTypeError

# Of these, and not of what is derived from them, the text holds names and no values.
_TELLING = (
    AttributeError,
    ConfigError,
    ConfigTypeError,
    ImportError,
    IndentationError,
    KeyError,
    ModuleNotFoundError,
    NameError,
    SyntaxError,
)

_RUN = "FLASK_RUN_FROM_CLI"


class CannotImport(Exception):  # noqa: N818  # a line for the user
    """
    There is no such app; the text says why.
    """


def flask_app(path: str) -> Any:
    """
    Return the Flask or Quart app at ``module:attribute``.

    Raises:
        CannotImport: It isn't there, or is something else.
    """
    found = _found(path)
    if isinstance(found, type):
        raise CannotImport(f"{path} is a class, and not an app")
    if hasattr(found, "session_interface"):
        return found
    if hasattr(getattr(found, "app", None), "session_interface"):
        raise CannotImport(f"{path} is {type(found).__name__} around a Flask app; give that itself, {path}.app")
    if hasattr(found, "routes"):
        raise CannotImport(f"{path} is no Flask app but {type(found).__name__}; the Flask app comes first")
    raise CannotImport(f"{path} is no Flask app but {_described(path, found)}")


def asgi_app(path: str) -> Any:
    """
    Return the ASGI app at ``module:attribute``.

    Raises:
        CannotImport: It isn't there, or is something else.
    """
    found = _found(path)
    if isinstance(found, type):
        raise CannotImport(f"{path} is a class, and not an app")
    if hasattr(found, "session_interface") and hasattr(found, "wsgi_app"):
        raise CannotImport(f"{path} is a Flask app, and no ASGI app; the Flask app comes first, and then the other")
    if not _takes_three(found):
        raise CannotImport(f"{path} is no ASGI app but {_described(path, found)}")
    return found


@contextmanager
def only_ours_on_stdout() -> Iterator[TextIO]:
    """
    Lead what modules print, and programs that they run, to standard error; give where to print what is asked for.

    It isn't led back: what is printed when Python ends doesn't belong there either.
    """
    before = ours = sys.stdout
    before.flush()
    sys.stdout = sys.stderr
    with suppress(OSError, ValueError):  # no files, as in a test
        number, errors = before.fileno(), sys.stderr.fileno()
        ours = open(os.dup(number), "w", encoding=before.encoding)  # noqa: SIM115  # closed below
        os.dup2(errors, number)
    try:
        yield ours
    finally:
        ours.flush()
        if ours is not before:
            ours.close()


def _found(path: str) -> Any:
    name, _, attribute = path.partition(":")
    if not (name and attribute) or (name.startswith(".") and "/" not in name):
        raise CannotImport(f"{path!r} names no app; give module:attribute, such as shop.main:app")
    if name.endswith(".py") or "/" in name:
        raise CannotImport(f"{name} is a file; give the module, {_module_of(name)}:{attribute}")
    parts, arguments = _parsed(path, attribute)
    found: Any = _module(name)
    for part in parts:
        try:
            found = getattr(found, part)
        except AttributeError as exc:
            close = get_close_matches(part, dir(found), 1)
            hint = f"; is it {close[0]}?" if close else ""
            raise CannotImport(f"{path} isn't there: {name} has no {part}{hint}") from exc
        except (Exception, SystemExit) as exc:  # of a module that makes it when it is asked
            raise _failure(f"{path} can't be had", exc) from exc
    if arguments is None:
        return found
    try:
        return found(*arguments)
    except (Exception, SystemExit) as exc:
        if isinstance(exc, TypeError) and exc.__traceback__.tb_next is None:  # type: ignore[union-attr]
            takes = f"({', '.join(signature(found).parameters)})" if isfunction(found) else "something else"
            raise CannotImport(f"{path} can't be called so; {'.'.join(parts)} takes {takes}") from exc
        raise _failure(f"{path} can't be called", exc) from exc


def _module(name: str) -> ModuleType:
    if sys.path[:1] != [os.getcwd()]:
        sys.path.insert(0, os.getcwd())  # as flask and uvicorn do
    with _ignoring_run():
        try:
            return import_module(name)
        except (Exception, SystemExit) as exc:  # the module may do anything
            if isinstance(exc, ModuleNotFoundError) and f"{name}.".startswith(f"{exc.name}."):
                raise CannotImport(f"there is no module {exc.name}, neither here nor installed") from exc
            raise _failure(f"{name} can't be imported", exc) from exc


@contextmanager
def _ignoring_run() -> Iterator[None]:
    """
    Let Flask's ``app.run()`` do nothing, as it does where Flask's own command imports an app.
    """
    before = os.environ.get(_RUN)
    os.environ[_RUN] = "true"
    try:
        yield
    finally:
        del os.environ[_RUN]
        os.environ.update({} if before is None else {_RUN: before})


def _failure(what: str, exc: BaseException) -> CannotImport:
    # What others say may quote a secret.
    said = f": {text_of(exc)}" if type(exc) in _TELLING else ""
    at = "" if isinstance(exc, SyntaxError) else f", in {where(exc)}"
    text = Keys(secrets_in(os.environ)).hide(f"{what}: {type(exc).__name__}{said}{at}")
    return CannotImport(" ".join(text.split()))


def _parsed(path: str, attribute: str) -> tuple[list[str], list[Any] | None]:
    """
    Return the names of ``app``, ``shop.app`` or ``make_app("test")``, and with what it is called, if it is.
    """
    try:
        expression = ast.parse(attribute, mode="eval").body
        arguments = None
        if isinstance(expression, ast.Call) and not expression.keywords:
            arguments = [ast.literal_eval(each) for each in expression.args]
            expression = expression.func
        names: list[str] = []
        while isinstance(expression, ast.Attribute):
            names.insert(0, expression.attr)
            expression = expression.value
        if isinstance(expression, ast.Name):
            return [expression.id, *names], arguments
    except (SyntaxError, ValueError):
        pass
    raise CannotImport(f"{path!r} names no app; give module:attribute, such as shop:app or shop:make_app('test')")


def _described(path: str, found: Any) -> str:
    if inspect.iscoroutine(found):
        found.close()
        return "a coroutine; give a function that isn't async"
    return f"a function; for what it returns give {path}()" if isfunction(found) else type(found).__name__


def _takes_three(app: Any) -> bool:
    if not callable(app):
        return False
    try:
        signature(app).bind("scope", "receive", "send")
    except TypeError:  # a factory, or WSGI
        return False
    except ValueError:  # it doesn't tell
        return True
    return True


def _module_of(file: str) -> str:
    return file.removeprefix("./").removesuffix(".py").strip("/").replace("/", ".")

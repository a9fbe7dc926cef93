"""
The errors: what they are, and what they say.
"""

import inspect
import pickle

import pytest
from starlette.exceptions import HTTPException

from starlette_flask import jwt
from starlette_flask.jwt import JWTError, errors

CLASSES = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, JWTError)]


def test_exported() -> None:
    """
    The package exports what it lists, in order, and all errors are among it.
    """
    assert jwt.__all__ == sorted(jwt.__all__)
    assert {each.__name__ for each in CLASSES} <= set(jwt.__all__)
    for name in jwt.__all__:
        assert hasattr(jwt, name)


def test_tree() -> None:
    """
    The tree in the module's docstring is the one that there is, statuses included.
    """
    expected = []
    for each in CLASSES:
        parent = each.__mro__[1]
        mark = {HTTPException: "*", JWTError: "x", errors.InvalidTokenError: "+"}[parent]
        expected.append((mark, each.__name__))
    lines = [line.strip() for line in inspect.cleandoc(errors.__doc__ or "").splitlines()]
    drawn = [(line[0], line[2:].partition(":")[0]) for line in lines if line[:2] in ("* ", "x ", "+ ")]
    assert sorted(drawn) == sorted(expected)
    for line in lines:
        name, _, rest = line[2:].partition(": ")
        if rest and line[:2] == "x ":
            assert rest.startswith(str(getattr(errors, name).status))


@pytest.mark.parametrize("kind", CLASSES)
def test_is_an_http_exception(kind: type[JWTError]) -> None:
    """
    Each is an HTTPException with its status, and says why; so it is answered where nobody else does.
    """
    error = kind("the reason")
    assert isinstance(error, HTTPException)
    assert (error.status_code, error.detail, error.headers) == (kind.status, "the reason", None)
    assert (error.header, error.claims, error.manager, error.response) == ({}, {}, None, None)
    assert error.loader.endswith("_loader")


def test_header_and_claims() -> None:
    """
    An error may know the token's header and claims; two errors don't share them.
    """
    error = jwt.RevokedTokenError("why", {"alg": "HS256"}, {"sub": "ada"})
    assert (error.header, error.claims) == ({"alg": "HS256"}, {"sub": "ada"})
    assert jwt.CSRFError("why").claims is not jwt.CSRFError("why").claims
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(again), again.header, again.claims) == (str(error), error.header, error.claims)
    assert "ada" not in f"{error!r} {error}"

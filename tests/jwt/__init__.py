"""
What `starlette_flask.jwt` says without a peer. What Flask-JWT-Extended says of the same is in ``tests/interop``.
"""

from typing import Any

from fastapi import Depends, FastAPI, Request

from starlette_flask.jwt import JWTManager


def guarded_app(manager: JWTManager, *, answers: bool = True, **options: Any) -> FastAPI:
    """
    Return an app whose page ``/`` requires a token, and shows whose it is.

    Args:
        manager: Verifies it.
        answers: It also answers those that aren't accepted.
        options: Those of `JWTManager.jwt_required`.
    """
    app = FastAPI()
    if answers:
        manager.init_app(app)
    guard = Depends(manager.jwt_required(**options))

    @app.api_route("/", methods=["GET", "POST", "OPTIONS"], dependencies=[guard], include_in_schema=False)
    async def page(request: Request) -> Any:
        return manager.get_jwt_identity(request)

    return app

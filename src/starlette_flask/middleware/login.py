"""
`LoginMiddleware`: what `starlette_flask.login` needs around an app.
"""

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from starlette_flask.exceptions import ConfigTypeError
from starlette_flask.login.manager import SCOPE_KEY, LoginManager, Visit

# The messages that carry the response's headers.
_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class LoginMiddleware:
    """
    Gives the app its login manager, and sends the remember cookie.

    Add it before `SessionMiddleware`, which must be outside.

    Args:
        app: The ASGI app.
        manager: Loads, remembers and turns away users.

    Raises:
        ConfigTypeError: *manager* is no `LoginManager` of starlette_flask.
    """

    def __init__(self, app: ASGIApp, manager: LoginManager) -> None:
        if not isinstance(manager, LoginManager):
            raise ConfigTypeError(
                f"manager must be a starlette_flask.login.LoginManager, not {type(manager).__name__};"
                " of a Flask app's own: LoginManager.from_flask(app)"
            )
        self.app = app
        self.manager = manager

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "session" not in scope:  # lifespan, or a path without sessions
            await self.app(scope, receive, send)
            return
        visit = scope[SCOPE_KEY] = Visit(self.manager, scope, scope["session"])
        connection = HTTPConnection(scope)
        is_answered = False

        async def send_updated(message: Message) -> None:
            if message["type"] in _STARTS:
                headers = self.manager.finish(connection, list(message.get("headers", ())))
                message = {**message, "headers": headers}
            await send(message)

        async def send_answer(message: Message) -> None:
            nonlocal is_answered
            if visit.answer is not None:
                # Somebody was turned away, by an exception; what the app makes of that gives way.
                answer, visit.answer, is_answered = visit.answer, None, True
                await answer(scope, receive, send_updated)
            elif not is_answered:
                await send_updated(message)

        await self.app(scope, receive, send_answer)

"""
A request whose session a server keeps: asked before the app, and told before the response starts.
"""

from typing import Any

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from starlette_flask.log import log_lost_late, log_store_failed
from starlette_flask.middleware.refusal import refuse
from starlette_flask.session import SCOPE_KEY, STARTS, take_assigned
from starlette_flask.stores.base import SessionKeeper, StoreError

_REFUSAL = "The sessions can't be reached. Try again in a moment."


async def serve_stored(app: ASGIApp, keeper: SessionKeeper[Any], scope: Scope, receive: Receive, send: Send) -> None:
    """
    Serve a request whose session *keeper* opens and saves.

    If it can't be read, the app isn't called, and the answer is 503. If it can't be written, the answer is 503 instead
    of the app's, which is told that the client is gone; but what is streamed has begun by then.
    """
    try:
        session = await keeper.open(scope)
    except StoreError as exc:
        log_store_failed("reading", exc)
        await refuse(scope, send, 503, _REFUSAL)
        return
    scope["session"] = scope[SCOPE_KEY] = session
    failure: StoreError | None = None
    is_saving_late = False

    async def send_with_session(message: Message) -> None:
        nonlocal failure, is_saving_late
        if failure is not None:
            raise failure
        if message["type"] in STARTS and not is_saving_late:
            take_assigned(scope, session)
            try:
                headers = await keeper.save(session, list(message.get("headers", ())), scope["path"])
            except StoreError as exc:
                failure = exc
                log_store_failed("writing", exc)
                await refuse(scope, send, 503, _REFUSAL)
                raise
            is_saving_late = True
            message = {**message, "headers": headers}
        elif message["type"] == "websocket.close":
            is_saving_late = True
        await send(message)

    try:
        await app(scope, receive, send_with_session)
    except Exception:
        if failure is None:
            raise
    finally:
        if is_saving_late:  # an app that fails before it answers has changed nothing
            try:
                with anyio.CancelScope(shield=True):  # the client may be gone; the store's own timeout bounds it
                    await keeper.save_late(session)
            except StoreError as exc:
                log_lost_late(exc)

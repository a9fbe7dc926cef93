"""
How a WebSocket is refused.
"""

from starlette.types import Scope, Send


async def refuse_websocket(scope: Scope, send: Send, reason: str) -> None:
    """
    Refuse a handshake with 403, and with *reason* where the server can send a response.
    """
    if "websocket.http.response" in scope.get("extensions", {}):
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "websocket.http.response.start", "status": 403, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": reason.encode()})
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": reason})

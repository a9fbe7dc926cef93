"""
How a request is refused in plain text.
"""

from starlette.types import Scope, Send


async def refuse(scope: Scope, send: Send, status: int, reason: str) -> None:
    """
    Refuse a request with *status* and *reason*; a WebSocket's handshake, where the server can't send that, with 403.
    """
    is_http = scope["type"] == "http"
    if is_http or "websocket.http.response" in scope.get("extensions", {}):
        kind = "http.response" if is_http else "websocket.http.response"
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": f"{kind}.start", "status": status, "headers": headers})
        await send({"type": f"{kind}.body", "body": reason.encode()})
    else:
        # 1008 is a policy, 1013 try again later (RFC 6455 and IANA's registry); servers answer 403 to both.
        await send({"type": "websocket.close", "code": 1013 if status == 503 else 1008, "reason": reason})

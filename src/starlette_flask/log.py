"""
What the loggers ``starlette_flask.sessions``, ``.csrf`` and ``.jwt`` say, and when.

No record holds anything that a client sent.
"""

import logging

from starlette_flask.formats.cookies import MAX_COOKIE_BYTES

logger = logging.getLogger("starlette_flask.sessions")
_ROUND_NUMBERS = frozenset(10**power for power in range(1, 19))
csrf_logger = logging.getLogger("starlette_flask.csrf")
jwt_logger = logging.getLogger("starlette_flask.jwt")


def log_rejected(name: str, reason: object, count: int) -> None:
    """
    The request's cookie isn't accepted: the session is empty.

    The first of a class of reasons is said at INFO, and the 10th, the 100th and so on; the others at DEBUG.
    """
    # The words are our own; those of itsdangerous quote the cookie.
    if count == 1:
        logger.info("The cookie %r was rejected: %s.", name, reason)
    else:
        level = logging.INFO if count in _ROUND_NUMBERS else logging.DEBUG
        logger.log(level, "The cookie %r was rejected: %s. That makes %d for such a reason.", name, reason, count)


def log_failed_callback() -> None:
    """
    The app's ``on_rejected`` raised.
    """
    logger.exception("on_rejected failed; the request goes on.")


def log_oversized(name: str, size: int) -> None:
    """
    The cookie is sent, and browsers may not take it.
    """
    logger.warning(
        "The cookie %r takes %d bytes; over %d browsers may drop it and keep the old one. Store less.",
        name,
        size,
        MAX_COOKIE_BYTES,
    )


def log_dropped_flashes(count: int) -> None:
    """
    Flash messages are lost, for want of room.
    """
    logger.warning(
        "%d flash message(s) were dropped: too many, or too long for the session's cookie, were waiting."
        " Show them on the pages that users come to (get_flashed_messages).",
        count,
    )


def log_late_change() -> None:
    """
    The session was changed when its cookie could no longer be sent.
    """
    logger.warning(
        "The session was changed after the response had started, and the change is lost;"
        " change it before anything is sent: not in a background task, a stream, or an accepted WebSocket."
    )


def log_ended_meanwhile() -> None:
    """
    A stored session was changed by one request after another had ended it.
    """
    logger.info("The session was changed, but another request has ended it meanwhile, and the change is lost.")


def log_refused_websocket() -> None:
    """
    The session was changed, and no header goes out.
    """
    logger.warning(
        "The session was changed, but the WebSocket was closed before it was accepted, and the change is lost;"
        " refuse with WebSocket.send_denial_response() instead."
    )


def log_unreadable_answer(name: str) -> None:
    """
    The app inside sets a cookie of our name that isn't ours.
    """
    logger.warning(
        "The app also sets a cookie %r, and none of our keys can read it: a second session middleware uses the"
        " same name, and one takes the other's place. Give one of them another name (session_cookie).",
        name,
    )


def log_not_shared(why: str, fix: str) -> None:
    """
    A Flask app is mounted, and has a session of its own.
    """
    logger.warning("The mounted Flask app keeps its own session: %s. %s, if that is intended.", why, fix)


def log_store_failed(doing: str, error: BaseException) -> None:
    """
    The store of the sessions can't be used.
    """
    logger.error(
        "The session store failed at %s (%s): the request is answered with 503.%s",
        doing,
        _causes(error),
        "" if logger.isEnabledFor(logging.DEBUG) else " At DEBUG there is a traceback.",
        exc_info=error if logger.isEnabledFor(logging.DEBUG) else None,
    )


def log_interface_store(interface: str) -> None:
    """
    The Flask app's sessions are reached through the app.
    """
    logger.info(
        "%s has no store of ours that matches it: its sessions are read and written through the Flask app itself, in a"
        " thread (FlaskInterfaceStore).",
        interface,
    )


def log_lost_late(error: BaseException) -> None:
    """
    The session was changed after the response had started, and the store can't be used.
    """
    what = "A change made after the response had started is lost: the session store failed (%s)."
    logger.error(what, _causes(error))


def _causes(error: BaseException) -> str:
    # Messages of databases quote the statement, with the session in it: only the classes are named.
    names: list[str] = []
    cause = error.__cause__
    while cause is not None and len(names) < 5:
        names.append(f"{type(cause).__module__}.{type(cause).__qualname__}")
        cause = cause.__cause__
    return ", from ".join(names) or str(error)


def log_browsers_refuse(why: str) -> None:
    """
    The Flask app has settings that can't work.
    """
    logger.warning("The session cookie doesn't work here, nor in the Flask app: %s", why)


def log_overridden(interface: str, methods: str) -> None:
    """
    The Flask app's session interface does something in code, which its settings don't tell.
    """
    logger.warning(
        "%s has its own %s: from_flask follows its settings, not what these methods do differently."
        " If they keep sessions elsewhere than in the cookie, the two apps won't see each other's.",
        interface,
        methods,
    )


def log_useless_algorithms(algorithms: list[str]) -> None:
    """
    The settings allow algorithms by which nothing can be verified.
    """
    jwt_logger.warning("decode_algorithms holds %s, which can't verify anything; drop them.", ", ".join(algorithms))


def log_odd_token(error: Exception) -> None:
    """
    A token makes PyJWT, or cryptography, raise what isn't theirs to raise.
    """
    # Perhaps the token is hostile, perhaps a key can't be used: then it happens for each.
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    jwt_logger.warning("A token can't be verified: %s was raised.", name)


def log_csrf(reason: str) -> None:
    """
    A request is refused.
    """
    csrf_logger.info("A request was refused: %s", reason)

"""
Flask's tagged JSON: JSON that keeps tuples, bytes, UUIDs, datetimes and Markup apart.

A value that JSON lacks travels as an object with one key, its tag: ``{" t": [1, 2]}`` is the tuple
``(1, 2)``. A real dict that looks like this is escaped: ``{" t": 1}`` becomes ``{" di": {" t__": 1}}``.
Mirrors ``flask.json.tag`` (Flask 3.1) on the JSON of ``flask.json.provider.DefaultJSONProvider``.
"""

import dataclasses
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import date, datetime, time, timezone
from decimal import Decimal
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any, Protocol
from uuid import UUID

from markupsafe import Markup

from starlette_flask.exceptions import ConfigError

# What JSON itself keeps apart. Most values of a session are of these types and need no look at the tags.
PLAIN_TYPES = frozenset({str, int, float, bool, type(None)})


class JSONProvider(Protocol):
    """
    The part of a Flask app's ``app.json`` that sessions use.
    """

    def dumps(self, obj: Any, **kwargs: Any) -> str: ...

    def loads(self, s: str, **kwargs: Any) -> Any: ...


class JSONTag:
    """
    One kind of value and its tag. A tag written for Flask works here, and the other way round.

    Mirrors ``flask.json.tag.JSONTag``.

    Args:
        serializer: Whose `tag` method tags nested values.
    """

    key: str = ""
    """The tag, such as ``" t"``; empty for a tag that only passes values through."""

    def __init__(self, serializer: "TaggedJSONSerializer") -> None:
        self.serializer = serializer

    def check(self, value: Any) -> bool:
        """
        Tell whether this tag stands for *value*.
        """
        raise NotImplementedError

    def to_json(self, value: Any) -> Any:
        """
        Turn *value* into something that JSON can hold.
        """
        raise NotImplementedError

    def to_python(self, value: Any) -> Any:
        """
        Turn what `to_json` gave back into the value.
        """
        raise NotImplementedError

    def tag(self, value: Any) -> Any:
        """
        Turn *value* into its tagged form.
        """
        return {self.key: self.to_json(value)}


class TagDict(JSONTag):
    """
    A dict that would be mistaken for a tagged value: its only key is a tag.
    """

    key = " di"

    def check(self, value: Any) -> bool:
        return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in self.serializer.tags

    def to_json(self, value: Any) -> Any:
        [(key, item)] = value.items()
        return {f"{key}__": self.serializer.tag(item)}

    def to_python(self, value: Any) -> Any:
        [(key, item)] = value.items()
        return {key[:-2]: item}


class PassDict(JSONTag):
    """
    Any other dict. Its keys are left to JSON, which makes them strings.
    """

    def check(self, value: Any) -> bool:
        return isinstance(value, dict)

    def tag(self, value: Any) -> Any:
        return {key: self.serializer.tag(item) for key, item in value.items()}


class TagTuple(JSONTag):
    """
    A tuple, named ones included; comes back as a plain tuple.
    """

    key = " t"

    def check(self, value: Any) -> bool:
        return isinstance(value, tuple)

    def to_json(self, value: Any) -> Any:
        return [self.serializer.tag(item) for item in value]

    def to_python(self, value: Any) -> Any:
        return tuple(value)


class PassList(JSONTag):
    """
    A list, whose items may need tags.
    """

    def check(self, value: Any) -> bool:
        return isinstance(value, list)

    def tag(self, value: Any) -> Any:
        return [self.serializer.tag(item) for item in value]


class TagBytes(JSONTag):
    """
    Bytes, as base64.
    """

    key = " b"

    def check(self, value: Any) -> bool:
        return isinstance(value, bytes)

    def to_json(self, value: Any) -> Any:
        return b64encode(value).decode("ascii")

    def to_python(self, value: Any) -> Any:
        return b64decode(value)


class TagMarkup(JSONTag):
    """
    Anything with an ``__html__`` method; comes back as Markup.
    """

    key = " m"

    def check(self, value: Any) -> bool:
        return callable(getattr(value, "__html__", None))

    def to_json(self, value: Any) -> Any:
        return str(value.__html__())

    def to_python(self, value: Any) -> Any:
        return Markup(value)  # noqa: S704  # signed by us: it was Markup when it was written


class TagUUID(JSONTag):
    """
    A UUID, as 32 hexadecimal digits.
    """

    key = " u"

    def check(self, value: Any) -> bool:
        return isinstance(value, UUID)

    def to_json(self, value: Any) -> Any:
        return value.hex

    def to_python(self, value: Any) -> Any:
        return UUID(value)


class TagDateTime(JSONTag):
    """
    A datetime, as an HTTP date: whole seconds, UTC; a naive one is taken as UTC.
    """

    key = " d"

    def check(self, value: Any) -> bool:
        return isinstance(value, datetime)

    def to_json(self, value: Any) -> Any:
        return _http_date(value)

    def to_python(self, value: Any) -> Any:
        return _parse_date(value)


class TaggedJSONSerializer:
    """
    Dumps values as Flask dumps its session's, and loads them.

    Two serializers are equal when they write the same: same tags in the same order, same JSON.

    Args:
        sort_keys: As Flask in a request, where ``app.json`` sorts by default.
        ensure_ascii: Escape what is not ASCII, Flask's default.
        provider: A Flask app's own ``app.json``, to be used instead of all of the above.
    """

    default_tags: tuple[type[JSONTag], ...] = (
        TagDict,
        PassDict,
        TagTuple,
        PassList,
        TagBytes,
        TagMarkup,
        TagUUID,
        TagDateTime,
    )

    def __init__(
        self,
        *,
        sort_keys: bool = True,
        ensure_ascii: bool = True,
        provider: JSONProvider | None = None,
    ) -> None:
        self._writes_as = (sort_keys, ensure_ascii, provider)
        if provider is None:
            self._encode: Callable[[Any], str] = json.JSONEncoder(
                sort_keys=sort_keys,
                ensure_ascii=ensure_ascii,
                check_circular=False,  # whoever comes here has been everywhere already
                default=json_default,
                separators=(",", ":"),
            ).encode
            self._decode: Callable[[str], Any] = _loads_json
        else:
            self._encode = lambda value: provider.dumps(value, separators=(",", ":"))
            self._decode = provider.loads
        self.tags: dict[str, JSONTag] = {}
        self.order: list[JSONTag] = []
        for tag_class in self.default_tags:
            self.register(tag_class)

    def register(self, tag_class: Callable[[Any], Any], force: bool = False, index: int | None = None) -> None:
        """
        Add a tag, as ``flask.json.tag.TaggedJSONSerializer.register``.

        Args:
            tag_class: A class derived from `JSONTag`, ours or Flask's.
            force: Replace the tag that has the same key.
            index: Where in the order of checks; None is last.

        Raises:
            KeyError: The key is taken and *force* is not set.
        """
        tag: JSONTag = tag_class(self)
        if tag.key:
            if not force and tag.key in self.tags:
                raise KeyError(f"the tag {tag.key!r} is already registered; pass force=True to replace it")
            self.tags[tag.key] = tag
        self.order.insert(len(self.order) if index is None else index, tag)
        self.has_default_tags = tuple(map(type, self.order)) == TaggedJSONSerializer.default_tags
        self._marker = '" ' if all(key.startswith(" ") for key in self.tags) else '"'

    def tag(self, value: Any) -> Any:
        """
        Turn *value* into what JSON can hold, tags included.
        """
        if self.has_default_tags:
            kind = type(value)
            if kind in PLAIN_TYPES:
                return value
            if kind is dict and len(value) != 1:  # of one key it may need the escape below
                return {key: item if type(item) in PLAIN_TYPES else self.tag(item) for key, item in value.items()}
            if kind is list:
                return [item if type(item) in PLAIN_TYPES else self.tag(item) for item in value]
        for tag in self.order:
            if tag.check(value):
                return tag.tag(value)
        return value

    def _is_plain(self, value: Any) -> bool:
        """
        Tell whether no default tag stands for *value* or anything in it. Most sessions end here.
        """
        kind = type(value)
        if kind is dict:
            if len(value) == 1 and next(iter(value)) in self.tags:
                return False
            items = value.values()
        elif kind is list:
            items = value
        else:
            return kind in PLAIN_TYPES
        if PLAIN_TYPES.issuperset(map(type, items)):
            return True
        for item in items:  # noqa: SIM110  # a generator costs more than what it looks at
            if type(item) not in PLAIN_TYPES and not self._is_plain(item):
                return False
        return True

    def untag(self, value: Any) -> Any:
        """
        Turn tagged values back, innermost first.
        """
        if isinstance(value, dict):
            value = {key: self.untag(item) for key, item in value.items()}
            if len(value) == 1:
                [(key, item)] = value.items()
                if key in self.tags:
                    return self.tags[key].to_python(item)
        elif isinstance(value, list):
            value = [self.untag(item) for item in value]
        return value

    def dumps(self, value: Any) -> str:
        """
        Tag *value* and dump it as compact JSON.
        """
        if self.has_default_tags and self._is_plain(value):
            return self._encode(value)
        return self._encode(self.tag(value))

    def loads(self, text: str) -> Any:
        """
        Load JSON and turn tagged values back.
        """
        value = self._decode(text)
        # Every default tag starts with a space, and no JSON text holds a tag without holding its key.
        return self.untag(value) if self._marker in text else value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TaggedJSONSerializer):
            return NotImplemented
        return (
            type(self) is type(other)
            and self._writes_as == other._writes_as
            and list(map(type, self.order)) == list(map(type, other.order))
        )

    def __hash__(self) -> int:
        return hash(tuple(self.tags))

    def with_tags_of(self, serializer: Any) -> "TaggedJSONSerializer":
        """
        Return a serializer like this one with the tags of *serializer*, Flask's or ours.

        Raises:
            ConfigError: One of the tags can't be made again.
        """
        copy = TaggedJSONSerializer.__new__(type(self))
        copy.__dict__.update(self.__dict__, tags={}, order=[])
        for tag in serializer.order:
            kind: Any = type(tag)
            # Quart before 0.19 had tags of its own, of which one couldn't read what it wrote.
            if kind.__module__ == "flask.json.tag" or (kind.__module__, kind.__name__) == ("quart.json.tag", "TagDict"):
                kind = _OWN_TAGS.get(kind.__name__, kind)
            try:
                copy.register(kind, force=True)
            except TypeError as exc:
                raise ConfigError(
                    f"the session tag {type(tag).__name__} can't be made from its serializer alone;"
                    " pass the serializer itself: SessionConfig(serializer=...)"
                ) from exc
        return copy


_OWN_TAGS = {tag.__name__: tag for tag in TaggedJSONSerializer.default_tags}


def is_tagged_json(serializer: object) -> bool:
    """
    Tell whether *serializer* is a ``TaggedJSONSerializer``, Flask's or ours, with nothing changed but its tags.
    """
    kind = type(serializer)
    for base in kind.__mro__:
        if base.__name__ == "TaggedJSONSerializer":
            return all(getattr(kind, name) is getattr(base, name) for name in ("tag", "untag", "dumps", "loads"))
    return False


def json_default(value: Any) -> Any:
    """
    Turn a value that JSON lacks into one that it has, as ``DefaultJSONProvider.default`` (Flask 3.1).

    Raises:
        TypeError: There is no such value.
    """
    if isinstance(value, date):
        return _http_date(value)
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "__html__"):
        return str(value.__html__())
    raise TypeError(f"{type(value).__name__} can't be written: JSON has no such type; give a plain value")


_raw_decode = json.JSONDecoder().raw_decode


def _loads_json(text: str) -> Any:
    # json.loads, which is this plus two searches for white space with a regular expression.
    text = text.strip(" \t\n\r")
    value, end = _raw_decode(text)
    if end != len(text):
        raise ValueError("more than one JSON value")
    return value


def _http_date(value: date) -> str:
    if not isinstance(value, datetime):
        value = datetime.combine(value, time())
    value = value.replace(tzinfo=timezone.utc) if value.tzinfo is None else value.astimezone(timezone.utc)
    return format_datetime(value, usegmt=True)


def _parse_date(value: str | None) -> datetime | None:
    if value is None:
        return None
    try:
        parsed = parsedate_to_datetime(value)
    except (TypeError, ValueError):
        try:
            parsed = datetime.fromisoformat(value)  # Quart before 0.19
        except (TypeError, ValueError):  # as werkzeug.http.parse_date, which gives None
            return None
    return parsed.replace(tzinfo=timezone.utc) if parsed.tzinfo is None else parsed

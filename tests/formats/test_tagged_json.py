"""
The tagged JSON is Flask's; tests/interop holds it against Flask itself.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from typing import Any, NamedTuple
from uuid import UUID

import flask.json.tag
import pytest
from markupsafe import Markup

from starlette_flask.exceptions import ConfigError
from starlette_flask.formats.tagged_json import JSONTag, TaggedJSONSerializer, is_tagged_json


class Point(NamedTuple):
    x: int
    y: int


class Color(IntEnum):
    RED = 1


@dataclass
class Item:
    sku: str
    since: date


class Html:
    def __html__(self) -> str:
        return "<i>"


class LazyHtml(str):
    """
    A lazy string as translation libraries have it.
    """

    def __html__(self) -> str:
        return str(self)


ID = UUID("12345678123456781234567812345678")

BOTH_WAYS = [
    pytest.param(None, "null", id="None"),
    pytest.param([1, 1.5, True, "\u00e9"], '[1,1.5,true,"\\u00e9"]', id="plain"),
    pytest.param({"b": 1, "a": {"d": 1, "c": 2}}, '{"a":{"c":2,"d":1},"b":1}', id="sorted"),
    pytest.param((1, (2,)), '{" t":[1,{" t":[2]}]}', id="tuple"),
    pytest.param(b"\x00\xff", '{" b":"AP8="}', id="bytes"),
    pytest.param(Markup("<b>"), '{" m":"<b>"}', id="Markup"),
    pytest.param(ID, '{" u":"12345678123456781234567812345678"}', id="UUID"),
    pytest.param(
        datetime(2026, 11, 22, 10, 30, 5, tzinfo=timezone.utc), '{" d":"Sun, 22 Nov 2026 10:30:05 GMT"}', id="datetime"
    ),
    pytest.param({" t": [1]}, '{" di":{" t__":[1]}}', id="looks like a tag"),
    pytest.param({" di": {" t__": 1}}, '{" di":{" di__":{" t__":1}}}', id="looks like an escape"),
    pytest.param({" t": 1, "x": 2}, '{" t":1,"x":2}', id="two keys need no escape"),
    pytest.param({"x": 1}, '{"x":1}', id="one key that is no tag"),
    pytest.param([{"a": (1,)}, {"a": {"b": [b"x"]}}], '[{"a":{" t":[1]}},{"a":{"b":[{" b":"eA=="}]}}]', id="nested"),
]


@pytest.mark.parametrize(("value", "text"), BOTH_WAYS)
def test_both_ways(value: Any, text: str) -> None:
    """
    What is written comes back equal and of the same type.
    """
    serializer = TaggedJSONSerializer()
    assert serializer.dumps(value) == text
    loaded = serializer.loads(text)
    assert loaded == value
    assert type(loaded) is type(value)


@pytest.mark.parametrize(
    ("value", "loaded"),
    [
        pytest.param(Point(1, 2), (1, 2), id="named tuple"),
        pytest.param(Html(), Markup("<i>"), id="__html__"),
        pytest.param(LazyHtml("x"), Markup("x"), id="lazy string"),
        pytest.param(Color.RED, 1, id="int subclass"),
        pytest.param(OrderedDict(a=1), {"a": 1}, id="dict subclass"),
        pytest.param({1: 2}, {"1": 2}, id="int key"),
        pytest.param({}, {}, id="empty dict"),
        pytest.param(date(2026, 11, 22), "Sun, 22 Nov 2026 00:00:00 GMT", id="date"),
        pytest.param(Decimal("1.50"), "1.50", id="Decimal"),
        pytest.param(
            Item("a", date(2026, 11, 22)), {"sku": "a", "since": "Sun, 22 Nov 2026 00:00:00 GMT"}, id="dataclass"
        ),
        pytest.param(
            datetime(2026, 11, 22, 10, 30, 5, 999), datetime(2026, 11, 22, 10, 30, 5, tzinfo=timezone.utc), id="naive"
        ),
        pytest.param(
            datetime(2026, 11, 22, 10, 30, tzinfo=timezone(timedelta(hours=2))),
            datetime(2026, 11, 22, 8, 30, tzinfo=timezone.utc),
            id="elsewhere",
        ),
    ],
)
def test_what_changes_on_the_way(value: Any, loaded: Any) -> None:
    """
    Flask's format keeps some values only as something like them.
    """
    serializer = TaggedJSONSerializer()
    result = serializer.loads(serializer.dumps(value))
    assert result == loaded
    assert type(result) is type(loaded)


def test_default_knows_what_tags_know() -> None:
    """
    Inside a dataclass there are no tags: there UUIDs and __html__ become text, as in Flask.
    """

    @dataclass
    class Holder:
        id: UUID
        html: Html

    assert TaggedJSONSerializer().dumps(Holder(ID, Html())) == f'{{"html":"<i>","id":"{ID}"}}'


@pytest.mark.parametrize("value", [{1, 2}, object(), Item])
def test_what_json_lacks(value: Any) -> None:
    """
    A value without a form in JSON is an error that names its type.
    """
    with pytest.raises(TypeError, match=f"{type(value).__name__} can't be written"):
        TaggedJSONSerializer().dumps({"x": value})


@pytest.mark.parametrize(
    ("text", "loaded"),
    [
        pytest.param('{" d":"no date"}', None, id="bad date"),
        pytest.param('{" d":null}', None, id="null date"),
        pytest.param(
            '{" d":"Sun, 22 Nov 2026 10:30:05 -0000"}',
            datetime(2026, 11, 22, 10, 30, 5, tzinfo=timezone.utc),
            id="date without a zone",
        ),
        pytest.param(' {"a": [{" t": [1]}]}\n', {"a": [(1,)]}, id="white space"),
    ],
)
def test_reads_what_others_wrote(text: str, loaded: Any) -> None:
    """
    Reading is as lenient as Flask's.
    """
    assert TaggedJSONSerializer().loads(text) == loaded


@pytest.mark.parametrize("text", ["", "{", "{}{}", "nul"])
def test_not_json(text: str) -> None:
    """
    Text that isn't one JSON value is a ValueError.
    """
    with pytest.raises(ValueError):  # noqa: PT011  # json's messages are its own
        TaggedJSONSerializer().loads(text)


def test_depth_costs_no_more_than_size() -> None:
    """
    Every part of a value is looked at a few times at most, however deep it is.
    """
    looked_at = 0

    class Counting(TaggedJSONSerializer):
        def tag(self, value: Any) -> Any:
            nonlocal looked_at
            looked_at += 1
            return super().tag(value)

        def _is_plain(self, value: Any) -> bool:
            nonlocal looked_at
            looked_at += 1
            return super()._is_plain(value)

    value: Any = (1,)
    for _ in range(100):
        value = [value]
    Counting().dumps(value)
    assert looked_at < 400


class TagComplex(JSONTag):
    key = "complex"

    def check(self, value: Any) -> bool:
        return isinstance(value, complex)

    def to_json(self, value: Any) -> Any:
        return [value.real, value.imag]

    def to_python(self, value: Any) -> Any:
        return complex(*value)


def test_custom_tag() -> None:
    """
    A registered tag works at any depth, also one whose key doesn't start with a space.
    """
    serializer = TaggedJSONSerializer()
    serializer.register(TagComplex)
    value = {"a": [1j, (2j, {"b": 3})], "c": None}
    assert serializer.dumps({"x": 1j}) == '{"x":{"complex":[0.0,1.0]}}'
    assert serializer.loads(serializer.dumps(value)) == value


def test_register_again() -> None:
    """
    A taken key is an error unless the tag is to be replaced; index says where to look first.
    """
    serializer = TaggedJSONSerializer()
    serializer.register(TagComplex, index=0)
    assert type(serializer.order[0]) is TagComplex
    with pytest.raises(KeyError, match="force=True"):
        serializer.register(TagComplex)
    serializer.register(TagComplex, force=True)


def test_tag_class_without_methods() -> None:
    """
    A tag must say what it stands for.
    """
    tag = JSONTag(TaggedJSONSerializer())
    for method in (tag.check, tag.to_json, tag.to_python):
        with pytest.raises(NotImplementedError):
            method(1)


class FlaskTagComplex(flask.json.tag.JSONTag):
    key = " c"

    def check(self, value: Any) -> bool:
        return isinstance(value, complex)

    def to_json(self, value: Any) -> Any:
        return [self.serializer.tag(value.real), value.imag]

    def to_python(self, value: Any) -> Any:
        return complex(*value)


class TagWithOptions(FlaskTagComplex):
    def __init__(self, serializer: Any, option: int) -> None:
        super().__init__(serializer)


def test_tags_of_flask() -> None:
    """
    The tags of a Flask app's serializer can be taken over, its own and Flask's defaults.
    """
    theirs = flask.json.tag.TaggedJSONSerializer()
    assert TaggedJSONSerializer().with_tags_of(theirs) == TaggedJSONSerializer()
    theirs.register(FlaskTagComplex, index=0)
    ours = TaggedJSONSerializer().with_tags_of(theirs)
    assert ours.loads(ours.dumps([1j, (1,)])) == [1j, (1,)]
    assert theirs.loads(ours.dumps([1j])) == [1j]
    theirs.order.append(TagWithOptions(theirs, 1))
    with pytest.raises(ConfigError, match="the session tag TagWithOptions can't be made"):
        TaggedJSONSerializer().with_tags_of(theirs)


def test_what_is_tagged_json() -> None:
    """
    Flask's serializer is known by its shape, and no longer if its methods were changed.
    """

    class Changed(flask.json.tag.TaggedJSONSerializer):
        def dumps(self, value: Any) -> str:
            return ""

    assert is_tagged_json(flask.json.tag.TaggedJSONSerializer())
    assert is_tagged_json(TaggedJSONSerializer())
    assert not is_tagged_json(Changed())
    assert not is_tagged_json(object())


def test_equality() -> None:
    """
    Serializers that write the same are equal.
    """
    with_tag = TaggedJSONSerializer()
    with_tag.register(TagComplex)
    assert TaggedJSONSerializer() == TaggedJSONSerializer()
    assert hash(TaggedJSONSerializer()) == hash(TaggedJSONSerializer())
    assert TaggedJSONSerializer() != TaggedJSONSerializer(sort_keys=False)
    assert TaggedJSONSerializer() != with_tag
    assert TaggedJSONSerializer() != object()


def test_json_settings() -> None:
    """
    The settings of a Flask app's JSON provider count.
    """
    assert TaggedJSONSerializer(sort_keys=False).dumps({"b": 1, "a": 2}) == '{"b":1,"a":2}'
    assert TaggedJSONSerializer(ensure_ascii=False).dumps("\u00e9") == '"\u00e9"'


def test_provider() -> None:
    """
    With a provider, its JSON is used and ours isn't.
    """

    class Provider:
        def dumps(self, obj: Any, **kwargs: Any) -> str:
            return f"dumped {obj} {kwargs}"

        def loads(self, s: str, **kwargs: Any) -> Any:
            return s.upper()

    serializer = TaggedJSONSerializer(provider=Provider())
    assert serializer.dumps((1,)) == "dumped {' t': [1]} {'separators': (',', ':')}"
    assert serializer.loads("text") == "TEXT"

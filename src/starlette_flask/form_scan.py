"""
Finds fields in a form while its body arrives, and keeps nothing else of it.
"""

from contextlib import suppress
from urllib.parse import unquote_plus

try:
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser, QuerystringParser, parse_options_header
except ImportError as exc:
    raise ImportError("forms are read with python-multipart: pip install starlette-flask[csrf]") from exc

# A name, a value or a header of a part that is longer is no token, and isn't looked at.
_LONGEST = 8 * 1024
# Nor are more fields than this.
_MOST = 20


class FormScan:
    """
    Reads a form, urlencoded or multipart, piece by piece.

    Args:
        content_type: The request's header. Of anything but a form no fields are found.
        suffix: How the names of the fields end that are looked for.
    """

    def __init__(self, content_type: str, suffix: str) -> None:
        self.fields: list[tuple[str, str]] = []
        """Name and value of those found so far, in their order. Files aren't among them."""
        self._suffix = suffix
        self._name, self._value, self._header = _Text(), _Text(), _Text()
        self._is_wanted = False
        self._parser: MultipartParser | QuerystringParser | None = None
        kind, options = _parse_header(content_type)
        with suppress(FormParserError):  # of a boundary that can't be one
            self._parser = self._parser_for(kind, options)

    def _parser_for(self, kind: bytes, options: dict[bytes, bytes]) -> "MultipartParser | QuerystringParser | None":
        if kind == b"application/x-www-form-urlencoded":
            return QuerystringParser(
                {
                    "on_field_start": self._begin,
                    "on_field_name": self._name.add,
                    "on_field_data": self._value.add,
                    "on_field_end": self._end_pair,
                }
            )
        if kind == b"multipart/form-data" and options.get(b"boundary"):
            return MultipartParser(
                options[b"boundary"],
                {
                    "on_part_begin": self._begin,
                    "on_header_begin": self._begin_header,
                    "on_header_field": self._header.add,
                    "on_header_value": self._value.add,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._value.clear,
                    "on_part_data": self._add_data,
                    "on_part_end": self._end_part,
                },
            )
        return None

    @property
    def is_form(self) -> bool:
        """
        Fields may be found yet.
        """
        return self._parser is not None

    def feed(self, data: bytes) -> None:
        """
        Read on. What comes after a mistake in the form is ignored, as it is for the app.
        """
        if self._parser is not None:
            try:
                self._parser.write(data)
            except FormParserError:
                self._parser = None

    def finish(self) -> None:
        """
        Say that there is no more of it.
        """
        if self._parser is not None:
            self._parser.finalize()

    def _begin(self) -> None:
        self._name.clear()
        self._value.clear()
        self._is_wanted = False

    def _end_pair(self) -> None:
        self._found(unquote_plus(self._name.text()), unquote_plus(self._value.text()))

    def _begin_header(self) -> None:
        self._header.clear()
        self._value.clear()

    def _end_header(self) -> None:
        if self._header.text().lower() == "content-disposition":
            _, options = _parse_header(self._value.data())
            if b"name" in options and b"filename" not in options:
                self._name.clear()
                self._name.add(options[b"name"], 0, len(options[b"name"]))
                self._is_wanted = self._name.text().endswith(self._suffix)

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_wanted:
            self._value.add(data, start, end)

    def _end_part(self) -> None:
        if self._is_wanted:
            self._found(self._name.text(), self._value.text())

    def _found(self, name: str, value: str) -> None:
        if name.endswith(self._suffix) and value and len(self.fields) < _MOST:
            self.fields.append((name, value))


def _parse_header(line: str | bytes) -> tuple[bytes, dict[bytes, bytes]]:
    try:
        return parse_options_header(line)
    except (TypeError, ValueError):  # older versions fail over some headers that make no sense
        return b"", {}


class _Text:
    """
    Text that arrives in pieces; if it gets too long, there is none.
    """

    def __init__(self) -> None:
        self._data = bytearray()

    def add(self, data: bytes, start: int, end: int) -> None:
        room = _LONGEST + 1 - len(self._data)
        self._data += data[start : min(end, start + room)]

    def clear(self) -> None:
        self._data.clear()

    def data(self) -> bytes:
        return bytes(self._data) if len(self._data) <= _LONGEST else b""

    def text(self) -> str:
        return self.data().decode(errors="replace")

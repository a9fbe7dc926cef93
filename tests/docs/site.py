"""
What a browser would load from elsewhere when it shows the built site: nothing. ``python -m tests.docs.site FOLDER``
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

# A scheme or two slashes: another host's. data: is in the page itself.
_ELSEWHERE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
_IN_CSS = re.compile(r"""(?:url\(|@import)\s*["']?([^"')\s;]+)""")
# Links that are followed only if somebody clicks.
_FOLLOWED = {"a", "area"}
# Of a <link>, those that load nothing.
_LOADS_NOTHING = {"alternate", "canonical", "next", "prev"}
# What the theme's script loads from another host where a page has it.
_LOADING_CLASSES = {"mermaid"}


class _Assets(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._is_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._is_style = tag == "style"
        if _LOADING_CLASSES & set(given.get("class", "").split()):
            self.found.append(f"class {given['class']}")
        if tag == "link" and _LOADS_NOTHING & set(given.get("rel", "").split()):
            return
        names = ["src", "data", "poster", "action", *([] if tag in _FOLLOWED else ["href"])]
        values = [given[name] for name in names if name in given]
        values += [part.strip().split(" ")[0] for part in given.get("srcset", "").split(",")]
        values += _IN_CSS.findall(given.get("style", ""))
        self.found += [value for value in values if _ELSEWHERE.match(value)]

    def handle_data(self, data: str) -> None:
        if self._is_style:
            self.found += [value for value in _IN_CSS.findall(data) if _ELSEWHERE.match(value)]


def outside_assets_in(html: str) -> list[str]:
    """
    Return what a page loads from other hosts.
    """
    assets = _Assets()
    assets.feed(html)
    return assets.found


def outside_assets_of(site: Path) -> Iterator[str]:
    """
    Return what the pages and the style sheets of a built site load from other hosts, with the file that does.
    """
    for path in sorted(site.rglob("*")):
        if path.suffix == ".html":
            found = outside_assets_in(path.read_text())
        elif path.suffix == ".css":
            found = [value for value in _IN_CSS.findall(path.read_text()) if _ELSEWHERE.match(value)]
        else:
            found = []
        yield from (f"{path}: {value}" for value in found)


if __name__ == "__main__":
    found = list(outside_assets_of(Path(sys.argv[1])))
    sys.exit("\n".join(["The site loads from other hosts:", *found]) if found else 0)

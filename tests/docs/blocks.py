"""
The code of the README and of the pages in docs/.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_BLOCK = re.compile(
    r"^(?P<indent>[ ]*)```(?P<language>\w*)[ ]*(?P<options>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
_TITLE = re.compile(r'title="([^"]+)"')


@dataclass(frozen=True)
class Block:
    """
    A fenced block of a page.
    """

    page: str
    line: int
    """Where its text begins."""
    language: str
    title: str
    """The file that it is, if it is one."""
    text: str


def pages() -> list[str]:
    """
    Return the README and every page of the docs.
    """
    return ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]


def blocks_of(page: str) -> list[Block]:
    """
    Return the blocks of a page, in order.
    """
    return blocks_in((ROOT / page).read_text(), page)


def blocks_in(text: str, page: str) -> list[Block]:
    """
    Return the blocks of a page's text. What is indented, in a list or a note, is taken out of it.
    """
    found = []
    for match in _BLOCK.finditer(text):
        title = _TITLE.search(match["options"])
        lines = [line.removeprefix(match["indent"]) for line in match["text"].splitlines(keepends=True)]
        line = text.count("\n", 0, match.start("text")) + 1
        found.append(Block(page, line, match["language"], title[1] if title else "", "".join(lines)))
    return found

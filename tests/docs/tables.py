"""
The tables of a page.
"""

import re
from collections.abc import Iterator

_CELL = re.compile(r"(?<!\\)\|")
_CODE = re.compile(r"`([^`]+)`")


def rows_under(text: str, heading: str) -> Iterator[list[str]]:
    """
    Yield the cells of each row of the tables under a heading, without those of the tables' heads.
    """
    _, _, section = text.partition(f"\n## {heading}\n")
    lines = section.partition("\n## ")[0].splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if line.startswith("|") and not line.startswith("|---") and not following.startswith("|---"):
            yield [cell.strip() for cell in _CELL.split(line)[1:-1]]


def codes_in(cell: str) -> list[str]:
    """
    Return what is set as code in a cell.
    """
    return _CODE.findall(cell)

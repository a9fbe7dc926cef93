"""
Runs the Python of a page in this process. A block with a title is a module; one without goes on with the last.
"""

import doctest
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from tests.docs.blocks import ROOT, Block

LANGUAGES = ("python", "pycon")


@contextmanager
def run_blocks(blocks: Iterable[Block], folder: Path) -> Iterator[dict[str, ModuleType]]:
    """
    Run the Python of a page in a folder with its other files, and give its modules; that without a name is ``docs``.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("SECRET_KEY", "a long random value, from the environment")
        modules: dict[str, ModuleType] = {}
        name = "docs"
        for block in blocks:
            if block.title and block.language != "python":
                path = folder / block.title
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(block.text)
            elif block.language in LANGUAGES:
                name = Path(block.title).stem or name
                if name not in modules:
                    modules[name] = ModuleType(name)
                    patch.setitem(sys.modules, name, modules[name])
                _run(block, modules[name])
        yield modules


def _run(block: Block, module: ModuleType) -> None:
    path = ROOT / block.page
    if block.language == "pycon":
        test = doctest.DocTestParser().get_doctest(block.text, vars(module), block.page, str(path), block.line - 1)
        said: list[str] = []
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append, clear_globs=False)
        assert not said, "".join(said)
    else:
        # With the page's own line numbers.
        code = compile("\n" * (block.line - 1) + block.text, str(path), "exec")
        exec(code, vars(module))  # noqa: S102  # our own examples

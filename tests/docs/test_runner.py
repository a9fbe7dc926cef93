"""
What runs the pages notices what doesn't hold.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import story as story_module
from tests.docs.blocks import blocks_in
from tests.docs.modules import run_blocks
from tests.docs.site import outside_assets_in, outside_assets_of
from tests.docs.story import Story, changed, commands_in, comparable

APP = """
```python title="app.py"
import sys

async def app(scope, receive, send):
    print("asked", file=sys.stderr)
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": scope["path"].encode()})
```

```console
$ uvicorn --lifespan off app:app
INFO:     Uvicorn running on http://127.0.0.1:8000 (Press CTRL+C to quit)
$ curl -s http://127.0.0.1:8000/one
/one
```
"""


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with Story(tmp_path) as story:
        yield story


def tell(story: Story, text: str) -> None:
    story.tell(blocks_in(text, "page"))


class TestBlocks:
    def test_where_and_what(self) -> None:
        """
        A block knows its line, language, title and text; in a list it is taken out of it.
        """
        text = 'Text\n\n- item:\n\n  ```python title="a.py" hl_lines="1"\n  a = 1\n\n    b\n  ```\n\n```\nc\n```\n'
        first, second = blocks_in(text, "page")
        assert (first.line, first.language, first.title, first.text) == (6, "python", "a.py", "a = 1\n\n  b\n")
        assert (second.line, second.language, second.title, second.text) == (12, "", "", "c\n")


class TestStory:
    def test_shell(self, story: Story) -> None:
        """
        Variables, functions and the folder stay from command to command; a command may have several lines.
        """
        tell(story, "```console\n$ a=1; f() { echo $a; }\n$ mkdir x && cd x\n$ f &&\n> pwd | grep -o 'x$'\n1\nx\n```\n")

    @pytest.mark.parametrize(
        ("commands", "message"),
        [
            pytest.param("$ echo a\nb", r"prints\na\nand not\nb", id="another output"),
            pytest.param("$ echo a", r"prints\na\nand not\n", id="output that isn't shown"),
            pytest.param("$ false", "ended with 1", id="failure"),
            pytest.param("$ pip install there-is-no-such-thing", "No matching distribution", id="not installed"),
            pytest.param("$ exit", "ends the shell", id="end"),
            pytest.param("echo", "before any command", id="no command"),
            pytest.param("$ uvicorn nothing:app", "doesn't run", id="server"),
        ],
    )
    def test_otherwise(self, story: Story, commands: str, message: str) -> None:
        """
        What a page says and doesn't happen is an error, with its line.
        """
        with pytest.raises(AssertionError, match=rf"(?s)page, line 2: .*{message}"):
            tell(story, f"```console\n{commands}\n```\n")

    def test_server(self, story: Story) -> None:
        """
        A server listens on a port of its own, starts anew when a file has changed, and its log is known.
        """
        tell(story, APP)
        line = 'print("asked", file=sys.stderr)'
        tell(story, f'```diff title="app.py"\n-    {line}\n+    {line.replace("asked", "again")}\n```\n')
        tell(story, "```console\n$ curl -s http://127.0.0.1:8000/two\n/two\n```\n")
        tell(story, '```text title="log"\nasked\nagain\n```\n')

    def test_log(self, story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
        """
        A line that the server doesn't say is an error.
        """
        tell(story, APP)
        with monkeypatch.context() as patch:
            patch.setattr(story_module, "SECONDS", 0.1)
            with pytest.raises(AssertionError, match="never said"):
                tell(story, '```text title="log"\nnever said\n```\n')

    def test_files(self, story: Story) -> None:
        """
        A file may be shown again as it has become, and not otherwise.
        """
        tell(story, '```text title="a/b.txt"\n1\n2\n```\n```diff title="a/b.txt"\n 1\n-2\n+3\n```\n')
        tell(story, '```text title="a/b.txt"\n1\n3\n```\n```console\n$ cat a/b.txt\n1\n3\n```\n')
        with pytest.raises(AssertionError, match="has become\n1\n3"):
            tell(story, '```text title="a/b.txt"\n1\n2\n```\n')

    def test_uninstall(self, story: Story) -> None:
        """
        What is uninstalled can't be imported any more.
        """
        tell(story, "```console\n$ python3 -c 'import flask_login'\n$ pip uninstall -y Flask-Login\n```\n")
        with pytest.raises(AssertionError, match="ModuleNotFoundError"):
            tell(story, "```console\n$ python3 -c 'import flask_login'\n```\n")


class TestChange:
    @pytest.mark.parametrize(
        ("text", "diff", "expected"),
        [
            pytest.param("a\nb\n", "-a\n+c\n", "c\nb\n", id="replaced"),
            pytest.param("a\nb\n", " a\n+c\n", "a\nc\nb\n", id="added"),
            pytest.param("a\n\nb\n", " a\n\n-b\n", "a\n\n", id="empty line"),
            pytest.param("a\nb\nc\n", "-a\n@@\n-c\n", "b\n", id="two places"),
        ],
    )
    def test_places(self, text: str, diff: str, expected: str) -> None:
        """
        Lines are found, taken out and put in.
        """
        assert changed(text, diff) == expected

    @pytest.mark.parametrize(
        ("text", "diff"),
        [
            pytest.param("a\n", "-b\n+c\n", id="not there"),
            pytest.param("a\na\n", "-a\n+c\n", id="twice"),
            pytest.param("a\n", "a\n", id="no diff"),
        ],
    )
    def test_no_place(self, text: str, diff: str) -> None:
        """
        A change that has not exactly one place is an error.
        """
        with pytest.raises(AssertionError):
            changed(text, diff)


def test_commands() -> None:
    """
    Commands are parted from what they print.
    """
    assert commands_in("$ a\n1\n2\n$ b\n> c\n> d\n$ e\n") == [("a", "1\n2"), ("b\nc\nd", ""), ("e", "")]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("at 2026-01-02 03:04:05 UTC", "at 2027-11-12 13:14:15 UTC"),
        ("1 day, 0:00:01 ago", "0:00:00 ago"),
        ("5 s ago", "123 s ago"),
        ("4 passed in 0.12s", "4 passed in 11.50s"),
        (f"eyJ1c2VyIjoiYWRhIn0.awN7NA.{'x' * 27}", f".eJyrVkrLz1eyUkpKLFKqBQAc.awN7NQ.{'y' * 27}"),
        ("size        66 bytes", "size        123 bytes"),
    ],
)
def test_what_may_differ(one: str, other: str) -> None:
    """
    Times and signed values may differ from what a page shows.
    """
    assert comparable(one) == comparable(other)


class TestPython:
    def test_modules(self, tmp_path: Path) -> None:
        """
        Blocks with titles are modules, others go on; sessions of the interpreter are checked.
        """
        text = '```python title="one.py"\na = 1\n```\n```python title="two.py"\nfrom one import a\n```\n'
        text += "```python\nb = a + 1\n```\n```pycon\n>>> a + b\n3\n```\n"
        with run_blocks(blocks_in(text, "README.md"), tmp_path) as modules:
            assert modules["two"].b == 2

    def test_wrong_answer(self, tmp_path: Path) -> None:
        """
        An answer that isn't the interpreter's is an error.
        """
        blocks = blocks_in("```pycon\n>>> 1 + 1\n3\n```\n", "README.md")
        with pytest.raises(AssertionError, match=r"line 2(?s:.*)Got:\n +2"), run_blocks(blocks, tmp_path):
            pass


class TestSite:
    @pytest.mark.parametrize(
        "html",
        [
            '<script src="https://example.com/a.js"></script>',
            '<img src="//example.com/a.png">',
            '<img srcset="a.png 1x, https://example.com/b.png 2x">',
            '<link rel="stylesheet" href="https://example.com/a.css">',
            '<link rel="preconnect" href="https://example.com">',
            "<style>@import 'https://example.com/a.css';</style>",
            '<style>a { background: url("//example.com/a.png") }</style>',
            '<p style="background: url(https://example.com/a.png)">',
            '<iframe src="https://example.com/"></iframe>',
            '<form action="https://example.com/"></form>',
            '<pre class="mermaid">graph</pre>',
        ],
    )
    def test_outside(self, html: str) -> None:
        """
        What a page would load from elsewhere is found.
        """
        assert outside_assets_in(html) != []

    @pytest.mark.parametrize(
        "html",
        [
            '<a href="https://example.com/">there</a>',
            '<link rel="canonical" href="https://example.com/">',
            '<script src="../a.js"></script><img src="data:image/png;base64,AA=="><link rel="stylesheet" href="a.css">',
            "<p>url(https://example.com/a.png)</p><script>'https://example.com'</script>",
        ],
    )
    def test_inside(self, html: str) -> None:
        """
        What it has itself, and where one may click, isn't.
        """
        assert outside_assets_in(html) == []

    def test_files(self, tmp_path: Path) -> None:
        """
        Pages and style sheets are searched, at any depth.
        """
        (tmp_path / "a").mkdir()
        (tmp_path / "a/b.html").write_text('<img src="//example.com/a.png">')
        (tmp_path / "c.css").write_text("a { background: url(https://example.com/b.png) } b { background: url(c.png) }")
        (tmp_path / "d.js").write_text("'https://example.com'")
        expected = [f"{tmp_path}/a/b.html: //example.com/a.png", f"{tmp_path}/c.css: https://example.com/b.png"]
        assert list(outside_assets_of(tmp_path)) == expected

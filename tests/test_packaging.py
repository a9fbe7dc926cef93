"""
What is released: built, unpacked, installed where nothing else is, and tried there.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator, Mapping
from email import message_from_string
from email.message import Message
from importlib.metadata import Distribution, distribution
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # ships no types
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from starlette_flask import SessionConfig
from tests.interop.apps import make_flask_app

ROOT = Path(__file__).parents[1]
CORE = {"itsdangerous", "markupsafe", "starlette"}


def run(*command: object, **options: Any) -> "subprocess.CompletedProcess[str]":
    environ = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "COVERAGE_PROCESS_START")
    }
    environ.update({"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", **options.pop("env", {})})
    return subprocess.run(  # noqa: S603
        [str(part) for part in command], capture_output=True, text=True, env=environ, **options
    )


def run_well(*command: object, **options: Any) -> str:
    """
    Run a command that must succeed, and return what it prints.
    """
    done = run(*command, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# What is built


def build(source: Path, into: Path, *options: str) -> list[Path]:
    """
    Build what a release is, from *source*, without the network.
    """
    run_well(sys.executable, "-m", "build", "--no-isolation", "--outdir", into, *options, source)
    return sorted(into.iterdir())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """
    The wheel, made from the sdist, and the sdist.
    """
    wheel, sdist = build(ROOT, tmp_path_factory.mktemp("dist"))
    assert (wheel.suffix, sdist.suffixes[-2:]) == (".whl", [".tar", ".gz"])
    return wheel, sdist


@pytest.fixture(scope="module")
def unpacked(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """
    What is in the sdist.
    """
    directory = tmp_path_factory.mktemp("unpacked")
    run_well("tar", "-xzf", built[1], "-C", directory)
    [path] = directory.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(built: tuple[Path, Path]) -> Path:
    """
    The wheel under test: the one that everything else is tested with, if there is one.
    """
    return Path(os.environ.get("WHEEL") or built[0])


@pytest.fixture(scope="module")
def metadata(wheel: Path) -> "Message[str, str]":
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return message_from_string(archive.read(name).decode())


def test_wheel(wheel: Path) -> None:
    """
    The wheel holds the package, templates, licence and the mark of types included, and nothing else.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    package = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "starlette_flask").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    about = {f"{info}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE")}
    assert names == package | about
    assert "starlette_flask/py.typed" in names
    assert wheel.name.endswith("-py3-none-any.whl")


def test_sdist(unpacked: Path) -> None:
    """
    The sdist holds all that is tracked, but for what runs on one machine alone.
    """
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs git, and the repository")
    tracked = {Path(line) for line in run_well("git", "ls-files", cwd=ROOT).splitlines() if (ROOT / line).exists()}
    assert {path for path in tracked if not (unpacked / path).exists()} <= {Path(".ci/run")}


def test_tests_of_the_sdist(unpacked: Path) -> None:
    """
    The tests that came with the sdist find there what they read, and run.
    """
    pytest_there = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    path = {"PYTHONPATH": str(unpacked / "src")}
    assert "test_tests_of_the_sdist" in run_well(*pytest_there, "--collect-only", cwd=unpacked, env=path)
    assert " passed" in run_well(*pytest_there, "tests/formats", "tests/test_config.py", cwd=unpacked, env=path)


def test_reproducible(built: tuple[Path, Path], unpacked: Path, tmp_path: Path) -> None:
    """
    Built again, directly and from the sdist, at another time, both files are what they were, byte by byte.
    """
    wheel, sdist = built
    for source, name in ((ROOT, "checkout"), (unpacked, "sdist")):
        again = build(source, tmp_path / name, "--wheel", "--sdist")
        assert [path.read_bytes() for path in again] == [wheel.read_bytes(), sdist.read_bytes()]


def test_accepted(built: tuple[Path, Path]) -> None:
    """
    An index would accept both, and show the README.
    """
    said = run_well(sys.executable, "-m", "twine", "check", "--strict", *built)
    assert said.count("PASSED") == 2


def test_metadata(metadata: "Message[str, str]") -> None:
    """
    It says what it is, for whom, and under which licence; and the README is its description.
    """
    assert metadata["Name"] == "starlette-flask"
    assert metadata["Summary"]
    assert metadata["License-Expression"] == "MIT"
    assert metadata["License-File"] == "LICENSE"
    assert metadata["Author"]
    assert metadata["Keywords"]
    urls = [url.partition(", ")[0] for url in metadata.get_all("Project-URL") or []]
    assert urls == ["Documentation", "Source", "Changelog", "Issues"]
    assert metadata["Requires-Python"] == ">=3.10"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload() == (ROOT / "README.md").read_text()
    classifiers = metadata.get_all("Classifier")
    assert classifiers
    assert not any(line.startswith("License ::") for line in classifiers)  # License-Expression says it
    assert "Typing :: Typed" in classifiers


def test_dependencies(metadata: "Message[str, str]") -> None:
    """
    It needs three packages, without an upper bound; all others are extras.
    """
    requirements = [Requirement(line) for line in metadata.get_all("Requires-Dist") or []]
    assert {each.name for each in requirements if each.marker is None} == CORE
    assert not any("<" in str(each.specifier) for each in requirements if each.name in CORE)
    assert all(each.url is None for each in requirements)
    extras = set(metadata.get_all("Provides-Extra") or [])
    assert extras >= {"cli", "csrf"}
    assert {
        extra for extra in extras for each in requirements if each.marker and each.marker.evaluate({"extra": extra})
    } == extras


# Installed, with the core's dependencies and nothing else


def core_distributions() -> Iterator[Distribution]:
    """
    Yield what the core needs, as it is installed where the tests run.
    """
    found: dict[str, Distribution] = {}
    waiting = sorted(CORE)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        found[name] = distribution(name)
        for line in found[name].requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    yield from found.values()


def installed_of(dist: Distribution) -> Iterator[Path]:
    """
    Yield the packages and modules of a distribution, and what is said of it; not all that pip installs lists its files.
    """
    directory = Path(str(dist.locate_file("")))
    listed = {file.parts[0] for file in dist.files or []} | set((dist.read_text("top_level.txt") or "").split())
    name = re.sub(r"[-_.]+", "[-_.]+", dist.metadata["Name"])
    about = re.compile(rf"{name}-[^-]+(-py[\d.]+)?\.(dist|egg)-info", re.IGNORECASE)
    for path in directory.iterdir():
        is_listed = path.name in listed or (path.is_file() and path.stem in listed)
        if (is_listed and path.name != "__pycache__") or about.fullmatch(path.name):
            yield path


class Bare:
    """
    An environment where nothing else is installed.
    """

    def __init__(self, directory: Path, wheel: Path) -> None:
        venv.create(directory, with_pip=False, symlinks=True)
        self.python = directory / "bin" / "python"
        [site_packages] = directory.glob("lib/python*/site-packages")
        for dist in core_distributions():
            for path in installed_of(dist):
                (shutil.copytree if path.is_dir() else shutil.copy)(path, site_packages / path.name)
        self.pip("install", "--no-deps", "--no-compile", wheel)
        # Somewhere else than here, where `src` might be found.
        self.directory = directory

    def pip(self, *arguments: object) -> str:
        return run_well(sys.executable, "-m", "pip", "--python", self.python, *arguments)

    def run(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        return run(self.python, *arguments, cwd=self.directory)

    def ask(self, code: str) -> Any:
        """
        Run code, and return what it prints as JSON.
        """
        return json.loads(run_well(self.python, "-c", dedent(code), cwd=self.directory))


@pytest.fixture(scope="module")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Bare:
    return Bare(tmp_path_factory.mktemp("bare"), wheel)


def test_installed(bare: Bare, metadata: "Message[str, str]") -> None:
    """
    The core's dependencies are all that it takes, and what is imported is the wheel.
    """
    assert bare.pip("check").strip() == "No broken requirements found."
    seen = bare.ask("""
        import importlib.metadata, json, sys, starlette_flask
        print(json.dumps([
            starlette_flask.__file__.startswith(sys.prefix),
            importlib.metadata.version("starlette-flask"),
        ]))
    """)
    assert seen == [True, metadata["Version"]]


def test_modules(bare: Bare, metadata: "Message[str, str]") -> None:
    """
    Every module can be imported, or says which extra it needs.
    """
    failures: Mapping[str, str] = bare.ask("""
        import importlib, json, pkgutil, starlette_flask
        failures = {}
        for module in pkgutil.walk_packages(starlette_flask.__path__, "starlette_flask.", onerror=lambda name: None):
            if not module.name.endswith("__main__"):
                try:
                    importlib.import_module(module.name)
                except ImportError as exc:
                    failures[module.name.removeprefix("starlette_flask.")] = str(exc)
        print(json.dumps(failures))
    """)
    needed = {
        name: re.findall(r"pip install '?starlette-flask\[(\w+)\]", message) for name, message in failures.items()
    }
    # The first is imported by pytest, and the others by `starlette_flask.demo.serve`, which says what they need.
    needed = {name: extras for name, extras in needed.items() if not name.startswith(("pytest_plugin", "demo."))}
    assert {name: failures[name] for name, extras in needed.items() if len(extras) != 1} == {}
    assert {extra for [extra] in needed.values()} <= set(metadata.get_all("Provides-Extra") or [])
    assert needed["cli"] == ["cli"]
    assert needed["form_scan"] == needed["middleware.csrf"] == ["csrf"]
    assert not needed.keys() & {"login", "flash", "csrf", "templating", "middleware.wsgi", "middleware.login"}


@pytest.mark.parametrize(
    ("command", "extra"),
    [
        (["-m", "starlette_flask", "--help"], "cli"),
        (["{bin}/starlette-flask", "--help"], "cli"),
        (["-m", "starlette_flask.demo"], "demo"),
    ],
    ids=["module", "script", "demo"],
)
def test_command(bare: Bare, command: list[str], extra: str) -> None:
    """
    Without what they need, the commands say what to install.
    """
    done = bare.run(*(part.format(bin=bare.python.parent) for part in command))
    assert done.returncode != 0
    assert re.search(rf"pip install '?starlette-flask\[{extra}\]", done.stderr.splitlines()[-1])


def test_session(bare: Bare) -> None:
    """
    A Starlette app there reads the cookie of the real Flask here, and writes one that Flask reads.
    """
    flask_app = make_flask_app()
    interface: Any = flask_app.session_interface
    cookie = interface.get_signing_serializer(flask_app).dumps({"user": "ada", "seen": (1, 2)})
    seen = bare.ask(f"""
        import asyncio, json
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse
        from starlette.routing import Route
        from starlette_flask import SessionConfig, SessionMiddleware

        def view(request):
            shown = repr(request.session["seen"])
            request.session["moved"] = True
            return JSONResponse(shown)

        app = Starlette(routes=[Route("/", view)])
        app.add_middleware(SessionMiddleware, config=SessionConfig.from_mapping({{"SECRET_KEY": "secret"}}))
        headers = [(b"cookie", b"session={cookie}")]
        scope = {{"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}}
        sent = []

        async def receive():
            return {{"type": "http.request", "body": b"", "more_body": False}}

        async def send(message):
            sent.append(message)

        asyncio.run(app(scope, receive, send))
        lines = [value.decode() for name, value in sent[0]["headers"] if name == b"set-cookie"]
        print(json.dumps([lines, sent[1]["body"].decode()]))
    """)
    [[line], body] = seen
    assert body == '"(1, 2)"'
    value = line.partition("=")[2].partition(";")[0]
    theirs = interface.get_signing_serializer(flask_app).loads(value)
    assert theirs == {"user": "ada", "seen": (1, 2), "moved": True}
    assert SessionConfig.from_flask(flask_app).signing_serializer.loads(value) == theirs


HEAVY = [
    "click",
    "fastapi",
    "flask",
    "httpx",
    "jinja2",
    "msgspec",
    "pydantic",
    "pytest",
    "redis",
    "sqlalchemy",
    "werkzeug",
]


def test_import_is_light() -> None:
    """
    To import the package takes none of what is optional, installed or not, and no more than a moment.
    """
    code = """
        import json, sys, time
        began = time.process_time()
        import starlette_flask
        print(json.dumps([time.process_time() - began, sorted(sys.modules)]))
    """
    took, imported = json.loads(run_well(sys.executable, "-c", dedent(code), env=_import_path()))
    assert [name for name in HEAVY if name in imported] == []
    assert took < 2  # seconds of this process alone; mostly a fifth of that


def _import_path() -> dict[str, str]:
    return {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}


# The project's own automation

WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")}
STEPS = [step for workflow in WORKFLOWS.values() for job in workflow["jobs"].values() for step in job.get("steps", [])]


def test_pythons(metadata: "Message[str, str]") -> None:
    """
    The Pythons of the classifiers are those that CI tests with.
    """
    prefix = "Programming Language :: Python :: 3."
    named = [line.removeprefix(prefix) for line in metadata.get_all("Classifier") or [] if line.startswith(prefix)]
    assert [f"3.{minor}" for minor in named] == WORKFLOWS["ci"]["jobs"]["test"]["strategy"]["matrix"]["python"]


def test_permissions() -> None:
    """
    Each job of a workflow is allowed to read the repository, and only what publishes to say who it is.
    """
    assert all(workflow["permissions"] == {} for workflow in WORKFLOWS.values())
    permissions = {
        f"{name}: {job}": body["permissions"]
        for name, workflow in WORKFLOWS.items()
        for job, body in workflow["jobs"].items()
    }
    assert permissions.pop("release: publish") == {"id-token": "write"}
    assert all(allowed == {"contents": "read"} for allowed in permissions.values())


def test_actions() -> None:
    """
    Actions are pinned by commit, and a checkout leaves no credentials behind.
    """
    used = [step for step in STEPS if "uses" in step]
    assert [step["uses"] for step in used if not re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", step["uses"])] == []
    checkouts = [step["with"] for step in used if step["uses"].startswith("actions/checkout@")]
    assert checkouts == [{"persist-credentials": False}] * len(checkouts)


def test_steps() -> None:
    """
    What the workflows and the pre-commit hook run is there, and takes no text from outside.
    """
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert all(repository["repo"] == "local" for repository in hooks)
    commands = [step["run"] for step in STEPS if "run" in step]
    assert not any("${{" in command for command in commands)
    commands += [hook["entry"] for repository in hooks for hook in repository["hooks"]]
    scripts = {script for command in commands for script in re.findall(r"scripts/\w+", command)}
    assert scripts >= {"scripts/build", "scripts/docs", "scripts/lint", "scripts/test"}
    assert [script for script in sorted(scripts) if not os.access(ROOT / script, os.X_OK)] == []


class TestPackages:
    """
    scripts/packages, where it isn't allowed to install anything.
    """

    @staticmethod
    def run(tmp_path: Path, *packages: str, **programs: str) -> "subprocess.CompletedProcess[str]":
        for name, body in programs.items():
            path = tmp_path / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{body}\n")
            path.chmod(0o755)
        return run(ROOT / "scripts" / "packages", *packages, env={"PATH": f"{tmp_path}:/usr/bin:/bin"})

    def test_nothing_is_missing(self, tmp_path: Path) -> None:
        """
        Where everything is there, nothing is said and nothing is done.
        """
        done = self.run(tmp_path, "sh", "sed", apt_get="exit 1", id="exit 1", sudo="exit 1")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def test_may_not(self, tmp_path: Path) -> None:
        """
        Who isn't root and would be asked for a password is told what to install.
        """
        done = self.run(tmp_path, "sh", "a-missing-one", apt_get="exit 1", id="echo 1000", sudo="exit 1")
        assert (done.returncode, done.stdout) == (0, "")
        assert (
            done.stderr == "Only root may install packages. Tests are skipped that need one of these: a-missing-one\n"
        )

    def test_may(self, tmp_path: Path) -> None:
        """
        Who may is helped by sudo, which asks no password; what can't be had is named in the end.
        """
        told = tmp_path / "told"
        done = self.run(
            tmp_path, "a-missing-one", apt_get="exit 1", id="echo 1000", sudo=f"printf '%s\\n' \"$*\" >> {told}"
        )
        assert done.returncode == 0
        assert done.stderr.splitlines()[-1].endswith("need one of these: a-missing-one")
        assert told.read_text().splitlines() == [
            "-n true",
            "-n env DEBIAN_FRONTEND=noninteractive sh -eu -s -- a-missing-one",
        ]

"""
What a run has measured, with what it was measured; kept as JSON.
"""

import json
import os
import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.growth import Growth
from benchmarks.readers import Memory
from benchmarks.redis_server import MissingServerError, redis_version
from benchmarks.rounds import Cost
from benchmarks.servers import Throughput
from benchmarks.stores import StoreCost
from benchmarks.targets import Verdict, judge

PACKAGES = (
    "starlette-flask",
    "starlette",
    "itsdangerous",
    "flask",
    "quart",
    "starsessions",
    "flask-session",
    "redis",
    "a2wsgi",
    "asgiref",
    "uvicorn",
    "granian",
)


@dataclass(frozen=True)
class Results:
    """
    One run; what it did not measure is empty.

    Args:
        environment: Versions, and the kind of machine.
        sessions: From `benchmarks.sessions.measure_scenarios`.
        sizes: From `benchmarks.sessions.measure_sizes`.
        servers: From `benchmarks.servers.measure_servers`.
        growth: From `benchmarks.growth`.
        mounts: From `benchmarks.mounts`.
        mount_servers: From `benchmarks.servers.measure_mount_servers`.
        slow_readers: From `benchmarks.readers`.
        stores: From `benchmarks.stores`.
    """

    environment: dict[str, str]
    sessions: Sequence[Cost] = ()
    sizes: Sequence[Cost] = ()
    servers: Sequence[Throughput] = ()
    growth: Growth | None = None
    mounts: Sequence[Cost] = ()
    mount_servers: Sequence[Throughput] = ()
    slow_readers: Sequence[Memory] = ()
    stores: Sequence[StoreCost] = ()

    @property
    def is_complete(self) -> bool:
        """
        Everything was measured.
        """
        return all(vars(self).values())

    @property
    def verdicts(self) -> list[Verdict]:
        """
        What follows for the targets.
        """
        return judge([*self.sessions, *self.mounts, *self.stores])

    def save(self, path: Path) -> None:
        """
        Write everything to *path*, and the verdicts, which follow from it.
        """
        verdicts = [
            {**asdict(verdict.target), "ratio": verdict.ratio, "is_met": verdict.is_met} for verdict in self.verdicts
        ]
        path.write_text(json.dumps(_rounded({**asdict(self), "verdicts": verdicts}), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Results":
        """
        Read what `save` wrote.
        """
        data = json.loads(path.read_text())
        growth = data["growth"]
        return cls(
            data["environment"],
            [Cost(**each) for each in data["sessions"]],
            [Cost(**each) for each in data["sizes"]],
            [Throughput(**each) for each in data["servers"]],
            growth and Growth(**growth),
            [Cost(**each) for each in data["mounts"]],
            [Throughput(**each) for each in data["mount_servers"]],
            [Memory(**each) for each in data["slow_readers"]],
            [StoreCost(**{**each, "commands": tuple(each["commands"])}) for each in data.get("stores", ())],
        )


def describe_environment() -> dict[str, str]:
    """
    Return what the figures depend on: the versions, and the kind of machine, without its name.
    """
    environment = {
        platform.python_implementation(): platform.python_version(),
        platform.system(): f"{platform.machine()} with {os.cpu_count()} cores",
    }
    for package in PACKAGES:
        try:
            environment[package] = version(package)
        except PackageNotFoundError:
            continue
    with suppress(MissingServerError):
        environment["Redis"] = redis_version()
    return environment


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return round(value, 3) if isinstance(value, float) else value

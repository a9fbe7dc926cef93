"""
The servers of the tests do what the tests rely on.
"""

from contextlib import closing

import psycopg2  # type: ignore[import-untyped]  # ships no types
import pymemcache  # type: ignore[import-untyped]  # ships no types
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from tests.stores.servers import PASSWORD, Memcached, PostgreSQL, RedisCluster, RedisSentinel, RedisServer, need


def test_what_the_client_sends_is_recorded(redis_server: RedisServer) -> None:
    """
    A script counts as one command, the ones that it runs don't; nor do those that set up a connection.
    """
    with redis_server.recorded() as recorder, redis_server.client() as client:
        client.set('a "key"\n', "value")
        assert client.eval("return redis.call('get', KEYS[1])", 1, 'a "key"\n') == b"value"
        assert [command[0] for command in recorder.take()] == ["SET", "EVAL"]
        assert recorder.take() == []
        client.delete('a "key"\n')
        assert recorder.names() == ["DEL"]


def test_killed_redis_forgets_nothing(redis_server: RedisServer) -> None:
    """
    What was confirmed is there after a start.
    """
    with redis_server.client() as client:
        client.set("kept", "value")
    redis_server.kill()
    redis_server.start()
    with redis_server.client() as client:
        assert client.getdel("kept") == b"value"


def test_paused_redis_does_not_answer(redis_server: RedisServer) -> None:
    """
    It takes the command, and answers when it goes on.
    """
    client = redis_server.client(socket_timeout=0.05, retry=Retry(NoBackoff(), 0))
    with client, redis_server.paused(), pytest.raises(redis.TimeoutError):
        client.get("key")


def test_redis_asks_for_its_password(redis_with_password: RedisServer) -> None:
    """
    Without it nothing is said.
    """
    with (
        redis.Redis(port=redis_with_password.port, retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(redis.AuthenticationError),
    ):
        client.get("key")
    path = str(redis_with_password.socket)
    with redis_with_password.recorded() as recorder, redis.Redis(unix_socket_path=path, password=PASSWORD) as client:
        client.get("key")
        assert recorder.names() == ["GET"]


def test_cluster_hands_over(redis_cluster: RedisCluster) -> None:
    """
    A replica takes over with all that its master had.
    """
    master = redis_cluster.master_of("key")
    with redis_cluster.client() as client, redis_cluster.recorded() as recorder:
        client.set("key", "value")
        assert recorder.names() == ["SET"]
    replica = redis_cluster.hand_over(master)
    assert redis_cluster.master_of("key") is replica
    with redis_cluster.client() as client:
        assert client.getdel("key") == b"value"
    assert len(redis_cluster.masters()) == 3


def test_sentinel_knows_the_master(redis_sentinel: RedisSentinel) -> None:
    """
    It's asked where the master is.
    """
    sentinel = Sentinel([redis_sentinel.address])  # type: ignore[no-untyped-call]
    found = sentinel.discover_master(redis_sentinel.name)  # type: ignore[no-untyped-call]
    assert found == ("127.0.0.1", redis_sentinel.master.port)


def test_sentinel_hands_over(redis_sentinel: RedisSentinel) -> None:
    """
    Master and replica change places.
    """
    before = redis_sentinel.master
    redis_sentinel.hand_over()
    assert redis_sentinel.replica is before
    with redis_sentinel.master.client() as client:
        client.set("key", "value")
        client.delete("key")


def test_a_dead_master_is_replaced(redis_cluster: RedisCluster) -> None:
    """
    Started again, it's a replica.
    """
    master = redis_cluster.master_of("key")
    master.kill()
    redis_cluster.mend()
    assert len(redis_cluster.masters()) == 3


def test_memcached_tells_what_it_was_sent(memcached: Memcached) -> None:
    """
    Each command with its arguments, without the value.
    """
    with closing(pymemcache.Client(("127.0.0.1", memcached.port), default_noreply=False)) as client:
        client.set("key", b"value", 5)
        assert client.get("key") == b"value"
    assert memcached.commands()[-2:] == [["set", "key", "0", "5", "5"], ["get", "key"]]


def test_postgresql_has_a_database(postgresql: PostgreSQL) -> None:
    """
    Whoever runs the tests may use it.
    """
    with closing(psycopg2.connect(f"postgresql://{postgresql.address}")) as connection, connection.cursor() as cursor:
        cursor.execute("select 1")
        assert cursor.fetchall() == [(1,)]


@pytest.mark.parametrize("is_ci", [False, True], ids=["elsewhere", "in CI"])
def test_missing_server(monkeypatch: pytest.MonkeyPatch, is_ci: bool) -> None:
    """
    A server that isn't installed is no failure, except where it should be.
    """
    monkeypatch.setenv("CI", "true" if is_ci else "")
    expected: type[BaseException] = pytest.fail.Exception if is_ci else pytest.skip.Exception
    with pytest.raises(expected, match=r"needs no-such-server: apt-get install a-package"):
        need("no-such-server", package="a-package")

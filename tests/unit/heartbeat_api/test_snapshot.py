"""One read a second for any number of walls, and the last good one while the database is away."""

import threading
from types import MappingProxyType

from heartbeat_api.database import DatabaseUnavailableError
from heartbeat_api.snapshot import Snapshot, SnapshotHolder
from tests.unit.heartbeat_api.views import NOW, ok

SNAPSHOT = Snapshot(NOW, (ok(),), MappingProxyType({}))


class Marts:
    """A database whose reads are counted and can be made to fail or to wait."""

    def __init__(self) -> None:
        self.reads = 0
        self.seconds = 0.0
        self.away = False
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def read(self) -> Snapshot:
        self.reads += 1
        self.entered.set()
        assert self.gate.wait(10)
        if self.away:
            raise DatabaseUnavailableError("connection refused")
        return SNAPSHOT

    def clock(self) -> float:
        return self.seconds


def test_all_readings_within_a_second_share_one_read() -> None:
    marts = Marts()
    holder = SnapshotHolder(marts.read, marts.clock)
    readings = [holder.reading() for _ in range(50)]
    assert marts.reads == 1
    assert all(reading.snapshot is SNAPSHOT for reading in readings)


def test_after_a_second_it_reads_again() -> None:
    marts = Marts()
    holder = SnapshotHolder(marts.read, marts.clock)
    holder.reading()
    marts.seconds = 1.0
    holder.reading()
    assert marts.reads == 2


def test_the_last_good_snapshot_stays_with_the_reason_while_the_database_is_away() -> None:
    marts = Marts()
    holder = SnapshotHolder(marts.read, marts.clock)
    holder.reading()
    marts.seconds, marts.away = 1.0, True
    reading = holder.reading()
    assert (reading.snapshot, reading.failure) == (SNAPSHOT, "connection refused")


def test_a_failed_read_is_not_repeated_within_the_second() -> None:
    marts = Marts()
    marts.away = True
    holder = SnapshotHolder(marts.read, marts.clock)
    readings = [holder.reading() for _ in range(50)]
    assert marts.reads == 1
    assert {reading.failure for reading in readings} == {"connection refused"}


def test_the_reason_goes_when_the_database_is_back() -> None:
    marts = Marts()
    marts.away = True
    holder = SnapshotHolder(marts.read, marts.clock)
    holder.reading()
    marts.seconds, marts.away = 1.0, False
    assert holder.reading().failure is None


def test_a_slow_read_keeps_no_other_wall_waiting() -> None:
    marts = Marts()
    holder = SnapshotHolder(marts.read, marts.clock)
    holder.reading()
    marts.seconds = 1.0
    marts.gate.clear()
    marts.entered.clear()
    slow = threading.Thread(target=holder.reading)
    slow.start()
    assert marts.entered.wait(10)
    meanwhile = holder.reading()
    marts.gate.set()
    slow.join()
    assert meanwhile.snapshot is SNAPSHOT
    assert marts.reads == 2


def test_who_has_written_something_gets_a_read_that_began_after_it() -> None:
    marts = Marts()
    holder = SnapshotHolder(marts.read, marts.clock)
    holder.reading()
    assert holder.renewed().snapshot is SNAPSHOT
    assert marts.reads == 2
    holder.reading()
    assert marts.reads == 2

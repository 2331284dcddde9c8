"""The table on disk: Faust's RocksDB store, opened and closed by partition, written only in whole committed flushes.

The disk is a cache of the changelog. What cannot be read is thrown away and recovered; what another process holds is
an error of the installation.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import faust
from faust.stores.rocksdb import Store
from faust.types import TP
from rocksdict import WriteBatch

from services.runtime.logging import get_logger

log = get_logger(__name__)

# Small: a worker owns several partitions, and Faust's defaults would give each 192 MB to write and 2 GB to read.
OPTIONS = {
    "driver": "rocksdict",
    "write_buffer_size": 8 * 1024 * 1024,
    "max_write_buffer_number": 3,
    "block_cache_size": 16 * 1024 * 1024,
}


class StateHeldElsewhere(Exception):  # noqa: N818 - says what is the case
    """Raised when another process has the same state folder open."""


class RowStore(Store):  # type: ignore[misc]  # Faust ships no annotations for it
    """Raw bytes by partition. Must not be written through the Table, which would write its changelog on its own."""

    def read(self, partition: int, key: bytes) -> bytes | None:
        value: bytes | None = self._db_for_partition(partition).get(key)
        return value

    def write(self, where: TP, rows: Iterable[tuple[bytes, bytes | None]], offset: int) -> None:
        """Write rows and the changelog offset they reach up to, together or not at all."""
        batch = WriteBatch(raw_mode=True)
        for key, value in rows:
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(self.offset_key, str(offset).encode())
        self._db_for_partition(where.partition).write(batch)

    def close(self, partition: int) -> None:
        database = self._dbs.pop(partition, None)
        if database is not None:
            database.close()

    def wipe(self, partition: int) -> None:
        """Forget what is on disk; it comes back from the changelog."""
        self.close(partition)
        shutil.rmtree(self.partition_path(partition), ignore_errors=True)

    async def on_rebalance(self, *_: Any, **__: Any) -> None:
        """Partitions are opened and closed by their owner object, after the predecessor has been fenced."""

    async def stop(self) -> None:
        for partition in list(self._dbs):
            self.close(partition)
        await super().stop()

    def _open_for_partition(self, partition: int) -> Any:
        try:
            return super()._open_for_partition(partition)
        except Exception as error:  # rocksdict raises nothing more precise
            path = self.partition_path(partition)
            if _held_elsewhere(path):
                raise StateHeldElsewhere(
                    f"{path} 正被另一个进程使用：请给每个进程不同的 TONGBO_INSTANCE 或 TONGBO_STATE_DIR"
                    " / used by another process: give each its own TONGBO_INSTANCE or TONGBO_STATE_DIR"
                ) from error
            log.error("state_unreadable_thrown_away", partition=partition, cause=repr(error))
            shutil.rmtree(path, ignore_errors=True)
            return super()._open_for_partition(partition)


class RowTable(faust.Table):  # type: ignore[misc]
    """Faust's Table on our store."""

    def _new_store_by_url(self, url: Any) -> RowStore:
        return RowStore(
            url,
            self.app,
            self,
            table_name=self.name,
            key_type=self.key_type,
            key_serializer=self.key_serializer,
            value_serializer=self.value_serializer,
            value_type=self.value_type,
            loop=self.loop,
            options=dict(self.options or {}),
        )


def _held_elsewhere(path: Path) -> bool:
    """Whether another process holds RocksDB's lock file."""
    try:
        with (path / "LOCK").open("rb+") as lock:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False

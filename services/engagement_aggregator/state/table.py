"""The table on disk: Faust's RocksDB store, opened and closed by partition, written only with what has been committed.

The disk is a cache of the changelog: what cannot be read is thrown away and recovered. Must run under the claim on
the state folder, so that no other process has it open.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import faust
from faust.stores.rocksdb import Store
from faust.types import TP
from rocksdict import BlockBasedIndexType, BlockBasedOptions, Cache, Options, Rdict, WriteBatch, WriteOptions

from services.engagement_aggregator.native.keyed_rows import KeyedRow
from services.runtime.logging import get_logger

log = get_logger(__name__)

# A worker owns several partitions. Faust's own options would give each 192 MB to write and 2 GB to read.
OPTIONS = {"driver": "rocksdict"}
_CACHE_BYTES = 32 * 1024 * 1024  # for all partitions together
_WRITE_BUFFER_BYTES = 4 * 1024 * 1024
_SLICE_ROWS = 2_000
_FILE_BYTES = 32 * 1024 * 1024
_BLOOM_BITS = 10
_BUFFER_BLOOM = 0.02  # of a write buffer: a new key costs a third less to look up, a written one hardly more
# Files of the first level at which they are sorted into the second, and at which writing waits for that. In use, each
# file is one more place to look a row up in.
_IN_USE = {
    "level0_file_num_compaction_trigger": "4",
    "level0_slowdown_writes_trigger": "20",
    "level0_stop_writes_trigger": "36",
    "write_buffer_size": str(_WRITE_BUFFER_BYTES),
}
_FILLING = {
    "level0_file_num_compaction_trigger": "20",
    "level0_slowdown_writes_trigger": "60",
    "level0_stop_writes_trigger": "80",
    "write_buffer_size": str(4 * _WRITE_BUFFER_BYTES),  # each full one is synced to the disk, which writing waits for
}


def _without_log() -> WriteOptions:
    """Rows reach the disk with their offset when a buffer is full or closed; what a crash takes is on the changelog."""
    options = WriteOptions()
    options.disable_wal = True
    return options


class RowStore(Store):  # type: ignore[misc]  # Faust ships no annotations for it
    """Raw bytes by partition. Must not be written through the Table, which would write its changelog on its own."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._cache, self._unlogged = Cache(_CACHE_BYTES), _without_log()

    def read(self, partition: int, key: bytes) -> bytes | None:
        value: bytes | None = self._db_for_partition(partition).get(key)
        return value

    def write(self, where: TP, rows: Iterable[KeyedRow], offset: int) -> None:
        """Write committed rows of the changelog, and with the last of them the offset that they reach up to.

        In slices, for a flush is large. What ends this between two of them, or leaves only the first ones on the disk,
        leaves rows that are newer than the offset beside them: recovery reads on from that offset, comes by the same
        rows again and ends with the newest of each, as it would have without them.
        """
        database = self._db_for_partition(where.partition)
        batch = WriteBatch(raw_mode=True)
        for key, value in rows:
            if len(batch) == _SLICE_ROWS:
                database.write(batch, self._unlogged)
                batch = WriteBatch(raw_mode=True)
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        batch.put(self.offset_key, str(offset).encode())
        database.write(batch, self._unlogged)

    @contextmanager
    def filling(self, partition: int) -> Iterator[None]:
        """While a changelog is written, compaction waits for more files: it would sort the same rows each time."""
        database = self._db_for_partition(partition)
        database.set_options(_FILLING)
        try:
            yield
        finally:
            database.set_options(_IN_USE)

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
        path = self.partition_path(partition)
        try:
            return Rdict(str(path), options=self._options())
        except Exception as error:  # rocksdict raises nothing more precise
            log.error("state_unreadable_thrown_away", partition=partition, cause=repr(error))
            shutil.rmtree(path, ignore_errors=True)
            return Rdict(str(path), options=self._options())

    def _options(self) -> Options:
        blocks = BlockBasedOptions()
        blocks.set_block_cache(self._cache)
        blocks.set_bloom_filter(_BLOOM_BITS, block_based=False)  # most keys looked up are new ones
        blocks.set_cache_index_and_filter_blocks(True)  # else they grow with the state and beside the cache
        # In parts, for a whole index is larger than a shard of the cache and would be read anew for every row.
        blocks.set_index_type(BlockBasedIndexType.two_level_index_search())
        blocks.set_partition_filters(True)
        blocks.set_pin_top_level_index_and_filter(True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(blocks)
        options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
        options.set_max_write_buffer_number(3)
        options.set_memtable_whole_key_filtering(True)
        options.set_memtable_prefix_bloom_ratio(_BUFFER_BLOOM)
        options.set_target_file_size_base(_FILE_BYTES)
        options.set_max_background_jobs(2)
        return options


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

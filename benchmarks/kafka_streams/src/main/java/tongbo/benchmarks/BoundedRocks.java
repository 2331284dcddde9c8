package tongbo.benchmarks;

import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.LRUCache;
import org.rocksdb.Options;
import org.rocksdb.WriteBufferManager;

/** One cache and one write budget for all stores of the process, as the manual advises for bounded memory. */
public final class BoundedRocks implements RocksDBConfigSetter {
    private static final LRUCache CACHE = new LRUCache(96L * 1024 * 1024);
    private static final WriteBufferManager WRITES = new WriteBufferManager(64L * 1024 * 1024, CACHE);

    @Override
    public void setConfig(String store, Options options, Map<String, Object> configuration) {
        BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
        table.setBlockCache(CACHE);
        table.setCacheIndexAndFilterBlocks(true);
        options.setTableFormatConfig(table);
        options.setWriteBufferManager(WRITES);
        options.setWriteBufferSize(8L * 1024 * 1024);
        options.setMaxWriteBufferNumber(3);
    }

    @Override
    public void close(String store, Options options) {
        // Shared by all stores for as long as the process lives.
    }
}

package tongbo.benchmarks;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.internals.InternalProcessorContext;
import org.apache.kafka.streams.processor.internals.ProcessorNode;
import org.apache.kafka.streams.processor.internals.ProcessorRecordContext;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Folds feedback on the heap; before each commit writes what changed to RocksDB, its changelog and the output, each row
 * once. Parents and windows move by differences, once per commit and not once per event.
 */
final class Aggregator implements Processor<byte[], byte[], byte[], byte[]> {
    static final String ROWS = "rows";
    static final String ITEMS = "items";
    private static final int WARM_ROWS = 100_000;

    private final LongAdder folded;
    private final Feedback event = new Feedback();
    private final Codec codec = new Codec();
    private final Json json = new Json();
    private final Map<String, Post> posts = new HashMap<>();
    private final Map<String, Total> totals = new HashMap<>();
    private final Map<String, Windows> windows = new HashMap<>();
    private final Map<String, int[]> items = new HashMap<>();
    private final List<Post> changedPosts = new ArrayList<>();
    private final List<Total> changedTotals = new ArrayList<>();
    private final List<Windows> changedWindows = new ArrayList<>();
    private InternalProcessorContext<byte[], byte[]> context;
    private ProcessorNode<?, ?, ?, ?> node;
    private ProcessorRecordContext at;
    private KeyValueStore<Bytes, byte[]> rows;
    private KeyValueStore<Bytes, byte[]> seen;
    private long newestMinute = Long.MIN_VALUE;

    Aggregator(LongAdder folded) {
        this.folded = folded;
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> given) {
        context = (InternalProcessorContext<byte[], byte[]>) given;
        node = context.currentNode();
        rows = given.getStateStore(ROWS);
        seen = given.getStateStore(ITEMS);
        BeforeCommit moment = given.getStateStore(BeforeCommit.NAME);
        moment.then(this::write, this::forget);
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        at = context.recordContext();
        folded.increment();
        try {
            if (!event.read(record.value())) {
                return;
            }
        } catch (IOException error) {
            return; // the benchmark has no undecodable records; the product's dead letters are not asked of it
        }
        newestMinute = Math.max(newestMinute, event.minute);
        if (event.kind == 'F') {
            followers();
        } else {
            ofPost();
        }
    }

    private void ofPost() {
        Post post = post("post:" + event.postKey);
        if (post.growth != null && post.growthMinute != event.minute) {
            tellWindows(post);
        }
        if (post.growth == null) {
            post.growth = new long[Windows.SIZE];
            post.growthMinute = event.minute;
            post.growth[Windows.READINGS] = event.minute > post.readMinute ? 1 : 0;
            post.readMinute = Math.max(post.readMinute, event.minute);
        }
        switch (event.kind) {
            case 'M' -> post.snapshot(event);
            case 'C' -> {
                int now = item(event.version, event.deleted);
                post.comments += now;
                post.growth[Windows.COMMENTS] += now;
            }
            default -> {
                int now = item(1, false);
                post.replies += now;
                post.growth[Windows.REPLIES] += now;
            }
        }
        post.seen(event.observedAt);
        if (!post.dirty) {
            post.dirty = true;
            changedPosts.add(post);
        }
    }

    /** Remember a comment or reply; returns by how much the number of living ones changes. Its highest version counts. */
    private int item(int version, boolean deleted) {
        String key = event.postKey + '\u001f' + event.kind + event.item;
        int rank = version * 2 + (deleted ? 1 : 0);
        int[] known = items.get(key);
        int before = 0;
        if (known != null) {
            before = known[0];
        } else {
            byte[] stored = seen.get(Bytes.wrap(key.getBytes(StandardCharsets.UTF_8)));
            before = stored == null ? 0 : Codec.rank(stored);
        }
        if (rank <= before) {
            return 0;
        }
        items.put(key, new int[] {rank});
        boolean lived = before != 0 && (before & 1) == 0;
        return (deleted ? 0 : 1) - (lived ? 1 : 0);
    }

    private void followers() {
        String account = event.platform + ':' + event.account;
        Total campaign = total("campaign:" + event.campaign, "campaign", event.brand, event.campaign, "all");
        Total onPlatform = total(
                "campaign_platform:" + event.campaign + ':' + event.platform,
                "campaign_platform", event.brand, event.campaign, event.platform);
        for (Total total : new Total[] {campaign, onPlatform}) {
            if (total.follow(account, event.followers, event.observedAt)) {
                total.seen(event.observedAt);
                touch(total);
            }
        }
    }

    /** Everything that changed since the last commit: to the store, its changelog and the output. */
    private void write() {
        if (at == null) {
            return;
        }
        ProcessorNode<?, ?, ?, ?> node = context.currentNode();
        ProcessorRecordContext before = context.recordContext();
        context.setCurrentNode(this.node);
        context.setRecordContext(at);
        try {
            settle();
            for (Post post : changedPosts) {
                put(post.key, codec.post(post), json.post(post));
                post.dirty = false;
            }
            for (Total total : changedTotals) {
                put(total.key, codec.total(total), json.total(total));
                total.dirty = false;
            }
            for (Windows window : changedWindows) {
                put(window.key, codec.windows(window), json.windows(window));
                window.dirty = false;
            }
            items.forEach((key, rank) -> seen.put(Bytes.wrap(bytes(key)), Codec.rank(rank[0])));
        } finally {
            context.setCurrentNode(node);
            context.setRecordContext(before);
        }
        changedPosts.clear();
        changedTotals.clear();
        changedWindows.clear();
        items.clear();
        if (posts.size() + totals.size() + windows.size() > WARM_ROWS) {
            forget();
        }
    }

    private void settle() {
        for (Post post : changedPosts) {
            long[] now = post.contribution();
            String platform = "campaign_platform:" + post.campaign + ':' + post.platform;
            Total[] parents = {
                total("campaign:" + post.campaign, "campaign", post.brand, post.campaign, "all"),
                total("content:" + post.content, "content", post.brand, post.campaign, "all"),
                total(platform, "campaign_platform", post.brand, post.campaign, post.platform),
            };
            for (Total parent : parents) {
                Sums.shift(parent.sums, now, post.told);
                parent.seen(post.asOf);
                touch(parent);
            }
            post.told = now;
            tellWindows(post);
        }
    }

    private void tellWindows(Post post) {
        if (post.growth == null) {
            return;
        }
        long hour = Windows.hourOf(post.growthMinute);
        long day = Windows.dayOf(post.growthMinute);
        String[] names = {
            post.key, "content:" + post.content, "campaign:" + post.campaign,
            "campaign_platform:" + post.campaign + ':' + post.platform,
        };
        for (String name : names) {
            grow(window(name, false, hour), post);
            grow(window(name, true, day), post);
        }
        post.growth = null;
    }

    private void grow(Windows window, Post post) {
        if (!window.dirty) {
            changedWindows.add(window);
        }
        window.grow(post.growthMinute, post.growth, newestMinute);
    }

    private void touch(Total total) {
        if (!total.dirty) {
            total.dirty = true;
            changedTotals.add(total);
        }
    }

    private Post post(String key) {
        Post post = posts.get(key);
        if (post == null) {
            byte[] stored = rows.get(Bytes.wrap(bytes(key)));
            post = stored == null
                    ? new Post(key, event.brand, event.campaign, event.content, event.platform, event.account)
                    : codec.post(key, stored);
            posts.put(key, post);
        }
        return post;
    }

    private Total total(String key, String scope, String brand, String campaign, String platform) {
        Total total = totals.get(key);
        if (total == null) {
            total = new Total(key, scope, brand, campaign, platform);
            byte[] stored = rows.get(Bytes.wrap(bytes(key)));
            if (stored != null) {
                codec.total(total, stored);
            }
            totals.put(key, total);
        }
        return total;
    }

    private Windows window(String row, boolean day, long start) {
        String key = row + (day ? "@d" : "@h") + start;
        Windows window = windows.get(key);
        if (window == null) {
            window = new Windows(key, row, day, start);
            byte[] stored = rows.get(Bytes.wrap(bytes(key)));
            if (stored != null) {
                codec.windows(window, stored);
            }
            windows.put(key, window);
        }
        return window;
    }

    private void put(String key, byte[] state, byte[] output) {
        byte[] name = bytes(key);
        rows.put(Bytes.wrap(name), state);
        context.forward(new Record<>(name, output, at.timestamp()));
    }

    private void forget() {
        posts.clear();
        totals.clear();
        windows.clear();
    }

    private static byte[] bytes(String key) {
        return key.getBytes(StandardCharsets.UTF_8);
    }
}

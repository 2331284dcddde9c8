package tongbo.benchmarks;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;

/** Rows as they stand in RocksDB and on the changelog: compact, lengths and numbers of variable size. */
final class Codec {
    private ByteBuffer buffer = ByteBuffer.allocate(64 * 1024);

    byte[] post(Post post) {
        buffer.clear();
        for (String text : new String[] {post.brand, post.campaign, post.content, post.platform, post.account, post.asOf}) {
            text(text);
        }
        numbers(post.values);
        numbers(post.sequences);
        numbers(post.told);
        for (long number : new long[] {
            post.commentsTotal, post.totalSequence, post.comments, post.replies, post.events,
            post.readMinute,
        }) {
            number(number);
        }
        return taken();
    }

    Post post(String key, byte[] stored) {
        ByteBuffer in = ByteBuffer.wrap(stored);
        Post post = new Post(key, text(in), text(in), text(in), text(in), text(in));
        post.asOf = text(in);
        numbers(in, post.values);
        numbers(in, post.sequences);
        numbers(in, post.told);
        post.commentsTotal = number(in);
        post.totalSequence = number(in);
        post.comments = number(in);
        post.replies = number(in);
        post.events = number(in);
        post.readMinute = number(in);
        return post;
    }

    byte[] total(Total total) {
        buffer.clear();
        text(total.asOf);
        numbers(total.sums);
        number(total.followers.size());
        for (Map.Entry<String, Total.Followers> one : total.followers.entrySet()) {
            text(one.getKey());
            number(one.getValue().value());
            text(one.getValue().at());
        }
        return taken();
    }

    void total(Total total, byte[] stored) {
        ByteBuffer in = ByteBuffer.wrap(stored);
        total.asOf = text(in);
        numbers(in, total.sums);
        for (long left = number(in); left > 0; left--) {
            String account = text(in);
            long value = number(in);
            total.followers.put(account, new Total.Followers(value, text(in)));
        }
    }

    byte[] windows(Windows windows) {
        buffer.clear();
        for (int part = 0; part < windows.parts.length; part++) {
            if (windows.parts[part] != null) {
                number(part);
                numbers(windows.parts[part]);
            }
        }
        return taken();
    }

    void windows(Windows windows, byte[] stored) {
        ByteBuffer in = ByteBuffer.wrap(stored);
        while (in.hasRemaining()) {
            long[] part = windows.parts[(int) number(in)] = new long[Windows.SIZE];
            numbers(in, part);
        }
    }

    static byte[] rank(int rank) {
        return new byte[] {(byte) (rank >> 8), (byte) rank};
    }

    static int rank(byte[] stored) {
        return (stored[0] & 255) << 8 | stored[1] & 255;
    }

    private byte[] taken() {
        return Arrays.copyOf(buffer.array(), buffer.position());
    }

    private void text(String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        number(bytes.length);
        buffer.put(bytes);
    }

    private static String text(ByteBuffer in) {
        int length = (int) number(in);
        String text = new String(in.array(), in.position(), length, StandardCharsets.UTF_8);
        in.position(in.position() + length);
        return text;
    }

    private void numbers(long[] numbers) {
        for (long one : numbers) {
            number(one);
        }
    }

    private static void numbers(ByteBuffer in, long[] numbers) {
        for (int place = 0; place < numbers.length; place++) {
            numbers[place] = number(in);
        }
    }

    private void number(long number) {
        long left = number << 1 ^ number >> 63;
        while ((left & ~127L) != 0) {
            buffer.put((byte) (left & 127 | 128));
            left >>>= 7;
        }
        buffer.put((byte) left);
    }

    private static long number(ByteBuffer in) {
        long found = 0;
        int shift = 0;
        byte next;
        do {
            next = in.get();
            found |= (next & 127L) << shift;
            shift += 7;
        } while (next < 0);
        return found >>> 1 ^ -(found & 1);
    }
}

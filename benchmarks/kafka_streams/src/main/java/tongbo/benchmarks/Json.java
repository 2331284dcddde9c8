package tongbo.benchmarks;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.util.ByteArrayBuilder;
import java.io.IOException;
import java.io.UncheckedIOException;

/** Rows as they are published. */
final class Json {
    private final JsonFactory factory = new JsonFactory();
    private final ByteArrayBuilder bytes = new ByteArrayBuilder(4096);

    byte[] post(Post post) {
        return written(out -> {
            head(out, post.key, "post", post.brand, post.campaign, post.platform, post.asOf);
            out.writeStringField("content_id", post.content);
            out.writeStringField("account", post.account);
            sums(out, post.told);
        });
    }

    byte[] total(Total total) {
        return written(out -> {
            head(out, total.key, total.scope, total.brand, total.campaign, total.platform, total.asOf);
            sums(out, total.sums);
            if (!total.followers.isEmpty()) {
                long followers = 0;
                for (Total.Followers one : total.followers.values()) {
                    followers += one.value();
                }
                out.writeNumberField("followers", followers);
            }
        });
    }

    byte[] windows(Windows windows) {
        return written(out -> {
            out.writeStringField("aggregate_key", windows.row);
            out.writeArrayFieldStart("windows");
            int[] lengths = windows.day ? new int[] {1440} : new int[] {1, 5, 60};
            for (int length : lengths) {
                int parts = windows.day ? 1 : length;
                for (int from = 0; from < windows.parts.length; from += parts) {
                    long[] sum = windows.sum(from, from + parts);
                    if (sum != null) {
                        window(out, length, windows.startMinute + (windows.day ? 0 : from), sum);
                    }
                }
            }
            out.writeEndArray();
        });
    }

    private static void window(JsonGenerator out, int length, long start, long[] sum) throws IOException {
        out.writeStartObject();
        out.writeNumberField("length", length * 60);
        out.writeNumberField("start", start * 60);
        for (int metric = 0; metric < Feedback.METRICS.length; metric++) {
            out.writeNumberField(Feedback.METRICS[metric], sum[metric]);
        }
        out.writeNumberField("comments_collected", sum[Windows.COMMENTS]);
        out.writeNumberField("replies", sum[Windows.REPLIES]);
        out.writeNumberField("readings", sum[Windows.READINGS]);
        int kind = length == 1 ? 0 : length == 5 ? 1 : length == 60 ? 2 : 3;
        out.writeNumberField("restated", sum[Windows.RESTATED + kind]);
        out.writeEndObject();
    }

    private static void head(
            JsonGenerator out, String key, String scope, String brand, String campaign, String platform, String asOf)
            throws IOException {
        out.writeStringField("key", key);
        out.writeStringField("scope", scope);
        out.writeStringField("brand_id", brand);
        out.writeStringField("campaign_id", campaign);
        out.writeStringField("platform", platform);
        out.writeStringField("as_of", asOf);
    }

    private static void sums(JsonGenerator out, long[] sums) throws IOException {
        long posts = sums[Sums.POSTS];
        out.writeNumberField("posts", posts);
        for (int metric = 0; metric < Feedback.METRICS.length; metric++) {
            if (sums[Sums.KNOWN + metric] > 0) {
                out.writeNumberField(Feedback.METRICS[metric], sums[metric]);
            }
        }
        out.writeArrayFieldStart("known");
        for (int metric = 0; metric < Feedback.METRICS.length; metric++) {
            out.writeNumber(sums[Sums.KNOWN + metric]);
        }
        out.writeEndArray();
        out.writeNumberField("comments_collected", sums[Sums.COMMENTS]);
        out.writeNumberField("replies", sums[Sums.REPLIES]);
        out.writeNumberField("revision", sums[Sums.EVENTS]);
        if (sums[Sums.COVERED_POSTS] > 0) {
            long total = sums[Sums.COMMENTS_TOTAL];
            out.writeNumberField("comments_total", total);
            out.writeNumberField("coverage", total == 0 ? 1.0 : Math.min(1.0, (double) sums[Sums.COVERED_COMMENTS] / total));
        }
        out.writeNumberField("engagement", sums[Sums.ENGAGEMENT]);
        if (sums[Sums.RATED_VIEWS] > 0) {
            out.writeNumberField("engagement_rate", (double) sums[Sums.RATED_ENGAGEMENT] / sums[Sums.RATED_VIEWS]);
        }
    }

    private interface Fields {
        void write(JsonGenerator out) throws IOException;
    }

    private byte[] written(Fields fields) {
        bytes.reset();
        try (JsonGenerator out = factory.createGenerator(bytes)) {
            out.writeStartObject();
            fields.write(out);
            out.writeEndObject();
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return bytes.toByteArray();
    }
}

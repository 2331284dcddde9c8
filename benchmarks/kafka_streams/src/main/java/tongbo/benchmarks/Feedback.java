package tongbo.benchmarks;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;

/** One feedback event, read into the same object each time: what the job needs, the rest is passed over. */
final class Feedback {
    static final String[] METRICS = {
        "views", "likes", "comments", "shares", "saves", "follows", "clicks", "conversions"
    };
    static final long UNKNOWN = Long.MIN_VALUE;
    private static final JsonFactory JSON = new JsonFactory();

    char kind;
    String postKey;
    String brand;
    String campaign;
    String content;
    String platform;
    String account;
    String item;
    String observedAt;
    long minute;
    long sequence;
    long commentsTotal;
    long followers;
    int version;
    boolean deleted;
    final long[] values = new long[METRICS.length];

    /** Returns false for what is no feedback event. */
    boolean read(byte[] json) throws IOException {
        kind = 0;
        item = null;
        version = 1;
        deleted = false;
        commentsTotal = UNKNOWN;
        followers = UNKNOWN;
        java.util.Arrays.fill(values, UNKNOWN);
        try (JsonParser parser = JSON.createParser(json)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return false;
            }
            for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                field(parser, name);
            }
        }
        return kind != 0;
    }

    private void field(JsonParser parser, String name) throws IOException {
        switch (name) {
            case "type" -> kind = parser.nextTextValue().charAt(0);
            case "post_key" -> postKey = parser.nextTextValue();
            case "brand_id" -> brand = parser.nextTextValue();
            case "campaign_id" -> campaign = parser.nextTextValue();
            case "content_id" -> content = parser.nextTextValue();
            case "platform" -> platform = parser.nextTextValue();
            case "account" -> account = parser.nextTextValue();
            case "comment_id" -> item = kind == 'C' ? parser.nextTextValue() : skipped(parser);
            case "reply_id" -> item = parser.nextTextValue();
            case "observed_at" -> {
                observedAt = parser.nextTextValue();
                minute = minuteOf(observedAt);
            }
            case "sequence" -> sequence = parser.nextLongValue(0);
            case "version" -> version = parser.nextIntValue(1);
            case "deleted" -> deleted = parser.nextBooleanValue();
            case "comments_total" -> commentsTotal = parser.nextLongValue(UNKNOWN);
            case "readings" -> readings(parser);
            case "followers" -> {
                parser.nextToken();
                followers = reading(parser);
            }
            default -> {
                parser.nextToken();
                parser.skipChildren();
            }
        }
    }

    private static String skipped(JsonParser parser) throws IOException {
        parser.nextToken();
        return null;
    }

    private void readings(JsonParser parser) throws IOException {
        parser.nextToken();
        for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
            parser.nextToken();
            long value = reading(parser);
            for (int metric = 0; metric < METRICS.length; metric++) {
                if (METRICS[metric].equals(name)) {
                    values[metric] = value;
                    break;
                }
            }
        }
    }

    /** The value of a reading; the parser stands on its opening brace and is left on its closing one. */
    private static long reading(JsonParser parser) throws IOException {
        long value = UNKNOWN;
        for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
            if (name.equals("value")) {
                value = parser.nextLongValue(UNKNOWN);
            } else {
                parser.nextToken();
            }
        }
        return value;
    }

    /** Minutes of the epoch of an RFC 3339 instant in UTC. */
    static long minuteOf(String at) {
        int year = number(at, 0, 4);
        int month = number(at, 5, 7);
        int shifted = month <= 2 ? year - 1 : year;
        int era = shifted / 400;
        int ofEra = shifted - era * 400;
        int ofYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + number(at, 8, 10) - 1;
        long days = era * 146_097L + ofEra * 365L + ofEra / 4 - ofEra / 100 + ofYear - 719_468L;
        return (days * 24 + number(at, 11, 13)) * 60 + number(at, 14, 16);
    }

    private static int number(String text, int from, int to) {
        int value = 0;
        for (int place = from; place < to; place++) {
            value = value * 10 + text.charAt(place) - '0';
        }
        return value;
    }
}

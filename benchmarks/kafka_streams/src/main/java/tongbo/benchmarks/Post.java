package tongbo.benchmarks;

import java.util.Arrays;

/** All that is known of one post, and what has grown since its parents and windows were told. */
final class Post {
    final String key;
    final String brand;
    final String campaign;
    final String content;
    final String platform;
    final String account;
    final long[] values = new long[Feedback.METRICS.length];
    final long[] sequences = new long[Feedback.METRICS.length];
    long commentsTotal = Feedback.UNKNOWN;
    long totalSequence;
    long comments;
    long replies;
    long events;
    String asOf = "";

    /** What the parents have of this post. */
    long[] told = new long[Sums.SIZE];
    /** Growth of `growthMinute` that the windows have not been told yet; null when there is none. */
    long[] growth;
    long growthMinute;
    /** The last minute that counts as read; windows count each once. */
    long readMinute = Long.MIN_VALUE;
    boolean dirty;

    Post(String key, String brand, String campaign, String content, String platform, String account) {
        this.key = key;
        this.brand = brand;
        this.campaign = campaign;
        this.content = content;
        this.platform = platform;
        this.account = account;
        Arrays.fill(values, Feedback.UNKNOWN);
    }

    /** Take the newest value of each metric; an older snapshot never wins. */
    boolean snapshot(Feedback event) {
        boolean changed = false;
        for (int metric = 0; metric < values.length; metric++) {
            long value = event.values[metric];
            if (value != Feedback.UNKNOWN && event.sequence > sequences[metric]) {
                growth[metric] += value - (values[metric] == Feedback.UNKNOWN ? 0 : values[metric]);
                values[metric] = value;
                sequences[metric] = event.sequence;
                changed = true;
            }
        }
        if (event.commentsTotal != Feedback.UNKNOWN && event.sequence > totalSequence) {
            commentsTotal = event.commentsTotal;
            totalSequence = event.sequence;
            changed = true;
        }
        return changed;
    }

    void seen(String observedAt) {
        events++;
        if (observedAt.compareTo(asOf) > 0) {
            asOf = observedAt;
        }
    }

    /** What this post adds to each of its parents. */
    long[] contribution() {
        long[] sums = new long[Sums.SIZE];
        for (int metric = 0; metric < values.length; metric++) {
            if (values[metric] != Feedback.UNKNOWN) {
                sums[metric] = values[metric];
                sums[Sums.KNOWN + metric] = 1;
            }
        }
        sums[Sums.POSTS] = 1;
        sums[Sums.COMMENTS] = comments;
        sums[Sums.REPLIES] = replies;
        sums[Sums.EVENTS] = events;
        if (commentsTotal != Feedback.UNKNOWN) {
            sums[Sums.COVERED_POSTS] = 1;
            sums[Sums.COVERED_COMMENTS] = comments;
            sums[Sums.COMMENTS_TOTAL] = commentsTotal;
        }
        long engagement = sums[1] + sums[2] + sums[3] + sums[4];
        if (sums[Sums.KNOWN + 1] + sums[Sums.KNOWN + 2] + sums[Sums.KNOWN + 3] + sums[Sums.KNOWN + 4] > 0) {
            sums[Sums.ENGAGEMENT] = engagement;
            if (sums[Sums.KNOWN] > 0) {
                sums[Sums.RATED_ENGAGEMENT] = engagement;
                sums[Sums.RATED_VIEWS] = sums[0];
            }
        }
        return sums;
    }
}

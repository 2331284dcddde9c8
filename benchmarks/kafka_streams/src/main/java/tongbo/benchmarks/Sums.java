package tongbo.benchmarks;

/** Places in the vector of a row's plain sums: the values of the metrics first. */
final class Sums {
    static final int KNOWN = 8;
    static final int POSTS = 16;
    static final int COMMENTS = 17;
    static final int REPLIES = 18;
    static final int EVENTS = 19;
    static final int COVERED_POSTS = 20;
    static final int COVERED_COMMENTS = 21;
    static final int COMMENTS_TOTAL = 22;
    static final int ENGAGEMENT = 23;
    static final int RATED_ENGAGEMENT = 24;
    static final int RATED_VIEWS = 25;
    static final int SIZE = 26;

    private Sums() {}

    static void shift(long[] total, long[] now, long[] before) {
        for (int place = 0; place < SIZE; place++) {
            total[place] += now[place] - before[place];
        }
    }
}

package tongbo.benchmarks;

/** The windows of one row that begin in one hour, kept as its minutes; or its one day, kept as one vector. */
final class Windows {
    static final int COMMENTS = 8;
    static final int REPLIES = 9;
    static final int READINGS = 10;
    /** Changes after the window of this length was closed, by length: 1, 5, 60 minutes, a day. */
    static final int RESTATED = 11;

    static final int[] LENGTHS = {1, 5, 60, 1440};
    static final int SIZE = RESTATED + 4;
    static final int WAIT_MINUTES = 10;
    /** Days are those of Asia/Shanghai. */
    static final int DAY_SHIFT_MINUTES = 8 * 60;

    final String key;
    final String row;
    final boolean day;
    final long startMinute;
    final long[][] parts;
    boolean dirty;

    Windows(String key, String row, boolean day, long startMinute) {
        this.key = key;
        this.row = row;
        this.day = day;
        this.startMinute = startMinute;
        this.parts = new long[day ? 1 : 60][];
    }

    static long hourOf(long minute) {
        return minute - Math.floorMod(minute, 60L);
    }

    static long dayOf(long minute) {
        return minute - Math.floorMod(minute + DAY_SHIFT_MINUTES, 1440L);
    }

    void grow(long minute, long[] growth, long newestMinute) {
        int part = day ? 0 : (int) (minute - startMinute);
        long[] into = parts[part];
        if (into == null) {
            into = parts[part] = new long[SIZE];
        }
        for (int place = 0; place < RESTATED; place++) {
            into[place] += growth[place];
        }
        for (int length = day ? 3 : 0; length < (day ? 4 : 3); length++) {
            long start = day ? startMinute : minute - Math.floorMod(minute, (long) LENGTHS[length]);
            if (newestMinute >= start + LENGTHS[length] + WAIT_MINUTES) {
                into[RESTATED + length]++;
            }
        }
        dirty = true;
    }

    /** The sum of the minutes from `from` to before `to`, null if nothing came in. */
    long[] sum(int from, int to) {
        long[] total = null;
        for (int part = from; part < to; part++) {
            if (parts[part] != null) {
                total = total == null ? new long[SIZE] : total;
                for (int place = 0; place < SIZE; place++) {
                    total[place] += parts[part][place];
                }
            }
        }
        return total;
    }
}

package tongbo.benchmarks;

import java.util.HashMap;
import java.util.Map;

/** Content, campaign on a platform, or campaign: sums over its posts, and the newest followers by account. */
final class Total {
    final String key;
    final String scope;
    final String brand;
    final String campaign;
    final String platform;
    final long[] sums = new long[Sums.SIZE];
    final Map<String, Followers> followers = new HashMap<>(4);
    String asOf = "";
    boolean dirty;

    record Followers(long value, String at) {}

    Total(String key, String scope, String brand, String campaign, String platform) {
        this.key = key;
        this.scope = scope;
        this.brand = brand;
        this.campaign = campaign;
        this.platform = platform;
    }

    void seen(String at) {
        if (at.compareTo(asOf) > 0) {
            asOf = at;
        }
    }

    boolean follow(String account, long value, String at) {
        Followers known = followers.get(account);
        if (value == Feedback.UNKNOWN || (known != null && known.at.compareTo(at) >= 0)) {
            return false;
        }
        followers.put(account, new Followers(value, at));
        return true;
    }
}

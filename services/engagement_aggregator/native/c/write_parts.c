// What several kinds of rows have in common.
#include <string.h>

#include "write.h"

static const char *const METRICS[] = {"views", "likes", "comments", "shares", "saves", "follows", "clicks", "conversions"};

void tb_put_metric(tb_out *out, int metric) {
  TB_PUT(out, "\"");
  tb_put(out, METRICS[metric], strlen(METRICS[metric]));
  TB_PUT(out, "\":");
}

void tb_put_field(tb_out *out, const char *name, const tb_texts *texts, int which) {
  TB_PUT(out, ",\"");
  tb_put(out, name, strlen(name));
  TB_PUT(out, "\":");
  tb_put_text(out, texts, which);
}

void tb_put_name(tb_out *out, const tb_texts *texts, const uint8_t *word, size_t size) {
  tb_put_text(out, texts, TB_KEY_TEXT);
  if (!size) return;
  TB_PUT(out, "@");
  tb_put(out, word, size);
}

void tb_put_fact(tb_out *out, const char *type, const tb_texts *texts, const uint8_t *word, size_t size, int64_t as_of,
                 int64_t revision) {
  TB_PUT(out, "{\"type\":\"");
  tb_put(out, type, strlen(type));
  TB_PUT(out, "\",\"event_id\":\"");
  tb_put_name(out, texts, word, size);
  TB_PUT(out, "@");
  tb_put_int(out, revision);
  TB_PUT(out, "\",\"schema_version\":1,\"occurred_at\":");
  tb_put_instant(out, as_of);
  TB_PUT(out, ",\"observed_at\":");
  tb_put_instant(out, as_of);
  tb_put_field(out, "brand_id", texts, TB_BRAND_TEXT);
  TB_PUT(out, ",\"trace_id\":\"");
  tb_put_text(out, texts, TB_KEY_TEXT);
  TB_PUT(out, "\"");
}

void tb_put_platform(tb_out *out, const tb_seen *seen) {
  TB_PUT(out, "\"");
  tb_put(out, seen->name, (size_t)seen->size);
  TB_PUT(out, "\":");
}

void tb_put_newest(tb_out *out, const tb_seen *seen, size_t count) {
  TB_PUT(out, "{");
  for (size_t at = 0; at < count; at++) {
    tb_put_platform(out, &seen[at]);
    tb_put_instant(out, seen[at].at);
    TB_PUT(out, ",");
  }
  tb_put_end(out, '}');
}

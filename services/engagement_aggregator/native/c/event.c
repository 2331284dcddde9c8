// A recogniser, not a parser of JSON: fields in the order of the types, without blanks, numbers up to 10^15, names in
// ASCII without escapes. Accepts nothing that the contract refuses; whatever else it meets it leaves to Python.
#include "event.h"

#include <string.h>

#include "text.h"

#define LITERAL(text) tb_literal(in, text, sizeof(text) - 1)
#define TRY(what) do { if (!(what)) return false; } while (0)

static const int64_t LARGEST_COUNT = 1000000000000000;
static const int64_t HAS_NO_TOTAL = 1 << 16;

static bool digits(tb_input *in, int64_t *value) {
  const uint8_t *start = in->at;
  int64_t number = 0;
  while (in->at < in->end && (uint8_t)(*in->at - '0') < 10) {
    if (in->at - start == 16) return false;
    number = number * 10 + (*in->at++ - '0');
  }
  int64_t length = in->at - start;
  *value = number;
  return length > 0 && (length == 1 || *start != '0') && number <= LARGEST_COUNT;
}

static bool digits_or_null(tb_input *in, int64_t *value, bool *is_null) {
  *is_null = LITERAL("null");
  *value = 0;
  return *is_null || digits(in, value);
}

static bool instant(tb_input *in, int64_t *micros) {
  return LITERAL("\"") && tb_instant(in, micros) && LITERAL("\"");
}

static bool instant_or_null(tb_input *in) {
  int64_t ignored;
  return LITERAL("null") || instant(in, &ignored);
}

static bool name(tb_input *in, tb_text *into) {
  return LITERAL("\"") && tb_plain(in, &into->at, &into->size);
}

static bool text(tb_input *in) {
  return LITERAL("\"") && tb_any_text(in);
}

static bool text_or_null(tb_input *in) {
  return LITERAL("null") || text(in);
}

static bool reading(tb_input *in, int metric, tb_parsed *event) {
  tb_text native;
  event->values[metric] = 0;
  if (LITERAL("{\"value\":")) {
    TRY(digits(in, &event->values[metric]));
  } else if (LITERAL("{\"reason\":\"")) {
    int64_t code;
    if (LITERAL("unsupported\"")) code = 1;
    else if (LITERAL("not_yet\"")) code = 2;
    else if (LITERAL("failed\"")) code = 3;
    else return false;
    event->pattern |= code << (2 * metric);
  } else {
    return false;
  }
  if (LITERAL(",\"native\":")) TRY(name(in, &native));
  return LITERAL("}");
}

static bool snapshot(tb_input *in, tb_parsed *event) {
  int64_t collected;
  bool has_no_total;
  event->pattern = 0;
  TRY(LITERAL(",\"sequence\":") && digits(in, &event->sequence) && event->sequence >= 1);
  TRY(LITERAL(",\"readings\":{\"views\":") && reading(in, 0, event));
  TRY(LITERAL(",\"likes\":") && reading(in, 1, event));
  TRY(LITERAL(",\"comments\":") && reading(in, 2, event));
  TRY(LITERAL(",\"shares\":") && reading(in, 3, event));
  TRY(LITERAL(",\"saves\":") && reading(in, 4, event));
  TRY(LITERAL(",\"follows\":") && reading(in, 5, event));
  TRY(LITERAL(",\"clicks\":") && reading(in, 6, event));
  TRY(LITERAL(",\"conversions\":") && reading(in, 7, event));
  TRY(LITERAL("},\"comments_collected\":") && digits(in, &collected));
  TRY(LITERAL(",\"comments_total\":") && digits_or_null(in, &event->total, &has_no_total) && LITERAL("}"));
  if (has_no_total) event->pattern |= HAS_NO_TOTAL;
  return true;
}

static bool comment(tb_input *in, tb_parsed *event) {
  int64_t likes;
  bool is_null;
  TRY(LITERAL(",\"comment_id\":") && name(in, &event->item_id));
  TRY(LITERAL(",\"version\":") && digits(in, &event->version) && event->version >= 1);
  TRY(LITERAL(",\"parent_comment_id\":") && text_or_null(in));
  TRY(LITERAL(",\"author\":") && text(in) && LITERAL(",\"text\":") && text(in));
  TRY(LITERAL(",\"likes\":") && digits_or_null(in, &likes, &is_null));
  event->deleted = LITERAL(",\"deleted\":true}");
  return event->deleted || LITERAL(",\"deleted\":false}");
}

static bool reply(tb_input *in, tb_parsed *event) {
  event->version = 1;
  event->deleted = false;
  TRY(LITERAL(",\"comment_id\":") && text(in));
  TRY(LITERAL(",\"reply_id\":") && name(in, &event->item_id));
  return LITERAL(",\"text\":") && text(in) && LITERAL(",\"actor\":") && text(in) && LITERAL("}");
}

static bool names(tb_input *in, tb_parsed *event) {
  tb_text trace, native;
  TRY(LITERAL(",\"brand_id\":") && name(in, &event->names[TB_BRAND]));
  TRY(LITERAL(",\"trace_id\":") && name(in, &trace));
  TRY(LITERAL(",\"campaign_id\":") && name(in, &event->names[TB_CAMPAIGN]));
  TRY(LITERAL(",\"post_key\":") && name(in, &event->names[TB_POST_KEY]));
  TRY(LITERAL(",\"placement_id\":") && name(in, &event->names[TB_PLACEMENT]));
  TRY(LITERAL(",\"content_id\":") && name(in, &event->names[TB_CONTENT]));
  TRY(LITERAL(",\"platform\":") && name(in, &event->names[TB_PLATFORM]));
  TRY(LITERAL(",\"account\":") && name(in, &event->names[TB_ACCOUNT]));
  TRY(LITERAL(",\"native_id\":") && name(in, &native));
  TRY(LITERAL(",\"via\":\"poll\"") || LITERAL(",\"via\":\"webhook\""));
  return LITERAL(",\"published_at\":") && instant_or_null(in) && in->at < in->end && *in->at == ',';
}

static bool of_post(tb_input *in, tb_text middle, tb_parsed *event) {
  tb_text id;
  TRY(LITERAL(",\"event_id\":") && name(in, &id) && id.size >= 1 && id.size <= TB_LARGEST_SIZE);
  TRY(LITERAL(",\"schema_version\":1,\"occurred_at\":") && instant(in, &event->occurred));
  TRY(LITERAL(",\"observed_at\":") && instant(in, &event->observed));
  event->middle.at = in->at;
  event->is_alike = middle.size && tb_literal(in, (const char *)middle.at, middle.size) && LITERAL(",");
  if (event->is_alike) {
    in->at--;  // the comma belongs to what follows
    return true;
  }
  in->at = event->middle.at;
  TRY(names(in, event));
  event->middle.size = in->at - event->middle.at;
  return true;
}

int tb_parse(const uint8_t *value, size_t size, tb_text middle, tb_parsed *event) {
  tb_input input = {value, value + size}, *in = &input;
  bool is_whole = false;
  if (LITERAL("{\"type\":\"MetricsObserved\"")) {
    event->kind = TB_SNAPSHOT;
    is_whole = of_post(in, middle, event) && snapshot(in, event);
  } else if (LITERAL("{\"type\":\"CommentObserved\"")) {
    event->kind = TB_COMMENT;
    is_whole = of_post(in, middle, event) && comment(in, event);
  } else if (LITERAL("{\"type\":\"ReplyPosted\"")) {
    event->kind = TB_REPLY;
    is_whole = of_post(in, middle, event) && reply(in, event);
  }
  if (!is_whole || in->at != in->end) event->kind = TB_OTHER;
  return event->kind;
}

void tb_read(const uint8_t *value, size_t size, tb_event *into) {
  tb_parsed event = {0};
  memset(into, 0, sizeof *into);
  if ((into->kind = tb_parse(value, size, (tb_text){0}, &event)) == TB_OTHER) return;
  into->occurred = event.occurred;
  into->observed = event.observed;
  for (int name = 0; name < TB_NAMES; name++) {
    into->spans[2 * name] = event.names[name].at - value;
    into->spans[2 * name + 1] = event.names[name].size;
  }
  if (event.kind != TB_SNAPSHOT) {
    into->spans[14] = event.item_id.at - value;
    into->spans[15] = event.item_id.size;
    into->version = event.version;
    into->deleted = event.deleted;
  } else {
    into->sequence = event.sequence;
    into->pattern = event.pattern;
    memcpy(into->values, event.values, sizeof event.values);
    into->total = event.total;
  }
}

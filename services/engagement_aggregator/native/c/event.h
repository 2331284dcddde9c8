// Reading one feedback event in the very form in which the contract's own types write it.
#ifndef TB_EVENT_H
#define TB_EVENT_H
#include <stdbool.h>

#include "native.h"

enum { TB_OTHER, TB_SNAPSHOT, TB_COMMENT, TB_REPLY };
enum { TB_POST_KEY, TB_BRAND, TB_CAMPAIGN, TB_CONTENT, TB_PLACEMENT, TB_PLATFORM, TB_ACCOUNT, TB_NAMES };
enum { TB_LARGEST_SIZE = 300, TB_METRICS = 8 };

typedef struct {
  const uint8_t *at;
  int64_t size;
} tb_text;

typedef struct {
  int kind;
  int64_t occurred, observed;
  tb_text names[TB_NAMES], item_id;
  tb_text middle;  // from brand_id to published_at: alike in most events of a post
  bool is_alike;   // the middle is the expected one; then `names` are not set
  int64_t sequence, pattern, values[TB_METRICS], total;  // of a snapshot
  int64_t version;                                       // of a comment; 1 of a reply
  bool deleted;
} tb_parsed;

// Returns the kind. TB_OTHER is no verdict: Python decides what such a record is. middle: one that was read before and is
// expected again, or of size 0.
int tb_parse(const uint8_t *value, size_t size, tb_text middle, tb_parsed *into);
#endif

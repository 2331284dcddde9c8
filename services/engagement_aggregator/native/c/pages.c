#include "pages.h"

#include <string.h>

#include "memory.h"

tb_page *tb_page_for(tb_pages *pages, size_t longest) {
  if (pages->count > pages->staged) {
    tb_page *last = pages->pages[pages->count - 1];
    if (last->count < TB_PAGE_ITEMS && (size_t)last->size + longest <= TB_PAGE_BYTES) return last;
  }
  if (longest > TB_PAGE_BYTES) return NULL;
  if (!tb_reserve((void **)&pages->pages, &pages->room, pages->count + 1, sizeof *pages->pages)) return NULL;
  tb_page *page = malloc(sizeof *page);
  if (!page) return NULL;
  page->holders = 1;
  page->first = page->count = page->size = 0;
  return pages->pages[pages->count++] = page;
}

tb_page *tb_page_of(const tb_pages *pages, int64_t number) {
  size_t low = 0, high = pages->count;
  while (high - low > 1) {
    size_t middle = (low + high) / 2;
    if (pages->pages[middle]->first <= number) low = middle;
    else high = middle;
  }
  return pages->pages[low];
}

// Python may let go from any thread, and without the interpreter's lock.
void tb_page_release(tb_page *page) {
  if (!__atomic_sub_fetch(&page->holders, 1, __ATOMIC_ACQ_REL)) free(page);
}

void tb_pages_drop_staged(tb_pages *pages) {
  for (size_t at = 0; at < pages->staged; at++) tb_page_release(pages->pages[at]);
  pages->count -= pages->staged;
  if (pages->count) memmove(pages->pages, pages->pages + pages->staged, pages->count * sizeof *pages->pages);
  pages->staged = 0;
}

void tb_pages_end(tb_pages *pages) {
  for (size_t at = 0; at < pages->count; at++) tb_page_release(pages->pages[at]);
  free(pages->pages);
}

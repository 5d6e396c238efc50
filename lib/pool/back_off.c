/* SPDX-License-Identifier: PostgreSQL */
#include "pool/back_off.h"

#include "base/random.h"

#define FIRST_MS 50

bool tndb_back_off_allows(const tndb_back_off *off, int64_t now_ms) {
  return off->pause_ms == 0 || (!off->probing && now_ms >= off->until);
}

bool tndb_back_off_begin(tndb_back_off *off) {
  bool probe = off->pause_ms > 0;
  off->probing = probe;
  return probe;
}

/* Between three and five quarters of it, so that many processes do not come back together. */
static int64_t with_jitter(int64_t pause_ms) {
  uint16_t random = 0;
  (void)tndb_random_bytes(&random, sizeof random);
  return pause_ms * 3 / 4 + pause_ms * random / (2 * UINT16_MAX) + 1;
}

bool tndb_back_off_failed(tndb_back_off *off, bool probe, const tenantdb_error *failure) {
  bool first = off->pause_ms == 0;
  if (!first && !probe) {
    return false;
  }
  off->pause_ms = first ? FIRST_MS : off->pause_ms * 2;
  off->pause_ms = off->pause_ms < off->longest_ms ? off->pause_ms : off->longest_ms;
  off->until = tndb_clock_ms() + with_jitter(off->pause_ms);
  off->probing = false;
  tenantdb_error_free(off->failure);
  off->failure = tndb_error_copy(failure);
  return first;
}

bool tndb_back_off_succeeded(tndb_back_off *off) {
  bool last = off->pause_ms > 0;
  off->pause_ms = 0;
  off->probing = false;
  tenantdb_error_free(off->failure);
  off->failure = NULL;
  return last;
}

void tndb_back_off_ended(tndb_back_off *off, bool probe) {
  off->probing = off->probing && !probe;
}

tenantdb_status tndb_back_off_raise(const tndb_back_off *off, tenantdb_error **error) {
  tenantdb_error *copy = tndb_error_copy(off->failure);
  return copy ? tndb_error_pass(error, copy) : tndb_no_memory(error);
}

void tndb_back_off_free(tndb_back_off *off) {
  tenantdb_error_free(off->failure);
  off->failure = NULL;
}

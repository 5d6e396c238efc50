/* SPDX-License-Identifier: PostgreSQL */
/*
 * The reader of archives: what was written is read back, and nothing else is
 * taken for an archive, whatever became of it.
 */
#include <stdlib.h>
#include <string.h>
#include <tenantdb/archive.h>

#include "base/memory.h"
#include "tenant/archive_content.h"
#include "unit.h"

/* ---------------------------------------------------------------- an archive */

static void names(tndb_names *list, const char *one, const char *two) {
  assert_true(tndb_names_add(list, one));
  assert_true(!two || tndb_names_add(list, two));
}

static void describe_tables(tndb_archive *archive) {
  static const char *const texts[TNDB_ARCHIVE_N_TEXTS] = {"0.1.0",
                                                          "2024-02-29 13:00:00.000000+00",
                                                          "123e4567-e89b-42d3-a456-426614174000",
                                                          "acme",
                                                          "Acme \"Corp\"",
                                                          "active",
                                                          "{}",
                                                          "",
                                                          "-42"};
  for (int i = 0; i < TNDB_ARCHIVE_N_TEXTS; i++) {
    archive->texts[i] = tndb_strdup(texts[i]);
  }
  tndb_shape_table *table = tndb_shape_add_table(&archive->shape, "notes", 'r');
  tndb_shape_add_column(table, "id", "bigint")->identity = true;
  tndb_shape_add_column(table, "a \"b\"", "text");
  tndb_shape_add_column(table, "twice", "text")->generated = true;
  (void)tndb_shape_add_table(&archive->shape, "empty", 'p');
  tndb_archive_reference *reference = tndb_archive_add_reference(archive);
  reference->shared = tndb_strdup("plans");
  names(&reference->columns, "id", NULL);
  names(&reference->target, "id", NULL);
  names(&reference->natural, "name", "country");
  archive->server = 150018;
  archive->version = 7;
  archive->n_tables = 2;
  archive->n_references = 1;
}

/* The whole of it as bytes; tndb_archive_out_free(). */
static tndb_archive_out compose(void) {
  tndb_archive archive = {.texts = {NULL}};
  tndb_archive_out out;
  describe_tables(&archive);
  tndb_archive_out_start(&out);
  tndb_archive_put_header(&out, &archive);
  tndb_archive_put_table(&out, &archive.shape.tables[0]);
  tndb_archive_put_table(&out, &archive.shape.tables[1]);
  tndb_archive_put_reference(&out, &archive.references[0]);
  tndb_archive_out_record(&out, TNDB_ARCHIVE_KEYS, "1\tfree\tAT\n", 10);
  tndb_archive_put_keys_end(&out, 1);
  tndb_archive_put_begin(&out, 0);
  tndb_archive_out_record(&out, TNDB_ARCHIVE_ROWS, "1\tone\n2\t", 8);
  tndb_archive_out_record(&out, TNDB_ARCHIVE_ROWS, "\\N\n", 3);
  tndb_archive_put_rows_end(&out, &(tndb_archive_rows){2, 0, (char[]){"123"}});
  tndb_archive_put_begin(&out, 1);
  tndb_archive_put_rows_end(&out, &(tndb_archive_rows){0, 0, (char[]){"0"}});
  tndb_shape_sequence *sequence = tndb_shape_add_sequence(&archive.shape, "notes_id_seq", "notes", "id");
  sequence->last_value = -5;
  sequence->is_called = true;
  tndb_archive_put_sequence(&out, sequence);
  tndb_archive_put_end(&out, 2);
  assert_false(out.bytes.failed);
  tndb_archive_free(&archive);
  return out;
}

static const char *cell(tenantdb_result *result, const char *kind, const char *name, int32_t column) {
  for (int32_t i = 0; i < tenantdb_result_rows(result); i++) {
    if (strcmp(tenantdb_result_value(result, i, 0), kind) == 0 &&
        strcmp(tenantdb_result_value(result, i, 1), name) == 0) {
      return tenantdb_result_value(result, i, column);
    }
  }
  return "";
}

static void test_read_back(void **state) {
  (void)state;
  tndb_archive_out out = compose();
  tenantdb_result *result = NULL;
  assert_int_equal(tenantdb_archive_describe(out.bytes.data, out.bytes.length, &result, NULL), TENANTDB_OK);
  assert_string_equal(cell(result, "archive", "name", 2), "Acme \"Corp\"");
  assert_string_equal(cell(result, "archive", "schema_version", 2), "7");
  assert_string_equal(cell(result, "archive", "server_version", 2), "150018");
  assert_string_equal(cell(result, "table", "notes", 2), "id bigint, a \"b\" text, twice text");
  assert_string_equal(cell(result, "table", "notes", 3), "2");
  assert_string_equal(cell(result, "table", "notes", 4), "11");
  assert_string_equal(cell(result, "table", "empty", 3), "0");
  assert_string_equal(cell(result, "reference", "notes (id)", 2), "plans (id) known by (name, country)");
  assert_string_equal(cell(result, "sequence", "notes_id_seq", 2), "-5");
  tenantdb_result_free(result);
  tndb_archive_out_free(&out);
}

/* What the document of the format says of its first bytes. */
static void test_head(void **state) {
  (void)state;
  static const unsigned char head[] = {0x89, 'T', 'N', 'D', 'B', 0x0D, 0x0A, 0x1A, 0, 0, 0, 1, 'H', 0, 0, 0};
  tndb_archive_out out = compose();
  assert_memory_equal(out.bytes.data, head, sizeof head);
  tndb_archive_out_free(&out);
}

/* ---------------------------------------------------------------- damage */

/* The status and reason of reading bytes. */
static tenantdb_status read_bytes(const char *bytes, size_t length, int32_t *reason) {
  tenantdb_result *result = NULL;
  tenantdb_error *error = NULL;
  tenantdb_status status = tenantdb_archive_describe(bytes, length, &result, &error);
  assert_int_equal(status == TENANTDB_OK, result != NULL);
  *reason = tenantdb_error_reason(error);
  tenantdb_error_free(error);
  tenantdb_result_free(result);
  return status;
}

static void test_every_end(void **state) {
  (void)state;
  tndb_archive_out out = compose();
  for (size_t length = 0; length < out.bytes.length; length++) {
    int32_t reason;
    char *part = malloc(length + 1); /* of its own, so that reading behind it is noticed */
    memcpy(part, out.bytes.data, length);
    assert_int_equal(read_bytes(part, length, &reason), TENANTDB_ARGUMENT);
    assert_int_equal(reason, TENANTDB_REASON_BAD_ARCHIVE);
    free(part);
  }
  tndb_archive_out_free(&out);
}

static void test_every_byte(void **state) {
  (void)state;
  tndb_archive_out out = compose();
  for (size_t at = 0; at < out.bytes.length; at++) {
    for (int bit = 0; bit <= 8; bit++) {
      int32_t reason;
      int mask = bit < 8 ? 1 << bit : 255;
      out.bytes.data[at] ^= (char)mask;
      tenantdb_status status = read_bytes(out.bytes.data, out.bytes.length, &reason);
      bool version = at >= 8 && at < 12;
      assert_int_equal(status, version ? TENANTDB_UNSUPPORTED : TENANTDB_ARGUMENT);
      assert_int_equal(reason, version ? TENANTDB_REASON_ARCHIVE_NEWER : TENANTDB_REASON_BAD_ARCHIVE);
      out.bytes.data[at] ^= (char)mask;
    }
  }
  tndb_archive_out_free(&out);
}

static void test_something_behind(void **state) {
  (void)state;
  tndb_archive_out out = compose();
  int32_t reason;
  tndb_buffer_append_n(&out.bytes, "\0", 1);
  assert_int_equal(read_bytes(out.bytes.data, out.bytes.length, &reason), TENANTDB_ARGUMENT);
  assert_int_equal(reason, TENANTDB_REASON_BAD_ARCHIVE);
  tndb_archive_out_free(&out);
}

/* ---------------------------------------------------------------- records that are whole and wrong */

static unsigned seed = 20240229;

static unsigned below(unsigned limit) {
  seed = seed * 1664525u + 1013904223u;
  return (seed >> 8) % limit;
}

/* Records collected from an archive, to be put together anew with checks that are right. */
typedef struct record {
  char type;
  char payload[512];
  size_t length;
} record;

static record records[40];
static size_t n_records;

static tenantdb_status keep_record(void *user, char type, const unsigned char *payload, size_t length,
                                   tenantdb_error **error) {
  (void)user;
  (void)error;
  record *kept = &records[n_records++];
  assert_true(length <= sizeof kept->payload);
  kept->type = type;
  kept->length = length;
  memcpy(kept->payload, payload, length);
  return TENANTDB_OK;
}

static void collect_records(void) {
  tndb_archive_out out = compose();
  tndb_archive_in in;
  n_records = 0;
  tndb_archive_in_start(&in);
  assert_int_equal(tndb_archive_in_feed(&in, out.bytes.data, out.bytes.length, keep_record, NULL, NULL),
                   TENANTDB_OK);
  assert_int_equal(tndb_archive_in_finish(&in, NULL), TENANTDB_OK);
  tndb_archive_in_free(&in);
  tndb_archive_out_free(&out);
}

static void put(tndb_archive_out *out, const record *one) {
  tndb_archive_out_record(out, one->type, one->payload, one->length);
}

/* Left out, doubled, moved: the end's sum was over something else, or the order is not one. */
static void test_order(void **state) {
  (void)state;
  collect_records();
  for (size_t gone = 0; gone < n_records; gone++) {
    for (size_t to = 0; to <= n_records; to++) {
      tndb_archive_out out;
      int32_t reason;
      tndb_archive_out_start(&out);
      for (size_t i = 0; i < n_records; i++) {
        if (i == to) {
          put(&out, &records[gone]);
        }
        if (i != gone) {
          put(&out, &records[i]);
        }
      }
      tenantdb_status status = read_bytes(out.bytes.data, out.bytes.length, &reason);
      assert_int_equal(status,
                       to == gone || (to == gone + 1 && to < n_records) ? TENANTDB_OK : TENANTDB_ARGUMENT);
      tndb_archive_out_free(&out);
    }
  }
}

/* Payloads changed under checks that are right: nobody knows what is said, but nobody falls. */
static void test_random_payloads(void **state) {
  (void)state;
  collect_records();
  for (int turn = 0; turn < 20000; turn++) {
    tndb_archive_out out;
    int32_t reason;
    tndb_archive_out_start(&out);
    size_t which = below((unsigned)n_records);
    for (size_t i = 0; i < n_records; i++) {
      record one = records[i];
      for (unsigned k = 0; i == which && k < 1 + below(4) && one.length > 0; k++) {
        one.payload[below((unsigned)one.length)] = (char)below(256);
        one.length -= below(8) == 0 ? below((unsigned)one.length) : 0;
      }
      put(&out, &one);
    }
    tenantdb_status status = read_bytes(out.bytes.data, out.bytes.length, &reason);
    assert_true(status == TENANTDB_OK || status == TENANTDB_ARGUMENT);
    tndb_archive_out_free(&out);
  }
}

static void test_random_bytes(void **state) {
  (void)state;
  tndb_archive_out out = compose();
  for (int turn = 0; turn < 20000; turn++) {
    char bytes[300];
    int32_t reason;
    size_t length = below(sizeof bytes);
    size_t head = below(60);
    for (size_t i = 0; i < length; i++) {
      bytes[i] = i < head ? out.bytes.data[i] : (char)below(256);
    }
    assert_int_not_equal(read_bytes(bytes, length, &reason), TENANTDB_OK);
  }
  tndb_archive_out_free(&out);
}

/* A length beyond every measure is refused before room is made for it. */
static void test_length(void **state) {
  (void)state;
  static const unsigned char bytes[] = {0x89, 'T', 'N', 'D', 'B', 0x0D, 0x0A, 0x1A, 0,
                                        0,    0,   1,   'H', 1,   0,    0,    1};
  int32_t reason;
  assert_int_equal(read_bytes((const char *)bytes, sizeof bytes, &reason), TENANTDB_ARGUMENT);
  assert_int_equal(reason, TENANTDB_REASON_BAD_ARCHIVE);
}

/* Every allocation fails in turn: no crash, no leak. */
static void test_no_memory(void **state) {
  (void)state;
  tndb_archive_out out = compose();
  for (int forever = 0; forever < 2; forever++) {
    tenantdb_status status = TENANTDB_MEMORY;
    for (uint64_t at = 1; status != TENANTDB_OK; at++) {
      int64_t alive = tndb_memory_live();
      int32_t reason;
      tndb_memory_fail(at, forever);
      status = read_bytes(out.bytes.data, out.bytes.length, &reason);
      tndb_memory_fail(0, false);
      assert_true(status == TENANTDB_OK || status == TENANTDB_MEMORY);
      assert_int_equal(tndb_memory_live(), alive);
    }
  }
  tndb_archive_out_free(&out);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_read_back),        cmocka_unit_test(test_head),
      cmocka_unit_test(test_every_end),        cmocka_unit_test(test_every_byte),
      cmocka_unit_test(test_something_behind), cmocka_unit_test(test_order),
      cmocka_unit_test(test_random_payloads),  cmocka_unit_test(test_random_bytes),
      cmocka_unit_test(test_length),           cmocka_unit_test(test_no_memory),
  };
  return cmocka_run_group_tests_name("archive format", tests, NULL, NULL);
}

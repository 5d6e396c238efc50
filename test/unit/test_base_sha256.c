/* SPDX-License-Identifier: PostgreSQL */
#include "base/sha256.h"

#include <string.h>

#include "unit.h"

static void expect(const char *text, size_t length, const char *hex) {
  char got[TNDB_SHA256_HEX];
  tndb_sha256_hex(text, length, got);
  assert_string_equal(got, hex);
}

/* The examples of FIPS 180-2 and the empty message. */
static void test_vectors(void **state) {
  (void)state;
  static const char of56[] = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
  static const char of112[] =
      "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqr"
      "s"
      "tnopqrstu";
  expect("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  expect("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  expect(of56, 56, "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  expect(of112, 112, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

static void test_million(void **state) {
  (void)state;
  char *text = tndb_alloc(1000000);
  memset(text, 'a', 1000000);
  expect(text, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  tndb_free(text);
}

/* However the bytes arrive, the digest is the same: every length around the block's edges, in pieces. */
static void test_pieces(void **state) {
  (void)state;
  unsigned char bytes[200];
  for (size_t i = 0; i < sizeof bytes; i++) {
    bytes[i] = (unsigned char)(i * 7);
  }
  for (size_t length = 0; length <= sizeof bytes; length++) {
    unsigned char whole[TNDB_SHA256_BYTES], parts[TNDB_SHA256_BYTES];
    tndb_sha256 hash;
    tndb_sha256_start(&hash);
    tndb_sha256_add(&hash, bytes, length);
    tndb_sha256_finish(&hash, whole);
    for (size_t piece = 1; piece <= 70; piece += 23) {
      tndb_sha256_start(&hash);
      for (size_t at = 0; at < length; at += piece) {
        tndb_sha256_add(&hash, bytes + at, length - at < piece ? length - at : piece);
      }
      tndb_sha256_finish(&hash, parts);
      assert_memory_equal(whole, parts, sizeof whole);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_vectors),
      cmocka_unit_test(test_million),
      cmocka_unit_test(test_pieces),
  };
  return cmocka_run_group_tests_name("base/sha256", tests, NULL, NULL);
}

/* SPDX-License-Identifier: PostgreSQL */
#include <float.h>
#include <string.h>

#include "base/big.h"
#include "base/double.h"

/*
 * No more than 767 digits are needed to tell on which side of the middle
 * between two doubles a decimal lies; of those beyond, only whether they are all 0.
 */
enum { DIGITS = 770, MOST_EXPONENT = 100000 };

/* 0.d1d2d3… times ten to the power of `point`. */
typedef struct decimal {
  int64_t point;
  size_t count;
  bool negative;
  bool cut;
  unsigned char digits[DIGITS];
} decimal;

double tndb_double_of_bits(uint64_t bits) {
  double value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/* ---------------------------------------------------------------- text */

static bool is_word(const char *text, size_t length, const char *word) {
  if (strlen(word) != length) {
    return false;
  }
  for (size_t i = 0; i < length; i++) {
    if ((text[i] | 0x20) != word[i]) {
      return false;
    }
  }
  return true;
}

static void take_digit(decimal *number, char c, bool behind_point) {
  if (number->count == 0 && c == '0') {
    number->point -= behind_point;
    return;
  }
  number->point += !behind_point;
  if (number->count < DIGITS - 1) {
    number->digits[number->count++] = (unsigned char)(c - '0');
  } else {
    number->cut = number->cut || c != '0';
  }
}

/* Where the digits end; no digit at all gives the place they should begin at. */
static size_t take_digits(decimal *number, const char *text, size_t length, size_t at) {
  bool any = false;
  bool behind_point = false;
  size_t first = at;
  for (; at < length; at++) {
    if (text[at] == '.' && !behind_point) {
      behind_point = true;
    } else if (text[at] >= '0' && text[at] <= '9') {
      take_digit(number, text[at], behind_point);
      any = true;
    } else {
      break;
    }
  }
  return any ? at : first;
}

static bool take_exponent(decimal *number, const char *text, size_t length) {
  if (length == 0) {
    return true;
  }
  size_t at = length > 1 && (text[1] == '-' || text[1] == '+') ? 2 : 1;
  int64_t exponent = 0;
  if ((text[0] | 0x20) != 'e' || at == length) {
    return false;
  }
  for (; at < length; at++) {
    if (text[at] < '0' || text[at] > '9') {
      return false;
    }
    exponent = exponent < MOST_EXPONENT ? exponent * 10 + (text[at] - '0') : exponent;
  }
  number->point += text[1] == '-' ? -exponent : exponent;
  return true;
}

static bool take(decimal *number, const char *text, size_t length, size_t at) {
  size_t end = take_digits(number, text, length, at);
  if (end == at || !take_exponent(number, text + end, length - end)) {
    return false;
  }
  if (number->cut) {
    number->digits[number->count++] = 1;
  }
  while (number->count && number->digits[number->count - 1] == 0) {
    number->count--;
  }
  return true;
}

/* ---------------------------------------------------------------- conversion */

static const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* Few digits and a power of ten that is a double: then one operation rounds, and it rounds right. */
static bool convert_short(const decimal *number, double *value) {
  int64_t exponent = number->point - (int64_t)number->count;
  if (FLT_EVAL_METHOD != 0 || number->count > 15 || exponent < -22 || exponent > 22) {
    return false;
  }
  uint64_t whole = 0;
  for (size_t i = 0; i < number->count; i++) {
    whole = whole * 10 + number->digits[i];
  }
  *value = exponent < 0 ? (double)whole / powers_of_ten[-exponent] : (double)whole * powers_of_ten[exponent];
  return true;
}

/* quotient * 2 ** power with `bits` bits to spare below the last that counts, `rest` whether more is below.
 */
static double round_to_double(uint64_t quotient, int power, bool rest) {
  int spare = 0;
  for (uint64_t high = quotient >> 53; high; high >>= 1) {
    spare++;
  }
  uint64_t half = (uint64_t)1 << (spare - 1);
  uint64_t below = quotient & (half * 2 - 1);
  uint64_t whole = quotient >> spare;
  whole += below > half || (below == half && (rest || (whole & 1)));
  return (double)whole * tndb_double_of_bits((uint64_t)(power + spare + 1023) << 52);
}

/* Up to 19 digits and up to 19 decimals: one division of 128 bits by 64, and what remains says how to round.
 */
static bool convert_medium(const decimal *number, double *value) {
#ifdef __SIZEOF_INT128__
  __extension__ typedef unsigned __int128 wide;
  int64_t exponent = number->point - (int64_t)number->count;
  if (number->count > 19 || exponent < -19 || exponent > 0) {
    return false;
  }
  uint64_t above = 0;
  for (size_t i = 0; i < number->count; i++) {
    above = above * 10 + number->digits[i];
  }
  uint64_t below = (uint64_t)powers_of_ten[-exponent];
  int shift = 0;
  /* 56 bits more than the divisor has: enough for a quotient with bits to spare. */
  for (uint64_t bits = above; bits < (uint64_t)1 << 63; bits <<= 1) {
    shift++;
  }
  for (uint64_t bits = below; bits; bits >>= 1) {
    shift++;
  }
  shift = shift > 8 ? shift - 8 : 0;
  wide shifted = (wide)above << shift;
  *value = round_to_double((uint64_t)(shifted / below), -shift, shifted % below != 0);
  return true;
#else
  (void)number;
  (void)value;
  return false;
#endif
}

/* Digits and exponent as a fraction of natural numbers. */
static void to_fraction(const decimal *number, tndb_big *above, tndb_big *below) {
  int64_t exponent = number->point - (int64_t)number->count;
  tndb_big_set(above, 0);
  tndb_big_set(below, 1);
  for (size_t i = 0; i < number->count; i++) {
    tndb_big_multiply(above, 10, number->digits[i]);
  }
  tndb_big_multiply_power_of_ten(exponent < 0 ? below : above,
                                 (unsigned)(exponent < 0 ? -exponent : exponent));
}

/* Shift one of them until 1 <= above / below < 2; returns the power of two by which that differs. */
static int normalise(tndb_big *above, tndb_big *below) {
  int power = (int)tndb_big_bits(above) - (int)tndb_big_bits(below);
  if (power >= 0) {
    tndb_big_shift(below, (unsigned)power);
  } else {
    tndb_big_shift(above, (unsigned)-power);
  }
  if (tndb_big_compare(above, below) < 0) {
    tndb_big_shift(above, 1);
    power--;
  }
  return power;
}

/* Exact: long division of natural numbers, and what remains says how to round. */
static tndb_reading convert_long(const decimal *number, double *value) {
  tndb_big above;
  tndb_big below;
  to_fraction(number, &above, &below);
  int power = normalise(&above, &below);
  int bits = power >= -1022 ? 53 : 53 + 1022 + power;
  uint64_t quotient = 0;
  for (int i = 0; i < bits; i++) {
    bool one = tndb_big_compare(&above, &below) >= 0;
    if (one) {
      tndb_big_subtract(&above, &below);
    }
    quotient = quotient << 1 | one;
    tndb_big_shift(&above, 1);
  }
  int rest = bits < 0 ? -1 : tndb_big_compare(&above, &below);
  quotient += rest > 0 || (rest == 0 && (quotient & 1));
  /* A carry out of the 53 bits becomes the next exponent by itself. */
  uint64_t pattern = bits < 53 ? quotient : quotient - ((uint64_t)1 << 52) + ((uint64_t)(power + 1023) << 52);
  if (pattern == 0 || pattern >= (uint64_t)0x7FF << 52) {
    return TNDB_READ_OUT_OF_RANGE;
  }
  *value = tndb_double_of_bits(pattern);
  return TNDB_READ;
}

tndb_reading tndb_double_read(const char *text, size_t length, double *value) {
  decimal number;
  tndb_reading reading = TNDB_READ;
  double magnitude = 0;
  size_t at = length && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  number.point = 0;
  number.count = 0;
  number.cut = false;
  number.negative = at && text[0] == '-';
  if (is_word(text + at, length - at, "infinity") || is_word(text + at, length - at, "inf")) {
    magnitude = tndb_double_of_bits((uint64_t)0x7FF << 52);
  } else if (is_word(text, length, "nan")) {
    magnitude = tndb_double_of_bits((uint64_t)0xFFF << 51);
  } else if (!take(&number, text, length, at)) {
    return TNDB_READ_MALFORMED;
  } else if (number.count && (number.point > 310 || number.point < -330)) {
    return TNDB_READ_OUT_OF_RANGE;
  } else if (number.count && !convert_short(&number, &magnitude) && !convert_medium(&number, &magnitude)) {
    reading = convert_long(&number, &magnitude);
  }
  if (reading == TNDB_READ) {
    *value = number.negative ? -magnitude : magnitude;
  }
  return reading;
}

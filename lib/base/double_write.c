/* SPDX-License-Identifier: PostgreSQL */
#include <float.h>
#include <string.h>

#include "base/big.h"
#include "base/double.h"

enum { DIGITS = 17 };

/* 0.d1d2d3… times ten to the power of `point`; no digits are 0. */
typedef struct decimal {
  int point;
  size_t count;
  char digits[DIGITS + 3];
} decimal;

/* fraction * 2 ** exponent, and what it takes to know its neighbours. */
typedef struct binary {
  uint64_t fraction;
  int exponent;
  bool uneven; /* the neighbour below is half as far away as the one above */
} binary;

/* ---------------------------------------------------------------- the shortest digits */

/*
 * Most numbers of everyday have few decimals. Whole numbers below 10**15 and
 * powers of ten up to 10**22 are exact doubles, so their quotient is what the
 * decimal would be read as, and no two decimals of 15 digits are read as the
 * same double.
 */
static bool few_digits(double value, decimal *out) {
  double power = 1;
  if (FLT_EVAL_METHOD != 0 || !(value >= 1e-5 && value < 1e15)) {
    return false;
  }
  for (int decimals = 0; decimals <= 20 && value * power < 1e15; decimals++, power *= 10) {
    uint64_t whole = (uint64_t)(value * power + 0.5);
    if ((double)whole / power == value) {
      char reversed[DIGITS + 3];
      size_t count = 0;
      for (; whole; whole /= 10) {
        reversed[count++] = (char)('0' + whole % 10);
      }
      for (size_t i = 0; i < count; i++) {
        out->digits[i] = reversed[count - 1 - i];
      }
      out->count = count;
      out->point = (int)count - decimals;
      return true;
    }
  }
  return false;
}

/* value = above / below; the middles to its neighbours are `up` and `down` away, in the same unit. */
typedef struct range {
  tndb_big above;
  tndb_big below;
  tndb_big up;
  tndb_big down;
  bool inclusive; /* the middles are read as this number, its fraction being even */
} range;

static void start_range(const binary *number, range *r) {
  unsigned extra = number->uneven ? 2 : 1;
  unsigned positive = number->exponent > 0 ? (unsigned)number->exponent : 0;
  unsigned negative = number->exponent < 0 ? (unsigned)-number->exponent : 0;
  tndb_big_set(&r->above, number->fraction);
  tndb_big_shift(&r->above, positive + extra);
  tndb_big_set(&r->below, 1);
  tndb_big_shift(&r->below, negative + extra);
  tndb_big_set(&r->up, 1);
  tndb_big_shift(&r->up, positive + extra - 1);
  tndb_big_set(&r->down, 1);
  tndb_big_shift(&r->down, positive);
  r->inclusive = number->fraction % 2 == 0;
}

static bool reaches_above(const range *r) {
  tndb_big sum = r->above;
  tndb_big_add(&sum, &r->up);
  int order = tndb_big_compare(&sum, &r->below);
  return order > 0 || (order == 0 && r->inclusive);
}

static bool reaches_below(const range *r) {
  int order = tndb_big_compare(&r->above, &r->down);
  return order < 0 || (order == 0 && r->inclusive);
}

static void times_ten(range *r) {
  tndb_big_multiply(&r->above, 10, 0);
  tndb_big_multiply(&r->up, 10, 0);
  tndb_big_multiply(&r->down, 10, 0);
}

/* Scale by a power of ten so that 0.1 <= above / below < 1, the middle above included. */
static int scale(const binary *number, range *r) {
  uint64_t fraction = number->fraction;
  int bits = 0;
  for (; fraction; fraction >>= 1) {
    bits++;
  }
  /* log10(2) rounded down: never too high by more than the loop puts right */
  int power = (number->exponent + bits - 1) * 30102 / 100000 - 1;
  if (power >= 0) {
    tndb_big_multiply_power_of_ten(&r->below, (unsigned)power);
  } else {
    tndb_big_multiply_power_of_ten(&r->above, (unsigned)-power);
    tndb_big_multiply_power_of_ten(&r->up, (unsigned)-power);
    tndb_big_multiply_power_of_ten(&r->down, (unsigned)-power);
  }
  while (reaches_above(r)) {
    tndb_big_multiply(&r->below, 10, 0);
    power++;
  }
  return power;
}

/* Digit by digit until what is left lies within the range that is read as this number. */
static void all_digits(const binary *number, decimal *out) {
  range r;
  start_range(number, &r);
  out->point = scale(number, &r);
  out->count = 0;
  bool low = false;
  bool high = false;
  char digit = '0';
  while (!low && !high && out->count < DIGITS) {
    times_ten(&r);
    for (digit = '0'; tndb_big_compare(&r.above, &r.below) >= 0; digit++) {
      tndb_big_subtract(&r.above, &r.below);
    }
    low = reaches_below(&r);
    high = reaches_above(&r);
    if (!low && !high) {
      out->digits[out->count++] = digit;
    }
  }
  if (low && high) {
    tndb_big_shift(&r.above, 1);
    int order = tndb_big_compare(&r.above, &r.below);
    high = order > 0 || (order == 0 && (digit - '0') % 2 == 1);
  }
  out->digits[out->count++] = (char)(digit + high);
}

/* ---------------------------------------------------------------- text */

static size_t put_exponent(char *text, int exponent) {
  char digits[4];
  size_t count = 0;
  size_t at = 0;
  unsigned rest = (unsigned)(exponent < 0 ? -exponent : exponent);
  text[at++] = 'e';
  text[at++] = exponent < 0 ? '-' : '+';
  do {
    digits[count++] = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest || count < 2);
  while (count) {
    text[at++] = digits[--count];
  }
  return at;
}

/* 0.00012, 1200, 1.2 or 1.2e+30. */
static size_t put(const decimal *number, char *text) {
  size_t at = 0;
  int count = (int)number->count;
  bool plain = number->point > -4 && number->point <= 16;
  int point = plain ? number->point : 1;
  if (point <= 0) {
    text[at++] = '0';
    text[at++] = '.';
    for (int i = point; i < 0; i++) {
      text[at++] = '0';
    }
  }
  for (int i = 0; i < count || i < point; i++) {
    if (i > 0 && i == point) {
      text[at++] = '.';
    }
    text[at++] = i < count ? number->digits[i] : '0';
  }
  return plain ? at : at + put_exponent(text + at, number->point - 1);
}

static size_t put_word(const char *word, char *text) {
  memcpy(text, word, strlen(word) + 1);
  return strlen(word);
}

/* `exponents` is how many there are in the format, `mantissa` how many bits are stored. */
typedef struct layout {
  int mantissa;
  int exponents;
} layout;

static size_t write_bits(uint64_t bits, layout of, double magnitude, char *text) {
  uint64_t fraction = bits & (((uint64_t)1 << of.mantissa) - 1);
  int exponent = (int)(bits >> of.mantissa) & (of.exponents - 1);
  bool negative = bits >> of.mantissa >= (uint64_t)of.exponents;
  decimal number = {1, 1, "0"};
  if (exponent == of.exponents - 1) {
    return put_word(fraction ? "NaN" : negative ? "-Infinity" : "Infinity", text);
  }
  if ((fraction || exponent) && !few_digits(magnitude, &number)) {
    uint64_t whole = exponent ? fraction | (uint64_t)1 << of.mantissa : fraction;
    int least = 2 - of.exponents / 2 - of.mantissa;
    binary value = {whole, exponent ? least + exponent - 1 : least, fraction == 0 && exponent > 1};
    all_digits(&value, &number);
  }
  text[0] = '-';
  size_t length = negative + put(&number, text + negative);
  text[length] = '\0';
  return length;
}

size_t tndb_double_write(double value, char text[TNDB_DOUBLE_TEXT]) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  return write_bits(bits, (layout){52, 2048}, value < 0 ? -value : value, text);
}

size_t tndb_float_write(float value, char text[TNDB_DOUBLE_TEXT]) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  /* What is few digits for a double may be many for a float: always the long way. */
  return write_bits(bits, (layout){23, 256}, 0, text);
}

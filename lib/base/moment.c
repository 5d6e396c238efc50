/* SPDX-License-Identifier: PostgreSQL */
#include "base/moment.h"

#include <string.h>

#include "base/integer.h"

#define SECOND INT64_C(1000000)
#define DAY INT64_C(86400)

enum { DAYS_OF_400_YEARS = 146097, DAYS_BEFORE_1970 = 719468 /* since 0000-03-01 */ };

/* Years begin in March here, so that the day that comes and goes is a year's last one. */
static int64_t days_of(int64_t year, int64_t month, int64_t day) {
  int64_t y = month <= 2 ? year - 1 : year;
  int64_t cycle = (y >= 0 ? y : y - 399) / 400;
  int64_t in_cycle = y - cycle * 400;
  int64_t since_march = (month + 9) % 12;
  int64_t day_of_year = (since_march * 153 + 2) / 5 + day - 1;
  return cycle * DAYS_OF_400_YEARS + in_cycle * 365 + in_cycle / 4 - in_cycle / 100 + day_of_year -
         DAYS_BEFORE_1970;
}

static void date_of(int64_t days, int64_t *year, int64_t *month, int64_t *day) {
  int64_t from = days + DAYS_BEFORE_1970;
  int64_t cycle = (from >= 0 ? from : from - (DAYS_OF_400_YEARS - 1)) / DAYS_OF_400_YEARS;
  int64_t in_cycle = from - cycle * DAYS_OF_400_YEARS;
  /* Leap days passed are taken out: one each 1460 days, less one each 36524, and one at the very end. */
  int64_t y = (in_cycle - in_cycle / 1460 + in_cycle / 36524 - in_cycle / 146096) / 365;
  int64_t day_of_year = in_cycle - (365 * y + y / 4 - y / 100);
  int64_t since_march = (5 * day_of_year + 2) / 153;
  *day = day_of_year - (153 * since_march + 2) / 5 + 1;
  *month = since_march < 10 ? since_march + 3 : since_march - 9;
  *year = y + cycle * 400 + (*month <= 2);
}

/* ---------------------------------------------------------------- writing */

static char *put(char *at, int64_t number, int width) {
  char digits[TNDB_INT64_TEXT];
  int length = (int)tndb_int64_write(number, digits);
  for (int i = length; i < width; i++) {
    *at++ = '0';
  }
  memcpy(at, digits, (size_t)length);
  return at + length;
}

static char *put_word(char *at, const char *word) {
  memcpy(at, word, strlen(word));
  return at + strlen(word);
}

static char *put_fraction(char *at, int64_t micros) {
  if (micros) {
    *at++ = '.';
    at = put(at, micros, 6);
    while (at[-1] == '0') {
      at--;
    }
  }
  return at;
}

static char *put_moment(char *at, int64_t moment) {
  int64_t micros = moment % SECOND;
  micros += micros < 0 ? SECOND : 0;
  int64_t seconds = moment / SECOND - (moment % SECOND < 0);
  int64_t of_day = seconds % DAY;
  of_day += of_day < 0 ? DAY : 0;
  int64_t year;
  int64_t month;
  int64_t day;
  date_of(seconds / DAY - (seconds % DAY < 0), &year, &month, &day);
  at = put(at, year > 0 ? year : 1 - year, 4);
  *at++ = '-';
  at = put(at, month, 2);
  *at++ = '-';
  at = put(at, day, 2);
  *at++ = ' ';
  at = put(at, of_day / 3600, 2);
  *at++ = ':';
  at = put(at, of_day / 60 % 60, 2);
  *at++ = ':';
  at = put(at, of_day % 60, 2);
  at = put_word(put_fraction(at, micros), "+00");
  return year > 0 ? at : put_word(at, " BC");
}

size_t tndb_moment_write(int64_t moment, char text[TNDB_MOMENT_TEXT]) {
  char *end = moment == INT64_MAX   ? put_word(text, "infinity")
              : moment == INT64_MIN ? put_word(text, "-infinity")
                                    : put_moment(text, moment);
  *end = '\0';
  return (size_t)(end - text);
}

/* ---------------------------------------------------------------- reading */

typedef struct scanner {
  const char *text;
  size_t length;
  size_t at;
  bool bad;
} scanner;

static bool accept(scanner *s, char c) {
  bool there = s->at < s->length && s->text[s->at] == c;
  s->at += there;
  return there;
}

static void expect(scanner *s, char c) {
  s->bad = !accept(s, c) || s->bad;
}

/* From `least` to `most` digits. */
static int64_t number(scanner *s, int least, int most) {
  int64_t value = 0;
  int count = 0;
  while (count < most && s->at < s->length && s->text[s->at] >= '0' && s->text[s->at] <= '9') {
    value = value * 10 + (s->text[s->at++] - '0');
    count++;
  }
  s->bad = s->bad || count < least;
  return value;
}

static int64_t within(scanner *s, int64_t value, int64_t least, int64_t most) {
  s->bad = s->bad || value < least || value > most;
  return value;
}

static int64_t two(scanner *s, int64_t least, int64_t most) {
  return within(s, number(s, 2, 2), least, most);
}

static int64_t fraction(scanner *s) {
  if (!accept(s, '.')) {
    return 0;
  }
  size_t start = s->at;
  int64_t micros = number(s, 1, 6);
  for (size_t digits = s->at - start; digits < 6; digits++) {
    micros *= 10;
  }
  return micros;
}

/* Seconds east of Greenwich. */
static int64_t offset(scanner *s) {
  if (accept(s, 'Z')) {
    return 0;
  }
  bool west = accept(s, '-');
  if (!west) {
    expect(s, '+');
  }
  int64_t seconds = two(s, 0, 23) * 3600;
  if (accept(s, ':')) {
    seconds += two(s, 0, 59) * 60;
    seconds += accept(s, ':') ? two(s, 0, 59) : 0;
  }
  return west ? -seconds : seconds;
}

static bool is_leap(int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

/* The day, which can be judged only when the end of the text told whether the year is BC. */
static int64_t day_number(scanner *s, int64_t year, int64_t month, int64_t day) {
  static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (accept(s, ' ')) {
    expect(s, 'B');
    expect(s, 'C');
    year = 1 - year;
  }
  if (!s->bad) {
    within(s, day, 1, lengths[month - 1] + (month == 2 && is_leap(year)));
  }
  return s->bad ? 0 : days_of(year, month, day);
}

static tndb_reading read_finite(scanner *s, int64_t *moment) {
  int64_t year = within(s, number(s, 4, 6), 1, 999999);
  expect(s, '-');
  int64_t month = two(s, 1, 12);
  expect(s, '-');
  int64_t day = two(s, 1, 31);
  if (!accept(s, 'T')) {
    expect(s, ' ');
  }
  int64_t seconds = two(s, 0, 24) * 3600;
  expect(s, ':');
  seconds += two(s, 0, 59) * 60;
  if (accept(s, ':')) {
    seconds += two(s, 0, 60);
  }
  int64_t micros = fraction(s);
  seconds -= offset(s);
  seconds += day_number(s, year, month, day) * DAY;
  if (s->bad || s->at != s->length) {
    return TNDB_READ_MALFORMED;
  }
  if (seconds > INT64_MAX / SECOND - 1 || seconds < INT64_MIN / SECOND + 1) {
    return TNDB_READ_OUT_OF_RANGE;
  }
  *moment = seconds * SECOND + micros;
  return TNDB_READ;
}

static bool is_word(const scanner *s, const char *word) {
  return s->length == strlen(word) && memcmp(s->text, word, s->length) == 0;
}

tndb_reading tndb_moment_read(const char *text, size_t length, int64_t *moment) {
  scanner s = {text, length, 0, false};
  if (is_word(&s, "infinity") || is_word(&s, "-infinity")) {
    *moment = text[0] == '-' ? INT64_MIN : INT64_MAX;
    return TNDB_READ;
  }
  return read_finite(&s, moment);
}

// Counts in lunatic's metrics: 1 and ?n=N on counters, a gauge set and moved, a histogram; ?do=names counts N names, ?do=loop one N times;
// ?do=bad a name that is not UTF-8. Replies "counted".
#include "guest.h"

#define METRICS(name) HOST("lunatic::metrics", name)
METRICS("increment_counter") void increment_counter(const char *name, uint32_t length);
METRICS("counter") void add_to_counter(const char *name, uint32_t length, uint64_t value);
METRICS("gauge") void set_gauge(const char *name, uint32_t length, double value);
METRICS("increment_gauge") void increment_gauge(const char *name, uint32_t length, double by);
METRICS("decrement_gauge") void decrement_gauge(const char *name, uint32_t length, double by);
METRICS("histogram") void observe(const char *name, uint32_t length, double value);

ENTRY {
  take_request();
  uint64_t n = parameter_number("n", 5);
  if (parameter_is("do", "bad")) increment_counter("\xff", 1);
  else if (parameter_is("do", "loop")) {
    for (uint64_t i = 0; i < n; i++) increment_counter("loops", 5);
  } else if (parameter_is("do", "names")) {
    for (uint64_t i = 0; i < n; i++) {
      text_length = 0;
      add("name ");
      add_number(i);
      increment_counter(text, text_length);
    }
  } else {
    increment_counter("served \"so\"", 11);
    add_to_counter("bytes", 5, n);
    set_gauge("open", 4, 5);
    increment_gauge("open", 4, 2.5);
    decrement_gauge("open", 4, 1);
    increment_gauge("moved", 5, 3);
    observe("size", 4, 0.004);
    observe("size", 4, n);
  }
  reply_text("counted");
}

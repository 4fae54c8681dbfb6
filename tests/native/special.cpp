// special: what random values of ordinary size don't reach. `special` runs all, `special <name>` one of the files beside.
#include <cstring>

#include "check.h"

// Asked by test_threads of a process with other environment variables.
static int report() {
  std::printf("%d %s\n", atrous_threads(), atrous_isa_name(atrous_isa()));
  return 0;
}

int main(int count, char **arguments) {
  if (count > 1 && !std::strcmp(arguments[1], "report")) return report();
  const struct {
    const char *name;
    void (*test)();
  } tests[] = {{"values", test_values}, {"large", test_large}, {"contract", test_contract}, {"threads", test_threads},
               {"streams", test_streams}};
  for (const auto &t : tests) {
    if (count > 1 && std::strcmp(arguments[1], t.name)) continue;
    const int before = failures;
    t.test();
    std::printf("%s: %s\n", t.name, failures == before ? "passed" : "FAILED");
  }
  return failures ? 1 : 0;
}

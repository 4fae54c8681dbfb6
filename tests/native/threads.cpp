// threads: the pool under fork, under many callers, in other environments.
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "check.h"

namespace {

#if defined(ATROUS_SANITIZED)
constexpr int kRepeats = 20;
#else
constexpr int kRepeats = 200;
#endif

// Enough tasks for several threads, in a fraction of a millisecond.
Problem problem() { return Problem(conv1d(2, 200, 24, 24, 3, 4), ATROUS_FORWARD); }

// With a given algorithm: left to itself, the library wakes no second thread for so little.
atrous_plan plan_now(const Problem &problem) {
  atrous_plan plan;
  CHECK(atrous_plan_with(&problem.conv, problem.direction, ATROUS_DIRECT, &plan) == ATROUS_OK);
  return plan;
}

atrous_plan plan_for(const Problem &problem, int threads) {
  atrous_set_threads(threads);
  return plan_now(problem);
}

int threads_of_process() {
  int count = 0;
  for (const auto &entry : std::filesystem::directory_iterator("/proc/self/task")) count += entry.exists();
  return count;
}

// Any number of threads gives the same bits.
void any_number_of_threads() {
  for (atrous_direction direction : {ATROUS_FORWARD, ATROUS_INPUT_GRADIENT, ATROUS_KERNEL_GRADIENT}) {
    const Problem p(conv1d(3, 100, 48, 40, 3, 4), direction);
    const std::vector<float> expected = p.run(plan_for(p, 1));
    for (int threads = 2; threads <= 17; threads += 3) CHECK(same(expected, p.run(plan_for(p, threads))));
  }
}

// Callers at once: one has the pool, the others compute alone. All are right, none waits for ever, and no thread is added for
// them.
void concurrent_callers() {
  const Problem p = problem();
  const atrous_plan plan = plan_for(p, 2);
  const std::vector<float> expected = p.run(plan);
  const int before = threads_of_process();
  std::atomic<int> wrong{0}, most{0};
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 4; ++caller) {
    callers.emplace_back([&] {
      for (int i = 0; i < kRepeats; ++i) {
        wrong += !same(expected, p.run(plan));
        if (i == kRepeats / 2) most = std::max(most.load(), threads_of_process());
      }
    });
  }
  for (std::thread &caller : callers) caller.join();
  CHECK(wrong == 0);
  CHECK(most <= before + 4);
}

// The settings may change while others run.
void settings_during_runs() {
  const Problem p = problem();
  const std::vector<float> expected = p.run(plan_for(p, 1));
  std::atomic<bool> stop{false};
  std::thread setter([&] {
    for (int threads = 1; !stop; threads = threads % 4 + 1) atrous_set_threads(threads);
  });
  for (int i = 0; i < kRepeats; ++i) CHECK(same(expected, p.run(plan_now(p))));
  stop = true;
  setter.join();
}

#if !defined(__SANITIZE_THREAD__)  // it ends a process that starts threads after a fork
// Whether a child that runs `body` ends well. A child that hangs is ended by its alarm.
template <class Body>
bool child(Body body) {
  const pid_t pid = fork();
  if (pid == 0) {
    alarm(30);
    failures = 0;
    body();
    _exit(failures ? 1 : 0);
  }
  int status = 1;
  return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// A child finds no worker of its parent, and maybe a lock that is held for ever: it makes its own pool.
void forks() {
  const Problem p = problem();
  const atrous_plan plan = plan_for(p, 2);
  const std::vector<float> expected = p.run(plan);
  auto right = [&] {
    for (int i = 0; i < 20; ++i) CHECK(same(expected, p.run(plan)));
  };
  CHECK(child(right));
  CHECK(child([&] {
    right();
    CHECK(child(right));
    right();
    CHECK(threads_of_process() == 2);  // the child's own worker
  }));

  std::atomic<bool> stop{false};  // now with the pool at work in another thread
  std::thread busy([&] {
    std::vector<float> result(expected.size());
    std::vector<char> workspace(plan.workspace);
    while (!stop) {  // allocates nothing: the address sanitizer's allocator doesn't survive a fork in the middle of it
      atrous_run(&plan, p.first.data(), p.second.data(), p.bias.data(), result.data(), workspace.data());
    }
  });
  for (int i = 0; i < kRepeats / 10; ++i) CHECK(child(right));
  stop = true;
  busy.join();
  right();
}
#else
void forks() {}
#endif

// What this program says of its settings in a process of its own: "<threads> <instruction set>".
std::string report(const std::string &variables) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::FILE *pipe = popen(("env -u ATROUS_NUM_THREADS -u ATROUS_ISA " + variables + " '" + self + "' report").c_str(), "r");
  char line[100] = "";
  CHECK(pipe && std::fgets(line, sizeof line, pipe));
  if (pipe) pclose(pipe);
  std::string text = line;
  return text.substr(0, text.find('\n'));
}

void environment() {
  const std::string usual = report(""), isa = usual.substr(usual.find(' ') + 1);
  const int processors = std::max(1, std::stoi(usual));
  CHECK(report("ATROUS_NUM_THREADS=3") == "3 " + isa);
  for (const char *useless : {"0", "-2", "many", "''"}) CHECK(report(std::string("ATROUS_NUM_THREADS=") + useless) == usual);
  CHECK(std::stoi(report("ATROUS_NUM_THREADS=99999999999999999999")) < 10000);
  for (int other = 0; other < atrous_isa_count(); ++other) {
    const std::string name = atrous_isa_name(other);
    const std::string expected = atrous_isa_supported(other) ? name : isa;
    CHECK(report("ATROUS_ISA=" + name) == std::to_string(processors) + " " + expected);
  }
  CHECK(report("ATROUS_ISA=abacus") == usual);
}

// The default is the processors that this process may use, not those that the machine has.
void affinity() {
  cpu_set_t all, one;
  CHECK(!sched_getaffinity(0, sizeof all, &all));
  CHECK(std::stoi(report("")) <= CPU_COUNT(&all));
  CPU_ZERO(&one);
  for (int processor = 0; processor < CPU_SETSIZE && !CPU_COUNT(&one); ++processor)
    if (CPU_ISSET(processor, &all)) CPU_SET(processor, &one);
  CHECK(!sched_setaffinity(0, sizeof one, &one));
  CHECK(std::stoi(report("")) == 1);
  CHECK(!sched_setaffinity(0, sizeof all, &all));
}

}  // namespace

void test_threads() {
  concurrent_callers();
  any_number_of_threads();
  settings_during_runs();
  forks();
  environment();
  affinity();
  atrous_set_threads(0);
}

// contract: what the header promises about plans, arguments and status codes.
#include <algorithm>
#include <climits>
#include <cstring>
#include <functional>

#include "check.h"

namespace {

constexpr int64_t kLargest = (int64_t{1} << 31) - 1;
constexpr atrous_direction kDirections[] = {ATROUS_FORWARD, ATROUS_INPUT_GRADIENT, ATROUS_KERNEL_GRADIENT};

// A good geometry of rank 2; entries of the axis that it lacks are nonsense, since they must not be read.
atrous_conv good() {
  atrous_conv conv = conv1d(2, 9, 6, 4, 3, 2);
  conv.rank = 2;
  conv.groups = 2;
  for (int64_t *values : {conv.input, conv.output, conv.kernel, conv.strides, conv.rates, conv.before}) {
    values[1] = values[0];
    values[2] = INT64_MIN;
  }
  return conv;
}

// The status for a geometry, in every direction; a plan is made only with ATROUS_OK, and is left as it was otherwise.
atrous_status status_of(const atrous_conv &conv) {
  atrous_status status = ATROUS_OK;
  for (int algorithm = -1; algorithm < 0 || atrous_algorithm_name(algorithm); ++algorithm) {
    for (atrous_direction direction : kDirections) {
      atrous_plan plan, before;
      std::memset(&plan, 0x5a, sizeof plan);
      before = plan;
      status = algorithm < 0 ? atrous_plan_make(&conv, direction, &plan) : atrous_plan_with(&conv, direction, algorithm, &plan);
      const bool untouched = !std::memcmp(&plan, &before, sizeof plan);
      CHECK(untouched == (status != ATROUS_OK));
      if (status == ATROUS_OK) CHECK(plan.workspace > 0);
    }
  }
  return status;
}

atrous_status with(const std::function<void(atrous_conv &)> &change) {
  atrous_conv conv = good();
  change(conv);
  return status_of(conv);
}

void geometry() {
  CHECK(status_of(good()) == ATROUS_OK);
  for (int rank : {0, 4, -1, INT_MAX, INT_MIN}) CHECK(with([&](atrous_conv &c) { c.rank = rank; }) == ATROUS_BAD_RANK);

  const struct {
    int64_t *(*field)(atrous_conv &);
    int64_t least;
  } fields[] = {{[](atrous_conv &c) { return &c.batch; }, 0},     {[](atrous_conv &c) { return &c.channels; }, 1},
                {[](atrous_conv &c) { return &c.filters; }, 1},   {[](atrous_conv &c) { return &c.groups; }, 1},
                {[](atrous_conv &c) { return &c.input[1]; }, 0},  {[](atrous_conv &c) { return &c.output[1]; }, 0},
                {[](atrous_conv &c) { return &c.kernel[1]; }, 1}, {[](atrous_conv &c) { return &c.strides[1]; }, 1},
                {[](atrous_conv &c) { return &c.rates[1]; }, 1}};
  for (const auto &f : fields) {
    for (int64_t small : {f.least - 1, int64_t{-7}, -kLargest - 2, INT64_MIN})
      CHECK(with([&](atrous_conv &c) { *f.field(c) = small; }) == ATROUS_BAD_SIZE);
    for (int64_t large : {kLargest + 1, int64_t{1} << 40, INT64_MAX})
      CHECK(with([&](atrous_conv &c) { *f.field(c) = large; }) == ATROUS_TOO_LARGE);
  }
  for (int64_t before : {kLargest, -kLargest - 1}) CHECK(with([&](atrous_conv &c) { c.before[0] = before; }) == ATROUS_OK);
  for (int64_t before : {kLargest + 1, -kLargest - 2, INT64_MAX, INT64_MIN})
    CHECK(with([&](atrous_conv &c) { c.before[0] = before; }) == ATROUS_TOO_LARGE);
  CHECK(with([](atrous_conv &c) { c.rates[0] = c.strides[1] = kLargest; }) == ATROUS_OK);

  CHECK(with([](atrous_conv &c) { c.groups = 4; }) == ATROUS_BAD_GROUPS);  // 6 channels
  CHECK(with([](atrous_conv &c) { c.groups = 3; }) == ATROUS_BAD_GROUPS);  // 4 filters
}

// Buffers of 2^60 elements are too large, whichever it is; just below they can be planned, without an overflow on the way.
void huge_buffers() {
  auto huge = [](int64_t *(*sizes)(atrous_conv &), int64_t last) {
    atrous_conv conv = conv1d(1, 1, 1, 1, 1, 1);
    conv.rank = 3;
    for (int64_t *values : {conv.input, conv.output, conv.kernel, conv.strides, conv.rates}) values[1] = values[2] = 1;
    sizes(conv)[0] = sizes(conv)[1] = 1 << 20;
    sizes(conv)[2] = last;
    return status_of(conv);
  };
  for (auto sizes : {+[](atrous_conv &c) { return c.input; }, +[](atrous_conv &c) { return c.output; },
                     +[](atrous_conv &c) { return c.kernel; }}) {
    CHECK(huge(sizes, 1 << 20) == ATROUS_TOO_LARGE);
    CHECK(huge(sizes, (1 << 20) - 1) == ATROUS_OK);
    CHECK(huge(sizes, kLargest) == ATROUS_TOO_LARGE);
  }
  CHECK(with([](atrous_conv &c) {
          c.batch = 0;
          c.input[0] = c.input[1] = kLargest;
          c.channels = 1 << 30;
        }) == ATROUS_TOO_LARGE);
  CHECK(with([](atrous_conv &c) { c.channels = c.filters = kLargest - 1; }) == ATROUS_TOO_LARGE);
  CHECK(with([](atrous_conv &c) { c.channels = c.filters = c.groups = kLargest; }) == ATROUS_OK);
  CHECK(with([](atrous_conv &c) {
          c.channels = c.filters = c.groups = kLargest;
          c.batch = 0;
        }) == ATROUS_OK);
  // Axes that a plan may fold into one whose distances are already as large as can be.
  for (int64_t *(*field)(atrous_conv &) : {+[](atrous_conv &c) { return c.rates; }, +[](atrous_conv &c) { return c.before; }}) {
    atrous_conv conv = conv1d(1, 1, 1, 1, 1, 1);
    conv.rank = 3;
    for (int a = 1; a < 3; ++a) {
      conv.input[a] = conv.output[a] = 1 << 29;
      conv.kernel[a] = conv.strides[a] = conv.rates[a] = 1;
    }
    conv.kernel[0] = 3;
    field(conv)[0] = kLargest;
    CHECK(status_of(conv) == ATROUS_OK);
  }
}

void plan_arguments() {
  const atrous_conv conv = good();
  atrous_plan plan;
  CHECK(atrous_plan_make(nullptr, ATROUS_FORWARD, &plan) == ATROUS_BAD_POINTER);
  CHECK(atrous_plan_make(&conv, ATROUS_FORWARD, nullptr) == ATROUS_BAD_POINTER);
  CHECK(atrous_plan_with(nullptr, ATROUS_FORWARD, ATROUS_REFERENCE, nullptr) == ATROUS_BAD_POINTER);
  for (int direction : {-1, 3, INT_MAX}) {
    CHECK(atrous_plan_make(&conv, static_cast<atrous_direction>(direction), &plan) == ATROUS_BAD_DIRECTION);
  }
  for (int algorithm : {-1, 1000, INT_MIN}) {
    CHECK(atrous_plan_with(&conv, ATROUS_FORWARD, algorithm, &plan) == ATROUS_OK && plan.algorithm == ATROUS_REFERENCE);
  }
}

// A plan is a value: equal geometries have plans with equal bytes, whatever stands past their rank.
void plans_can_be_compared() {
  atrous_conv a = good(), b = good();
  b.input[2] = b.rates[2] = 77;
  atrous_plan plan_a, plan_b;
  std::memset(&plan_a, 1, sizeof plan_a);
  std::memset(&plan_b, 2, sizeof plan_b);
  CHECK(atrous_plan_make(&a, ATROUS_FORWARD, &plan_a) == ATROUS_OK &&
        atrous_plan_make(&b, ATROUS_FORWARD, &plan_b) == ATROUS_OK);
  CHECK(!std::memcmp(&plan_a, &plan_b, sizeof plan_a));
}

void run_arguments() {
  for (atrous_direction direction : kDirections) {
    Problem problem(good(), direction);
    atrous_plan plan;
    atrous_plan_make(&problem.conv, direction, &plan);
    std::vector<float> result(sizes_of(problem.conv, direction).result);
    std::vector<char> workspace(plan.workspace);
    auto run = [&](const float *first, const float *second, float *to, void *space) {
      return atrous_run(&plan, first, second, problem.bias.data(), to, space);
    };
    const float *first = problem.first.data(), *second = problem.second.data();
    CHECK(run(first, second, result.data(), workspace.data()) == ATROUS_OK);
    CHECK(run(nullptr, second, result.data(), workspace.data()) == ATROUS_BAD_POINTER);
    CHECK(run(first, nullptr, result.data(), workspace.data()) == ATROUS_BAD_POINTER);
    CHECK(run(first, second, nullptr, workspace.data()) == ATROUS_BAD_POINTER);
    CHECK(run(first, second, result.data(), nullptr) == ATROUS_BAD_POINTER);
    CHECK(atrous_run(nullptr, first, second, nullptr, result.data(), workspace.data()) == ATROUS_BAD_POINTER);
    CHECK(atrous_run(&plan, first, second, nullptr, result.data(), workspace.data()) == ATROUS_OK);  // no bias

    CHECK(run(first, second, const_cast<float *>(first), workspace.data()) == ATROUS_OVERLAP);
    CHECK(run(first, second, const_cast<float *>(second), workspace.data()) == ATROUS_OVERLAP);
    CHECK(run(first, second, result.data(), result.data() + result.size() - 1) == ATROUS_OVERLAP);
    CHECK(run(first, second, result.data(), const_cast<float *>(first)) == ATROUS_OVERLAP);
    CHECK(run(first, second, result.data(), const_cast<float *>(second)) == ATROUS_OVERLAP);
    if (direction != ATROUS_KERNEL_GRADIENT) CHECK(run(first, second, problem.bias.data(), workspace.data()) == ATROUS_OVERLAP);
    // Neighbours don't overlap.
    std::vector<float> row(problem.first.size() + result.size());
    CHECK(run(row.data(), second, row.data() + problem.first.size(), workspace.data()) == ATROUS_OK);
  }
}

void tampered_plans() {
  const Problem problem(good(), ATROUS_FORWARD);
  std::vector<float> result(y_elements(problem.conv));
  std::vector<char> workspace(1 << 20);
  atrous_plan plan;
  atrous_plan_make(&problem.conv, ATROUS_FORWARD, &plan);
  auto refused = [&](const std::function<void(atrous_plan &)> &change) {
    atrous_plan other = plan;
    change(other);
    return atrous_run(&other, problem.first.data(), problem.second.data(), nullptr, result.data(), workspace.data()) ==
           ATROUS_BAD_PLAN;
  };
  for (int wrong : {-1, 1000, INT_MIN, INT_MAX}) {
    CHECK(refused([&](atrous_plan &p) { p.direction = wrong; }));
    CHECK(refused([&](atrous_plan &p) { p.algorithm = wrong; }));
    CHECK(refused([&](atrous_plan &p) { p.isa = wrong; }));
    CHECK(refused([&](atrous_plan &p) { p.conv.rank = wrong; }));
  }
  CHECK(refused([](atrous_plan &p) { p.threads = 0; }));
  CHECK(refused([](atrous_plan &p) { p.workspace = 0; }));
  CHECK(refused([](atrous_plan &p) { std::memset(&p, 0, sizeof p); }));
  CHECK(refused([](atrous_plan &p) { std::memset(&p, 0xff, sizeof p); }));
}

// Where there is nothing to add up, the result is the bias, or zero; where there is no result, nothing happens, and pointers to
// buffers without elements may be NULL.
void empty_sizes() {
  for (atrous_direction direction : kDirections) {
    for (int what = 0; what < 3; ++what) {
      atrous_conv conv = good();
      (what == 0 ? conv.batch : what == 1 ? conv.input[1] : conv.output[0]) = 0;
      Problem problem(conv, direction);
      const Expected expected = problem.oracle();
      for (const atrous_plan &plan : plans_of(conv, direction, 2))
        CHECK(difference(expected, problem.run(plan).data()).empty());
    }
    atrous_conv conv = good();
    conv.batch = 0;
    Problem problem(conv, direction);
    std::vector<float> result(sizes_of(conv, direction).result);
    char workspace[1 << 16];
    atrous_plan plan;
    CHECK(atrous_plan_make(&conv, direction, &plan) == ATROUS_OK && plan.workspace <= sizeof workspace);
    auto or_null = [](std::vector<float> &values) { return values.empty() ? nullptr : values.data(); };
    CHECK(atrous_run(&plan, or_null(problem.first), or_null(problem.second), nullptr, or_null(result), workspace) == ATROUS_OK);
  }
}

void names() {
  CHECK(!atrous_algorithm_name(-1) && !atrous_algorithm_name(1000) && std::string(atrous_algorithm_name(0)) == "reference");
  for (int status = -1; status <= ATROUS_BAD_PLAN + 1; ++status)
    CHECK(atrous_status_message(static_cast<atrous_status>(status)) != nullptr);
  CHECK(!atrous_isa_name(-1) && !atrous_isa_name(atrous_isa_count()) && std::string(atrous_isa_name(0)) == "baseline");
  CHECK(!atrous_isa_supported(-1) && !atrous_isa_supported(atrous_isa_count()) && atrous_isa_supported(0));
}

void settings() {
  const int isa = atrous_isa();
  for (int wrong : {-1, atrous_isa_count(), INT_MAX}) CHECK(atrous_set_isa(wrong) != ATROUS_OK && atrous_isa() == isa);
  for (int other = 0; other < atrous_isa_count(); ++other) {
    const bool has = atrous_isa_supported(other);
    CHECK((atrous_set_isa(other) == ATROUS_OK) == has);
    CHECK((atrous_isa() == other) == has || other == isa);
    CHECK(atrous_peak() > 1e7);
    atrous_set_isa(isa);
  }
  atrous_set_threads(0);
  const int usual = atrous_threads();
  CHECK(usual >= 1);
  for (int threads : {1, 5, usual + 1}) {
    atrous_set_threads(threads);
    CHECK(atrous_threads() == threads);
  }
  for (int threads : {0, -1, INT_MIN}) {
    atrous_set_threads(threads);
    CHECK(atrous_threads() == usual);
  }
  atrous_set_threads(INT_MAX);
  CHECK(atrous_threads() >= 1 && atrous_threads() < 10000);
  atrous_set_threads(0);
}

// A plan keeps its instruction set and its threads, whatever is set later.
void plans_keep_what_they_were_made_for() {
  const Problem problem(conv1d(2, 50, 20, 20, 3, 4), ATROUS_FORWARD);
  atrous_set_threads(2);
  atrous_plan plan;
  atrous_plan_make(&problem.conv, ATROUS_FORWARD, &plan);
  CHECK(plan.isa == atrous_isa() && plan.threads <= 2);
  const std::vector<float> expected = problem.run(plan);
  const int isa = atrous_isa();
  atrous_set_isa(0);
  for (int threads : {1, 7}) {
    atrous_set_threads(threads);
    CHECK(same(expected, problem.run(plan)));
  }
  atrous_set_isa(isa);
  atrous_set_threads(0);
}

}  // namespace

void test_contract() {
  geometry();
  huge_buffers();
  plan_arguments();
  plans_can_be_compared();
  run_arguments();
  tampered_plans();
  empty_sizes();
  names();
  settings();
  plans_keep_what_they_were_made_for();
}

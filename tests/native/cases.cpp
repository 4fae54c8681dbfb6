#include "cases.h"

#include <algorithm>

#include "oracle.h"

namespace {

constexpr int64_t kLargest = (int64_t{1} << 31) - 1;
constexpr int64_t kMostElements = 200000;
constexpr int64_t kMostMacsWide = 600000;

struct Draft {
  atrous_conv conv;
  int64_t inner, outer;           // channels and filters of a group
  bool wide;                      // many channels, which stay as they are chosen
  bool carries[ATROUS_MAX_RANK];  // a pointwise axis, which a plan may fold away
};

// Channels that don't fit into one block of whatever cache, some at a distance that makes positions share cache sets.
void choose_wide_channels(Random &random, Draft *draft) {
  draft->wide = true;
  draft->inner = random.one_of({128, 256, 300, 512, 520, 1024});
  draft->outer = draft->inner <= 300 && random.chance(30) ? random.between(120, 300) : random.between(1, 40);
  if (random.chance(50)) std::swap(draft->inner, draft->outer);
}

void choose_channels(Random &random, Draft *draft) {
  const int kind = random.between(1, 50);
  draft->inner = draft->outer = draft->conv.groups = 1;
  if (kind <= 2) {
    choose_wide_channels(random, draft);
  } else if (kind <= 20) {  // one group
    draft->inner = random.between(1, 70);
    draft->outer = random.between(1, 70);
  } else if (kind <= 35) {  // depthwise
    draft->conv.groups = random.between(1, 70);
    if (random.chance(40)) draft->outer = random.between(2, 4);
  } else if (kind <= 43) {
    draft->conv.groups = random.between(2, 9);
    draft->inner = random.between(1, 70 / draft->conv.groups);
    draft->outer = random.between(1, 70 / draft->conv.groups);
  } else {  // few channels
    draft->inner = random.between(1, 4);
    draft->outer = random.between(1, 4);
  }
}

int64_t choose_length(Random &random, int rank) {
  if (random.chance(4)) return 0;
  return random.between(1, rank > 1 || random.chance(50) ? 40 : random.chance(85) ? 400 : 5000);
}

int64_t choose_rate(Random &random, int64_t input) {
  const int kind = random.between(1, 20);
  if (kind <= 11) return random.between(1, 4);
  if (kind <= 18) return random.between(1, 20);
  return random.one_of({std::max<int64_t>(input, 1), input + 3, 1000000, kLargest});
}

int64_t choose_stride(Random &random) {
  const int kind = random.between(1, 20);
  if (kind <= 11) return 1;
  return kind <= 19 ? random.between(1, 4) : random.one_of({9, 50, 1000000, kLargest});
}

int64_t choose_before(Random &random, int64_t input, int64_t reach) {
  const int kind = random.between(1, 20);
  if (kind <= 6) return std::min(reach / 2, kLargest);
  if (kind <= 10) return std::min(reach, kLargest);
  if (kind <= 12) return 0;
  if (kind <= 14) return -random.between(1, 6);
  if (kind <= 18) return random.between(-input - 2, std::min<int64_t>(reach, 200) + input + 2);
  return random.one_of({1000000, -1000000, kLargest, -kLargest - 1});
}

// Often what a framework would ask for: `same`, or `valid` of the padded input.
int64_t choose_output(Random &random, int64_t input, int64_t stride, int64_t before, int64_t reach) {
  const int kind = random.between(1, 20);
  if (kind <= 11) return (input + stride - 1) / stride;
  if (kind <= 14) return std::clamp<int64_t>((input + before - reach - 1) / stride + 1, 0, 60);
  return random.between(0, kind <= 19 ? 40 : 1);
}

void choose_axis(Random &random, Draft *draft, int a) {
  atrous_conv &conv = draft->conv;
  conv.input[a] = choose_length(random, conv.rank);
  draft->carries[a] = random.chance(12);
  if (draft->carries[a]) {
    conv.kernel[a] = conv.strides[a] = 1;
    conv.rates[a] = random.between(1, 5);
    conv.before[a] = 0;
    conv.output[a] = conv.input[a];
    return;
  }
  conv.kernel[a] = random.chance(5) ? 51 : random.between(1, 7);
  conv.rates[a] = choose_rate(random, conv.input[a]);
  conv.strides[a] = choose_stride(random);
  const int64_t reach = conv.rates[a] * (conv.kernel[a] - 1);
  conv.before[a] = choose_before(random, conv.input[a], reach);
  conv.output[a] = choose_output(random, conv.input[a], conv.strides[a], conv.before[a], reach);
}

double dense_macs(const Draft &draft) {
  double macs = static_cast<double>(draft.conv.batch) * draft.conv.groups * draft.inner * draft.outer;
  for (int a = 0; a < draft.conv.rank; ++a) macs *= static_cast<double>(draft.conv.output[a]) * draft.conv.kernel[a];
  return macs;
}

bool fits(Draft *draft, int64_t most_macs) {
  draft->conv.channels = draft->conv.groups * draft->inner;
  draft->conv.filters = draft->conv.groups * draft->outer;
  const atrous_conv &conv = draft->conv;
  const int64_t elements = std::max({x_elements(conv), w_elements(conv), y_elements(conv)});
  return dense_macs(*draft) <= most_macs && elements <= std::min(most_macs, kMostElements);
}

void halve(int64_t *n) { *n = (*n + 1) / 2; }

// Any one of the sizes, whichever it is: small in each way, not in one way only.
void shrink(Random &random, Draft *draft) {
  atrous_conv &conv = draft->conv;
  const int a = random.between(0, conv.rank - 1);
  switch (random.between(draft->wide ? 2 : 0, 6)) {
    case 0:
      return halve(&draft->inner);
    case 1:
      return halve(&draft->outer);
    case 2:
      return halve(&conv.groups);
    case 3:
      return halve(&conv.batch);
    case 4:
      return halve(&conv.kernel[a]);
    case 5:
      halve(&conv.output[a]);
      break;
    default:
      halve(&conv.input[a]);
  }
  if (draft->carries[a]) conv.input[a] = conv.output[a] = std::min(conv.input[a], conv.output[a]);
}

}  // namespace

float Random::value() {
  const int64_t bits = between(-(1 << 23), (1 << 23) - 1);
  return chance(10) ? 0.0f : static_cast<float>(bits) / (1 << 23);
}

atrous_conv random_conv(Random &random, int64_t most_macs) {
  Draft draft = {};
  draft.conv.rank = random.between(1, ATROUS_MAX_RANK);
  draft.conv.batch = random.chance(3) ? 0 : random.between(1, 3);
  choose_channels(random, &draft);
  for (int a = 0; a < draft.conv.rank; ++a) choose_axis(random, &draft, a);
  while (!fits(&draft, draft.wide ? kMostMacsWide : most_macs)) shrink(random, &draft);
  return draft.conv;
}

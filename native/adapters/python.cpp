// python: the core for NumPy, by nanobind. Arrays are used where they are; the interpreter is released while computing.
//
// A geometry comes as a dict with the members of `atrous_conv`, without its rank, which is the number of axes:
//     {"batch": 1, "channels": 64, "filters": 64, "groups": 1, "input": (33, 33), "output": (33, 33), "kernel": (3, 3),
//      "strides": (1, 1), "rates": (2, 2), "before": (2, 2)}
#include "python.h"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "atrous.h"

namespace nb = nanobind;
using namespace atrous_python;

// ---- what python.h promises ------------------------------------------------------------------------------------------------

namespace {

bool contiguous(const Operand& array) {
  int64_t step = 1;
  for (size_t i = array.ndim(); i-- > 0;) {
    if (array.shape(i) != 1 && array.stride(i) != step) return false;
    step *= static_cast<int64_t>(array.shape(i));
  }
  return true;
}

}  // namespace

namespace atrous_python {

std::string text(nb::handle object) { return nb::cast<std::string>(nb::str(object)); }

void refuse(const std::string& message) { throw nb::value_error(message.c_str()); }

std::string written(const Shape& shape) {
  std::string out = "(";
  for (size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + (shape.size() == 1 ? ",)" : ")");
}

Operand operand(nb::handle object, const char* name, const Shape& shape, bool integers) {
  Operand array;
  const std::string subject = "`" + std::string(name) + "` must be ";
  if (!nb::try_cast(object, array) || array.device_type() != nb::device::cpu::value ||
      array.dtype() != (integers ? nb::dtype<int32_t>() : nb::dtype<float>())) {
    const nb::object kind = nb::hasattr(object, "dtype") ? object.attr("dtype") : nb::borrow(object.type());
    const std::string wanted = integers ? "int32" : "float32";
    throw nb::type_error((subject + "an array of " + wanted + ". Received: " + text(kind) + ".").c_str());
  }
  const Shape received(array.shape_ptr(), array.shape_ptr() + array.ndim());
  if (received != shape) refuse(subject + "of shape " + written(shape) + ". Received: " + written(received) + ".");
  bool empty = false;
  for (const int64_t size : shape) empty |= size == 0;
  if (!empty && !contiguous(array))
    refuse(subject + "contiguous, row by row. Received: other strides; use numpy.ascontiguousarray.");
  if (reinterpret_cast<uintptr_t>(array.data()) % alignof(float))
    refuse(subject + "aligned to a float. Received: an address between two floats; use a copy.");
  return array;
}

}  // namespace atrous_python

namespace {

using Result = nb::ndarray<nb::numpy, float>;

constexpr const char* kDirections[] = {"forward", "input_gradient", "kernel_gradient"};

// ---- arguments -------------------------------------------------------------------------------------------------------------

int64_t integer(nb::handle value, const char* name) {
  int64_t number;
  if (!nb::try_cast(value, number))
    refuse("`" + std::string(name) + "` must be an integer below 2^63. Received: " + text(value) + ".");
  return number;
}

int64_t number(const nb::dict& conv, const char* name) {
  if (!conv.contains(name)) refuse("The geometry must have `" + std::string(name) + "`. Received: " + text(conv) + ".");
  return integer(conv[name], name);
}

void axes(const nb::dict& conv, const char* name, int32_t rank, int64_t* sizes) {
  if (!conv.contains(name)) refuse("The geometry must have `" + std::string(name) + "`. Received: " + text(conv) + ".");
  const nb::object value = conv[name];
  if (!nb::isinstance<nb::sequence>(value) || nb::len(value) != static_cast<size_t>(rank))
    refuse("`" + std::string(name) + "` must have one integer an axis, as `kernel` has. Received: " + text(conv) + ".");
  for (int32_t a = 0; a < rank; ++a) sizes[a] = integer(value[a], name);
}

atrous_conv geometry(const nb::dict& conv) {
  atrous_conv made;
  std::memset(&made, 0, sizeof made);
  const nb::object kernel = conv.contains("kernel") ? nb::object(conv["kernel"]) : nb::object(nb::none());
  const size_t rank = nb::isinstance<nb::sequence>(kernel) ? nb::len(kernel) : 0;
  if (rank < 1 || rank > ATROUS_MAX_RANK) refuse("`kernel` must have one to three axes. Received: " + text(conv) + ".");
  made.rank = static_cast<int32_t>(rank);
  made.batch = number(conv, "batch");
  made.channels = number(conv, "channels");
  made.filters = number(conv, "filters");
  made.groups = number(conv, "groups");
  axes(conv, "input", made.rank, made.input);
  axes(conv, "output", made.rank, made.output);
  axes(conv, "kernel", made.rank, made.kernel);
  axes(conv, "strides", made.rank, made.strides);
  axes(conv, "rates", made.rank, made.rates);
  axes(conv, "before", made.rank, made.before);
  return made;
}

atrous_direction direction_of(const std::string& name) {
  for (int i = 0; i < 3; ++i)
    if (name == kDirections[i]) return static_cast<atrous_direction>(i);
  refuse("`direction` must be 'forward', 'input_gradient' or 'kernel_gradient'. Received: direction='" + name + "'.");
}

int32_t algorithm_of(const std::string& name) {
  std::string known;
  for (int32_t i = 0; const char* candidate = atrous_algorithm_name(i); ++i) {
    if (name == candidate) return i;
    known += (i ? ", '" : "'") + std::string(candidate) + "'";
  }
  refuse("`algorithm` must be one of " + known + ". Received: algorithm='" + name + "'.");
}

void check(atrous_status status, const nb::dict& conv) {
  if (status != ATROUS_OK)
    refuse("The geometry is not possible: " + std::string(atrous_status_message(status)) + ". Received: " + text(conv) + ".");
}

atrous_plan planned(const std::string& direction, const nb::dict& conv, const std::optional<std::string>& algorithm) {
  const atrous_conv geometry_of_it = geometry(conv);
  const atrous_direction way = direction_of(direction);
  atrous_plan plan;
  check(algorithm ? atrous_plan_with(&geometry_of_it, way, algorithm_of(*algorithm), &plan)
                  : atrous_plan_make(&geometry_of_it, way, &plan),
        conv);
  return plan;
}

// ---- arrays ----------------------------------------------------------------------------------------------------------------

Shape data_shape(const atrous_conv& conv, const int64_t* space, int64_t channels) {
  Shape shape{conv.batch};
  shape.insert(shape.end(), space, space + conv.rank);
  shape.push_back(channels);
  return shape;
}

Shape kernel_shape(const atrous_conv& conv) {
  Shape shape(conv.kernel, conv.kernel + conv.rank);
  shape.push_back(conv.channels / conv.groups);
  shape.push_back(conv.filters);
  return shape;
}

// ---- the module ------------------------------------------------------------------------------------------------------------

nb::dict plan(const std::string& direction, const nb::dict& conv, const std::optional<std::string>& algorithm) {
  const atrous_plan made = planned(direction, conv, algorithm);
  nb::dict out;
  out["algorithm"] = atrous_algorithm_name(made.algorithm);
  out["isa"] = atrous_isa_name(made.isa);
  out["threads"] = made.threads;
  out["workspace"] = made.workspace;
  out["dense_macs"] = made.dense_macs;
  out["valid_macs"] = made.valid_macs;
  out["seconds"] = made.seconds;
  return out;
}

Result run(const std::string& direction, nb::object first, nb::object second, nb::object bias, const nb::dict& conv,
           const std::optional<std::string>& algorithm) {
  const atrous_plan made = planned(direction, conv, algorithm);
  const atrous_conv given = geometry(conv);  // a plan may have folded axes
  const Shape x = data_shape(given, given.input, given.channels), y = data_shape(given, given.output, given.filters);
  const Shape w = kernel_shape(given);
  const bool forward = made.direction == ATROUS_FORWARD, to_kernel = made.direction == ATROUS_KERNEL_GRADIENT;
  const Operand a = operand(first, made.direction == ATROUS_INPUT_GRADIENT ? "upstream" : "x",
                            made.direction == ATROUS_INPUT_GRADIENT ? y : x);
  const Operand b = operand(second, to_kernel ? "upstream" : "kernel", to_kernel ? y : w);
  std::optional<Operand> c;
  if (!bias.is_none() && !to_kernel) c = operand(bias, "bias", {forward ? given.filters : given.channels});
  Result result = allocate<float>(forward ? y : to_kernel ? w : x);
  const std::unique_ptr<char[]> workspace(new char[made.workspace]);
  atrous_status status;
  {
    const nb::gil_scoped_release release;
    status = atrous_run(&made, static_cast<const float*>(a.data()), static_cast<const float*>(b.data()),
                        c ? static_cast<const float*>(c->data()) : nullptr, result.data(), workspace.get());
  }
  check(status, conv);
  return result;
}

std::vector<std::string> isas() {
  std::vector<std::string> names;
  for (int32_t i = 0; i < atrous_isa_count(); ++i)
    if (atrous_isa_supported(i)) names.push_back(atrous_isa_name(i));
  return names;
}

void set_isa(const std::string& name) {
  for (int32_t i = 0; i < atrous_isa_count(); ++i)
    if (name == atrous_isa_name(i) && atrous_set_isa(i) == ATROUS_OK) return;
  std::string known;
  for (const std::string& isa : isas()) known += (known.empty() ? "'" : ", '") + isa + "'";
  refuse("`name` must be an instruction set of this processor: " + known + ". Received: name='" + name + "'.");
}

std::vector<std::string> algorithms() {
  std::vector<std::string> names;
  for (int32_t i = 0; const char* name = atrous_algorithm_name(i); ++i) names.push_back(name);
  return names;
}

}  // namespace

NB_MODULE(_native, module) {
  module.doc() =
      "The native core: dilated convolution and its gradients on arrays of float32. `native/atrous.h` is the manual.";
  module.def("plan", &plan, nb::arg("direction"), nb::arg("conv"), nb::arg("algorithm") = nb::none(),
             "How `run` would compute a geometry.");
  module.def("run", &run, nb::arg("direction"), nb::arg("first").none(), nb::arg("second").none(), nb::arg("bias").none(),
             nb::arg("conv"), nb::arg("algorithm") = nb::none(),
             "Computes; the operands in the order of `atrous_direction`, the result a new array.");
  module.def("algorithms", &algorithms, "Names for `algorithm`.");
  module.def("threads", &atrous_threads, "Threads that the pool of this process has.");
  module.def("set_threads", &atrous_set_threads, nb::arg("threads"), "Sets their number; below 1, back to the default.");
  module.def("isa", [] { return std::string(atrous_isa_name(atrous_isa())); }, "The instruction set in use.");
  module.def("isas", &isas, "The instruction sets compiled in that this processor has.");
  module.def("set_isa", &set_isa, nb::arg("name"), "Uses another instruction set; for tests.");
  module.def(
      "peak",
      [] {
        const nb::gil_scoped_release release;
        return atrous_peak();
      },
      "Multiply-adds a second that one core can do, measured now.");
  add_streams(module);
}

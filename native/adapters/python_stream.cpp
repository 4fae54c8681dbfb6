// python_stream: streams for Python. A program comes as the dataclass `atrous.streaming.program.Program`.
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <deque>
#include <memory>

#include "python.h"
#include "stream.h"

namespace nb = nanobind;

namespace atrous_python {
namespace {

constexpr const char* kCodes[] = {"product",    "depthwise", "max_pool", "average_pool", "add",
                                  "subtract",   "multiply",  "maximum",  "minimum",      "affine",
                                  "layer_norm", "softmax",   "copy",     "embed",        "last"};
constexpr const char* kFunctions[] = {"linear",    "relu",      "leaky_relu", "clipped_relu", "elu",     "selu",
                                      "gelu",      "gelu_tanh", "silu",       "tanh",         "sigmoid", "hard_sigmoid",
                                      "hard_silu", "softplus",  "softsign",   "exp",          "abs",     "square"};
constexpr const char* kDraws[] = {"categorical", "logistics", "regression"};

template <size_t n>
int32_t index_of(nb::handle name, const char* const (&names)[n], const char* what) {
  const std::string wanted = nb::cast<std::string>(name);
  std::string known;
  for (size_t i = 0; i < n; ++i) {
    if (wanted == names[i]) return static_cast<int32_t>(i);
    known += (i ? ", '" : "'") + std::string(names[i]) + "'";
  }
  refuse("`" + std::string(what) + "` must be one of " + known + ". Received: '" + wanted + "'.");
}

template <class Number>
Number member(nb::handle object, const char* name) {
  return nb::cast<Number>(object.attr(name));
}

// A program of stream.h that owns what it points to.
class Program {
 public:
  explicit Program(nb::handle given) {
    for (nb::handle tensor : given.attr("tensors"))
      tensors_.push_back({member<int64_t>(tensor, "channels"), member<int64_t>(tensor, "steps"), member<int64_t>(tensor, "first"),
                          member<int64_t>(tensor, "extra")});
    for (nb::handle op : given.attr("ops")) add(op);
    inputs_ = member<std::vector<int32_t>>(given, "inputs");
    outputs_ = member<std::vector<int32_t>>(given, "outputs");
  }

  atrous_stream_program get() const {
    return {static_cast<int32_t>(tensors_.size()),
            static_cast<int32_t>(ops_.size()),
            static_cast<int32_t>(inputs_.size()),
            static_cast<int32_t>(outputs_.size()),
            tensors_.data(),
            ops_.data(),
            inputs_.data(),
            outputs_.data()};
  }

  const atrous_stream_tensor& tensor(int32_t number) const { return tensors_.at(number); }
  const std::vector<int32_t>& inputs() const { return inputs_; }
  const std::vector<int32_t>& outputs() const { return outputs_; }

  bool is_codes(int32_t tensor) const {
    for (const atrous_stream_op& op : ops_)
      if (op.code == ATROUS_STREAM_EMBED && op.source[0].tensor == tensor) return true;
    return false;
  }

 private:
  void add(nb::handle given) {
    sources_.emplace_back();
    atrous_stream_op op = {};
    op.code = index_of(given.attr("code"), kCodes, "code");
    op.out = member<int32_t>(given, "out");
    const int64_t columns = tensors_.at(op.out).channels * (member<bool>(given, "gate") ? 2 : 1);
    for (nb::handle source : given.attr("sources")) {
      offsets_.push_back(member<std::vector<int64_t>>(source, "offsets"));
      atrous_stream_source made = {};
      made.tensor = member<int32_t>(source, "tensor");
      made.taps = static_cast<int32_t>(offsets_.back().size());
      made.offsets = offsets_.back().data();
      made.stride = member<int64_t>(source, "stride");
      made.groups = member<int64_t>(source, "groups");
      const int64_t taps = made.taps, channels = tensors_.at(made.tensor).channels;
      if (made.groups < 1) refuse("`groups` must be positive.");
      made.weights =
          array(source.attr("weights"),
                op.code == ATROUS_STREAM_DEPTHWISE ? Shape{taps, columns} : Shape{taps, channels / made.groups, columns});
      sources_.back().push_back(made);
    }
    op.first = index_of(given.attr("first"), kFunctions, "first");
    op.last = index_of(given.attr("last"), kFunctions, "last");
    op.alpha = member<float>(given, "alpha");
    op.last_alpha = member<float>(given, "last_alpha");
    op.gate = member<bool>(given, "gate");
    op.add = given.attr("add").is_none() ? -1 : member<int32_t>(given, "add");
    op.stretch = member<int64_t>(given, "stretch");
    op.phase = member<int64_t>(given, "phase");
    op.from_channel = member<int64_t>(given, "from_channel");
    op.to_channel = member<int64_t>(given, "to_channel");
    op.channels = member<int64_t>(given, "channels");
    op.rows = member<int32_t>(given, "rows");
    op.weights = array(given.attr("weights"), op.code == ATROUS_STREAM_EMBED ? Shape{op.rows, columns} : Shape{columns});
    op.bias = array(given.attr("bias"), {columns});
    op.sources = static_cast<int32_t>(sources_.back().size());
    op.source = sources_.back().data();
    ops_.push_back(op);
  }

  const float* array(nb::handle given, const Shape& shape) {
    if (given.is_none()) return nullptr;
    arrays_.push_back(operand(given, "weights", shape));
    return static_cast<const float*>(arrays_.back().data());
  }

  std::vector<atrous_stream_tensor> tensors_;
  std::vector<atrous_stream_op> ops_;
  std::vector<int32_t> inputs_, outputs_;
  std::deque<std::vector<int64_t>> offsets_;
  std::deque<std::vector<atrous_stream_source>> sources_;
  std::deque<Operand> arrays_;
};

class Stream {
 public:
  Stream(nb::object given, int64_t batch) : batch_(batch) {
    const Program program(given);
    const atrous_stream_program view = program.get();
    int32_t op;
    if (const char* fault = atrous_stream_fault(&view, batch, &op))
      refuse("The program is not possible: " + (op < 0 ? std::string() : "operation " + std::to_string(op) + ": ") + fault +
             ".");
    size_t bytes = 0;
    atrous_stream_measure(&view, batch, &bytes);
    memory_.reset(new char[bytes]);
    check(atrous_stream_make(&view, batch, memory_.get(), bytes, &stream_));
    for (const int32_t number : program.inputs()) inputs_.push_back({program.tensor(number), program.is_codes(number)});
    for (const int32_t number : program.outputs()) outputs_.push_back({program.tensor(number), false});
    for (int32_t i = 0; i < view.tensors; ++i)
      if (atrous_stream_kept(stream_, i))
        kept_.push_back({i, {batch, atrous_stream_kept(stream_, i), program.tensor(i).channels}});
  }

  nb::list step(int64_t units, nb::list given) {
    const Read read = take(units, given, -1);
    nb::list results;
    std::vector<void*> outputs;
    for (const Port& port : outputs_) {
      auto array = allocate<float>(shape_of(port, units));
      outputs.push_back(array.data());
      results.append(nb::cast(array));
    }
    atrous_status status;
    {
      const nb::gil_scoped_release release;
      status = atrous_stream_step(stream_, units, read.pointers.data(), outputs.data());
    }
    check(status);
    return results;
  }

  void end() { atrous_stream_end(stream_); }
  void reset() { atrous_stream_reset(stream_); }
  int64_t units() const { return atrous_stream_units(stream_); }
  void set_units(int64_t units) { atrous_stream_set_units(stream_, units); }

  // (tensor, array) for each tensor of which something is kept.
  nb::list state() const {
    std::vector<float> all(atrous_stream_state_size(stream_));
    atrous_stream_get_state(stream_, all.data());
    nb::list made;
    const float* from = all.data();
    for (const auto& [tensor, shape] : kept_) {
      auto array = allocate<float>(shape);
      const int64_t count = shape[0] * shape[1] * shape[2];
      std::memcpy(array.data(), from, count * sizeof(float));
      from += count;
      made.append(nb::make_tuple(tensor, nb::cast(array)));
    }
    return made;
  }

  void set_state(nb::list arrays) {
    if (nb::len(arrays) != kept_.size())
      refuse("`arrays` must be as many as `state` gives. Received: " + std::to_string(nb::len(arrays)) + ".");
    std::vector<float> all(atrous_stream_state_size(stream_));
    float* to = all.data();
    for (size_t i = 0; i < kept_.size(); ++i) {
      const Shape& shape = kept_[i].second;
      const Operand array = operand(arrays[i], "arrays", shape);
      const int64_t count = shape[0] * shape[1] * shape[2];
      std::memcpy(to, array.data(), count * sizeof(float));
      to += count;
    }
    atrous_stream_set_state(stream_, all.data());
  }

  // What was drawn, and what to feed next.
  nb::tuple generate(int64_t steps, const std::string& draw, float temperature, float least_log_scale, nb::object table,
                     nb::object random, nb::object feed, nb::list given, int32_t fed) {
    if (fed < 0 || fed >= static_cast<int32_t>(inputs_.size()))
      refuse("`fed` must be the number of an input. Received: fed=" + std::to_string(fed) + ".");
    if (steps < 0) refuse("`steps` must not be negative. Received: steps=" + std::to_string(steps) + ".");
    const Port& port = inputs_[fed];
    atrous_stream_sampler sampler = {};
    sampler.draw = index_of(nb::cast(draw), kDraws, "draw");
    sampler.temperature = temperature;
    sampler.least_log_scale = least_log_scale;
    const bool codes = sampler.draw == ATROUS_STREAM_CATEGORICAL;
    Operand values;
    if (!table.is_none()) {
      values = operand(table, "table", {outputs_.empty() ? 0 : outputs_.back().tensor.channels, port.tensor.channels});
      sampler.table = static_cast<const float*>(values.data());
    }
    nb::ndarray<uint64_t, nb::c_contig, nb::device::cpu> generators;
    if (!nb::try_cast(random, generators) || generators.size() != static_cast<size_t>(4 * batch_))
      refuse("`random` must be an array of uint64, (batch, 4), as `stream_seed` gives. Received: " + text(random) + ".");
    sampler.random = generators.data();
    const Read read = take(steps, given, fed);
    const Shape feed_shape{batch_, port.tensor.channels};
    const Operand first = operand(feed, "feed", feed_shape, port.codes);
    auto next_floats = allocate<float>(feed_shape);
    auto next_codes = allocate<int32_t>(feed_shape);
    void* next = port.codes ? static_cast<void*>(next_codes.data()) : next_floats.data();
    std::memcpy(next, first.data(), feed_shape[0] * feed_shape[1] * sizeof(float));
    auto drawn_codes = allocate<int32_t>({batch_, codes ? steps : 0});
    auto drawn = allocate<float>({batch_, codes ? 0 : steps, sampler.draw == ATROUS_STREAM_VALUE ? port.tensor.channels : 1});
    atrous_status status;
    {
      const nb::gil_scoped_release release;
      status = atrous_stream_generate(stream_, &sampler, steps, fed, next, read.pointers.data(),
                                      codes ? static_cast<void*>(drawn_codes.data()) : drawn.data());
    }
    check(status);
    return nb::make_tuple(codes ? nb::cast(drawn_codes) : nb::cast(drawn),
                          port.codes ? nb::cast(next_codes) : nb::cast(next_floats));
  }

 private:
  struct Port {
    atrous_stream_tensor tensor;
    bool codes;
  };
  struct Read {
    std::vector<Operand> arrays;
    std::vector<const void*> pointers;
  };

  static void check(atrous_status status) {
    if (status != ATROUS_OK) refuse("The stream refuses: " + std::string(atrous_status_message(status)) + ".");
  }

  Shape shape_of(const Port& port, int64_t units) const {
    if (!port.tensor.steps) return {batch_, port.tensor.channels};
    return {batch_, units * port.tensor.steps, port.tensor.channels};
  }

  Read take(int64_t units, nb::list given, int32_t fed) const {
    if (units < 0) refuse("`units` must not be negative. Received: units=" + std::to_string(units) + ".");
    if (nb::len(given) != inputs_.size())
      refuse("`inputs` must be " + std::to_string(inputs_.size()) + " arrays. Received: " + std::to_string(nb::len(given)) +
             ".");
    Read read;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const nb::object array = given[i];
      if (array.is_none() && (static_cast<int32_t>(i) == fed || !inputs_[i].tensor.steps)) {
        read.pointers.push_back(nullptr);
        continue;
      }
      read.arrays.push_back(operand(array, "inputs", shape_of(inputs_[i], units), inputs_[i].codes));
      read.pointers.push_back(read.arrays.back().data());
    }
    return read;
  }

  int64_t batch_;
  std::unique_ptr<char[]> memory_;
  atrous_stream* stream_ = nullptr;
  std::vector<Port> inputs_, outputs_;
  std::vector<std::pair<int32_t, Shape>> kept_;
};

nb::ndarray<nb::numpy, uint64_t> seed(uint64_t seed, int64_t batch) {
  if (batch < 1) refuse("`batch` must be positive. Received: batch=" + std::to_string(batch) + ".");
  auto made = allocate<uint64_t>({batch, 4});
  atrous_stream_seed(seed, batch, made.data());
  return made;
}

}  // namespace

void add_streams(nb::module_& module) {
  nb::class_<Stream>(module, "Stream", "A program of `native/stream.h` with its past; used by one thread at a time.")
      .def(nb::init<nb::object, int64_t>(), nb::arg("program"), nb::arg("batch"))
      .def("step", &Stream::step, nb::arg("units"), nb::arg("inputs"),
           "Takes the next units of the inputs, None for one without time that is as before; returns those of the outputs.")
      .def("end", &Stream::end, "Says that the signal is over; what follows are zeros.")
      .def("reset", &Stream::reset, "Forgets the past.")
      .def("state", &Stream::state, "A list of (tensor, array (batch, steps, channels)): what is kept.")
      .def("set_state", &Stream::set_state, nb::arg("arrays"), "Takes the arrays of `state`, in its order.")
      .def_prop_rw("units", &Stream::units, &Stream::set_units, "Units since the reset.")
      .def("generate", &Stream::generate, nb::arg("steps"), nb::arg("draw"), nb::arg("temperature"), nb::arg("least_log_scale"),
           nb::arg("table").none(), nb::arg("random"), nb::arg("feed"), nb::arg("inputs"), nb::arg("fed"),
           "As `atrous_stream_generate`; returns what was drawn and what to feed next. `random` is changed.");
  module.def("stream_seed", &seed, nb::arg("seed"), nb::arg("batch"),
             "States of the generators that `generate` takes, uint64 (batch, 4).");
}

}  // namespace atrous_python

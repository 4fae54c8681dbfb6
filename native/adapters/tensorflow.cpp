// tensorflow: the core as operations of TensorFlow, registered when `tf.load_op_library` loads this object. CPU, float32.
//
//     AtrousConv            (x, kernel, bias, geometry)        → y
//     AtrousInputGradient   (dy, kernel, bias, geometry, like) → dx, as long along each spatial axis as `like`
//     AtrousKernelGradient  (x, dy, geometry, like)            → dkernel, of the shape of `like`
//
// `bias` has no elements where there is none; of `like` only the shape is looked at; `geometry` is described in
// tensorflow_geometry.h. The input gradient is also the transposed convolution: its bias is one for each channel of dx.
#include <cstdlib>

#include "atrous.h"
#include "tensorflow_c_api.h"
#include "tensorflow_geometry.h"

namespace {

constexpr int kMostInputs = 5;
constexpr size_t kStackWorkspace = 8192;  // up to here the stack is cheaper than the heap
constexpr size_t kAlignment = 64;

struct Operation {
  const char *name;
  atrous_direction direction;
  int inputs, bias, geometry;  // how many there are; which of them is what, or −1
  const char *specs[kMostInputs], *output;
};

const Operation kOperations[] = {
    {"AtrousConv", ATROUS_FORWARD, 4, 2, 3, {"x: float", "kernel: float", "bias: float", "geometry: float"}, "y: float"},
    {"AtrousInputGradient",
     ATROUS_INPUT_GRADIENT,
     5,
     2,
     3,
     {"dy: float", "kernel: float", "bias: float", "geometry: float", "like: float"},
     "dx: float"},
    {"AtrousKernelGradient",
     ATROUS_KERNEL_GRADIENT,
     4,
     -1,
     2,
     {"x: float", "dy: float", "geometry: float", "like: float"},
     "dkernel: float"},
};

// Puts the inputs of an operation where they belong, completes what follows from them, and returns the result's shape.
const Shape *result_of(const Operation &operation, const Shape *inputs, Arrays *arrays) {
  const int rank = arrays->geometry.rank;
  Shape *result = nullptr;
  switch (operation.direction) {
    case ATROUS_FORWARD:
      arrays->x = inputs[0];
      arrays->w = inputs[1];
      result = &arrays->y;
      break;
    case ATROUS_INPUT_GRADIENT:
      arrays->y = inputs[0];
      arrays->w = inputs[1];
      result = &arrays->x;
      arrays->expect(&(*result = inputs[4]), "like", "any, *space, any");
      if (*arrays->problem) return result;
      result->size[0] = result->size[rank + 1] = kUnknown;
      break;
    case ATROUS_KERNEL_GRADIENT:
      arrays->x = inputs[0];
      arrays->y = inputs[1];
      arrays->w = inputs[3];
      result = &arrays->w;
      break;
  }
  arrays->complete();
  if (*arrays->problem) return result;
  for (int a = 1; operation.direction == ATROUS_FORWARD && a <= rank; ++a) {
    if (result->size[a] == 0 && arrays->x.size[a] != 0)
      arrays->problem->say(
          "The output would be empty: the kernel must fit into the padded input. Received: x of shape %s, kernel of "
          "shape %s.",
          Text(arrays->x).text, Text(arrays->w).text);
  }
  const int64_t last = result->size[rank + 1];
  if (operation.bias < 0) return result;
  const Shape &bias = inputs[operation.bias];
  if (bias.axes != kUnknown && (bias.axes != 1 || (bias.size[0] > 0 && last != kUnknown && bias.size[0] != last)))
    arrays->problem->say(
        "`bias` must have one axis, with an element for each of the %lld channels of the result, or none. Received: "
        "shape %s.",
        static_cast<long long>(last), Text(bias).text);
  return result;
}

// ---- kernels ---------------------------------------------------------------------------------------------------------------

// The inputs of a kernel, held until it is done.
struct Inputs {
  int count = 0;
  TF_Tensor *tensor[kMostInputs];
  Shape shape[kMostInputs];

  Inputs(TF_OpKernelContext *context, const Operation &operation, TF_Status *status) {
    for (; count < operation.inputs; ++count) {
      TF_GetInput(context, count, &tensor[count], status);
      if (TF_GetCode(status) != TF_OK) return;
      shape[count].axes = TF_NumDims(tensor[count]);
      for (int a = 0; a < shape[count].axes && a < kMostAxes; ++a) shape[count].size[a] = TF_Dim(tensor[count], a);
    }
  }
  ~Inputs() {
    for (int i = 0; i < count; ++i) TF_DeleteTensor(tensor[i]);
  }
  const float *data(int i) const { return static_cast<const float *>(TF_TensorData(tensor[i])); }
};

atrous_status run(const atrous_plan &plan, const float *first, const float *second, const float *bias, float *result) {
  alignas(kAlignment) char stack[kStackWorkspace];
  if (plan.workspace <= sizeof stack) return atrous_run(&plan, first, second, bias, result, stack);
  void *workspace = nullptr;
  if (posix_memalign(&workspace, kAlignment, plan.workspace)) return ATROUS_BAD_POINTER;
  const atrous_status status = atrous_run(&plan, first, second, bias, result, workspace);
  std::free(workspace);
  return status;
}

void compute(TF_OpKernelContext *context, const Operation &operation, TF_Status *status) {
  const Inputs inputs(context, operation, status);
  if (TF_GetCode(status) != TF_OK) return;
  Problem problem;
  Geometry geometry;
  geometry.read(inputs.shape[operation.geometry], &problem);
  Arrays arrays = {geometry, &problem, {}, {}, {}};
  if (problem) return TF_SetStatus(status, TF_INVALID_ARGUMENT, problem.text);
  const Shape *shape = result_of(operation, inputs.shape, &arrays);
  if (problem) return TF_SetStatus(status, TF_INVALID_ARGUMENT, problem.text);
  const atrous_conv conv = arrays.conv();
  atrous_plan plan;
  if (const atrous_status code = atrous_plan_make(&conv, operation.direction, &plan)) {
    arrays.refuse(atrous_status_message(code));
    return TF_SetStatus(status, TF_INVALID_ARGUMENT, problem.text);
  }
  size_t bytes = sizeof(float);
  for (int a = 0; a < shape->axes; ++a) bytes *= shape->size[a];
  TF_Tensor *output = TF_AllocateOutput(context, 0, TF_FLOAT, shape->size, static_cast<int>(shape->axes), bytes, status);
  if (TF_GetCode(status) != TF_OK) return;
  const bool biased = operation.bias >= 0 && inputs.shape[operation.bias].size[0];
  const atrous_status code = run(plan, inputs.data(0), inputs.data(1), biased ? inputs.data(operation.bias) : nullptr,
                                 static_cast<float *>(TF_TensorData(output)));
  TF_DeleteTensor(output);
  if (code == ATROUS_BAD_POINTER) return TF_SetStatus(status, TF_RESOURCE_EXHAUSTED, "There is no memory for the workspace.");
  if (code) TF_SetStatus(status, TF_INVALID_ARGUMENT, atrous_status_message(code));
}

template <int index>
void compute(void *, TF_OpKernelContext *context) {
  TF_Status *status = TF_NewStatus();
  compute(context, kOperations[index], status);
  if (TF_GetCode(status) != TF_OK) TF_OpKernelContext_Failure(context, status);
  TF_DeleteStatus(status);
}

// ---- shapes ----------------------------------------------------------------------------------------------------------------

Shape shape_of(TF_ShapeInferenceContext *context, int index, TF_Status *status) {
  Shape shape;
  TF_ShapeHandle *handle = TF_NewShapeHandle();
  TF_DimensionHandle *size = TF_NewDimensionHandle();
  TF_ShapeInferenceContextGetInput(context, index, handle, status);
  if (TF_GetCode(status) == TF_OK && TF_ShapeInferenceContextRankKnown(context, handle)) {
    shape.axes = TF_ShapeInferenceContextRank(context, handle);
    for (int a = 0; a < shape.axes && a < kMostAxes; ++a) {
      TF_ShapeInferenceContextDim(context, handle, a, size);
      shape.size[a] = TF_DimensionHandleValue(size);
    }
  }
  TF_DeleteDimensionHandle(size);
  TF_DeleteShapeHandle(handle);
  return shape;
}

// Sizes that are not known become new unknowns: an axis of the result shares none with an input.
void set_output(TF_ShapeInferenceContext *context, const Shape &shape, TF_Status *status) {
  TF_ShapeHandle *whole = TF_ShapeInferenceContextVectorFromSize(context, static_cast<size_t>(shape.size[0]));
  for (int a = 1; a < shape.axes && TF_GetCode(status) == TF_OK; ++a) {
    TF_ShapeHandle *axis = TF_ShapeInferenceContextVectorFromSize(context, static_cast<size_t>(shape.size[a]));
    TF_ShapeInferenceContextConcatenateShapes(context, whole, axis, whole, status);
    TF_DeleteShapeHandle(axis);
  }
  if (TF_GetCode(status) == TF_OK) TF_ShapeInferenceContextSetOutput(context, 0, whole, status);
  TF_DeleteShapeHandle(whole);
}

template <int index>
void infer(TF_ShapeInferenceContext *context, TF_Status *status) {
  const Operation &operation = kOperations[index];
  Shape inputs[kMostInputs];
  for (int i = 0; i < operation.inputs && TF_GetCode(status) == TF_OK; ++i) inputs[i] = shape_of(context, i, status);
  if (TF_GetCode(status) != TF_OK) return;
  Problem problem;
  Geometry geometry;
  geometry.read(inputs[operation.geometry], &problem);
  if (!problem && !geometry.rank) return TF_ShapeInferenceContextSetUnknownShape(context, status);
  Arrays arrays = {geometry, &problem, {}, {}, {}};
  const Shape *result = problem ? nullptr : result_of(operation, inputs, &arrays);
  if (problem) return TF_SetStatus(status, TF_INVALID_ARGUMENT, problem.text);
  set_output(context, *result, status);
}

// ---- registration ----------------------------------------------------------------------------------------------------------

template <int index>
void add(TF_Status *status) {
  const Operation &operation = kOperations[index];
  TF_OpDefinitionBuilder *definition = TF_NewOpDefinitionBuilder(operation.name);
  for (int i = 0; i < operation.inputs; ++i) TF_OpDefinitionBuilderAddInput(definition, operation.specs[i]);
  TF_OpDefinitionBuilderAddOutput(definition, operation.output);
  TF_OpDefinitionBuilderSetShapeInferenceFunction(definition, infer<index>);
  TF_RegisterOpDefinition(definition, status);
  TF_RegisterKernelBuilder(operation.name, TF_NewKernelBuilder(operation.name, "CPU", nullptr, compute<index>, nullptr),
                           status);
}

// Runs when the object is loaded; what has gone wrong then shows as an operation that isn't there.
const bool kAdded = [] {
  TF_Status *status = TF_NewStatus();
  add<0>(status);
  add<1>(status);
  add<2>(status);
  TF_DeleteStatus(status);
  return true;
}();

}  // namespace

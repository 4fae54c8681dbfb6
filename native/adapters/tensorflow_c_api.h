// tensorflow_c_api: the functions of TensorFlow's C API that the adapter calls, declared here so that no TensorFlow is needed
// to build it. They are found in the process that loads it (libtensorflow_framework). From tensorflow/c/ops.h, kernels.h,
// tf_tensor.h, tf_status.h and tf_datatype.h; the values are those of TensorFlow 2.
#pragma once

#include <stddef.h>
#include <stdint.h>

extern "C" {

typedef struct TF_Status TF_Status;
typedef struct TF_Tensor TF_Tensor;
typedef struct TF_OpKernelContext TF_OpKernelContext;
typedef struct TF_OpKernelConstruction TF_OpKernelConstruction;
typedef struct TF_KernelBuilder TF_KernelBuilder;
typedef struct TF_OpDefinitionBuilder TF_OpDefinitionBuilder;
typedef struct TF_ShapeInferenceContext TF_ShapeInferenceContext;
typedef struct TF_ShapeHandle TF_ShapeHandle;
typedef struct TF_DimensionHandle TF_DimensionHandle;

typedef enum TF_Code { TF_OK = 0, TF_INVALID_ARGUMENT = 3, TF_RESOURCE_EXHAUSTED = 8 } TF_Code;
typedef enum TF_DataType { TF_FLOAT = 1 } TF_DataType;

// tf_status.h
TF_Status *TF_NewStatus(void);
void TF_DeleteStatus(TF_Status *);
void TF_SetStatus(TF_Status *, TF_Code, const char *message);
TF_Code TF_GetCode(const TF_Status *);

// tf_tensor.h
void TF_DeleteTensor(TF_Tensor *);
int TF_NumDims(const TF_Tensor *);
int64_t TF_Dim(const TF_Tensor *, int axis);  // ends the process where there is no such axis
void *TF_TensorData(const TF_Tensor *);

// kernels.h
TF_KernelBuilder *TF_NewKernelBuilder(const char *op, const char *device, void *(*create)(TF_OpKernelConstruction *),
                                      void (*compute)(void *, TF_OpKernelContext *), void (*destroy)(void *));
void TF_RegisterKernelBuilder(const char *name, TF_KernelBuilder *, TF_Status *);
void TF_GetInput(TF_OpKernelContext *, int index, TF_Tensor **, TF_Status *);
TF_Tensor *TF_AllocateOutput(TF_OpKernelContext *, int index, TF_DataType, const int64_t *dims, int rank, size_t bytes,
                             TF_Status *);
void TF_OpKernelContext_Failure(TF_OpKernelContext *, TF_Status *);

// ops.h
TF_OpDefinitionBuilder *TF_NewOpDefinitionBuilder(const char *op);
void TF_OpDefinitionBuilderAddInput(TF_OpDefinitionBuilder *, const char *spec);
void TF_OpDefinitionBuilderAddOutput(TF_OpDefinitionBuilder *, const char *spec);
void TF_OpDefinitionBuilderSetShapeInferenceFunction(TF_OpDefinitionBuilder *,
                                                     void (*infer)(TF_ShapeInferenceContext *, TF_Status *));
void TF_RegisterOpDefinition(TF_OpDefinitionBuilder *, TF_Status *);
TF_ShapeHandle *TF_NewShapeHandle(void);
void TF_DeleteShapeHandle(TF_ShapeHandle *);
TF_DimensionHandle *TF_NewDimensionHandle(void);
void TF_DeleteDimensionHandle(TF_DimensionHandle *);
int64_t TF_DimensionHandleValue(TF_DimensionHandle *);  // -1 where it is not known
void TF_ShapeInferenceContextGetInput(TF_ShapeInferenceContext *, int index, TF_ShapeHandle *, TF_Status *);
void TF_ShapeInferenceContextSetOutput(TF_ShapeInferenceContext *, int index, TF_ShapeHandle *, TF_Status *);
void TF_ShapeInferenceContextSetUnknownShape(TF_ShapeInferenceContext *, TF_Status *);
int TF_ShapeInferenceContextRankKnown(TF_ShapeInferenceContext *, TF_ShapeHandle *);
int64_t TF_ShapeInferenceContextRank(TF_ShapeInferenceContext *, TF_ShapeHandle *);
void TF_ShapeInferenceContextDim(TF_ShapeInferenceContext *, TF_ShapeHandle *, int64_t axis, TF_DimensionHandle *);
void TF_ShapeInferenceContextSubshape(TF_ShapeInferenceContext *, TF_ShapeHandle *, int64_t start, int64_t end,
                                      TF_ShapeHandle *result, TF_Status *);
TF_ShapeHandle *TF_ShapeInferenceContextVectorFromSize(TF_ShapeInferenceContext *, size_t size);
void TF_ShapeInferenceContextConcatenateShapes(TF_ShapeInferenceContext *, TF_ShapeHandle *first, TF_ShapeHandle *second,
                                               TF_ShapeHandle *result, TF_Status *);

}  // extern "C"

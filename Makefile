# `make demo` and `make test` do all set-up from a bare clone: Python 3.11 or newer with its headers, a C++ compiler and a package
# index are all they need.

PYTHON ?= python3
# Of thousands of files few are ever imported; those are compiled then.
PIP = -m pip --disable-pip-version-check install --quiet --no-compile
# What an installation is made of. The layers on JAX and PyTorch don't use the native core: there it isn't compiled.
INSTALLED = pyproject.toml CMakeLists.txt tools/build_backend.py $(wildcard native/*.* native/*/*.*)
PURE = --config-settings=wheel.cmake=false
# The version whose plain wheel for the CPU is the one tested; a bare `torch` brings gigabytes of GPU libraries on some systems.
TORCH ?= torch==2.13.0
# On JAX the tests spend their time compiling each shape once; optimising that code would double it.
FAST_COMPILATION = --xla_backend_optimization_level=0
# Each of two workers begins with one half of the tests, in order, and takes from the other's when it has done its own: what a module
# prepares is mostly prepared once.
PYTEST = --numprocesses=2 --dist=worksteal

.PHONY: demo test check native fuzz backends bench prove clean

demo: .venv/demo
	.venv/bin/atrous train

# What needs one core is done two at a time, before the tests, which need both.
test:
	$(MAKE) --jobs=2 .venv/test .venv-torch/test .venv-jax/test check native
	$(MAKE) backends
	.venv/bin/python -m pytest $(PYTEST)

# Format, lint, types.
check: .venv/test
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy

# The core: as it is, then with addresses and arithmetic checked, then with threads checked. A program for each lies in build/native/.
BUILD_CORE = PATH="$(CURDIR)/.venv/bin:$$PATH"; MAKEFLAGS=; \
	cmake --log-level=NOTICE -S . -B build/native/$$kind -G Ninja -DATROUS_TESTS=ON -DATROUS_SANITIZE=$${kind\#plain} && \
	cmake --build build/native/$$kind --target fuzz special

native: native-plain native-address native-thread

native-%: .venv/test
	kind=$*; $(BUILD_CORE) && ctest --test-dir build/native/$$kind --parallel 2 --output-on-failure

# Random convolutions against the definition: CASES of them, from SEED on.
CASES ?= 20000
SEED ?= $(shell date +%s)
fuzz: .venv/test
	kind=plain; $(BUILD_CORE) && build/native/plain/tests/native/fuzz $(CASES) $(SEED)

# What depends on the backend, on the other ones, each in an environment of its own; on JAX less, because it compiles every shape.
# Keras's NumPy backend, which takes JAX for what it lacks, neither trains nor keeps float64.
LAYERS = tests/test_layers.py tests/test_invariants.py tests/test_bad_input.py tests/test_surgery.py tests/test_explain.py
NETWORKS = tests/test_analysis.py::test_random_networks_see_what_their_gradients_reach
WEIGHTS = tests/test_importing.py
MODELS = tests/test_effective.py tests/test_models_train.py tests/test_unfolding.py
STREAMS = tests/test_streaming_live.py
backends: .venv-jax/test .venv-torch/test
	XLA_FLAGS=$(FAST_COMPILATION) KERAS_BACKEND=jax .venv-jax/bin/python -m pytest $(PYTEST) $(LAYERS) $(NETWORKS) $(STREAMS)
	KERAS_BACKEND=numpy .venv-jax/bin/python -m pytest $(PYTEST) tests/test_invariants.py tests/test_bad_input.py -k "not (trains or empty_batch or dtype_policy)"
	KERAS_BACKEND=torch .venv-torch/bin/python -m pytest $(PYTEST) $(LAYERS) $(NETWORKS) $(WEIGHTS)

.venv/demo: $(INSTALLED)
	$(PYTHON) -m venv .venv
	.venv/bin/python $(PIP) --editable '.[tensorflow]'
	touch $@

.venv/test: $(INSTALLED)
	$(PYTHON) -m venv .venv
	.venv/bin/python $(PIP) --editable '.[tensorflow,test]'
	touch .venv/demo $@

.venv-jax/test: pyproject.toml
	$(PYTHON) -m venv .venv-jax
	.venv-jax/bin/python $(PIP) $(PURE) --editable '.[jax,test-backend]'
	touch $@

.venv-torch/test: pyproject.toml
	$(PYTHON) -m venv .venv-torch
	.venv-torch/bin/python $(PIP) '$(TORCH)'
	.venv-torch/bin/python $(PIP) $(PURE) --editable '.[torch,test-backend]'
	touch $@

.venv-bench/bench: $(INSTALLED)
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python $(PIP) '$(TORCH)'
	.venv-bench/bin/python $(PIP) --editable '.[tensorflow,bench]'
	touch $@

# Speed beside peers on one core, then on all; whole networks, memory, the cost of an eager call. Half an hour on an idle machine.
# make bench BENCH='--quick' or BENCH='--cases aspp33* --peers torch --direction forward'; BENCH='--help' tells more.
BENCH ?= --cores both
bench: .venv-bench/bench
	.venv-bench/bin/python -m benchmarks $(BENCH)
	.venv-bench/bin/python -m benchmarks.end_to_end
	.venv-bench/bin/python -m benchmarks.memory
	.venv-bench/bin/python -m benchmarks.eager_overhead
	taskset -c 1 .venv-bench/bin/python -m benchmarks.streaming

# The recorded figures: the published Fashion-MNIST ($$ATROUS_DATA/fashion-mnist), what each choice buys, fields by gradients, memory and
# dilated backbones of published networks, every block and model on JAX and PyTorch; two hours. What tasks reach, docs/tasks.md says how.
BLOCKS = tests/test_blocks.py tests/test_blocks_vision.py tests/test_sequence_models.py tests/test_drn.py tests/test_deeplab.py \
	tests/test_dilated_net.py tests/test_detector.py tests/test_probing.py tests/test_pooling.py tests/test_striding.py \
	tests/test_parts.py tests/test_streaming.py
prove: .venv/test .venv-jax/test .venv-torch/test
	.venv/bin/atrous train --data "$(ATROUS_DATA)/fashion-mnist"
	.venv/bin/python benchmarks/what_each_choice_buys.py
	.venv/bin/python benchmarks/fields_of_applications.py
	.venv/bin/python -m benchmarks.predicted_and_measured_memory
	.venv/bin/python -m benchmarks.tiling
	.venv/bin/python benchmarks/the_dilated_network_equals_the_original.py
	XLA_FLAGS=$(FAST_COMPILATION) KERAS_BACKEND=jax .venv-jax/bin/python -m pytest $(BLOCKS) $(WEIGHTS) $(MODELS)
	KERAS_BACKEND=torch .venv-torch/bin/python -m pytest $(BLOCKS) $(MODELS) $(STREAMS)

clean:
	rm -rf .venv .venv-jax .venv-torch .venv-bench build

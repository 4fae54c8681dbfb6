"""Weights of PyTorch: files read without executing them, names, layouts, and the same numbers as PyTorch's networks give."""

from __future__ import annotations

import io
import pickle
import struct
import sys
import types
import zipfile
from collections import OrderedDict
from typing import Any

import keras
import numpy as np
import pytest

from atrous import layers
from atrous.models import DRN, DeepLabV3, ResNet, torch_names
from atrous.surgery import import_weights, parity, read_state_dict
from atrous.surgery.state_dict import LEGACY_MAGIC, STORAGES

DRAW = np.random.default_rng(0)
ARRAYS = {
    "a.weight": DRAW.standard_normal((4, 3, 2)).astype("float32"),
    "a.bias": DRAW.standard_normal(4),
    "steps": np.array(7),
    "half": DRAW.standard_normal((2, 2)).astype("float16"),
    "nothing": np.empty((0, 3), "float32"),
    "mask": np.array([True, False, True]),
}
KINDS = {np.dtype(dtype): name for name, dtype in STORAGES.items() if dtype != "bfloat16"}


class Storage:
    def __init__(self, kind: str, key: str, array: np.ndarray) -> None:
        self.kind, self.key, self.array = kind, key, array


class Pickler(pickle.Pickler):
    """Writes what `torch.save` writes, by stand-ins for PyTorch's names."""

    def __init__(self, file: Any, monkeypatch: pytest.MonkeyPatch, more: tuple[Any, ...] = ()) -> None:
        super().__init__(file, protocol=2)
        self.more = more
        modules = {name: types.ModuleType(name) for name in ("torch", "torch._utils")}
        for name in STORAGES:
            kind = type(name, (), {"__module__": "torch"})
            setattr(modules["torch"], name, kind)
        modules["torch"]._utils = modules["torch._utils"]

        def _rebuild_tensor_v2() -> None: ...

        _rebuild_tensor_v2.__module__ = "torch._utils"
        _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
        modules["torch._utils"]._rebuild_tensor_v2 = _rebuild_tensor_v2
        self.modules, self.monkeypatch = modules, monkeypatch

    def dump(self, value: Any) -> None:
        with self.monkeypatch.context() as patch:
            for name, module in self.modules.items():
                patch.setitem(sys.modules, name, module)
            super().dump(value)

    def persistent_id(self, value: Any) -> Any:
        if isinstance(value, Storage):
            return ("storage", getattr(self.modules["torch"], value.kind), value.key, "cpu", value.array.size, *self.more)
        return None

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, View):
            rebuild = self.modules["torch._utils"]._rebuild_tensor_v2
            return rebuild, (value.storage, value.offset, value.size, value.stride, False, OrderedDict())
        return NotImplemented


class View:
    def __init__(self, storage: Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> None:
        self.storage, self.offset, self.size, self.stride = storage, offset, size, stride


def views(arrays: dict[str, np.ndarray]) -> tuple[OrderedDict[str, View], list[Storage]]:
    result, storages = OrderedDict(), []
    for i, (name, array) in enumerate(arrays.items()):
        storages.append(Storage(KINDS[array.dtype], str(i), array.ravel()))
        strides = tuple(step // array.itemsize for step in np.ascontiguousarray(array).strides) if array.ndim else ()
        result[name] = View(storages[-1], 0, array.shape, strides)
    result._metadata = OrderedDict({"": {"version": 1}})  # as `torch.nn.Module.state_dict` has it
    return result, storages


def save_zip(path: Any, content: Any, storages: list[Storage], monkeypatch: Any, byteorder: bytes = b"little") -> None:
    pickled = io.BytesIO()
    Pickler(pickled, monkeypatch).dump(content)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", pickled.getvalue())
        archive.writestr("net/byteorder", byteorder)
        for storage in storages:
            archive.writestr(f"net/data/{storage.key}", storage.array.tobytes())


def save_legacy(path: Any, content: Any, storages: list[Storage], monkeypatch: Any) -> None:
    with path.open("wb") as file:
        for value in (LEGACY_MAGIC, 1001, {"little_endian": True}):
            pickle.dump(value, file, protocol=2)
        Pickler(file, monkeypatch, (None,)).dump(content)
        pickle.dump([storage.key for storage in storages], file, protocol=2)
        for storage in storages:
            file.write(struct.pack("<q", storage.array.size) + storage.array.tobytes())


def check(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray] = ARRAYS) -> None:
    assert list(actual) == list(expected)
    for name, array in expected.items():
        assert actual[name].dtype == array.dtype
        np.testing.assert_array_equal(actual[name], array)


@pytest.mark.parametrize("save", [save_zip, save_legacy])
@pytest.mark.parametrize("inside", [None, "state_dict", "ema"])
def test_both_formats_of_torch_are_read(save, inside, tmp_path, monkeypatch):
    content, storages = views(ARRAYS)
    save(tmp_path / "net.pth", content if inside is None else {"epoch": 3, inside: content}, storages, monkeypatch)
    check(read_state_dict(tmp_path / "net.pth", "ema" if inside == "ema" else None))


def test_views_of_one_storage_are_told_apart(tmp_path, monkeypatch):
    numbers = np.arange(12, dtype="float32")
    storage = Storage("FloatStorage", "0", numbers)
    content = {"whole": View(storage, 0, (3, 4), (4, 1)), "turned": View(storage, 1, (4, 2), (1, 4))}
    save_zip(tmp_path / "net.pth", content, [storage], monkeypatch)
    turned = np.array([[numbers[1 + i + 4 * j] for j in range(2)] for i in range(4)])
    check(read_state_dict(tmp_path / "net.pth"), {"whole": numbers.reshape(3, 4), "turned": turned})


def test_bfloat16_becomes_float32(tmp_path, monkeypatch):
    values = np.array([1.0, -2.5, 3.140625], "float32")
    halves = (values.view("<u4") >> 16).astype("<u2")
    storage = Storage("BFloat16Storage", "0", halves)
    save_zip(tmp_path / "net.pth", {"a": View(storage, 0, (3,), (1,))}, [storage], monkeypatch)
    check(read_state_dict(tmp_path / "net.pth"), {"a": values})


def test_safetensors_are_read(tmp_path):
    numpy = pytest.importorskip("safetensors.numpy", reason="safetensors isn't installed")
    numpy.save_file(ARRAYS, tmp_path / "net.safetensors")
    actual = read_state_dict(tmp_path / "net.safetensors")
    check({name: actual[name] for name in ARRAYS})


class Evil:
    def __reduce__(self) -> Any:
        return print, ("executed",)


@pytest.mark.parametrize("save", [save_zip, save_legacy])
def test_a_file_that_calls_a_function_is_refused(save, tmp_path, monkeypatch, capsys):
    save(tmp_path / "net.pth", {"a": Evil()}, [], monkeypatch)
    with pytest.raises(ValueError, match=r"holds tensors alone; this one asks for .*print, which was not executed"):
        read_state_dict(tmp_path / "net.pth")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("size", "stride", "said"),
    [
        ((5,), (1,), "lie in their storage"),
        ((2, 2), (3, 1), "lie in their storage"),
        ((2,), (-1,), "0 or more"),
        ((2, 2), (1,), "0 or more"),
        (("2",), (1,), "0 or more"),
    ],
)
def test_a_view_beyond_its_storage_is_refused(size, stride, said, tmp_path, monkeypatch):
    storage = Storage("FloatStorage", "0", np.arange(4, dtype="float32"))
    save_zip(tmp_path / "net.pth", {"a": View(storage, 0, size, stride)}, [storage], monkeypatch)
    with pytest.raises(ValueError, match=said):
        read_state_dict(tmp_path / "net.pth")


def test_damaged_and_foreign_files_are_told(tmp_path, monkeypatch):
    path = tmp_path / "net.pth"
    content, storages = views(ARRAYS)
    save_legacy(path, content, storages, monkeypatch)
    whole = path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="`path` must be a"):
            read_state_dict(path)
    path.write_bytes(pickle.dumps(5))
    with pytest.raises(ValueError, match=r"must be a file that `torch\.save` wrote"):
        read_state_dict(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("something.txt", "else")
    with pytest.raises(ValueError, match=r"a zip file without one data\.pkl"):
        read_state_dict(path)
    save_zip(path, content, storages, monkeypatch, byteorder=b"big")
    with pytest.raises(ValueError, match="little-endian"):
        read_state_dict(path)
    save_zip(path, content, storages[1:], monkeypatch)
    with pytest.raises(ValueError, match="must be a file of PyTorch's weights"):
        read_state_dict(path)
    save_zip(path, {"epoch": 3}, [], monkeypatch)
    with pytest.raises(ValueError, match=r"must hold tensors by name\. .*\['epoch'\]"):
        read_state_dict(path)
    with pytest.raises(ValueError, match=r"`key` must be one of \['epoch'\]"):
        read_state_dict(path, "weights")
    save_zip(path, [1, 2], [], monkeypatch)
    with pytest.raises(ValueError, match="must hold a dictionary of tensors"):
        read_state_dict(path)


def small_model() -> Any:
    inputs = keras.Input((5, 6, 4))
    x = layers.Conv2D(3, (3, 2), name="conv")(inputs)
    x = layers.DepthwiseConv2D(2, depth_multiplier=2, name="deep", use_bias=False)(x)
    x = layers.Conv2DTranspose(5, (2, 3), name="up")(x)
    x = keras.layers.BatchNormalization(name="norm")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="fc")(x))


SHAPES = {
    "conv.kernel": (3, 4, 3, 2),
    "conv.bias": (3,),
    "deep.kernel": (6, 1, 2, 2),
    "up.kernel": (6, 5, 2, 3),
    "up.bias": (5,),
    **{f"norm.{name}": (5,) for name in ("gamma", "beta", "moving_mean", "moving_variance")},
    "fc.kernel": (2, 5),
    "fc.bias": (2,),
}


def of_shapes(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(0)
    return {name: draw.standard_normal(shape).astype("float32") for name, shape in shapes.items()}


def test_layouts_are_turned():
    model, arrays = small_model(), of_shapes(SHAPES)
    report = import_weights(model, arrays)
    assert len(report.imported) == len(model.weights) == len(arrays)
    assert {row.difference for row in report.rows} == {0.0}
    kernels = {weight.path: np.array(keras.ops.convert_to_numpy(weight)) for weight in model.weights}
    assert kernels["conv/kernel"][2, 1, 3, 0] == arrays["conv.kernel"][0, 3, 2, 1]
    assert kernels["deep/kernel"][1, 0, 2, 1] == arrays["deep.kernel"][5, 0, 1, 0]
    assert kernels["up/kernel"][1, 2, 4, 5] == arrays["up.kernel"][5, 4, 1, 2]
    assert kernels["fc/kernel"][4, 1] == arrays["fc.kernel"][1, 4]
    np.testing.assert_array_equal(kernels["norm/moving_variance"], arrays["norm.moving_variance"])


def test_linear_layers_and_convolutions_of_one_tap_are_the_same():
    model = small_model()
    arrays = of_shapes(SHAPES | {"fc.kernel": (2, 5, 1, 1), "conv.kernel": (3, 4 * 3 * 2)})
    import_weights(model, arrays)
    kernels = {weight.path: np.array(keras.ops.convert_to_numpy(weight)) for weight in model.weights}
    np.testing.assert_array_equal(kernels["fc/kernel"], arrays["fc.kernel"][:, :, 0, 0].T)
    assert kernels["conv/kernel"][2, 1, 3, 0] == arrays["conv.kernel"].reshape(3, 4, 3, 2)[0, 3, 2, 1]


def test_the_report_says_what_does_not_fit_and_the_model_stays():
    model = small_model()
    before = model.get_weights()
    arrays = of_shapes(SHAPES | {"fc.kernel": (3, 5), "extra": (1,), "norm.num_batches_tracked": ()})
    del arrays["up.bias"]

    def names(path: str) -> str | None:
        return None if path == "conv/bias" else path.replace("/", ".")

    with pytest.raises(ValueError, match=r"(?s)`source` must have every weight.*missing: up/bias \(5,\), called up.bias.*"):
        import_weights(model, arrays, names)
    for now, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, old)
    report = import_weights(model, arrays, names, strict=False)
    assert [row.path for row in report.missing] == ["up/bias"]
    assert [(row.path, row.found) for row in report.mismatched] == [("fc/kernel", (3, 5))]
    assert [row.path for row in report.left] == ["conv/bias"]
    assert report.unexpected == ("conv.bias", "extra")
    assert len(report.imported) == len(model.weights) - 3
    assert str(report).splitlines()[0] == (
        "8 of 11 weights found in their shape, 1 missing, 1 of another shape, 1 left alone, 2 unexpected"
    )


def test_names_may_be_a_dictionary():
    model, arrays = small_model(), of_shapes(SHAPES)
    names = {weight.path: f"net.{i}" for i, weight in enumerate(model.weights)}
    renamed = {names[path.replace(".", "/")]: array for path, array in arrays.items()}
    assert len(import_weights(model, renamed, names).imported) == len(arrays)


def test_half_precision_makes_a_difference_that_is_reported():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, keras.layers.Dense(2, name="fc", dtype=keras.DTypePolicy("float16"))(inputs))
    report = import_weights(model, {"fc.kernel": np.full((2, 3), 1 / 3), "fc.bias": np.zeros(2)})
    assert 0 < report.rows[0].difference < 1e-3
    assert report.rows[1].difference == 0


def test_parity_is_measured_layer_by_layer():
    model, x = small_model(), np.random.default_rng(0).standard_normal((2, 5, 6, 4)).astype("float32")
    conv = np.asarray(keras.ops.convert_to_numpy(keras.Model(model.input, model.get_layer("conv").output)(x)))
    out = np.asarray(keras.ops.convert_to_numpy(model(x)))
    rows = parity(model, x, {"fc": out + 0.5, "conv": np.moveaxis(conv, -1, 1)})
    assert [row.layer for row in rows] == ["conv", "fc"]
    assert rows[0].difference == 0
    assert rows[1].difference == pytest.approx(0.5)
    with pytest.raises(ValueError, match=r"names of layers of the model\. Received: \['conv9'\]"):
        parity(model, x, {"conv9": out})
    with pytest.raises(ValueError, match=r"Received: 'conv' of shape \(2, 5, 3, 3\)"):
        parity(model, x, {"conv": conv})


@pytest.mark.parametrize(
    ("make", "names"),
    [
        (lambda: DeepLabV3("resnet_50", output_stride=8, auxiliary=True), torch_names.deeplab_v3),
        (lambda: ResNet("resnet_18"), torch_names.resnet),
        (lambda: DRN("a_50"), torch_names.resnet),
        (lambda: DRN("c_58"), torch_names.resnet),
        (lambda: DRN("d_22"), torch_names.drn_d),
    ],
)
def test_every_weight_of_a_built_in_network_has_a_name_of_its_own(make, names):
    paths = [weight.path for weight in make().weights]
    found = [names(path) for path in paths]
    assert None not in found
    assert len(set(found)) == len(paths)


def test_other_weights_have_no_name():
    assert torch_names.resnet("decoder1/conv/kernel") is None
    assert torch_names.deeplab_v3("decoder1/conv/kernel") is None


# Against PyTorch itself: networks as torchvision and the reference implementation have them, re-stated.


@pytest.fixture
def torch() -> Any:
    return pytest.importorskip("torch", reason="compares with PyTorch, which isn't installed here")


def unit(torch: Any, c: int, d: int, k: int, stride: int = 1, rate: int = 1) -> list[Any]:
    nn = torch.nn
    conv = nn.Conv2d(c, d, k, stride, rate * (k // 2), rate, bias=False)
    return [conv, nn.BatchNorm2d(d), nn.ReLU()]


def torch_block(
    torch: Any, c: int, d: int, stride: int, rates: tuple[int, int], bottleneck: bool, residual: bool = True
) -> Any:
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.out = 4 * d if bottleneck else d
            window = (stride, rates[0])
            plan = [(c, d, 1, 1, 1), (d, d, 3, *window), (d, 4 * d, 1, 1, 1)] if bottleneck else [(c, d, 3, *window)]
            plan = plan if bottleneck else [*plan, (d, d, 3, 1, rates[1])]
            self.count = len(plan)
            for i, arguments in enumerate(plan, 1):
                conv, norm, _ = unit(torch, *arguments)
                setattr(self, f"conv{i}", conv)
                setattr(self, f"bn{i}", norm)
            if stride > 1 or c != self.out:
                self.downsample = nn.Sequential(nn.Conv2d(c, self.out, 1, stride, bias=False), nn.BatchNorm2d(self.out))

        def forward(self, x: Any) -> Any:
            y = x
            for i in range(1, self.count + 1):
                y = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(y))
                y = y if i == self.count else y.relu()
            if residual:
                y = y + (self.downsample(x) if hasattr(self, "downsample") else x)
            return y.relu()

    return Block()


def torch_stage(
    torch: Any, c: int, d: int, count: int, stride: int, first: int, rate: int, bottleneck: bool, **more: Any
) -> Any:
    blocks = [torch_block(torch, c, d, stride, (first, rate), bottleneck, **more)]
    blocks += [torch_block(torch, blocks[0].out, d, 1, (rate, rate), bottleneck, **more) for _ in range(count - 1)]
    return torch.nn.Sequential(*blocks)


def torch_deeplab(torch: Any) -> Any:
    nn = torch.nn

    class Backbone(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1, _ = unit(torch, 3, 64, 7, 2)
            self.layer1 = torch_stage(torch, 64, 64, 3, 1, 1, 1, True)
            self.layer2 = torch_stage(torch, 256, 128, 4, 2, 1, 1, True)
            self.layer3 = torch_stage(torch, 512, 256, 6, 1, 1, 2, True)
            self.layer4 = torch_stage(torch, 1024, 512, 3, 1, 2, 4, True)

        def forward(self, x: Any) -> Any:
            x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
            middle = self.layer3(self.layer2(self.layer1(x)))
            return middle, self.layer4(middle)

    class Pyramid(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            branches = [nn.Sequential(*unit(torch, 2048, 256, 1))]
            branches += [nn.Sequential(*unit(torch, 2048, 256, 3, 1, rate)) for rate in (12, 24, 36)]
            branches += [nn.Sequential(nn.AdaptiveAvgPool2d(1), *unit(torch, 2048, 256, 1))]
            self.convs = nn.ModuleList(branches)
            self.project = nn.Sequential(*unit(torch, 5 * 256, 256, 1), nn.Dropout(0.5))

        def forward(self, x: Any) -> Any:
            maps = [branch(x) for branch in self.convs]
            maps[-1] = nn.functional.interpolate(maps[-1], x.shape[2:], mode="bilinear", align_corners=False)
            return self.project(torch.cat(maps, 1))

    class DeepLab(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = Backbone()
            self.classifier = nn.Sequential(Pyramid(), *unit(torch, 256, 256, 3), nn.Conv2d(256, 21, 1))
            self.aux_classifier = nn.Sequential(*unit(torch, 1024, 256, 3), nn.Dropout(0.1), nn.Conv2d(256, 21, 1))

        def forward(self, x: Any) -> Any:
            middle, last = self.backbone(x)
            maps = {"auxiliary_scores": self.aux_classifier(middle), "scores": self.classifier(last)}
            logits = {
                name.replace("scores", "logits"): nn.functional.interpolate(
                    each, x.shape[2:], mode="bilinear", align_corners=False
                )
                for name, each in maps.items()
            }
            return {"stage3": middle, "stage4": last, **maps, **logits}

    return DeepLab()


def torch_drn(torch: Any, kind: str, channels: tuple[int, ...], blocks: tuple[int, ...], bottleneck: bool) -> Any:
    nn = torch.nn

    class DRNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.names, c = [], channels[0]
            if kind == "c":
                self.conv1, self.bn1, _ = unit(torch, 3, c, 7)
            else:
                self.layer0 = nn.Sequential(*unit(torch, 3, c, 7))
            window = zip((1, 2, 2, 2, 1, 1, 1, 1), (1, 1, 1, 1, 2, 4, 2, 1), strict=True)
            for i, (d, count, (stride, rate)) in enumerate(zip(channels, blocks, window, strict=True), 1):
                if 3 <= i <= 6:
                    stage = torch_stage(torch, c, d, count, stride, rate, rate, bottleneck)
                    d = 4 * d if bottleneck else d
                elif kind == "c":
                    stage = torch_stage(torch, c, d, count, stride, rate, rate, False, residual=i < 3)
                else:
                    units = [unit(torch, d if j else c, d, 3, 1 if j else stride, rate) for j in range(count)]
                    stage = nn.Sequential(*[layer for each in units for layer in each])
                setattr(self, f"layer{i}", stage)
                c = d
            self.fc = nn.Conv2d(c, 5, 1)

        def forward(self, x: Any) -> Any:
            x = self.bn1(self.conv1(x)).relu() if kind == "c" else self.layer0(x)
            found = {}
            for i in range(1, 9):
                x = found[f"stage{i}"] = getattr(self, f"layer{i}")(x)
            return {**found, "outputs": self.fc(x.mean((2, 3), keepdim=True)).flatten(1)}

    return DRNet()


def prepared(torch: Any, network: Any) -> Any:
    """In evaluation, with statistics and factors as after some training."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def check_parity(torch: Any, network: Any, model: Any, names: Any, path: Any, size: tuple[int, int], **save: Any) -> None:
    torch.save(network.state_dict(), path, **save)
    report = import_weights(model, path, names)
    assert len(report.imported) == len(model.weights) - sum("seed" in weight.path for weight in model.weights)
    assert report.unexpected == ()
    assert max(row.difference for row in report.rows) == 0
    x = np.random.default_rng(0).standard_normal((1, *size, 3)).astype("float32")
    with torch.no_grad():
        reference = {name: each.numpy() for name, each in network(torch.from_numpy(np.moveaxis(x, -1, 1).copy())).items()}
    for row in parity(model, x, reference):
        assert row.difference <= 1e-4 * row.largest, row


def test_deeplab_computes_what_torchvision_does(torch, tmp_path):
    network = prepared(torch, torch_deeplab(torch))
    assert sum(weight.numel() for weight in network.parameters()) == 42_004_074
    with pytest.warns(UserWarning, match="`rates` should be below the size of the map"):
        model = DeepLabV3("resnet_50", 21, (65, 81, 3), output_stride=8, auxiliary=True)
    check_parity(torch, network, model, torch_names.deeplab_v3, tmp_path / "deeplab.pth", (65, 81))


@pytest.mark.parametrize(("variant", "legacy"), [("c_26", False), ("c_58", True), ("d_22", True), ("d_54", False)])
def test_drn_computes_what_the_reference_does(torch, variant, legacy, tmp_path):
    channels, bottleneck = (4, 4, 6, 6, 8, 8, 10, 12), variant in ("c_58", "d_54")
    blocks = (1, 1, 3, 4, 6, 3, 1, 1) if bottleneck else (1, 1, 2, 2, 2, 2, 1, 1)
    network = prepared(torch, torch_drn(torch, variant[0], channels, blocks, bottleneck))
    model = DRN(variant, 5, (50, 43, 3), channels, activation=None)
    names = torch_names.drn_d if variant[0] == "d" else torch_names.resnet
    path = tmp_path / "drn.pth"
    check_parity(torch, network, model, names, path, (50, 43), _use_new_zipfile_serialization=not legacy)

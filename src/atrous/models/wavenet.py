"""WaveNet: a causal stack of gated dilated blocks that predicts each sample of a signal from those before it.

Step t of the output sees the samples up to t and says what sample t + 1 is: fit inputs `x[:, :-1]` to targets `x[:, 1:]`.

Sources: van den Oord et al. 2016, "WaveNet: A Generative Model for Raw Audio" (arXiv 1609.03499); for mixtures of logistics
Salimans et al. 2017, "PixelCNN++" (arXiv 1701.05517), and van den Oord et al. 2018, "Parallel WaveNet" (arXiv 1711.10433).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import keras
from keras import layers, ops

from atrous import schedules
from atrous.blocks.temporal import check_causal
from atrous.blocks.unit import parse_rates, register
from atrous.blocks.wavenet import WaveNetBlock
from atrous.layers import Conv1D, Conv1DTranspose
from atrous.spec import parse_integer

HEADS = ("categorical", "logistics", "regression")
UPSAMPLINGS = ("transposed", "repeat")
LEAST_LOG_SCALE = -14.0
"""Of a logistic: some 40 times narrower than one of 65,536 levels; narrower ones would only overflow."""


def WaveNet(  # noqa: N802
    input_shape: Sequence[int | None] | None = None,
    classes: int = 256,
    head: Literal["categorical", "logistics", "regression"] = "categorical",
    rates: Sequence[int] = schedules.powers_of_two(10),
    stacks: int = 1,
    filters: int = 32,
    gate_filters: int | None = None,
    skip_filters: int = 256,
    kernel_size: int = 2,
    input_kernel_size: int = 1,
    mixtures: int = 10,
    global_channels: int | None = None,
    global_classes: int | None = None,
    local_channels: int | None = None,
    upsampling: int | Sequence[int] = 1,
    upsample: Literal["transposed", "repeat"] = "transposed",
    padding: str = "causal",
    activation: Any = None,
    weights: str | Path | None = None,
    dtype: Any = None,
    name: str = "wavenet",
) -> keras.Model:
    """WaveNet: causal first layer → a `WaveNetBlock` a rate → sum of their skips → ReLU → 1×1 → ReLU → 1×1.

    Takes codes `(batch, time)`, which are embedded, or `(batch, time, channels)`: samples, or codes one-hot. Returns logits of
    the next code, `(batch, time, classes)`; or what the head says. A stack at rates 1, 2, …, 512 sees 1,024 samples. Layers are
    `embedding`, `causal`, `block1`, `block2`, …, `skips` (their sum), `post` and `outputs`.

    With conditions the model has inputs `[inputs, global, local]`, of which `global` and `local` are there where asked for.

    Args:
        input_shape: `(time,)` for codes, `(time, channels)` for samples; time may be `None`. By default `(None,)` with
            `head="categorical"`, else `(None, 1)`.
        classes: Number of codes, as of `mu_law_encode`.
        head: `"categorical"`: logits of the next code. `"logistics"`: a mixture of logistics, `(batch, time, 3·mixtures)`, for
            `logistic_mixture_loss`. `"regression"`: the next sample itself, `(batch, time, channels)`.
        rates: Dilation rate of each block in a stack.
        stacks: How often the rates are repeated.
        filters: Channels between blocks.
        gate_filters: Channels inside a block; `filters` if `None`.
        skip_filters: Channels of the skips and of the layer behind their sum.
        kernel_size: Taps of the dilated convolutions.
        input_kernel_size: Taps of the first layer, a causal convolution. With one tap it leaves the field as the blocks make
            it, and for codes the embedding is that layer.
        mixtures: Number of logistics.
        global_channels: Length of the input `global`, `(batch, global_channels)`, which holds for all time; or, with
            `global_classes`, of its embedding, by default `filters`.
        global_classes: Number of classes, such as speakers; `global` is then a class, an integer, `(batch, 1)`.
        local_channels: Channels of the input `local`, `(batch, time / Π upsampling, local_channels)`.
        upsampling: Samples a step of `local`, as one factor or several, one behind another.
        upsample: `"transposed"` (learned, a `Conv1DTranspose` a factor, whose steps don't overlap) or `"repeat"`.
        padding: `"causal"`, and nothing else.
        activation: Of the output: `None` gives logits, parameters or values.
        weights: File of weights (`.weights.h5` or `.keras`), or `None`.
        dtype: Type or policy of the layers, such as `"mixed_bfloat16"`; the output is float32.
        name: Name of the model.

    Raises:
        ValueError: An argument breaks its rule.
    """
    check_causal(padding)
    if head not in HEADS:
        raise ValueError(f"`head` must be one of {', '.join(map(repr, HEADS))}. Received: head={head!r}.")
    shape = tuple(input_shape) if input_shape is not None else (None,) if head == "categorical" else (None, 1)
    if len(shape) not in (1, 2) or shape[1:] == (None,):
        raise ValueError(f"`input_shape` must be (time,) or (time, channels). Received: input_shape={input_shape!r}.")
    every_rate = parse_rates(rates) * parse_integer("stacks", stacks)
    codes = len(shape) == 1

    def conv(channels: int, kernel_size: int, **more: Any) -> Conv1D:
        return Conv1D(channels, kernel_size, padding="causal", data_format="channels_last", dtype=dtype, **more)

    x = inputs = keras.Input(shape, dtype="int32" if codes else None, name="inputs")
    if codes:
        x = layers.Embedding(parse_integer("classes", classes), filters, dtype=dtype, name="embedding")(x)
    if not codes or input_kernel_size > 1:
        x = conv(filters, input_kernel_size, name="causal")(x)
    given, conditions = _conditions(
        global_channels or (filters if global_classes else None), global_classes, local_channels, upsampling, upsample, dtype
    )
    skips = []
    for i, rate in enumerate(every_rate, 1):
        block = WaveNetBlock(
            filters,
            kernel_size,
            rate,
            gate_filters,
            skip_filters,
            residual=i < len(every_rate),  # nothing comes behind the last
            dtype=dtype,
            name=f"block{i}",
        )
        made = block([x, *conditions] if conditions else x)
        x, skip = made if i < len(every_rate) else (x, made)
        skips.append(skip)
    x = layers.Add(dtype=dtype, name="skips")(skips) if len(skips) > 1 else skips[0]
    x = layers.ReLU(dtype=dtype, name="skips_act")(x)
    x = conv(skip_filters, 1, activation="relu", name="post")(x)
    count: dict[str, int] = {
        "categorical": classes,
        "logistics": 3 * parse_integer("mixtures", mixtures),
        "regression": 1 if codes else shape[-1] or 1,
    }
    x = layers.Dense(count[head], activation=activation, dtype="float32", name="outputs")(x)  # 1×1
    model = keras.Model([inputs, *given] if given else inputs, x, name=name)
    if weights is not None:
        model.load_weights(weights)
    return model


def _conditions(
    global_channels: int | None,
    global_classes: int | None,
    local_channels: int | None,
    upsampling: int | Sequence[int],
    upsample: str,
    dtype: Any,
) -> tuple[list[Any], list[Any]]:
    """Inputs for the conditions, and what blocks are conditioned on: (batch, 1 or time, channels)."""
    given, made = [], []
    if global_classes is not None:
        given.append(keras.Input((1,), dtype="int32", name="global"))
        count = parse_integer("global_classes", global_classes)
        made.append(layers.Embedding(count, global_channels, dtype=dtype, name="global_embedding")(given[-1]))
    elif global_channels is not None:
        given.append(keras.Input((parse_integer("global_channels", global_channels),), name="global"))
        made.append(layers.Reshape((1, global_channels), dtype=dtype, name="global_step")(given[-1]))
    factors = (upsampling,) if isinstance(upsampling, int) else tuple(upsampling)
    if upsample not in UPSAMPLINGS:
        raise ValueError(f"`upsample` must be one of {', '.join(map(repr, UPSAMPLINGS))}. Received: upsample={upsample!r}.")
    if local_channels is not None:
        x = keras.Input((None, parse_integer("local_channels", local_channels)), name="local")
        given.append(x)
        for i, factor in enumerate(factors, 1):
            if parse_integer("upsampling", factor) > 1:
                x = _upsampler(local_channels, factor, upsample, dtype=dtype, name=f"upsample{i}")(x)
        made.append(x)
    return given, made


def _upsampler(channels: int, factor: int, upsample: str, **shared: Any) -> keras.layers.Layer:
    if upsample == "repeat":
        return layers.UpSampling1D(factor, **shared)
    return Conv1DTranspose(channels, factor, strides=factor, data_format="channels_last", **shared)


# ---- codes and mixtures ----------------------------------------------------------------------------------------------------


def mu_law_compress(samples: Any, classes: int = 256) -> Any:
    """Samples in −1 … 1 on the mu-law curve, sign(x)·ln(1 + μ|x|) / ln(1 + μ), μ = classes − 1; float32, in −1 … 1, too."""
    mu = classes - 1
    x = ops.clip(ops.cast(ops.convert_to_tensor(samples), "float32"), -1.0, 1.0)
    return ops.sign(x) * ops.log1p(mu * ops.abs(x)) / ops.log1p(ops.cast(mu, "float32"))


def mu_law_expand(compressed: Any, classes: int = 256) -> Any:
    """The inverse of `mu_law_compress`; float32."""
    mu = classes - 1
    y = ops.cast(ops.convert_to_tensor(compressed), "float32")
    return ops.sign(y) * ops.expm1(ops.abs(y) * ops.log1p(ops.cast(mu, "float32"))) / mu


def mu_law_encode(samples: Any, classes: int = 256) -> Any:
    """Codes 0 … classes − 1 of samples in −1 … 1, finer near 0: sign(x)·ln(1 + μ|x|) / ln(1 + μ), rounded, μ = classes − 1.

    Args:
        samples: Of any shape; those beyond −1 … 1 are clipped.
        classes: Number of codes, 256 in ITU-T G.711 and in the paper (section 2.2).

    Returns:
        int32, of the same shape.
    """
    compressed = mu_law_compress(samples, classes)
    return ops.cast(ops.floor((compressed + 1) / 2 * (classes - 1) + 0.5), "int32")


def mu_law_decode(codes: Any, classes: int = 256) -> Any:
    """Samples in −1 … 1 of codes 0 … classes − 1, the inverse of `mu_law_encode`; float32, of the same shape."""
    return mu_law_expand(2 * ops.cast(ops.convert_to_tensor(codes), "float32") / (classes - 1) - 1, classes)


@register  # type: ignore[untyped-decorator]
def logistic_mixture_loss(y_true: Any, y_pred: Any, levels: int = 2**16) -> Any:
    """−ln of the probability that a mixture of logistics gives to the level that a sample was rounded to.

    A level is as wide as 2 / (levels − 1) and the outermost reach to infinity (PixelCNN++, equation 2). With a, b the ends of a
    level in units of the scale, σ(a) − σ(b) = σ(a)·σ(−b)·(1 − e^(b − a)), whose logarithm loses no digits.

    Args:
        y_true: Samples in −1 … 1, (batch, time, 1).
        y_pred: Logits of the weights, means, and logarithms of the scales, (batch, time, 3·mixtures), in this order.
        levels: Number of levels of a sample: 65,536 for 16 bits.

    Returns:
        In nats, (batch, time).
    """
    logits, means, log_scales = ops.split(ops.cast(y_pred, "float32"), 3, axis=-1)
    x = ops.cast(y_true, "float32")
    inverse = ops.exp(-ops.maximum(log_scales, LEAST_LOG_SCALE))
    half = 1 / (levels - 1)
    below_end = ops.log_sigmoid((x + half - means) * inverse)
    above_start = ops.log_sigmoid((means - x + half) * inverse)
    inside = below_end + above_start + ops.log(-ops.expm1(-2 * half * inverse))
    log_probability = ops.where(x < half - 1, below_end, ops.where(x > 1 - half, above_start, inside))
    return -ops.logsumexp(ops.log_softmax(logits, axis=-1) + log_probability, axis=-1)


def sample_categorical(logits: Any, temperature: float = 1.0, seed: Any = None) -> Any:
    """Draws codes.

    Args:
        logits: (…, classes).
        temperature: Divides the logits; below 1, likely codes become likelier.
        seed: An integer, a `keras.random.SeedGenerator`, or `None` for Keras's global one.

    Returns:
        int32, (…).
    """
    logits = ops.cast(logits, "float32")
    return _largest(logits / temperature, _uniform(ops.shape(logits), seed))


def sample_logistics(parameters: Any, seed: Any = None) -> Any:
    """Draws samples from mixtures of logistics.

    Args:
        parameters: As `logistic_mixture_loss` takes them, (…, 3·mixtures).
        seed: As for `sample_categorical`.

    Returns:
        In −1 … 1, float32, (…, 1): what the network takes next.
    """
    logits, means, log_scales = ops.split(ops.cast(parameters, "float32"), 3, axis=-1)
    *lead, mixtures = ops.shape(logits)
    u = _uniform((*lead, mixtures + 1), seed)
    chosen = ops.expand_dims(_largest(logits, u[..., 1:]), -1)
    mean, log_scale = (ops.take_along_axis(each, chosen, axis=-1) for each in (means, log_scales))
    spread = ops.log(u[..., :1]) - ops.log1p(-u[..., :1])
    return ops.clip(mean + ops.exp(ops.maximum(log_scale, LEAST_LOG_SCALE)) * spread, -1.0, 1.0)


def _uniform(shape: Any, seed: Any) -> Any:
    return keras.random.uniform(shape, 1e-7, 1.0, dtype="float32", seed=seed)


def _largest(logits: Any, u: Any) -> Any:
    """Draws by Gumbel noise: arg max of logits − ln(−ln u)."""
    return ops.cast(ops.argmax(logits - ops.log(-ops.log(u)), axis=-1), "int32")

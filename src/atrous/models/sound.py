"""WaveNet with what its sound is: whoever has the file has the sample rate, and the curve that samples are on."""

from __future__ import annotations

from typing import Any, Self

import keras

from atrous.blocks.unit import register
from atrous.models.wavenet import WaveNet
from atrous.spec import parse_integer


@register
class SoundWaveNet(keras.Model):
    """`WaveNet`, with the attributes `sample_rate` and `mu_law`, which are saved; `atrous generate` and `stream` take them.

    Args:
        sample_rate: In Hz.
        mu_law: Of a model that takes samples and says samples: number of mu-law codes, on whose curve they are
            (`atrous.models.wavenet.mu_law_compress`), so that what is quiet and what is loud has numbers of one size;
            `None`: they are as they are.
        **arguments: Of `WaveNet`, but for `weights`.

    Raises:
        ValueError: An argument breaks its rule.
    """

    def __init__(self, sample_rate: int, mu_law: int | None = None, **arguments: Any) -> None:
        rate = parse_integer("sample_rate", sample_rate)
        curve = None if mu_law is None else parse_integer("mu_law", mu_law, minimum=2)
        if arguments.get("dtype") is not None:
            arguments["dtype"] = keras.dtype_policies.get(arguments["dtype"]).name
        made = WaveNet(**arguments)
        inputs = made.inputs if len(made.inputs) > 1 else made.inputs[0]
        super().__init__(inputs, made.outputs[0], name=made.name)
        self.sample_rate, self.mu_law = rate, curve
        self._arguments = {name: list(value) if isinstance(value, tuple) else value for name, value in arguments.items()}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments."""
        return {**self._arguments, "sample_rate": self.sample_rate, "mu_law": self.mu_law, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """Builds the model again from `get_config`."""
        return cls(**config)

"""The same networks in PyTorch, one step or block at a time, with a queue of past inputs in front of every dilated convolution.

Written as users of PyTorch write it: modules, `torch.cat` of the queue and what is new, `Conv1d` on it.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import torch
from torch import nn


class Queue(nn.Module):
    """A causal convolution that keeps the (k − 1)·rate inputs before the next one."""

    def __init__(self, layer: Any, batch: int) -> None:
        super().__init__()
        kernel = np.asarray(keras.ops.convert_to_numpy(layer.kernel))
        taps, channels, filters = kernel.shape
        self.conv = nn.Conv1d(channels, filters, taps, dilation=layer.dilation_rate[0], bias=layer.bias is not None)
        self.conv.weight.data = torch.from_numpy(np.ascontiguousarray(kernel.transpose(2, 1, 0)))
        if layer.bias is not None:
            self.conv.bias.data = torch.from_numpy(np.array(keras.ops.convert_to_numpy(layer.bias)))
        self.span = (taps - 1) * layer.dilation_rate[0]
        self.past = torch.zeros(batch, channels, self.span)

    def forward(self, x: Any) -> Any:
        if not self.span:
            return self.conv(x)
        x = torch.cat([self.past, x], dim=-1)
        self.past = x[..., -self.span :]
        return self.conv(x)


class WaveNet(nn.Module):
    def __init__(self, model: keras.Model, batch: int) -> None:
        super().__init__()
        self.embedding = torch.from_numpy(np.array(keras.ops.convert_to_numpy(model.get_layer("embedding").embeddings)))
        count = sum(layer.name.startswith("block") for layer in model.layers)
        blocks = [model.get_layer(f"block{i}") for i in range(1, count + 1)]
        self.filters = nn.ModuleList(Queue(block.filter, batch) for block in blocks)
        self.gates = nn.ModuleList(Queue(block.gate, batch) for block in blocks)
        self.residuals = nn.ModuleList(Queue(block.residual, batch) for block in blocks[:-1])
        self.skips = nn.ModuleList(Queue(block.skip, batch) for block in blocks)
        self.post = Queue(model.get_layer("post"), batch)
        head = model.get_layer("outputs")
        self.head = nn.Linear(*head.kernel.shape)
        self.head.weight.data = torch.from_numpy(np.array(keras.ops.convert_to_numpy(head.kernel)).T.copy())
        self.head.bias.data = torch.from_numpy(np.array(keras.ops.convert_to_numpy(head.bias)))

    def forward(self, codes: Any) -> Any:
        x = self.embedding[codes].transpose(1, 2)
        total: Any = 0
        for i, (to_filter, to_gate, to_skip) in enumerate(zip(self.filters, self.gates, self.skips, strict=True)):
            z = torch.tanh(to_filter(x)) * torch.sigmoid(to_gate(x))
            total = total + to_skip(z)
            if i < len(self.residuals):
                x = x + self.residuals[i](z)
        return self.head(torch.relu(self.post(torch.relu(total))).transpose(1, 2))


class Amplifier(nn.Module):
    def __init__(self, model: keras.Model, batch: int) -> None:
        super().__init__()
        self.parts = nn.ModuleDict(
            {layer.name: Queue(layer, batch) for layer in model.layers if isinstance(layer, keras.layers.Conv1D)}
        )

    def forward(self, samples: Any) -> Any:
        condition = x = samples.transpose(1, 2)
        head: Any = 0
        for stack in (1, 2):
            x = self.parts[f"rechannel{stack}"](x)
            for i in range(1, 11):
                name = f"stack{stack}_layer{i}"
                z = torch.tanh(self.parts[f"{name}_conv"](x) + self.parts[f"{name}_condition"](condition))
                head = head + z
                if f"{name}_residual" in self.parts:
                    x = x + self.parts[f"{name}_residual"](z)
            head = self.parts[f"head{stack}"](head)
        return head.transpose(1, 2)


def stepper(network: nn.Module) -> Any:
    """A function of a NumPy block that returns a NumPy block."""
    torch.set_num_threads(1)

    def step(block: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(block)).numpy()

    return step

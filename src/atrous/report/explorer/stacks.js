// Known stacks, and a stack as text. A stack is {dimensions, size, channels, causal, layers}.
const stacks = (() => {
  const conv = (kernel, rate = 1, filters = 32, stride = 1) => ({ kind: "conv", kernel, rate, stride, filters });
  const rates = (kernel, every, filters) => every.map((rate) => conv(kernel, rate, filters));
  const twice = (every) => every.flatMap((each) => [each, each]);
  const doubling = (count) => Array.from({ length: count }, (_, i) => 2 ** i);
  const image = (layers) => ({ dimensions: 2, size: 64, channels: 3, causal: false, layers });
  const sequence = (size, channels, causal, layers) => ({ dimensions: 1, size, channels, causal, layers });
  const PRESETS = {
    "Plain 3×3": image(rates(3, [1, 1, 1, 1, 1])),
    "Rates 2, 2, 2": image(rates(3, [2, 2, 2])), // Wang et al. 2018, arXiv 1702.08502, figure 2
    "Rates 1, 2, 5": image(rates(3, [1, 2, 5])), // the same, its hybrid
    // Yu, Koltun 2016, arXiv 1511.07122, table 1, on the scores of 21 classes
    "Context module": { ...image([...rates(3, [1, 1, 2, 4, 8, 16, 1], 21), conv(1, 1, 21)]), channels: 21 },
    // van den Oord et al. 2016, arXiv 1609.03499, section 2.1
    "WaveNet 1…512": sequence(16000, 1, true, rates(2, doubling(10))),
    TCN: sequence(256, 1, true, rates(3, twice(doubling(5)), 25)), // Bai, Kolter, Koltun 2018, arXiv 1803.01271: two a block
    // Jaganathan et al. 2019, doi 10.1016/j.cell.2018.12.015: sixteen blocks of two layers
    "SpliceAI-10k": sequence(15000, 4, false, [
      ...rates(11, Array(8).fill(1)),
      ...rates(11, Array(8).fill(4)),
      ...rates(21, Array(8).fill(10)),
      ...rates(41, Array(8).fill(25)),
    ]),
  };

  /** As it stands behind the # of the address: explore=2d,64,3;3c32,3r2c32,p2s2. */
  function write({ dimensions, size, channels, causal, layers }) {
    const words = layers.map(({ kind, kernel, rate, stride, filters }) =>
      [
        { conv: "", depthwise: "d", pool: "p" }[kind] + kernel,
        rate > 1 ? `r${rate}` : "",
        stride > 1 ? `s${stride}` : "",
        kind === "conv" ? `c${filters}` : "",
      ].join(""),
    );
    return `explore=${dimensions}d${causal ? "-causal" : ""},${size},${channels};${words.join(",")}`;
  }

  /** The stack of an address; null if there is none, or one beyond the limits. */
  function read(address, limits, mostLayers) {
    const [, dimensions, causal, size, channels, words] = /^#?explore=([12])d(-causal)?,(\d+),(\d+);(.*)$/.exec(address) ?? [];
    if (!dimensions) return null;
    const layers = words
      .split(",")
      .filter(Boolean)
      .map((word) => {
        const [, kind, kernel, rate, stride, filters] = /^([dp]?)(\d+)(?:r(\d+))?(?:s(\d+))?(?:c(\d+))?$/.exec(word) ?? [];
        return {
          kind: { d: "depthwise", p: "pool", "": "conv" }[kind],
          kernel: +kernel,
          rate: +(rate ?? 1),
          stride: +(stride ?? 1),
          filters: +(filters ?? 32),
        };
      });
    const stack = {
      dimensions: +dimensions,
      size: +size,
      channels: +channels,
      causal: Boolean(causal) && dimensions === "1",
      layers,
    };
    return allowed(stack, limits) && layers.length <= mostLayers ? stack : null;
  }

  function allowed({ size, channels, layers }, limits) {
    const fine = (name, value) => Number.isInteger(value) && value >= 1 && value <= limits[name];
    const row = (layer) => layer.kind && ["kernel", "rate", "stride", "filters"].every((name) => fine(name, layer[name]));
    return fine("size", size) && fine("channels", channels) && layers.every(row);
  }

  return { PRESETS, conv, read, write };
})();

// The arithmetic of the explorer: what `atrous.field` computes along one axis, and what a stack costs. Touches no page.
// A layer is {kind: "conv" | "depthwise" | "pool", kernel, rate, stride, filters}.
const arithmetic = (() => {
  const WIDEST = 2 ** 20; // positions of a field that is still counted
  const MOST_WORK = 2 ** 28; // additions, about a quarter of a second
  const LARGE = 2 ** 900; // counts are scaled down from here on, so that they never overflow
  const STEP = 600; // powers of two taken out at once
  const TINY = 2 ** -1000; // and never fall to zero, which means "not seen"

  /** Size and stride of the field behind each layer. */
  function fields(layers) {
    let [size, stride] = [1, 1];
    return layers.map((layer) => {
      size += (layer.kernel - 1) * layer.rate * stride;
      stride *= layer.stride;
      return { size, stride };
    });
  }

  /** Paths from each position of the field to one output: counts · 2^exponent. Null if they are too many to count. */
  function paths(layers) {
    const sizes = fields(layers);
    const work = layers.reduce((sum, layer, i) => sum + layer.kernel * sizes[i].size, 0);
    if (!(work <= MOST_WORK && (sizes.at(-1)?.size ?? 1) <= WIDEST)) return null;
    let [counts, exponent, jump] = [Float64Array.of(1), 0, 1];
    layers.forEach(({ kernel, rate, stride }, i) => {
      const next = new Float64Array(sizes[i].size);
      for (let tap = 0; tap < kernel; tap++) {
        const first = tap * rate * jump;
        for (let at = 0; at < counts.length; at++) next[first + at] += counts[at];
      }
      if (largest(next) >= LARGE) {
        exponent += STEP;
        for (let at = 0; at < next.length; at++) if (next[at] > 0) next[at] = Math.max(next[at] * 2 ** -STEP, TINY);
      }
      counts = next;
      jump *= stride;
    });
    return { counts, exponent };
  }

  function largest(counts) {
    let most = 0;
    for (const count of counts) if (count > most) most = count;
    return most;
  }

  /** Positions of the field that no path reaches. */
  function missed(counts) {
    const found = [];
    counts.forEach((count, position) => count === 0 && found.push(position));
    return found;
  }

  /** (TV − U) / 2A: variation of the counts beyond that of a single rise and fall; 0 is smooth, 1 a comb. */
  function unevenness(counts) {
    if (counts.length < 2) return 0;
    const most = largest(counts);
    let [variation, means] = [0, 0];
    for (let i = 1; i < counts.length; i++) {
      variation += Math.abs(counts[i] / most - counts[i - 1] / most);
      means += (counts[i] / most + counts[i - 1] / most) / 2;
    }
    const least = 2 - counts[0] / most - counts.at(-1) / most;
    return Math.max(variation - least, 0) / (2 * means);
  }

  /** All that is told of a stack's field; `counts` and what follows from them is null where the field is too wide. */
  function measure(layers) {
    const rows = fields(layers);
    const { size, stride } = rows.at(-1) ?? { size: 1, stride: 1 };
    const found = paths(layers);
    if (!found) return { rows, size, stride, counts: null, exponent: 0, missed: null, gridding: null, unevenness: null };
    const holes = missed(found.counts);
    const gridding = holes.length / found.counts.length;
    return { rows, size, stride, ...found, missed: holes, gridding, unevenness: unevenness(found.counts) };
  }

  /** Zeros in front of a map of n positions, as Keras pads: all of them for causal layers, else the smaller half. */
  function before({ kernel, rate, stride }, n, causal) {
    const span = (kernel - 1) * rate + 1;
    if (causal) return span - 1;
    return Math.floor(Math.max((Math.ceil(n / stride) - 1) * stride + span - n, 0) / 2);
  }

  /** How many taps of a kernel, along one axis, ever meet a map of n positions; the others see nothing but padding. */
  function liveTaps(layer, n, causal) {
    const [zeros, outputs] = [before(layer, n, causal), Math.ceil(n / layer.stride)];
    let live = 0;
    for (let tap = 0; tap < layer.kernel; tap++) {
      const reach = tap * layer.rate - zeros;
      const output = Math.max(0, Math.ceil(-reach / layer.stride)); // the first that doesn't fall in front of the map
      if (output < outputs && output * layer.stride + reach < n) live++;
    }
    return live;
  }

  /** Map sizes, parameters (with biases) and multiply-adds (on padding, too) of each layer, with padding "same" or "causal". */
  function cost({ layers, dimensions, size, channels, causal }) {
    let [n, depth] = [size, channels];
    return layers.map((layer) => {
      const outputs = Math.ceil(n / layer.stride);
      const taps = layer.kernel ** dimensions;
      const row = { before: n, after: outputs, live: liveTaps(layer, n, causal), parameters: 0, macs: 0 };
      if (layer.kind !== "pool") {
        const out = layer.kind === "conv" ? layer.filters : depth;
        const weights = taps * (layer.kind === "conv" ? depth * out : depth);
        Object.assign(row, { parameters: weights + out, macs: outputs ** dimensions * weights });
        depth = out;
      }
      n = outputs;
      return row;
    });
  }

  return { measure, fields, liveTaps, cost };
})();

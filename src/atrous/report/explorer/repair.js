// Rates without holes for a stack that has some. Layers read their input in steps of their rate times the strides before them. In
// ascending order, steps leave no hole if and only if each is at most the field of those before it (see `atrous.schedules`).
const repair = (() => {
  const SEARCH = 1e6; // additions spent on comparing rates

  /** Rates that leave no hole, as near as possible to the stack's own; null if no rates do. */
  function repair(layers) {
    const places = layers.map((_, i) => i).filter((i) => layers[i].kernel > 1);
    const jumps = [1, ...arithmetic.fields(layers).map((row) => row.stride)];
    const plain = (i) => jumps[i] === 1 && layers[i].kernel === layers[0].kernel && layers[i].kind !== "pool";
    const alike = places.length === layers.length && places.every(plain);
    const step = (i) => layers[i].rate * jumps[i];
    return (
      (alike &&
        best(
          layers.map((layer) => layer.rate),
          layers[0].kernel,
        )) ||
      lowered(
        layers,
        [...places].sort((a, b) => step(a) - step(b) || a - b),
        jumps,
      ) ||
      lowered(
        layers,
        [...places].sort((a, b) => jumps[a] - jumps[b] || step(a) - step(b)),
        jumps,
      ) ||
      widest(layers, places, jumps)
    );
  }

  /** The same as `atrous.schedules.gridding_free`, while all rates that see the field can be compared; else null. */
  function best(rates, kernel) {
    const n = rates.length;
    const places = rates.map((_, i) => i).sort((a, b) => rates[a] - rates[b] || a - b);
    const field = Math.min(1 + (kernel - 1) * rates.reduce((sum, rate) => sum + rate, 0), kernel ** n);
    const most = Math.floor(SEARCH / (kernel * field));
    const candidates = [];
    for (const steps of ascending(n, field, kernel, [], 1)) if (candidates.push(steps) > most) return null;
    let [least, found] = [null, null];
    for (const steps of candidates) {
      const placed = [];
      places.forEach((place, i) => (placed[place] = steps[i]));
      const order = [n > 1 && secondDistance(placed) > kernel ? 1 : 0, roughness(placed, kernel), ...placed];
      if (!least || before(order, least)) [least, found] = [order, placed];
    }
    return found;
  }

  /** All n rates without holes that don't fall and see exactly `field` positions. */
  function* ascending(n, field, kernel, rates, reach) {
    const left = n - rates.length;
    if (!left) {
      if (reach === field) yield rates;
      return;
    }
    const most = Math.min(reach, Math.floor((field - reach) / ((kernel - 1) * left)));
    for (let rate = rates.at(-1) ?? 1; rate <= most; rate++) {
      const after = reach + (kernel - 1) * rate;
      if (after * kernel ** (left - 1) >= field) yield* ascending(n, field, kernel, [...rates, rate], after);
    }
  }

  /** M₂ of the hybrid-dilation rule (Wang et al. 2018, arXiv 1702.08502, eq. 2), which should be at most the kernel size. */
  function secondDistance(rates) {
    let distance = rates.at(-1);
    for (let i = rates.length - 2; i >= 1; i--) distance = Math.max(distance - 2 * rates[i], 2 * rates[i] - distance, rates[i]);
    return distance;
  }

  /** Total variation of the paths, from nothing to nothing. */
  function roughness(rates, kernel) {
    const { counts } = arithmetic.measure(rates.map((rate) => ({ kernel, rate, stride: 1 })));
    let [sum, last] = [counts.at(-1), 0];
    for (const count of counts) [sum, last] = [sum + Math.abs(count - last), count];
    return sum;
  }

  function before(a, b) {
    const at = a.findIndex((value, i) => value !== b[i]);
    return at >= 0 && a[at] < b[at];
  }

  /** Rates lowered to what those before them in order fill, then raised, last first, to win the field back. */
  function lowered(layers, order, jumps) {
    const rates = layers.map((layer) => layer.rate);
    const most = [];
    let [field, lost] = [1, 0];
    for (const i of order) {
      const growth = (layers[i].kernel - 1) * jumps[i]; // of the field, a unit of the rate
      most[i] = highest(layers[i], field, jumps[i]);
      if (!most[i]) return null;
      rates[i] = Math.min(rates[i], most[i]);
      field += growth * rates[i];
      lost += growth * (layers[i].rate - rates[i]);
    }
    for (const i of [...order].reverse()) {
      const growth = (layers[i].kernel - 1) * jumps[i];
      const more = Math.min(most[i] - rates[i], Math.floor(lost / growth));
      rates[i] += more;
      lost -= more * growth;
    }
    return rates;
  }

  /** The largest rates there are: where these leave holes, all do. */
  function widest(layers, places, jumps) {
    const rates = layers.map((layer) => layer.rate);
    let field = 1;
    for (const i of [...places].sort(
      (a, b) => jumps[a] - jumps[b] || (layers[b].kind === "pool") - (layers[a].kind === "pool"),
    )) {
      rates[i] = highest(layers[i], field, jumps[i]);
      if (!rates[i]) return null;
      field += (layers[i].kernel - 1) * jumps[i] * rates[i];
    }
    return rates;
  }

  /** The largest rate whose step leaves no hole behind a field; 0 if there is none. Pools have rate 1. */
  function highest(layer, field, jump) {
    const rate = Math.floor(field / jump);
    return layer.kind === "pool" ? Math.min(rate, 1) : rate;
  }

  return repair;
})();

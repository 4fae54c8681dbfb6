// What the explorer says: a stack, what is found of it (`arithmetic.measure`) and its costs in, text out.
const wording = (() => {
  const MOST_NAMED = 6; // layers in a sentence
  const MOST_RATES = 12; // on a button

  const whole = (number) => number.toLocaleString("en");
  const compact = Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
  const many = (count, word) => `${whole(count)} ${word}${count === 1 ? "" : "s"}`;
  const isImage = (stack) => stack.dimensions === 2;
  const lengths = (stack, length) => (isImage(stack) ? `${whole(length)} × ${whole(length)}` : whole(length));

  function short(number) {
    if (number < 1e6) return whole(number);
    return compact
      .format(number)
      .replace("B", "G")
      .replace(/[A-Z]$/, "\u00a0$&");
  }

  /** Never 0 or 100 for what isn't. */
  function percent(share) {
    if (share === 1 || share === 0) return `${100 * share}\u00a0%`;
    return `${Math.min(99.9, Math.max(0.1, 100 * share)).toFixed(1)}\u00a0%`;
  }

  function score(value) {
    if (value === null) return "–";
    return value === 0 ? "0" : value < 0.001 ? "< 0.001" : value.toFixed(3);
  }

  /** Name, value and note of each figure. */
  function facts(stack, found, costs) {
    const total = (name) => costs.reduce((sum, row) => sum + row[name], 0);
    const covered = found.counts && 1 - found.gridding;
    const pixels = isImage(stack) && found.counts;
    return [
      ["Receptive field", lengths(stack, found.size), `input ${lengths(stack, stack.size)}`],
      ["Total stride", whole(found.stride), costs.length ? `output ${lengths(stack, costs.at(-1).after)}` : ""],
      ["Covered", found.counts ? percent(covered) : "–", pixels ? `of pixels ${percent(covered ** 2)}` : "of the field"],
      ["Gridding", score(found.gridding), "0 is none"],
      ["Unevenness", score(found.unevenness), "0 is smooth"],
      ["Missed", found.counts ? whole(found.missed.length) : "–", `of ${whole(found.size)}${isImage(stack) ? " a side" : ""}`],
      ["Parameters", short(total("parameters")), "with biases"],
      ["Multiply-adds", short(total("macs")), "an example"],
    ];
  }

  /** What a layer costs, in parts, and what is wrong with it. */
  function row(stack, layer, price) {
    const [from, to] = [lengths(stack, price.before), lengths(stack, price.after)];
    const parts = [price.before === price.after ? `map ${to}` : `map ${from} → ${to}`];
    if (layer.kind !== "pool") parts.push(many(price.parameters, "parameter"), `${short(price.macs)} multiply-adds`);
    const dead = layer.kernel - price.live;
    const warning = dead ? `Rate too large for the map: ${dead} of ${many(layer.kernel, "tap")} see only padding.` : "";
    return { parts, warning };
  }

  /** Sentences on the whole stack as HTML; `fixed` are rates without holes, or null. */
  function verdict(stack, found, costs, fixed) {
    const words = [holes(stack, found, fixed)];
    if (found.size > stack.size) words.push("The field is larger than the input.");
    const dead = costs.flatMap((price, i) => (price.live < stack.layers[i].kernel ? [i + 1] : []));
    if (dead.length) {
      const named = [...dead.slice(0, MOST_NAMED), ...(dead.length > MOST_NAMED ? ["…"] : [])].join(", ");
      words.push(`<strong>Rate too large</strong> for the map in layer${dead.length > 1 ? "s" : ""} ${named}.`);
    }
    return { words: words.join(" "), isBad: Boolean(found.missed?.length || dead.length) };
  }

  function holes(stack, found, fixed) {
    if (!stack.layers.length) return "An empty stack sees one position.";
    if (!found.counts) return "The field is too wide to count its paths.";
    if (!found.missed.length) {
      return `<strong>No holes.</strong> Every ${isImage(stack) ? "pixel" : "position"} of the field reaches the output.`;
    }
    const pixels = isImage(stack) ? ` a side (${percent(1 - (1 - found.gridding) ** 2)} of its pixels)` : "";
    const count = `${whole(found.missed.length)} of ${whole(found.size)} positions${pixels}`;
    const hopeless = fixed ? "" : " No rates close the holes: a stride passes over them.";
    return `<strong>Gridding.</strong> ${count} never reach the output.${hopeless}`;
  }

  function fix(rates) {
    return `Use rates ${(rates.length > MOST_RATES ? [...rates.slice(0, MOST_RATES - 1), "…"] : rates).join(", ")}`;
  }

  function mistake(name, largest) {
    return `${name} must be a whole number from 1 to ${whole(largest)}. What is shown is the stack before.`;
  }

  function status(found, words) {
    return `Receptive field ${whole(found.size)}, stride ${whole(found.stride)}. ${words}`;
  }

  /** For those who don't see the drawings. */
  function described(found) {
    const reached = found.missed.length ? `${whole(found.missed.length)} are reached by none` : "all are reached";
    return `Number of paths from each of ${whole(found.size)} positions to one output; ${reached}.`;
  }

  function describedInTwo(found) {
    return `The same on the square, the product of rows and columns: ${percent((1 - found.gridding) ** 2)} of pixels are reached.`;
  }

  /** Captions as HTML. */
  function caption(stack, found, hasTree) {
    const missed = found.missed.length ? ' <span class="explore-swatch explore-swatch-hole"></span> where there are none' : "";
    const origin = stack.causal ? "the output's own backwards" : "the middle";
    const tree = hasTree ? " Above them, the units that the output is made of." : "";
    const axis = isImage(stack) ? ", along one axis," : "";
    const paths = `<span class="explore-swatch"></span> Paths from each position${axis} to one output${missed}.`;
    return `${paths} Positions count from ${origin}.${tree}`;
  }

  function captionInTwo(found) {
    return `The same in 2D: the fuller the colour, the more paths${found.missed.length ? "; × is none" : ""}.`;
  }

  function undrawn(found) {
    return `A field of ${whole(found.size)} positions is not drawn.`;
  }

  /** The stack as Python. */
  function code(stack) {
    const rank = `${stack.dimensions}D`;
    const line = ({ kind, kernel, rate, stride, filters }) => {
      if (kind === "pool") return `keras.layers.MaxPooling${rank}(${kernel}, strides=${stride}, padding="same")`;
      const steps = (stride > 1 ? `, strides=${stride}` : "") + (rate > 1 ? `, dilation_rate=${rate}` : "");
      const sizes = kind === "conv" ? `Conv${rank}(${filters}, ${kernel}` : `DepthwiseConv${rank}(${kernel}`;
      return `atrous.layers.${sizes}${steps}, padding="${stack.causal ? "causal" : "same"}")`;
    };
    const shape = [...Array(stack.dimensions).fill(stack.size), stack.channels].join(", ");
    const layers = [`keras.Input((${shape}))`, ...stack.layers.map(line)].map((each) => `    ${each},`);
    return ["import atrous", "import keras", "", "model = keras.Sequential([", ...layers, "])"].join("\n");
  }

  return {
    ...{ facts, row, verdict, fix, mistake, status, whole, code },
    ...{ described, describedInTwo, caption, captionInTwo, undrawn },
  };
})();

// The drawings of the explorer: numbers in, the text of an SVG out. Colours come from the page's CSS.
const drawing = (() => {
  const GUTTER = 46; // pixels left of the drawings, for names
  const TREE_STEP = 40; // pixels between layers
  const TREE_LAYERS = 9;
  const CELL = 30; // pixels of one position at most
  const HEAT = 81; // positions a side of a heat map at most
  const SHADES = 8;

  const round = (number) => Math.round(number * 100) / 100;
  const path = (kind, d) => (d ? `<path class="explore-${kind}" d="${d}"/>` : "");
  const text = (x, y, words, anchor = "middle") =>
    `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${words}</text>`;
  const cross = (x, y, r) =>
    `M${round(x - r)} ${round(y - r)}l${round(2 * r)} ${round(2 * r)}m0 ${round(-2 * r)}l${round(-2 * r)} ${round(2 * r)}`;
  const disc = (x, y, r) => `M${round(x - r)} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
  function svg(width, height, words, inside) {
    const size = `viewBox="0 0 ${round(width)} ${round(height)}" width="${round(width)}" height="${round(height)}"`;
    return `<svg ${size} role="img" aria-label="${words}">${inside}</svg>`;
  }

  /** Where positions stand: their width, and the left edge of the first. */
  function scale(size, width) {
    const room = width - 2 * GUTTER + 26;
    const cell = Math.min(room / size, CELL);
    return { cell, left: GUTTER + (room - cell * size) / 2 };
  }

  function count(number, exponent) {
    if (exponent || number >= 1e15)
      return `10<tspan class="explore-power">${Math.floor(Math.log10(number) + exponent * Math.log10(2))}</tspan>`;
    if (number < 1e4) return number.toLocaleString("en");
    return Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(number);
  }

  /** Paths to each position, below them what is never reached; above, if there is room, the tree of layers. */
  function coverage(layers, found, causal, width, words) {
    const { cell, left } = scale(found.size, width);
    const trunk = tree(layers, found, causal, cell, left);
    const top = trunk.height + 14;
    const height = 110;
    const bars = found.counts && profile(found, cell, left, top, height);
    const low = top + height + 12;
    const first = causal ? 1 - found.size : -Math.floor((found.size - 1) / 2);
    const names = [
      [0, first],
      [0.5, 0],
      [1, first + found.size - 1],
    ].filter(([at]) => at !== 0.5 || (!causal && found.size > 2));
    const axis = names.map(([at, name]) => {
      const x = at === 0.5 ? left + cell * (0.5 - first) : left + cell * (0.5 + at * (found.size - 1));
      return text(x, low + 20, name > 0 ? `+${name.toLocaleString("en")}` : name.toLocaleString("en").replace("-", "−"));
    });
    const single = found.size === 1 ? [text(left + cell / 2, low + 20, "0")] : axis;
    return svg(width, low + 28, words, trunk.inside + (bars ?? "") + single.join(""));
  }

  /** Bars, or their outline where they are narrow; a column of several positions has the highest of them. */
  function profile(found, cell, left, top, height) {
    const { counts, size } = found;
    const columns = cell >= 2 ? size : Math.min(size, Math.floor(size * cell));
    const wide = (size * cell) / columns;
    let most = 0;
    for (const each of counts) most = Math.max(most, each);
    const [bars, holes, strip] = [[], [], []];
    for (let column = 0; column < columns; column++) {
      const from = Math.floor((column * size) / columns);
      const to = Math.floor(((column + 1) * size) / columns);
      let [high, unseen] = [0, 0];
      for (let at = from; at < to; at++) {
        high = Math.max(high, counts[at]);
        if (counts[at] === 0) unseen++;
      }
      bars.push(high && Math.max((high / most) * height, 1));
      holes.push(high ? 0 : height);
      strip.push((8 * unseen) / (to - from));
    }
    const base = `M${round(left)} ${top + height + 0.5}h${round(size * cell)}`;
    const label =
      text(left - 6, top + 9, count(most, found.exponent), "end") +
      text(left - 6, top + 22, most === 1 && !found.exponent ? "path" : "paths", "end");
    const steps = (heights, bottom) => outline(heights, left, wide, bottom);
    return (
      path("hole", steps(holes, top + height)) +
      path("bar", steps(bars, top + height)) +
      path("strip", steps(strip, top + height + 10)) +
      path("line", base) +
      label
    );
  }

  /** Columns of these heights: apart where they are wide, as one shape where gaps would be all one saw. */
  function outline(heights, left, wide, bottom) {
    if (wide >= 5) {
      return heights
        .map((tall, i) =>
          tall ? `M${round(left + i * wide + 0.5)} ${bottom}v${round(-tall)}h${round(wide - 1)}V${bottom}z` : "",
        )
        .join("");
    }
    if (!heights.some(Boolean)) return "";
    const steps = heights.map(
      (tall, i) => (tall === heights[i - 1] ? "" : `V${round(bottom - tall)}`) + `H${round(left + (i + 1) * wide)}`,
    );
    return `M${round(left)} ${bottom}${steps.join("")}V${bottom}z`;
  }

  /** Every unit that one output is made of, a row a layer, over the positions of the profile. */
  function tree(layers, found, causal, cell, left) {
    const none = { inside: "", height: 0 };
    const depth = layers.length;
    if (!found.counts || cell < 4.5 || depth > TREE_LAYERS || found.size < 2) return none;
    const own = (level) => (level ? found.rows[level - 1] : { size: 1, stride: 1 });
    // A unit stands over the middle of what it sees, or over the last of it in causal layers.
    const x = (level, start) => left + cell * (start + (causal ? own(level).size - 0.5 : own(level).size / 2));
    const y = (level) => 14 + (depth - level) * TREE_STEP;
    const dot = Math.min(4, cell * 0.32);
    let [lines, units, idle, labels] = ["", "", "", ""];
    let used = new Set([0]);
    for (let level = depth; level >= 0; level--) {
      for (let start = 0; start <= found.size - own(level).size; start += own(level).stride) {
        const at = [x(level, start), y(level)];
        if (used.has(start)) units += disc(...at, dot);
        else if (level) idle += disc(...at, dot * 0.4);
      }
      if (!level) break;
      const { kernel, rate } = layers[level - 1];
      const below = new Set();
      for (const start of used) {
        for (let tap = 0; tap < kernel; tap++) {
          const input = start + tap * rate * own(level - 1).stride;
          lines += `M${round(x(level, start))} ${y(level)}L${round(x(level - 1, input))} ${y(level - 1)}`;
          below.add(input);
        }
      }
      const name = layers[level - 1].kind === "pool" ? `pool ${kernel}` : `rate ${rate}`;
      labels += text(0, (y(level) + y(level - 1)) / 2 + 4, name, "start");
      used = below;
    }
    const crosses = found.missed.map((position) => cross(x(0, position), y(0), Math.min(3.5, cell * 0.3))).join("");
    const inside = path("edge", lines) + path("idle", idle) + path("unit", units) + path("miss", crosses) + labels;
    return { inside, height: y(0) + 8 };
  }

  /** Paths to each pixel of a square field, as shades in steps of powers; crosses where there are none. Null if too large. */
  function heat(found, width, words) {
    const { counts, size } = found;
    if (!counts || size > HEAT || size < 2) return null;
    const side = Math.min(width, 300);
    const cell = Math.min(side / size, CELL);
    const shades = Array.from({ length: SHADES }, () => "");
    let most = 0;
    for (const each of counts) most = Math.max(most, each);
    let crosses = "";
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        const share = (counts[row] / most) * (counts[column] / most);
        const [x, y] = [column * cell, row * cell];
        if (!share && cell >= 5) crosses += cross(x + cell / 2, y + cell / 2, cell * 0.2);
        if (share)
          shades[Math.min(SHADES - 1, Math.floor(share ** 0.4 * SHADES))] +=
            `M${round(x)} ${round(y)}h${round(cell)}v${round(cell)}h${round(-cell)}z`;
      }
    }
    const full = `<rect class="explore-hole" width="${round(size * cell)}" height="${round(size * cell)}"/>`;
    const cells = shades.map(
      (d, shade) =>
        d && `<path class="explore-bar" style="fill-opacity:${round(0.16 + (0.84 * (shade + 0.5)) / SHADES)}" d="${d}"/>`,
    );
    const under = path("paper", shades.join(""));
    return svg(
      size * cell,
      size * cell,
      words,
      (cell < 5 ? full : "") +
        under +
        cells.join("") +
        path("miss", crosses) +
        `<rect class="explore-frame" x=".5" y=".5" width="${round(size * cell - 1)}" height="${round(size * cell - 1)}"/>`,
    );
  }

  return { coverage, heat };
})();

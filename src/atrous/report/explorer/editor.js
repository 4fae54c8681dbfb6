// The explorer itself: keeps the stack in the page and in its address, and shows what follows from it.
(() => {
  const root = document.getElementById("explore");
  const find = (selector) => root.querySelector(selector);
  const list = find(".explore-rows");
  const inputs = [...root.querySelectorAll("input"), ...find("template").content.querySelectorAll("input")];
  const LIMITS = Object.fromEntries(inputs.map((input) => [input.name, Number(input.max)]));
  const MOST_LAYERS = Number(root.dataset.rows);

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
    "Context module": image([...rates(3, [1, 1, 2, 4, 8, 16, 1], 21), conv(1, 1, 21)]), // Yu, Koltun 2016, arXiv 1511.07122, table 1
    "WaveNet 1…512": sequence(16000, 1, true, rates(2, doubling(10))), // van den Oord et al. 2016, arXiv 1609.03499, section 2.1
    TCN: sequence(256, 1, true, rates(3, twice(doubling(5)), 25)), // Bai, Kolter, Koltun 2018, arXiv 1803.01271: two a block
    // Jaganathan et al. 2019, doi 10.1016/j.cell.2018.12.015: sixteen blocks of two layers
    "SpliceAI-10k": sequence(15000, 4, false, [[11, 1], [11, 4], [21, 10], [41, 25]].flatMap(([kernel, rate]) => rates(kernel, Array(8).fill(rate)))),
  };

  // ---- the address: #explore=2d,64,3;3c32,3r2c32,p2s2 ----

  function write({ dimensions, size, channels, causal, layers }) {
    const words = layers.map(({ kind, kernel, rate, stride, filters }) =>
      [{ conv: "", depthwise: "d", pool: "p" }[kind] + kernel, rate > 1 ? `r${rate}` : "", stride > 1 ? `s${stride}` : "", kind === "conv" ? `c${filters}` : ""].join(""));
    return `explore=${dimensions}d${causal ? "-causal" : ""},${size},${channels};${words.join(",")}`;
  }

  function read(address) {
    const [, dimensions, causal, size, channels, words] = /^#?explore=([12])d(-causal)?,(\d+),(\d+);(.*)$/.exec(address) ?? [];
    if (!dimensions) return null;
    const layers = words.split(",").filter(Boolean).map((word) => {
      const [, kind, kernel, rate, stride, filters] = /^([dp]?)(\d+)(?:r(\d+))?(?:s(\d+))?(?:c(\d+))?$/.exec(word) ?? [];
      return { kind: { d: "depthwise", p: "pool", "": "conv" }[kind], kernel: +kernel, rate: +(rate ?? 1), stride: +(stride ?? 1), filters: +(filters ?? 32) };
    });
    const stack = { dimensions: +dimensions, size: +size, channels: +channels, causal: Boolean(causal) && dimensions === "1", layers };
    return allowed(stack) ? stack : null;
  }

  function allowed({ size, channels, layers }) {
    const fine = (name, value) => Number.isInteger(value) && value >= 1 && value <= LIMITS[name];
    const row = (layer) => layer.kind && ["kernel", "rate", "stride", "filters"].every((name) => fine(name, layer[name]));
    return fine("size", size) && fine("channels", channels) && layers.length <= MOST_LAYERS && layers.every(row);
  }

  /** Puts the stack into the address; as a new step for Back if it replaces something that may be missed. */
  function remember(isStep) {
    try {
      history[isStep ? "pushState" : "replaceState"](null, "", `#${write(stack)}`);
    } catch {
      // A page without an address of its own, such as one in a frame: it works, and can't be shared.
    }
  }

  // ---- words ----

  const whole = (number) => number.toLocaleString("en");
  const short = (number) => (number < 1e6 ? whole(number) : Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 }).format(number).replace(/([A-Z])$/, "\u00a0$1").replace("B", "G"));
  const squared = (size) => (stack.dimensions === 2 ? `${whole(size)} × ${whole(size)}` : whole(size));
  const many = (count, word) => `${whole(count)} ${word}${count === 1 ? "" : "s"}`;
  const units = () => (stack.dimensions === 2 ? "pixel" : "position");
  function percent(share) {
    if (share === 1 || share === 0) return `${100 * share}\u00a0%`;
    return `${Math.min(99.9, Math.max(0.1, 100 * share)).toFixed(1)}\u00a0%`;
  }
  function score(value) {
    if (value === null) return "–";
    return value === 0 ? "0" : value < 0.001 ? "< 0.001" : value.toFixed(3);
  }

  // ---- what is shown ----

  function show() {
    const found = arithmetic.measure(stack.layers);
    const costs = arithmetic.cost(stack);
    const total = (name) => costs.reduce((sum, row) => sum + row[name], 0);
    const covered = found.counts && 1 - found.gridding;
    const facts = [
      ["Receptive field", squared(found.size), `input ${squared(stack.size)}`],
      ["Total stride", whole(found.stride), costs.length ? `output ${squared(costs.at(-1).after)}` : ""],
      ["Covered", covered === null ? "–" : percent(covered), stack.dimensions === 2 && covered !== null ? `of pixels ${percent(covered ** 2)}` : "of the field"],
      ["Gridding", score(found.gridding), "0 is none"],
      ["Unevenness", score(found.unevenness), "0 is smooth"],
      ["Missed", found.missed ? whole(found.missed.length) : "–", `of ${whole(found.size)}${stack.dimensions === 2 ? " a side" : ""}`],
      ["Parameters", short(total("parameters")), "with biases"],
      ["Multiply-adds", short(total("macs")), "an example"],
    ];
    find(".explore-facts").innerHTML = facts
      .map(([name, value, note], i) => `<div${i ? "" : ' class="explore-first"'}><dt>${name}</dt><dd>${value} <small>${note}</small></dd></div>`)
      .join("");
    find(".explore-mini").innerHTML = [facts[0], facts[2], facts[3]].map(([name, value]) => `<span>${name.split(" ").at(-1)} <b>${value}</b></span>`).join("");
    showRows(found, costs);
    showVerdict(found, costs);
    for (const button of root.querySelectorAll(".explore-presets button")) {
      button.setAttribute("aria-pressed", String(write(PRESETS[button.textContent]) === write(stack)));
    }
    find(".explore-code code").textContent = code();
    draw(found);
    latest = found;
  }

  function showRows(found, costs) {
    [...list.children].forEach((item, i) => {
      const [row, price, layer] = [found.rows[i], costs[i], stack.layers[i]];
      item.querySelector(".explore-field").textContent = whole(row.size);
      item.querySelector(".explore-jump").textContent = whole(row.stride);
      const parts = [price.before === price.after ? `map ${squared(price.after)}` : `map ${squared(price.before)} → ${squared(price.after)}`];
      if (layer.kind !== "pool") parts.push(many(price.parameters, "parameter"), `${short(price.macs)} multiply-adds`);
      const dead = layer.kernel - price.live;
      const warning = dead ? `<strong>Rate too large for the map: ${dead} of ${many(layer.kernel, "tap")} see only padding.</strong>` : "";
      item.querySelector(".explore-cost").innerHTML = parts.map((part) => `<span>${part}</span>`).join(" · ") + (warning && ` ${warning}`);
    });
  }

  function showVerdict(found, costs) {
    const words = [];
    let fixed = null;
    if (!stack.layers.length) words.push("An empty stack sees one position.");
    else if (!found.counts) words.push("The field is too wide to count its paths.");
    else if (found.missed.length) {
      fixed = repair(stack.layers);
      const pixels = stack.dimensions === 2 ? ` (${percent(1 - (1 - found.gridding) ** 2)} of its pixels)` : "";
      words.push(`<strong>Gridding.</strong> ${whole(found.missed.length)} of ${whole(found.size)} positions${stack.dimensions === 2 ? " a side" : ""}${pixels} never reach the output.`);
      if (!fixed) words.push("No rates close the holes: no layer steps from one position to the next.");
    } else words.push(`<strong>No holes.</strong> Every ${units()} of the field reaches the output.`);
    if (found.size > stack.size) words.push("The field is larger than the input.");
    const dead = costs.flatMap((row, i) => (row.live < stack.layers[i].kernel ? [i + 1] : []));
    if (dead.length) words.push(`<strong>Rate too large</strong> for the map in layer${dead.length > 1 ? "s" : ""} ${dead.slice(0, 6).join(", ")}${dead.length > 6 ? ", …" : ""}.`);
    const verdict = find(".explore-verdict");
    verdict.classList.toggle("explore-bad", Boolean(found.missed?.length || dead.length));
    find(".explore-words").innerHTML = words.join(" ");
    const button = find(".explore-fix");
    button.hidden = !fixed;
    if (fixed) {
      const shown = fixed.length > 12 ? [...fixed.slice(0, 11), "…"] : fixed;
      button.textContent = `Use rates ${shown.join(", ")}`;
      button.onclick = () => change(() => fixed.forEach((rate, i) => (stack.layers[i].rate = rate)), { isStep: true });
    }
    clearTimeout(saying); // not every digit that is typed is worth a sentence to a listener
    saying = setTimeout(() => {
      find(".explore-status").textContent = `Receptive field ${whole(found.size)}, stride ${whole(found.stride)}. ${find(".explore-words").textContent}`;
    }, 600);
  }

  function draw(found) {
    const canvas = find(".explore-coverage .explore-canvas");
    const width = Math.floor(canvas.clientWidth);
    if (!width) return;
    const caption = find(".explore-coverage figcaption");
    const heat = find(".explore-heat");
    heat.hidden = true;
    if (!found.counts) {
      canvas.textContent = "";
      caption.textContent = `A field of ${whole(found.size)} positions is not drawn.`;
      return;
    }
    const words = `Number of paths from each of ${whole(found.size)} positions to one output; ${found.missed.length ? `${whole(found.missed.length)} are reached by none` : "all are reached"}.`;
    canvas.innerHTML = drawing.coverage(stack.layers, found, stack.causal, width, words);
    const missed = found.missed.length ? ' <span class="explore-swatch explore-swatch-hole"></span> where there are none' : "";
    caption.innerHTML = `<span class="explore-swatch"></span> Paths from each position${stack.dimensions === 2 ? ", along one axis," : ""} to one output${missed}. Positions count from the ${stack.causal ? "output's own backwards" : "middle"}.${canvas.querySelector(".explore-unit") ? " Above them, the units that the output is made of." : ""}`;
    const map = stack.dimensions === 2 ? drawing.heat(found, width, `The same on the square: the product of rows and columns, ${percent((1 - found.gridding) ** 2)} of pixels are reached.`) : null;
    heat.hidden = !map;
    if (map) {
      heat.querySelector(".explore-canvas").innerHTML = map;
      heat.querySelector("figcaption").innerHTML = `The same in 2D: the fuller the colour, the more paths${found.missed.length ? "; × is none" : ""}.`;
    }
  }

  function code() {
    const rank = `${stack.dimensions}D`;
    const line = ({ kind, kernel, rate, stride, filters }) => {
      const [steps, spread] = [stride > 1 ? `, strides=${stride}` : "", rate > 1 ? `, dilation_rate=${rate}` : ""];
      const padding = `, padding="${stack.causal && kind !== "pool" ? "causal" : "same"}"`;
      if (kind === "pool") return `    keras.layers.MaxPooling${rank}(${kernel}, strides=${stride}, padding="same"),`;
      return `    atrous.layers.${kind === "conv" ? "Conv" : "DepthwiseConv"}${rank}(${kind === "conv" ? `${filters}, ` : ""}${kernel}${steps}${spread}${padding}),`;
    };
    const shape = [...Array(stack.dimensions).fill(stack.size), stack.channels].join(", ");
    return ["import atrous", "import keras", "", "model = keras.Sequential([", `    keras.Input((${shape})),`, ...stack.layers.map(line), "])"].join("\n");
  }

  // ---- editing ----

  /** Changes the stack by `edit`, then shows all of it again with the focus on a row's field. */
  function change(edit, { isStep = false, row = null, field = null } = {}) {
    edit();
    remember(isStep);
    fill();
    if (row !== null) focus(row, field);
  }

  function fill() {
    for (const name of ["dimensions", "size", "channels"]) find(`[name=${name}]`).value = stack[name];
    find("[name=causal]").value = stack.causal ? "1" : "";
    while (list.children.length > stack.layers.length) list.lastElementChild.remove();
    while (list.children.length < stack.layers.length) list.append(find("template").content.cloneNode(true));
    [...list.children].forEach((item, i) => {
      item.setAttribute("aria-label", `Layer ${i + 1}`);
      item.querySelector(".explore-index").textContent = i + 1;
      for (const input of item.querySelectorAll("[name]")) {
        input.value = stack.layers[i][input.name];
        input.setAttribute("aria-invalid", "false");
      }
      for (const button of item.querySelectorAll("[data-do]")) button.setAttribute("aria-label", `${button.title}: layer ${i + 1}`);
      item.querySelector("[data-do=up]").disabled = i === 0;
      item.querySelector("[data-do=down]").disabled = i === stack.layers.length - 1;
    });
    enable();
    show();
  }

  /** Greys out what has no meaning: a pool's rate and filters, causal padding of images. */
  function enable() {
    find("[name=causal]").disabled = stack.dimensions === 2;
    [...list.children].forEach((item, i) => {
      item.querySelector("[name=rate]").disabled = stack.layers[i].kind === "pool";
      item.querySelector("[name=filters]").disabled = stack.layers[i].kind !== "conv";
    });
    find(".explore-add").disabled = stack.layers.length >= MOST_LAYERS;
  }

  function focus(row, field) {
    const item = list.children[Math.min(row, list.children.length - 1)];
    const wanted = item?.querySelector(field ?? "[name=kernel]");
    (wanted && !wanted.disabled ? wanted : item?.querySelector("[name=kernel]") ?? find(".explore-add")).focus();
  }

  const ACTIONS = {
    add: (i) => ({ edit: () => stack.layers.length < MOST_LAYERS && stack.layers.splice(i + 1, 0, { ...(stack.layers[i] ?? conv(3)), stride: 1 }), row: i + 1 }),
    copy: (i) => ({ edit: () => stack.layers.length < MOST_LAYERS && stack.layers.splice(i + 1, 0, { ...stack.layers[i] }), row: i + 1 }),
    remove: (i) => ({ edit: () => stack.layers.splice(i, 1), row: i, isStep: true }),
    up: (i) => ({ edit: () => i > 0 && swap(i - 1), row: Math.max(i - 1, 0) }),
    down: (i) => ({ edit: () => i < stack.layers.length - 1 && swap(i), row: Math.min(i + 1, stack.layers.length - 1) }),
  };
  const swap = (i) => stack.layers.splice(i, 2, stack.layers[i + 1], stack.layers[i]);

  function act(name, row, field) {
    const { edit, ...after } = ACTIONS[name](row);
    change(edit, { ...after, field });
  }

  const rowOf = (element) => [...list.children].indexOf(element.closest("li"));

  root.addEventListener("input", ({ target }) => {
    const { name, value } = target;
    if (!name) return;
    const valid = !(name in LIMITS) || (/^\d+$/.test(value) && +value >= 1 && +value <= LIMITS[name]);
    target.setAttribute("aria-invalid", String(!valid));
    if (!valid) {
      find(".explore-words").textContent = `${target.closest("label").firstChild.textContent.trim()} must be a whole number from 1 to ${whole(LIMITS[name])}. What is shown is the stack before.`;
      find(".explore-verdict").classList.add("explore-bad");
      find(".explore-fix").hidden = true;
      return;
    }
    const changed = target.closest("li") ? stack.layers[rowOf(target)] : stack;
    changed[name] = name === "kind" ? value : name === "causal" ? Boolean(value) : Number(value);
    if (name === "dimensions" && changed.dimensions === 2) Object.assign(changed, { causal: false, size: Math.min(changed.size, 4096) });
    if (name === "kind" && value === "pool") Object.assign(changed, { kernel: 2, rate: 1, stride: 2 });
    remember(false);
    if (name === "dimensions" || name === "kind") fill();
    else show();
  });

  root.addEventListener("focusout", ({ target }) => {
    if (target.getAttribute("aria-invalid") === "true") fill(); // the number before comes back
  });

  root.addEventListener("click", ({ target }) => {
    const button = target.closest("button");
    if (button?.dataset.do) act(button.dataset.do, rowOf(button), `[data-do=${button.dataset.do}]`);
    else if (button?.classList.contains("explore-add")) act("add", stack.layers.length - 1);
    else if (button?.dataset.preset) change(() => (stack = structuredClone(PRESETS[button.dataset.preset])), { isStep: true });
  });

  list.addEventListener("keydown", (event) => {
    const field = event.target.name && `[name=${event.target.name}]`;
    const keys = { "Alt ArrowUp": "up", "Alt ArrowDown": "down", "Alt Delete": "remove", "Alt Backspace": "remove", Enter: "add" };
    const name = field && keys[(event.altKey ? "Alt " : "") + event.key];
    if (!name || (event.target.tagName === "SELECT" && event.key === "Enter")) return;
    event.preventDefault();
    act(name, rowOf(event.target), field);
  });

  addEventListener("hashchange", () => {
    const named = read(location.hash);
    if (!named && location.hash) return; // another place of the page
    stack = named ?? structuredClone(first);
    fill();
  });

  // ---- start ----

  const first = read(root.dataset.stack);
  let stack = read(location.hash) ?? structuredClone(first);
  let latest = null;
  let saying = 0;
  find(".explore-presets").innerHTML = Object.keys(PRESETS).map((name) => `<button type="button" data-preset="${name}">${name}</button>`).join("");
  find(".explore-all").hidden = false;
  fill();
  let drawn = find(".explore-figures").clientWidth;
  new ResizeObserver(([{ target }]) => {
    if (target.clientWidth !== drawn) draw(latest);
    drawn = target.clientWidth;
  }).observe(find(".explore-figures"));
})();

// The explorer itself: keeps the stack in the page and in its address, and shows what follows from it.
(() => {
  const root = document.getElementById("explore");
  const find = (selector) => root.querySelector(selector);
  const list = find(".explore-rows");
  const inputs = [...root.querySelectorAll("input"), ...find("template").content.querySelectorAll("input")];
  const LIMITS = Object.fromEntries(inputs.map((input) => [input.name, Number(input.max)]));
  const MOST_LAYERS = Number(root.dataset.rows);
  const { PRESETS, conv, write } = stacks;
  const read = (address) => stacks.read(address, LIMITS, MOST_LAYERS);

  /** Puts the stack into the address; as a new step for Back if it replaces something that may be missed. */
  function remember(isStep) {
    try {
      history[isStep ? "pushState" : "replaceState"](null, "", `#${write(stack)}`);
    } catch {
      // A page without an address of its own, such as one in a frame: it works, and can't be shared.
    }
  }

  // ---- what is shown ----

  function show() {
    const found = arithmetic.measure(stack.layers);
    const costs = arithmetic.cost(stack);
    const facts = wording.facts(stack, found, costs);
    const tile = ([name, value, note], i) =>
      `<div${i ? "" : ' class="explore-first"'}><dt>${name}</dt><dd>${value} <small>${note}</small></dd></div>`;
    find(".explore-facts").innerHTML = facts.map(tile).join("");
    find(".explore-mini").innerHTML = [facts[0], facts[2], facts[3]]
      .map(([name, value]) => `<span>${name.split(" ").at(-1)} <b>${value}</b></span>`)
      .join("");
    [...list.children].forEach((item, i) => showRow(item, found.rows[i], wording.row(stack, stack.layers[i], costs[i])));
    showVerdict(found, costs);
    for (const button of root.querySelectorAll("[data-preset]")) {
      button.setAttribute("aria-pressed", String(write(PRESETS[button.dataset.preset]) === write(stack)));
    }
    find(".explore-code code").textContent = wording.code(stack);
    draw(found);
    latest = found;
  }

  function showRow(item, field, { parts, warning }) {
    item.querySelector(".explore-field").textContent = wording.whole(field.size);
    item.querySelector(".explore-jump").textContent = wording.whole(field.stride);
    const costs = parts.map((part) => `<span>${part}</span>`).join(" · ");
    item.querySelector(".explore-cost").innerHTML = warning ? `${costs} <strong>${warning}</strong>` : costs;
  }

  function showVerdict(found, costs) {
    const fixed = found.missed?.length ? repair(stack.layers) : null;
    const { words, isBad } = wording.verdict(stack, found, costs, fixed);
    find(".explore-verdict").classList.toggle("explore-bad", isBad);
    find(".explore-words").innerHTML = words;
    const button = find(".explore-fix");
    button.hidden = !fixed;
    if (fixed) {
      button.textContent = wording.fix(fixed);
      const row = fixed.findIndex((rate, i) => rate !== stack.layers[i].rate);
      const edit = () => fixed.forEach((rate, i) => (stack.layers[i].rate = rate));
      button.onclick = () => change(edit, { isStep: true, row, field: "[name=rate]" });
    }
    clearTimeout(saying); // not every digit that is typed is worth a sentence to a listener
    saying = setTimeout(() => {
      find(".explore-status").textContent = wording.status(found, find(".explore-words").textContent);
    }, 600);
  }

  function draw(found) {
    const canvas = find(".explore-coverage .explore-canvas");
    const caption = find(".explore-coverage figcaption");
    const heat = find(".explore-heat");
    const width = Math.floor(canvas.clientWidth);
    if (!width) return;
    const map = stack.dimensions === 2 ? drawing.heat(found, width, wording.describedInTwo(found)) : null;
    heat.hidden = !map;
    heat.querySelector(".explore-canvas").innerHTML = map ?? "";
    heat.querySelector("figcaption").innerHTML = map ? wording.captionInTwo(found) : "";
    if (found.counts) {
      canvas.innerHTML = drawing.coverage(stack.layers, found, stack.causal, width, wording.described(found));
      caption.innerHTML = wording.caption(stack, found, Boolean(canvas.querySelector(".explore-unit")));
    } else {
      canvas.innerHTML = "";
      caption.innerHTML = wording.undrawn(found);
    }
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
      for (const button of item.querySelectorAll("[data-do]"))
        button.setAttribute("aria-label", `${button.title}: layer ${i + 1}`);
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
    (wanted && !wanted.disabled ? wanted : (item?.querySelector("[name=kernel]") ?? find(".explore-add"))).focus();
  }

  const ACTIONS = {
    add: (i) => ({
      edit: () =>
        stack.layers.length < MOST_LAYERS && stack.layers.splice(i + 1, 0, { ...(stack.layers[i] ?? conv(3)), stride: 1 }),
      row: i + 1,
    }),
    copy: (i) => ({
      edit: () => stack.layers.length < MOST_LAYERS && stack.layers.splice(i + 1, 0, { ...stack.layers[i] }),
      row: i + 1,
    }),
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
      const named = target.closest("label").firstChild.textContent.trim();
      find(".explore-words").textContent = wording.mistake(named, LIMITS[name]);
      find(".explore-verdict").classList.add("explore-bad");
      find(".explore-fix").hidden = true;
      return;
    }
    const changed = target.closest("li") ? stack.layers[rowOf(target)] : stack;
    changed[name] = name === "kind" ? value : name === "causal" ? Boolean(value) : Number(value);
    if (name === "dimensions" && changed.dimensions === 2)
      Object.assign(changed, { causal: false, size: Math.min(changed.size, 4096) });
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
    const keys = {
      "Alt ArrowUp": "up",
      "Alt ArrowDown": "down",
      "Alt Delete": "remove",
      "Alt Backspace": "remove",
      Enter: "add",
    };
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
  find(".explore-presets").innerHTML = Object.keys(PRESETS)
    .map((name) => `<button type="button" data-preset="${name}">${name}</button>`)
    .join("");
  find(".explore-all").hidden = false;
  fill();
  let drawn = find(".explore-figures").clientWidth;
  new ResizeObserver(([{ target }]) => {
    if (target.clientWidth !== drawn) draw(latest);
    drawn = target.clientWidth;
  }).observe(find(".explore-figures"));
})();

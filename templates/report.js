// Makes a finished page livelier: everything that it says is there without it. No library, no request, no storage.
(() => {
  "use strict";

  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];

  const FEW_POINTS = 60;
  const SLICE_MS = 8;

  // --- numbers ----------------------------------------------------------------------------------------------------

  // The same writing of numbers as the rest of the page has: at most four significant digits.
  function number(value) {
    if (Number.isNaN(value)) return "NaN";
    if (!Number.isFinite(value)) return value > 0 ? "infinity" : "-infinity";
    if (value === 0) return "0";
    const size = Math.abs(value);
    if (Number.isInteger(value) && size < 1e15) return size < 10000 ? String(value) : value.toLocaleString("en-US");
    if (size >= 1e-3 && size < 1e5) {
      return size >= 10000 ? Math.round(value).toLocaleString("en-US") : String(Number(value.toPrecision(4)));
    }
    return value.toExponential(2).replace(/\.?0*e\+?/, "e");
  }

  // In the JSON, values that are no numbers are the strings "NaN", "Infinity" and "-Infinity".
  const numbers = (values) => Float64Array.from(values, Number);

  // Steps that lie equally far apart are written as the first one and the distance.
  const stepsOf = ({ steps, values }) => numbers(Array.isArray(steps) ? steps : values.map((_, index) => steps.from + steps.by * index));

  function ticks(low, high, count) {
    if (!(high > low)) return [low];
    const rough = (high - low) / count;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999);
    const found = [];
    for (let index = Math.ceil(low / step - 1e-9); index <= high / step + 1e-9; index++) found.push(Number((index * step).toPrecision(12)));
    return found;
  }

  function logTicks(low, high, count) {
    const first = Math.ceil(Math.log10(low) - 1e-9);
    const last = Math.floor(Math.log10(high) + 1e-9);
    if (last - first < 1) {
      const rough = [];
      for (let exponent = first - 1; exponent <= last; exponent++) rough.push(...[1, 2, 5].map((factor) => factor * 10 ** exponent));
      const held = rough.filter((tick) => tick >= low && tick <= high);
      return held.length > 1 ? held : ticks(low, high, count).filter((tick) => tick > 0);
    }
    const every = Math.ceil((last - first + 1) / count);
    const found = [];
    for (let exponent = first; exponent <= last; exponent++) if (exponent % every === 0) found.push(10 ** exponent);
    return found;
  }

  // Exponential moving average, divided by the weight that it has gathered: without this, its start is pulled to zero. `spans`: how many
  // points of the log each one stands for.
  function smooth(values, weight, spans) {
    if (weight === 0) return values;
    const smoothed = new Float64Array(values.length);
    let sum = 0;
    let gathered = 0;
    values.forEach((value, index) => {
      if (!Number.isFinite(value)) {
        smoothed[index] = value;
        return;
      }
      const kept = weight ** spans[index];
      sum = sum * kept + value * (1 - kept);
      gathered = gathered * kept + (1 - kept);
      smoothed[index] = sum / gathered;
    });
    return smoothed;
  }

  // Of a curve that was thinned, the points are unequally far apart.
  function spansOf(steps, points) {
    const usual = steps.length < points ? (steps[steps.length - 1] - steps[0]) / (points - 1) : 0;
    return steps.map((step, index) => (usual > 0 && index > 0 ? Math.max(1, (step - steps[index - 1]) / usual) : 1));
  }

  // First index whose step is not below the given one; steps ascend.
  function lowerBound(steps, step) {
    let low = 0;
    let high = steps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (steps[middle] < step) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function nearest(steps, step) {
    const after = lowerBound(steps, step);
    if (after === 0) return 0;
    if (after === steps.length) return steps.length - 1;
    return step - steps[after - 1] <= steps[after] - step ? after - 1 : after;
  }

  function scale(low, high, start, end, log) {
    const from = log ? Math.log10(low) : low;
    const width = (log ? Math.log10(high) : high) - from;
    return (value) => (log && value <= 0 ? NaN : start + (((log ? Math.log10(value) : value) - from) / width) * (end - start));
  }

  // --- line plots -------------------------------------------------------------------------------------------------

  function linePlot(figure, exhibit) {
    const svg = one(".chart", figure);
    const plot = one(".plot", figure);
    const readout = one(".readout", figure);
    const reset = one(".reset", figure);
    const shapes = svg.namespaceURI;
    const boxes = all(".legend input", figure);
    const names = all(".legend .name", figure).map((label) => label.textContent);
    const samples = all(".legend .swatch path", figure);
    const axisNames = all(".axis-names text", svg).map((name) => name.textContent);
    const curves = [...exhibit.curves, ...exhibit.lower].map((curve, index) => ({
      index,
      name: names[index],
      colour: samples[index].classList[1],
      dash: samples[index].getAttribute("stroke-dasharray"),
      lower: index >= exhibit.curves.length,
      steps: stepsOf(curve),
      values: numbers(curve.values),
      spans: spansOf(stepsOf(curve), curve.points),
      shown: true,
    }));
    const lastOf = (steps) => steps[steps.length - 1];
    const drawable = curves.filter((curve) => curve.steps.length);
    if (!drawable.length) return;
    const whole = [Math.min(...drawable.map((curve) => curve.steps[0])), Math.max(...drawable.map((curve) => lastOf(curve.steps)))];
    if (whole[0] === whole[1]) whole[1] = whole[0] + 1;
    const state = { from: whole[0], to: whole[1], log: exhibit.log, weight: 0, width: 0, cursor: null };
    const hasLower = exhibit.lower.length > 0;
    const box = { left: 58, right: 12, top: 38, upper: 270, gap: 38, lower: hasLower ? 70 : 0, bottom: 38 };
    box.upperEnd = box.top + box.upper;
    box.lowerStart = box.upperEnd + box.gap;
    box.end = hasLower ? box.lowerStart + box.lower : box.upperEnd;
    let x;
    let panels = [];
    let pointer = null;
    const tip = document.createElement("div");
    tip.className = "tip";
    tip.hidden = true;
    plot.append(tip);

    function shape(name, attributes, text) {
      const element = document.createElementNS(shapes, name);
      for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
      if (text !== undefined) element.textContent = text;
      return element;
    }

    // Causes show the plot as it came; what is done to it here is not done to them.
    const still = svg.firstElementChild;
    if (one(`use[href="#${still.id}"]`)) {
      const kept = shape("svg", { class: "sprite", width: 0, height: 0, "aria-hidden": true });
      kept.append(still);
      document.body.prepend(kept);
    }

    function range(members, levels, log) {
      let low = Infinity;
      let high = -Infinity;
      const take = (value) => {
        if (Number.isFinite(value) && (value > 0 || !log)) {
          low = Math.min(low, value);
          high = Math.max(high, value);
        }
      };
      for (const curve of members) {
        if (!curve.shown) continue;
        for (let index = lowerBound(curve.steps, state.from); index < curve.steps.length && curve.steps[index] <= state.to; index++) {
          take(curve.values[index]);
        }
      }
      if (low > high) return log ? [0.1, 1] : [0, 1];
      if (members.every((curve) => curve.lower)) take(0);
      const room = high - low || Math.abs(high) || 1;
      for (const level of levels) if (log || (level >= low - room && level <= high + room)) take(level);
      // A single value stands in the middle; a range of the largest numbers there are would overflow.
      const clamp = (value, least) => Math.min(Math.max(value, least), 1e250);
      [low, high] = [low, high].map((value) => clamp(value, log ? 1e-250 : -1e250));
      if (log) {
        const air = 10 ** (high > low ? 0.05 * (Math.log10(high) - Math.log10(low)) : 0.5);
        return [low / air, high * air];
      }
      const air = high > low ? 0.05 * (high - low) : 0.5 * (Math.abs(high) || 1);
      return [low - air, high + air];
    }

    function path(curve, values, y) {
      let drawn = "";
      let down = false;
      let column = [];
      const flush = () => {
        if (column.length > 4) {
          const byHeight = column.map((point, index) => [point[1], index]).sort((a, b) => a[0] - b[0]);
          const kept = new Set([0, byHeight[0][1], byHeight[byHeight.length - 1][1], column.length - 1]);
          column = column.filter((_, index) => kept.has(index));
        }
        for (const [across, height] of column) {
          drawn += `${down ? "L" : "M"}${across.toFixed(1)} ${height.toFixed(1)}`;
          down = true;
        }
        column = [];
      };
      const stop = Math.min(curve.steps.length, lowerBound(curve.steps, state.to) + 1);
      for (let index = Math.max(0, lowerBound(curve.steps, state.from) - 1); index < stop; index++) {
        const height = Number.isFinite(values[index]) ? y(values[index]) : NaN;
        if (Number.isNaN(height)) {
          flush();
          down = false;
          continue;
        }
        const across = x(curve.steps[index]);
        if (column.length && Math.round(across) !== Math.round(column[0][0])) flush();
        column.push([across, height]);
      }
      flush();
      return drawn;
    }

    // A nested picture cuts off what a zoom leaves outside its panel.
    function curveShapes(curve, panel) {
      if (!curve.shown) return [];
      const { colour, dash } = curve;
      const lines = shape("svg", { x: box.left, y: panel.top, width: state.width - box.right - box.left, height: panel.bottom - panel.top });
      lines.setAttribute("viewBox", ["x", "y", "width", "height"].map((side) => lines.getAttribute(side)).join(" "));
      const found = [lines];
      // A schedule has no noise to smooth away.
      curve.weight = curve.lower ? 0 : state.weight;
      if (curve.weight > 0) lines.append(shape("path", { class: `curve raw ${colour}`, fill: "none", d: path(curve, curve.values, panel.y) }));
      curve.drawn = smooth(curve.values, curve.weight, curve.spans);
      lines.append(shape("path", { class: `curve ${colour}`, fill: "none", "stroke-dasharray": dash, d: path(curve, curve.drawn, panel.y) }));
      const first = lowerBound(curve.steps, state.from);
      const stop = lowerBound(curve.steps, state.to + 1e-9);
      let dots = "";
      let gaps = "";
      let lastGap = null;
      for (let index = first; index < stop; index++) {
        const across = x(curve.steps[index]).toFixed(1);
        if (!Number.isFinite(curve.values[index])) {
          // Neighbours on the same pixel would be drawn over each other.
          if (Math.round(across) !== lastGap) gaps += `M${across} ${panel.top + 3}m-3 -3l6 6m0 -6l-6 6`;
          lastGap = Math.round(across);
        } else if (stop - first <= FEW_POINTS) {
          const height = panel.y(curve.drawn[index]);
          if (height >= panel.top && height <= panel.bottom) dots += `M${across} ${height.toFixed(1)}h0`;
        }
      }
      if (dots) found.push(shape("path", { class: `dots ${colour}`, fill: "none", "stroke-width": 5, "stroke-linecap": "round", d: dots }));
      if (gaps) found.push(shape("path", { class: `gap ${colour}`, fill: "none", "stroke-width": 1.6, d: gaps }));
      return found;
    }

    const inView = (step) => step !== null && step >= state.from && step <= state.to;

    // Numbers as in the list beneath the plot: levels carry their name instead.
    let flags = 0;
    const listed = all(".marks .mark", figure);
    const marks = exhibit.marks.map((mark, order) => ({
      ...mark,
      value: mark.value === null ? NaN : Number(mark.value),
      number: mark.kind === "level" ? 0 : ++flags,
      label: listed[order].firstChild.textContent.trim(),
      dash: one(".level", listed[order].parentElement)?.getAttribute("stroke-dasharray"),
    }));

    function markShapes(mark, panel) {
      const found = [];
      const right = state.width - box.right;
      mark.at = null;
      mark.began = true;
      const inPanel = mark.value >= panel.low && mark.value <= panel.high;
      if (mark.kind === "level") {
        if (inPanel) found.push(shape("path", { class: "level", fill: "none", "stroke-dasharray": mark.dash, d: `M${box.left} ${panel.y(mark.value)}H${right}` }));
        return found;
      }
      let flagAt = mark.step;
      if (mark.kind === "span") {
        const end = mark.step_end === null ? mark.step : mark.step_end;
        if (end < state.from || mark.step > state.to) return found;
        const from = x(Math.max(mark.step, state.from));
        const width = Math.max(1, x(Math.min(end, state.to)) - from);
        const parts = panels.map(({ top, bottom }) => `M${from} ${top}h${width}V${bottom}h${-width}z`);
        found.push(shape("path", { class: "span", "fill-opacity": 0.13, d: parts.join("") }));
        // What began before is named over the middle of what is seen of it: a flag at the edge would say that it begins there.
        mark.began = mark.step >= state.from;
        if (!mark.began) flagAt = (state.from + Math.min(end, state.to)) / 2;
      }
      if (!inView(flagAt)) return found;
      const across = x(flagAt);
      if (mark.kind === "step") {
        found.push(shape("path", { class: "step", fill: "none", "stroke-width": 1.4, "stroke-dasharray": "3 3", d: panels.map(({ top, bottom }) => `M${across} ${top}V${bottom}`).join("") }));
      }
      if (mark.kind === "point" && inPanel) {
        found.push(shape("circle", { class: "point", fill: "none", "stroke-width": 1.8, r: 5, cx: across, cy: panel.y(mark.value) }));
      }
      mark.at = across;
      return found;
    }

    // A level's name stands where it lies over the fewest curves: at the right, at the left or in the middle, above or below its line.
    function levelNames(panel, members) {
      const levels = members.filter((mark) => mark.kind === "level" && mark.value >= panel.low && mark.value <= panel.high);
      const right = state.width - box.right;
      const middle = (box.left + right) / 2;
      const step = scale(box.left, right, state.from, state.to, false);
      const taken = [];
      return levels.map((mark) => {
        const text = mark.label.length > 60 ? `${mark.label.slice(0, 57)}...` : mark.label;
        const width = text.length * 6.2;
        const line = panel.y(mark.value);
        const places = [
          [right - 2, "end", right - 2 - width],
          [box.left + 4, "start", box.left + 4],
          [middle, "middle", middle - width / 2],
        ].flatMap(([at, anchor, left]) => [-19, 3].map((down) => ({ at, anchor, left, top: line + down, cost: 0 })));
        for (const place of places) {
          const covers = (height) => height > place.top && height < place.top + 16;
          if (place.top < panel.top - 13 || place.top + 16 > panel.bottom) place.cost = Infinity;
          place.cost += width * levels.filter((other) => other !== mark && covers(panel.y(other.value))).length;
          place.cost += width * taken.filter((other) => Math.abs(other.top - place.top) < 16 && other.left < place.left + width && place.left < other.end).length;
          for (const curve of panel.members) {
            if (!curve.shown || !curve.steps.length) continue;
            for (let at = place.left; at < place.left + width + 6; at += 6) {
              const from = step(at);
              const next = Math.min(lowerBound(curve.steps, from), curve.steps.length - 1);
              const before = Math.max(0, next - 1);
              const share = next === before ? 0 : (from - curve.steps[before]) / (curve.steps[next] - curve.steps[before]);
              const heights = [before, next].map((index) => panel.y(curve.drawn[index]));
              if (share >= 0 && share <= 1 && covers(heights[0] + share * (heights[1] - heights[0]))) place.cost += 6;
            }
          }
        }
        const best = places.reduce((least, place) => (place.cost < least.cost ? place : least));
        taken.push({ ...best, end: best.left + width });
        const attributes = { class: "level-label", "stroke-width": 3, "paint-order": "stroke", "text-anchor": best.anchor, x: best.at, y: line };
        return shape("text", { ...attributes, dy: best.top > line ? "1.1em" : "-.35em" }, text);
      });
    }

    // Flags stand side by side where their places are too near each other.
    function flagShapes() {
      const width = 18;
      const flagged = marks.filter((mark) => mark.at !== null).sort((a, b) => a.at - b.at);
      let least = -Infinity;
      for (const mark of flagged) {
        mark.flag = Math.max(mark.at, least);
        least = mark.flag + width;
      }
      let most = state.width - box.right;
      for (const mark of flagged.reverse()) {
        mark.flag = Math.min(mark.flag, most);
        most = mark.flag - width;
      }
      return flagged.map((mark) => {
        const flag = shape("g", { class: "flag" });
        if (mark.began) flag.append(shape("path", { fill: "none", d: `M${mark.flag} 18L${mark.at} ${box.top}` }));
        flag.append(
          shape("circle", { cx: mark.flag, cy: 10, r: 8 }),
          shape("text", { "text-anchor": "middle", x: mark.flag, y: 10, dy: "0.35em" }, String(mark.number)),
        );
        return flag;
      });
    }

    function draw() {
      const right = state.width - box.right;
      const height = box.end + box.bottom;
      svg.setAttribute("viewBox", `0 0 ${state.width} ${height}`);
      x = scale(state.from, state.to, box.left, right, false);
      const levels = (lower) => marks.filter((mark) => mark.kind === "level" && Boolean(mark.lower) === lower).map((mark) => mark.value);
      panels = [[curves.filter((curve) => !curve.lower), box.top, box.upperEnd, levels(false), state.log, 5]];
      if (hasLower) panels.push([curves.filter((curve) => curve.lower), box.lowerStart, box.end, levels(true), false, 3]);
      panels = panels.map(([members, top, bottom, near, log, count]) => {
        const [low, high] = range(members, near, log);
        return { members, top, bottom, low, high, log, count, y: scale(low, high, bottom, top, log) };
      });
      const axes = shape("g", { class: "axes" });
      const wanted = Math.max(2, Math.min(9, Math.floor((right - box.left) / 90)));
      for (const tick of ticks(state.from, state.to, wanted).filter(Number.isInteger)) {
        const across = x(tick);
        axes.append(
          shape("path", { class: "grid", fill: "none", d: panels.map((panel) => `M${across} ${panel.top}V${panel.bottom}`).join("") }),
          shape("text", { class: "tick", "text-anchor": "middle", x: across, y: box.end + 16 }, number(tick)),
        );
      }
      for (const panel of panels) {
        for (const tick of panel.log ? logTicks(panel.low, panel.high, panel.count) : ticks(panel.low, panel.high, panel.count)) {
          const y = panel.y(tick);
          axes.append(
            shape("path", { class: "grid", fill: "none", d: `M${box.left} ${y}H${right}` }),
            shape("text", { class: "tick", "text-anchor": "end", x: box.left - 7, y, dy: "0.35em" }, number(tick)),
          );
        }
      }
      const lines = shape("g", { class: "curves" });
      for (const panel of panels) for (const curve of panel.members) lines.append(...curveShapes(curve, panel));
      const frame = shape("path", { class: "frame", fill: "none", d: panels.map((panel) => `M${box.left} ${panel.top}V${panel.bottom}H${right}`).join("") });
      const named = shape("g", { class: "axis-names", "stroke-width": 3, "paint-order": "stroke" });
      panels.forEach((panel, index) => named.append(shape("text", { x: 2, y: panel.top - 8 }, axisNames[index])));
      named.append(shape("text", { "text-anchor": "end", x: right, y: box.end + 33 }, lastOf(axisNames)));
      const drawn = marks.flatMap((mark) => markShapes(mark, panels[mark.lower && hasLower ? 1 : 0]));
      const below = drawn.filter((mark) => mark.classList.contains("span"));
      const above = drawn.filter((mark) => !mark.classList.contains("span"));
      const levelTexts = panels.flatMap((panel, index) => levelNames(panel, marks.filter((mark) => Boolean(mark.lower && hasLower) === (index === 1))));
      svg.replaceChildren(...below, axes, frame, lines, ...above, ...levelTexts, ...flagShapes(), named, shape("g", { class: "cursor" }));
      reset.disabled = state.from === whole[0] && state.to === whole[1];
    }

    function hits(step) {
      return curves.filter((curve) => curve.shown && curve.steps.length).map((curve) => ({ curve, at: nearest(curve.steps, step) }));
    }

    function showCursor(step) {
      const found = hits(step);
      if (!found.length) return;
      // The cursor stands on a step that was logged, of the curve with most points.
      const densest = found.reduce((best, hit) => (hit.curve.steps.length > best.curve.steps.length ? hit : best));
      const at = densest.curve.steps[densest.at];
      state.cursor = at;
      const across = x(at);
      const cursor = one(".cursor", svg);
      cursor.replaceChildren(shape("path", { class: "cross", fill: "none", d: `M${across} ${box.top}V${box.end}` }));
      const rows = [];
      const spoken = [];
      for (const { curve, at: index } of hits(at)) {
        const own = curve.steps[index];
        const height = panels[curve.lower ? 1 : 0].y(curve.drawn[index]);
        if (Number.isFinite(height) && inView(own)) {
          cursor.append(shape("circle", { class: `hit ${curve.colour}`, cx: x(own), cy: height, r: 4 }));
        }
        const late = own === at ? "" : ` (step ${number(own)})`;
        const smoothed = curve.weight > 0 ? `, smoothed ${number(curve.drawn[index])}` : "";
        rows.push([curve.index, curve.name, `${number(curve.values[index])}${smoothed}${late}`]);
        spoken.push(`${curve.name} ${number(curve.values[index])}${smoothed}${late}`);
      }
      tip.replaceChildren();
      const heading = document.createElement("b");
      heading.textContent = `step ${number(at)}`;
      tip.append(heading);
      for (const [index, name, value] of rows) {
        const row = document.createElement("div");
        const label = document.createElement("span");
        label.textContent = name;
        const shown = document.createElement("strong");
        shown.textContent = value;
        const sample = all(".legend .swatch", figure)[index].cloneNode(true);
        one("path", sample).removeAttribute("id");
        row.append(sample, label, shown);
        tip.append(row);
      }
      tip.hidden = false;
      const room = plot.clientWidth;
      tip.style.left = `${across + 14 + tip.offsetWidth > room ? Math.max(0, across - 14 - tip.offsetWidth) : across + 14}px`;
      tip.style.top = `${box.top + 6}px`;
      return `step ${number(at)}: ${spoken.join("; ")}`;
    }

    function hideCursor() {
      tip.hidden = true;
      one(".cursor", svg)?.replaceChildren();
    }

    function zoom(from, to) {
      state.from = Math.max(whole[0], from);
      state.to = Math.min(whole[1], to);
      hideCursor();
      draw();
    }

    const across = (event) => Math.min(state.width - box.right, Math.max(box.left, event.clientX - svg.getBoundingClientRect().left));
    const stepAt = (position) => state.from + ((position - box.left) / (state.width - box.right - box.left)) * (state.to - state.from);

    svg.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType === "touch") return;
      pointer = across(event);
      svg.setPointerCapture(event.pointerId);
    });
    svg.addEventListener("pointermove", (event) => {
      const position = across(event);
      showCursor(stepAt(position));
      if (pointer !== null) {
        const area = { class: "selection", x: Math.min(pointer, position), width: Math.abs(position - pointer), y: box.top, height: box.end - box.top };
        one(".cursor", svg).append(shape("rect", area));
      }
    });
    svg.addEventListener("pointerup", (event) => {
      if (pointer === null) return;
      const [from, to] = [pointer, across(event)].sort((a, b) => a - b);
      pointer = null;
      if (to - from > 6) zoom(stepAt(from), stepAt(to));
    });
    svg.addEventListener("pointercancel", () => {
      pointer = null;
      hideCursor();
    });
    svg.addEventListener("pointerleave", () => {
      if (pointer === null) hideCursor();
    });
    svg.addEventListener("dblclick", () => zoom(...whole));
    svg.addEventListener("blur", hideCursor);
    svg.addEventListener("keydown", (event) => {
      const span = state.to - state.from;
      const cursor = state.cursor ?? state.from + span / 2;
      const densest = drawable.reduce((best, curve) => (curve.shown && curve.steps.length > best.steps.length ? curve : best));
      const at = nearest(densest.steps, cursor);
      const stride = event.shiftKey ? Math.max(1, Math.round(densest.steps.length / 20)) : 1;
      const moves = {
        ArrowRight: () => densest.steps[Math.min(densest.steps.length - 1, at + stride)],
        ArrowLeft: () => densest.steps[Math.max(0, at - stride)],
        Home: () => densest.steps[0],
        End: () => lastOf(densest.steps),
      };
      if (moves[event.key]) {
        const step = moves[event.key]();
        if (!inView(step)) zoom(step - span / 2, step - span / 2 + span);
        readout.textContent = showCursor(step) ?? "";
      } else if (event.key === "+" || event.key === "=") {
        zoom(cursor - span / 4, cursor + span / 4);
      } else if (event.key === "-") {
        zoom(cursor - span, cursor + span);
      } else if (event.key === "Escape") {
        zoom(...whole);
      } else {
        return;
      }
      event.preventDefault();
    });
    one(".log", figure).addEventListener("change", (event) => {
      state.log = event.target.checked;
      draw();
    });
    one(".smoothing", figure).addEventListener("input", (event) => {
      state.weight = Number(event.target.value);
      one("output", figure).textContent = event.target.value;
      draw();
    });
    reset.addEventListener("click", () => zoom(...whole));
    boxes.forEach((checkbox, index) => {
      checkbox.hidden = false;
      checkbox.addEventListener("change", () => {
        curves[index].shown = checkbox.checked;
        draw();
      });
    });

    // One or two points have no course that a scale or an average could show.
    one(".tools", figure).hidden = curves.every((curve) => curve.steps.length < 3);
    figure.classList.add("live");
    svg.setAttribute("tabindex", "0");
    svg.setAttribute("role", "application");
    svg.setAttribute("aria-label", `${svg.getAttribute("aria-label")}. Arrow keys read values, plus and minus zoom, Escape resets. Drag to zoom.`);
    const layout = () => {
      const width = Math.round(svg.getBoundingClientRect().width);
      // A plot in a closed part of the page has no width yet.
      if (width > 0 && width !== state.width) {
        state.width = width;
        hideCursor();
        draw();
      }
    };
    new ResizeObserver(layout).observe(plot);
    layout();
  }

  // --- heatmaps ---------------------------------------------------------------------------------------------------

  // One row at a time can be focused: up and down move to its neighbours, left and right from cell to cell.
  function heatmap(figure, exhibit) {
    const readout = one(".readout", figure);
    const strips = all(".heat td.strip svg", figure);
    const names = all(".heat tbody th", figure).map((head) => head.textContent);
    const last = exhibit.columns.length - 1;
    if (!strips.length || last < 0) return;
    const frame = document.createElementNS(strips[0].namespaceURI, "rect");
    frame.setAttribute("class", "cell");
    frame.setAttribute("fill", "none");
    frame.setAttribute("height", "20");
    const hint = "Point at a cell, or move to it with the arrow keys, to read its value.";
    let at = 0;
    let focusable = null;

    function show(row, column) {
      at = column;
      frame.setAttribute("x", `${(column / (last + 1)) * 100}%`);
      frame.setAttribute("width", `${100 / (last + 1)}%`);
      strips[row].append(frame);
      readout.textContent = `${names[row]}, ${exhibit.columns[column]}: ${number(Number(exhibit.values[row][column]))} ${exhibit.unit}`;
    }

    function hide() {
      frame.remove();
      readout.textContent = hint;
    }

    function offer(row) {
      if (focusable) {
        for (const name of ["tabindex", "role", "aria-label"]) focusable.removeAttribute(name);
        focusable.setAttribute("aria-hidden", "true");
      }
      focusable = strips[row];
      focusable.removeAttribute("aria-hidden");
      focusable.setAttribute("role", "application");
      focusable.setAttribute("aria-label", `${names[row]}: ${last + 1} cells. Arrow keys read their values.`);
      focusable.setAttribute("tabindex", "0");
    }

    // On the body of the table: a picture that listens to focus itself would be a stop of the Tab key in some browsers.
    const body = one(".heat tbody", figure);
    const rowOf = (event) => strips.indexOf(event.target.closest("svg"));
    const pointAt = (event) => {
      const row = rowOf(event);
      if (row < 0) return hide();
      const area = strips[row].getBoundingClientRect();
      const column = Math.floor(((event.clientX - area.left) / area.width) * (last + 1));
      show(row, Math.min(last, Math.max(0, column)));
    };
    body.addEventListener("pointermove", pointAt);
    body.addEventListener("pointerdown", pointAt);
    body.addEventListener("pointerleave", hide);
    body.addEventListener("focusin", (event) => rowOf(event) >= 0 && show(rowOf(event), at));
    body.addEventListener("focusout", hide);
    body.addEventListener("keydown", (event) => {
      const row = rowOf(event);
      const moves = {
        ArrowRight: [row, Math.min(last, at + 1)],
        ArrowLeft: [row, Math.max(0, at - 1)],
        ArrowDown: [Math.min(strips.length - 1, row + 1), at],
        ArrowUp: [Math.max(0, row - 1), at],
        Home: [row, 0],
        End: [row, last],
      };
      const move = moves[event.key];
      if (row < 0 || !move || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      if (move[0] !== row) {
        offer(move[0]);
        strips[move[0]].focus();
      }
      show(...move);
    });
    offer(0);
    hide();
  }

  // --- the page ---------------------------------------------------------------------------------------------------

  // A link may point into a part of the page that is folded.
  function unfold() {
    let element = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    const target = element;
    for (; element; element = element.parentElement) if (element.tagName === "DETAILS") element.open = true;
    target?.scrollIntoView();
  }

  // Causes and their figures' numbers are opened for paper; docs and passed checks are printed where the reader has opened them.
  function printing() {
    let opened = [];
    addEventListener("beforeprint", () => {
      enliven(Infinity);
      opened = all(".cause, .inline, .figure details").filter((part) => !part.open);
      opened.forEach((part) => (part.open = true));
    });
    addEventListener("afterprint", () => opened.forEach((part) => (part.open = false)));
  }

  let report;
  function exhibitOf(figure) {
    report ??= JSON.parse(one("#postmortem-report").textContent);
    return report.runs[Number(figure.dataset.run)].exhibits[Number(figure.dataset.exhibit)];
  }

  function enlivenPart(part) {
    if (part.matches("section")) part.dataset.laid = "";
    else if (part.matches("figure.lines")) linePlot(part, exhibitOf(part));
    else if (part.matches("figure.heatmap")) heatmap(part, exhibitOf(part));
    else sortable(part);
  }

  // The page is whole as it came. It is painted once as it is; then its parts are made livelier a few milliseconds at a time, so that it is
  // painted in between: figures from the top, then the layout of what is below the screen, then tables.
  const parts = ["figure.lines, figure.heatmap", ".run > section", "table.sortable"].flatMap((selector) => all(selector));
  const state = document.documentElement.dataset;
  function enliven(milliseconds) {
    const until = performance.now() + milliseconds;
    while (parts.length && performance.now() < until) enlivenPart(parts.shift());
    if (parts.length) setTimeout(enliven, 0, SLICE_MS);
    else state.live = "yes";
  }

  state.live = "soon";
  addEventListener("hashchange", () => {
    enliven(Infinity);
    unfold();
  });
  printing();
  if (location.hash) {
    enliven(Infinity);
    unfold();
  } else {
    requestAnimationFrame(() => setTimeout(enliven, 0, SLICE_MS));
  }
})();

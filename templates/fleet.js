// Filters and sorts the page of all runs. What is chosen stands in the address, so that a filtered view can be sent and Back works.
(() => {
  "use strict";

  const one = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const table = one(".runs");
  if (!table) return;

  const bar = one(".filters");
  const search = one("input[type=search]", bar);
  const chips = all("[data-verdict]", bar);
  const select = one("select", bar);
  const shown = one(".shown");
  const everything = shown.textContent;
  const titles = new Map(all("option", select ?? bar).map((option) => [option.value, option.textContent]));
  const runs = all("tbody tr", table).map((row) => {
    const [, verdict, cause] = [...row.children].map((cell) => cell.textContent.trim());
    return { row, verdict, cause, text: row.textContent.replaceAll("\u00a0%", "%").toLowerCase() };
  });

  // --- what is chosen, and the address ----------------------------------------------------------------------------

  // Null where the address leads to a place on the page instead.
  function chosen() {
    const hash = location.hash.slice(1);
    if (hash !== "" && !hash.includes("=")) return null;
    const values = new URLSearchParams(hash);
    const verdicts = (values.get("verdict") ?? "").split(",");
    const cause = values.get("cause") ?? "";
    return {
      text: values.get("text") ?? "",
      verdicts: chips.map((chip) => chip.dataset.verdict).filter((verdict) => verdicts.includes(verdict)),
      cause: titles.has(cause) ? cause : "",
      sort: /^\d+,(ascending|descending)$/.test(values.get("sort")) ? values.get("sort") : "",
    };
  }

  function written({ text, verdicts, cause, sort }) {
    const values = [
      ["verdict", verdicts.map(encodeURIComponent).join(",")],
      ["cause", encodeURIComponent(cause)],
      ["text", encodeURIComponent(text)],
      ["sort", sort],
    ];
    return `#${values.filter(([, value]) => value).map(([name, value]) => `${name}=${value}`).join("&")}`;
  }

  const nothing = { text: "", verdicts: [], cause: "", sort: "" };
  let now = chosen() ?? nothing;
  const order = sortable(one("table", table), () => {
    const { column, order: way } = order.state;
    choose({ sort: column < 0 ? "" : `${column},${way}` });
  });

  function choose(change, replacing = false) {
    now = { ...now, ...change };
    show();
    const address = written(now);
    if (address === (location.hash || "#")) return;
    // Some previews of files refuse to have their address changed: the filter works there all the same.
    try {
      if (replacing) history.replaceState(null, "", address);
      else history.pushState(null, "", address);
    } catch {
      return;
    }
  }

  // --- showing it -------------------------------------------------------------------------------------------------

  function fits({ verdict, cause, text }, words) {
    if (now.verdicts.length && !now.verdicts.includes(verdict)) return false;
    if (now.cause && cause !== (now.cause === "none" ? "" : titles.get(now.cause))) return false;
    return words.every((word) => text.includes(word));
  }

  function show() {
    const words = now.text.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const run of runs) {
      const hidden = !fits(run, words);
      if (run.row.hidden !== hidden) run.row.hidden = hidden;
      if (!hidden) count++;
    }
    const number = (value) => (value < 10000 ? String(value) : value.toLocaleString("en-US"));
    const filtered = words.length > 0 || now.verdicts.length > 0 || now.cause !== "";
    const [column, way] = now.sort.split(",");
    if (now.sort !== (order.state.column < 0 ? "" : `${order.state.column},${order.state.order}`)) order.sort(Number(column), way ?? "none");
    const sorted = order.state.column < 0 ? "" : `, by ${order.heads[order.state.column].textContent.toLowerCase()}`;
    const unfiltered = sorted ? everything.replace(/, .*/, sorted) : everything;
    shown.textContent = filtered ? `showing ${number(count)} of ${number(runs.length)} runs${sorted}` : unfiltered;
    table.hidden = count === 0;
    one(".nothing").hidden = count > 0;
    if (search.value !== now.text) search.value = now.text;
    if (select) select.value = now.cause;
    for (const chip of chips) chip.setAttribute("aria-pressed", String(now.verdicts.includes(chip.dataset.verdict)));
    for (const button of all(".cause-counts button")) button.setAttribute("aria-pressed", String(button.closest("li").dataset.cause === now.cause));
    one(".reset", bar).disabled = !filtered && !sorted;
  }

  // --- controls ---------------------------------------------------------------------------------------------------

  // A search is one step back, however many letters it has.
  search.addEventListener("input", () => choose({ text: search.value }, now.text !== ""));
  select?.addEventListener("change", () => choose({ cause: select.value }));
  for (const chip of chips) {
    const own = chip.dataset.verdict;
    chip.addEventListener("click", () => {
      const others = now.verdicts.filter((verdict) => verdict !== own);
      choose({ verdicts: others.length < now.verdicts.length ? others : [...others, own] });
    });
  }
  for (const item of all(".cause-counts li")) {
    const title = one(".cause-title", item);
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = title.textContent;
    button.addEventListener("click", () => choose({ cause: now.cause === item.dataset.cause ? "" : item.dataset.cause }));
    title.replaceChildren(button);
  }
  for (const reset of all(".reset")) {
    reset.addEventListener("click", () => {
      choose(nothing);
      search.focus();
    });
  }
  const whole = one(".whole", bar);
  // A cell cannot be cut after two lines, what stands in it can; in the page itself this would be bytes for each run.
  if (table.classList.contains("told")) {
    for (const { row } of runs) {
      const seen = document.createElement("div");
      seen.append(...row.children[4].childNodes);
      row.children[4].append(seen);
    }
  }
  const clip = () => table.classList.toggle("clipped", !whole.checked);
  whole.addEventListener("change", clip);
  clip();

  addEventListener("hashchange", () => {
    now = chosen() ?? now;
    show();
  });
  bar.hidden = false;
  show();
})();

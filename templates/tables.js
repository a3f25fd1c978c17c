// Tables whose headings sort them. The first part of every page's script: what it names, the later parts use.
const sortable = (() => {
  "use strict";

  const words = new Intl.Collator("en", { numeric: true });

  // Sorts a table by its headings from now on. What it returns says how it is sorted, as (column, order), and sorts it so; `sorted` hears of it.
  return (table, sorted = () => {}) => {
    const state = { column: -1, order: "none" };
    const body = table.tBodies[0];
    const heads = [...table.querySelectorAll("thead th")];
    const original = [...body.rows];
    const key = (row, column) => {
      const cell = row.children[column];
      const text = cell.dataset.sort ?? cell.textContent.trim();
      const value = Number(text.replaceAll(",", "").replace("infinity", "Infinity"));
      return text !== "" && (text === "NaN" || !Number.isNaN(value)) ? value : text;
    };
    const compare = (a, b, sign) => {
      // Cells without a value stand last in either order.
      if (a === "" || b === "") return (a === "") - (b === "");
      if (typeof a === "number" && typeof b === "number") return sign * (Number.isNaN(a) - Number.isNaN(b) || a - b || 0);
      if (typeof a === "number") return -1;
      if (typeof b === "number") return 1;
      return sign * words.compare(a, b);
    };
    heads.forEach((head, column) => {
      if (head.classList.contains("plain")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = head.textContent;
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
      button.addEventListener("click", () => {
        const numeric = original.some((row) => typeof key(row, column) === "number");
        // Numbers start with the largest, names with the first; a third click restores the page's own order.
        const cycle = numeric ? ["none", "descending", "ascending"] : ["none", "ascending", "descending"];
        sort(column, cycle[(cycle.indexOf(head.getAttribute("aria-sort")) + 1) % 3]);
        sorted();
      });
    });

    function sort(column, order) {
      heads.forEach((other) => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", "none"));
      const known = heads[column]?.hasAttribute("aria-sort") && order !== "none";
      Object.assign(state, known ? { column, order } : { column: -1, order: "none" });
      if (!known) return body.append(...original);
      heads[column].setAttribute("aria-sort", order);
      const sign = order === "descending" ? -1 : 1;
      const keyed = original.map((row) => [key(row, column), row]);
      keyed.sort(([a], [b]) => compare(a, b, sign));
      body.append(...keyed.map(([, row]) => row));
    }

    return { state, sort, heads };
  };
})();

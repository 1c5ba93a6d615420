// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Builds the page from its data. Every text of a run becomes text by textContent, whatever is in it.
"use strict";

(() => {
  const format = svcbench.format;
  const figure = svcbench.figure;
  const page = JSON.parse(document.getElementById("data").textContent);

  // A cell comes as an array, which is shorter: run, id, plane, services, what, unit, value, low, high,
  // samples, beside it.
  page.cells = page.cells.map(([run, id, plane, services, what, unit, value, low, high, samples, also], index) =>
    ({ run, id, plane, services, what, unit, value, low, high, samples, also, index }));

  const several = page.runs.length > 1;
  const letter = (run) => String.fromCharCode(65 + (run % 26));
  const look = { log: true, print: false };
  const holders = [];

  // ---- elements ----

  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== undefined && value !== false) {
        node.setAttribute(name, value === true ? "" : value);
      }
    }
    node.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
    return node;
  };
  const swatch = (plane) => make("span", { class: `swatch slot-${figure.plane_of(page, plane).slot}`, "aria-hidden": "true" });
  // Names that begin with a small letter keep it.
  const sentence = (words) => (/^(e?bpf|iptables|nftables|ipvs|kube|null|tc\b)/i.test(words) ? words
    : words.charAt(0).toUpperCase() + words.slice(1));

  const link_to = (cell, ...children) =>
    make("a", { href: `#cell-${cell.index}`, class: "evident", "data-cell": cell.index }, ...children);

  const figure_of = (cell) => [make("span", { class: "value" }, format.value(cell.value, cell.unit)),
    make("span", { class: "interval" }, ` ${format.interval(cell)}`)];

  // A table's cell: text, a figure with its evidence, or a text that has some.
  const content_of = (one) => {
    if (one === null) {
      return ["–"];
    }
    if (typeof one === "string") {
      return [one];
    }
    const cell = one.cell === undefined ? null : page.cells[one.cell];
    const body = one.text !== undefined ? [make("span", { class: "value" }, one.text)] : figure_of(cell || one);
    const note = one.note ? make("span", { class: "note" }, one.note) : null;
    const whole = one.text !== undefined && one.beside
      ? [...body, make("span", { class: "interval" }, ` ${one.beside}`)] : body;
    if (cell) {
      return [link_to(cell, ...whole), note].filter(Boolean);
    }
    return [one.to ? make("a", { href: `#${one.to}`, class: "evident" }, ...whole) : make("span", {}, ...whole), note]
      .filter(Boolean);
  };

  const table_of = ({ title, head, rows, classes }) => {
    const body = make("tbody");
    for (const row of rows) {
      if (row.group) {
        body.append(make("tr", { class: "group" },
          make("th", { scope: "rowgroup", colspan: head.length },
            make("div", {}, row.group, row.book ? make("span", { class: "book" }, row.book) : ""))));
        continue;
      }
      const line = make("tr");
      row.forEach((one, i) => line.append(i === 0 ? make("th", { scope: "row" }, ...content_of(one))
        : make("td", { class: one && one.mood ? `mood-${one.mood}` : null }, ...content_of(one))));
      body.append(line);
    }
    const heads = head.map((one) => make("th", { scope: "col" },
      ...(one && one.plane !== undefined
        ? [swatch(one.plane), figure.plane_of(page, one.plane).label, one.note ? make("span", { class: "note warn" }, one.note) : ""]
        : [one])));
    return make("div", { class: `scroll ${classes || ""}`, tabindex: "0", role: "region", "aria-label": title },
      make("table", {}, make("caption", { class: "unseen" }, title), make("thead", {}, make("tr", {}, ...heads)), body));
  };

  // ---- the table behind a chart ----

  const rows_behind = (block) => {
    if (block.chart === "stack") {
      return {
        head: [block.first, ...block.parts.map((part) => part.name), "whole"],
        rows: block.categories.map((name, i) => [name,
          ...block.parts.map((part) => (part.values[i] === null ? null : { text: format.value(part.values[i], block.y.unit) })),
          { cell: block.totals[i] }]),
      };
    }
    if (block.chart === "bars") {
      return {
        head: [block.first, ...block.sets.map((set) => set.name)],
        rows: block.categories.map((name, i) => [name,
          ...block.sets.map((set) => (set.cells[i] === null ? null : { cell: set.cells[i] }))]),
      };
    }
    const columns = block.series.map((series) => ({ series, points: figure.points_of(page, block, series) }));
    const xs = block.chart === "percentiles" ? [2, 4, 10, 20, 100, 1000, 10000]
      : [...new Set(columns.flatMap(({ points }) => points.map((point) => point.x)))].sort((a, b) => a - b);
    const near = (points, x) => points.find((point) => Math.abs(point.x / x - 1) < 1e-6);
    return {
      head: [block.chart === "percentiles" ? "percentile" : "services", ...block.series.map((series) => series.name)],
      rows: xs.map((x) => [block.chart === "percentiles" ? `p${figure.percent(x)}` : format.count(x),
        ...columns.map(({ points }) => {
          const point = near(points, x);
          return !point ? null : point.cell ? { cell: point.cell.index } : { text: format.value(point.y, block.y.unit) };
        })]).concat(block.series.some((series) => series.fit)
        ? [["b of cost ~ N^b", ...block.series.map((series) => (series.fit ? { cell: series.fit.cell, note: series.fit.trend } : null))]]
        : []),
    };
  };

  // Under a chart: what its dotted lines and its rings say.
  const told_under = (block) => {
    const fitted = (block.series || []).filter((series) => series.fit);
    const fits = fitted.map((series) => {
      const cell = page.cells[series.fit.cell];
      return make("span", { class: "fit" }, swatch(series.plane),
        link_to(cell, `${series.name} N^${format.value(cell.value, "exponent")} ${series.fit.trend}`));
    });
    return [
      fits.length > 0 ? make("p", { class: "fits" }, "Fitted: ", ...fits) : null,
      ...(block.marks || []).map((mark) => make("p", { class: "fits" }, `◯ ${mark.text}, ${mark.more}`)),
    ].filter(Boolean);
  };

  // Which run it is of, and whether that was no machine of its own.
  const chips = (run) => (run === undefined ? [] : [
    several ? make("span", { class: "chip", title: page.runs[run].file }, `run ${letter(run)}`) : "",
    page.runs[run].mark ? make("span", { class: "chip warn" }, page.runs[run].mark_short) : "",
  ]);

  const chart_of = (block) => {
    const canvas = make("canvas", {
      tabindex: "0", role: "application", "aria-roledescription": "chart", id: `canvas-${block.id}`,
      "aria-label": `${block.title}. ${block.summary || ""} Arrow keys walk from point to point and from line to line; `
        + "Enter goes to the evidence. The same figures are in the table below.",
    });
    const box = make("div", { class: `plot ${block.chart}` }, canvas);
    const shaded = block.parts || block.sets;  // no lines, but bars
    const legend = make("ul", { class: "legend", "aria-hidden": "true" }, ...(shaded
      ? shaded.map((one, i) => make("li", {}, make("span", { class: `swatch part-${figure.shade(shaded.length, i)}` }), one.name))
      : block.series.map((series) => make("li", {}, make("span", { class: `swatch slot-${series.slot || figure.plane_of(page, series.plane).slot}` }), series.name))));
    const behind = rows_behind(block);
    const holder = { block, canvas, box, legend, chart: null };
    holders.push(holder);
    figure.reach_by_keys(page, block, holder, canvas, go_to);
    return make("figure", { class: "chart", id: block.id },
      make("h3", {}, block.title, ...chips(block.run)),
      block.caption ? make("p", { class: "lead" }, block.caption) : null,
      legend, box,
      make("p", { class: "keys", "aria-hidden": "true" }, "← → along a line, ↑ ↓ between lines, Enter: evidence"),
      ...told_under(block),
      make("details", { class: "behind" }, make("summary", {}, "The figures as a table"),
        table_of({ title: block.title, ...behind, classes: "figures" })));
  };

  // ---- verdicts ----

  const moods = { holds: ["good", "✓", "Holds"], "does not hold": ["bad", "✕", "Does not hold"], inconclusive: ["open", "?", "Inconclusive"] };

  const verdict_of = (verdict) => {
    const [mood, sign, words] = moods[verdict.outcome] || ["open", "?", verdict.outcome];
    const said = verdict.summary.startsWith(`${verdict.outcome}: `) ? verdict.summary.slice(verdict.outcome.length + 2) : verdict.summary;
    return make("li", { class: `verdict mood-${mood}` },
      make("p", { class: "outcome" }, make("span", { class: "sign", "aria-hidden": "true" }, sign), words),
      make("div", { class: "reason" },
        make("h3", {}, sentence(verdict.claim), ...chips(verdict.run)),
        make("p", {}, `${sentence(said)}.`),
        verdict.settle ? make("p", { class: "settle" }, `What would settle it: ${verdict.settle}.`) : null,
        verdict.evidence.length === 0 ? null
          : make("details", {}, make("summary", {}, `Evidence (${verdict.evidence.length})`),
            make("ul", {}, ...verdict.evidence.map((line) => make("li", {}, line))))));
  };

  const tally = () => {
    const count = (outcome) => page.verdicts.filter((verdict) => verdict.outcome === outcome).length;
    const [yes, no, open] = ["holds", "does not hold", "inconclusive"].map(count);
    const parts = [];
    parts.push(`${yes} of ${page.verdicts.length} claims hold${yes === 1 && page.verdicts.length === 1 ? "s" : ""}`);
    if (no > 0) {
      parts.push(`${no} ${no === 1 ? "does" : "do"} not`);
    }
    if (open > 0) {
      parts.push(`${open} ${open === 1 ? "is" : "are"} inconclusive`);
    }
    return `On this ${several ? "evidence" : "machine"}, ${parts.join(", ")}.`;
  };

  // ---- sections ----

  const block_of = (block) => {
    if (block.chart) {
      return chart_of(block);
    }
    if (block.rows) {
      return make("div", { class: "block", id: block.id },
        make("h3", {}, block.title, ...chips(block.run)),
        block.caption ? make("p", { class: "lead" }, block.caption) : null,
        block.folded ? make("details", {}, make("summary", {}, `All ${format.count(block.rows.length)}`), table_of(block)) : table_of(block),
        block.after && block.after.length > 0 ? make("ul", { class: "after" }, ...block.after.map((line) => make("li", {}, line))) : null);
    }
    return make("ul", { class: "after" }, ...block.list.map((line) => make("li", {}, line)));
  };

  const section_of = ({ id, title, lead, blocks }) => {
    const charts = blocks.filter((block) => block.chart);
    return make("section", { id, "aria-labelledby": `${id}-title` }, make("h2", { id: `${id}-title` }, title),
      lead ? make("p", { class: "lead" }, lead) : null,
      charts.length > 0 ? make("div", { class: charts.length > 1 ? "charts" : "charts one" }, ...charts.map(block_of)) : null,
      ...blocks.filter((block) => !block.chart).map(block_of));
  };

  const beside = (also) => Object.entries(also || {}).map(([name, value]) => {
    const unit = name.endsWith("_bytes") ? "bytes" : name.endsWith("_ns") || /^(p\d|max|stage)/.test(name) ? "ns" : "entries";
    return `${name.replace(/_(ns|bytes)$/, "").replaceAll("_", " ")} ${format.value(value, unit)}`;
  }).join(" · ");

  const evidence = () => {
    const body = make("tbody");
    for (const cell of page.cells) {
      const row = make("tr", { id: `cell-${cell.index}`, tabindex: "-1" },
        several ? make("td", {}, letter(cell.run)) : null,
        make("th", { scope: "row" }, make("code", {}, cell.id)), make("td", {}, cell.what),
        make("td", { class: "number" }, format.value(cell.value, cell.unit, 4)),
        make("td", { class: "number" }, format.interval(cell, 4) || "–"),
        make("td", { class: "number" }, format.count(cell.samples)), make("td", { class: "beside" }, beside(cell.also)));
      body.append(row);
    }
    const head = [...(several ? ["run"] : []), "figure", "what", "value", "95 % interval", "samples", "beside it"];
    return make("section", { id: "evidence", "aria-labelledby": "evidence-title" },
      make("h2", { id: "evidence-title" }, "Evidence"),
      make("p", { class: "lead" }, "Every figure of this page, as the run has it: medians, with intervals over rounds or volleys that "
        + "assume no distribution; beside them what else was read from the same samples. How one was made: "
        + "svcbench explain RUN.json FIGURE."),
      make("details", { id: "all-cells" }, make("summary", {}, `All ${format.count(page.cells.length)} figures`),
        make("div", { class: "scroll figures", tabindex: "0", role: "region", "aria-label": "All figures" },
          make("table", {}, make("caption", { class: "unseen" }, "All figures"),
            make("thead", {}, make("tr", {}, ...head.map((one) => make("th", { scope: "col" }, one)))), body))));
  };

  const environment = () => make("section", { id: "environment", "aria-labelledby": "environment-title" },
    make("h2", { id: "environment-title" }, several ? "The runs, and how to repeat them" : "The machine, and how to repeat this"),
    ...page.runs.map((run, i) => make("div", { class: "run" },
      several ? make("h3", {}, `Run ${letter(i)}: ${run.file}`) : null,
      run.mark ? make("p", { class: "notice" }, run.mark) : null,
      make("dl", { class: "facts" }, ...run.facts.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])),
      make("p", { class: "lead" }, "The same seed gives the same services, packets and order:"),
      make("pre", { class: "commands", tabindex: "0" }, run.commands.join("\n")),
      run.noise.length > 0 ? make("div", {}, make("h4", {}, "What may have disturbed it"),
        make("ul", { class: "after" }, ...run.noise.map((line) => make("li", {}, line)))) : null,
      run.left_out.length > 0 ? make("div", {}, make("h4", {}, "Not measured, and notes"),
        make("ul", { class: "after" }, ...run.left_out.map((line) => make("li", {}, line)))) : null,
      make("details", {}, make("summary", {}, "Everything that was read of the machine"),
        make("dl", { class: "facts small" }, ...run.everything.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]))))));

  // ---- the bar ----

  const switch_of = (label, id, choices, chosen, choose) => {
    const group = make("div", { class: "switch", role: "radiogroup", "aria-label": label, id });
    choices.forEach(([value, words]) => {
      const input = make("input", { type: "radio", name: id, value, id: `${id}-${value}`, checked: value === chosen });
      input.addEventListener("change", () => choose(value));
      group.append(input, make("label", { for: `${id}-${value}` }, words));
    });
    return group;
  };

  const prefers_dark = matchMedia("(prefers-color-scheme: dark)");
  let colours = "auto";
  const paint = () => {
    document.documentElement.dataset.theme = colours === "auto" ? (prefers_dark.matches ? "dark" : "light") : colours;
  };
  const theme = (value) => {
    colours = value;
    paint();
    draw_all();
  };

  const bar = (sections) => make("nav", { class: "bar", "aria-label": "Page" },
    make("a", { href: "#top", class: "brand" }, "svcbench"),
    make("ul", {}, ...sections.map(([id, words]) => make("li", {}, make("a", { href: `#${id}` }, words)))),
    make("div", { class: "switches" },
      holders.some(({ block }) => !figure.lies(block))
        ? switch_of("Axes", "axes", [["log", "Log"], ["linear", "Linear"]], "log", (value) => {
          look.log = value === "log";
          draw_all();
        }) : null,
      switch_of("Colours", "theme", [["auto", "Auto"], ["light", "Light"], ["dark", "Dark"]], "auto", theme)));

  // ---- life ----

  const draw_all = () => holders.forEach((holder) => figure.draw(page, holder.block, holder, look));

  function go_to(cell) {
    const row = document.getElementById(`cell-${cell.index}`);
    document.getElementById("all-cells").open = true;
    document.querySelectorAll("tr.sought").forEach((one) => one.classList.remove("sought"));
    row.classList.add("sought");
    row.scrollIntoView({ block: "center" });
    row.focus({ preventScroll: true });
  }

  const follow = () => {
    const found = /^#cell-(\d+)$/.exec(location.hash);
    if (found && page.cells[Number(found[1])]) {
      go_to(page.cells[Number(found[1])]);
    }
  };

  const build = () => {
    const root = document.getElementById("page");
    const verdicts = page.verdicts.length === 0 ? null
      : make("section", { id: "verdicts", "aria-labelledby": "verdicts-title" },
        make("h2", { id: "verdicts-title" }, tally()),
        make("ol", { class: "verdicts" }, ...page.verdicts.map(verdict_of)));
    const sections = page.sections.map(section_of);
    const main = make("main", { id: "top" },
      make("header", {}, make("h1", {}, page.title), make("p", { class: "subject" }, page.subject),
        ...page.runs.filter((run) => run.mark).map((run) => make("p", { class: "notice" },
          several ? `Run ${letter(page.runs.indexOf(run))}: ${run.mark}` : run.mark))),
      page.runs.some((run) => run.noise.length > 0)
        ? make("p", { class: "disturbed" }, make("a", { href: "#environment" }, "What may have disturbed the measurement")) : null,
      verdicts || make("section", { id: "verdicts" }), ...sections, evidence(), environment());
    root.append(bar([...(verdicts ? [["verdicts", "Verdicts"]] : []), ...page.sections.map(({ id, short }) => [id, short]),
      ["evidence", "Evidence"], ["environment", "Machine"]]), main);
    document.title = `svcbench: ${page.subject}`;
  };

  const sense = () => {
    document.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-cell]");
      if (link) {
        event.preventDefault();
        history.replaceState(null, "", link.getAttribute("href"));
        go_to(page.cells[Number(link.dataset.cell)]);
      }
    });
    window.addEventListener("hashchange", follow);
    prefers_dark.addEventListener("change", () => theme(colours));
    let waiting = 0;
    window.addEventListener("resize", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => holders.filter((holder) => holder.wide !== holder.box.clientWidth >= figure.narrow)
        .forEach((holder) => figure.draw(page, holder.block, holder, look)), 120);
    });
    const closed = new Set();
    const paper = (on) => {
      look.print = on;
      // What a verdict rests on belongs on paper.
      document.querySelectorAll(".verdict details:not([open])").forEach((one) => on && closed.add(one));
      closed.forEach((one) => { one.open = on; });
      if (!on) {
        closed.clear();
      }
      document.documentElement.classList.toggle("paper", on);
      draw_all();
    };
    window.addEventListener("beforeprint", () => paper(true));
    window.addEventListener("afterprint", () => paper(false));
  };

  Chart.defaults.font.family = figure.css("--sans");
  paint();
  build();
  draw_all();
  sense();
  follow();
  document.documentElement.dataset.ready = String(Math.round(performance.now()));
})();

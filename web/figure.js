// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// A chart of the page: Chart.js draws it; what is here says what to draw, and lets keys and readers reach it.
"use strict";

svcbench.figure = (() => {
  const format = svcbench.format;
  const narrow = 480;  // px: below it names stand above the chart, not beside their lines
  const styles = {
    circle: "circle", square: "rect", triangle: "triangle", diamond: "rectRot", cross: "crossRot",
    star: "star", pill: "rectRounded", none: false,
  };

  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const paint = (slot) => css(`--plane-${slot}`) || css("--plane-other");
  const faint = (colour, share) => {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    return `rgba(${r}, ${g}, ${b}, ${share})`;
  };

  // ---- names beside their lines ----

  // Moves the wanted heights apart to at least `gap`, within [top, bottom]; ascending order stays.
  const spread = (wanted, gap, top, bottom) => {
    const order = wanted.map((y, i) => [y, i]).sort((a, b) => a[0] - b[0]);
    let least = top;
    for (const one of order) {
      one[0] = Math.max(one[0], least);
      least = one[0] + gap;
    }
    let most = bottom;
    for (const one of order.slice().reverse()) {
      one[0] = Math.min(one[0], most);
      most = one[0] - gap;
    }
    const out = [];
    order.forEach(([y, i]) => { out[i] = y; });
    return out;
  };

  const names = {
    id: "names",
    afterDatasetsDraw(chart) {
      if (!chart.options.plugins.names.on) {
        return;
      }
      const { ctx, chartArea } = chart;
      const lines = chart.data.datasets
        .map((set, i) => ({ set, points: chart.getDatasetMeta(i).data }))
        .filter(({ set, points }) => set.named && points.length > 0);
      const ends = lines.map(({ points }) => points[points.length - 1]);
      // A line that ends early has its name there, the others theirs in one column, apart.
      const early = (end) => end.x < chartArea.right - 60;
      const wanted = ends.filter((end) => !early(end)).map((end) => end.y);
      const column = spread(wanted, 15, chartArea.top + 4, chartArea.bottom - 4);
      ctx.save();
      ctx.font = `500 12px ${css("--sans")}`;
      ctx.textBaseline = "middle";
      lines.forEach(({ set }, i) => {
        ctx.fillStyle = css("--ink");
        if (early(ends[i])) {
          ctx.fillText(set.named, ends[i].x + 10, ends[i].y);
          return;
        }
        const to = { x: chartArea.right + 16, y: column.shift() };
        ctx.strokeStyle = faint(set.paint, 0.6);
        ctx.lineWidth = 1;
        ctx.beginPath();
        ctx.moveTo(ends[i].x + 7, ends[i].y);
        ctx.lineTo(to.x - 4, to.y);
        ctx.stroke();
        ctx.fillText(set.named, to.x, to.y);
      });
      ctx.restore();
    },
  };

  const width_of_names = (sets) => {
    const ctx = document.createElement("canvas").getContext("2d");
    ctx.font = `500 12px ${css("--sans")}`;
    return Math.max(0, ...sets.filter((set) => set.named).map((set) => ctx.measureText(set.named).width));
  };

  // ---- what is drawn ----

  const plane_of = (page, name) => page.planes[name] || { label: name, slot: "other", mark: "circle" };

  // The points of a series as { x, y, cell }, what hovering over them tells, and what its table holds.
  const points_of = (page, block, series) => {
    if (series.cells) {
      return series.cells.map((index) => {
        const cell = page.cells[index];
        return { x: cell.services, y: cell.value, cell };
      });
    }
    return series.points.map((one) => ({ x: one[0], y: one[1], above: one[2] }));
  };

  const line_sets = (page, block) => {
    const sets = [];
    const whiskers = [];
    const fits = [];
    for (const series of block.series) {
      const plane = plane_of(page, series.plane);
      const colour = paint(series.slot || plane.slot);
      const points = points_of(page, block, series);
      const set = {
        type: "line", label: series.name, named: series.name, paint: colour, data: points, series,
        borderColor: colour, backgroundColor: colour, borderWidth: series.dash ? 1.5 : 2,
        borderDash: series.dash ? [5, 4] : [],
        pointStyle: styles[series.mark || plane.mark] || "circle",
        pointRadius: block.chart === "percentiles" ? 0 : 3.5,
        pointHoverRadius: 6, pointHitRadius: 12, pointBorderColor: css("--paper"), pointBorderWidth: 1,
        order: 1,
      };
      if (set.pointStyle === "crossRot" || set.pointStyle === "star") {
        set.pointBorderColor = colour;
        set.pointBorderWidth = 2;
      }
      sets.push(set);
      const bars = points.filter((point) => point.cell && point.cell.low !== null)
        .map((point) => ({ x: point.x, y: [point.cell.low, point.cell.high] }));
      if (bars.length > 0) {
        whiskers.push({
          type: "bar", label: "interval", data: bars, grouped: false, barThickness: 3, minBarLength: 0,
          backgroundColor: faint(colour, 0.45), order: 3, quiet: true,
          parsing: { xAxisKey: "x", yAxisKey: "y" },  // only so it takes [low, high]
        });
      }
      if (series.fit) {
        const [from, to] = [points[0].x, points[points.length - 1].x];
        const steps = Array.from({ length: 25 }, (_, i) => from * (to / from) ** (i / 24));
        fits.push({
          type: "line", label: "fit", quiet: true, order: 2, borderColor: faint(colour, 0.8), borderWidth: 1.5,
          borderDash: [1.5, 4], borderCapStyle: "round", pointRadius: 0, pointHitRadius: 0,
          data: steps.map((x) => ({ x, y: series.fit.a * x ** series.fit.b })),
        });
      }
    }
    const marks = (block.marks || []).flatMap((mark) => [
      {
        type: "line", label: "crossing", quiet: true, order: 0, borderColor: css("--ink"), borderWidth: 2,
        pointRadius: 0, pointHitRadius: 0, data: [{ x: mark.low, y: mark.value }, { x: mark.high, y: mark.value }],
      },
      {
        type: "line", label: mark.text, mark, order: 0, showLine: false, data: [{ x: mark.services, y: mark.value, mark }],
        pointStyle: "circle", pointRadius: 7, pointHoverRadius: 9, pointHitRadius: 10, borderColor: css("--ink"),
        backgroundColor: "transparent", pointBorderWidth: 2, borderWidth: 2,
      },
    ]);
    return [...marks, ...sets, ...fits, ...whiskers];
  };

  // Bars lie: their names stand to the left of them.
  const lies = (block) => block.chart === "stack" || block.chart === "bars";
  const bar = (slot) => ({
    backgroundColor: css(`--part-${slot}`), borderColor: css("--paper"), borderWidth: { right: 1 },
    borderSkipped: false, barPercentage: 0.72, categoryPercentage: 0.9,
  });
  // Which of the four shades the i-th of so many sets has: the strongest is always used.
  const shade = (count, i) => 4 - count + i + 1;

  const stack_sets = (block) => block.parts.map((part, i) => ({
    label: part.name, part, data: part.values.map((value) => Math.max(value, 0)), stack: "parts", ...bar(i + 1),
  }));

  const bar_sets = (page, block) => block.sets.map((one, i) => {
    const cells = one.cells.map((index) => (index === null ? null : page.cells[index]));
    return { label: one.name, cells, data: cells.map((cell) => (cell ? cell.value : 0)), ...bar(shade(block.sets.length, i)) };
  });

  // The intervals of bars.
  const whiskers = {
    id: "whiskers",
    afterDatasetsDraw(chart) {
      const { ctx, scales } = chart;
      ctx.save();
      ctx.strokeStyle = css("--ink");
      ctx.lineWidth = 1.5;
      chart.data.datasets.forEach((set, i) => {
        chart.getDatasetMeta(i).data.forEach((element, at) => {
          const cell = set.cells ? set.cells[at] : null;
          if (cell && cell.low !== null) {
            ctx.beginPath();
            ctx.moveTo(scales.x.getPixelForValue(cell.low), element.y);
            ctx.lineTo(scales.x.getPixelForValue(cell.high), element.y);
            ctx.stroke();
          }
        });
      });
      ctx.restore();
    },
  };

  // ---- axes ----

  const grid = () => ({ color: css("--hairline"), drawBorder: false, drawTicks: false, offset: false });
  const border = { display: false };  // Chart.js 4 asks for it here
  const text = () => ({ color: css("--muted"), font: { size: 12, family: css("--sans") }, padding: 6 });
  const title = (words) => ({
    display: true, text: words, color: css("--muted"), font: { size: 12, family: css("--sans"), weight: "500" },
  });

  const range = (sets, of) => {
    const all = sets.flatMap((set) => set.data.flatMap((point) => of(point))).filter((v) => v > 0);
    return [Math.min(...all), Math.max(...all)];
  };

  // Steps of 1, 2, 5 while they are few, else decades.
  const log_ticks = (low, high) => {
    const steps = Math.log10(high / low) < 2.3 ? [1, 2, 5] : [1];
    const ticks = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); ++power) {
      ticks.push(...steps.map((step) => step * 10 ** power));
    }
    return ticks.filter((value) => value >= low && value <= high);
  };

  const y_axis = (block, sets, log) => {
    const [low, high] = range(sets.filter((set) => !set.mark), (point) => point.y);
    const axis = {
      type: log ? "logarithmic" : "linear", grid: grid(), border, title: title(block.y.title),
      ticks: { ...text(), callback: (value) => format.tick(value, block.y.unit), maxTicksLimit: 8 },
    };
    if (log) {
      Object.assign(axis, { min: low / 1.25, max: high * 1.25 });
      axis.afterBuildTicks = (scale) => {
        scale.ticks = log_ticks(scale.min, scale.max).map((value) => ({ value }));
      };
    } else {
      Object.assign(axis, { min: 0, max: high * 1.04 });
      axis.afterBuildTicks = (scale) => {
        scale.ticks = scale.ticks.filter(({ value }) => value <= high * 1.02);
      };
    }
    return axis;
  };

  const services_axis = (block, sets, log) => {
    const [low, high] = range(sets, (point) => point.x);
    const sizes = [...new Set(sets.filter((set) => set.named).flatMap((set) => set.data.map((p) => p.x)))];
    sizes.sort((a, b) => a - b);
    return {
      type: log ? "logarithmic" : "linear", grid: grid(), border, offset: false, title: title(block.x.title),
      min: log ? low / 1.12 : 0, max: log ? high * 1.04 : high * 1.02,
      ticks: { ...text(), autoSkip: false, maxRotation: 0, callback: (value) => format.count(value) },
      afterBuildTicks: (scale) => {
        const share = (x) => (log ? Math.log(x / scale.min) / Math.log(scale.max / scale.min) : x / scale.max);
        const room = 46 / Math.max(scale.chart.width - 160, 150);
        let last = Infinity;  // from the right, as the largest is the one that counts
        scale.ticks = sizes.slice().reverse().filter((x) => {
          const keeps = last - share(x) >= room;
          last = keeps ? share(x) : last;
          return keeps;
        }).reverse().map((value) => ({ value }));
      },
    };
  };

  const percentile_axis = (block) => ({
    type: "logarithmic", min: 2, max: 10000, grid: grid(), border, title: title(block.x.title),
    ticks: { ...text(), autoSkip: false, maxRotation: 0, callback: (value) => `p${percent(value)}` },
    afterBuildTicks: (scale) => { scale.ticks = [2, 10, 100, 1000, 10000].map((value) => ({ value })); },
  });
  // 1 / (1 - p) as it is read: 10000 is "99.99".
  const percent = (x) => String(Number((100 * (1 - 1 / x)).toFixed(x > 500 ? 2 : 1)));

  // ---- what hovering tells ----

  const told_of = (page, block, chart, item) => {
    const set = chart.data.datasets[item.datasetIndex];
    if (block.chart === "stack") {
      const total = page.cells[block.totals[item.index]];
      return {
        head: `${block.categories[item.index]}: ${set.label}`,
        value: set.part.values[item.index] === null ? "none" : format.value(set.part.values[item.index], block.y.unit, 4),
        lines: [`of ${format.value(total.value, block.y.unit, 4)} ${format.interval(total, 4)}`,
          `${format.count(total.samples)} samples of the whole`],
        cell: total,
      };
    }
    if (block.chart === "bars") {
      const cell = set.cells[item.index];
      const head = `${block.categories[item.index]}: ${set.label}`;
      return cell ? {
        head, value: format.value(cell.value, cell.unit, 4),
        lines: [cell.low === null ? "too few rounds for an interval" : `95 % interval ${format.interval(cell, 4)}`,
          `${format.count(cell.samples)} samples`],
        cell,
      } : { head, value: "not measured", lines: [] };
    }
    const point = set.data[item.index];
    if (point.mark) {
      return { head: "Crossing point", value: point.mark.text, lines: [point.mark.more] };
    }
    const cell = point.cell;
    if (cell) {
      return {
        head: `${set.label}, ${format.count(cell.services)} services`, value: format.value(cell.value, cell.unit, 4),
        lines: [cell.low === null ? "too few rounds for an interval" : `95 % interval ${format.interval(cell, 4)}`,
          `${format.count(cell.samples)} samples`,
          cell.unit === "ns" ? `exactly ${cell.value.toLocaleString("en", { maximumFractionDigits: 1 })} ns` : ""],
        cell,
      };
    }
    if (block.chart === "percentiles") {
      return {
        head: `${set.label}, p${percent(point.x)}`, value: format.value(point.y, block.y.unit, 4),
        lines: [`${format.count(Math.round(point.above))} of ${format.count(set.series.packets)} packets took longer`,
          ...(point.x === 2 && set.series.p50 ? [`median of ${set.series.p50.samples} volleys ${
            format.value(set.series.p50.value, block.y.unit)} ${format.interval(set.series.p50)}`] : [])],
      };
    }
    return { head: `${set.label}, ${format.count(point.x)} services`, value: format.value(point.y, block.y.unit, 4),
      lines: [set.series.about || ""] };
  };

  // The nearest measured point, if the hand is near one: not a point of a fit or of a whisker.
  const reach = 48;  // px
  Chart.Interaction.modes.measured = (chart, event) => {
    const at = { x: event.x, y: event.y };
    let best = null;
    chart.data.datasets.forEach((set, datasetIndex) => {
      if (set.quiet) {
        return;
      }
      chart.getDatasetMeta(datasetIndex).data.forEach((element, index) => {
        const far = Math.hypot(element.x - at.x, element.y - at.y);
        if (far <= reach && (!best || far < best.far)) {
          best = { far, item: { element, datasetIndex, index } };
        }
      });
    });
    return best ? [best.item] : [];
  };

  const tip = () => document.getElementById("tip");
  const add = (parent, tag, name, words) => {
    const node = document.createElement(tag);
    node.className = name;
    node.textContent = words;
    parent.append(node);
  };

  const show_tip = (told, colour, x, y) => {
    const box = tip();
    box.replaceChildren();
    add(box, "div", "tip-head", told.head);
    add(box, "div", "tip-value", told.value);
    told.lines.filter(Boolean).forEach((line) => add(box, "div", "tip-line", line));
    box.style.borderColor = colour;
    box.hidden = false;
    const room = document.documentElement.clientWidth - box.offsetWidth - 8;
    const left = x + 16 > room ? x - box.offsetWidth - 16 : x + 16;
    box.style.left = `${Math.max(8, Math.min(left, room)) + window.scrollX}px`;
    box.style.top = `${Math.max(8, y - box.offsetHeight - 10) + window.scrollY}px`;
  };
  const hide_tip = () => { tip().hidden = true; };

  const tooltip_of = (page, block) => ({
    enabled: false,
    external: ({ chart, tooltip }) => {
      const found = (tooltip.dataPoints || [])[0];
      if (tooltip.opacity === 0 || !found) {
        hide_tip();
        return;
      }
      const item = { datasetIndex: found.datasetIndex, index: found.dataIndex };
      const box = chart.canvas.getBoundingClientRect();
      const set = chart.data.datasets[item.datasetIndex];
      show_tip(told_of(page, block, chart, item), set.paint || set.backgroundColor, box.left + tooltip.caretX,
        box.top + tooltip.caretY);
    },
  });

  // ---- keys ----

  // Arrows walk: along a line, and from line to line. A reader hears what a hovering hand sees.
  const reach_by_keys = (page, block, holder, canvas, jump) => {
    let at = null;
    const walkable = () => holder.chart.data.datasets
      .map((set, i) => ({ set, i })).filter(({ set }) => !set.quiet && set.data.length > 0);
    const select = (chart, lines) => {
      const item = { datasetIndex: lines[at.line].i, index: at.point };
      const element = chart.getDatasetMeta(item.datasetIndex).data[item.index];
      chart.setActiveElements([item]);
      chart.tooltip.setActiveElements([item], { x: element.x, y: element.y });
      chart.update("none");
      const told = told_of(page, block, chart, item);
      document.getElementById("spoken").textContent = [told.head, told.value, ...told.lines].filter(Boolean).join(", ");
      return told;
    };
    const leave = () => {
      at = null;
      holder.chart.setActiveElements([]);
      holder.chart.tooltip.setActiveElements([], { x: 0, y: 0 });
      holder.chart.update("none");
      hide_tip();
    };
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowDown: [0, 1], ArrowUp: [0, -1] }[event.key];
      const chart = holder.chart;
      const lines = walkable();
      if (event.key === "Escape") {
        leave();
      } else if (event.key === "Enter" && at) {
        const told = select(chart, lines);
        if (told.cell) {
          leave();
          jump(told.cell);
        }
      } else if (step) {
        event.preventDefault();
        if (at) {
          at.line = (at.line + step[1] + lines.length) % lines.length;
        } else {
          at = { line: lines.findIndex(({ set }) => !set.mark), point: step[0] < 0 ? Infinity : -step[0] };
        }
        const last = lines[at.line].set.data.length - 1;
        at.point = Math.max(0, Math.min(last, at.point + step[0]));
        select(chart, lines);
      }
    });
    canvas.addEventListener("blur", leave);
  };

  // ---- the whole ----

  const options_of = (page, block, sets, look, wide) => {
    const lying = lies(block);
    const shared = {
      animation: false, responsive: true, maintainAspectRatio: false, ...(lying ? {} : { parsing: false }),
      devicePixelRatio: look.print ? 3 : Math.max(2, window.devicePixelRatio || 1),
      interaction: { mode: lying ? "point" : "measured", intersect: lying },
      layout: { padding: { right: wide && !lying ? width_of_names(sets) + 24 : 12, top: 8 } },
      plugins: { legend: { display: false }, tooltip: tooltip_of(page, block), names: { on: wide && !lying } },
    };
    if (lying) {
      const stacked = block.chart === "stack";
      const highest = Math.max(0, ...sets.flatMap((set) => (set.cells || []).map((cell) => (cell ? cell.high || 0 : 0))));
      return {
        ...shared, indexAxis: "y",
        scales: {
          x: { stacked, min: 0, suggestedMax: highest, grid: grid(), border, title: title(block.y.title),
            ticks: { ...text(), maxRotation: 0, maxTicksLimit: 8, callback: (value) => format.tick(value, block.y.unit) } },
          y: { stacked, grid: { display: false, drawBorder: false }, border, ticks: { ...text(), color: css("--ink") } },
        },
      };
    }
    return {
      ...shared,
      scales: {
        x: block.chart === "percentiles" ? percentile_axis(block) : services_axis(block, sets, look.log),
        y: y_axis(block, sets, look.log),
      },
    };
  };

  const draw = (page, block, holder, look) => {
    if (holder.chart) {
      holder.chart.destroy();
    }
    const sets = block.chart === "stack" ? stack_sets(block) : block.chart === "bars" ? bar_sets(page, block)
      : line_sets(page, block);
    const wide = holder.box.clientWidth >= narrow;
    holder.wide = wide;
    holder.legend.hidden = (wide && !lies(block)) || (block.sets || []).length === 1;
    holder.chart = new Chart(holder.canvas, {
      type: lies(block) ? "bar" : "line",
      data: lies(block) ? { labels: block.categories, datasets: sets } : { datasets: sets },
      options: options_of(page, block, sets, look, wide),
      plugins: [names, whiskers],
    });
  };

  return { draw, lies, shade, reach_by_keys, paint, points_of, percent, plane_of, narrow, css };
})();

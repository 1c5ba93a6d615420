// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// How figures are written: about three digits that mean something, always with their unit.
"use strict";

const svcbench = {};

svcbench.format = (() => {
  const thousands = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

  const digits = (value, significant) => {
    const size = Math.abs(value);
    if (size === 0 || !Number.isFinite(size)) {
      return String(value);
    }
    const decimals = Math.max(0, significant - 1 - Math.floor(Math.log10(size)));
    return new Intl.NumberFormat("en", {
      minimumFractionDigits: Math.min(decimals, 3),
      maximumFractionDigits: Math.min(decimals, 6),
    }).format(value);
  };

  // The scale of a unit that suits a value of this size: what to divide by, and its name.
  const scale = (unit, size) => {
    const steps = {
      ns: [[1e9, "s"], [1e6, "ms"], [1e3, "µs"], [1, "ns"]],
      bytes: [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"], [1, "bytes"]],
      instructions: [[1e6, "M instr."], [1e3, "k instr."], [1, "instr."]],
      "packets/s": [[1e6, "M packets/s"], [1e3, "k packets/s"], [1, "packets/s"]],
    }[unit];
    if (!steps) {
      return [1, unit === "exponent" || unit === "entries" ? "" : unit];
    }
    return steps.find(([least]) => Math.abs(size) >= least * 0.9995) || steps[steps.length - 1];
  };

  const whole = (unit) => unit === "entries" || unit === "packets";

  const number = (value, unit, by, significant) =>
    whole(unit) ? thousands.format(value)
      : unit === "exponent" ? value.toFixed(significant > 3 ? 3 : 2).replace(/^-(0\.0+)$/, "$1") : digits(value / by, significant);

  // "17.7 µs"
  const value = (v, unit, significant = 3) => {
    const [by, name] = scale(unit, v);
    return `${number(v, unit, by, significant)}${name ? " " + name : ""}`;
  };

  // "[17.3, 18.4]", in the scale of the value that it is of; "" where there is none.
  const interval = (cell, significant = 3) => {
    if (cell.low === null) {
      return "";
    }
    const [by] = scale(cell.unit, cell.value);
    return `[${number(cell.low, cell.unit, by, significant)}, ${number(cell.high, cell.unit, by, significant)}]`;
  };

  // The tick of an axis: "1 µs", "20 ms".
  const tick = (v, unit) => {
    const [by, name] = scale(unit, v);
    return `${Number((v / by).toPrecision(3)).toLocaleString("en")}${name ? " " + name : ""}`;
  };

  const count = (n) => n.toLocaleString("en");

  return { value, interval, tick, count };
})();

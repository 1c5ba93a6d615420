// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "report/table42.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "plane/registry.h"
#include "report/tables.h"
#include "run/relative.h"
#include "service/text.h"

namespace svcbench {

namespace {

// "0.45"; never "-0.00".
std::string exponent(double value) {
  const std::string text = fmt::format("{:.2f}", value);
  return text == "-0.00" ? "0.00" : text;
}

Entry trend_entry(const Cell* growth) {
  if (growth == nullptr) {
    return {};
  }
  const std::string interval = growth->interval ? fmt::format(" [{}, {}]", exponent(growth->interval->low),
                                                              exponent(growth->interval->high))
                                                : " [too few rounds]";
  return {.id = growth->id,
          .text = std::string(trend_of(*growth)),
          .beside = fmt::format("N^{}{}", exponent(growth->value), interval)};
}

// Without its folders, which are nobody's business.
std::string file_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

Entry scaled_entry(const Cell& cell) {
  return figure_entry(stats::Estimate{cell.value, cell.interval, cell.samples}, cell.unit);
}

// ---- scaled columns ----

// What another run gave: planes that this kernel lacks.
class ScaledFigures {
 public:
  explicit ScaledFigures(const RunView& run) : run_(&run), source_(run.details().at("scaled_from")) {}

  [[nodiscard]] bool is_empty() const { return source_.is_null(); }
  [[nodiscard]] std::vector<std::string> planes() const { return source_.at("planes").texts(); }
  [[nodiscard]] std::string file() const { return file_name(source_.at("file").text_if_any()); }
  // "6.12.57, tcg".
  [[nodiscard]] std::string source() const {
    const std::string emulated = source_.at("emulated").text_if_any();
    return fmt::format("{}{}{}", source_.at("kernel").text_if_any(), emulated.empty() ? "" : ", ",
                       emulated);
  }
  [[nodiscard]] Entry path(const std::string& plane, std::size_t services, std::string_view flow,
                           std::string_view position) const {
    return entry([&](const Cell& cell) {
      return cell.plane == plane && cell.services == services && is_path(cell, "path", flow, position);
    });
  }
  [[nodiscard]] Entry change(const std::string& plane, std::size_t services) const {
    return entry([&](const Cell& cell) {
      return cell.plane == plane && cell.services == services && is_change(cell, "update");
    });
  }
  [[nodiscard]] Entry entries(const std::string& plane, std::size_t services) const {
    return count(plane, services, "conntrack");
  }
  [[nodiscard]] Entry user_memory(const std::string& plane, std::size_t services) const {
    return count(plane, services, "user-memory");
  }
  // Of the reference run itself.
  [[nodiscard]] Entry path_trend(const std::string& plane) const {
    return trend([&](const Cell& cell) {
      return cell.plane == plane && is_path(cell, "growth", "new flow", "last");
    });
  }
  [[nodiscard]] Entry change_trend(const std::string& plane) const {
    return trend([&](const Cell& cell) { return cell.plane == plane && is_change(cell, "growth"); });
  }

 private:
  using Is = std::function<bool(const Cell&)>;

  static bool is_change(const Cell& cell, std::string_view scenario) {
    return cell.scenario == scenario && cell.coordinate("operation") == "change endpoints";
  }
  [[nodiscard]] bool is_path(const Cell& cell, std::string_view scenario, std::string_view flow,
                             std::string_view position) const {
    return cell.scenario == scenario && cell.coordinate("flow") == flow &&
           cell.coordinate("position") == position && cell.coordinate("protocol") == run_->protocol();
  }
  [[nodiscard]] const Cell* first(const Is& is) const {
    for (const Cell& cell : run_->file().unmeasured) {
      if (cell.origin == Origin::scaled && is(cell)) {
        return &cell;
      }
    }
    return nullptr;
  }
  [[nodiscard]] Entry entry(const Is& is) const {
    const Cell* cell = first(is);
    return cell == nullptr ? Entry{} : scaled_entry(*cell);
  }
  [[nodiscard]] Entry count(const std::string& plane, std::size_t services, const char* kept) const {
    const Cell* cell = first([&](const Cell& one) {
      return one.scenario == "state" && one.plane == plane && one.services == services &&
             one.coordinate("kept") == kept;
    });
    return cell == nullptr ? Entry{} : number_entry(cell->value, cell->unit);
  }
  [[nodiscard]] Entry trend(const Is& is) const {
    const Cell* cell = first(is);
    return cell == nullptr
               ? Entry{}
               : Entry{.text = std::string(trend_of(*cell)), .beside = "N^" + exponent(cell->value)};
  }

  const RunView* run_;
  Field source_;
};

// ---- what planes were seen to do before they were timed ----

// Of a comparison: "looked_at", "planes", "failed", "not_done"; null where there was no such look.
Field quick_look(const RunView& run) { return run.details().at("behaviours"); }

std::vector<std::string> failing_planes(const RunView& run) {
  std::vector<std::string> planes;
  for (const Field& one : quick_look(run).at("failed").elements()) {
    add_unique(planes, one.at("plane").text());
  }
  return planes;
}

std::string failed_behaviours(const RunView& run, const std::string& plane) {
  std::string out;
  for (const Field& one : quick_look(run).at("failed").elements()) {
    if (one.at("plane").text() == plane) {
      out += (out.empty() ? "" : ", ") + one.at("behaviour").text();
    }
  }
  return out;
}

std::string mark_of(const RunView& run, const std::string& plane) {
  const auto planes = failing_planes(run);
  const auto found = std::find(planes.begin(), planes.end(), plane);
  return found == planes.end() ? "" : fmt::format(" [{}]", found - planes.begin() + 1);
}

std::string looked_at_line(const RunView& run) {
  std::string tried;
  for (const Field& one : quick_look(run).at("looked_at").elements()) {
    tried += (tried.empty() ? "" : ", ") + one.text();
  }
  const std::string not_done = quick_look(run).at("not_done").text_if_any();
  if (!not_done.empty()) {
    return "What the planes do was not looked at: " + not_done;
  }
  if (tried.empty()) {
    return "";
  }
  return fmt::format("Before they were timed, the planes were tried with real sockets: {}{}.", tried,
                     quick_look(run).at("failed").elements().empty() ? "; no plane fails one" : "");
}

// ---- the table ----

class Table42 {
 public:
  explicit Table42(const RunView& run)
      : run_(run), scaled_figures_(run), planes_(run.planes({"path", "update", "sync"})) {
    const auto sizes = run.sizes({"path", "update", "sync"});
    services_ = sizes.empty() ? 0 : sizes.back();
    scaled_planes_ = scaled_figures_.planes();
    if (scaled_planes_.empty()) {
      return;  // the run's order
    }
    planes_.insert(planes_.end(), scaled_planes_.begin(), scaled_planes_.end());
    // Rows of one array: the registry's order, whoever measured them. A name that it does not know is last.
    std::stable_sort(planes_.begin(), planes_.end(), [](const std::string& a, const std::string& b) {
      const auto place = [](const std::string& plane) {
        const PlaneRow* row = find_plane(plane);
        return row == nullptr ? planes().size() : static_cast<std::size_t>(row - planes().data());
      };
      return place(a) < place(b);
    });
  }

  [[nodiscard]] bool is_comparison() const { return planes_.size() > 1 && services_ > 0; }

  Section section() {
    section_.id = "table-4-2";
    section_.title = fmt::format("Table 4.2, measured at {} services", grouped(services_));
    section_.caption =
        "Medians with 95 % intervals; packets from wire to wire through a node's veth devices. x plain: "
        "times "
        "plain forwarding of such packets in the same rounds.";
    section_.columns = {{.title = "", .left = true}};
    for (const std::string& plane : planes_) {
      const std::string failed = failed_behaviours(run_, plane);
      section_.columns.push_back({.title = plane,
                                  .left = true,
                                  .plane = true,
                                  .mark = is_scaled(plane) ? " (scaled)" : mark_of(run_, plane),
                                  .note = is_scaled(plane) ? "scaled from " + scaled_figures_.source()
                                          : failed.empty() ? ""
                                                           : "fails: " + failed});
    }
    add_rows();
    add_after();
    return std::move(section_);
  }

 private:
  using Make = std::function<Entry(const std::string& plane)>;

  void group(std::string name, std::string book) {
    group_ = Row{.group = std::move(name), .book = "the book: " + std::move(book)};
  }

  // Left out where no plane has anything.
  void row(std::string title, std::string brief, const Make& own, const Make& scaled) {
    Row row{.entries = {Entry::words(std::move(title))}, .brief = std::move(brief)};
    bool any = false;
    for (const std::string& plane : planes_) {
      Entry entry = is_scaled(plane) ? scaled(plane) : own(plane);
      if (is_scaled(plane) && !entry.is_empty()) {
        entry.to = "scaled";
      }
      any = any || !entry.is_empty();
      row.entries.push_back(std::move(entry));
    }
    if (any) {
      if (group_) {
        section_.rows.push_back(*std::exchange(group_, std::nullopt));
      }
      section_.rows.push_back(std::move(row));
    }
  }

  void add_rows() {
    const Make none = [](const std::string&) { return Entry{}; };
    const auto path = [this](std::string_view flow, std::string_view position) -> Make {
      return [this, flow, position](const std::string& plane) {
        return Entry::of(run_.find(
            cell_id("path", plane, services_, fmt::format("{}/{}/{}", flow, position, run_.protocol()))));
      };
    };
    const auto scaled_path = [this](std::string_view flow, std::string_view position) -> Make {
      return [this, flow, position](const std::string& plane) {
        return scaled_figures_.path(plane, services_, flow, position);
      };
    };
    const auto state = [this](std::string_view what) -> Make {
      return [this, what](const std::string& plane) {
        return Entry::of(run_.find(cell_id("state", plane, services_, what)));
      };
    };
    group("Data-path lookup", "iptables linear scan, O(n); IPVS hash, O(1); eBPF hash map, O(1)");
    row(
        "grows with N", "grows|with N",
        [this](const std::string& plane) {
          return trend_entry(
              run_.find(growth_id(plane, fmt::format("new flow, last {}", run_.protocol()))));
        },
        [this](const std::string& plane) { return scaled_figures_.path_trend(plane); });
    group("Lookup latency", "iptables grows with Services; IPVS constant; eBPF about 2-5 us");
    const auto times_plain = [this](std::string_view flow, std::string_view position) -> Make {
      return [this, flow, position](const std::string& plane) {
        return times_known_work(
            run_, run_.find(cell_id("path", plane, services_,
                                    fmt::format("{}/{}/{}", flow, position, run_.protocol()))));
      };
    };
    row("first packet, last Service, x plain", "first packet,|x plain", times_plain("new", "last"), none);
    row("first packet, last Service", "first packet,|last service", path("new", "last"),
        scaled_path("new flow", "last"));
    row("first packet, random Service, x plain", "", times_plain("new", "random"), none);
    row("first packet, random Service", "", path("new", "random"), scaled_path("new flow", "random"));
    row("later packets, random Service, x plain", "later packets,|x plain",
        times_plain("established", "random"), none);
    row("later packets, random Service", "later|packets", path("established", "random"),
        scaled_path("established flow", "random"));
    group("Sync on change", "iptables full-table reload; IPVS incremental; eBPF map update, flat");
    row(
        "endpoints of one Service", "endpoint|change",
        [this](const std::string& plane) { return change(plane, 0); },
        [this](const std::string& plane) { return scaled_figures_.change(plane, services_); });
    row(
        "x known work of its kind", "",
        [this](const std::string& plane) {
          const Cell* cell = run_.find(change(plane, 0).id);
          Entry out = times_known_work(run_, cell);
          if (!out.is_empty()) {
            out.note = "of " + control_name(*relative_of(run_.file(), *cell)->control);
          }
          return out;
        },
        none);
    row(
        "grows with N", "grows|with N", [this](const std::string& plane) { return change_trend(plane); },
        [this](const std::string& plane) { return scaled_figures_.change_trend(plane); });
    row(
        "the same, by the whole table", "", [this](const std::string& plane) { return change(plane, 1); },
        none);
    row(
        "all N from nothing", "",
        [this](const std::string& plane) {
          return Entry::of(run_.find(cell_id("sync", plane, services_, "")));
        },
        none);
    group("Connection tracking", "iptables yes; IPVS yes; eBPF reducible, supports DSR");
    row("entries for 1,000 new flows", "flows|tracked", state("conntrack"),
        [this](const std::string& plane) { return scaled_figures_.entries(plane, services_); });
    row("own flows per 1,000 new flows", "", state("flow-table"), none);
    group("Kernel requirement", "iptables universal; IPVS a module; eBPF a recent kernel");
    const Make needs = [](const std::string& plane) {
      const PlaneRow* row = find_plane(plane);
      return row == nullptr ? Entry{} : Entry::words(std::string(row->requires_kernel));
    };
    row("needs", "", needs, needs);
    group("Memory", "does not say");
    row("in the kernel", "kernel|memory", state("kernel-memory"), none);
    row("in user space, peak", "", state("user-memory"),
        [this](const std::string& plane) { return scaled_figures_.user_memory(plane, services_); });
  }

  void add_after() {
    section_.after = failed_lines(run_);
    if (const std::string note = established_note(run_); !note.empty()) {
      section_.after.push_back(note);
    }
    if (const std::string looked = looked_at_line(run_); !looked.empty()) {
      section_.after.push_back(looked);
    }
  }

  [[nodiscard]] bool is_scaled(const std::string& plane) const {
    return std::find(scaled_planes_.begin(), scaled_planes_.end(), plane) != scaled_planes_.end();
  }
  [[nodiscard]] std::optional<std::string> way(const std::string& plane, std::size_t which) const {
    const auto ways = run_.ways(plane);
    return which < ways.size() ? std::optional(ways[which]) : std::nullopt;
  }
  [[nodiscard]] Entry change(const std::string& plane, std::size_t which) const {
    const auto chosen = way(plane, which);
    if (!chosen) {
      return {};
    }
    Entry out = Entry::of(
        run_.find(cell_id("update", plane, services_, chosen->empty() ? "change" : "change/" + *chosen)));
    if (!out.is_empty()) {
      out.note = *chosen;
    }
    return out;
  }
  [[nodiscard]] Entry change_trend(const std::string& plane) const {
    const auto chosen = way(plane, 0);
    if (!chosen) {
      return {};
    }
    return trend_entry(
        run_.find(growth_id(plane, chosen->empty() ? std::string("change endpoints")
                                                   : fmt::format("change endpoints ({})", *chosen))));
  }

  const RunView& run_;
  ScaledFigures scaled_figures_;
  std::vector<std::string> planes_;
  std::vector<std::string> scaled_planes_{};
  std::size_t services_ = 0;
  std::optional<Row> group_{};
  Section section_{};
};

}  // namespace

std::optional<Section> table42(const RunView& run) {
  Table42 table(run);
  return table.is_comparison() ? std::optional(table.section()) : std::nullopt;
}

std::vector<std::string> failed_lines(const RunView& run) {
  const auto planes = failing_planes(run);
  std::vector<std::string> lines;
  for (const Field& one : quick_look(run).at("failed").elements()) {
    const std::string plane = one.at("plane").text();
    lines.push_back(fmt::format("[{}] {} does less than the others: it fails \"{}\" ({}): {}",
                                std::find(planes.begin(), planes.end(), plane) - planes.begin() + 1, plane,
                                one.at("behaviour").text(), one.at("variants").text_if_any(),
                                one.at("evidence").text_if_any()));
  }
  return lines;
}

std::optional<Section> scaled_figures(const RunView& run) {
  const ScaledFigures scaled(run);
  if (scaled.is_empty()) {
    return std::nullopt;
  }
  Section out{.id = "scaled",
              .title = "Figures scaled from another run",
              .caption = fmt::format(
                  "From {} (kernel {}): the ratio to a plane that both runs measured, there, times what "
                  "that plane costs here. Not measured on this machine.",
                  scaled.file(), scaled.source()),
              .folded = true};
  out.columns = {{"plane", true}, {"services"}, {"what", true}, {"estimate"}, {"by way of", true}};
  for (const Cell& cell : run.file().unmeasured) {
    std::string by_way_of;
    for (const SharedPlane& shared : cell.by_way_of) {
      by_way_of +=
          fmt::format("{}{:.2f} x {}", by_way_of.empty() ? "" : "; ", shared.ratio.value, shared.plane);
    }
    if (!by_way_of.empty()) {
      out.add({Entry::words(cell.plane), Entry::words(grouped(cell.services)), Entry::words(cell.what),
               scaled_entry(cell), Entry::words(by_way_of)});
    }
  }
  return out;
}

}  // namespace svcbench
